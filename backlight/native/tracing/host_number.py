"""Numbers that the host is asked for at each call: a learning rate, a bias correction.

Formulas compute with such a number as with a Python float, before it meets a tensor: the same
operations in the same precision, done by Python at each call.

Numbers of one source (the settings of an optimizer) are asked for together. A steady number is the
same as long as one object that the source names is the same; it need not be asked for again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol

from backlight.engine.tracing import refusal

_OPERATIONS = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "pow": operator.pow,
}


Values = dict[str, float]


class Source(Protocol):
    """Where numbers come from that are asked for together."""

    def now(self) -> Values:
        """The numbers for this call."""

    def later(self, calls: int) -> Values:
        """The numbers for the call that comes so many calls after this one."""

    def stamp(self) -> Any:
        """The float or int of which steady numbers are functions."""

    def holds(self, leaves: Sequence[Any]) -> bool:
        """Whether the numbers that are not steady are still the same for all who share them."""


class HostNumber:
    """A Python number that is not known yet.

    Parameters
    ----------
    name : str
        For listings.
    ask : callable, optional
        Answers with the number, at each call.
    source : Source, optional
        Whom to ask instead.
    read : callable, optional
        Finds the number among those of the source.
    steady : bool
        Whether it is a function of the source's stamp alone.

    Examples
    --------
    >>> rate = HostNumber("lr", lambda: 0.5)
    >>> (1 - rate * 0.5).ask()
    0.75
    """

    __slots__ = ("_ask", "name", "read", "source", "steady")

    def __init__(
        self,
        name: str,
        ask: Callable[[], float] | None = None,
        source: Source | None = None,
        read: Callable[[Values], float] | None = None,
        steady: bool = False,
    ) -> None:
        self.name = name
        self._ask = ask
        self.source = source
        self.read = read
        self.steady = steady

    def ask(self) -> float:
        """The number for this call."""
        if self._ask is not None:
            return self._ask()
        return self.read(self.source.now())  # type: ignore[misc, union-attr]

    def then(self, name: str, act: Callable[[float], float]) -> HostNumber:
        """What `act` makes of this number."""
        read = self.read
        if self.source is None or read is None:
            return HostNumber(name, lambda: act(self.ask()))
        return HostNumber(name, None, self.source, lambda all: act(read(all)), self.steady)

    def __neg__(self) -> HostNumber:
        return self.then(f"-{self.name}", operator.neg)

    def __abs__(self) -> HostNumber:
        return self.then(f"|{self.name}|", abs)

    def _refuse(self, *_: Any) -> NoReturn:
        raise refusal(
            f"a decision on {self.name}, or its value as a plain number",
            "formulas that hold for any value: it is asked for at each call",
            "Compute with it by + - * / and **, or keep it out of the compiled function.",
        )


def _operation(word: str, turned: bool) -> Callable[[HostNumber, Any], Any]:
    act = _OPERATIONS[word]

    def operation(self: HostNumber, other: Any) -> Any:
        if isinstance(other, HostNumber):
            return _of_two(f"{word}({self.name}, …)", act, self, other)
        if type(other) not in (int, float, bool):
            return NotImplemented
        if turned:
            return self.then(f"{word}({other}, {self.name})", lambda x: act(other, x))
        return self.then(f"{word}({self.name}, {other})", lambda x: act(x, other))

    return operation


def _of_two(
    name: str, act: Callable[[float, float], float], x: HostNumber, y: HostNumber
) -> HostNumber:
    of_x, of_y = x.read, y.read
    if x.source is None or x.source is not y.source or of_x is None or of_y is None:
        return HostNumber(name, lambda: act(x.ask(), y.ask()))
    steady = x.steady and y.steady
    return HostNumber(name, None, x.source, lambda all: act(of_x(all), of_y(all)), steady)


for _word in _OPERATIONS:
    setattr(HostNumber, f"__{_word}__", _operation(_word, turned=False))
    setattr(HostNumber, f"__r{_word}__", _operation(_word, turned=True))
for _word in ("bool", "float", "int", "index", "lt", "le", "gt", "ge", "eq", "ne", "round"):
    setattr(HostNumber, f"__{_word}__", HostNumber._refuse)
HostNumber.__hash__ = object.__hash__  # type: ignore[method-assign]

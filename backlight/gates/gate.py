"""What a gate is: a declaration, checked when it is made, from which everything else follows.

A gate knows its immediate surroundings and nothing of the circuit. `forward` turns inputs into an
output; `backward` is handed the upstream gradient and answers with one gradient an input. Calling
a gate asks its arguments who executes: arrays are computed with NumPy; anything that has an
`apply_gate` (a Tensor) takes the gate, its inputs and its attributes and does as it sees fit. So
the gates need nothing from the engine, and a rule written with gates works on arrays, on tensors
that remember how they were made, and on whatever a compiler puts in their place.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

import numpy

from backlight import dtypes
from backlight.errors import BacklightError, GateError, nearest
from backlight.gates.refusal import MISTAKES, explained
from backlight.quiet import restore, silence
from backlight.shapes import Shape


class Role(Enum):
    """What a gate does to the gradient that comes from above, as an exact claim that is tested."""

    DISTRIBUTOR = "every input receives the upstream gradient unchanged, negated or summed"
    ROUTER = "each upstream number reaches one input number, unchanged"
    SWITCHER = "each input receives upstream times the other inputs, never its own value"
    SCALER = "each number receives upstream times a factor of its own place"
    SQUASH = "a scaler with bounded output, whose factor fades to 0 at both ends"
    MOVER = "upstream is rearranged, copied or dropped, never changed"
    MIXER = "each input number receives a mixture of the upstream numbers"
    WALL = "no gradient passes"
    SOURCE = "makes numbers from a counter; no gradient"


@dataclass(frozen=True)
class Sample:
    """Inputs worth testing: arrays (or None) for the wires, and the gate's attributes."""

    inputs: tuple[Any, ...]
    attributes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The shapes of the inputs and the attributes, for test names."""
        shapes = ", ".join("–" if x is None else str(numpy.shape(x)) for x in self.inputs)
        settings = ", ".join(f"{name}={value}" for name, value in self.attributes.items())
        return f"{shapes}; {settings}" if settings else shapes


TABLE: dict[str, Gate] = {}
"""Every declared gate by its name: the one list of gates."""

_SPELLINGS: dict[str, str] = {
    "dim": "axis",
    "dims": "axis",
    "keepdim": "keepdims",
    "num_classes": "classes",
}
"""Other words for an argument that every gate understands."""
_PLAIN = {numpy.ndarray, float, int, bool, type(None), *numpy.sctypeDict.values()}
"""Types that NumPy computes with as they are."""


class Gate:
    """Base of every gate. A subclass declares; making its one instance puts it into the table.

    A declaration says `role`, `formula`, `forward` and `backward`, and where they apply `domain`,
    `kinks`, `branch`, `parts`, `source` and `samples`. Positional parameters of `forward` after
    `np` are the wires; keyword-only ones are the constants written on the gate.

    Examples
    --------
    A gate of one's own is native to the framework: differentiated twice, checked, documented.

    >>> from backlight.gates.family import Elementwise
    >>> class Cube(Elementwise):
    ...     \"\"\"x³.\"\"\"
    ...     role = Role.SCALER
    ...     formula = "x**3"
    ...     def forward(self, np, x):
    ...         return x * x * x
    ...     def backward(self, upstream, x, output):
    ...         return upstream * 3 * x * x
    >>> cube = Cube()
    >>> float(cube(2.0)), TABLE.pop("cube") is cube
    (8.0, True)
    """

    role: ClassVar[Role]
    formula: ClassVar[str]
    domain: ClassVar[dict[str, str]] = {}
    """Where an input is allowed, as a comparison: {"x": "x > 0"}."""
    kinks: ClassVar[str] = ""
    """Where the function is not differentiable, and which subgradient is taken there."""
    result: ClassVar[str] = "same"
    """Type of the output: same (promoted inputs), float (the same as fractions), first (fractions
    of the first input's type), bool or index (int64)."""
    selectors: ClassVar[tuple[str, ...]] = ()
    """Wires that say where, not how much: indices and masks. No gradient, no say in the type."""
    source: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    symbol: ClassVar[str] = ""
    """What stands in its box of a drawn circuit, where that is not its name."""
    spellings: ClassVar[dict[str, str]] = {}
    """Other words for its arguments, beside `dim` and the others that every gate understands."""
    abstract: ClassVar[bool] = True
    placewise: ClassVar[bool] = False
    """Whether a place of the output sees only that place of each input, channels aside."""
    views: ClassVar[bool] = False
    """Whether the output may share memory with the first input."""

    name: str
    inputs: tuple[str, ...]
    optional: int
    variadic: bool
    defaults: dict[str, Any]

    def __init_subclass__(cls, abstract: bool = False, **rest: Any) -> None:
        """Remember whether the class is a family (abstract) or a gate."""
        super().__init_subclass__(**rest)
        cls.abstract = abstract

    def __init__(self) -> None:
        cls = type(self)
        self.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        self._read_signature()
        self._check_declaration()
        TABLE[self.name] = self
        for alias in self.aliases:
            TABLE[alias] = self
        self.__doc__ = cls.__doc__
        self.__name__ = self.name

    # ── what a declaration fills in ────────────────────────────────────────────────────────

    def forward(self, np: Any, *inputs: Any, **attributes: Any) -> Any:
        """The output, computed from the inputs with the functions of `np`."""
        raise self._missing("forward")

    def lower(self, np: Any, *inputs: Any, **attributes: Any) -> Any:
        """The same output for a compiler, whose `np` has arrays that are not computed yet.

        It is `forward` itself unless that looks at values: such a gate says here how to do without.
        """
        return self.forward(np, *inputs, **attributes)

    def backward(self, upstream: Any, *inputs_and_output: Any, **attributes: Any) -> Any:
        """One gradient an input (None where there is none), or a function that computes it."""
        raise self._missing("backward")

    def shape(self, *shapes: Any, **attributes: Any) -> Shape:
        """The shape of the output, from the shapes of the inputs; raises ShapeError."""
        raise self._missing("shape")

    def dtype(self, *given: Any, **attributes: Any) -> dtypes.DType:
        """The type of the output, from the types of the inputs (`float` and `int` are weak)."""
        if self.result == "bool":
            return dtypes.boolean
        if self.result == "index":
            return dtypes.int64
        if self.result == "first":
            given = given[:1]
        # A variadic gate's last name stands for all wires from there on.
        names = self.inputs + self.inputs[-1:] * max(0, len(given) - len(self.inputs))
        mixed = dtypes.promote(
            *[
                kind
                for name, kind in zip(names, given, strict=False)
                if kind is not None and name not in self.selectors
            ]
        )
        return dtypes.floating(mixed) if self.result in ("float", "first") else mixed

    def check(self, *inputs: Any, **attributes: Any) -> None:
        """Refuse values, not shapes, that the gate cannot take (labels out of range, …)."""

    def branch(self, np: Any, *inputs: Any, **attributes: Any) -> Any:
        """Which piece of a piecewise formula each number falls into; None if there is one.

        The gradient check compares the branches on both sides of a difference: a change means
        that a kink lies between them.
        """
        return None

    def multiply_adds(self, shapes: Any, output: Shape, **attributes: Any) -> int:
        """How many products are summed to make an output of this shape; 0 if it is no contraction.

        Parameters
        ----------
        shapes : sequence of tuple
            Shapes of the inputs, None where an optional one is missing.
        output : tuple of int
            Shape of the output.
        """
        return 0

    def samples(self) -> Iterable[Sample]:
        """Inputs that every derived test runs on: plain, broadcast, empty, at the edges."""
        raise self._missing("samples")

    # ── calling ────────────────────────────────────────────────────────────────────────────

    def __call__(self, *inputs: Any, **attributes: Any) -> Any:
        """Apply the gate; the arguments choose the executor."""
        if attributes or len(inputs) != len(self.inputs) or self.defaults or self.variadic:
            inputs, attributes = self.bind(inputs, attributes)
        highest: Any = None
        foreign = False
        for value in inputs:
            kind = type(value)
            if kind in _PLAIN or kind is type(highest):
                continue
            if not hasattr(kind, "apply_gate"):
                foreign = True
            elif highest is None or (
                getattr(kind, "executor_rank", 0) > getattr(highest, "executor_rank", 0)
            ):
                highest = value
        if highest is not None:
            return highest.apply_gate(self, inputs, attributes)
        if foreign:  # lists, and arrays of other libraries
            inputs = tuple(
                value
                if type(value) in _PLAIN
                else dtypes.as_array(value, subject=f"gate {self.name}")
                for value in inputs
            )
        return self.compute(inputs, attributes)

    def compute(self, inputs: Sequence[Any], attributes: dict[str, Any]) -> Any:
        """Apply the gate to arrays and numbers, with NumPy."""
        token = silence()
        try:
            return self.forward(numpy, *inputs, **attributes)
        except MISTAKES as problem:
            raise explained(self, inputs, attributes, problem) from (
                None if isinstance(problem, BacklightError) else problem
            )
        finally:
            restore(token)

    def bind(
        self, inputs: tuple[Any, ...], attributes: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort a call's arguments into wires and attributes, every attribute with its value.

        A variadic gate takes its wires one by one or as one list; attributes may follow the wires
        by position; `dim` and `keepdim` are accepted for `axis` and `keepdims`, and so are the
        gate's own `spellings`.

        Raises
        ------
        GateError
            If an argument is missing, unknown or given twice.
        """
        if self.variadic:
            if len(inputs) and isinstance(inputs[0], (list, tuple)):
                wires, extra = tuple(inputs[0]), inputs[1:]
            else:
                wires, extra = inputs, ()
        else:
            wires, extra = inputs[: len(self.inputs)], inputs[len(self.inputs) :]
        bound = dict(self.defaults)
        names = list(self.defaults)
        if len(extra) > len(names):
            raise self._misuse(f"{len(inputs)} positional arguments")
        given = dict(zip(names, extra, strict=False))
        named: dict[str, Any] = {}
        for name, value in attributes.items():
            spelled = name
            if name not in self.defaults:
                spelled = self.spellings.get(name) or _SPELLINGS.get(name, name)
            if spelled in self.inputs and not self.variadic:
                named[spelled] = value
            elif spelled not in bound or spelled in given:
                raise self._misuse(f"the argument {name!r}, unknown or given twice")
            else:
                given[spelled] = value
        if named:
            wires = self._name_wires(wires, named)
        if not self.variadic and len(wires) < len(self.inputs):
            if len(wires) < len(self.inputs) - self.optional:
                raise self._misuse("1 input" if len(wires) == 1 else f"{len(wires)} inputs")
            wires += (None,) * (len(self.inputs) - len(wires))
        bound.update(given)
        missing = [name for name, value in bound.items() if value is inspect.Parameter.empty]
        if missing:
            raise self._misuse(f"no {missing[0]}")
        return wires, {name: _constant(value) for name, value in bound.items()}

    def __repr__(self) -> str:
        """The gate by name and formula."""
        return f"<gate {self.name}: {self.formula}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Gates are found by name in the table: a pickle holds the name."""
        return _find, (self.name,)

    # ── the checks at birth ────────────────────────────────────────────────────────────────

    def _read_signature(self) -> None:
        parameters = list(inspect.signature(self.forward).parameters.values())[1:]
        kinds = inspect.Parameter
        wires = [
            p for p in parameters if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.VAR_POSITIONAL)
        ]
        self.variadic = any(p.kind is kinds.VAR_POSITIONAL for p in wires)
        self.inputs = tuple(p.name for p in wires)
        self.optional = sum(p.default is None for p in wires)
        self.defaults = {p.name: p.default for p in parameters if p.kind is kinds.KEYWORD_ONLY}

    def _check_declaration(self) -> None:
        cls = type(self)
        if cls.abstract:
            raise GateError(
                cls.__name__,
                got="an instance of a family",
                needs="a gate",
                remedy="Subclass it with a forward and a backward.",
            )
        for name in ("role", "formula"):
            if not getattr(cls, name, None):
                raise self._missing(name)
        if not (cls.__doc__ or "").strip() or cls.__doc__ is cls.__mro__[1].__doc__:
            raise self._missing("a docstring")
        if cls.forward is Gate.forward:
            raise self._missing("forward")
        taken = TABLE.get(self.name)
        here = (cls.__module__, cls.__qualname__)
        if taken is not None and (type(taken).__module__, type(taken).__qualname__) != here:
            raise GateError(
                f"gate {self.name}",
                got="a name that another gate has",
                needs="a name of its own",
                remedy="Rename the class.",
            )
        if self.role in (Role.WALL, Role.SOURCE):
            return
        if cls.backward is Gate.backward:
            raise self._missing("backward")
        rule = [
            p.name
            for p in inspect.signature(self.backward).parameters.values()
            if p.kind is not inspect.Parameter.KEYWORD_ONLY
        ]
        wires = ["upstream", *self.inputs, "output"]
        if not self.variadic and rule != wires:
            raise GateError(
                f"gate {self.name}",
                got=f"backward({', '.join(rule)})",
                needs=f"backward({', '.join(wires)})",
                remedy="Name upstream, then the inputs in their order, then output.",
            )

    def _missing(self, what: str) -> GateError:
        return GateError(
            f"gate {type(self).__name__}",
            got=f"a declaration without {what}",
            needs="role, formula, a docstring, forward and backward",
            remedy=f"Add {what} to the class.",
        )

    def _misuse(self, got: str) -> GateError:
        wires = ["*" + self.inputs[0]] if self.variadic else list(self.inputs)
        settings = [f"{name}=…" for name in self.defaults]
        return GateError(
            f"gate {self.name}",
            got=got,
            needs=f"{self.name}({', '.join(wires + settings)})",
            remedy="Call it with these arguments.",
        )

    def _name_wires(self, wires: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        filled = list(wires)
        for name in self.inputs[len(wires) :]:
            if name in named or len(filled) >= len(self.inputs) - self.optional:
                filled.append(named.pop(name, None))
        if named:
            raise self._misuse(f"the input {next(iter(named))!r} twice or without its neighbours")
        return tuple(filled)


def gates() -> Iterator[Gate]:
    """Every gate of the table once, in order of declaration."""
    seen = set()
    for gate in TABLE.values():
        if gate.name not in seen:
            seen.add(gate.name)
            yield gate


def find(name: str) -> Gate:
    """The gate of this name or alias.

    Raises
    ------
    GateError
        If there is none; the message suggests the nearest.
    """
    if name not in TABLE:
        raise GateError(
            "the gate table",
            got=f"the name {name!r}",
            needs="a declared gate",
            remedy=nearest(name, TABLE),
        )
    return TABLE[name]


_find = find


def _constant(value: Any) -> Any:
    """An attribute as a constant that can be compared and hashed."""
    if isinstance(value, list):
        return tuple(_constant(one) for one in value)
    if isinstance(value, numpy.integer):
        return int(value)
    return value

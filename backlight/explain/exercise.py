"""A backward pass written by hand, checked line by line, with the likely mistake named.

The learner writes lines such as

    q = x + y
    f = q * z
    dq = z * df
    dx = dq

in the language of formulas. A line `dNAME` is the gradient of NAME; `+=` adds to what earlier lines
found. The first wrong line is told, with what would explain its number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backlight.engine.mode import enable_grad
from backlight.engine.tensor import Tensor
from backlight.errors import BacklightError, ExpressionError
from backlight.explain.circuit.circuit import Array, Circuit
from backlight.explain.circuit.number import numbers
from backlight.explain.circuit.record import circuit as recorded
from backlight.explain.slip import likely_slip, partial, same, shares_of
from backlight.expression import Expression
from backlight.words import say

LINES = 200
_LINE = re.compile(r"^\s*(?P<name>[^\W\d]\w*)\s*(?P<sign>\+?=)(?!=)\s*(?P<text>.+?)\s*$")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an exercise.

    Attributes
    ----------
    number : int
        Its place in the file, from 1.
    text : str
        As it was written.
    name : str
        What it defines.
    adds : bool
        Whether it is written with +=.
    formula : str
        What stands behind the sign.
    """

    number: int
    text: str
    name: str
    adds: bool
    formula: str


@dataclass(frozen=True, slots=True)
class Marked:
    """What came of an exercise.

    Attributes
    ----------
    right : tuple of Line
        The lines that are right, up to the first that is not.
    wrong : Line or None
        The first wrong line.
    found, expected : array or None
        What it gives, and what the circuit has.
    mistake : str
        What would explain the difference, in the language asked for; "" if nothing known does.
    missing : tuple of str
        Inputs whose gradient has not been written.
    """

    right: tuple[Line, ...]
    wrong: Line | None = None
    found: Array | None = None
    expected: Array | None = None
    mistake: str = ""
    missing: tuple[str, ...] = ()


def read_lines(text: str) -> list[Line]:
    r"""The lines of an exercise; empty ones and those behind # are left out.

    Raises
    ------
    ExpressionError
        If a line is not `name = formula` or `name += formula`, or there are more than 200.

    Examples
    --------
    >>> [(line.name, line.adds) for line in read_lines("dx = 2*y\ndx += 1  # again")]
    [('dx', False), ('dx', True)]
    """
    found: list[Line] = []
    for number, written in enumerate(text.splitlines(), 1):
        bare = written.partition("#")[0].strip()
        if not bare:
            continue
        match = _LINE.match(bare)
        if match is None or len(found) >= LINES:
            raise ExpressionError(
                f"line {number} of the exercise",
                got=repr(bare[:60]) if match is None else f"more than {LINES} lines",
                needs="name = formula, or name += formula",
                remedy="Write for example dq = z * df.",
            )
        found.append(Line(number, bare, match["name"], match["sign"] == "+=", match["text"]))
    return found


def marked(
    formula: str,
    values: Mapping[str, Any],
    lines: Sequence[Line],
    language: str | None = None,
) -> Marked:
    r"""Check the lines in their order.

    Parameters
    ----------
    formula : str
        The circuit's own formula.
    values : mapping of str to array
        Its inputs.
    lines : sequence of Line
        Of `read_lines`.
    language : str, optional
        Of the likely mistake.

    Raises
    ------
    ExpressionError, ShapeError
        If a line cannot be read or computed; the message says which.

    Examples
    --------
    >>> given = {"x": -2.0, "y": 5.0, "z": -4.0}
    >>> written = "q = x + y\nf = q * z\ndq = z\ndz = q\ndx = dq\ndy = -dq"
    >>> result = marked("(x+y)*z", given, read_lines(written), "en")
    >>> result.wrong.text, result.mistake
    ('dy = -dq', 'the sign')
    """
    return _Marker(formula, values, lines, language).run()


def marked_told(result: Marked, language: str | None = None) -> str:
    r"""Every line with its mark; behind the first wrong one what it gives and why.

    Examples
    --------
    >>> result = marked("x*y", {"x": 4.0, "y": -3.0}, read_lines("dx = y\ndy = y"), "en")
    >>> print(marked_told(result, "en"))
    line 1 ✓ dx = y
    line 2 ✗ dy = y
      it gives −3; the circuit has 4
      Likely: that is what x gets: a gate that multiplies hands each input the other one's value.
    """

    def words(entry: str, **given: Any) -> str:
        return say(f"circuit.exercise.{entry}", language, **given)

    told = [words("right", line=line.number, text=line.text) for line in result.right]
    if result.wrong is not None:
        told.append(words("wrong", line=result.wrong.number, text=result.wrong.text))
        if result.found is not None and result.expected is not None:
            found, expected = numbers(result.found), numbers(result.expected)
            told.append("  " + words("found", found=found, expected=expected))
        if result.mistake:
            told.append("  " + words("likely", mistake=result.mistake))
        return "\n".join(told)
    if result.missing:
        told.append(words("missing", names=", ".join(f"d{name}" for name in result.missing)))
    else:
        told.append(words("finished", count=len(result.right)))
    return "\n".join(told)


@dataclass
class _Marker:
    formula: str
    values: Mapping[str, Any]
    lines: Sequence[Line]
    language: str | None
    right: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        for name, value in self.values.items():
            tensor = Tensor.share(np.asarray(value, np.float64))
            tensor.requires_grad = True
            self.tensors[name] = tensor
        names = [line.name for line in self.lines]
        self.forward = [line for line in self.lines if not self._is_gradient(line.name, names)]
        self.known: dict[str, Array] = {}
        """Gradients written so far."""
        self.written: dict[str, list[tuple[Line, Array]]] = {}

    def _is_gradient(self, name: str, names: Sequence[str]) -> bool:
        if name in self.values:
            raise ExpressionError(
                f"the exercise's {name}",
                got="a new value for an input",
                needs="lines for values in between, and for gradients",
                remedy=f"Write d{name} for its gradient.",
            )
        return name[:1] == "d" and (name[1:] in self.values or name[1:] in names or name[1:] == "f")

    def run(self) -> Marked:
        """Forward lines first, then the gradients in their order."""
        circuit, wrong = self._circuit()
        if wrong is not None:
            return wrong
        self.circuit = circuit
        self.output = circuit.nodes[circuit.output].name or "f"
        self.known[f"d{self.output}"] = circuit.upstream
        self.known.setdefault("df", circuit.upstream)
        for line in self.lines:
            if line in self.forward:
                self.right.append(line)
                continue
            found = self._gradient(line)
            if found is not None:
                return found
        missing = [name for name in self.values if f"d{name}" not in self.written]
        return Marked(tuple(self.right), missing=tuple(missing))

    # ── the forward pass ───────────────────────────────────────────────────────────────────

    def _circuit(self) -> tuple[Circuit, Marked | None]:
        """The circuit that the learner's forward lines make, or the formula's own."""
        expression = Expression.parse(self.formula)
        own = expression.evaluate(self.tensors)
        made = dict(self.tensors)
        for line in self.forward:
            with enable_grad():
                made[line.name] = self._evaluated(line, made)
        last = made[self.forward[-1].name] if self.forward else None
        if last is not None and same(last._value, own._value):
            return recorded(last, names=made), None
        if last is not None and self.forward[-1].name in ("f", "out", "loss"):
            found, expected = np.asarray(last._value), np.asarray(own._value)
            mistake = say("circuit.exercise.value", self.language)
            return recorded(own), Marked(
                tuple(self.forward[:-1]), self.forward[-1], found, expected, mistake
            )
        return self._matched(own, made), None

    def _matched(self, own: Tensor, made: Mapping[str, Tensor]) -> Circuit:
        """The formula's circuit, its nodes named where they have the value of a forward line."""
        names: dict[str, Tensor] = dict(self.tensors)
        found = recorded(own, names=names)
        nodes = list(found.nodes)
        for line in self.forward:
            value = made[line.name]._value
            alike = [n for n in nodes if n.gate and not n.name and same(n.value, value)]
            top = getattr(Expression.parse(line.formula).tree, "gate", "")
            alike = [n for n in alike if n.gate and n.gate.name == top] or alike
            if len(alike) == 1:
                nodes[alike[0].index] = replace(alike[0], name=line.name)
            else:
                several = "that several gates have" if alike else "that the circuit does not have"
                raise ExpressionError(
                    f"line {line.number} of the exercise",
                    got=f"{line.name} = {numbers(np.asarray(value))}, a value {several}",
                    needs="values that the formula computes on its way, or all lines up to f",
                    remedy=f"End the forward lines with the one that makes f = {self.formula}.",
                )
        return Circuit(tuple(nodes), found.output, found.upstream, found.text)

    def _evaluated(self, line: Line, known: Mapping[str, Any]) -> Tensor:
        """The value of a line; an error says which line it is."""
        try:
            expression = Expression.parse(line.formula)
            return expression.evaluate(
                {name: known[name] for name in expression.names if name in known}
            )
        except BacklightError as problem:
            raise problem.within(f"line {line.number} of the exercise: {problem.subject}") from None

    # ── the gradients ──────────────────────────────────────────────────────────────────────

    def _gradient(self, line: Line) -> Marked | None:
        """Check one gradient line; what is wrong with it, or None."""
        name = line.name[1:]
        value = np.asarray(self._evaluated(line, {**self._values(), **self.known})._value)
        if line.name == f"d{self.output}" or name == "f":
            if same(value, self.circuit.upstream):
                self.right.append(line)
                return None
            return self._wrong(line, value, self.circuit.upstream, "")
        node = self.circuit.find(name)
        expected = self.circuit.gradients[node.index]
        expected = np.zeros(node.shape) if expected is None else expected
        before = self.written.setdefault(line.name, [])
        if not line.adds and before:
            if not same(value, expected):
                lost = before[-1]
                mistake = say(
                    "circuit.exercise.accumulate",
                    self.language,
                    line=lost[0].number,
                    lost=numbers(lost[1]),
                )
                return self._wrong(line, value, expected, mistake)
            before.clear()
        total = value if not before else sum((v for _, v in before), np.zeros(())) + value
        more = any(later.name == line.name and later.number > line.number for later in self.lines)
        before.append((line, value))
        self.known[line.name] = total
        shares = shares_of(self.circuit, node.index)
        if more and partial(total, shares):
            self.right.append(line)
            return None
        if same(total, expected) and total.shape == expected.shape:
            self.right.append(line)
            return None
        return self._wrong(
            line,
            total,
            expected,
            likely_slip(self.circuit, name, value, total, expected, self.language),
        )

    def _values(self) -> dict[str, Array]:
        return {node.name: node.value for node in self.circuit.nodes if node.name}

    def _wrong(self, line: Line, found: Array, expected: Array, mistake: str) -> Marked:
        return Marked(tuple(self.right), line, found, expected, mistake)

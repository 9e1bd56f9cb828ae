"""Formulas computed by applying the gates of the table; Python evaluates nothing of the text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import dtypes
from backlight.engine.tensor import Tensor, as_tensor
from backlight.errors import BacklightError, DTypeError, ExpressionError, nearest
from backlight.expression.parse import Call, Matrix, Name, Node, Number, parse
from backlight.expression.token import pointed
from backlight.gates import TABLE

MAX_ELEMENTS = 1_000_000


@dataclass(frozen=True)
class Expression:
    """A formula: its text and its tree.

    The language has numbers, names, matrices such as [[1, 2], [3, 4]], + - * / ** @ and
    comparisons, brackets, and every gate of the table by name or alias, with constants such as
    axis=0 behind its inputs. × · − ² ³ and σ(x) are read as written in books. max(x, y) and
    min(x, y) with several inputs are the larger and the smaller.

    Examples
    --------
    >>> neuron = Expression.parse("sigmoid(a*x + b*y + c)")
    >>> neuron.names
    ('a', 'x', 'b', 'y', 'c')
    >>> round(neuron.evaluate({"a": 1, "b": 2, "c": -3, "x": -1, "y": 3}).item(), 6)
    0.880797
    """

    text: str
    tree: Node

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Read a formula.

        Raises
        ------
        ExpressionError
            If it is not one; the message has a caret under the place.
        """
        return cls(text, parse(text))

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs, in the order of their first appearance."""
        return tuple(
            dict.fromkeys(node.name for node in _walk(self.tree) if isinstance(node, Name))
        )

    def __str__(self) -> str:
        return self.text

    def evaluate(self, values: Mapping[str, Any], *, max_elements: int = MAX_ELEMENTS) -> Tensor:
        """The value of the formula.

        Parameters
        ----------
        values : mapping of str to Tensor, array or number
            One for every name. Tensors and arrays keep their type; Python numbers and lists
            become float64.
        max_elements : int
            The largest intermediate value allowed, in elements.

        Raises
        ------
        ExpressionError
            If a name has no value, a value has no name, or an intermediate value is too large.
        ShapeError, DTypeError, ArgumentError
            If the gates refuse the values; the message points at the gate.
        """
        self._check_names(values)
        inputs = {name: _as_input(name, value) for name, value in values.items()}
        floating = [x.dtype for x in inputs.values() if x.dtype.kind == "f"]
        dtype = dtypes.promote(*floating) if floating else dtypes.float64
        result = self._compute(self.tree, inputs, dtype, max_elements)
        return result if isinstance(result, Tensor) else Tensor.share(np.asarray(result, dtype))

    def __call__(self, *arguments: Any) -> Tensor:
        """The value, with the inputs in the order of `names`."""
        return self.evaluate(dict(zip(self.names, arguments, strict=True)))

    def _check_names(self, values: Mapping[str, Any]) -> None:
        names = self.names
        for name in names:
            if name not in values:
                raise ExpressionError(
                    "expression",
                    got=f"no value for {name}:\n    {pointed(self.text, self._place(name))}",
                    needs=f"a value for each of {', '.join(names)}",
                    remedy=f"{nearest(name, values) if values else ''} Give {name}=… as well.",
                )
        for name in values:
            if name not in names:
                known = nearest(name, names) if names else "The formula has no names."
                raise ExpressionError(
                    "expression",
                    got=f"a value for {name}, which {self.text[:60]!r} does not use",
                    needs="values for its names only",
                    remedy=f"{known} Remove {name}.",
                )

    def _place(self, name: str) -> int:
        return next(
            node.place for node in _walk(self.tree) if isinstance(node, Name) and node.name == name
        )

    def _compute(self, node: Node, inputs: Mapping[str, Tensor], dtype: Any, room: int) -> Any:
        if isinstance(node, Number):
            return node.value
        if isinstance(node, Name):
            return inputs[node.name]
        if isinstance(node, Matrix):
            return Tensor.share(np.array(node.rows, dtype))
        wires = [self._compute(one, inputs, dtype, room) for one in node.inputs]
        plain = not any(isinstance(wire, Tensor) for wire in wires)
        if plain:
            wires = [Tensor.share(np.asarray(wire, dtypes.float64)) for wire in wires]
        result = self._apply(node, wires, room)
        # Numbers among themselves stay numbers, which take the type of the arrays they meet.
        return result.item() if plain and result.size == 1 and result.dtype.kind == "f" else result

    def _apply(self, node: Call, wires: Sequence[Any], room: int) -> Tensor:
        gate = TABLE[node.gate]
        try:
            bound, attributes = gate.bind(tuple(wires), dict(node.constants))
            shapes = [None if wire is None else getattr(wire, "shape", ()) for wire in bound]
            size = math.prod(gate.shape(*shapes, **attributes))
            if size > room:
                raise ExpressionError(
                    f"gate {gate.name}",
                    got=f"inputs that make {size:,} numbers",
                    needs=f"at most {room:,}",
                    remedy="Use smaller inputs.",
                )
            try:
                return as_tensor(gate(*bound, **attributes))
            except DTypeError:
                labels = _as_labels(bound)
                if labels is None:
                    raise
                return as_tensor(gate(*labels, **attributes))
        except BacklightError as problem:
            raise self._located(problem, node) from None
        except (TypeError, ValueError, IndexError, OverflowError, MemoryError) as problem:
            refused = ExpressionError(
                f"gate {gate.name}",
                got=f"what it cannot take ({problem})",
                needs=gate.formula,
                remedy="Check its inputs and constants.",
            )
            raise self._located(refused, node) from None

    def _located(self, problem: BacklightError, node: Call) -> BacklightError:
        return (
            problem
            if problem.source
            else problem.within(
                problem.subject, f"In the expression:\n    {pointed(self.text, node.place)}"
            )
        )


def read_value(name: str, text: str) -> np.ndarray[Any, Any]:
    """The number or matrix that `text` states, as the value of the input `name`.

    Raises
    ------
    ExpressionError
        If it is not a finite number or a matrix of them; the message says which input.

    Examples
    --------
    >>> read_value("W", "[[1, 2], [3, -4]]").tolist()
    [[1.0, 2.0], [3.0, -4.0]]
    """
    subject = f"input {name}"
    if text.strip().lower().lstrip("+-−") in ("nan", "inf", "infinity"):
        raise ExpressionError(
            subject,
            got=text.strip(),
            needs="a finite number",
            remedy="Gradients need numbers with neighbours.",
        )
    try:
        written = Expression.parse(text)
    except BacklightError as problem:
        raise problem.within(subject) from None
    if written.names:
        raise ExpressionError(
            subject,
            got=f"the text {text[:60]!r}",
            needs="a number such as -1.5, or a matrix such as [[1, 2], [3, 4]]",
            remedy=f"Write {name}=1.5, without letters.",
        )
    value = written.evaluate({}).numpy()
    if not np.isfinite(value).all():
        raise ExpressionError(
            subject,
            got=f"{text[:60]!r}, which is not finite",
            needs="finite numbers",
            remedy="Write smaller ones.",
        )
    return np.asarray(value, np.float64)


def read_values(settings: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Inputs from settings such as "x=3" and "W=[[1, 2]]".

    Raises
    ------
    ExpressionError
        If a setting is not name=value, a name comes twice, or a value is not one.

    Examples
    --------
    >>> read_values(["x=3", "y=-0.5"])
    {'x': array(3.), 'y': array(-0.5)}
    """
    found: dict[str, np.ndarray[Any, Any]] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ExpressionError(
                f"the setting {setting!r}",
                got="no name or no value",
                needs="name=value",
                remedy="Write for example x=3.",
            )
        if name in found:
            raise ExpressionError(
                f"input {name}", got="two values", needs="one", remedy="Remove one of them."
            )
        found[name] = read_value(name, text)
    return found


def _as_input(name: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, str):
        raise ExpressionError(
            f"input {name}",
            got=f"the text {value[:60]!r}",
            needs="numbers",
            remedy="Pass a number, an array or a tensor.",
        )
    weak = not hasattr(value, "dtype") and not hasattr(value, "__array__")
    array = dtypes.as_array(value, dtypes.float64 if weak else None, subject=f"input {name}")
    return Tensor.share(array)


def _as_labels(wires: Sequence[Any]) -> list[Any] | None:
    """The wires with whole numbers behind the first as integers, which labels and places are.

    Every number of a formula is a floating one; None if none of them is whole.
    """
    cast = TABLE["cast"]
    found = list(wires)
    for place, wire in enumerate(wires):
        value = wire._value if isinstance(wire, Tensor) else wire
        kind = getattr(value, "dtype", np.dtype(type(value))).kind
        if place == 0 or value is None or kind != "f" or not np.all(value == np.floor(value)):
            continue
        plain = not isinstance(wire, Tensor)
        found[place] = np.int64(value) if plain else cast(wire, dtype=dtypes.int64)
    changed = any(old is not new for old, new in zip(wires, found, strict=True))
    return found if changed else None


def _walk(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, Call):
        for one in node.inputs:
            yield from _walk(one)

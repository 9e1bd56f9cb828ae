"""Families of gates: what each kind derives, so that a declaration need not say it.

An Elementwise gate writes its formula for one number and gets broadcasting, shapes, types and
samples. A Reduction folds axes away. A Mover rearranges. A Structural gate states its own shape
rule and its own samples.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy

from backlight import philox, shapes
from backlight.gates.gate import Gate, Role, Sample
from backlight.shapes import Axis, Shape

_BOUND = re.compile(
    r"^\s*(?:(-?[\d.]+)\s*(<=?))?\s*[A-Za-z_]\w*\s*(?:(<=?|>=?|!=)\s*(-?[\d.]+))?\s*$"
)


class Elementwise(Gate, abstract=True):
    """A formula for one number, applied at every place of inputs that broadcast."""

    placewise = True

    def shape(self, *shapes_: Any, **attributes: Any) -> Shape:
        """The shape all inputs stretch to."""
        return shapes.broadcast(self.name, *[s for s in shapes_ if s is not None])

    def samples(self) -> Iterator[Sample]:
        """Plain, scalar, empty and broadcast inputs inside the domain."""
        count = len(self.inputs)
        yield self._sample(0, *[(2, 3)] * count)
        yield self._sample(1, *[()] * count)
        yield self._sample(2, *[(0, 3)] * count)
        if count > 1:
            for number, places in enumerate(itertools.permutations(((3, 1), (2,)), 2)):
                yield self._sample(3 + number, *(places * count)[:count])

    def _sample(self, stream: int, *sizes: Shape) -> Sample:
        return Sample(
            tuple(
                draw(size, stream * 16 + place, self.domain.get(name, ""))
                for place, (name, size) in enumerate(zip(self.inputs, sizes, strict=True))
            )
        )


class Reduction(Gate, abstract=True):
    """Folds the numbers along some axes into one."""

    interior: ClassVar[str] = ""

    def shape(self, x: Any, *, axis: Axis = None, keepdims: bool = False, **_: Any) -> Shape:
        """The input's shape without the folded axes (or with size 1 there)."""
        return shapes.reduce(self.name, x, axis, keepdims)

    def samples(self) -> Iterator[Sample]:
        """Every kind of axis: all, first, last, two, kept; a scalar; an empty one."""
        allowed = self.domain.get("x", "")
        for stream, (size, axis, keepdims) in enumerate(
            [
                ((2, 3), None, False),
                ((2, 3), 0, False),
                ((2, 3), -1, True),
                ((2, 3, 4), (0, 2), False),
                ((4,), 0, True),
                ((), None, False),
            ]
        ):
            x = draw(size, stream + 40, allowed)
            yield Sample((x,), {"axis": axis, "keepdims": keepdims})


class Mover(Gate, abstract=True):
    """Rearranges, copies or drops numbers without changing any."""

    role = Role.MOVER


class Structural(Gate, abstract=True):
    """A gate with a shape rule and samples of its own."""


def draw(shape: Shape, stream: int, allowed: str = "") -> numpy.ndarray[Any, Any]:
    """Normal numbers, float64, folded into the interval that `allowed` states.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    stream : int
        Which numbers; the same stream gives the same ones.
    allowed : str
        "", "x > 0", "x >= 0", "-1 < x < 1", "x != 0": see `interval`.

    Examples
    --------
    >>> bool((draw((100,), 0, "x > 0") > 0).all())
    True
    """
    low, high, hole = interval(allowed)
    numbers = philox.normal(20_220_417, stream, shape, numpy.float64)
    if low is not None and high is not None:
        return low + (high - low) * (0.05 + 0.9 * philox.uniform(7, stream, shape, numpy.float64))
    if low is not None:
        return low + 0.1 + numpy.abs(numbers)
    if high is not None:
        return high - 0.1 - numpy.abs(numbers)
    if hole is not None:
        return numpy.where(numbers >= 0, numbers + 0.3, numbers - 0.3) + hole
    return numbers


def interval(allowed: str) -> tuple[float | None, float | None, float | None]:
    """Lower bound, upper bound and excluded point that a domain such as "0 <= x < 1" states.

    Examples
    --------
    >>> interval("x > 0"), interval("-1 < x < 1"), interval("y != 0")
    ((0.0, None, None), (-1.0, 1.0, None), (None, None, 0.0))
    """
    match = _BOUND.match(allowed) if allowed else None
    if match is None:
        return None, None, None
    left, _, sign, right = match.groups()
    low = float(left) if left is not None else None
    high = hole = None
    if sign == "!=":
        hole = float(right)
    elif sign and sign[0] == "<":
        high = float(right)
    elif sign:
        low = float(right)
    return low, high, hole


def outside(allowed: str, values: Any) -> numpy.ndarray[Any, Any]:
    """Where `values` leave the domain, as an array of truth values; NaN is not counted."""
    match = _BOUND.match(allowed) if allowed else None
    array = numpy.asarray(values)
    wrong = numpy.zeros(array.shape, bool)
    if match is None:
        return wrong
    left, left_sign, sign, right = match.groups()
    if left is not None:
        wrong |= (array <= float(left)) if left_sign == "<" else (array < float(left))
    if sign is not None:
        bound = float(right)
        wrong |= {
            "<": array >= bound,
            "<=": array > bound,
            ">": array <= bound,
            ">=": array < bound,
            "!=": array == bound,
        }[sign]
    return wrong


def labelled(*samples: tuple[Iterable[Any], dict[str, Any]]) -> Iterator[Sample]:
    """Samples from pairs of inputs and attributes, for gates that write their own."""
    for inputs, attributes in samples:
        yield Sample(tuple(inputs), attributes)

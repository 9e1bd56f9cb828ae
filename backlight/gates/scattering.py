"""Gather and scatter: along one axis, a place for every number rather than for every slice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy

from backlight.errors import ShapeError
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.place import legal, refuse_place, whole_places
from backlight.gates.slicing import axis_of
from backlight.shapes import Shape, whole


class Gather(Structural):
    """Along an axis, for every place of the output the number of x that `indices` names there.

    For a table of scores and a column of labels: each row's score of its label. NumPy's
    take_along_axis and PyTorch's gather.

    Raises
    ------
    RangeError
        If an index is out of range.
    """

    role = Role.DISTRIBUTOR
    formula = "y[i, j] = x[i, indices[i, j]]"
    selectors = ("indices",)
    aliases = ("take_along_axis",)
    spellings = {"index": "indices"}

    def bind(
        self, inputs: tuple[Any, ...], attributes: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Also in PyTorch's order: (x, dim, index)."""
        return super().bind(*_axis_last(inputs, attributes))

    def forward(self, np: Any, x: Any, indices: Any, *, axis: int) -> Any:
        indices = whole_places(np, self.name, indices)
        self.shape(np.shape(x), indices.shape, axis=axis)
        try:
            return np.take_along_axis(x, indices, axis)
        except IndexError:
            refuse_place(self.name, indices, np.shape(x)[axis], axis)
            raise

    def lower(self, np: Any, x: Any, indices: Any, *, axis: int) -> Any:
        """Numbers collected."""
        self.shape(x.shape, np.shape(indices), axis=axis)
        return np.take_along_axis(x, legal(np, self.name, indices, x.shape[axis], axis), axis)

    def backward(self, upstream: Any, x: Any, indices: Any, output: Any, *, axis: int) -> Any:
        return lambda: scatter(upstream, indices, axis=axis, size=x.shape[axis]), None

    def shape(self, x: Any, indices: Any, *, axis: int) -> Shape:
        _alike(self.name, "indices", indices, x, axis)
        return tuple(indices)

    def samples(self) -> Iterator[Sample]:
        for stream, (size, indices, axis, _) in enumerate(_CASES):
            yield Sample((draw(size, 860 + stream), numpy.array(indices)), {"axis": axis})


class Scatter(Structural):
    """Zeros, of length `size` along the axis, with each number of x added at its index.

    The opposite of gather: numbers with the same index add up, in float64 and in a fixed order.
    """

    role = Role.MOVER
    formula = "y[i, indices[i, j]] += x[i, j]"
    selectors = ("indices",)

    def forward(self, np: Any, x: Any, indices: Any, *, axis: int, size: int) -> Any:
        indices = whole_places(np, self.name, indices)
        shape = self.shape(np.shape(x), indices.shape, axis=axis, size=size)
        refuse_place(self.name, indices, size, axis)
        axis = axis % len(shape)
        # Number the places of the result, axis last, and add up by number.
        places = np.moveaxis(np.where(indices < 0, indices + size, indices), axis, -1)
        rest = places.shape[:-1]
        lines = np.arange(math.prod(rest)).reshape(*rest, 1) * size
        total = np.bincount(
            np.ravel(lines + places), np.ravel(np.moveaxis(x, axis, -1)), math.prod(shape)
        )
        return np.moveaxis(total.reshape(*rest, size), -1, axis).astype(x.dtype)

    def lower(self, np: Any, x: Any, indices: Any, *, axis: int, size: int) -> Any:
        """Numbers added at their places."""
        shape = self.shape(x.shape, np.shape(indices), axis=axis, size=size)
        place = axis % len(shape)
        chosen = np.from_front(legal(np, self.name, indices, size, axis), size)
        return np.add_at(
            shape,
            x,
            *[chosen if at == place else np.along(x.shape, at) for at in range(len(shape))],
        )

    def backward(
        self, upstream: Any, x: Any, indices: Any, output: Any, *, axis: int, size: int
    ) -> Any:
        return lambda: gather(upstream, indices, axis=axis), None

    def shape(self, x: Any, indices: Any, *, axis: int, size: int) -> Shape:
        if x != indices:
            raise ShapeError(
                self.name,
                got=f"numbers of shape {x} and indices of {indices}",
                needs="an index for every number",
                remedy="Make the shapes equal.",
            )
        place = axis_of(self.name, axis, len(x))
        return (*x[:place], whole(self.name, "size", size, 0), *x[place + 1 :])

    def samples(self) -> Iterator[Sample]:
        for stream, (_, indices, axis, length) in enumerate(_CASES):
            x = draw(numpy.shape(indices), 870 + stream)
            yield Sample((x, numpy.array(indices)), {"axis": axis, "size": length})


class ScatterAdd(Structural):
    """x with each number of `source` added at its index along the axis (PyTorch's scatter_add).

    Raises
    ------
    RangeError
        If an index is out of range.
    """

    role = Role.DISTRIBUTOR
    formula = "x[i, indices[i, j]] += source[i, j]"
    selectors = ("indices",)
    spellings = {"index": "indices", "src": "source"}

    def bind(
        self, inputs: tuple[Any, ...], attributes: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Also in PyTorch's order: (x, dim, index, src)."""
        return super().bind(*_axis_last(inputs, attributes))

    def forward(self, np: Any, x: Any, indices: Any, source: Any, *, axis: int) -> Any:
        self.shape(np.shape(x), np.shape(indices), np.shape(source), axis=axis)
        return x + scatter.forward(np, source, indices, axis=axis, size=np.shape(x)[axis])

    def lower(self, np: Any, x: Any, indices: Any, source: Any, *, axis: int) -> Any:
        """Numbers added at their places, and x."""
        self.shape(x.shape, np.shape(indices), np.shape(source), axis=axis)
        return x + scatter.lower(np, source, indices, axis=axis, size=x.shape[axis])

    def backward(
        self, upstream: Any, x: Any, indices: Any, source: Any, output: Any, *, axis: int
    ) -> Any:
        return upstream, None, lambda: gather(upstream, indices, axis=axis)

    def shape(self, x: Any, indices: Any, source: Any, *, axis: int) -> Shape:
        scatter.shape(source, indices, axis=axis, size=0)
        _alike(self.name, "indices", indices, x, axis)
        return tuple(x)

    def parts(self, x: Any, indices: Any, source: Any, *, axis: int) -> Any:
        """The sum of x and of what is scattered."""
        return x + scatter(source, indices, axis=axis, size=x.shape[axis])

    def samples(self) -> Iterator[Sample]:
        for stream, (size, indices, axis, _) in enumerate(_CASES):
            x, source = draw(size, 880 + stream), draw(numpy.shape(indices), 890 + stream)
            yield Sample((x, numpy.array(indices), source), {"axis": axis})


_CASES: tuple[tuple[Shape, Any, int, int], ...] = (
    ((3, 4), [[2], [0], [3]], 1, 4),
    ((3, 2), [[2, 0], [2, 1], [0, -1]], 0, 3),
    ((2, 3), [[1, 1, 0, -2], [2, 2, 2, 0]], -1, 3),
    ((4,), [1, 1, 3], 0, 4),
    ((3, 2), numpy.zeros((0, 2), int), 0, 3),
)


def _alike(subject: str, what: str, given: Shape, x: Shape, axis: int) -> None:
    """Refuse a shape that is not that of x on the axes other than `axis`."""
    place = axis_of(subject, axis, len(x))
    expected = (*x[:place], *given[place : place + 1], *x[place + 1 :])
    if tuple(given) != expected or len(given) != len(x):
        shown = ", ".join([*map(str, x[:place]), "any", *map(str, x[place + 1 :])])
        raise ShapeError(
            subject,
            got=f"{what} of shape {given} for shape {x}, axis {axis}",
            needs=f"shape ({shown})",
            remedy=f"Reshape the {what}.",
        )


def _axis_last(inputs: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
    """The arguments with the axis named, where it was written before the array of indices.

    A lone whole number cannot be the indices there: they have as many axes as x.
    """
    first = inputs[1] if len(inputs) > 1 else None
    if isinstance(first, (int, numpy.integer)) and not isinstance(first, bool):
        third = inputs[2] if len(inputs) > 2 else attributes.get("index")
        if third is not None and numpy.ndim(getattr(third, "_value", third)):
            return (inputs[0], *inputs[2:]), {**attributes, "axis": int(first)}
    return inputs, attributes


gather = Gather()
scatter = Scatter()
scatter_add = ScatterAdd()

"""Reading from places and adding to places, of arrays that are not computed yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from backlight.native.lowering.array import INT64, Array, array, choose
from backlight.native.lowering.loops import Node
from backlight.shapes import Shape


class Collecting:
    """The part of the namespace about places: the rest of it (`Arrays`) builds on this."""

    def along(self, shape: Any, axis: int) -> Array:
        """0 … n − 1 along one axis, in a shape that broadcasts with `shape`."""
        sizes = [1] * len(shape)
        sizes[axis] = shape[axis]
        return self.own_place(sizes, axis)

    def own_place(self, shape: Any, axis: int) -> Array:
        """Every element's own position along an axis."""
        return Array(Node("place", [], shape, INT64, {"axis": axis % len(shape)}))

    def collect(self, x: Any, *places: Any) -> Array:
        """x[places]: the places, counted from the front, broadcast; later axes are taken whole."""
        x, chosen = array(x), [array(one) for one in places]
        shape = numpy.broadcast_shapes(*[one.shape for one in chosen])
        inputs = [x.node, *[one.node for one in chosen]]
        return Array(Node("gather", inputs, (*shape, *x.shape[len(places) :]), x.dtype))

    def add_at(self, shape: Shape, x: Any, *places: Any) -> Array:
        """Zeros with x added at places, in float64 where x has fractions."""
        x = array(x)
        kind = numpy.dtype(numpy.float64) if x.dtype.kind == "f" else x.dtype
        lead = x.shape[: x.ndim - len(shape) + len(places)]
        chosen = numpy.broadcast_shapes(lead, *[one.shape for one in places])
        spread = x.expand((*chosen, *shape[len(places) :]))
        base = array(0, kind).expand(shape)
        inputs = [base.node, spread.node, *[array(one).expand(chosen).node for one in places]]
        return Array(Node("scatter", inputs, shape, kind, {"by": "add"})).astype(x.dtype)

    def take_along_axis(self, x: Any, places: Any, axis: int) -> Any:
        """For every place of the result the number of x named along the axis."""
        axis %= x.ndim
        chosen = self.from_front(places, x.shape[axis])
        shape = chosen.shape
        return self.collect(
            x, *[chosen if here == axis else self.along(shape, here) for here in range(x.ndim)]
        )

    def take(self, x: Any, places: Any, axis: int = 0) -> Any:
        """Slices along an axis, in the order of the places."""
        axis %= x.ndim
        chosen = self.from_front(places, x.shape[axis])
        rows = self.collect(_first(x, axis), chosen)
        ahead = range(chosen.ndim)
        order = [*range(chosen.ndim, chosen.ndim + axis), *ahead]
        return rows.transpose([*order, *range(chosen.ndim + axis, rows.ndim)])

    def from_front(self, places: Any, size: int) -> Array:
        """Places counted from the front, where −1 was the last."""
        given = array(places)
        whole = given.astype(INT64)
        if given.dtype.kind == "u":
            return whole
        counted: Array = choose(whole < 0, whole + size, whole)
        return counted

    def check(self, x: Any, holds: Any, refuse: Callable[..., Any], settings: Any) -> Any:
        """x, on the condition that something holds of it everywhere.

        Where it does not, `refuse(*settings)` raises the error, with the computed x for the `…`.
        """
        if not isinstance(x, Array):  # known already
            refuse(*[x if one is Ellipsis else one for one in settings])
            return x
        if x.size == 0:
            return x
        message = (refuse.__module__, refuse.__name__, settings)
        inputs = [x.node, array(holds).node]
        return Array(Node("check", inputs, x.shape, x.dtype, {"message": message}))


def _first(x: Array, axis: int) -> Array:
    """An axis moved to the front."""
    return x.transpose([axis, *[place for place in range(x.ndim) if place != axis]])

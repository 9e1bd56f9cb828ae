"""Gates that show the same numbers in another arrangement: shapes, axes, borders, types.

None of them computes. What moved forward moves back the same way backward; what was copied to many
places is summed there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy

from backlight.errors import ArgumentError, ShapeError
from backlight.gates.family import Mover, Structural, draw, labelled
from backlight.gates.gate import Role, Sample
from backlight.gates.slicing import slice
from backlight.shapes import Axis, Shape, axes, broadcast, whole

Widths = int | tuple[tuple[int, int], ...]


class Reshape(Mover):
    """The same numbers, row by row, in another shape. One size may be −1: whatever is left."""

    formula = "reshape(x, shape)"
    views = True

    def forward(self, np: Any, x: Any, *, shape: int | Shape) -> Any:
        return np.reshape(x, shape)

    def backward(self, upstream: Any, x: Any, output: Any, *, shape: int | Shape) -> Any:
        return (reshape(upstream, shape=x.shape),)

    def shape(self, x: Any, *, shape: int | Shape) -> Shape:
        wanted = shape if isinstance(shape, tuple) else (shape,)
        sizes = [whole(self.name, "a size", size, -1) for size in wanted]
        count = math.prod(x)
        rest = math.prod(size for size in sizes if size >= 0)
        if sizes.count(-1) == 1 and rest and count % rest == 0:
            sizes[sizes.index(-1)] = count // rest
        elif -1 in sizes or rest != count:
            raise ShapeError(
                self.name,
                got=f"shape {x} of {count} numbers to make {tuple(sizes)}",
                needs="a shape with as many numbers and at most one −1",
                remedy="Correct the sizes.",
            )
        return tuple(sizes)

    def samples(self) -> Iterator[Sample]:
        for place, (before, after) in enumerate(
            [
                ((2, 3), (3, 2)),
                ((2, 3), (-1,)),
                ((), (1, 1)),
                ((1,), ()),
                ((0, 3), (3, 0)),
                ((2, 3, 2), (2, -1)),
            ]
        ):
            yield Sample((draw(before, 440 + place),), {"shape": after})


class Transpose(Mover):
    """The axes in another order; without an order, reversed."""

    formula = "transpose(x, axes)"
    views = True
    aliases = ("permute",)
    spellings = {"dims": "axes"}

    def forward(self, np: Any, x: Any, *, axes: Shape | None = None) -> Any:
        return np.transpose(x, axes)

    def backward(self, upstream: Any, x: Any, output: Any, *, axes: Shape | None) -> Any:
        if axes is None:
            return (transpose(upstream, axes=None),)
        order = [axis % len(axes) for axis in axes]
        return (transpose(upstream, axes=tuple(order.index(place) for place in range(len(axes)))),)

    def shape(self, x: Any, *, axes: Shape | None = None) -> Shape:
        order = tuple(range(len(x)))[::-1] if axes is None else axes
        try:
            if sorted(axis + len(x) if axis < 0 else axis for axis in order) == [*range(len(x))]:
                return tuple(x[axis] for axis in order)
        except TypeError:
            pass
        raise ShapeError(
            self.name,
            got=f"axes {axes} for shape {x}",
            needs=f"each of the {len(x)} axes once",
            remedy="List them all, once.",
        )

    def samples(self) -> Iterator[Sample]:
        for place, (size, order) in enumerate(
            [
                ((2, 3), None),
                ((2, 3, 4), (2, 0, 1)),
                ((2, 3, 4), (0, -1, 1)),
                ((), None),
                ((0, 3), (1, 0)),
            ]
        ):
            yield Sample((draw(size, 450 + place),), {"axes": order})


class BroadcastTo(Structural):
    """x repeated along new axes and axes of size 1, without copying. Copies' gradients add up."""

    role = Role.DISTRIBUTOR
    formula = "broadcast_to(x, shape)"
    views = True

    def forward(self, np: Any, x: Any, *, shape: Shape) -> Any:
        return np.broadcast_to(x, shape)

    def backward(self, upstream: Any, x: Any, output: Any, *, shape: Shape) -> Any:
        return (sum_to(upstream, shape=x.shape),)

    def shape(self, x: Any, *, shape: Shape) -> Shape:
        target = shape if isinstance(shape, tuple) else (shape,)
        if broadcast(self.name, x, target) != target:
            raise ShapeError(
                self.name,
                got=f"shape {x} for {target}",
                needs="a target with every axis of the input, of its size or over 1",
                remedy="Sum or reshape the input first.",
            )
        return target

    def samples(self) -> Iterator[Sample]:
        for place, (small, large) in enumerate(_STRETCHES):
            yield Sample((draw(small, 460 + place),), {"shape": large})


class SumTo(Structural):
    """x summed over the axes along which an array of the given shape would be repeated.

    The opposite of broadcasting: the gradient of an input that was stretched is upstream, summed to
    the input's shape. Sums are taken in float64.
    """

    role = Role.DISTRIBUTOR
    formula = "sum of x over the axes that `shape` lacks"
    views = True

    def forward(self, np: Any, x: Any, *, shape: Shape) -> Any:
        size = np.shape(x)
        if size == shape:
            return x
        new = len(size) - len(shape)
        if new < 0 or any(a not in (b, 1) for a, b in zip(shape, size[new:], strict=True)):
            self.shape(size, shape=shape)
        folded = tuple(
            [
                place
                for place in range(len(size))
                if place < new or (shape[place - new] == 1 and size[place] != 1)
            ]
        )
        wide = np.float64 if x.dtype.kind == "f" else np.int64
        total = np.sum(x, axis=folded, dtype=wide, keepdims=True)
        return np.reshape(total.astype(x.dtype), shape)

    def backward(self, upstream: Any, x: Any, output: Any, *, shape: Shape) -> Any:
        return (broadcast_to(upstream, shape=x.shape),)

    def shape(self, x: Any, *, shape: Shape) -> Shape:
        if broadcast(self.name, x, shape) != x:
            raise ShapeError(
                self.name,
                got=f"shape {x} to sum to {shape}",
                needs=f"a shape that stretches to {x}",
                remedy="Swap the two shapes.",
            )
        return shape

    def samples(self) -> Iterator[Sample]:
        for place, (small, large) in enumerate(_STRETCHES):
            yield Sample((draw(large, 470 + place),), {"shape": small})


_STRETCHES: tuple[tuple[Shape, Shape], ...] = (
    ((3,), (2, 3)),
    ((2, 1), (2, 3)),
    ((), (2, 2)),
    ((1, 3, 1), (4, 2, 3, 2)),
    ((2,), (2,)),
    ((1,), (0,)),
    ((0, 1), (0, 3)),
    ((), ()),
)


class ExpandDims(Mover):
    """x with axes of size 1 put in at the places that the output has them."""

    formula = "expand_dims(x, axis)"
    views = True
    aliases = ("unsqueeze",)

    def forward(self, np: Any, x: Any, *, axis: int | Shape) -> Any:
        return np.expand_dims(x, axis)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: int | Shape) -> Any:
        return (reshape(upstream, shape=x.shape),)

    def shape(self, x: Any, *, axis: int | Shape) -> Shape:
        rank = len(x) + (len(axis) if isinstance(axis, tuple) else 1)
        new, rest = axes(self.name, axis, rank), iter(x)
        return tuple(1 if place in new else next(rest) for place in range(rank))

    def samples(self) -> Iterator[Sample]:
        for place, (size, axis) in enumerate(
            [((3,), 0), ((2, 3), -1), ((2, 3), (0, 2)), ((), 0), ((0,), 1)]
        ):
            yield Sample((draw(size, 480 + place),), {"axis": axis})


class Squeeze(Mover):
    """x without its axes of size 1: all of them, or those named."""

    formula = "squeeze(x, axis)"
    views = True

    def forward(self, np: Any, x: Any, *, axis: Axis = None) -> Any:
        return np.squeeze(x, axis)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: Axis) -> Any:
        return (reshape(upstream, shape=x.shape),)

    def shape(self, x: Any, *, axis: Axis = None) -> Shape:
        if axis is None:
            return tuple(size for size in x if size != 1)
        gone = axes(self.name, axis, len(x))
        for place in gone:
            if x[place] != 1:
                raise ShapeError(
                    self.name,
                    got=f"axis {place} of size {x[place]}, shape {x}",
                    needs="an axis of size 1",
                    remedy="Name another axis, or reduce.",
                )
        return tuple(size for place, size in enumerate(x) if place not in gone)

    def samples(self) -> Iterator[Sample]:
        for place, (size, axis) in enumerate(
            [((1, 3, 1), None), ((1, 3, 1), -1), ((1, 3, 1), (0, 2)), ((), None), ((1, 0), 0)]
        ):
            yield Sample((draw(size, 490 + place),), {"axis": axis})


class Pad(Mover):
    """x with a border of one value: `widths` is one width for all sides or (before, after) an axis.

    Examples
    --------
    >>> import numpy
    >>> pad(numpy.array([1.0, 2.0]), widths=((1, 2),))
    array([0., 1., 2., 0., 0.])
    """

    formula = "pad(x, widths, value)"

    def forward(self, np: Any, x: Any, *, widths: Widths, value: float = 0.0) -> Any:
        size = np.shape(x)
        bordered = np.full(self.shape(size, widths=widths), value, x.dtype)
        bordered[
            tuple(
                [
                    numpy.s_[before : before + length]
                    for (before, _), length in zip(_pairs(widths, len(size)), size, strict=True)
                ]
            )
        ] = x
        return bordered

    def lower(self, np: Any, x: Any, *, widths: Widths, value: float = 0.0) -> Any:
        """A border around the array."""
        return np.pad(np.asarray(x), _pairs(widths, np.ndim(x)), value)

    def backward(self, upstream: Any, x: Any, output: Any, *, widths: Widths, value: float) -> Any:
        pairs = _pairs(widths, len(x.shape))
        return (
            slice(
                upstream,
                key=tuple(
                    [
                        (pair[0], pair[0] + size, 1)
                        for pair, size in zip(pairs, x.shape, strict=True)
                    ]
                ),
            ),
        )

    def shape(self, x: Any, *, widths: Widths, value: float = 0.0) -> Shape:
        pairs = _pairs(widths, len(x))
        return tuple(
            [before + size + after for (before, after), size in zip(pairs, x, strict=True)]
        )

    def samples(self) -> Iterator[Sample]:
        for place, (size, widths, value) in enumerate(
            [
                ((2, 3), 1, 0.0),
                ((2, 3), ((0, 2), (1, 0)), 0.5),
                ((), (), 0.0),
                ((3,), 0, 0.0),
                ((0,), ((1, 1),), 2.0),
            ]
        ):
            yield Sample((draw(size, 500 + place),), {"widths": widths, "value": value})


class Flip(Mover):
    """x in reverse order along the axes (all of them if none is named)."""

    formula = "flip(x, axis)"
    views = True

    def forward(self, np: Any, x: Any, *, axis: Axis = None) -> Any:
        return np.flip(x, axis)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: Axis) -> Any:
        return (flip(upstream, axis=axis),)

    def shape(self, x: Any, *, axis: Axis = None) -> Shape:
        axes(self.name, axis, len(x))
        return tuple(x)

    def samples(self) -> Iterator[Sample]:
        for place, (size, axis) in enumerate(
            [((2, 3), None), ((2, 3), -1), ((2, 3, 2), (0, 2)), ((), None), ((0, 2), 0)]
        ):
            yield Sample((draw(size, 510 + place),), {"axis": axis})


class Roll(Mover):
    """x moved by `shift` places along the axis; what leaves at one end enters at the other.

    Without an axis the numbers move row by row through the whole array.
    """

    formula = "roll(x, shift, axis)"
    spellings = {"shifts": "shift"}

    def forward(self, np: Any, x: Any, *, shift: int | Shape, axis: Axis = None) -> Any:
        self.shape(np.shape(x), shift=shift, axis=axis)  # NumPy cuts fractions off
        return np.roll(x, shift, axis)

    def backward(
        self, upstream: Any, x: Any, output: Any, *, shift: int | Shape, axis: Axis
    ) -> Any:
        back = tuple([-one for one in shift]) if isinstance(shift, tuple) else -shift
        return (roll(upstream, shift=back, axis=axis),)

    def shape(self, x: Any, *, shift: int | Shape, axis: Axis = None) -> Shape:
        for one in shift if isinstance(shift, tuple) else (shift,):
            whole(self.name, "shift", one)
        for one in axis if isinstance(axis, tuple) else (axis,):
            axes(self.name, one, len(x))
        return tuple(x)

    def samples(self) -> Iterator[Sample]:
        return labelled(
            ((draw((5,), 520),), {"shift": 2, "axis": 0}),
            ((draw((2, 3), 521),), {"shift": -1, "axis": -1}),
            ((draw((2, 3), 522),), {"shift": 4, "axis": None}),
            ((draw((3, 4), 523),), {"shift": (1, -1), "axis": (0, 1)}),
            ((draw((0, 2), 524),), {"shift": 1, "axis": 0}),
            ((draw((), 525),), {"shift": 1, "axis": None}),
        )


def _pairs(widths: Widths, rank: int) -> tuple[tuple[int, int], ...]:
    if not isinstance(widths, tuple):
        widths = ((widths, widths),) * rank
    if len(widths) != rank or not all(isinstance(p, tuple) and len(p) == 2 for p in widths):
        raise ArgumentError(
            "pad",
            got=f"widths={widths!r} for an input of {rank} axes",
            needs="one width, or a pair (before, after) for each axis",
            remedy="Write widths=((before, after), …).",
        )
    return tuple(
        [
            (whole("pad", "a width", before, 0), whole("pad", "a width", after, 0))
            for before, after in widths
        ]
    )


reshape = Reshape()
transpose = Transpose()
broadcast_to = BroadcastTo()
sum_to = SumTo()
expand_dims = ExpandDims()
squeeze = Squeeze()
pad = Pad()
flip = Flip()
roll = Roll()

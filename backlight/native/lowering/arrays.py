"""The namespace that a gate's formula is run with to be lowered: NumPy's names, lazy arrays.

`arrays` stands where a formula expects NumPy. Its functions make nodes; given numbers only, they
answer as NumPy does. A few functions that NumPy has not (`own_place`, `collect`, `product`,
`images`, …) are for the gates' own `lower` methods.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from backlight.native.lowering.array import (
    INT64,
    Array,
    Unlowered,
    array,
    choose,
    constant,
    elementwise,
    power,
)
from backlight.native.lowering.collecting import Collecting
from backlight.native.lowering.loops import ELEMENTWISE, Node
from backlight.shapes import Axis, Shape

_ALIASES = {"abs": "absolute", "true_divide": "divide", "mod": "remainder", "pow": "power"}
_ALIASES |= {"fabs": "absolute", "bitwise_not": "invert", "asin": "arcsin", "acos": "arccos"}
_ALIASES |= {"atan": "arctan", "atan2": "arctan2"}
_SAME = [
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool_",
    "dtype",
    "newaxis",
    "pi",
    "e",
    "inf",
    "nan",
    "iinfo",
    "finfo",
    "broadcast_shapes",
    "min_scalar_type",
    "integer",
    "floating",
    "generic",
    "ndarray",
]


class Arrays(Collecting):
    """NumPy's functions on arrays that are not computed yet."""

    def __getattr__(self, name: str) -> Any:
        known = _ALIASES.get(name, name)
        if known in ELEMENTWISE and known not in ("where", "cast", "fma"):
            return _applied(known)
        if name in _SAME:
            return getattr(numpy, name)
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unlowered(f"NumPy's {name}")

    # ── what an array is ───────────────────────────────────────────────────────────────────

    def asarray(self, x: Any, dtype: Any = None, **_: Any) -> Any:
        """The array itself, in a type."""
        return array(x, dtype) if isinstance(x, Array) else numpy.asarray(x, dtype)

    array = ascontiguousarray = asarray

    def shape(self, x: Any) -> Shape:
        """Sizes of the axes."""
        return x.shape if isinstance(x, Array) else numpy.shape(x)

    def ndim(self, x: Any) -> int:
        """Number of axes."""
        return len(self.shape(x))

    def size(self, x: Any) -> int:
        """Number of elements."""
        return math.prod(self.shape(x))

    def result_type(self, *given: Any) -> Any:
        """The type in which they meet."""
        return numpy.result_type(*[x.dtype if isinstance(x, Array) else x for x in given])

    # ── making arrays ──────────────────────────────────────────────────────────────────────

    def full(self, shape: Any, value: Any, dtype: Any = None) -> Array:
        """One number everywhere."""
        if dtype is None:
            dtype = getattr(value, "dtype", None) or numpy.asarray(value).dtype
        return array(value, dtype).expand(_sizes(shape))

    def zeros(self, shape: Any, dtype: Any = numpy.float64) -> Array:
        """0 everywhere."""
        return self.full(shape, 0, dtype)

    def ones(self, shape: Any, dtype: Any = numpy.float64) -> Array:
        """1 everywhere."""
        return self.full(shape, 1, dtype)

    def full_like(self, x: Any, value: Any, dtype: Any = None) -> Array:
        """One number everywhere, in the shape of x."""
        return self.full(x.shape, value, dtype or x.dtype)

    def zeros_like(self, x: Any, dtype: Any = None) -> Array:
        """0 everywhere, in the shape of x."""
        return self.full_like(x, 0, dtype)

    def ones_like(self, x: Any, dtype: Any = None) -> Array:
        """1 everywhere, in the shape of x."""
        return self.full_like(x, 1, dtype)

    def arange(self, count: int) -> Array:
        """0 … count − 1."""
        return self.own_place((count,), 0)

    def flat_place(self, shape: Sequence[int], axes: Sequence[int] | None = None) -> Array:
        """Every element's own position among those along the axes, row by row."""
        over = range(len(shape)) if axes is None else axes
        total, stride = constant(0, INT64), 1
        for axis in reversed(over):
            if shape[axis] != 1:
                total = total + self.along(shape, axis) * stride
            stride *= shape[axis]
        return total

    # ── elementwise ────────────────────────────────────────────────────────────────────────

    def add(self, x: Any, y: Any, out: Any = None) -> Any:  # noqa: ARG002
        """Sum; never written into what is given."""
        return elementwise("add", x, y)

    def subtract(self, x: Any, y: Any, dtype: Any = None) -> Any:
        """Difference, computed in a type."""
        if dtype is not None:
            x, y = self.asarray(x, dtype), self.asarray(y, dtype)
        return elementwise("subtract", x, y)

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        """X where the condition holds, else y."""
        return choose(condition, x, y)

    def power(self, x: Any, exponent: Any) -> Any:
        """X to a power."""
        return elementwise("power", x, exponent)

    def clip(self, x: Any, low: Any = None, high: Any = None) -> Any:
        """Held between two bounds."""
        x = x if low is None else elementwise("maximum", x, low)
        return x if high is None else elementwise("minimum", x, high)

    def square(self, x: Any) -> Any:
        """x²."""
        return x * x

    def reciprocal(self, x: Any) -> Any:
        """1/x."""
        return elementwise("divide", 1.0, x)

    def exp2(self, x: Any) -> Any:
        """2 to the power x."""
        return elementwise("power", 2.0, x)

    def log2(self, x: Any) -> Any:
        """Logarithm to the base 2."""
        return elementwise("log", x) * (1 / math.log(2))

    def log10(self, x: Any) -> Any:
        """Logarithm to the base 10."""
        return elementwise("log", x) * (1 / math.log(10))

    def logaddexp(self, x: Any, y: Any) -> Any:
        """ln(eˣ + eʸ)."""
        gap = x - y
        apart = choose(elementwise("equal", x, y), 0.0, -elementwise("absolute", gap))
        return elementwise("maximum", x, y) + elementwise("log1p", elementwise("exp", apart))

    def round(self, x: Any) -> Any:
        """To the nearest whole number; halfway, the even one."""
        return elementwise("rint", x) if _floating(x) else x

    # ── views ──────────────────────────────────────────────────────────────────────────────

    def reshape(self, x: Any, shape: Any) -> Any:
        """The same numbers, row by row, in another shape."""
        return self._lazy(x).reshape(_sizes(shape))

    def ravel(self, x: Any) -> Any:
        """All numbers along one axis."""
        return self._lazy(x).ravel()

    def transpose(self, x: Any, axes: Any = None) -> Any:
        """The axes in another order."""
        return self._lazy(x).transpose(axes)

    def swapaxes(self, x: Any, one: int, other: int) -> Any:
        """Two axes exchanged."""
        return self._lazy(x).swapaxes(one, other)

    def moveaxis(self, x: Any, source: Any, target: Any) -> Any:
        """Some axes moved to other places; the rest keep their order."""
        x = self._lazy(x)
        come = [axis % x.ndim for axis in _sizes(source)]
        go = [axis % x.ndim for axis in _sizes(target)]
        order = [axis for axis in range(x.ndim) if axis not in come]
        for place, axis in sorted(zip(go, come, strict=True)):
            order.insert(place, axis)
        return x.transpose(order)

    def expand_dims(self, x: Any, axis: Any) -> Any:
        """With axes of size 1 at these places of the result."""
        x = self._lazy(x)
        given = _sizes(axis)
        rank = x.ndim + len(given)
        if any(not -rank <= one < rank for one in given):
            raise ValueError(f"axis {axis} for a result of {rank} axes")
        new, rest = [one % rank for one in given], iter(x.shape)
        return x.reshape([1 if place in new else next(rest) for place in range(rank)])

    def squeeze(self, x: Any, axis: Axis = None) -> Any:
        """Without axes of size 1."""
        return self._lazy(x).squeeze(axis)

    def broadcast_to(self, x: Any, shape: Any) -> Any:
        """Repeated along new axes and axes of size 1."""
        return self._lazy(x).expand(_sizes(shape))

    def broadcast_arrays(self, *xs: Any) -> list[Any]:
        """All stretched to one shape."""
        shape = numpy.broadcast_shapes(*[self.shape(x) for x in xs])
        return [self.broadcast_to(x, shape) for x in xs]

    def flip(self, x: Any, axis: Axis = None) -> Any:
        """In reverse order along the axes."""
        turned = set(range(x.ndim)) if axis is None else {one % x.ndim for one in _sizes(axis)}
        return x[
            tuple([slice(None, None, -1 if place in turned else 1) for place in range(x.ndim)])
        ]

    def roll(self, x: Any, shift: Any, axis: Axis = None) -> Any:
        """Moved along the axes; what leaves at one end enters at the other."""
        if axis is None:
            return self.roll(x.ravel(), shift, 0).reshape(x.shape)
        shifts, places = _sizes(shift), _sizes(axis)
        for step, place in zip(shifts * (len(places) // len(shifts)), places, strict=True):
            size = x.shape[place]
            if size and step % size:
                lead = (slice(None),) * (place % x.ndim)
                cut = size - step % size
                parts = [x[(*lead, slice(cut, None))], x[(*lead, slice(None, cut))]]
                x = self.concatenate(parts, place)
        return x

    def pad(self, x: Any, widths: Sequence[tuple[int, int]], value: Any = 0) -> Any:
        """With a border of one value: (before, after) for each axis."""
        return x.bordered([pair[0] for pair in widths], [pair[1] for pair in widths], value)

    def put_back(self, x: Any, start: Shape, step: Shape, shape: Shape) -> Any:
        """Zeros of a shape, with x from `start` on and `step` apart: what a slice was taken of."""
        turned = [axis for axis, one in enumerate(step) if one < 0]
        x = self.flip(x, tuple(turned))
        apart = [abs(one) if count > 1 else 1 for one, count in zip(step, x.shape, strict=True)]
        first = [
            at + one * (count - 1) if one < 0 else at
            for at, one, count in zip(start, step, x.shape, strict=True)
        ]
        if any(one > 1 for one in apart):  # zeros after every number, less those after the last
            wide = x.reshape([size for count in x.shape for size in (count, 1)])
            after = [size for one in apart for size in (0, one - 1)]
            wide = wide.bordered([0] * len(after), after)
            wide = wide.reshape([c * one for c, one in zip(x.shape, apart, strict=True)])
            count = [(c - 1) * one + 1 for c, one in zip(x.shape, apart, strict=True)]
            x = wide.cut([0] * x.ndim, [1] * x.ndim, count)
        after = [size - at - count for size, at, count in zip(shape, first, x.shape, strict=True)]
        return x.bordered(first, after)

    def tril(self, x: Any, k: int = 0) -> Any:
        """What lies on or below a diagonal; 0 elsewhere."""
        gap = self.along(x.shape, -1) - self.along(x.shape, -2)
        return choose(gap <= k, x, 0)

    def triu(self, x: Any, k: int = 0) -> Any:
        """What lies on or above a diagonal; 0 elsewhere."""
        gap = self.along(x.shape, -1) - self.along(x.shape, -2)
        return choose(gap >= k, x, 0)

    def concatenate(self, xs: Sequence[Any], axis: int = 0) -> Any:
        """One after the other along an axis."""
        kind = self.result_type(*xs)
        parts = [self._lazy(x).astype(kind) for x in xs]
        place = axis % parts[0].ndim
        sizes = list(parts[0].shape)
        sizes[place] = sum(x.shape[place] for x in parts)
        full = [x for x in parts if x.shape[place]] or parts[:1]
        if len(full) == 1:
            return full[0]
        return Array(Node("join", [x.node for x in full], sizes, kind, {"axis": place}))

    def stack(self, xs: Sequence[Any], axis: int = 0) -> Any:
        """Side by side along a new axis."""
        return self.concatenate([self.expand_dims(x, axis) for x in xs], axis)

    def windows(self, x: Any, kernel: Shape, stride: Shape, dilation: Shape, count: Shape) -> Array:
        """Every window over the last axes: (…, *count, *kernel)."""
        return self._lazy(x).windows(count, kernel, stride, dilation=dilation)  # type: ignore[no-any-return]

    # ── reductions ─────────────────────────────────────────────────────────────────────────

    def sum(self, x: Any, **settings: Any) -> Any:
        """Sum along the axes."""
        return self._folded("sum", x, settings)

    def prod(self, x: Any, **settings: Any) -> Any:
        """Product along the axes."""
        return self._folded("prod", x, settings)

    def mean(self, x: Any, **settings: Any) -> Any:
        """Average along the axes."""
        return self._folded("mean", x, settings)

    def max(self, x: Any, **settings: Any) -> Any:
        """The largest along the axes."""
        return self._folded("max", x, settings)

    def min(self, x: Any, **settings: Any) -> Any:
        """The smallest along the axes."""
        return self._folded("min", x, settings)

    amax, amin = max, min

    def argmax(self, x: Any, **settings: Any) -> Any:
        """The place of the first of the largest."""
        return self._folded("argmax", x, settings)

    def argmin(self, x: Any, **settings: Any) -> Any:
        """The place of the first of the smallest."""
        return self._folded("argmin", x, settings)

    def any(self, x: Any, **settings: Any) -> Any:
        """Whether one is true."""
        return self._folded("any", x, settings)

    def all(self, x: Any, **settings: Any) -> Any:
        """Whether all are true."""
        return self._folded("all", x, settings)

    def cumsum(self, x: Any, **settings: Any) -> Any:
        """Running sum."""
        return self._folded("cumsum", x, settings)

    # ── products ───────────────────────────────────────────────────────────────────────────

    def matmul(self, x: Any, y: Any) -> Array:
        """Products of matrices, of vectors, of stacks that broadcast."""
        x, y = array(x), array(y)
        kind = numpy.result_type(x.dtype, y.dtype)
        left = x.astype(kind) if x.ndim > 1 else x.astype(kind).reshape((1, *x.shape))
        right = y.astype(kind) if y.ndim > 1 else y.astype(kind).reshape((*y.shape, 1))
        stack = numpy.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        left = left.expand((*stack, *left.shape[-2:]))
        right = right.expand((*stack, *right.shape[-2:]))
        if left.shape[-1] != right.shape[-2]:
            raise ValueError(f"inner sizes {left.shape[-1]} and {right.shape[-2]} differ")
        shape = (*stack, left.shape[-2], right.shape[-1])
        if 0 in (left.size, right.size):
            made = self.zeros(shape, kind)
        else:
            made = Array(Node("product", [left.node, right.node], shape, kind))
        ends = (*shape[-2:-1] * (x.ndim > 1), *shape[-1:] * (y.ndim > 1))
        return made.reshape((*stack, *ends))

    dot = matmul

    def images(
        self, suffix: str, first: Any, second: Any, shape: Shape, dtype: Any, settings: Any
    ) -> Array:
        """A convolution ("") or its gradient ("_by_data", "_by_weight"); one axis or two."""
        line = len(shape) == 3

        def raised(x: Any) -> Any:
            x = x.astype(dtype)
            return x.reshape((*x.shape[:2], 1, x.shape[2])) if line else x

        if line:
            least = {"size": 1, "kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}
            settings = {
                name: (least[name], value[0]) if name in least else value
                for name, value in settings.items()
            }
        wide = (*shape[:2], 1, shape[2]) if line else shape
        if 0 in (first.size, second.size) or 0 in shape:
            return self.zeros(shape, dtype)
        inputs = [raised(first).node, raised(second).node]
        made = Array(Node(f"convolve{suffix}", inputs, wide, dtype, settings))
        return made.reshape(shape)

    def nearest(self, queries: Any, points: Any, k: int, metric: str) -> Array:
        """Places of the k points that are nearest to each query."""
        kind = numpy.result_type(queries.dtype, points.dtype)
        inputs = [array(x, kind).node for x in (queries, points)]
        shape = (queries.shape[0], k)
        return Array(Node("nearest", inputs, shape, INT64, {"k": k, "metric": metric}))

    # ── inside ─────────────────────────────────────────────────────────────────────────────

    def _lazy(self, x: Any) -> Any:
        return x if isinstance(x, Array) else array(x)

    def _folded(self, name: str, x: Any, settings: dict[str, Any]) -> Any:
        if not isinstance(x, Array):
            return getattr(numpy, name)(x, **settings)
        return getattr(x, name)(**settings)


def _applied(op: str) -> Callable[..., Any]:
    return lambda *given: elementwise(op, *given)


def _floating(x: Any) -> bool:
    return isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f"


def _sizes(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, (int, numpy.integer)) else tuple(shape)


arrays = Arrays()
Array.namespace = arrays

__all__ = ["Array", "Arrays", "Unlowered", "arrays", "power"]

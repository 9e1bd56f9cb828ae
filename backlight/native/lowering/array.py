"""An array that is not computed yet, with NumPy's operators, promotion and views.

An `Array` wraps a node of the loop language. A gate's own formula, run on Arrays in place of
NumPy's, makes the nodes that compute it. What needs a value (a branch, `float(x)`, writing into
an array) raises `Unlowered`: the gate then says itself how it is lowered, or is left to NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy

from backlight.native.lowering.loops import ELEMENTWISE, Node
from backlight.native.lowering.operators import Operators
from backlight.shapes import Axis, Shape, axes, broadcast

DType = numpy.dtype[Any]
BOOL, INT64 = numpy.dtype(bool), numpy.dtype(numpy.int64)
_COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}


class Unlowered(Exception):  # noqa: N818 - nobody's mistake: the formula needs values
    """A formula asked for something that only computed arrays have."""


def _refuse(what: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Unlowered(what)

    return refuse


class Array(Operators):
    """A node with NumPy's operators and methods."""

    __slots__ = ("node",)
    namespace: ClassVar[Any]
    """What gates are run with that a formula applies to Arrays."""

    def __init__(self, node: Node) -> None:
        self.node = node

    @property
    def shape(self) -> Shape:
        """Sizes of the axes."""
        return self.node.shape

    @property
    def dtype(self) -> DType:
        """Type of the elements."""
        kind: DType = self.node.dtype
        return kind

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.node.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.node.size

    @property
    def T(self) -> Array:  # noqa: N802 - NumPy's name
        """The axes reversed."""
        return self.transpose()

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Array({self.node!r})"

    __bool__ = _refuse("a branch on a value")
    __float__ = __int__ = __index__ = __complex__ = _refuse("a number that is not computed yet")
    item = tolist = __array__ = _refuse("values that are not computed yet")
    __setitem__ = _refuse("writing into an array")
    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = _refuse("writing into an array")
    __iand__ = __ior__ = __ixor__ = __ifloordiv__ = __imod__ = _refuse("writing into an array")
    fill = sort = put = partition = _refuse("writing into an array")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unlowered(f"an array's {name}")

    def __array_ufunc__(self, ufunc: Any, method: str, *given: Any, **settings: Any) -> Any:
        if method != "__call__" or settings:
            raise Unlowered(f"NumPy's {ufunc.__name__}.{method}")
        return elementwise(ufunc.__name__, *given)

    def apply_gate(self, gate: Any, inputs: Any, attributes: dict[str, Any]) -> Any:
        """Lower a gate that a formula applies."""
        return gate.lower(self.namespace, *inputs, **attributes)

    def apply(self, op: str, *given: Any) -> Any:
        """An operation place by place."""
        return elementwise(op, *given)

    def raised(self, exponent: Any) -> Any:
        """The array to a power."""
        return power(self, exponent)

    # ── types and views ────────────────────────────────────────────────────────────────────

    def astype(self, dtype: Any, **_: Any) -> Array:
        """The same numbers in another type."""
        target = numpy.dtype(dtype)
        return self if target == self.dtype else self._made("cast", self.shape, {}, target)

    def copy(self, **_: Any) -> Array:
        """The array itself: nothing writes into it."""
        return self

    def reshape(self, *shape: Any, **_: Any) -> Array:
        """The same numbers, row by row, in another shape."""
        sizes = list(shape[0]) if len(shape) == 1 and not _whole(shape[0]) else list(shape)
        if -1 in sizes:
            rest = math.prod(size for size in sizes if size != -1)
            sizes[sizes.index(-1)] = self.size // rest if rest else 0
        if math.prod(sizes) != self.size:
            raise ValueError(f"cannot reshape array of size {self.size} into shape {shape}")
        return self if tuple(sizes) == self.shape else self._made("reshape", sizes)

    def ravel(self) -> Array:
        """All numbers along one axis."""
        return self.reshape((self.size,))

    flatten = ravel

    def transpose(self, *order: Any) -> Array:
        """The axes in another order."""
        if not order or order == (None,):
            order = tuple(range(self.ndim))[::-1]
        elif len(order) == 1 and not _whole(order[0]):
            order = tuple(order[0])
        places = tuple(int(axis) % max(self.ndim, 1) for axis in order)
        if sorted(places) != [*range(self.ndim)]:
            raise ValueError(f"axes {order} do not match an array of {self.ndim} axes")
        if places == tuple(range(self.ndim)):
            return self
        sizes = [self.shape[axis] for axis in places]
        return self._made("transpose", sizes, {"axes": places})

    def swapaxes(self, one: int, other: int) -> Array:
        """Two axes exchanged."""
        order = list(range(self.ndim))
        order[one], order[other] = order[other], order[one]
        return self.transpose(order)

    def squeeze(self, axis: Axis = None) -> Array:
        """Without axes of size 1."""
        gone = [place for place, size in enumerate(self.shape) if size == 1]
        if axis is not None:
            gone = list(axes("squeeze", axis, self.ndim))
        if any(self.shape[place] != 1 for place in gone):
            raise ValueError("cannot squeeze an axis whose size is not 1")
        return self.reshape([size for place, size in enumerate(self.shape) if place not in gone])

    def expand(self, shape: Sequence[int]) -> Array:
        """Repeated along new axes and axes of size 1."""
        sizes = tuple(shape)
        if sizes == self.shape:
            return self
        if broadcast("broadcast_to", self.shape, sizes) != sizes:
            raise ValueError(f"cannot broadcast {self.shape} to {sizes}")
        return self._made("expand", sizes)

    def __getitem__(self, key: Any) -> Array:
        entries = list(key) if isinstance(key, tuple) else [key]
        used = sum(entry is not None and entry is not Ellipsis for entry in entries)
        if used > self.ndim:
            raise IndexError(f"{used} indices for an array of {self.ndim} axes")
        spare = [slice(None)] * (self.ndim - used)
        dots = [place for place, entry in enumerate(entries) if entry is Ellipsis]
        at = dots[0] if dots else len(entries)
        entries = [*entries[:at], *spare, *entries[at + len(dots) :]]
        start: list[int] = []
        step: list[int] = []
        count: list[int] = []
        shape: list[int] = []
        for entry in entries:
            if entry is None:
                shape.append(1)
                continue
            size = self.shape[len(start)]
            if isinstance(entry, slice):
                chosen = range(*entry.indices(size))
                start.append(chosen.start if len(chosen) else 0)
                step.append(chosen.step if len(chosen) else 1)
                shape.append(len(chosen))
            elif _whole(entry):
                if not -size <= entry < size:
                    raise IndexError(f"index {entry} is out of bounds for size {size}")
                start.append(int(entry) % size)
                step.append(1)
            else:
                raise Unlowered("an index that is an array")
            count.append(shape[-1] if isinstance(entry, slice) else 1)
        return self.cut(start, step, count).reshape(shape)

    def cut(self, start: Sequence[int], step: Sequence[int], count: Sequence[int]) -> Array:
        """`count` numbers along every axis from `start` on, `step` apart."""
        if tuple(count) == self.shape and not any(start) and all(one == 1 for one in step):
            return self
        return self._made("slice", count, {"start": tuple(start), "step": tuple(step)})

    def bordered(self, before: Sequence[int], after: Sequence[int], value: Any = 0) -> Array:
        """With a border of one value."""
        if not any(before) and not any(after):
            return self
        sizes = [b + size + a for b, size, a in zip(before, self.shape, after, strict=True)]
        filler = number(value, self.dtype)
        return self._made("pad", sizes, {"before": tuple(before), "value": filler.item()})

    def windows(
        self, count: Sequence[int], kernel: Sequence[int], stride: Sequence[int], *, dilation: Any
    ) -> Array:
        """Every window over the last axes: (…, *count, *kernel)."""
        lead = self.shape[: self.ndim - len(kernel)]
        settings = {"kernel": tuple(kernel), "stride": tuple(stride), "dilation": tuple(dilation)}
        return self._made("window", (*lead, *count, *kernel), settings)

    # ── reductions ─────────────────────────────────────────────────────────────────────────

    def fold(self, by: str, axis: Axis, keepdims: bool, dtype: Any) -> Array:
        """The numbers along the axes folded into one."""
        gone = axes(by, axis, self.ndim)
        kept = [size for place, size in enumerate(self.shape) if place not in gone]
        if gone:
            folded = self._made("fold", kept, {"by": by, "axes": gone}, dtype)
        elif by in ("argmax", "argmin"):
            folded = constant(0, INT64).expand(self.shape)
        else:
            folded = self.astype(dtype)
        if not keepdims:
            return folded
        sizes = [1 if place in gone else size for place, size in enumerate(self.shape)]
        return folded.reshape(sizes)

    def sum(self, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False) -> Array:
        """Sum along the axes."""
        return self.fold("sum", axis, keepdims, dtype or _summing(self.dtype))

    def prod(self, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False) -> Array:
        """Product along the axes."""
        return self.fold("prod", axis, keepdims, dtype or _summing(self.dtype))

    def mean(self, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
        """Average along the axes, summed in float64."""
        kind = dtype or (self.dtype if self.dtype.kind == "f" else numpy.dtype(numpy.float64))
        count = math.prod(self.shape[place] for place in axes("mean", axis, self.ndim))
        total = self.sum(axis, numpy.float64, keepdims=keepdims)
        return (total / float(count)).astype(kind)

    def max(self, axis: Axis = None, *, keepdims: bool = False, initial: Any = None) -> Any:
        """The largest along the axes; NaN beats all."""
        return self._extreme("max", axis, keepdims, initial)

    def min(self, axis: Axis = None, *, keepdims: bool = False, initial: Any = None) -> Any:
        """The smallest along the axes; NaN beats all."""
        return self._extreme("min", axis, keepdims, initial)

    def argmax(self, axis: Axis = None, *, keepdims: bool = False) -> Array:
        """The place of the first of the largest along the axes."""
        return self.fold("argmax", axis, keepdims, INT64)

    def argmin(self, axis: Axis = None, *, keepdims: bool = False) -> Array:
        """The place of the first of the smallest along the axes."""
        return self.fold("argmin", axis, keepdims, INT64)

    def any(self, axis: Axis = None, *, keepdims: bool = False) -> Array:
        """Whether one along the axes is true."""
        return truth(self).fold("any", axis, keepdims, BOOL)

    def all(self, axis: Axis = None, *, keepdims: bool = False) -> Array:
        """Whether all along the axes are true."""
        return truth(self).fold("all", axis, keepdims, BOOL)

    def cumsum(self, axis: int | None = None, dtype: Any = None) -> Array:
        """Running sum along an axis."""
        x = self.ravel() if axis is None else self
        (place,) = axes("cumsum", 0 if axis is None else axis, x.ndim)
        wide = x.astype(dtype or _summing(self.dtype))
        return wide._made("scan", x.shape, {"by": "sum", "axis": place})

    def _extreme(self, by: str, axis: Axis, keepdims: bool, initial: Any) -> Any:
        gone = axes(by, axis, self.ndim)
        if initial is not None and 0 in [self.shape[place] for place in gone]:
            sizes = [1 if place in gone else size for place, size in enumerate(self.shape)]
            filled = constant(initial, self.dtype).expand(sizes)
            return filled if keepdims else filled.squeeze(gone)
        found = self.fold(by, axis, keepdims, self.dtype)
        if initial is None or (math.isinf(initial) and (initial < 0) == (by == "max")):
            return found
        return elementwise("maximum" if by == "max" else "minimum", found, initial)

    def _made(
        self,
        op: str,
        shape: Sequence[int],
        attributes: dict[str, Any] | None = None,
        dtype: Any = None,
    ) -> Array:
        return Array(Node(op, [self.node], shape, dtype or self.dtype, attributes or {}))


# ── numbers and formulas ───────────────────────────────────────────────────────────────────


def number(value: Any, dtype: Any) -> Any:
    """A Python number as NumPy's scalar of a type; refuses what the type cannot hold."""
    return (
        numpy.asarray(value).astype(dtype)[()]
        if _inexact(value)
        else numpy.dtype(dtype).type(value)
    )


def constant(value: Any, dtype: Any) -> Array:
    """One number."""
    return Array(Node("constant", [], (), dtype, {"value": number(value, dtype).item()}))


def array(value: Any, dtype: Any = None) -> Array:
    """A node, an Array or one known number as an Array."""
    if isinstance(value, Node):
        value = Array(value)
    if isinstance(value, Array):
        return value if dtype is None else value.astype(dtype)
    known = numpy.asarray(value)
    if known.size != 1:
        raise Unlowered(f"a constant array of shape {known.shape}")
    return constant(known.reshape(())[()], dtype or known.dtype).reshape(known.shape)


def truth(x: Any) -> Array:
    """Whether numbers are not 0."""
    x = array(x)
    return x if x.dtype == BOOL else elementwise("not_equal", x, 0)  # type: ignore[no-any-return]


def elementwise(op: str, *given: Any) -> Any:
    """An operation place by place, in the type in which NumPy computes it.

    Python numbers are weak: they take the type of the arrays that they meet. With numbers only,
    the result is a number.
    """
    if not any(isinstance(x, Array) for x in given):
        return getattr(numpy, op)(*given)
    if op not in ELEMENTWISE:
        raise Unlowered(f"NumPy's {op}")
    if op in _COMPARISONS:
        given = _comparable(given)
    ufunc = getattr(numpy, op)
    *kinds, result = ufunc.resolve_dtypes((*[_kind(x) for x in given], None))
    if result.kind == "f" and result.itemsize < 4:
        raise Halved(op)
    inputs = [array(x, kind) for x, kind in zip(given, kinds, strict=True)]
    shape = numpy.broadcast_shapes(*[x.shape for x in inputs])
    return Array(Node(op, [x.node for x in inputs], shape, result))


class Halved(Exception):  # noqa: N818 - answered by computing again
    """NumPy computes this in half precision, which no tensor has."""


def choose(condition: Any, x: Any, y: Any) -> Any:
    """NumPy's where, of three."""
    if not any(isinstance(one, Array) for one in (condition, x, y)):
        return numpy.where(condition, x, y)
    if not isinstance(condition, Array) and numpy.ndim(condition) == 0:
        condition = numpy.bool_(condition)
    kind = numpy.result_type(*[one.dtype if isinstance(one, Array) else one for one in (x, y)])
    inputs = [truth(condition), array(x, kind), array(y, kind)]
    shape = numpy.broadcast_shapes(*[one.shape for one in inputs])
    return Array(Node("where", [one.node for one in inputs], shape, kind))


def power(x: Any, exponent: Any) -> Any:
    """X to a power, by NumPy's short cuts for the operator: squares and roots are exact."""
    if isinstance(exponent, (int, float)) and x.dtype.kind == "f":
        if exponent == 2:
            return x * x
        if exponent == 0.5:
            return elementwise("sqrt", x)
        if exponent == 1:
            return x
        if exponent == -1:
            return 1.0 / x
    return elementwise("power", x, exponent)


def _comparable(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Numbers that the other side's type cannot hold are compared in a type that can."""
    x, y = given
    for one, other in ((x, y), (y, x)):
        if type(one) is int and isinstance(other, Array) and other.dtype.kind in "ui":
            limits = numpy.iinfo(other.dtype)
            if not limits.min <= one <= limits.max:
                kind = numpy.dtype(numpy.float64 if other.dtype.itemsize == 8 else numpy.int64)
                return tuple(array(side, kind) for side in given)
    return given


def _kind(x: Any) -> Any:
    """A dtype, or the Python type of a weak number."""
    if isinstance(x, (bool, numpy.bool_)):
        return BOOL
    if isinstance(x, (int, float)) and not isinstance(x, numpy.generic):
        return type(x)
    if isinstance(x, complex):
        raise Unlowered("complex numbers")
    return x.dtype if hasattr(x, "dtype") else numpy.asarray(x).dtype


def _summing(dtype: DType) -> DType:
    if dtype.kind == "u":
        return numpy.dtype(numpy.uint64)
    return INT64 if dtype.kind in "bi" else dtype


def _whole(value: Any) -> bool:
    return isinstance(value, (int, numpy.integer)) and not isinstance(value, bool)


def _inexact(value: Any) -> bool:
    return isinstance(value, (numpy.generic, numpy.ndarray))

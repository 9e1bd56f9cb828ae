"""What fingers trained on PyTorch and NumPy type: other names for what is there under one name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from backlight import dtypes
from backlight.engine.memory_format import MemoryFormat
from backlight.engine.tracing import refuse_value, tracers
from backlight.errors import ArgumentError, GraphError, ShapeError
from backlight.gates.adaptive_pooling import adaptive_average_pool2d
from backlight.gates.arithmetic import add, divide, multiply, subtract
from backlight.gates.cast import cast
from backlight.gates.choice import isnan, where
from backlight.gates.contraction import matmul
from backlight.gates.gate import Gate
from backlight.gates.indexing import PLACES, index, index_add
from backlight.gates.ordering import argtopk
from backlight.gates.scattering import gather
from backlight.gates.view import broadcast_to, reshape, transpose
from backlight.shapes import axes as axes_of
from backlight.shapes import whole

if TYPE_CHECKING:
    from backlight.engine.tensor import Tensor

_DEVICES = ("cpu", "cuda", "gpu", "mps", "tpu", "xpu")


class Topk(NamedTuple):
    """The first of an order along an axis, and where they are: PyTorch's `return_types.topk`."""

    values: Any
    indices: Any


class Habits(MemoryFormat):
    """Methods that PyTorch has under these names."""

    __slots__ = ()

    shape: Any
    ndim: Any
    size: Any
    dtype: Any
    _gate: Gate | None
    _in_place: Any
    _title: Any

    # ── questions ──────────────────────────────────────────────────────────────────────────

    def numel(self) -> Any:
        """Number of elements: `size`."""
        return int(self.size)

    def dim(self) -> Any:
        """Number of axes: `ndim`."""
        return self.ndim

    @property
    def device(self) -> str:
        """Where the numbers are: always "cpu"."""
        return "cpu"

    @property
    def grad_fn(self) -> Gate | None:
        """The gate that made it, or None: `gate`."""
        return self._gate

    def allclose(
        self, other: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: Any = False
    ) -> Any:
        """Whether all numbers are near those of another; see `allclose`."""
        return allclose(self, other, rtol, atol, equal_nan)

    # ── types and places ───────────────────────────────────────────────────────────────────

    def to(self, dtype: Any = None, device: Any = None, memory_format: Any = None) -> Tensor:
        """The numbers in another type or order in memory; the gradient flows through.

        Parameters
        ----------
        dtype : dtype, tensor or "cpu"
            The type, or a tensor that has it. "cpu" is accepted and changes nothing.
        device : "cpu", optional
            Accepted for the habit: tensors live in the processor's memory.
        memory_format : {"contiguous_format", "channels_last"}, optional
            See `contiguous`.

        Raises
        ------
        ArgumentError
            If another device is asked for, or what is asked for is neither device nor type.
        """
        if memory_format is not None:
            laid: Tensor = self.to(dtype, device).contiguous(memory_format)
            return laid
        kind = None
        for asked in (dtype, device):
            if isinstance(asked, str) and asked.split(":")[0] in _DEVICES:
                if asked.split(":")[0] != "cpu":
                    raise _no_place(asked)
            elif asked is not None:
                kind = asked.dtype if isinstance(asked, Habits) else asked
        if kind is None:
            return self  # type: ignore[return-value]
        try:
            name = np.dtype(kind).name
        except TypeError:
            raise _no_place(kind) from None
        return cast(self, dtype=name)  # type: ignore[no-any-return]

    def type_as(self, other: Any) -> Tensor:
        """The numbers in the type of another tensor."""
        return self.to(other.dtype)

    def cpu(self) -> Self:
        """The tensor itself: it is in the processor's memory."""
        return self

    # ── shapes ─────────────────────────────────────────────────────────────────────────────

    def expand(self, *sizes: Any) -> Tensor:
        """Repeated, without copying, along new first axes and axes of size 1; −1 keeps a size."""
        wanted = _sizes("expand", sizes)
        kept = (*(-1,) * (len(wanted) - self.ndim), *self.shape)
        target = tuple(old if new == -1 else new for new, old in zip(wanted, kept, strict=False))
        if len(wanted) < self.ndim or -1 in target:
            raise ShapeError(
                self._title(),
                got=f"expand{wanted}",
                needs=f"a size for each of its {self.ndim} axes; −1 only for axes that it has",
                remedy="Name the new axes' sizes first.",
            )
        return broadcast_to(self, shape=target)  # type: ignore[no-any-return]

    def repeat(self, *times: Any) -> Tensor:
        """The whole tensor that many times along each axis, as in PyTorch and `numpy.tile`.

        NumPy's method of this name repeats each element instead.
        """
        counts = _sizes("repeat", times)
        if len(counts) < self.ndim or any(count < 0 for count in counts):
            raise ShapeError(
                self._title(),
                got=f"repeat{counts}",
                needs=f"how often for each of its {self.ndim} axes, 0 or more",
                remedy="Write 1 for the axes that are not repeated.",
            )
        sizes = (*(1,) * (len(counts) - self.ndim), *self.shape)
        apart = reshape(self, shape=tuple(n for size in sizes for n in (1, size)))
        pairs = list(zip(counts, sizes, strict=True))
        copies = broadcast_to(apart, shape=tuple(n for pair in pairs for n in pair))
        joined = tuple(count * size for count, size in pairs)
        return reshape(copies, shape=joined)  # type: ignore[no-any-return]

    def t(self) -> Tensor:
        """The transposed matrix.

        Raises
        ------
        ShapeError
            If it has more than two axes.
        """
        if self.ndim > 2:
            raise ShapeError(
                self._title(),
                got="t()",
                needs="at most 2 axes",
                remedy="Use transpose(first, second) or permute(…).",
            )
        return transpose(self)  # type: ignore[no-any-return]

    def unbind(self, dim: Any = 0) -> tuple[Tensor, ...]:
        """The slices along an axis, without that axis."""
        (place,) = axes_of("unbind", whole("unbind", "dim", dim), self.ndim)
        before = (slice(None),) * place
        return tuple(index.of(self, (*before, row)) for row in range(self.shape[place]))

    # ── values ─────────────────────────────────────────────────────────────────────────────

    def dot(self, other: Any) -> Any:
        """The product with a vector or matrix; see `dot`."""
        return dot(self, other)

    def topk(
        self, k: Any, dim: Any = -1, largest: Any = True, sorted: Any = True, *, axis: Any = None
    ) -> Topk:
        """The k largest (or smallest) along an axis, and where they are; see `topk`."""
        return topk(self, k, dim, largest, sorted, axis=axis)

    def masked_fill(self, mask: Any, value: Any) -> Tensor:
        """The numbers with `value` where the mask is true."""
        return masked_fill(self, mask, value)  # type: ignore[no-any-return]

    def index_add(self, *given: Any, key: Any = None, **named: Any) -> Tensor:
        """The numbers with slices added at places of an axis: x.index_add(dim, index, source).

        With a `key` it is the gate of this name, of which indexing is made.
        """
        if key is not None:
            return index_add(self, *given, key=key, **named)  # type: ignore[no-any-return]
        return _slices_added(self, *given, **named)  # type: ignore[no-any-return]

    # ── in place ───────────────────────────────────────────────────────────────────────────

    def add_(self, other: Any, *, alpha: Any = 1) -> Self:
        """Add alpha·other to the numbers themselves, as += does to a leaf under no_grad."""
        return self._changed_by(add, other if alpha == 1 else multiply(other, alpha))

    def sub_(self, other: Any, *, alpha: Any = 1) -> Self:
        """Subtract alpha·other from the numbers themselves, as -= does."""
        return self._changed_by(subtract, other if alpha == 1 else multiply(other, alpha))

    def mul_(self, other: Any) -> Self:
        """Multiply the numbers themselves, as *= does."""
        return self._changed_by(multiply, other)

    def div_(self, other: Any) -> Self:
        """Divide the numbers themselves, as /= does."""
        return self._changed_by(divide, other)

    def _changed_by(self, gate: Gate, other: Any) -> Self:
        """`x op= y` where it writes into x. Where it makes a new tensor, that would be lost."""
        if self._in_place(gate, other) is self:
            return self
        raise GraphError(
            self._title(),
            got=f"{gate.name} in place, on a value that gates made or will remember",
            needs="a leaf and numbers without history",
            remedy=f"Write x = {gate.name}(x, y), or detach first.",
        )

    # These two come last: below them, their names no longer mean Python's types.

    def int(self) -> Tensor:
        """The numbers as int32, fractions cut off."""
        return self.to(np.int32)

    def bool(self) -> Tensor:
        """Whether each number is not 0."""
        return self.to(np.bool_)


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The axes from `start_dim` to `end_dim`, both included, made into one.

    Examples
    --------
    >>> flatten(np.zeros((2, 3, 4)), 1).shape
    (2, 12)
    """
    x = _with_shape(x)
    shape = tuple(x.shape) or (1,)
    (first,) = axes_of("flatten", start_dim, len(shape))
    (last,) = axes_of("flatten", end_dim, len(shape))
    if first > last:
        raise ArgumentError(
            "flatten",
            got=f"start_dim={start_dim} after end_dim={end_dim}",
            needs="start_dim ≤ end_dim",
            remedy="Swap them.",
        )
    joined = int(np.prod(shape[first : last + 1]))
    return reshape(x, shape=(*shape[:first], joined, *shape[last + 1 :]))


def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """The numbers of x, with `value` where the mask is true: where(mask, value, x).

    Examples
    --------
    >>> masked_fill(np.array([1.0, 2.0]), np.array([True, False]), 0.0).tolist()
    [0.0, 2.0]
    """
    return where(mask, value, x)


def topk(
    x: Any,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,  # noqa: ARG001 - they always are
    *,
    axis: int | None = None,
) -> Topk:
    """The k largest (or smallest) numbers along an axis, in order, and where they are.

    Of equal numbers the lower index comes first; NaN counts as larger than every number. The
    gradient of each value goes whole to where it came from.

    Parameters
    ----------
    k : int
        From 0 to the length of the axis.
    dim, axis : int
        The axis, under PyTorch's name and NumPy's.
    sorted : bool
        Accepted for the habit: they are in order always.

    Returns
    -------
    (values, indices)

    Raises
    ------
    ArgumentError
        If k is negative or larger than the axis.

    Examples
    --------
    >>> values, indices = topk(np.array([3.0, 9.0, 5.0]), 2)
    >>> values.tolist(), indices.tolist()
    ([9.0, 5.0], [1, 2])
    """
    x = _with_shape(x)
    place = dim if axis is None else axis
    indices = argtopk(x, k=k, axis=place, largest=largest)
    return Topk(gather(x, indices, axis=place), indices)


def dot(x: Any, y: Any) -> Any:
    """The product of two vectors, or with a matrix, or of matrices: x @ y for up to two axes.

    Raises
    ------
    ShapeError
        If an input has more axes: NumPy's dot and matmul differ there.

    Examples
    --------
    >>> float(dot(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    11.0
    """
    x, y = _with_shape(x), _with_shape(y)
    if max(x.ndim, y.ndim) > 2:
        raise ShapeError(
            "dot",
            got=f"shapes {tuple(x.shape)} and {tuple(y.shape)}",
            needs="at most 2 axes each",
            remedy="Use matmul for stacks of matrices, einsum for the rest.",
        )
    return matmul(x, y) if x.ndim and y.ndim else multiply(x, y)


def outer(x: Any, y: Any) -> Any:
    """Each number of x times each number of y: a row for each of x.

    Examples
    --------
    >>> outer(np.array([1.0, 2.0]), np.array([3.0, 4.0])).tolist()
    [[3.0, 4.0], [6.0, 8.0]]
    """
    return multiply(reshape(x, shape=(-1, 1)), reshape(y, shape=(1, -1)))


def nan_to_num(
    x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """The numbers of x, NaN and infinities replaced; no gradient flows to the replaced places.

    Parameters
    ----------
    nan, posinf, neginf : float
        What to put. The infinities become the largest finite number of the type unless said.

    Examples
    --------
    >>> nan_to_num(np.array([1.0, np.nan, -np.inf]), neginf=-9.0).tolist()
    [1.0, 0.0, -9.0]
    """
    x = _with_shape(x)
    if x.dtype.kind != "f":
        return x
    largest = float(np.finfo(x.dtype).max)
    x = where(isnan(x), nan, x)
    x = where(x == np.inf, largest if posinf is None else posinf, x)
    return where(x == -np.inf, -largest if neginf is None else neginf, x)


def allclose(
    x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether |x − y| ≤ atol + rtol·|y| everywhere, as a truth value without history.

    Examples
    --------
    >>> allclose(np.array([1.0]), np.array([1.0 + 1e-7]))
    True
    """
    if tracers:
        refuse_value(_plain(x))
    return bool(np.allclose(_plain(x), _plain(y), rtol, atol, equal_nan))


def global_average_pool2d(x: Any) -> Any:
    """The mean of each map: x (N, C, H, W) → (N, C, 1, 1).

    Examples
    --------
    >>> global_average_pool2d(np.ones((1, 2, 3, 3))).tolist()
    [[[[1.0]], [[1.0]]]]
    """
    return adaptive_average_pool2d(x, output_size=1)


def _slices_added(x: Any, dim: Any, index: Any, source: Any) -> Any:
    """The numbers of x with each slice of `source` added at its place along axis `dim`."""
    (place,) = axes_of("index_add", whole("index_add", "dim", dim), x.ndim)
    key = tuple(PLACES if axis == place else (0, size, 1) for axis, size in enumerate(x.shape))
    return add(x, index_add(source, index, key=key, shape=tuple(x.shape)))


def _plain(value: Any) -> Any:
    """The numbers inside a tensor; anything else as it is."""
    return getattr(value, "_value", value)


def _with_shape(x: Any) -> Any:
    """x, made an array if it is a list or a Python number."""
    return x if hasattr(x, "shape") else dtypes.as_array(x)


def _sizes(subject: str, given: Sequence[Any]) -> tuple[int, ...]:
    """Sizes given one by one or as one tuple."""
    sizes = given[0] if len(given) == 1 and isinstance(given[0], (tuple, list)) else given
    return tuple(whole(subject, "size", one) for one in sizes)


def _no_place(asked: Any) -> ArgumentError:
    return ArgumentError(
        "to",
        got=repr(asked),
        needs="a type, or the device 'cpu'",
        remedy="Tensors live in the processor's memory; leave the device out.",
    )

"""Other types and shapes of a tensor, in the words of PyTorch and NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backlight.engine.tracing import Unknown
from backlight.gates.gate import TABLE
from backlight.gates.joining import chunk, split
from backlight.shapes import axes as axes_of

if TYPE_CHECKING:
    from backlight.engine.tensor import Tensor


class Count(int):
    """A number of elements that, called, answers as PyTorch's `size()` does.

    Examples
    --------
    >>> from backlight import tensor
    >>> x = tensor([[1.0, 2.0, 3.0]])
    >>> x.size, x.size(), x.size(1)
    (3, (1, 3), 3)
    """

    _shape: tuple[int, ...]

    def __new__(cls, count: int, shape: tuple[int, ...]) -> Count:
        """The whole number `count`, remembering the shape it belongs to."""
        made = super().__new__(cls, count)
        made._shape = shape
        return made

    def __call__(self, dim: int | None = None) -> Any:
        """The shape, or the size along axis `dim`."""
        return self._shape if dim is None else self._shape[dim]


class Rearranging:
    """Casts and shapes whose arguments are friendlier than the gates'."""

    __slots__ = ()

    shape: Any
    ndim: Any
    to: Callable[..., Tensor]

    def astype(self, dtype: Any) -> Tensor:
        """NumPy's name for `to`."""
        return self.to(dtype)

    def float(self) -> Tensor:
        """The numbers in float32."""
        return self.to(np.float32)

    def double(self) -> Tensor:
        """The numbers in float64."""
        return self.to(np.float64)

    def long(self) -> Tensor:
        """The numbers as int64, fractions cut off."""
        return self.to(np.int64)

    def clone(self) -> Tensor:
        """A copy with memory of its own, through which gradients flow."""
        copy = TABLE["identity"](self)
        if type(copy._value) is Unknown:
            copy._value = copy._value.tracer.copy(copy._value)
        else:
            copy._value = np.array(copy._value)
        copy._base = None
        return copy  # type: ignore[no-any-return]

    def reshape(self, *shape: Any) -> Tensor:
        """The same numbers, row by row, in another shape; −1 stands for what is left."""
        return TABLE["reshape"](self, _sizes(shape))  # type: ignore[no-any-return]

    def view(self, *shape: Any) -> Tensor:
        """PyTorch's name for `reshape`."""
        return self.reshape(*shape)

    def transpose(self, *axes: Any) -> Tensor:
        """Two axes swapped, as in PyTorch; an order of all axes, as in NumPy; or all reversed.

        Two whole numbers name the axes to swap, on a matrix too: `x.transpose(0, 1)` is `x.T`,
        where NumPy reads the order (0, 1) and changes nothing. A tuple is always an order.
        """
        order = _sizes(axes)
        if len(axes) == 2:
            swapped = list(range(self.ndim))
            first, second = (axes_of("transpose", one, self.ndim)[0] for one in order)
            swapped[first], swapped[second] = swapped[second], swapped[first]
            order = tuple(swapped)
        return TABLE["transpose"](self, order or None)  # type: ignore[no-any-return]

    def index_select(self, axis: int, places: Any) -> Tensor:
        """Slices along an axis at the given places, with PyTorch's order of arguments."""
        return TABLE["take"](self, places, axis=axis)  # type: ignore[no-any-return]

    def permute(self, *axes: Any) -> Tensor:
        """The axes in another order."""
        return TABLE["transpose"](self, _sizes(axes))  # type: ignore[no-any-return]

    def flatten(self, start_dim: int = 0) -> Tensor:
        """All axes from `start_dim` on made into one."""
        kept = self.shape[: start_dim % self.ndim] if self.ndim else ()
        return self.reshape(*kept, int(np.prod(self.shape[len(kept) :])))

    def split(self, sections: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
        """Parts along an axis: that many equal ones (NumPy), or of the sizes named (PyTorch)."""
        return split(self, sections, axis)

    def chunk(self, chunks: int, axis: int = 0) -> tuple[Tensor, ...]:
        """At most that many parts along an axis, all of one size but the last."""
        return chunk(self, chunks, axis)


def _sizes(given: Sequence[Any]) -> tuple[Any, ...]:
    if len(given) == 1 and (given[0] is None or isinstance(given[0], (tuple, list))):
        return tuple(given[0] or ())
    return tuple(given)

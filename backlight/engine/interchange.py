"""A tensor to and from the outside: NumPy, DLPack, Python numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backlight.errors import DTypeError, GraphError, ShapeError
from backlight.gates.gate import TABLE

if TYPE_CHECKING:
    pass

Array = np.ndarray[Any, Any]
_UFUNCS = {"true_divide": "divide", "float_power": "power", "fabs": "absolute"}
"""NumPy's functions whose gate has another name."""


class Interchange:
    """What other libraries, and Python itself, ask of a tensor."""

    __slots__ = ()

    _value: Any
    requires_grad: bool
    shape: Any
    size: Any
    dtype: Any
    _title: Any

    def numpy(self) -> Array:
        """The numbers as a read-only array that shares memory.

        Read-only, because a change behind the tensor's back would make gradients silently wrong.
        Copy the array to write into it; use `copy_`, `fill_` or indexing to change the tensor.

        Raises
        ------
        GraphError
            If the tensor has a gradient to lose: detach it first.
        """
        if self.requires_grad:
            raise GraphError(
                self._title(), got="a request for its array, which would drop its gradient",
                needs="a tensor that requires no gradient",
                remedy="Write .detach().numpy(), or use backlight functions instead of NumPy's.")
        return self._array()

    def _array(self) -> Array:
        view = np.asarray(self._value).view()
        view.flags.writeable = False
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """What numpy.asarray(tensor) gives."""
        array = self.numpy()
        if dtype is not None and np.dtype(dtype) != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        """NumPy's elementwise functions applied to tensors are the gates of the same name."""
        gate = TABLE.get(_UFUNCS.get(ufunc.__name__, ufunc.__name__))
        if gate is None or method != "__call__" or settings:
            raise DTypeError(
                f"numpy.{ufunc.__name__}", got=f"a tensor ({method} {settings or ''})".rstrip(),
                needs="a function that is also a gate",
                remedy="Use tensor.detach().numpy(), or write it with backlight functions.")
        return gate(*inputs)

    def __array_function__(self, function: Any, types: Any, arguments: Any, settings: Any) -> Any:
        """NumPy's other functions applied to tensors are the gates of the same name."""
        gate = TABLE.get(function.__name__)
        if gate is None or not function.__module__.startswith("numpy"):
            raise DTypeError(
                f"numpy.{function.__name__}", got="a tensor",
                needs="a function that is also a gate",
                remedy="Use tensor.detach().numpy(), or write it with backlight functions.")
        return gate(*arguments, **settings)

    def __dlpack__(self, **settings: Any) -> Any:
        """The numbers for another library, as a copy that it may write into."""
        return np.array(self.numpy()).__dlpack__(**settings)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The processor's memory."""
        return np.asarray(self._value).__dlpack_device__()

    def item(self) -> Any:
        """The one number it holds, as a Python number."""
        if self.size != 1:
            raise ShapeError(self._title(), got=f"item() for shape {self.shape}",
                             needs="exactly one element", remedy="Index or reduce it first.")
        return self._value.item()

    def tolist(self) -> Any:
        """The numbers as nested lists."""
        return self._value.tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "bui":
            raise DTypeError(self._title(), got=f"use as an index with type {self.dtype}",
                             needs="whole numbers", remedy="Convert it with .long().")
        return int(self.item())

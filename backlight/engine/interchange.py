"""A tensor to and from the outside: NumPy, DLPack, Python numbers."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from backlight.engine.tracing import refusal, refuse_value, tracers
from backlight.errors import DTypeError, GraphError, ShapeError, TraceError
from backlight.gates.gate import TABLE, Gate

Array = np.ndarray[Any, Any]
_UFUNCS = {"true_divide": "divide", "float_power": "power", "fabs": "absolute"}
"""NumPy's functions whose gate has another name."""
_FACTS = {
    np.shape,
    np.ndim,
    np.size,
    np.result_type,
    np.can_cast,
    np.iscomplexobj,
    np.isrealobj,
    np.min_scalar_type,
}
"""NumPy's functions that say something about an array, and have no gradient to lose."""
_TEXTS = {
    np.array_repr,
    np.array_str,
    np.array2string,
    np.may_share_memory,
    np.shares_memory,
}
"""NumPy's functions that look at the memory, and have no gradient to lose either."""
_ARGUMENTS = {
    "ddof": "correction",
    "k": "diagonal",
    "a_min": "low",
    "a_max": "high",
    "min": "low",
    "max": "high",
    "newshape": "shape",
    "pad_width": "widths",
    "constant_values": "value",
}
"""NumPy's arguments whose gate calls them otherwise."""
_OTHERS = {"take": {"axis"}, "pad": {"mode"}}
"""NumPy's arguments that its functions take to be something else where they are left out."""
_JOINED = {"concatenate": ("axis",), "where": (), "dot": ()}
"""NumPy's functions written in C, which do not tell their arguments: those after the arrays."""


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
                self._title(),
                got="a request for its array, which would drop its gradient",
                needs="a tensor that requires no gradient",
                remedy="Write .detach().numpy(), or use backlight functions instead of NumPy's.",
            )
        return self._array()

    def _array(self) -> Array:
        if tracers:
            refuse_value(self._value)
        view = np.asarray(self._value).view()
        view.flags.writeable = False
        return view

    def _shell(self) -> Array:
        """An array of this shape and type without its numbers, for what asks about no more."""
        return np.broadcast_to(np.zeros((), self.dtype), self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """What numpy.asarray(tensor) gives."""
        array = self.numpy()
        if dtype is not None and np.dtype(dtype) != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        """NumPy's elementwise functions applied to tensors are the gates of the same name."""
        gate = TABLE.get(_UFUNCS.get(ufunc.__name__, ufunc.__name__))
        if gate is not None and method == "__call__" and not settings:
            return gate(*inputs)
        plain, named = _without_history(ufunc.__name__, inputs, settings)
        return getattr(ufunc, method)(*plain, **named)

    def __array_function__(self, function: Any, types: Any, arguments: Any, settings: Any) -> Any:
        """NumPy's other functions applied to tensors are the gates of the same name."""
        if function in _FACTS:
            plain = [x._shell() if isinstance(x, Interchange) else x for x in arguments]
            return function(*plain, **settings)
        if function in _TEXTS:
            plain = [x._array() if isinstance(x, Interchange) else x for x in arguments]
            return function(*plain, **settings)
        gate, call = _as_gate(function, arguments, settings)
        if gate is not None:
            return gate(*call[0], **call[1])
        plain, named = _without_history(function.__name__, arguments, settings)
        return function(*plain, **named)

    def __dlpack__(self, **settings: Any) -> Any:
        """The numbers for another library, as a copy that it may write into."""
        return np.array(self.numpy()).__dlpack__(**settings)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The processor's memory."""
        return np.asarray(self._value).__dlpack_device__()

    def __format__(self, spec: str) -> str:
        """One number as Python formats it: f"{loss:.4f}"; without a format the whole tensor."""
        return format(self.item(), spec) if spec else str(self)

    def item(self) -> Any:
        """The one number it holds, as a Python number."""
        if self.size != 1:
            raise ShapeError(
                self._title(),
                got=f"item() for shape {self.shape}",
                needs="exactly one element",
                remedy="Index or reduce it first.",
            )
        if tracers:
            refuse_value(self._value)
        return self._value.item()

    def tolist(self) -> Any:
        """The numbers as nested lists."""
        if tracers:
            refuse_value(self._value)
        return self._value.tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "bui":
            raise DTypeError(
                self._title(),
                got=f"use as an index with type {self.dtype}",
                needs="whole numbers",
                remedy="Convert it with .long().",
            )
        return int(self.item())


def _as_gate(function: Any, arguments: Any, settings: Any) -> tuple[Gate | None, Any]:
    """The gate that computes this call of a NumPy function, and its arguments; else None.

    NumPy's third argument of `sum` is a type, the gate's says whether axes are kept: what is
    alike in name only must not be mistaken for it.
    """
    gate = TABLE.get(function.__name__)
    if gate is None or not function.__module__.startswith("numpy"):
        return None, None
    try:
        bound = inspect.signature(function).bind(*arguments, **settings).arguments
    except (TypeError, ValueError):
        names = _JOINED.get(function.__name__)
        return (
            (gate, (arguments, settings))
            if names is not None and set(settings) <= set(names)
            else (None, None)
        )
    wires = arguments if gate.variadic else list(bound.values())[: len(gate.inputs)]
    rest = {
        _ARGUMENTS.get(name, name): value
        for name, value in list(bound.items())[1 if gate.variadic else len(gate.inputs) :]
    }
    if not set(rest) <= set(gate.defaults) or not _OTHERS.get(function.__name__, set()) <= set(
        rest
    ):
        return None, None
    return gate, (wires[:1] if gate.variadic else wires, rest)


def _without_history(name: str, arguments: Any, settings: Any) -> Any:
    """The arguments as arrays for a NumPy function that is no gate, if no gradient is lost."""
    try:
        return _arrays(arguments, settings)
    except TraceError:
        raise refusal(
            f"numpy.{name} of a tensor, which needs its numbers",
            "gates while a function is compiled; sizes must not depend on values",
            "Use backlight's functions (where instead of masks and nonzero), or call it outside.",
        ) from None
    except GraphError as problem:
        raise DTypeError(
            f"numpy.{name}",
            got="a tensor that requires a gradient, which it would lose",
            needs="a function that is also a gate",
            remedy="Use tensor.detach(), or write it with backlight functions.",
        ) from problem


def _arrays(arguments: Any, settings: Any) -> tuple[list[Any], dict[str, Any]]:
    return [_array(one) for one in arguments], {k: _array(v) for k, v in settings.items()}


def _array(value: Any) -> Any:
    if isinstance(value, Interchange):
        if tracers:
            refuse_value(value._value)
        return value.numpy()
    if isinstance(value, (list, tuple)):
        return type(value)(map(_array, value))
    return value

"""Changes in place: allowed where no gradient can be made wrong by them, and always noted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from backlight import dtypes
from backlight.engine.mode import changes, clock, mode
from backlight.engine.tracing import changed, here, tracers
from backlight.errors import DTypeError, GraphError, RangeError, ShapeError
from backlight.gates.arithmetic import add, divide, multiply, subtract
from backlight.gates.gate import Gate

if TYPE_CHECKING:
    from backlight.engine.tensor import Tensor

Array = np.ndarray[Any, Any]


one_at_a_time = threading.Lock()


class InPlace:
    """Writing into a tensor, and noting when."""

    __slots__ = ()

    _value: Any
    _gate: Gate | None
    _base: Tensor | None
    requires_grad: bool
    shape: Any
    _title: Any

    def _allow(self, action: str) -> None:
        """Refuse a change that gates which remember this tensor would not know of."""
        if mode.recording and (self.requires_grad or self._gate is not None):
            raise GraphError(
                self._title(),
                got=f"{action} while gates remember",
                needs="a block of no_grad()",
                remedy="Write `with backlight.no_grad(): …`, or make a new tensor instead.",
            )

    def _writable(self, action: str) -> Array:
        """The array to write into, after noting that the value changes now."""
        self._allow(action)
        if tracers and here() is not None:
            here().refuse_memory(action)
        if not isinstance(self._value, np.ndarray) or not self._value.flags.writeable:
            self._value = np.array(self._value)  # memory of its own from now on
            self._base = None  # type: ignore[misc]
            changed()
        self.stamp()
        return self._value

    def stamp(self) -> None:
        """Note that the numbers change now; whoever writes into them says so by this."""
        owner: Any = self if self._base is None else self._base
        with one_at_a_time:
            owner._changed = changes.last = next(clock)

    def copy_(self, source: Any) -> Self:
        """Replace the numbers by those of `source`, which broadcasts; the type stays."""
        self._keep_gradients("copy_", source)
        if tracers and here() is not None:
            here().write(self, source)
            return self
        value = self._numbers(source)
        try:
            broadcast = np.broadcast_to(value, self.shape)
        except ValueError:
            raise ShapeError(
                self._title(),
                got=f"numbers of shape {np.shape(value)}",
                needs=f"shape {self.shape}",
                remedy="Reshape them first.",
            ) from None
        with_graph = mode.recording
        mode.recording = False
        try:
            self._writable("copy_")[...] = broadcast
        finally:
            mode.recording = with_graph
        return self

    def fill_(self, number: float) -> Self:
        """Set every element to one number."""
        return self.copy_(number)

    def zero_(self) -> Self:
        """Set every element to 0."""
        return self.copy_(0)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._keep_gradients("an assignment to elements", value)
        if tracers and here() is not None:
            self._allow("an assignment to elements")
            here().assign(self, key, value)
            return
        array = self._writable("an assignment to elements")
        places = tuple(_plain(k) for k in key) if isinstance(key, tuple) else _plain(key)
        numbers = self._numbers(value)
        try:
            array[places] = numbers
        except IndexError as problem:
            raise RangeError(
                self._title(),
                got=f"the index {key!r} ({problem})",
                needs=f"an index into shape {self.shape}",
                remedy="Index places that it has.",
            ) from None
        except ValueError as problem:
            raise ShapeError(
                self._title(),
                got=f"numbers of shape {numbers.shape} ({problem})",
                needs="numbers that fill the places or stretch to them",
                remedy="Reshape them first.",
            ) from None

    def _in_place(self, gate: Gate, other: Any) -> Self:
        """`x op= y`: changes a leaf under no_grad, else makes a new tensor."""
        if self._gate is not None or (
            mode.recording and not self.requires_grad and getattr(other, "requires_grad", False)
        ):
            return gate(self, other)  # type: ignore[no-any-return]
        if tracers and here() is not None:
            self._allow(f"{gate.name} in place")
            here().change(self, gate, other)
            return self
        array = self._writable(f"{gate.name} in place")
        result = gate.compute((array, _plain(other)), {})
        if np.shape(result) != array.shape:
            raise ShapeError(
                self._title(),
                got=f"an in-place {gate.name} with shape {np.shape(_plain(other))}",
                needs=f"a result of {self.shape}",
                remedy=f"Write x = x {gate.formula[2:3]} y instead.",
            )
        if not np.can_cast(result.dtype, array.dtype, "same_kind"):
            raise DTypeError(
                self._title(),
                got=f"an in-place {gate.name} that gives {result.dtype}",
                needs=f"numbers of its type {array.dtype}",
                remedy="Convert it first, for example with .float().",
            )
        array[...] = result
        return self

    def _numbers(self, source: Any) -> Array:
        """`source` as an array; Python numbers take the type of this tensor unrounded."""
        plain = _plain(source)
        return dtypes.as_array(
            plain, None if hasattr(plain, "dtype") else self._value.dtype, self._title()
        )

    def _keep_gradients(self, action: str, source: Any) -> None:
        """Refuse to take over numbers without the gradient that they ask for."""
        if mode.recording and getattr(source, "requires_grad", False):
            raise GraphError(
                self._title(),
                got=f"{action} with a value that requires a gradient, which the "
                "numbers alone would lose",
                needs="numbers without history, or no_grad()",
                remedy="Detach the value, or build the result with where, concatenate or "
                "scatter_add.",
            )

    def __iadd__(self, other: Any) -> Self:
        return self._in_place(add, other)

    def __isub__(self, other: Any) -> Self:
        return self._in_place(subtract, other)

    def __imul__(self, other: Any) -> Self:
        return self._in_place(multiply, other)

    def __itruediv__(self, other: Any) -> Self:
        return self._in_place(divide, other)


def _plain(value: Any) -> Any:
    """The numbers inside a tensor; anything else as it is."""
    return getattr(value, "_value", value)

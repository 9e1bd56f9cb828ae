"""What a tensor is called: in prints, in messages, by the remarks attached to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight import dtypes
from backlight.engine.tracing import Unknown
from backlight.gates.gate import Gate

_NONE: dict[str, Any] = {}


class Naming:
    """Name, remarks and printed form of a tensor."""

    __slots__ = ()

    _value: Any
    _notes: dict[str, Any] | None
    _gate: Gate | None
    requires_grad: Any
    shape: Any
    dtype: Any

    @property
    def name(self) -> str | None:
        """Its name in pictures and messages."""
        return (self._notes or _NONE).get("name")

    @name.setter
    def name(self, name: str | None) -> None:
        self.note("name", name)

    def note(self, key: str, value: Any) -> None:
        """Attach a remark (its name, the layer that made it)."""
        tensor: Any = self
        if tensor._notes is None:
            tensor._notes = {}
        tensor._notes[key] = value

    def __repr__(self) -> str:
        """Numbers, type, and the gate and layer that made it."""
        if type(self._value) is Unknown:
            return f"tensor({self._value.printed()})"
        text = np.array2string(
            np.asarray(self._value), separator=", ", prefix="tensor(", precision=4, threshold=200
        )
        facts = (
            ""
            if self.dtype in (dtypes.float32, dtypes.int64, dtypes.boolean)
            else f", dtype={self.dtype}"
        )
        if self._gate is not None:
            facts += f", gate={self._gate.name}"
        elif self.requires_grad:
            facts += ", requires_grad=True"
        origin = (self._notes or _NONE).get("origin")
        return f"tensor({text}{facts}{f', layer={origin.path}' if origin else ''})"

    def _title(self) -> str:
        if self.name:
            return f"tensor {self.name!r}"
        if self._gate is not None:
            return f"the output of gate {self._gate.name}, shape {self.shape},"
        return f"tensor of shape {self.shape}"

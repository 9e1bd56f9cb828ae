"""The gates as methods of a tensor, taken from the table."""

from __future__ import annotations

from typing import Any

from backlight.gates.gate import TABLE, Gate


class GateMethods:
    """x.exp() is exp(x) for every gate of the table. `methods.pyi` lists them for editors."""

    __slots__ = ()


def attach(kind: type) -> None:
    """Give `kind` a method for every gate whose name it does not define itself."""
    own = set(kind.__dict__)
    for name, gate in TABLE.items():
        if name not in own:
            setattr(GateMethods, name, _method(gate))


def _method(gate: Gate) -> Any:
    def method(self: Any, *inputs: Any, **attributes: Any) -> Any:
        return gate(self, *inputs, **attributes)

    method.__name__ = gate.name
    first = (gate.__doc__ or "").strip().split("\n")[0]
    method.__doc__ = f"{first} See the gate `{gate.name}`: {gate.formula}."
    return method

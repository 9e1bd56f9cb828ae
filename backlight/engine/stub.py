"""The stub `methods.pyi`, written from the gate table: editors see the gates as methods.

    python -m backlight.engine.stub

writes it anew after a gate was added or changed. A test compares it with the table.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from backlight.engine.habits import Habits
from backlight.engine.in_place import InPlace
from backlight.engine.interchange import Interchange
from backlight.engine.operators import Operators
from backlight.engine.rearranging import Rearranging
from backlight.engine.tensor import Tensor
from backlight.gates import TABLE, Gate

PATH = Path(__file__).with_name("methods.pyi")
_HEAD = '''"""The gates as methods of a tensor. Made by `python -m backlight.engine.stub`."""

from collections.abc import Sequence
from typing import Any

from backlight.engine.tensor import Tensor

class GateMethods:
'''
_TAIL = """
def attach(kind: type) -> None: ...
"""
_WIDTH = 100


def stub() -> str:
    """The text of the stub.

    Examples
    --------
    >>> "def exp(self) -> Tensor: ..." in stub()
    True
    """
    kinds = (Tensor, Habits, Interchange, InPlace, Rearranging, Operators)
    taken = {name for kind in kinds for name in vars(kind)}
    methods = [
        _method(name, gate)
        for name, gate in sorted(TABLE.items())
        if name not in taken and type(gate).__module__.startswith("backlight.")
    ]
    return _HEAD + "".join(methods) + _TAIL


def main() -> None:
    """Write the stub beside the module that it describes."""
    PATH.write_text(stub(), encoding="utf-8")


def _method(name: str, gate: Gate) -> str:
    wires = ["*others: Any"] if gate.variadic else []
    if not gate.variadic:
        rest = gate.inputs[1:]
        needed = len(rest) - gate.optional
        wires = [
            f"{wire}: Any" if place < needed else f"{wire}: Any = None"
            for place, wire in enumerate(rest)
        ]
    settings = [_setting(one, default) for one, default in gate.defaults.items()]
    # An attribute without a default may follow by position only what must be given too.
    if any(default is inspect.Parameter.empty for default in gate.defaults.values()) and (
        gate.optional or gate.variadic or _unordered(gate)
    ):
        settings = ["*", *settings] if not gate.variadic else settings
    arguments = ["self", *wires, *settings]
    line = f"    def {name}({', '.join(arguments)}) -> Tensor: ...\n"
    if len(line) <= _WIDTH:
        return line
    inner = "".join(f"        {one},\n" for one in arguments)
    return f"    def {name}(\n{inner}    ) -> Tensor: ...\n"


def _unordered(gate: Gate) -> bool:
    """Whether an attribute that must be given follows one that need not."""
    free = [default is not inspect.Parameter.empty for default in gate.defaults.values()]
    return free != sorted(free)


def _setting(name: str, default: Any) -> str:
    if default is inspect.Parameter.empty:
        kind = "int" if name in ("axis", "pieces", "classes", "groups") else "Any"
        return f"{name}: {kind}"
    if default is None:
        kind = "int | Sequence[int] | None" if name in ("axis", "axes") else "Any"
    else:
        kind = {"bool": "bool", "int": "int", "float": "float", "str": "str"}.get(
            type(default).__name__, "Any"
        )
        if name in ("stride", "padding", "dilation", "output_padding"):
            kind = "int | Sequence[int]"
        if name == "dtype":
            kind = "Any"
    return f"{name}: {kind} = {default!r}"


if __name__ == "__main__":
    main()

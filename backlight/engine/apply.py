"""Applying a gate to tensors: compute now, remember how, and say clearly why not.

This is the eager executor. It looks at nothing but the gate's declaration.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np

from backlight import dtypes
from backlight.engine.mode import clock, mode
from backlight.engine.tracing import tracers
from backlight.errors import BacklightError, DTypeError
from backlight.gates.gate import Gate, Role
from backlight.gates.refusal import MISTAKES, explained
from backlight.quiet import restore, silence

if TYPE_CHECKING:
    from backlight.engine.tensor import Tensor

_NUMBERS = (float, int, bool, type(None))
_SILENT = (Role.WALL, Role.SOURCE)
_FLOAT32, _FLOAT64 = dtypes.float32, dtypes.float64

_watchers: list[Any] = []
"""Functions told of every application while they are installed (see `watch`)."""


def run(kind: type[Tensor], gate: Gate, inputs: Any, attributes: dict[str, Any]) -> Tensor:
    """The tensor that `gate` makes of `inputs`, some of which are tensors of class `kind`.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError, RangeError
        As the gate declares; the message says which layers made the inputs.
    """
    if tracers:
        tracer = tracers.get(get_ident())
        if tracer is not None:
            return tracer.apply(kind, gate, inputs, attributes)  # type: ignore[no-any-return]
    values: list[Any] = []
    wanted = foreign = False
    for x in inputs:
        if isinstance(x, kind):
            values.append(x._value)
            if x._wanted:
                wanted = True
        elif type(x) in _NUMBERS:
            values.append(x)
        elif getattr(x, "executor_rank", 0) > kind.executor_rank:
            return x.apply_gate(gate, inputs, attributes)  # type: ignore[no-any-return]
        else:
            values.append(dtypes.as_array(x, subject=f"gate {gate.name}"))
            foreign = True
    if foreign:  # lists and arrays of other kinds: the backward rule meets them converted too
        if wanted and mode.recording:  # their owner may write into them before backward
            values = [
                value if isinstance(x, kind) or type(x) in _NUMBERS else np.array(value)
                for x, value in zip(inputs, values, strict=True)
            ]
        inputs = tuple(
            x if isinstance(x, kind) else value for x, value in zip(inputs, values, strict=True)
        )
    token = silence()
    try:
        output = gate.forward(np, *values, **attributes)
    except MISTAKES as problem:
        raise explained(gate, values, attributes, problem, provenance(inputs)) from (
            None if isinstance(problem, BacklightError) else problem
        )
    finally:
        restore(token)
    try:
        dtype = output.dtype
    except AttributeError:
        output = np.asarray(output)
        dtype = output.dtype
    if dtype is not _FLOAT32:
        output = settled(gate, values, attributes, output, dtype)

    made = kind.__new__(kind)
    made._value = output
    made._grad = None
    made._changed = 0
    made._notes = None
    made._base = None
    if gate.views and isinstance(inputs[0], kind):
        base = inputs[0]._base
        made._base = inputs[0] if base is None else base
    if wanted and mode.recording and gate.role not in _SILENT and output.dtype.kind == "f":
        made._wanted = True
        made._gate = gate
        made._inputs = inputs
        made._attributes = attributes
        made._order = next(clock)
    else:
        made._wanted = False
        made._gate = None
        made._inputs = None
        made._attributes = attributes
        made._order = 0
    if _watchers:
        for watcher in _watchers:
            watcher(gate, inputs, values, attributes, made)
    return made


class watch:  # noqa: N801 - reads as a verb: with watch(function): …
    """Within this block, `watcher(gate, inputs, values, attributes, output)` sees every gate.

    `inputs` are what the gate was given, `values` the arrays inside them, `output` the new tensor.
    """

    def __init__(self, watcher: Any) -> None:
        self._watcher = watcher

    def __enter__(self) -> None:
        _watchers.append(self._watcher)

    def __exit__(self, *error: object) -> None:
        _watchers.remove(self._watcher)


def settled(
    gate: Gate, values: list[Any], attributes: dict[str, Any], output: Any, dtype: Any
) -> Any:
    """Hold NumPy's answer to the type rule: whole numbers never become float64 by accident."""
    if dtype is _FLOAT64 or dtype == _FLOAT64:
        for value in values:
            if getattr(value, "dtype", _FLOAT32) == _FLOAT64:  # NumPy holds None equal to float64
                return output
        if attributes.get("dtype", "") in (np.float64, "float64", _FLOAT64):
            return output
        return output.astype(
            dtypes.float32
            if any(getattr(value, "dtype", None) == _FLOAT32 for value in values)
            else dtypes.get_default_dtype()
        )
    if dtypes.is_supported(dtype):
        return output
    # NumPy answers small whole numbers with half precision: compute them in the default type.
    cast = [
        value.astype(dtypes.get_default_dtype())
        if getattr(value, "dtype", None) is not None and value.dtype.kind in "bui"
        else value
        for value in values
    ]
    with np.errstate(all="ignore"):
        output = gate.forward(np, *cast, **attributes)
    if not dtypes.is_supported(output.dtype):
        raise DTypeError(
            f"gate {gate.name}",
            got=f"inputs that give {output.dtype}",
            needs="float32, float64, whole numbers or truth values",
            remedy="Convert the inputs first, for example with .float().",
        )
    return output


def provenance(inputs: Any) -> str:
    """A sentence on which layers made the inputs, if any layer did."""
    for x in inputs:
        origin = (getattr(x, "_notes", None) or {}).get("origin")
        if origin:
            return f"The input came from {origin}."
    return ""

"""Gates with their gradients of first and second order, as functions that can be compiled."""

from __future__ import annotations

import numpy as np

from backlight.engine.derivative import grad
from backlight.engine.tensor import Tensor, as_tensor
from backlight.gates.gate import Role

SILENT = (Role.WALL, Role.SOURCE)


def inputs_of(sample, dtype):
    """The inputs of a sample, its fractions in this type."""
    found = []
    for x in sample.inputs:
        array = np.asarray(x) if isinstance(x, (list, np.generic)) else x
        is_float = isinstance(array, np.ndarray) and array.dtype.kind == "f"
        found.append(array.astype(dtype) if is_float else array)
    return tuple(found)


def drawn(shape, stream, dtype):
    """Numbers that are the same in every run."""
    return np.random.default_rng([7, stream]).standard_normal(shape).astype(dtype)


def derived(gate, attributes, wires):
    """The output, its gradients for a fixed upstream, and the gradients of those."""
    selectors = set(gate.selectors)
    names = gate.inputs + gate.inputs[-1:] * max(0, len(wires) - len(gate.inputs))
    given, wanted = [], []
    for name, x in zip(names, wires, strict=True):
        is_float = isinstance(x, Tensor | np.ndarray) and x.dtype.kind == "f"
        if is_float and name not in selectors and gate.role not in SILENT:
            x = as_tensor(x).detach().requires_grad_()
            wanted.append(x)
        given.append(x)
    output = gate(*given, **attributes)
    if not isinstance(output, Tensor) or not output.requires_grad:
        return [output]
    above = as_tensor(drawn(output.shape, 0, output.dtype)).requires_grad_()
    first = grad(output, wanted, above, create_graph=True)
    slope = None
    for number, one in enumerate(first, 1):
        if one.requires_grad:
            part = (one * drawn(one.shape, number, one.dtype)).sum()
            slope = part if slope is None else slope + part
    if slope is None:
        return [output, *first]
    return [output, *first, *grad(slope, [*wanted, above])]


def gap(found, wanted):
    """The largest difference, by the size of the largest number; NaN and infinities must agree."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return np.inf
    if wanted.dtype.kind != "f":
        return 0.0 if np.array_equal(found, wanted) else np.inf
    odd = ~np.isfinite(wanted)
    if not np.array_equal(found[odd], wanted[odd], equal_nan=True):
        return np.inf
    if not np.isfinite(found[~odd]).all():
        return np.inf
    apart = np.abs(found[~odd].astype(np.float64) - wanted[~odd])
    return float(apart.max(initial=0.0) / max(1e-30, np.abs(wanted[~odd]).max(initial=0.0)))

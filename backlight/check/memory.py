"""What a gate may not do with memory: write its inputs, or care how they are laid out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from backlight.check.finding import Array, Finding, case_of, floating, names, tensors
from backlight.engine.tensor import Tensor
from backlight.errors import BacklightError
from backlight.gates.family import Elementwise, Mover
from backlight.gates.gate import Gate, Role, Sample

_ROUNDING = 2e-14


def purity(gate: Gate, sample: Sample) -> Iterator[Finding]:
    """Two calls give the same bits, and neither pass writes into an input."""
    wires = tensors(sample)
    before = [_bits(wire) for wire in wires]
    first, second = _both_passes(gate, wires, sample), _both_passes(gate, wires, sample)
    if list(map(_bits, first)) != list(map(_bits, second)):
        yield Finding(gate.name, "purity", str(sample), "a second call gives other bits")
    for name, wire, bits in zip(names(gate, sample), wires, before, strict=True):
        if _bits(wire) != bits:
            yield Finding(gate.name, "purity", str(sample), "writes into its input", name)


def layouts(gate: Gate, sample: Sample) -> Iterator[Finding]:
    """Arrays in other orders, with other strides or read-only give the same numbers.

    The same bits where every number is computed for itself; where numbers are added, NumPy adds
    them in the order of the memory, and the last digits follow it.
    """
    contiguous = _both_passes(gate, _shared(sample.inputs), sample)
    for layout, lay in _LAYOUTS.items():
        inputs = [lay(x) if isinstance(x, np.ndarray) and x.ndim else x for x in sample.inputs]
        found = _both_passes(gate, _shared(inputs), sample)
        if not _same(gate, found, contiguous):
            yield Finding(gate.name, "memory layout", str(sample), f"{layout} gives other numbers")
    stretched = [np.broadcast_to(x[:1], x.shape) if _stretchable(x) else x for x in sample.inputs]
    if any(map(_stretchable, sample.inputs)):
        copied = [np.array(x) if isinstance(x, np.ndarray) else x for x in stretched]
        if not _same(
            gate,
            _both_passes(gate, _shared(stretched), sample),
            _both_passes(gate, _shared(copied), sample),
        ):
            yield Finding(gate.name, "memory layout", str(sample), "stride 0 gives other numbers")


def aliasing(gate: Gate, sample: Sample) -> Iterator[Finding]:
    """One array given for two inputs receives the sum of both gradients."""
    places = [i for i, x in enumerate(sample.inputs) if floating(x)]
    if len(places) < 2:
        return
    one, two = places[:2]
    if np.shape(sample.inputs[one]) != np.shape(sample.inputs[two]):
        return
    inputs = list(sample.inputs)
    inputs[two] = inputs[one]
    try:
        case = case_of(gate, Sample(tuple(inputs), sample.attributes))
    except BacklightError:  # the two inputs have different domains, and it said so
        return
    if case is None:
        return
    apart = list(case.gradients().values())
    wires = tensors(Sample(tuple(inputs), sample.attributes))
    wires[two] = wires[one]
    gate(*wires, **sample.attributes).backward(case.weights[0])
    together = np.zeros(wires[one].shape) if wires[one].grad is None else wires[one].grad._value
    if not np.allclose(together, apart[0] + apart[1], rtol=1e-12, atol=1e-12, equal_nan=True):
        yield Finding(
            gate.name,
            "aliasing",
            str(sample),
            "f(x, x) has not the sum of both paths",
            names(gate, sample)[one],
        )


def _both_passes(gate: Gate, wires: list[Any], sample: Sample) -> list[Array]:
    """The output and every gradient, for an upstream 1, 2, 3, …"""
    for wire in wires:
        if isinstance(wire, Tensor):
            wire.grad = None
    output = gate(*wires, **sample.attributes)
    if output.requires_grad:
        output.backward(1.0 + np.arange(output.size).reshape(output.shape) % 7)
    return [_array(output), *(_array(wire.grad) for wire in wires if isinstance(wire, Tensor))]


def _same(gate: Gate, found: list[Array], known: list[Array]) -> bool:
    """Whether all arrays have the same bits, or, of a gate that adds, the same numbers."""
    if all(_bits(a) == _bits(b) for a, b in zip(found, known, strict=True)):
        return True
    exact = isinstance(gate, (Elementwise, Mover)) or gate.role is Role.MOVER
    return not exact and all(
        a.shape == b.shape
        and np.allclose(
            a, b, rtol=0, atol=_ROUNDING * float(np.max(np.abs(b), initial=0.0)), equal_nan=True
        )
        for a, b in zip(found, known, strict=True)
    )


def _array(value: Tensor | None) -> Array:
    return np.zeros(0) if value is None else np.asarray(value._value)


def _bits(value: Any) -> bytes:
    array = _array(value) if value is None or isinstance(value, Tensor) else np.asarray(value)
    # −0 and 0 are the same number; adding 0 makes them the same bits.
    return (array + 0.0).tobytes() if array.dtype.kind == "f" else array.tobytes()


def _shared(inputs: Any) -> list[Any]:
    """Tensors on these very arrays."""
    found: list[Any] = []
    for x in inputs:
        if not isinstance(x, (np.ndarray, np.generic)):
            found.append(x)
            continue
        wire = Tensor.share(np.zeros(()))
        wire._value = np.asarray(x)
        wire.requires_grad = floating(x)
        found.append(wire)
    return found


def _fortran(x: Array) -> Array:
    return np.asfortranarray(x)


def _turned(x: Array) -> Array:
    """A view of a larger transposed array."""
    return np.ascontiguousarray(x.T).T


def _backwards(x: Array) -> Array:
    everywhere = (slice(None, None, -1),) * x.ndim
    return np.ascontiguousarray(x[everywhere])[everywhere]


def _stepped(x: Array) -> Array:
    spaced = np.full(tuple(2 * size for size in x.shape), 99, x.dtype)
    every_second = (slice(None, None, 2),) * x.ndim
    spaced[every_second] = x
    return spaced[every_second]


def _locked(x: Array) -> Array:
    copied = np.array(x)
    copied.flags.writeable = False
    return copied


def _unaligned(x: Array) -> Array:
    room = np.zeros(x.nbytes + 1, np.uint8)[1:]
    shifted = room.view(x.dtype).reshape(x.shape)
    shifted[...] = x
    return shifted


def _stretchable(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.ndim > 0 and x.shape[0] > 1 and x.dtype.kind == "f"


_LAYOUTS = {
    "Fortran order": _fortran,
    "a transposed view": _turned,
    "a negative stride": _backwards,
    "a step slice": _stepped,
    "a read-only array": _locked,
    "an unaligned array": _unaligned,
}

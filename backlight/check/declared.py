"""What a declaration says beside its rules: shapes, types, and the parts of a composite gate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from backlight.check.case import in_a_row
from backlight.check.finding import (
    SILENT,
    SMALL,
    Array,
    Finding,
    attributes_of,
    case_of,
    floating,
    gradients,
    names,
    tensors,
)
from backlight.engine.tensor import Tensor
from backlight.errors import BacklightError
from backlight.gates.gate import Gate, Sample

_KINDS = ("float32", "float64", "int64", "int32", "uint8", "bool")
_COMPOSITE = 1e-14
_COMPOSITE_GRADIENT = 1e-12
_SINGLE = 64 * float(np.finfo(np.float32).eps)
_KINK_TEXT = "declares kinks and has no branch, so that the gradient check cannot see them"


def shape_rule(gate: Gate, sample: Sample) -> Iterator[Finding]:
    """The declared shape is the real one."""
    attributes = attributes_of(gate, sample)
    declared = gate.shape(*map(_shape, sample.inputs), **attributes)
    real = gate(*tensors(sample), **sample.attributes).shape
    if tuple(declared) != tuple(real):
        yield Finding(gate.name, "shape rule", str(sample), f"declares {declared}, gives {real}")


def dtype_rule(gate: Gate, sample: Sample) -> Iterator[Finding]:
    """The declared type is the real one, for every type of element, or a refusal in words."""
    attributes = attributes_of(gate, sample)
    for kind in _KINDS:
        inputs = [
            _cast(gate, name, x, kind)
            for name, x in zip(names(gate, sample), sample.inputs, strict=True)
        ]
        wires = [Tensor(x) if isinstance(x, (np.ndarray, np.generic)) else x for x in inputs]
        try:
            declared = gate.dtype(*map(_dtype, inputs), **attributes)
            real = gate(*wires, **sample.attributes).dtype
        except BacklightError:
            continue
        except Exception as problem:  # whatever else is raised is the finding
            yield Finding(
                gate.name,
                "dtype rule",
                str(sample),
                f"{kind} raises {type(problem).__name__}: {problem}",
            )
            continue
        if declared != real:
            yield Finding(
                gate.name,
                "dtype rule",
                str(sample),
                f"for {kind} declares {declared}, gives {real}",
            )


def single_precision(gate: Gate, sample: Sample) -> Iterator[Finding]:
    """In float32, value and gradients are those of float64 within 64 roundings, in float32."""
    if case_of(gate, sample) is None or "dtype" in sample.attributes:
        return
    rounded = Sample(
        tuple(
            np.asarray(x, np.float32).astype(np.float64) if floating(x) else x
            for x in sample.inputs
        ),
        sample.attributes,
    )
    case = case_of(gate, rounded)
    if case is None:
        return
    cotangent = case.weights[0].astype(np.float32).astype(np.float64)
    exact = gradients(gate, tensors(rounded), sample.attributes, cotangent)
    short = gradients(gate, tensors(rounded, np.float32), sample.attributes, cotangent)
    pairs: list[tuple[str, Any, Any, float]] = [("output", exact[0], short[0], 0.0)]
    pairs += [
        (name, precise, found, SMALL)
        for name, precise, found in zip(names(gate, sample), exact[1], short[1], strict=True)
    ]
    for name, precise, found, floor in pairs:
        if precise is None or found is None:
            continue
        if found.dtype != np.float32:
            yield Finding(gate.name, "float32", str(sample), f"{name} has {found.dtype}", name)
        elif _apart(found, precise, floor) > _SINGLE:
            yield Finding(
                gate.name,
                "float32",
                str(sample),
                f"{name} is off by {_apart(found, precise, floor):.1e} of its largest",
                name,
            )


def composite(gate: Gate, sample: Sample) -> Iterator[Finding]:
    """A composite gate equals its parts: value within 1e-14, gradients within 1e-12."""
    parts = getattr(gate, "parts", None)
    if parts is None:
        return
    attributes = attributes_of(gate, sample)
    wires = tensors(sample)
    placed, _ = gate.bind(tuple(wires), dict(sample.attributes))
    whole, unfolded = gate(*wires, **sample.attributes), parts(*placed, **attributes)
    apart = _apart(np.asarray(unfolded._value), np.asarray(whole._value))
    if unfolded.shape != whole.shape or apart > _COMPOSITE:
        yield Finding(
            gate.name, "composite", str(sample), f"its parts give another value, off by {apart:.1e}"
        )
        return
    case = case_of(gate, sample)
    if case is None or _at_kink(gate, sample):
        return
    for leaf in case.leaves.values():
        leaf.grad = None
    unfolded.backward(case.weights[0])
    for name, wire, known in zip(
        names(gate, sample), wires, _whole(case, gate, sample), strict=True
    ):
        if known is None:
            continue
        found = np.zeros(wire.shape) if wire.grad is None else wire.grad._value
        apart = _apart(found, known, SMALL)
        if apart > _COMPOSITE_GRADIENT:
            yield Finding(
                gate.name,
                "composite",
                str(sample),
                f"its parts give another gradient, off by {apart:.1e}",
                name,
            )


def declaration(gate: Gate) -> Iterator[Finding]:
    """A gate with kinks can say in which branch a number falls, and has samples."""
    if gate.kinks and gate.role not in SILENT and type(gate).branch is Gate.branch:
        yield Finding(gate.name, "declaration", "–", _KINK_TEXT)
    if not list(gate.samples()):
        yield Finding(gate.name, "declaration", "–", "has no samples")


def _whole(case: Any, gate: Gate, sample: Sample) -> list[Array | None]:
    known = case.gradients()
    return [known.get(name) for name in names(gate, sample)]


def _at_kink(gate: Gate, sample: Sample) -> bool:
    """Whether a nudge up or down changes a branch."""
    attributes = attributes_of(gate, sample)
    placed = gate.bind(tuple(sample.inputs), dict(sample.attributes))[0]
    with np.errstate(all="ignore"):
        branches = [
            gate.branch(np, *(x + shift if floating(x) else x for x in placed), **attributes)
            for shift in (-1e-9, 0.0, 1e-9)
        ]
    return any(
        branch is not None and not np.array_equal(branch, branches[1]) for branch in branches
    )


def _apart(found: Any, known: Any, floor: float = 0.0) -> float:
    """The largest difference, as a part of the largest number or of `floor` if that is larger."""
    a, b = in_a_row([found]), in_a_row([known])
    if a.shape != b.shape:
        return float("inf")
    both = np.isfinite(a) & np.isfinite(b)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    size = max(float(np.max(np.abs(b[both]), initial=0.0)), floor)
    difference = float(np.max(np.abs(a[both] - b[both]), initial=0.0))
    return difference / size if size else difference


def _shape(value: Any) -> Any:
    return None if value is None else np.shape(value)


def _dtype(value: Any) -> Any:
    return None if value is None else getattr(value, "dtype", type(value))


def _cast(gate: Gate, name: str, value: Any, kind: str) -> Any:
    """A sample's input in another type; whole numbers keep inside a domain such as x > 0."""
    if not floating(value):
        return value
    array = np.asarray(value)
    if kind.startswith("float"):
        return array.astype(kind)
    whole = (
        np.abs(np.rint(array)) + 1 if gate.domain.get(name) or kind == "uint8" else np.rint(array)
    )
    return whole.astype(kind)

"""What is checked of a gate's derivative: first order, second order, forward against reverse."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backlight import philox
from backlight.check.case import Case, second_order
from backlight.check.difference import Line, Prober
from backlight.check.finding import SILENT, SMALL, Finding, case_of, tensors
from backlight.check.gradient import rounding_of
from backlight.check.judging import Rule, compare, largest_of
from backlight.check.verdict import HAPPY
from backlight.engine.derivative import jvp
from backlight.engine.tensor import Tensor
from backlight.gates.gate import Gate, Sample

_EVERY = 400
_SOME = 32
_FORWARD_BAR = 1e-13


def first_order(gate: Gate, sample: Sample) -> Iterator[Finding]:
    """Every element of every input, against a random cotangent, within 1e-7."""
    case = case_of(gate, sample)
    if case is not None:
        yield from _compared(gate, sample, case, 1, _EVERY)
    elif gate.role in SILENT:
        yield from _silent(gate, sample)


def backward_derivative(gate: Gate, sample: Sample) -> Iterator[Finding]:
    """The backward rule, differentiated by the inputs and by the upstream, within 1e-6."""
    case = case_of(gate, sample)
    if case is not None:
        yield from _compared(gate, sample, second_order(case), 2, _SOME)


def forward_against_reverse(gate: Gate, sample: Sample) -> Iterator[Finding]:
    """(J·v)·u = v·(uᵀ·J) without any difference, within 1e-13."""
    case = case_of(gate, sample)
    if case is None:
        return
    wires = tensors(sample)
    places = [i for i, wire in enumerate(wires) if isinstance(wire, Tensor) and wire.requires_grad]

    def function(*leaves: Tensor) -> Tensor:
        placed = list(wires)
        for place, leaf in zip(places, leaves, strict=True):
            placed[place] = leaf
        return gate(*placed, **sample.attributes)  # type: ignore[no-any-return]

    primals = [wires[place] for place in places]
    tangents = [
        philox.normal(5, place, primal.shape, np.float64)
        for place, primal in zip(places, primals, strict=True)
    ]
    _, change = jvp(function, [primal.detach() for primal in primals], tangents)
    terms = change.numpy() * case.weights[0]
    reverse = [
        tangent * gradient
        for tangent, gradient in zip(tangents, case.gradients().values(), strict=True)
    ]
    ahead, back = float(np.sum(terms)), float(sum(np.sum(one) for one in reverse))
    size = float(np.sum(np.abs(terms))) + float(sum(np.sum(np.abs(one)) for one in reverse))
    if np.isfinite(size) and abs(ahead - back) > _FORWARD_BAR * max(size, SMALL):
        yield Finding(
            gate.name,
            "forward = reverse",
            str(sample),
            f"(J·v)·u is {ahead:.17g} and v·(uᵀ·J) is {back:.17g}",
        )


def _compared(gate: Gate, sample: Sample, case: Case, order: int, limit: int) -> Iterator[Finding]:
    analytic = case.gradients()
    prober = Prober(case.read, case.cotangent)
    residues = rounding_of(case, analytic)
    check = "first order" if order == 1 else "second order"
    for name, leaf in case.leaves.items():
        gradient = analytic[name]
        largest = largest_of(gradient)
        rule = Rule(residues[name], order=order)
        order_of_visit = philox.permutation(1, leaf.size, leaf.size)[:limit]
        for flat in order_of_visit:
            place = tuple(int(i) for i in np.unravel_index(int(flat), leaf.shape))
            row = compare(
                prober, Line(leaf._value, place), name, place, float(gradient[place]), largest, rule
            )
            bar = HAPPY * 10 ** (order - 1) * max(largest, abs(row.numeric), SMALL)
            off = abs(row.analytic - row.numeric)
            if row.verdict.failed and not off - row.noise <= bar:
                yield Finding(
                    gate.name,
                    check,
                    str(sample),
                    f"the rule gives {row.analytic:.9g}, differences "
                    f"{row.numeric:.9g} ± {row.noise:.0e}",
                    name,
                    place,
                )


def _silent(gate: Gate, sample: Sample) -> Iterator[Finding]:
    """No gradient passes a wall, and none comes from a source."""
    output = gate(*tensors(sample), **sample.attributes)
    if isinstance(output, Tensor) and output.requires_grad:
        yield Finding(
            gate.name,
            "first order",
            str(sample),
            f"a {gate.role.name.lower()} lets a gradient pass",
        )

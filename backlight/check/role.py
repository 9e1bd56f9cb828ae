"""What a gate's role claims about its Jacobian, tested on the Jacobian itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from backlight.check.finding import Array, Finding, case_of, floating
from backlight.engine.backward import propagate
from backlight.gates.family import Elementwise, Reduction
from backlight.gates.gate import Gate, Role, Sample

_LARGEST = 40_000
_FAR = 60.0
_MOVED = 6


def role_claim(gate: Gate, sample: Sample) -> Iterator[Finding]:
    """The role's claim, on the whole Jacobian of a sample; large ones are left to other samples."""
    claim = _CLAIMS.get(gate.role)
    jacobians = _jacobians(gate, sample) if claim else None
    if claim is None or jacobians is None:
        return
    for told in claim(gate, sample, jacobians):
        yield Finding(gate.name, f"role {gate.role.name.lower()}", str(sample), told)


def _jacobians(gate: Gate, sample: Sample) -> dict[str, Array] | None:
    """∂output/∂input as a matrix for every floating input."""
    case = case_of(gate, sample)
    if case is None:
        return None
    output = case.outputs[0]
    if output.size * sum(leaf.size for leaf in case.leaves.values()) > _LARGEST:
        return None
    rows: dict[str, Array] = {
        name: np.zeros((output.size, leaf.size)) for name, leaf in case.leaves.items()
    }
    for number in range(output.size):
        unit = np.zeros(output.size)
        unit[number] = 1.0
        found = propagate(
            [output], [unit.reshape(output.shape)], list(case.leaves.values()), retain_graph=True
        )
        for matrix, gradient in zip(rows.values(), found, strict=True):
            if gradient is not None:
                matrix[number] = gradient._value.ravel()
    return rows


def _distributor(gate: Gate, _: Sample, jacobians: dict[str, Array]) -> Iterator[str]:
    for name, matrix in jacobians.items():
        if not np.isin(matrix, (-1.0, 0.0, 1.0)).all():
            yield f"{name} receives upstream times something other than 1 or −1"
        if isinstance(gate, (Elementwise, Reduction)) and not matrix.any(axis=0).all():
            yield f"a number of {name} receives nothing"


def _router(_: Gate, __: Sample, jacobians: dict[str, Array]) -> Iterator[str]:
    whole = np.concatenate(list(jacobians.values()), axis=1)
    if not np.isin(whole, (0.0, 1.0)).all():
        yield "an upstream number arrives changed"
    if (np.count_nonzero(whole, axis=1) > 1).any():
        yield "an upstream number reaches more than one input number"


def _mover(_: Gate, __: Sample, jacobians: dict[str, Array]) -> Iterator[str]:
    whole = np.concatenate(list(jacobians.values()), axis=1)
    if not np.isin(whole, (0.0, 1.0)).all():
        yield "an upstream number arrives changed"
    taken, given = np.count_nonzero(whole, axis=0), np.count_nonzero(whole, axis=1)
    if (taken > 1).any() and (given > 1).any():
        yield "upstream numbers are both added and copied"


def _switcher(gate: Gate, sample: Sample, jacobians: dict[str, Array]) -> Iterator[str]:
    wires = [place for place, value in enumerate(sample.inputs) if floating(value)]
    for place, (name, matrix) in zip(wires, jacobians.items(), strict=True):
        for number in range(min(matrix.shape[1], _MOVED)):
            moved = [np.array(x) if i == place else x for i, x in enumerate(sample.inputs)]
            moved[place].reshape(-1)[number] += 0.37
            other = _jacobians(gate, Sample(tuple(moved), sample.attributes))
            if other is not None and not np.allclose(
                other[name][:, number], matrix[:, number], rtol=1e-12, atol=1e-12
            ):
                yield f"the gradient of number {number} of {name} depends on itself"


def _scaler(gate: Gate, _: Sample, jacobians: dict[str, Array]) -> Iterator[str]:
    if not isinstance(gate, Elementwise):
        return
    for name, matrix in jacobians.items():
        if (np.count_nonzero(matrix, axis=1) > 1).any():
            yield f"an output number depends on several numbers of {name}"


def _squash(gate: Gate, sample: Sample, jacobians: dict[str, Array]) -> Iterator[str]:
    yield from _scaler(gate, sample, jacobians)
    shape = np.shape(sample.inputs[0])
    for sign in (-1.0, 1.0):
        far = Sample((np.full(shape, sign * _FAR), *sample.inputs[1:]), sample.attributes)
        farther = Sample((np.full(shape, sign * 4 * _FAR), *sample.inputs[1:]), sample.attributes)
        matrices = _jacobians(gate, far)
        near, beyond = (np.asarray(gate(*one.inputs, **one.attributes)) for one in (far, farther))
        if not np.allclose(near, beyond, rtol=1e-2, atol=1e-2):
            yield f"the output is not bounded towards {'−' if sign < 0 else ''}∞"
        if matrices and max(float(np.abs(m).max(initial=0.0)) for m in matrices.values()) > 1e-2:
            yield "the local gradient does not fade to 0"


_CLAIMS: dict[Role, Callable[[Gate, Sample, dict[str, Array]], Iterator[str]]] = {
    Role.DISTRIBUTOR: _distributor,
    Role.ROUTER: _router,
    Role.MOVER: _mover,
    Role.SWITCHER: _switcher,
    Role.SCALER: _scaler,
    Role.SQUASH: _squash,
}

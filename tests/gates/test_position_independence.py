"""A number's answer does not depend on where it stands: f(x)[i] equals f([x_i]), bit for bit."""

import numpy as np
import pytest

from backlight import philox
from backlight.gates import gates
from backlight.gates.family import Elementwise, draw
from backlight.gates.gate import Role

LENGTHS, OFFSETS = range(1, 68), range(16)
GATES = [gate for gate in gates() if isinstance(gate, Elementwise) and gate.role is not Role.SOURCE]


def inputs_of(gate, dtype):
    """67 + 15 numbers inside the domain, from tiny to large, edges among them."""
    found = []
    for place, name in enumerate(gate.inputs):
        allowed = gate.domain.get(name, "")
        numbers = draw((82,), 900 + place, allowed)
        if not allowed:
            numbers = numbers * np.exp(4 * philox.normal(9, place, (82,), np.float64))
            numbers[::11] = [0.0, -0.0, 1e-30, -88.0, 20.0, np.inf, -np.inf, np.nan]
        found.append(numbers.astype(dtype))
    return found


def bits(value):
    """The bytes; every NaN is one."""
    array = np.array(value)
    return (
        np.where(np.isnan(array), np.nan, array).tobytes()
        if array.dtype.kind == "f"
        else array.tobytes()
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_forward_and_backward(gate, dtype):
    inputs = inputs_of(gate, dtype)
    attributes = gate.bind(tuple(inputs), {})[1]

    def both(*xs):
        output = gate.compute(xs, attributes)
        if gate.role is Role.WALL:
            return [output]
        with np.errstate(all="ignore"):
            shares = gate.backward(np.ones(np.shape(output), dtype), *xs, output, **attributes)
            shares = [share() if callable(share) else share for share in shares]
        return [
            output,
            *(np.broadcast_to(share, np.shape(output)) for share in shares if share is not None),
        ]

    alone = [both(*(x[i : i + 1] for x in inputs)) for i in range(82)]
    known = [np.concatenate(column) for column in zip(*alone, strict=True)]
    apart = []
    for offset in OFFSETS:
        for length in LENGTHS if offset in (0, 1, 15) else (1, 2, 7, 16, 17, 31, 33, 64, 67):
            place = slice(offset, offset + length)
            found = both(*(x[place] for x in inputs))
            if any(bits(a) != bits(b[place]) for a, b in zip(found, known, strict=True)):
                apart.append((offset, length))
    assert not apart

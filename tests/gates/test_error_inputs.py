"""Wrong inputs, made from every gate's own samples: each is an error of ours that names the gate.

What a gate may take (a broadcast, a converted type) it may answer; what it may not do is raise
something that is not of `backlight.errors`, forget its name, or write into its inputs.
"""

import numpy as np
import pytest

import backlight as bl
from backlight.errors import BacklightError
from backlight.gates import gates

GATES = list(gates())


def wires_of(sample):
    return [bl.tensor(x) if isinstance(x, (np.ndarray, np.generic)) else x for x in sample.inputs]


def replaced(wires, place, value):
    return [value if i == place else wire for i, wire in enumerate(wires)]


def other_shapes(array):
    """The input with other axes and sizes."""
    yield array[None, None, None]
    yield array.reshape(-1)
    yield array.reshape(-1)[:1].reshape(()) if array.size else np.zeros((), array.dtype)
    yield np.zeros(tuple(size + 7 for size in array.shape), array.dtype)
    yield np.zeros((0, *array.shape[1:]), array.dtype)
    if array.ndim > 1:
        yield np.zeros((*array.shape[:-1], array.shape[-1] + 5), array.dtype)


FOREIGN = [
    np.array(["a", "b"]),
    np.array([object(), None]),
    np.zeros(2, complex),
    np.zeros(2, np.float16),
    np.array(["2020-01-01"], "M8[D]"),
    [[1.0], [1.0, 2.0]],
    {"a": 1},
    "text",
    object(),
]
CONSTANTS = ["text", -1, 1.5, (9, 9, 9, 9, 9), None, np.nan, object(), 10**30, True, [], "x > "]


def answer(gate, wires, attributes):
    """None if the gate answers, its refusal if it refuses; any other exception fails the test."""
    before = [w.detach().numpy().tobytes() if isinstance(w, bl.Tensor) else None for w in wires]
    try:
        gate(*wires, **attributes)
    except BacklightError as refusal:
        told = str(refusal)
        names = (gate.name, type(gate).__name__, getattr(gate, "subject", gate.name))
        assert any(name in told for name in names), told
        found = refusal
    else:
        found = None
    after = [w.detach().numpy().tobytes() if isinstance(w, bl.Tensor) else None for w in wires]
    assert after == before
    return found


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_other_shapes(gate):
    for sample in gate.samples():
        wires = wires_of(sample)
        for place, wire in enumerate(wires):
            if isinstance(wire, bl.Tensor):
                for array in other_shapes(wire.numpy()):
                    answer(gate, replaced(wires, place, bl.tensor(array)), sample.attributes)


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_what_is_no_number(gate):
    sample = next(iter(gate.samples()))
    wires = wires_of(sample)
    others = [place for place, wire in enumerate(wires) if isinstance(wire, bl.Tensor)]
    for place in others:
        for value in FOREIGN:
            if len(others) > 1:
                assert answer(gate, replaced(wires, place, value), sample.attributes), value
            else:  # no tensor is left to ask for: NumPy would be asked
                with pytest.raises(BacklightError):
                    gate(*replaced(wires, place, bl.as_tensor(value)), **sample.attributes)


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_plain_arrays_that_are_no_numbers(gate):
    sample = next(iter(gate.samples()))
    for place, given in enumerate(sample.inputs):
        if isinstance(given, np.ndarray):
            for value in ([[1.0], [1.0, 2.0]], {"a": 1}, object(), "text"):
                assert answer(gate, replaced(sample.inputs, place, value), sample.attributes)


@pytest.mark.parametrize(
    "gate", [gate for gate in GATES if gate.defaults], ids=lambda gate: gate.name
)
def test_constants_that_make_no_sense(gate):
    refused = 0
    for sample in gate.samples():
        for name in gate.defaults:
            for value in CONSTANTS:
                refused += (
                    answer(gate, wires_of(sample), {**sample.attributes, name: value}) is not None
                )
    assert refused >= 4


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_calls_with_too_much_and_too_little(gate):
    sample = next(iter(gate.samples()))
    wires = wires_of(sample)
    assert answer(gate, wires, {**sample.attributes, "colour": "red"})
    if not gate.variadic:
        assert answer(gate, [], sample.attributes)
        assert answer(gate, [*wires, *wires, 1, 2, 3, 4, 5, 6, 7, 8], sample.attributes)

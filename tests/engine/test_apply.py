"""Applying gates: types that mix, executors that are chosen, and errors that say who."""

import numpy as np
import pytest

import backlight as bl
from backlight.engine.apply import run, watch
from backlight.engine.tensor import Tensor
from backlight.errors import BacklightError, DTypeError, ShapeError
from backlight.gates import TABLE
from backlight.gates.arithmetic import add, multiply

SINGLE, DOUBLE = bl.tensor([1.0, 2.0]), bl.tensor(np.array([1.0, 2.0]))
OPERATIONS = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: bl.maximum(a, b),
]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("other", "dtype"),
    [
        (2.0, np.float32),
        (2, np.float32),
        (True, np.float32),
        (np.float32(2), np.float32),
        (np.float64(2), np.float64),
        (np.array(2.0), np.float64),
        (np.int64(2), np.float32),
        ([2.0, 3.0], np.float32),
        (np.array([1, 2], np.uint8), np.float32),
        (DOUBLE, np.float64),
        (np.array([1, 2]), np.float32),
    ],
)
def test_types_that_meet_float32(operation, other, dtype):
    assert operation(SINGLE, other).dtype == dtype
    assert operation(other, SINGLE).dtype == dtype


@pytest.mark.parametrize(
    "kind", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
)
def test_whole_numbers_become_the_default_type_where_fractions_arise(kind):
    x = bl.tensor(np.array([1, 0, 1], kind))
    assert (x / 2).dtype == np.float32
    assert x.exp().dtype == np.float32
    assert x.mean().dtype == np.float32
    assert (x * 0.5).dtype == np.float32
    assert (x == 1).dtype == np.bool_


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(2, np.float16),
        np.zeros(2, complex),
        np.array(["a", "b"]),
        np.array([object(), None]),
        np.array(["2020-01-01"], "M8[D]"),
        np.ma.array([1.0, 2.0], mask=[0, 1]),
        [[1.0], [1.0, 2.0]],
        object(),
        (n for n in range(3)),
        {1.0: 2.0},
        "text",
        1j,
    ],
    ids=lambda array: type(array).__name__ + str(getattr(array, "dtype", "")),
)
def test_elements_that_are_no_numbers(array):
    with pytest.raises(DTypeError, match="gate multiply"):
        bl.tensor([1.0, 2.0]) * array
    with pytest.raises(DTypeError):
        bl.tensor(array)


class Special(np.ndarray):
    pass


@pytest.mark.parametrize(
    "array",
    [
        np.array([1.0, 2.0], ">f4"),
        np.array([1.0, 2.0], ">f8"),
        np.array([1.0, 2.0]).view(Special),
        np.array([1, 2], ">i4"),
    ],
)
def test_other_byte_orders_and_subclasses_are_converted(array):
    x = bl.tensor(array)
    assert x.dtype.isnative
    assert (x * 2).detach().numpy().ravel().tolist() == [2.0, 4.0]
    assert type(x.numpy()) is np.ndarray


def test_an_integer_too_large_for_any_float():
    with pytest.raises(BacklightError, match="multiply"):
        SINGLE * 10**400


def test_a_mistake_names_gate_shapes_and_layer():
    layer = bl.nn.Linear(3, 4)
    with pytest.raises(ShapeError, match=r"add.*\(2, 4\).*\(3,\)") as told:
        layer(bl.ones(2, 3)) + bl.ones(3)
    assert "Linear" in str(told.value)
    with pytest.raises(ShapeError, match=r"matmul.*\(2, 3\).*\(2, 3\)"):
        bl.ones(2, 3) @ bl.ones(2, 3)


def test_plain_arrays_and_lists_get_the_same_words():
    with pytest.raises(ShapeError, match=r"add.*\(2,\).*\(3,\)"):
        add(np.ones(2), np.ones(3))
    assert add([1, 2], [3, 4]).tolist() == [4, 6]
    assert multiply([1.0, 2.0], 3.0).dtype == np.float32
    with pytest.raises(DTypeError, match="exp"):
        bl.exp("text")
    with pytest.raises(DTypeError, match="exp"):
        bl.exp(np.array([None]))


class Higher:
    """What a tracer will be: an executor of its own, above tensors."""

    executor_rank = 5

    def __init__(self):
        self.seen = []

    def apply_gate(self, gate, inputs, attributes):
        self.seen.append(gate.name)
        return self


@pytest.mark.parametrize("first", [True, False])
def test_the_executor_of_the_highest_rank_is_asked(first):
    high, x = Higher(), bl.tensor([1.0])
    pair = (high, x) if first else (x, high)
    assert multiply(*pair) is high
    assert bl.concatenate([x, *pair]) is high
    assert run(Tensor, multiply, pair, {}) is high
    assert (x * high) is high
    assert (x.maximum(high)) is high
    assert high.seen == ["multiply", "concatenate", "multiply", "multiply", "maximum"]


def test_watchers_see_every_application_while_they_are_asked_to():
    seen = []
    with watch(lambda gate, inputs, values, attributes, output: seen.append(gate.name)):
        (bl.tensor([1.0]) * 2).sum()
    bl.tensor([1.0]).exp()
    assert seen == ["multiply", "sum"]


def test_an_output_shares_memory_only_where_it_is_declared():
    """Or a change through it would go unseen."""
    unseen = []
    for gate in TABLE.values():
        for sample in gate.samples():
            wires = [bl.tensor(x) if isinstance(x, np.ndarray) else x for x in sample.inputs]
            output = gate(*wires, **sample.attributes)
            for place, wire in enumerate(wires):
                if (
                    isinstance(wire, Tensor)
                    and np.shares_memory(np.asarray(output._value), np.asarray(wire._value))
                    and not (gate.views and place == 0)
                ):
                    unseen.append(f"{gate.name}, input {place}, {sample}")
    assert not unseen

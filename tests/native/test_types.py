"""The type of a result: what a gate declares, what it computes, and what it is compiled to."""

import itertools

import numpy as np
import pytest

import backlight as bl
from backlight.errors import BacklightError
from backlight.gates import gates
from backlight.native.compile import compile

WHOLE = [gate for gate in gates() if gate.name in (
    "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "power", "maximum",
    "minimum", "less", "xlogy", "hypot",
)]  # fmt: skip
KINDS = (np.bool_, np.uint8, np.int32, np.int64, np.float32, np.float64)


def of(value):
    """The type of a wire, as a declaration is asked about it."""
    if value is None or type(value) in (float, int):
        return None if value is None else type(value)
    return value.dtype


@pytest.mark.parametrize("gate", list(gates()), ids=lambda gate: gate.name)
def test_inputs_of_different_fractions(gate):
    """What it computes has the type that it declares, which is what a compiler goes by."""
    for sample in gate.samples():
        given = [np.asarray(x) if isinstance(x, np.generic) else x for x in sample.inputs]
        fractions = [i for i, x in enumerate(given) if hasattr(x, "dtype") and x.dtype.kind == "f"]
        for kinds in itertools.product((np.float32, np.float64), repeat=min(len(fractions), 3)):
            wires = list(given)
            for place, kind in zip(fractions, kinds, strict=False):
                wires[place] = given[place].astype(kind)
            try:
                made = gate(
                    *[bl.tensor(x) if hasattr(x, "dtype") else x for x in wires],
                    **sample.attributes,
                )
            except BacklightError:
                continue
            said = gate.dtype(*map(of, wires), **sample.attributes)
            assert made.dtype == said, (sample, kinds)


@pytest.mark.parametrize("gate", WHOLE, ids=lambda gate: gate.name)
def test_whole_numbers_and_truth_values(gate):
    """Eager, compiled and declared types agree for each pair, arrays and single numbers."""
    for left, right in itertools.product(KINDS, KINDS):
        for shape in ((3,), ()):
            x, y = bl.tensor(np.ones(shape, left)), bl.tensor(np.ones(shape, right))
            try:
                wanted = gate(x, y)
            except BacklightError as refused:
                with pytest.raises(type(refused)):
                    compile(lambda x, y: gate(x, y))(x, y)
                continue
            found = compile(lambda x, y: gate(x, y))(x, y)
            assert found.dtype == wanted.dtype == gate.dtype(x.dtype, y.dtype), (left, right)
            assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "power", "maximum", "add"])
@pytest.mark.parametrize("number", [True, False, 2, 2.5])
def test_python_s_numbers_with_whole_numbers(name, number):
    gate = getattr(bl, name)
    for kind in KINDS:
        x = bl.tensor(np.array([1, 1, 0]).astype(kind))
        for function in (lambda x: gate(x, number), lambda x: gate(number, x)):
            wanted, found = function(x), compile(function)(x)
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found.numpy(), wanted.numpy())

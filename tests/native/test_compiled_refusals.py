"""What a compiled function refuses, in eager's words, and what it then leaves unwritten."""

import numpy as np
import pytest

from backlight.errors import BacklightError, TraceError
from backlight.native.compile import compile
from tests.native.compiled import batch, bits, same, states, tensor, training


def test_a_label_out_of_range_raises_eagers_error_and_writes_nothing():
    model, optimiser, eager, compiled = training()
    x, labels = batch(0)
    compiled(x, labels)
    before = bits(states(model, optimiser)), bits(optimiser.state_dict().get("state", []))
    for wrong in (4, -1, 2**40):
        bad = labels.copy()
        bad[5] = wrong
        told = []
        for step in (eager, compiled):
            kept = {k: np.array(v) for k, v in model.state_dict().items()}
            with pytest.raises(BacklightError) as caught:
                step(x, bad)
            told.append((type(caught.value), str(caught.value).split("\n")[0]))
            if step is eager:
                model.load_state_dict(kept)
            else:
                assert bits(states(model, optimiser)) == bits(list(kept.values()))
        assert told[0][0] is told[1][0]
        assert str(wrong) in told[1][1]
    del before


def test_a_gradient_that_is_not_a_number_writes_nothing():
    model, optimiser, _, compiled = training()
    x, labels = batch(0)
    compiled(x, labels)
    before = bits(states(model, optimiser))
    bad = x.copy()
    bad[3, 2] = np.nan
    kept = [np.array(p.detach()) for p in model.parameters()]
    with pytest.raises(BacklightError) as caught:
        compiled(bad, labels)
    assert "nan" in str(caught.value).lower()
    assert bits(list(model.parameters())) == bits(kept)
    compiled(x, labels)
    assert bits(states(model, optimiser)) != before


def test_a_value_asked_for_while_tracing_is_refused():
    def f(x):
        return x * 2 if float(x.sum()) > 0 else x

    with pytest.raises(TraceError, match=r"test_compiled_refusals\.py"):
        compile(f)(tensor(3))
    for wrong in (3, "sse", None):
        if wrong is not None:
            with pytest.raises(BacklightError):
                compile(wrong)
    with pytest.raises(BacklightError):
        compile(lambda x: x, target="quantum")
    with pytest.raises(BacklightError):
        compile(lambda x: x, threads=0)


def test_the_function_may_fail_and_be_called_again():
    f = compile(lambda x, y: x @ y)
    with pytest.raises(BacklightError):
        f(tensor((2, 3)), tensor((2, 3)))
    same(f(tensor((2, 3)), tensor((3, 2))), tensor((2, 3)) @ tensor((3, 2)))


def test_objects_that_are_no_arrays_are_refused():
    f = compile(lambda x: x)
    for wrong in (np.array(["a"]), np.array([None]), [{1}]):
        with pytest.raises(BacklightError):
            f(wrong)

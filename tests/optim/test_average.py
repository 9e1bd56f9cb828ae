"""The exponential moving average of parameters."""

import numpy as np
import pytest

from backlight import optim
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, CheckpointError, NonFiniteError


def parameters():
    return [Tensor([1.0, 2.0], requires_grad=True, name="w"), Tensor(3.0, requires_grad=True)]


def test_the_formula():
    w, b = parameters()
    average = optim.ExponentialMovingAverage([w, b], decay=0.9)
    expected = w.detach().numpy().copy()
    for step in range(5):
        w.copy_(np.array([step, -step], np.float32))
        average.update()
        expected = 0.9 * expected + 0.1 * np.array([step, -step])
    np.testing.assert_allclose(average.averages[0], expected, rtol=1e-6)
    assert average.averages[1] == 3.0  # an average of equal numbers is that number exactly
    assert average.averages[0].dtype == np.float32


def test_it_is_applied_for_a_block_and_taken_back_even_after_an_error():
    w, b = parameters()
    average = optim.ExponentialMovingAverage([w, b], decay=0.5)
    w.copy_(np.array([3.0, 4.0], np.float32))
    average.update()
    seen = []

    def interrupted():
        with average.applied():
            seen.append(w.tolist())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert seen == [[2.0, 3.0]]
    assert w.tolist() == [3.0, 4.0]
    assert w.requires_grad


def test_saving_and_loading():
    w, b = parameters()
    average = optim.ExponentialMovingAverage([w, b], decay=0.5)
    w.fill_(0.0)
    average.update()
    again = optim.ExponentialMovingAverage([w, b], decay=0.1)
    again.load_state_dict(average.state_dict())
    assert again.decay == 0.5
    assert again.updates == 1
    w.fill_(8.0)
    average.update()
    again.update()
    for one, other in zip(average.averages, again.averages, strict=True):
        np.testing.assert_array_equal(one, other)


def test_states_that_are_refused():
    average = optim.ExponentialMovingAverage(parameters())
    good = average.state_dict()
    for wrong in (
        [],
        {},
        {**good, "names": ["v", ""]},
        {**good, "averages": {}},
        {**good, "averages": {**good["averages"], "0": np.zeros(3, np.float32)}},
        {**good, "averages": {**good["averages"], "0": np.zeros(2)}},
    ):
        with pytest.raises(CheckpointError):
            average.load_state_dict(wrong)


def test_refusals():
    for decay in (1.0, -0.1, float("nan"), "a"):
        with pytest.raises(ArgumentError, match="decay"):
            optim.ExponentialMovingAverage(parameters(), decay)
    pair = parameters()
    average = optim.ExponentialMovingAverage(pair)
    pair[1].copy_(np.float32(np.inf))
    pair[0].fill_(7.0)
    with pytest.raises(NonFiniteError, match="parameter 1"):
        average.update()
    assert average.averages[0].tolist() == [1.0, 2.0]

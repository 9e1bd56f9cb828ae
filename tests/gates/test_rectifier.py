"""Activations with a corner: which side wins, the subgradient there, NaN, maxout, the step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.engine.tensor import Tensor
from backlight.errors import ShapeError
from backlight.gates import rectifier
from backlight.gates.rectifier import elu, leaky_relu, maxout, prelu, relu, selu, step
from tests.gates.answers import BOTH, answer, at_the_edge
from tests.gates.differences import check_sample, samples_of

INF = float("inf")
quick = settings(max_examples=60, deadline=None, derandomize=True)
numbers = st.lists(st.floats(-100, 100), min_size=1, max_size=19).map(np.array)


@pytest.mark.parametrize(("gate", "sample"), **samples_of(rectifier))
def test_samples(gate, sample):
    check_sample(gate, sample)


def test_relu_of_the_assignment():
    x = np.linspace(-0.5, 0.5, num=12).reshape(3, 4)
    value, slope = answer(relu, x)
    want = [[0, 0, 0, 0], [0, 0, 0.04545455, 0.13636364], [0.22727273, 0.31818182, 0.40909091, 0.5]]
    np.testing.assert_allclose(value, want, atol=5e-9)
    np.testing.assert_array_equal(slope, x > 0)


@pytest.mark.parametrize("dtype", BOTH)
def test_corners(dtype):
    tiny = float(np.finfo(dtype).smallest_subnormal)
    at_the_edge(
        relu,
        [(0.0, 0, 0), (-0.0, 0, 0), (tiny, tiny, 1), (-tiny, 0, 0), (INF, INF, 1), (-INF, 0, 0)],
        dtype,
        0,
    )
    at_the_edge(
        leaky_relu,
        [(0.0, 0, 0.25), (-2, -0.5, 0.25), (INF, INF, 1), (-INF, -INF, 0.25)],
        dtype,
        0,
        slope=0.25,
    )
    at_the_edge(
        selu,
        [
            (0.0, 0, 1.7580993408473766),
            (-INF, -1.7580993408473766, 0),
            (1, 1.0507009873554805, 1.0507009873554805),
        ],
        dtype,
        1e-6,
    )


@pytest.mark.parametrize("dtype", BOTH)
def test_elu_at_the_edge(dtype):
    at_the_edge(
        elu,
        [
            (1000, 1000, 1),
            (-1e-8, -1e-8, 1 - 1e-8),
            (-100, -1, 3.720075976020836e-44),
            (INF, INF, 1),
            (-INF, -1, 0),
        ],
        dtype,
        1e-6,
    )
    at_the_edge(elu, [(0.0, 0, 0.3)], dtype, 1e-6, alpha=0.3)


@pytest.mark.parametrize("gate", [relu, leaky_relu, elu, selu], ids=str)
def test_nan_is_never_hidden(gate):
    assert np.isnan(answer(gate, [np.nan, 1.0])[0]).tolist() == [True, False]
    assert answer(gate, [np.nan])[1] != 0


def test_prelu_learns_its_slope():
    x = np.array([[-2.0, 3.0], [-4.0, 0.0]])
    value, by_x, by_slope = answer(prelu, x, [0.5, 0.1])
    np.testing.assert_allclose(value, [[-1, 3], [-2, 0]])
    np.testing.assert_allclose(by_x, [[0.5, 1], [0.5, 0.1]])
    np.testing.assert_allclose(by_slope, [-6, 0])


@quick
@given(numbers)
def test_relu_is_a_maxout_with_a_zero_piece(x):
    both = np.stack([np.zeros_like(x), x], axis=1)
    np.testing.assert_array_equal(maxout(both, pieces=2)[:, 0], relu(x))
    _, slope = answer(maxout, both, pieces=2)
    np.testing.assert_array_equal(slope[:, 1], answer(relu, x)[1])


@quick
@given(numbers, st.floats(0.0, 0.9))
def test_leaky_relu_is_a_maxout_of_two_lines(x, slope):
    lines = np.stack([x, slope * x], axis=1)
    np.testing.assert_array_equal(maxout(lines, pieces=2)[:, 0], leaky_relu(x, slope=slope))


def test_maxout_has_one_winner():
    value, slope = answer(
        maxout, [[2.0, 2.0, 1.0, 5.0, 5.0, 5.0]], pieces=3, upstream=[[10.0, 20.0]]
    )
    assert value.tolist() == [[2.0, 5.0]]
    assert slope.tolist() == [[10.0, 0.0, 0.0, 20.0, 0.0, 0.0]]


def test_maxout_refuses_channels_that_do_not_divide():
    with pytest.raises(ShapeError, match="multiple of 3 channels"):
        maxout(np.zeros((2, 4)), pieces=3)
    with pytest.raises(ShapeError, match=r"axis 1 for an input of 1 axes"):
        maxout(np.zeros(4), pieces=2)


def test_step_is_a_wall():
    x = Tensor([-1.0, 0.0, 2.0, np.nan], requires_grad=True)
    value = step(x)
    assert not value.requires_grad
    np.testing.assert_array_equal(value.numpy(), [0, 0, 1, np.nan])
    assert step(np.array([-3, 0, 3])).tolist() == [0, 0, 1]


@pytest.mark.parametrize("gate", [relu, leaky_relu, elu, selu, step], ids=str)
def test_branches_tell_the_corner_from_both_sides(gate):
    attributes = gate.defaults
    left, at, right = gate.branch(np, np.array([-1e-9, 0.0, 1e-9]), **attributes)
    assert len({float(left), float(at), float(right)}) == 3


def test_whole_numbers_keep_their_type():
    assert relu(Tensor(np.array([-1, 2]))).dtype == np.int64
    assert leaky_relu(Tensor(np.array([-1, 2]))).dtype == np.float32

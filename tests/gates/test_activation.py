"""Smooth activations: the course's numbers, the hostile ones, accuracy, and their gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from backlight.errors import ArgumentError
from backlight.gates import activation
from backlight.gates.activation import gelu, log_sigmoid, sigmoid, silu, softplus
from backlight.gates.gate import Role
from backlight.gates.transcendental import tanh
from tests.gates.answers import BOTH, answer, at_the_edge
from tests.gates.differences import check_gradients, check_sample, samples_of

INF = float("inf")
quick = settings(max_examples=60, deadline=None, derandomize=True)
numbers = st.lists(st.floats(-700, 700), min_size=1, max_size=19).map(np.array)


@pytest.mark.parametrize(("gate", "sample"), **samples_of(activation))
def test_samples(gate, sample):
    check_sample(gate, sample)


def test_sigmoid_of_the_lecture():
    value, slope = answer(sigmoid, [-5.0, 0.0, 5.0, 10.0])
    np.testing.assert_allclose(value[:3], [0.00669, 0.5, 0.99331], atol=5e-6)
    np.testing.assert_allclose(slope[2:], [0.00665, 4.54e-5], rtol=1e-3)


def test_neuron_of_the_notes():
    w, x = np.array([2.0, -3.0, -3.0]), np.array([-1.0, -2.0, 1.0])
    value, slope = answer(sigmoid, np.dot(w, x))
    assert value == pytest.approx(0.731059, abs=5e-7)
    np.testing.assert_allclose(slope * x, [-0.196612, -0.393224, 0.196612], atol=5e-7)


@quick
@given(numbers)
def test_tanh_is_a_stretched_sigmoid(x):
    np.testing.assert_allclose(tanh(x), 2 * sigmoid(2 * x) - 1, rtol=0, atol=1e-15)


@quick
@given(numbers)
def test_identities(x):
    np.testing.assert_allclose(sigmoid(x) + sigmoid(-x), 1, atol=3e-16)
    np.testing.assert_allclose(log_sigmoid(x), -softplus(-x), rtol=1e-15)
    np.testing.assert_allclose(softplus(x) - softplus(-x), x, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(silu(x) - silu(-x) * -1, x * (2 * sigmoid(x) - 1), atol=1e-12)
    np.testing.assert_allclose(gelu(x) - gelu(-x), x, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("dtype", BOTH)
def test_sigmoid_at_the_edge(dtype):
    at_the_edge(
        sigmoid,
        [
            (1000, 1, 0),
            (-1000, 0, 0),
            (INF, 1, 0),
            (-INF, 0, 0),
            (0, 0.5, 0.25),
            (-88, 6.054601895401186e-39, 6.054601895401186e-39),
        ],
        dtype,
        1e-6,
    )


@pytest.mark.parametrize("dtype", BOTH)
def test_softplus_and_log_sigmoid_at_the_edge(dtype):
    small = 0 if dtype is np.float32 else 6.813556821545298e-46
    at_the_edge(
        softplus,
        [
            (-104, small, small),
            (-88, 6.054601895401186e-39, 6.054601895401186e-39),
            (20, 20.000000002061153, 0.9999999979388464),
            (1000, 1000, 1),
            (-INF, 0, 0),
            (INF, INF, 1),
        ],
        dtype,
        1e-6,
    )
    at_the_edge(
        log_sigmoid,
        [
            (-200, -200, 1),
            (30, -9.357622968839862e-14, 9.357622968839862e-14),
            (-INF, -INF, 1),
            (INF, 0, 0),
        ],
        dtype,
        1e-6,
    )


@pytest.mark.parametrize("dtype", BOTH)
def test_gelu_keeps_its_tail(dtype):
    at_the_edge(
        gelu,
        [
            (-5, -1.4332578589617787e-06, -7.146945990213e-06),
            (-10, -7.61985302416052e-23, -7.618379710893e-22),
            (3e38, 3e38, 1),
            (-INF, 0, 0),
            (INF, INF, 1),
            (0, 0, 0.5),
        ],
        dtype,
        5e-6,
    )


@pytest.mark.parametrize("dtype", BOTH)
def test_gelu_tanh_form_at_the_edge(dtype):
    at_the_edge(
        gelu,
        [(1e20, 1e20, 1), (-1e20, 0, 0), (-INF, 0, 0), (INF, INF, 1), (0, 0, 0.5)],
        dtype,
        1e-6,
        approximate="tanh",
    )


@pytest.mark.parametrize("dtype", BOTH)
def test_silu_at_the_edge(dtype):
    at_the_edge(
        silu,
        [
            (-INF, 0, 0),
            (INF, INF, 1),
            (0, 0, 0.5),
            (3e38, 3e38, 1),
            (-89.75, -9.442883999840e-38, -9.337671004381e-38),
        ],
        dtype,
        4 * 2.0**-23,
    )


@pytest.mark.parametrize("gate", [sigmoid, log_sigmoid, softplus, silu, gelu], ids=str)
def test_nan_is_never_hidden(gate):
    value, slope = answer(gate, [0.0, np.nan])
    assert np.isfinite(value[0])
    assert np.isnan(value[1])
    assert np.isnan(slope[1])


@pytest.mark.parametrize(
    ("gate", "truth", "ulps"),
    [
        (sigmoid, special.expit, 4),
        (log_sigmoid, special.log_expit, 4),
        (silu, None, 4.5),
        (softplus, lambda x: np.logaddexp(0, x), 4),
        (gelu, lambda x: x * special.ndtr(x), 10),
    ],
    ids=["sigmoid", "log_sigmoid", "silu", "softplus", "gelu"],
)
def test_float32_accuracy(gate, truth, ulps):
    x = np.concatenate([np.linspace(-13, 13, 40_001), np.linspace(-86, 88, 20_001)])
    x = x.astype(np.float32)
    wide = x.astype(np.float64)
    want = wide * special.expit(wide) if truth is None else truth(wide)
    normal = np.abs(want) >= 2.0**-126
    unit = np.spacing(np.abs(want[normal]).astype(np.float32)).astype(np.float64)
    assert np.max(np.abs(gate(x)[normal] - want[normal]) / unit) <= ulps


def test_gelu_forms_are_close_and_named():
    x = np.linspace(-6, 6, 1001)
    assert 1e-4 < np.max(np.abs(gelu(x) - gelu(x, approximate="tanh"))) < 5e-4
    with pytest.raises(ArgumentError, match="Did you mean 'tanh'"):
        gelu(x, approximate="tan")


@quick
@given(
    st.lists(st.floats(-30, 30), min_size=1, max_size=5).map(np.array),
    st.sampled_from([sigmoid, log_sigmoid, softplus, silu, gelu]),
)
def test_gradients_anywhere(x, gate):
    check_gradients(gate, [x], second=2e-6)


def test_roles():
    assert sigmoid.role is Role.SQUASH
    assert silu.role is Role.SCALER

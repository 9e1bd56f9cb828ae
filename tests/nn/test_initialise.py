"""Initial weights: spread, shape, refusal."""

import math

import numpy as np
import pytest

import backlight
from backlight import nn
from backlight.errors import ArgumentError, ShapeError

init = nn.init


def test_default_bound_of_linear_and_convolution():
    weight = nn.Linear(400, 300).weight.detach().numpy()
    assert abs(weight).max() <= 1 / 20
    assert weight.std() == pytest.approx(1 / 20 / math.sqrt(3), rel=0.02)
    weight = nn.Conv2d(16, 64, 5).weight.detach().numpy()
    assert abs(weight).max() <= 1 / math.sqrt(16 * 25)


@pytest.mark.parametrize(
    ("fill", "spread"),
    [
        (lambda w: init.normal_(w, std=0.01), 0.01),
        (lambda w: init.kaiming_normal_(w, nonlinearity="relu"), math.sqrt(2 / 500)),
        (
            lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="linear"),
            math.sqrt(1 / 400),
        ),
        (lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(2 / 500)),
        (lambda w: init.xavier_normal_(w), math.sqrt(2 / 900)),
        (lambda w: init.xavier_uniform_(w, gain=2.0), 2 * math.sqrt(2 / 900)),
    ],
)
def test_spread(fill, spread):
    weight = fill(backlight.zeros(400, 500)).numpy()
    assert weight.std() == pytest.approx(spread, rel=0.02)
    assert abs(weight.mean()) < spread * 0.02


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 2, 3, 3), (4, 4)])
def test_orthogonal(shape):
    weight = init.orthogonal_(backlight.zeros(*shape, dtype=np.float64), gain=2.0).numpy()
    matrix = weight.reshape(shape[0], -1)
    small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


def test_sparse():
    weight = init.sparse_(backlight.zeros(50, 100), connections=10, std=1.0).numpy()
    assert ((weight != 0).sum(axis=1) == 10).all()
    weight = init.sparse_(backlight.zeros(50, 100), sparsity=0.9).numpy()
    assert ((weight != 0).sum(axis=0) == 5).all()


def test_constants_and_own_generator():
    weight = backlight.zeros(2, 2)
    assert init.ones_(weight) is weight
    assert init.constant_(weight, 0.5).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert init.zeros_(weight).tolist() == [[0, 0], [0, 0]]
    first = init.normal_(backlight.zeros(3), generator=backlight.Generator(4))
    assert (init.normal_(backlight.zeros(3), generator=backlight.Generator(4)) == first).all()


def test_deep_activations_keep_their_spread_as_the_course_shows():
    """Ten tanh layers of 500 units: std per layer with 0.01, and with 1/√n."""
    x = backlight.randn(1000, 500)
    wanted = {0.01: (0.2136, 0.0475, 0.0106), 1 / math.sqrt(500): (0.628, 0.485, 0.407)}
    for std, spreads in wanted.items():
        h = x
        for spread in spreads:
            layer = nn.Linear(500, 500, bias=False)
            init.normal_(layer.weight, std=std)
            h = backlight.tanh(layer(h)).detach()
            assert h.numpy().std() == pytest.approx(spread, rel=0.03)


def test_frozen_or_learnt_parameters_are_written_alike():
    weight = nn.Parameter(np.zeros((2, 2)))
    init.ones_(weight)
    assert weight.requires_grad
    assert weight.is_leaf


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: init.kaiming_normal_(backlight.zeros(2, 2), mode="fan"),
        lambda: init.kaiming_normal_(backlight.zeros(2, 2), nonlinearity="rellu"),
        lambda: init.normal_(backlight.zeros(2), std=-1.0),
        lambda: init.uniform_(backlight.zeros(2), 1.0, 0.0),
        lambda: init.sparse_(backlight.zeros(2, 2)),
        lambda: init.sparse_(backlight.zeros(2, 2), sparsity=1.5),
    ],
)
def test_arguments_refused(wrong):
    with pytest.raises(ArgumentError):
        wrong()


def test_a_bias_has_no_fan():
    with pytest.raises(ShapeError, match="two axes"):
        init.xavier_normal_(backlight.zeros(3))
    with pytest.raises(ShapeError):
        init.sparse_(backlight.zeros(3), sparsity=0.5)


def test_sketches_take_no_memory_until_they_are_loaded():
    with init.sketch():
        layer = nn.Linear(1000, 1000)
        huge = nn.Linear(10**6, 10**6)
        init.orthogonal_(huge.weight)
    assert huge.weight.size == 10**12
    real = nn.Linear(1000, 1000)
    layer.load_state_dict(real.state_dict())
    assert (layer.weight == real.weight).all()

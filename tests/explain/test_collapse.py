"""Linear layers collapse into one; a nonlinearity is refused, with two points that show it."""

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.errors import ArgumentError
from backlight.explain.collapse import collapse, witness

RNG = np.random.default_rng(2)


def test_three_layers_are_one_matrix():
    bl.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 4), nn.Linear(4, 3))
    one = collapse(model)
    assert (one.matrix.shape, len(one.layers)) == ((3, 5), 3)
    assert one.error <= 1e-12
    x = RNG.normal(size=(10, 5))
    assert np.allclose(one(x), model.double()(bl.tensor(x)).detach().numpy(), rtol=1e-12)
    product = one.layers[2] @ one.layers[1] @ one.layers[0]
    assert np.allclose(one.matrix, product, rtol=1e-12)
    assert "3 linear layers (3×4 · 4×7 · 7×5) equal one (3×5)" in str(one)


def test_c_three_times_is_c_cubed():
    def h(x):
        return 2 * x

    one = collapse(lambda x: h(h(h(x))), 1)
    assert (one.matrix.item(), one.bias.item()) == (8, 0)


def test_a_convolution_is_a_matrix_too():
    bl.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    one = collapse(model, (1, 4, 4))
    assert one.matrix.shape == (3, 16)
    assert one.error <= 1e-12


@pytest.mark.parametrize(
    ("layer", "gate"), [(nn.ReLU(), "relu"), (nn.Tanh(), "tanh"), (nn.MaxPool1d(1), "")]
)
def test_a_nonlinearity_is_refused_with_a_witness(layer, gate):
    bl.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), layer, nn.Linear(7, 3))
    if not gate:  # a pool of one place chooses nothing
        model = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3))
        assert collapse(model).error < 1e-12
        return
    with pytest.raises(ArgumentError, match=rf"f\(a\) \+ f\(b\) = .*\({gate}\)"):
        collapse(model)
    found = witness(model.double().eval(), 5)
    f = lambda x: model(bl.tensor(x[None])).detach().numpy()[0]  # noqa: E731
    zero = np.zeros(5)
    assert np.allclose(found.apart, f(found.a) + f(found.b))
    assert np.allclose(found.together, f(found.a + found.b) + f(zero))
    assert not np.allclose(found.apart, found.together)


def test_a_network_that_is_linear_near_0_is_found_out():
    assert witness(lambda x: bl.clip(x, -50.0, 50.0), 1) is not None


def test_a_shape_is_needed():
    with pytest.raises(ArgumentError, match=r"collapse\(model, 64\)"):
        collapse(lambda x: x)


def test_the_model_is_left_alone():
    model = nn.Sequential(nn.Linear(2, 2))
    model.train()
    collapse(model)
    assert model.training
    assert model[0].weight.dtype == np.float32

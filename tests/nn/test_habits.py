"""Layers, functions and initial numbers that PyTorch's users expect by name."""

import numpy as np
import pytest

import backlight
from backlight import nn
from backlight.engine.random import Generator
from backlight.errors import ArgumentError, ShapeError
from backlight.nn import functional as F

X = backlight.tensor(np.linspace(-2, 2, 24).reshape(2, 3, 4))


def test_module_dict():
    parts = nn.ModuleDict({"a": nn.Linear(2, 3)})
    parts["b"] = nn.ReLU()
    assert list(parts) == ["a", "b"] == list(parts.keys())
    assert len(parts) == 2
    assert parts["b"] is list(parts.values())[1]
    assert [name for name, _ in parts.named_parameters()] == ["a.weight", "a.bias"]
    assert [name for name, _ in parts.items()] == ["a", "b"]
    parts["a"] = nn.Linear(4, 3)  # replaced in its place
    assert parts["a"].in_features == 4
    del parts["b"]
    assert "b" not in parts
    for wrong in ("keys", "training", "a.b", "", 3):
        with pytest.raises(ArgumentError):
            parts[wrong] = nn.ReLU()
    with pytest.raises(ArgumentError, match="the name 'c'"):
        parts["c"]
    with pytest.raises(ArgumentError, match="a call"):
        parts(X)


@pytest.mark.parametrize("size", [(3, 4), (-1, 4), (3, -1)])
def test_unflatten_undoes_flatten(size):
    assert np.array_equal(nn.Unflatten(1, size)(nn.Flatten()(X)).numpy(), X.numpy())


def test_unflatten_refuses():
    for wrong in (nn.Unflatten(1, (5, 2)), nn.Unflatten(1, (-1, -1)), nn.Unflatten(3, (2, 2))):
        with pytest.raises(ShapeError):
            wrong(X)


def test_dropout2d_drops_whole_channels_and_keeps_the_mean():
    x = np.ones((50, 40, 3, 3))
    layer = nn.Dropout2d(0.25, generator=Generator(3))
    made = layer(x)
    flat = made.reshape(50, 40, 9)
    assert (flat == flat[:, :, :1]).all()
    assert abs(made.mean() - 1) < 0.05
    assert set(np.unique(made)) == {0.0, 1 / 0.75}
    assert layer.eval()(x) is x
    again = nn.Dropout2d(0.25, generator=Generator(3))(x)
    assert np.array_equal(made, again)
    with pytest.raises(ShapeError):
        nn.Dropout2d()(X)
    with pytest.raises(ArgumentError):
        F.dropout2d(x, p=1.0)


def test_dropout2d_passes_the_gradient_by_the_same_mask():
    x = backlight.tensor(np.ones((2, 5, 2, 2)), requires_grad=True)
    made = nn.Dropout2d(0.5)(x)
    made.sum().backward()
    assert np.array_equal(x.grad.numpy(), made.detach().numpy())


def test_conv_transpose1d_is_the_two_dimensional_one_of_height_1():
    one, two = nn.ConvTranspose1d(3, 2, 3, stride=2), nn.ConvTranspose2d(3, 2, (1, 3), (1, 2))
    two.weight.copy_(one.weight.detach().reshape(3, 2, 1, 3))
    two.bias.copy_(one.bias.detach())
    x = X.float()
    assert np.allclose(
        one(x).detach().numpy(), two(x.reshape(2, 3, 1, 4)).detach().numpy()[:, :, 0]
    )
    assert repr(one).startswith("ConvTranspose1d(3, 2, kernel_size=(3,)")
    with pytest.raises(ShapeError, match=r"\(N, C, L\)"):
        one(backlight.zeros(2, 3, 4, 4))


def test_instance_norm1d():
    made = nn.InstanceNorm1d(3)(X).numpy()
    assert np.allclose(made.mean(axis=2), 0)
    assert np.allclose(made.var(axis=2), 1, atol=1e-3)
    with pytest.raises(ShapeError, match=r"InstanceNorm1d 3 got .*\n.*\(N, C, L\)"):
        nn.InstanceNorm1d(3)(backlight.zeros(2, 3, 4, 4))


def test_adaptive_max_pool1d():
    made = nn.AdaptiveMaxPool1d(2)(X).numpy()
    assert np.array_equal(made, X.numpy()[:, :, 1::2])


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 3.0])
def test_smooth_l1(beta):
    x, t = np.linspace(-4, 4, 9), np.zeros(9)
    d = np.abs(x)
    wanted = np.where(d < beta, 0.5 * d * d / max(beta, 1e-9), d - 0.5 * beta)
    assert np.allclose(F.smooth_l1_loss(x, t, reduction="none", beta=beta), wanted)
    assert np.isclose(nn.SmoothL1Loss(beta=beta)(x, t), wanted.mean())
    with pytest.raises(ArgumentError, match="beta=-1"):
        F.smooth_l1_loss(x, t, beta=-1)


def test_functions():
    x = X.numpy()
    for name in ("relu", "selu", "silu", "elu", "leaky_relu", "dropout"):
        function = getattr(F, name)
        settings = {"training": False} if name == "dropout" else {}
        made = function(X, inplace=True, **settings)
        assert np.array_equal(made.numpy(), function(X, **settings).numpy())
        assert np.array_equal(X.numpy(), x)
    assert np.allclose(F.logsigmoid(X).numpy(), -np.log1p(np.exp(-x)))
    assert np.allclose(np.linalg.norm(F.normalize(X).numpy(), axis=1), 1)
    assert np.allclose(np.abs(F.normalize(X, p=1, dim=-1).numpy()).sum(axis=-1), 1)
    assert not F.normalize(backlight.zeros(2, 3)).numpy().any()
    with pytest.raises(ArgumentError, match="p=3"):
        F.normalize(X, p=3)
    assert F.pad(X, (1, 2), "constant", 7.0).numpy()[0, 0, 0] == 7
    with pytest.raises(ArgumentError, match="mode='reflect'"):
        F.pad(X, (1, 1), mode="reflect")


def test_truncated_normal():
    made = nn.init.trunc_normal_(backlight.zeros(200, 100), std=0.5, a=-0.5, b=0.75).numpy()
    assert made.min() >= -0.5
    assert made.max() <= 0.75
    again = nn.init.trunc_normal_(backlight.zeros(1000), generator=Generator(4)).numpy()
    same = nn.init.trunc_normal_(backlight.zeros(1000), generator=Generator(4)).numpy()
    assert np.array_equal(again, same)
    assert abs(again.std() - 0.88) < 0.06  # that of a Gaussian cut off at ±2
    assert len(np.unique(again)) > 990
    nn.init.trunc_normal_(backlight.tensor(0.0))
    for wrong in ({"std": 0.0}, {"a": 1.0, "b": 1.0}, {"a": 50.0, "b": 60.0}, {"std": np.nan}):
        with pytest.raises(ArgumentError):
            nn.init.trunc_normal_(backlight.zeros(3), **wrong)


def test_names_of_initialisations():
    assert nn.init.he_normal_ is nn.init.kaiming_normal_
    assert nn.init.he_uniform_ is nn.init.kaiming_uniform_
    assert nn.init.glorot_normal_ is nn.init.xavier_normal_
    assert nn.init.glorot_uniform_ is nn.init.xavier_uniform_


def test_messages():
    class N(nn.Module):
        pass

    with pytest.raises(ArgumentError, match=r"^N got a call, but its class has no forward"):
        N()(X)
    with pytest.raises(backlight.errors.GateError, match="got 1 input\\."):
        backlight.add(X)
    with pytest.raises(backlight.errors.RangeError, match="indices from 0 to 2"):
        nn.Embedding(3, 2)(backlight.tensor([5]))

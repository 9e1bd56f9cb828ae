"""Memory formats: other strides, the same numbers."""

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.engine.memory_format import STORED, in_format, lies_channels_last
from backlight.errors import ArgumentError, ShapeError

LAST = "channels_last"


@pytest.mark.parametrize(
    "shape", [(2, 3, 4, 5), (1, 1, 1, 1), (2, 1, 4, 5), (2, 3, 1, 1), (0, 3, 4, 5), (1, 3, 7, 1)]
)
def test_images_keep_shape_and_numbers(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    turned = bl.tensor(x).contiguous(memory_format=LAST)
    assert turned.shape == shape
    assert turned.is_contiguous(LAST)
    assert np.array_equal(turned.numpy(), x)
    back = turned.to(memory_format="contiguous_format")
    assert back.is_contiguous()
    assert np.array_equal(back.numpy(), x)


def test_what_lies_so_already_is_not_copied():
    x = bl.zeros((2, 3, 4, 5))
    turned = x.contiguous(LAST)
    assert turned.contiguous(LAST) is turned
    assert x.contiguous("contiguous_format") is x
    assert turned.contiguous() is turned
    assert not turned.is_contiguous()
    assert not np.shares_memory(turned.numpy(), x.numpy())


def test_both_formats_at_once_count_as_row_major():
    assert not lies_channels_last(np.zeros((2, 1, 4, 5)))
    assert not lies_channels_last(np.zeros((2, 3, 1, 1)))
    assert not lies_channels_last(np.zeros((3, 4)))
    assert not lies_channels_last(np.zeros((2, 3, 4, 10))[..., ::2])
    assert lies_channels_last(np.zeros((2, 4, 5, 3)).transpose(0, 3, 1, 2))


def test_gradients_flow_through():
    x = bl.tensor(np.ones((1, 2, 3, 3)), requires_grad=True)
    (x.contiguous(LAST) * 3.0).sum().backward()
    assert np.array_equal(x.grad.numpy(), np.full((1, 2, 3, 3), 3.0))


def test_dlpack_keeps_the_strides():
    x = bl.tensor(np.arange(24.0).reshape(1, 2, 3, 4)).contiguous(LAST)
    assert np.from_dlpack(x).strides == x.numpy().strides
    assert bl.from_dlpack(x.numpy().copy("K")).is_contiguous(LAST)


def test_gates_take_them():
    r = np.random.default_rng(1)
    x, w = r.standard_normal((2, 3, 6, 6)), r.standard_normal((4, 3, 3, 3))
    plain = bl.max_pool2d(bl.relu(bl.conv2d(x, w, padding=1)), 2)
    last = bl.tensor(x).contiguous(LAST), bl.tensor(w).contiguous(LAST)
    turned = bl.max_pool2d(bl.relu(bl.conv2d(*last, padding=1)), 2)
    np.testing.assert_allclose(turned.numpy(), np.asarray(plain), rtol=1e-12)


def test_a_modules_filters_are_laid_so():
    layer = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8, 2))
    before = layer.state_dict()
    assert layer.to(memory_format=LAST) is layer
    assert layer[0].weight.is_contiguous(LAST)
    assert layer[2].weight.is_contiguous()
    for name, value in layer.state_dict().items():
        assert np.array_equal(np.asarray(value), np.asarray(before[name]))
    layer.to(memory_format="contiguous_format")
    assert layer[0].weight.is_contiguous()


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: x.contiguous("channel_last"), ArgumentError, "Did you mean 'channels_last'"),
        (lambda x: x.contiguous(3), ArgumentError, "memory_format=3"),
        (lambda x: x.is_contiguous("last"), ArgumentError, "channels_last"),
        (lambda x: x[0].contiguous(LAST), ShapeError, "N, C, H, W"),
        (lambda x: x.to(memory_format="nhwc"), ArgumentError, "channels_last"),
        (lambda _: nn.Linear(1, 1).to(memory_format="nhwc"), ArgumentError, "Linear"),
    ],
)
def test_what_is_no_format(call, kind, words):
    with pytest.raises(kind, match=words):
        call(bl.zeros((1, 2, 3, 3)))


def test_the_two_orders_are_inverse():
    x = np.arange(120).reshape(2, 3, 4, 5)
    assert in_format(x, LAST).transpose(STORED).flags.c_contiguous

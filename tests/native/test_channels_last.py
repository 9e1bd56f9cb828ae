"""Channels-last memory at the border of a program: taken as it is, and given so."""

import numpy as np
import pytest

import backlight as bl
from backlight import nn, optim
from backlight.errors import BacklightError

LAST = "channels_last"


def images(*shape, seed=0, dtype="float32"):
    return bl.tensor(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def forward(x, w):
    return bl.relu(bl.conv2d(x, w, padding=1))


@pytest.mark.parametrize("size", [(2, 3, 5, 7), (8, 16, 12, 12), (1, 1, 4, 4), (2, 5, 1, 1)])
def test_results_have_the_same_bits_and_the_format_of_the_images(size):
    compiled = bl.compile(forward, threads=1)
    x, w = images(*size), images(4, size[1], 3, 3, seed=1)
    both = x.is_contiguous(LAST)  # one channel, or one pixel: then it counts as row-major
    for _ in range(3):  # the first call, then the short way, in turns
        plain = compiled(x, w)
        turned = compiled(x.contiguous(LAST), w)
        assert plain.is_contiguous()
        assert turned.is_contiguous(LAST) or both
        assert np.array_equal(plain.numpy(), turned.numpy())
    assert compiled.programs == (1 if both else 2)


def test_large_images_are_read_where_they_are():
    compiled = bl.compile(lambda x: x * 2.0 + 1.0, threads=1)
    x = images(8, 16, 20, 20).contiguous(LAST)
    made = compiled(x)
    assert made.is_contiguous(LAST)
    assert np.array_equal(made.numpy(), x.numpy() * 2 + 1)
    (call,) = compiled.program.program.calls
    assert call.kernel.inputs[0].shape == (8, 20, 20, 16)
    x.copy_(x * 3.0)
    assert np.array_equal(compiled(x).numpy(), x.numpy() * 2 + 1)


def test_other_strides_are_copied_and_row_major():
    compiled = bl.compile(lambda x: x + 1.0, threads=1)
    wide = np.random.default_rng(0).standard_normal((2, 3, 8, 20)).astype("float32")
    made = compiled(wide[..., ::2])
    assert made.is_contiguous()
    assert np.array_equal(made.numpy(), wide[..., ::2] + 1)
    assert np.array_equal(compiled(np.ascontiguousarray(wide[..., ::2])).numpy(), made.numpy())
    assert compiled.programs == 1


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.reshape(2, -1),
        lambda x: x.sum(axis=(2, 3)),
        lambda x: bl.max_pool2d(x, 2),
        lambda x: x.argmax(axis=1),
        lambda x: bl.concatenate([x, x * 2.0], axis=1),
        lambda x: x[:, 1:],
        lambda x: x.transpose(0, 3, 2, 1),
        lambda x: x,
        lambda x: (x, x.exp(), x.mean()),
        lambda x: bl.softmax(x, axis=1),
        lambda x: x.reshape(2, 3, 2, 4, 2, 4).sum(axis=(3, 5)),
    ],
)
@pytest.mark.parametrize("scale", [1, 9])
def test_every_operation_sees_the_written_axes(function, scale):
    x = images(2, 3, 8 * scale, 8 * scale)
    if scale > 1:
        x = bl.tensor(np.ascontiguousarray(x.numpy()[:, :, ::scale, ::scale]))
    compiled = bl.compile(function, threads=1)
    for _ in range(2):
        found, wanted = compiled(x.contiguous(LAST)), function(x)
        found = found if isinstance(found, tuple) else (found,)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        for one, other in zip(found, wanted, strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-6)


def network():
    bl.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1),
        nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 4),
    )  # fmt: skip


@pytest.mark.parametrize("rule", [optim.Adam, lambda p: optim.SGD(p, 0.1, momentum=0.9)])
def test_training_with_filters_and_images_in_either_format(rule):
    x, labels = images(4, 3, 8, 8), np.array([0, 1, 2, 3])

    def train(model, x):
        optimizer = rule(model.parameters())

        @bl.compile(threads=1, check=True)
        def step(x, labels):
            optimizer.zero_grad()
            loss = bl.cross_entropy(model(x), labels)
            loss.backward()
            optimizer.step()
            return loss

        return [step(x, labels).item() for _ in range(4)], model

    plain, model = train(network(), x)
    other = network().to(memory_format=LAST)
    turned, turned_model = train(other, x.contiguous(LAST))
    np.testing.assert_allclose(turned, plain, rtol=1e-5)
    assert turned_model[0].weight.is_contiguous(LAST)
    for one, two in zip(model.parameters(), turned_model.parameters(), strict=True):
        np.testing.assert_allclose(one.detach().numpy(), two.detach().numpy(), rtol=1e-3, atol=1e-5)
        assert one.grad.shape == two.grad.shape


def test_filters_that_are_laid_otherwise_compile_anew():
    layer = nn.Conv2d(3, 4, 3)
    compiled = bl.compile(layer, threads=1)
    x = images(1, 3, 6, 6)
    with bl.no_grad():
        first = compiled(x)
        layer.to(memory_format=LAST)
        second = compiled(x)
        layer.to(memory_format="contiguous_format")
        third = compiled(x)
    assert np.array_equal(first.numpy(), second.numpy())
    assert np.array_equal(first.numpy(), third.numpy())
    assert second.is_contiguous(LAST)
    assert third.is_contiguous()


def test_an_argument_that_is_written_stays_in_its_format():
    @bl.compile(threads=1)
    def climb(x):
        with bl.no_grad():
            x.copy_(x * 2.0)
        return x.sum()

    x = images(2, 3, 4, 4).contiguous(LAST)
    before = x.numpy().copy()
    memory = x.numpy().ctypes.data
    climb(x)
    climb(x)
    assert x.is_contiguous(LAST)
    assert x.numpy().ctypes.data == memory
    assert np.array_equal(x.numpy(), before * 4)


def test_refusals_are_as_in_eager():
    compiled = bl.compile(forward, threads=1)
    with pytest.raises(BacklightError):
        compiled(images(1, 3, 4, 4).contiguous(LAST), images(4, 2, 3, 3))

"""Casts and shapes under NumPy's and PyTorch's names, and the parts of a tensor."""

import numpy as np
import pytest

import backlight as bl
from backlight.errors import BacklightError

X = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("call", "known"),
    [
        (lambda x: x.reshape(4, 6), X.reshape(4, 6)),
        (lambda x: x.reshape((4, -1)), X.reshape(4, 6)),
        (lambda x: x.view(-1), X.ravel()),
        (lambda x: x.flatten(), X.ravel()),
        (lambda x: x.flatten(1), X.reshape(2, 12)),
        (lambda x: x.flatten(-1), X),
        (lambda x: x.T, X.T),
        (lambda x: x.transpose(), X.T),
        (lambda x: x.transpose(0, 2), X.swapaxes(0, 2)),
        (lambda x: x.transpose(-1, 0), X.swapaxes(0, 2)),
        (lambda x: x.transpose(2, 0, 1), X.transpose(2, 0, 1)),
        (lambda x: x.permute((2, 0, 1)), X.transpose(2, 0, 1)),
        (lambda x: x.split(3, 1)[2], X[:, 2:3]),
        (lambda x: x.split([1, 3], axis=2)[1], X[:, :, 1:]),
        (lambda x: x.chunk(3, -1)[1], X[:, :, 2:4]),
        (lambda x: x.clone(), X),
    ],
)
def test_values_and_gradients(call, known):
    x = bl.tensor(X, requires_grad=True)
    found = call(x)
    np.testing.assert_array_equal(found.detach().numpy(), known)
    (found * found).sum().backward()
    expected = np.where(np.isin(X, known), 2 * X, 0)
    np.testing.assert_array_equal(x.grad.numpy(), expected)


def test_casts():
    x = bl.tensor(X, requires_grad=True)
    assert x.float().dtype == np.float32
    assert x.double().dtype == np.float64
    assert x.long().dtype == np.int64
    assert x.astype("int32").dtype == np.int32
    x.float().sum().backward()
    assert x.grad.dtype == np.float64
    assert not x.long().requires_grad


def test_a_clone_has_memory_of_its_own():
    x = bl.tensor(X)
    twin = x.clone()
    twin.fill_(0.0)
    assert x.tolist() == X.tolist()


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.reshape(5, 5),
        lambda x: x.reshape(-1, -1),
        lambda x: x.permute(0, 1),
        lambda x: x.transpose(0, 5),
        lambda x: x.split(5, 1),
        lambda x: x.split([1, 1], 1),
        lambda x: x.split(0),
        lambda x: x.chunk(0),
        lambda x: x.split(2, 7),
        lambda x: x.to("complex64"),
        lambda x: x.to("float16"),
        lambda x: x.reshape(2.5),
        lambda x: x.reshape(2**40, 2**40),
    ],
)
def test_what_does_not_fit(call):
    with pytest.raises(BacklightError):
        call(bl.tensor(X))


def test_two_numbers_swap_axes_and_a_tuple_is_an_order():
    x = bl.tensor(np.arange(6.0).reshape(2, 3))
    assert x.transpose(0, 1).shape == x.transpose(-2, -1).shape == x.transpose(1, 0).shape == (3, 2)
    assert x.transpose((0, 1)).shape == (2, 3)
    assert x.transpose().shape == x.T.shape == (3, 2)
    assert x.index_select(0, [1]).tolist() == [[3.0, 4.0, 5.0]]

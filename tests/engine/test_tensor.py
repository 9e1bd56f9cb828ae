"""A tensor: what it holds, what it refuses to be, how it shows itself, its operators."""

import operator

import numpy as np
import pytest

import backlight as bl
from backlight.errors import DTypeError, GraphError

X, Y = np.array([3.0, -2.0, 5.0]), np.array([2.0, 4.0, -3.0])
ARITHMETIC = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.mod,
    operator.floordiv,
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.matmul,
]


@pytest.mark.parametrize("operation", ARITHMETIC, ids=lambda o: o.__name__)
def test_operators_are_numpy_s(operation):
    known = operation(X, Y)
    for a, b in (
        (bl.tensor(X), bl.tensor(Y)),
        (bl.tensor(X), Y),
        (X, bl.tensor(Y)),
        (bl.tensor(X), list(Y)),
        (list(X), bl.tensor(Y)),
    ):
        found = operation(a, b)
        assert isinstance(found, bl.Tensor)
        np.testing.assert_allclose(np.asarray(found), known)


def test_powers_signs_and_truths():
    x = bl.tensor(X)
    assert (x**2).tolist() == (X**2).tolist()
    assert (2.0**x).tolist() == (2.0**X).tolist()
    assert (-x).tolist() == (-X).tolist()
    assert abs(x).tolist() == [3.0, 2.0, 5.0]
    assert +x is x
    yes = x > 0
    assert (yes & True).tolist() == (True & yes).tolist() == [True, False, True]
    assert (yes | False).tolist() == (False | yes).tolist() == [True, False, True]
    assert (~yes).tolist() == [False, True, False]


@pytest.mark.parametrize("kind", ["int64", "uint8", "bool"])
def test_whole_numbers_have_no_gradient(kind):
    array = np.array([1, 0], kind)
    x = bl.tensor(array)
    for ask in (
        lambda: bl.tensor(array, requires_grad=True),
        x.requires_grad_,
        lambda: setattr(x, "requires_grad", True),
        lambda: bl.nn.Parameter(array),
    ):
        with pytest.raises(DTypeError, match=kind):
            ask()
    assert not x.requires_grad


def test_a_tensor_copies_its_data():
    array = X.copy()
    x = bl.tensor(array)
    array[0] = 99
    assert x.tolist() == X.tolist()
    assert bl.as_tensor(x) is x


def test_asking_and_not_asking():
    x = bl.tensor(X)
    x.requires_grad = True
    y = x * 2
    with pytest.raises(GraphError, match="detach"):
        y.requires_grad = False
    assert not y.detach().requires_grad
    assert y.gate.name == "multiply"
    assert y.inputs[0] is x
    assert not y.is_leaf
    x.requires_grad = False
    assert not (x * 2).requires_grad


def test_it_shows_itself():
    assert repr(bl.tensor([1.5])) == "tensor([1.5])"
    assert "float64" in repr(bl.tensor(X))
    assert "requires_grad=True" in repr(bl.tensor([1.0], requires_grad=True))
    assert "gate=exp" in repr(bl.tensor([1.0], requires_grad=True).exp())
    assert len({bl.tensor(1.0), bl.tensor(1.0)}) == 2
    assert len(repr(bl.zeros(1000, 1000))) < 1000

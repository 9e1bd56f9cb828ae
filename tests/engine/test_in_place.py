"""Changes in place: allowed where no gradient can be made wrong by them, refused elsewhere."""

import numpy as np
import pytest

import backlight as bl
from backlight.errors import DTypeError, GraphError, RangeError, ShapeError

VIEWS = {
    "itself": lambda x: x,
    "detach": lambda x: x.detach(),
    "data": lambda x: x.data,
    "slice": lambda x: x[0:2],
    "row": lambda x: x[1],
    "slice of a slice": lambda x: x[:, 1:][0:1],
    "reshape": lambda x: x.reshape(6),
    "transpose": lambda x: x.T,
    "expand_dims": lambda x: x.expand_dims(0),
    "squeeze": lambda x: x.reshape(1, 2, 3).squeeze(0),
    "flip": lambda x: x.flip(),
    "detached slice": lambda x: x.detach()[0],
    "detached reshape": lambda x: x.detach().reshape(3, 2),
    "split": lambda x: x.split(2)[0],
    "chunk": lambda x: x.chunk(2)[1],
    "einsum": lambda x: bl.einsum(x, equation="ij->ji"),
}
CHANGES = {
    "fill_": lambda v: v.fill_(9.0),
    "copy_": lambda v: v.copy_(np.full(v.shape, 9.0)),
    "zero_": lambda v: v.zero_(),
    "assignment": lambda v: v.__setitem__(..., 9.0),
    "data": lambda v: setattr(v, "data", 9.0),
    "+=": lambda v: v.detach().__iadd__(1.0),
    "*=": lambda v: v.detach().__imul__(2.0),
}


def leaf(data):
    return bl.tensor(np.array(data, float), requires_grad=True)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("view", VIEWS)
def test_a_needed_value_changed_through_a_view(view, change):
    x = leaf([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    loss = (x * x).sum()
    before = x.detach().numpy().copy()
    with bl.no_grad():
        CHANGES[change](VIEWS[view](x))
    if (x.detach().numpy() == before).all():
        loss.backward()  # it was a copy: nothing has happened to x
        np.testing.assert_array_equal(x.grad.numpy(), 2 * before)
    else:
        with pytest.raises(GraphError, match=r"multiply.*changed in place"):
            loss.backward()


@pytest.mark.parametrize("view", sorted(set(VIEWS) - {"einsum"}))
def test_views_do_share(view):
    x = leaf([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    with bl.no_grad():
        VIEWS[view](x).fill_(9.0)
    assert (x.detach().numpy() == 9).any()


def test_a_value_that_views_another():
    """The gate was given the view, and the whole was changed."""
    x, y = bl.tensor(np.arange(6.0)), leaf([1.0, 2.0])
    part = x[2:4]
    loss = (part * y).sum()
    x[3] = 100.0
    with pytest.raises(GraphError, match="changed in place"):
        loss.backward()


def test_an_output_that_its_rule_needs():
    x = leaf([1.0, 2.0])
    y = x.exp()
    loss = y.sum()
    with bl.no_grad():
        y.fill_(0.0)
    with pytest.raises(GraphError, match="exp"):
        loss.backward()


def test_a_change_after_backward_or_before_the_gate_is_none_of_its_business():
    x = leaf([1.0, 2.0])
    loss = (x * x).sum()
    loss.backward()
    with bl.no_grad():
        x -= x.grad * 0.5
    assert x.tolist() == [0.0, 0.0]
    (x * x).sum().backward()


def test_a_change_of_something_else_is_allowed():
    x, other = leaf([1.0, 2.0]), leaf([5.0])
    loss = (x * x).sum()
    other.data.fill_(1.0)
    loss.backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_an_array_that_its_owner_changes_later():
    """Nobody tells us of writes into a caller's array: what a gate needs of it is a copy."""
    w, batch = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    loss = (w * batch).sum()
    batch[:] = 100
    loss.backward()
    assert w.grad.tolist() == [3.0, 4.0]


def test_numpy_arrays_of_a_tensor_cannot_be_written():
    x = bl.tensor([1.0, 2.0])
    for array in (x.numpy(), np.asarray(x), x.detach().numpy()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.__setitem__(0, 5.0),
        lambda x: x.__iadd__(1.0),
        lambda x: x.__imul__(1.0),
    ],
    ids=["assignment", "+=", "*="],
)
def test_a_leaf_is_not_changed_while_gates_remember(change):
    with pytest.raises(GraphError, match="no_grad"):
        change(leaf([1.0, 2.0]))


def test_operators_in_place_on_computed_values_make_new_ones():
    x = leaf([1.0, 2.0])
    y = x * 1.0
    kept = y
    y += x
    y *= 3.0
    assert kept.tolist() == [1.0, 2.0]
    y.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]


def test_a_gradient_is_not_dropped_by_writing_numbers():
    x, y = bl.zeros(2), leaf([1.0, 2.0])
    for change in (lambda: x.__setitem__(0, y[0]), lambda: x.copy_(y)):
        with pytest.raises(GraphError, match="gradient"):
            change()
    with bl.no_grad():
        x.copy_(y)
    assert x.tolist() == [1.0, 2.0]


def test_whole_numbers_do_not_swallow_fractions():
    x = bl.tensor([1, 2])
    with pytest.raises(DTypeError, match="int64"):
        x += 0.5
    x += 1
    assert x.tolist() == [2, 3]


def test_numbers_are_not_rounded_on_the_way():
    x = bl.tensor(np.zeros(2))
    x.fill_(0.1)
    assert x.tolist() == [0.1, 0.1]
    x[0] = 0.3
    x[1:] = [0.7]
    assert x.tolist() == [0.3, 0.7]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda x: x.__setitem__(5, 1.0), RangeError),
        (lambda x: x.__setitem__((0, 0), 1.0), RangeError),
        (lambda x: x.__setitem__(slice(None), [1.0, 2.0]), ShapeError),
        (lambda x: x.copy_([1.0, 2.0]), ShapeError),
        (lambda x: x.__iadd__(np.ones((2, 3))), ShapeError),
        (lambda x: x.copy_("text"), DTypeError),
        (lambda x: x.fill_(None), DTypeError),
        (lambda x: x.__setitem__(0, "text"), DTypeError),
    ],
)
def test_what_does_not_fit(change, error):
    x = bl.tensor([1.0, 2.0, 3.0])
    with pytest.raises(error, match="tensor of shape"):
        change(x)
    assert x.tolist() == [1.0, 2.0, 3.0]


def test_a_detached_number_shares_its_memory():
    x = bl.tensor(1.0, requires_grad=True)
    x.detach().fill_(2.0)
    assert x.item() == 2.0
    x.data += 1
    assert x.item() == 3.0
    with bl.no_grad():
        x -= 0.5
    assert x.item() == 2.5

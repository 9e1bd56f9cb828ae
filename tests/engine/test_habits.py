"""What PyTorch and NumPy users type from habit, against NumPy."""

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.errors import ArgumentError, BacklightError, GateError, GraphError, ShapeError

X = np.array([[0.5, -1.5, 2.5], [-0.2, 3.0, 1.0]])
V = np.array([1.0, -2.0, 3.0])
PLACES = np.array([[2, 0], [1, 1]])
SOURCE = np.array([[1.0, 2.0], [3.0, 4.0]])


def added(x, indices, source):
    out = x.copy()
    np.add.at(out, (np.arange(2)[:, None], indices), source)
    return out


CALLS = [
    (lambda x: x.expand(2, -1, 3), np.broadcast_to(X, (2, 2, 3))),
    (lambda x: x[:1].expand((4, -1)), np.broadcast_to(X[:1], (4, 3))),
    (lambda x: x.repeat(2, 3), np.tile(X, (2, 3))),
    (lambda x: x.repeat((2, 1, 2)), np.tile(X, (2, 1, 2))),
    (lambda x: x.repeat(0, 1), np.tile(X, (0, 1))),
    (lambda x: x.cpu().contiguous(), X),
    (lambda x: x.to("cpu"), X),
    (lambda x: x.to(device="cpu", dtype="float32"), X.astype("float32")),
    (lambda x: x.to("cpu", "float32"), X.astype("float32")),
    (lambda x: x.to(bl.tensor([1.0])), X.astype("float32")),
    (lambda x: x.type_as(bl.tensor([1])), X.astype("int64")),
    (lambda x: x.int(), X.astype("int32")),
    (lambda x: x.bool(), X.astype(bool)),
    (lambda x: x.masked_fill(x > 1, -9.0), np.where(X > 1, -9.0, X)),
    (lambda x: bl.masked_fill(x, X < 0, 0.0), np.where(X < 0, 0.0, X)),
    (lambda x: x.t(), X.T),
    (lambda x: x.mm(X.T), X @ X.T),
    (lambda x: bl.mm(x, X.T), X @ X.T),
    (lambda x: bl.bmm(x[None], X.T[None]), (X @ X.T)[None]),
    (lambda x: x.dot(V), X.dot(V)),
    (lambda x: bl.dot(x, 2.0), X * 2),
    (lambda x: bl.outer(x, V), np.outer(X, V)),
    (lambda x: x.unbind(1)[2], X[:, 2]),
    (lambda x: x.unbind(dim=-2)[1], X[1]),
    (lambda x: x.round(), np.round(X)),
    (lambda x: bl.ceil(x), np.ceil(X)),
    (lambda x: np.round(x), np.round(X)),
    (lambda x: bl.rsqrt(x * x), 1 / np.abs(X)),
    (lambda x: bl.isinf(x / 0.0), np.ones((2, 3), bool)),
    (lambda x: x.eq(0.5), X == 0.5),
    (lambda x: bl.ne(x, 0.5), X != 0.5),
    (lambda x: x.gt(1) | x.lt(0), (X > 1) | (X < 0)),
    (lambda x: bl.ge(x, 1.0), X >= 1),
    (lambda x: bl.le(x, 1.0), X <= 1),
    (lambda x: bl.flatten(x[None, None], 1, 2), X.reshape(1, 2, 3)),
    (lambda x: bl.flatten(x), X.ravel()),
    (lambda x: bl.clip(x, min=0.0, max=1.0), X.clip(0, 1)),
    (lambda x: x.clamp(max=1.0), X.clip(None, 1)),
    (lambda x: x.var(dim=0, unbiased=True), X.var(0, ddof=1)),
    (lambda x: x.std(axis=1, unbiased=False), X.std(1)),
    (lambda x: x.std(ddof=1), X.std(ddof=1)),
    (lambda x: x.roll(shifts=1, dims=1), np.roll(X, 1, 1)),
    (lambda x: bl.flip(x, dims=(0,)), X[::-1]),
    (lambda x: x.permute(1, 0), X.T),
    (lambda x: bl.permute(x, dims=(1, 0)), X.T),
    (lambda x: bl.norm(x, p=2, dim=1), np.linalg.norm(X, axis=1)),
    (lambda x: bl.gather(x, 1, PLACES), np.take_along_axis(X, PLACES, 1)),
    (lambda x: x.gather(-1, bl.tensor(PLACES)), np.take_along_axis(X, PLACES, 1)),
    (lambda x: x.gather(dim=1, index=PLACES), np.take_along_axis(X, PLACES, 1)),
    (lambda x: x.gather(1, index=PLACES), np.take_along_axis(X, PLACES, 1)),
    (lambda x: x.gather(PLACES, 1), np.take_along_axis(X, PLACES, 1)),
    (lambda x: x.scatter_add(1, bl.tensor(PLACES), SOURCE), added(X, PLACES, SOURCE)),
    (lambda x: x.scatter_add(1, index=PLACES, src=SOURCE), added(X, PLACES, SOURCE)),
    (lambda x: x.index_add(1, [2, 2], SOURCE), added(X, [2, 2], SOURCE)),
    (
        lambda x: bl.nan_to_num(bl.where(x > 1, np.inf, x), posinf=9.0),
        np.where(X > 1, 9.0, X),
    ),
    (
        lambda x: bl.nan_to_num(bl.where(x > 1, np.nan, bl.where(x < 0, -np.inf, x))),
        np.nan_to_num(np.where(X > 1, np.nan, np.where(X < 0, -np.inf, X))),
    ),
    (lambda x: bl.global_average_pool2d(x[None, None]), X.mean().reshape(1, 1, 1, 1)),
]


@pytest.mark.parametrize(("call", "known"), CALLS)
def test_values_and_gradients(call, known):
    x = bl.tensor(X, requires_grad=True)
    found = call(x)
    assert found.shape == known.shape
    assert found.dtype == known.dtype
    np.testing.assert_allclose(found.detach().numpy(), known, rtol=1e-12)
    if known.dtype == np.float64 and found.requires_grad:
        assert bl.gradcheck(lambda x: call(x), [X + 0.01]).ok


def test_questions():
    x = bl.tensor(X, requires_grad=True)
    assert (x.numel(), x.dim(), x.device, x.grad_fn) == (6, 2, "cpu", None)
    assert x.exp().grad_fn is bl.exp
    assert type(x.numel()) is int
    assert bl.allclose(x, X + 1e-9)
    assert not x.allclose(X + 1e-3)
    assert (bl.int32, bl.long, bl.bool) == (np.dtype("int32"), np.dtype("int64"), np.dtype("bool"))
    assert bl.jacrev is bl.jacobian
    assert bl.functional_call is nn.functional_call
    assert bl.kl_div is nn.functional.kl_div


def test_from_numpy_shares_memory():
    array = X.copy()
    x = bl.from_numpy(array)
    array[0, 0] = 7.0
    assert x[0, 0].item() == 7.0


def test_in_place():
    x = bl.tensor([1.0, 2.0], requires_grad=True)
    with bl.no_grad():
        assert x.add_(1.0).sub_([1.0, 1.0], alpha=0.5).mul_(2.0).div_(4.0) is x
    assert x.tolist() == [0.75, 1.25]
    with pytest.raises(GraphError):
        x.add_(1.0)
    made = x * 2.0
    with bl.no_grad(), pytest.raises(GraphError, match="x = multiply"):
        made.mul_(2.0)
    with pytest.raises(GraphError):
        bl.tensor([1.0, 1.0]).add_(x)


def test_randint_and_randperm():
    bl.manual_seed(3)
    x = bl.randint(-2, 3, (2000,))
    counts = np.bincount(x.numpy() + 2)
    assert len(counts) == 5
    assert counts.min() > 300
    assert bl.randint(10, (2, 3)).shape == (2, 3)
    assert bl.randint(5, size=4).shape == (4,)
    assert 0 <= bl.randint(5).item() < 5
    assert sorted(bl.randperm(5).tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: x.to("cuda"), ArgumentError, "cpu"),
        (lambda x: x.to(device="cuda:0"), ArgumentError, "cpu"),
        (lambda x: x.to("nothing"), ArgumentError, "type"),
        (lambda x: x.expand(3), ShapeError, "2 axes"),
        (lambda x: x.expand(-1, 2, 3), ShapeError, "−1"),
        (lambda x: x.expand(5, 3), ShapeError, "5"),
        (lambda x: x.repeat(2), ShapeError, "2 axes"),
        (lambda x: x.repeat(-1, 2), ShapeError, "0 or more"),
        (lambda x: x[None].t(), ShapeError, "2 axes"),
        (lambda x: x.unbind(2), ShapeError, "unbind"),
        (lambda x: bl.dot(x[None], x), ShapeError, "matmul"),
        (lambda x: bl.flatten(x, 1, 0), ArgumentError, "start_dim"),
        (lambda x: bl.norm(x, p=1), ArgumentError, r"sum\(abs"),
        (lambda x: bl.clip(x, min=0.0, low=1.0), GateError, "twice"),
        (lambda x: x.var(unbiased=True, correction=1), GateError, "unbiased"),
        (lambda x: x.gather(1, PLACES, dim=1), GateError, "twice"),
        (lambda x: bl.randint(3, 3, (2,)), ArgumentError, "low < high"),
        (lambda x: bl.randint(0, 2.5, (2,)), BacklightError, "high"),
    ],
)
def test_what_does_not_fit(call, kind, words):
    with pytest.raises(kind, match=words):
        call(bl.tensor(X))


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(AttributeError, match="Did you mean 'matmul'"):
        bl.matmull  # noqa: B018
    with pytest.raises(AttributeError, match="Did you mean 'Linear'"):
        nn.Linaer  # noqa: B018
    assert not hasattr(bl, "qqqqqq")


def test_one_hot_counts_classes_by_either_name():
    assert bl.one_hot([1], num_classes=2).tolist() == bl.one_hot([1], classes=2).tolist()

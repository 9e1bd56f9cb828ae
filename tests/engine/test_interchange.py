"""Tensors to and from NumPy, DLPack, pickles, copies and Python's own numbers."""

import copy
import importlib.util
import io
import pickle

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.errors import DTypeError, GraphError, ShapeError
from backlight.nn.parameter import Parameter

DATA = np.array([[1.0, 2.0], [3.0, 4.0]])


def test_to_an_array():
    x = bl.tensor(DATA)
    assert np.asarray(x).tolist() == DATA.tolist()
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    assert np.array(x).flags.writeable
    assert not np.asarray(x).flags.writeable
    with pytest.raises(GraphError, match="gradient"):
        np.asarray(bl.tensor(DATA, requires_grad=True))


UFUNCS = [
    "exp",
    "log",
    "sqrt",
    "tanh",
    "sin",
    "cos",
    "abs",
    "negative",
    "square",
    "log1p",
    "expm1",
    "sign",
    "floor",
    "isnan",
    "isfinite",
    "logical_not",
    "reciprocal",
]


@pytest.mark.parametrize("name", UFUNCS)
def test_numpy_functions_of_one_tensor_are_gates(name):
    found = getattr(np, name)(bl.tensor(DATA, requires_grad=True))
    assert isinstance(found, bl.Tensor)
    np.testing.assert_allclose(found.detach().numpy(), getattr(np, name)(DATA))


@pytest.mark.parametrize(
    "name",
    [
        "add",
        "subtract",
        "multiply",
        "divide",
        "power",
        "maximum",
        "minimum",
        "hypot",
        "equal",
        "less",
        "floor_divide",
        "remainder",
        "matmul",
    ],
)
def test_numpy_functions_of_two_are_gates(name):
    x = bl.tensor(DATA, requires_grad=True)
    known = getattr(np, name)(DATA, DATA + 1)
    for pair in ((x, x + 1), (x, DATA + 1), (DATA, x + 1)):
        found = getattr(np, name)(*pair)
        assert isinstance(found, bl.Tensor)
        np.testing.assert_allclose(found.detach().numpy(), known)


CALLS = {
    "sum": lambda x: np.sum(x),
    "sum axis": lambda x: np.sum(x, axis=0, keepdims=True),
    "sum by place": lambda x: np.sum(x, 1),
    "mean": lambda x: np.mean(x, axis=1),
    "max": lambda x: np.max(x),
    "amin": lambda x: np.min(x, 0),
    "prod": lambda x: np.prod(x),
    "argmax": lambda x: np.argmax(x, axis=1),
    "where": lambda x: np.where(x > 2, x, 0.0),
    "concatenate": lambda x: np.concatenate([x, x]),
    "concatenate axis": lambda x: np.concatenate([x, x], axis=1),
    "stack": lambda x: np.stack([x, x], axis=1),
    "reshape": lambda x: np.reshape(x, (4,)),
    "transpose": lambda x: np.transpose(x),
    "squeeze": lambda x: np.squeeze(x),
    "expand_dims": lambda x: np.expand_dims(x, 0),
    "clip": lambda x: np.clip(x, 1.5, 3),
    "var": lambda x: np.var(x),
    "var corrected": lambda x: np.var(x, axis=0, ddof=1),
    "std": lambda x: np.std(x, axis=1),
    "cumsum": lambda x: np.cumsum(x, axis=0),
    "flip": lambda x: np.flip(x, 0),
    "roll": lambda x: np.roll(x, 1, axis=1),
    "tril": lambda x: np.tril(x, k=-1),
    "norm": lambda x: np.linalg.norm(x, axis=1),
    "take": lambda x: np.take(x, np.array([1]), axis=0),
    "pad": lambda x: np.pad(x, ((1, 0), (0, 1)), mode="constant"),
    "broadcast": lambda x: np.broadcast_to(x, (3, 2, 2)),
    "any": lambda x: np.any(x > 3),
}


@pytest.mark.parametrize("name", CALLS)
def test_numpy_calls_mean_the_same(name):
    """A tensor, or a refusal where a gradient would be lost; never another number."""
    known = CALLS[name](DATA)
    np.testing.assert_allclose(np.asarray(CALLS[name](bl.tensor(DATA))), known, rtol=1e-14)
    try:
        found = CALLS[name](bl.tensor(DATA, requires_grad=True))
    except DTypeError as refusal:
        assert "gradient" in str(refusal)  # noqa: PT017 - both answers are right
        return
    assert isinstance(found, bl.Tensor)
    np.testing.assert_allclose(found.detach().numpy(), known, rtol=1e-14)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.linalg.norm(x, 1),
        lambda x: np.sum(x, 0, np.float32),
        lambda x: np.take(x, [1]),
        lambda x: np.pad(x, 1, "edge"),
        lambda x: np.mean(x, dtype="f4"),
        lambda x: np.median(x),
        lambda x: np.arctan(x),
        lambda x: np.add.reduce(x),
        lambda x: np.allclose(x, x),
        lambda x: np.percentile(x, 50),
        lambda x: np.dot(x, x),
        lambda x: np.add(x, 1.0, out=np.zeros((2, 2))),
        lambda x: np.var(x, 0, None),
    ],
)
def test_what_no_gate_computes_is_numpy_s_unless_a_gradient_is_lost(call):
    np.testing.assert_allclose(np.asarray(call(bl.tensor(DATA))), call(DATA))
    with pytest.raises((DTypeError, GraphError), match=r"gradient|keepdims|argument"):
        call(bl.tensor(DATA, requires_grad=True))


def test_facts_of_a_tensor_are_told_whether_or_not_it_has_a_gradient():
    x = bl.tensor(DATA, requires_grad=True)
    assert np.shape(x) == (2, 2)
    assert np.ndim(x) == 2
    assert np.size(x) == 4
    assert np.result_type(x, np.float32) == np.float64
    assert not np.iscomplexobj(x)


def test_numpy_numbers_from_the_left():
    x = bl.tensor([1.0, 2.0], requires_grad=True)
    for found in (np.float32(2) * x, np.array([2.0, 2.0], np.float32) * x, 2 * x):
        assert isinstance(found, bl.Tensor)
        assert found.dtype == np.float32
        assert bl.grad(found.sum(), x).tolist() == [2.0, 2.0]
    assert (np.array([1.0, 3.0]) < x).tolist() == [False, False]


def test_an_array_changed_by_a_tensor():
    total = np.zeros((2, 2))
    total += bl.tensor(DATA)
    assert total.tolist() == DATA.tolist()


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_dlpack_there_and_back(kind, shape):
    array = np.arange(6)[: int(np.prod(shape))].reshape(shape).astype(kind)
    there = np.from_dlpack(bl.tensor(array))
    assert there.dtype == array.dtype
    assert there.tolist() == array.tolist()
    back = bl.from_dlpack(array)
    assert back.dtype == array.dtype
    assert back.tolist() == array.tolist()


def test_dlpack_hands_out_a_copy():
    x = bl.tensor([1.0, 2.0])
    np.array(np.from_dlpack(x))
    there = np.from_dlpack(x)
    assert not np.shares_memory(there, x.numpy())
    with pytest.raises(GraphError):
        np.from_dlpack(bl.tensor([1.0], requires_grad=True))


@pytest.mark.parametrize("source", [object(), [1.0], np.zeros(2, np.float16), "text"])
def test_dlpack_of_something_else(source):
    with pytest.raises(DTypeError):
        bl.from_dlpack(source)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_dlpack_with_pytorch():
    import torch

    x = bl.tensor([[1.0, 2.0]])
    assert torch.from_dlpack(x).tolist() == [[1.0, 2.0]]
    assert bl.from_dlpack(torch.arange(3)).tolist() == [0, 1, 2]
    assert bl.as_tensor(torch.ones(2)).tolist() == [1.0, 1.0]
    assert (x * torch.ones(2)).tolist() == [[1.0, 2.0]]
    with pytest.raises(DTypeError):
        bl.from_dlpack(torch.zeros(2, dtype=torch.bfloat16))
    with pytest.raises(DTypeError):
        bl.from_dlpack(torch.zeros(2, requires_grad=True))


class Arrayish:
    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 2.0], np.float32)


def test_anything_with_array():
    assert bl.tensor(Arrayish()).tolist() == [1.0, 2.0]
    assert (bl.tensor([1.0, 1.0]) * Arrayish()).tolist() == [1.0, 2.0]
    assert bl.as_tensor(range(3)).tolist() == [0, 1, 2]
    assert bl.tensor([bl.tensor(1.0), bl.tensor(2.0)]).tolist() == [1.0, 2.0]
    assert bl.tensor([np.float64(1.0), 2]).dtype == np.float32


def copies(value):
    buffer = io.BytesIO()
    pickle.dump(value, buffer)
    return [copy.deepcopy(value), copy.copy(value), pickle.loads(buffer.getvalue())]


def test_leaves_are_copied_with_their_gradient():
    x = bl.tensor(DATA, requires_grad=True, name="w")
    (x * x).sum().backward()
    for twin in copies(x):
        assert twin.name == "w"
        assert twin.requires_grad
        assert twin.is_leaf
        assert twin.tolist() == x.tolist()
        assert twin.grad.tolist() == x.grad.tolist()
        with bl.no_grad():
            twin.fill_(0.0)
            twin.grad.fill_(0.0)
        assert x.tolist() == DATA.tolist()
        assert x.grad.tolist() == (2 * DATA).tolist()


@pytest.mark.parametrize(
    "value",
    [
        bl.tensor(1.5),
        bl.tensor([True, False]),
        bl.tensor(np.zeros((0, 3))),
        bl.tensor(np.array([1, 2], np.uint8)),
        bl.tensor([1.0, 2.0]).sum(),
    ],
)
def test_every_kind_is_copied(value):
    for twin in copies(value):
        assert twin.dtype == value.dtype
        assert twin.shape == value.shape
        assert twin.tolist() == value.tolist()


def test_parameters_and_modules_are_copied():
    weight = Parameter([[0.5]], name="w")
    assert all(type(twin) is Parameter and twin.requires_grad for twin in copies(weight))
    frozen = Parameter([[0.5]], requires_grad=False)
    assert not any(twin.requires_grad for twin in copies(frozen))
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU())
    data = bl.tensor(DATA.astype(np.float32))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert list(twin.state_dict()) == list(model.state_dict())
        with bl.no_grad():
            twin[0].weight.fill_(0.0)
        assert (model[0].weight.detach().numpy() != 0).any()
        assert twin(data).shape == (2, 3)


def test_a_computed_value_is_not_copied_with_half_a_history():
    for action in (copy.deepcopy, pickle.dumps):
        with pytest.raises(GraphError, match="detach"):
            action(bl.tensor(2.0, requires_grad=True) * 3)


def test_python_numbers():
    x = bl.tensor(2.5)
    assert float(x) == 2.5
    assert int(x) == 2
    assert f"{x:.3f}" == "2.500"
    assert f"{bl.tensor([1.0])}" == "tensor([1.])"
    assert [10, 20, 30][bl.tensor(1)] == 20
    assert bool(bl.tensor([0.0])) is False
    assert len(bl.tensor(DATA)) == 2
    assert [row.tolist() for row in bl.tensor(DATA)] == DATA.tolist()
    for action in (float, bool, int, lambda t: f"{t:.2f}", lambda t: t.item()):
        with pytest.raises(ShapeError, match=r"\(2, 2\)"):
            action(bl.tensor(DATA))
    with pytest.raises(DTypeError, match="index"):
        [1, 2, 3][bl.tensor(1.0)]
    with pytest.raises(TypeError):
        len(x)

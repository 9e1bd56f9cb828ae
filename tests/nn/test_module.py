"""Module: its books, its walks, its errors, its state."""

import copy
import pickle
import threading

import numpy as np
import pytest

import backlight
from backlight import nn
from backlight.errors import (
    ArgumentError,
    BacklightError,
    CheckpointError,
    DTypeError,
    RangeError,
    ShapeError,
)


class Net(nn.Module):
    def __init__(self, channels=16):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(channels, 64, 3, padding=1)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(64 * 4, 10))

    def forward(self, x):
        return self.head(self.conv2(self.pool1(backlight.relu(self.conv1(x)))))


def image(size=4, batch=2):
    return backlight.zeros(batch, 3, size, size)


# ── books ──


def test_parameters_are_found_in_order_with_paths():
    net = Net()
    names = [name for name, _ in net.named_parameters()]
    assert names == [
        "conv1.weight",
        "conv1.bias",
        "conv2.weight",
        "conv2.bias",
        "head.1.weight",
        "head.1.bias",
    ]
    assert [parameter.name for parameter in net.parameters()] == names
    assert [path for path, _ in net.named_modules()] == [
        "",
        "conv1",
        "pool1",
        "conv2",
        "head",
        "head.0",
        "head.1",
    ]
    assert [name for name, _ in net.named_children()] == ["conv1", "pool1", "conv2", "head"]


def test_forgotten_super_init_does_no_harm():
    class Bare(nn.Module):
        def __init__(self):
            self.scale = nn.Parameter([1.0])

    assert len(list(Bare().parameters())) == 1


def test_replacing_and_deleting_keeps_the_books():
    net = nn.Module()
    net.part = nn.Linear(2, 2)
    net.part = None
    assert dict(net.named_modules()) == {"": net}
    net.part = nn.Parameter([1.0])
    assert [name for name, _ in net.named_parameters()] == ["part"]
    with pytest.raises(DTypeError, match="not a Parameter"):
        net.part = backlight.zeros(1)
    net.part = nn.ReLU()
    assert list(net.parameters()) == []
    del net.part
    assert not hasattr(net, "part")
    assert list(net.children()) == []


def test_integer_parameters_are_refused():
    with pytest.raises(DTypeError, match="int64"):
        nn.Parameter([1, 2])
    with pytest.raises(DTypeError):
        nn.Parameter(np.array([True]))


def test_modules_in_a_list_are_refused_unless_known():
    net = nn.Module()
    with pytest.raises(ArgumentError, match="ModuleList"):
        net.layers = [nn.Linear(1, 1)]
    with pytest.raises(ArgumentError, match="ModuleDict"):
        net.layers = {"a": nn.Linear(1, 1)}
    net.first = nn.Linear(1, 1)
    net.order = [net.first]
    net.numbers = [1, 2]


def test_circles_are_refused():
    outer, inner = nn.Module(), nn.Module()
    outer.inner = inner
    with pytest.raises(ArgumentError, match="holds this one"):
        inner.outer = outer
    with pytest.raises(ArgumentError, match="holds this one"):
        outer.me = outer


def test_shared_modules_and_parameters_count_once():
    shared = nn.Linear(3, 3)
    net = nn.Sequential(shared, nn.ReLU(), shared)
    assert sum(p.size for p in net.parameters()) == 12
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    tied = nn.Module()
    tied.a, tied.b = nn.Linear(3, 3), nn.Linear(3, 3)
    tied.b.weight = tied.a.weight
    assert sum(p.size for p in tied.parameters()) == 15
    assert tied.a.weight.name == "a.weight"


def test_buffers():
    net = nn.Module()
    net.register_buffer("kept", np.ones(2))
    net.register_buffer("passing", np.ones(2), persistent=False)
    assert [name for name, _ in net.named_buffers()] == ["kept", "passing"]
    assert list(net.state_dict()) == ["kept"]
    net.weight = nn.Parameter([1.0])
    for wrong in ("weight", "a.b"):
        with pytest.raises(ArgumentError, match="name"):
            net.register_buffer(wrong, np.ones(1))
    net.kept = backlight.zeros(2)
    assert net.state_dict()["kept"].tolist() == [0.0, 0.0]


def test_find_by_path():
    net = Net()
    assert net.get_submodule("head.1") is net.head[1]
    assert net.get_parameter("conv1.bias") is net.conv1.bias
    with pytest.raises(ArgumentError, match=r"Did you mean 'conv1.bias'"):
        net.get_parameter("conv1.bais")


# ── acting on all ──


def test_train_eval_freeze_apply_and_types():
    net = Net()
    assert not any(module.training for module in net.eval().modules())
    assert all(module.training for module in net.train().modules())
    assert not any(p.requires_grad for p in net.requires_grad_(False).parameters())
    seen = []
    net.apply(lambda module: seen.append(type(module).__name__))
    assert seen[-1] == "Net"
    assert len(seen) == 7
    before = net.conv1.weight
    net.double()
    assert net.conv1.weight is before
    assert {p.dtype for p in net.parameters()} == {np.dtype("float64")}
    norm = nn.BatchNorm1d(2).double()
    assert norm.running_mean.dtype == np.float64
    assert norm.num_batches_tracked.dtype == np.int64
    for wrong in (np.int64, "cuda", None):
        with pytest.raises(DTypeError):
            net.to(wrong)
    assert net.to("cpu") is net
    net.requires_grad_().float()(image()).sum().backward()
    assert net.conv1.weight.grad is not None
    net.zero_grad()
    assert net.conv1.weight.grad is None


def test_copies_and_pickles():
    net = nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(0.2), nn.BatchNorm1d(4), nn.Dropout(0.1))
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other[0].weight is not net[0].weight
        assert other[0].weight is other[0]._parameters["weight"]
        assert isinstance(other[0].weight, nn.Parameter)
        assert other[0].weight.requires_grad
        assert repr(other) == repr(net)
        x = backlight.ones(2, 3)
        assert (other.eval()(x) == net.eval()(x)).all()


def test_printed_tree():
    assert repr(nn.Sequential(nn.Linear(3, 4), nn.ReLU())) == (
        "Sequential(\n  (0): Linear(in_features=3, out_features=4, bias=True)\n  (1): ReLU()\n)"
    )


# ── calling ──


def test_hooks():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    seen = []
    handle = net[0].register_forward_hook(lambda m, i, o: seen.append((m, i, o)))
    x = backlight.ones(1, 2)
    net(x)
    assert seen[0][0] is net[0]
    assert seen[0][1] == (x,)
    handle.remove()
    net(x)
    assert len(seen) == 1
    with net.register_forward_hook(lambda m, i, o: o * 0 + 7):
        assert net(x).tolist() == [[7.0, 7.0]]
    with net.register_forward_pre_hook(lambda m, i: i[0] * 0):
        assert (net(x) == nn.functional.relu(net[0].bias)).all()


def test_the_error_of_the_design():
    with pytest.raises(ShapeError) as caught:
        Net(channels=32)(image(64, batch=64))
    assert str(caught.value) == (
        "conv2 (Conv2d 32→64, 3×3) got an input with 16 channels, shape (64, 16, 32, 32).\n"
        "  It needs 32 channels, as it was built. The input came from pool1 (MaxPool2d 2), which "
        "got it from conv1 (Conv2d 3→16, 3×3).\n"
        "  Make conv1 produce 32 channels, or build conv2 with in_channels=16."
    )


@pytest.mark.parametrize(
    ("build", "x", "words"),
    [
        (lambda: nn.Linear(5, 2), (2, 4), ["Linear 5→2", "4 features", "in_features=4"]),
        (lambda: nn.Linear(48, 2), (2, 3, 4, 4), ["nn.Flatten()"]),
        (lambda: nn.Linear(5, 2), (), ["single number"]),
        (lambda: nn.Conv2d(3, 8, 3), (2, 8, 8, 3), ["Move the channels", "0, 3, 1, 2"]),
        (lambda: nn.Conv2d(3, 8, 3), (3, 8, 8), ["x.reshape(1, *x.shape)"]),
        (lambda: nn.Conv2d(3, 8, 3, stride=3), (1, 3, 7, 7), ["Conv2d 3→8", "rounding='floor'"]),
        (lambda: nn.Conv1d(3, 8, 3), (2, 4, 9), ["4 channels"]),
        (lambda: nn.ConvTranspose2d(3, 8, 2), (2, 4, 9, 9), ["4 channels"]),
        (lambda: nn.MaxPool2d(2), (1, 1, 5, 5), ["MaxPool2d 2", "2.50 windows"]),
        (lambda: nn.BatchNorm2d(3), (2, 4, 5, 5), ["BatchNorm2d 3", "4 channels"]),
        (lambda: nn.BatchNorm2d(3), (2, 3), ["(N, C, H, W)"]),
        (lambda: nn.BatchNorm1d(3), (1, 3), ["one value a channel"]),
        (lambda: nn.LayerNorm(4), (2, 5), ["last axes"]),
        (lambda: nn.GroupNorm(2, 4), (2, 6, 3, 3), ["6 channels"]),
        (lambda: nn.InstanceNorm2d(4), (2, 4), ["(N, C, H, W)"]),
        (lambda: nn.LSTM(3, 4), (5, 2, 7), ["LSTM 3→4", "7 features"]),
        (lambda: nn.LSTM(3, 4), (0, 2, 3), ["no steps"]),
        (lambda: nn.GRU(3, 4), (5,), ["sequences"]),
        (lambda: nn.GRUCell(3, 4), (5, 2, 3), ["one step"]),
        (lambda: nn.GlobalAveragePool(), (5, 2), ["images"]),
        (lambda: nn.PReLU(3), (2, 4), ["4 channels"]),
    ],
)
def test_shapes_that_do_not_fit(build, x, words):
    layer = nn.Sequential({"part": build()})
    with pytest.raises(ShapeError) as caught:
        layer(backlight.zeros(*x))
    assert str(caught.value).startswith("part (")
    for word in words:
        assert word in str(caught.value)


def test_behind_a_flatten_the_layer_before_is_not_blamed():
    net = nn.Sequential(
        {"conv": nn.Conv2d(3, 16, 3, padding=1), "flat": nn.Flatten(), "fc": nn.Linear(100, 10)}
    )
    with pytest.raises(ShapeError) as caught:
        net(image())
    assert "build fc with in_features=256" in str(caught.value)
    assert "Make conv" not in str(caught.value)


def test_an_error_of_a_users_module_keeps_the_gates_name():
    class Wrong(nn.Module):
        def forward(self, x):
            return backlight.matmul(x, backlight.zeros(7, 7))

    net = nn.Sequential({"body": Wrong()})
    with pytest.raises(ShapeError, match=r"^body \(Wrong\): matmul got"):
        net(backlight.zeros(2, 3))


def test_labels_out_of_range_name_the_loss():
    with pytest.raises(RangeError, match=r"CrossEntropyLoss got label 10"):
        nn.CrossEntropyLoss()(backlight.zeros(2, 10), np.array([10, 0]))


def test_other_mistakes_of_calling():
    with pytest.raises(ArgumentError, match="forward"):
        nn.Module()(1)
    with pytest.raises(DTypeError, match="a list"):
        nn.Linear(2, 1)([[1.0, 2.0]])
    with pytest.raises(ArgumentError, match="iterated"):
        nn.ModuleList([nn.ReLU()])(image())


def test_the_stack_of_calls_is_left_clean_and_is_one_a_thread():
    from backlight.nn.origin import calls

    with pytest.raises(BacklightError):
        Net(channels=32)(image(8))
    assert calls.stack == []
    found = []

    class Peek(nn.Module):
        def forward(self, x):
            thread = threading.Thread(target=lambda: found.append(list(calls.stack)))
            thread.start()
            thread.join()
            return x

    Peek()(1)
    assert found == [[]]


def test_origins():
    net = Net()
    caught = {}
    for name in ("conv1", "pool1", "conv2"):
        net.get_submodule(name).register_forward_hook(
            lambda m, i, o, name=name: caught.__setitem__(name, o)
        )
    y = net(image())
    assert "layer=conv1" in repr(caught["conv1"])
    assert "layer=head.1" in repr(y)
    assert (
        str(caught["pool1"]._notes["origin"])
        == "pool1 (MaxPool2d 2), which got it from conv1 (Conv2d 3→16, 3×3)"
    )
    x = image()
    assert nn.Identity()(x) is x
    assert x._notes is None
    assert nn.Dropout().eval()(x)._notes is None


def test_origins_do_not_hold_the_past():
    cell = nn.RNNCell(2, 2)
    state = backlight.zeros(1, 2)
    with backlight.no_grad():
        for _ in range(50):
            state = cell(backlight.zeros(1, 2), state)
    depth, origin = 0, state._notes["origin"]
    while origin is not None:
        depth, origin = depth + 1, origin.before
    assert depth <= 2


# ── state ──


def test_state_goes_there_and_back():
    first, second = Net(), Net()
    state = first.state_dict()
    assert second.load_state_dict(state) == ([], [])
    for one, two in zip(first.parameters(), second.parameters(), strict=True):
        assert (one == two).all()
    # The state is a copy: it stays what it was.
    with backlight.no_grad():
        first.conv1.bias.fill_(9.0)
    assert not (state["conv1.bias"] == 9.0).any()
    assert not any(value.requires_grad for value in state.values())


def test_a_state_that_does_not_fit_changes_nothing():
    net = Net()
    before = net.state_dict()
    state = {name: np.zeros(value.shape, np.float32) for name, value in before.items()}
    state["conv1.wieght"] = state.pop("conv1.weight")
    state["conv2.bias"] = np.zeros(3, np.float32)
    state["head.1.bias"] = np.array(["a"] * 10)
    with pytest.raises(CheckpointError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    for words in (
        "'conv1.weight' is missing",
        "'conv1.wieght' is not a name",
        "Did you mean 'conv1.weight'?",
        "'conv2.bias' has shape (3,), not (64,)",
        "'head.1.bias' holds no array",
    ):
        assert words in text
    for name, value in net.state_dict().items():
        assert (value == before[name]).all()
    # Not even what fits is taken where a shape does not, strict or not.
    with pytest.raises(CheckpointError):
        net.load_state_dict(state, strict=False)
    with pytest.raises(CheckpointError, match="mapping"):
        net.load_state_dict([1, 2])


def test_a_loose_state_takes_what_agrees():
    net = nn.Linear(2, 2)
    found = net.load_state_dict({"bias": [5.0, 6.0], "other": [1.0]}, strict=False)
    assert found.missing_keys == ["weight"]
    assert found.unexpected_keys == ["other"]
    assert net.bias.tolist() == [5.0, 6.0]


def test_fractions_do_not_go_into_a_counter():
    norm = nn.BatchNorm1d(2)
    state = {**norm.state_dict(), "num_batches_tracked": np.array(1.5)}
    with pytest.raises(CheckpointError, match="float64, not int64"):
        norm.load_state_dict(state)


def test_functional_call():
    net = nn.Sequential(nn.Linear(2, 1, bias=False))
    weight = net[0].weight
    x = backlight.tensor([[1.0, 2.0]])
    made = nn.functional_call(net, {"0.weight": backlight.tensor([[3.0, 4.0]])}, x)
    assert made.tolist() == [[11.0]]
    assert net[0].weight is weight
    assert net[0]._parameters["weight"] is weight
    with pytest.raises(ArgumentError, match="Did you mean"):
        nn.functional_call(net, {"0.weigth": weight}, x)
    with pytest.raises(ShapeError):
        nn.functional_call(net, {"0.weight": backlight.zeros(3, 3)}, x)
    assert net[0].weight is weight
    curve = backlight.hessian(
        lambda w: (nn.functional_call(net, {"0.weight": w}, x) ** 2).sum(), weight.detach()
    )
    assert curve.reshape(2, 2).tolist() == [[2.0, 4.0], [4.0, 8.0]]

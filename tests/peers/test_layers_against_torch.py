"""Every layer that PyTorch has too: same output, same gradients, same state both ways, float64."""

import numpy as np
import pytest

import backlight
from backlight import nn

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def flat(output):
    """All tensors of an output."""
    return (
        [output]
        if not isinstance(output, (tuple, list))
        else [part for one in output for part in (one if isinstance(one, (tuple, list)) else [one])]
    )


def weights(shape, place):
    return np.cos(np.arange(np.prod(shape, dtype=int)) * 0.7 + place).reshape(shape)


LAYERS = {
    "Linear": (lambda m: m.Linear(5, 3), [(4, 5)]),
    "Linear without bias": (lambda m: m.Linear(5, 3, bias=False), [(2, 4, 5)]),
    "Conv2d": (lambda m: m.Conv2d(3, 4, 3, padding=1), [(2, 3, 6, 5)]),
    "Conv2d strided": (
        lambda m: m.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), groups=2),
        [(2, 4, 5, 6)],
    ),
    "Conv2d dilated": (lambda m: m.Conv2d(2, 2, 3, dilation=2, bias=False), [(1, 2, 7, 8)]),
    "Conv2d same": (lambda m: m.Conv2d(2, 3, 3, padding="same"), [(1, 2, 5, 5)]),
    "Conv1d": (lambda m: m.Conv1d(2, 4, 3, stride=2, padding=1), [(2, 2, 7)]),
    "ConvTranspose2d": (
        lambda m: m.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1),
        [(2, 4, 4, 3)],
    ),
    "ConvTranspose2d groups": (
        lambda m: m.ConvTranspose2d(4, 6, 2, groups=2, bias=False),
        [(2, 4, 3, 3)],
    ),
    "MaxPool2d": (lambda m: m.MaxPool2d(2), [(2, 3, 4, 6)]),
    "MaxPool2d overlapping": (lambda m: m.MaxPool2d(3, stride=2, padding=1), [(2, 3, 5, 7)]),
    "MaxPool2d ceil": (lambda m: m.MaxPool2d(3, 2, ceil_mode=True), [(1, 2, 6, 8)]),
    "AvgPool2d": (lambda m: m.AvgPool2d(2), [(2, 3, 4, 6)]),
    "AvgPool2d padded": (lambda m: m.AvgPool2d(3, 2, 1, count_include_pad=False), [(2, 3, 5, 7)]),
    "AdaptiveAvgPool2d": (lambda m: m.AdaptiveAvgPool2d((3, 2)), [(2, 3, 5, 7)]),
    "AdaptiveMaxPool2d": (lambda m: m.AdaptiveMaxPool2d(2), [(2, 3, 5, 7)]),
    "BatchNorm1d": (lambda m: m.BatchNorm1d(5), [(6, 5)]),
    "BatchNorm1d sequences": (lambda m: m.BatchNorm1d(5), [(3, 5, 4)]),
    "BatchNorm2d": (lambda m: m.BatchNorm2d(3, eps=1e-3, momentum=0.3), [(4, 3, 2, 5)]),
    "BatchNorm2d averaging": (
        lambda m: m.BatchNorm2d(3, momentum=None, affine=False),
        [(4, 3, 2, 5)],
    ),
    "BatchNorm2d stateless": (
        lambda m: m.BatchNorm2d(3, track_running_stats=False),
        [(4, 3, 2, 5)],
    ),
    "LayerNorm": (lambda m: m.LayerNorm(5), [(2, 3, 5)]),
    "LayerNorm two axes": (lambda m: m.LayerNorm((3, 5)), [(2, 3, 5)]),
    "GroupNorm": (lambda m: m.GroupNorm(2, 4), [(2, 4, 3, 3)]),
    "InstanceNorm2d": (lambda m: m.InstanceNorm2d(3, affine=True), [(2, 3, 4, 4)]),
    "LocalResponseNorm": (
        lambda m: m.LocalResponseNorm(5, alpha=1e-2, beta=0.75, k=2.0),
        [(2, 7, 3, 3)],
    ),
    "Embedding": (lambda m: m.Embedding(7, 3), [np.array([[1, 2, 6], [0, 2, 2]])]),
    "Embedding padded": (lambda m: m.Embedding(7, 3, padding_idx=2), [np.array([[1, 2], [2, 6]])]),
    "RNN": (lambda m: m.RNN(3, 4), [(5, 2, 3)]),
    "RNN relu": (lambda m: m.RNN(3, 4, nonlinearity="relu", bias=False), [(5, 2, 3)]),
    "RNN given state": (lambda m: m.RNN(3, 4, num_layers=2), [(5, 2, 3), (2, 2, 4)]),
    "RNN unbatched": (lambda m: m.RNN(3, 4), [(5, 3)]),
    "GRU": (lambda m: m.GRU(3, 4, num_layers=2, bidirectional=True), [(5, 2, 3)]),
    "GRU batch first": (lambda m: m.GRU(3, 4, batch_first=True), [(2, 5, 3)]),
    "LSTM": (lambda m: m.LSTM(3, 4), [(5, 2, 3)]),
    "LSTM deep": (
        lambda m: m.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True),
        [(2, 5, 3)],
    ),
    "RNNCell": (lambda m: m.RNNCell(3, 4), [(2, 3), (2, 4)]),
    "GRUCell": (lambda m: m.GRUCell(3, 4), [(2, 3), (2, 4)]),
    "LSTMCell": (lambda m: m.LSTMCell(3, 4), [(2, 3)]),
    "ReLU": (lambda m: m.ReLU(inplace=False), [(3, 4)]),
    "LeakyReLU": (lambda m: m.LeakyReLU(negative_slope=0.2), [(3, 4)]),
    "PReLU": (lambda m: m.PReLU(), [(3, 4)]),
    "PReLU channels": (lambda m: m.PReLU(4, init=0.1), [(3, 4, 2, 2)]),
    "ELU": (lambda m: m.ELU(alpha=0.7), [(3, 4)]),
    "SELU": (lambda m: m.SELU(), [(3, 4)]),
    "GELU": (lambda m: m.GELU(), [(3, 4)]),
    "GELU tanh": (lambda m: m.GELU(approximate="tanh"), [(3, 4)]),
    "SiLU": (lambda m: m.SiLU(), [(3, 4)]),
    "Sigmoid": (lambda m: m.Sigmoid(), [(3, 4)]),
    "LogSigmoid": (lambda m: m.LogSigmoid(), [(3, 4)]),
    "Tanh": (lambda m: m.Tanh(), [(3, 4)]),
    "Softplus": (lambda m: m.Softplus(), [(3, 4)]),
    "Softmax": (lambda m: m.Softmax(dim=1), [(3, 4, 2)]),
    "LogSoftmax": (lambda m: m.LogSoftmax(dim=-1), [(3, 4)]),
    "Flatten": (lambda m: m.Flatten(), [(3, 4, 2)]),
    "Flatten middle": (lambda m: m.Flatten(1, 2), [(3, 4, 2, 2)]),
    "Sequential": (
        lambda m: m.Sequential(
            m.Conv2d(3, 4, 3),
            m.BatchNorm2d(4),
            m.ReLU(),
            m.MaxPool2d(2),
            m.Flatten(),
            m.Linear(16, 2),
        ),
        [(3, 3, 6, 6)],
    ),
}


def compare(ours, theirs, arrays):
    """Outputs and gradients of both, from the same numbers."""
    floats = [array.dtype.kind == "f" for array in arrays]
    mine = [backlight.tensor(a, requires_grad=f) for a, f in zip(arrays, floats, strict=True)]
    other = [torch.tensor(a, requires_grad=f) for a, f in zip(arrays, floats, strict=True)]
    made, wanted = flat(ours(*mine)), flat(theirs(*other))
    assert len(made) == len(wanted)
    for one, two in zip(made, wanted, strict=True):
        np.testing.assert_allclose(
            one.detach().numpy(), two.detach().numpy(), rtol=1e-9, atol=1e-10
        )
    if wanted[0].requires_grad:
        sum((one * weights(one.shape, k)).sum() for k, one in enumerate(made)).backward()
        sum(
            (two * torch.tensor(weights(two.shape, k))).sum() for k, two in enumerate(wanted)
        ).backward()
    for one, two in zip(mine, other, strict=True):
        if two.grad is not None:
            np.testing.assert_allclose(one.grad.numpy(), two.grad.numpy(), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    build, inputs = LAYERS[name]
    theirs = build(torch.nn).double()
    ours = build(nn).double()
    arrays = [one if isinstance(one, np.ndarray) else normal(*one) for one in inputs]

    # States go both ways, by the same names, in the same order.
    found = ours.load_state_dict(theirs.state_dict())
    assert found == ([], [])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(
        {key: torch.tensor(np.array(value.numpy())) for key, value in ours.state_dict().items()}
    )

    for _ in range(2):  # twice: the running statistics move
        ours.zero_grad()
        theirs.zero_grad()
        compare(ours, theirs, arrays)
        for (key, one), (_, two) in zip(
            ours.named_parameters(), theirs.named_parameters(), strict=True
        ):
            np.testing.assert_allclose(
                one.grad.numpy(), two.grad.numpy(), rtol=1e-8, atol=1e-9, err_msg=key
            )
    for (key, one), (_, two) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        np.testing.assert_allclose(one.numpy(), two.numpy(), rtol=1e-12, err_msg=key)
    compare(ours.eval(), theirs.eval(), arrays)


CLASSES = np.array([1, 0, 3])
LOSSES = {
    "CrossEntropyLoss": ({}, (3, 4), CLASSES),
    "CrossEntropyLoss weighted": ({"weight": np.array([1.0, 2.0, 0.5, 1.5])}, (3, 4), CLASSES),
    "CrossEntropyLoss smooth": ({"label_smoothing": 0.1, "reduction": "sum"}, (3, 4), CLASSES),
    "CrossEntropyLoss ignoring": ({"ignore_index": 3, "reduction": "none"}, (3, 4), CLASSES),
    "CrossEntropyLoss distribution": ({}, (3, 4), np.full((3, 4), 0.25)),
    "CrossEntropyLoss images": ({}, (2, 4, 3), np.array([[0, 1, 2], [3, 2, 1]])),
    "NLLLoss": ({}, (3, 4), CLASSES),
    "MultiMarginLoss": ({}, (3, 4), CLASSES),
    "MSELoss": ({}, (3, 4), normal(3, 4)),
    "MSELoss sum": ({"reduction": "sum"}, (3, 4), normal(3, 4)),
    "L1Loss": ({}, (3, 4), normal(3, 4)),
    "HuberLoss": ({"delta": 0.7}, (3, 4), normal(3, 4)),
    "BCEWithLogitsLoss": ({}, (3, 4), RNG.uniform(size=(3, 4))),
    "KLDivLoss": ({}, (3, 4), RNG.dirichlet(np.ones(4), 3)),
    "KLDivLoss batchmean": ({"reduction": "batchmean"}, (3, 4), RNG.dirichlet(np.ones(4), 3)),
    "KLDivLoss logs": ({"log_target": True}, (3, 4), np.log(RNG.dirichlet(np.ones(4), 3))),
}


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")
@pytest.mark.parametrize("name", LOSSES)
def test_loss(name):
    settings, shape, target = LOSSES[name]
    kind = name.split()[0]
    theirs = getattr(torch.nn, kind)(
        **{
            key: torch.tensor(value) if isinstance(value, np.ndarray) else value
            for key, value in settings.items()
        }
    )
    ours = getattr(nn, kind)(**settings)
    compare(lambda x: ours(x, target), lambda x: theirs(x, torch.tensor(target)), [normal(*shape)])


def test_the_courses_hinge_is_pytorchs_times_the_classes():
    scores = normal(3, 4)
    theirs = torch.nn.MultiMarginLoss()(torch.tensor(scores), torch.tensor(CLASSES)).item()
    assert float(nn.MultiClassHingeLoss()(scores, CLASSES)) == pytest.approx(4 * theirs)


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")
@pytest.mark.parametrize(
    "call",
    [
        "F.linear(x, w)",
        "F.relu(x)",
        "F.softmax(x, dim=1)",
        "F.log_softmax(x, dim=0)",
        "F.leaky_relu(x, 0.3)",
        "F.gelu(x)",
        "F.silu(x)",
        "F.elu(x)",
        "F.softplus(x)",
        "F.layer_norm(x, (4,))",
        "F.pad(x, (1, 2, 0, 1), value=0.5)",
        "F.dropout(x, 0.5, False)",
        "F.max_pool2d(i, 2)",
        "F.avg_pool2d(i, 2, 1)",
        "F.adaptive_avg_pool2d(i, 2)",
        "F.conv2d(i, k, None, 1, 1)",
        "F.conv_transpose2d(i, k)",
        "F.group_norm(i, 2)",
        "F.mse_loss(x, y)",
        "F.l1_loss(x, y)",
        "F.huber_loss(x, y)",
        "F.kl_div(x, y.abs())",
        "F.cross_entropy(x, t)",
        "F.nll_loss(x, t)",
        "F.multi_margin_loss(x, t)",
        "F.binary_cross_entropy_with_logits(x, (y > 0).double())",
        "F.embedding(t, x)",
    ],
)
def test_functional_call_as_typed(call):
    arrays = {
        "x": normal(3, 4),
        "y": normal(3, 4),
        "w": normal(2, 4),
        "i": normal(2, 4, 4, 4),
        "k": normal(4, 4, 3, 3),
        "t": np.array([0, 2, 1]),
    }
    here = {name: backlight.tensor(array) for name, array in arrays.items()}
    there = {name: torch.tensor(array) for name, array in arrays.items()}
    ours = eval(call, {"F": nn.functional, **here})  # noqa: S307 - the calls above
    theirs = eval(call, {"F": torch.nn.functional, **there})  # noqa: S307 - the calls above
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    "call",
    [
        "kaiming_uniform_(w, a=5 ** 0.5)",
        "kaiming_normal_(w, nonlinearity='relu')",
        "kaiming_normal_(w, mode='fan_out')",
        "xavier_uniform_(w, gain=2.0)",
        "xavier_normal_(w)",
        "normal_(w, std=0.01)",
        "orthogonal_(w, gain=3.0)",
    ],
)
def test_initialisation_has_the_same_spread(call):
    ours = backlight.zeros(300, 200)
    eval(f"init.{call}", {"init": nn.init, "w": ours})  # noqa: S307 - the calls above
    theirs = torch.zeros(300, 200)
    eval(f"init.{call}", {"init": torch.nn.init, "w": theirs})  # noqa: S307 - the calls above
    assert float(ours.numpy().std()) == pytest.approx(theirs.std().item(), rel=0.02)


def test_printed_trees_agree():
    def build(m):
        return m.Sequential(
            m.Conv2d(3, 16, 3, padding=1),
            m.BatchNorm2d(16),
            m.Sequential(m.Linear(4, 2), m.Dropout(0.25)),
        )

    ours = repr(build(nn)).splitlines()
    theirs = repr(build(torch.nn)).splitlines()
    assert [line.split("(")[:2] for line in ours] == [line.split("(")[:2] for line in theirs]

"""Layers: counts and vectors of the notes, settings refused, random layers, recurrent layers."""

import numpy as np
import pytest

import backlight
from backlight import nn
from backlight.errors import ArgumentError, DTypeError, RangeError, ShapeError
from backlight.gates.gate import gates


def count(module):
    return sum(parameter.size for parameter in module.parameters())


def test_parameter_counts_of_the_notes():
    assert count(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))) == 26
    assert count(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 1))) == 41
    assert count(nn.Linear(3072, 10)) == 30_730
    assert count(nn.Sequential(nn.Linear(3072, 100), nn.ReLU(), nn.Linear(100, 10))) == 308_310
    assert count(nn.Conv2d(3, 10, 5, padding=2)) == 760
    assert count(nn.Conv2d(3, 96, 11, stride=4)) == 34_944


def test_scores_of_the_lecture():
    layer = nn.Linear(4, 3).double()
    layer.load_state_dict(
        {
            "weight": [[0.2, -0.5, 0.1, 2], [1.5, 1.3, 2.1, 0], [0, 0.25, 0.2, -0.3]],
            "bias": [1.1, 3.2, -1.2],
        }
    )
    np.testing.assert_allclose(
        layer(np.array([56.0, 231, 24, 2])).detach().numpy(), [-96.8, 437.9, 60.75], rtol=1e-6
    )


def test_losses_of_the_lecture():
    scores, label = np.array([[-2.85, 0.86, 0.28]]), np.array([2])
    assert float(nn.MultiClassHingeLoss()(scores, label)) == pytest.approx(1.58)
    assert float(nn.CrossEntropyLoss()(scores, label)) == pytest.approx(1.040191, abs=1e-6)
    wide = nn.MultiClassHingeLoss(margin=10)
    assert float(wide(np.array([[13.0, -7, 11]]), np.array([0]))) == 8.0
    none = np.zeros((5, 10))
    labels = np.arange(5)
    assert float(nn.CrossEntropyLoss()(none, labels)) == pytest.approx(2.302585, abs=1e-6)
    assert float(nn.MultiClassHingeLoss()(none, labels)) == 9.0


def test_first_layer_of_alexnet():
    assert nn.Conv2d(3, 96, 11, stride=4)(np.zeros((1, 3, 227, 227), np.float32)).size == 290_400


def test_old_vocabularies():
    layer = nn.Conv2d(3, 8, (3, 5), stride=(2, 1), padding=(1, 2), rounding="floor")
    assert nn.torch7(layer) == "SpatialConvolution(3, 8, 5, 3, 1, 2, 2, 1)"
    assert "num_output: 8" in nn.caffe(layer)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: nn.Linear(0, 3),
        lambda: nn.Linear(2.5, 3),
        lambda: nn.Linear(3, -1),
        lambda: nn.Conv2d(3, 4, 0),
        lambda: nn.Conv2d(3, 4, (3, 3, 3)),
        lambda: nn.Conv2d(3, 4, 3, groups=2),
        lambda: nn.Conv2d(3, 4, 2, padding="same"),
        lambda: nn.Conv2d(3, 4, 3, padding="full"),
        lambda: nn.Conv2d(3, 4, 3, padding=-1),
        lambda: nn.MaxPool2d(3, 2, 0, 1),
        lambda: nn.MaxPool2d(2, ceil_mode=True, rounding="floor"),
        lambda: nn.Conv2d(3, 4, 3, rounding="ceil"),
        lambda: nn.MaxPool2d(2, rounding="flor"),
        lambda: nn.Dropout(1.0),
        lambda: nn.Dropout(-0.1),
        lambda: nn.DropConnect(2, 2, p=1.5),
        lambda: nn.BatchNorm1d(3, momentum=2),
        lambda: nn.BatchNorm1d(3, eps=-1.0),
        lambda: nn.GroupNorm(3, 4),
        lambda: nn.Embedding(3, 2, padding_idx=3),
        lambda: nn.RNN(2, 3, nonlinearity="sigmoid"),
        lambda: nn.LSTM(2, 3, dropout=1.0),
        lambda: nn.ReLU(3),
        lambda: nn.LeakyReLU(slop=0.1),
        lambda: nn.Maxout(),
        lambda: nn.MSELoss(reduction="mean", margin=1),
    ],
)
def test_settings_that_are_refused(wrong):
    with pytest.raises(ArgumentError) as caught:
        wrong()
    assert "It needs" in str(caught.value)


def test_every_activation_gate_has_a_layer_and_no_layer_is_without_a_gate():
    families = ("backlight.gates.activation", "backlight.gates.rectifier")
    layers = {
        kind.gate.name
        for kind in vars(nn.activation).values()
        if isinstance(kind, type) and getattr(kind, "gate", None)
    }
    hand = {"prelu"}  # it learns
    walls = {gate.name for gate in gates() if gate.role.name == "WALL"}
    wanted = {gate.name for gate in gates() if type(gate).__module__ in families}
    assert wanted - walls - hand <= layers
    assert set(nn.__all__) <= set(dir(nn))


def test_activation_layers_say_their_settings():
    assert repr(nn.LeakyReLU(negative_slope=0.2)) == "LeakyReLU(negative_slope=0.2)"
    assert nn.LeakyReLU(0.2).describe() == "LeakyReLU slope 0.2"
    assert nn.ReLU(inplace=True).describe() == "ReLU"
    assert nn.Maxout(2)(np.array([[1.0, 5, 2, 3]])).tolist() == [[5.0, 3.0]]
    assert "max(x, 0)" in nn.ReLU.__doc__


def test_softmax_before_cross_entropy_is_refused():
    net = nn.Sequential(nn.Linear(3, 4), nn.Softmax(dim=1))
    with pytest.raises(ArgumentError, match="twice would hardly learn"):
        nn.CrossEntropyLoss()(net(backlight.ones(2, 3)), np.array([0, 1]))


def test_weights_of_classes_may_be_whole_numbers():
    scores, labels = backlight.randn(3, 2), np.array([0, 1, 1])
    whole, floating = nn.CrossEntropyLoss([1, 3]), nn.CrossEntropyLoss(weight=[1.0, 3.0])
    assert float(whole(scores, labels)) == float(floating(scores, labels))
    assert list(whole.state_dict()) == ["weight"]


def test_loss_layers_refuse_shapes_that_would_stretch():
    with pytest.raises(ShapeError, match="MSELoss"):
        nn.MSELoss()(backlight.zeros(4, 1), backlight.zeros(4))


# ── random ──


@pytest.mark.parametrize("p", [0.25, 0.4, 0.7])
def test_dropout_keeps_the_mean(p):
    backlight.manual_seed(3)
    y = nn.Dropout(p)(backlight.full((200, 200), 10.0)).numpy()
    assert y.mean() == pytest.approx(10.0, abs=0.15)
    assert (y == 0).mean() == pytest.approx(p, abs=0.01)


def test_dropout_draws_anew_and_again_from_a_seed():
    layer, x = nn.Dropout(), backlight.ones(50)
    backlight.manual_seed(1)
    first, second = layer(x), layer(x)
    assert (first != second).any()
    backlight.manual_seed(1)
    assert (layer(x) == first).all()
    own = nn.Dropout(generator=backlight.Generator(5))
    assert (own(x) == nn.Dropout(generator=backlight.Generator(5))(x)).all()
    assert nn.Dropout(0.0)(x) is x


def test_dropconnect():
    layer = nn.DropConnect(30, 20, p=0.5)
    x = backlight.ones(1, 30)
    assert (layer(x) != layer(x)).any()
    layer.eval()
    assert (layer(x) == nn.functional.linear(x, layer.weight, layer.bias)).all()
    assert layer.describe() == "DropConnect 30→20"


def test_same_seed_same_weights():
    backlight.manual_seed(11)
    first = nn.Linear(5, 4).weight
    backlight.manual_seed(11)
    assert (nn.Linear(5, 4).weight == first).all()


# ── norms ──


def test_batch_norm_of_the_assignment():
    layer = nn.BatchNorm1d(3).double()
    layer.load_state_dict(
        {**layer.state_dict(), "weight": [1.0, 2.0, 3.0], "bias": [11.0, 12.0, 13.0]}
    )
    x = backlight.randn(200, 3, dtype=np.float64) * 5.0 + 7.0
    y = layer(x).detach().numpy()
    np.testing.assert_allclose(y.mean(0), [11, 12, 13], atol=1e-9)
    np.testing.assert_allclose(y.std(0), [1, 2, 3], rtol=1e-4)
    for _ in range(200):
        layer(x)
    y = layer.eval()(x).detach().numpy()
    np.testing.assert_allclose(y.mean(0), [11, 12, 13], atol=1e-6)
    np.testing.assert_allclose(y.std(0), [1, 2, 3], rtol=0.01)
    assert int(layer.num_batches_tracked) == 201


def test_evaluation_leaves_running_statistics_alone():
    layer = nn.BatchNorm2d(2).eval()
    before = layer.state_dict()
    layer(backlight.randn(2, 2, 3, 3))
    assert all((value == before[name]).all() for name, value in layer.state_dict().items())


# ── embeddings and sequences ──


def test_embedding_refuses_what_is_no_row():
    layer = nn.Embedding(4, 2)
    with pytest.raises(RangeError, match="Embedding 4→2"):
        layer(np.array([0, 4]))
    with pytest.raises(DTypeError, match="float"):
        layer(np.array([0.5]))


def test_padding_row_is_zero_and_learns_nothing():
    layer = nn.Embedding(4, 2, padding_idx=-1)
    layer(np.array([3, 1])).sum().backward()
    assert layer.weight.grad.tolist() == [[0, 0], [1, 1], [0, 0], [0, 0]]
    assert layer.weight[3].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_layer_is_its_cell_step_by_step(kind):
    layer, cell = getattr(nn, kind)(3, 4), getattr(nn, f"{kind}Cell")(3, 4)
    cell.load_state_dict(
        {name.removesuffix("_l0"): value for name, value in layer.state_dict().items()}
    )
    x = backlight.randn(5, 2, 3)
    output, _ = layer(x)
    state = None
    for place in range(5):
        state = cell(x[place], state)
        hidden = state[0] if kind == "LSTM" else state
        np.testing.assert_allclose(
            output[place].detach().numpy(), hidden.detach().numpy(), rtol=1e-5, atol=1e-6
        )


def test_wrong_initial_state():
    with pytest.raises(ShapeError, match="initial states"):
        nn.LSTM(3, 4)(backlight.zeros(5, 2, 3), backlight.zeros(1, 2, 4))


def test_dropout_between_stacked_layers_only_in_training():
    layer = nn.GRU(3, 4, num_layers=2, dropout=0.5)
    x = backlight.randn(5, 2, 3)
    assert (layer(x)[0] != layer(x)[0]).any()
    layer.eval()
    assert (layer(x)[0] == layer(x)[0]).all()


def test_gradients_reach_every_parameter_and_agree_with_differences():
    backlight.manual_seed(2)
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(12, 3),
    ).double()
    x, labels = backlight.randn(4, 2, 4, 4, dtype=np.float64), np.array([0, 1, 2, 1])
    loss = nn.CrossEntropyLoss()
    loss(net(x), labels).backward()
    for parameter in net.parameters():
        place = tuple(size // 2 for size in parameter.shape)
        before, values = float(parameter[place]), []
        with backlight.no_grad():
            for step in (1e-6, -1e-6):
                parameter[place] = before + step
                values.append(float(loss(net(x), labels)))
            parameter[place] = before
        assert parameter.grad[place].item() == pytest.approx(
            (values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-8
        )

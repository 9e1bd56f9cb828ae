"""Networks (W rows), and how few hidden units the lecture's circles need."""

import itertools

import numpy as np
import pytest

import backlight
from backlight import models, nn, optim
from backlight.data import circles, spiral


def dense(*widths):
    layers = []
    for one, next_one in itertools.pairwise(widths):
        layers += [nn.Linear(one, next_one), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def test_W1_two_layer_net_of_the_notes():
    """s = W₂·max(0, W₁x) with W₁ 100×3072: 307,200 + 100 + 1,000 + 10 parameters."""
    built = models.build("mlp", (3, 32, 32), classes=10, hidden=(100,))
    table = nn.summary(built.module, (1, 3, 32, 32))
    assert [p.size for p in built.module.parameters()] == [307_200, 100, 1_000, 10]
    assert table.parameters == 308_310
    weights = [p for p in built.module.parameters() if p.ndim == 2]
    assert weights[0].shape == (100, 3072)


@pytest.mark.parametrize(("widths", "count"), [((3, 4, 2), 26), ((3, 4, 4, 1), 41)])
def test_W2_small_nets(widths, count):
    table = nn.summary(dense(*widths), (1, 3))
    assert table.parameters == count
    assert f"{count}" in str(table)


def test_W3_a_neuron_is_a_linear_classifier():
    """One σ unit, trained as logistic regression, ends where the two-class softmax does."""
    rng = np.random.RandomState(0)
    labels = rng.randint(0, 2, 60)
    x = backlight.tensor(rng.randn(60, 2) + 1.2 * (2 * labels[:, None] - 1))
    unit, pair = nn.Linear(2, 1).double(), nn.Linear(2, 2).double()
    target = labels[:, None].astype(float)

    def trained(layer, loss):
        rule = optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")

        def closure():
            rule.zero_grad()
            cost = loss(layer(x))
            cost.backward()
            return cost

        rule.step(closure)
        return layer

    trained(unit, lambda s: backlight.binary_cross_entropy_with_logits(s, target))
    trained(pair, lambda s: backlight.cross_entropy(s, labels))
    w = pair.weight.detach().numpy()
    np.testing.assert_allclose(unit.weight.detach().numpy()[0], w[1] - w[0], rtol=2e-3)
    b = pair.bias.detach().numpy()
    np.testing.assert_allclose(unit.bias.detach().numpy()[0], b[1] - b[0], rtol=2e-2, atol=2e-3)


def test_W8_flatten_order_is_channels_rows_columns():
    image = np.arange(3 * 32 * 32.0).reshape(1, 3, 32, 32)
    flat = nn.Flatten()(backlight.tensor(image))
    assert flat.shape == (1, 3072)
    np.testing.assert_array_equal(np.asarray(flat)[0], np.arange(3072))


def best_accuracy(hidden, restarts, data):
    """The best of some trainings of a 2-hidden-1 ReLU network by L-BFGS."""
    x, best = backlight.tensor(data.inputs), 0.0
    for seed in range(restarts):
        backlight.manual_seed(seed)
        net = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 1)).double()
        nn.init.normal_(net[0].weight)
        nn.init.normal_(net[2].weight)
        rule = optim.LBFGS(net.parameters(), max_iter=60, line_search_fn="strong_wolfe")
        target = data.labels[:, None].astype(float)

        def closure(rule=rule, net=net, target=target):
            rule.zero_grad()
            loss = backlight.binary_cross_entropy_with_logits(net(x), target)
            loss.backward()
            return loss

        rule.step(closure)
        right = ((net(x).detach().numpy() > 0)[:, 0] == data.labels).mean()
        best = max(best, float(right))
        if best == 1:
            break
    return best


def test_circles_need_three_hidden_units():
    data = circles(250, noise=0.05).train
    assert best_accuracy(1, 4, data) < 0.75
    assert best_accuracy(2, 6, data) < 0.9
    assert best_accuracy(3, 12, data) > 0.99


def test_A7_a_network_parts_the_spiral_and_a_line_does_not():
    """The case study's numbers are in test_case_study; here in a tenth of its steps."""
    data = spiral().train
    backlight.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 100), nn.ReLU(), nn.Linear(100, 3)).double()
    line = nn.Linear(2, 3).double()
    accuracy = []
    for model in (net, line):
        rule = optim.Adam(model.parameters(), lr=0.02)
        for _ in range(400):
            rule.zero_grad()
            backlight.cross_entropy(model(backlight.tensor(data.inputs)), data.labels).backward()
            rule.step()
        scores = model(backlight.tensor(data.inputs)).detach().numpy()
        accuracy.append((scores.argmax(axis=1) == data.labels).mean())
    assert accuracy[0] > 0.95
    assert accuracy[1] < 0.6

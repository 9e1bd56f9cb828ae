"""Before learning: preprocessing, first weights and normalisation (2.1)."""

import math

import numpy as np
import pytest

import backlight
from backlight import nn, optim
from backlight.data import Normalize, Whiten

TENTHS = [0.2136, 0.0475, 0.0106, 0.00237, 5.3e-4]
ROOTS = [0.628, 0.485, 0.407, 0.357, 0.321]


def activations(std, activation, depth=5, width=500, seed=3):
    """Standard deviation of each layer's outputs, and the last layer's numbers."""
    backlight.manual_seed(seed)
    x = backlight.randn(1000, width)
    spread = []
    with backlight.no_grad():
        for _ in range(depth):
            layer = nn.Linear(width, width, bias=False)
            nn.init.normal_(layer.weight, std=std)
            x = activation(layer(x))
            spread.append(float(np.asarray(x).std()))
    return spread, np.asarray(x)


@pytest.mark.parametrize(
    ("std", "expected"), [(0.01, TENTHS), (1.0, [0.982] * 5), (1 / math.sqrt(500), ROOTS)]
)
def test_2_1_tanh_activations_by_depth(std, expected):
    spread, _ = activations(std, backlight.tanh)
    np.testing.assert_allclose(spread, expected, rtol=0.03)


def test_2_1_large_weights_saturate_tanh():
    _, last = activations(1.0, backlight.tanh, depth=2)
    assert (np.abs(last) > 0.99).mean() == pytest.approx(0.90, abs=0.03)


def test_2_1_relu_halves_the_variance_unless_he_doubles_the_weights():
    halved = np.mean(
        [
            activations(1 / math.sqrt(500), backlight.relu, depth=3, seed=seed)[0]
            for seed in range(8)
        ],
        axis=0,
    )  # one seed's third layer varies by 4%
    np.testing.assert_allclose(halved[:3], [0.584, 0.416, 0.298], rtol=0.05)
    np.testing.assert_allclose(np.diff(np.log2(halved)) * 2, -1, atol=0.15)
    kept = np.mean(
        [activations(math.sqrt(2 / 500), backlight.relu, seed=seed)[0] for seed in range(4)], axis=0
    )
    assert 0.77 < kept.min() <= kept.max() < 0.93


def test_2_1_named_initialisations():
    backlight.manual_seed(0)
    w = nn.Linear(400, 800).weight
    for fill, std in (
        (nn.init.xavier_normal_, math.sqrt(2 / 1200)),
        (lambda t: nn.init.kaiming_normal_(t, nonlinearity="relu"), math.sqrt(2 / 400)),
        (nn.init.xavier_uniform_, math.sqrt(2 / 1200)),
    ):
        fill(w)
        assert w.detach().numpy().std() == pytest.approx(std, rel=0.01)
    nn.init.sparse_(w, connections=10)
    assert (np.count_nonzero(w.detach().numpy(), axis=1) == 10).all()


def test_2_1_zeros_stay_equal_for_ever():
    """Every hidden unit begins the same, and is the same after 100 steps."""
    rng = np.random.RandomState(0)
    x, labels = backlight.tensor(rng.randn(30, 4)), rng.randint(0, 3, 30)
    for value in (0.0, 0.1):
        net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
        for p in net.parameters():
            nn.init.constant_(p, value)
        rule = optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
        for _ in range(100):
            rule.zero_grad()
            backlight.cross_entropy(net(x), labels).backward()
            rule.step()
        first = net[0].weight.detach().numpy()
        # Up to rounding: a product's edge rows may be added up in another order than the rest.
        np.testing.assert_allclose(first, np.broadcast_to(first[0], first.shape), rtol=1e-6)
        assert net[2].bias.detach().numpy().any()


def test_2_1_inputs_times_1000_give_gradients_times_1000():
    rng = np.random.RandomState(0)
    x, upstream = rng.randn(20, 6), rng.randn(20, 4)

    def gradient(inputs):
        w = backlight.tensor(rng.randn(6, 4) * 0 + 0.1, requires_grad=True)
        (backlight.tensor(inputs) @ w).backward(upstream)
        return w.grad.numpy()

    np.testing.assert_allclose(gradient(1024 * x), 1024 * gradient(x), rtol=0)  # exact in binary
    np.testing.assert_allclose(gradient(1000 * x), 1000 * gradient(x), rtol=1e-12)


def correlated(n=2000):
    return np.random.RandomState(0).randn(n, 4) @ np.random.RandomState(1).randn(4, 4) * 20 + 7


def test_2_1_whitening():
    """The covariance is the identity; the divisor is √(eigenvalue + 1e-5)."""
    x = correlated()
    white = Whiten.fit(x)
    z = white(x)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(z.T @ z / len(z), np.eye(4), atol=1e-6)
    rotated = Whiten.fit(x, scale=False)(x)
    np.testing.assert_allclose(z, rotated / np.sqrt(white.eigenvalues + 1e-5), rtol=1e-12)
    covariance = rotated.T @ rotated / len(x)
    np.testing.assert_allclose(covariance, np.diag(white.eigenvalues), atol=1e-8)
    assert Whiten.fit(x, components=2)(x).shape == (2000, 2)


def test_2_1_mean_and_scale():
    x = correlated()
    z = Normalize.fit(x, per="pixel")(x)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(z.std(axis=0), 1, rtol=1e-9)


@pytest.mark.parametrize("fit", [lambda x: Normalize.fit(x, per="pixel"), Whiten.fit])
def test_2_1_statistics_are_of_the_training_split_only(fit):
    """A poisoned validation split changes nothing of the training one."""
    x = correlated(200)
    transform = fit(x[:150])
    before = transform(x[:150]).copy()
    x[150:] = 1e9
    np.testing.assert_array_equal(transform(x[:150]), before)
    assert transform(x[150:]).mean() > 1e3 or transform(x[150:]).mean() < -1e3


def test_2_1_batch_norm_with_scale_and_shift():
    """γ = (1, 2, 3), β = (11, 12, 13): means are β, deviations γ."""
    rng = np.random.RandomState(0)
    x = np.maximum(rng.randn(200, 50) @ rng.randn(50, 60), 0) @ rng.randn(60, 3)
    y = np.asarray(backlight.batch_norm(x, np.array([1.0, 2, 3]), np.array([11.0, 12, 13])))
    np.testing.assert_allclose(y.mean(axis=0), [11, 12, 13], rtol=1e-9)
    np.testing.assert_allclose(y.std(axis=0), [1, 2, 3], rtol=1e-5)


def test_2_1_batch_norm_backward_two_ways():
    """The closed rule, and the circuit of mean, variance and division."""
    rng = np.random.RandomState(1)
    x, gamma, beta = 5 * rng.randn(4, 5) + 12, rng.randn(5), rng.randn(5)
    upstream = rng.randn(4, 5)

    def unfolded(x, gamma, beta):
        centred = x - x.mean(axis=0)
        return gamma * centred / backlight.sqrt((centred * centred).mean(axis=0) + 1e-5) + beta

    _, closed = backlight.vjp(backlight.batch_norm, x, gamma, beta)
    _, circuit = backlight.vjp(unfolded, x, gamma, beta)
    for one, other in zip(closed(upstream), circuit(upstream), strict=True):
        scale = np.abs(np.asarray(one)).max()
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=1e-12 * scale + 1e-13)


def test_2_1_batch_norm_evaluates_by_running_statistics():
    backlight.manual_seed(0)
    layer = nn.BatchNorm1d(3)
    for _ in range(200):
        layer(3 * backlight.randn(100, 3) + 5)
    layer.eval()
    y = np.asarray(layer(3 * backlight.randn(500, 3) + 5).detach())
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=0.2)
    np.testing.assert_allclose(y.std(axis=0), 1, atol=0.1)
    one = layer(backlight.full((1, 3), 5.0))
    np.testing.assert_allclose(np.asarray(one.detach()), 0, atol=0.1)


@pytest.mark.parametrize(
    ("name", "layer", "axes"),
    [
        ("layer norm", lambda: nn.LayerNorm((6, 4, 5)), (1, 2, 3)),
        ("spatial batch norm", lambda: nn.BatchNorm2d(6), (0, 2, 3)),
        ("instance norm", lambda: nn.InstanceNorm2d(6), (2, 3)),
    ],
)
def test_2_1_norms_and_their_axes(name, layer, axes):
    x = 4 * np.random.RandomState(0).randn(2, 6, 4, 5) + 10
    y = np.asarray(layer().double()(backlight.tensor(x)).detach())
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-9)
    np.testing.assert_allclose(y.std(axis=axes), 1, rtol=1e-5)


def test_2_1_group_norm():
    x = 4 * np.random.RandomState(0).randn(2, 6, 4, 5) + 10
    y = np.asarray(nn.GroupNorm(2, 6).double()(backlight.tensor(x)).detach()).reshape(2, 2, -1)
    np.testing.assert_allclose(y.mean(axis=2), 0, atol=1e-9)
    np.testing.assert_allclose(y.std(axis=2), 1, rtol=1e-5)


def final_loss(scale, normalised):
    """After a few steps of an 8-layer net of 50 units whose weights begin at this scale."""
    backlight.manual_seed(1)
    rng = np.random.RandomState(0)
    labels = rng.randint(0, 3, 100)
    x = backlight.tensor((rng.randn(100, 20) + 3 * np.eye(3, 20)[labels]).astype(np.float32))
    layers = []
    for k in range(7):
        layers.append(nn.Linear(20 if k == 0 else 50, 50))
        layers += [nn.BatchNorm1d(50)] * normalised + [nn.ReLU()]
    net = nn.Sequential(
        *[nn.BatchNorm1d(50) if isinstance(one, nn.BatchNorm1d) else one for one in layers],
        nn.Linear(50, 3),
    )
    for module in net:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=scale)
            nn.init.zeros_(module.bias)
    rule = optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(25):
        rule.zero_grad()
        loss = backlight.cross_entropy(net(x), labels)
        loss.backward()
        rule.step()
    return loss.item()


def test_2_1_batch_norm_makes_the_scale_of_the_weights_matter_less():
    """Flat over two decades with it; without it, small weights learn nothing at all."""
    scales = (1e-2, 1e-1, 1.0)
    with_norm = [final_loss(scale, normalised=True) for scale in scales]
    assert max(with_norm) < 0.3
    plain = [final_loss(scale, normalised=False) for scale in (1e-3, 1e-2)]
    assert min(plain) > 0.9


def test_2_1_local_response_norm_of_alexnet():
    """x / (2 + 1e-4·Σ x²)^¾ over five neighbouring channels."""
    x = np.random.RandomState(0).randn(1, 7, 2, 2) * 30
    squares = np.pad(x * x, ((0, 0), (2, 2), (0, 0), (0, 0)))
    sums = sum(squares[:, k : k + 7] for k in range(5))
    y = np.asarray(backlight.local_response_norm(x, size=5, k=2.0, alpha=5e-4, beta=0.75))
    np.testing.assert_allclose(y, x / (2 + 1e-4 * sums) ** 0.75, rtol=1e-12)

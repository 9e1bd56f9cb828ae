"""Numerical against analytic gradients (N rows), and the pitfalls of comparing them (2.3)."""

import numpy as np
import pytest

import backlight
from backlight import check, nn, optim
from backlight.check import Verdict, error_by_step, gradcheck, numerical_gradient
from backlight.errors import ArgumentError
from backlight.gates.family import Elementwise
from backlight.gates.gate import TABLE, Role

SLOPE_A = -0.10499358540350662


def neuron(a, dtype=np.float64):
    one = dtype(1)
    return one / (one + np.exp(-(a * dtype(-1) + dtype(6) + dtype(-3))))


def test_N1_product_by_small_steps():
    """xy at (−2, 3) with h = 1e-4: −1.9999 → −5.9997 → 3.0, and 3.0001 → −6.0002 → −2.0."""
    seen = []

    def product(v):
        seen.append((v[0].item(), v[1].item(), v[0] * v[1]))
        return v[0] * v[1]

    v = np.array([-2.0, 3.0])
    slope = numerical_gradient(product, v, h=1e-4, method="forward")
    np.testing.assert_allclose(seen[1], (-1.9999, 3, -5.9997), rtol=1e-14)
    np.testing.assert_allclose(seen[2], (-2, 3.0001, -6.0002), rtol=1e-14)
    np.testing.assert_allclose(slope, [3, -2], rtol=1e-10)
    np.testing.assert_array_equal(v, [-2, 3])
    assert len(seen) == check.evaluations_needed(2, "forward") == 3
    uphill = v + 0.01 * slope
    assert [*uphill, uphill[0] * uphill[1]] == pytest.approx([-1.97, 2.98, -5.8706], rel=1e-9)


def test_N1_slide_of_three_losses():
    """Losses 1.25322, 1.25353, 1.25347 around 1.25347, h = 1e-4: gradient −2.5, 0.6, 0."""
    losses = iter([1.25347, 1.25322, 1.25353, 1.25347])
    slope = numerical_gradient(lambda w: next(losses), np.zeros(3), h=1e-4, method="forward")
    np.testing.assert_allclose(slope, [-2.5, 0.6, 0.0], atol=1e-9)


def test_N2_one_sided_and_centred():
    one = float(numerical_gradient(neuron, np.array(1.0), 1e-4, "forward"))
    both = float(numerical_gradient(neuron, np.array(1.0), 1e-4))
    assert (round(one, 10), round(both, 10)) == (-0.1049975836, -0.1049935855)
    assert abs(one - SLOPE_A) == pytest.approx(4.0e-6, rel=0.01)
    assert abs(both - SLOPE_A) == pytest.approx(6.5e-11, rel=0.01)


def test_N3_cost_is_told_before_starting_and_absurd_ones_are_refused():
    weights = np.zeros((10, 3073))
    assert check.evaluations_needed(weights.size, "forward") == 30_731
    told = check.cost(lambda w: w.sum(), weights)
    assert told.evaluations == 61_460
    assert told.seconds > 0
    assert str(told).startswith("61,460 evaluations, about ")
    vgg = np.broadcast_to(0.0, (138_357_544,))
    with pytest.raises(ArgumentError, match="evaluations to make"):
        numerical_gradient(lambda w: 0.0, np.zeros(1_000_001))
    with pytest.raises(ArgumentError, match="1,000 evaluations to make"):
        numerical_gradient(lambda w: 0.0, np.zeros(500), most=999)
    with pytest.raises(ArgumentError, match=r"2,000,002 evaluations.*\n.*\n.*samples=10"):
        gradcheck(lambda w: w.sum(), np.zeros(1_000_001))
    assert check.evaluations_needed(vgg.size) == 276_715_088


def test_N4_analytic_agrees_with_centred_differences():
    rng = np.random.RandomState(0)
    x, w = rng.randn(4, 3), rng.randn(3, 5)
    analytic = backlight.grad(
        lambda v: backlight.cross_entropy(backlight.tensor(x) @ v, [0, 4, 2, 2])
    )(w)
    numeric = numerical_gradient(
        lambda v: backlight.cross_entropy(backlight.tensor(x @ v), [0, 4, 2, 2]), w, h=1e-5
    )
    np.testing.assert_allclose(np.asarray(analytic), numeric, rtol=0, atol=1e-9)


def planted(rule, forward=lambda np, x: np.tanh(x)):
    """A gate with this backward rule, kept out of the table."""

    class Planted(Elementwise):
        """A gate for a test."""

        role = Role.SCALER
        formula = "planted"

        def forward(self, np, x):
            return forward(np, x)

        def backward(self, upstream, x, output):
            return (rule(upstream, x, output),)

    gate = Planted()
    del TABLE["planted"]
    return gate


@pytest.mark.parametrize(
    ("rule", "mistake"),
    [
        (lambda u, x, o: 2.0 * u * (1.0 - o * o), "twice too large"),
        (lambda u, x, o: -u * (1.0 - o * o), "the sign"),
    ],
)
def test_N5_planted_errors_are_caught_and_named(rule, mistake):
    report = gradcheck(planted(rule), np.array([0.3, -0.7, 1.1]))
    assert not report.ok
    assert mistake in report.worst.mistake


def test_N5_a_transposed_gradient_is_named():
    def rule(u, x, o):
        return (u * x).T * 2.0

    square = planted(rule, lambda np, x: x * x)
    report = gradcheck(square, np.random.RandomState(0).randn(3, 3))
    assert not report.ok
    assert "transposed" in report.worst.mistake


def test_N5_a_missing_plus_equals_is_caught():
    """x·tanh(x) with only the last path's gradient kept, as "=" for "+=" would."""
    report = gradcheck(lambda x: x.detach() * backlight.tanh(x), np.array([0.4, -1.2]))
    assert not report.ok
    assert report.worst.verdict.failed


def test_N5_both_zero_passes():
    assert check.relative_error(0.0, 0.0) == 0
    assert gradcheck(lambda x, y: x + 0.0 * y, (np.ones(2), np.ones(2))).ok


def test_N6_a_kink_is_reported_as_a_kink():
    """ReLU at −1e-6, h = 1e-5: numerically 0.45 (0.9 one-sided), analytically 0."""
    at = np.array(-1e-6)
    assert float(numerical_gradient(backlight.relu, at, 1e-5)) == pytest.approx(0.45)
    assert float(numerical_gradient(backlight.relu, at, 1e-5, "forward")) == pytest.approx(0.9)
    report = gradcheck(backlight.relu, at)
    assert report.ok
    assert report.worst.verdict is Verdict.KINK


def test_N7_descent_converges_below_two_over_curvature():
    for curvature in (0.5, 4.0):
        for factor, converges in ((1.9, True), (2.1, False)):
            x = backlight.tensor(np.array(1.0), requires_grad=True)
            rule = optim.SGD([x], lr=factor / curvature)
            for _ in range(100):
                rule.zero_grad()
                (0.5 * curvature * x * x).backward()
                rule.step()
            assert (abs(x.item()) < 1e-4) is converges
            assert (abs(x.item()) > 1e3) is not converges


# ── 2.3 ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (0.5, "wrong"),
        (1.1e-2, "wrong"),
        (9e-3, "uncomfortable"),
        (1.1e-4, "uncomfortable"),
        (9e-5, "too high"),
        (1e-7, "happy"),
        (1e-9, "happy"),
    ],
)
def test_2_3_verdicts(error, verdict):
    assert check.judge(error).value == verdict
    assert check.judge(9e-5, kinks=True).value == "fine with kinks"


def test_2_3_order_of_the_two_differences():
    for method, order in (("centred", 2), ("forward", 1)):
        (_, large), (_, small) = error_by_step(neuron, 1.0, SLOPE_A, (1e-2, 1e-3), method)
        assert np.log10(large / small) == pytest.approx(order, abs=0.02)


def test_2_3_float64_not_float32():
    """Centred at h = 1e-5, the largest relative error over the five inputs."""
    slopes = {
        "a": SLOPE_A,
        "b": 0.31498075621051985,
        "c": -SLOPE_A,
        "x": -SLOPE_A,
        "y": 0.20998717080701323,
    }
    given = {"a": 1.0, "b": 2.0, "c": -3.0, "x": -1.0, "y": 3.0}
    worst = {}
    for dtype in (np.float32, np.float64):

        def of(value, name, dtype=dtype):
            v = {k: dtype(one) for k, one in given.items()} | {name: value}
            one = dtype(1)
            return one / (one + np.exp(-(v["a"] * v["x"] + v["b"] * v["y"] + v["c"])))

        worst[dtype] = max(
            check.relative_error(
                float(
                    numerical_gradient(
                        lambda value, name=name: of(value, name), np.array(given[name], dtype), 1e-5
                    )
                ),
                slope,
            )
            for name, slope in slopes.items()
        )
    assert worst[np.float32] == pytest.approx(2.1e-2, rel=0.1)
    assert worst[np.float64] == pytest.approx(7.1e-11, rel=0.1)


def test_2_3_the_curve_of_steps():
    """1e-2 → 5.5e-5, ×100 better for each tenth of h, best at 1e-5, then rounding takes over."""
    slopes = {
        "a": (1.0, lambda a: -a + 3.0, -1.0),
        "b": (2.0, lambda b: 3 * b - 4.0, 3.0),
        "y": (3.0, lambda y: 2 * y - 4.0, 2.0),
    }
    curves = [
        error_by_step(lambda v, inner=inner: 1 / (1 + np.exp(-inner(v))), at, partner * -SLOPE_A)
        for at, inner, partner in slopes.values()
    ]
    worst = [max(curve[place][1] for curve in curves) for place in range(7)]
    np.testing.assert_allclose(worst[:3], [5.5e-5, 5.5e-7, 5.5e-9], rtol=0.03)
    assert int(np.argmin(worst)) in (3, 4)
    assert worst[6] > worst[5] > 1e-9


def test_2_3_gradients_below_what_differences_see():
    """Tiny gradients are neither passed as right nor failed as wrong by mistake."""
    assert gradcheck(lambda x: backlight.sin(x) * 1e-14, np.array([0.3])).ok
    wrong = planted(lambda u, x, o: u * (1.0 - o * o) * 1.5)
    assert not gradcheck(lambda x: wrong(x) * 1e-14, np.array([0.3])).ok


def test_2_3_regularisation_must_not_drown_the_data_loss():
    """A wrong data gradient a millionth of the penalty's passes unless checked apart."""
    wrong = planted(lambda u, x, o: u * (1.0 - o * o) * 1.5)
    w = np.array([0.4, -0.9])

    def data(v):
        return wrong(v).sum()

    def both(v):
        return 1e-9 * data(v) + (1e3 * v * v).sum()

    assert gradcheck(both, w).ok
    assert not gradcheck(data, w).ok
    assert gradcheck(lambda v: (1e3 * v * v).sum(), w).ok


def test_2_3_dropout_keeps_its_mask_over_the_evaluations():
    backlight.manual_seed(1)
    net = nn.Sequential(
        nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.5), nn.BatchNorm1d(6), nn.Linear(6, 3)
    )
    x, labels = backlight.randn(5, 4), np.array([0, 1, 2, 2, 1])
    before = backlight.engine.random.default.count
    report = gradcheck(net, (x, labels), loss=backlight.cross_entropy)
    assert report.ok, str(report)
    assert backlight.engine.random.default.count == before


def test_2_3_every_parameter_is_sampled():
    net = nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 4))
    report = gradcheck(
        net, (backlight.randn(3, 20), np.array([0, 1, 3])), loss=backlight.cross_entropy, samples=2
    )
    assert report.ok
    assert {"0.weight", "0.bias", "2.weight", "2.bias"} <= {row.name for row in report.rows}


# What the course's assignments accept, |a − b| / max(1e-8, |a| + |b|).
LAYERS = {
    "affine": (lambda x, w, b: x @ w + b, [(4, 6), (6, 5), (5,)], 1e-10),
    "relu": (backlight.relu, [(3, 4)], 1e-12),
    "svm_loss": (lambda s: backlight.multiclass_hinge(s, [0, 3, 9, 2, 2]), [(5, 10)], 1e-9),
    "softmax_loss": (lambda s: backlight.cross_entropy(s, [0, 3, 9, 2, 2]), [(5, 10)], 1e-8),
    "batchnorm": (lambda x, g, b: backlight.batch_norm(x, g, b), [(4, 5), (5,), (5,)], 1e-8),
    "layernorm": (lambda x, g, b: backlight.layer_norm(x, g, b), [(4, 5), (5,), (5,)], 1e-8),
    "group_norm": (
        lambda x, g, b: backlight.group_norm(x, g, b, groups=2),
        [(2, 6, 4, 5), (6,), (6,)],
        1e-7,
    ),
    "conv_backward": (
        lambda x, w, b: backlight.conv2d(x, w, b, padding=1),
        [(2, 3, 5, 5), (2, 3, 3, 3), (2,)],
        1e-8,
    ),
    "max_pool_backward": (
        lambda x: backlight.max_pool2d(x, kernel_size=2, stride=2),
        [(2, 2, 4, 4)],
        1e-12,
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_expected_errors_of_the_assignments(name):
    function, shapes, accepted = LAYERS[name]
    rng = np.random.RandomState(231)
    inputs = [rng.randn(*shape) for shape in shapes]
    output, pull = backlight.vjp(function, *inputs)
    upstream = rng.randn(*output.shape)
    for place, found in enumerate(pull(upstream)):

        def at(value, place=place):
            given = [*inputs[:place], value, *inputs[place + 1 :]]
            return function(*map(backlight.tensor, given))

        # Two steps, so that the error by the step vanishes and rounding is all there is.
        coarse, fine = (
            numerical_gradient(at, inputs[place], h, upstream=upstream) for h in (2e-3, 1e-3)
        )
        numeric, exact = (4 * fine - coarse) / 3, np.asarray(found)
        size = np.max(np.abs(exact) + np.abs(numeric))
        assert np.max(np.abs(exact - numeric)) / size < accepted

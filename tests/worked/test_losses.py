"""Losses, information and regularisation (I rows, 2.2) and the loss before learning (2.4)."""

import math

import numpy as np
import pytest

import backlight
from backlight import nn, optim

P, Q = np.array([0.5, 0.25, 0.25]), np.array([0.25, 0.5, 0.25])
RNG = np.random.RandomState(2)


def test_I1_initial_losses():
    scores = np.zeros((4, 10))
    assert float(backlight.cross_entropy(scores, [0, 3, 9, 5])) == pytest.approx(math.log(10))
    assert float(backlight.cross_entropy(np.zeros((4, 3)), [0, 2, 1, 1])) == pytest.approx(
        1.098612, abs=5e-7
    )
    assert backlight.multiclass_hinge(scores, [0, 3, 9, 5]) == 9


@pytest.mark.parametrize(
    ("length", "kept", "expected"), [(1, 1.0, 2.3), (10, 1.0, 23), (10, 0.1, 2.3)]
)
def test_2_4_initial_loss_of_a_sequence(length, kept, expected):
    """Summed over time, averaged over examples: 2.3 for one step, 23 for ten, 2.3 for a tenth."""
    examples = 2000
    scores = 0.001 * RNG.randn(examples, length, 10)
    labels = RNG.randint(0, 10, (examples, length))
    labels[RNG.rand(examples, length) >= kept] = -1
    loss = backlight.cross_entropy(
        scores.reshape(-1, 10), labels.ravel(), reduction="sum", ignore_index=-1
    )
    assert float(loss) / examples == pytest.approx(expected, rel=0.03)


def test_I2_cross_entropy_of_two_distributions():
    assert round(float(backlight.entropy(P)), 10) == 1.0397207708
    assert round(float(backlight.cross_entropy_of(P, Q)), 10) == 1.2130075660
    assert round(float(backlight.kl_divergence(P, Q)), 10) == 0.1732867951
    bits = math.log(2)
    assert float(backlight.entropy(P)) / bits == pytest.approx(1.5)
    assert float(backlight.cross_entropy_of(P, Q)) / bits == pytest.approx(1.75)


@pytest.mark.parametrize(
    ("p", "q", "value"),
    [([1, 0], [0, 1], math.inf), ([1, 0], [1, 0], 0.0), ([1, 0], [0.9, 0.1], 0.1053605157)],
)
def test_I2_extremes(p, q, value):
    found = float(backlight.cross_entropy_of(np.array(p, float), np.array(q, float)))
    assert found == pytest.approx(value, abs=5e-11)


def test_I3_smallest_where_equal_and_then_the_entropy():
    shares = np.linspace(0.01, 0.99, 99)
    p = np.tile([0.3, 0.7], (99, 1))
    curve = np.asarray(backlight.cross_entropy_of(p, np.c_[shares, 1 - shares]))
    assert shares[curve.argmin()] == pytest.approx(0.3)
    assert curve.min() == pytest.approx(float(backlight.entropy(p[0])))
    assert curve.min() > 0.6
    assert float(backlight.entropy(np.array([0.0, 1.0]))) == 0


def test_I4_entropy_and_divergence_add_up():
    p, q = (np.asarray(backlight.softmax(RNG.randn(50, 6), axis=1)) for _ in range(2))
    np.testing.assert_allclose(
        backlight.cross_entropy_of(p, q),
        np.asarray(backlight.entropy(p)) + backlight.kl_divergence(p, q),
        rtol=0,
        atol=2e-15,
    )


# ── 2.2 ────────────────────────────────────────────────────────────────────────────────────────

X, LABELS = RNG.randn(40, 5), RNG.randint(0, 3, 40)


def svm(w, margin, strength, **options):
    scores = backlight.tensor(X) @ w
    return backlight.multiclass_hinge(scores, LABELS, margin=margin, **options) + optim.l2_penalty(
        w, strength
    )


def test_2_2_only_lambda_matters_not_the_margin():
    """(Δ = 100, λ/100) is solved by exactly 100 times the solution of (Δ = 1, λ)."""

    def solved(margin, strength, lr):
        w = backlight.tensor(np.zeros((5, 3)), requires_grad=True)
        rule = optim.SGD([w], lr=lr)
        for _ in range(300):
            rule.zero_grad()
            svm(w, margin, strength).backward()
            rule.step()
        return w.detach().numpy()

    one, hundred = solved(1.0, 0.5, 0.02), solved(100.0, 0.005, 2.0)
    np.testing.assert_allclose(hundred, 100 * one, rtol=1e-9)
    assert ((X @ one).argmax(axis=1) == (X @ hundred).argmax(axis=1)).all()
    np.testing.assert_allclose(
        svm(backlight.tensor(hundred), 100.0, 0.005).item(),
        100 * svm(backlight.tensor(one), 1.0, 0.5).item(),
        rtol=1e-9,
    )


def test_2_2_two_classes_are_the_binary_hinge():
    scores, labels = RNG.randn(30, 2) * 3, RNG.randint(0, 2, 30)
    f, t = scores[:, 1] - scores[:, 0], 2 * labels - 1
    binary = np.maximum(0, 1 - t * f)
    np.testing.assert_allclose(
        backlight.multiclass_hinge(scores, labels, reduction="none"), binary, atol=1e-15
    )
    np.testing.assert_allclose(
        backlight.multiclass_hinge(scores, labels, squared=True, reduction="none"),
        binary**2,
        atol=1e-14,
    )


def test_2_2_one_against_the_rest():
    scores = np.array([[2.0, -0.5, 0.3]])
    assert float(backlight.one_vs_rest_hinge(scores, [0])) == pytest.approx(0.5 + 1.3)


def test_2_2_scale_is_ambiguous_until_regularised():
    w = 10 * np.eye(5, 3)
    x, labels = np.eye(5)[:3], [0, 1, 2]
    for factor in (1, 2):
        assert backlight.multiclass_hinge(x @ (factor * w), labels) == 0
    penalties = [optim.l2_penalty(backlight.tensor(f * w), 0.1).item() for f in (1, 2)]
    assert penalties[1] == 4 * penalties[0] > 0


def test_2_2_penalties_and_their_gradients():
    values = np.array([[1.5, -2.0], [0.5, 3.0]])
    for penalty, slope in (
        (lambda w: optim.l2_penalty(w, 0.3), 0.3 * values),
        (lambda w: optim.l1_penalty(w, 0.3), 0.3 * np.sign(values)),
        (lambda w: optim.elastic_penalty(w, 0.2, 0.1), 0.2 * np.sign(values) + 0.1 * values),
    ):
        w = backlight.tensor(values, requires_grad=True)
        penalty(w).backward()
        np.testing.assert_allclose(w.grad.numpy(), slope, rtol=1e-14)
    net = nn.Linear(3, 2)
    assert [optim.is_weight(*pair) for pair in net.named_parameters()] == [True, False]


def test_2_2_max_norm_holds_at_an_absurd_learning_rate():
    backlight.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 20), nn.ReLU(), nn.Linear(20, 3))
    rule = optim.SGD(net.parameters(), lr=1e6)
    for _ in range(20):
        rule.zero_grad()
        nn.CrossEntropyLoss()(net(backlight.tensor(X.astype(np.float32))), LABELS).backward()
        rule.step()
        optim.max_norm_(net.named_parameters(), 3.0)
        for weight in (net[0].weight, net[2].weight):
            assert np.linalg.norm(weight.detach().numpy().astype(float), axis=1).max() <= 3


def test_2_2_temperature():
    """Halved weights diffuse the probabilities."""
    one = np.asarray(backlight.softmax(np.array([1.0, -2.0, 0.0]), axis=0))
    half = np.asarray(backlight.softmax(np.array([0.5, -1.0, 0.0]), axis=0))
    assert one.round(4).tolist() == [0.7054, 0.0351, 0.2595]
    assert half.round(4).tolist() == [0.5465, 0.1220, 0.3315]
    assert float(backlight.entropy(half)) > float(backlight.entropy(one))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_2_2_softmax_is_stable(dtype):
    scores = np.array([[123, 456, 789], [1e4, -1e4, 0]], dtype)
    p = np.asarray(backlight.softmax(scores, axis=1))
    assert np.isfinite(p).all()
    np.testing.assert_array_equal(
        p, backlight.softmax(scores - scores.max(axis=1, keepdims=True), axis=1)
    )
    assert float(backlight.cross_entropy(scores, [0, 1])) == pytest.approx((666 + 2e4) / 2)
    assert backlight.gradcheck(backlight.cross_entropy, (scores.astype(float), [0, 1])).ok


@pytest.mark.parametrize("keep", [0.25, 0.4, 0.7])
def test_2_2_dropout(keep):
    """Kept with probability `keep` (the layer is told the probability of dropping)."""
    backlight.manual_seed(5)
    layer = nn.Dropout(1 - keep)
    x = np.random.RandomState(0).randn(500, 500) + 10
    y = np.asarray(layer(backlight.tensor(x)))
    assert y.mean() == pytest.approx(x.mean(), rel=0.01)
    assert (y == 0).mean() == pytest.approx(1 - keep, abs=0.01)
    np.testing.assert_allclose(y[y != 0], x[y != 0] / keep, rtol=1e-12)
    np.testing.assert_array_equal(np.asarray(layer.eval()(backlight.tensor(x))), x)


def test_2_2_dropout_gradient_with_a_fixed_mask():
    report = backlight.gradcheck(nn.Dropout(0.5), (RNG.randn(10, 10) + 10,))
    assert report.ok
    assert max(row.error for row in report.rows) < 1e-9


def test_2_2_dropconnect_uses_the_mean_weights_when_evaluated():
    backlight.manual_seed(0)
    layer = nn.DropConnect(4, 3, p=0.5)
    x = backlight.ones(1, 4)
    trained = np.mean([np.asarray(layer(x).detach()) for _ in range(4000)], axis=0)
    np.testing.assert_allclose(trained, np.asarray(layer.eval()(x).detach()), atol=0.05)


def test_2_2_attributes_and_regression():
    """∂/∂f = σ(f) − y for each yes-or-no attribute; 2(f − y) for the squared error."""
    f, y = RNG.randn(3, 4), RNG.randint(0, 2, (3, 4)).astype(float)
    scores = backlight.tensor(f, requires_grad=True)
    backlight.binary_cross_entropy_with_logits(scores, y, reduction="sum").backward()
    np.testing.assert_allclose(scores.grad.numpy(), 1 / (1 + np.exp(-f)) - y, rtol=1e-12)
    scores.grad = None
    loss = backlight.binary_cross_entropy_with_logits(scores, y, reduction="sum")
    sigma = 1 / (1 + np.exp(-f))
    assert loss.item() == pytest.approx(-(y * np.log(sigma) + (1 - y) * np.log(1 - sigma)).sum())
    for loss_of, slope in ((backlight.mse_loss, 2 * (f - y)), (backlight.l1_loss, np.sign(f - y))):
        scores.grad = None
        loss_of(scores, y, reduction="sum").backward()
        np.testing.assert_allclose(scores.grad.numpy(), slope, rtol=1e-12)


def test_2_4_regularisation_raises_the_loss():
    w = backlight.tensor(RNG.randn(5, 3))
    losses = [svm(w, 1.0, strength).item() for strength in (0.0, 0.1, 1.0)]
    assert losses[0] < losses[1] < losses[2]


def test_2_4_twenty_examples_are_learned_by_heart():
    backlight.manual_seed(1)
    net = nn.Sequential(nn.Linear(5, 100), nn.ReLU(), nn.Linear(100, 3))
    rule = optim.Adam(net.parameters(), lr=0.02)
    x = backlight.tensor(X[:20].astype(np.float32))
    for _ in range(100):  # 20 epochs of 5 batches
        rule.zero_grad()
        loss = backlight.cross_entropy(net(x), LABELS[:20])
        loss.backward()
        rule.step()
    assert (net(x).detach().numpy().argmax(axis=1) == LABELS[:20]).all()
    assert loss.item() < 0.02

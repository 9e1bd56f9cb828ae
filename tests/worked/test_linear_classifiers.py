"""Linear classification (L rows, and the classifiers of the table of worked numbers)."""

import numpy as np
import pytest

import backlight
from backlight import models, nn, optim
from backlight.data import circles

CAT = {
    "W": [[0.2, -0.5, 0.1, 2.0], [1.5, 1.3, 2.1, 0.0], [0.0, 0.25, 0.2, -0.3]],
    "x": [56.0, 231.0, 24.0, 2.0],
    "b": [1.1, 3.2, -1.2],
}
SECOND = {
    "W": [[0.01, -0.05, 0.1, 0.05], [0.7, 0.2, 0.05, 0.16], [0.0, -0.45, -0.2, 0.03]],
    "x": [-15.0, 22.0, -44.0, 56.0],
    "b": [0.0, 0.2, -0.3],
}


def arrays(given):
    return [np.array(given[name]) for name in ("W", "x", "b")]


def layer(w, b):
    made = nn.Linear(w.shape[1], w.shape[0]).double()
    with backlight.no_grad():
        made.weight.copy_(w)
        made.bias.copy_(b)
    return made


def test_L1_cat_scores():
    """A figure prints 61.95 for the ship: it forgot the bias."""
    w, x, b = arrays(CAT)
    scores = layer(w, b)(backlight.tensor(x)).detach().numpy()
    np.testing.assert_allclose(scores, [-96.8, 437.9, 60.75], rtol=1e-14)
    np.testing.assert_allclose(scores - b, [-97.9, 434.7, 61.95], rtol=1e-14)


def test_L1_shapes_of_cifar10():
    built = models.build("softmax", (3, 32, 32), classes=10)
    assert [p.shape for p in built.module.parameters()] == [(10, 3072), (10,)]
    assert built.module(backlight.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_L2_a_bad_w_calls_the_cat_a_dog_and_a_step_helps():
    w, x, b = arrays(CAT)
    weights = backlight.tensor(w, requires_grad=True)

    def loss():
        return backlight.multiclass_hinge((weights @ backlight.tensor(x) + b).reshape(1, 3), [0])

    assert (w @ x + b).argmax() == 1
    before = loss()
    before.backward()
    with backlight.no_grad():
        weights -= 1e-6 * weights.grad
    assert loss().item() < before.item()


def test_L4_bias_trick():
    """A constant 1 added to the inputs: the same scores, and its column's gradient is that of b."""
    w, x, b = arrays(CAT)
    whole = backlight.tensor(np.c_[w, b], requires_grad=True)
    apart, bias = (backlight.tensor(one, requires_grad=True) for one in (w, b))
    one = (whole @ backlight.tensor(np.append(x, 1.0))).reshape(1, 3)
    other = (apart @ backlight.tensor(x) + bias).reshape(1, 3)
    np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=1e-15)
    backlight.multiclass_hinge(one, [0]).backward()
    backlight.multiclass_hinge(other, [0]).backward()
    np.testing.assert_array_equal(whole.grad.numpy()[:, -1], bias.grad.numpy())
    np.testing.assert_array_equal(whole.grad.numpy()[:, :-1], apart.grad.numpy())


def test_L5_parameters():
    for name in ("softmax", "svm"):
        built = models.build(name, (3, 32, 32), classes=10)
        assert nn.summary(built.module, (1, 3, 32, 32)).parameters == 30_730 == 10 * 3073


@pytest.mark.parametrize(
    "rule",
    [
        lambda p: optim.SGD(p, lr=0.1),
        lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
        lambda p: optim.Adam(p, lr=0.05),
    ],
)
@pytest.mark.parametrize("name", ["softmax", "svm"])
def test_L7_losses_and_optimisers_are_exchangeable(name, rule):
    rng = np.random.RandomState(0)
    labels = rng.randint(0, 3, 90)
    x = (rng.randn(90, 4) * 0.3 + np.eye(3, 4)[labels]).astype(np.float32)
    backlight.manual_seed(0)
    built = models.build(name, (4,), classes=3)
    made = rule(built.module.parameters())
    first = built.loss(built.module(backlight.tensor(x)), labels).item()
    assert first == pytest.approx(built.initial_loss, rel=0.02)
    for _ in range(60):
        made.zero_grad()
        built.loss(built.module(backlight.tensor(x)), labels).backward()
        made.step()
    scores = built.module(backlight.tensor(x)).detach().numpy()
    assert (scores.argmax(axis=1) == labels).mean() > 0.95


def test_L8_circles_defeat_a_line():
    """One class around another: 53.6% in the course's data; no line does much better."""
    rings = circles(500, noise=0.05).train
    backlight.manual_seed(0)
    built = models.build("softmax", (2,), classes=2)
    module = built.module.double()
    rule = optim.LBFGS(module.parameters(), line_search_fn="strong_wolfe", max_iter=50)

    def closure():
        rule.zero_grad()
        loss = built.loss(module(backlight.tensor(rings.inputs)), rings.labels)
        loss.backward()
        return loss

    rule.step(closure)
    scores = module(backlight.tensor(rings.inputs)).detach().numpy()
    assert 0.45 < (scores.argmax(axis=1) == rings.labels).mean() < 0.6


def test_L11_only_softmax_scores_are_probabilities():
    assert models.build("softmax", (4,), classes=3).probabilistic
    assert not models.build("svm", (4,), classes=3).probabilistic


def test_L12_L13_losses_before_learning():
    for name, loss in (("softmax", 2.302585), ("svm", 9.0)):
        built = models.build(name, (3, 32, 32), classes=10)
        assert built.initial_loss == pytest.approx(loss, abs=5e-7)
        x = backlight.randn(50, 3, 32, 32)
        found = built.loss(built.module(x), np.arange(50) % 10).item()
        assert found == pytest.approx(loss, rel=0.02)


def test_L14_two_class_softmax_is_a_sigmoid_of_the_difference():
    scores = np.random.RandomState(0).randn(200, 2) * 5
    p = np.asarray(backlight.softmax(scores, axis=1))[:, 1]
    np.testing.assert_allclose(
        p, np.asarray(backlight.sigmoid(scores[:, 1] - scores[:, 0])), rtol=0, atol=1e-15
    )


def test_L15_probability_one_half_is_score_zero():
    scores = np.array([-1e-9, 0.0, 1e-9, -3.0, 3.0])
    np.testing.assert_array_equal(
        np.asarray(backlight.sigmoid(scores)) > 0.5, np.asarray(backlight.step(scores)) > 0.5
    )


# ── the table of worked numbers ────────────────────────────────────────────────────────────────


def test_svm_vs_softmax():
    """The same scores: hinge 1.58, cross-entropy 1.0402 (0.452 is its base-10 logarithm)."""
    w, x, b = arrays(SECOND)
    scores = layer(w, b)(backlight.tensor(x).reshape(1, 4))
    np.testing.assert_allclose(scores.detach().numpy(), [[-2.85, 0.86, 0.28]], rtol=1e-12)
    assert backlight.multiclass_hinge(scores, [2]).item() == pytest.approx(1.58, rel=1e-12)
    loss = backlight.cross_entropy(scores, [2]).item()
    assert round(loss, 10) == 1.0401905694
    assert round(loss / np.log(10), 10) == 0.4517490244
    np.testing.assert_allclose(
        np.exp(scores.detach().numpy()[0]), [0.0578443209, 2.3631606937, 1.3231298123], atol=5e-11
    )
    np.testing.assert_allclose(
        backlight.softmax(scores, axis=1).detach().numpy()[0],
        [0.0154493157, 0.6311633536, 0.3533873307],
        atol=5e-11,
    )


def test_hinge_with_a_margin_of_10():
    assert backlight.multiclass_hinge(np.array([[13.0, -7.0, 11.0]]), [0], margin=10) == 8


HINGES = [
    ([3.2, 5.1, -1.7], 0, 2.9, 2.0403551528),
    ([1.3, 4.9, 2.0], 1, 0, 0.0791317783),
    ([2.2, 2.5, -3.1], 2, 12.9, 6.1564772017),
]


def test_hinge_lecture():
    """The third loss is 12.9 and their mean 5.27."""
    scores, labels = np.array([one[0] for one in HINGES]), [one[1] for one in HINGES]
    each = backlight.multiclass_hinge(scores, labels, reduction="none")
    np.testing.assert_allclose(each, [2.9, 0, 12.9], rtol=1e-12, atol=1e-12)
    assert round(float(backlight.multiclass_hinge(scores, labels)), 10) == 5.2666666667
    np.testing.assert_allclose(
        backlight.cross_entropy(scores, labels, reduction="none"),
        [one[3] for one in HINGES],
        atol=5e-11,
    )


def test_softmax_lecture():
    """Cat, car, frog: the loss of the cat is 2.04 in nats, not its base-10 logarithm."""
    p = backlight.softmax(np.array([3.2, 5.1, -1.7]), axis=0)
    np.testing.assert_allclose(p, [0.1299825390, 0.8690495352, 0.0009679258], atol=5e-11)
    assert -np.log(p[0]) == pytest.approx(2.0403551528, abs=5e-11)


@pytest.mark.parametrize(
    ("scores", "probabilities"),
    [
        ([1, -2, 0], [0.7053845127, 0.0351190270, 0.2594964603]),
        ([0.5, -1, 0], [0.5465493873, 0.1219516523, 0.3314989604]),
        ([12.5, 0.6, -23.0], [0.99999320964, 6.7903586981e-06, 3.8242206601e-16]),
        ([123, 456, 789], [5.7527440570e-290, 2.3984878688e-145, 1.0]),
    ],
)
def test_softmax_of_the_notes(scores, probabilities):
    found = backlight.softmax(np.array(scores, np.float64), axis=0)
    np.testing.assert_allclose(found, probabilities, rtol=2e-9)
    assert found.sum() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("scores", "cross_entropy"),
    [([10, -2, 3], 9.17605e-4), ([10, -100, -100], 0.0), ([10, 9, 9], 0.551444714)],
)
def test_indifference_of_the_svm(scores, cross_entropy):
    scores = np.array([scores], np.float64)
    assert backlight.multiclass_hinge(scores, [0]) == 0
    assert float(backlight.cross_entropy(scores, [0])) == pytest.approx(cross_entropy, abs=5e-9)


def test_I6_dscores():
    """The gradient by the scores is p − y, closed and unfolded."""
    scores = backlight.tensor(np.log([[0.2, 0.3, 0.5]]), requires_grad=True)
    backlight.cross_entropy(scores, [1]).backward()
    np.testing.assert_allclose(scores.grad.numpy(), [[0.2, -0.7, 0.5]], rtol=1e-14)
    again = backlight.tensor(np.log([[0.2, 0.3, 0.5]]), requires_grad=True)
    (-backlight.log(backlight.softmax(again, axis=1))[0, 1]).backward()
    np.testing.assert_allclose(again.grad.numpy(), [[0.2, -0.7, 0.5]], rtol=1e-14)


def test_l2_penalty_prefers_spread_weights():
    one, spread = np.array([[1.0, 0, 0, 0]]), np.full((1, 4), 0.25)
    x = np.ones(4)
    assert (one @ x).item() == (spread @ x).item() == 1
    assert [optim.l2_penalty(backlight.tensor(w), 2.0).item() for w in (one, spread)] == [1, 0.25]


SIX = np.array([[1.2, 0.7], [-0.3, -0.5], [3.0, 0.1], [-0.1, -1.0], [-1.0, 1.1], [2.1, -3.0]])
SIGNS = np.array([1, -1, 1, -1, -1, 1])


def binary_hinge(score, sign):
    """max(0, 1 − t·f) as the two-class multiclass hinge of (0, f)."""
    pair = backlight.stack([0.0 * score, score], axis=-1)
    return backlight.multiclass_hinge(pair, (np.asarray(sign) > 0).astype(int), reduction="sum")


def test_hg_svm_cost():
    x = np.array([[1.2, 0.7], [-0.3, 0.5], [3.0, 2.5]])
    signs = np.array([1, -1, 1])
    w = backlight.tensor(np.array([[0.1, 0.2]]), requires_grad=True)
    b = backlight.tensor(np.array(0.3), requires_grad=True)
    scores = (backlight.tensor(x) @ w.T)[:, 0] + b
    np.testing.assert_allclose(scores.detach().numpy(), [0.56, 0.37, 1.1], rtol=1e-14)
    costs = [binary_hinge(scores[k : k + 1], signs[k : k + 1]).item() for k in range(3)]
    assert costs == pytest.approx([0.44, 1.37, 0], abs=1e-14)
    penalty = optim.l2_penalty(w, 0.2)  # α‖w‖² with α = 0.1
    assert penalty.item() == pytest.approx(0.005)
    total = binary_hinge(scores, signs) + penalty
    assert total.item() == pytest.approx(1.815)
    total.backward()
    assert [*w.grad.numpy()[0], b.grad.item()] == pytest.approx([-1.48, -0.16, 0], abs=1e-14)


def test_hg_svm_force():
    """A pull is minus the gradient: 1 on the point within the margin, and −w from the penalty."""
    w = backlight.tensor(np.array([[1.0, -2.0]]), requires_grad=True)
    pulls = []
    for point, sign, known in (([1.2, 0.7], 1, -1.2), ([-0.3, 0.5], -1, -2.3)):
        score = (backlight.tensor(np.array(point)) * w).sum().reshape(1) - 1.0
        score.retain_grad()
        assert score.item() == pytest.approx(known)
        binary_hinge(score, [sign]).backward()
        pulls.append(-score.grad.item())
    assert pulls == [1, 0]
    w.grad = None
    optim.l2_penalty(w, 1.0).backward()
    assert (-w.grad.numpy()).tolist() == [[-1, 2]]


def test_hg_svm_train():
    """Points in turn, 400 steps: five of six right (a page claims all, from 300 steps on)."""
    w = backlight.tensor(np.array([[1.0, -2.0]]), requires_grad=True)
    b = backlight.tensor(np.array(-1.0), requires_grad=True)
    rule = optim.SGD([w, b], lr=0.01)

    def accuracy():
        scores = SIX @ w.detach().numpy()[0] + b.item()
        return (np.where(scores > 0, 1, -1) == SIGNS).mean()

    assert accuracy() == pytest.approx(0.6666667)
    for k in range(400):
        rule.zero_grad()
        score = ((backlight.tensor(SIX[k % 6]) * w).sum() + b).reshape(1)
        (binary_hinge(score, SIGNS[k % 6 : k % 6 + 1]) + optim.l2_penalty(w, 1.0)).backward()
        rule.step()
    assert [*w.detach().numpy()[0], b.item()] == pytest.approx(
        [0.6397158906, -0.1284062492, -0.89], abs=5e-11
    )
    assert accuracy() == pytest.approx(0.8333333)


BYTES = (
    np.array([[56, 32, 10, 18], [90, 23, 128, 133], [24, 26, 178, 200], [2, 0, 255, 220]]),
    np.array([[10, 20, 24, 17], [8, 10, 89, 100], [12, 16, 178, 170], [4, 32, 233, 112]]),
)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32])
def test_l1_4x4_distance_of_images_does_not_wrap_around(kind):
    """456, also of bytes, whose difference wraps around to 1128."""
    a, b = (one.astype(kind) for one in BYTES)
    assert float(backlight.l1_loss(backlight.tensor(a), b, reduction="sum")) == 456
    squares = backlight.mse_loss(backlight.tensor(a), b, reduction="sum")
    assert np.sqrt(float(squares)) == pytest.approx(162.11107303327555, rel=1e-7)
    assert int(np.abs(BYTES[0].astype(np.uint8) - BYTES[1].astype(np.uint8)).sum()) == 1128

"""The numbers in the figures are those of the course, computed anew."""

import numpy as np
import pytest

from backlight.engine.derivative import grad
from backlight.estimators import KNeighborsClassifier
from backlight.explain.circuit.record import circuit
from backlight.explain.figures import (
    curves,
    distance,
    flow,
    layers,
    scores,
    squash,
    surface,
    surprise,
    volumes,
    wiring,
)
from backlight.gates.convolution import conv2d
from backlight.gates.distance import cdist
from backlight.gates.linear import linear
from backlight.gates.pooling import max_pool2d
from backlight.gates.softmax import softmax


def test_distances_of_the_two_pictures():
    rows = [one.reshape(1, -1).astype(float) for one in (distance.TEST, distance.TRAINING)]
    assert cdist(*rows, p=1)[0, 0] == 456
    assert cdist(*rows, p=2)[0, 0] == pytest.approx(162.11107303327555)


def test_the_vote_is_that_of_the_estimator():
    random = np.random.default_rng(0)
    points, queries = random.normal(size=(40, 2)), random.normal(size=(60, 2))
    labels = random.integers(0, 3, 40)
    for k in (1, 4, 7):
        known = KNeighborsClassifier(k).fit(points, labels).predict(queries)
        assert (distance.vote(queries, points, labels, k) == known).all()


def test_scores_of_the_cat():
    """The printed ship score 61.95 forgets the bias."""
    found = linear(scores.PIXELS, scores.WEIGHTS, scores.BIAS)
    assert found == pytest.approx([-96.8, 437.9, 60.75])


def test_softmax_of_the_example():
    shares = softmax(surprise.SCORES)
    assert shares == pytest.approx([0.0154493157, 0.6311633536, 0.3533873307])
    assert -np.log(shares[surprise.RIGHT]) == pytest.approx(1.0401905694, rel=1e-6)


def test_neurons():
    drawn = circuit("sigmoid(a*x + b*y + c)", **squash.NEURON)
    assert float(drawn.value(drawn.output)) == pytest.approx(0.8807970780)
    assert float(drawn.gradient("x")) == pytest.approx(0.1049935854)
    logistic = wiring.logistic()
    assert float(logistic.value(logistic.output)) == pytest.approx(0.7310585786)
    assert float(logistic.gradient("w1")) == pytest.approx(-0.3932238665)


def test_a_training_step_makes_the_loss_smaller():
    slope = np.asarray(grad(flow._loss)(flow.START))
    assert float(flow._loss(flow.START - flow.RATE * slope)) < float(flow._loss(flow.START))


def test_a_slice_of_the_hinge_loss_is_piecewise_linear_and_convex():
    rows, labels = surface._digits(1)
    random = np.random.default_rng(0)
    start, along = random.normal(size=(2, 10, rows.shape[1]))
    steps = np.linspace(-1, 1, 201)
    losses = np.array([surface.svm_loss(start + a * along, rows, labels) for a in steps])
    change = np.diff(losses, 2)
    assert change.min() > -1e-9
    assert (np.abs(change) > 1e-9).sum() <= 2 * 9
    assert len(surface._bends(np.abs(np.linspace(-1, 1, 5)))) == 1
    assert len(surface._bends(np.zeros(9))) == 0


def test_the_bound_of_the_learning_rate():
    def parabola(w):
        return (w * w).sum()

    for times, shrinks in ((1.9, True), (2.1, False)):
        places = surface.walk(parabola, (1.0,), times / 2, 30)
        assert bool(abs(places[-1, 0]) < 1) is shrinks


def test_the_walks_end_in_different_valleys():
    ends = [
        float(surface.valley(surface.walk(surface.valley, start, 0.3, 60)[-1]))
        for start in ((3.3, 2.9), (-3.3, 3.0))
    ]
    assert ends[0] < ends[1] - 0.5


def test_pooling_and_padding():
    pooled = max_pool2d(volumes.POOLED[None, None], kernel_size=2, stride=2)[0, 0]
    assert pooled.tolist() == [[6, 8], [3, 4]]
    assert conv2d(np.ones((1, 3, 5, 5)), np.ones((2, 3, 3, 3)), stride=2, padding=1).shape == (
        1, 2, 3, 3,
    )  # fmt: skip


def test_one_layer_has_two_heads():
    """Its template is its own mirror image; a template of one direction is not."""
    whole, apart = layers._templates()
    assert layers._mirrored(whole[2]) == pytest.approx(1)
    assert abs(layers._mirrored(apart[2])) < 0.3
    assert apart[2].reshape(8, 8) == pytest.approx(apart[5].reshape(8, 8)[:, ::-1])


def test_rings_need_the_bend():
    from backlight.data.toy import circles

    data = circles(90, noise=0.07, seed=1).train
    for bend, low, high in ((False, 0.4, 0.7), (True, 0.97, 1.0)):
        found = np.asarray(layers.scores_of(layers._rings(bend), data.inputs, bend))
        assert low <= (found.argmax(axis=1) == data.labels).mean() <= high


def test_loss_curves_are_what_their_titles_say():
    found = {one.name: curves.followed(one) for one in curves.TRAININGS}
    losses = {name: pair[0] for name, pair in found.items()}
    held = {name: pair[1] for name, pair in found.items()}
    assert losses["healthy"][-1] < 0.3
    assert held["healthy"][-1] < 0.5
    assert losses["slow"][-1] > 1.5
    assert losses["wild"].max() > 10
    assert abs(losses["asleep"][20] - curves.CHANCE) < 0.05 < 1 < curves.CHANCE
    assert np.abs(np.diff(losses["noisy"])).mean() > 5 * np.abs(np.diff(losses["healthy"])).mean()
    assert held["overfit"][-1] - losses["overfit"][-1] > 0.8

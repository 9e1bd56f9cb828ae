import numpy as np
import pytest

from backlight.data.toy import TOYS, blobs, circles, moons, spiral, xor
from backlight.errors import ArgumentError


def softmax_loss(inputs, labels, weights, bias):
    scores = inputs @ weights + bias
    scores = scores - scores.max(axis=1, keepdims=True)
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    return (-np.log(chances[rows, labels]).mean() + 0.0005 * np.sum(weights**2), chances)


def test_the_spiral_is_the_one_of_the_published_log():
    generator = np.random.RandomState(0)
    data = spiral(seed=generator)
    weights = [0.01 * generator.randn(2, 3) for _ in range(4)][-1]
    bias = np.zeros((1, 3))
    inputs, labels = data.train.inputs, data.train.labels
    losses = []
    for _ in range(21):
        loss, chances = softmax_loss(inputs, labels, weights, bias)
        losses.append(loss)
        chances[np.arange(300), labels] -= 1
        weights = weights - (inputs.T @ chances / 300 + 0.001 * weights)
        bias = bias - chances.sum(axis=0, keepdims=True) / 300
    assert [round(losses[k], 6) for k in (0, 10, 20)] == [1.096956, 0.917265, 0.851503]
    np.testing.assert_array_equal(spiral(seed=0).train.inputs, inputs)


@pytest.mark.parametrize("name", TOYS)
def test_a_seed_gives_the_same_points_and_another_seed_others(name):
    make = TOYS[name]
    assert make().fingerprint == make().fingerprint
    assert make(seed=1).fingerprint != make().fingerprint
    assert make(per_class=7).train.inputs.shape == (7 * len(make().classes), 2)
    assert make().train.inputs.dtype == np.float64
    for wrong in ({"per_class": 1}, {"noise": -1}, {"noise": np.nan}, {"noise": np.inf}):
        with pytest.raises(ArgumentError, match=name):
            make(**wrong)


def test_the_forms_without_noise():
    spread = spiral(50, 4, noise=0).train
    np.testing.assert_allclose(np.hypot(*spread.inputs.T).reshape(4, 50)[2], np.linspace(0, 1, 50))
    half = moons(3, noise=0).train.inputs
    np.testing.assert_allclose(
        half, [[1, 0], [0, 1], [-1, 0], [0, 0.5], [1, -0.5], [2, 0.5]], atol=1e-12
    )
    signs = xor(100).train
    assert ((signs.inputs.prod(axis=1) < 0) == signs.labels.astype(bool)).mean() > 0.99
    rings = circles(100).train
    assert np.hypot(*rings.inputs[rings.labels == 0].T).mean() == pytest.approx(1, abs=0.05)
    clouds = blobs(200, 5).train
    assert clouds.inputs[clouds.labels == 0].mean(axis=0) == pytest.approx([1, 0], abs=0.1)
    for make in (spiral, blobs):
        with pytest.raises(ArgumentError, match="1 classes"):
            make(classes=1)

import numpy as np
import pytest

from backlight import nn
from backlight.errors import ArgumentError, RangeError, ShapeError
from backlight.explain.look.classifier import classifier
from backlight.explain.look.saliency import METHODS, layer_with_maps, saliency
from tests.explain.look.small import convnet, digits, linear, pictures


def test_saliency_of_a_linear_classifier_is_its_template():
    subject = linear(std=[0.5])
    weights = subject.module[1].weight.detach().numpy().reshape(3, 4, 4)
    found = saliency(subject, pictures(1, (1, 4, 4))[0], 2)
    np.testing.assert_allclose(found.map, 2 * abs(weights[2]), rtol=1e-5)
    smooth = saliency(subject, pictures(1, (1, 4, 4))[0], 2, method="smooth", samples=7)
    np.testing.assert_allclose(smooth.map, found.map, rtol=1e-5)


@pytest.mark.parametrize("answer", ["score", "probability"])
def test_integrated_gradients_are_complete(answer):
    subject, seen, _ = digits()
    for picture in seen[:4]:
        found = saliency(subject, picture, method="integrated", answer=answer)
        pair = subject.scores(np.stack([picture, subject.blank()]))
        if answer == "probability":
            pair = subject.probabilities(np.stack([picture, subject.blank()]))
        assert found.difference == pytest.approx(pair[0, found.target] - pair[1, found.target])
        assert found.completeness_error <= 1e-3
        assert found.points < 2000
        assert found.map.sum() == pytest.approx(found.total)


def test_completeness_is_a_check_that_can_fail():
    """Gradient × input is not complete with kinks: the bound above says something."""
    subject, seen, _ = digits()
    shares = [saliency(subject, p, method="times-input") for p in seen[:4]]
    exact = [saliency(subject, p, method="integrated") for p in seen[:4]]
    gaps = [
        abs(a.map.sum() - b.difference) / abs(b.difference)
        for a, b in zip(shares, exact, strict=True)
    ]
    assert max(gaps) > 0.01


def test_grad_cam_of_a_mean_of_maps_is_its_class_activation_map():
    """Behind a global mean the gradient of map k is w_k / area everywhere (Zhou et al. 2016)."""
    net = nn.Sequential(
        nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(5, 3),
    )  # fmt: skip
    subject, picture = classifier(net, 3, (1, 6, 6)), pictures(1, (1, 6, 6))[0]
    maps = subject.outputs(picture[None])["1"][0]
    for k, weights in enumerate(net[4].weight.detach().numpy()):
        found = saliency(subject, picture, k, method="grad-cam")
        assert found.layer == layer_with_maps(subject, picture) == "1"
        expected = np.maximum(np.einsum("k,khw->hw", weights, maps) / 36, 0)
        np.testing.assert_allclose(found.gradient[0], expected, atol=1e-6)
        assert found.map.shape == (6, 6)


def test_grad_cam_is_as_large_as_the_picture_and_never_negative():
    subject, seen, _ = digits()
    found = saliency(subject, seen[0], method="grad-cam")
    assert found.gradient.shape == (1, 4, 4)
    assert found.map.shape == (8, 8)
    assert found.map.min() >= 0


def test_probability_and_score_differ_as_the_softmax_says():
    subject, seen, _ = digits()
    score = saliency(subject, seen[0], 3)
    share = saliency(subject, seen[0], 3, answer="probability")
    assert score.target == share.target == 3
    assert share.value == pytest.approx(subject.probabilities(seen[:1])[0, 3], rel=1e-4)
    assert not np.allclose(score.map, share.map)


def test_the_same_seed_gives_the_same_noise():
    subject, picture = convnet(), pictures(1)[0]
    maps = [saliency(subject, picture, method="smooth", seed=s).map for s in (1, 1, 2)]
    assert np.array_equal(maps[0], maps[1])
    assert not np.array_equal(maps[0], maps[2])


def test_mistakes_are_told():
    subject, picture = convnet(), pictures(1)[0]
    with pytest.raises(ArgumentError, match="Did you mean 'integrated'"):
        saliency(subject, picture, method="integrate")
    with pytest.raises(ShapeError, match=r"shape \(3, 12, 12\)"):
        saliency(subject, np.zeros((3, 10, 12)))
    with pytest.raises(RangeError, match="noise"):
        saliency(subject, picture, method="smooth", noise=-1)
    with pytest.raises(ArgumentError, match="no stack of maps"):
        saliency(subject, picture, method="grad-cam", layer="6")
    with pytest.raises(ArgumentError, match="without maps"):
        saliency(linear(), np.zeros((1, 4, 4)), method="grad-cam")
    assert len(METHODS) == 5

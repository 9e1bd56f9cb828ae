import numpy as np
import pytest

from backlight import nn
from backlight.errors import ArgumentError, RangeError, ShapeError
from backlight.explain.look.classifier import classifier, compiled
from tests.explain.look.small import convnet, linear, pictures


def test_scores_are_the_modules_on_normalised_pictures():
    subject = convnet(mean=[100.0, 120.0, 90.0], std=[50.0, 60.0, 70.0], low=0, high=255)
    seen = pictures(70)  # more than a batch, and not a whole number of them
    mean, std = (np.array(x).reshape(3, 1, 1) for x in ([100, 120, 90], [50, 60, 70]))
    raw = ((255 * seen - mean) / std).astype(np.float32)
    expected = subject.module(raw).detach().numpy()
    np.testing.assert_allclose(subject.scores(seen), expected, atol=2e-4)
    assert subject.inputs(subject.blank()[None]) == pytest.approx(0, abs=1e-5)


def test_gradients_are_by_the_picture_whatever_the_scale():
    subject = convnet(mean=[100.0], std=[50.0], low=0, high=255)
    seen, rows = pictures(2), subject.one_hot([1, 3], 2)
    values, slopes = subject.gradients(seen, rows)
    step = np.zeros_like(seen)
    step[:, 1, 5, 6] = 1e-2
    higher, lower = (subject.scores(seen + s * step) for s in (1, -1))
    numerical = ((higher - lower) * rows).sum(axis=1) / 2e-2
    np.testing.assert_allclose(slopes[:, 1, 5, 6], numerical, rtol=2e-2, atol=2e-3)
    np.testing.assert_allclose(values, (subject.scores(seen) * rows).sum(axis=1), rtol=1e-5)


def test_a_layer_is_reached_without_what_comes_behind():
    subject = convnet()
    large = pictures(1, (3, 40, 20))
    assert subject.reach("3", large).shape == (1, 8, 20, 10)
    np.testing.assert_allclose(
        np.asarray(subject.reach("6", pictures(2))._value), subject.scores(pictures(2)), atol=1e-5
    )
    assert list(subject.outputs(pictures(1))) == list(subject.layers())


def test_a_function_that_asks_for_values_runs_all_the_same():
    run = compiled(lambda x: x * 2 if float(x.sum().item()) > 0 else x)
    assert run(np.ones(3, np.float32)).tolist() == [2, 2, 2]


def test_mistakes_are_told():
    subject = linear()
    with pytest.raises(ShapeError, match=r"got shape \(1, 5, 4\)"):
        subject.checked(np.zeros((1, 5, 4)))
    with pytest.raises(ArgumentError, match="Did you mean 'class 1'"):
        convnet().class_number("clas 1")
    with pytest.raises(ArgumentError, match="from 0 to 2"):
        subject.class_number(3)
    with pytest.raises(ArgumentError, match="Known: 0 "):
        subject.layer("7")
    with pytest.raises(RangeError, match="high above low"):
        classifier(nn.Linear(2, 2), 2, (2,), low=1, high=1)
    with pytest.raises(ArgumentError, match="score or probability"):
        subject.gradients(np.zeros((1, 1, 4, 4)), np.zeros((1, 3)), "logit")

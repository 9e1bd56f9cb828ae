import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from backlight.data import Examples
from backlight.errors import CheckpointError
from backlight.train.examine import MOST_RIGHT, MOST_WRONG, examine, first_weights
from backlight.train.metrics import Evaluation
from backlight.train.page.examined import read_examined
from backlight.train.page.pictures import (
    LARGEST,
    display_range,
    diverging,
    example_picture,
    weight_picture,
)
from tests.train.synthetic_run import Model, make_run


def pixels(uri):
    stream = io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))
    with Image.open(stream) as image:
        return np.asarray(image)


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run", epochs=1)


def looked(run, scores, labels, *, inputs=None, weights=None, probabilistic=True, extra=()):
    scores = np.asarray(scores, np.float32)
    labels = np.asarray(labels)
    if inputs is None:
        inputs = np.zeros((len(labels), 1, 4, 4), np.uint8)
    weights = np.ones((3, 1, 2, 2), np.float32) if weights is None else weights
    names = [f"class {k}" for k in range(scores.shape[1])]
    examine(
        run,
        Model(weights, *extra),
        Evaluation(0.5, scores, labels),
        Examples(inputs, labels),
        names,
        "test",
        probabilistic,
    )
    found, problem = read_examined(run)
    assert problem == ""
    return found


def test_surest_errors_come_first_and_probabilities_are_softmax(run):
    scores = [[0, 1], [0, 3], [5, 0], [0, 2]]
    found = looked(run, scores, [0, 0, 0, 0])
    assert [one.index for one in found.wrong] == [1, 3, 0]
    assert [one.index for one in found.right] == [2]
    worst = found.wrong[0]
    assert (worst.label, worst.predicted) == (0, 1)
    assert worst.top[0] == (1, pytest.approx(1 / (1 + np.exp(-3))))
    assert worst.label_value == pytest.approx(1 / (1 + np.exp(3)))
    assert found.confusion == [[1, 3], [0, 0]]


def test_scores_are_kept_where_they_are_not_probabilities(run):
    found = looked(run, [[1.5, -2.0, 7.0]], [0], probabilistic=False)
    assert found.wrong[0].top == [(2, 7.0), (0, 1.5), (1, -2.0)]
    assert not found.probabilistic


def test_right_answers_are_taken_from_the_classes_in_turn(run):
    labels = np.array([0] * 50 + [1] * 50 + [2])
    found = looked(run, np.eye(3)[labels] * 9, labels)
    assert [one.label for one in found.right[:4]] == [0, 1, 2, 0]
    assert len(found.right) == MOST_RIGHT


def test_no_more_errors_are_kept_than_a_page_can_show(run):
    found = looked(run, np.tile([0.0, 1.0], (500, 1)), np.zeros(500, int))
    assert len(found.wrong) == MOST_WRONG


def test_scores_that_are_not_numbers_are_counted_not_shown(run):
    scores = [[np.nan, 0], [np.inf, 0], [0, 1]]
    found = looked(run, scores, [0, 0, 0])
    assert found.unanswered == 1
    assert [one.index for one in found.wrong] == [2]
    assert found.right == []
    json.loads((run.path / "evaluation.json").read_text(), parse_constant=pytest.fail)


def test_classes_of_a_linear_model_name_its_templates(run):
    weights = np.arange(2 * 12, dtype=np.float32).reshape(2, 12) - 12
    inputs = np.zeros((2, 3, 2, 2), np.uint8)
    found = looked(run, np.eye(2), [0, 1], inputs=inputs, weights=weights)
    assert [one.label for one in found.weights] == [0, 1]
    assert found.weights_channels == 3
    assert pixels(found.weights[0].image).shape == (2, 2, 3)
    assert found.weights[1].norm == pytest.approx(np.linalg.norm(weights[1]))


def test_hidden_units_are_not_named_after_classes(run):
    found = looked(
        run,
        np.eye(2),
        [0, 1],
        weights=np.ones((2, 16), np.float32),
        extra=[np.ones((2, 2), np.float32)],
    )
    assert [one.label for one in found.weights] == [None, None]
    assert pixels(found.weights[0].image).shape == (4, 4, 3)


@pytest.mark.parametrize(
    ("shape", "pictures", "size"),
    [
        ((100, 1, 3, 3), 64, (3, 3, 3)),
        ((8, 3, 5, 5), 8, (5, 5, 3)),
        ((8, 7, 5, 5), 8, (5, 5, 3)),
        ((5, 9), 1, (5, 9, 3)),
        ((4000, 9), 1, None),
        ((50, 1, 30, 30), 40, (30, 30, 3)),
    ],
)
def test_first_layers_of_every_shape(run, shape, pictures, size):
    found = looked(run, np.eye(2), [0, 1], weights=np.random.default_rng(0).normal(size=shape))
    assert len(found.weights) == pictures
    assert found.weights_total == shape[0]
    if size is not None:
        assert pixels(found.weights[0].image).shape == size


def test_a_model_without_a_matrix(run):
    assert first_weights(Model())[0] == ""
    found = looked(run, np.eye(2), [0, 1], weights=np.zeros(5, np.float32))
    assert found.weights == []


def test_features_are_kept_as_numbers(run):
    found = looked(run, np.eye(2), [0, 1], inputs=np.arange(40.0).reshape(2, 20))
    assert found.right[1].features == [20.0, 21, 22, 23, 24, 25, 26, 27]
    assert found.right[1].image == ""


def test_a_full_disk_is_an_error_and_leaves_the_older_file(run, monkeypatch):
    looked(run, np.eye(2), [0, 1])
    before = (run.path / "evaluation.json").read_bytes()

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("backlight.train.durable.os.write", refuse)
    with pytest.raises(CheckpointError, match="No space left"):
        looked(run, np.eye(2) * 2, [0, 1])
    assert (run.path / "evaluation.json").read_bytes() == before


# ── pictures ───────────────────────────────────────────────────────────────────────────────


def test_zero_is_neutral_and_signs_have_their_colours():
    shown = pixels(weight_picture(np.array([[-2.0, 0.0, 2.0]])))[0]
    assert shown[1].tolist() == [255, 255, 255]
    assert shown[0][2] > shown[0][0]
    assert shown[2][0] > shown[2][2]
    colour = pixels(weight_picture(np.zeros((3, 2, 2))))
    assert np.unique(colour).tolist() in ([127], [128])


def test_opposite_weights_are_equally_strong():
    share = np.linspace(0, 1, 5)
    distance = np.abs(diverging(share) - 255) / np.abs(diverging(np.ones(5)) - 255)
    other = np.abs(diverging(-share) - 255) / np.abs(diverging(-np.ones(5)) - 255)
    np.testing.assert_allclose(distance, other)
    np.testing.assert_allclose(distance[:, 0], share)


def test_images_keep_their_pixels_and_their_order():
    image = np.arange(12, dtype=np.uint8).reshape(3, 2, 2) * 20
    shown = pixels(example_picture(image, (0, 255)))
    np.testing.assert_array_equal(shown, np.moveaxis(image, 0, -1))
    grey = pixels(example_picture(np.array([[[0, 16]]], np.uint8), (0, 16)))
    assert grey.tolist() == [[0, 255]]


def test_large_images_become_small():
    shown = pixels(example_picture(np.full((3, 300, 200), 77, np.uint8), (0, 255)))
    assert shown.shape == (LARGEST, 32, 3)
    assert np.unique(shown).tolist() == [77]


def test_pictures_of_numbers_that_are_not():
    bad = np.array([[np.nan, np.inf, -np.inf, 1.0]])
    assert pixels(weight_picture(bad)).shape == (1, 4, 3)
    assert pixels(example_picture(bad[None], (0, 1))).tolist() == [[0, 255, 0, 255]]
    assert display_range(np.array([np.nan])) == (0.0, 1.0)
    assert display_range(np.array([3.0, 3.0])) == (3.0, 4.0)

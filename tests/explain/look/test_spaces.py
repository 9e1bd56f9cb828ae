"""Embeddings, boundaries, stages, the taxonomy, templates and the gallery."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight import nn
from backlight.errors import ArgumentError, RangeError, ShapeError
from backlight.explain.look.boundary import boundary
from backlight.explain.look.classifier import classifier
from backlight.explain.look.embedding import embedding, principal_components
from backlight.explain.look.gallery import gallery, known
from backlight.explain.look.probes import stages
from backlight.explain.look.taxonomy import taxonomy
from backlight.explain.look.templates import templates
from tests.explain.look.small import convnet, digits, linear


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 12), st.integers(2, 8), st.integers(0, 1000))
def test_principal_components_are_those_of_the_covariance(rows, columns, seed):
    data = np.random.default_rng(seed).normal(size=(rows, columns))
    points, directions, parts = principal_components(data, 2)
    values = np.linalg.eigvalsh(np.cov(data.T))[::-1]
    np.testing.assert_allclose(points.var(axis=0, ddof=1), values[:2], atol=1e-10)
    np.testing.assert_allclose(parts, values[:2] / values.sum(), atol=1e-10)
    np.testing.assert_allclose(points, (data - data.mean(axis=0)) @ directions.T, atol=1e-10)
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-10)


def test_embeddings_of_layers_and_pixels():
    subject, seen, _ = digits()
    layer, pixels = embedding(subject, seen[:60]), embedding(subject, seen[:60], layer="pixels")
    assert (layer.layer, pixels.layer) == ("5", "pixels")
    assert layer.points.shape == pixels.points.shape == (60, 2)
    assert 0 < layer.explained.sum() < 1
    near = embedding(subject, seen[:40], method="tsne", perplexity=5)
    assert np.isfinite(near.points).all()
    again = embedding(subject, seen[:40], method="tsne", perplexity=5)
    np.testing.assert_array_equal(near.points, again.points)
    with pytest.raises(RangeError, match="perplexity 50"):
        embedding(subject, seen[:40], method="tsne", perplexity=50)
    with pytest.raises(ArgumentError, match="Did you mean 'tsne'"):
        embedding(subject, seen[:4], method="t-sne")


def test_the_boundary_of_a_linear_classifier_is_a_line():
    net = nn.Linear(2, 2)
    net.load_state_dict({"weight": [[1.0, 1.0], [0.0, 0.0]], "bias": [0.0, 0.0]})
    found = boundary(classifier(net, 2, (2,)), [[-1, -1], [1, 1]], 41)
    across, up = np.meshgrid(found.across, found.up)
    clear = abs(across + up) > 1e-6
    assert ((found.classes == 0) == (across + up > 0))[clear].all()
    with pytest.raises(ShapeError, match="two features"):
        boundary(linear(), [[0, 0]])


def test_the_stages_are_the_activations():
    assert stages(convnet()) == ["1", "4"]
    assert stages(linear()) == ["0", "1"]


def test_a_group_is_never_harder_than_its_classes():
    subject, seen, labels = digits()
    groups = {"low": "01234", "high": "56789"}
    found = taxonomy(subject, seen[1500:], labels[1500:], groups)
    assert found.group_accuracy >= found.class_accuracy
    assert (found.group_of[found.paths[:, 1]] == found.paths[:, 0]).all()
    np.testing.assert_allclose(found.group_probabilities.sum(axis=1), 1)
    with pytest.raises(ArgumentError, match="in no group or in several: 0, 1"):
        taxonomy(subject, seen[:5], labels[:5])


def test_templates_are_the_weights():
    subject = linear(3, (1, 4, 4))
    found = templates(subject)
    assert found.of_classes
    expected = subject.module[1].weight.detach().numpy().reshape(3, 1, 4, 4)
    assert np.array_equal(found.weights, expected)
    assert templates(convnet()).weights.shape == (6, 3, 3, 3)
    assert not templates(convnet()).of_classes
    with pytest.raises(ShapeError, match="weights got"):
        templates(classifier(nn.Linear(2, 3), 3, (2,)))


def test_the_gallery_knows_every_activation_and_its_slope():
    assert {"none", "ReLU", "GELU", "Sigmoid", "Tanh"} <= set(known())
    for one in gallery(depth=3, width=16):
        middle = (one.value[2:] - one.value[:-2]) / (one.x[2] - one.x[0])
        smooth = abs(one.x[1:-1]) > 0.05
        np.testing.assert_allclose(one.slope[1:-1][smooth], middle[smooth], atol=2e-3)
    with pytest.raises(ArgumentError, match="Did you mean 'ReLU'"):
        gallery(["Relu"])


def test_the_stacks_say_what_the_course_says():
    kinds = {one.name: one for one in gallery(["ReLU", "Sigmoid", "Tanh", "none"])}
    assert 0.2 < kinds["ReLU"].activations["He"][-1] < 5
    assert kinds["ReLU"].activations["Xavier"][-1] < 0.01
    assert kinds["Sigmoid"].gradients["He"][0] < 1e-6
    assert kinds["none"].activations["He"][-1] > 300
    assert 0.05 < kinds["Tanh"].gradients["Xavier"][0] < 5

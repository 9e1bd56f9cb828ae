"""Group, instance and local response normalisation against loops, and refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.errors import ArgumentError, ShapeError
from backlight.gates import grouping
from backlight.gates.grouping import group_norm, instance_norm, local_response_norm, neighbour_sum
from backlight.gates.normalisation import layer_norm
from tests.gates.answers import answer
from tests.gates.differences import check_sample, samples_of

quick = settings(max_examples=40, deadline=None, derandomize=True)


@pytest.mark.parametrize(("gate", "sample"), **samples_of(grouping))
def test_samples(gate, sample):
    check_sample(gate, sample)


def test_one_group_is_a_layer_and_a_channel_is_an_instance():
    x = np.random.default_rng(0).normal(size=(3, 4, 2, 5))
    np.testing.assert_allclose(group_norm(x, groups=1), layer_norm(x, axis=(1, 2, 3)))
    np.testing.assert_allclose(group_norm(x, groups=4), instance_norm(x))
    scale = np.arange(1.0, 5.0)
    np.testing.assert_allclose(
        group_norm(x, scale, -scale, groups=2),
        group_norm(x, groups=2) * scale[:, None, None] - scale[:, None, None],
    )


@quick
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 1000))
def test_local_response_norm_against_loops(size, channels, seed):
    x = np.random.default_rng(seed).normal(size=(2, channels, 3))
    want = np.empty_like(x)
    for c in range(channels):
        near = x[:, max(0, c - size // 2) : c + (size - 1) // 2 + 1]
        want[:, c] = x[:, c] / (2 + 0.3 / size * (near**2).sum(axis=1)) ** 0.75
    np.testing.assert_allclose(local_response_norm(x, size=size, alpha=0.3, k=2), want, rtol=1e-13)


def test_a_strong_channel_does_not_erase_a_far_one():
    x = np.array([[1e15, 0.0, 0.0, 0.0, 1.0]])
    assert neighbour_sum(x, before=1, after=1).tolist() == [[1e15, 1e15, 0, 1, 1]]
    value, slope = answer(local_response_norm, x.astype(np.float32), dtype=np.float32)
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: group_norm(np.zeros((2, 4)), groups=3), ShapeError, "groups divide"),
        (lambda: group_norm(np.zeros((2, 4)), groups=0), ArgumentError, "groups=0"),
        (lambda: instance_norm(np.zeros((2, 4))), ShapeError, "layer_norm"),
        (lambda: instance_norm(np.zeros((2, 4, 1, 1))), ShapeError, "several values a channel"),
        (lambda: local_response_norm(np.zeros(4)), ShapeError, "channels"),
        (lambda: local_response_norm(np.zeros((1, 4)), size=0), ArgumentError, "size=0"),
        (lambda: local_response_norm(np.zeros((1, 4)), k=0), ArgumentError, "k=0"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()

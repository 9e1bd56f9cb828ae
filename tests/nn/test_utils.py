"""Clipping by the names of nn.utils, and parameters as one vector."""

import numpy as np
import pytest

import backlight
from backlight import nn
from backlight.errors import ArgumentError, ShapeError


def test_clipping_is_that_of_optim():
    assert nn.utils.clip_grad_norm_ is backlight.optim.clip_grad_norm_
    assert nn.utils.clip_grad_value_ is backlight.optim.clip_grad_value_


def test_there_and_back():
    first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    row = nn.utils.parameters_to_vector(first.parameters())
    nn.utils.vector_to_parameters(row.detach(), second.parameters())
    assert np.array_equal(first.weight.tolist(), second.weight.tolist())
    assert np.array_equal(first.bias.tolist(), second.bias.tolist())
    (row * row).sum().backward()
    assert np.allclose(first.weight.grad.numpy(), 2 * first.weight.detach().numpy())


def test_a_vector_of_another_length_changes_nothing():
    layer = nn.Linear(2, 1)
    before = layer.weight.detach().numpy().copy()
    with pytest.raises(ShapeError, match=r"shape \(3,\)"):
        nn.utils.vector_to_parameters(backlight.zeros(4), layer.parameters())
    assert np.array_equal(before, layer.weight.detach().numpy())
    with pytest.raises(ArgumentError, match="no parameters"):
        nn.utils.parameters_to_vector([])

"""What the backward pass through a layer costs, beside the Jacobian that it never forms."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

import backlight
from backlight import nn, philox
from backlight.nn.vocabulary import (
    AVERAGE,
    CONVOLUTION,
    LINEAR,
    RECTIFIER,
    Description,
    Sizes,
)

BYTES = 4
"""Of a number in float32."""

MOST_NUMBERS = 2**25
MOST_WORK = 4 * 10**9
"""Numbers and multiply-adds of a batch up to which the layer is run to measure it."""


@dataclass(frozen=True)
class BackwardCost:
    """Two ways to the same gradient.

    Attributes
    ----------
    batch : int
    entries : int
        Of the Jacobian of the batch's outputs by its inputs.
    jacobian_bytes, gradient_bytes : int
        Of that Jacobian, and of the gradient that backpropagation hands on, in float32.
    seconds : float, optional
        How long upstream × Jacobian took; None where the layer is too large to try.
    """

    batch: int
    entries: int
    jacobian_bytes: int
    gradient_bytes: int
    seconds: float | None


def backward_cost(told: Description, found: Sizes, batch: int = 1) -> BackwardCost:
    """Count the Jacobian, and run the backward pass.

    Parameters
    ----------
    told : Description
    found : Sizes
    batch : int
        Examples, 1 or more.

    Examples
    --------
    A ReLU of 4,096 numbers on 100 examples, as in the lecture:

    >>> from backlight.nn.vocabulary import sizes
    >>> relu = Description("relu")
    >>> cost = backward_cost(relu, sizes(relu, (4096,)), 100)
    >>> cost.entries, cost.jacobian_bytes / 2**30, cost.gradient_bytes
    (167772160000, 625.0, 1638400)
    """
    entries = found.jacobian(batch)
    small = batch * max(found.taken, found.made, found.parameters) <= MOST_NUMBERS
    tried = small and batch * found.multiply_adds <= MOST_WORK
    return BackwardCost(
        batch,
        entries,
        BYTES * entries,
        BYTES * batch * found.taken,
        _measured(told, found, batch) if tried else None,
    )


def module_of(told: Description, shape: tuple[int, ...]) -> Any:
    """The layer itself.

    Examples
    --------
    >>> module_of(Description("convolution", made=8, kernel=(3, 3)), (3, 9, 9)).describe()
    'Conv2d 3→8, 3×3'
    """
    if told.kind == RECTIFIER:
        return nn.ReLU()
    if told.kind == LINEAR:
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(int(np.prod(shape)), told.made, bias=told.bias),
        )
    rounding = told.rounding
    if told.kind == CONVOLUTION:
        return nn.Conv2d(
            shape[0],
            told.made,
            told.kernel,
            told.stride,
            told.padding,
            told.dilation,
            told.groups,
            told.bias,
            rounding=rounding,
        )
    pool = nn.AvgPool2d if told.kind == AVERAGE else nn.MaxPool2d
    return pool(told.kernel, told.stride, told.padding, rounding=rounding)


def _measured(told: Description, found: Sizes, batch: int) -> float:
    """Seconds of the backward pass: the shorter of two."""
    module = module_of(told, found.input)
    x = backlight.tensor(philox.normal(0, 0, (batch, *found.input)), requires_grad=True)
    shortest = float("inf")
    for _ in range(2):
        output = module(x)
        upstream = backlight.ones(*output.shape)
        begin = time.perf_counter()
        output.backward(upstream)
        shortest = min(shortest, time.perf_counter() - begin)
    return shortest

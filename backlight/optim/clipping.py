"""Clipping gradients: their common length, or each number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError
from backlight.optim.optimizer import finite_gradient
from backlight.optim.parameters import named, title
from backlight.optim.setting import POSITIVE, number


def clip_grad_norm_(parameters: Any, max_norm: float, norm_type: float = 2.0) -> np.float64:
    """Scale all gradients together so that their common norm is `max_norm` at most.

    The numbers are first divided by the largest of them, so that the norm of large gradients does
    not overflow. PyTorch adds 1e-6 to the norm that it divides by; here nothing is added, and a
    clipped gradient has exactly the norm asked for.

    Parameters
    ----------
    parameters : Tensor or iterable
        Tensors or (name, tensor) pairs; those without a gradient are left out.
    max_norm : float
        Above 0.
    norm_type : float
        p ≥ 1 of the p-norm; math.inf takes the largest absolute number.

    Returns
    -------
    float64
        The norm before clipping.

    Raises
    ------
    NonFiniteError
        If a gradient has NaN or infinity, which names the parameter; no gradient is changed.

    Examples
    --------
    >>> x = Tensor([0.0, 0.0], requires_grad=True)
    >>> x.grad = Tensor([1e20, 1e20])
    >>> norm = clip_grad_norm_([x], 1.0)
    >>> f"{norm:.4g}", x.grad
    ('1.414e+20', tensor([0.7071, 0.7071]))
    """
    subject = "clip_grad_norm_"
    limit = number(subject, "max_norm", max_norm, POSITIVE)
    if isinstance(norm_type, bool) or not isinstance(norm_type, (int, float)) or not norm_type >= 1:
        raise ArgumentError(
            subject,
            got=f"norm_type={norm_type!r}",
            needs="a number from 1 on, or math.inf",
            remedy="Leave it out for the ordinary length.",
        )
    gradients = _finite_gradients(subject, parameters)
    largest = max(
        (float(np.max(np.abs(gradient), initial=0)) for _, gradient in gradients), default=0.0
    )
    if largest == 0:
        return np.float64(0)
    relative = 1.0
    if norm_type != math.inf:
        total = sum(
            float(np.sum(np.abs(gradient.astype(np.float64) / largest) ** norm_type))
            for _, gradient in gradients
        )
        relative = total ** (1 / norm_type)
    # Both factors stay in range even where their product, the norm, would not.
    if relative > limit / largest:
        for parameter, gradient in gradients:
            clipped = gradient.astype(np.float64) / largest * (limit / relative)
            parameter.grad = Tensor.share(clipped.astype(gradient.dtype))
    with np.errstate(over="ignore"):
        return np.float64(relative) * largest


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Hold every number of every gradient between −clip_value and clip_value.

    Raises
    ------
    NonFiniteError
        If a gradient has NaN or infinity; no gradient is changed.

    Examples
    --------
    >>> x = Tensor([0.0, 0.0], requires_grad=True)
    >>> x.grad = Tensor([-3.0, 0.5])
    >>> clip_grad_value_([x], 1.0)
    >>> x.grad.tolist()
    [-1.0, 0.5]
    """
    bound = number("clip_grad_value_", "clip_value", clip_value, POSITIVE)
    for parameter, gradient in _finite_gradients("clip_grad_value_", parameters):
        parameter.grad = Tensor.share(np.clip(gradient, -bound, bound))


def _finite_gradients(subject: str, parameters: Any) -> list[tuple[Tensor, Any]]:
    """Parameters with their gradients. They get new ones: two may share one array."""
    found = []
    for index, (name, parameter) in enumerate(named(subject, parameters)):
        if parameter.grad is not None:
            gradient = np.asarray(parameter.grad._value)
            finite_gradient(subject, title(index, name), gradient)
            found.append((parameter, gradient))
    return found

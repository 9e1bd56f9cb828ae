"""Clipping gradients: their common length, or each number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.engine.tracing import here
from backlight.errors import ArgumentError, NonFiniteError
from backlight.gates.choice import clip, isfinite, maximum, where
from backlight.gates.quantifier import all as all_true
from backlight.gates.reduction import max as largest_of
from backlight.gates.reduction import sum as total_of
from backlight.gates.transcendental import sqrt
from backlight.optim.optimizer import finite_gradient
from backlight.optim.parameters import named, title
from backlight.optim.setting import POSITIVE, number


def clip_grad_norm_(parameters: Any, max_norm: float, norm_type: float = 2.0) -> Any:
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
        The norm before clipping; a tensor while a function is compiled.

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
    tracer = here()
    if tracer is not None:
        return _recorded_norm(_recorded_gradients(tracer, subject, parameters), limit, norm_type)
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
        relative = math.sqrt(total) if norm_type == 2 else total ** (1 / norm_type)
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
    tracer = here()
    if tracer is not None:
        for parameter, gradient in _recorded_gradients(tracer, "clip_grad_value_", parameters):
            parameter.grad = clip(gradient, low=-bound, high=bound)
        return
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


# ── written down by a compiler: the same formulas with gates ───────────────────────────────


def _recorded_gradients(tracer: Any, subject: str, parameters: Any) -> list[tuple[Tensor, Tensor]]:
    """Parameters with their gradients, which are checked to be finite at each call."""
    found = []
    for index, (name, parameter) in enumerate(named(subject, parameters)):
        gradient = parameter.grad
        if gradient is not None and gradient.size:
            with no_grad():
                tracer.check(all_true(isfinite(gradient)), _refuse(subject, title(index, name)))
            found.append((parameter, gradient.detach()))
    return found


def _recorded_norm(gradients: list[tuple[Tensor, Tensor]], limit: float, norm_type: float) -> Any:
    if not gradients:
        return np.float64(0)
    wide = [gradient.double() for _, gradient in gradients]
    largest = largest_of(abs(wide[0]))
    for other in wide[1:]:
        largest = maximum(largest, largest_of(abs(other)))
    unit = where(largest == 0, 1.0, largest)
    relative = where(largest == 0, largest, 1.0)
    if norm_type != math.inf:
        parts = [abs(one / unit) for one in wide]
        sums = [total_of(one * one if norm_type == 2 else one**norm_type) for one in parts]
        total = sums[0]
        for other in sums[1:]:
            total = total + other
        relative = sqrt(total) if norm_type == 2 else total ** (1 / norm_type)
    too_long = relative > limit / unit
    for (parameter, gradient), one in zip(gradients, wide, strict=True):
        clipped = (one / unit * (limit / relative)).to(gradient.dtype)
        parameter.grad = where(too_long, clipped, gradient)
    return relative * largest


def _refuse(subject: str, who: str) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise NonFiniteError(
            subject,
            got=f"a gradient of {who} with NaN or infinity",
            needs="finite gradients; nothing was updated",
            remedy="Lower the learning rate, or look for the first gate that gave NaN or infinity.",
        )

    return fail

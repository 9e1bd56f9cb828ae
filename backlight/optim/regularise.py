"""Keeping weights small: L1, L2 and elastic penalties, max-norm, and who is decayed at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.engine.tracing import here
from backlight.errors import ArgumentError, NonFiniteError
from backlight.gates.choice import where
from backlight.gates.reduction import max as largest_of
from backlight.gates.reduction import sum as total
from backlight.gates.transcendental import sqrt
from backlight.optim.parameters import named, title
from backlight.optim.setting import NOT_NEGATIVE, POSITIVE, number

Filter = Callable[[str, Tensor], bool]


def is_weight(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is regularised by convention: biases and scales are not.

    A bias multiplies no input, so that a large one makes no input count too much. Everything with
    one axis or none, and whatever is called bias, is left out.

    Examples
    --------
    >>> is_weight("fc.weight", Tensor([[1.0]])), is_weight("fc.bias", Tensor([1.0]))
    (True, False)
    """
    return parameter.ndim >= 2 and not name.rpartition(".")[2].startswith("bias")


def l2_penalty(parameters: Any, strength: float, include: Filter = is_weight) -> Tensor:
    """½λ Σ w², to be added to a loss; its gradient is λw.

    Parameters
    ----------
    parameters : Tensor or iterable
        Tensors or (name, tensor) pairs.
    strength : float
        λ, 0 or above.
    include : function of (name, tensor)
        Which of them count; by default all but biases and scales.

    Raises
    ------
    ArgumentError
        If λ is negative or not finite, or if no parameter is included.

    Examples
    --------
    Equal scores for (1, 1, 1, 1), but L2 prefers what is spread:

    >>> one, spread = Tensor([[1.0, 0, 0, 0]]), Tensor([[0.25] * 4])
    >>> float(l2_penalty(one, 2.0)), float(l2_penalty(spread, 2.0))
    (1.0, 0.25)
    """
    strength = number("l2_penalty", "strength", strength, NOT_NEGATIVE)
    return (0.5 * strength) * _total("l2_penalty", parameters, include, lambda w: total(w * w))


def l1_penalty(parameters: Any, strength: float, include: Filter = is_weight) -> Tensor:
    """λ Σ |w|, to be added to a loss; its gradient is ±λ, which drives many weights to 0.

    Parameters and errors as in `l2_penalty`.

    Examples
    --------
    >>> float(l1_penalty(Tensor([[1.0, -2.0]]), 0.5))
    1.5
    """
    strength = number("l1_penalty", "strength", strength, NOT_NEGATIVE)
    return strength * _total("l1_penalty", parameters, include, lambda w: total(abs(w)))


def elastic_penalty(parameters: Any, l1: float, l2: float, include: Filter = is_weight) -> Tensor:
    """λ₁ Σ |w| + ½λ₂ Σ w², the elastic net; parameters and errors as in `l2_penalty`.

    Source: Zou and Hastie 2005.
    """
    pairs = named("elastic_penalty", parameters)
    return l1_penalty(pairs, l1, include) + l2_penalty(pairs, l2, include)


def max_norm_(parameters: Any, limit: float, include: Filter = is_weight) -> None:
    """Shorten, in place, the incoming weights of each unit to a length of `limit` at most.

    To be called after each step. A unit's weights are a row: everything behind the first axis.

    Parameters
    ----------
    parameters : Tensor or iterable
        Tensors or (name, tensor) pairs.
    limit : float
        c above 0; 3 or 4 is usual.
    include : function of (name, tensor)
        Which of them count; by default all but biases and scales.

    Raises
    ------
    NonFiniteError
        If a weight is NaN or infinite; nothing is changed.

    Examples
    --------
    >>> w = Tensor([[3.0, 4.0], [0.3, 0.4]], requires_grad=True)
    >>> max_norm_(w, 2.5)
    >>> w.detach()
    tensor([[1.5, 2. ], [0.3, 0.4]])

    Source: Srebro, Rennie and Jaakkola 2004.
    """
    limit = number("max_norm_", "limit", limit, POSITIVE)
    pairs = _included("max_norm_", parameters, include)
    if here() is not None:
        _recorded_max_norm([parameter for _, parameter in pairs], limit)
        return
    for index, (name, parameter) in enumerate(pairs):
        if not np.all(np.isfinite(parameter._value)):
            raise NonFiniteError(
                "max_norm_",
                got=f"{title(index, name)} with NaN or infinity",
                needs="finite weights; nothing was changed",
                remedy="Lower the learning rate.",
            )
    for _, parameter in pairs:
        rows = np.asarray(parameter._value, np.float64).reshape(parameter.shape[0], -1)
        largest = np.max(np.abs(rows), axis=1, keepdims=True, initial=0)
        unit = rows / np.where(largest == 0, 1, largest)
        relative = np.sqrt(np.sum(unit * unit, axis=1, keepdims=True))
        with np.errstate(over="ignore"):
            long = relative * largest > limit
        if not long.any():
            continue
        # A little less than the limit, so that rounding leaves no row above it.
        room = limit * (1 - 4 * float(np.finfo(parameter.dtype).eps))
        short = np.where(long, unit / np.where(relative == 0, 1, relative) * room, rows)
        parameter.copy_(short.reshape(parameter.shape).astype(parameter.dtype))


def _recorded_max_norm(parameters: list[Tensor], limit: float) -> None:
    """The same with gates, as a compiler writes it down."""
    with no_grad():
        for parameter in parameters:
            rows = parameter.double().reshape(parameter.shape[0], -1)
            largest = largest_of(abs(rows), axis=1, keepdims=True)
            unit = rows / where(largest == 0, 1.0, largest)
            relative = sqrt(total(unit * unit, axis=1, keepdims=True))
            room = limit * (1 - 4 * float(np.finfo(parameter.dtype).eps))
            short = unit / where(relative == 0, 1.0, relative) * room
            kept = where(relative * largest > limit, short, rows)
            parameter.copy_(kept.reshape(*parameter.shape).to(parameter.dtype))


def weight_decay_groups(
    parameters: Any, weight_decay: float, include: Filter = is_weight
) -> list[dict[str, Any]]:
    """Two groups for an optimiser: weights that decay, and biases and scales that do not.

    Examples
    --------
    >>> groups = weight_decay_groups([Tensor([[1.0]]), Tensor([0.0])], 0.01)
    >>> [(len(group["params"]), group["weight_decay"]) for group in groups]
    [(1, 0.01), (1, 0.0)]
    """
    weight_decay = number("weight_decay_groups", "weight_decay", weight_decay, NOT_NEGATIVE)
    pairs = named("weight_decay_groups", parameters)
    groups = [
        {"params": [pair for pair in pairs if include(*pair)], "weight_decay": weight_decay},
        {"params": [pair for pair in pairs if not include(*pair)], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _included(subject: str, parameters: Any, include: Filter) -> list[tuple[str, Tensor]]:
    pairs = named(subject, parameters)
    chosen = [pair for pair in pairs if include(*pair)]
    if not chosen:
        raise ArgumentError(
            subject,
            got=f"{len(pairs)} parameters, none of which is included",
            needs="a weight of two axes or more",
            remedy="Pass include=lambda name, parameter: True to take all of them.",
        )
    return chosen


def _total(
    subject: str, parameters: Any, include: Filter, of_one: Callable[[Tensor], Tensor]
) -> Tensor:
    first, *others = [of_one(parameter) for _, parameter in _included(subject, parameters, include)]
    for other in others:
        first = first + other
    return first

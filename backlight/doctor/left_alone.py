"""Trying things with a model of the user's, and leaving it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from backlight.doctor.probe import NotChecked
from backlight.engine import random
from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.errors import BacklightError

Array = np.ndarray[Any, Any]

_APART = 1e-3
"""Answers that differ by more than this share of their size are not the same."""


@contextmanager
def left_as_it_was(model: Any, optimizer: Any = None) -> Iterator[None]:
    """Parameters, buffers, mode, optimiser and random numbers as before, whatever happens."""
    modes = [(one, one.training) for one in model.modules()]
    tensors = [(one, np.array(one._value)) for one in (*model.parameters(), *model.buffers())]
    gradients = [(one, one.grad) for one in model.parameters()]
    slots = None if optimizer is None else optimizer.state_dict()
    drawn = random.default.state_dict()
    try:
        yield
    finally:
        for one, mode in modes:
            one.training = mode
        with no_grad():
            for tensor, value in tensors:
                tensor._writable("the doctor")[...] = value
        for tensor, gradient in gradients:
            tensor.grad = gradient
        if optimizer is not None:
            optimizer.load_state_dict(slots)
        random.default.load_state_dict(drawn)


def touched_by_others(model: Any, inputs: Array) -> float:
    """The share of examples whose answer changes when only the first example does.

    In evaluation mode each example is answered for itself: 0. A model that compares the examples
    of a batch on purpose does so in any order, and is not counted: its answers only change places
    when the examples do. What mixes them by mistake, such as a reshape in the place of a
    transpose, depends on the order.

    Raises
    ------
    NotChecked
        If the model does not answer twice alike, or does not answer example by example.

    Source: A. Karpathy, "A recipe for training neural networks" (charting dependencies).
    """
    count = len(inputs)
    if count < 4 or inputs.ndim < 2:
        raise NotChecked("few_examples", examples=count, needed=4)
    with left_as_it_was(model):
        model.eval()
        answer = _answer(model, inputs)
        if answer.shape[:1] != (count,) or not np.isfinite(answer).all():
            raise NotChecked("no_scores")
        near = _APART * max(float(answer.std()), 1e-12)
        if not _same(answer, _answer(model, inputs), near).all():
            raise NotChecked("draws")
        other = inputs.copy()
        other[0] = inputs[1]
        touched = ~_same(answer, _answer(model, other), near)[1:]
        turned = _same(answer[::-1], _answer(model, inputs[::-1].copy()), near)
    return 0.0 if turned.all() else float(touched.mean())


def _answer(model: Any, inputs: Array) -> Array:
    """What the model says, as (examples, numbers)."""
    try:
        with no_grad():
            said = model(Tensor(inputs))
    except (BacklightError, TypeError, AttributeError) as problem:
        raise NotChecked("no_scores") from problem
    said = said[0] if isinstance(said, (tuple, list)) and said else said
    values = np.asarray(getattr(said, "_value", said), np.float64)
    return values.reshape(len(values), -1) if values.ndim and values.size else np.zeros((0, 0))


def _same(some: Array, others: Array, near: float) -> Array:
    """Which rows agree."""
    if some.shape != others.shape:
        raise NotChecked("no_scores")
    agree: Array = (np.abs(some - others) <= near).all(axis=1)
    return agree

"""One training step: forward, loss, backward, update; compiled to one program, or eager.

The compiled step does what the eager one does. Where it cannot go on, because a number is not
finite, it has changed nothing, and the eager step is taken in its place: that one can say where the
number came from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from backlight.engine import random
from backlight.engine.nonfinite import first_nonfinite
from backlight.engine.tensor import Tensor
from backlight.engine.tracing import here
from backlight.errors import NonFiniteError
from backlight.gates.choice import isfinite
from backlight.native import compile as native
from backlight.native.inspecting.inspection import Inspection
from backlight.optim import clip_grad_norm_
from backlight.train.metrics import scoring
from backlight.train.pipeline import Parts

Array = np.ndarray[Any, Any]
Listener = Callable[[Inspection], None]


class Taken(NamedTuple):
    """What a step found on its way.

    Attributes
    ----------
    loss : float
        Of the batch, before the update.
    right : int
        Examples whose highest score was that of their class.
    norms : dict
        The Euclidean norm of each parameter's gradient; empty if the step was not watched.
    """

    loss: float
    right: int
    norms: dict[str, float]


class Step:
    """Takes training steps.

    Parameters
    ----------
    parts : Parts
        Model, loss, optimiser and average; `settings.compile`, `settings.threads` and
        `settings.check` say how.
    listen : callable
        Told of each inspection of a program.

    Attributes
    ----------
    compiled : Compiled or None
    forward : callable
        Scores and mean loss of a batch, compiled likewise; for `evaluate`.
    """

    def __init__(self, parts: Parts, listen: Listener = lambda _: None) -> None:
        self.parts = parts
        self.compiled: Any = None
        self.forward: Any = scoring(parts.model.module, parts.model.loss)
        wishes = parts.settings
        if wishes.compile:
            how: dict[str, Any] = {
                "threads": wishes.threads,
                "precision": wishes.precision,
                "check": wishes.check,
            }
            self.compiled = native.compile(self._step, **how)
            self.forward = native.compile(self.forward, **how)
            self.compiled.listen = self.forward.listen = listen

    def __call__(self, inputs: Array, labels: Array, *, watched: bool) -> Taken:
        """Take one step on a batch.

        Raises
        ------
        NonFiniteError
            If the loss, a gradient or an update is NaN or infinite; nothing was updated then.
        CompileCheckError
            If an inspection finds the program wrong; nothing was updated then.
        """
        if self.compiled is not None:
            before = random.default.state_dict()
            try:
                found = self.compiled(Tensor.share(inputs), Tensor.share(labels), watched)
            except NonFiniteError:
                random.default.load_state_dict(before)
                found = self._step(Tensor.share(inputs), Tensor.share(labels), watched)
        else:
            found = self._step(Tensor.share(inputs), Tensor.share(labels), watched)
        loss, right, norms = found
        return Taken(
            float(loss.item()),
            int(right.item()),
            {name: float(norm.item()) for name, norm in norms.items()},
        )

    def _step(self, inputs: Any, labels: Any, watched: bool) -> tuple[Any, Any, dict[str, Any]]:
        """The step itself, written once for both ways."""
        parts = self.parts
        module = parts.model.module
        scores = module(inputs)
        loss = parts.model.loss(scores, labels)
        _expect_finite(loss)
        parts.optimizer.zero_grad()
        loss.backward()
        norms = parameter_norms(module) if watched else {}
        if parts.settings.clip is not None:
            clip_grad_norm_(module.parameters(), parts.settings.clip)
        parts.optimizer.step()
        if parts.average is not None:
            parts.average.update()
        parts.optimizer.zero_grad()  # what nobody reads need not be kept
        right = (scores.detach().argmax(axis=1) == labels).sum()
        return loss.detach(), right, norms


def _expect_finite(loss: Any) -> None:
    """Refuse a loss that is NaN or infinite, before anything is updated."""
    tracer = here()
    if tracer is not None:
        tracer.check(isfinite(loss.detach()), _unexplained)
        return
    value = float(loss.item())
    if not np.isfinite(value):
        born = first_nonfinite(loss)
        raise NonFiniteError(
            "the loss",
            got=f"a loss of {value}",
            needs="a finite loss",
            source=f"It began here: {born}" if born else "",
            remedy="Lower the learning rate.",
        )


def _unexplained() -> None:
    raise NonFiniteError(
        "the loss",
        got="a loss that is not finite",
        needs="a finite loss",
        remedy="Lower the learning rate.",
    )


def parameter_norms(module: Any) -> dict[str, Any]:
    """The Euclidean norm of each parameter's gradient, in float64."""
    found = {}
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            wide = parameter.grad.detach().double()
            found[name] = (wide * wide).sum().sqrt()
    return found

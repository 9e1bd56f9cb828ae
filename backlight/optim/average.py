"""Averages of parameters over the steps of training, which often predict better than the last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.engine.tracing import changed, here
from backlight.errors import NonFiniteError
from backlight.optim.parameters import named, title
from backlight.optim.saved import refusal
from backlight.optim.setting import DECAY, number

Array = np.ndarray[Any, Any]


class ExponentialMovingAverage:
    """A running mean of every parameter: a ← d·a + (1−d)·w, beginning at the parameters.

    Parameters
    ----------
    params : iterable
        Tensors or (name, tensor) pairs.
    decay : float
        d in [0, 1); the mean looks back about 1/(1−d) updates.

    Examples
    --------
    >>> w = Tensor([0.0], requires_grad=True)
    >>> average = ExponentialMovingAverage([w], decay=0.5)
    >>> w.fill_(1.0) is w
    True
    >>> average.update()
    >>> with average.applied():
    ...     w.tolist()
    [0.5]
    >>> w.tolist()
    [1.0]

    Source: Polyak and Juditsky 1992, for the plain mean.
    """

    def __init__(self, params: Any, decay: float = 0.999) -> None:
        self.kind = type(self).__name__
        self.decay = number(self.kind, "decay", decay, DECAY)
        self.updates = 0
        self._pairs: list[tuple[str, Tensor]] = named(self.kind, params)
        self._averages: list[Array] = [np.array(one._value) for _, one in self._pairs]

    @property
    def averages(self) -> list[Array]:
        """The averages, in the order of the parameters."""
        return [average.copy() for average in self._averages]

    def update(self) -> None:
        """Take the present parameters into the averages; call it after each step.

        Raises
        ------
        NonFiniteError
            If a parameter is NaN or infinite; no average is changed.
        """
        tracer = here()
        if tracer is not None:
            self._record(tracer)
            return
        for index, (name, parameter) in enumerate(self._pairs):
            if not np.all(np.isfinite(parameter._value)):
                raise NonFiniteError(
                    self.kind,
                    got=f"{title(index, name)} with NaN or infinity",
                    needs="finite parameters; no average was changed",
                    remedy="Go back to the last good checkpoint and lower the learning rate.",
                )
        for average, (_, parameter) in zip(self._averages, self._pairs, strict=True):
            # As a correction, so that an average of equal numbers is that number exactly.
            average += (1 - self.decay) * (parameter._value - average)
        self.updates += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within this block the parameters are the averages; afterwards they are themselves."""
        tracer = here()
        averages: list[Any] = self._averages
        if tracer is None:
            kept: list[Any] = [np.array(parameter._value) for _, parameter in self._pairs]
        else:
            kept = [parameter.detach().clone() for _, parameter in self._pairs]
            averages = self._states(tracer)
        try:
            for average, (_, parameter) in zip(averages, self._pairs, strict=True):
                parameter.copy_(average)
            yield
        finally:
            for before, (_, parameter) in zip(kept, self._pairs, strict=True):
                parameter.copy_(before)

    def _states(self, tracer: Any) -> list[Tensor]:
        """The averages as memory that a compiled function reads and writes."""
        return [
            tracer.state(
                ("average", id(self), place),
                f"average of {title(place, name)}",
                lambda place=place: self._averages[place],
                parameter.shape,
                parameter.dtype,
            )
            for place, (name, parameter) in enumerate(self._pairs)
        ]

    def _record(self, tracer: Any) -> None:
        """Write the update down, for a compiled function."""
        decay = self.decay
        tracer.watched.append(lambda _: self.decay == decay)
        with no_grad():
            for average, (_, parameter) in zip(self._states(tracer), self._pairs, strict=True):
                tracer.write(average, average + (1 - decay) * (parameter - average))

        def count(_: Any) -> None:
            self.updates += 1

        tracer.effects.append(count)

    def state_dict(self) -> dict[str, Any]:
        """The decay, the number of updates and copies of the averages by index."""
        return {
            "decay": self.decay,
            "updates": self.updates,
            "names": [name for name, _ in self._pairs],
            "averages": {str(i): average.copy() for i, average in enumerate(self._averages)},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state; all of it, or nothing.

        Raises
        ------
        CheckpointError
            If it was saved for other parameters or is damaged.
        """
        if not isinstance(state, Mapping) or set(state) != set(self.state_dict()):
            raise refusal(self.kind, "a state of other contents", ", ".join(self.state_dict()))
        names = [name for name, _ in self._pairs]
        for name, other in zip(names, state["names"], strict=False):
            if name and other and name != other:
                raise refusal(self.kind, f"the average of {other!r}", f"that of {name!r}")
        theirs = {str(key): np.asarray(value) for key, value in state["averages"].items()}
        if len(theirs) != len(names):
            raise refusal(self.kind, f"{len(theirs)} averages", f"{len(names)}")
        for index, mine in enumerate(self._averages):
            found = theirs.get(str(index))
            if found is None or found.shape != mine.shape or found.dtype != mine.dtype:
                raise refusal(
                    self.kind,
                    f"another shape or type for {title(index, names[index])}",
                    f"shape {mine.shape} and type {mine.dtype}",
                )
        decay = number(self.kind, "decay", state["decay"], DECAY)
        changed()
        self.decay, self.updates = decay, int(state["updates"])
        self._averages = [np.array(theirs[str(i)], order="C") for i in range(len(names))]

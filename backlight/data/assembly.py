"""How a batch is made, as something that can be sent to another process: same bits there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from backlight.data.collate import Note, gatherer, naming
from backlight.data.draw import Draw
from backlight.data.image_folder import Gathered
from backlight.errors import BacklightError, DataError, ShapeError

Array = np.ndarray[Any, Any]
Tables = dict[tuple[int, int], Array]

_READING = 2
"""The place of a Draw at which examples draw that are read at random; transforms have others."""


class Made(NamedTuple):
    """A batch: inputs float32, labels int64 (float32 for real targets), and what was left out."""

    inputs: Array
    labels: Array
    bad: list[tuple[int, DataError]]


class Assembly:
    """Makes the batches of a loader: a pure function of the examples' places and the epoch.

    Parameters
    ----------
    examples : Examples, ImageFolder or a sequence of pairs
    transform : callable, optional
        Of (batch of inputs, Draw).
    seed : int
        Of what they draw.
    length : int
        Number of examples.

    Examples
    --------
    >>> pairs = [([1.0, 2.0], 0), ([3.0, 4.0], 1)]
    >>> made = Assembly(pairs, None, seed=0, length=2).make(np.array([1]), epoch=0, place=0)
    >>> made.inputs, made.labels
    (array([[3., 4.]], dtype=float32), array([1]))
    """

    def __init__(
        self,
        examples: Any,
        transform: Callable[[Array, Draw], Array] | None,
        seed: int,
        length: int,
    ) -> None:
        self.examples, self.transform, self.seed, self.length = examples, transform, seed, length
        self._gather = gatherer(examples)
        self._epoch, self._tables = -1, Tables()

    def __reduce__(self) -> tuple[Any, ...]:
        """What is sent to another process."""
        return Assembly, (self.examples, self.transform, self.seed, self.length)

    def make(self, indices: Array, epoch: int, place: int, note: Note = lambda _: None) -> Made:
        """The batch of these examples; `note` is told each as it is begun."""
        if epoch != self._epoch:
            self._epoch, self._tables = epoch, Tables()
        note(int(indices[0]))
        where = f"batch {place} of epoch {epoch}"
        try:
            found = self._gathered(indices, note)
        except Exception as error:
            raise naming(error, f"DataLoader, {where}") from error
        if not len(found.indices):
            return Made(np.empty(0, np.float32), np.empty(0, np.int64), found.bad)
        try:
            inputs = self._transformed(found)
        except Exception as error:
            raise self._blamed(error, found.indices, where) from error
        kind = np.float32 if found.labels.dtype.kind == "f" else np.int64
        return Made(inputs, np.ascontiguousarray(found.labels, dtype=kind), found.bad)

    def _gathered(self, indices: Array, note: Note) -> Gathered:
        return self._gather(indices, note, self._draw(indices, _READING))

    def _draw(self, indices: Array, place: int) -> Draw:
        return Draw(self.seed, self._epoch, indices, place, tables=self._tables, length=self.length)

    def _transformed(self, found: Gathered) -> Array:
        inputs = found.inputs
        if self.transform is not None:
            inputs = np.asarray(self.transform(inputs, self._draw(found.indices, 1)))
            if inputs.shape[:1] != found.indices.shape:
                raise ShapeError(
                    "transform",
                    got=f"a result of shape {inputs.shape}",
                    needs=f"{len(found.indices)} rows, one for each example",
                    remedy="Return a batch of as many examples as came",
                )
        return np.ascontiguousarray(inputs, dtype=np.float32)

    def _blamed(self, error: Exception, indices: Array, where: str) -> BacklightError:
        """The error, naming the first example with which alone it happens too."""
        for index in indices:
            alone = indices[indices == index]
            try:
                self._transformed(self._gathered(alone, lambda _: None))
            except Exception as own:
                return naming(own, f"DataLoader, example {index} in {where}")
        return naming(error, f"DataLoader, {where}")

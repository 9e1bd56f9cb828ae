"""The loader: batches in a random order that is a pure function of a seed and an epoch.

Nothing is drawn from hidden state, so a loader that is told an epoch and a position in it goes on
with the very batches that come next, without replaying those before.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import numpy as np

from backlight import philox
from backlight.data.assembly import Assembly, Made
from backlight.data.collate import gatherer
from backlight.data.draw import Draw, stream
from backlight.data.number import seed_number, whole_number
from backlight.data.prefetch import Progress, ahead
from backlight.data.workers import Crew
from backlight.errors import ArgumentError, CheckpointError, DataError

Array = np.ndarray[Any, Any]
Batch = tuple[Array, Array]
Place = tuple[int, Made]

_SAME = ("length", "batch_size", "seed", "shuffle", "drop_last")


class DataLoader:
    """Batches (inputs, labels) of examples; iterating over it once is an epoch.

    The next `for` loop after a finished epoch is the next epoch, in another order. A loop that was
    left early starts its epoch again; `set_epoch` chooses another one.

    Parameters
    ----------
    examples : Examples, or a sequence of pairs (input, label)
        A sequence has `__len__` and `__getitem__`, as PyTorch's data sets have.
    batch_size : int
        1 … number of examples. The last batch is smaller where it does not divide them.
    shuffle : bool
        A new random order every epoch; False keeps the order of the examples.
    seed : int
        0 … 2⁶⁴−1, of the orders and of the random transforms.
    transform : callable, optional
        Called with (batch of inputs, Draw); see `backlight.data.transform`. It gets the inputs as
        they are stored, bytes for images.
    drop_last : bool
        Leave out a last batch that is not full.
    prefetch : int
        Batches made ahead in a thread; 0 makes them when they are asked for. With workers: batches
        that each of them makes ahead, 1 at least. The bits are the same.
    timeout : float, optional
        Seconds without progress in the thread or in a worker, after which the example it is at is
        reported.
    num_workers : int
        Processes that make the batches, for data that must be read and decoded; 0 makes them here.
        Order and bits are the same for any number. The examples and the transform are sent to each
        once, and what is changed of them later is seen after `close()`; arrays in memory are
        quicker without workers. A script that uses them begins its work under
        `if __name__ == "__main__":`, since each of them runs the script's top level again.
    persistent_workers : bool
        Keep them for the next epoch. They end with `close()`, with the loader or the program, and
        when a loop is left early.

    Attributes
    ----------
    epoch : int
        The epoch that is under way, or comes next.
    position : int
        Batches of it that were handed out.
    left_out : dict
        Damaged examples that were left out, where `skip_bad` of the examples allows: position and
        name.

    Raises
    ------
    ArgumentError
        A batch size below 1, or above the number of examples.
    DataError
        No examples; while iterating, an example that cannot be read or transformed, by position.

    Examples
    --------
    >>> from backlight.data.dataset import Examples
    >>> loader = DataLoader(Examples(np.arange(5.0)[:, None], np.arange(5)), batch_size=2)
    >>> len(loader), [len(labels) for inputs, labels in loader]
    (3, [2, 2, 1])
    >>> loader.epoch
    1
    """

    def __init__(
        self,
        examples: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        seed: int = 0,
        transform: Callable[[Array, Draw], Array] | None = None,
        drop_last: bool = False,
        prefetch: int = 2,
        *,
        timeout: float | None = 30.0,
        num_workers: int = 0,
        persistent_workers: bool = True,
    ) -> None:
        gatherer(examples)  # refuses what cannot be read
        self.examples, self.length = examples, len(examples)
        if not self.length:
            raise DataError(
                "DataLoader",
                got="a split of 0 examples",
                needs="at least one",
                remedy="Check how the data was read and split",
            )
        self.batch_size = _batch_size(batch_size, self.length)
        self.seed = seed_number(seed, "DataLoader")
        self.prefetch = whole_number(prefetch, "prefetch", "DataLoader")
        self.num_workers = whole_number(num_workers, "num_workers", "DataLoader")
        self.persistent_workers = bool(persistent_workers)
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        if transform is not None and not callable(transform):
            raise ArgumentError(
                "DataLoader",
                got=f"transform={transform!r}",
                needs="a callable of (batch, draw)",
                remedy="Pass an instance",
            )
        self.transform, self.timeout = transform, timeout
        self.epoch = self.position = 0
        self._resuming = False
        self._current: object = None
        self._crew: Crew | None = None
        self.left_out: dict[int, str] = {}

    def __len__(self) -> int:
        """Batches in a whole epoch."""
        whole, rest = divmod(self.length, self.batch_size)
        return whole + (1 if rest and not self.drop_last else 0)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of an epoch: inputs float32, labels int64 (float32 for real targets)."""
        first = self._begin()
        epoch, current = self.epoch, object()
        self._current = current
        progress = Progress()
        if self.num_workers:
            batches = self._from_workers(epoch, first)
        else:
            batches = self._batches(epoch, first, progress)
            if self.prefetch:
                batches = ahead(batches, self.prefetch, progress, self.timeout)
        try:
            for place, made in batches:
                # Counted before it is handed out: whoever holds a batch is past it. Of two loops
                # over one loader, the position is that of the one that was begun last.
                if self._current is current:
                    self.position = place + 1
                batch = self._take(made)
                if batch is not None:
                    yield batch
        finally:
            batches.close()
        if self._current is current:
            self.epoch, self.position = epoch + 1, 0

    def set_epoch(self, epoch: int) -> None:
        """Begin the next loop at this epoch; a position that was just loaded for it is kept."""
        epoch = whole_number(epoch, "epoch", "DataLoader.set_epoch")
        if epoch != self.epoch or not self._resuming:
            self._go_to(epoch, 0, resuming=False)

    def state_dict(self) -> dict[str, int]:
        """Epoch and position, and the settings that the order depends on, as whole numbers."""
        return {
            "epoch": self.epoch,
            "position": self.position,
            **{name: int(getattr(self, name)) for name in _SAME},
        }

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Make the next loop go on right after the last batch that was handed out.

        Raises
        ------
        CheckpointError
            A state of another number of examples, batch size, seed or order.
        """
        own = self.state_dict()
        if set(state) != set(own):
            raise CheckpointError(
                "DataLoader",
                got=f"a state of {', '.join(sorted(state))}",
                needs=", ".join(own),
                remedy="Pass what state_dict() gave",
            )
        for name in _SAME:
            if int(state[name]) != own[name]:
                raise CheckpointError(
                    "DataLoader",
                    got=f"a state with {name} {state[name]}",
                    needs=f"{name} {own[name]}, as this loader has",
                    remedy="Resume with the data and the settings of the interrupted run",
                )
        epoch, position = int(state["epoch"]), int(state["position"])
        if epoch < 0 or not 0 <= position <= len(self):
            raise CheckpointError(
                "DataLoader",
                got=f"epoch {epoch}, position {position}",
                needs=f"a position 0 … {len(self)}",
                remedy="Resume from another checkpoint",
            )
        self._go_to(epoch, position, resuming=True)

    def _go_to(self, epoch: int, position: int, resuming: bool) -> None:
        self.epoch, self.position, self._resuming = epoch, position, resuming
        self._current = None

    def _begin(self) -> int:
        """Position to start at: a loaded one, else the first of this or of the next epoch."""
        if self._resuming:
            self._resuming = False
            return self.position
        if self.position >= len(self):
            self.epoch += 1
        self.position = 0
        return 0

    def order(self, epoch: int) -> Array:
        """Positions of the examples in the order of an epoch, int64."""
        if not self.shuffle:
            return np.arange(self.length)
        return philox.permutation(self.seed, stream(epoch), self.length)

    def _batches(self, epoch: int, first: int, progress: Progress) -> Generator[Place, None, None]:
        """The batches from a place on, made here, as (place, batch)."""
        order, assembly = self.order(epoch), self._assembly()
        for place in range(first, len(self)):
            yield place, assembly.make(self._indices(order, place), epoch, place, progress.note)

    def _from_workers(self, epoch: int, first: int) -> Generator[Place, None, None]:
        """The batches from a place on, made by the worker processes, as (place, batch)."""
        # Two loops over one loader at once have processes of their own.
        crew, self._crew = self._crew, None
        crew = crew or Crew(self._assembly(), self.num_workers, max(1, self.prefetch), self.timeout)
        order, finished = self.order(epoch), False
        tasks = ((place, self._indices(order, place)) for place in range(first, len(self)))
        try:
            yield from crew.batches(tasks, epoch)
            finished = True
        finally:
            if finished and self.persistent_workers and self._crew is None:
                self._crew = crew
            else:
                crew.close()

    def _assembly(self) -> Assembly:
        return Assembly(self.examples, self.transform, self.seed, self.length)

    def _indices(self, order: Array, place: int) -> Array:
        return order[place * self.batch_size : (place + 1) * self.batch_size]

    def _take(self, made: Made) -> Batch | None:
        """The batch; damaged examples are counted. None where all of it was damaged."""
        for example, error in made.bad:
            self.left_out[example] = str(error.subject)
            if len(self.left_out) > getattr(self.examples, "skip_bad", 0):
                raise error
        return (made.inputs, made.labels) if len(made.labels) else None

    def close(self) -> None:
        """End the worker processes; the next loop starts new ones."""
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_crew": None}

    def __repr__(self) -> str:
        return (
            f"DataLoader({self.length} examples, {len(self)} batches of {self.batch_size}, "
            f"epoch {self.epoch}, position {self.position})"
        )


def _batch_size(value: Any, length: int) -> int:
    try:
        number = whole_number(value, "batch_size", "DataLoader", 1)
    except ArgumentError:
        number = 0
    if not 1 <= number <= length:
        raise ArgumentError(
            "DataLoader",
            got=f"batch_size={value!r} for a split of {length} examples",
            needs=f"a whole number 1 … {length}",
            remedy=f"Choose a batch size of {min(64, length)}, for example",
        )
    return number

"""The random numbers of one batch, each bound to its example and not to the batch.

An example that is shifted by three pixels in epoch 5 is shifted so whether it comes in a batch of 8
or of 64, first or last, from this thread or another, in this run or in one that was resumed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight import philox
from backlight.errors import ArgumentError

Array = np.ndarray[Any, Any]

# A stream has 64 bits: 8 say that data draws, 32 are the epoch, 24 the place that draws.
_TAG = 0xDA << 56
_PLACES = 1 << 24
_FANOUT = 64
_LONGEST_TABLE = 1 << 17
"""Examples up to which an epoch's numbers are made at once: 2 MiB of them for each block."""


class Draw:
    """Uniform numbers for each example of a batch: a function of seed, epoch, place and index.

    Parameters
    ----------
    seed : int
        0 … 2⁶⁴−1.
    epoch : int
        0 … 2³²−1.
    indices : ndarray of int64, shape (n,)
        Positions of the batch's examples in their split.
    place : int
        Which transform draws; two places draw independently. Place 0 is the epoch's order.

    Examples
    --------
    >>> both = Draw(0, epoch=1, indices=np.array([7, 2])).uniform(3)
    >>> alone = Draw(0, epoch=1, indices=np.array([2])).uniform(3)
    >>> both.shape, bool((both[1] == alone[0]).all())
    ((2, 3), True)
    """

    def __init__(
        self,
        seed: int,
        epoch: int,
        indices: Any,
        place: int = 1,
        *,
        tables: dict[tuple[int, int], Array] | None = None,
        length: int = 0,
    ) -> None:
        self.seed, self.epoch, self.place = int(seed), int(epoch), int(place)
        self.indices: Array = np.asarray(indices, np.int64)
        # The whole epoch's numbers at once cost less than a call for every batch, if they fit.
        self._tables = {} if tables is None else tables
        self._length = length or int(self.indices.max(initial=-1)) + 1

    def child(self, place: int) -> Draw:
        """The same examples for a transform inside this one, at `place` 0 … 62."""
        inner = self.place * _FANOUT + place + 1
        if not 0 <= place < _FANOUT - 1 or inner >= _PLACES:
            raise ArgumentError(
                "Draw",
                got=f"place {place} inside place {self.place}",
                needs=f"places 0 … {_FANOUT - 2}, three levels deep",
                remedy="Nest fewer transforms in one another",
            )
        return Draw(
            self.seed, self.epoch, self.indices, inner, tables=self._tables, length=self._length
        )

    def uniform(self, count: int) -> Array:
        """Float64 numbers in [0, 1) of 24 random bits, shape (examples, count).

        The same call gives the same numbers: ask once for all that a transform needs.
        """
        words = np.concatenate([self._words(block) for block in range(-(-count // 4))], axis=1)
        return (words[:, :count] >> np.uint32(8)) * 2.0**-24

    def _words(self, block: int) -> Array:
        """Four random words for each example; position i of the stream is example i."""
        # Block b of all examples lies behind block b−1 of all examples there can be.
        if self._length > _LONGEST_TABLE:
            positions = self.indices.astype(np.uint64) + np.uint64(block << 48)
            return philox.blocks_at(self.seed, stream(self.epoch, self.place), positions)
        key = (self.place, block)
        if key not in self._tables:
            self._tables[key] = philox.blocks(
                self.seed, stream(self.epoch, self.place), block << 48, self._length
            )
        words: Array = self._tables[key][self.indices]
        return words


def stream(epoch: int, place: int = 0) -> int:
    """The random stream of a place in an epoch; place 0 is the order of the examples."""
    return _TAG | (epoch & 0xFFFFFFFF) << 24 | place

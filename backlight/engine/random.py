"""The random state of a program: a seed and a count of the draws made so far, nothing hidden.

Every draw takes one key, the seed and the number of its stream, and the numbers are a pure function
of the key (see `backlight.philox`). Two whole numbers are thus the entire state: saving them with a
checkpoint makes a resumed run draw what the uninterrupted one would have drawn.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from backlight import philox
from backlight.engine.tracing import here, refusal, tracers
from backlight.errors import ArgumentError, CheckpointError
from backlight.gates.random import normal, uniform
from backlight.shapes import Shape, whole

Array = np.ndarray[Any, Any]

_LARGEST = 2**64


class Generator:
    """Hands out keys for random draws, one stream after the other.

    Parameters
    ----------
    seed : int
        0 … 2⁶⁴−1. Another seed gives independent numbers.

    Raises
    ------
    ArgumentError
        If the seed is not a whole number in that range.

    Examples
    --------
    >>> generator = Generator(7)
    >>> first = generator.uniform((2,))
    >>> bool((generator.manual_seed(7).uniform((2,)) == first).all())
    True
    """

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._seed = 0
        self._count = 0
        self.manual_seed(seed)

    @property
    def seed(self) -> int:
        """The seed it was given."""
        return self._seed

    @property
    def count(self) -> int:
        """How many keys it has handed out since it was seeded."""
        return self._count

    def manual_seed(self, seed: int) -> Generator:
        """Begin again with this seed, at the first stream."""
        self._refuse_tracing("a new seed for random numbers", "Seed before calling the function.")
        seed = whole("the random generator", "seed", seed)
        if not 0 <= seed < _LARGEST:
            raise ArgumentError(
                "the random generator",
                got=f"seed={seed}",
                needs="0 … 2⁶⁴−1",
                remedy="Pass a seed that is not negative, such as 0.",
            )
        with self._lock:
            self._seed = seed
            self._count = 0
        return self

    def next_key(self) -> Array:
        """The key of the next draw: uint64, [seed, stream]. No key is handed out twice.

        Examples
        --------
        >>> generator = Generator(3)
        >>> generator.next_key().tolist(), generator.next_key().tolist()
        ([3, 0], [3, 1])
        """
        if tracers and here() is not None:
            return here().key(self)  # type: ignore[no-any-return]
        with self._lock:
            stream = self._count
            self._count += 1
        return np.array([self._seed, stream], np.uint64)

    def uniform(self, shape: Shape = (), dtype: Any = np.float32) -> Array:
        """Uniform numbers in [0, 1)."""
        if tracers and here() is not None:
            return uniform(self.next_key(), shape=shape, dtype=np.dtype(dtype).name)  # type: ignore[no-any-return]
        seed, stream = self._next()
        return philox.uniform(seed, stream, shape, dtype)

    def normal(self, shape: Shape = (), dtype: Any = np.float32) -> Array:
        """Standard normal numbers: mean 0, standard deviation 1."""
        if tracers and here() is not None:
            return normal(self.next_key(), shape=shape, dtype=np.dtype(dtype).name)  # type: ignore[no-any-return]
        seed, stream = self._next()
        return philox.normal(seed, stream, shape, dtype)

    def permutation(self, count: int) -> Array:
        """A random order of 0 … count−1, int64."""
        self._refuse_tracing("a random order", "Draw it outside, and pass it as an argument.")
        seed, stream = self._next()
        return philox.permutation(seed, stream, count)

    def state_dict(self) -> dict[str, int]:
        """The seed and the number of draws: all there is to save."""
        return {"seed": self._seed, "count": self._count}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from where `state_dict` was taken.

        Raises
        ------
        CheckpointError
            If the state holds anything else than a seed and a count; nothing is changed then.
        """
        fits = (
            isinstance(state, dict)
            and set(state) == {"seed", "count"}
            and all(isinstance(value, int) and 0 <= value < _LARGEST for value in state.values())
        )
        if not fits:
            raise CheckpointError(
                "the random generator",
                got=f"the state {state!r}",
                needs="a seed and a count, whole numbers 0 … 2⁶⁴−1",
                remedy="Pass what its state_dict() gave.",
            )
        with self._lock:
            self._seed = state["seed"]
            self._count = state["count"]

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the two numbers."""
        return _revive, (self._seed, self._count)

    def __repr__(self) -> str:
        """The seed and the number of draws."""
        return f"Generator(seed={self._seed}, count={self._count})"

    def _refuse_tracing(self, got: str, remedy: str) -> None:
        if tracers and here() is not None:
            raise refusal(got, "draws that can be compiled", remedy)

    def _next(self) -> tuple[int, int]:
        seed, stream = self.next_key().tolist()
        return seed, stream


default = Generator(0)
"""The generator that is used where none is given. Its seed is 0 until `manual_seed`."""


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, from which layers, initialisation and dropout draw.

    Examples
    --------
    >>> from backlight import manual_seed, randn
    >>> first = manual_seed(1) and randn(3)
    >>> bool((manual_seed(1) and randn(3) == first).all())
    True
    """
    return default.manual_seed(seed)


def _revive(seed: int, count: int) -> Generator:
    made = Generator(seed)
    made.load_state_dict({"seed": seed, "count": count})
    return made

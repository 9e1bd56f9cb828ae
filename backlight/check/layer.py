"""A small instance of a layer, and inputs that suit it found by trying: ready to be checked."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from backlight import nn, philox
from backlight.check.case import flattened
from backlight.engine.random import manual_seed
from backlight.engine.tensor import as_tensor
from backlight.errors import BacklightError, UsageError

Array = np.ndarray[Any, Any]

_SIZES = {
    "in_features": 3,
    "in_channels": 3,
    "num_features": 3,
    "num_channels": 3,
    "input_size": 3,
    "normalized_shape": 3,
    "out_features": 4,
    "out_channels": 4,
    "hidden_size": 4,
    "embedding_dim": 4,
    "num_embeddings": 5,
    "kernel_size": 3,
    "output_size": 2,
    "num_groups": 1,
}
_SHAPES = ((4, 3), (2, 3, 6, 6), (2, 3, 6))
_SEQUENCE = (5, 2, 3)


def layers() -> list[str]:
    """The names of all layers of `backlight.nn`, losses among them."""
    return [
        name
        for name, kind in vars(nn).items()
        if isinstance(kind, type) and issubclass(kind, nn.Module) and kind is not nn.Module
    ]


def small_layer(name: str, seed: int = 0) -> tuple[nn.Module, tuple[Array, ...]]:
    """A layer with small sizes, in float64, and inputs that it takes.

    Parameters
    ----------
    name : str
        A class of `backlight.nn`.
    seed : int
        Chooses weights and inputs.

    Raises
    ------
    UsageError
        If its sizes cannot be guessed, or none of the inputs tried suits it.

    Examples
    --------
    >>> layer, (x,) = small_layer("Conv2d")
    >>> layer, x.shape
    (Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1)), (2, 3, 6, 6))
    """
    manual_seed(seed)
    kind = getattr(nn, name)
    parameters = inspect.signature(kind).parameters.values()
    required = [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    recurrent = "num_layers" in {p.name for p in parameters}
    if all(one in _SIZES for one in required):
        sizes = {one: _SIZES[one] for one in required}
        for inputs in _candidates(seed, recurrent):
            try:
                layer = kind(**sizes).double()
                results = flattened(layer(*map(as_tensor, inputs)))
            except (BacklightError, TypeError):
                continue
            if results and all(np.isfinite(np.asarray(one._value)).all() for one in results):
                return kind(**sizes).double(), inputs
    raise UsageError(
        f"layer {name}",
        got="no sizes and inputs",
        needs="some that Backlight cannot guess for this layer",
        remedy="Write a function in a file that returns (layer, (input,)): check file.py:function.",
    )


def _candidates(seed: int, recurrent: bool) -> Iterator[tuple[Array, ...]]:
    """Inputs to try: one of numbers, one of positions, then pairs as losses take them."""
    shapes = (_SEQUENCE,) if recurrent else _SHAPES
    numbers = [np.asarray(philox.normal(seed, 700, shape, np.float64)) for shape in shapes]
    for x in numbers:
        yield (x,)
    yield (np.array([[0, 2, 1], [4, 0, 3]]),)
    x = numbers[0]
    shares = np.asarray(philox.uniform(seed, 701, x.shape, np.float64)) * 0.8 + 0.1
    yield x, np.array([0, 2, 1, 0])[: len(x)]
    yield x, np.asarray(philox.normal(seed, 702, x.shape, np.float64))
    yield x, shares
    yield shares[::-1], shares

"""Is the loss of a model convex? Random chords between its weights, and the loss on the worst.

The loss of a linear classifier is convex, a sum of convex pieces; that of a network with a hidden
layer is not, and a chord that shows it is found and kept. Source: CS231n, "Optimization", "the SVM
cost function as a bowl".
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.errors import RangeError
from backlight.explain.convexity import Convexity, convexity
from backlight.explain.landscape.direction import length, unflattened, weights_of
from backlight.explain.landscape.slice import Tell, line
from backlight.native import compile as native
from backlight.nn.functional_call import functional_call

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Chords:
    """What random chords said, and the loss along one of them.

    Attributes
    ----------
    found : Convexity
        Count, violations and the worst chord.
    along : ndarray (n,)
        Places from one end (0) to the other (1) of the worst chord; of some chord through the
        model's weights if none was violated.
    losses : ndarray (n,)
        The loss there.
    """

    found: Convexity
    along: Array
    losses: Array

    @property
    def rise(self) -> float:
        """How far the loss comes above that chord; negative if it stays under it."""
        straight = self.losses[0] + self.along * (self.losses[-1] - self.losses[0])
        return float((self.losses - straight)[1:-1].max())


def chords(
    module: Any,
    loss: Any,
    inputs: Any,
    targets: Any,
    count: int = 10_000,
    radius: float = 1.0,
    seed: int = 0,
    tell: Tell | None = None,
) -> Chords:
    """Draw chords between random weights around those of a model; compiled, in float64.

    Parameters
    ----------
    module : Module
        It is copied; its weights stay as they are.
    loss : callable
        Of scores and targets.
    inputs, targets : arrays
        Few examples are enough.
    count : int ≥ 1
    radius : float > 0
        Size of the random steps, in sizes of the weights.
    seed : int
    tell : callable, optional
        Called with evaluations done and evaluations in all.

    Raises
    ------
    RangeError
        If `count` or `radius` is out of range.

    Examples
    --------
    >>> from backlight import nn
    >>> x, y = np.array([[1.0, -2.0], [0.5, 1.0]]), np.array([0, 1])
    >>> chords(nn.Linear(2, 2), nn.MultiClassHingeLoss(), x, y, count=100).found.convex
    True
    """
    if count < 1 or not radius > 0:
        raise RangeError(
            "chords",
            got=f"count={count}, radius={radius:g}",
            needs="at least one chord, and a radius above 0",
            remedy="Leave them out.",
        )
    exact = copy.deepcopy(module).double().eval()
    weights = weights_of(exact)
    centre = np.concatenate([one.ravel() for one in weights.values()])
    spread = radius * (length(weights) or 1.0) / np.sqrt(len(centre))
    rows, labels = np.asarray(inputs, np.float64), np.asarray(targets)
    run = native.compile(lambda w, x, y: loss(functional_call(exact, w, (x,)), y))
    calls = 0

    def at(point: Any) -> Any:
        nonlocal calls
        calls += 1
        if tell is not None:
            tell(min(calls, 2 * count + 1), 2 * count + 1)
        return run(unflattened(point._value, weights), rows, labels)

    found = convexity(at, centre, chords=count, radius=spread, seed=seed)
    if found.worst is None:
        first = centre
        last = centre + spread * philox.normal(seed, 1, centre.shape).astype(np.float64)
    else:
        first, last = found.worst.a, found.worst.b
    along = np.linspace(0, 1, 201)
    way, origin = unflattened(last - first, weights), unflattened(first, weights)
    return Chords(found, along, line(exact, loss, rows, labels, way, along, origin=origin).losses)

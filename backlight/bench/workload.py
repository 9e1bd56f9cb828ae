"""A workload: a piece of work, written properly for each framework that it is compared in.

A file of `backlight/bench/workloads/` holds a workload with all its contenders, so that a reader
can see that they do the same work. What a contender is given (the material) is the same arrays for
all; what it answers is compared before anything is timed.
"""

from __future__ import annotations

import enum
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backlight.errors import UsageError, nearest

Material = Mapping[str, Any]
"""The arrays and settings that every contender of a workload is given, by name."""


class Kind(enum.Enum):
    """What is measured of a workload's contenders, and in what unit it is told."""

    TIME = "time"
    FIRST_CALL = "first call"
    CACHED_CALL = "first call, cached"
    MEMORY = "peak memory"
    START = "start-up"

    @property
    def unit(self) -> str:
        """Seconds, or bytes for memory."""
        return "B" if self is Kind.MEMORY else "s"


@dataclass(frozen=True)
class Ready:
    """A contender that has its data and weights, in its own layout, and can start.

    Attributes
    ----------
    step : callable
        Does the work once, and returns when it is done, with what it computed.
    read : callable
        Turns what `step` returned into NumPy arrays in the layout all contenders share. It is
        called for the comparison only and is never timed.
    steps : int
        Units of work that one call of `step` does; times are told for one unit.
    """

    step: Callable[[], Any]
    read: Callable[[Any], Sequence[Any]] = lambda answer: [answer]
    steps: int = 1


Prepare = Callable[[Material], Ready]


@dataclass(frozen=True)
class Target:
    """How Backlight means to do: its time (or memory) over that of the best of some peers.

    An empty `against` is every peer. `limit` is a bound on Backlight's own figure, in seconds.
    """

    ratio: float | None = None
    against: tuple[str, ...] = ()
    limit: float | None = None


@dataclass(frozen=True)
class Workload:
    """Work, its contenders, and what is expected of them.

    Attributes
    ----------
    name, title : str
        The word for the command line, and the words for the table (at most 34 characters).
    material : callable
        Makes what every contender is given. It must give the same in every process.
    contenders : mapping
        From a contender's name to the function that prepares it. The first word of the name is
        the framework: "torch channels-last".
    targets : tuple of Target
    flop, traffic : float
        Floating-point operations, and bytes that must come from or go to memory, of one step.
    bfloat16 : bool
        Whether the products are of bfloat16, and the share of peak is one of that peak.
    compared : int
        Steps whose answers are compared; more than one for work that changes its own state.
    tolerance : float
        Largest difference between two contenders' answers, over the largest answer.
    kind : Kind
    quick : bool
        Whether it is run when no workload is named.
    slow : tuple of str
        Contenders that take long to start: left out when no workload is named.
    """

    name: str
    title: str
    material: Callable[[], Material]
    contenders: Mapping[str, Prepare]
    targets: tuple[Target, ...] = ()
    flop: float = 0.0
    traffic: float = 0.0
    bfloat16: bool = False
    compared: int = 1
    tolerance: float = 1e-4
    kind: Kind = Kind.TIME
    quick: bool = False
    slow: tuple[str, ...] = ()


MODULES = (
    "product",
    "convolution",
    "neuron",
    "perceptron",
    "convnet",
    "alexnet",
    "lstm",
    "cross_entropy",
    "layer_norm",
    "adam",
    "nearest",
    "gate",
    "loader",
    "start",
)
"""The files of `workloads/`, in the order of the table."""


def from_module(module: str) -> list[Workload]:
    """The workloads that a module holds in its WORKLOADS, and no other is imported."""
    found: list[Workload] = importlib.import_module(module).WORKLOADS
    return found


def every() -> dict[str, tuple[str, Workload]]:
    """All workloads by name, with the module that holds each."""
    homes = [f"backlight.bench.workloads.{name}" for name in MODULES]
    return {one.name: (home, one) for home in homes for one in from_module(home)}


def find(names: Sequence[str]) -> dict[str, tuple[str, Workload]]:
    """The workloads of these names, or of names that begin so; without names, the quick ones.

    Raises
    ------
    UsageError
        If there is none of a name.

    Examples
    --------
    >>> list(find(["neuron"]))
    ['neuron', 'neuron-1000']
    """
    known = every()
    if not names:
        return {name: pair for name, pair in known.items() if pair[1].quick}
    chosen: dict[str, tuple[str, Workload]] = {}
    for name in names:
        found = {one: pair for one, pair in known.items() if _begins(one, name)}
        if not found:
            raise UsageError(
                "backlight bench",
                got=f"the workload {name!r}",
                needs="one that `backlight bench --list` shows",
                remedy=nearest(name, known),
            )
        chosen |= found
    return chosen


def _begins(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(f"{wanted}-")


def framework(contender: str) -> str:
    """The framework of a contender: the first word of its name."""
    return contender.split()[0]

"""How much memory a run will need, asked before any of it is taken.

A system that lends more memory than it has refuses nothing: the process is killed later, in the
middle of a step. So what is plainly too large is refused first.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import psutil

from backlight import models
from backlight.errors import UsageError
from backlight.models.mlp import DEFAULT_HIDDEN
from backlight.nn.summary import summary

FLOAT = 4
"""Bytes of a float32."""
COPIES = 4
"""What there is of each parameter: itself, its gradient, and two slots of the update rule."""
_GROUPS = Path("/sys/fs/cgroup")


def available() -> int:
    """Bytes that can still be taken: the machine's, or its container's if those are fewer."""
    free = int(psutil.virtual_memory().available)
    for most, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):
            limit = int((_GROUPS / most).read_text())
            left = limit - int((_GROUPS / used).read_text()) + _reclaimable()
            free = min(free, max(left, 0))
    return free


def _reclaimable() -> int:
    """Bytes of files that the container keeps in memory and can let go."""
    with contextlib.suppress(OSError, ValueError):
        for line in (_GROUPS / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "inactive_file":
                return int(value)
    return 0


def needed(
    model: str, shape: Sequence[int], classes: int, hidden: Sequence[int], batch: int
) -> int:
    """Bytes for parameters and activations, from a model whose hidden layers are one unit wide.

    Parameters
    ----------
    model : str
        Name of a model.
    shape : sequence of int
        Shape of one input.
    classes : int
        Number of classes.
    hidden : sequence of int
        Widths of the hidden layers; empty takes the model's own.
    batch : int
        Examples a step.

    Examples
    --------
    >>> round(needed("mlp", (64,), 10, (1000,), batch=1) / 2**20, 1)
    1.1
    """
    hidden = hidden or DEFAULT_HIDDEN
    narrow = models.build(model, shape, classes, [1] * len(hidden)).module
    outline = summary(narrow, (batch, *shape))
    activations = outline.input_bytes + outline.forward_bytes + outline.backward_bytes
    parameters = outline.parameters
    head = [p.shape for p in narrow.parameters() if len(p.shape) == 2][-len(hidden) - 1 :]
    if len(head) == len(hidden) + 1:  # a linear model has no hidden layer
        widths = [head[0][1], *hidden, classes]
        parameters += sum(a * b for a, b in pairwise(widths))
        activations += 4 * batch * sum(hidden) * FLOAT  # before and after ReLU, both passes
    return COPIES * FLOAT * parameters + activations


def check_memory(
    model: str, shape: Sequence[int], classes: int, hidden: Sequence[int], batch: int
) -> None:
    """Refuse what cannot fit.

    Raises
    ------
    UsageError
        With the bytes that are needed and those that there are.
    """
    free = available()
    smallest = math.prod(shape) * classes * FLOAT
    need = smallest if smallest > free else needed(model, shape, classes, hidden, batch)
    if need > free:
        wide = f" with hidden layers of {', '.join(map(str, hidden))} units" if hidden else ""
        size = "×".join(map(str, shape))
        raise UsageError(
            f"model {model}",
            got=f"inputs of {size}, batches of {batch:,}{wide}",
            needs=f"about {gibibytes(need)} of memory for that, and {gibibytes(free)} are free",
            remedy="Use smaller --hidden layers, a smaller --batch-size or smaller images",
        )


def gibibytes(count: int) -> str:
    """Bytes as GiB with one decimal.

    Examples
    --------
    >>> gibibytes(3 * 2**29)
    '1.5 GiB'
    """
    return f"{count / 2**30:,.1f} GiB"

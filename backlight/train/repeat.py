"""A run repeated in a folder of its own, bit for bit, to see where its weights went."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backlight.explain.landscape.direction import weights_of
from backlight.train.loop import Trainer
from backlight.train.pipeline import build
from backlight.train.run import Run
from backlight.train.sources import gather

Array = np.ndarray[Any, Any]


def repeated(
    settings: dict[str, Any], tell: Callable[[int, int], None] = lambda _done, _all: None
) -> list[dict[str, Array]]:
    """The weights at the beginning and after every epoch; it takes as long as the training did.

    Parameters
    ----------
    settings : dict
        What the run recorded.
    tell : callable
        Given the epochs that are done, and all of them; what it raises ends the repetition.

    Returns
    -------
    list of dict from str to ndarray
        The trainable weights by name, in the order of time.
    """
    parts = build(gather({}, environment={}, base=settings))
    epochs = int(parts.settings.epochs or 0)
    points = [weights_of(parts.model.module)]

    def listen(event: str, record: dict[str, Any]) -> None:
        if event == "epoch":
            points.append(weights_of(parts.model.module))
            tell(int(record["epoch"]), epochs)

    with tempfile.TemporaryDirectory() as place:
        Trainer(parts, Run.create(Path(place) / "repeated", parts.settings), listen).fit()
    return points

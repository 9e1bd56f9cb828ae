"""Nets for the screens that look into them: from a run, or untrained where there is none."""

from __future__ import annotations

import base64
import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from backlight import models
from backlight.engine.random import default as generator
from backlight.errors import CheckpointError, UsageError
from backlight.explain.landscape.direction import weights_of
from backlight.explain.look.classifier import Classifier, classifier
from backlight.studio import run_files
from backlight.studio.desk import Ask
from backlight.studio.runs import settings_of
from backlight.train import checkpoint
from backlight.train.page.pictures import display_range
from backlight.train.pipeline import build
from backlight.train.run import Run
from backlight.train.snapshot import load_best
from backlight.train.sources import gather

Array = np.ndarray[Any, Any]
MOST_EXAMPLES = 1_000
FRESH = "fresh"
"""The untrained net, by the name that no run can have: the scan finds runs by folder."""
_FRESH_SHAPE = (3, 32, 32)
_FRESH_CLASSES = 10


@dataclass(frozen=True)
class Net:
    """A net with some of its data.

    Attributes
    ----------
    name : str
        Of the run; "fresh" for the untrained one.
    module, loss : Module and callable
    inputs : ndarray (n, …)
        Examples as the net wants them: normalised.
    pictures : ndarray (n, …)
        The same with numbers in [0, 1], to be looked at.
    labels : ndarray (n,)
    classes : tuple of str
    subject : Classifier
        How pictures come to the net.
    checkpoints : Path or None
        Where its run keeps them.
    start : dict from str to ndarray, or None
        The weights that its run began with.
    """

    name: str
    module: Any
    loss: Any
    inputs: Array
    pictures: Array
    labels: Array
    classes: tuple[str, ...]
    subject: Classifier
    checkpoints: Path | None = None
    stamp: int = 0
    """When a checkpoint was last written: a net that goes on learning is loaded anew."""
    start: dict[str, Array] | None = None

    @property
    def image(self) -> bool:
        """Whether its examples are images."""
        return self.inputs.ndim == 4


def loaded(ask: Ask, images: bool = False) -> Net:
    """The net that the page names by its run; the last one is kept.

    Raises
    ------
    CheckpointError, DataError
        If the run, its checkpoint or its data cannot be read.
    UsageError
        If images are wanted, and the run has learned none.
    """
    name = ask.text("run", FRESH, 300)
    kept = ask.studio.held.get("net")
    if not isinstance(kept, Net) or kept.name != name or kept.stamp != _stamp(kept.checkpoints):
        kept = _fresh() if name == FRESH else _of_run(ask, name)
        ask.studio.held["net"] = kept
    if images and not kept.image:
        raise UsageError(
            f"run {name[:80]}",
            got="data that are no images",
            needs="a run on images",
            remedy="Choose another run.",
        )
    return kept


def runs_with_checkpoints(ask: Ask) -> list[dict[str, Any]]:
    """The runs that a net can be loaded from."""
    found = []
    for run in run_files.scan(ask.studio.runs).values():
        with contextlib.suppress(OSError, CheckpointError):
            folder = run.path / "checkpoints"
            if not folder.is_symlink() and any(folder.iterdir()):
                settings = settings_of(run)
                model, data = (str(settings.get(key, "?"))[:40] for key in ("model", "data"))
                found.append({"run": run.name, "model": model, "data": data})
    return found


def _of_run(ask: Ask, name: str) -> Net:
    found = run_files.find(ask.studio.runs, name)
    run = Run.open(found.path)
    if run.checkpoints.is_symlink():
        raise CheckpointError(
            f"run {name[:80]}",
            got="checkpoints that are a link to elsewhere",
            needs="a folder of the run's own",
            remedy="Look at the folder: it has been changed by hand, or is somebody else's.",
        )
    stamp = _stamp(run.checkpoints)
    parts = build(gather({}, environment={}, base=run.settings()))
    start = weights_of(parts.model.module)
    load_best(parts, checkpoint.best(run.checkpoints))
    if parts.average is not None:
        with parts.average.applied():
            averaged = {k: v.detach().clone() for k, v in parts.model.module.state_dict().items()}
        parts.model.module.load_state_dict(averaged)
    parts.model.module.eval()
    inputs, labels = [], []
    for batch, right in parts.validation:
        inputs.append(np.asarray(batch, np.float32))
        labels.append(np.asarray(right))
        if sum(map(len, labels)) >= MOST_EXAMPLES:
            break
    some = np.concatenate(inputs)[:MOST_EXAMPLES]
    train, validation = parts.data.train, parts.data.validation
    low, high = display_range(train.inputs) if some.ndim == 4 else (0.0, 1.0)
    subject = classifier(
        parts.model.module,
        list(parts.data.classes),
        train.shape,
        mean=parts.normalize.mean,
        std=parts.normalize.std,
        low=low,
        high=high,
    )
    return Net(
        name,
        parts.model.module,
        parts.model.loss,
        some,
        subject.pictures(validation.inputs[: len(some)]),  # type: ignore[union-attr]
        np.concatenate(labels)[:MOST_EXAMPLES],
        tuple(parts.data.classes),
        subject,
        run.checkpoints,
        stamp,
        start,
    )


def _stamp(checkpoints: Path | None) -> int:
    try:
        return 0 if checkpoints is None else checkpoints.stat().st_mtime_ns
    except OSError:
        return 0


def _fresh() -> Net:
    """A CIFAR-10 ConvNet before learning, and a drawn picture: a disc before a slope of colours."""
    generator.manual_seed(0)
    built = models.build("convnet", _FRESH_SHAPE, _FRESH_CLASSES)
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    disc = ((x - 0.1) ** 2 + (y + 0.1) ** 2 < 0.35).astype(float)
    picture = np.stack([0.4 + 0.5 * disc, 0.5 - 0.3 * y, 0.75 - 0.5 * disc + 0.2 * x])
    pictures = np.clip(picture, 0, 1)[None].astype(np.float32)
    classes = tuple(map(str, range(_FRESH_CLASSES)))
    subject = classifier(built.module, classes, _FRESH_SHAPE, mean=0.5, std=0.25)
    inputs = np.asarray(subject.inputs(pictures), np.float32)
    labels = np.zeros(1, np.int64)
    return Net(FRESH, built.module, built.loss, inputs, pictures, labels, classes, subject)


def png(picture: Array) -> str:
    """A picture (channels, height, width) of numbers in [0, 1] as a data address."""
    values = np.moveaxis(np.asarray(picture, np.float64), 0, -1)
    values = values[..., 0] if values.shape[-1] < 3 else values[..., :3]
    made = Image.fromarray(np.clip(values * 255, 0, 255).astype(np.uint8))
    stream = io.BytesIO()
    made.save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")

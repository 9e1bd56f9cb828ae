"""What `backlight landscape` computes of a run: its points, directions, cache and labels."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlight.errors import CheckpointError, MissingExtraError, UsageError, nearest
from backlight.words import say

if TYPE_CHECKING:
    from backlight.cli.landscape import Asked

Array = np.ndarray[Any, Any]
Weights = dict[str, Array]

_SMALLEST_SIDE = 0.05
_MARGIN = 0.25


@dataclass(frozen=True)
class Opened:
    """A run with its best parameters, and the weights that it began with.

    Attributes
    ----------
    weights : dict of str to ndarray
        The best ones, averaged where the run averages.
    """

    folder: Any
    parts: Any
    step: int
    start: Weights
    weights: Weights

    @classmethod
    def of(cls, run: str) -> Opened:
        """The run in this folder."""
        from backlight.explain.landscape.direction import weights_of
        from backlight.train import checkpoint
        from backlight.train.pipeline import build
        from backlight.train.run import Run
        from backlight.train.snapshot import load_best
        from backlight.train.sources import gather

        folder = Run.open(run)
        parts = build(gather({}, environment={}, base=folder.settings()))
        start = weights_of(parts.model.module)
        best = checkpoint.best(folder.checkpoints)
        load_best(parts, best)
        parts.model.module.eval()
        averaged = nullcontext() if parts.average is None else parts.average.applied()
        with averaged:
            weights = weights_of(parts.model.module)
        return cls(folder, parts, best.step, start, weights)

    def examples(self, split: str, count: int) -> tuple[Array, Array]:
        """The first examples of a split, normalised, and their labels."""
        part = getattr(self.parts.data, split)
        return self.parts.normalize(part.inputs[:count]), part.labels[:count]


def computed(
    opened: Opened, asked: Asked, look: Any, threads: int | None, fresh: bool
) -> tuple[Any, Any, dict[str, Any]]:
    """The slice, its labels and numbers to print; from the run's cache where it is there."""
    from backlight.cli.landscape import name_of
    from backlight.explain.landscape.slice import Slice, line, plane

    file = opened.folder.path / "landscape" / f"{name_of(asked)}.npz"
    kept = None if fresh else _cached(file)
    if kept is not None:
        found = Slice(kept["across"], kept["up"], kept["losses"])
        told = _labels(opened, asked, look, found, kept["path"], kept["parts"])
        return found, told, _facts(found, kept["path"], cached=True)
    first, second, origin, path, parts = _directions(opened, asked)
    across, up = _extent(asked, path)
    inputs, targets = opened.examples(asked.split, asked.examples)
    model = opened.parts.model
    with _progress() as tell:
        settings: dict[str, Any] = {"origin": origin, "threads": threads, "tell": tell}
        where = (model.module, model.loss, inputs, targets)
        if asked.shape == "line":
            found = line(*where, first, across, **settings)
        else:
            found = plane(*where, first, second, across, up, **settings)
    _keep(file, across=found.across, up=found.up, losses=found.losses, path=path, parts=parts)
    told = _labels(opened, asked, look, found, path, parts)
    return found, told, _facts(found, path, cached=False)


def convexity(
    opened: Opened, count: int, examples: int, split: str, seed: int, radius: float, look: Any
) -> tuple[Any, dict[str, Any]]:
    """The figure and the numbers of random chords."""
    from backlight.explain.landscape.chords import chords
    from backlight.explain.landscape.figure import draw_chords

    inputs, targets = opened.examples(split, examples)
    model = opened.parts.model
    with _progress() as tell:
        found = chords(
            model.module, model.loss, inputs, targets, count, radius, seed=seed, tell=tell
        )
    figure = draw_chords(found, theme=look.theme.name, language=look.language)
    return figure, {
        "chords": found.found.chords,
        "violations": found.found.violations,
        "convex": found.found.convex,
        "rise": found.rise,
    }


# ── directions ─────────────────────────────────────────────────────────────────────────────────


def _directions(opened: Opened, asked: Asked) -> tuple[Weights, Weights, Weights, Array, Array]:
    """First and second direction, origin, the path in their plane, and the parts it explains."""
    from backlight.explain.landscape.direction import between, downhill, path, random_direction

    origin, nowhere = opened.weights, np.zeros((0, 2))
    second = random_direction(origin, asked.seed, 1, asked.normalise)
    if asked.along == "random":
        first = random_direction(origin, asked.seed, 0, asked.normalise)
    elif asked.along == "gradient":
        inputs, targets = opened.examples(asked.split, asked.examples)
        first = downhill(opened.parts.model.module, opened.parts.model.loss, inputs, targets)
    elif asked.along == "between":
        first = between(origin, _other(opened, asked.to))
    else:
        points = _replayed(opened) if asked.replay else _checkpoints(opened)
        way = path(points)
        return way.first, way.second, points[-1], way.coordinates, way.explained
    return first, second, origin, nowhere, np.zeros(0)


def _other(opened: Opened, to: str) -> Weights:
    """The weights at the other end: at the start, of a checkpoint, or of another run."""
    from backlight.train import checkpoint

    if to == "start":
        return opened.start
    own = opened.folder.checkpoints / to
    if own.is_dir():
        return _of_checkpoint(opened, own)
    if not Path(to).is_dir():
        known = ["start", *(one.name for one in checkpoint.found(opened.folder.checkpoints))]
        raise UsageError(
            f"--to {to}",
            got="no such checkpoint, and no such folder",
            needs="start, a checkpoint of this run, or the folder of another run",
            remedy=nearest(to, known),
        )
    if (Path(to) / "manifest.json").is_file():
        return _of_checkpoint(opened, Path(to))
    return Opened.of(to).weights


def _of_checkpoint(opened: Opened, path: Path) -> Weights:
    from backlight.train import checkpoint

    arrays = checkpoint.load(path).arrays
    missing = [name for name in opened.weights if f"model/{name}" not in arrays]
    if missing:
        raise CheckpointError(
            str(path),
            got=f"a checkpoint without {', '.join(missing[:3])}",
            needs="one of the same model",
            remedy="Choose a checkpoint of this run.",
        )
    return {name: np.array(arrays[f"model/{name}"]) for name in opened.weights}


def _checkpoints(opened: Opened) -> list[Weights]:
    """Where training began, and every checkpoint that was kept, oldest first."""
    from backlight.train import checkpoint

    kept = checkpoint.found(opened.folder.checkpoints)
    return [opened.start, *(_of_checkpoint(opened, path) for path in kept)]


def _replayed(opened: Opened) -> list[Weights]:
    """The weights after every epoch: the run is repeated in a folder of its own, bit by bit."""
    from backlight.train.repeat import repeated

    with _progress() as tell:
        return repeated(opened.folder.settings(), tell)


def _extent(asked: Asked, path: Array) -> tuple[Array, Array]:
    """Where the points lie: around 0, from one end to the other, or around the path."""
    steps = asked.points
    if asked.along == "between":
        across = np.linspace(-0.5, 1.5, steps)
        return _through_zero(across), np.linspace(-1, 1, steps) * asked.radius
    if asked.along == "path":
        low, high = path.min(axis=0), path.max(axis=0)
        side = max(float((high - low).max()), _SMALLEST_SIDE) * (1 + 2 * _MARGIN)
        middle = (low + high) / 2
        across, up = (np.linspace(-0.5, 0.5, steps) * side * asked.radius + m for m in middle)
        return _through_zero(across), _through_zero(up)
    around = _through_zero(np.linspace(-1, 1, steps) * asked.radius)
    return around, around


def _through_zero(places: Array) -> Array:
    """The places moved by less than a step, so that the trained point is one of them."""
    moved: Array = places - places[abs(places).argmin()]
    return moved


# ── labels ─────────────────────────────────────────────────────────────────────────────────────


def _labels(opened: Opened, asked: Asked, look: Any, found: Any, path: Array, parts: Array) -> Any:
    """Title, axes with units, and the caption."""
    from backlight.explain.landscape.figure import Told

    def tell(meaning: str, **values: Any) -> str:
        return say(f"landscape.{meaning}", look.language, **values)

    direction = tell(f"{asked.along}_{asked.shape}")
    names = ("d₁", "d₂")
    if asked.along == "path":
        axes = [
            tell("axis_path", name=name, part=f"{part:.0%}")
            for name, part in zip(names, parts, strict=True)
        ]
    else:
        axes = [tell(f"axis_{asked.normalise}", name=name) for name in names]
    if asked.along == "between":
        axes[0] = tell("axis_between", first=opened.folder.path.name, last=Path(asked.to).name)
    if asked.along == "gradient":
        axes[0] = tell("axis_weights", name=names[0])
    count = min(asked.examples, len(getattr(opened.parts.data, asked.split)))
    loss = f"{_at_zero(found):.4g}"
    ends = asked.along == "path"
    key = "caption_end" if ends else "caption"
    caption = tell(key, count=f"{count:,}", split=asked.split, loss=loss)
    way, names = None, (opened.folder.path.name, Path(asked.to).name)
    if ends:
        caption += " " + tell(f"caption_path_{asked.shape}", points=len(path))
        way, names = path, (tell("start"), tell("end"))
    elif asked.along == "between":
        way = np.array([[0.0, 0.0], [1.0, 0.0]])
    return Told(
        tell(f"title_{asked.shape}", direction=direction),
        axes[0],
        axes[1] if asked.shape == "plane" else "",
        caption,
        way,
        names,
    )


def _at_zero(found: Any) -> float:
    """The loss at the point nearest to the origin of the slice."""
    column = int(abs(found.across).argmin())
    if not found.plane:
        return float(found.losses[column])
    return float(found.losses[int(abs(found.up).argmin()), column])


def _facts(found: Any, path: Array, *, cached: bool) -> dict[str, Any]:
    finite = found.losses[np.isfinite(found.losses)]
    return {
        "points": int(found.losses.size),
        "loss_nearest_to_the_trained_point": _at_zero(found),
        "smallest_loss": float(finite.min()) if len(finite) else None,
        "largest_loss": float(finite.max()) if len(finite) else None,
        "not_finite": int(found.losses.size - len(finite)),
        **({"points_of_the_path": len(path)} if len(path) else {}),
        "cached": cached,
    }


# ── cache and progress ─────────────────────────────────────────────────────────────────────────


def _cached(file: Path) -> dict[str, Array] | None:
    """The arrays of an earlier call; None if there are none, or they cannot be read."""
    try:
        with np.load(file, allow_pickle=False) as kept:
            return {name: kept[name] for name in ("across", "up", "losses", "path", "parts")}
    except (OSError, ValueError, KeyError, EOFError):
        return None


def _keep(file: Path, **arrays: Array) -> None:
    """Write the arrays beside the run, whole or not at all; a full disk is no reason to stop."""
    from backlight.train import durable

    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    try:
        file.parent.mkdir(exist_ok=True)
        durable.replace(file, stream.getvalue())
    except (OSError, CheckpointError) as problem:
        sys.stderr.write(f"warning: the landscape was not kept ({problem})\n")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error where that is a terminal; else nothing."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
    except ImportError as problem:
        raise MissingExtraError(
            "landscape", got="no rich", needs="rich", remedy="Install it: pip install rich"
        ) from problem

    console = Console(stderr=True)
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell

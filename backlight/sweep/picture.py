"""Parallel coordinates of a sweep: a line a trial, through its settings to its accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from backlight.errors import MissingExtraError
from backlight.sweep.space import Choice, Range, Space, shown


def parallel_coordinates(space: Space, trials: Sequence[Any], dark: bool = False) -> Any:
    """A matplotlib figure with an axis for each setting and one for the accuracy.

    Parameters
    ----------
    space : dict
    trials : sequence
        Trials of the library that came to a value.
    dark : bool

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(
            "the picture of a sweep",
            got="no matplotlib",
            needs="that library",
            remedy="Run: pip install 'backlight[plots]'",
        ) from None
    ink, paper = ("#e8eaed", "#111418") if dark else ("#1b1f23", "#ffffff")
    scores = [trial.value for trial in trials]
    low, high = min(scores), max(scores)
    scale = Normalize(low, high if high > low else low + 1e-3)
    colours = ScalarMappable(scale, "viridis" if dark else "viridis_r")
    width = 1.7 * (len(space) + 1) + 1
    figure = Figure(figsize=(width, 4.2), facecolor=paper, layout="constrained")
    axes = figure.add_subplot(facecolor=paper)
    for trial in sorted(trials, key=lambda one: one.value):
        heights = [_height(options, trial.params[name]) for name, options in space.items()]
        axes.plot(
            range(len(space) + 1),
            [*heights, float(scale(trial.value))],
            color=colours.to_rgba(trial.value),
            linewidth=2.4 if trial.value == high else 1.0,
            alpha=1.0 if trial.value == high else 0.75,
        )
    for place, (name, options) in enumerate(space.items()):
        for height, label in _ticks(options):
            axes.plot([place - 0.03, place + 0.03], [height, height], color=ink, linewidth=0.8)
            axes.annotate(
                label, (place - 0.05, height), ha="right", va="center", fontsize=8, color=ink
            )
        axes.plot([place, place], [0, 1], color=ink, linewidth=0.8)
        axes.annotate(
            name, (place, 1.07), ha="center", va="bottom", color=ink, annotation_clip=False
        )
    last = len(space)
    axes.plot([last, last], [0, 1], color=ink, linewidth=0.8)
    for score in sorted({low, (low + high) / 2, high}):
        axes.annotate(
            f"{score:.1%}",
            (last + 0.05, float(scale(score))),
            va="center",
            fontsize=8,
            color=ink,
            annotation_clip=False,
        )
    axes.annotate(
        "validation\naccuracy",
        (last, 1.07),
        ha="center",
        va="bottom",
        color=ink,
        annotation_clip=False,
    )
    axes.set_xlim(-0.6, last + 0.5)
    axes.set_ylim(-0.05, 1.22)
    axes.axis("off")
    return figure


def _height(options: Range | Choice, value: Any) -> float:
    """Where a value stands between the ends of its axis, 0 to 1."""
    if isinstance(options, Choice):
        place = [shown(one) for one in options.values].index(value)
        return place / max(1, len(options.values) - 1)
    if options.log:
        return float(math.log(value / options.low) / math.log(options.high / options.low))
    return float((value - options.low) / (options.high - options.low))


def _ticks(options: Range | Choice) -> list[tuple[float, str]]:
    if isinstance(options, Choice):
        words = [shown(value) for value in options.values]
        return [(_height(options, word), word) for word in words]
    values = [options.low, options.high]
    if options.log:
        first, last = math.ceil(math.log10(options.low)), math.floor(math.log10(options.high))
        values += [10.0**power for power in range(first, last + 1)]
    else:
        values.append((options.low + options.high) / 2)
    return [(_height(options, value), f"{value:.4g}") for value in sorted(set(values))]

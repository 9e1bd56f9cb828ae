"""The picture of what each layer adds: how well a linear classifier reads the classes from it.

Layers let the input be analysed in stages: what cannot be told apart by a plane among the pixels
can be after a few layers. What is drawn is computed by `backlight.explain.depth_probe`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backlight.explain.depth_probe import Probe
from backlight.explain.look.classifier import Classifier
from backlight.explain.look.style import style
from backlight.nn import activation

COMPONENTS = 16
"""Of what each layer answers, the classifier is given at most as many: width alone wins nothing."""


def stages(classifier: Classifier) -> list[str]:
    """Paths of the layers after which something is decided: the activations, or else all layers.

    Examples
    --------
    >>> from backlight import nn
    >>> from backlight.explain.look.classifier import classifier
    >>> net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> stages(classifier(net, 3, (2,)))
    ['1']
    """
    layers = classifier.layers()
    bent = [path for path, one in layers.items() if isinstance(one, activation._Activation)]
    return bent or list(layers)


def draw(
    classifier: Classifier,
    found: Sequence[Probe],
    held_out: int,
    *,
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """Accuracy of the probes, a point with its standard error for each layer.

    Parameters
    ----------
    classifier : Classifier
    found : sequence of Probe
        The inputs first.
    held_out : int
        Examples that they were judged by.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = style(theme, language)
    chance = 1 / len(classifier.classes)
    accuracies = np.array([one.accuracy for one in found])
    errors = np.sqrt(accuracies * (1 - accuracies) / held_out)
    caption = look.say(
        "probes.caption", chance=f"{chance:.1%}", count=held_out, components=COMPONENTS
    )
    size = (max(6.4, 0.85 * len(found) + 1.6), 4.6)
    with look.page(*size, look.say("probes.title"), caption) as figure:
        axes = figure.subplots()
        places = np.arange(len(found))
        axes.plot(places, accuracies, color=look.theme.value, linewidth=1)
        axes.errorbar(
            places, accuracies, errors, fmt="o", color=look.theme.value, capsize=3, markersize=5
        )
        for place, accuracy, error in zip(places, accuracies, errors, strict=True):
            axes.annotate(
                f"{accuracy:.0%}",
                (place, accuracy + error),
                xytext=(0, 5),
                textcoords="offset points",
                ha="center",
                size=8,
            )
        axes.axhline(chance, color=look.theme.faint, linewidth=0.8, linestyle="--")
        names = [
            look.say("embedding.pixels"),
            *(one.layer.replace(" (", "\n(") for one in found[1:]),
        ]
        axes.set_xticks(places, names, size=7.5)
        low, high = min(chance, accuracies.min()), accuracies.max()
        axes.set_ylim(max(0.0, low - 0.08), min(1.08, high + 0.1))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_ylabel(look.say("probes.accuracy"))
        axes.set_xlabel(look.say("probes.layer"))
        axes.grid(axis="y")
    return figure

"""A taxonomy over the classes: from animal to cat, with the confidence at each step.

The probability of a group is the sum of those of its classes. The path takes the likeliest group
first and then the likeliest class within it, so that the two always agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import ArgumentError
from backlight.explain.look.classifier import Classifier
from backlight.explain.look.style import style

Array = np.ndarray[Any, Any]

CIFAR10 = {
    "animal": ("bird", "cat", "deer", "dog", "frog", "horse"),
    "vehicle": ("airplane", "automobile", "ship", "truck"),
}

_LETTER = 0.0125
"""Width of a letter, as a part of a bar."""


@dataclass(frozen=True)
class Taxonomy:
    """Group and class for each picture, with probabilities, and how often each was right.

    Attributes
    ----------
    groups : tuple of str
    group_of : ndarray (K,)
        The group of each class.
    group_probabilities : ndarray (n, G)
    probabilities : ndarray (n, K)
    paths : ndarray (n, 2)
        Group and class of each picture.
    group_accuracy, class_accuracy : float
        Of the path.
    flat_accuracy : float
        Of the likeliest class without a path.
    """

    groups: tuple[str, ...]
    group_of: Array
    group_probabilities: Array
    probabilities: Array
    paths: Array
    group_accuracy: float
    class_accuracy: float
    flat_accuracy: float


def taxonomy(
    classifier: Classifier,
    pictures: Any,
    labels: Any,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Taxonomy:
    """The path of each picture through the groups.

    Parameters
    ----------
    classifier : Classifier
    pictures, labels : arrays
    groups : mapping of str to sequence of str, optional
        Classes of each group; CIFAR-10's animals and vehicles by default.

    Raises
    ------
    ArgumentError
        If a class is in no group, or in two.
    """
    wanted = CIFAR10 if groups is None else groups
    names = [str(one) for one in classifier.classes]
    homes = {name: [g for g, inside in wanted.items() if name in inside] for name in names}
    lost = [name for name, found in homes.items() if len(found) != 1]
    if lost:
        raise ArgumentError(
            "taxonomy",
            got=f"classes in no group or in several: {', '.join(lost[:8])}",
            needs="each class in one group",
            remedy="Use a run on cifar10, or pass groups of its classes.",
        )
    titles = tuple(wanted)
    group_of = np.array([titles.index(homes[name][0]) for name in names])
    shares = classifier.probabilities(pictures)
    sums = np.stack([shares[:, group_of == g].sum(axis=1) for g in range(len(titles))], axis=1)
    best = sums.argmax(axis=1)
    within = np.where(group_of[None] == best[:, None], shares, -1).argmax(axis=1)
    truth = np.asarray(labels)
    return Taxonomy(
        titles,
        group_of,
        sums,
        shares,
        np.stack([best, within], axis=1),
        float((best == group_of[truth]).mean()),
        float((within == truth).mean()),
        float((shares.argmax(axis=1) == truth).mean()),
    )


def draw(
    classifier: Classifier,
    pictures: Any,
    labels: Any,
    found: Taxonomy,
    count: int = 6,
    *,
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """Pictures with their path, and bars of the confidence at each step.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = style(theme, language)
    count = min(count, len(found.paths))
    # One of each class in turn, so that all kinds are seen.
    truth = np.asarray(labels)
    order = [int(np.flatnonzero(truth == k)[0]) for k in np.unique(truth)][:count]
    caption = look.say(
        "taxonomy.caption",
        group=f"{found.group_accuracy:.1%}",
        fine=f"{found.class_accuracy:.1%}",
        flat=f"{found.flat_accuracy:.1%}",
        count=f"{len(found.paths):,}",
    )
    with look.page(8.4, 1.45 * len(order) + 1.2, look.say("taxonomy.title"), caption) as figure:
        grid = figure.subplots(len(order), 2, squeeze=False, width_ratios=[1, 4.2])
        for row, place in enumerate(order):
            label = str(classifier.classes[int(truth[place])])
            look.picture(grid[row, 0], np.asarray(pictures[place]))
            grid[row, 0].set_xlabel(look.say("taxonomy.truth", name=label), size=7.5)
            _chain(look, grid[row, 1], classifier, found, place)
    return figure


def _chain(look: Any, axes: Any, classifier: Classifier, found: Taxonomy, place: int) -> None:
    """One bar of the groups' probabilities, one of the classes', in the same order."""
    order = np.argsort(found.group_of, kind="stable")
    names = [str(one) for one in classifier.classes]
    group, fine = (int(one) for one in found.paths[place])
    groups = range(len(found.groups))
    shares = found.group_probabilities[place]
    _row(look, axes, 1, [(found.groups[g], shares[g], g, g == group) for g in groups])
    shares = found.probabilities[place]
    _row(look, axes, 0, [(names[k], shares[k], int(found.group_of[k]), k == fine) for k in order])
    chain = (
        f"{found.groups[group]} {found.group_probabilities[place, group]:.0%}"
        f"  →  {names[fine]} {found.probabilities[place, fine]:.0%}"
    )
    axes.set_title(chain, size=9.5)
    axes.set_yticks([1, 0], [look.say("taxonomy.group"), look.say("class")], size=8)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def _row(look: Any, axes: Any, height: int, parts: list[tuple[str, float, int, bool]]) -> None:
    """One bar from 0 to 1; a part has its name where that fits, and is strong if it was chosen."""
    start = 0.0
    for name, share, group, chosen in parts:
        axes.barh(
            height,
            share,
            0.62,
            left=start,
            color=look.class_colour(group),
            alpha=0.9 if chosen else 0.3,
            edgecolor=look.theme.paper,
            linewidth=0.8,
        )
        if share > _LETTER * (len(name) + 1):
            colour = look.theme.paper if chosen else look.theme.ink
            middle = start + share / 2
            axes.text(middle, height, name, ha="center", va="center", size=7.5, color=colour)
        start += share

"""The family tree of the classes, found by what a network takes for one another, and a way down it.

Two classes are close if pictures of one get probability for the other. The closest are joined
first, then the next, until all are one family: of photographs, cats and dogs come together early,
animals and vehicles last, though nobody has said what an animal is. A picture's way goes from the
root to the child with more probability, and every step has its confidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import ShapeError
from backlight.explain.look.classifier import Classifier
from backlight.explain.look.style import Style, style
from backlight.explain.look.taxonomy import CIFAR10

Array = np.ndarray[Any, Any]

NEVER_ZERO = 1e-6
MOST_NAMES = 4
"""Names of a group that are written before it is only counted."""

Members = tuple[int, ...]


@dataclass(frozen=True)
class Family:
    """A tree of classes.

    Attributes
    ----------
    classes : tuple of str
    nodes : tuple of tuple of int
        Classes of every node: first one for each class, then each union, the root last.
    children : tuple of (int, int)
        Of each union.
    order : tuple of int
        The classes from top to bottom, so that no branches cross.
    mistaken : ndarray (K, K)
        Mean probability of class j for pictures of class i.
    """

    classes: tuple[str, ...]
    nodes: tuple[Members, ...]
    children: tuple[tuple[int, int], ...]
    order: Members
    mistaken: Array

    def way(self, probabilities: Array) -> list[tuple[int, float]]:
        """The nodes from below the root to a class, each with its probability.

        The probability of a node is the sum of its classes'; it cannot grow on the way down.
        """
        found = []
        node = len(self.nodes) - 1
        while node >= len(self.classes):
            pair = self.children[node - len(self.classes)]
            sums = [float(probabilities[list(self.nodes[one])].sum()) for one in pair]
            node = pair[int(sums[1] > sums[0])]
            found.append((node, max(sums)))
        return found

    def name(self, node: int) -> str:
        """The group that a node is, or its classes, or how many there are.

        Examples
        --------
        >>> classes = ("cat", "dog", "ship")
        >>> tree = Family(classes, ((0,), (1,), (2,), (0, 1)), ((0, 1),), (0, 1, 2), np.eye(3))
        >>> tree.name(3), tree.name(2)
        ('cat, dog', 'ship')
        """
        names = [self.classes[k] for k in self.nodes[node]]
        for group, inside in CIFAR10.items():
            if set(inside) == set(names):
                return group
        if len(names) <= MOST_NAMES:
            return ", ".join(names)
        return f"{', '.join(names[: MOST_NAMES - 1])}, … ({len(names)})"


def family(classifier: Classifier, pictures: Any, labels: Any) -> Family:
    """The tree of a classifier's classes.

    Parameters
    ----------
    classifier : Classifier
    pictures, labels : arrays
        Some of every class; a class without one is judged by what others are taken for it.

    Raises
    ------
    ShapeError
        If there are fewer than two classes.
    """
    classes = tuple(str(one) for one in classifier.classes)
    if len(classes) < 2:
        raise ShapeError(
            "family",
            got=f"{len(classes)} class",
            needs="at least two",
            remedy="Use a run with several classes.",
        )
    shares = classifier.probabilities(pictures)
    truth = np.asarray(labels)
    mistaken = np.zeros((len(classes), len(classes)))
    for k in np.unique(truth):
        mistaken[k] = shares[truth == k].mean(axis=0)
    return _tree(classes, mistaken)


def _tree(classes: tuple[str, ...], mistaken: Array) -> Family:
    """Join the closest two, again and again; a union is as close as its members on average."""
    alike = -np.log(mistaken + mistaken.T + NEVER_ZERO)
    np.fill_diagonal(alike, np.inf)
    nodes: list[Members] = [(k,) for k in range(len(classes))]
    children: list[tuple[int, int]] = []
    alive = list(range(len(classes)))
    while len(alive) > 1:
        among = alike[np.ix_(alive, alive)]
        row, column = divmod(int(among.argmin()), len(alive))
        pair = (alive[min(row, column)], alive[max(row, column)])
        sizes = np.array([len(nodes[one]) for one in pair])
        apart = (sizes[:, None] * alike[list(pair)]).sum(axis=0) / sizes.sum()
        nodes.append(nodes[pair[0]] + nodes[pair[1]])
        children.append(pair)
        new = len(nodes) - 1
        grown = np.full((new + 1, new + 1), np.inf)
        grown[:new, :new] = alike
        grown[new, :new] = grown[:new, new] = apart
        alike = grown
        alive = [one for one in alive if one not in pair] + [new]
    return Family(
        classes,
        tuple(nodes),
        tuple(children),
        nodes[-1],
        mistaken,
    )


def draw(
    classifier: Classifier,
    picture: Any,
    found: Family,
    *,
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """The tree with one picture's way down it, its confidence at every step.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = style(theme, language)
    shares = classifier.probabilities(np.asarray(picture)[None])[0]
    way = found.way(shares)
    chain = "  →  ".join(f"{found.name(node)} {share:.0%}" for node, share in _told(way))
    count = len(found.classes)
    with look.page(
        9.4,
        max(3.4, 0.32 * count + 1.6),
        look.say("family.title"),
        look.say("family.caption", chain=chain),
    ) as figure:
        left, right = figure.subplots(
            1,
            2,
            width_ratios=[1, 3.4],
        )
        if len(classifier.shape) == 3:
            look.picture(left, np.asarray(picture))
        else:
            left.axis("off")
        _branches(
            look,
            right,
            found,
            dict(way),
            shares,
        )
    return figure


def _told(way: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """The first step, the last, and at most two of those between."""
    return way if len(way) <= 4 else [way[0], *way[-3:]]


def _branches(look: Style, axes: Any, found: Family, way: dict[int, float], shares: Array) -> None:
    count = len(found.classes)
    heights = {k: float(count - 1 - found.order.index(k)) for k in range(count)}
    depths = dict.fromkeys(range(count), 0.0)
    for place, (first, second) in enumerate(found.children):
        node = count + place
        heights[node] = (heights[first] + heights[second]) / 2
        depths[node] = 1 + max(depths[first], depths[second])
    root = count + len(found.children) - 1
    deepest = depths[root]
    for place, pair in enumerate(found.children):
        node = count + place
        x = deepest - depths[node]
        for child in pair:
            taken = child in way and (node in way or node == root)
            axes.plot(
                [x, x, deepest - depths[child]],
                [heights[node], heights[child], heights[child]],
                color=look.theme.value if taken else look.theme.faint,
                linewidth=1 + 3 * way[child] if taken else 0.8,
                zorder=3 if taken else 2,
                solid_capstyle="round",
            )
            if taken and child >= count:
                told = f"{way[child]:.0%}"
                if found.name(child) in CIFAR10:
                    told = f"{found.name(child)} {told}"
                _confidence(
                    look,
                    axes,
                    x + 0.08,
                    heights[child],
                    told,
                )
    for k in range(count):
        told = f"{found.classes[k]}  {shares[k]:.1%}"
        strong = k in way
        axes.text(
            deepest + 0.15,
            heights[k],
            told,
            va="center",
            size=9.5,
            weight="bold" if strong else "normal",
            color=look.theme.value if strong else look.theme.ink,
        )
    axes.set_xlim(-0.2, deepest * 1.45)
    axes.set_ylim(-0.7, count - 0.3)
    axes.axis("off")


def _confidence(look: Style, axes: Any, x: float, y: float, told: str) -> None:
    axes.text(
        x,
        y + 0.12,
        told,
        va="bottom",
        size=8.5,
        color=look.theme.value,
        zorder=4,
    )

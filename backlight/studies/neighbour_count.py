"""How many neighbours should vote? Cross-validation and the bootstrap answer, each with its doubt.

Sources: CS231n, assignment 1 and image classification notes; Efron and Tibshirani, "An
introduction to the bootstrap", 1993.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.data.split import bootstrap, kfold
from backlight.errors import ArgumentError
from backlight.estimators.search import ExactSearch
from backlight.studies.board import Board, percent
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

KS = (1, 3, 5, 8, 10, 12, 15, 20, 50, 100)
"""Numbers of neighbours that are tried: those of the course's first assignment."""

FOLDS = 5
REPEATS = 200


@dataclass(frozen=True)
class Folds:
    """Accuracies of k nearest neighbours by cross-validation.

    Attributes
    ----------
    ks : tuple of int
    accuracies : ndarray (len(ks), folds)
    """

    ks: tuple[int, ...]
    accuracies: Array

    @property
    def mean(self) -> Array:
        """The mean over the folds, for each k."""
        return np.asarray(self.accuracies.mean(axis=1))

    @property
    def std(self) -> Array:
        """The standard deviation over the folds, for each k."""
        return np.asarray(self.accuracies.std(axis=1, ddof=1))

    @property
    def best(self) -> int:
        """The k with the highest mean; of equals the smallest."""
        return self.ks[int(self.mean.argmax())]


@dataclass(frozen=True)
class Resampled:
    """Which k was best in each of many samples drawn with replacement.

    Attributes
    ----------
    ks : tuple of int
    accuracies : ndarray (repeats, len(ks))
        On the examples that a sample left out.
    """

    ks: tuple[int, ...]
    accuracies: Array

    @property
    def winners(self) -> Array:
        """The best k of each sample."""
        winners: Array = np.asarray(self.ks)[self.accuracies.argmax(axis=1)]
        return winners

    @property
    def shares(self) -> Array:
        """How often each k was the best; a distribution over `ks`."""
        return np.asarray([(self.winners == k).mean() for k in self.ks])

    def interval(self, level: float = 0.95) -> tuple[int, int]:
        """The k's between which the best one lies in this share of the samples."""
        outside = (1 - level) / 2
        ends = np.quantile(
            self.winners,
            [outside, 1 - outside],
            method="inverted_cdf",
        )
        return int(ends[0]), int(ends[1])


def cross_validation(
    rows: Array,
    labels: Array,
    ks: Sequence[int] = KS,
    folds: int = FOLDS,
    p: float = 2,
    seed: int = 0,
) -> Folds:
    """Accuracy of each k on each fold; neighbours are searched once a fold, for the largest k.

    Parameters
    ----------
    rows : array (count, features)
    labels : array (count,)
    ks : sequence of int
        Those that a fold is too small for are left out.
    folds : int
        At least 2.
    p : float
        Order of the distance.
    seed : int

    Examples
    --------
    >>> rows = np.arange(20.0)[:, None]
    >>> found = cross_validation(rows, (rows[:, 0] > 9.5).astype(int), ks=(1, 3, 15))
    >>> found.accuracies.shape, found.ks
    ((3, 5), (1, 3, 15))
    """
    smallest = len(rows) - -(-len(rows) // folds)
    tried = _possible(ks, smallest)
    columns = []
    for train, held in kfold(len(rows), folds, seed, labels):
        search = ExactSearch(p=p)
        search.add(rows[train])
        _, places = search.find(rows[held], max(tried))
        near = labels[train][places]
        right = [(_voted(near, k) == labels[held]).mean() for k in tried]
        columns.append(right)
    return Folds(tried, np.array(columns).T)


def bootstrap_of_k(
    rows: Array,
    labels: Array,
    ks: Sequence[int] = KS,
    repeats: int = REPEATS,
    p: float = 2,
    seed: int = 0,
) -> Resampled:
    """The best k in samples drawn with replacement, by the error on what each leaves out.

    Neighbours are ordered once, among all examples. A sample holds an example 0, 1, 2 … times:
    that many votes it has, until k are given.

    Parameters
    ----------
    rows, labels, ks, p, seed
        As of `cross_validation`.
    repeats : int
        Samples to draw.

    Examples
    --------
    >>> rows = np.arange(40.0)[:, None]
    >>> found = bootstrap_of_k(rows, (rows[:, 0] > 19.5).astype(int), ks=(1, 9), repeats=20)
    >>> round(float(found.shares.sum()), 9), found.interval()
    (1.0, (1, 9))
    """
    tried = _possible(ks, len(rows) // 2)
    ordered = min(len(rows) - 1, 2 * max(tried) + 60)
    search = ExactSearch(p=p)
    search.add(rows)
    _, places = search.find(rows, ordered + 1)
    own = places == np.arange(len(rows))[:, None]
    own[~own.any(axis=1), -1] = True  # of duplicates another stands in an example's own place
    places = places[~own].reshape(len(rows), ordered)
    count = int(labels.max()) + 1
    found = []
    for sample, out in bootstrap(len(rows), seed, repeats):
        near = places[out]
        copies = np.bincount(sample, minlength=len(rows))[near]
        before = np.cumsum(copies, axis=1) - copies
        ballots = np.arange(len(out))[:, None] * count + labels[near]
        right = []
        for k in tried:
            votes = np.clip(k - before, 0, copies)
            given = np.bincount(
                ballots.ravel(),
                votes.ravel(),
                len(out) * count,
            )
            right.append((given.reshape(-1, count).argmax(axis=1) == labels[out]).mean())
        found.append(right)
    return Resampled(tried, np.array(found))


def _possible(ks: Sequence[int], most: int) -> tuple[int, ...]:
    tried = tuple(sorted({int(k) for k in ks if 1 <= k <= most}))
    if not tried:
        raise ArgumentError(
            "k nearest neighbours",
            got=f"k in {tuple(ks)} for {most} examples to choose from",
            needs="a k of at least 1 and at most as many as there are examples",
            remedy="Pass ks=(1, 3, 5), or more examples.",
        )
    return tried


def _voted(near: Array, k: int) -> Array:
    """The class with most of the first k votes; of equals the lower one."""
    classes = np.arange(near.max() + 1)
    votes = (near[:, :k, None] == classes).sum(axis=1)
    return np.asarray(votes.argmax(axis=1))


def draw_folds(board: Board, found: Folds, name: str) -> Any:
    """Every fold's accuracy as a dot, their mean and an error bar of one standard deviation."""
    best = board.say("best_k", k=found.best)
    values = {"folds": found.accuracies.shape[1], "data": name}
    with board.titled(
        "cross-validation",
        7.6,
        4.8,
        **values,
    ) as page:
        _folds(board, page.subplots(), found, best)
    return page


def draw_bootstrap(board: Board, found: Resampled, folds: Folds, name: str) -> Any:
    """How often each k is best, with its interval, beside the accuracies of cross-validation."""
    low, high = found.interval()
    values = {"repeats": len(found.accuracies), "low": low, "high": high, "data": name}
    with board.titled(
        "bootstrap",
        10.6,
        4.8,
        **values,
    ) as page:
        left, right = page.subplots(1, 2)
        _folds(
            board,
            left,
            folds,
            board.say("best_k", k=folds.best),
        )
        places = np.arange(len(found.ks))
        right.bar(
            places,
            100 * found.shares,
            color=board.theme.value,
            width=0.66,
        )
        top = 100 * float(found.shares.max())
        ends = [found.ks.index(low) - 0.33, found.ks.index(high) + 0.33]
        height = 1.12 * top
        right.plot(
            ends,
            [height, height],
            "|-",
            color=board.theme.ink,
            linewidth=1.3,
        )
        told = board.say(
            "bootstrap.interval",
            low=low,
            high=high,
        )
        centre = min(max(sum(ends) / 2, 1.6), len(places) - 2.6)
        board.write(
            right,
            centre,
            height * 1.02,
            told,
            va="bottom",
            size=9,
        )
        for place, share in zip(places, found.shares, strict=True):
            if share:
                height = 100 * share + 0.01 * top
                board.write(
                    right,
                    int(place),
                    height,
                    f"{share:.0%}",
                    va="bottom",
                    size=8.5,
                )
        right.set_xticks(places, [str(k) for k in found.ks])
        right.set(xlabel=board.say("neighbours"), ylabel=board.say("bootstrap.share"))
        right.set(ylim=(0, 1.28 * top), title=board.say("bootstrap.winners"))
    return page


def _folds(board: Board, axes: Any, found: Folds, told: str) -> None:
    places = np.arange(len(found.ks))
    dots = 100 * found.accuracies
    for fold in dots.T:
        axes.scatter(
            places,
            fold,
            s=16,
            color=board.theme.faint,
            alpha=0.75,
            linewidths=0,
        )
    axes.errorbar(
        places,
        100 * found.mean,
        yerr=100 * found.std,
        color=board.theme.value,
        linewidth=1.9,
        capsize=3,
    )
    best = found.ks.index(found.best)
    axes.plot(
        best,
        100 * found.mean[best],
        "o",
        color=board.theme.value,
        markersize=8,
        zorder=4,
    )
    axes.annotate(
        f"{told}: {percent(found.mean[best])}",
        (best, dots.max()),
        xytext=(4, 8),
        textcoords="offset points",
        color=board.theme.ink,
    )
    axes.set_xticks(places, [str(k) for k in found.ks])
    axes.set(xlabel=board.say("neighbours"), ylabel=board.say("accuracy"))
    axes.margins(y=0.14)
    axes.grid(axis="y")


@study("cross-validation", examples=5000)
def _cross_validation(asked: Asked) -> Told:
    given = asked.material
    found = cross_validation(
        given.train,
        given.labels,
        seed=asked.seed,
    )
    table = [
        {"k": k, "mean": float(mean), "std": float(std)}
        for k, mean, std in zip(
            found.ks,
            found.mean,
            found.std,
            strict=True,
        )
    ]
    facts = {"best_k": found.best, "accuracy": float(found.mean.max()), "table": table}
    return draw_folds(asked.board, found, given.name), facts


@study("bootstrap", examples=2000)
def _bootstrap(asked: Asked) -> Told:
    given = asked.material
    folds = cross_validation(
        given.train,
        given.labels,
        seed=asked.seed,
    )
    found = bootstrap_of_k(
        given.train,
        given.labels,
        seed=asked.seed,
    )
    low, high = found.interval()
    facts = {
        "best_k_by_bootstrap": found.ks[int(found.shares.argmax())],
        "interval": f"{low} … {high}",
        "best_k_by_cross_validation": folds.best,
        "agree": low <= folds.best <= high,
        "table": [
            {"k": k, "share": float(share)} for k, share in zip(found.ks, found.shares, strict=True)
        ],
    }
    return draw_bootstrap(
        asked.board,
        found,
        folds,
        given.name,
    ), facts

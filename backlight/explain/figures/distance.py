"""Distances between pictures and points, and the neighbours that they make."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from backlight import philox
from backlight.data.digits import load_digits
from backlight.data.split import bootstrap, kfold
from backlight.data.toy import moons
from backlight.explain.figures.registry import figure
from backlight.explain.figures.sheet import Array, Sheet, number
from backlight.gates.distance import cdist
from backlight.gates.nearest import nearest

TEST = np.array([[56, 32, 10, 18], [90, 23, 128, 133], [24, 26, 178, 200], [2, 0, 255, 220]])
TRAINING = np.array([[10, 20, 24, 17], [8, 10, 89, 100], [12, 16, 178, 170], [4, 32, 233, 112]])


@figure("city-blocks", linked="S1:6")
def city_blocks(sheet: Sheet) -> Any:
    """Three walks of one length around the blocks, and the straight line."""
    ends = np.array([[0.0, 0.0], [6.0, 6.0]])
    walks = [
        [(0, 0), (0, 6), (6, 6)],
        [(0, 0), (2, 0), (2, 2), (4, 2), (4, 5), (6, 5), (6, 6)],
        [(0, 0), (1, 0), (1, 1), (2, 1), (2, 3), (3, 3), (3, 4), (5, 4), (5, 6), (6, 6)],
    ]
    from matplotlib.patches import Rectangle

    shades = [sheet.theme.classes[place] for place in (0, 3, 1)]
    with sheet.titled("city-blocks", 7.9, 5.7) as page:
        axes = page.subplots()
        for x, y in np.ndindex(6, 6):
            axes.add_patch(
                Rectangle(
                    (x + 0.09, y + 0.09),
                    0.82,
                    0.82,
                    color=sheet.mix(sheet.theme.ink, 0.09),
                ),
            )
        for walk, colour, line in zip(walks, shades, ("-", "-.", "--"), strict=True):
            axes.plot(*np.array(walk).T, line, color=colour, linewidth=2.8)
        axes.plot(*ends.T, color=sheet.theme.value, linewidth=2.8)
        axes.plot(*ends.T, "o", color=sheet.theme.ink, markersize=9, zorder=4)
        far = {
            p: float(
                cdist(
                    ends[:1],
                    ends[1:],
                    p=p,
                )[0, 0],
            )
            for p in (1, 2)
        }
        names = [
            sheet.say(
                "city-blocks.walk",
                k=k,
                far=number(far[1]),
            )
            for k in (1, 2, 3)
        ]
        straight = sheet.say("city-blocks.straight", far=number(round(far[2], 3)))
        axes.legend(
            [*[axes.lines[k] for k in range(3)], axes.lines[3]],
            [*names, straight],
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            fontsize=10,
        )
        axes.set(aspect="equal", xlim=(-0.3, 6.3), ylim=(-0.3, 6.3))
        axes.axis("off")
    return page


@figure("l1-distance", linked="S1:8", near="S1:23")
def l1_distance(sheet: Sheet) -> Any:
    """The absolute differences of two small pictures, and their sum."""
    return _subtracted(sheet, 1)


@figure("l2-distance", linked="S1:11", near="S1:36")
def l2_distance(sheet: Sheet) -> Any:
    """The squared differences of two small pictures, and the root of their sum."""
    return _subtracted(sheet, 2)


def _subtracted(sheet: Sheet, p: int) -> Any:
    """Two pictures, their difference number by number, and what it comes to."""
    rows = [one.reshape(1, -1).astype(float) for one in (TEST, TRAINING)]
    total = float(cdist(*rows, p=p)[0, 0])
    apart = np.abs(TEST - TRAINING) ** p
    name = f"l{p}-distance"
    formulas = {
        1: r"$d_1(I_1, I_2) = \sum_k \left| I_1^k - I_2^k \right|$",
        2: r"$d_2(I_1, I_2) = \sqrt{\sum_k \left( I_1^k - I_2^k \right)^2}$",
    }
    sign = {1: "Σ", 2: "√Σ"}[p]
    cell = 0.6
    with sheet.titled(name, 10.4, 4.4) as page:
        axes = sheet.canvas(page.subplots(), 10.2, 3.6)
        sheet.write(axes, 5.1, 3.3, formulas[p], size=15)
        tables = ((TEST, "test"), (TRAINING, "training"), (apart, "difference"))
        for place, (table, told) in enumerate(tables):
            left = 0.1 + place * 3.0
            grey = sheet.theme.name == "light"
            fill = [
                [
                    _shade(sheet, value / apart.max() if place == 2 else value / 255, place, grey)
                    for value in row
                ]
                for row in table
            ]
            sheet.grid(axes, table, left, 2.85, cell, fill=fill, size=10)
            sheet.write(axes, left + 2 * cell, 0.22, sheet.say(f"{name}.{told}"), size=9.5)
            if place < 2:
                sheet.write(axes, left + 2.7, 2.85 - 2 * cell, "−="[place], size=18)
        sheet.write(axes, 9.05, 2.85 - 2 * cell, f"→ {sign}", size=15)
        sheet.write(
            axes,
            9.8,
            2.85 - 2 * cell,
            number(round(total, 1)),
            size=15,
            color=sheet.theme.value,
            weight="bold",
        )
    return page


def _shade(sheet: Sheet, share: float, place: int, light: bool) -> Any:
    """The colour behind a number: pale enough to read it."""
    colour = sheet.theme.gradient if place == 2 else sheet.theme.ink
    return sheet.mix(colour, (0.34 if light else 0.42) * share)


@figure("unit-circles", near="S1:5")
def unit_circles(sheet: Sheet) -> Any:
    """All points at distance 1 from the middle, by three distances."""
    side = np.linspace(-1.4, 1.4, 281)
    places = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    with sheet.titled("unit-circles", 8.6, 3.9) as page:
        for axes, (p, name) in zip(
            page.subplots(1, 3),
            ((1, "L1"), (2, "L2"), (np.inf, "L∞")),
            strict=True,
        ):
            far = cdist(
                places,
                np.zeros((1, 2)),
                p=p,
            ).reshape(281, 281)
            axes.contourf(
                side,
                side,
                far,
                levels=[0, 1],
                colors=[sheet.theme.value],
                alpha=0.13,
            )
            axes.contour(
                side,
                side,
                far,
                levels=[0.5, 1],
                colors=sheet.theme.value,
                linewidths=[0.7, 2.2],
            )
            point = np.array([[0.6, 0.8]])
            axes.plot(
                *point[0],
                "o",
                color=sheet.theme.ink,
                markersize=6,
                zorder=4,
            )
            told = number(
                round(
                    float(
                        cdist(
                            point,
                            np.zeros((1, 2)),
                            p=p,
                        )[0, 0],
                    ),
                    3,
                ),
            )
            inside = p == np.inf  # above the point it would lie on the line
            sheet.write(axes, 0.66, 0.6 if inside else 0.92, told, ha="left")
            sheet.cross(axes)
            axes.set(
                aspect="equal",
                xticks=[-1, 0, 1],
                yticks=[-1, 0, 1],
                title=name,
            )
    return page


@figure("neighbours", linked="S1:29", near="S1:30")
def neighbours(sheet: Sheet) -> Any:
    """A query whose answer changes with the number of neighbours that vote."""
    squares = np.array([[-1.15, 0.62], [-1.5, -0.45], [-0.55, 1.75], [-1.9, 1.2], [-2.1, 0.1]])
    triangles = np.array(
        [[0.62, 0.42], [0.75, -0.55], [2.0, 1.15], [2.1, -0.4], [1.5, 1.75], [1.55, -1.75]],
    )
    points = np.concatenate([squares, triangles])
    labels = np.array([0] * len(squares) + [1] * len(triangles))
    query = np.zeros((1, 2))
    from matplotlib.patches import Circle

    with sheet.titled("neighbours", 8.1, 5.2) as page:
        axes = page.subplots()
        for k, line in ((3, "-"), (5, "--")):
            around = nearest(query, points, k)[0]
            votes = np.bincount(labels[around], minlength=2)
            radius = float(cdist(query, points[around]).max()) + 0.13
            axes.add_patch(
                Circle(
                    (0, 0),
                    radius,
                    fill=False,
                    linestyle=line,
                    linewidth=1.4,
                    edgecolor=sheet.theme.ink,
                ),
            )
            told = sheet.say("neighbours.votes", k=k, squares=votes[0], triangles=votes[1])
            axes.plot(
                [],
                [],
                line,
                color=sheet.theme.ink,
                linewidth=1.4,
                label=told,
            )
        for group, marker, colour in ((squares, "s", 0), (triangles, "^", 1)):
            axes.scatter(
                *group.T,
                s=130,
                marker=marker,
                color=sheet.class_colour(colour),
                zorder=3,
            )
        axes.scatter(0, 0, s=190, color=sheet.theme.value, zorder=3)
        sheet.write(
            axes,
            0,
            -0.02,
            "?",
            color=sheet.theme.paper,
            weight="bold",
            zorder=5,
        )
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=10)
        axes.set(aspect="equal", xlim=(-2.5, 2.5), ylim=(-2.2, 2.2))
        axes.axis("off")
    return page


@figure("nearest-neighbour-boundaries", near="S1:32")
def boundaries(sheet: Sheet) -> Any:
    """What one, five and fifteen neighbours make of the same noisy points."""
    data = moons(60, noise=0.3, seed=4).train
    points, labels = np.asarray(data.inputs, float), np.asarray(data.labels)
    low, high = points.min(axis=0) - 0.4, points.max(axis=0) + 0.4
    across, up = (
        np.linspace(*ends, 90)
        for ends in zip(
            low,
            high,
            strict=True,
        )
    )
    places = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    from matplotlib.colors import ListedColormap

    pale = ListedColormap([sheet.mix(sheet.class_colour(k), 0.24) for k in range(2)])
    with sheet.titled("nearest-neighbour-boundaries", 10.0, 3.9) as page:
        for axes, k in zip(
            page.subplots(1, 3),
            (1, 5, 15),
            strict=True,
        ):
            classes = vote(places, points, labels, k).reshape(len(up), len(across))
            axes.pcolormesh(across, up, classes, cmap=pale, vmin=0, vmax=1, rasterized=True)
            axes.contour(
                across,
                up,
                classes,
                levels=[0.5],
                colors=sheet.theme.ink,
                linewidths=0.9,
            )
            sheet.points(axes, points, labels, 20)
            right = float((vote(points, points, labels, k) == labels).mean())
            sheet.bare(axes, f"k = {k}")
            axes.set_aspect("equal")
            axes.set_xlabel(sheet.say("nearest-neighbour-boundaries.right", share=f"{right:.0%}"))
    return page


def vote(queries: Array, points: Array, labels: Array, k: int) -> Array:
    """The class that most of the k nearest points have; the lower one, of equally many."""
    votes = labels[nearest(queries, points, k)]
    counts = np.stack([(votes == one).sum(axis=1) for one in np.unique(labels)])
    return np.asarray(counts.argmax(axis=0))


CHOICES = (1, 3, 5, 9, 15, 25, 40, 65)
"""Numbers of neighbours to choose from."""


@figure("bootstrap", near="S1:37")
def bootstrapped(sheet: Sheet) -> Any:
    """Which k wins, when the same digits are drawn again and again with replacement."""
    folds, draws = _accuracies()
    best = np.argmax(draws, axis=1)
    ends = [number(CHOICES[round(one)]) for one in np.quantile(best, (0.05, 0.95))]
    with sheet.titled(
        "bootstrap",
        9.6,
        4.2,
        low=ends[0],
        high=ends[1],
    ) as page:
        left, right = page.subplots(1, 2, width_ratios=[1.2, 1])
        places = np.arange(len(CHOICES))
        for fold in folds:
            left.plot(places, fold, "o", color=sheet.theme.faint, markersize=4)
        left.errorbar(
            places,
            np.mean(folds, axis=0),
            np.std(folds, axis=0),
            color=sheet.theme.value,
            linewidth=2,
            capsize=4,
        )
        counts = np.bincount(best, minlength=len(CHOICES))
        right.bar(places, counts, color=sheet.theme.classes[1], width=0.65)
        for place, count in enumerate(counts):
            sheet.write(
                right,
                place,
                count + 0.4,
                number(float(count)),
                size=9,
                va="bottom",
            )
        for axes, name in ((left, "folds"), (right, "draws")):
            axes.set_xticks(places, [str(k) for k in CHOICES])
            axes.set(xlabel="k", title=sheet.say(f"bootstrap.{name}"))
        left.grid()
        right.set_ylim(0, 1.15 * max(counts))
    return page


@cache
def _accuracies() -> tuple[Array, Array]:
    """For each of five folds and of sixty bootstrap draws, how many digits each k gets right."""
    train = load_digits().train
    rows = np.asarray(train.inputs[:500], float).reshape(500, -1) / 16
    rows += 0.38 * philox.normal(5, 0, rows.shape, np.float64)
    labels = np.asarray(train.labels[:500])
    far = cdist(rows, rows)

    def right(chosen: Array, left: Array) -> list[float]:
        order = np.argsort(far[np.ix_(left, chosen)], axis=1, kind="stable")
        votes = labels[chosen][order[:, : max(CHOICES)], None] == np.arange(10)
        counts = np.cumsum(votes, axis=1)[:, np.array(CHOICES) - 1]
        return [float(one) for one in (counts.argmax(axis=2) == labels[left, None]).mean(axis=0)]

    folds = [right(*split) for split in kfold(len(rows), 5, seed=1)]
    draws = [right(*split) for split in bootstrap(len(rows), seed=1, repeats=60)]
    return np.array(folds), np.array(draws)

"""How many hidden units at least? A class that surrounds another, and the space they are bent into.

A hidden layer moves every point to its units' answers, and the last layer puts a line there (a
plane, with three). One or two units can only fold the plane; a ring stays around what it surrounds.
With three, the middle is pushed out of the sheet and a plane cuts it off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import backlight
from backlight import nn, optim, philox
from backlight.data.toy import circles
from backlight.gates.binary import binary_cross_entropy_with_logits
from backlight.gates.transcendental import tanh
from backlight.studies.board import Board, percent
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

UNITS = (1, 2, 3, 4)
STARTS = 10
STEPS = 600
RATE = 0.05
DECAY = 2e-3
"""Keeps weights so small that units bend and do not switch."""
NOISE = 0.05
REACH = 1.35
"""How far the plane is shown."""
SOLVED = 0.995
ELEVATION = 16.0
SEEN = 0.22
"""How much of the plane's front is turned to the reader, 0 for its edge."""


@dataclass(frozen=True)
class Bent:
    """The best of some networks with this many hidden units.

    Attributes
    ----------
    units : int
    accuracies : ndarray (starts,)
        Of every start, best first.
    inner : (array (2, units), array (1, units))
        Weights and biases into the hidden layer, of the best.
    outer : (array (units, 1), array (1, 1))
    """

    units: int
    accuracies: Array
    inner: tuple[Array, Array]
    outer: tuple[Array, Array]

    def hidden(self, points: Array) -> Array:
        """The answers of the hidden units, (count, units)."""
        return np.asarray(np.tanh(points @ self.inner[0] + self.inner[1]))

    def scores(self, points: Array) -> Array:
        """Above 0 for the inner class."""
        return (self.hidden(points) @ self.outer[0] + self.outer[1])[:, 0]


def bend(points: Array, labels: Array, units: int, starts: int = STARTS, seed: int = 0) -> Bent:
    """Train all starts at once, and keep the best.

    Their losses are added up, so that each has its own gradient, and Adam moves each number by
    itself: they learn as if they were alone.

    Parameters
    ----------
    points : array (count, 2)
    labels : array (count,)
        0 or 1.
    units : int
    starts : int
    seed : int
    """
    shapes = ((starts, 2, units), (starts, 1, units), (starts, units, 1), (starts, 1, 1))
    weights = [
        nn.Parameter(
            philox.normal(
                seed,
                10 * units + place,
                shape,
            )
        )
        for place, shape in enumerate(shapes)
    ]
    rule = optim.Adam(weights, lr=RATE)
    wanted = np.broadcast_to(labels[None, :, None], (starts, len(labels), 1)).astype(np.float32)
    given = points.astype(np.float32)

    @backlight.compile  # type: ignore[untyped-decorator]
    def learn(rows: Any, truth: Any) -> Any:
        loss = starts * binary_cross_entropy_with_logits(_scores(weights, rows), truth)
        loss = loss + DECAY * sum((one * one).sum() for one in weights)
        rule.zero_grad()
        loss.backward()
        rule.step()
        return loss

    learn.repeat(STEPS)(given, wanted)
    with backlight.no_grad():
        scores = _scores(weights, given).numpy()[..., 0]
    accuracies = ((scores > 0) == labels).mean(axis=1)
    best = int(accuracies.argmax())
    found = [np.array(one.detach().numpy()[best], np.float64) for one in weights]
    return Bent(
        units,
        np.sort(accuracies)[::-1],
        (found[0], found[1]),
        (found[2], found[3]),
    )


def _scores(weights: Sequence[Any], rows: Any) -> Any:
    into, bias, out, last = weights
    return tanh(rows @ into + bias) @ out + last


def ring(count: int = 300, seed: int = 0) -> tuple[Array, Array]:
    """Two circles, one around the other; label 1 is the inner one."""
    data = circles(count, NOISE, seed)
    points, labels = np.asarray(data.train.inputs, float), np.asarray(data.train.labels)
    distance = np.hypot(*points.T)
    inner = int(distance[labels == 1].mean() < distance[labels == 0].mean())
    return points, (labels == inner).astype(int)


def fewest_units(
    units: Sequence[int] = UNITS, starts: int = STARTS, seed: int = 0
) -> tuple[Array, Array, list[Bent]]:
    """Points, labels, and the best network of each size."""
    points, labels = ring(seed=seed)
    return points, labels, [bend(points, labels, one, starts, seed) for one in units]


def enough(found: Sequence[Bent]) -> int | None:
    """The fewest units of which some start tells the classes apart."""
    return min((one.units for one in found if one.accuracies[0] >= SOLVED), default=None)


def draw(board: Board, points: Array, labels: Array, found: Sequence[Bent]) -> Any:
    """The plane with its boundary above, the space of the hidden units below."""
    least = enough(found)
    shown = [one for one in found if one.units <= 3]
    values = {"least": "?" if least is None else least, "starts": len(found[0].accuracies)}
    with board.titled(
        "fewest-units",
        10.6,
        7.4,
        **values,
    ) as page:
        rows = 2
        for column, one in enumerate(shown):
            axes = page.add_subplot(
                rows,
                len(shown),
                column + 1,
            )
            _plane(board, axes, one, points, labels)
            place = len(shown) + column + 1
            if one.units == 3:
                _space(
                    board,
                    page.add_subplot(
                        rows,
                        len(shown),
                        place,
                        projection="3d",
                    ),
                    one,
                )
            else:
                _sheet(
                    board,
                    page.add_subplot(rows, len(shown), place),
                    one,
                )
            if one.units == 2:
                page.axes[-1].set_title(board.say("fewest-units.bent"))
    return page


def _plane(board: Board, axes: Any, one: Bent, points: Array, labels: Array) -> None:
    line = np.linspace(-REACH, REACH, 161)
    across, up = np.meshgrid(line, line)
    scores = one.scores(np.c_[across.ravel(), up.ravel()]).reshape(across.shape)
    faint = [board.mix(board.class_colour(k), 0.22) for k in (0, 1)]
    axes.contourf(
        across,
        up,
        scores,
        levels=[-1e9, 0, 1e9],
        colors=faint,
    )
    axes.contour(
        across,
        up,
        scores,
        levels=[0],
        colors=board.theme.ink,
        linewidths=1.4,
    )
    board.points(axes, points, labels, 9)
    told = board.say(
        "fewest-units.units",
        units=one.units,
        share=percent(float(one.accuracies[0])),
    )
    axes.set_title(told)
    axes.set(
        aspect="equal",
        xticks=[],
        yticks=[],
    )


def _grid() -> list[Array]:
    """Lines of a net over the plane."""
    along = np.linspace(-REACH, REACH, 60)
    nets = []
    for still in np.linspace(-REACH, REACH, 13):
        nets.append(np.c_[along, np.full_like(along, still)])
        nets.append(np.c_[np.full_like(along, still), along])
    return nets


def _rings() -> list[Array]:
    """The two circles without noise, the outer one first."""
    angle = np.linspace(0, 2 * np.pi, 121)
    circle = np.c_[np.cos(angle), np.sin(angle)]
    return [circle, 0.5 * circle]


def _sheet(board: Board, axes: Any, one: Bent) -> None:
    """Where one or two hidden units put the plane, its circles, and the dividing line."""
    if one.units == 1:
        for k, circle in enumerate(_rings()):
            there = one.hidden(circle)[:, 0]
            axes.plot(
                [there.min(), there.max()],
                [0.4 - 0.8 * k] * 2,
                color=board.class_colour(k),
                linewidth=7,
                solid_capstyle="round",
            )
        place = -one.outer[1][0, 0] / one.outer[0][0, 0]
        axes.axvline(
            place,
            color=board.theme.ink,
            linewidth=1.4,
        )
        axes.set(
            xlim=(-1.1, 1.1),
            ylim=(-1.2, 1.2),
            yticks=[],
            xlabel="h₁",
        )
        axes.set_title(board.say("fewest-units.line"))
        return
    for net in _grid():
        axes.plot(
            *one.hidden(net).T,
            color=board.theme.faint,
            linewidth=0.5,
            alpha=0.7,
        )
    for k, circle in enumerate(_rings()):
        axes.plot(
            *one.hidden(circle).T,
            color=board.class_colour(k),
            linewidth=2.6,
        )
    edge = np.array([-1.1, 1.1])
    normal, bias = one.outer[0][:, 0], one.outer[1][0, 0]
    if abs(normal[1]) > abs(normal[0]):
        axes.plot(
            edge,
            -(bias + normal[0] * edge) / normal[1],
            color=board.theme.ink,
        )
    else:
        axes.plot(
            -(bias + normal[1] * edge) / normal[0],
            edge,
            color=board.theme.ink,
        )
    axes.set(
        xlim=(-1.1, 1.1),
        ylim=(-1.1, 1.1),
        aspect="equal",
        xlabel="h₁",
        ylabel="h₂",
    )


def _space(board: Board, axes: Any, one: Bent) -> None:
    """Where three hidden units put the circles, and the plane that cuts them apart."""
    axes.set_facecolor(board.theme.paper)
    for k, circle in enumerate(_rings()):
        axes.plot(
            *one.hidden(circle).T,
            color=board.class_colour(k),
            linewidth=2.6,
        )
    normal, bias = one.outer[0][:, 0], one.outer[1][0, 0]
    up = int(np.abs(normal).argmax())
    others = [axis for axis in range(3) if axis != up]
    edge = np.linspace(-1, 1, 21)
    first, second = np.meshgrid(edge, edge)
    height = -(bias + normal[others[0]] * first + normal[others[1]] * second) / normal[up]
    height[np.abs(height) > 1] = np.nan
    sides = [first, second]
    sides.insert(up, height)
    axes.plot_surface(
        *sides,
        color=board.theme.ink,
        alpha=0.3,
        linewidth=0,
        shade=False,
    )
    axes.set(
        xlim=(-1, 1),
        ylim=(-1, 1),
        zlim=(-1, 1),
        xticks=[],
        yticks=[],
        zticks=[],
    )
    axes.set(
        xlabel="h₁",
        ylabel="h₂",
        zlabel="h₃",
    )
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((0, 0, 0, 0))
    axes.view_init(*_edge_on(normal))
    axes.set_title(board.say("fewest-units.cut"))


def _edge_on(normal: Array) -> tuple[float, float]:
    """Elevation and azimuth in degrees from where a plane is seen almost as a line."""
    unit = normal / np.linalg.norm(normal)
    lift = np.deg2rad(ELEVATION)
    turns = np.deg2rad(np.arange(0, 360, 2))
    flat = np.cos(lift) * (np.cos(turns) * unit[0] + np.sin(turns) * unit[1])
    best = int(np.abs(flat + np.sin(lift) * unit[2] - SEEN).argmin())
    return ELEVATION, float(np.rad2deg(turns[best]))


@study("fewest-units", data="")
def _fewest_units(asked: Asked) -> Told:
    points, labels, found = fewest_units(seed=asked.seed)
    table = [
        {
            "units": one.units,
            "best": float(one.accuracies[0]),
            "median": float(np.median(one.accuracies)),
            "solved": int((one.accuracies >= SOLVED).sum()),
        }
        for one in found
    ]
    facts: dict[str, Any] = {"fewest_units": enough(found), "table": table}
    return draw(asked.board, points, labels, found), facts

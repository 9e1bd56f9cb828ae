"""Losses along lines and over planes: convex pieces, a walk downhill, and the size of a step."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from backlight import philox
from backlight.data.digits import load_digits
from backlight.engine.derivative import grad
from backlight.explain.figures.registry import figure
from backlight.explain.figures.sheet import Array, Sheet, number
from backlight.gates.hinge import multiclass_hinge
from backlight.gates.transcendental import exp

Surface = Callable[[Any], Any]


@cache
def _digits(count: int) -> tuple[Array, Array]:
    """The first digits as rows in [0, 1] with a one behind each, and their labels."""
    train = load_digits().train
    rows = np.asarray(train.inputs[:count], float).reshape(count, -1) / 16
    return np.c_[rows, np.ones(count)], np.asarray(train.labels[:count])


def svm_loss(weights: Array, rows: Array, labels: Array) -> float:
    """The mean hinge loss of a linear classifier, without regularisation."""
    return float(multiclass_hinge(rows @ weights.T, labels))


@figure("svm-slice", linked="S1:70", near="S1:68 S1:72 S1:146")
def svm_slice(sheet: Sheet) -> Any:
    """L(W + a·W₁) of one digit and of a hundred, and L(W + a·W₁ + b·W₂) as a map."""
    rows, labels = _digits(100)
    shape = (3, 10, rows.shape[1])
    start, first, second = 0.3 * philox.normal(24, 0, shape, np.float64)
    steps, side = np.linspace(-2, 2, 401), np.linspace(-2, 2, 61)
    one = np.array(
        [
            svm_loss(
                start + a * first,
                rows[:1],
                labels[:1],
            )
            for a in steps
        ]
    )
    many = np.array([svm_loss(start + a * first, rows, labels) for a in steps])
    plane = np.array(
        [
            [
                svm_loss(
                    start + a * first + b * second,
                    rows,
                    labels,
                )
                for a in side
            ]
            for b in side
        ],
    )
    bends = _bends(one)
    with sheet.titled("svm-slice", 10.6, 4.1, bends=len(bends)) as page:
        panels = page.subplots(1, 3)
        for axes, losses, name in ((panels[0], one, "one"), (panels[1], many, "many")):
            axes.plot(steps, losses, color=sheet.theme.value, linewidth=2)
            axes.set_title(sheet.say(f"svm-slice.{name}"))
            axes.set(xlabel="a", xlim=(-2, 2), ylim=(0, None))
            axes.grid()
        panels[0].plot(
            steps[bends],
            one[bends],
            "o",
            color=sheet.theme.gradient,
            markersize=5,
        )
        panels[0].set_ylabel("L(W + a W₁)")
        how = {"levels": 14, "cmap": sheet.amount(), "alpha": 0.8}
        image = panels[2].contourf(side, side, plane, **how)
        paper = sheet.theme.paper
        panels[2].contour(side, side, plane, levels=14, colors=paper, linewidths=0.4)
        panels[2].set_title(sheet.say("svm-slice.plane"))
        panels[2].set(xlabel="a", ylabel="b", aspect="equal")
        sheet.bar(page, image, panels[2], "L")
    return page


def _bends(losses: Array) -> Array:
    """Where a piecewise linear curve changes its slope: one place for each bend."""
    change = np.abs(np.diff(losses, 2))
    found = np.flatnonzero(change > 1e-9) + 1
    apart = np.diff(found, prepend=-2) > 1
    places: Array = found[apart]
    return places


def valley(w: Any) -> Any:
    """A surface with two valleys, one deeper than the other."""
    x, y = w[..., 0], w[..., 1]
    bowl = 2.2 + 0.08 * (x * x + y * y)
    deep = -2.2 * exp(-0.45 * ((x - 1.4) ** 2 + (y + 0.8) ** 2))
    shallow = -1.4 * exp(-0.7 * ((x + 2.0) ** 2 + (y - 1.1) ** 2))
    return bowl + deep + shallow


def ravine(w: Any) -> Any:
    """A quadratic valley, steep across and gentle along."""
    return 0.1 * w[..., 0] ** 2 + 0.55 * (w[..., 1] + 0.35 * w[..., 0]) ** 2


def walk(surface: Surface, start: tuple[float, ...], rate: float, steps: int) -> Array:
    """Where gradient descent goes: every point, the start included."""
    slope = grad(surface)
    places = [np.array(start, dtype=float)]
    for _ in range(steps):
        places.append(places[-1] - rate * np.asarray(slope(places[-1])))
    return np.stack(places)


def _ground(sheet: Sheet, axes: Any, surface: Surface, extent: tuple[float, ...]) -> Any:
    """The surface as a map with contours."""
    left, right, low, high = extent
    across, up = np.linspace(left, right, 121), np.linspace(low, high, 121)
    heights = np.asarray(surface(np.stack(np.meshgrid(across, up), axis=-1)))
    levels = np.linspace(heights.min(), np.quantile(heights, 0.97), 16)
    axes.contourf(
        across,
        up,
        heights,
        levels=levels,
        cmap=sheet.amount(),
        extend="max",
        alpha=0.55,
    )
    axes.contour(across, up, heights, levels=levels, colors=sheet.theme.paper, linewidths=0.5)
    axes.set(
        aspect="equal",
        xlim=(left, right),
        ylim=(low, high),
        xticks=[],
        yticks=[],
    )
    return heights


def _track(sheet: Sheet, axes: Any, places: Array, colour: str) -> None:
    """The steps of a walk as arrows, its start as a ring, its end as a disc."""
    axes.plot(*places.T, "-", color=colour, linewidth=1.4, zorder=4)
    axes.plot(
        *places[1:-1].T,
        "o",
        color=colour,
        markersize=3,
        zorder=4,
    )
    axes.plot(
        *places[0],
        "o",
        color=colour,
        markerfacecolor=sheet.theme.paper,
        markersize=8,
        markeredgewidth=2,
        zorder=5,
    )
    axes.plot(*places[-1], "o", color=colour, markersize=8, zorder=5)


@figure("descent", linked="S3:11", near="S0:10 S3:3 S3:7 S3:9")
def descent(sheet: Sheet) -> Any:
    """The loss as a landscape over two weights, a walk against the gradient, and its heights."""
    extent = (-4.0, 4.0, -3.0, 3.4)
    starts = ((3.3, 2.9), (-3.3, 3.0))
    with sheet.titled("descent", 9.8, 4.4) as page:
        left, right = page.subplots(1, 2, width_ratios=[1.25, 1])
        _ground(sheet, left, valley, extent)
        for place, (start, line) in enumerate(zip(starts, ("-", "--"), strict=True)):
            places = walk(valley, start, 0.3, 60)
            colour = (sheet.theme.gradient, sheet.theme.ink)[place]
            _track(sheet, left, places, colour)
            losses = [float(valley(one)) for one in places]
            right.plot(losses, line, color=colour, linewidth=2)
            told = sheet.say(f"descent.{('global', 'local')[place]}", loss=number(losses[-1]))
            right.text(
                60,
                losses[-1] + 0.1,
                told,
                ha="right",
                va="bottom",
                color=colour,
                size=10,
            )
        left.set(xlabel="w₁", ylabel="w₂")
        right.set(xlabel=sheet.say("descent.step"), ylabel="L", xlim=(0, 61))
        right.grid()
    return page


@figure("step-size", near="S1:86")
def step_size(sheet: Sheet) -> Any:
    """From one place with one gradient: a timid step, a good one, and one across the valley."""
    extent = (-4.0, 4.0, -3.0, 3.4)
    start = np.array([-2.2, 2.9])
    slope = np.asarray(grad(ravine)(start))
    rates = (0.15, 0.8, 1.75)
    with sheet.titled("step-size", 10.0, 4.3) as page:
        left, right = page.subplots(1, 2, width_ratios=[1.2, 1])
        _ground(sheet, left, ravine, extent)
        far = np.linspace(0, 2.1, 200)
        along = np.asarray(ravine(start - far[:, None] * slope))
        right.plot(far, along, color=sheet.theme.value, linewidth=2)
        right.axhline(along[0], color=sheet.theme.faint, linestyle=":", linewidth=1)
        left.plot(
            *(start - far[[0, -1], None] * slope).T,
            ":",
            color=sheet.theme.ink,
            linewidth=1,
        )
        left.plot(*start, "o", color=sheet.theme.ink, markersize=8, zorder=6)
        for rate, name, colour in zip(
            rates,
            ("small", "right", "large"),
            (0, 2, 1),
            strict=True,
        ):
            end = start - rate * slope
            shade = sheet.theme.classes[colour]
            marker = "os^"[rates.index(rate)]
            left.plot(
                *end,
                marker,
                color=shade,
                markersize=10,
                zorder=6,
                markeredgecolor=sheet.theme.paper,
            )
            right.plot(
                rate,
                float(ravine(end)),
                marker,
                color=shade,
                markersize=10,
                zorder=6,
            )
            told = sheet.say(f"step-size.{name}", rate=number(rate))
            ha = "right" if name == "large" else "left"
            shift = -0.06 if ha == "right" else 0.07
            above = name != "right"
            right.text(
                rate + shift,
                float(ravine(end)) + (0.1 if above else -0.2),
                told,
                ha=ha,
                va="bottom" if above else "top",
                size=10,
                color=shade,
            )
        left.set(xlabel="w₁", ylabel="w₂")
        right.set(xlabel=sheet.say("step-size.rate"), ylabel="L(w − η ∇L)", ylim=(-0.2, None))
        right.grid()
    return page


@figure("learning-rates", near="S1:85")
def learning_rates(sheet: Sheet) -> Any:
    """½·L·x² with rates below and above the bound 2/L: the steps, and the losses."""
    curvature = 2.0
    rates = [(0.04, "small"), (0.9, "right"), (1.9, "large"), (2.1, "diverges")]

    def parabola(w: Any) -> Any:
        return (0.5 * curvature * w * w).sum()

    with sheet.titled("learning-rates", 10.6, 5.6) as page:
        parts = page.subfigures(2, 1, height_ratios=[1, 1.15])
        x = np.linspace(-2.6, 2.6, 121)
        curves = parts[1].subplots()
        panels = parts[0].subplots(1, 4, sharey=True)
        for place, (axes, (times, name)) in enumerate(zip(panels, rates, strict=True)):
            colour = sheet.theme.classes[(0, 2, 3, 1)[place]]
            places = walk(parabola, (2.0,), times / curvature, 40)[:, 0]
            heights = 0.5 * curvature * places**2
            axes.plot(x, 0.5 * curvature * x**2, color=sheet.theme.faint, linewidth=1.2)
            axes.plot(
                places[:9],
                heights[:9],
                "o-",
                color=colour,
                markersize=4,
                linewidth=1.1,
            )
            axes.set(
                xlim=(-3, 3),
                ylim=(-0.3, 8),
                xticks=[-2, 0, 2],
                yticks=[0, 4, 8],
            )
            axes.set_title(f"η = {number(times)}/L: {sheet.say(f'learning-rates.{name}')}")
            line = ("-", "--", "-.", ":")[place]
            curves.semilogy(np.maximum(heights, 1e-9), line, color=colour, linewidth=2)
            if name == "right":
                sheet.write(curves, 4.6, 2e-7, f"{number(times)}/L", color=colour, ha="left")
            else:
                sheet.write(
                    curves,
                    40.6,
                    max(float(heights[40]), 1e-9),
                    f"{number(times)}/L",
                    color=colour,
                    ha="left",
                )
        curves.set(
            xlim=(0, 44),
            ylim=(1e-9, 1e5),
            xlabel=sheet.say("descent.step"),
        )
        curves.set_title(sheet.say("learning-rates.losses"))
        curves.grid()
        curves.minorticks_off()
    return page

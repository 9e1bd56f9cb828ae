"""Linear classifiers: pixels to scores, lines in the plane of pixels, and the bias as a column."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from backlight.data.digits import load_digits
from backlight.data.toy import circles
from backlight.engine.derivative import grad
from backlight.explain.figures.registry import figure
from backlight.explain.figures.sheet import Sheet, number
from backlight.gates.linear import linear
from backlight.gates.loss import cross_entropy

PIXELS = np.array([56.0, 231.0, 24.0, 2.0])
WEIGHTS = np.array([[0.2, -0.5, 0.1, 2.0], [1.5, 1.3, 2.1, 0.0], [0.0, 0.25, 0.2, -0.3]])
BIAS = np.array([1.1, 3.2, -1.2])
LEARNT = 1300
"""Digits that are learned from; the others are to be told apart."""
CLASSES = ("cat", "dog", "ship")


@figure("image-to-scores", linked="S1:56", near="S1:57 S1:58")
def image_to_scores(sheet: Sheet) -> Any:
    """Four pixels in a column, times a matrix of three rows, plus a bias: three scores."""
    scores = linear(PIXELS, WEIGHTS, BIAS)
    tints = [sheet.mix(sheet.class_colour(k), 0.22) for k in range(3)]
    cell = 0.62
    with sheet.titled("image-to-scores", 10.6, 4.7) as page:
        axes = sheet.canvas(page.subplots(), 11.0, 4.0)
        shade = [
            [sheet.mix(sheet.theme.ink, 0.42 * v / 255) for v in row]
            for row in PIXELS.reshape(2, 2)
        ]
        sheet.grid(axes, PIXELS.reshape(2, 2), 0.15, 2.6, cell, fill=shade)
        sheet.write(axes, 0.77, 1.05, sheet.say("image-to-scores.image"), size=9.5)
        sheet.arrow(axes, (1.5, 1.98), (1.95, 1.98))
        rows = [[tint] * 4 for tint in tints]
        sheet.grid(axes, WEIGHTS, 2.1, 2.91, cell, fill=rows)
        sheet.write(axes, 3.34, 0.7, "W", size=13)
        sheet.write(axes, 4.86, 1.98, "×", size=15)
        column = [[shade[place // 2][place % 2]] for place in range(4)]
        sheet.grid(axes, PIXELS[:, None], 5.1, 3.22, cell, fill=column)
        sheet.write(axes, 5.41, 0.45, "x", size=13)
        sheet.write(axes, 6.02, 1.98, "+", size=15)
        sheet.grid(
            axes,
            BIAS[:, None],
            6.3,
            2.91,
            cell,
            fill=[[tint] for tint in tints],
        )
        sheet.write(axes, 6.61, 0.7, "b", size=13)
        sheet.write(axes, 7.22, 1.98, "=", size=15)
        told = [number(round(float(score), 2)) for score in scores]
        for k, text in enumerate(told):
            y = 2.6 - k * cell
            sheet.box(
                axes,
                8.05,
                y,
                1.15,
                0.52,
                text,
                facecolor=tints[k],
                edgecolor=sheet.class_colour(k),
                size=12,
            )
            name = sheet.say(f"image-to-scores.{CLASSES[k]}")
            best = k == int(np.argmax(scores))
            sheet.write(axes, 8.8, y, name, ha="left", weight="bold" if best else "normal")
        sheet.write(axes, 8.05, 0.7, "f(x; W, b)", size=12)
        sheet.write(
            axes,
            8.5,
            3.35,
            sheet.say("image-to-scores.wrong"),
            size=9.5,
            color=sheet.theme.gradient,
            style="italic",
        )
        sheet.write(axes, 2.1, 3.4, "f(x; W, b) = W x + b", size=14, ha="left")
    return page


@figure("pixel-space", linked="S1:60", near="S1:61")
def pixel_space(sheet: Sheet) -> Any:
    """Pictures as points, each class's score as a line with the direction in which it grows."""
    weights = np.array([[1.0, 0.35], [-0.55, 0.9], [-0.35, -1.0]])
    bias = np.array([-0.35, -0.25, -0.45])
    rows = np.array(
        [
            [1.5, -0.2],
            [1.9, 0.9],
            [1.2, 1.3],
            [-1.3, 0.75],
            [-0.6, 1.7],
            [-1.8, 1.5],
            [-0.7, -1.5],
            [0.6, -1.7],
            [-1.5, -1.1],
        ],
    )
    labels = np.repeat([0, 1, 2], 3)
    side = np.linspace(-2.6, 2.6, 200)
    places = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    scores = linear(places, weights, bias).reshape(200, 200, 3)
    with sheet.titled("pixel-space", 7.6, 5.6) as page:
        axes = page.subplots()
        colours = [sheet.mix(sheet.class_colour(k), 0.13) for k in range(3)]
        axes.contourf(
            side,
            side,
            scores.argmax(axis=-1),
            levels=[-0.5, 0.5, 1.5, 2.5],
            colors=colours,
        )
        ends = ((1.35, -2.0), (2.0, 1.2), (-1.9, 0.2))
        for k, name in enumerate(CLASSES):
            colour = sheet.class_colour(k)
            how = {"colors": [colour], "linewidths": 1.8}
            axes.contour(side, side, scores[..., k], levels=[0], **how)
            _normal(
                sheet,
                axes,
                k,
                weights[k],
                float(bias[k]),
                np.array(ends[k]),
            )
            told = sheet.say("pixel-space.line", name=sheet.say(f"image-to-scores.{name}"))
            axes.plot([], [], color=colour, label=told)
        sheet.points(axes, rows, labels, 70)
        axes.set(
            aspect="equal",
            xlim=(-2.6, 2.6),
            ylim=(-2.6, 2.6),
            xticks=[],
            yticks=[],
        )
        axes.set(xlabel=sheet.say("pixel-space.one"), ylabel=sheet.say("pixel-space.other"))
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return page


def _normal(sheet: Sheet, axes: Any, k: int, weights: Any, bias: float, near: Any) -> None:
    """The direction in which a score grows, from the place on its line that is nearest."""
    size = np.linalg.norm(weights)
    normal = weights / size
    foot = near - normal * (near @ normal + bias / size)
    colour = sheet.class_colour(k)
    sheet.arrow(axes, tuple(foot), tuple(foot + 0.62 * normal), colour, linewidth=2)
    x, y = foot + 0.86 * normal
    sheet.write(axes, float(x), float(y), f"w{'₁₂₃'[k]}", color=colour, size=12)


@figure("bias-trick", linked="S1:65", near="S1:63")
def bias_trick(sheet: Sheet) -> Any:
    """Weights and bias side by side, times the pixels and a one: the same scores."""
    apart = linear(PIXELS, WEIGHTS, BIAS)
    together = linear(np.append(PIXELS, 1.0), np.c_[WEIGHTS, BIAS])
    cell = 0.56
    green = sheet.mix(sheet.theme.value, 0.2)
    red = sheet.mix(sheet.theme.gradient, 0.2)
    with sheet.titled("bias-trick", 11.0, 4.4) as page:
        axes = sheet.canvas(page.subplots(), 11.6, 3.9)
        sheet.grid(axes, WEIGHTS, 0.1, 2.75, cell, fill=green)
        sheet.grid(axes, PIXELS[:, None], 2.6, 3.03, cell)
        sheet.write(axes, 3.36, 1.91, "+", size=15)
        sheet.grid(axes, BIAS[:, None], 3.58, 2.75, cell, fill=red)
        for x, name, y in ((1.22, "W", 0.72), (2.88, "x", 0.45), (3.86, "b", 0.72)):
            sheet.write(axes, x, y, name, size=13)
        sheet.write(axes, 4.64, 1.91, "=", size=18)
        both = np.c_[WEIGHTS, BIAS]
        sheet.grid(
            axes,
            both,
            5.1,
            2.75,
            cell,
            fill=[[green] * 4 + [red]] * 3,
        )
        column = np.append(PIXELS, 1.0)[:, None]
        sheet.grid(
            axes,
            column,
            8.16,
            3.31,
            cell,
            fill=[[None]] * 4 + [[red]],
        )
        sheet.write(axes, 6.5, 0.72, sheet.say("bias-trick.new", name="W"), size=11)
        sheet.write(axes, 8.44, 0.22, sheet.say("bias-trick.new", name="x"), size=11)
        sheet.write(axes, 9.1, 1.91, "=", size=15)
        column = np.array([number(round(float(score), 2)) for score in together])
        sheet.grid(
            axes,
            column[:, None],
            9.45,
            2.91,
            0.67,
            colour=sheet.theme.value,
            size=10,
        )
        same = float(np.abs(apart - together).max())
        sheet.write(axes, 2.0, 3.62, "W x + b", size=14)
        sheet.write(axes, 6.8, 3.62, "W′ x′", size=14)
        told = sheet.say("bias-trick.same", gap=number(same))
        sheet.write(axes, 9.78, 0.5, told, size=9, color=sheet.theme.faint)
    return page


@figure("where-linear-fails", near="S1:41 S1:44")
def where_linear_fails(sheet: Sheet) -> Any:
    """Rings that no line divides, and digits that were shifted, darkened or turned negative."""
    data = circles(120, noise=0.06, seed=2).train
    points, rings = np.asarray(data.inputs, float), np.asarray(data.labels)
    train = load_digits().train
    held = np.asarray(train.inputs[LEARNT:], float)[:, 0] / 16
    answers = np.asarray(train.labels[LEARNT:])
    plane, weights = _trained()
    views = {
        "plain": held,
        "shifted": np.roll(held, 1, axis=2) * (np.arange(8) > 0),
        "dark": 0.35 * held,
        "negative": 1 - held,
    }
    with sheet.titled("where-linear-fails", 10.2, 4.2) as page:
        parts = page.subfigures(1, 2, width_ratios=[1, 1.7])
        axes = parts[0].subplots()
        side = np.linspace(-1.35, 1.35, 120)
        places = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        found = _answers(plane, places).reshape(120, 120)
        tints = [sheet.mix(sheet.class_colour(k), 0.2) for k in range(2)]
        axes.contourf(side, side, found, levels=[-0.5, 0.5, 1.5], colors=tints)
        sheet.points(axes, points, rings, 14)
        right = float((_answers(plane, points) == rings).mean())
        sheet.bare(axes, sheet.say("where-linear-fails.rings"))
        axes.set(aspect="equal", xlabel=sheet.say("where-linear-fails.right", share=f"{right:.0%}"))
        panels = parts[1].subplots(1, 4)
        for axes, (name, seen) in zip(panels, views.items(), strict=True):
            right = float((_answers(weights, seen.reshape(len(seen), -1)) == answers).mean())
            axes.imshow(seen[3], cmap="gray", vmin=0, vmax=1)
            sheet.bare(axes, sheet.say(f"where-linear-fails.{name}"))
            axes.set_xlabel(sheet.say("where-linear-fails.right", share=f"{right:.0%}"))
    return page


@cache
def _trained() -> tuple[Any, Any]:
    """Weights of softmax classifiers of the rings, and of the first digits."""
    rings, digits = circles(120, noise=0.06, seed=2).train, load_digits().train
    rows = np.asarray(digits.inputs[:LEARNT], float).reshape(LEARNT, -1) / 16
    return (
        _softmax_weights(np.asarray(rings.inputs, float), np.asarray(rings.labels)),
        _softmax_weights(rows, np.asarray(digits.labels[:LEARNT])),
    )


def _softmax_weights(rows: Any, labels: Any) -> Any:
    """A softmax classifier's weights, the biases in the last row."""
    inputs = np.c_[rows, np.ones(len(rows))]
    weights = np.zeros((inputs.shape[1], int(labels.max()) + 1))
    slope = grad(lambda w: cross_entropy(inputs @ w, labels))
    for _ in range(150):
        weights = weights - 0.5 * np.asarray(slope(weights))
    return weights


def _answers(weights: Any, rows: Any) -> Any:
    return (np.c_[rows, np.ones(len(rows))] @ weights).argmax(axis=1)

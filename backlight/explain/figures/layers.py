"""Neurons and layers: the model of one, a network of many, and what the non-linearity gives."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np

from backlight import philox
from backlight.data.digits import load_digits
from backlight.data.toy import circles, spiral
from backlight.engine.derivative import grad, value_and_grad
from backlight.explain.circuit.record import circuit
from backlight.explain.figures.registry import figure
from backlight.explain.figures.sheet import Array, Sheet, number
from backlight.explain.figures.wiring import LOGISTIC
from backlight.explain.look.gallery import gallery
from backlight.gates.loss import cross_entropy
from backlight.gates.rectifier import relu
from backlight.gates.softmax import softmax

DIGITS = (2, 3, 7)
UNITS = (2, 5, 12, 40)
"""Numbers of hidden units that are compared."""
SHOWN = ("Sigmoid", "Tanh", "ReLU", "LeakyReLU", "ELU", "GELU")


@figure("activations", linked="S4:36", near="S0:25 S2:78 S3:49 S4:37")
def activations(sheet: Sheet) -> Any:
    """Six activation functions with their derivatives."""
    found = gallery(SHOWN, depth=2, width=8)
    with sheet.titled("activations", 9.4, 5.4) as page:
        for axes, one in zip(
            page.subplots(2, 3, sharex=True, sharey=True).flat,
            found,
            strict=True,
        ):
            sheet.cross(axes)
            axes.plot(one.x, one.value, color=sheet.theme.value, linewidth=2.2)
            axes.plot(one.x, one.slope, "--", color=sheet.theme.gradient, linewidth=1.6)
            axes.set(
                xlim=(-4, 4),
                ylim=(-1.3, 2.6),
                title=one.name,
                yticks=[-1, 0, 1, 2],
            )
        axes = page.axes[0]
        axes.legend(axes.lines[2:4], ["f(x)", "f′(x)"], loc="upper left", fontsize=9.5)
    return page


@figure("neuron", near="S1:342 S1:343 S1:347")
def neuron(sheet: Sheet) -> Any:
    """The model of a neuron: inputs by weights, a sum, and a rate of firing."""
    from matplotlib.patches import Ellipse

    green, faint = sheet.theme.value, sheet.theme.faint
    pale = sheet.mix(green, 0.09)
    with sheet.titled("neuron", 10.2, 5.0) as page:
        axes = sheet.canvas(page.subplots(), 10.2, 4.4)
        body = Ellipse((5.3, 2.25), 3.5, 2.9, facecolor=pale, edgecolor=green, linewidth=1.6)
        axes.add_patch(body)
        _dendrites(sheet, axes)
        _cell(sheet, axes)
        for x, y, name in (
            (0.85, 4.2, "axon-in"),
            (2.7, 4.2, "synapse"),
            (5.3, 4.0, "cell"),
            (8.3, 2.9, "axon"),
        ):
            sheet.write(axes, x, y, sheet.say(f"neuron.{name}"), color=faint, size=9.5)
        sheet.write(axes, 8.1, 0.65, "f(x) = σ(Σᵢ wᵢxᵢ + b)", size=13)
    return page


def _dendrites(sheet: Sheet, axes: Any) -> None:
    """Inputs with their weights, and the bias, on their way into the cell."""
    green = sheet.theme.value
    for y, name, weight in ((3.5, "x0", "w0"), (2.25, "x1", "w1")):
        value = LOGISTIC[name] * LOGISTIC[weight]
        rise = y - 2.25
        told = f"{_index(name)} = {number(LOGISTIC[name])}"
        sheet.write(axes, 0.85, y, told, size=12, color=green)
        sheet.arrow(axes, (1.5, y), (4.05, 2.25 + 0.5 * rise), linewidth=1.5)
        told = f"{_index(weight)} = {number(LOGISTIC[weight])}"
        sheet.write(axes, 2.7, y + 0.2 - 0.24 * rise, told, size=11)
        told = f"→ {number(value)}"
        sheet.write(axes, 2.7, y - 0.22 - 0.24 * rise, told, size=10, color=green)
    told = f"b = {number(LOGISTIC['w2'])}"
    sheet.write(axes, 0.85, 1.0, told, size=12, color=green)
    sheet.arrow(axes, (1.5, 1.0), (4.05, 1.63), linewidth=1.5)


def _cell(sheet: Sheet, axes: Any) -> None:
    """The sum, the activation function, and what comes out."""
    green = sheet.theme.value
    drawn = circuit("sigmoid(w0*x0 + w1*x1 + w2)", **LOGISTIC)
    last = drawn.nodes[drawn.output]
    total = float(drawn.nodes[last.inputs[0]].value)
    sheet.write(axes, 4.55, 2.5, "Σ wᵢxᵢ + b", size=13)
    sheet.write(axes, 4.55, 2.05, f"= {number(total)}", size=12, color=green)
    axes.plot([5.35, 5.35], [0.98, 3.52], ":", color=green)
    t = np.linspace(-1, 1, 41)
    height = 1.75 + 0.5 / (1 + np.exp(-5 * t))
    axes.plot(6.1 + 0.5 * t, height, color=green, linewidth=2)
    sheet.write(axes, 6.1, 2.55, "σ", size=17)
    sheet.arrow(axes, (7.05, 2.25), (8.6, 2.25), linewidth=1.8)
    rate = number(round(float(last.value), 4))
    sheet.write(axes, 9.3, 2.25, rate, size=15, color=green)


def _index(name: str) -> str:
    return name.replace("0", "₀").replace("1", "₁")


@figure("layers", linked="S4:38", near="S2:67 S2:72 S2:74 S3:47")
def layers(sheet: Sheet) -> Any:
    """Two networks of fully connected layers, with what is counted in them."""
    with sheet.titled("layers", 11.2, 5.0) as page:
        panels = page.subplots(1, 2, width_ratios=[5.4, 7.4])
        for axes, sizes, formula in (
            (panels[0], (3, 4, 2), "f = W₂ max(0, W₁x)"),
            (panels[1], (3, 4, 4, 1), "f = W₃ max(0, W₂ max(0, W₁x))"),
        ):
            width = 2.0 * len(sizes) - 0.6
            sheet.canvas(axes, width, 4.6)
            _layers(sheet, axes, sizes)
            count = sum(a * b + b for a, b in itertools.pairwise(sizes))
            sheet.write(axes, width / 2, 4.35, formula, size=12)
            told = sheet.say("layers.count", neurons=sum(sizes[1:]), count=count)
            sheet.write(axes, width / 2, 0.12, told, size=9.5)
    return page


def _layers(sheet: Sheet, axes: Any, sizes: tuple[int, ...]) -> None:
    """The units of layers, and a line for every weight between them."""

    def place(layer: int, unit: int) -> tuple[float, float]:
        return 0.7 + 2.0 * layer, 2.35 + 0.82 * (unit - (sizes[layer] - 1) / 2)

    last = len(sizes) - 1
    for layer, size in enumerate(sizes):
        name = "input" if layer == 0 else "output" if layer == last else "hidden"
        colour = {
            "input": sheet.theme.classes[1],
            "hidden": sheet.theme.classes[0],
            "output": sheet.theme.value,
        }[name]
        for unit in range(size):
            sheet.node(
                axes,
                *place(layer, unit),
                "",
                0.27,
                edgecolor=colour,
                linewidth=2,
                facecolor=sheet.mix(colour, 0.18),
            )
            for other in range(sizes[layer + 1] if layer < last else 0):
                ends = np.array([place(layer, unit), place(layer + 1, other)])
                axes.plot(*ends.T, color=sheet.theme.faint, linewidth=0.8, zorder=1)
        sheet.write(axes, 0.7 + 2.0 * layer, 0.5, sheet.say(f"layers.{name}"), size=9.5)


def trained(
    rows: Array,
    labels: Array,
    units: int,
    *,
    steps: int,
    rate: float,
    seed: int,
    bend: bool = True,
) -> tuple[list[Array], float]:
    """Weights of a network with one hidden layer after full-batch Adam, and its loss."""
    classes = int(labels.max()) + 1
    sizes = [(rows.shape[1], units), (1, units), (units, classes), (1, classes)]
    scales = [np.sqrt(2 / rows.shape[1]), 0.0, np.sqrt(2 / units), 0.0]
    weights = [
        scale * philox.normal(seed, place, size, np.float64)
        for place, (size, scale) in enumerate(zip(sizes, scales, strict=True))
    ]

    def loss(*now: Any) -> Any:
        return cross_entropy(scores_of(now, rows, bend), labels)

    slopes_of = value_and_grad(loss, (0, 1, 2, 3))
    first = [np.zeros_like(one) for one in weights]
    second = [np.zeros_like(one) for one in weights]
    value = 0.0
    for step in range(1, steps + 1):
        found, slopes = slopes_of(*weights)
        value = float(found)
        for k, slope in enumerate(np.asarray(one) for one in slopes):
            first[k] = 0.9 * first[k] + 0.1 * slope
            second[k] = 0.999 * second[k] + 0.001 * slope * slope
            size = np.sqrt(second[k] / (1 - 0.999**step)) + 1e-8
            weights[k] = weights[k] - rate * first[k] / (1 - 0.9**step) / size
    return weights, value


def scores_of(weights: Any, rows: Any, bend: bool = True) -> Any:
    """The scores of a network with one hidden layer, with its ReLU or without."""
    hidden = rows @ weights[0] + weights[1]
    return (relu(hidden) if bend else hidden) @ weights[2] + weights[3]


@figure("why-nonlinearity", linked="S3:69", near="S0:22 S1:339 S3:65 S3:67")
def why_nonlinearity(sheet: Sheet) -> Any:
    """A ring around a ring: with a linear hidden layer, and with three ReLU units."""
    data = circles(90, noise=0.07, seed=1).train
    points, labels = np.asarray(data.inputs, float), np.asarray(data.labels)
    side = np.linspace(-1.45, 1.45, 160)
    places = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    from matplotlib.colors import ListedColormap

    pale = ListedColormap([sheet.mix(sheet.class_colour(k), 0.22) for k in range(2)])
    with sheet.titled("why-nonlinearity", 10.4, 4.3) as page:
        panels = page.subplots(1, 3)
        for axes, bend, name in ((panels[0], False, "without"), (panels[1], True, "with")):
            weights = _rings(bend)
            answers = (
                np.asarray(
                    scores_of(
                        weights,
                        places,
                        bend,
                    ),
                )
                .argmax(axis=1)
                .reshape(160, 160)
            )
            right = np.asarray(scores_of(weights, points, bend)).argmax(axis=1) == labels
            axes.pcolormesh(side, side, answers, cmap=pale, vmin=0, vmax=1, rasterized=True)
            if answers.min() < answers.max():
                axes.contour(
                    side,
                    side,
                    answers,
                    levels=[0.5],
                    colors=sheet.theme.ink,
                    linewidths=1,
                )
            sheet.points(axes, points, labels, 16)
            sheet.bare(axes, sheet.say(f"why-nonlinearity.{name}"))
            axes.set_xlabel(sheet.say("why-nonlinearity.right", share=f"{right.mean():.0%}"))
            axes.set_aspect("equal")
        weights = _rings(True)
        hidden = np.asarray(relu(points @ weights[0] + weights[1]))
        main = np.linalg.svd(hidden - hidden.mean(axis=0), full_matrices=False)[2][:2]
        turned = hidden @ main.T
        sheet.points(panels[2], turned, labels, 16)
        sheet.bare(panels[2], sheet.say("why-nonlinearity.hidden"))
        panels[2].set_xlabel(sheet.say("why-nonlinearity.warped"))
        panels[2].margins(0.08)
        panels[2].set_box_aspect(1)
    return page


@cache
def _rings(bend: bool) -> list[Array]:
    """The best of a few networks with three hidden units on the rings."""
    data = circles(90, noise=0.07, seed=1).train
    rows, labels = np.asarray(data.inputs, float), np.asarray(data.labels)
    tries = [
        trained(
            rows,
            labels,
            3,
            steps=300,
            rate=0.08,
            seed=s,
            bend=bend,
        )
        for s in range(3)
    ]
    return min(tries, key=lambda one: one[1])[0]


@figure("two-heads", linked="S3:55", near="S3:51 S3:57 S3:59 S3:61")
def two_heads(sheet: Sheet) -> Any:
    """Digits and their mirror images: one layer has one template, two layers have two."""
    rows, labels = _mirrored_digits()
    half = len(rows) // 2
    seven = len(DIGITS) - 1
    left, right = (rows[k * half : (k + 1) * half] for k in (0, 1))
    faces = [part[labels[:half] == seven].mean(axis=0) for part in (left, right)]
    faces.append((faces[0] + faces[1]) / 2)
    whole, apart = _templates()
    shares = softmax(apart @ faces[2])
    sums = shares.reshape(2, -1).sum(axis=0)
    told = {
        "whole": number(round(_mirrored(whole[seven]), 2)),
        "one": number(round(_mirrored(apart[seven]), 2)),
        "left": f"{shares[seven]:.0%}",
        "right": f"{shares[-1]:.0%}",
        "seven": f"{sums[seven]:.0%}",
    }
    with sheet.titled("two-heads", 10.4, 5.6, **told) as page:
        grid = page.subplots(2, 4, width_ratios=[1, 1, 1, 1.25])
        for axes, face, name in zip(
            grid[0],
            faces,
            ("left", "right", "front"),
            strict=False,
        ):
            sheet.amount_map(axes, face.reshape(8, 8), sheet.say(f"two-heads.{name}"), 1.0)
        shown = (whole[seven], apart[seven], apart[-1])
        for axes, weights, name in zip(
            grid[1],
            shown,
            ("whole", "one", "other"),
            strict=False,
        ):
            sheet.signed_map(axes, weights.reshape(8, 8), sheet.say(f"two-heads.{name}"))
        names = [str(one) for one in DIGITS]
        mirrored = [sheet.say("two-heads.mirrored", name=name) for name in names]
        _shares(sheet, grid[0, 3], shares, [*names, *mirrored], "first")
        _shares(sheet, grid[1, 3], sums, names, "second")
    return page


def _shares(sheet: Sheet, axes: Any, shares: Array, names: list[str], which: str) -> None:
    """Probabilities as bars, the first on top."""
    rows = np.arange(len(shares))[::-1]
    axes.barh(rows, shares, color=sheet.theme.value, height=0.6)
    for row, share in zip(rows, shares, strict=True):
        sheet.write(axes, share + 0.03, row, f"{share:.0%}", ha="left", size=9)
    axes.set_yticks(rows, names)
    axes.set(xlim=(0, 1.25), xticks=[], title=sheet.say(f"two-heads.{which}"))
    axes.tick_params(axis="y", length=0, colors=sheet.theme.ink)
    axes.spines["bottom"].set_visible(False)


@cache
def _mirrored_digits() -> tuple[Array, Array]:
    """Three kinds of digits as rows, then their mirror images, with their labels."""
    train = load_digits().train
    labels = np.asarray(train.labels)
    some = np.flatnonzero(np.isin(labels, DIGITS))[:360]
    pictures = np.asarray(train.inputs[some], float)[:, 0] / 16
    both = np.concatenate([pictures, pictures[:, :, ::-1]])
    return both.reshape(len(both), -1), np.tile(np.searchsorted(DIGITS, labels[some]), 2)


@cache
def _templates() -> tuple[Array, Array]:
    """Of a linear classifier of digits, and of one that tells their directions apart too."""
    rows, labels = _mirrored_digits()
    directions = np.repeat([0, 1], len(rows) // 2) * len(DIGITS)
    found = []
    for answers in (labels, labels + directions):
        weights = np.zeros((rows.shape[1], int(answers.max()) + 1))
        slope = grad(lambda w, y=answers: cross_entropy(rows @ w, y) + 0.01 * (w * w).sum())
        for _ in range(100):
            weights = weights - 0.5 * np.asarray(slope(weights))
        found.append(weights.T)
    return found[0], found[1]


def _mirrored(template: Array) -> float:
    """How a template correlates with its mirror image."""
    picture = template.reshape(8, 8)
    return float(np.corrcoef(picture.ravel(), picture[:, ::-1].ravel())[0, 1])


@figure("hidden-units", near="S1:340")
def hidden_units(sheet: Sheet) -> Any:
    """A spiral with ever more hidden units: the boundary learns to bend."""
    from matplotlib.colors import ListedColormap

    data = spiral().train
    points, labels = np.asarray(data.inputs, float), np.asarray(data.labels)
    side = np.linspace(-1.25, 1.25, 130)
    places = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    pale = ListedColormap([sheet.mix(sheet.class_colour(k), 0.22) for k in range(3)])
    with sheet.titled("hidden-units", 10.4, 3.7) as page:
        for axes, units in zip(page.subplots(1, 4), UNITS, strict=True):
            weights = _spirals(units)
            answers = np.asarray(scores_of(weights, places)).argmax(axis=1).reshape(130, 130)
            right = np.asarray(scores_of(weights, points)).argmax(axis=1) == labels
            axes.pcolormesh(side, side, answers, cmap=pale, vmin=0, vmax=2, rasterized=True)
            sheet.points(axes, points, labels, 9)
            sheet.bare(axes, sheet.say("hidden-units.units", units=units))
            axes.set_xlabel(sheet.say("why-nonlinearity.right", share=f"{right.mean():.0%}"))
            axes.set_aspect("equal")
    return page


@cache
def _spirals(units: int) -> list[Array]:
    """The weights of a network of the spiral with this many hidden units."""
    data = spiral().train
    rows, labels = np.asarray(data.inputs, float), np.asarray(data.labels)
    return trained(rows, labels, units, steps=250, rate=0.1, seed=3)[0]

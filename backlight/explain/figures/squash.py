"""The sigmoid: its graph, its slope, its formula step by step, and the neuron that ends in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.engine.derivative import vjp
from backlight.explain.circuit.record import circuit
from backlight.explain.circuit.unfold import unfolded
from backlight.explain.figures.registry import figure
from backlight.explain.figures.sheet import Array, Sheet, number
from backlight.gates.activation import sigmoid
from backlight.gates.rectifier import step

NEURON: dict[str, Any] = {"a": 1.0, "b": 2.0, "c": -3.0, "x": -1.0, "y": 3.0}
"""The inputs of the worked neuron, which the notes leave out."""


@figure("sigmoid", linked="S0:31 S1:227", near="S1:224")
def graph(sheet: Sheet) -> Any:
    """The sigmoid with its two asymptotes, and a few of its values."""
    x = np.linspace(-8, 8, 321)
    with sheet.titled("sigmoid", 7.4, 4.3) as page:
        axes = page.subplots()
        axes.axvspan(-8, -4, color=sheet.theme.faint, alpha=0.10, linewidth=0)
        axes.axvspan(4, 8, color=sheet.theme.faint, alpha=0.10, linewidth=0)
        sheet.write(
            axes,
            -6,
            0.60,
            sheet.say("sigmoid.saturated"),
            color=sheet.theme.faint,
            size=9,
        )
        sheet.write(
            axes,
            6,
            0.40,
            sheet.say("sigmoid.saturated"),
            color=sheet.theme.faint,
            size=9,
        )
        axes.plot(x, sigmoid(x), color=sheet.theme.value, linewidth=2.4)
        for level in (0, 1):
            axes.axhline(level, color=sheet.theme.faint, linewidth=0.8, linestyle=":")
        axes.axvline(0, color=sheet.theme.faint, linewidth=0.6)
        for place, ha, lift in (
            (-5, "center", 0.07),
            (0, "left", 0.0),
            (2, "left", -0.03),
            (5, "center", 0.06),
        ):
            height = float(sigmoid(float(place)))
            axes.plot(place, height, "o", color=sheet.theme.ink, markersize=5, zorder=4)
            told = f"σ({number(place)}) = {number(round(height, 4))}"
            shift = 0.35 if ha == "left" else 0.0
            sheet.write(axes, place + shift, height + lift, told, ha=ha, size=9.5)
        axes.set(
            xlim=(-8, 8),
            ylim=(-0.08, 1.14),
            xlabel="x",
            ylabel="σ(x)",
        )
        axes.set_title(r"$\sigma(x) = \frac{1}{1 + e^{-x}}$", size=16, pad=10)
    return page


@figure("sigmoid-slope", linked="S1:229")
def slope(sheet: Sheet) -> Any:
    """The sigmoid above, its derivative below, at the same places."""
    x = np.linspace(-8, 8, 321)
    slopes = _slope(x)
    with sheet.titled("sigmoid-slope", 7.4, 5.2) as page:
        above, below = page.subplots(2, 1, sharex=True)
        above.plot(x, sigmoid(x), color=sheet.theme.value, linewidth=2.2)
        above.set(ylabel="σ(x)", ylim=(-0.08, 1.12))
        below.fill_between(x, slopes, color=sheet.theme.gradient, alpha=0.14, linewidth=0)
        below.plot(x, slopes, color=sheet.theme.gradient, linewidth=2.2, linestyle="--")
        below.set(
            ylabel="dσ/dx",
            xlabel="x",
            ylim=(0, 0.3),
            xlim=(-8, 8),
        )
        for place, ha in ((-2.0, "right"), (0.0, "left"), (2.0, "left")):
            rise = float(_slope(np.array([place]))[0])
            run = np.array([-1.2, 1.2]) + place
            height = float(sigmoid(place))
            above.plot(
                run,
                height + rise * (run - place),
                color=sheet.theme.gradient,
                linewidth=2,
            )
            above.plot(place, height, "o", color=sheet.theme.ink, markersize=5, zorder=4)
            below.plot(place, rise, "o", color=sheet.theme.ink, markersize=5, zorder=4)
            shift = -0.3 if ha == "right" else 0.3
            sheet.write(
                below,
                place + shift,
                rise + 0.014,
                number(round(rise, 4)),
                ha=ha,
                size=10,
                style="italic",
                color=sheet.theme.gradient,
            )
        for axes in (above, below):
            axes.axvline(0, color=sheet.theme.faint, linewidth=0.6, zorder=0)
            axes.grid(axis="y")
    return page


@figure("sigmoid-formula", linked="S1:226")
def formula(sheet: Sheet) -> Any:
    """1/(1 + e^−x) as four gates one behind the other, each drawn as a function of x."""
    x = np.linspace(-3, 3, 121)
    stages = [x, -x, np.exp(-x), 1 + np.exp(-x), sigmoid(x)]
    names = ["$x$", "$-x$", "$e^{-x}$", "$1 + e^{-x}$", r"$\frac{1}{1 + e^{-x}}$"]
    drawn = unfolded(circuit("sigmoid(x)", x=1.0))
    values = [float(node.value) for node in drawn.nodes if node.kind != "constant"]
    gates = ["×(−1)", "exp", "+1", "1/x"]
    with sheet.titled("sigmoid-formula", 10.2, 3.3) as page:
        panels = page.subplots(1, 5)
        for place, (axes, stage, name) in enumerate(zip(panels, stages, names, strict=True)):
            axes.plot(x, stage, color=sheet.theme.value, linewidth=2)
            axes.plot(
                1,
                values[place],
                "o",
                color=sheet.theme.ink,
                markersize=5,
                zorder=4,
            )
            told = number(round(values[place], 4))
            axes.set_title(name, size=15, loc="center", pad=12)
            axes.set_xlabel(f"x = 1:  {told}", color=sheet.theme.value, size=10)
            axes.set(xlim=(-3, 3), xticks=[-3, 0, 3])
            axes.tick_params(labelsize=7.5)
            if place:
                axes.annotate(
                    gates[place - 1],
                    xy=(-0.21, 1.12),
                    xycoords="axes fraction",
                    ha="center",
                    size=9.5,
                    color=sheet.theme.faint,
                    annotation_clip=False,
                )
                axes.annotate(
                    "",
                    xy=(-0.04, 1.08),
                    xytext=(-0.38, 1.08),
                    xycoords="axes fraction",
                    arrowprops={"arrowstyle": "-|>", "color": sheet.theme.ink},
                    annotation_clip=False,
                )
    return page


@figure("sigmoid-slope-formula", linked="S1:230", near="S2:45")
def slope_formula(sheet: Sheet) -> Any:
    """The derivation line by line, and σ(1 − σ) as the area of a rectangle."""
    lines = [
        r"$\frac{d\sigma}{dx} \;=\; \frac{d}{dx}\,\left(1 + e^{-x}\right)^{-1}$",
        r"$=\; \frac{e^{-x}}{\left(1 + e^{-x}\right)^2}$",
        r"$=\; \left(\frac{1 + e^{-x} - 1}{1 + e^{-x}}\right)\left(\frac{1}{1 + e^{-x}}\right)$",
        r"$=\; \left(1 - \sigma(x)\right)\,\sigma(x)$",
    ]
    with sheet.titled("sigmoid-slope-formula", 9.4, 4.4) as page:
        left, right = page.subplots(1, 2, width_ratios=[1.1, 1])
        sheet.canvas(left, 5, 3.6)
        for place, line in enumerate(lines):
            colour = sheet.theme.gradient if place == 3 else sheet.theme.ink
            indent = 0.1 if place == 0 else 0.56
            sheet.write(
                left,
                indent,
                3.15 - 0.86 * place,
                line,
                ha="left",
                size=17,
                color=colour,
            )
        value = np.linspace(0, 1, 101)
        right.plot(value, value * (1 - value), color=sheet.theme.gradient, linewidth=2)
        for x, ha in ((0.0, "center"), (1.0, "right"), (3.0, "right")):
            at = float(sigmoid(x))
            rise = float(_slope(np.array([x]))[0])
            right.plot(at, rise, "o", color=sheet.theme.ink, markersize=5, zorder=4)
            shift = {"center": 0.0, "right": -0.03}[ha]
            lift = 0.016 if ha == "center" else 0.0
            told = f"x = {number(x)}: {number(round(rise, 4))}"
            sheet.write(right, at + shift, rise + lift, told, ha=ha, size=9.5)
        right.set(
            xlabel="σ(x)",
            ylabel="dσ/dx",
            xlim=(0, 1.02),
            ylim=(0, 0.3),
        )
        right.grid()
    return page


@figure("neuron-formula", linked="S1:223", near="S1:347")
def neuron_formula(sheet: Sheet) -> Any:
    """σ(ax + by + c) over the plane of its inputs, with the point of the example."""
    drawn = circuit("sigmoid(a*x + b*y + c)", **NEURON)
    side = np.linspace(-5, 5, 201)
    across, up = np.meshgrid(side, side)
    heights = sigmoid(NEURON["a"] * across + NEURON["b"] * up + NEURON["c"])
    x, y = NEURON["x"], NEURON["y"]
    slopes = np.array([float(drawn.gradient(one)) for one in "xy"])  # type: ignore[arg-type]
    with sheet.titled("neuron-formula", 6.8, 5.6) as page:
        axes = page.subplots()
        image = axes.imshow(
            heights,
            origin="lower",
            extent=(-5, 5, -5, 5),
            cmap=sheet.amount(),
            vmin=0,
            vmax=1.6,
            interpolation="bilinear",
        )
        axes.contour(
            across,
            up,
            heights,
            levels=[0.1, 0.5, 0.9],
            colors=sheet.theme.ink,
            linewidths=[0.7, 1.6, 0.7],
        )
        for level in (0.1, 0.5, 0.9):
            height = (np.log(level / (1 - level)) - NEURON["c"] - 4.85) / NEURON["b"]
            told = f"σ = {number(level)}"
            sheet.write(
                axes,
                4.85,
                height - 0.1,
                told,
                ha="right",
                va="top",
                size=9,
                rotation=-26.57,
                rotation_mode="anchor",
                color=sheet.theme.paper if level > 0.5 else sheet.theme.ink,
            )
        sheet.arrow(
            axes,
            (x, y),
            (x + 9 * slopes[0], y + 9 * slopes[1]),
            sheet.theme.gradient,
            linewidth=2.2,
            mutation_scale=14,
        )
        axes.plot(x, y, "o", color=sheet.theme.ink, markersize=7, zorder=4)
        behind = {"facecolor": sheet.theme.paper, "edgecolor": "none", "alpha": 0.85, "pad": 2.5}
        told = f"σ = {number(round(float(drawn.value(drawn.output)), 4))}"
        sheet.write(axes, x - 0.35, y + 0.42, told, ha="right", bbox=behind)
        told = f"∇ = ({number(round(slopes[0], 3))}, {number(round(slopes[1], 3))})"
        sheet.write(
            axes,
            x + 1.15,
            y + 1.1,
            told,
            ha="left",
            style="italic",
            color=sheet.theme.gradient,
            bbox=behind,
        )
        axes.set(xlabel="x", ylabel="y")
        axes.set_title(r"$f(x, y, a, b, c) = \sigma(a x + b y + c)$", size=13, pad=8)
        bar = sheet.bar(page, image, axes, "σ")
        bar.ax.set_ylim(0, 1)
    return page


def _slope(x: Array) -> Array:
    """The sigmoid's derivative, by its own backward pass."""
    _, pull = vjp(sigmoid, x)
    return np.asarray(pull(np.ones_like(x))[0])


@figure("step-or-sigmoid", near="S0:20 S0:21 S0:29 S0:30")
def step_or_sigmoid(sheet: Sheet) -> Any:
    """A perceptron's step and a neuron's sigmoid, each with the gradient that it lets pass."""
    x = np.linspace(-5, 5, 401)
    with sheet.titled("step-or-sigmoid", 8.8, 4.2) as page:
        gates = (("step", step), ("sigmoid", sigmoid))
        for axes, (name, gate) in zip(
            page.subplots(1, 2, sharey=True),
            gates,
            strict=True,
        ):
            _, pull = vjp(gate, x)
            slopes = np.asarray(pull(np.ones_like(x))[0])
            axes.plot(x, gate(x), color=sheet.theme.value, linewidth=2.4, label="f(x)")
            axes.plot(x, slopes, "--", color=sheet.theme.gradient, linewidth=2, label="f′(x)")
            sheet.cross(axes)
            told = sheet.say("step-or-sigmoid.most", most=number(float(slopes.max())))
            sheet.write(axes, 2.6, 0.42, told, color=sheet.theme.gradient, style="italic")
            axes.set(xlim=(-5, 5), ylim=(-0.08, 1.15), xlabel="x")
            axes.set_title(sheet.say(f"step-or-sigmoid.{name}"))
        page.axes[0].legend(loc="upper left", fontsize=9.5)
    return page

"""Circuits with every value and gradient, and the chain rule at a single gate."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.explain.circuit.circuit import Circuit
from backlight.explain.circuit.page import picture
from backlight.explain.circuit.record import circuit
from backlight.explain.circuit.unfold import unfolded
from backlight.explain.figures.registry import figure
from backlight.explain.figures.sheet import Sheet, number
from backlight.explain.figures.squash import NEURON

LOGISTIC: dict[str, Any] = {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0}
"""The course's neuron of two inputs."""


def logistic() -> Circuit:
    """σ(w₀x₀ + w₁x₁ + w₂) at the course's numbers, the sigmoid as one gate."""
    return circuit("sigmoid(w0*x0 + w1*x1 + w2)", **LOGISTIC)


def _drawn(sheet: Sheet, what: Circuit) -> str:
    theme: Any = sheet.theme.name
    return picture(what, theme=theme, language=sheet.language)


@figure("distribute-and-switch", linked="S1:192 S4:14", near="S1:167 S4:17")
def distribute_and_switch(sheet: Sheet) -> Any:
    """(x + y)·z at −2, 5, −4."""
    return _drawn(sheet, circuit("(x + y)*z", x=-2.0, y=5.0, z=-4.0))


@figure("gate-patterns", linked="S1:217", near="S1:219 S1:220 S2:53 S2:55 S2:57")
def gate_patterns(sheet: Sheet) -> Any:
    """A distributor, a router and switchers in one circuit."""
    return _drawn(
        sheet,
        circuit(
            "2*(x*y + max(z, w))",
            x=3.0,
            y=-4.0,
            z=2.0,
            w=-1.0,
        ),
    )


@figure("neuron-circuit", near="S1:222 S1:285")
def neuron_circuit(sheet: Sheet) -> Any:
    """σ(ax + by + c) with the inputs that give 0.8808."""
    return _drawn(sheet, circuit("sigmoid(a*x + b*y + c)", **NEURON))


@figure("sigmoid-gates", linked="S3:35 S4:31", near="S2:35 S2:39")
def sigmoid_gates(sheet: Sheet) -> Any:
    """The neuron of two inputs down to ×, +, exp and 1/x, forward and backward."""
    return _drawn(sheet, unfolded(logistic()))


@figure("sigmoid-gate", linked="S4:33", near="S2:41 S4:34")
def sigmoid_gate(sheet: Sheet) -> Any:
    """The same neuron with the sigmoid as one gate: the same gradients from (1 − σ)σ."""
    return _drawn(sheet, logistic())


@figure("forward-pass", linked="S4:30", near="S2:18 S2:27 S4:39")
def forward_pass(sheet: Sheet) -> Any:
    """Gate by gate: what goes in, what comes out, the local gradient that can be kept."""
    drawn = unfolded(logistic())
    gates = drawn.gates
    with sheet.titled("forward-pass", 10.2, 5.2) as page:
        axes = sheet.canvas(page.subplots(), 10.2, 4.5)
        columns = (0.7, 2.3, 3.9, 5.6, 7.1, 8.9)
        names = ("gate", "inputs", "value", "local", "upstream", "gradient")
        for x, name in zip(columns, names, strict=True):
            red = name in ("upstream", "gradient", "local")
            sheet.write(
                axes,
                x,
                4.25,
                sheet.say(f"forward-pass.{name}"),
                size=10,
                color=sheet.theme.gradient if red else sheet.theme.ink,
            )
        axes.plot(
            [0.05, 10.15],
            [4.0, 4.0],
            color=sheet.theme.ink,
            linewidth=1,
        )
        for row, node in enumerate(gates):
            y = 3.72 - 0.43 * row
            inputs = [drawn.nodes[one] for one in node.inputs]
            shares = [one for one in drawn.shares(node.index) if one is not None]
            upstream = float(drawn.gradients[node.index])  # type: ignore[arg-type]
            local = [float(one) / upstream for one in shares]
            symbol = getattr(node.gate, "symbol", None) or getattr(node.gate, "name", "")
            cells = (
                str(symbol),
                ",  ".join(_short(float(one.value)) for one in inputs),
                _short(float(node.value)),
                ",  ".join(_short(one) for one in local),
                _short(upstream),
                ",  ".join(_short(float(one)) for one in shares),
            )
            colours = (sheet.theme.ink, sheet.theme.ink, sheet.theme.value) + (
                sheet.theme.gradient,
            ) * 3
            sheet.node(axes, columns[0], y, cells[0], 0.19, size=10)
            for x, cell, colour in zip(
                columns[1:],
                cells[1:],
                colours[1:],
                strict=True,
            ):
                style = "italic" if colour == sheet.theme.gradient else "normal"
                sheet.write(axes, x, y, cell, color=colour, style=style)
        sheet.arrow(
            axes,
            (0.15, 3.85),
            (0.15, 0.5),
            sheet.theme.value,
            linewidth=1.8,
        )
        sheet.arrow(
            axes,
            (10.05, 0.5),
            (10.05, 3.85),
            sheet.theme.gradient,
            linewidth=1.8,
        )
    return page


def _short(value: float) -> str:
    return number(round(value, 4))


@figure("gate", linked="S3:29 S4:24", near="S2:24 S2:29 S3:27 S4:20 S4:25 S4:28")
def gate(sheet: Sheet) -> Any:
    """One gate: values in, a value out, an upstream gradient in, the two products out."""
    green, red = sheet.theme.value, sheet.theme.gradient
    with sheet.titled("gate", 9.4, 5.0) as page:
        axes = sheet.canvas(page.subplots(), 9.4, 4.5)
        sheet.node(
            axes,
            4.7,
            2.2,
            "f",
            1.15,
            size=30,
            facecolor=sheet.mix(sheet.theme.ink, 0.06),
        )
        for side, y, name in ((1, 3.75, "x"), (-1, 0.65, "y")):
            high, low = (y + 0.14 * side, y - 0.14 * side)
            entry = 2.2 + side * 0.78
            sheet.arrow(
                axes,
                (1.1, high),
                (3.75, entry + 0.18 * side),
                green,
                linewidth=2,
            )
            sheet.arrow(
                axes,
                (3.6, entry - 0.12 * side),
                (0.95, low - 0.14 * side),
                red,
                linewidth=2,
                linestyle="--",
            )
            sheet.write(axes, 0.75, high, f"${name}$", size=18, color=green)
            product = (
                rf"$\frac{{\partial L}}{{\partial {name}}} = \frac{{\partial L}}"
                rf"{{\partial z}}\,\frac{{\partial z}}{{\partial {name}}}$"
            )
            sheet.write(axes, 1.55, y - 0.98 * side, product, size=18, color=red)
            local = rf"$\frac{{\partial z}}{{\partial {name}}}$"
            sheet.write(axes, 4.12, 2.2 + 0.58 * side, local, size=17, zorder=5)
        sheet.arrow(axes, (5.9, 2.38), (8.5, 2.38), green, linewidth=2)
        sheet.arrow(
            axes,
            (8.5, 2.02),
            (5.9, 2.02),
            red,
            linewidth=2,
            linestyle="--",
        )
        sheet.write(axes, 8.8, 2.42, "$z$", size=18, color=green)
        sheet.write(axes, 8.85, 1.75, r"$\frac{\partial L}{\partial z}$", size=20, color=red)
        sheet.write(axes, 7.2, 2.72, sheet.say("gate.forward"), color=green)
        sheet.write(axes, 7.2, 1.68, sheet.say("gate.upstream"), color=red, style="italic")
        sheet.write(axes, 4.7, 3.72, sheet.say("gate.local"))
        sheet.arrow(
            axes,
            (4.62, 3.55),
            (4.28, 3.08),
            sheet.theme.faint,
            linewidth=1,
        )
        sheet.write(axes, 4.7, 0.6, sheet.say("gate.product"), color=red, style="italic")
    return page


@figure("chain-of-functions", linked="S1:165")
def chain_of_functions(sheet: Sheet) -> Any:
    """(f∘g)′ = (f′∘g)·g′ seen as number lines that are stretched one after the other."""
    x = np.array([1.0, 1.02])
    inner, outer = x**2, 3 * x**2 - 1
    with sheet.titled("chain-of-functions", 9.2, 4.6) as page:
        axes = sheet.canvas(page.subplots(), 9.2, 4.0)
        formula = r"$(f \circ g)^\prime(x) \;=\; f^\prime\left(g(x)\right)\; g^\prime(x)$"
        sheet.write(axes, 4.9, 3.65, formula, size=17)
        lines = (("x", x, 2.75), ("u = g(x) = x²", inner, 1.65), ("f(u) = 3u − 1", outer, 0.55))
        left, scale = 3.4, 22.5

        def at(values: Any, place: int) -> Any:
            return left + scale * (values[place] - values[0])

        for name, values, y in lines:
            axes.plot(
                [2.3, 8.0],
                [y, y],
                color=sheet.theme.faint,
                linewidth=1,
            )
            sheet.write(axes, 2.15, y, name, ha="right", size=11)
            ends = at(values, 0), at(values, 1)
            axes.plot(
                ends,
                [y, y],
                color=sheet.theme.value,
                linewidth=5,
                solid_capstyle="butt",
            )
            for end, place in zip(ends, (0, 1), strict=True):
                axes.plot(end, y, "o", color=sheet.theme.ink, markersize=6, zorder=4)
                sheet.write(axes, end, y - 0.24, f"{values[place]:.5g}", size=9.5)
        steps = ((x, 2.75, inner, 1.65, "× g′(x) = 2"), (inner, 1.65, outer, 0.55, "× f′(u) = 3"))
        for above, top, below, low, told in steps:
            for place in (0, 1):
                sheet.arrow(
                    axes,
                    (at(above, place), top - 0.38),
                    (at(below, place), low + 0.1),
                    sheet.theme.faint,
                    linewidth=1,
                )
            sheet.write(
                axes,
                8.1,
                (top + low) / 2,
                told,
                ha="left",
                color=sheet.theme.gradient,
                style="italic",
                size=11,
            )
    return page


@figure("chain-of-rates", linked="S1:166", near="S1:163 S2:24")
def chain_of_rates(sheet: Sheet) -> Any:
    """dz/dx = dz/dy · dy/dx as three wheels that turn each other."""
    from matplotlib.patches import Circle

    wheels = (("x", 1.6, 1.2), ("y", 3.55, 0.6), ("z", 4.45, 0.3))
    with sheet.titled("chain-of-rates", 9.0, 4.4) as page:
        axes = sheet.canvas(page.subplots(), 9.0, 3.8)
        for name, x, radius in wheels:
            teeth = round(20 * radius)
            axes.add_patch(
                Circle(
                    (x, 1.75),
                    radius - 0.05,
                    facecolor=sheet.mix(sheet.theme.value, 0.12),
                    edgecolor=sheet.theme.value,
                    linewidth=1.8,
                ),
            )
            turn = np.pi / teeth if name == "y" else 0.0
            for angle in np.arange(teeth) * 2 * np.pi / teeth + turn:
                ends = np.array([radius - 0.05, radius + 0.05])
                axes.plot(
                    x + ends * np.cos(angle),
                    1.75 + ends * np.sin(angle),
                    color=sheet.theme.value,
                    linewidth=2.4,
                )
            sheet.write(axes, x, 1.75, f"${name}$", size=22 if radius > 0.4 else 17)
        sheet.write(axes, 1.6, 0.22, sheet.say("chain-of-rates.turns", count=1))
        sheet.write(axes, 3.55, 0.82, sheet.say("chain-of-rates.turns", count=2))
        sheet.write(axes, 4.75, 1.12, sheet.say("chain-of-rates.turns", count=4), ha="left")
        formula = r"$\frac{dz}{dx} \;=\; \frac{dz}{dy} \cdot \frac{dy}{dx}$"
        sheet.write(axes, 7.1, 2.65, formula, size=22)
        sheet.write(
            axes,
            7.1,
            1.75,
            "4  =  2  ·  2",
            size=16,
            color=sheet.theme.gradient,
            style="italic",
        )
    return page

"""A whole training step: data and weights to scores, loss, gradient, and new weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.engine.derivative import value_and_grad
from backlight.explain.circuit.record import circuit
from backlight.explain.figures.registry import figure
from backlight.explain.figures.sheet import Array, Sheet, number
from backlight.gates.hinge import multiclass_hinge

IMAGE = np.array([1.0, 2.0, -1.0])
START = np.array([[0.5, 0.1, 0.2], [-0.3, 0.8, 0.1], [0.2, -0.4, 0.6]])
LABEL = 0
DECAY = 0.1
RATE = 0.1


def _loss(weights: Any) -> Any:
    """Hinge loss of one example, and a penalty on the weights."""
    return multiclass_hinge(weights @ IMAGE, LABEL) + DECAY * (weights * weights).sum()


@figure("data-flow", linked="S3:25 S4:6", near="S1:152 S2:12 S3:23")
def data_flow(sheet: Sheet) -> Any:
    """From x and W to scores, hinge loss, penalty, and the loss; the gradient back into W."""
    loss, slopes = (np.asarray(one) for one in value_and_grad(_loss)(START))
    after = float(_loss(START - RATE * slopes))
    told = {
        "rate": number(RATE),
        "before": number(round(float(loss), 3)),
        "after": number(round(after, 3)),
    }
    length = number(round(float(np.linalg.norm(slopes)), 3))
    red = sheet.theme.gradient
    with sheet.titled("data-flow", 10.6, 5.4) as page:
        axes = sheet.canvas(page.subplots(), 10.8, 4.9)
        _stations(sheet, axes)
        _values(sheet, axes, float(loss))
        axes.plot(
            [10.1, 10.1, 0.75],
            [2.3, 0.85, 0.85],
            "--",
            color=red,
            linewidth=1.8,
        )
        sheet.arrow(axes, (0.75, 0.85), (0.75, 1.53), red, linewidth=1.8)
        back = sheet.say("data-flow.back", length=length)
        sheet.write(axes, 5.4, 1.07, back, color=red, style="italic")
        sheet.write(axes, 5.4, 0.5, sheet.say("data-flow.update", **told))
        formula = r"$L = \sum_{j \neq y} \max(0, s_j - s_y + 1) + \lambda \sum W^2$"
        sheet.write(axes, 5.4, 4.6, formula, size=13)
    return page


def _stations(sheet: Sheet, axes: Any) -> None:
    """Boxes and gates of the training step."""
    thick = {"size": 15, "edgecolor": sheet.theme.ink, "linewidth": 1.8}
    sheet.box(axes, 0.75, 4.1, 1.1, 0.7, "x", size=15)
    sheet.box(axes, 0.75, 1.9, 1.1, 0.7, "W", **thick)
    sheet.node(axes, 2.7, 3.3, "×", 0.4, size=17)
    sheet.box(axes, 6.2, 3.3, 1.5, 0.8, sheet.say("data-flow.hinge"))
    sheet.box(axes, 6.2, 1.9, 1.5, 0.8, "R(W)", size=12)
    sheet.node(axes, 8.4, 2.7, "+", 0.4, size=17)
    sheet.box(axes, 10.1, 2.7, 1.0, 0.8, "L", **thick)


def _values(sheet: Sheet, axes: Any, loss: float) -> None:
    """Wires between them, with what flows forward and back."""
    scores = START @ IMAGE
    hinge = float(multiclass_hinge(scores, LABEL))
    told = ", ".join(number(round(float(one), 2)) for one in scores)
    sheet.wire(axes, (1.3, 3.95), (2.32, 3.44), "x")
    sheet.wire(axes, (1.3, 2.2), (2.4, 3.02))
    sheet.wire(axes, (1.3, 1.9), (5.45, 1.9))
    sheet.wire(axes, (3.1, 3.3), (5.45, 3.3), f"s = ({told})")
    parts = (
        (hinge, (6.95, 3.3), (8.03, 2.86)),
        (loss - hinge, (6.95, 1.9), (8.06, 2.5)),
        (loss, (8.8, 2.7), (9.6, 2.7)),
    )
    for value, start, end in parts:
        sheet.wire(axes, start, end, number(round(value, 3)), "1")


@figure("vectors", linked="S3:37", near="S3:41")
def vectors(sheet: Sheet) -> Any:
    """‖W·x‖² with matrices on the wires: each gradient has the shape of its value."""
    weights, x = np.array([[0.1, 0.5], [-0.3, 0.8]]), np.array([0.2, 0.4])
    drawn = circuit("sum((W @ x)**2)", W=weights, x=x)
    multiplied = next(node.index for node in drawn.gates if node.shape == (2,))
    slopes = {one: np.asarray(drawn.gradient(one)) for one in ("W", "x", multiplied)}
    with sheet.titled("vectors", 10.4, 5.0) as page:
        axes = sheet.canvas(page.subplots(), 10.4, 4.4)
        _pair(sheet, axes, 0.7, 4.2, weights, slopes["W"], "W")
        _pair(
            sheet,
            axes,
            0.7,
            1.9,
            x[:, None],
            slopes["x"][:, None],
            "x",
        )
        sheet.node(axes, 4.6, 2.2, "×", 0.38, size=17)
        sheet.wire(axes, (3.65, 3.4), (4.32, 2.5))
        sheet.wire(axes, (2.4, 1.25), (4.28, 1.98))
        value = np.asarray(drawn.value(multiplied))[:, None]
        sheet.wire(axes, (4.98, 2.2), (5.45, 2.2))
        _pair(sheet, axes, 5.55, 2.85, value, slopes[multiplied][:, None], "q")
        sheet.wire(axes, (7.3, 2.2), (7.72, 2.2))
        sheet.node(axes, 8.1, 2.2, "L2", 0.38, size=12)
        told = number(float(drawn.value(drawn.output)))
        sheet.wire(axes, (8.48, 2.2), (10.0, 2.2), told, "1.00")
        sheet.write(axes, 8.1, 3.6, "f(x, W) = ‖W·x‖² = Σ qᵢ²", size=13)
        sheet.write(
            axes,
            6.4,
            0.75,
            "∂f/∂W = 2q·xᵀ",
            size=12,
            color=sheet.theme.gradient,
            style="italic",
            ha="left",
        )
        sheet.write(
            axes,
            6.4,
            0.32,
            "∂f/∂x = 2Wᵀ·q",
            size=12,
            color=sheet.theme.gradient,
            style="italic",
            ha="left",
        )
    return page


def _pair(
    sheet: Sheet,
    axes: Any,
    left: float,
    top: float,
    value: Array,
    slope: Array,
    name: str,
) -> None:
    """A value in green with its gradient in red beside it, of one shape."""
    columns = value.shape[1]
    cell = 0.62
    green, red = sheet.mix(sheet.theme.value, 0.13), sheet.mix(sheet.theme.gradient, 0.13)
    middle = left + columns * cell + 0.25
    sheet.grid(
        axes,
        value.round(4),
        left,
        top,
        cell,
        fill=green,
        colour=sheet.theme.value,
    )
    sheet.grid(
        axes,
        slope.round(4),
        middle,
        top,
        cell,
        fill=red,
        colour=sheet.theme.gradient,
        italic=True,
    )
    foot = top - value.shape[0] * cell - 0.2
    size = "×".join(map(str, value.shape))
    sheet.write(axes, left + columns * cell / 2, foot, f"{name}  {size}", size=9.5)
    sheet.write(axes, middle + columns * cell / 2, foot, f"∇{name}  {size}", size=9.5)


@figure("forward-and-backward", linked="S4:41", near="S4:39 S4:40")
def forward_and_backward(sheet: Sheet) -> Any:
    """A small network layer by layer: values to the right, gradients to the left."""
    from backlight.gates.loss import cross_entropy
    from backlight.gates.rectifier import relu

    x = np.array([0.9, -0.4])
    first = np.array([[0.8, -0.5], [-0.6, 0.3], [0.4, 0.9]])
    second = np.array([[0.7, -0.2, 0.5], [-0.4, 0.6, -0.3]])

    def network(a: Any, b: Any, inputs: Any) -> Any:
        return cross_entropy((b @ relu(a @ inputs))[None], np.array([0]))

    loss, slopes = value_and_grad(network, (0, 1, 2))(first, second, x)
    hidden = np.asarray(relu(first @ x))
    scores = second @ hidden
    shares = np.exp(scores) / np.exp(scores).sum()
    to_scores = shares - np.array([1.0, 0.0])
    to_hidden = second.T @ to_scores
    columns = (
        (0.9, x, np.asarray(slopes[2]), "x"),
        (4.0, hidden, to_hidden, "h = max(0, W₁x)"),
        (7.1, scores, to_scores, "s = W₂h"),
        (9.9, np.array([float(loss)]), np.array([1.0]), "L"),
    )
    with sheet.titled("forward-and-backward", 10.8, 5.6) as page:
        axes = sheet.canvas(page.subplots(), 10.8, 5.0)
        _wires(
            sheet,
            axes,
            columns,
            (first, second),
            [np.asarray(one) for one in slopes[:2]],
        )
        for column in columns:
            _column(sheet, axes, *column)
        ends = (1.6, 0.42), (9.2, 0.42)
        sheet.arrow(axes, *ends, sheet.theme.value, linewidth=1.8)
        ends = (9.2, 0.16), (1.6, 0.16)
        sheet.arrow(axes, *ends, sheet.theme.gradient, linewidth=1.8, linestyle="--")
    return page


def _column(
    sheet: Sheet,
    axes: Any,
    across: float,
    values: Array,
    slopes: Array,
    name: str,
) -> None:
    """The units of a layer with values inside and gradients below; dotted where they are off."""
    sheet.write(axes, across, 4.55, name, size=12)
    red = sheet.theme.gradient
    for y, value, slope in zip(_heights(len(values)), values, slopes, strict=True):
        how = {"edgecolor": sheet.theme.value, "size": 10.5}
        if value == 0:
            how |= {"edgecolor": sheet.theme.faint, "linestyle": ":"}
        sheet.node(
            axes,
            across,
            y,
            number(round(float(value), 2)),
            0.36,
            **how,
        )
        told = f"∇ {number(round(float(slope), 2))}"
        sheet.write(axes, across, y - 0.52, told, color=red, style="italic", size=10)


def _heights(count: int) -> Array:
    """Where the units of a layer stand."""
    return 2.6 + 1.28 * (np.arange(count)[::-1] - (count - 1) / 2)


def _wires(sheet: Sheet, axes: Any, columns: Any, weights: Any, slopes: Any) -> None:
    """Lines between layers, as thick as the gradient of their weight is large."""
    for place in range(3):
        across, values = columns[place][:2]
        behind, others = columns[place + 1][:2]
        for j, end in enumerate(_heights(len(others))):
            for i, start in enumerate(_heights(len(values))):
                share = 1.0 if place == 2 else abs(float(slopes[place][j, i]))
                colour = sheet.theme.gradient if share > 1e-12 else sheet.theme.faint
                line = "-" if share > 1e-12 else ":"
                axes.plot(
                    [across, behind],
                    [start, end],
                    line,
                    color=colour,
                    alpha=0.55,
                    linewidth=0.9 if place == 2 else 0.7 + 5 * share,
                    zorder=1,
                )
                if place < 2:
                    told = number(float(weights[place][j, i]))
                    at = 0.36 if i % 2 else 0.58
                    spot = (across + at * (behind - across), start + at * (end - start))
                    sheet.write(
                        axes,
                        *spot,
                        told,
                        size=8,
                        zorder=2,
                        bbox={"facecolor": sheet.theme.paper, "edgecolor": "none", "pad": 0.8},
                    )

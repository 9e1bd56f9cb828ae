"""Gradients as pictures: slices, a bowl, a field of arrows, and the quotient of differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.check.numerical import Method, error_by_step
from backlight.engine.derivative import value_and_grad
from backlight.explain.figures.registry import figure
from backlight.explain.figures.sheet import Sheet, number

AT = (3.0, 4.0)
FLOOR = -40
"""Where the plane of the variables lies below the bowl."""


def bowl_of(x: Any) -> Any:
    """f(x₀, x₁) = x₀² + x₁²."""
    return (x**2).sum()


@figure("partial-derivatives", linked="S0:4")
def partial_derivatives(sheet: Sheet) -> Any:
    """Two slices through a surface, and the slope of each."""
    height, slopes = _at(np.array(AT))
    with sheet.titled("partial-derivatives", 8.4, 3.9) as page:
        for place, axes in enumerate(page.subplots(1, 2, sharey=True)):
            t = np.linspace(-6, 6, 241)
            other = AT[1 - place]
            axes.plot(t, t**2 + other**2, color=sheet.theme.value, linewidth=2)
            run = np.array([-2.0, 1.6]) + AT[place]
            axes.plot(
                run,
                height + slopes[place] * (run - AT[place]),
                color=sheet.theme.gradient,
                linewidth=1.8,
                linestyle="--",
            )
            axes.plot(
                AT[place],
                height,
                "o",
                color=sheet.theme.ink,
                markersize=6,
                zorder=4,
            )
            here, fixed = ("₀", "₁") if place == 0 else ("₁", "₀")
            axes.set_title(f"f(x₀, x₁) = x₀² + x₁²,   x{fixed} = {number(other)}")
            sheet.write(
                axes,
                AT[place] - 0.55,
                height + 1.2,
                f"∂f/∂x{here} = {number(slopes[place])}",
                color=sheet.theme.gradient,
                style="italic",
                ha="right",
                size=12,
            )
            axes.set(xlabel=f"x{here}", xlim=(-6, 6), ylim=(0, 55))
            axes.grid()
    return page


@figure("bowl", linked="S0:5")
def bowl(sheet: Sheet) -> Any:
    """The surface, the point on it, and its gradient in the plane below."""
    height, slopes = _at(np.array(AT))
    x, y = AT
    red, ink = sheet.theme.gradient, sheet.theme.ink
    with sheet.titled("bowl", 7.0, 5.8) as page:
        axes = page.add_subplot(projection="3d")
        _surface(sheet, axes)
        axes.plot(
            [x, x],
            [y, y],
            [FLOOR, height],
            ":",
            color=ink,
            linewidth=1.2,
        )
        axes.plot(
            [x],
            [y],
            [height],
            "o",
            color=ink,
            markersize=7,
            zorder=9,
        )
        tip = np.array(AT) + 0.42 * slopes
        axes.plot([x, tip[0]], [y, tip[1]], [FLOOR] * 2, color=red, linewidth=2.4)
        # The two strokes of its head lie in the ground plane, as the arrow does.
        for turn in (2.75, -2.75):
            across, up = np.cos(turn), np.sin(turn)
            stroke = 0.13 * np.array([[across, -up], [up, across]]) @ slopes
            end = tip + stroke
            axes.plot([tip[0], end[0]], [tip[1], end[1]], [FLOOR] * 2, color=red, linewidth=2.4)
        told = f"∇f = ({number(slopes[0])}, {number(slopes[1])})"
        place = {"transform": axes.transAxes, "size": 11, "style": "italic"}
        axes.text2D(0.72, 0.42, told, color=red, **place)
        axes.set(xlabel="x₀", ylabel="x₁")
        axes.set_zlabel("f", rotation=0)
    return page


def _surface(sheet: Sheet, axes: Any) -> None:
    """The bowl with contours on the floor below it, seen from a corner."""
    side = np.linspace(-6, 6, 49)
    across, up = np.meshgrid(side, side)
    heights = across**2 + up**2
    axes.plot_surface(
        across,
        up,
        heights,
        cmap=sheet.amount(),
        alpha=0.72,
        linewidth=0.25,
        edgecolor=sheet.mix(sheet.theme.ink, 0.4),
        rstride=3,
        cstride=3,
        vmin=-10,
        vmax=110,
    )
    axes.contour(
        across,
        up,
        heights,
        levels=[4, 9, 25, 45],
        zdir="z",
        offset=FLOOR,
        colors=sheet.theme.faint,
        linewidths=0.8,
    )
    axes.set(
        xlim=(-6, 7),
        ylim=(-6, 8),
        zlim=(FLOOR, 75),
    )
    axes.set_zticks([0, 25, 50, 75])
    axes.view_init(elev=24, azim=-62)
    axes.set_box_aspect((1, 1, 0.82), zoom=1.12)
    for one in (axes.xaxis, axes.yaxis, axes.zaxis):
        one.set_pane_color((0, 0, 0, 0))
        one._axinfo["grid"].update(color=sheet.mix(sheet.theme.faint, 0.4), linewidth=0.5)


@figure("gradient-field", linked="S0:6", near="S0:7")
def gradient_field(sheet: Sheet) -> Any:
    """Gradients point uphill; a descent walks against them."""
    side = np.linspace(-2, 2, 9)
    across, up = np.meshgrid(side, side)
    places = np.stack([across.ravel(), up.ravel()], axis=1)
    slopes = np.stack([_at(one)[1] for one in places])
    fine = np.linspace(-2.4, 2.4, 121)
    heights = fine[:, None] ** 2 + fine[None, :] ** 2
    with sheet.titled("gradient-field", 8.8, 4.9) as page:
        panels = page.subplots(1, 2, sharey=True)
        for axes, sign, name in zip(
            panels,
            (1, -1),
            ("up", "down"),
            strict=True,
        ):
            colour = sheet.theme.gradient if sign > 0 else sheet.theme.value
            axes.contour(
                fine,
                fine,
                heights,
                levels=[0.25, 1, 2, 4, 6, 8],
                colors=sheet.theme.faint,
                linewidths=0.7,
                alpha=0.7,
            )
            axes.quiver(
                *places.T,
                *(sign * slopes).T,
                color=colour,
                angles="xy",
                scale_units="xy",
                scale=13,
                width=0.0065,
                pivot="tail",
                zorder=3,
            )
            axes.plot(0, 0, "+", color=sheet.theme.ink, markersize=10, markeredgewidth=1.5)
            axes.set(
                aspect="equal",
                xlim=(-2.5, 2.5),
                ylim=(-2.5, 2.5),
                xlabel="x₀",
                title=sheet.say(f"gradient-field.{name}"),
            )
        panels[0].set_ylabel("x₁")
    return page


@figure("difference-quotient", linked="S1:89", near="S1:88")
def difference_quotient(sheet: Sheet) -> Any:
    """The slope by a small h, and how far it is off for every h."""

    def curve(x: Any) -> Any:
        return 0.25 * x**3 - x + 2

    at, h = 1.2, 1.1
    exact = float(value_and_grad(curve)(np.array(at))[1])
    x = np.linspace(-0.6, 3.0, 181)
    with sheet.titled("difference-quotient", 9.4, 4.3) as page:
        left, right = page.subplots(1, 2, width_ratios=[1.15, 1])
        left.plot(x, curve(x), color=sheet.theme.value, linewidth=2)
        chord = (curve(at + h) - curve(at)) / h
        left.plot(
            x,
            curve(at) + chord * (x - at),
            color=sheet.theme.classes[1],
            linewidth=1.4,
        )
        left.plot(
            x,
            curve(at) + exact * (x - at),
            "--",
            color=sheet.theme.gradient,
            linewidth=1.4,
        )
        ends = np.array([at, at + h])
        left.plot(
            ends,
            curve(ends),
            "o",
            color=sheet.theme.ink,
            markersize=6,
            zorder=4,
        )
        left.plot(
            [at, at + h, at + h],
            [curve(at)] * 2 + [curve(at + h)],
            ":",
            color=sheet.theme.faint,
        )
        sheet.write(left, at + h / 2, curve(at) - 0.18, "h", style="italic")
        sheet.write(
            left,
            at + h + 0.07,
            (curve(at) + curve(at + h)) / 2,
            "f(x+h) − f(x)",
            ha="left",
        )
        left.set(
            xlim=(-0.4, 3.6),
            ylim=(0, 4.6),
            xlabel="x",
            ylabel="f(x)",
        )
        left.set_title(r"$\frac{\partial f}{\partial x} \approx \frac{f(x+h) - f(x)}{h}$", size=15)
        left.legend(
            ["f", sheet.say("difference-quotient.chord"), sheet.say("difference-quotient.tangent")],
            loc="upper left",
        )
        _errors(sheet, right, curve, at)
    return page


def _errors(sheet: Sheet, axes: Any, curve: Any, at: float) -> None:
    """How far one-sided and centred quotients are from the derivative, for every h."""
    steps = tuple(np.logspace(-13, -0.3, 60))
    exact = float(value_and_grad(curve)(np.array(at))[1])
    ways: tuple[Method, ...] = ("forward", "centred")
    for method, line, colour in zip(
        ways,
        ("-", "--"),
        sheet.theme.classes[1:3],
        strict=True,
    ):
        errors = [error for _, error in error_by_step(curve, at, exact, steps, method)]
        axes.loglog(
            steps,
            np.maximum(errors, 1e-14),
            line,
            color=colour,
            label=sheet.say(f"difference-quotient.{method}"),
        )
    axes.set(xlabel="h", title=sheet.say("difference-quotient.error"), ylim=(1e-14, 10))
    axes.grid()
    axes.minorticks_off()
    axes.legend(loc="upper left")


def _at(place: Any) -> tuple[float, Any]:
    """The bowl's height and gradient at a place."""
    value, slopes = value_and_grad(bowl_of)(place)
    return float(value), np.asarray(slopes)

"""From scores to probabilities, and what a probability that was believed costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.explain.figures.registry import figure
from backlight.explain.figures.sheet import Sheet, number
from backlight.gates.divergence import cross_entropy_of, entropy
from backlight.gates.softmax import softmax

SCORES = np.array([-2.85, 0.86, 0.28])
"""Of the course's example; the third class is right."""
RIGHT = 2
TRUTH = np.array([0.7, 0.3])


@figure("softmax", linked="S0:36", near="S0:35")
def from_scores(sheet: Sheet) -> Any:
    """Scores, made positive by exp, made to sum to one."""
    powers = np.exp(SCORES)
    shares = softmax(SCORES)
    steps = [("scores", SCORES), ("powers", powers), ("shares", shares)]
    with sheet.titled(
        "softmax",
        9.4,
        3.9,
        loss=number(-np.log(shares[RIGHT])),
    ) as page:
        panels = page.subplots(1, 3)
        for axes, (name, values) in zip(panels, steps, strict=True):
            colours = [sheet.class_colour(k) for k in range(3)]
            bars = axes.bar(range(3), values, color=colours, width=0.62)
            bars[RIGHT].set_hatch("//")
            bars[RIGHT].set_edgecolor(sheet.theme.paper)
            room = np.ptp([0, *values])
            for k, value in enumerate(values):
                lift = 0.05 * room * (1 if value >= 0 else -1)
                told = number(round(float(value), 3))
                sheet.write(axes, k, value + lift, told, va="bottom" if value >= 0 else "top")
            axes.axhline(0, color=sheet.theme.faint, linewidth=0.8)
            low, high = min(0, *values), max(0, *values)
            axes.set_ylim(low - 0.14 * room * (low < 0), high + 0.16 * room)
            axes.set_title(sheet.say(f"softmax.{name}"), pad=10)
            axes.set_xticks(range(3), [sheet.say("softmax.class", k=k + 1) for k in range(3)])
            axes.tick_params(axis="x", length=0, colors=sheet.theme.ink)
            axes.spines[["left", "bottom"]].set_visible(False)
            axes.set_yticks([])
        for axes, sign in zip(panels[1:], ("$e^{s}$", r"$\div\,\Sigma$"), strict=True):
            axes.annotate(
                "",
                xy=(-0.03, 0.5),
                xytext=(-0.19, 0.5),
                xycoords="axes fraction",
                arrowprops={"arrowstyle": "-|>", "color": sheet.theme.ink},
                annotation_clip=False,
            )
            axes.annotate(
                sign,
                xy=(-0.11, 0.56),
                xycoords="axes fraction",
                ha="center",
                size=13,
                color=sheet.theme.ink,
                annotation_clip=False,
            )
    return page


@figure("cross-entropy", linked="S0:44", near="S0:45")
def of_two(sheet: Sheet) -> Any:
    """Cross-entropy and its smallest value, the entropy, as the believed share moves."""
    shares = np.linspace(0.005, 0.995, 397)
    believed = np.stack([shares, 1 - shares], axis=1)
    costs = cross_entropy_of(np.broadcast_to(TRUTH, believed.shape).copy(), believed)
    least = float(entropy(TRUTH))
    at = 0.25
    cost = float(cross_entropy_of(TRUTH, np.array([at, 1 - at])))
    with sheet.titled("cross-entropy", 7.6, 4.9, least=number(least)) as page:
        axes = page.subplots()
        axes.fill_between(shares, least, costs, color=sheet.theme.gradient, alpha=0.13, linewidth=0)
        axes.fill_between(shares, 0, least, color=sheet.theme.value, alpha=0.13, linewidth=0)
        axes.plot(shares, costs, color=sheet.theme.ink, linewidth=2.2)
        axes.axhline(least, color=sheet.theme.value, linewidth=1.4, linestyle="--")
        axes.plot(
            TRUTH[0],
            least,
            "o",
            color=sheet.theme.value,
            markersize=8,
            zorder=4,
        )
        axes.plot([at, at], [0, cost], ":", color=sheet.theme.faint)
        axes.plot(at, cost, "o", color=sheet.theme.ink, markersize=6, zorder=4)
        sheet.write(axes, at + 0.03, cost + 0.06, f"H(p, q) = {number(cost)}", ha="left")
        sheet.write(
            axes,
            at - 0.02,
            (cost + least) / 2,
            f"KL = {number(cost - least)}",
            ha="right",
            style="italic",
            color=sheet.theme.gradient,
        )
        sheet.write(
            axes,
            at - 0.02,
            least / 2,
            f"H(p) = {number(least)}",
            ha="right",
            color=sheet.theme.value,
        )
        sheet.write(axes, TRUTH[0], least - 0.14, "q = p", color=sheet.theme.value)
        axes.set_title(r"$H(p, q) = -\sum_x\, p(x)\,\ln q(x)$", size=14, pad=16)
        axes.set(
            xlim=(0, 1),
            ylim=(0, 2.4),
            xlabel=sheet.say("cross-entropy.believed"),
            ylabel=sheet.say("cross-entropy.nats"),
        )
        axes.grid()
    return page


@figure("entropy", linked="S0:49", near="S0:48")
def of_one(sheet: Sheet) -> Any:
    """The entropy of a coin for every bias, and of four dice with three faces."""
    shares = np.linspace(0, 1, 401)
    coins = np.stack([shares, 1 - shares], axis=1)
    with sheet.titled("entropy", 9.2, 4.4) as page:
        left, right = page.subplots(1, 2, width_ratios=[1.15, 1])
        left.plot(
            shares,
            entropy(coins) / np.log(2),
            color=sheet.theme.value,
            linewidth=2.2,
        )
        for share, ha, shift in ((0.5, "center", 0.0), (0.9, "left", 0.02), (0.0, "left", 0.03)):
            bits = float(entropy(np.array([share, 1 - share]))) / np.log(2)
            left.plot(share, bits, "o", color=sheet.theme.ink, markersize=6, zorder=4)
            lift = 0.06 if ha == "center" else 0.03
            sheet.write(
                left,
                share + shift,
                bits + lift,
                number(round(bits, 3)),
                ha=ha,
            )
        left.set_title(r"$H(p) = -\sum_x\, p(x)\,\log_2 p(x)$", size=14, pad=16)
        left.set(
            xlabel=sheet.say("entropy.heads"),
            ylabel=sheet.say("entropy.bits"),
            ylim=(0, 1.18),
            xlim=(-0.02, 1.08),
        )
        left.grid()
        chances = np.array([[1, 0, 0], [0.8, 0.1, 0.1], [0.5, 0.25, 0.25], [1 / 3] * 3])
        start = np.zeros(len(chances))
        rows = np.arange(len(chances))[::-1]
        for k in range(3):
            colour = sheet.mix(sheet.theme.value, 0.95 - 0.33 * k)
            right.barh(
                rows,
                chances[:, k],
                left=start,
                color=colour,
                height=0.5,
                edgecolor=sheet.theme.paper,
                linewidth=1.5,
            )
            start += chances[:, k]
        for row, one in zip(rows, chances, strict=True):
            bits = float(entropy(one)) / np.log(2)
            told = ", ".join(number(round(float(p), 2)) for p in one)
            sheet.write(right, 0, row + 0.38, f"p = ({told})", ha="left", size=9.5)
            sheet.write(right, 1.04, row, f"{number(round(bits, 3))}", ha="left", size=12)
        sheet.write(right, 1.04, 3.62, sheet.say("entropy.bits"), ha="left", size=9.5)
        right.set(xlim=(0, 1.28), ylim=(-0.45, 3.9))
        right.axis("off")
    return page

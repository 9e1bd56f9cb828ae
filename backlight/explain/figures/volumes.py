"""Convolutional layers: volumes, windows, the sum of products with numbers, and pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight import philox
from backlight.data.digits import load_digits
from backlight.explain.figures.registry import figure
from backlight.explain.figures.sheet import Array, Sheet, number
from backlight.gates.convolution import conv2d
from backlight.gates.pooling import max_pool2d
from backlight.gates.rectifier import relu

POOLED = np.array([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]], dtype=float)
EDGES = np.array(
    [[[1, 0, -1], [2, 0, -2], [1, 0, -1]], [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]],
    dtype=float,
)
"""Sobel's filters: upright edges, level edges."""
WINDOW = slice(2, 5)
"""Rows and columns of the padded image under the filter, for the number that is worked out."""
BEND = np.array([[[1.0, -2.0, 1.0]]])
"""A filter that finds where a row bends."""


@figure("fully-connected", near="S2:92 S2:95 S2:97")
def fully_connected(sheet: Sheet) -> Any:
    """An image stretched into a column of 3,072 numbers, and ten scores."""
    with sheet.titled("fully-connected", 10.0, 3.7) as page:
        axes = sheet.canvas(page.subplots(), 10.0, 3.1)
        volume(
            sheet,
            axes,
            (0.3, 0.75),
            (0.55, 1.2),
            1,
            "32×32×3",
            sheet.theme.value,
        )
        sheet.arrow(axes, (1.75, 1.6), (2.35, 1.6))
        shade = sheet.mix(sheet.theme.value, 0.2)
        sheet.bar_of(axes, (2.5, 0.5), 0.3, 2.3, shade)
        sheet.write(axes, 2.65, 0.22, "x:  3072×1", size=10)
        sheet.arrow(axes, (3.0, 1.6), (4.3, 1.6))
        sheet.bar_of(
            axes,
            (4.45, 1.05),
            2.5,
            1.1,
            sheet.mix(sheet.theme.ink, 0.1),
        )
        sheet.write(axes, 5.7, 1.6, "W", size=16)
        sheet.write(axes, 5.7, 0.72, "10×3072", size=10)
        sheet.arrow(axes, (7.1, 1.6), (7.9, 1.6))
        sheet.bar_of(
            axes,
            (8.05, 1.05),
            0.3,
            1.1,
            sheet.mix(sheet.theme.gradient, 0.22),
        )
        sheet.write(axes, 8.2, 0.72, "10×1", size=10)
        sheet.write(axes, 8.2, 2.42, sheet.say("fully-connected.sum"), size=9.5)
    return page


def volume(
    sheet: Sheet,
    axes: Any,
    corner: tuple[float, float],
    face: tuple[float, float],
    depth: float,
    told: str,
    colour: str,
    share: float = 0.18,
) -> None:
    """A block seen from the side: its front at `corner`, its depth to the upper right."""
    from matplotlib.patches import Polygon

    x, y = corner
    width, height = face
    shift = np.array([0.32 * depth, 0.32 * depth])
    front = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
    top = np.array([front[3], front[2], front[2] + shift, front[3] + shift])
    side = np.array([front[1], front[1] + shift, front[2] + shift, front[2]])
    for points, times in ((front, 1.0), (top, 0.6), (side, 1.5)):
        axes.add_patch(
            Polygon(
                points,
                facecolor=sheet.mix(colour, min(share * times, 1)),
                edgecolor=colour,
                linewidth=1.2,
                zorder=2,
            ),
        )
    if told:
        sheet.write(
            axes,
            x + width / 2 + shift[0] / 2,
            y - 0.26,
            told,
            size=10,
        )


@figure("convolution-volume", near="S2:99 S2:102 S2:104 S2:114 S2:116")
def convolution_volume(sheet: Sheet) -> Any:
    """A 5×5×3 filter over a 32×32×3 image: each filter makes one 28×28 map."""
    from backlight.shapes import window

    side = window("convolution", 32, 5, 1)
    green, red, blue = sheet.theme.value, sheet.theme.gradient, sheet.theme.classes[0]
    with sheet.titled("convolution-volume", 10.6, 4.9) as page:
        axes = sheet.canvas(page.subplots(), 10.6, 4.3)
        volume(sheet, axes, (0.4, 0.8), (0.75, 2.5), 2.2, "32×32×3", green, 0.13)
        volume(sheet, axes, (0.62, 2.15), (0.75, 0.5), 0.7, "", red, 0.4)
        sheet.write(axes, 1.55, 0.15, sheet.say("convolution-volume.image"), size=9.5)
        for end in ((1.59, 2.87), (1.59, 2.38)):
            axes.plot(
                [end[0], 3.72],
                [end[1], 2.62],
                color=sheet.theme.faint,
                linewidth=0.9,
            )
        sheet.node(
            axes,
            3.95,
            2.62,
            "",
            0.2,
            edgecolor=blue,
            linewidth=2,
            facecolor=sheet.mix(blue, 0.3),
        )
        sheet.write(axes, 3.95, 3.3, sheet.say("convolution-volume.one"), size=9.5)
        sheet.write(axes, 3.95, 2.02, "wᵀx + b", size=12)
        sheet.write(axes, 3.95, 1.65, "5·5·3 = 75", size=10, color=sheet.theme.faint)
        sheet.arrow(axes, (4.6, 2.62), (5.5, 2.62))
        for k in reversed(range(6)):
            x, y = 5.75 + 0.21 * k, 0.95 + 0.14 * k
            colour = blue if k == 0 else sheet.theme.classes[k % 5]
            volume(sheet, axes, (x, y), (0.12, 1.95), 1.9, "", colour, 0.2)
        sheet.write(axes, 6.65, 0.5, f"{side}×{side}×6", size=10)
        sheet.write(axes, 6.65, 0.15, sheet.say("convolution-volume.maps"), size=9.5)
        sheet.arrow(axes, (7.95, 2.62), (8.55, 2.62))
        sheet.box(axes, 9.1, 2.62, 0.95, 0.6, "ReLU")
        sheet.arrow(axes, (9.6, 2.62), (10.3, 2.62))
    return page


@figure("convolution-numbers", near="S2:106 S2:110")
def convolution_numbers(sheet: Sheet) -> Any:
    """5×5×3, two filters 3×3×3, stride 2, padding 1: every number, and one window by hand."""
    image = np.floor(
        3
        * philox.uniform(
            7,
            0,
            (1, 3, 5, 5),
            np.float64,
        )
    )
    weights = (
        np.floor(
            3
            * philox.uniform(
                7,
                1,
                (2, 3, 3, 3),
                np.float64,
            )
        )
        - 1
    )
    bias = np.array([1.0, 0.0])
    maps = conv2d(image, weights, bias, stride=2, padding=1)[0]
    padded = np.pad(image[0], ((0, 0), (1, 1), (1, 1)))
    shares = (padded[:, WINDOW, WINDOW] * weights[0]).sum(axis=(1, 2))
    with sheet.titled("convolution-numbers", 10.4, 9.4) as page:
        axes = sheet.canvas(page.subplots(), 10.4, 8.7)
        sheet.write(axes, 1.4, 8.5, sheet.say("convolution-numbers.image"))
        for k, name in enumerate(("W⁰", "W¹")):
            told = sheet.say("convolution-numbers.filter", name=name)
            sheet.write(axes, 4.65 + 2.1 * k, 8.5, told)
        sheet.write(axes, 9.2, 8.5, sheet.say("convolution-numbers.output"))
        for channel, share in enumerate(shares):
            _channel(sheet, axes, channel, padded[channel], weights[:, channel], float(share))
        for k in range(2):
            _map(sheet, axes, k, maps[k], bias[k])
        total = " + ".join(number(one) if one >= 0 else f"({number(one)})" for one in shares)
        sum_ = f"{total} + {number(bias[0])}"
        sheet.write(
            axes,
            8.55,
            1.2,
            sum_,
            size=11,
            color=sheet.theme.gradient,
            style="italic",
        )
        result = f"= {number(maps[0, 1, 1])}"
        sheet.write(axes, 8.55, 0.8, result, size=13, color=sheet.theme.value)
    return page


def _channel(
    sheet: Sheet,
    axes: Any,
    channel: int,
    image: Array,
    weights: Array,
    share: float,
) -> None:
    """One channel of the image and of both filters, and what its window adds."""
    top = 8.2 - channel * 2.75
    fill = [
        [
            _tint(
                sheet,
                i,
                j,
            )
            for j in range(7)
        ]
        for i in range(7)
    ]
    sheet.grid(axes, image, 0.15, top, 0.36, fill=fill, size=9.5)
    red = sheet.theme.gradient
    tints = (sheet.mix(red, 0.2), None)
    for k, tint in enumerate(tints):
        sheet.grid(
            axes,
            weights[k],
            4.1 + 2.1 * k,
            top - 0.55,
            0.36,
            fill=tint,
            size=9.5,
        )
    sheet.write(axes, 3.35, top - 1.09, "×", size=14)
    told = sheet.say("convolution-numbers.share", share=number(share))
    sheet.write(axes, 4.64, top - 1.9, told, size=9.5, color=red, style="italic")


def _map(sheet: Sheet, axes: Any, k: int, values: Array, bias: float) -> None:
    """The output of one filter, the number of the chosen window tinted."""
    top = 7.65 - 2.75 * k
    fill: list[list[Any]] = [[None] * 3 for _ in range(3)]
    if k == 0:
        fill[1][1] = sheet.mix(sheet.theme.value, 0.3)
    sheet.grid(axes, values, 8.6, top, 0.4, fill=fill, size=10.5)
    told = sheet.say("convolution-numbers.map", k=k, bias=number(bias))
    sheet.write(axes, 9.2, top - 1.42, told, size=9.5)


def _tint(sheet: Sheet, i: int, j: int) -> str | None:
    """The colour behind a padded pixel: in the window, outside the image, or neither."""
    window = range(WINDOW.start, WINDOW.stop)
    if i in window and j in window:
        return str(sheet.mix(sheet.theme.value, 0.3))
    if i in (0, 6) or j in (0, 6):
        return str(sheet.mix(sheet.theme.ink, 0.10))
    return None


@figure("stride-and-padding", near="S2:108")
def stride_and_padding(sheet: Sheet) -> Any:
    """Where the windows of a row begin, for three strides and with padding."""
    from backlight.shapes import window

    cases = ((7, 3, 1, 0), (7, 3, 2, 0), (7, 3, 3, 0), (7, 3, 1, 1))
    with sheet.titled("stride-and-padding", 10.2, 4.4) as page:
        for axes, (width, extent, stride, padding) in zip(
            page.subplots(1, 4),
            cases,
            strict=True,
        ):
            sheet.canvas(axes, 4.6, 6.4)
            whole = width + 2 * padding
            cell = 0.44
            left = 2.3 - whole * cell / 2
            fits = (whole - extent) % stride == 0
            count = window("row", width, extent, stride, padding) if fits else None
            colours = [
                sheet.mix(sheet.theme.ink, 0.1)
                if not padding <= i < width + padding
                else sheet.mix(sheet.theme.value, 0.13)
                for i in range(whole)
            ]
            texts = ["0" if not padding <= i < width + padding else " " for i in range(whole)]
            sheet.grid(
                axes,
                np.array([texts], dtype=object),
                left,
                5.2,
                cell,
                fill=[colours],
                size=9,
            )
            for place, start in enumerate(range(0, whole, stride)):
                inside = start + extent <= whole
                if not inside and (fits or start >= whole):
                    break
                y = 4.45 - 0.42 * place
                end = start + extent
                axes.plot(
                    [left + start * cell + 0.04, left + end * cell - 0.04],
                    [y, y],
                    linewidth=5,
                    solid_capstyle="butt",
                    clip_on=False,
                    color=sheet.theme.value if inside else sheet.theme.gradient,
                )
                if not inside:
                    break
            sheet.write(axes, 2.3, 6.05, f"W = {width},  F = {extent}", size=10.5)
            sheet.write(axes, 2.3, 5.6, f"S = {stride},  P = {padding}", size=10.5)
            steps = (whole - extent) / stride + 1
            told = f"({width} − {extent} + 2·{padding})/{stride} + 1 = {number(round(steps, 2))}"
            sheet.write(axes, 2.3, 0.95, told, size=9.5)
            result = (
                sheet.say("stride-and-padding.fits", count=count)
                if fits
                else sheet.say("stride-and-padding.misfit")
            )
            sheet.write(
                axes,
                2.3,
                0.5,
                result,
                size=10.5,
                color=sheet.theme.value if fits else sheet.theme.gradient,
            )
    return page


@figure("pooling", near="S2:118 S2:120 S2:122 S2:124")
def pooling(sheet: Sheet) -> Any:
    """The largest of every 2×2 window; and a feature map of a digit made half as large."""
    pooled = max_pool2d(POOLED[None, None], kernel_size=2, stride=2)[0, 0]
    digit = np.asarray(load_digits().train.inputs[0], float)[None] / 16
    maps = relu(conv2d(digit, EDGES[:, None], padding=1))
    small = max_pool2d(maps, kernel_size=2, stride=2)
    tints = [sheet.mix(sheet.class_colour(k), 0.28) for k in range(4)]
    fill = [[tints[2 * (i // 2) + j // 2] for j in range(4)] for i in range(4)]
    with sheet.titled("pooling", 10.2, 4.2) as page:
        parts = page.subfigures(1, 2, width_ratios=[1.5, 1])
        axes = sheet.canvas(parts[0].subplots(), 6.2, 3.4)
        sheet.grid(axes, POOLED, 0.3, 3.0, 0.62, fill=fill, size=14)
        sheet.arrow(axes, (3.05, 1.76), (4.15, 1.76), linewidth=1.8)
        sheet.write(axes, 3.6, 2.1, "max", size=12)
        sheet.write(axes, 3.6, 1.42, "F = 2, S = 2", size=9)
        sheet.grid(
            axes,
            pooled,
            4.4,
            2.38,
            0.62,
            fill=[tints[:2], tints[2:]],
            size=14,
        )
        grid = parts[1].subplots(2, 2)
        for row in range(2):
            most = float(maps.max())
            sheet.amount_map(
                grid[row, 0],
                maps[0, row],
                "8×8" if row == 0 else "",
                most,
            )
            sheet.amount_map(
                grid[row, 1],
                small[0, row],
                "4×4" if row == 0 else "",
                most,
            )
            grid[row, 0].set_ylabel(sheet.say(f"pooling.{('upright', 'level')[row]}"), size=9)
    return page


@figure("jacobian", near="S2:61 S2:63 S2:65 S3:41")
def jacobians(sheet: Sheet) -> Any:
    """The Jacobians of four gates as maps, and the size of the one that is never formed."""
    from backlight.explain.circuit.record import circuit
    from backlight.explain.jacobian import jacobian

    x = philox.normal(11, 0, (12,), np.float64)
    weights = philox.normal(11, 1, (12, 12), np.float64)
    cases = (
        ("relu", circuit("relu(x)", x=x), "x"),
        ("softmax", circuit("softmax(x)", x=2 * x), "x"),
        ("matmul", circuit("W @ x", W=weights, x=x), "x"),
        ("conv", circuit("conv1d(x, w, padding=1)", x=x[None, None], w=BEND), "x"),
    )
    large = jacobian(
        circuit(
            "relu(x)",
            x=philox.normal(
                11,
                2,
                (4096,),
                np.float32,
            ),
        ),
        "x",
    )
    values = {
        "entries": f"{large.count:,}",
        "size": f"{large.count * 4 / 2**20:.0f} MiB",
        "zeros": f"{large.zeros:.2%}",
    }
    with sheet.titled("jacobian", 10.6, 3.9, **values) as page:
        for axes, (name, drawn, wire) in zip(
            page.subplots(1, 4),
            cases,
            strict=True,
        ):
            found = jacobian(drawn, wire)
            entries: Array = np.asarray(found.entries)
            sheet.signed_map(axes, entries, sheet.say(f"jacobian.{name}"))
            axes.set_xlabel(f"{found.rows}×{found.columns}")
    return page

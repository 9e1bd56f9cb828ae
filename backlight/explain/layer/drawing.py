"""A layer as a picture: what goes in, one window of it, and what comes out."""

from __future__ import annotations

import math
from typing import Any

from backlight.explain.circuit.number import memory
from backlight.explain.figures.sheet import Sheet, sheet
from backlight.explain.figures.volumes import volume
from backlight.explain.layer.backward_cost import BackwardCost
from backlight.explain.layer.told import TITLES
from backlight.nn.vocabulary import (
    CONVOLUTION,
    LINEAR,
    RECTIFIER,
    Description,
    Sizes,
    in_words,
)
from backlight.words import say

WIDE, HIGH = 10.6, 5.4
LEFT, GATE, RIGHT, MIDDLE = 0.7, 5.2, 7.6, 3.2
TALLEST, THICKEST = 1.5, 1.5
"""The longest drawn height, and thickness of channels, in inches."""
FEWEST = 16
"""Channels up to which a volume is as thick as that many would be."""
SLANT = 0.5
"""How far a side of full width goes up and to the right, of its length."""
SMALLEST = 0.17
"""A window is at least so large that it is seen."""

Box = tuple[float, float, float, float, float]
"""Left and lower side, thickness, height, slant."""


def draw(
    layer: Description,
    found: Sizes,
    cost: BackwardCost,
    *,
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """The layer's volumes with a window in them, and its four vocabularies below.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = sheet(theme, language)

    def spoken(meaning: str, **values: Any) -> str:
        return say(
            f"layer.{meaning}",
            look.language,
            **values,
        )

    shapes = {"input": _sides(found.input), "output": _sides(found.output)}
    caption = spoken(
        "caption",
        taps=f"{taps(layer, found):,}",
        parameters=f"{found.parameters:,}",
        batch=f"{cost.batch:,}",
        size=memory(cost.jacobian_bytes),
    )
    title = spoken(f"title.{layer.kind}", **shapes)
    with look.page(WIDE, HIGH, title, caption) as page:
        axes = look.canvas(
            page.subplots(),
            WIDE,
            HIGH - 0.9,
        )
        _volumes(look, axes, layer, found, spoken)
        words = in_words(
            layer,
            _channels(layer, found),
            found.fits,
        )
        for row, (name, text) in enumerate(words.items()):
            height = 1.35 - 0.36 * row
            look.write(
                axes,
                0.35,
                height,
                TITLES[name],
                ha="left",
                color=look.theme.faint,
            )
            look.write(
                axes,
                1.75,
                height,
                text,
                ha="left",
                family="DejaVu Sans Mono",
                size=9.0 if len(text) < 96 else 7.4,
            )
    return page


def taps(layer: Description, found: Sizes) -> int:
    """Numbers of the input that one number of the output is made of.

    Examples
    --------
    >>> from backlight.nn.vocabulary import sizes
    >>> filter = Description("convolution", made=2, kernel=(5, 5))
    >>> taps(filter, sizes(filter, (3, 32, 32)))
    75
    """
    if layer.kind == RECTIFIER:
        return 1
    if layer.kind == LINEAR:
        return found.taken
    depth = found.input[0] // layer.groups if layer.kind == CONVOLUTION else 1
    return depth * math.prod(layer.kernel)


def _volumes(look: Sheet, axes: Any, layer: Description, found: Sizes, spoken: Any) -> None:
    """Both volumes, and the window between them."""
    unit = max(max(shape[1:], default=1) for shape in (found.input, found.output))
    deep = max(
        found.input[0],
        found.output[0],
        FEWEST,
    )
    ins = _block(found.input, LEFT, unit, deep)
    outs = _block(found.output, RIGHT, unit, deep)
    _drawn(
        look,
        axes,
        ins,
        look.theme.value,
        _sides(found.input),
    )
    _drawn(
        look,
        axes,
        outs,
        look.theme.classes[0],
        _sides(found.output),
    )
    red = look.theme.gradient
    told, seen = spoken("window"), ins
    if layer.kind == RECTIFIER:
        told = spoken("again")
    elif layer.kind == LINEAR:
        told = spoken("every")
    else:
        seen = _window(layer, ins, unit)
        _drawn(look, axes, seen, red, "", 0.5)
    _fan(look, axes, seen)
    look.node(
        axes,
        GATE,
        MIDDLE,
        "",
        0.17,
        edgecolor=red,
        facecolor=look.mix(red, 0.35),
    )
    look.write(
        axes,
        GATE,
        MIDDLE + 0.55,
        told,
        size=9.5,
    )
    if layer.kind == CONVOLUTION:
        counted = spoken("map", count=f"{layer.made:,}")
        look.write(
            axes,
            GATE,
            MIDDLE - 0.55,
            counted,
            size=9.5,
        )
    look.arrow(
        axes,
        (GATE + 0.3, MIDDLE),
        (outs[0] - 0.2, MIDDLE),
    )


def _block(shape: tuple[int, ...], left: float, unit: int, deep: int) -> Box:
    """A volume in proportion: channels to the right, height up, width along the slant."""
    if len(shape) == 1:
        tall = max(0.4, 2 * math.sqrt(min(1, shape[0] / deep)))
        return left + 0.6, MIDDLE - tall / 2, 0.2, tall, 0.08
    thick = max(0.1, THICKEST * math.sqrt(shape[0] / deep))
    high, wide = (max(0.14, TALLEST * one / unit) for one in shape[1:])
    slant = SLANT * wide
    return left, MIDDLE - (high + slant) / 2, thick, high, slant


def _window(layer: Description, ins: Box, unit: int) -> Box:
    """The first window: through all channels of a convolution, in one of a pool."""
    left, low, thick, high, slant = ins
    tall, wide = (max(SMALLEST, TALLEST * one / unit) for one in layer.kernel)
    tall, wide = min(tall, high), min(SLANT * wide, slant)
    through = thick if layer.kind == CONVOLUTION else min(thick, 0.08)
    return left + thick - through, low + high - tall, through, tall, wide


def _drawn(look: Sheet, axes: Any, box: Box, colour: str, told: str, share: float = 0.18) -> None:
    left, low, thick, high, slant = box
    corner = (left, low)
    volume(
        look,
        axes,
        corner,
        (thick, high),
        slant / 0.32,
        told,
        colour,
        share,
    )


def _fan(look: Sheet, axes: Any, seen: Box) -> None:
    """Lines from the ends of what is seen to the number that is made of it."""
    left, low, thick, high, slant = seen
    for height in (low + slant, low + high + slant):
        axes.plot(
            [left + thick + slant, GATE - 0.17],
            [height, MIDDLE],
            color=look.theme.faint,
            linewidth=0.9,
            zorder=3,
        )


def _channels(layer: Description, found: Sizes) -> int:
    return found.taken if layer.kind == LINEAR else found.input[0]


def _sides(shape: tuple[int, ...]) -> str:
    """Height×width×depth, as the course says it."""
    return "×".join(map(str, (*shape[1:], shape[0])))

"""A convolution step by step: 5×5×3, two filters 3×3×3, stride 2, padding 1, whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.explain.figures.sheet import number
from backlight.explain.play.drawn import cell, drawing, text
from backlight.explain.play.frames import Frame, stepped
from backlight.explain.play.page import Page, play
from backlight.gates.convolution import conv2d
from backlight.words import say

Array = np.ndarray[Any, Any]

STRIDE, PADDING = 2, 1
SIDE, BIG = 25.0, 34.0
GAP = 212.0
"""From one channel to the next."""
FILTERS = (232.0, 348.0)
ANSWER = 500.0


@dataclass(frozen=True)
class Example:
    """The numbers.

    Attributes
    ----------
    image : array (3, 5, 5)
        Whole numbers 0, 1, 2.
    weights : array (2, 3, 3, 3)
        Whole numbers −1, 0, 1.
    bias : array (2,)
    output : array (2, 3, 3)
        What the gate makes of them.
    """

    image: Array
    weights: Array
    bias: Array
    output: Array

    @property
    def padded(self) -> Array:
        """The image with its border of zeros, (3, 7, 7)."""
        return np.pad(self.image, ((0, 0), (PADDING, PADDING), (PADDING, PADDING)))

    def window(self, row: int, column: int) -> Array:
        """What is under a filter for one number of the output, (3, 3, 3)."""
        top, left = STRIDE * row, STRIDE * column
        return self.padded[:, top : top + 3, left : left + 3]


def example() -> Example:
    """The numbers of `backlight show note convolution-numbers`.

    Examples
    --------
    >>> example().output.shape
    (2, 3, 3)
    """
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
    output = conv2d(
        image,
        weights,
        bias,
        stride=STRIDE,
        padding=PADDING,
    )
    return Example(
        image[0],
        weights,
        bias,
        np.asarray(output)[0],
    )


@play("convolution")
def convolution(language: str) -> Page:
    """Eighteen windows, one after the other."""
    given = example()
    return stepped(
        _drawing(given, language),
        _frames(given, language),
        language,
        1000,
    )


def _drawing(given: Example, language: str) -> str:
    """Image, filters and outputs, with their headings."""
    heads = [(10 + 3.5 * SIDE, "image", ""), (ANSWER + 1.5 * BIG, "output", "")]
    heads += [(left + 1.5 * SIDE, "filter", f"W{k}") for k, left in enumerate(FILTERS)]
    pieces = [
        text(x, 18, say(f"play.convolution.{what}", language, name=name), kind="head")
        for x, what, name in heads
    ]
    for channel in range(3):
        pieces += _image(given, channel)
        for k in range(2):
            pieces += _filter(given, k, channel)
    for k in range(2):
        pieces += _map(given, k, language)
    below = 32 + 2 * GAP + 60
    pieces.append(text(636, below, "", name="sum", kind="result", anchor="end"))
    return drawing(640, 32 + 3 * GAP - 20, say("play.convolution.title", language), pieces)


def _image(given: Example, channel: int) -> list[str]:
    """One channel with its border."""
    found = []
    top = 32 + GAP * channel
    for (row, column), value in np.ndenumerate(given.padded[channel]):
        inside = PADDING <= row < 5 + PADDING and PADDING <= column < 5 + PADDING
        found.append(
            cell(
                10 + SIDE * column,
                top + SIDE * row,
                SIDE,
                number(value),
                name=f"x{channel}{row}{column}",
                kind="" if inside else "border",
            )
        )
    return found


def _filter(given: Example, k: int, channel: int) -> list[str]:
    """One channel of a filter, and below it what it adds to the sum."""
    left, top = FILTERS[k], 32 + GAP * channel
    found = [
        cell(
            left + SIDE * column,
            top + SIDE * (row + 1),
            SIDE,
            number(value),
            name=f"w{k}{channel}{row}{column}",
            kind="weight",
        )
        for (row, column), value in np.ndenumerate(given.weights[k, channel])
    ]
    below = top + SIDE * 4 + 20
    middle = left + 1.5 * SIDE
    return [*found, text(middle, below, "", name=f"share{k}{channel}", kind="share")]


def _map(given: Example, k: int, language: str) -> list[str]:
    """The output of one filter, still empty, and its bias."""
    top = 32 + GAP * k
    found = [
        cell(
            ANSWER + BIG * column,
            top + BIG * row,
            BIG,
            "",
            name=f"y{k}{row}{column}",
        )
        for row, column in np.ndindex(3, 3)
    ]
    told = say("play.convolution.map", language, k=k, bias=number(given.bias[k]))
    return [*found, text(ANSWER + 1.5 * BIG, top + 3 * BIG + 20, told, kind="quiet")]


def _frames(given: Example, language: str) -> list[Frame]:
    found = [Frame(say("play.convolution.begin", language))]
    for k, row, column in np.ndindex(given.output.shape):
        window = given.window(row, column)
        shares = (window * given.weights[k]).sum(axis=(1, 2))
        value = given.output[k, row, column]
        taps = list(np.ndindex(window.shape))
        top, left = STRIDE * row, STRIDE * column
        lit = [f"x{c}{top + i}{left + j}" for c, i, j in taps]
        lit += [f"w{k}{c}{i}{j}" for c, i, j in taps]
        lit.append(f"y{k}{row}{column}")
        total = " + ".join(_signed(one) for one in (*shares, given.bias[k]))
        texts = {f"y{k}{row}{column}-text": number(value), "sum": f"{total} = {number(value)}"}
        for c, share in enumerate(shares):
            texts[f"share{k}{c}"] = f"Σ = {number(share)}"
            texts[f"share{1 - k}{c}"] = ""
        told = say(
            "play.convolution.step",
            language,
            name=f"W{k}",
            row=row,
            column=column,
            top=top,
            left=left,
            total=f"{total} = {number(value)}",
        )
        found.append(Frame(told, tuple(lit), texts))
    return found


def _signed(value: float) -> str:
    return number(value) if value >= 0 else f"({number(value)})"

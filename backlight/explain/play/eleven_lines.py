"""A network in eleven lines of NumPy, read line by line with every number, and its training after.

Four examples of three bits, four hidden sigmoids, one output: the gradient by hand is two lines.
The page says of each line what it computes; the numbers are those of a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.explain.play.drawn import drawing, text
from backlight.explain.play.frames import Frame, stepped
from backlight.explain.play.page import Page, play
from backlight.words import say

Array = np.ndarray[Any, Any]

LINES = (
    ("X", "X = np.array([[0,0,1], [0,1,1], [1,0,1], [1,1,1]])"),
    ("y", "y = np.array([[0], [1], [1], [0]])"),
    ("W1", "W1 = rng.uniform(-1, 1, (3, 4))"),
    ("W2", "W2 = rng.uniform(-1, 1, (4, 1))"),
    ("loop", "for step in range(10000):"),
    ("hidden", "    hidden = 1 / (1 + np.exp(-X @ W1))"),
    ("output", "    output = 1 / (1 + np.exp(-hidden @ W2))"),
    ("d_output", "    d_output = (output - y) * output * (1 - output)"),
    ("d_hidden", "    d_hidden = d_output @ W2.T * hidden * (1 - hidden)"),
    ("W2_step", "    W2 -= hidden.T @ d_output"),
    ("W1_step", "    W1 -= X.T @ d_hidden"),
)
"""What each line makes, and the line."""

STEPS = (10, 100, 1000, 10_000)
ROW, TOP = 24.0, 40.0
WIDE = 480.0
BELOW = TOP + ROW * (len(LINES) + 0.6)
"""Where the value of a line is written."""


@dataclass(frozen=True)
class Network:
    """The values that the names of the eleven lines have.

    Attributes
    ----------
    inputs, wanted : array (4, 3), (4, 1)
        X and y.
    first, second : array (3, 4), (4, 1)
        W1 and W2.
    hidden, output, d_output, d_hidden : array
        As the lines call them.
    """

    inputs: Array
    wanted: Array
    first: Array
    second: Array
    hidden: Array
    output: Array
    d_output: Array
    d_hidden: Array

    @property
    def loss(self) -> float:
        """½ Σ (output − y)²."""
        return float(0.5 * ((self.output - self.wanted) ** 2).sum())

    @property
    def slopes(self) -> tuple[Array, Array]:
        """The gradients of the loss by W1 and W2, as the last two lines have them."""
        return self.inputs.T @ self.d_hidden, self.hidden.T @ self.d_output


def begun(seed: int = 0) -> Network:
    """The first five lines, and the first pass through the loop.

    Examples
    --------
    >>> begun().first.shape, begun().d_hidden.shape
    ((3, 4), (4, 4))
    """
    inputs = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], float)
    wanted = np.array([[0], [1], [1], [0]], float)
    first = 2 * philox.uniform(seed, 0, (3, 4), np.float64) - 1
    second = 2 * philox.uniform(seed, 1, (4, 1), np.float64) - 1
    return passed(inputs, wanted, first, second)


def passed(inputs: Array, wanted: Array, first: Array, second: Array) -> Network:
    """Forward and backward with these weights: the lines 6 to 9."""
    hidden = 1 / (1 + np.exp(-inputs @ first))
    output = 1 / (1 + np.exp(-hidden @ second))
    d_output = (output - wanted) * output * (1 - output)
    d_hidden = d_output @ second.T * hidden * (1 - hidden)
    return Network(
        inputs,
        wanted,
        first,
        second,
        hidden,
        output,
        d_output,
        d_hidden,
    )


def stepped_on(net: Network) -> Network:
    """One pass through the loop: both weights move against their gradients."""
    by_first, by_second = net.slopes
    return passed(net.inputs, net.wanted, net.first - by_first, net.second - by_second)


@play("eleven-lines")
def eleven_lines(language: str) -> Page:
    """Eleven lines, then the loop."""
    return stepped(_drawing(language), _frames(begun(), language), language, 2600)


def _drawing(language: str) -> str:
    pieces = []
    for place, (_, line) in enumerate(LINES):
        y = TOP + ROW * place
        shown = (
            f'<g class="row" data-name="line{place}"><rect x="6" y="{y - 17:g}" width="468" '
            f'height="{ROW:g}" rx="4"/>{text(38, y, line, kind="code", anchor="start")}</g>'
        )
        pieces += [shown, text(26, y, str(place + 1), kind="quiet", anchor="end")]
    pieces.append(text(38, BELOW, "", name="name", kind="head", anchor="start"))
    for row in range(4):
        below = BELOW + ROW * (row + 1)
        pieces.append(text(38, below, "", name=f"value{row}", kind="code", anchor="start"))
    title = say("play.eleven-lines.title", language)
    return drawing(WIDE, BELOW + ROW * 4.5, title, pieces)


def _frames(net: Network, language: str) -> list[Frame]:
    first, second = net.slopes
    after = stepped_on(net)
    values = {
        "X": ("X", net.inputs),
        "y": ("y", net.wanted),
        "W1": ("W1", net.first),
        "W2": ("W2", net.second),
        "loop": ("", None),
        "hidden": ("hidden", net.hidden),
        "output": ("output", net.output),
        "d_output": ("d_output", net.d_output),
        "d_hidden": ("d_hidden", net.d_hidden),
        "W2_step": ("hidden.T @ d_output", second),
        "W1_step": ("X.T @ d_hidden", first),
    }
    found = [Frame(say("play.eleven-lines.begin", language), (), _panel("", None))]
    for place, (name, _) in enumerate(LINES):
        told = say(
            f"play.eleven-lines.{name}",
            language,
            before=f"{net.loss:.4f}",
            after=f"{after.loss:.4f}",
        )
        found.append(Frame(told, (f"line{place}",), _panel(*values[name])))
    return found + _training(net, language)


def _training(net: Network, language: str) -> list[Frame]:
    """The outputs and the loss after more and more passes."""
    found = []
    loop = tuple(f"line{place}" for place in range(4, len(LINES)))
    passes = 0
    for steps in STEPS:
        while passes < steps:
            net = stepped_on(net)
            passes += 1
        told = say(
            "play.eleven-lines.trained",
            language,
            steps=f"{steps:,}",
            loss=f"{net.loss:.2g}",
        )
        found.append(Frame(told, loop, _panel("output", net.output)))
    return found


def _panel(name: str, value: Array | None) -> dict[str, str]:
    """The texts on the right: a name with its shape, and rows of numbers."""
    texts = {f"value{row}": "" for row in range(4)}
    if value is None:
        return texts | {"name": ""}
    whole = bool((value == value.round()).all())
    for place, numbers in enumerate(value):
        cells = [f"{one:.0f}" if whole else f"{one:+.3f}" for one in numbers]
        texts[f"value{place}"] = "  ".join(cells).replace("-", "−").replace("+", " ")
    return texts | {"name": f"{name}   {value.shape[0]}×{value.shape[1]}"}

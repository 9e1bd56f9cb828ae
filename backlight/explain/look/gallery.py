"""The gallery of activations: each function, its derivative, and what it does to a deep stack.

The stack is the course's experiment: many layers W·x then f, and the standard deviation of
activations and of gradients layer by layer. It should stay where it is; where it falls the
gradient vanishes, where it rises it explodes. Source: CS231n, lectures 6 and 7; Glorot and Bengio
2010; He et al. 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.engine.derivative import grad, vjp
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, nearest
from backlight.explain.look.style import Style, style
from backlight.gates.reduction import sum as total
from backlight.nn import activation

Array = np.ndarray[Any, Any]

NOTHING = "none"
"""No nonlinearity: the layers are one matrix."""

SCALES = {"Xavier": 1.0, "He": 2.0**0.5}
"""Weights are drawn with this over √n as their standard deviation."""


@dataclass(frozen=True)
class Exhibit:
    """One activation.

    Attributes
    ----------
    name : str
    x, value, slope : ndarray (n,)
        The function and its derivative.
    activations, gradients : dict of str to ndarray (depth,)
        For each of SCALES: the standard deviation of what each layer of the stack makes, and of
        the gradient there of a random upstream at its end.
    """

    name: str
    x: Array
    value: Array
    slope: Array
    activations: dict[str, Array]
    gradients: dict[str, Array]


def known() -> dict[str, Callable[[Any], Any]]:
    """Every activation that acts number by number, by name, `none` first.

    Examples
    --------
    >>> list(known())[:4]
    ['none', 'ReLU', 'LeakyReLU', 'ELU']
    """
    layers: dict[str, Callable[[Any], Any]] = {NOTHING: lambda x: x * 1.0}
    for name, kind in vars(activation).items():
        base = activation._Activation
        if isinstance(kind, type) and issubclass(kind, base) and kind is not base:
            layers[name] = kind()
    return layers


def gallery(
    names: Sequence[str] | None = None, depth: int = 20, width: int = 128, seed: int = 0
) -> list[Exhibit]:
    """Each activation with its derivative and its deep stacks, in float64.

    Parameters
    ----------
    names : sequence of str, optional
        As `known` has them; all by default.
    depth, width : int
        Layers of a stack, and units of each; as many examples go through it.
    seed : int

    Raises
    ------
    ArgumentError
        If there is no such activation.

    Examples
    --------
    >>> found = gallery(["Sigmoid"], depth=4, width=16)[0]
    >>> round(float(found.slope.max()), 2)
    0.25
    """
    layers = known()
    for name in names or ():
        if name not in layers:
            raise ArgumentError(
                "activation",
                got=repr(name),
                needs="a known activation",
                remedy=nearest(name, layers),
            )
    x = np.linspace(-4, 4, 401)
    data = philox.normal(seed, 0, (width, width)).astype(np.float64)
    weights = philox.normal(seed, 1, (depth, width, width)).astype(np.float64) / np.sqrt(width)
    upstream = philox.normal(seed, 2, (width, width)).astype(np.float64)
    found = []
    for name in names or layers:
        function = layers[name]
        value, pull = vjp(function, x)
        slope = np.asarray(pull(np.ones_like(x))[0]._value)
        stacks = {
            scale: _stack(function, data, weights * times, upstream)
            for scale, times in SCALES.items()
        }
        found.append(
            Exhibit(
                name,
                x,
                np.asarray(value._value),
                slope,
                {scale: pair[0] for scale, pair in stacks.items()},
                {scale: pair[1] for scale, pair in stacks.items()},
            )
        )
    return found


def _stack(
    function: Callable[[Any], Any], data: Array, weights: Array, upstream: Array
) -> tuple[Array, Array]:
    """Standard deviations of activations and gradients, layer by layer."""
    x: Any = Tensor(data, requires_grad=True)
    outputs = []
    for matrix in weights:
        x = function(x @ matrix)
        outputs.append(x)
    slopes = grad(total(x * upstream), outputs)
    return (
        np.array([float(np.std(one._value)) for one in outputs]),
        np.array([float(np.std(one._value)) for one in slopes]),
    )


def draw(found: Sequence[Exhibit], *, theme: str = "light", language: str | None = None) -> Any:
    """A row an activation: function and derivative, activations and gradients of the stacks.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = style(theme, language)
    depth = len(next(iter(found[0].activations.values())))
    caption = look.say("gallery.caption", depth=depth)
    size = (9.6, 1.22 * len(found) + 1.5)
    with look.page(*size, look.say("gallery.title"), caption) as figure:
        grid = figure.subplots(len(found), 3, squeeze=False, sharex="col", width_ratios=[1.1, 1, 1])
        for row, one in enumerate(found):
            _function(look, grid[row, 0], one)
            _stacks(look, grid[row, 1], one.activations)
            _stacks(look, grid[row, 2], one.gradients)
        headings = ("function", "activations", "gradients")
        for axes, heading in zip(grid[0], headings, strict=True):
            axes.set_title(look.say(f"gallery.{heading}"), size=9)
        grid[-1, 0].set_xlabel("x")
        for axes in grid[-1, 1:]:
            axes.set_xlabel(look.say("gallery.layer"))
        grid[0, 0].legend(["f(x)", look.say("gallery.slope")], loc="lower right", fontsize=7.5)
        names = [look.say("gallery.scale", name=name) for name in SCALES]
        grid[0, 1].legend(names, loc="lower left", fontsize=7.5, ncols=2)
    return figure


def _function(look: Style, axes: Any, one: Exhibit) -> None:
    axes.plot(one.x, one.value, color=look.theme.value, linewidth=1.8)
    axes.plot(one.x, one.slope, color=look.theme.gradient, linewidth=1.4, linestyle="--")
    axes.axhline(0, color=look.theme.faint, linewidth=0.5, zorder=0)
    axes.axvline(0, color=look.theme.faint, linewidth=0.5, zorder=0)
    axes.set_ylim(-1.6, 2.4)
    axes.set_xlim(-4, 4)
    name = look.say("gallery.none") if one.name == NOTHING else one.name
    axes.set_ylabel(name, size=9, rotation=0, ha="right", va="center")


def _stacks(look: Style, axes: Any, curves: dict[str, Array]) -> None:
    shades = (look.theme.classes[0], look.theme.classes[1])
    for (scale, values), colour, line in zip(curves.items(), shades, ("-", "--"), strict=True):
        axes.semilogy(
            np.arange(1, len(values) + 1),
            np.clip(values, 1e-12, 1e12),
            line,
            color=colour,
            linewidth=1.5,
            label=scale,
        )
    axes.set_ylim(1e-6, 1e4)
    axes.set_yticks([1e-6, 1e-3, 1, 1e3])
    axes.minorticks_off()
    axes.grid(axis="y")

"""Saliency: which pixels a score or probability depends on, in five ways.

gradient
    |∂s/∂pixel|, the largest of the colour channels (Simonyan, Vedaldi and Zisserman 2014).
times-input
    ∂s/∂pixel · (pixel − blank), summed over channels: the first-order share of each pixel.
smooth
    The mean gradient over noisy copies of the picture (SmoothGrad; Smilkov et al. 2017).
integrated
    (pixel − blank) · the mean gradient on the straight way from blank (Sundararajan, Taly and Yan
    2017). Its sum is s(picture) − s(blank): completeness, which is computed and shown.
grad-cam
    relu(Σ_k α_k·A_k), A the maps of a layer and α_k the mean gradient of map k (Selvaraju et al.
    2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.engine.derivative import grad
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, RangeError, nearest
from backlight.explain.look.classifier import Classifier, check_answer
from backlight.explain.look.resize import enlarge
from backlight.explain.look.style import Style, signed_number, style
from backlight.gates.reduction import sum as total

Array = np.ndarray[Any, Any]

METHODS = ("gradient", "times-input", "smooth", "integrated", "grad-cam")
COMPLETE = 1e-3
"""Largest completeness error, as a part of the difference, at which integration stops."""
_MOST_POINTS = 8192
_FIRST_POINTS = 64


@dataclass(frozen=True)
class Saliency:
    """What `saliency` found.

    Attributes
    ----------
    method, answer : str
        One of METHODS; "score" or "probability".
    target : int
        The class whose answer was differentiated.
    value : float
        Its score or probability.
    gradient : ndarray (C, H, W)
        The gradient or attribution of every number of the picture; for Grad-CAM its map.
    map : ndarray (H, W)
        One number a pixel; signed where `signed`.
    total, difference : float
        Integrated gradients only: the sum of the attributions, and s(picture) − s(blank).
    points : int
        How many gradients were averaged.
    """

    method: str
    answer: str
    target: int
    value: float
    gradient: Array
    map: Array
    signed: bool
    total: float = 0.0
    difference: float = 0.0
    points: int = 1
    layer: str = ""

    @property
    def completeness_error(self) -> float:
        """|Σ attributions − (s(picture) − s(blank))| as a part of the latter."""
        return abs(self.total - self.difference) / max(abs(self.difference), 1e-12)


def saliency(
    classifier: Classifier,
    picture: Any,
    target: int | str | None = None,
    *,
    method: str = "gradient",
    answer: str = "score",
    noise: float = 0.15,
    samples: int = 64,
    seed: int = 0,
    layer: str | None = None,
) -> Saliency:
    """Which pixels the answer for a class depends on.

    Parameters
    ----------
    classifier : Classifier
    picture : array_like (C, H, W)
        Numbers in [0, 1].
    target : int or str, optional
        A class; the one with the highest score by default.
    method : {"gradient", "times-input", "smooth", "integrated", "grad-cam"}
    answer : {"score", "probability"}
        Raw score before softmax (the default, as in the literature), or probability.
    noise : float ≥ 0
        SmoothGrad's standard deviation, as a part of the picture's range.
    samples : int ≥ 1
        SmoothGrad's noisy copies.
    seed : int
        Of that noise.
    layer : str, optional
        Grad-CAM's layer; the last one with maps by default.

    Raises
    ------
    ArgumentError
        Unknown method, class or layer; no layer with maps.
    ShapeError
        A picture of another size than the network's.

    Examples
    --------
    The saliency of a linear classifier is the absolute value of its template:

    >>> from backlight import nn
    >>> from backlight.explain.look.classifier import classifier
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> found = saliency(classifier(net, 2, (1, 2, 2)), np.ones((1, 2, 2)), 1)
    >>> bool(np.allclose(found.map.ravel(), abs(net[1].weight.detach().numpy()[1])))
    True
    """
    if method not in METHODS:
        raise ArgumentError(
            "saliency",
            got=f"method={method!r}",
            needs="a known method",
            remedy=nearest(method, METHODS),
        )
    check_answer(answer)
    _check_numbers(noise, samples)
    seen = classifier.checked(picture)
    scores = classifier.scores(seen[None])[0]
    number = int(scores.argmax()) if target is None else classifier.class_number(target)
    if method == "grad-cam":
        return grad_cam(classifier, seen, number, answer, layer)
    if method == "integrated":
        return integrated_gradients(classifier, seen, number, answer)
    value, slope = _one(classifier, seen, number, answer)
    if method == "gradient":
        return Saliency(method, answer, number, value, slope, abs(slope).max(axis=0), False)
    if method == "times-input":
        share = slope * (seen - classifier.blank())
        return Saliency(method, answer, number, value, share, share.sum(axis=0), True)
    draws = philox.normal(seed, 0, (samples, *seen.shape)).astype(np.float32)
    noisy = seen[None] + np.float32(noise) * draws
    slopes = classifier.gradients(noisy, classifier.one_hot(number, samples), answer)[1]
    mean = slopes.mean(axis=0, dtype=np.float64)
    return Saliency(
        method, answer, number, value, mean, abs(mean).max(axis=0), False, points=samples
    )


def integrated_gradients(
    classifier: Classifier, picture: Array, target: int, answer: str = "score"
) -> Saliency:
    """Integrated gradients, refined until their sum agrees with the difference of the answers.

    A network of ReLUs is linear between its kinks, where the gradient at the middle of a piece
    is exact. So the way from blank is cut into pieces, and those whose share is not yet the
    difference of the answers at their ends are cut again, until their misses add up to less than
    half of the tolerance, and to less than five tolerances without their signs.

    Parameters
    ----------
    classifier : Classifier
    picture : ndarray (C, H, W)
    target : int
    answer : {"score", "probability"}

    Returns
    -------
    Saliency
        `completeness_error` is at most 0.001, unless 8,192 gradients did not suffice.
    """
    blank = classifier.blank()
    way = picture.astype(np.float64) - blank

    def at(parts: Array) -> tuple[Array, Array]:
        places = (blank + parts[:, None, None, None] * way).astype(np.float32)
        rows = classifier.one_hot(target, len(parts))
        values, slopes = classifier.gradients(places, rows, answer)
        return values.astype(np.float64), slopes.astype(np.float64)

    edges = np.linspace(0.0, 1.0, _FIRST_POINTS + 1)
    heights, used = at(edges)[0], len(edges)
    difference = float(heights[-1] - heights[0])
    widths = np.diff(edges)
    middles, heads, tails = edges[:-1] + widths / 2, heights[:-1], heights[1:]
    mean, signed, missed = np.zeros(picture.shape), 0.0, 0.0
    tolerance = COMPLETE / 2 * abs(difference)
    while len(middles):
        centres, slopes = at(middles)
        used += len(middles)
        error = widths * (slopes * way).sum(axis=(1, 2, 3)) - (tails - heads)
        settled = abs(error) <= tolerance * widths
        together = abs(signed + error.sum()) <= tolerance
        settled |= together and missed + abs(error).sum() <= 10 * tolerance
        settled |= used + 2 * (~settled).sum() > _MOST_POINTS
        signed += float(error[settled].sum())
        missed += float(abs(error[settled]).sum())
        mean += (widths[settled, None, None, None] * slopes[settled]).sum(axis=0)
        open_ = ~settled
        quarter = widths[open_] / 4
        middles = np.concatenate([middles[open_] - quarter, middles[open_] + quarter])
        heads, tails = (
            np.concatenate([heads[open_], centres[open_]]),
            np.concatenate([centres[open_], tails[open_]]),
        )
        widths = np.tile(widths[open_] / 2, 2)
    share = mean * way
    return Saliency(
        "integrated",
        answer,
        target,
        float(heights[-1]),
        share,
        share.sum(axis=0),
        True,
        float(share.sum()),
        difference,
        used,
    )


def grad_cam(
    classifier: Classifier,
    picture: Array,
    target: int,
    answer: str = "score",
    layer: str | None = None,
) -> Saliency:
    """Grad-CAM: the maps of a layer, weighted by their mean gradients, what is positive of it.

    Parameters
    ----------
    classifier : Classifier
    picture : ndarray (C, H, W)
    target : int
    answer : {"score", "probability"}
    layer : str, optional
        The last layer with maps by default, before pooling.

    Returns
    -------
    Saliency
        `gradient` is the map of the layer's own size (1, h, w), `map` is enlarged to the picture.
    """
    path = layer_with_maps(classifier, picture) if layer is None else layer
    found: list[Any] = []
    with classifier.layer(path).register_forward_hook(lambda *parts: found.append(parts[-1])):
        value = classifier.answer(
            Tensor(picture[None], requires_grad=True), classifier.one_hot(target, 1), answer
        )
    if not found or found[0].ndim != 4:
        raise ArgumentError(
            "grad-cam",
            got=f"layer {path!r}, whose output is no stack of maps",
            needs="a layer with maps, such as a convolution",
            remedy=f"Leave it out, or take {layer_with_maps(classifier, picture)!r}.",
        )
    slope = np.asarray(grad(total(value), found[0])._value)[0]
    maps = np.asarray(found[0]._value)[0]
    weights = slope.mean(axis=(1, 2), keepdims=True)
    small = np.maximum((weights * maps).sum(axis=0), 0)
    large = enlarge(small, picture.shape[1:])
    number = float(np.asarray(value._value).item())
    return Saliency("grad-cam", answer, target, number, small[None], large, False, layer=path)


def layer_with_maps(classifier: Classifier, picture: Array) -> str:
    """The last layer whose output is a stack of maps larger than one number, before pooling.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    outputs = classifier.outputs(picture[None])
    spread = [
        (values.shape[2] * values.shape[3], path)
        for path, values in outputs.items()
        if values.ndim == 4 and values.shape[2] * values.shape[3] > 1
    ]
    if not spread:
        raise ArgumentError(
            "grad-cam",
            got="a network without maps",
            needs="a convolutional network",
            remedy="Use another method, such as integrated.",
        )
    # Pooling only makes the last maps smaller: those before it show the same in more detail.
    last = spread[-1][0]
    larger = [path for size, path in spread if size > last]
    pooled = type(classifier.layer(spread[-1][1])).__name__.endswith(("Pool2d", "Pool1d"))
    return larger[-1] if pooled and larger else spread[-1][1]


def draw(
    classifier: Classifier,
    picture: Any,
    found: list[Saliency],
    *,
    theme: str = "light",
    language: str | None = None,
    label: int | None = None,
) -> Any:
    """The picture and its saliency maps side by side, each with its colour bar and statement.

    Returns
    -------
    matplotlib.figure.Figure
    """
    seen, look = classifier.checked(picture), style(theme, language)
    first = found[0]
    name = str(classifier.classes[first.target])
    title = look.say("saliency.title", name=name)
    caption = look.say(f"saliency.caption_{first.answer}", value=signed_number(first.value))
    exact = [one for one in found if one.method == "integrated"]
    if exact:
        caption += " " + look.say(
            "saliency.completeness",
            total=signed_number(exact[0].total, 6),
            difference=signed_number(exact[0].difference, 6),
            error=f"{exact[0].completeness_error:.1e}".replace("-", "−"),
            points=f"{exact[0].points:,}",
        )
    columns = min(3, len(found) + 1)
    rows = -(-(len(found) + 1) // columns)
    high = rows * (2.1 * seen.shape[1] / seen.shape[2] + 0.4) + 0.85
    with look.page(3.15 * columns, high, title, caption) as figure:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        told = "" if label is None else f": {classifier.classes[label]}"
        look.picture(grid[0], seen, look.say("picture") + told)
        for axes, one in zip(grid[1:], found, strict=False):
            _panel(look, figure, axes, seen, one)
        for axes in grid[len(found) + 1 :]:
            axes.set_axis_off()
    return figure


def _panel(look: Style, figure: Any, axes: Any, picture: Array, one: Saliency) -> None:
    title = look.say(f"saliency.{one.method}", layer=one.layer, points=one.points)
    if one.method == "grad-cam":
        look.bare(axes, title)
        grey = picture.mean(axis=0)
        axes.imshow(grey, cmap="gray", vmin=0, vmax=1)
        most = float(one.map.max()) or 1.0
        if not one.map.any():
            axes.set_xlabel(look.say("saliency.nowhere"), size=8)
        shown = axes.imshow(
            one.map,
            cmap=look.amount("gradient"),
            vmin=0,
            vmax=most,
            alpha=0.15 + 0.7 * one.map / most,
            interpolation="bilinear",
        )
        look.bar(figure, shown, axes, look.say("saliency.unit_cam"))
        return
    if one.signed:
        shown = look.signed_map(axes, one.map, title)
    else:
        shown = look.amount_map(axes, one.map, title, of="gradient")
    unit = "share" if one.signed else "slope"
    look.bar(figure, shown, axes, look.say(f"saliency.unit_{unit}_{one.answer}"))


def _one(classifier: Classifier, picture: Array, number: int, answer: str) -> tuple[float, Array]:
    values, slopes = classifier.gradients(picture[None], classifier.one_hot(number, 1), answer)
    return float(values[0]), slopes[0]


def _check_numbers(noise: float, samples: int) -> None:
    if not np.isfinite(noise) or noise < 0 or samples < 1:
        raise RangeError(
            "saliency",
            got=f"noise={noise:g}, samples={samples}",
            needs="noise ≥ 0 and at least one sample",
            remedy="Leave them out: 0.15 and 64.",
        )

"""A trained network and how pictures come to it: the subject of every picture in this room.

Pictures are numbers in [0, 1]; the network sees x = (low + (high − low)·picture − mean) / std.
Gradients are therefore by the picture itself, whatever normalisation stands between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlight.engine.derivative import vjp
from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor, as_tensor
from backlight.errors import ArgumentError, RangeError, ShapeError, TraceError, nearest
from backlight.gates.reduction import sum as total
from backlight.gates.softmax import softmax
from backlight.native import compile as native

Array = np.ndarray[Any, Any]

ANSWERS = ("score", "probability")
"""What a gradient may be of: the raw score of a class, or its probability after softmax."""

BATCHES = (1, 8, 64)
"""Pictures in one call of a compiled program: the last batch is filled up to one of these."""


class _ReachedError(Exception):
    """Ends a forward pass at the layer that was asked for."""


@dataclass(frozen=True)
class Classifier:
    """A module with class names and the scale of its pictures; see `classifier`.

    Parameters
    ----------
    module : Module
        Maps a batch (n, …) to scores (n, K).
    classes : tuple of str
        Names of the K classes.
    shape : tuple of int
        Of one picture: (C, H, W), or (D,) for features.
    mean, std : ndarray
        Broadcast with a picture.
    low, high : float
        What the picture's 0 and 1 stand for, before mean and std.
    """

    module: Any
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    mean: Array
    std: Array
    low: float = 0.0
    high: float = 1.0
    _programs: dict[Any, Callable[..., Any]] = field(default_factory=dict, repr=False)

    # ── pictures and the network's inputs ──────────────────────────────────────────────────

    def inputs(self, pictures: Any) -> Any:
        """Pictures as the network sees them: normalised."""
        scale, shift = self._scale()
        return pictures * scale + shift

    def pictures(self, raw: Any) -> Array:
        """Raw data, such as bytes, as pictures in [0, 1]."""
        values = np.asarray(raw, np.float32)
        return (values - np.float32(self.low)) / np.float32(self.high - self.low)

    def blank(self) -> Array:
        """The picture that the network sees as all zeros: the mean of the training split."""
        level = (self.mean - self.low) / (self.high - self.low)
        return np.broadcast_to(level, self.shape).astype(np.float32)

    def _scale(self) -> tuple[Array, Array]:
        scale = (self.high - self.low) / self.std
        shift = (self.low - self.mean) / self.std
        return scale.astype(np.float32), shift.astype(np.float32)

    def checked(self, picture: Any, subject: str = "picture") -> Array:
        """One picture as float32, if it is of the network's shape.

        Raises
        ------
        ShapeError
            If it is not, or the network's inputs are no pictures.
        """
        self.need_pictures(subject)
        values = np.asarray(picture, np.float32)
        if values.shape != self.shape:
            raise ShapeError(
                subject,
                got=f"shape {values.shape}",
                needs=f"shape {self.shape}, which the network was trained on",
                remedy="Cut or scale the picture to that size.",
            )
        return values

    def need_pictures(self, subject: str) -> None:
        """Refuse a network whose inputs are no pictures.

        Raises
        ------
        ShapeError
            If they have no height and width.
        """
        if len(self.shape) != 3:
            raise ShapeError(
                subject,
                got=f"a network of inputs with shape {self.shape}",
                needs="pictures of shape (channels, height, width)",
                remedy="Use a run on images, such as digits, mnist or cifar10.",
            )

    def class_number(self, wanted: int | str) -> int:
        """The number of a class, given by number or name.

        Raises
        ------
        ArgumentError
            If there is no such class.
        """
        names = [str(one) for one in self.classes]
        if isinstance(wanted, str) and wanted in names:
            return names.index(wanted)
        try:
            number = int(wanted)
        except ValueError:
            number = -1
        if 0 <= number < len(names):
            return number
        raise ArgumentError(
            "class",
            got=repr(wanted),
            needs=f"a class, by name or by number from 0 to {len(names) - 1}",
            remedy=nearest(str(wanted), names),
        )

    # ── forward ────────────────────────────────────────────────────────────────────────────

    def forward(self, pictures: Any) -> Any:
        """Scores (n, K) of a batch of pictures, as a tensor."""
        return self.module(self.inputs(pictures))

    def scores(self, pictures: Any) -> Array:
        """Scores (n, K) of pictures (n, …): compiled, in batches."""
        return np.asarray(self.in_batches("scores", self.forward, np.asarray(pictures, np.float32)))

    def probabilities(self, pictures: Any) -> Array:
        """Softmax of the scores, float64."""
        return softmax_of(self.scores(pictures))

    def answer(self, pictures: Any, chosen: Any, kind: str) -> Any:
        """The score or probability of the chosen class: Σ_k chosen_k · answer_k, (n,)."""
        scores = self.forward(pictures)
        if kind == "probability":
            scores = softmax(scores, axis=1)
        return total(scores * chosen, axis=1)

    def one_hot(self, places: Any, count: int) -> Array:
        """Rows that pick a class each; one class serves all `count` rows."""
        rows = np.zeros((count, len(self.classes)), np.float32)
        rows[np.arange(count), np.broadcast_to(places, count)] = 1
        return rows

    def gradients(self, pictures: Any, chosen: Any, kind: str = "score") -> tuple[Array, Array]:
        """Answers (n,) and their gradients by the pictures (n, …): compiled, in batches.

        Parameters
        ----------
        pictures : array_like (n, …)
        chosen : array_like (n, K)
            Which combination of classes to differentiate; see `one_hot`.
        kind : {"score", "probability"}
        """
        check_answer(kind)

        def both(p: Any, c: Any) -> Any:
            value, pull = vjp(lambda q: self.answer(q, c, kind), p)
            return value, pull(np.ones(p.shape[0], np.float32))[0]

        values, slopes = self.in_batches(
            ("gradients", kind),
            both,
            np.asarray(pictures, np.float32),
            np.asarray(chosen, np.float32),
        )
        return values, slopes

    # ── layers ─────────────────────────────────────────────────────────────────────────────

    def layers(self) -> dict[str, Any]:
        """The layers that hold no others, by path, in order."""
        return {
            path: module
            for path, module in self.module.named_modules()
            if path and not any(True for _ in module.children())
        }

    def layer(self, path: str) -> Any:
        """The layer at this path.

        Raises
        ------
        ArgumentError
            If there is none.
        """
        known = self.layers()
        if path not in known:
            raise ArgumentError(
                "layer",
                got=repr(path),
                needs="the path of a layer",
                remedy=nearest(
                    path, [f"{name} ({type(one).__name__})" for name, one in known.items()]
                ),
            )
        return known[path]

    def reach(self, path: str, pictures: Any) -> Any:
        """The output of a layer, as a tensor; what comes behind it is not computed.

        The pictures may be larger than the network was trained on, up to its first fully
        connected layer.
        """
        got: list[Any] = []

        def take(_: Any, __: Any, output: Any) -> None:
            got.append(output)
            raise _ReachedError

        with self.layer(path).register_forward_hook(take):
            try:
                self.forward(pictures)
            except _ReachedError:
                return got[0]
        raise ArgumentError(
            "layer",
            got=f"{path!r}, which the forward pass does not use",
            needs="a layer that is called",
            remedy="Name another layer.",
        )

    def outputs(self, pictures: Any) -> dict[str, Array]:
        """The output of every layer for one batch, by path, in the order in which they ran."""
        found: dict[str, Array] = {}
        hooks = []
        for path, module in self.layers().items():

            def keep(_: Any, __: Any, output: Any, path: str = path) -> None:
                if isinstance(output, Tensor):
                    found[path] = np.asarray(output._value)

            hooks.append(module.register_forward_hook(keep))
        try:
            with no_grad():
                self.forward(as_tensor(np.asarray(pictures, np.float32)))
        finally:
            for hook in hooks:
                hook.remove()
        return found

    # ── compiled programs ──────────────────────────────────────────────────────────────────

    def program(self, name: Any, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function compiled, once for each name; eager where it cannot be compiled."""
        if name not in self._programs:
            self._programs[name] = compiled(function)
        return self._programs[name]

    def in_batches(self, name: Any, function: Callable[..., Any], *arrays: Array) -> Any:
        """The function over rows of arrays in batches of one size, so that one program serves."""
        run, count = self.program(name, function), len(arrays[0])
        size = next((one for one in BATCHES if one >= count), BATCHES[-1])
        parts = []
        for start in range(0, count, size):
            rows = [array[start : start + size] for array in arrays]
            missing = size - len(rows[0])
            if missing:
                rows = [np.concatenate([r, np.repeat(r[:1], missing, axis=0)]) for r in rows]
            found = run(*rows)
            several = found if isinstance(found, tuple) else (found,)
            parts.append([_numbers(one)[: size - missing] for one in several])
        joined = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
        return joined if len(joined) > 1 else joined[0]


def classifier(
    module: Any,
    classes: Sequence[str] | int,
    shape: Sequence[int],
    *,
    mean: Any = 0.0,
    std: Any = 1.0,
    low: float = 0.0,
    high: float = 1.0,
) -> Classifier:
    """A network with its class names and the scale of its pictures.

    The module is set to evaluation: what is looked at is what it does after training.

    Parameters
    ----------
    module : Module
        Maps (n, …) to scores (n, K).
    classes : sequence of str, or int
        Names, or how many there are.
    shape : sequence of int
        Of one picture.
    mean, std : array_like
        Of the training split: numbers, one a channel (C,), or pictures.
    low, high : float
        What the picture's 0 and 1 stand for, before mean and std: 0 and 255 for bytes.

    Raises
    ------
    RangeError
        If `high` is not above `low`.

    Examples
    --------
    >>> from backlight import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> classifier(net, ["cat", "dog"], (1, 2, 2)).scores(np.zeros((3, 1, 2, 2))).shape
    (3, 2)
    """
    if not high > low:
        raise RangeError(
            "classifier",
            got=f"low={low}, high={high}",
            needs="high above low",
            remedy="Give the range of the pictures' numbers.",
        )
    names = [str(k) for k in range(classes)] if isinstance(classes, int) else list(classes)
    module.eval()
    return Classifier(
        module,
        tuple(names),
        tuple(shape),
        _beside(mean, len(shape)),
        _beside(std, len(shape)),
        float(low),
        float(high),
    )


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled; run eagerly if it asks for values while it is traced."""
    fast = native.compile(function)
    refused = False

    def run(*arguments: Any) -> Any:
        nonlocal refused
        if not refused:
            try:
                return fast(*arguments)
            except TraceError:
                refused = True
        return function(*[as_tensor(one) for one in arguments])

    return run


def check_answer(kind: str) -> None:
    """Refuse what is neither the raw score nor the probability."""
    if kind not in ANSWERS:
        raise ArgumentError(
            "answer",
            got=repr(kind),
            needs=" or ".join(ANSWERS),
            remedy=nearest(kind, ANSWERS),
        )


def softmax_of(scores: Array) -> Array:
    """Softmax over the last axis, in float64."""
    shifted = np.asarray(scores, np.float64)
    powers = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    found: Array = powers / powers.sum(axis=-1, keepdims=True)
    return found


def _numbers(found: Any) -> Array:
    return np.asarray(found._value if isinstance(found, Tensor) else found)


def _beside(statistic: Any, rank: int) -> Array:
    """A mean or std in a shape that stands beside a picture."""
    values = np.asarray(statistic, np.float64)
    if values.ndim == 1 and rank == 3:
        return values.reshape(-1, 1, 1)
    return values

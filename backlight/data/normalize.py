"""Normalising by a mean image, or a mean and a scale a channel, of the training split.

The statistics are learned in `Normalize.fit` from the inputs that are handed in: hand in the
training split only, so that nothing of the validation and test splits leaks into training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from backlight.data.dataset import row_blocks
from backlight.data.transform import Transform, need_arrays, result_type
from backlight.errors import ArgumentError, DataError, ShapeError

Array = np.ndarray[Any, Any]


class Normalize(Transform):
    """Subtract a mean and divide by a standard deviation: (x − mean) / std.

    The result is float32, and float64 for a float64 batch; bytes are converted first and cannot
    wrap around.

    Parameters
    ----------
    mean : array-like
        A mean image of shape (C, H, W), a mean (C, 1, 1) or (C,) a channel, or a single number.
    std : array-like, optional
        Of the same kind; 1 where it is left out. Positive.

    Attributes
    ----------
    constant : int
        How many pixels or channels did not vary in the training split. Their std is set to 1.

    Raises
    ------
    ArgumentError
        A std of 0 or below, or a value that is not finite.

    Source: CS231n notes, "Setting up the data and the model": statistics are of the training split.

    Examples
    --------
    >>> train = np.array([[0, 7], [4, 7]], np.uint8)
    >>> normalize = Normalize.fit(train, per="pixel")
    >>> normalize(train)
    array([[-1.,  0.],
           [ 1.,  0.]], dtype=float32)
    >>> normalize.note
    '1 of 2 pixels is constant in the training split; its std is taken as 1.'
    """

    def __init__(self, mean: Any, std: Any = 1.0) -> None:
        self.mean: Array = np.asarray(mean, np.float64)
        self.std: Array = np.asarray(std, np.float64)
        self.constant = 0
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all()):
            raise ArgumentError(
                "Normalize",
                got="a mean or std that is not finite",
                needs="finite numbers",
                remedy="Fit it on data without NaN",
            )
        if self.std.size and self.std.min() < np.finfo(np.float32).tiny:
            raise ArgumentError(
                "Normalize",
                got=f"a std of {self.std.min()}",
                needs="std above 0",
                remedy="Take 1 for what does not vary, as Normalize.fit does",
            )

    @classmethod
    def fit(
        cls, inputs: Any, per: Literal["pixel", "channel"] = "channel", scale: bool = True
    ) -> Normalize:
        """Mean and standard deviation of inputs, summed in float64: hand in the training split.

        Parameters
        ----------
        inputs : ndarray, shape (n, C, H, W) or (n, features)
            uint8 or floating.
        per : {"pixel", "channel"}
            A mean image, or one number a channel. A feature is a pixel and a channel.
        scale : bool
            False subtracts only.

        Raises
        ------
        ArgumentError
            Another word for `per`.
        DataError
            No inputs; NaN or infinity among them (count and first position).
        """
        if per not in ("pixel", "channel"):
            raise ArgumentError(
                "Normalize.fit",
                got=f"per={per!r}",
                needs="per='pixel' or per='channel'",
                remedy="Choose one of them",
            )
        values = training_inputs(inputs, "Normalize.fit")
        axes = (0,) if per == "pixel" or values.ndim < 3 else (0, *range(2, values.ndim))
        mean, std, varies = _moments(values, axes)
        normalize = cls(mean, np.where(varies, std, 1.0) if scale else np.ones_like(std))
        normalize.constant = int(np.count_nonzero(~varies))
        normalize._unit = per
        return normalize

    _unit = "value"

    @property
    def note(self) -> str:
        """A sentence on what does not vary and was therefore not scaled; empty without such."""
        if not self.constant:
            return ""
        verb, whose = ("is", "its") if self.constant == 1 else ("are", "their")
        return (
            f"{self.constant} of {self.mean.size} {self._unit}s {verb} constant in the "
            f"training split; {whose} std is taken as 1."
        )

    def apply(self, batch: Array) -> Array:
        """The normalised batch."""
        mean, std = (_beside(values, batch, "Normalize") for values in (self.mean, self.std))
        # float32 is enough where the mean is not huge beside the spread; else it would cancel.
        wide = batch.dtype.itemsize > 2 and bool((np.abs(self.mean) > 1024 * self.std).any())
        if batch.dtype == np.float64 or wide:
            centred = np.subtract(batch, mean, dtype=np.float64)
            centred /= std
            return centred.astype(result_type(batch), copy=False)
        result = np.subtract(batch, mean.astype(np.float32), dtype=np.float32)
        result /= std.astype(np.float32)
        return result

    def invert(self, batch: Array) -> Array:
        """Back to the scale before: x·std + mean."""
        back = batch * _beside(self.std, batch, "Normalize")
        back += _beside(self.mean, batch, "Normalize")
        return back.astype(result_type(batch), copy=False)

    def state_dict(self) -> dict[str, Array]:
        """Arrays "mean", "std" and "constant"."""
        return {"mean": self.mean, "std": self.std, "constant": np.asarray(self.constant)}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take back what `state_dict` gave."""
        need_arrays(state, ("mean", "std", "constant"), "Normalize")
        loaded = Normalize(state["mean"], state["std"])
        self.mean, self.std = loaded.mean, loaded.std
        self.constant = int(state["constant"])

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Array]) -> Normalize:
        """A new one from what `state_dict` gave."""
        normalize = cls(0.0)
        normalize.load_state_dict(state)
        return normalize

    def __repr__(self) -> str:
        said = f", {self.constant} constant" if self.constant else ""
        return f"Normalize(mean of shape {self.mean.shape}{said})"


def _moments(values: Array, axes: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Mean, standard deviation and whether it varies; axes other than the first are kept as 1."""
    number = int(np.prod([values.shape[axis] for axis in axes]))
    total: Any = 0.0
    least: Any = np.inf
    most: Any = -np.inf
    for block in row_blocks(values):
        total = total + block.sum(axis=axes, keepdims=True, dtype=np.float64)[0]
        least = np.minimum(least, block.min(axis=axes, keepdims=True)[0])
        most = np.maximum(most, block.max(axis=axes, keepdims=True)[0])
    mean = total / number
    # A second pass: the difference of two large sums would lose what varies little.
    squares: Any = 0.0
    for block in row_blocks(values):
        centred = np.subtract(block, mean, dtype=np.float64)
        squares = squares + np.square(centred, out=centred).sum(axis=axes, keepdims=True)[0]
    std = np.sqrt(squares / number)
    return mean, std, (least != most) & (std >= np.finfo(np.float32).tiny)


def training_inputs(inputs: Any, subject: str) -> Array:
    """Inputs as numbers of two or more dimensions, all finite, at least one."""
    values = np.asarray(inputs)
    if values.ndim < 2 or not values.size or values.dtype.kind not in "uif":
        raise DataError(
            subject,
            got=f"inputs of shape {values.shape} and type {values.dtype}",
            needs="numbers of shape (n, C, H, W) or (n, features), n ≥ 1",
            remedy="Pass the inputs of the training split",
        )
    if values.dtype.kind == "f":
        _refuse_not_finite(values, subject)
    return values


def _refuse_not_finite(values: Array, subject: str) -> None:
    count, first, start = 0, None, 0
    for block in row_blocks(values):
        bad = ~np.isfinite(block)
        if bad.any():
            count += int(np.count_nonzero(bad))
            first = first or (start + int(np.argwhere(bad)[0][0]), *np.argwhere(bad)[0][1:])
        start += len(block)
    if first is not None:
        place = ", ".join(str(int(i)) for i in first)
        raise DataError(
            subject,
            got=f"{count} value{'s' * (count > 1)} that are not finite; the first is "
            f"{values[tuple(first)]} at [{place}]",
            needs="finite numbers",
            remedy="Remove those examples or fill the gaps",
        )


def _beside(statistic: Array, batch: Array, subject: str) -> Array:
    """The statistic in a shape that stands beside the batch's examples."""
    if statistic.ndim == 1 and batch.ndim > 2:
        statistic = statistic.reshape(-1, *(1,) * (batch.ndim - 2))
    example = batch.shape[1:]
    try:
        fits = np.broadcast_shapes(statistic.shape, example) == example
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            subject,
            got=f"a batch of shape {batch.shape}",
            needs=f"examples that its mean of shape {statistic.shape} fits",
            remedy="Fit it on inputs of the shape it is used on",
        )
    return statistic

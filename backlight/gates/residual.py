"""Probabilities minus the label: what the scores of a classifier receive from cross-entropy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.reduction import sum as total
from backlight.gates.refusal import computed
from backlight.gates.softmax import shifted_and_rest, softmax
from backlight.gates.target import as_float, check_label_shape, check_scores, class_axis
from backlight.shapes import Shape


class Residual(Structural):
    """softmax(x) − one_hot(label): the gradient of cross-entropy by its scores.

    At the label it is the sum of all other probabilities, negative, and not p − 1: that keeps its
    digits when the model is nearly sure. For scores (20, 0) and label 0 it is ∓2.06e−9.

    The scores receive p·(upstream − Σ p·upstream), as those of softmax.

    Parameters
    ----------
    x : array (examples, classes), (examples, classes, …) or (classes,)
        Scores.
    labels : array of whole numbers
        One class for every example: the shape of `x` without the classes, each 0 … classes−1.

    Raises
    ------
    ShapeError
        If there are no classes, or there is not one label for every example.

    Examples
    --------
    >>> from backlight import tensor
    >>> residual(tensor([1.0, -2.0, 0.0]), 0)
    tensor([-0.2946,  0.0351,  0.2595])
    """

    role = Role.MIXER
    formula = "softmax(x) - one_hot(label)"
    result = "float"
    source = "CS231n, linear classification"

    def forward(self, np: Any, x: Any, labels: Any) -> Any:
        x, labels = as_float(np, x), np.asarray(labels)
        self.shape(x.shape, labels.shape)
        axis = class_axis(x.shape)
        if x.size == 0:
            return x
        labels = np.expand_dims(labels, axis)
        if computed(np):
            slope = softmax.forward(np, x, axis=axis)
            np.put_along_axis(slope, labels, 0.0, axis)
            others = np.sum(slope, axis=axis, keepdims=True, dtype=np.float64)
            np.put_along_axis(slope, labels, -others, axis)
            return slope
        # The others are all but the largest, plus the largest, e⁰ = 1, minus the label.
        shifted, rest = shifted_and_rest(np, x, axis)
        own = np.exp(np.take_along_axis(shifted, labels, axis)).astype(np.float64)
        share = 1.0 / (rest + 1.0)
        at_label = ((own - 1.0 - rest) * share).astype(x.dtype)
        places = [1] * x.ndim
        places[axis] = x.shape[axis]
        classes = np.reshape(np.arange(x.shape[axis]), places).astype(np.int32)
        hit = labels.astype(np.int32) == classes
        return np.where(hit, at_label, np.exp(shifted) * share.astype(x.dtype))

    def backward(self, upstream: Any, x: Any, labels: Any, output: Any) -> Any:
        axis = class_axis(x.shape)

        def by_x() -> Any:
            weighted = upstream * softmax(x, axis=axis)
            whole = total(weighted, axis=axis, keepdims=True)
            return weighted - softmax(x, axis=axis) * whole

        return by_x, None

    def shape(self, x: Shape, labels: Shape) -> Shape:
        """The shape of the scores."""
        check_scores(self.name, x)
        check_label_shape(self.name, x, labels)
        return x

    def samples(self) -> Iterator[Sample]:
        """A batch, one example, images of labels, no example."""
        yield Sample((draw((3, 4), 480), numpy.array([1, 0, 3])))
        yield Sample((draw((4,), 481), numpy.array(2)))
        yield Sample((3.0 * draw((2, 3, 2), 482), numpy.array([[0, 2], [1, 1]])))
        yield Sample((draw((0, 3), 483), numpy.zeros(0, numpy.int64)))


residual = Residual()

"""What losses have in common: labels checked against the classes, and costs folded into one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy

from backlight import dtypes
from backlight.errors import ArgumentError, DTypeError, RangeError, ShapeError, nearest
from backlight.gates.family import Structural
from backlight.gates.gate import Role, Sample
from backlight.gates.refusal import computed
from backlight.gates.view import reshape
from backlight.shapes import Shape

REDUCTIONS = ("mean", "sum", "none")


class LabelMask(Structural):
    """True at the class that each label names: one-hot rows of truth values.

    Parameters
    ----------
    labels : array of whole numbers
    classes : int
        Number of classes.
    axis : int
        Where the axis of the classes goes in the output, counted from the front.
    """

    role = Role.WALL
    formula = "class == label"
    result = "bool"

    def forward(self, np: Any, labels: Any, *, classes: int, axis: int = 1) -> Any:
        labels = np.expand_dims(labels, axis)
        places = [1] * labels.ndim
        places[axis] = classes
        return labels == np.reshape(np.arange(classes), places)

    def shape(self, labels: Shape, *, classes: int, axis: int = 1) -> Shape:
        """The shape of the labels with an axis for the classes."""
        return (*labels[:axis], classes, *labels[axis:])

    def samples(self) -> Iterator[Sample]:
        """A batch, one label, images of labels, none."""
        yield Sample((numpy.array([0, 2, 1]),), {"classes": 3, "axis": 1})
        yield Sample((numpy.array(1),), {"classes": 3, "axis": 0})
        yield Sample((numpy.array([[0, 2], [1, 1]]),), {"classes": 3, "axis": 1})
        yield Sample((numpy.zeros((0,), numpy.int64),), {"classes": 3, "axis": 1})


class LabelDistribution(Structural):
    """1 − ε at the class that each label names, plus ε spread evenly over all: one-hot rows.

    Parameters
    ----------
    labels : array of whole numbers
    classes : int
        Number of classes.
    axis : int
        Where the axis of the classes goes in the output, counted from the front.
    smoothing : float
        The share ε, 0 … 1.
    ignored : int, optional
        The label whose row is 0.
    dtype : str
        float32 or float64.
    """

    role = Role.WALL
    formula = "(1 - smoothing) * (class == label) + smoothing / classes"
    result = "float"

    def forward(
        self,
        np: Any,
        labels: Any,
        *,
        classes: int,
        axis: int = 1,
        smoothing: float = 0.0,
        ignored: int | None = None,
        dtype: str = "float32",
    ) -> Any:
        hit = label_mask.forward(np, labels, classes=classes, axis=axis)
        elsewhere = smoothing / classes
        rows = np.where(
            hit, np.asarray(1.0 - smoothing + elsewhere, dtype), np.asarray(elsewhere, dtype)
        )
        if ignored is None:
            return rows
        return np.where(np.expand_dims(labels, axis) == ignored, 0.0, rows)

    def shape(self, labels: Shape, *, classes: int, axis: int = 1, **_: Any) -> Shape:
        """The shape of the labels with an axis for the classes."""
        return (*labels[:axis], classes, *labels[axis:])

    def dtype(self, *given: Any, **attributes: Any) -> dtypes.DType:
        """The type that is asked for."""
        asked: dtypes.DType = numpy.dtype(attributes.get("dtype", "float32"))
        return asked

    def samples(self) -> Iterator[Sample]:
        """A batch, with and without smoothing and ignored labels; one label."""
        yield Sample((numpy.array([0, 2, 1]),), {"classes": 3})
        yield Sample((numpy.array([0, -1, 1]),), {"classes": 3, "smoothing": 0.3, "ignored": -1})
        yield Sample((numpy.array(1),), {"classes": 3, "axis": 0, "dtype": "float64"})


def class_axis(shape: Shape) -> int:
    """Where the classes of scores are: axis 1 of a batch, axis 0 of one example."""
    return 1 if len(shape) > 1 else 0


def check_scores(subject: str, shape: Shape) -> int:
    """The number of classes of scores of this shape; refuses numbers without classes."""
    if not shape or shape[class_axis(shape)] == 0:
        raise ShapeError(
            subject,
            got=f"scores of shape {shape}",
            needs="scores (examples, classes) or (classes,), at least one class",
            remedy="Keep the axis of the classes.",
        )
    return shape[class_axis(shape)]


def check_label_shape(subject: str, scores: Shape, labels: Shape) -> None:
    """Refuse labels that are not one for every example."""
    axis = class_axis(scores)
    wanted = scores[:axis] + scores[axis + 1 :]
    if labels != wanted:
        raise ShapeError(
            subject,
            got=f"scores of shape {scores} and labels of shape {labels}",
            needs=f"labels of shape {wanted}, one class number for every example",
            remedy="Pass class numbers: for one-hot rows labels.argmax(axis=1), for a column "
            "labels.reshape(-1).",
        )


def check_labels(np: Any, subject: str, labels: Any, classes: int, ignored: int | None) -> Any:
    """The labels as int64, with 0 in the place of ignored ones.

    Raises
    ------
    DTypeError
        If they are fractions or truth values.
    RangeError
        If one is below 0 or not below `classes`; the message holds it and where it is.
    """
    if labels.dtype.kind not in "ui":
        raise DTypeError(
            subject,
            got=f"labels of type {labels.dtype}",
            needs=f"whole numbers from 0 to {classes - 1}",
            remedy="Convert them: labels.astype(numpy.int64). A distribution over the classes "
            "has the shape of the scores.",
        )
    if ignored is not None:
        labels = np.where(labels == ignored, 0, labels)
    if computed(np):
        refuse_labels(subject, labels, classes)
    else:
        right = (labels >= 0) & (labels < classes)
        labels = np.check(labels, right, refuse_labels, (subject, ..., classes))
    return labels.astype(np.int64, copy=False)


def refuse_labels(subject: str, labels: Any, classes: int) -> None:
    """Raise RangeError for the first label that is no class."""
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        place = tuple(map(int, numpy.argwhere((labels < 0) | (labels >= classes))[0]))
        # A message about labels counted from 1 would help whoever made them.
        remedy = (
            "Labels are counted from 0."
            if labels.max() == classes and labels.min() > 0
            else ("Correct the label, or give the model as many outputs as there are classes.")
        )
        where = f" at {list(place)}" if place else ""
        raise RangeError(
            subject,
            got=f"label {labels[place]}{where}",
            needs=f"labels from 0 to {classes - 1}, one for each of {classes} classes",
            remedy=remedy,
        )


def as_float(np: Any, values: Any) -> Any:
    """An array of numbers with fractions: whole numbers in the default type.

    Sums follow the order of the memory in their last digits, so the order is always that of rows.
    """
    values = np.asarray(values, order="C")
    return values.astype(dtypes.floating(values.dtype), copy=False)


def same_shape(subject: str, prediction: Shape, target: Shape) -> Shape:
    """Refuse to stretch one of two arrays that are compared number by number."""
    if prediction != target:
        raise ShapeError(
            subject,
            got=f"a prediction of shape {prediction} and a target of shape {target}",
            needs="equal shapes: stretching one would compare numbers that do not belong together",
            remedy="Reshape one of them, for example target.reshape(prediction.shape).",
        )
    return prediction


def check_reduction(subject: str, reduction: str) -> None:
    """Refuse a reduction that is not mean, sum or none."""
    if reduction not in REDUCTIONS:
        raise ArgumentError(
            subject,
            got=f"reduction={reduction!r}",
            needs="mean, sum or none",
            remedy=nearest(reduction, REDUCTIONS),
        )


def folded_shape(subject: str, shape: Shape, reduction: str) -> Shape:
    """The shape of costs of this shape after the reduction; refuses the mean of no costs."""
    check_reduction(subject, reduction)
    if reduction == "mean" and math.prod(shape) == 0:
        raise ShapeError(
            subject,
            got="no examples",
            needs="at least one to take the mean of",
            remedy="Check the batch, or use reduction='sum'.",
        )
    return shape if reduction == "none" else ()


def fold(np: Any, subject: str, costs: Any, reduction: str, dtype: Any, count: Any = None) -> Any:
    """Costs averaged, summed or left alone; sums are taken in float64 and rounded once."""
    folded_shape(subject, costs.shape, reduction)
    if reduction == "none":
        return costs.astype(dtype, copy=False)
    total = np.sum(costs, dtype=np.float64)
    if reduction == "mean":
        total = total / (costs.size if count is None else count)
    return np.asarray(total, dtype)


def share(upstream: Any, reduction: str, costs: Shape, kept: Shape, count: Any = None) -> Any:
    """The upstream gradient of every cost, in a shape that broadcasts with the inputs.

    `costs` is the shape of the costs and `kept` the same with an axis of size 1 for the classes.
    """
    if reduction == "none":
        return reshape(upstream, kept)
    if reduction == "sum":
        return upstream
    return upstream / (math.prod(costs) if count is None else count)


label_mask = LabelMask()
label_distribution = LabelDistribution()

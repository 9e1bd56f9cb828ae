"""Cross-entropy from scores, and the negative log-likelihood from log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy

from backlight.errors import ArgumentError, DTypeError, ShapeError
from backlight.gates.choice import where
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.reduction import sum as total
from backlight.gates.residual import residual
from backlight.gates.softmax import log_softmax, shifted_and_rest
from backlight.gates.target import (
    as_float,
    check_label_shape,
    check_labels,
    check_scores,
    class_axis,
    fold,
    folded_shape,
    label_distribution,
    share,
)
from backlight.gates.transcendental import exp, expm1
from backlight.gates.view import reshape
from backlight.shapes import Shape


class CrossEntropy(Structural):
    """−Σ q·ln p, where p is the softmax of the scores and q the wanted distribution.

    With a label y it is −ln p_y. The softmax is part of the gate: give it scores, not
    probabilities. The logarithm keeps its digits when the model is nearly sure: for scores (20, 0)
    and label 0 it is 2.06e−9, not 0. A wanted probability of 0 counts for nothing, also where the
    model says 0 (0·ln 0 = 0).

    The scores receive (p − q)·upstream, divided by the number of examples for the mean.

    Parameters
    ----------
    logits : array (examples, classes), (examples, classes, …) or (classes,)
        Scores before the softmax.
    target : array
        Labels, whole numbers 0 … classes−1, in the shape of `logits` without the classes; or
        distributions, numbers with fractions in the shape of `logits`.
    weight : array (classes,), optional
        How much each class counts. The mean is then over the weights of the labels.
    reduction : str
        "mean" over the examples, "sum", or "none" for one number an example.
    label_smoothing : float, 0 … 1
        The share of the wanted probability that is spread evenly over all classes.
    ignore_index : int, optional
        A label that counts for nothing, not in the mean either. PyTorch ignores −100 unless told
        otherwise; here nothing is ignored unless named, so that a wrong label is never hidden.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or there is no example to take the mean of.
    DTypeError
        If the labels are fractions or truth values.
    RangeError
        If a label is negative or not below the number of classes.
    ArgumentError
        If the reduction or the smoothing is not allowed.

    Examples
    --------
    >>> from backlight import tensor
    >>> scores = tensor([[-2.85, 0.86, 0.28]])
    >>> round(cross_entropy(scores, [2]).item(), 4)
    1.0402
    """

    role = Role.MIXER
    formula = "-sum(q * log(softmax(x)))"
    result = "first"
    source = "CS231n, linear classification"

    def forward(
        self,
        np: Any,
        logits: Any,
        target: Any,
        weight: Any = None,
        *,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        ignore_index: int | None = None,
    ) -> Any:
        logits, target = as_float(np, logits), np.asarray(target)
        size, axis = logits.shape, class_axis(logits.shape)
        self.shape(
            size,
            target.shape,
            None if weight is None else np.shape(weight),
            reduction=reduction,
            label_smoothing=label_smoothing,
        )
        if not _is_distribution(size, target):
            labels = check_labels(np, self.name, target, size[axis], ignore_index)
            if weight is None and not label_smoothing and logits.size:
                shifted, rest = shifted_and_rest(np, logits, axis)
                own = np.take_along_axis(shifted, np.expand_dims(labels, axis), axis)
                costs = np.squeeze(np.log1p(rest) - own, axis)
                count = costs.size
                if ignore_index is not None:
                    costs = np.where(target == ignore_index, 0.0, costs)
                    count = np.sum(target != ignore_index)
                return fold(np, self.name, costs, reduction, logits.dtype, count)
        wanted = _Wanted(logits, target, weight, label_smoothing, ignore_index)
        logs = log_softmax.forward(np, logits, axis=axis)
        terms = np.where(wanted.full == 0, 0.0, wanted.full * logs)
        costs = -np.sum(terms, axis=axis, dtype=np.float64)
        return fold(np, self.name, costs, reduction, logits.dtype, wanted.count)

    def backward(
        self,
        upstream: Any,
        logits: Any,
        target: Any,
        weight: Any,
        output: Any,
        *,
        reduction: str,
        label_smoothing: float,
        ignore_index: int | None,
    ) -> Any:
        size, axis = logits.shape, class_axis(logits.shape)
        costs, kept = _without(size, axis), _with_one(size, axis)

        def by_logits() -> Any:
            plain = weight is None and not label_smoothing and ignore_index is None
            if plain and not _is_distribution(size, target):
                slope = residual(logits, target)
                return slope * share(upstream, reduction, costs, kept)
            logs = log_softmax(logits, axis=axis)
            wanted = _Wanted(logits, target, weight, label_smoothing, ignore_index)
            # p·Σq − q, with p − 1 as expm1(ln p), for the same reason.
            others = total(wanted.full, axis=axis, keepdims=True) - wanted.full
            slope = exp(logs) * others + wanted.full * expm1(logs)
            return slope * share(upstream, reduction, costs, kept, wanted.count)

        def by_target() -> Any:
            scale = (1.0 - label_smoothing) * _along(weight, size, axis)
            return -log_softmax(logits, axis=axis) * (
                scale * share(upstream, reduction, costs, kept)
            )

        def by_weight() -> Any:
            logs = log_softmax(logits, axis=axis)
            wanted = _Wanted(logits, target, weight, label_smoothing, ignore_index)
            bare = where(wanted.bare == 0, 0.0, -logs * wanted.bare)
            given = bare * share(upstream, reduction, costs, kept, wanted.count)
            return _slope_by_weight(upstream, given, wanted, output, reduction, axis)

        return by_logits, by_target if _is_distribution(size, target) else None, by_weight

    def parts(
        self,
        logits: Any,
        target: Any,
        weight: Any = None,
        *,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        ignore_index: int | None = None,
    ) -> Any:
        """Log-softmax, times the wanted distribution, sum, mean."""
        axis = class_axis(logits.shape)
        wanted = _Wanted(logits, target, weight, label_smoothing, ignore_index)
        terms = where(wanted.full == 0, 0.0, wanted.full * log_softmax(logits, axis=axis))
        return _folded(-total(terms, axis=axis), reduction, wanted.count)

    def shape(
        self,
        logits: Shape,
        target: Shape,
        weight: Shape | None = None,
        *,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        **_: Any,
    ) -> Shape:
        """One number, or one for every example."""
        classes = check_scores(self.name, logits)
        if target != logits:
            check_label_shape(self.name, logits, target)
        _check_weight(self.name, weight, classes)
        if not 0 <= label_smoothing <= 1:
            raise ArgumentError(
                self.name,
                got=f"label_smoothing={label_smoothing}",
                needs="a share from 0 to 1",
                remedy="Try 0.1.",
            )
        return folded_shape(self.name, _without(logits, class_axis(logits)), reduction)

    def samples(self) -> Iterator[Sample]:
        """Labels and distributions, weights, smoothing, ignored labels, images, one example."""
        rows, labels = draw((3, 4), 500), numpy.array([1, 0, 3])
        weight = numpy.array([0.5, 1.0, 2.0, 0.25])
        distribution = numpy.exp(draw((3, 4), 501))
        distribution /= distribution.sum(axis=1, keepdims=True)
        for reduction in ("mean", "sum", "none"):
            yield Sample((rows, labels, None), {"reduction": reduction})
            yield Sample((rows, distribution, None), {"reduction": reduction})
            yield Sample(
                (rows, labels, weight),
                {"reduction": reduction, "label_smoothing": 0.1, "ignore_index": 3},
            )
        yield Sample((rows, distribution, weight), {"label_smoothing": 0.2})
        yield Sample(
            (draw((2, 3, 2, 2), 502), numpy.array([[[0, 1], [2, 0]], [[1, 1], [0, 2]]]), None)
        )
        yield Sample((draw((4,), 503), numpy.array(2), None))
        yield Sample((draw((0, 3), 504), numpy.zeros(0, numpy.int64), None), {"reduction": "sum"})


class NllLoss(Structural):
    """−ln p_y for log-probabilities: what is left of cross-entropy after a log-softmax.

    The log-probability of the label receives −upstream, divided by the number of examples for the
    mean; all others receive 0.

    Parameters
    ----------
    log_probabilities : array (examples, classes), (examples, classes, …) or (classes,)
    target : array of whole numbers
        Labels 0 … classes−1.
    weight, reduction, ignore_index
        As of cross_entropy.

    Raises
    ------
    ShapeError, DTypeError, RangeError, ArgumentError
        As of cross_entropy.
    """

    role = Role.MIXER
    formula = "-x[label]"
    result = "first"

    def forward(
        self,
        np: Any,
        log_probabilities: Any,
        target: Any,
        weight: Any = None,
        *,
        reduction: str = "mean",
        ignore_index: int | None = None,
    ) -> Any:
        logs, target = as_float(np, log_probabilities), np.asarray(target)
        self.shape(
            logs.shape,
            target.shape,
            None if weight is None else np.shape(weight),
            reduction=reduction,
        )
        axis = class_axis(logs.shape)
        labels = check_labels(np, self.name, target, logs.shape[axis], ignore_index)
        own = np.squeeze(np.take_along_axis(logs, np.expand_dims(labels, axis), axis), axis)
        counts = np.ones(labels.shape, logs.dtype) if weight is None else np.take(weight, labels, 0)
        if ignore_index is not None:
            counts = np.where(target == ignore_index, 0.0, counts)
        costs = np.where(counts == 0, 0.0, -own * counts)
        return fold(np, self.name, costs, reduction, logs.dtype, np.sum(counts, dtype=np.float64))

    def backward(
        self,
        upstream: Any,
        log_probabilities: Any,
        target: Any,
        weight: Any,
        output: Any,
        *,
        reduction: str,
        ignore_index: int | None,
    ) -> Any:
        logs = log_probabilities
        size, axis = logs.shape, class_axis(logs.shape)
        costs, kept = _without(size, axis), _with_one(size, axis)
        wanted = _Wanted(logs, target, weight, 0.0, ignore_index)

        def by_weight() -> Any:
            bare = where(wanted.hit == 0, 0.0, -logs)
            given = bare * share(upstream, reduction, costs, kept, wanted.count)
            return _slope_by_weight(upstream, given, wanted, output, reduction, axis)

        return (
            lambda: -wanted.full * share(upstream, reduction, costs, kept, wanted.count),
            None,
            by_weight,
        )

    def parts(
        self,
        log_probabilities: Any,
        target: Any,
        weight: Any = None,
        *,
        reduction: str = "mean",
        ignore_index: int | None = None,
    ) -> Any:
        """Times one-hot labels, sum, mean."""
        wanted = _Wanted(log_probabilities, target, weight, 0.0, ignore_index)
        terms = where(wanted.full == 0, 0.0, wanted.full * log_probabilities)
        costs = -total(terms, axis=class_axis(log_probabilities.shape))
        return _folded(costs, reduction, wanted.count)

    def shape(
        self,
        log_probabilities: Shape,
        target: Shape,
        weight: Shape | None = None,
        *,
        reduction: str = "mean",
        **_: Any,
    ) -> Shape:
        """One number, or one for every example."""
        classes = check_scores(self.name, log_probabilities)
        check_label_shape(self.name, log_probabilities, target)
        _check_weight(self.name, weight, classes)
        axis = class_axis(log_probabilities)
        return folded_shape(self.name, _without(log_probabilities, axis), reduction)

    def samples(self) -> Iterator[Sample]:
        """Every reduction, weights, an ignored label, one example."""
        rows, labels = draw((3, 4), 510, "x < 0"), numpy.array([1, 0, 3])
        for reduction in ("mean", "sum", "none"):
            yield Sample((rows, labels, None), {"reduction": reduction})
        yield Sample((rows, labels, numpy.array([0.5, 1.0, 2.0, 0.25])), {"ignore_index": 3})
        yield Sample((draw((4,), 511, "x < 0"), numpy.array(2), None))


def _is_distribution(logits: Shape, target: Any) -> bool:
    """Whether the target holds a probability for every class; labels have one axis less."""
    if not hasattr(target, "dtype"):
        target = numpy.asarray(target)
    if target.shape != logits:
        return False
    if target.dtype.kind == "f":
        return True
    raise DTypeError(
        "cross_entropy",
        got=f"a target of type {target.dtype} in the shape of the scores, {logits}",
        needs="distributions as numbers with fractions, or labels in a shape without the classes",
        remedy="For one-hot rows pass target.argmax(axis=1), or target.astype(numpy.float32).",
    )


class _Wanted:
    """The distribution that a loss wants, written with gates.

    `bare` is it without the weights of the classes and `full` with them; `hit` is 1 at the labels
    that count; `count` is what the mean divides by.
    """

    def __init__(
        self,
        logits: Any,
        target: Any,
        weight: Any = None,
        smoothing: float = 0.0,
        ignored: int | None = None,
    ) -> None:
        size, axis = logits.shape, class_axis(logits.shape)
        weights = _along(weight, size, axis)
        self.labelled = not _is_distribution(size, target)
        if self.labelled:
            settings = {
                "classes": size[axis],
                "axis": axis,
                "ignored": ignored,
                "dtype": logits.dtype.name,
            }
            self.hit = label_distribution(target, **settings)
            self.bare = label_distribution(target, smoothing=smoothing, **settings)
            self.count = total(self.hit * weights)
        else:
            self.bare = (1.0 - smoothing) * target + smoothing / size[axis]
            self.count = math.prod(_without(size, axis))
        self.full = self.bare * weights


def _slope_by_weight(
    upstream: Any, costs: Any, wanted: _Wanted, output: Any, reduction: str, axis: int
) -> Any:
    """What each class weight receives, from the bare costs times their upstream share."""
    if reduction == "mean" and wanted.labelled:
        # The mean divides by the weights of the labels, so they are in it twice.
        costs = costs - wanted.hit * (upstream * output / wanted.count)
    return total(costs, axis=tuple(place for place in range(costs.ndim) if place != axis))


def _folded(costs: Any, reduction: str, count: Any) -> Any:
    """The reduction of a loss, written with gates."""
    if reduction == "none":
        return costs
    return total(costs) if reduction == "sum" else total(costs) / count


def _along(weight: Any, size: Shape, axis: int) -> Any:
    """The weights of the classes, in a shape that broadcasts with the scores."""
    if weight is None:
        return 1.0
    return reshape(weight, tuple(size[axis] if place == axis else 1 for place in range(len(size))))


def _check_weight(subject: str, weight: Shape | None, classes: int) -> None:
    if weight is not None and weight != (classes,):
        raise ShapeError(
            subject,
            got=f"class weights of shape {weight} for {classes} classes",
            needs=f"shape {(classes,)}",
            remedy="Give one weight for every class.",
        )


def _without(size: Shape, axis: int) -> Shape:
    return size[:axis] + size[axis + 1 :]


def _with_one(size: Shape, axis: int) -> Shape:
    return (*size[:axis], 1, *size[axis + 1 :])


cross_entropy = CrossEntropy()
nll_loss = NllLoss()

"""Hinge losses: a score must beat its rivals by a margin, and then nothing more is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from backlight.errors import ArgumentError
from backlight.gates.choice import maximum, where
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.reduction import sum as total
from backlight.gates.refusal import computed
from backlight.gates.target import (
    as_float,
    check_label_shape,
    check_labels,
    check_scores,
    class_axis,
    fold,
    folded_shape,
    label_mask,
    share,
)
from backlight.shapes import Shape


class Hinge(Structural, abstract=True):
    """What the hinge losses share: scores, labels, a margin, and the folding of the costs."""

    role = Role.MIXER
    kinks = "a score exactly at the margin: gradient 0 there"
    result = "float"
    divided = False
    """Whether the sum over the classes is divided by their number."""

    def forward(
        self,
        np: Any,
        scores: Any,
        labels: Any,
        *,
        margin: float = 1.0,
        squared: bool = False,
        reduction: str = "mean",
    ) -> Any:
        scores, labels = as_float(np, scores), np.asarray(labels)
        axis = class_axis(scores.shape)
        self.shape(scores.shape, labels.shape, reduction=reduction)
        _check_margin(self.name, margin)
        labels = check_labels(np, self.name, labels, scores.shape[axis], None)
        excess = np.maximum(self.excess(np, scores, labels, margin), 0.0)
        if squared:
            excess = excess * excess
        costs = np.sum(excess, axis=axis, dtype=np.float64)
        if self.divided:
            costs = costs / scores.shape[axis]
        return fold(np, self.name, costs, reduction, scores.dtype)

    def backward(
        self,
        upstream: Any,
        scores: Any,
        labels: Any,
        output: Any,
        *,
        margin: float,
        squared: bool,
        reduction: str,
    ) -> Any:
        size, axis = scores.shape, class_axis(scores.shape)
        costs = size[:axis] + size[axis + 1 :]

        def by_scores() -> Any:
            hit = label_mask(labels, classes=size[axis], axis=axis)
            each = share(upstream, reduction, costs, (*size[:axis], 1, *size[axis + 1 :]))
            if self.divided:
                each = each / size[axis]
            excess = self.gated_excess(scores, hit, axis, margin)
            if squared:
                return self.pulled(hit, axis, 2.0 * (maximum(excess, 0.0) * each))
            return self.pulled(hit, axis, where(excess <= 0, 0.0, each))

        return by_scores, None

    def excess(self, np: Any, scores: Any, labels: Any, margin: float) -> Any:
        """How far each class is within the margin; labels are checked."""
        raise NotImplementedError

    def gated_excess(self, scores: Any, hit: Any, axis: int, margin: float) -> Any:
        """The same, written with gates; `hit` is true at the labels."""
        raise NotImplementedError

    def pulled(self, hit: Any, axis: int, factor: Any) -> Any:
        """The gradient by the scores, from the gradient by the excess."""
        raise NotImplementedError

    def branch(
        self,
        np: Any,
        scores: Any,
        labels: Any,
        *,
        margin: float = 1.0,
        squared: bool = False,
        reduction: str = "mean",
    ) -> Any:
        """On which side of its margin every score is."""
        return np.sign(self.excess(np, scores, labels, margin))

    def parts(
        self,
        scores: Any,
        labels: Any,
        *,
        margin: float = 1.0,
        squared: bool = False,
        reduction: str = "mean",
    ) -> Any:
        """Excess over the margin, the larger of it and 0, perhaps its square, sum, mean."""
        size, axis = scores.shape, class_axis(scores.shape)
        hit = label_mask(labels, classes=size[axis], axis=axis)
        excess = maximum(0.0, self.gated_excess(scores, hit, axis, margin))
        costs = total(excess * excess if squared else excess, axis=axis)
        if self.divided:
            costs = costs / size[axis]
        if reduction == "none":
            return costs
        return total(costs) if reduction == "sum" else total(costs) / numpy.prod(costs.shape)

    def shape(self, scores: Shape, labels: Shape, *, reduction: str = "mean", **_: Any) -> Shape:
        """One number, or one for every example."""
        check_scores(self.name, scores)
        check_label_shape(self.name, scores, labels)
        return folded_shape(self.name, labels, reduction)

    def samples(self) -> Iterator[Sample]:
        """Both powers, every reduction, another margin, one example, none."""
        rows, labels = draw((3, 4), 540), numpy.array([1, 0, 3])
        for squared in (False, True):
            for reduction in ("mean", "sum", "none"):
                yield Sample((rows, labels), {"squared": squared, "reduction": reduction})
        yield Sample((rows, labels), {"margin": 0.25})
        yield Sample((draw((4,), 541), numpy.array(2)), {"margin": 2.0})
        yield Sample((draw((2, 3, 2), 542), numpy.array([[0, 2], [1, 1]])), {"squared": True})
        yield Sample((draw((0, 3), 543), numpy.zeros(0, numpy.int64)), {"reduction": "sum"})


class MulticlassHinge(Hinge):
    """Σ over the other classes of max(0, s_j − s_y + margin): the Weston–Watkins SVM loss.

    It is summed over the classes, as in the course, and averaged over the examples; PyTorch's
    version, divided by the number of classes, is multi_margin. Every class within the margin
    receives upstream, and the label's class minus their number times upstream.

    With two classes it is the binary hinge max(0, 1 − t·f) of f = s₁ − s₀ and t = ±1.

    Parameters
    ----------
    scores : array (examples, classes), (examples, classes, …) or (classes,)
    labels : array of whole numbers 0 … classes−1
        In the shape of the scores without the classes.
    margin : float, at least 0
        1 is safe: only its ratio to the weights matters, which regularisation sets.
    squared : bool
        Square every class's excess (L2-SVM).
    reduction : str
        "mean" over the examples, "sum", or "none" for one number an example.

    Raises
    ------
    ShapeError, DTypeError, RangeError, ArgumentError
        As of cross_entropy; a margin below 0.

    Examples
    --------
    >>> from backlight import tensor
    >>> multiclass_hinge(tensor([[13.0, -7.0, 11.0]]), [0], margin=10).item()
    8.0
    """

    formula = "sum(max(0, s[j] - s[label] + margin) for j != label)"
    source = "Weston and Watkins, 1999; CS231n, linear classification"

    def excess(self, np: Any, scores: Any, labels: Any, margin: float) -> Any:
        """Score minus the label's score plus the margin; 0 at the label itself."""
        axis = class_axis(scores.shape)
        place = np.expand_dims(labels, axis)
        excess = scores - np.take_along_axis(scores, place, axis) + margin
        if not computed(np):
            hit = label_mask.forward(np, labels, classes=scores.shape[axis], axis=axis)
            return np.where(hit, 0.0, excess)
        np.put_along_axis(excess, place, 0.0, axis)
        return excess

    def gated_excess(self, scores: Any, hit: Any, axis: int, margin: float) -> Any:
        """The same, written with gates."""
        own = total(where(hit, scores, 0.0), axis=axis, keepdims=True)
        return where(hit, 0.0, scores - own + margin)

    def pulled(self, hit: Any, axis: int, factor: Any) -> Any:
        """Every class its factor, the label's class minus the sum of them."""
        return where(hit, -total(factor, axis=axis, keepdims=True), factor)


class MultiMargin(MulticlassHinge):
    """The multiclass hinge divided by the number of classes, as PyTorch's multi_margin_loss.

    Parameters and errors are those of multiclass_hinge; `squared` is PyTorch's p = 2.
    """

    formula = "sum(max(0, s[j] - s[label] + margin) for j != label) / classes"
    divided = True
    aliases = ("multi_margin_loss",)


class OneVsRestHinge(Hinge):
    """Σ over the classes of max(0, margin − t·s), with t = 1 for the label's class, else −1.

    Each class is a yes-or-no question of its own: its score must be above the margin or below
    minus the margin. Summed over the classes, averaged over the examples.

    Parameters
    ----------
    scores, labels, margin, squared, reduction
        As of multiclass_hinge.

    Raises
    ------
    ShapeError, DTypeError, RangeError, ArgumentError
        As of multiclass_hinge.
    """

    formula = "sum(max(0, margin - t[j] * s[j]))"
    source = "CS231n, linear classification (one-vs-all)"

    def excess(self, np: Any, scores: Any, labels: Any, margin: float) -> Any:
        """The margin minus the score, or plus it for the other classes."""
        axis = class_axis(scores.shape)
        hit = label_mask.forward(np, labels, classes=scores.shape[axis], axis=axis)
        return np.where(hit, -scores, scores) + margin

    def gated_excess(self, scores: Any, hit: Any, axis: int, margin: float) -> Any:
        """The same, written with gates."""
        return where(hit, -scores, scores) + margin

    def pulled(self, hit: Any, axis: int, factor: Any) -> Any:
        """Every class its factor, the label's with a minus."""
        return where(hit, -factor, factor)


def _check_margin(subject: str, margin: float) -> None:
    if not margin >= 0:
        raise ArgumentError(
            subject,
            got=f"margin={margin}",
            needs="a margin of at least 0",
            remedy="Use 1, and set the strength of the regularisation instead.",
        )


multiclass_hinge = MulticlassHinge()
multi_margin = MultiMargin()
one_vs_rest_hinge = OneVsRestHinge()

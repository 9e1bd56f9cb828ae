"""Loss layers: one line a gate of the table; each turns predictions and targets into one number.

All take `reduction`: "mean", "sum" or "none". The mean is over the examples where each example has
one cost (cross-entropy, hinges), and over all numbers where each number has one (squared error).
"""

from __future__ import annotations

from typing import Any

from backlight.engine.tensor import as_tensor
from backlight.errors import ArgumentError
from backlight.gates.binary import binary_cross_entropy, binary_cross_entropy_with_logits
from backlight.gates.gate import Gate
from backlight.gates.hinge import multi_margin, multiclass_hinge, one_vs_rest_hinge
from backlight.gates.loss import cross_entropy, nll_loss
from backlight.gates.regression import huber, l1_loss, mean_squared_error
from backlight.gates.softmax import softmax
from backlight.nn.functional import kl_div, smooth_l1_loss
from backlight.nn.gate_layer import GateLayer, layer
from backlight.nn.module import Module


class _Weighted(GateLayer):
    """A loss whose classes may count differently: `weight` holds one number a class."""

    def __init__(self, weight: Any = None, **named: Any) -> None:
        super().__init__(**named)
        if weight is not None:
            weight = as_tensor(weight)
            weight = weight if weight.dtype.kind == "f" else weight.float()
        self.register_buffer("weight", weight)

    def forward(self, prediction: Any, target: Any) -> Any:
        """The loss."""
        return self.gate(prediction, target, self._buffers["weight"], **self.settings)


class _FromScores(_Weighted):
    """Cross-entropy, which takes the softmax itself."""

    def forward(self, prediction: Any, target: Any) -> Any:
        """The loss; probabilities that a softmax just made are refused."""
        made_by: Gate | None = getattr(prediction, "gate", None)
        if made_by is softmax:
            raise self.refuse(
                ArgumentError,
                prediction,
                got="probabilities, the output of a softmax",
                needs="scores (logits): it takes the softmax itself, and twice would hardly learn",
                remedy="Leave the softmax out of the model, or use NLLLoss after LogSoftmax",
            )
        return super().forward(prediction, target)


CrossEntropyLoss = layer("CrossEntropyLoss", cross_entropy, __name__, _FromScores)
NLLLoss = layer("NLLLoss", nll_loss, __name__, _Weighted)
MultiClassHingeLoss = layer("MultiClassHingeLoss", multiclass_hinge, __name__)
MultiMarginLoss = layer("MultiMarginLoss", multi_margin, __name__)
OneVsRestHingeLoss = layer("OneVsRestHingeLoss", one_vs_rest_hinge, __name__)
BCEWithLogitsLoss = layer("BCEWithLogitsLoss", binary_cross_entropy_with_logits, __name__)
BCELoss = layer("BCELoss", binary_cross_entropy, __name__)
MSELoss = layer("MSELoss", mean_squared_error, __name__)
L1Loss = layer("L1Loss", l1_loss, __name__)
HuberLoss = layer("HuberLoss", huber, __name__)


class SmoothL1Loss(Module):
    """½·d²/β for a difference |d| < β, else |d| − ½·β: `HuberLoss(delta=beta)` divided by β.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    beta : float, 0 or more
        Where the square turns into a line; 0 is L1Loss. At 1 it equals HuberLoss.

    Source: Girshick, "Fast R-CNN", 2015.
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__()
        self.reduction = reduction
        self.beta = beta

    def forward(self, prediction: Any, target: Any) -> Any:
        """The loss."""
        return smooth_l1_loss(prediction, target, self.reduction, self.beta)

    def extra_repr(self) -> str:
        """The settings."""
        return f"reduction={self.reduction!r}, beta={self.beta}"


class KLDivLoss(Module):
    """How far a model's distribution is from the target's: Σ t·(ln t − input).

    Parameters
    ----------
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean" is the mathematical one; "mean" divides by all numbers, as in PyTorch.
    log_target : bool
        Whether the target holds logarithms too.

    The input holds *log*-probabilities. The gate `kl_divergence` takes two distributions.
    """

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__()
        self.reduction = reduction
        self.log_target = log_target

    def forward(self, prediction: Any, target: Any) -> Any:
        """The divergence."""
        return kl_div(prediction, target, self.reduction, self.log_target)

    def extra_repr(self) -> str:
        """The settings."""
        return f"reduction={self.reduction!r}, log_target={self.log_target}"

"""Functions by the names and call shapes that PyTorch users type: `import … functional as F`.

Every gate of the table is here under its own name (`F.relu`, `F.conv2d`, `F.cross_entropy`). The
functions below are those whose arguments PyTorch orders or names in another way.
"""

from __future__ import annotations

from typing import Any

from backlight.engine import random
from backlight.engine.mode import no_grad
from backlight.errors import ArgumentError, ShapeError, nearest
from backlight.gates import activation as _activation
from backlight.gates import average_pooling as _average
from backlight.gates import grouping as _grouping
from backlight.gates import indexing as _indexing
from backlight.gates import normalisation as _normalisation
from backlight.gates import pooling as _pooling
from backlight.gates import random as _random
from backlight.gates import rectifier as _rectifier
from backlight.gates import regression as _regression
from backlight.gates import view as _view
from backlight.gates.choice import absolute, maximum, where
from backlight.gates.deviation import norm as _norm
from backlight.gates.deviation import var
from backlight.gates.divergence import xlogy
from backlight.gates.gate import TABLE
from backlight.gates.linear import linear as _linear
from backlight.gates.reduction import mean
from backlight.gates.reduction import sum as _sum
from backlight.gates.transcendental import exp, sqrt


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input·weightᵀ + bias; weight (out_features, in_features).

    Examples
    --------
    >>> import numpy as np
    >>> linear(np.array([1.0, 2.0]), np.array([[3.0, 4.0]]), np.array([0.5])).tolist()
    [11.5]
    """
    return _linear(input, weight, bias)


def dropout(
    input: Any,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: random.Generator | None = None,
) -> Any:
    """Numbers dropped with probability p, the others divided by 1 − p; nothing if not training.

    `inplace` is accepted here, and in the functions below, for PyTorch's sake: it changes nothing.
    """
    del inplace
    if not training or p == 0:
        return input
    return _random.dropout(input, (generator or random.default).next_key(), p=p)


def dropout2d(
    input: Any,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: random.Generator | None = None,
) -> Any:
    """Whole channels dropped with probability p, the others divided by 1 − p; see `nn.Dropout2d`.

    Examples
    --------
    >>> import numpy as np
    >>> dropped = dropout2d(np.ones((1, 8, 5, 5)), 0.5)
    >>> sorted(set(dropped.sum(axis=(2, 3)).ravel().tolist()))
    [0.0, 50.0]
    """
    del inplace
    if len(input.shape) != 4:
        raise ShapeError(
            "dropout2d",
            got=f"an input of shape {input.shape}",
            needs="images (N, C, H, W)",
            remedy="Keep the axis of examples, or use dropout.",
        )
    if not 0 <= p < 1:
        raise ArgumentError(
            "dropout2d",
            got=f"p={p}",
            needs="a probability of dropping, 0 ≤ p < 1",
            remedy="p=0.5 drops half; if you mean the share to keep, pass 1 − it.",
        )
    if not training or p == 0:
        return input
    key = (generator or random.default).next_key()
    drawn = _random.uniform(key, shape=(*input.shape[:2], 1, 1), dtype="float32")
    return where(drawn >= p, input / (1.0 - p), 0.0)


def relu(input: Any, inplace: bool = False) -> Any:
    """The positive part, max(x, 0)."""
    del inplace
    return _rectifier.relu(input)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """The positive part, else α·(eˣ − 1)."""
    del inplace
    return _rectifier.elu(input, alpha=alpha)


def selu(input: Any, inplace: bool = False) -> Any:
    """The elu that keeps mean 0 and variance 1."""
    del inplace
    return _rectifier.selu(input)


def silu(input: Any, inplace: bool = False) -> Any:
    """x·σ(x)."""
    del inplace
    return _activation.silu(input)


def logsigmoid(input: Any) -> Any:
    """The logarithm ln σ(x): the gate log_sigmoid by PyTorch's name."""
    return _activation.log_sigmoid(input)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """The positive part, else negative_slope·x."""
    del inplace
    return _rectifier.leaky_relu(input, slope=negative_slope)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    *,
    ceil_mode: bool = False,
    rounding: str = "exact",
) -> Any:
    """The largest number of each window; see `nn.MaxPool2d`."""
    return _pooling.max_pool2d(
        input,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        rounding="ceil" if ceil_mode else rounding,
    )


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    rounding: str = "exact",
) -> Any:
    """The mean of each window; see `nn.AvgPool2d`."""
    return _average.average_pool2d(
        input,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        count_include_pad=count_include_pad,
        rounding="ceil" if ceil_mode else rounding,
    )


def embedding(input: Any, weight: Any) -> Any:
    """Rows of `weight` at the indices `input`."""
    return _indexing.embedding(weight, input)


def one_hot(labels: Any, num_classes: int = -1) -> Any:
    """Rows of zeros with a 1 at each label, int64; −1 counts the classes from the labels.

    Examples
    --------
    >>> import numpy as np
    >>> one_hot(np.array([0, 2])).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    if num_classes == -1:
        if not labels.size:
            raise ArgumentError(
                "one_hot",
                got="no labels and num_classes=-1",
                needs="labels to count the classes from",
                remedy="Pass num_classes.",
            )
        num_classes = int(labels.max()) + 1
    return _indexing.one_hot(labels, classes=num_classes, dtype="int64")


def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Mean 0 and variance 1 over the last axes, whose sizes are named; see `nn.LayerNorm`."""
    sizes = (
        tuple(normalized_shape)
        if isinstance(normalized_shape, (tuple, list))
        else (normalized_shape,)
    )
    if tuple(input.shape[-len(sizes) :]) != sizes:
        raise ShapeError(
            "layer_norm",
            got=f"an input of shape {input.shape}",
            needs=f"last axes of sizes {sizes}",
            remedy="Correct normalized_shape.",
        )
    return _normalisation.layer_norm(
        input, weight, bias, axis=tuple(range(-len(sizes), 0)), epsilon=eps
    )


def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Mean 0 and variance 1 over each group of channels; see `nn.GroupNorm`."""
    return _grouping.group_norm(input, weight, bias, groups=num_groups, epsilon=eps)


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Each channel by the batch's statistics in training, else by the running ones.

    In training the running ones, where given, move by `momentum` towards the batch's mean and
    unbiased variance; see `nn.BatchNorm2d`.
    """
    if training or running_mean is None or running_var is None:
        output = _normalisation.batch_norm(input, weight, bias, epsilon=eps)
        if training and running_mean is not None and running_var is not None:
            over = (0, *range(2, len(input.shape)))
            with no_grad():
                for running, batch in (
                    (running_mean, mean(input, axis=over)),
                    (running_var, var(input, axis=over, correction=1)),
                ):
                    running.copy_(running * (1.0 - momentum) + batch * momentum)
        return output
    column = (-1, *(1,) * (len(input.shape) - 2))
    scale = 1.0 / sqrt(running_var + eps)
    scale = scale if weight is None else scale * weight
    output = (input - _view.reshape(running_mean, column)) * _view.reshape(scale, column)
    return output if bias is None else output + _view.reshape(bias, column)


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """Σ t·(ln t − input): the divergence of exp(input) from t, with `input` a log-probability.

    Parameters
    ----------
    input : array
        *Log*-probabilities of the model. (The gate kl_divergence takes two distributions.)
    target : array of the same shape
        Probabilities, or their logarithms with log_target.
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean" divides by the examples and is the mathematical one; "mean" divides by all
        numbers, as PyTorch does.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.array([[0.5, 0.5]])
    >>> float(kl_div(np.log(p), p, reduction="batchmean"))
    0.0
    """
    known = ("mean", "batchmean", "sum", "none")
    if reduction not in known:
        raise ArgumentError(
            "kl_div",
            got=f"reduction={reduction!r}",
            needs=" or ".join(known),
            remedy=nearest(reduction, known),
        )
    if input.shape != target.shape:
        raise ShapeError(
            "kl_div",
            got=f"shapes {input.shape} and {target.shape}",
            needs="equal shapes",
            remedy="Pass one probability a class.",
        )
    costs = exp(target) * (target - input) if log_target else xlogy(target, target) - target * input
    if reduction == "none":
        return costs
    if reduction == "mean":
        return mean(costs)
    return _sum(costs) / (input.shape[0] if reduction == "batchmean" else 1)


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """½·d²/β for a difference |d| < β, else |d| − ½·β: Huber's loss with δ = β, divided by β.

    Parameters
    ----------
    input, target : arrays of equal shape
    reduction : {"mean", "sum", "none"}
    beta : float, 0 or more
        Where the square turns into a line; 0 is l1_loss. At 1 it equals the gate huber.

    Examples
    --------
    >>> import numpy as np
    >>> smooth_l1_loss(np.array([0.5, 3.0]), np.zeros(2), reduction="none", beta=2.0).tolist()
    [0.0625, 2.0]
    """
    if not beta >= 0:
        raise ArgumentError(
            "smooth_l1_loss",
            got=f"beta={beta}",
            needs="a number ≥ 0",
            remedy="Use 1, or 0 for the absolute difference.",
        )
    if beta == 0:
        return _regression.l1_loss(input, target, reduction=reduction)
    return _regression.huber(input, target, delta=beta, reduction=reduction) / beta


def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    """Vectors along `dim` brought to length 1: x / max(‖x‖, eps).

    Parameters
    ----------
    input : array
    p : 1 or 2
        Sum of absolute values, or Euclid's length.
    dim : int
        The axis along which the vectors lie.
    eps : float
        The least that is divided by, so that zeros stay zeros.

    Examples
    --------
    >>> import numpy as np
    >>> normalize(np.array([[3.0, 4.0]])).tolist()
    [[0.6, 0.8]]
    """
    if p not in (1, 2):
        raise ArgumentError(
            "normalize", got=f"p={p}", needs="1 or 2", remedy="Divide by another norm yourself."
        )
    length = (
        _norm(input, axis=dim, keepdims=True)
        if p == 2
        else _sum(absolute(input), axis=dim, keepdims=True)
    )
    return input / maximum(length, eps)


def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    """A border of `value`; `pad` counts pairs from the *last* axis: (left, right, top, bottom, …).

    Only mode="constant" is there, not PyTorch's "reflect", "replicate" and "circular"; a value of
    None is 0.

    Examples
    --------
    >>> import numpy as np
    >>> pad(np.ones((1, 1)), (1, 0)).tolist()
    [[0.0, 1.0]]
    """
    if mode != "constant":
        raise ArgumentError(
            "pad",
            got=f"mode={mode!r}",
            needs="'constant', the one mode there is",
            remedy="Pass value=0.0 by name, or join flipped or repeated slices with concatenate.",
        )
    if len(pad) % 2 or len(pad) > 2 * len(input.shape):
        raise ArgumentError(
            "pad",
            got=f"pad={pad} for shape {input.shape}",
            needs="a pair for each of the last axes",
            remedy="Pass (left, right) or (left, right, top, bottom).",
        )
    pairs = [(pad[place], pad[place + 1]) for place in range(0, len(pad), 2)]
    widths = (*((0, 0),) * (len(input.shape) - len(pairs)), *reversed(pairs))
    return _view.pad(input, widths=widths, value=0.0 if value is None else value)


def __getattr__(name: str) -> Any:
    """The gate of this name."""
    gate = TABLE.get(name)
    if gate is None:
        raise AttributeError(
            f"module {__name__!r} has no function {name!r}. "
            f"{nearest(name, TABLE).split(' Known')[0]}"
        )
    return gate


def __dir__() -> list[str]:
    """Every function and gate."""
    return sorted({*globals(), *TABLE})

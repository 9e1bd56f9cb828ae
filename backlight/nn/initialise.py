"""Initial numbers for parameters: formula and source of each.

A trailing underscore means that a function writes into the tensor it is given.

Fan-in is the number of inputs that one unit sums: in_features, or channels × kernel size. Fan-out
is the number of units that one input feeds. All draw from Backlight's counter-based generator: the
same seed gives the same weights on every machine.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from backlight import dtypes
from backlight.engine import random
from backlight.engine.random import Generator
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, ShapeError, nearest
from backlight.nn.parameter import Parameter
from backlight.shapes import whole

DEFAULT = "U(−1/√fan_in, 1/√fan_in): Kaiming uniform with a = √5"
"""What Linear and the convolutions use unless told otherwise, as PyTorch does."""

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2.0),
    "leaky_relu": math.sqrt(2.0),
    "selu": 0.75,
}


class _Sketching(threading.local):
    on = False


_sketching = _Sketching()


@contextmanager
def sketch() -> Iterator[None]:
    """A block in which parameters have a shape and no memory: for counting, not for learning.

    They read as zeros. Loading a state into them gives them memory.

    Examples
    --------
    >>> from backlight import nn
    >>> with sketch():
    ...     huge = nn.Linear(100_000, 100_000)
    >>> huge.weight.size
    10000000000
    """
    before = _sketching.on
    _sketching.on = True
    try:
        yield
    finally:
        _sketching.on = before


def sketching() -> bool:
    """Whether parameters are being sketched, without memory, in this thread."""
    return _sketching.on


def blank(*shape: int) -> Parameter:
    """A parameter to be filled by one of the functions below; zeros until then."""
    dtype = dtypes.get_default_dtype()
    if _sketching.on:
        return Parameter.share(np.broadcast_to(dtype.type(0), shape))
    return Parameter.share(np.zeros(shape, dtype))


def fans(tensor: Any) -> tuple[int, int]:
    """Fan-in and fan-out of a weight of shape (out, in, *kernel).

    Examples
    --------
    >>> fans(np.zeros((16, 3, 5, 5)))
    (75, 400)
    """
    shape = tensor.shape
    if len(shape) < 2:
        raise ShapeError(
            "nn.init",
            got=f"a parameter of shape {shape}",
            needs="a weight of at least two axes, (out, in, …), to count fans",
            remedy="Fill biases with zeros_ or constant_.",
        )
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Factor that makes up for how much a nonlinearity shrinks what passes through it.

    Examples
    --------
    >>> round(calculate_gain("relu") ** 2, 12), round(calculate_gain("leaky_relu", 1.0), 12)
    (2.0, 1.0)
    """
    if nonlinearity not in _GAINS:
        raise ArgumentError(
            "nn.init",
            got=f"nonlinearity={nonlinearity!r}",
            needs="one whose gain is known",
            remedy=nearest(nonlinearity, _GAINS),
        )
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + (0.01 if param is None else param) ** 2))
    return _GAINS[nonlinearity]


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Uniform in [a, b)."""
    if not a <= b:
        raise ArgumentError(
            "nn.init.uniform_", got=f"a={a}, b={b}", needs="a ≤ b", remedy="Swap them."
        )
    if _sketching.on:
        return tensor
    draws: Any = (generator or random.default).uniform(tensor.shape, tensor.dtype)
    scale, start = tensor.dtype.type(b - a), tensor.dtype.type(a)
    if not isinstance(draws, np.ndarray):  # while a function is traced
        return _write(tensor, draws * scale + start)
    draws *= scale  # in place: weights may be large
    draws += start
    return _write(tensor, draws)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Gaussian. normal_(w, std=0.01) is the course's first try: too small for deep networks."""
    if not std >= 0:
        raise ArgumentError(
            "nn.init.normal_",
            got=f"std={std}",
            needs="std ≥ 0",
            remedy="Pass a standard deviation, such as 0.01.",
        )
    if _sketching.on:
        return tensor
    draws = (generator or random.default).normal(tensor.shape, tensor.dtype)
    return _write(tensor, draws * tensor.dtype.type(std) + tensor.dtype.type(mean))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Gaussian numbers within [a, b]: those outside are drawn again, from the next streams.

    Parameters
    ----------
    tensor : Tensor
    mean, std : float
        Of the Gaussian before it is cut off.
    a, b : float
        The bounds themselves, as in PyTorch, not multiples of std.

    Raises
    ------
    ArgumentError
        If less than 1 % of the Gaussian lies within the bounds.
    """
    if not std > 0 or not a < b or _share(mean, std, a, b) < 0.01:
        raise ArgumentError(
            "nn.init.trunc_normal_",
            got=f"mean={mean}, std={std}, a={a}, b={b}",
            needs="std > 0, and bounds that hold 1 % of the Gaussian at least",
            remedy="Move the bounds towards the mean; they are not multiples of std.",
        )
    if _sketching.on:
        return tensor
    source = generator or random.default
    scale, shift = tensor.dtype.type(std), tensor.dtype.type(mean)
    draws = np.asarray(source.normal(tensor.shape, tensor.dtype) * scale + shift)
    outside = (draws < a) | (draws > b)
    while outside.any():
        count = int(outside.sum())
        draws[outside] = source.normal((count,), tensor.dtype) * scale + shift
        outside = (draws < a) | (draws > b)
    return _write(tensor, draws)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """The same number everywhere."""
    return tensor if _sketching.on else _write(tensor, np.full(tensor.shape, val, tensor.dtype))


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros: right for biases. Weights that are all 0 stay equal to one another for ever."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones: right for the scales of a normalisation."""
    return constant_(tensor, 1.0)


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """U(−b, b) with b = gain·√(6/(fan_in + fan_out)).

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010.
    """
    bound = gain * math.sqrt(6.0 / max(1, sum(fans(tensor))))
    return uniform_(tensor, -bound, bound, generator=generator)


def xavier_normal_(
    tensor: Tensor, gain: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Gaussian of standard deviation gain·√(2/(fan_in + fan_out)): Glorot and Bengio, 2010."""
    return normal_(
        tensor, 0.0, gain * math.sqrt(2.0 / max(1, sum(fans(tensor)))), generator=generator
    )


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """U(−b, b) with b = gain·√(3/fan); `a` is the slope of the leaky ReLU that follows.

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015.
    """
    bound = math.sqrt(3.0) * _kaiming(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator=generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Gaussian of standard deviation gain/√fan, √(2/fan_in) for ReLU: He et al., 2015."""
    return normal_(tensor, 0.0, _kaiming(tensor, a, mode, nonlinearity), generator=generator)


glorot_uniform_, glorot_normal_ = xavier_uniform_, xavier_normal_
he_uniform_, he_normal_ = kaiming_uniform_, kaiming_normal_


def orthogonal_(tensor: Tensor, gain: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """A random matrix with orthogonal rows (or columns, if there are fewer) of length `gain`.

    Q of the QR decomposition of a Gaussian matrix, its signs made those of R's diagonal so that
    every orthogonal matrix is equally likely.

    Source: Saxe, McClelland and Ganguli, 2013.
    """
    fans(tensor)
    if _sketching.on:
        return tensor
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    draws = (generator or random.default).normal(
        (max(rows, columns), min(rows, columns)), np.float64
    )
    q, r = np.linalg.qr(draws)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    matrix = q if rows >= columns else q.T
    return _write(tensor, (gain * matrix).reshape(tensor.shape))


def sparse_(
    tensor: Tensor,
    sparsity: float | None = None,
    std: float = 0.01,
    *,
    connections: int | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Gaussian weights of which only some of each unit's inputs are connected, the rest 0.

    Parameters
    ----------
    tensor : Tensor, shape (out, in)
    sparsity : float, optional
        Fraction 0–1 of each *column* to be 0, as PyTorch counts it.
    std : float
        Standard deviation of the others.
    connections : int, optional
        Instead: how many inputs each *unit* (row) keeps; 10 is Martens' advice in the course.

    Source: Martens, "Deep learning via Hessian-free optimization", 2010.
    """
    if tensor.ndim != 2:
        raise ShapeError(
            "nn.init.sparse_",
            got=f"shape {tensor.shape}",
            needs="a matrix (out, in)",
            remedy="Reshape the weight, or use another initialisation.",
        )
    if (sparsity is None) == (connections is None) or not 0 <= (sparsity or 0) <= 1:
        raise ArgumentError(
            "nn.init.sparse_",
            got=f"sparsity={sparsity}, connections={connections}",
            needs="a sparsity of 0–1 or a number of connections",
            remedy="Pass one of the two.",
        )
    if _sketching.on:
        return tensor
    source = generator or random.default
    keys = source.uniform(tensor.shape, np.float64)
    axis = 0 if connections is None else 1
    length = tensor.shape[axis]
    zeros = (
        math.ceil((sparsity or 0) * length)
        if connections is None
        else max(0, length - whole("nn.init.sparse_", "connections", connections, 0))
    )
    ranks = np.argsort(np.argsort(keys, axis=axis), axis=axis)
    draws = std * source.normal(tensor.shape, np.float64)
    return _write(tensor, np.where(ranks < zeros, 0.0, draws))


def default_(weight: Tensor, bias: Tensor | None = None) -> None:
    """Fill a weight, and its bias, from U(−1/√fan_in, 1/√fan_in)."""
    bound = 1.0 / math.sqrt(max(1, fans(weight)[0]))
    uniform_(weight, -bound, bound)
    if bias is not None:
        uniform_(bias, -bound, bound)


def _share(mean: float, std: float, a: float, b: float) -> float:
    """The part of a Gaussian that lies between two bounds."""
    low, high = (math.erf((bound - mean) / (std * math.sqrt(2.0))) for bound in (a, b))
    return (high - low) / 2


def _kaiming(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(
            "nn.init",
            got=f"mode={mode!r}",
            needs="fan_in or fan_out",
            remedy=nearest(mode, ("fan_in", "fan_out")),
        )
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(1, fan))


def _write(tensor: Tensor, numbers: Any) -> Tensor:
    return tensor.copy_(numbers)

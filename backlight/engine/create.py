"""New tensors: constants, ranges and random numbers, by PyTorch's and NumPy's names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backlight import dtypes
from backlight.engine import random
from backlight.engine.memory import affordable
from backlight.engine.tensor import Tensor, as_tensor
from backlight.engine.tracing import here, tracers
from backlight.errors import ArgumentError, DTypeError
from backlight.shapes import Shape, whole


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros.

    Parameters
    ----------
    *size : int, or one tuple
        Size along each axis; none makes a single number.
    dtype : dtype, optional
        float32 unless `set_default_dtype` was told otherwise.
    requires_grad : bool
        Whether gradients with respect to it are wanted.

    Raises
    ------
    ArgumentError
        If a size is negative or no whole number, or if this machine has not the memory.

    Examples
    --------
    >>> zeros(2, 3).shape, zeros((2, 3)).dtype
    ((2, 3), dtype('float32'))
    """
    return full(
        _shape("zeros", size),
        0,
        dtype=dtype or dtypes.get_default_dtype(),
        requires_grad=requires_grad,
    )


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones; arguments as for `zeros`.

    Examples
    --------
    >>> ones(2).tolist()
    [1.0, 1.0]
    """
    return full(
        _shape("ones", size),
        1,
        dtype=dtype or dtypes.get_default_dtype(),
        requires_grad=requires_grad,
    )


def empty(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor whose numbers are to be written later. They are 0, not what memory held before.

    Examples
    --------
    >>> empty(2).tolist()
    [0.0, 0.0]
    """
    return zeros(*size, dtype=dtype, requires_grad=requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor that holds one number everywhere; its type is the number's unless given.

    Examples
    --------
    >>> full((2,), 7).tolist(), full(2, 0.5).dtype
    ([7, 7], dtype('float32'))
    """
    shape = _shape("full", (size,))
    number = dtypes.as_array(fill_value, dtype, "full")
    if number.ndim:
        raise ArgumentError(
            "full",
            got=f"fill_value of shape {number.shape}",
            needs="one number",
            remedy="Use tensor(…) for several numbers, or expand them.",
        )
    affordable("full", shape, number.dtype)
    # np.zeros hands out untouched pages: a large tensor of zeros costs nothing until written.
    array = np.zeros(shape, number.dtype) if not number else np.full(shape, number, number.dtype)
    return _leaf(array, requires_grad)


def zeros_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape and type of `x`."""
    return full_like(x, 0, dtype=dtype, requires_grad=requires_grad)


def ones_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape and type of `x`."""
    return full_like(x, 1, dtype=dtype, requires_grad=requires_grad)


def full_like(x: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """One number everywhere, in the shape and type of `x`.

    Examples
    --------
    >>> full_like(zeros(2), 3).tolist()
    [3.0, 3.0]
    """
    model = as_tensor(x)
    return full(model.shape, fill_value, dtype=dtype or model.dtype, requires_grad=requires_grad)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """start, start+step, … up to and without `end`; with one argument, 0, 1, … without it.

    Whole numbers give int64, others the default floating type.

    Raises
    ------
    ArgumentError
        If `step` is 0 or not finite.

    Examples
    --------
    >>> arange(4).tolist(), arange(1, 2, 0.25).tolist()
    ([0, 1, 2, 3], [1.0, 1.25, 1.5, 1.75])
    """
    first, last = (0, start) if end is None else (start, end)
    if not step or not all(map(math.isfinite, (first, last, step))):
        raise ArgumentError(
            "arange",
            got=f"start={first}, end={last}, step={step}",
            needs="finite numbers and a step that is not 0",
            remedy="Pass a step such as 1, or −1 to count down.",
        )
    fractional = any(
        isinstance(one, float) or getattr(one, "dtype", np.dtype(int)).kind == "f"
        for one in (first, last, step)
    )
    chosen = dtype or (dtypes.get_default_dtype() if fractional else dtypes.int64)
    affordable("arange", (max(0, math.ceil((last - first) / step)),), np.dtype(chosen))
    return _leaf(np.arange(first, last, step).astype(chosen), requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers at equal distances from `start` to `end`, both included.

    Examples
    --------
    >>> linspace(0, 1, 5).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    count = whole("linspace", "steps", steps, 0)
    chosen = np.dtype(dtype or dtypes.get_default_dtype())
    affordable("linspace", (count,), chosen)
    return _leaf(np.linspace(start, end, count).astype(chosen), requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The n×n identity matrix, or the first n rows of the m×m one.

    Examples
    --------
    >>> eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    rows = whole("eye", "n", n, 0)
    columns = rows if m is None else whole("eye", "m", m, 0)
    chosen = np.dtype(dtype or dtypes.get_default_dtype())
    affordable("eye", (rows, columns), chosen)
    return _leaf(np.eye(rows, columns, dtype=chosen), requires_grad)


def rand(
    *size: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    generator: random.Generator | None = None,
) -> Tensor:
    """Uniform random numbers in [0, 1), from the default generator unless one is given.

    Examples
    --------
    >>> x = rand(100)
    >>> bool((x >= 0).all()), bool((x < 1).all())
    (True, True)
    """
    shape, chosen = _random("rand", size, dtype)
    return _leaf((generator or random.default).uniform(shape, chosen), requires_grad)


def randn(
    *size: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    generator: random.Generator | None = None,
) -> Tensor:
    """Standard normal random numbers, from the default generator unless one is given.

    Examples
    --------
    >>> randn(2, 3).shape
    (2, 3)
    """
    shape, chosen = _random("randn", size, dtype)
    return _leaf((generator or random.default).normal(shape, chosen), requires_grad)


def randperm(n: int, *, generator: random.Generator | None = None) -> Tensor:
    """A random order of 0 … n−1, int64.

    Examples
    --------
    >>> sorted(randperm(4).tolist())
    [0, 1, 2, 3]
    """
    count = whole("randperm", "n", n, 0)
    affordable("randperm", (count,), dtypes.int64)
    return _leaf((generator or random.default).permutation(count), requires_grad=False)


def randint(
    low: int, high: Any = None, size: Any = None, *, generator: random.Generator | None = None
) -> Tensor:
    """Whole numbers low … high−1, each equally likely, int64.

    Called with one bound that is the upper one, as in PyTorch and NumPy: randint(10, (3,)).

    Parameters
    ----------
    low, high : int
        At most 2³² apart.
    size : int or tuple of int
        The shape; a single number if left out.

    Raises
    ------
    ArgumentError
        If there is no number to choose, or the bounds are too far apart.

    Examples
    --------
    >>> x = randint(3, 5, (100,))
    >>> x.min().item(), x.max().item(), x.dtype
    (3, 4, dtype('int64'))
    """
    if high is None or isinstance(high, (tuple, list)):
        low, high, size = 0, low, high if size is None else size
    low, high = whole("randint", "low", low), whole("randint", "high", high)
    if not 0 < high - low <= 2**32:
        raise ArgumentError(
            "randint",
            got=f"low={low} and high={high}",
            needs="low < high, at most 2³² apart",
            remedy="`high` itself is never drawn: it is one past the largest.",
        )
    shape = _shape("randint", () if size is None else (size,))
    affordable("randint", shape, dtypes.int64)
    numbers = (generator or random.default).uniform(shape, dtypes.float64)
    return _leaf(low + np.floor(numbers * (high - low)).astype(np.int64), requires_grad=False)


def _random(subject: str, size: tuple[Any, ...], dtype: Any) -> tuple[Shape, np.dtype[Any]]:
    shape = _shape(subject, size)
    chosen = np.dtype(dtype or dtypes.get_default_dtype())
    if chosen not in (dtypes.float32, dtypes.float64):
        raise DTypeError(
            subject,
            got=f"dtype={chosen}",
            needs="float32 or float64",
            remedy="Draw floats, then convert them with .to(dtype).",
        )
    affordable(subject, shape, chosen)
    return shape, chosen


def _shape(subject: str, size: tuple[Any, ...]) -> Shape:
    given = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    return tuple(whole(subject, "size", one, 0) for one in given)


def _leaf(array: Any, requires_grad: bool) -> Tensor:
    made = array if isinstance(array, Tensor) else Tensor.share(array)
    if tracers and here() is not None:
        here().made(made)
    return made.requires_grad_() if requires_grad else made

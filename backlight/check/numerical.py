"""The numerical gradient: nudge each number a little, and see how much the result changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from backlight.check.verdict import relative_error
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, DTypeError, ShapeError, nearest

Array = np.ndarray[Any, Any]
Method = Literal["centred", "forward"]

_EVALUATIONS = {"centred": 2, "forward": 1}
_ORDERS = {"centred": 2, "forward": 1}


MOST_EVALUATIONS = 2_000_000
"""More than these are refused unless asked for: a function of a millisecond would take an hour."""


def numerical_gradient(
    f: Callable[[Any], Any],
    x: Any,
    h: float | None = None,
    method: Method = "centred",
    *,
    upstream: Any = None,
    most: int = MOST_EVALUATIONS,
) -> Array:
    """The gradient of f at x by differences: (f(x+h) − f(x−h)) / 2h, number by number.

    Parameters
    ----------
    f : callable
        A function of an array or tensor with one number as result (any shape with `upstream`).
    x : array or Tensor
        Where. An array or tensor is nudged in place, so that a function that reads it elsewhere
        (a network's own weights) sees the change, and is restored to its exact bits, also when f
        fails.
    h : float, optional
        The step. By default ε^⅓·max(1, |x|) centred and ε^½·max(1, |x|) one-sided, with ε the
        rounding of x's type: there the error by the step (∝ h² or h) meets that by rounding
        (∝ ε/h). That is 6e-6 in float64.
    method : {"centred", "forward"}
        Centred is wrong by h², one-sided by h; one-sided needs half the evaluations.
    upstream : array_like, optional
        Weights of the results, where f has many: the gradient of Σ upstream·f(x).
    most : int
        Evaluations that are borne; `cost` says how many there will be, and how long they take.

    Returns
    -------
    array
        float64, of x's shape. It took `evaluations_needed(x.size, method)` evaluations.

    Raises
    ------
    ArgumentError
        If the method is unknown, h is not positive, or it takes more than `most` evaluations.
    ShapeError
        If f has many results and there is no `upstream`.
    DTypeError
        If x holds whole numbers.

    Examples
    --------
    >>> numerical_gradient(lambda v: v[0] * v[1], np.array([-2.0, 3.0]), h=1e-4).round(6)
    array([ 3., -2.])

    Source: CS231n, notes on optimisation.
    """
    if method not in _EVALUATIONS:
        raise ArgumentError(
            "numerical_gradient",
            got=f"method={method!r}",
            needs="centred or forward",
            remedy=nearest(method, _EVALUATIONS),
        )
    if h is not None and not h > 0:
        raise ArgumentError(
            "numerical_gradient",
            got=f"h={h}",
            needs="a step above 0",
            remedy="Leave h out for a good one.",
        )
    argument, array = _writable(x)
    _bearable(evaluations_needed(array.size, method), most)
    weights = None if upstream is None else np.asarray(upstream, np.float64)
    gradient = np.zeros(array.shape)
    here = _number(f(argument), weights) if method == "forward" else 0.0
    for index in np.ndindex(array.shape):
        before = array[index].copy()
        step = h if h is not None else good_step(before, method)
        try:
            array[index] = before + step
            ahead = _number(f(argument), weights)
            if method == "forward":
                gradient[index] = (ahead - here) / step
                continue
            array[index] = before - step
            gradient[index] = (ahead - _number(f(argument), weights)) / (2 * step)
        finally:
            array[index] = before
    return gradient


def evaluations_needed(size: int, method: Method = "centred") -> int:
    """How often f is evaluated for a gradient of `size` numbers.

    Examples
    --------
    >>> evaluations_needed(30_730, "forward"), evaluations_needed(30_730)
    (30731, 61460)
    """
    return size + 1 if method == "forward" else 2 * size


@dataclass(frozen=True)
class Cost:
    """What a numerical gradient takes; printed, one line."""

    evaluations: int
    seconds: float

    def __str__(self) -> str:
        """61,460 evaluations, about 12 s."""
        return f"{self.evaluations:,} evaluations, about {self.seconds:.3g} s"


def cost(f: Callable[[Any], Any], x: Any, method: Method = "centred") -> Cost:
    """How many evaluations of f `numerical_gradient` takes, and about how many seconds.

    f is evaluated once and timed.

    Examples
    --------
    >>> cost(lambda weights: (weights * weights).sum(), np.zeros((10, 3073)), "forward").evaluations
    30731
    """
    argument, array = _writable(x)
    count = evaluations_needed(array.size, method)
    started = time.perf_counter()
    f(argument)
    return Cost(count, count * (time.perf_counter() - started))


def good_step(x: Any, method: Method = "centred") -> float:
    """The step where the errors by step and by rounding meet, for a number x.

    Examples
    --------
    >>> f"{good_step(np.float64(0.5)):.1e}, {good_step(np.float32(0.5)):.1e}"
    '6.1e-06, 4.9e-03'
    """
    x = np.asarray(x)
    rounding = float(np.finfo(x.dtype).eps)
    return float(rounding ** (1 / (_ORDERS[method] + 1)) * max(1.0, abs(float(x))))


def error_by_step(
    f: Callable[[Any], Any],
    x: Any,
    derivative: float,
    steps: Sequence[float] = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10),
    method: Method = "centred",
) -> list[tuple[float, float]]:
    """The relative error of the difference for each step: large by the step, small, by rounding.

    Parameters
    ----------
    f : callable
        A function of one number.
    x : float
        Where.
    derivative : float
        The exact one.

    Returns
    -------
    list of (step, relative error)

    Examples
    --------
    >>> curve = error_by_step(np.exp, 1.0, np.e)
    >>> min(curve, key=lambda point: point[1])[0]
    1e-05
    """
    curve = []
    for step in steps:
        slope = float(numerical_gradient(f, np.array(x, np.float64), step, method))
        curve.append((step, relative_error(slope, derivative)))
    return curve


def _bearable(count: int, most: int) -> None:
    if count > most:
        raise ArgumentError(
            "numerical_gradient",
            got=f"{count:,} evaluations to make",
            needs=f"at most {most:,}",
            remedy=f"Check a sample with gradcheck(f, x, samples=10), or pass most={count}.",
        )


def _writable(x: Any) -> tuple[Any, Array]:
    """What to hand to f, and the array inside it that can be written, number by number."""
    array = x._value if isinstance(x, Tensor) else x
    shared = (
        isinstance(array, np.ndarray)
        and array.flags.writeable
        and not any(
            stride == 0 and size > 1
            for stride, size in zip(array.strides, array.shape, strict=True)
        )
    )
    if not shared:
        array = np.array(array)
        if array.dtype.kind in "iu" and not hasattr(x, "dtype"):
            array = array.astype(np.float64)
        x = Tensor.share(array) if isinstance(x, Tensor) else array
    if array.dtype.kind != "f":
        raise DTypeError(
            "numerical_gradient",
            got=f"an input of type {array.dtype}",
            needs="float64 or float32: whole numbers have no neighbours",
            remedy="Convert it first, for example x.astype(float).",
        )
    return x, array


def _number(result: Any, weights: Array | None) -> float:
    value = np.asarray(result._value if isinstance(result, Tensor) else result, np.float64)
    if weights is not None:
        return float(np.sum(value * weights))
    if value.size != 1:
        raise ShapeError(
            "numerical_gradient",
            got=f"a function with results of shape {value.shape}",
            needs="one number",
            remedy="Sum the results, or pass their weights as upstream=….",
        )
    return float(value.reshape(()))

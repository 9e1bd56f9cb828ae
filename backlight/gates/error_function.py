"""erf and erfc in NumPy-like functions: NumPy itself has neither.

Three rational functions, for |x| ≤ ½, up to 4, and beyond, each accurate to about one unit in the
sixteenth digit. Source: W. J. Cody, "Rational Chebyshev approximations for the error function",
Mathematics of Computation 23, 1969.
"""

from __future__ import annotations

from typing import Any

_SMALL_ABOVE = (
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_SMALL_BELOW = (
    1.0,
    2.36012909523441209e1,
    2.44024637934444173e2,
    1.28261652607737228e3,
    2.84423683343917062e3,
)
_MIDDLE_ABOVE = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
_MIDDLE_BELOW = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)
_LARGE_ABOVE = (
    1.63153871373020978e-2,
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
)
_LARGE_BELOW = (
    1.0,
    2.56852019228982242e0,
    1.87295284992346725e0,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3,
)
_INVERSE_ROOT_PI = 5.6418958354775628695e-1
_ROOT_HALF = 7.0710678118654752440e-1


def erf_values(np: Any, x: Any) -> Any:
    """The error function of every number."""
    size = np.abs(x)
    tail = 1.0 - _tail(np, size)
    return np.where(size <= 0.5, _near_zero(np, x), np.where(x < 0, -tail, tail))


def erfc_values(np: Any, x: Any) -> Any:
    """The complementary error function of every number."""
    size = np.abs(x)
    tail = _tail(np, size)
    return np.where(size <= 0.5, 1.0 - _near_zero(np, x), np.where(x < 0, 2.0 - tail, tail))


def _near_zero(np: Any, x: Any) -> Any:
    squared = np.minimum(x * x, 0.25)
    return x * _ratio(_SMALL_ABOVE, _SMALL_BELOW, squared)


def normal_cdf_values(np: Any, x: Any, times: Any = 1.0) -> Any:
    """`times` · Φ(x), where Φ is the share of a standard normal distribution below x.

    The factor is multiplied in before the exponential, so that a product that is a normal number
    is exact although Φ alone is not. x² is never halved from a rounded x/√2, as erfc would.
    """
    size = np.abs(x)
    scaled = size * _ROOT_HALF
    short, rest = _short_and_rest(np, size)
    bell = 0.5 * _scaled_tail(np, scaled)
    above = 1.0 - bell * np.exp(-0.5 * short * short) * np.exp(-0.5 * rest)
    below = times * bell * np.exp(-0.5 * rest) * np.exp(-0.5 * short * short)
    near = 0.5 + 0.5 * _near_zero(np, x * _ROOT_HALF)
    return np.where(x < -0.7, below, times * np.where(size <= 0.7, near, above))


def _tail(np: Any, size: Any) -> Any:
    short, rest = _short_and_rest(np, size)
    return np.exp(-short * short) * np.exp(-rest) * _scaled_tail(np, size)


def _scaled_tail(np: Any, size: Any) -> Any:
    """erfc(x)·e^(x²), for x ≥ ½."""
    middle = _ratio(_MIDDLE_ABOVE, _MIDDLE_BELOW, np.minimum(size, 4.0))
    far = np.maximum(size, 4.0)
    inverse = 1.0 / (far * far)
    large = (_INVERSE_ROOT_PI - inverse * _ratio(_LARGE_ABOVE, _LARGE_BELOW, inverse)) / far
    return np.where(size <= 4.0, middle, large)


def _short_and_rest(np: Any, size: Any) -> tuple[Any, Any]:
    """x² as short² + rest: e^(−x²) loses digits when x² is rounded, and short² is exact."""
    held = np.minimum(size, 40.0)
    short = np.trunc(held * 16.0) / 16.0
    return short, (held - short) * (held + short)


def _ratio(above: tuple[float, ...], below: tuple[float, ...], x: Any) -> Any:
    return _polynomial(above, x) / _polynomial(below, x)


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value

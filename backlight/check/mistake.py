"""The likely mistake behind a wrong gradient: sign, factor, transposed, mask, a lost path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backlight.check.hypotheses import named_factor

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]

_CLOSE = 1e-4
_COUNT = 2  # one number alone fits too many explanations


def likely_mistake(analytic: Array, numeric: Mapping[Index, float], sizes: set[int]) -> str:
    """What would explain the difference, in words; "" if nothing known does.

    Parameters
    ----------
    analytic : array
        The gradient under check, whole.
    numeric : mapping of index to float
        The numerical gradient at the places that were measured.
    sizes : set of int
        Sizes of axes in the circuit: a factor of one of them is a sum taken for a mean.

    Examples
    --------
    >>> likely_mistake(np.array([2.0, 4.0]), {(0,): 1.0, (1,): 2.0}, set())
    'twice too large: counted twice, or a ½ is missing'
    >>> likely_mistake(np.array([-1.0, 2.0]), {(0,): 1.0, (1,): -2.0}, set())
    'the sign'
    """
    places = [place for place in numeric if np.isfinite(numeric[place])]
    if not places:
        return ""
    n = np.array([numeric[place] for place in places])
    a = np.array([analytic[place] for place in places])
    scale = max(float(np.max(np.abs(n))), 1e-300)
    if not np.isfinite(a).all():
        return "not a finite number"
    if _same(a, -n, scale):
        return "the sign"
    if not a.any():
        return "no gradient arrives: a path is missing, or was detached"
    kept = np.abs(n) > 1e-9 * scale
    if _transposed(analytic, places, n, scale):
        return "transposed"
    if kept.any() and _same(a[kept], n[kept], scale) and not kept.all():
        return "a mask is missing: gradient where the value has no influence"
    lost = a == 0
    if lost.any() and not lost.all() and _same(a[~lost], n[~lost], scale):
        return "a mask that lets too little through: no gradient where the value has influence"
    if kept.sum() >= _COUNT or (kept.any() and len(places) == analytic.size):
        ratios = a[kept] / n[kept]
        factor = float(np.median(ratios))
        if np.allclose(ratios, factor, rtol=_CLOSE, atol=0):
            return named_factor(factor, sizes)
    return ""


def _transposed(analytic: Array, places: list[Index], n: Array, scale: float) -> bool:
    if analytic.ndim != 2 or analytic.shape[0] != analytic.shape[1] or analytic.shape[0] == 1:
        return False
    turned = np.array([analytic[j, i] for i, j in places])
    straight = np.array([analytic[place] for place in places])
    return _same(turned, n, scale) and not _same(straight, n, scale)


def _same(a: Array, n: Array, scale: float) -> bool:
    return bool(np.all(np.abs(a - n) <= _CLOSE * np.maximum(np.abs(n), 1e-3 * scale)))

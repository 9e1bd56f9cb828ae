"""Numbers as people read them: short on a wire, to six digits in a table, with a real minus."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_INLINE = 6
_ROUNDED = 1e-12
"""How far, as a share, rounding may have moved a number that has two digits behind the point."""
_THOUSAND, _HUNDRED, _TINY, _HUGE = 999.95, 99.995, 1e-4, 99_999.5


def label(x: Any) -> str:
    """A number in at most 7 characters, for a wire or a sentence.

    Examples
    --------
    >>> [label(x) for x in (3, -0.10499, 0.5, 1234.5, -1.2e-5, 1e300, 0)]
    ['3.00', '−0.1050', '0.50', '1234.5', '−1.2e-5', '1e300', '0.00']
    """
    if isinstance(x, (bool, np.bool_)):
        return "true" if x else "false"
    x = float(x)
    size = abs(x)
    if not math.isfinite(x):
        return exact(x)
    if x == 0:
        return "0.00"
    if size < _TINY or size >= _HUGE:
        text = _short_power(x)
    elif size >= _THOUSAND:
        text = f"{x:.0f}" if size >= 9999.5 else f"{x:.1f}".removesuffix(".0")
    elif size >= _HUNDRED:
        text = f"{x:.1f}"
    elif size >= 0.99995 or abs(round(x, 2) - x) <= _ROUNDED * size:
        text = f"{x:.2f}"
    else:
        text = f"{x:.4f}"
    return text.replace("-", "−", 1) if x < 0 else text


def exact(x: Any) -> str:
    """A number to six digits, for a table.

    Examples
    --------
    >>> exact(-0.1049935854), exact(12.0), exact(float("-inf"))
    ('−0.104994', '12', '−∞')
    """
    if isinstance(x, (bool, np.bool_)):
        return "true" if x else "false"
    x = float(x)
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    text = _bare(f"{abs(x):.6g}")
    return "−" + text if x < 0 else text


def short(x: Any) -> str:
    """A number to four digits, for a row of them.

    Examples
    --------
    >>> short(0.26), short(-0.104994)
    ('0.26', '−0.105')
    """
    return exact(float(f"{float(x):.4g}")) if not isinstance(x, (bool, np.bool_)) else exact(x)


def numbers(value: Any, written: Any = exact) -> str:
    """A value in one line: a number, a few numbers in brackets, or shape and length.

    Examples
    --------
    >>> numbers(np.array([[1.0, 2.0], [3.0, -4.0]])), numbers(np.ones((30, 20)))
    ('[[1, 2], [3, −4]]', '30×20, length 24.4949')
    """
    value = np.asarray(value)
    if value.ndim == 0:
        return str(written(value[()]))
    if value.size <= _INLINE:
        return _rows(value, short if written is label else written)
    return f"{shape(value.shape)}, length {written(length(value))}"


def shape(sizes: tuple[int, ...]) -> str:
    """A shape as it is spoken: 2×3; (4) for a row of four.

    Examples
    --------
    >>> shape((2, 3)), shape((4,)), shape(())
    ('2×3', '(4)', '')
    """
    return f"({sizes[0]})" if len(sizes) == 1 else "×".join(map(str, sizes))


def length(value: Any) -> float:
    """The Euclidean length of all numbers of an array, without overflow."""
    value = np.abs(np.asarray(value, np.float64))
    largest = float(np.max(value, initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.sum((value / largest) ** 2)))


def memory(count: float) -> str:
    """Bytes in the largest unit that leaves at least 1.

    Examples
    --------
    >>> memory(512), memory(2**26), memory(4 * 409_600**2)
    ('512 bytes', '64 MiB', '625 GiB')
    """
    for unit, size in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return "1 byte" if count == 1 else f"{count:,.0f} bytes"


def _rows(value: Array, written: Any) -> str:
    if value.ndim == 0:
        return str(written(value[()]))
    return "[" + ", ".join(_rows(row, written) for row in value) + "]"


def _short_power(x: float) -> str:
    text = _bare(f"{x:.1e}")
    return text if len(text) <= 7 else _bare(f"{x:.0e}")


def _bare(text: str) -> str:
    """1.2e-04 as 1.2e-4, 1.0e+300 as 1e300."""
    digits, e, power = text.partition("e")
    if not e:
        return text
    sign = "-" if power[0] == "-" else ""
    return f"{digits.removesuffix('.0')}e{sign}{power[1:].lstrip('0') or '0'}"

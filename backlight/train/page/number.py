"""How numbers are written on the page: short, aligned, with the units people read."""

from __future__ import annotations

import math

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MINUS = str.maketrans("-", "−")


def short(value: float | None, digits: int = 4) -> str:
    """A number in at most `digits` significant digits, − for the minus sign, – where there is none.

    Examples
    --------
    >>> short(0.0312459), short(-2.5), short(0.0000123), short(None), short(123456.0)
    ('0.03125', '−2.5', '1.23×10⁻⁵', '–', '123,456')
    >>> short(1374.0, 3), short(9999.5), short(999.7, 3)
    ('1,374', '10,000', '1,000')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 10**digits or size >= 10_000:
        text = f"{value:,.0f}" if size < 1e9 else _scientific(value, digits)
    elif size < 0.001:
        text = _scientific(value, min(digits, 3))
    else:
        text = f"{value:.{digits}g}"
        if "e" in text:  # 9999.5 is rounded up to one digit more
            text = f"{value:,.0f}"
    return text.translate(_MINUS)


def fixed(value: float | None, digits: int = 3) -> str:
    """A number with so many digits after the point, for columns that line up."""
    if value is None or not math.isfinite(value):
        return "–"
    if value != 0 and abs(value) < 0.5 * 10.0**-digits:
        return short(value, 2)
    return f"{value:,.{digits}f}".translate(_MINUS)


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as a percentage.

    Examples
    --------
    >>> percent(0.98765), percent(1.0), percent(None), percent(0.00004)
    ('98.8%', '100%', '–', '<0.1%')
    """
    if value is None or not math.isfinite(value):
        return "–"
    smallest = 10.0**-digits
    if 0 < value * 100 < smallest / 2:
        return f"<{smallest:g}%"
    if value < 1 and round(value * 100, digits) >= 100:
        return f">{100 - smallest:g}%"
    if value in (0, 1):
        return f"{value:.0%}"
    return f"{value * 100:.{digits}f}%".translate(_MINUS)


def power(exponent: int) -> str:
    """10 to a whole power.

    Examples
    --------
    >>> power(-3), power(0), power(2)
    ('10⁻³', '1', '100')
    """
    if 0 <= exponent <= 3:
        return f"{10**exponent:,}"
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def duration(seconds: float | None) -> str:
    """A time in the two units that matter.

    Examples
    --------
    >>> duration(4.25), duration(75), duration(7300), duration(200000)
    ('4.2 s', '1 min 15 s', '2 h 01 min', '2 d 7 h')
    """
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def cut(text: str, longest: int = 48) -> str:
    """A text that is no longer than so many letters.

    Examples
    --------
    >>> cut("a long name", 7)
    'a long…'
    """
    return text if len(text) <= longest else text[: longest - 1] + "…"


def plural(count: int, noun: str, nouns: str = "") -> str:
    """A count with its noun.

    Examples
    --------
    >>> plural(1, "epoch"), plural(1200, "class", "classes")
    ('1 epoch', '1,200 classes')
    """
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def _scientific(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPT)}"

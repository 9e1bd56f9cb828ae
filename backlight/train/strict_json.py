"""JSON without its loose ends: no NaN, no repeated keys, no endless nesting or digits."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

from backlight.errors import CheckpointError

_MOST_DIGITS = 400
_NUMBER = "$number"
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def dumps(value: Any, *, exact: bool = False) -> str:
    """One line of JSON that UTF-8 can hold.

    Parameters
    ----------
    value : dict, list, text, number, bool or None
        NumPy scalars count as numbers.
    exact : bool
        NaN and infinities, which JSON lacks, become null; or, if exact, what `loads` turns back.

    Examples
    --------
    >>> dumps({"loss": float("nan")}), dumps({"best": float("-inf")}, exact=True)
    ('{"loss": null}', '{"best": {"$number": "-inf"}}')
    """
    plain = _plain(value, exact)
    text = json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(", ", ": "))
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, from a file name that is not UTF-8
        text = json.dumps(plain, allow_nan=False, separators=(", ", ": "))
    return text


def loads(text: str | bytes, subject: str, *, exact: bool = False) -> Any:
    """The value of a JSON text; `exact` turns back what `dumps` wrote with it.

    Raises
    ------
    CheckpointError
        If it is not JSON, not UTF-8, repeats a key, holds NaN, or nests too deeply.

    Examples
    --------
    >>> loads('{"step": 3}', "state.json")
    {'step': 3}
    """
    try:
        return json.loads(
            text.decode("utf-8") if isinstance(text, bytes) else text,
            object_pairs_hook=_exactly if exact else unique,
            parse_constant=_no_constant,
            parse_int=_whole,
            parse_float=_number,
        )
    except (ValueError, RecursionError) as problem:
        raise CheckpointError(
            subject,
            got=f"text that is not strict JSON ({problem})",
            needs="the JSON that Backlight writes",
            remedy="Use an earlier checkpoint.",
        ) from None


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these keys and values, none of which may be repeated."""
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = sorted(key for key, _ in pairs)
        repeated = next(key for key, after in pairwise(keys) if key == after)
        raise ValueError(f"the repeated key {repeated[:80]!r}")
    return found


def _plain(value: Any, exact: bool) -> Any:
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return {_NUMBER: repr(float(value))} if exact else None
    if isinstance(value, dict):
        if exact and not all(isinstance(key, str) for key in value):
            raise TypeError(f"keys that are not text: {list(value)[:3]}")
        return {str(key): _plain(one, exact) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one, exact) for one in value]
    if hasattr(value, "item"):
        return _plain(value.item(), exact)
    return value


def _exactly(pairs: list[tuple[str, Any]]) -> Any:
    found = unique(pairs)
    if list(found) == [_NUMBER]:
        named = found[_NUMBER]
        if not isinstance(named, str) or named not in _NOT_FINITE:
            raise ValueError(f"the number {str(named)[:20]!r}")
        return _NOT_FINITE[named]
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"the constant {name}")


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:20]}, which is too large")
    return value

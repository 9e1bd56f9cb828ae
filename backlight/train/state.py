"""Nested states as arrays by name and plain values, the two things a checkpoint holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.engine.tensor import Tensor
from backlight.errors import CheckpointError

Array = np.ndarray[Any, Any]
_ARRAY, _PAIRS = "$array", "$pairs"


def separate(tree: Any, prefix: str) -> tuple[dict[str, Array], Any]:
    """Take the arrays out of nested dicts and lists; what is left is what JSON can hold.

    Raises
    ------
    CheckpointError
        If it holds a value that is neither an array nor plain; the message says where.

    Examples
    --------
    >>> arrays, rest = separate({"lr": 0.1, "slots": [np.ones(2)]}, "optimizer")
    >>> sorted(arrays), rest
    (['optimizer/0'], {'lr': 0.1, 'slots': [{'$array': 'optimizer/0'}]})
    >>> join(rest, arrays)["slots"][0].tolist()
    [1.0, 1.0]
    """
    arrays: dict[str, Array] = {}

    def take(value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            value = np.asarray(value._value)
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.ndarray):
            name = f"{prefix}/{len(arrays)}"
            arrays[name] = value
            return {_ARRAY: name}
        if isinstance(value, dict):
            # A key of our own making, or a number, would not come back as it went.
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: take(one, f"{path}.{key}") for key, one in value.items()}
            if all(isinstance(key, (str, int, float)) for key in value):
                return {
                    _PAIRS: [
                        [take(key, path), take(one, f"{path}.{key}")] for key, one in value.items()
                    ]
                }
        if isinstance(value, (list, tuple)):
            return [take(one, f"{path}.{place}") for place, one in enumerate(value)]
        raise CheckpointError(
            path,
            got=f"a value of type {type(value).__name__}",
            needs="arrays, numbers, text, lists and dicts",
            remedy="Keep other things out of state_dict().",
        )

    return arrays, take(tree, prefix)


def join(rest: Any, arrays: dict[str, Array]) -> Any:
    """The nested state that `separate` took apart.

    Raises
    ------
    CheckpointError
        If it names an array that is not there, or is not of `separate`'s making.
    """
    if isinstance(rest, dict):
        if set(rest) == {_ARRAY}:
            name = rest[_ARRAY]
            if not isinstance(name, str) or name not in arrays:
                raise _unfit(f"a state without the array {str(name)[:80]!r}")
            return arrays[name]
        if set(rest) == {_PAIRS}:
            try:
                return {key: join(one, arrays) for key, one in rest[_PAIRS]}
            except (TypeError, ValueError):
                raise _unfit("pairs of key and value that are none") from None
        return {key: join(one, arrays) for key, one in rest.items()}
    if isinstance(rest, list):
        return [join(one, arrays) for one in rest]
    return rest


def _unfit(got: str) -> CheckpointError:
    return CheckpointError(
        "checkpoint",
        got=got,
        needs="every array that its state names",
        remedy="Use an earlier checkpoint.",
    )

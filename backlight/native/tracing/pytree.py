"""Arguments and results: tensors and arrays inside nested lists, tuples and dicts."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from backlight.engine.tensor import Tensor
from backlight.errors import TraceError

KINDS = (Tensor, np.ndarray, np.generic)


def flatten(
    value: Any, subject: str = "the compiled function", constants: bool = True
) -> tuple[list[Any], Hashable]:
    """The tensors and arrays inside `value`, and the rest of it as something hashable.

    A tensor that stands at several places is one leaf. Two values have equal structures if they
    differ in the numbers and shapes of their leaves only. With `constants` all else must be
    hashable, as it has to be in arguments.

    Examples
    --------
    >>> x = np.ones(2)
    >>> leaves, structure = flatten({"a": [x, 3], "b": (x, None)})
    >>> len(leaves), restore(structure, ["leaf"])
    (1, {'a': ['leaf', 3], 'b': ('leaf', None)})
    """
    leaves: list[Any] = []
    seen: dict[int, int] = {}

    def walk(one: Any) -> Any:
        if isinstance(one, KINDS):
            place = seen.get(id(one))
            if place is None:
                place = seen[id(one)] = len(leaves)
                leaves.append(one)
            return ("leaf", place)
        if isinstance(one, (tuple, list)):
            return (type(one), *map(walk, one))
        if isinstance(one, dict):
            return (type(one), tuple(one), *map(walk, one.values()))
        if type(one) is float:  # 0.0 is not −0.0, and NaN is NaN
            return ("number", one.hex())
        try:
            if constants:
                hash(one)
        except TypeError:
            raise TraceError(
                subject,
                got=f"an argument of type {type(one).__name__}",
                needs="tensors, arrays, constants that can be hashed, and lists, tuples or dicts "
                "of them",
                remedy="Pass its tensors in a dict, or capture it in the function.",
            ) from None
        return ("constant", type(one), one)

    return leaves, walk(value)


def matcher(structure: Any) -> Callable[[Any, Any], list[Any] | None]:
    """The function of (arguments, named) that gives the leaves of a call of this structure.

    It answers with None where the structure is another one, or might be.

    Examples
    --------
    >>> x = np.ones(2)
    >>> leaves, structure = flatten((({"a": x}, 3), {}))
    >>> match = matcher(structure)
    >>> match(({"a": x}, 3), {})[0] is x, match(({"a": x}, 4), {})
    (True, None)
    """
    _, positions, names = structure
    match = _matcher(positions)
    given = _matcher(names)

    def gather(arguments: Any, named: Any) -> list[Any] | None:
        leaves: list[Any] = []
        return leaves if match(arguments, leaves) and given(named, leaves) else None

    return gather


def _matcher(structure: Any) -> Callable[[Any, list[Any]], bool]:
    kind, *rest = structure
    if kind == "leaf":
        place = rest[0]

        def leaf(one: Any, leaves: list[Any]) -> bool:
            if len(leaves) > place:
                return leaves[place] is one
            leaves.append(one)
            return True

        return leaf
    if kind == "constant":
        is_a, value = rest
        return lambda one, _: type(one) is is_a and (one is value or bool(one == value))
    if kind == "number":
        exact = rest[0]
        return lambda one, _: type(one) is float and one.hex() == exact
    if issubclass(kind, dict):
        names, *values = rest
        parts = [(name, _matcher(one)) for name, one in zip(names, values, strict=True)]
        return lambda one, leaves: (
            type(one) is kind
            and tuple(one) == names
            and all([match(one[name], leaves) for name, match in parts])  # noqa: C419
        )
    items = [_matcher(one) for one in rest]
    count = len(items)

    def sequence(one: Any, leaves: list[Any]) -> bool:
        if type(one) is not kind or len(one) != count:
            return False
        return all([match(part, leaves) for match, part in zip(items, one)])  # noqa: B905, C419

    return sequence


def maker(structure: Any) -> Callable[[Any], Any]:
    """`restore` for one structure, prepared: a function of the leaves.

    Examples
    --------
    >>> _, structure = flatten({"a": [np.ones(2), 3]})
    >>> maker(structure)(["leaf"])
    {'a': ['leaf', 3]}
    """
    kind, *rest = structure
    if kind == "leaf":
        return operator.itemgetter(rest[0])
    if kind == "constant":
        return lambda _: rest[1]
    if kind is dict:
        names, *values = rest
        parts = [maker(one) for one in values]
        return lambda leaves: dict(zip(names, [make(leaves) for make in parts], strict=True))
    if kind in (tuple, list):
        items = [maker(one) for one in rest]
        return lambda leaves: kind([make(leaves) for make in items])
    return lambda leaves: restore(structure, leaves)


def restore(structure: Any, leaves: Any) -> Any:
    """The nested value again, with other leaves."""
    return _restore(structure, leaves.__getitem__)


def _restore(structure: Any, leaf: Callable[[int], Any]) -> Any:
    kind, *rest = structure
    if kind == "leaf":
        return leaf(rest[0])
    if kind == "constant":
        return rest[1]
    if kind == "number":
        return float.fromhex(rest[0])
    if issubclass(kind, dict):
        names, *values = rest
        pairs = zip(names, (_restore(one, leaf) for one in values), strict=True)
        return kind(pairs) if kind is not dict else dict(pairs)
    items = [_restore(one, leaf) for one in rest]
    if hasattr(kind, "_fields"):  # a namedtuple
        return kind(*items)
    return kind(items)


def names(value: Any, before: str = "") -> list[str]:
    """A name for each leaf, in the order of `flatten`: x, batch[0], batch['labels']."""
    found: dict[int, str] = {}

    def walk(one: Any, name: str) -> None:
        if isinstance(one, KINDS):
            found.setdefault(id(one), name)
        elif isinstance(one, (tuple, list)):
            for place, part in enumerate(one):
                walk(part, f"{name}[{place}]")
        elif isinstance(one, dict):
            for key, part in one.items():
                walk(part, f"{name}[{key!r}]" if name else str(key))

    walk(value, before)
    return list(found.values())

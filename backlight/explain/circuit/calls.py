"""Which gate belongs to which call of which layer, by the engine's clock.

Every application of a gate takes a number from one clock, and so do the beginning and the end of
every call of a module. A gate belongs to the innermost call around its number: exactly, for a layer
that is called many times as well.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from backlight.engine.tensor import Tensor
from backlight.explain.circuit.circuit import Call


def attributed(ordered: Sequence[Tensor]) -> tuple[tuple[Call, ...], dict[int, int]]:
    """The calls of modules in a history, and for each tensor (by id) the innermost around it.

    Parameters
    ----------
    ordered : sequence of Tensor
        What gates made.

    Returns
    -------
    tuple of Call
        In the order in which they began.
    dict of int to int
        id of a tensor → number of a call; tensors outside of calls are left out.
    """
    found: dict[int, tuple[Any, Any, int]] = {}
    for tensor in ordered:
        origin = (tensor._notes or {}).get("origin")
        if origin is None:
            continue
        own = (origin.module, origin.root, origin.begun, origin.ended)
        for module, root, begun, ended in (own, *origin.around):
            # A layer with several outputs stamps each: its call ends with the last.
            known = found.get(begun, (None, None, 0))
            found[begun] = (module, root, max(ended, known[2]))
    calls = _nested(found)
    starts = [call.begun for call in calls]
    inside = {}
    for tensor in ordered:
        number = bisect_right(starts, tensor._order) - 1
        while number >= 0 and calls[number].ended < tensor._order:
            number = calls[number].around
        if number >= 0 and tensor._gate is not None:
            inside[id(tensor)] = number
    return calls, inside


def _nested(found: dict[int, tuple[Any, Any, int]]) -> tuple[Call, ...]:
    paths: dict[int, dict[int, str]] = {}
    calls: list[Call] = []
    open_: list[int] = []
    for begun in sorted(found):
        module, root, ended = found[begun]
        while open_ and calls[open_[-1]].ended < begun:
            open_.pop()
        known = paths.get(id(root))
        if known is None:
            known = {id(part): path for path, part in reversed([*root.named_modules()])}
            paths[id(root)] = known
        path = known.get(id(module), "")
        around = open_[-1] if open_ else -1
        open_.append(len(calls))
        calls.append(Call(path, module.describe(), around, begun, ended))
    return tuple(calls)

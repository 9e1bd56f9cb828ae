"""The short way through a call: what cannot change from one call to the next is not looked at.

A program for one neuron takes a tenth of a microsecond, and Python's care for everything that could
be different takes fifty times as long. So for each program a function is made that only asks what
may really have changed since the last call, and leaves everything else to the long way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from backlight.dtypes import get_default_dtype
from backlight.engine import tracing
from backlight.engine.deferred import Deferred
from backlight.engine.in_place import one_at_a_time
from backlight.engine.mode import changes, clock, mode
from backlight.engine.tensor import Tensor
from backlight.native.tracing import pytree

if TYPE_CHECKING:
    from backlight.native.bound import Bound

MISSED = object()
"""What the short way answers with if it must not try; nothing has been changed then."""

_new = Tensor.__new__
_NONE: dict[str, Any] = {}


def fast(bound: Bound, leaves: Sequence[Any]) -> Callable[[Any, Any], Any] | None:
    """`function(arguments, named)`, which answers with the result, or with `MISSED`.

    None where a program is never simple enough: if its states may be elsewhere at each call.
    """
    program = bound.program
    if bound.moves or not program.calls:
        return None
    enter, leave, fills = _entry(bound, leaves), _exit(bound), bound.asked.fills
    run, threads, settle, table = program.run, bound.threads, bound.settle, program.table
    brief = program.small
    start, where = table.brief_start
    renew = bound.renew if bound.returned else None

    def call(arguments: Any, named: Any) -> Any:
        arguments = enter(arguments, named)
        if arguments is MISSED:
            return MISSED
        for fill in fills:
            fill()
        if renew is not None:
            renew()
        if brief and table.prepared == 1:
            code = start(where)
            if code:
                code = table.end_of_brief(code)
        else:
            code = run(threads)
        return settle(arguments) if code else leave(arguments)

    if not bound.pointed:
        return call
    release = bound.release

    def releasing(arguments: Any, named: Any) -> Any:
        try:
            return call(arguments, named)
        finally:
            release()

    return releasing


def _entry(bound: Bound, leaves: Sequence[Any]) -> Callable[[Any, Any], Any]:
    """What takes the arguments in: answers with them, or with `MISSED`."""
    traced = bound.traced
    plain = traced.structure == _plain(len(leaves))
    gather = None if plain else pytree.matcher(traced.structure)
    version, watched, count = tracing.version, traced.watched, len(leaves)
    recording, default = traced.mode
    taken = [_taken(bound, place, leaf) for place, leaf in enumerate(leaves)]
    there = bound.there

    def enter(arguments: Any, named: Any) -> Any:
        if gather is not None:
            arguments = gather(arguments, named)
            if arguments is None:
                return MISSED
        elif named or len(arguments) != count:
            return MISSED
        if (
            version.number != bound.version
            or mode.recording is not recording
            or get_default_dtype() is not default
        ):
            return MISSED
        for holds in watched:
            if not holds(arguments):
                return MISSED
        for (copy, take, number, shape, dtype, wanted), given in zip(taken, arguments):  # noqa: B905
            if type(given) is Tensor and given._wanted is wanted:
                numbers = given._value
                if numbers is there[number]:
                    continue
            elif type(given) is np.ndarray and not wanted:
                numbers = given
            else:
                return MISSED
            if numbers.shape != shape or numbers.dtype is not dtype:
                return MISSED
            if copy is not None:
                copy[...] = numbers
            elif take(numbers):
                return MISSED
        return arguments

    if not plain or count != 1:
        return enter
    *_, number, _, _, wanted = taken[0]

    def enter_again(arguments: Any, named: Any) -> Any:
        """One tensor which mostly is that of the last call: a neuron has nothing else to do."""
        if named or len(arguments) != 1 or version.number != bound.version:
            return MISSED
        given = arguments[0]
        if type(given) is not Tensor or given._wanted is not wanted:
            return enter(arguments, named)
        if given._value is not there[number]:
            return enter(arguments, named)
        if mode.recording is not recording or get_default_dtype() is not default:
            return MISSED
        for holds in watched:
            if not holds(arguments):
                return MISSED
        return arguments

    return enter_again


def _exit(bound: Bound) -> Callable[[Any], Any]:
    """What follows a run: gradients and states are noted, the result is made."""
    effects, counts, changed = bound.traced.effects, bound.traced.counts, bound.changed
    gradients, deferred, emptied, put = _gradients(bound)
    answer, single = _answer(bound)
    rare = bool(gradients or emptied or effects or put)

    def note(arguments: Any) -> None:
        for tensor, read in gradients:
            tensor._grad = _tensor(read())
        for tensor in emptied:
            tensor._grad = None
        if put is not None:
            put(arguments)
        for effect in effects:
            effect(arguments)

    def leave(arguments: Any) -> Any:
        made = answer(arguments) if single is None else _tensor(single())
        for tensor, later in deferred:
            tensor._grad = later
        if rare:
            note(arguments)
        if changed:
            with one_at_a_time:
                now = changes.last = next(clock)
            for tensor in changed:
                if tensor._base is not None:
                    tensor = tensor._base
                tensor._changed = now
        for counted in counts:
            counted(1)
        return made

    return leave


def _plain(count: int) -> Any:
    """The structure of a call with `count` tensors and nothing else."""
    leaves = tuple(("leaf", place) for place in range(count))
    return (tuple, (tuple, *leaves), (dict, ()))


def _taken(bound: Bound, place: int, leaf: Any) -> tuple[Any, ...]:
    """Where an argument is copied, or what takes it into which slot, and what it has to be."""
    copy, take, number = bound.taker(place)
    value = leaf._value if isinstance(leaf, Tensor) else leaf
    return copy, take, number, value.shape, value.dtype, getattr(leaf, "requires_grad", False)


def _gradients(
    bound: Bound,
) -> tuple[list[Any], list[tuple[Any, Deferred]], list[Tensor], Callable[[Any], None] | None]:
    """Gradients that tensors get now or when asked, tensors that lose theirs, and all else to put.

    What stays in the program's memory until its next run, which gives the same tensors their new
    gradients, can wait there.
    """
    gradients, deferred, emptied, others = [], [], [], []
    for state, read in bound.puts:
        if state.kind != "gradient" or not isinstance(state.holder, Tensor):
            others.append((state, read))
        elif bound.stays(read):
            deferred.append((state.holder, Deferred(partial(_read, read))))
        else:
            gradients.append((state.holder, read))
    for state in bound.emptied:
        if isinstance(state.holder, Tensor):
            emptied.append(state.holder)
        else:
            others.append((state, _nothing))

    def put(leaves: Any) -> None:
        for state, read in others:
            state.put(leaves, read())

    return gradients, deferred, emptied, put if others else None


def _read(read: Callable[[], Any]) -> Tensor:
    return _tensor(read())


def _nothing() -> None:
    """The numbers of a gradient that is none."""


def _answer(bound: Bound) -> tuple[Callable[[Any], Any], Callable[[], Any] | None]:
    """How the result is made; and, if it is one new tensor, what reads its numbers."""
    result, kept, outputs = bound.traced.result, bound.traced.kept, bound.outputs
    if result == ("leaf", 0) and not kept:
        return _nowhere, outputs[0]
    make = pytree.maker(result)
    if kept:
        gives = [_giver(kept.get(place), read) for place, read in enumerate(outputs)]
        return lambda leaves: make([give(leaves) for give in gives]), None
    return lambda _: make([_tensor(read()) for read in outputs]), None


def _giver(same: Any, read: Callable[[], Any]) -> Callable[[Any], Any]:
    """What gives one tensor of a result: a new one, or the argument or state that it is."""
    if same is None:
        return lambda _: _tensor(read())
    return itemgetter(same.holder) if same.kind == "argument" else lambda _: same.holder


def _tensor(numbers: Any) -> Tensor:
    """`Tensor.share` for numbers that are known to be fit for it."""
    made = _new(Tensor)
    made._value = numbers
    made._grad = made._gate = made._inputs = made._base = made._notes = None
    made._attributes = _NONE
    made._order = made._changed = 0
    made._wanted = False
    return made


def _nowhere(_: Any) -> None:
    """The answer of a program whose result is made elsewhere."""

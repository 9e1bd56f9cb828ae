"""`backlight.compile`: a function of tensors as one native program for each kind of arguments."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from backlight.engine.memory_format import lies_channels_last
from backlight.engine.tracing import tracers
from backlight.errors import ArgumentError, nearest
from backlight.native.bound import Bound
from backlight.native.contraction.contract import FULL, Precision
from backlight.native.fast import MISSED
from backlight.native.garbage import uncollected
from backlight.native.inspecting import provenance
from backlight.native.inspecting.inspection import BUDGET, Inspection
from backlight.native.inspecting.watch import Watch, checked_every
from backlight.native.machine_code.machine import Target, host, runnable
from backlight.native.pipeline import STAGES
from backlight.native.running.threads import checked
from backlight.native.tracing import pytree
from backlight.native.tracing.trace import trace

PRECISIONS = ("float32", "bfloat16")
"""How the products of float32 arrays may be taken."""

MOST_PROGRAMS = 256
"""Programs kept for different arguments of one function; beyond, the oldest goes."""


class Compiled:
    """A compiled function; see `compile`.

    Attributes
    ----------
    stages : Stages
        Of the program that ran last, each stage of the compiler as text: "graph", "loops",
        "simplified", "layout", "steps", "calls", "memory", "llvm", "assembly".
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        threads: int | None,
        target: Target | None,
        precision: Precision = FULL,
        check: bool | float = False,
        check_every: int | None = None,
    ) -> None:
        functools.update_wrapper(self, function, updated=())
        self._name = getattr(function, "__name__", type(function).__name__)
        self._function = function
        self._threads = None if threads is None else checked(threads, "threads")
        self._target = target or host()
        self._precision = precision
        self._check = check
        self._every = checked_every(check_every)
        self.listen: Callable[[Inspection], None] | None = None
        self._programs: dict[Any, list[Bound]] = {}
        self._last: Bound | None = None
        self._lock = threading.RLock()
        self._acquire, self._release = self._lock.acquire, self._lock.release

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Run the program for these arguments; compiled at the first call of their kind."""
        if tracers and threading.get_ident() in tracers:  # part of another function's program
            return self._function(*arguments, **named)
        last = self._last
        if last is not None and (fast := last.fast) is not None:
            early = last.watch is None or last.watch.early()
            if early and self._acquire(False):
                try:
                    result = fast(arguments, named)
                finally:
                    self._release()
                if result is not MISSED:
                    return result
        return self._run(arguments, named, 1)

    def repeat(self, times: int) -> Callable[..., Any]:
        """The function that runs the program `times` times in one call, without Python between.

        Every repetition sees the same arguments; states go on from one to the next, and numbers
        of the host (learning rates, random keys) are those of each step. The result is the last
        one's.

        Raises
        ------
        ArgumentError
            If `times` is not a whole number ≥ 1.
        """
        if not isinstance(times, int) or isinstance(times, bool) or times < 1:
            raise ArgumentError(
                "repeat",
                got=f"times={times!r}",
                needs="a whole number ≥ 1",
                remedy="Write compiled.repeat(1000)(x, y).",
            )
        return lambda *arguments, **named: self._run(arguments, named, times)

    def lower(self, *arguments: Any, **named: Any) -> Stages:
        """The stages for these arguments, without running the program."""
        leaves, structure = pytree.flatten((arguments, named))
        with self._lock:
            return Stages(self._bound(arguments, named, leaves, structure))

    @property
    def stages(self) -> Stages:
        """What each stage made of the program that was compiled or run last."""
        if self._last is None:
            raise ArgumentError(
                "stages",
                got="a function that was not called yet",
                needs="a program",
                remedy="Call it first, or use lower(*arguments).",
            )
        return Stages(self._last)

    @property
    def program(self) -> Bound:
        """The program that was compiled or run last, with its reports."""
        if self._last is None:
            self.stages  # noqa: B018 - raises
        return self._last  # type: ignore[return-value]

    @property
    def programs(self) -> int:
        """How many programs there are, one for each kind of arguments."""
        return sum(map(len, self._programs.values()))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: a compiled function of its own for each object."""
        if instance is None:
            return self
        found = _METHODS.setdefault(instance, {})
        if self not in found:
            holder = weakref.ref(instance)
            method = self._function

            def bound(*arguments: Any, **named: Any) -> Any:
                return method(holder(), *arguments, **named)

            found[self] = Compiled(
                bound,
                threads=self._threads,
                target=self._target,
                precision=self._precision,
                check=self._check,
                check_every=self._every,
            )
        return found[self]

    def _run(self, arguments: Any, named: Any, times: int) -> Any:
        leaves, structure = pytree.flatten((arguments, named))
        with self._lock:
            bound = self._bound(arguments, named, leaves, structure)
            if times > 1 and not bound.repeatable:  # what one call leaves changes the next
                for _ in range(times):
                    result = self(*arguments, **named)
                return result
            watch = bound.watch
            if watch is not None and watch.due():
                return watch.run(leaves, times)
            return bound.run(leaves, times)

    def _tell(self, found: Inspection) -> None:
        if self.listen is not None:
            self.listen(found)

    def _bound(self, arguments: Any, named: Any, leaves: list[Any], structure: Any) -> Bound:
        """The program for these arguments: the one there is, or a new one."""
        kinds = tuple((one.shape, one.dtype, _lies_channels_last(one)) for one in leaves)
        key = (structure, kinds, tuple(getattr(one, "requires_grad", False) for one in leaves))
        there = self._programs.get(key)
        if there is not None:
            for bound in there:
                if bound.traced.guards_hold(leaves) and bound.fits(leaves):
                    self._last = bound
                    return bound
        with uncollected():
            traced = trace(self._function, arguments, named)
            bound = Bound(traced, self._target, self._threads, self._name, self._precision, leaves)
        if self._check:
            budget = BUDGET if self._check is True else float(self._check)
            bound.watch = Watch(bound, self._every, budget, self._tell)
        self._programs.setdefault(key, []).append(bound)
        if self.programs > MOST_PROGRAMS:
            oldest = next(iter(self._programs))
            self._programs[oldest].pop(0)
            if not self._programs[oldest]:
                del self._programs[oldest]
        self._last = bound
        return bound


def _lies_channels_last(leaf: Any) -> bool:
    return len(leaf.shape) == 4 and lies_channels_last(getattr(leaf, "_value", leaf))


_METHODS: weakref.WeakKeyDictionary[Any, dict[Compiled, Compiled]] = weakref.WeakKeyDictionary()


class Stages:
    """The stages of a program by name, made into text when they are asked for."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    def __getitem__(self, stage: str) -> str:
        """The text of a stage.

        Raises
        ------
        ArgumentError
            If there is no such stage.
        """
        if stage not in STAGES:
            raise ArgumentError(
                "the stages", got=repr(stage), needs="a stage", remedy=nearest(stage, STAGES)
            )
        return self._bound.compilation.text(stage)

    def pieces(self, stage: str) -> list[tuple[int, frozenset[int]]]:
        """For each line of a stage (each kernel, in code), the gates that it came from.

        See `backlight.native.inspecting.provenance.pieces`.
        """
        return provenance.pieces(self._bound.compilation, stage)

    def __iter__(self) -> Iterator[str]:
        return iter(STAGES)

    def __len__(self) -> int:
        return len(STAGES)


def compile(
    function: Callable[..., Any] | None = None,
    *,
    threads: int | None = None,
    target: str | None = None,
    precision: str = "float32",
    winograd: bool = True,
    check: bool | float = False,
    check_every: int | None = None,
) -> Any:
    """Compile a function of tensors: a training step, a prediction, a gradient.

    The function is run once without values (see `native.trace`), and the gates it applies become
    one native program: forward, backward, update and all. Other shapes or types of arguments
    compile once each. Parameters, buffers and the optimiser's slots stay where they are and are
    updated in place, so that eager and compiled steps may follow each other. Random draws are
    those of eager execution; results agree with it within rounding, and are the same bits whatever
    the number of threads.

    Parameters
    ----------
    function : callable
        Of tensors or arrays, also inside lists, tuples and dicts; other arguments are constants,
        and each of their values compiles anew. Without it, `compile` answers with a decorator.
    threads : int, optional
        How many threads it runs on; `get_num_threads()` if not given.
    target : str, optional
        An instruction set to make code for, instead of all that this processor has: "avx512",
        "avx2", "sse".
    precision : {"float32", "bfloat16"}
        With bfloat16 the inputs of products and convolutions of float32 are rounded to 8 bits of
        mantissa and their products summed in float32: twice as fast where the processor has such
        an instruction. Weights, updates and everything else stay float32. With `winograd`, it is
        the transformed tiles of 3×3 convolutions that are rounded, which errs by 1.6 times as much.
    winograd : bool
        Whether 3×3 convolutions may be taken in less than half the products. That rounds a little
        more: errors of up to 16 units in the last place instead of 4.
    check : bool or float
        Inspect each program before its first call, and now and then: what it computes and writes,
        beside eager, float64 and numerical slopes, on copies (see `native.inspection`). A number
        is the seconds that the first inspection may take, 5 if True.
    check_every : int, optional
        Calls between inspections after the first; 0 for none; by default so many that they take
        less than a hundredth of the time.

    Returns
    -------
    Compiled
        Call it as the function.

    Raises
    ------
    TraceError
        At a call: if the function asks for values, or does not do the same in each run.
    CompileCheckError
        At a call, with `check`: if the program does not compute what its gates say. Nothing was
        changed then; the message names the first gate, its layer and line.
    ArgumentError
        If `threads` is not possible, or `target` is none that this processor runs; at a call, if
        its memory is not there.

    Examples
    --------
    >>> import backlight
    >>> @compile
    ... def squared(x):
    ...     return (x * x).sum()
    >>> squared(backlight.tensor([1.0, 2.0, 3.0])).item()
    14.0
    """
    if function is None:
        return functools.partial(
            compile,
            threads=threads,
            target=target,
            precision=precision,
            winograd=winograd,
            check=check,
            check_every=check_every,
        )
    if not callable(function):
        raise ArgumentError(
            "compile",
            got=f"a {type(function).__name__}",
            needs="a function of tensors",
            remedy="Pass the function itself: compile(step), not compile(step(x)).",
        )
    if precision not in PRECISIONS:
        raise ArgumentError(
            "compile",
            got=f"precision={precision!r}",
            needs=" or ".join(PRECISIONS),
            remedy=nearest(str(precision), PRECISIONS),
        )
    if not isinstance(check, bool) and not (isinstance(check, (int, float)) and check > 0):
        raise ArgumentError(
            "compile",
            got=f"check={check!r}",
            needs="True, False, or the seconds that an inspection may take",
            remedy="Write check=True.",
        )
    return Compiled(
        function,
        threads=threads,
        target=None if target is None else runnable(target),
        precision=Precision(precision == "bfloat16", winograd),
        check=check,
        check_every=check_every,
    )

"""Listening to a training script: what it calls, in which order, while it runs as it is.

For as long as the block lasts, `Tensor.backward`, the optimisers' `step` and `zero_grad`, and the
calls of modules tell the listener before they do what they always do. Compiled functions run
eagerly, so that there is something to hear. Nothing that is computed changes.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import backlight
from backlight.doctor.hearing import Hearing
from backlight.doctor.session import Session
from backlight.engine.tensor import Tensor
from backlight.native.compile import Compiled
from backlight.nn.module import Module
from backlight.nn.origin import calls
from backlight.optim.optimizer import Optimizer

GRACE = 0.5
"""Seconds that a script may go on between two calls that can be heard."""
_HERE = str(Path(backlight.__file__).parent)


class Enough(BaseException):
    """Raised inside a script that has run for long enough; it is no error of the script's."""


@contextmanager
def listening(seconds: float | None = None, steps: int | None = None) -> Iterator[Session]:
    """Within this block, what a training script does is written down.

    Parameters
    ----------
    seconds, steps : numbers, optional
        After how long, or how many updates, `Enough` is raised from inside the script.

    Yields
    ------
    Session
        Filled while the block runs.
    """
    hearing = Hearing()
    ends = None if seconds is None else time.monotonic() + seconds
    undo: list[tuple[type, str, Any]] = []

    def stand_in(owner: type, name: str, wrap: Callable[[Any], Any]) -> None:
        original = owner.__dict__[name]
        undo.append((owner, name, original))
        setattr(owner, name, wraps(original)(wrap(original)))

    def enough() -> None:
        session = hearing.session
        if ends is not None and time.monotonic() > ends:
            session.stopped = f"{seconds:g} s"
            raise Enough
        if steps is not None and session.steps >= steps:
            session.stopped = f"{steps}"
            raise Enough

    stand_in(Module, "__call__", lambda original: _call(hearing, original))
    stand_in(Module, "zero_grad", lambda original: _zero(hearing, original))
    stand_in(Optimizer, "zero_grad", lambda original: _zero(hearing, original))
    stand_in(Tensor, "backward", lambda original: _backward(hearing, original, enough))
    stand_in(Compiled, "__call__", _eager)
    for kind in (Optimizer, *_below(Optimizer)):
        if "step" in kind.__dict__:
            stand_in(kind, "step", lambda original: _step(hearing, original, enough))
    try:
        with _alarm(seconds, hearing):
            yield hearing.session
    finally:
        for owner, name, original in undo:
            setattr(owner, name, original)
        hearing.finish()


@contextmanager
def _alarm(seconds: float | None, hearing: Hearing) -> Iterator[None]:
    """End a script that does nothing which could be heard, where the system can do so."""
    here = threading.current_thread() is threading.main_thread()
    if seconds is None or not here or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: Any) -> None:
        hearing.session.stopped = f"{seconds:g} s"
        raise Enough

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds + GRACE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _below(kind: type) -> Iterator[type]:
    one: type
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _eager(_original: Any) -> Any:
    return lambda compiled, *given, **named: compiled._function(*given, **named)


def _call(hearing: Hearing, original: Any) -> Any:
    def call(module: Any, *given: Any, **named: Any) -> Any:
        hearing.session.called.add(id(module))
        if calls.stack or not hearing.is_model(module):
            return original(module, *given, **named)
        with hearing.call(module, given, _place) as heard:
            heard.output = original(module, *given, **named)
        return heard.output

    return call


def _zero(hearing: Hearing, original: Any) -> Any:
    def zero_grad(owner: Any, *given: Any, **named: Any) -> Any:
        hearing.zeroed(_place)
        return original(owner, *given, **named)

    return zero_grad


def _backward(hearing: Hearing, original: Any, enough: Callable[[], None]) -> Any:
    def backward(loss: Any, *given: Any, **named: Any) -> Any:
        enough()
        hearing.backward(loss, _place)
        original(loss, *given, **named)
        hearing.went_back()

    return backward


def _step(hearing: Hearing, original: Any, enough: Callable[[], None]) -> Any:
    depth = 0

    def step(optimizer: Any, *given: Any, **named: Any) -> Any:
        nonlocal depth
        if depth:
            return original(optimizer, *given, **named)
        depth += 1
        closure = bool(given) or bool(named)
        try:
            with hearing.step(optimizer, closure, _place):
                result = original(optimizer, *given, **named)
        finally:
            depth -= 1
        enough()
        return result

    return step


def _place() -> str:
    """The script's own line that led here: file name and number."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((_HERE, "<")) and "contextlib" not in name:
            return f"{Path(name).name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""

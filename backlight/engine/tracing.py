"""Tracing: what the engine hands over while a function runs without values.

A tracer puts itself into `tracers` under the number of its thread.
From then on gates, changes in place and gradients of that thread go to it, and other threads notice
nothing. In normal life `tracers` is empty, and looking costs next to nothing.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NoReturn

import numpy as np

from backlight.errors import TraceError

tracers: dict[int, Any] = {}
"""The tracer at work in each thread that is tracing, by the thread's number."""


def here() -> Any:
    """The tracer at work in this thread, or None."""
    return tracers.get(threading.get_ident()) if tracers else None


class _Version:
    """Counts the rare events after which a traced function may have to be traced again."""

    number = 0


version = _Version()
_versions = itertools.count(1)


def changed() -> None:
    """Note such an event: train() or eval(), a hook, requires_grad, memory that was replaced."""
    version.number = next(_versions)


class _Layers:
    """Asked for the layer at work; the layers put their answers here."""

    stack: Callable[[], list[Any]] = staticmethod(list)
    path: Callable[[], str] = staticmethod(str)


layers = _Layers()


class Unknown:
    """What stands in a tensor for numbers that are not known while a function is traced.

    It has a shape and a type and refuses everything else, saying where it was asked and what to
    write instead.

    Attributes
    ----------
    node : object
        What computes the numbers; another one after a change in place.
    version : int
        How often the numbers were changed in place.
    base, seen : Unknown or None, int
        Of a view: what it shows, and the version of that which it shows.
    """

    __slots__ = ("base", "dtype", "node", "seen", "shape", "tracer", "version")

    def __init__(self, tracer: Any, node: Any, base: Unknown | None = None) -> None:
        self.tracer = tracer
        self.node = node
        self.shape: tuple[int, ...] = node.shape
        self.dtype: np.dtype[Any] = node.dtype
        self.version = 0
        self.base = base
        self.seen = 0 if base is None else base.version

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    @property
    def nbytes(self) -> int:
        """Memory that the elements will take, in bytes."""
        return self.size * self.dtype.itemsize

    def printed(self) -> str:
        """What a traced tensor prints as: all that is known of it."""
        when = "no value while compiling" if self.tracer.open else "its compilation has ended"
        return f"{self.dtype} {self.shape}, {when}"

    def refuse(self, *_: Any, **__: Any) -> NoReturn:
        """Say that the numbers are not known, where they were asked for, and what to do."""
        asked, where = _asked()
        if not self.tracer.open:
            raise TraceError(
                f"{where}: a tensor of a compiled function, made by {self.node.told()},",
                got="a use after the function was compiled; it was kept in a list, an attribute "
                "or a variable outside",
                needs="what a compiled function makes to come out as its result",
                remedy="Return it from the function instead of keeping it elsewhere.",
            )
        got, remedy = _INSTEAD.get(asked, (f"{asked}, which needs its numbers", _OUTSIDE))
        raise TraceError(
            f"{where}: tensor {self.dtype} {self.shape}",
            got=got,
            needs="no values: the function is being compiled, and runs once without numbers",
            source=f"The tensor was made by {self.node.told()}.",
            remedy=remedy,
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.refuse


def refuse_value(value: Any) -> None:
    """Refuse to tell the numbers of any tensor while this thread traces: they would be fixed."""
    if type(value) is Unknown:
        value.refuse()
    if here() is not None:
        asked, where = _asked()
        got, remedy = _INSTEAD.get(asked, (f"{asked}, which needs its numbers", _OUTSIDE))
        raise TraceError(
            f"{where}: a tensor from outside",
            got=got,
            needs="gates: its numbers of this moment would be fixed in the compiled function",
            remedy=remedy,
        )


_OUTSIDE = "Return the tensor from the function and ask for its numbers outside."
_WHERE = "Choose with where(condition, a, b), which computes both; or decide outside the function."
_INSTEAD = {
    "__bool__": ("a decision on its value (if, while, and, or, not, assert)", _WHERE),
    "__float__": ("float()", _OUTSIDE),
    "__int__": ("int()", _OUTSIDE),
    "__complex__": ("complex()", _OUTSIDE),
    "item": ("item()", _OUTSIDE),
    "tolist": ("tolist()", _OUTSIDE),
    "numpy": ("numpy()", _OUTSIDE),
    "__array__": ("a conversion to a NumPy array", f"Use backlight's functions. {_OUTSIDE}"),
    "__array_function__": (
        "a NumPy function that is no gate",
        f"Use a function of backlight. {_OUTSIDE}",
    ),
    "__array_ufunc__": (
        "a NumPy function that is no gate",
        f"Use a function of backlight. {_OUTSIDE}",
    ),
    "__format__": ("a printed number", _OUTSIDE),
    "__index__": (
        "its value as a Python whole number (range, an index into a list)",
        "Index tensors by tensors: stack the list, then take(stacked, place); loop over "
        "range(x.shape[0]).",
    ),
    "__reduce__": ("a copy or pickle", "Use clone() for a copy; pickle results outside."),
    "__dlpack__": ("a hand-over to another library", _OUTSIDE),
}

_FORBIDDEN = (
    *("array", "array_function", "array_ufunc", "dlpack", "reduce", "reduce_ex", "copy"),
    *("deepcopy", "bool", "float", "int", "complex", "index", "round", "format"),
    *("iter", "len", "getitem", "setitem", "contains", "lt", "le", "gt", "ge"),
    *("neg", "pos", "abs", "invert", "iadd", "isub", "imul", "itruediv"),
)
_TWO_SIDED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or")
for _name in (*_FORBIDDEN, *_TWO_SIDED, *(f"r{_side}" for _side in _TWO_SIDED)):
    setattr(Unknown, f"__{_name}__", Unknown.refuse)

# ── where the user's code stands ───────────────────────────────────────────────────────────

_PACKAGE = f"{Path(__file__).resolve().parent.parent}{os.sep}"
_COMMANDS = f"{_PACKAGE}cli{os.sep}"
_LIBRARY = f"{Path(os.__file__).resolve().parent}{os.sep}"
_known: dict[CodeType, bool] = {}


def _is_ours(code: CodeType) -> bool:
    """Whether this code is of this package, or of the standard library."""
    found = _known.get(code)
    if found is None:
        name = code.co_filename
        inside = name.startswith(_LIBRARY) and "site-packages" not in name
        found = _known[code] = inside or name.startswith((_PACKAGE, "<frozen"))
    return found


def user_place() -> tuple[str, int]:
    """File and line of the innermost code that is not this package's.

    Below a command of the `backlight` program there is only what reads the command line.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame.f_code):
        if frame.f_code.co_filename.startswith(_COMMANDS):
            return "", 0
        frame = frame.f_back
    return ("", 0) if frame is None else (frame.f_code.co_filename, frame.f_lineno)


def user_line() -> str:
    """The same as text: model.py:31."""
    file, line = user_place()
    return f"{Path(file).name}:{line}" if file else "the traced function"


def _asked() -> tuple[str, str]:
    """What was called on the tensor by the user, and in which line."""
    frame: FrameType | None = sys._getframe(2)
    outermost = known = ""
    while frame is not None and _is_ours(frame.f_code):
        name = frame.f_code.co_name
        if frame.f_code.co_filename.startswith(_PACKAGE) and name not in ("refuse", "refuse_value"):
            outermost = name
            known = name if name in _INSTEAD else known
        frame = frame.f_back
    where = "the traced function"
    if frame is not None:
        where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
    return known or outermost or "a function", where


def refusal(got: str, needs: str, remedy: str) -> TraceError:
    """An error about the line of the user's code that is at work."""
    return TraceError(user_line(), got=got, needs=needs, remedy=remedy)

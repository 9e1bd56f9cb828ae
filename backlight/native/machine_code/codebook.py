"""Machine code of kernels: each structure made once, kept in the process and on disk.

Two calls of a program, two programs, or two runs of a script that need the same kernel share its
code: a kernel is found by what it computes, its target and the version of everything that wrote it.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llvmlite import ir

from backlight.native.machine_code import build, cache
from backlight.native.machine_code.machine import Target, host
from backlight.native.machine_code.workers import Workers, workers


@dataclass(eq=False)
class _Entry:
    """A kernel's code in memory, for as long as some program holds it."""

    library: build.Library
    name: str

    @property
    def address(self) -> int:
        return self.library.address(self.name)


_ENTRIES: weakref.WeakValueDictionary[str, _Entry] = weakref.WeakValueDictionary()
_LOCK = threading.RLock()


class Codebook:
    """Where the code of each of a program's kernels is.

    Attributes
    ----------
    made : int
        Kernels whose code had to be made; the others were in the process or on disk.
    seconds : float
        What finding and making them took.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.made = 0
        self.seconds = 0.0
        self._entries: dict[Any, _Entry] = {}

    def address(self, kernel: Any) -> int:
        """The address of a kernel's function."""
        return self._entries[kernel.key].address

    def __len__(self) -> int:
        return len(self._entries)


def gather(kernels: Iterable[Any], target: Target, soon: Iterable[str] = ()) -> Codebook:
    """The machine code of these kernels: found in the process, on disk, or made now.

    `soon` are modules that `build.kept_object` will be asked for: where other processes make code,
    they make theirs too.
    """
    began = time.perf_counter()
    book = Codebook(target)
    wanted = {kernel.key: kernel for kernel in kernels}
    missing: dict[str, list[Any]] = {}
    with _LOCK:
        for key, kernel in wanted.items():
            name = name_of(kernel, target)
            found = _ENTRIES.get(name)
            if found is None:
                missing.setdefault(name, []).append(kernel)
            else:
                book._entries[key] = found
        if missing:
            library = build.load(_objects(missing, target, book, soon))
            for name, same in missing.items():
                entry = _Entry(library, name)
                _ENTRIES[name] = entry
                for kernel in same:
                    book._entries[kernel.key] = entry
    book.seconds = time.perf_counter() - began
    return book


def text(kernel: Any, target: Target) -> str:
    """A kernel in LLVM's language, before any optimisation."""
    collecting = gc.isenabled()
    gc.disable()  # all that is made here lives as long as the module, and is garbage with it
    try:
        module = ir.Module(name_of(kernel, target))
        if target.triple:
            module.triple = target.triple
        kernel.emit(module, name_of(kernel, target), target)
        found = str(module)
        del module
        gc.collect(0)
    finally:
        if collecting:
            gc.enable()
    return found


def name_of(kernel: Any, target: Target) -> str:
    """The name of a kernel's function: the same for the same code."""
    material = f"{_origin()}|{target.key}|{kernel.key!r}"
    return "kernel_" + hashlib.sha256(material.encode()).hexdigest()[:32]


def _objects(
    missing: dict[str, list[Any]], target: Target, book: Codebook, soon: Iterable[str]
) -> list[bytes]:
    """The object code of kernels, from disk or made now."""
    found = {name: cache.load(cache.name(name)) for name in missing}
    anew = [name for name, code in found.items() if code is None]
    book.made += len(anew)
    with workers(len(anew), target) as beside:
        waiting: dict[str, Callable[[], bytes]] = {}
        later = {} if beside is None or target != host() else _later(soon, beside)
        for name in anew:
            written = text(missing[name][0], target)
            if beside is None:
                waiting[name] = functools.partial(build.compile_object, written, target)
            else:
                waiting[name] = beside.submit(written).result
        for name, made in waiting.items():
            code = found[name] = made()
            cache.store(cache.name(name), code)
        for key, code_of in later.items():
            cache.store(key, code_of())
    return [code for code in found.values() if code is not None]


def _later(soon: Iterable[str], beside: Workers) -> dict[str, Callable[[], bytes]]:
    """What makes the modules that are neither asked for yet nor on disk, by their names there."""
    if cache.folder() is None:
        return {}
    names = {cache.name(build.kept_under(one, host())): one for one in soon}
    return {
        key: beside.submit(written).result
        for key, written in names.items()
        if cache.load(key) is None
    }


@functools.cache
def _origin() -> str:
    """Everything that decides what code a kernel becomes, besides the kernel and the target."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        found.update(path.read_bytes())
    return f"{build.version()} {found.hexdigest()}"

"""Machine code of kernels: each structure made once, kept in the process and on disk.

Two calls of a program, two programs, or two runs of a script that need the same kernel share its
code: a kernel is found by what it computes, its target and the version of everything that wrote it.
"""

from __future__ import annotations

import functools
import hashlib
import threading
import time
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llvmlite import ir

from backlight.native.machine_code import build, cache
from backlight.native.machine_code.machine import Target


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


def gather(kernels: Iterable[Any], target: Target) -> Codebook:
    """The machine code of these kernels: found in the process, on disk, or made now."""
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
            objects = []
            for name, same in missing.items():
                objects.append(_object(same[0], name, target, book))
            library = build.load(objects)
            for name, same in missing.items():
                entry = _Entry(library, name)
                _ENTRIES[name] = entry
                for kernel in same:
                    book._entries[kernel.key] = entry
    book.seconds = time.perf_counter() - began
    return book


def text(kernel: Any, target: Target) -> str:
    """A kernel in LLVM's language, before any optimisation."""
    module = ir.Module(name_of(kernel, target))
    if target.triple:
        module.triple = target.triple
    kernel.emit(module, name_of(kernel, target), target)
    return str(module)


def name_of(kernel: Any, target: Target) -> str:
    """The name of a kernel's function: the same for the same code."""
    material = f"{_origin()}|{target.key}|{kernel.key!r}"
    return "kernel_" + hashlib.sha256(material.encode()).hexdigest()[:32]


def _object(kernel: Any, name: str, target: Target, book: Codebook) -> bytes:
    def made() -> bytes:
        book.made += 1
        return build.compile_object(text(kernel, target), target)

    return cache.get_or_build(name, made)


@functools.cache
def _origin() -> str:
    """Everything that decides what code a kernel becomes, besides the kernel and the target."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        found.update(path.read_bytes())
    return f"{build.version()} {found.hexdigest()}"

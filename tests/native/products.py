"""Running products' kernels in tests: arrays against guard pages, chunks in any order."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np
import pytest

llvmlite = pytest.importorskip("llvmlite")

from backlight.native.machine_code import build, machine  # noqa: E402

ORDER = {"sse": 0, "avx2": 1, "avx512": 2}


def target_named(name: str) -> machine.Target:
    """A target that this machine can run, or skip."""
    if name == "host":
        return machine.host()
    if ORDER[name] > ORDER.get(machine.host().name, -1):
        pytest.skip(f"this processor has no {name}")
    return machine.named(name)


def compiled(kernel: Any, target: machine.Target) -> Any:
    """The kernel as `run(arrays, begin, end)`."""
    module = llvmlite.ir.Module()
    kernel.emit(module, "kernel", target)
    library = build.load([build.compile_object(str(module), target)])
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    function = kind(library.address("kernel"))

    def run(arrays: list[np.ndarray], begin: int = 0, end: int | None = None) -> None:
        assert len(arrays) == len(kernel.operands)
        places = (ctypes.c_void_p * len(arrays))(*(x.ctypes.data for x in arrays))
        function(ctypes.addressof(places), begin, kernel.chunks if end is None else end)

    run.library = library  # type: ignore[attr-defined]
    return run


def guarded(array: np.ndarray, at_end: bool = True) -> np.ndarray:
    """A contiguous copy that ends (or starts) at a page which may not be touched."""
    page = mmap.PAGESIZE
    pages = -(-max(1, array.nbytes) // page)
    memory = mmap.mmap(-1, (pages + 2) * page)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protect = ctypes.CDLL(None).mprotect
    for guard in (base, base + (pages + 1) * page):
        assert protect(ctypes.c_void_p(guard), page, 0) == 0
    start = page + (pages * page - array.nbytes if at_end else 0)
    found = np.frombuffer(memory, array.dtype, array.size, start).reshape(array.shape)
    found[...] = array
    return found


def elements(array: np.ndarray) -> tuple[int, ...]:
    """Strides in elements."""
    return tuple(stride // array.itemsize for stride in array.strides)


def numbers(draw: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Random numbers of a type."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return draw.standard_normal(shape).astype(kind)
    return draw.integers(0, 2 if kind.kind == "b" else 90, shape).astype(kind)


def laid_out(draw: np.random.Generator, shape: tuple[int, int, int], dtype: Any, how: str) -> Any:
    """A batch of matrices stored in some way: (memory, the view of it that is the matrices)."""
    batch, rows, columns = shape
    if how == "transposed":
        memory = numbers(draw, (batch, columns, rows), dtype)
        return memory, memory.transpose(0, 2, 1)
    if how == "shared":
        memory = numbers(draw, (1, rows, columns), dtype)
        return memory, np.broadcast_to(memory, shape)
    if how == "sparse":
        memory = numbers(draw, (batch, 2 * rows + 1, 3 * columns + 1), dtype)
        return memory, memory[:, : 2 * rows : 2, : 3 * columns : 3]
    memory = numbers(draw, shape, dtype)
    return memory, memory


LAYOUTS = ("plain", "transposed", "shared", "sparse")

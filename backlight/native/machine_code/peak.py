"""What this processor can do at most: multiply-adds and memory, measured and not looked up.

Each figure is the best of several short runs of a loop that does nothing else: chains of
multiply-adds in registers, enough of them to hide their latency; sums over, and updates in place
of, arrays far larger than the caches.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.native.machine_code.build import Library, compile_object, load
from backlight.native.machine_code.machine import Target, host

CHAINS = 12
"""Independent sums: more than latency × units of any processor, fewer than its registers."""
TURNS = 400_000
REPEATS = 8
ELEMENTS = 24_000_000
"""float32 numbers in each array of the memory's measurement: 96 MB."""
_UNROLL = 4


@dataclass(frozen=True)
class Peaks:
    """Measured limits: one core's, and those of `cores` together.

    Attributes
    ----------
    cores : int
    fma_gflops_core, fma_gflops_all : float
        10⁹ float32 operations a second; a multiply-add is two.
    bf16_gflops_core, bf16_gflops_all : float or None
        The same for products of bfloat16 pairs summed in float32; None where there are none.
    read_gbs_core, read_gbs_all : float
        10⁹ bytes a second, reading one array.
    gbs_core, gbs_all : float
        Updating one array by another: two arrays read, one written in place.
    """

    cores: int
    fma_gflops_core: float
    fma_gflops_all: float
    bf16_gflops_core: float | None
    bf16_gflops_all: float | None
    read_gbs_core: float
    read_gbs_all: float
    gbs_core: float
    gbs_all: float

    def fma(self, threads: int, bfloat16: bool = False) -> float:
        """GFLOP/s of so many threads; of float32 where there is no bfloat16."""
        if bfloat16 and self.bf16_gflops_core and self.bf16_gflops_all:
            return self._of(threads, self.bf16_gflops_core, self.bf16_gflops_all)
        return self._of(threads, self.fma_gflops_core, self.fma_gflops_all)

    def memory(self, threads: int) -> float:
        """GB/s of so many threads, the better of reading and updating."""
        return max(
            self._of(threads, self.read_gbs_core, self.read_gbs_all),
            self._of(threads, self.gbs_core, self.gbs_all),
        )

    def _of(self, threads: int, core: float, together: float) -> float:
        # One core alone is a lower bound of all: others may have been busy with something else.
        most = max(core, together)
        return most if threads >= self.cores else min(core * threads, most)


@functools.cache
def measure() -> Peaks:
    """Measure this machine, once a process; it takes less than a second.

    Raises
    ------
    MissingExtraError
        If llvmlite is not installed.
    """
    target = host()
    library = load([compile_object(_module(target), target)])
    cores = _cores()
    multiply_adds = functools.partial(_products, library, "multiply_add", 2 * target.lanes(4))
    dots = functools.partial(_products, library, "bfloat16_dot", 2 * target.lanes(2))
    arrays = np.ones((2, ELEMENTS), np.float32)
    read = functools.partial(_passes, library, "read", arrays, 4)
    update = functools.partial(_passes, library, "update", arrays, 12)
    return Peaks(
        cores,
        multiply_adds(1),
        multiply_adds(cores),
        dots(1) if target.bf16 else None,
        dots(cores) if target.bf16 else None,
        read(1),
        read(cores),
        update(1),
        update(cores),
    )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _products(library: Library, name: str, each: int, threads: int) -> float:
    """GFLOP/s of a loop of `CHAINS` instructions of `each` operations."""
    kind = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64, ctypes.c_float)
    function = kind(library.address(name))
    seconds = _best(lambda _: function(TURNS, 0.5), threads)
    return threads * TURNS * CHAINS * each / seconds / 1e9


def _passes(library: Library, name: str, arrays: Any, each: int, threads: int) -> float:
    """GB/s of a pass over the arrays, a part for each thread, `each` bytes an element."""
    kind = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
    function = kind(library.address(name))
    step = 64 * _UNROLL
    part = ELEMENTS // threads // step * step
    places = [
        (4 * part * one, arrays[0].ctypes.data, arrays[1].ctypes.data) for one in range(threads)
    ]
    parts = [(first + offset, second + offset) for offset, first, second in places]
    seconds = _best(lambda thread: function(part, *parts[thread]), threads)
    return threads * part * each / seconds / 1e9


def _best(work: Callable[[int], Any], threads: int) -> float:
    """Seconds of the quickest of several runs, all threads starting together.

    A run lasts from the first thread's start to the last one's end.
    """
    gate = threading.Barrier(threads)
    spans: list[list[tuple[float, float]]] = [[] for _ in range(REPEATS)]

    def run(thread: int) -> None:
        for turn in range(REPEATS):
            gate.wait()
            began = time.perf_counter()
            work(thread)
            spans[turn].append((began, time.perf_counter()))

    team = [threading.Thread(target=run, args=(place,)) for place in range(1, threads)]
    for one in team:
        one.start()
    run(0)
    for one in team:
        one.join()
    return min(max(end for _, end in turn) - min(began for began, _ in turn) for turn in spans)


def _module(target: Target) -> str:
    """The loops in LLVM's language."""
    lanes = target.lanes(4)
    vector = f"<{lanes} x float>"
    fma = f"@llvm.fma.v{lanes}f32"
    pieces = [
        f"declare {vector} {fma}({vector}, {vector}, {vector})",
        f"declare float @llvm.vector.reduce.fadd.v{lanes}f32(float, {vector})",
        _chains("multiply_add", vector, lanes, _multiply_add(target, vector, fma)),
        _read(vector, lanes),
        _update(vector, lanes),
    ]
    if target.bf16:
        pairs = f"<{2 * lanes} x bfloat>"
        dot = f"@llvm.x86.avx512bf16.dpbf16ps.{target.bits}"
        pieces.append(f"declare {vector} {dot}({vector}, {pairs}, {pairs})")
        pieces.append(
            _chains(
                "bfloat16_dot",
                vector,
                lanes,
                lambda place: (
                    f"  %p{place} = bitcast {vector} %x to {pairs}\n"
                    f"  %n{place} = call {vector} {dot}({vector} %a{place}, "
                    f"{pairs} %p{place}, {pairs} %p{place})"
                ),
            )
        )
    return "\n".join(pieces)


def _multiply_add(target: Target, vector: str, fma: str) -> Callable[[int], str]:
    """One multiply-add; two instructions on a processor that has no single one."""
    if target.fma:
        return lambda place: (
            f"  %n{place} = call {vector} {fma}({vector} %a{place}, {vector} %x, {vector} %x)"
        )
    return lambda place: (
        f"  %m{place} = fmul {vector} %a{place}, %x\n  %n{place} = fadd {vector} %m{place}, %x"
    )


def _chains(name: str, vector: str, lanes: int, one: Callable[[int], str]) -> str:
    """`float name(turns, x)`: every chain goes on by one instruction a turn."""
    places = range(CHAINS)
    starts = "\n".join(
        f"  %a{p} = phi {vector} [ zeroinitializer, %entry ], [ %n{p}, %loop ]" for p in places
    )
    sums = "\n".join(
        f"  %s{p + 1} = fadd {vector} {f'%s{p}' if p else 'zeroinitializer'}, %n{p}" for p in places
    )
    return f"""
define float @{name}(i64 %turns, float %value) {{
entry:
  %one = insertelement {vector} poison, float %value, i32 0
  %x = shufflevector {vector} %one, {vector} poison, <{lanes} x i32> zeroinitializer
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
{starts}
{chr(10).join(one(p) for p in places)}
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %turns
  br i1 %more, label %loop, label %done
done:
{sums}
  %r = call float @llvm.vector.reduce.fadd.v{lanes}f32(float 0.0, {vector} %s{CHAINS})
  ret float %r
}}"""


def _read(vector: str, lanes: int) -> str:
    """`float read(elements, a, b)`: the sum of a."""
    places = range(_UNROLL)
    starts = "\n".join(
        f"  %a{p} = phi {vector} [ zeroinitializer, %entry ], [ %n{p}, %loop ]" for p in places
    )
    sums = "\n".join(
        f"  %s{p + 1} = fadd {vector} {f'%s{p}' if p else 'zeroinitializer'}, %n{p}" for p in places
    )
    body = "\n".join(
        f"  %o{p} = add i64 %i, {p * lanes}\n"
        f"  %p{p} = getelementptr float, ptr %a, i64 %o{p}\n"
        f"  %v{p} = load {vector}, ptr %p{p}, align 4\n"
        f"  %n{p} = fadd {vector} %a{p}, %v{p}"
        for p in places
    )
    result = (
        f"{sums}\n  %r = call float @llvm.vector.reduce.fadd.v{lanes}f32"
        f"(float 0.0, {vector} %s{_UNROLL})\n  ret float %r"
    )
    return _loop("read", lanes, starts, body, result)


def _update(vector: str, lanes: int) -> str:
    """`float update(elements, a, b)`: a becomes (a + b)·½, in place."""
    half = "<" + ", ".join(["float 5.0e-1"] * lanes) + ">"
    body = "\n".join(
        f"  %o{p} = add i64 %i, {p * lanes}\n"
        f"  %p{p} = getelementptr float, ptr %a, i64 %o{p}\n"
        f"  %q{p} = getelementptr float, ptr %b, i64 %o{p}\n"
        f"  %v{p} = load {vector}, ptr %p{p}, align 4\n"
        f"  %w{p} = load {vector}, ptr %q{p}, align 4\n"
        f"  %t{p} = fadd {vector} %v{p}, %w{p}\n"
        f"  %n{p} = fmul {vector} %t{p}, {half}\n"
        f"  store {vector} %n{p}, ptr %p{p}, align 4"
        for p in range(_UNROLL)
    )
    return _loop("update", lanes, "", body, "  ret float 0.0")


def _loop(name: str, lanes: int, starts: str, body: str, result: str) -> str:
    """A loop over the elements of two arrays."""
    return f"""
define float @{name}(i64 %elements, ptr %a, ptr %b) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
{starts}
{body}
  %next = add i64 %i, {_UNROLL * lanes}
  %more = icmp slt i64 %next, %elements
  br i1 %more, label %loop, label %done
done:
{result}
}}"""

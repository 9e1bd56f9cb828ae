"""The processor that code is made for: its instructions, its vectors, its cores."""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass
from typing import Any

from backlight.errors import ArgumentError, MissingExtraError, nearest


@dataclass(frozen=True)
class Target:
    """An instruction set, as far as the code that is made depends on it.

    Attributes
    ----------
    name : str
        avx512, avx2, sse or neon.
    cpu, features : str
        What LLVM is told.
    bits : int
        Width of a vector register.
    registers : int
        How many vector registers there are.
    fma : bool
        Whether multiply and add are one instruction, rounded once. Where they are not, LLVM's
        llvm.fma would be a call of a library function: products and sums are rounded apart.
    bf16 : bool
        Whether there are products of bfloat16 pairs summed in float32.
    triple : str
        LLVM's name of the platform; empty for the host's.
    """

    name: str
    cpu: str
    features: str
    bits: int
    registers: int
    fma: bool = True
    bf16: bool = False
    triple: str = ""

    def lanes(self, itemsize: int) -> int:
        """How many elements of this many bytes one vector holds."""
        return max(1, self.bits // (8 * itemsize))

    @property
    def key(self) -> str:
        """What machine code made for this target depends on."""
        return f"{self.triple}/{self.cpu}/{self.features}/{self.bits}"


_NARROWER = {
    # Levels of x86-64 as compilers agree on them: code for them runs on every processor of
    # that level, so that a test on a wide machine sees what a narrower one would run.
    "avx512": Target("avx512", "x86-64-v4", "-prefer-256-bit", 512, 32),
    "avx2": Target("avx2", "x86-64-v3", "", 256, 16),
    "sse": Target("sse", "x86-64-v2", "", 128, 16, fma=False),
    "neon": Target("neon", "generic", "+neon", 128, 32, triple="aarch64-unknown-linux-gnu"),
}

NAMES = tuple(_NARROWER)
"""Instruction sets that code can be made for."""


def named(name: str) -> Target:
    """The target of this name, for any processor of its level.

    Raises
    ------
    ArgumentError
        If there is none of that name.
    """
    if name not in _NARROWER:
        raise ArgumentError(
            "the target",
            got=repr(name),
            needs=f"one of {', '.join(NAMES)}",
            remedy=nearest(name, NAMES),
        )
    return _NARROWER[name]


def runnable(name: str) -> Target:
    """The target of this name, if this machine's processor can run its code.

    Raises
    ------
    ArgumentError
        If there is none of that name, or the processor lacks its instructions: running them would
        end the process.
    """
    target = named(name)
    able = [one for one in NAMES if _runs(processor(), _NARROWER[one])]
    if name not in able:
        raise ArgumentError(
            "the target",
            got=f"{name!r}, whose instructions this processor ({processor().name}) does not have",
            needs=f"one of {', '.join(able)}",
            remedy=f"Leave it out: code is then made for {processor().name}",
        )
    return target


def _runs(processor: Target, target: Target) -> bool:
    if "neon" in (processor.name, target.name):
        return processor.name == target.name
    return target.bits <= processor.bits


@functools.cache
def host() -> Target:
    """Of this machine the processor, or the narrower one that BACKLIGHT_TARGET names.

    Raises
    ------
    MissingExtraError
        If llvmlite is not installed.
    ArgumentError
        If BACKLIGHT_TARGET names no target that this processor can run.
    """
    wanted = os.environ.get("BACKLIGHT_TARGET", "")
    return runnable(wanted) if wanted else processor()


@functools.cache
def processor() -> Target:
    """The processor of this machine, with all its instructions.

    Raises
    ------
    MissingExtraError
        If llvmlite is not installed.
    """
    llvm = binding()
    cpu = llvm.get_host_cpu_name()
    found = llvm.get_host_cpu_features()
    features = found.flatten()
    if platform.machine().lower() in ("arm64", "aarch64"):
        return Target("neon", cpu, features, 128, 32)
    if all(found.get(one) for one in ("avx512f", "avx512bw", "avx512dq", "avx512vl")):
        # Without this LLVM halves the vectors on processors that once slowed down for them.
        wide = features.replace("+prefer-256-bit", "-prefer-256-bit")
        return Target("avx512", cpu, wide, 512, 32, bf16=bool(found.get("avx512bf16")))
    if found.get("avx2") and found.get("fma"):
        return Target("avx2", cpu, features, 256, 16)
    return Target("sse", cpu, features, 128, 16, fma=False)


def binding() -> Any:
    """The binding of LLVM that llvmlite is.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import llvmlite.binding as llvm
    except ImportError as problem:
        raise MissingExtraError(
            "the compiler",
            got="no llvmlite",
            needs="llvmlite, which makes the machine code",
            remedy="Run `pip install llvmlite`.",
        ) from problem
    return llvm

"""What a program does with its time: every kernel beside what the machine can do at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backlight.native.bound import Bound
from backlight.native.machine_code.peak import Peaks
from backlight.native.running.memory import readable
from backlight.native.running.threads import get_num_threads

_WARM = 3


@dataclass(frozen=True)
class Line:
    """One call of a program.

    Attributes
    ----------
    milliseconds : float
        Mean over the repetitions, the wait for the other threads included.
    gflops : float
        10⁹ operations a second, a multiply-add counted as two; 0 if it is no contraction.
    gbs : float
        10⁹ bytes a second, every array counted once.
    share : float
        Of the measured peak, 0–1: of multiply-adds or of memory, whichever is nearer.
    """

    label: str
    milliseconds: float
    gflops: float
    gbs: float
    share: float


@dataclass(frozen=True)
class Profile:
    """A program's calls with their times."""

    lines: tuple[Line, ...]
    milliseconds: float
    memory: int
    kernels: int
    threads: int
    on_host: tuple[str, ...]

    def table(self, most: int = 40) -> str:
        """The calls as text, those that take longest first."""
        head = f"{'ms':>9} {'share':>6} {'GFLOP/s':>8} {'GB/s':>7} {'of peak':>8}  call"
        lines = [head]
        ranked = sorted(self.lines, key=lambda one: -one.milliseconds)
        for one in ranked[:most]:
            part = one.milliseconds / self.milliseconds if self.milliseconds else 0.0
            gflops = f"{one.gflops:8.1f}" if one.gflops else f"{'':8}"
            lines.append(
                f"{one.milliseconds:9.4f} {part:6.1%} {gflops} {one.gbs:7.1f} {one.share:8.1%}"
                f"  {one.label}"
            )
        if len(ranked) > most:
            rest = sum(one.milliseconds for one in ranked[most:])
            share = rest / self.milliseconds
            lines.append(f"{rest:9.4f} {share:6.1%} {'':33} {len(ranked) - most} more")
        lines.append(
            f"{self.milliseconds:9.4f} in all: {len(self.lines)} calls of {self.kernels} kernels "
            f"on {self.threads} threads, {readable(self.memory)} planned"
        )
        if self.on_host:
            lines.append("Without native form, computed by NumPy: " + ", ".join(self.on_host))
        return "\n".join(lines)


def profile(
    bound: Bound, leaves: Sequence[Any], peaks: Peaks | None, repetitions: int = 10
) -> Profile:
    """Run a program and take the time of each call.

    Parameters
    ----------
    bound : Bound
        Its states go on as in training.
    leaves : sequence of tensors
        The arguments.
    peaks : Peaks or None
        What `peak.measure` found; without it no shares are told.
    """
    program = bound.program
    threads = 1 if program.small else bound.threads or get_num_threads()
    for _ in range(_WARM):
        bound.run(leaves)
    program.table.nanoseconds()
    program.table.profile = True
    try:
        for _ in range(repetitions):
            bound.run(leaves)
    finally:
        program.table.profile = False
    times = program.table.nanoseconds() / repetitions / 1e6
    lines = []
    for call, spent in zip(program.calls, times.tolist(), strict=True):
        seconds = max(spent, 1e-6) / 1e3
        kernel = call.kernel
        gflops = 2 * kernel.multiply_adds / seconds / 1e9 if kernel else 0.0
        gbs = kernel.bytes / seconds / 1e9 if kernel else 0.0
        share = 0.0
        if peaks is not None:
            share = max(gflops / peaks.fma(threads), gbs / peaks.memory(threads))
        lines.append(Line(call.label, spent, gflops, gbs, share))
    return Profile(
        tuple(lines),
        float(times.sum()),
        program.nbytes,
        len(program.kernels),
        threads,
        tuple(call.label for call in program.calls if call.kernel is None),
    )

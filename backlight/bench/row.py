"""What was measured: a measurement a contender, a row a workload, and the ratios between them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

from backlight.bench.peer import EAGER, OURS
from backlight.bench.workload import Kind, Target, Workload, framework


@dataclass
class Measurement:
    """What one contender did.

    Attributes
    ----------
    contender, version : str
    samples : list of float
        Seconds for one unit of work (or bytes, for memory), of all rounds.
    first_call : float
        Seconds of the first call, compilation included.
    failed : str
        Why there are no samples; empty if there are.
    missing : str
        The framework, where it is not installed.
    """

    contender: str
    version: str = ""
    samples: list[float] = field(default_factory=list)
    first_call: float = 0.0
    failed: str = ""
    missing: str = ""

    @property
    def median(self) -> float:
        """The middle of all samples."""
        return statistics.median(self.samples)

    @property
    def least(self) -> float:
        """The smallest sample: what the processor can do when nobody disturbs it."""
        return min(self.samples)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; only some of the samples' figures."""
        found: dict[str, Any] = {"contender": self.contender, "version": self.version}
        if self.missing:
            found["missing"] = self.missing
        if not self.samples:
            return found | {"failed": self.failed}
        return found | {
            "median": self.median,
            "min": self.least,
            "samples": len(self.samples),
            "first_call": self.first_call,
        }


@dataclass(frozen=True)
class Comparison:
    """Backlight against the best of some peers, and whether the target is met."""

    target: Target | None
    ours: Measurement
    best: Measurement | None

    @property
    def ratio(self) -> float | None:
        """Our median over the best peer's."""
        return None if self.best is None else self.ours.median / self.best.median

    @property
    def ratio_of_least(self) -> float | None:
        """The same of the smallest samples: less disturbed by what else a machine does."""
        return None if self.best is None else self.ours.least / self.best.least

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none, or nobody to compare with."""
        if self.target is None:
            return None
        if self.target.limit is not None:
            return self.ours.median <= self.target.limit
        if self.ratio is None or self.target.ratio is None:
            return None
        return self.ratio <= self.target.ratio


@dataclass
class Row:
    """A workload's measurements for one number of threads."""

    workload: Workload
    threads: int
    measurements: list[Measurement]
    difference: float = 0.0
    disagreement: str = ""
    peak_flop: float = 0.0
    peak_traffic: float = 0.0

    @property
    def timed(self) -> list[Measurement]:
        """Those that were measured."""
        return [one for one in self.measurements if one.samples]

    @property
    def ours(self) -> Measurement | None:
        """Backlight's: compiled before eager, the best variant as for the peers."""
        ours = self.variants
        return min(ours, key=lambda one: one.median, default=None)

    @property
    def variants(self) -> list[Measurement]:
        """Backlight's compiled variants; where there is none, the eager one."""
        ours = [one for one in self.timed if framework(one.contender) == OURS]
        return [one for one in ours if one.contender != EAGER] or ours

    def best(self, against: tuple[str, ...] = ()) -> Measurement | None:
        """The peer with the smallest median, among these frameworks or all."""
        peers = [
            one
            for one in self.timed
            if (name := framework(one.contender)) != OURS and (not against or name in against)
        ]
        return min(peers, key=lambda one: one.median, default=None)

    def comparisons(self) -> list[Comparison]:
        """One for each target, and one against every peer if no target is against all."""
        ours = self.ours
        if ours is None:
            return []
        targets: list[Target | None] = list(self.workload.targets)
        overall = self.best()
        if not any(t is None or (self.best(t.against) is overall) for t in targets):
            targets.append(None)
        return [
            Comparison(target, ours, self.best(target.against) if target else overall)
            for target in targets
        ]

    def share_of_peak(self, measured: Measurement) -> float | None:
        """The part of the processor's or the memory's measured peak that was used."""
        if self.workload.kind is not Kind.TIME:
            return None
        shares = []
        if self.workload.flop and self.peak_flop:
            shares.append(self.workload.flop / measured.median / self.peak_flop)
        if self.workload.traffic and self.peak_traffic:
            shares.append(self.workload.traffic / measured.median / self.peak_traffic)
        return max(shares, default=None)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        found: dict[str, Any] = {
            "workload": self.workload.name,
            "title": self.workload.title,
            "kind": self.workload.kind.value,
            "unit": self.workload.kind.unit,
            "threads": self.threads,
            "flop": self.workload.flop,
            "traffic": self.workload.traffic,
            "difference": self.difference if self.difference < float("inf") else None,
            "disagreement": self.disagreement,
            "contenders": [],
            "comparisons": [],
        }
        for one in self.measurements:
            share = self.share_of_peak(one) if one.samples else None
            found["contenders"].append(one.to_dict() | ({} if share is None else {"share": share}))
        for comparison in self.comparisons():
            target, best = comparison.target, comparison.best
            found["comparisons"].append(
                {
                    "best": None if best is None else best.contender,
                    "ratio": comparison.ratio,
                    "ratio_of_least": comparison.ratio_of_least,
                    "target": None if target is None else target.ratio,
                    "limit": None if target is None else target.limit,
                    "met": comparison.met,
                }
            )
        return found

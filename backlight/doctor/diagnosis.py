"""A diagnosis: every probe's finding, causes before what follows from them, as text or data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from threadpoolctl import threadpool_limits

from backlight.doctor import probes
from backlight.doctor.evidence import Evidence
from backlight.doctor.finding import Finding, Verdict
from backlight.doctor.probe import PROBES
from backlight.doctor.remarks import told
from backlight.doctor.session import INTERRUPTED
from backlight.errors import BacklightError
from backlight.words import say

__all__ = ["Diagnosis", "diagnose"]

del probes  # imported for the declarations in it


_TOLD_FIRST = {"loss_at_chance": 0, "wrong_gradient": 1, "not_normalised": 2}
"""What is named of all that is well."""


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor says.

    Attributes
    ----------
    target : str
        What was examined.
    findings : tuple of Finding
        One a probe, in the order in which the probes are declared.
    stopped : str
        Why the script was not watched to its end; "" if it was.
    remarks : tuple of mappings
        What the watch remarked upon while a run was trained.
    error : str
        What the script raised; "" if it came to its end.
    """

    target: str
    findings: tuple[Finding, ...]
    stopped: str = ""
    remarks: tuple[Mapping[str, Any], ...] = ()
    error: str = ""

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The faults that nothing else explains."""
        return tuple(f for f in self.findings if f.verdict is Verdict.FAULT and not f.follows)

    @property
    def consequences(self) -> tuple[Finding, ...]:
        """The faults and warnings that follow from a fault."""
        return tuple(f for f in self.findings if f.follows)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is unusual, and may be meant."""
        return tuple(f for f in self.findings if f.verdict is Verdict.WARNING and not f.follows)

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    def text(self, *, everything: bool = False, language: str | None = None) -> str:
        """The diagnosis as lines for a terminal."""
        lines: list[str] = []
        for found in self.faults:
            lines += _told(found, say("doctor.word.fault", language), language)
        for found in self.warnings:
            lines += _told(found, say("doctor.word.warning", language), language)
        for found in self.consequences:
            causes = ", ".join(PROBES[name].name for name in found.follows)
            because = say("doctor.word.follows", language, causes=causes)
            lines.append(f"{because}  {found.found(language)}")
        for remark in self.remarks:
            sentence = told(remark, language)
            lines.append(say("doctor.word.remark", language, step=remark["step"], told=sentence))
        lines += self._rest(everything, language)
        counts = (len(self.faults), len(self.warnings))
        lines.append(say("doctor.word.count", language, faults=counts[0], warnings=counts[1]))
        if self.stopped:
            lines.append(self._stopped(language))
        if self.error:
            lines.append(say("doctor.word.error", language, error=self.error))
        return "\n".join(lines)

    def _stopped(self, language: str | None) -> str:
        """Why there may be more than was seen: so many updates, so many seconds, or Ctrl-C."""
        if self.stopped == INTERRUPTED:
            return say("doctor.word.interrupted", language)
        if self.stopped.isdigit():
            return say("doctor.word.enough", language, steps=self.stopped)
        return say("doctor.word.stopped", language, after=self.stopped)

    def _rest(self, everything: bool, language: str | None) -> list[str]:
        ok = [f for f in self.findings if f.verdict is Verdict.OK]
        unchecked = [f for f in self.findings if f.verdict is Verdict.UNCHECKED]
        word, nothing = say("doctor.word.ok", language), say("doctor.word.unchecked", language)
        if not everything:
            more = len(ok) + len(unchecked) - len(ok[:3])
            ok.sort(key=lambda one: _TOLD_FIRST.get(one.probe, len(_TOLD_FIRST)))
            named = " · ".join(f"{word}  {one.title(language)}" for one in ok[:3])
            rest = say("doctor.word.more", language, count=more, unchecked=len(unchecked))
            return [" · ".join(filter(None, [named, rest]))]
        lines = [
            f"{word}  {one.title(language)}"
            + (f": {found}" if (found := one.found(language)) else "")
            + f"  ({one.expects(language)})"
            for one in ok
        ]
        return lines + [
            f"{nothing}  {one.title(language)}: {one.found(language)}" for one in unchecked
        ]

    def to_dict(self, language: str | None = None) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        return {
            "target": self.target,
            "ok": self.ok,
            "faults": [one.probe for one in self.faults],
            "warnings": [one.probe for one in self.warnings],
            "stopped": self.stopped,
            "error": self.error,
            "remarks": [{**one, "told": told(one, language)} for one in self.remarks],
            "findings": [one.to_dict(language) for one in self.findings],
        }

    def __str__(self) -> str:
        """The text, without what is well."""
        return self.text()


def diagnose(seen: Evidence, target: str = "") -> Diagnosis:
    """Ask every probe, and tell what is a cause from what follows from one."""
    with threadpool_limits(limits=1):  # many small products: threads would only wait
        found = [one(seen) for one in PROBES.values()]
    remarks = tuple(line for line in seen.history if _is_remark(line))
    problem = seen.session.error
    error = "" if problem is None else f"{type(problem).__name__}: {problem}".strip()
    return Diagnosis(target, tuple(_explained(found)), seen.session.stopped, remarks, error)


def _is_remark(line: Mapping[str, Any]) -> bool:
    """Whether a line of the metrics is a remark that can be told."""
    if line.get("event") != "remark":
        return False
    try:
        return bool(told(line)) and "step" in line
    except (KeyError, TypeError, ValueError, BacklightError):
        return False


def _explained(found: Iterable[Finding]) -> Iterable[Finding]:
    """Findings with the faults of lower levels that explain them."""
    found = list(found)
    for one in found:
        level = PROBES[one.probe].level
        causes = tuple(
            other.probe
            for other in found
            if other.verdict is Verdict.FAULT and PROBES[other.probe].level < level
        )
        wrong = one.verdict in (Verdict.FAULT, Verdict.WARNING)
        yield replace(one, follows=causes) if wrong and causes else one


def _told(found: Finding, word: str, language: str | None) -> list[str]:
    """A fault or warning: what was seen, what is expected, what to do."""
    margin = " " * (len(word) + 2)
    lines = [f"{word}  {found.found(language)}"]
    lines.append(margin + say("doctor.word.expected", language, what=found.expects(language)))
    lines.append(margin + say("doctor.word.try", language, what=found.remedy(language)))
    return lines

"""What a probe found: a verdict, a number, and sentences kept under the probe's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from backlight.words import say


class Verdict(Enum):
    """How a check ended. That something was not checked is an answer too, and is said."""

    FAULT = "fault"
    WARNING = "warning"
    OK = "ok"
    UNCHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """One probe's answer.

    Attributes
    ----------
    probe : str
        The probe's name, under which `words/*/doctor.toml` keeps what it says.
    verdict : Verdict
    number : float or None
        What was measured, in the unit that the sentence gives it.
    values : mapping
        What stands in the places of its sentences.
    reason : str
        Why it was not checked: an entry of `doctor.unchecked`.
    follows : tuple of str
        The probes whose faults explain this one; it is then told as their consequence.
    """

    probe: str
    verdict: Verdict
    number: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    follows: tuple[str, ...] = ()

    def title(self, language: str | None = None) -> str:
        """What is checked, in a few words."""
        return say(f"doctor.{self.probe}.title", language)

    def expects(self, language: str | None = None) -> str:
        """What is seen where all is well."""
        return say(f"doctor.{self.probe}.expects", language)

    def found(self, language: str | None = None) -> str:
        """What was seen, with its numbers: of a fault, of what is well; or why nothing was."""
        if self.verdict is Verdict.UNCHECKED:
            return say(f"doctor.unchecked.{self.reason}", language, **self.values)
        if self.verdict is Verdict.OK:
            if self.values:
                return say(f"doctor.{self.probe}.well", language, **self.values)
            return "" if self.number is None else f"{self.number:.3g}"
        return say(f"doctor.{self.probe}.found", language, **self.values)

    def remedy(self, language: str | None = None) -> str:
        """What to do about it."""
        return say(f"doctor.{self.probe}.remedy", language, **self.values)

    def to_dict(self, language: str | None = None) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        wrong = self.verdict in (Verdict.FAULT, Verdict.WARNING)
        return {
            "probe": self.probe,
            "verdict": self.verdict.value,
            "number": self.number,
            "title": self.title(language),
            "expects": self.expects(language),
            "found": self.found(language),
            "remedy": self.remedy(language) if wrong else "",
            "follows": list(self.follows),
        }

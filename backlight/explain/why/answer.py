"""The answer to why: everything found about one gradient, as data, as words and as a table."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from backlight.explain.circuit.circuit import Array, Circuit
from backlight.explain.why.chain import Budget
from backlight.explain.why.examples import Pushes
from backlight.explain.why.missing import Missing
from backlight.explain.why.nonfinite import Birth
from backlight.explain.why.paths import Account, Place
from backlight.explain.why.region import norm
from backlight.explain.why.removed import Removal
from backlight.explain.why.stopped import Stop
from backlight.explain.why.telling import label, lines, overview_lines, subject
from backlight.explain.why.telling import table as table_of


@dataclass(frozen=True)
class Why:
    """Where a gradient came from.

    Attributes
    ----------
    circuit : Circuit
        The computation that was asked about.
    name : str
        What was asked about, and `target` its node (None if the circuit has none for it).
    entry : tuple of int or None
        Which of its numbers; None for all of it.
    outcome : str
        "number", "zero", "none" (no gradient arrives) or "nonfinite".
    gradient : float or None
        The number's gradient; the norm of the whole if no number was named.
    account : Account or None
        Paths, factors and remainder, for one number.
    budget : Budget or None
        What each gate did to the size of the gradient.
    removals : tuple of Removal
        Gates that let part of it not through.
    stops : tuple of Stop
        For a zero: the gates that made it so.
    pushes : Pushes or None
        What the examples of the batch bring.
    birth : Birth or None
        Where a NaN or an infinity was made.
    missing : Missing or None
        Why no gradient arrives.
    detached : tuple of (int, int)
        Constants in the circuit that are copies of other nodes without their history.
    language : str or None
        The language of the words; None for the one that is spoken.
    """

    circuit: Circuit
    name: str
    target: int | None
    entry: Place | None
    outcome: str
    gradient: float | None
    account: Account | None = None
    budget: Budget | None = None
    removals: tuple[Removal, ...] = ()
    stops: tuple[Stop, ...] = ()
    pushes: Pushes | None = None
    birth: Birth | None = None
    missing: Missing | None = None
    detached: tuple[tuple[int, int], ...] = ()
    language: str | None = None

    @cached_property
    def subject(self) -> str:
        """The number or tensor that was asked about, as one would write it."""
        return subject(self)

    @property
    def value(self) -> Array | None:
        """The value whose gradient it is."""
        return None if self.target is None else self.circuit.nodes[self.target].value

    def in_words(self, language: str | None = None) -> str:
        """The whole answer as text, in English or Korean."""
        return "\n".join(lines(self, language or self.language))

    def __str__(self) -> str:
        """The answer in words."""
        return self.in_words()

    def __repr__(self) -> str:
        """The question, and the kind of answer."""
        return f"<why {self.subject}: {self.outcome}>"

    def _repr_html_(self) -> str:
        """A small table, for notebooks."""
        return table_of(self, self.language)

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain values, for JSON: gates by number, name and layer."""
        told: dict[str, Any] = {
            "name": self.name,
            "entry": None if self.entry is None else list(self.entry),
            "outcome": self.outcome,
            "gradient": self.gradient,
            "shape": None if self.value is None else list(self.value.shape),
            "account": None if self.account is None else asdict(self.account),
            "budget": None,
            "removals": [asdict(one) for one in self.removals],
            "stops": [asdict(one) for one in self.stops],
            "examples": None if self.pushes is None else asdict(self.pushes),
            "nonfinite": None if self.birth is None else asdict(self.birth),
            "missing": None if self.missing is None else asdict(self.missing),
            "detached": [list(pair) for pair in self.detached],
            "gates": {
                str(node.index): {
                    "gate": node.gate.name,
                    "layer": node.layer,
                    "label": label(self.circuit, node.index, "en"),
                }
                for node in self.circuit.gates
                if node.gate is not None
            },
            "words": self.in_words(),
        }
        if self.account is not None:
            told["account"]["cancelled"] = self.account.cancelled
        if self.pushes is not None:
            told["examples"]["cancelled"] = self.pushes.cancelled
        if self.budget is not None:
            told["budget"] = asdict(self.budget) | {"by_cause": self.budget.by_cause()}
        found: dict[str, Any] = _plain(told)
        return found


@dataclass(frozen=True)
class Overview:
    """Every leaf of a circuit with its gradient and what became of it, in short."""

    circuit: Circuit
    reasons: tuple[Why, ...]
    language: str | None = None

    def __getitem__(self, name: str) -> Why:
        return next(reason for reason in self.reasons if reason.name == name)

    def in_words(self, language: str | None = None) -> str:
        """A line for each leaf."""
        return "\n".join(overview_lines(self.reasons, language or self.language))

    def __str__(self) -> str:
        """A line for each leaf."""
        return self.in_words()

    def _repr_html_(self) -> str:
        """The tables of all leaves."""
        return "".join(reason._repr_html_() for reason in self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """The answers as plain values, by name."""
        return {reason.name: reason.to_dict() for reason in self.reasons}


def size_of(gradient: Array | None, entry: Place | None) -> float | None:
    """The number of a gradient, or its norm."""
    if gradient is None:
        return None
    return norm(gradient) if entry is None else float(gradient[entry])


def _plain(value: Any) -> Any:
    """NaN and infinities as words: JSON has no numbers for them."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value

"""What a run folder says, read once, with every number checked to be a number.

A run may still be going on, may have been killed, or may have stopped at a NaN: whatever is
missing is None here, and the page leaves it out.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from backlight.train.run import Run

Line = dict[str, Any]
Numbers = list[float | None]


def number(value: Any) -> float | None:
    """The value if it is a finite number, else None."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def known(values: Iterable[float | None]) -> list[float]:
    """The values that are there."""
    return [value for value in values if value is not None]


@dataclass
class Record:
    """One run as the page sees it.

    `start` and `end` are the lines of those events (`end` is empty while there is none), `steps`,
    `layers`, `activations`, `epochs` and `remarks` the lines of the others in their order.
    """

    name: str
    start: Line = field(default_factory=dict)
    steps: list[Line] = field(default_factory=list)
    layers: list[Line] = field(default_factory=list)
    activations: list[Line] = field(default_factory=list)
    epochs: list[Line] = field(default_factory=list)
    remarks: list[Line] = field(default_factory=list)
    end: Line = field(default_factory=dict)
    timings: list[Line] = field(default_factory=list)
    settings: Line = field(default_factory=dict)
    environment: Line = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        names = self.start.get("classes")
        return [str(name) for name in names] if isinstance(names, list) else []

    @property
    def probabilistic(self) -> bool:
        """Whether the scores become probabilities by softmax."""
        return self.start.get("probabilistic") is not False

    def size(self, split: str) -> int | None:
        """Examples in a split."""
        sizes = self.start.get("sizes")
        found = number(sizes.get(split)) if isinstance(sizes, dict) else None
        return None if found is None else int(found)

    @property
    def steps_per_epoch(self) -> float | None:
        """Steps an epoch takes, known once one has ended."""
        for line in self.epochs:
            step, epoch = number(line.get("step")), number(line.get("epoch"))
            if step and epoch and epoch > 0 and step > 0:
                return step / epoch
        return None

    @property
    def unit(self) -> str:
        """What the horizontal axes count: epochs, or steps while no epoch has ended."""
        return "epoch" if self.steps_per_epoch else "step"

    def times(self, lines: Iterable[Line]) -> list[float]:
        """When the lines were written, in `unit`."""
        per = self.steps_per_epoch or 1.0
        return [(number(line.get("step")) or 0.0) / per for line in lines]

    @property
    def best_epoch(self) -> float | None:
        """The epoch whose weights were kept."""
        return number(self.end.get("best_epoch"))

    @property
    def seconds(self) -> float | None:
        """Time of all epochs together."""
        found = known(number(line.get("seconds")) for line in self.timings)
        return sum(found) if found else None

    @property
    def images_per_second(self) -> float | None:
        """Median speed over the epochs."""
        found = sorted(known(number(line.get("images_per_second")) for line in self.timings))
        return found[len(found) // 2] if found else None

    @property
    def layer_names(self) -> list[str]:
        """Parameters whose gradients were watched, in the order of the model."""
        names: dict[str, None] = {}
        for line in self.layers:
            for part in ("gradient_norm", "update_ratio"):
                found = line.get(part)
                names.update(dict.fromkeys(found if isinstance(found, dict) else {}))
        return list(names)


def column(lines: Iterable[Line], name: str) -> Numbers:
    """One field of all lines."""
    return [number(line.get(name)) for line in lines]


def nested(lines: Iterable[Line], part: str, name: str) -> Numbers:
    """One field of a dictionary inside all lines."""
    found: Numbers = []
    for line in lines:
        inside = line.get(part)
        found.append(number(inside.get(name)) if isinstance(inside, dict) else None)
    return found


def read(run: Run) -> Record:
    """Everything the page shows of a run, except the examined predictions.

    Raises
    ------
    CheckpointError
        If a line of the metrics is damaged; the message says which.
    """
    record = Record(run.path.resolve().name or str(run.path))
    events = {
        "step": record.steps,
        "layers": record.layers,
        "activations": record.activations,
        "epoch": record.epochs,
        "remark": record.remarks,
    }
    for line in run.read("metrics"):
        event = line.get("event")
        if event == "start" and not record.start:
            record.start = line
        elif event == "end":
            record.end = line
        elif isinstance(event, str) and event in events:
            events[event].append(line)
    record.timings = run.read("timings")
    record.settings = _toml(run, record.problems)
    record.environment = _json(run, record.problems)
    return record


def _toml(run: Run, problems: list[str]) -> Line:
    path = run.path / "config.toml"
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except (OSError, ValueError) as problem:
        problems.append(f"{path.name} could not be read: {problem}")
        return {}


def _json(run: Run, problems: list[str]) -> Line:
    path = run.path / "environment.json"
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as problem:
        problems.append(f"{path.name} could not be read: {problem}")
        return {}
    return found if isinstance(found, dict) else {}

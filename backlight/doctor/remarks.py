"""The watch during training: what is written down anyway, read as it comes, and remarked upon once.

It computes nothing of the model itself, so that it changes no bits and costs next to nothing. Its
state follows from the lines of `metrics.jsonl` alone: a resumed run hears them again, and then
remarks upon what an uninterrupted one would.

Source: CS231n, "Neural networks 3" (babysitting the learning process).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from backlight.words import say

Line = Mapping[str, Any]

MANY_DEAD = 0.4
"""The notes' bound: so many dead ReLUs are the sign of too high a learning rate."""
MANY_SATURATED = 0.5
LARGE_RATIO, SMALL_RATIO = 0.1, 1e-6
IN_A_ROW, LOW_IN_A_ROW = 3, 2
"""Observations in a row that an update ratio must be out of range: the first ones are large."""
VANISHED = 1e-6
ROSE = 1.5
FLAT, FLAT_EPOCHS = 0.01, 5
WIDE_GAP = 0.15
TURNED, TURNED_EPOCHS = 1.5, 3
SLOW = 0.05
"""Weight of the newest step in the running mean of the loss."""
FAR = 3.0
BEGINNING = 20


@dataclass
class Watch:
    """Hears every event of the training loop and answers with remarks, each only once.

    Parameters
    ----------
    weights : iterable of str
        The parameters whose update ratios mean something: matrices and filter banks. Biases begin
        at 0, and their first ratios are large.

    Examples
    --------
    >>> watch = Watch(["0.weight"])
    >>> layers = {"1": {"dead": 0.75, "saturated": None}}
    >>> watch.hear("activations", {"epoch": 1, "layers": layers})
    [{'kind': 'dead', 'about': '1', 'share': 0.75}]
    >>> watch.hear("activations", {"epoch": 2, "layers": layers})
    []
    """

    weights: Iterable[str]
    _said: set[tuple[str, str]] = field(default_factory=set)
    _rows: dict[tuple[str, str], int] = field(default_factory=dict)
    _epochs: list[Line] = field(default_factory=list)
    _mean: float = math.nan
    _least: float = math.inf
    _steps: int = 0
    _rate: float = 0.0
    _largest_rate: float = 0.0

    def __post_init__(self) -> None:
        self.weights = frozenset(self.weights)

    def hear(self, event: str, line: Line) -> list[dict[str, Any]]:
        """Take note of an event; what there is to remark upon it.

        Returns
        -------
        list of dict
            "kind" (an entry of `doctor.remark` in the words), "about" (a layer or parameter, or
            "") and the numbers of its sentence.
        """
        listen = _EARS.get(event)
        if listen is None:
            return []
        new = []
        for remark in listen(self, line):
            key = (remark["kind"], remark["about"])
            if key not in self._said:
                self._said.add(key)
                new.append(remark)
        return new

    def recall(self, lines: Iterable[Line]) -> None:
        """Hear the lines of an earlier part of the run again; damaged ones are passed over."""
        for line in lines:
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                self.hear(str(line.get("event", "")), line)

    # ── one method an event ────────────────────────────────────────────────────────────────

    def _start(self, line: Line) -> Iterator[dict[str, Any]]:
        # A rate that is far too large has done its harm before a mean of the steps is known.
        self._least = min(self._least, float(line["loss_before_learning"]))
        yield from ()

    def _step(self, line: Line) -> Iterator[dict[str, Any]]:
        loss = line["loss"]
        self._rate = line["lr"]
        self._largest_rate = max(self._largest_rate, self._rate)
        self._steps += 1
        self._mean = loss if self._steps == 1 else self._mean + SLOW * (loss - self._mean)
        if self._steps < BEGINNING:
            return
        self._least = min(self._least, self._mean)
        if self._mean > FAR * self._least and self._mean > self._least + 1.0:
            yield _remark("rising", "", best=self._least, now=self._mean)

    def _layers(self, line: Line) -> Iterator[dict[str, Any]]:
        for name, ratio in line["update_ratio"].items():
            if name not in self.weights:
                continue
            # A schedule lets the rate go to 0 in the end: a small ratio is then as it should be.
            early = self._rate > 0.1 * self._largest_rate
            for kind, out in (
                ("ratio_high", ratio > LARGE_RATIO),
                ("ratio_low", ratio < SMALL_RATIO and early),
            ):
                enough = LOW_IN_A_ROW if kind == "ratio_low" else IN_A_ROW
                if self._in_a_row(kind, name, out, enough):
                    yield _remark(kind, name, ratio=ratio)
        norms = {name: norm for name, norm in line["gradient_norm"].items() if name in self.weights}
        largest = max(norms.values(), default=0.0)
        for name, norm in norms.items():
            if self._in_a_row("vanishing", name, norm < VANISHED * largest):
                yield _remark("vanishing", name, ratio=norm / largest)

    def _in_a_row(self, kind: str, name: str, out: bool, enough: int = IN_A_ROW) -> bool:
        key = (kind, name)
        self._rows[key] = self._rows.get(key, 0) + 1 if out else 0
        return self._rows[key] >= enough

    def _activations(self, line: Line) -> Iterator[dict[str, Any]]:
        for path, seen in line["layers"].items():
            if (seen["dead"] or 0.0) >= MANY_DEAD:
                yield _remark("dead", path, share=seen["dead"])
            if (seen["saturated"] or 0.0) >= MANY_SATURATED:
                yield _remark("saturated", path, share=seen["saturated"])

    def _epoch(self, line: Line) -> Iterator[dict[str, Any]]:
        self._epochs.append(line)
        epochs = self._epochs
        losses = [one["train_loss"] for one in epochs]
        least = min(losses)
        if losses[-1] > ROSE * least and losses[-1] > least + 0.1:
            yield _remark("rising", "", best=least, now=losses[-1])
        recent = losses[-FLAT_EPOCHS:]
        level = max(recent) - min(recent) <= FLAT * abs(recent[0])
        unlearnt = recent[-1] > 0.5 * max(losses)
        if len(recent) == FLAT_EPOCHS and level and unlearnt and self._rate > 0:
            yield _remark("flat", "", now=recent[-1], epochs=FLAT_EPOCHS)
        gap = line["train_accuracy"] - line["validation_accuracy"]
        if gap > WIDE_GAP and len(epochs) >= FLAT_EPOCHS:
            yield _remark("gap", "", gap=gap)
        held = [one["validation_loss"] for one in epochs]
        place = held.index(min(held))
        late = len(held) - 1 - place >= TURNED_EPOCHS
        if late and held[-1] > TURNED * held[place] and held[-1] > held[place] + 0.1:
            yield _remark(
                "turned", "", best=held[place], epoch=epochs[place]["epoch"], now=held[-1]
            )


_EARS: dict[str, Any] = {
    "start": Watch._start,
    "step": Watch._step,
    "layers": Watch._layers,
    "activations": Watch._activations,
    "epoch": Watch._epoch,
}


def _remark(kind: str, about: str, **numbers: float) -> dict[str, Any]:
    return {"kind": kind, "about": about, **numbers}


def told(remark: Mapping[str, Any], language: str | None = None) -> str:
    """A remark as a sentence.

    Examples
    --------
    >>> told({"kind": "dead", "about": "hidden2", "share": 0.75}, "en")
    'layer hidden2: 75% of the ReLUs are dead (0 for every one of the examples looked at)'
    """
    values: dict[str, str] = {"layer": remark["about"], "name": remark["about"]}
    for name, number in remark.items():
        if name in ("share", "gap"):
            values[name] = f"{number:.0%}"
        elif name in ("epoch", "epochs"):
            values[name] = str(int(number))
        elif name == "ratio":
            values[name] = f"{number:.1e}"
        elif isinstance(number, float):
            values[name] = f"{number:.4g}"
    return say(f"doctor.remark.{remark['kind']}", language, **values)

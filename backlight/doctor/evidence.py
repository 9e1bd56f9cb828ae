"""What the probes look at: a session, what follows from it, and experiments made when asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from backlight.doctor import experiment
from backlight.doctor.left_alone import touched_by_others
from backlight.doctor.probe import NotChecked
from backlight.doctor.replay import loss_at_scores
from backlight.doctor.session import Look, Session
from backlight.doctor.trained import Trained
from backlight.explain.circuit.circuit import Circuit, Node
from backlight.gates.family import Elementwise
from backlight.gates.gate import Gate, Role

Array = np.ndarray[Any, Any]

MOST_EXAMPLES = 1000
_ADJUSTS = {"clip", "maximum", "minimum", "add", "subtract", "multiply", "divide"}
_PEAK = 20.0
FEW_STEPS = 12
"""Below this many steps nothing is said of how the loss went."""


@dataclass
class Evidence:
    """Everything a probe may ask.

    Attributes
    ----------
    session : Session
    held_out : array or None
        Inputs of the validation or test split, where they are known.
    history : list of dict
        The lines of a run's metrics, if there is a run.
    few : Look or None
        One pass over 20 examples, where the doctor could choose them.
    trained : Trained or None
        The model as training left it, where there is a checkpoint.
    """

    session: Session
    held_out: Array | None = None
    history: Sequence[Mapping[str, Any]] = ()
    few: Look | None = None
    trained: Trained | None = None
    _faults: list[str] = field(default_factory=list)

    # ── the first pass ─────────────────────────────────────────────────────────────────────

    @property
    def look(self) -> Look:
        """The first look, before any update."""
        if self.session.first is None:
            raise NotChecked("no_backward")
        return self.session.first

    @property
    def looks(self) -> list[Look]:
        """The looks of training, or the one at the trained model where there is one."""
        return self.session.looks if self.trained is None else [self.trained.look]

    @property
    def circuit(self) -> Circuit:
        """The circuit of the first pass."""
        found = self.look.circuit
        if found is None:
            raise NotChecked("no_backward")
        return found

    @cached_property
    def scores(self) -> Array:
        """What the model answered in the first pass."""
        if self.look.scores < 0:
            raise NotChecked("no_scores")
        return self.circuit.nodes[self.look.scores].value

    @cached_property
    def at_zero(self) -> float:
        """The loss where all scores are 0: chance, whatever the loss is."""
        scores = self.scores
        found = loss_at_scores(self.circuit, self.look.scores)(np.zeros_like(scores))
        if not math.isfinite(found):
            raise NotChecked("no_scores")
        return found

    @cached_property
    def penalties(self) -> list[int]:
        """Nodes that are added to the loss and do not depend on the scores: weight penalties."""
        if self.look.scores < 0:
            raise NotChecked("no_scores")
        circuit, behind = self.circuit, {self.look.scores}
        for node in circuit.gates:
            if not behind.isdisjoint(node.inputs):
                behind.add(node.index)
        found = []
        for index in sorted(behind - {self.look.scores}):
            node = circuit.nodes[index]
            if node.gate is None or node.gate.name not in ("add", "subtract"):
                continue
            found += [
                i
                for i in node.inputs
                if i not in behind
                and circuit.nodes[i].value.ndim == 0
                and circuit.gradients[i] is not None
            ]
        return found

    def drawn(self, *gates: Gate) -> Iterator[Node]:
        """The nodes of the first pass that these gates made."""
        for node in self.circuit.gates:
            if any(node.gate is gate for gate in gates):
                yield node

    def behind_movers(self, index: int) -> int:
        """The node from which this one came, looking through reshapes and the like."""
        node = self.circuit.nodes[index]
        while node.gate is not None and node.gate.role is Role.MOVER and node.inputs[0] >= 0:
            node = self.circuit.nodes[node.inputs[0]]
        return node.index

    def behind_adjustments(self, index: int) -> Node:
        """The node from which this one came, also through clips, added and multiplied constants."""
        node = self.circuit.nodes[self.behind_movers(index)]
        while isinstance(node.gate, Elementwise) and node.gate.name in _ADJUSTS:
            moving = [i for i in node.inputs if i >= 0 and self.circuit.gradients[i] is not None]
            if len(moving) != 1:
                break
            node = self.circuit.nodes[self.behind_movers(moving[0])]
        return node

    def weights(self) -> Iterator[tuple[str, Node, int]]:
        """(name, gate that multiplies with it, inputs of one output) of each weight, in order."""
        for node in self.circuit.gates:
            if node.gate is None or type(node.gate).multiply_adds is Gate.multiply_adds:
                continue
            for wire in node.inputs[:2]:
                leaf = self.circuit.nodes[wire] if wire >= 0 else None
                if leaf is None or leaf.kind == "constant" or leaf.kind == "gate":
                    if leaf is None or leaf.gate is None or leaf.gate.role is not Role.MOVER:
                        continue
                    leaf = self.circuit.nodes[self.behind_movers(wire)]
                if leaf.kind in ("parameter", "input") and leaf.value.ndim > 1:
                    yield leaf.name, node, _fan_in(node, leaf)
                    break

    # ── the data ───────────────────────────────────────────────────────────────────────────

    @cached_property
    def examples(self) -> tuple[Array, Array]:
        """Distinct training examples that were seen: inputs (n, …) and targets (n, …)."""
        session = self.session
        if session.alternates:
            raise NotChecked("several_losses")
        if not session.inputs:
            raise NotChecked("no_examples")
        inputs = np.concatenate(_alike(session.inputs))
        targets = np.concatenate(_alike(session.targets))
        if len(inputs) != len(targets):
            raise NotChecked("no_examples")
        rows = fingerprints(inputs)
        _, first = np.unique(rows, return_index=True)
        kept = np.sort(first)[: 4 * MOST_EXAMPLES]
        return inputs[kept], targets[kept]

    @cached_property
    def labels(self) -> Array:
        """The classes of the examples; not checked where the targets are not one class each."""
        targets = self.examples[1]
        if targets.ndim == 2 and targets.shape[1] == 1:
            targets = targets[:, 0]
        whole = targets.dtype.kind in "iub" or (
            self.is_binary and bool(np.isin(targets, (0.0, 1.0)).all())
        )
        if targets.ndim != 1 or not whole:
            raise NotChecked("no_classes")
        return targets.astype(np.int64)

    @property
    def is_binary(self) -> bool:
        """Whether the loss is one of yes or no."""
        return any("binary" in node.gate.name for node in self.circuit.gates if node.gate)

    # ── how it went ────────────────────────────────────────────────────────────────────────

    @cached_property
    def losses(self) -> list[float]:
        """The loss of every step: of the run, or of what was watched."""
        told = [line.get("loss") for line in self.history if line.get("event") == "step"]
        if told:
            return [float(one) if isinstance(one, (int, float)) else math.nan for one in told]
        return self.session.losses

    @cached_property
    def fall(self) -> float:
        """The share of the first loss that training took away; negative where it rose."""
        losses = self.losses
        if self.session.alternates:
            raise NotChecked("several_losses")
        if len(losses) < FEW_STEPS:
            raise NotChecked("few_steps", steps=len(losses), needed=FEW_STEPS)
        first = losses[0]
        late = losses[-max(1, len(losses) // 5) :]
        if not all(map(math.isfinite, (first, *late))):
            return -math.inf
        return (first - float(np.mean(late))) / max(abs(first), 1e-12)

    @property
    def works(self) -> bool:
        """Whether training plainly works: a third of the loss is gone."""
        try:
            return self.fall > 1 / 3
        except NotChecked:
            return False

    def fell_less(self, share: float) -> bool:
        """Whether training took away less than this share of the loss, so far as that is known."""
        try:
            return self.fall < share
        except NotChecked:
            return False

    @property
    def broke(self) -> bool:
        """Whether the script stopped because a number was not finite."""
        from backlight.errors import NonFiniteError

        bad = bool(self.losses) and not math.isfinite(self.losses[-1])
        return bad or isinstance(self.session.error, NonFiniteError)

    @property
    def peaked(self) -> bool:
        """Whether the loss rose far above its beginning, wherever it went afterwards."""
        losses = self.losses
        return len(losses) > 1 and losses[0] > 0 and max(losses[1:]) > _PEAK * losses[0]

    def ratio(self, which: Callable[[list[float]], float] = max) -> float:
        """The median over parameters of ‖Δw‖/‖w‖, of the looks' largest (or another) step."""
        found = [float(np.median(list(k.ratios.values()))) for k in self.session.looks if k.ratios]
        if not found:
            raise NotChecked("no_updates")
        return which(found)

    # ── experiments ────────────────────────────────────────────────────────────────────────

    @cached_property
    def range_test(self) -> experiment.RangeTest:
        """How the loss falls at other learning rates, from the same start on the same batches."""
        return experiment.range_test(self.session)

    @cached_property
    def touched(self) -> float:
        """The share of examples whose answer changes when another example does."""
        if self.session.sample is None:
            raise NotChecked("no_model")
        batches = self.session.inputs
        if len(batches) < 2 or all(one is batches[0] for one in batches):
            raise NotChecked("one_batch")
        if all(np.array_equal(one, batches[0]) for one in batches[1:]):
            raise NotChecked("one_batch")
        return touched_by_others(*self.session.sample)

    @cached_property
    def by_heart(self) -> tuple[float, float, int]:
        """(first loss, last loss, examples) of learning one small batch by heart."""
        return experiment.learn_by_heart(self.few or self.look)

    @cached_property
    def gradient_errors(self) -> dict[str, float]:
        """Relative error of each parameter's gradient along a random direction, in float64."""
        return experiment.gradient_errors(self.session, self.penalties)


def fingerprints(inputs: Array) -> Array:
    """One number an example, equal for equal bytes."""
    flat = np.ascontiguousarray(inputs).reshape(len(inputs), int(np.prod(inputs.shape[1:])))
    return np.array([hash(row.tobytes()) for row in flat], np.int64)


def _alike(arrays: list[Array]) -> list[Array]:
    """The arrays whose examples have the shape of the first one's."""
    return [one for one in arrays if one.shape[1:] == arrays[0].shape[1:]]


def _fan_in(node: Node, weight: Node) -> int:
    """How many inputs one output sums over."""
    shape = weight.value.shape
    if node.inputs[0] == weight.index:
        return int(shape[-1])
    name = node.gate.name if node.gate else ""
    return int(shape[0]) if name in ("matmul", "mm") else int(np.prod(shape[1:]))

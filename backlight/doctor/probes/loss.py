"""The loss: given what it expects, over the right axis, and not drowned by the weight penalty."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backlight.doctor.evidence import Evidence
from backlight.doctor.experiment import decay_shrinks
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe, warning
from backlight.doctor.replay import parameters
from backlight.errors import ArgumentError
from backlight.explain.circuit.circuit import Node
from backlight.gates.activation import sigmoid
from backlight.gates.binary import binary_cross_entropy_with_logits
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role
from backlight.gates.loss import cross_entropy, nll_loss
from backlight.gates.softmax import log_softmax, softmax
from backlight.gates.transcendental import log
from backlight.words import say

_DROWNED, _OUTWEIGHS = 10.0, 1.0
_HARDLY_FELL, _FEW_ROWS = 0.1, 8
_TOO_HIGH, _UNUSUAL, _UNUSUAL_NUMBERS = 3.0, 1.5, 2.5
_TRIED = 1e-3
"""Strength of the penalty that is tried where none is set."""


@probe(Level.CAUSE)
def softmax_twice(seen: Evidence) -> Answer:
    """Whether a loss that takes the softmax, or the sigmoid, is given what has been through it."""
    error = seen.session.error
    if isinstance(error, ArgumentError) and "softmax" in error.got:
        return fault(None, first="softmax", second="cross_entropy", place="")
    pairs = (
        (softmax, (cross_entropy, log_softmax, softmax)),
        (sigmoid, (binary_cross_entropy_with_logits,)),
    )
    asked = False
    for first, seconds in pairs:
        for node in seen.drawn(*seconds):
            asked = True
            source = seen.behind_adjustments(node.inputs[0])
            if source.gate is first:
                return fault(
                    seen.look.loss,
                    first=first.name,
                    second=node.gate.name if node.gate else "",
                    place=f" ({source.layer})" if source.layer else "",
                )
    if not asked:
        raise NotChecked("no_softmax")
    return fine(seen.look.loss)


@probe(Level.CAUSE)
def logarithm_missing(seen: Evidence) -> Answer:
    """Whether the negative log-likelihood is given logarithms of probabilities."""
    for node in seen.drawn(nll_loss):
        given = seen.circuit.nodes[seen.behind_movers(node.inputs[0])]
        if given.gate not in (log_softmax, log) and _sums_to_one(given) is not True:
            source = given.gate.name if given.gate else given.name
            return fault(seen.look.loss, source=source, loss=f"{seen.look.loss:.4g}")
        return fine(seen.look.loss)
    raise NotChecked("no_such_loss", loss="nll_loss")


@probe(Level.CAUSE)
def softmax_over_batch(seen: Evidence) -> Answer:
    """Whether probabilities are shared out over the classes, and not over the examples."""
    scores = seen.scores
    asked = False
    for node in seen.drawn(softmax, log_softmax):
        asked = True
        shape, axis = node.value.shape, node.attributes.get("axis")
        whole = scores.ndim == 2 and shape == scores.shape
        if whole and isinstance(axis, int) and axis % 2 == 0:
            return fault(len(shape), examples=shape[0], gate=node.gate.name if node.gate else "")
    if not asked:
        raise NotChecked("no_softmax")
    return fine()


@probe(Level.CAUSE)
def loss_broadcast(seen: Evidence) -> Answer:
    """Whether predictions and targets are compared pair by pair, and not all with all."""
    circuit, scores = seen.circuit, seen.scores
    rows = scores.shape[0] if scores.ndim else 1
    for node in _behind_scores(seen):
        if not isinstance(node.gate, Elementwise) or node.shape != (rows, rows) or rows < 2:
            continue
        shapes = [circuit.nodes[i].shape for i in node.inputs if i >= 0]
        if (rows, rows) not in shapes:
            return fault(
                rows * rows, left=shapes[0], right=shapes[-1], gives=node.shape, examples=rows
            )
    return fine()


@probe(Level.CAUSE)
def activation_before_loss(seen: Evidence) -> Answer:
    """Whether scores reach the loss as they are; a ReLU or sigmoid on them takes half away."""
    circuit = seen.circuit
    for node in seen.drawn(cross_entropy, log_softmax, binary_cross_entropy_with_logits):
        given = circuit.nodes[seen.behind_movers(node.inputs[0])]
        limited = isinstance(given.gate, Elementwise) and given.gate.role in (
            Role.ROUTER,
            Role.SQUASH,
        )
        if seen.behind_adjustments(given.index).gate in (softmax, sigmoid):
            continue  # it is named for what it is: a softmax or sigmoid taken twice
        if limited and given.gate and len([i for i in given.inputs if i >= 0]) == 1:
            return fault(None, gate=given.gate.name, loss=node.gate.name if node.gate else "")
    targets = seen.examples[1]
    given = circuit.nodes[seen.behind_movers(seen.look.scores)]
    if targets.dtype.kind == "f" and not seen.is_binary and given.gate is not None:
        single = len(given.inputs) == 1 and isinstance(given.gate, Elementwise)
        low, high = _reach_of(given)
        beyond = float(np.mean((targets < low) | (targets > high)))
        if single and beyond > 0.1:
            return fault(
                beyond, gate=given.gate.name, loss=f"{beyond:.0%} of the targets lie beyond it"
            )
    return fine()


@probe(Level.CAUSE)
def loss_summed(seen: Evidence) -> Answer:
    """Whether a sum over the examples makes steps that many times as large as their mean would."""
    rows = len(seen.scores) if seen.scores.ndim else 1
    sums = [one for one in seen.circuit.gates if one.attributes.get("reduction") == "sum"]
    if not sums or rows < _FEW_ROWS:
        return fine()
    if not (seen.broke or seen.peaked or seen.fell_less(_HARDLY_FELL)):
        return fine(rows)
    test = seen.range_test
    mean = test.rate / rows
    near = [left for rate, left in test.left.items() if mean / 4 < rate < mean * 4]
    if near and min(near) < min(0.9, 0.5 * test.own):
        return fault(rows, examples=rows, rate=f"{test.rate:.2g}", mean=f"{mean:.2g}")
    return fine(rows)


@probe(Level.CAUSE)
def penalty_sign(seen: Evidence) -> Answer:
    """Loss rises with regularisation: whether the weight penalty is added."""
    penalties = seen.penalties
    if not penalties:
        return _not_in_the_loss(seen)
    gradients = [seen.circuit.gradients[i] for i in penalties]
    values = [float(seen.circuit.nodes[i].value) for i in penalties]
    added = sum(
        float(g) * value for g, value in zip(gradients, values, strict=True) if g is not None
    )
    if added < 0:
        return fault(added, added=f"{added:.3g}")
    return fine(added, how=say("doctor.penalty_sign.in_loss", added=f"{added:.3g}"))


@probe(Level.CAUSE)
def penalty_drowns(seen: Evidence) -> Answer:
    """Whether the weight penalty, in the loss or the optimiser, leaves the data a say."""
    session = seen.session
    added = sum(abs(float(seen.circuit.nodes[i].value)) for i in seen.penalties)
    decay = 0.0
    for optimizer in session.optimizers:
        for group in optimizer.param_groups:
            names = {id(p): name for name, p in session.parameters.items()}
            squares = sum(
                float(np.sum(np.square(session.start[names[id(p)]], dtype=np.float64)))
                for p in group["params"]
                if id(p) in names
            )
            decay += 0.5 * float(group.get("weight_decay", 0.0) or 0.0) * squares
    data = max(abs(seen.look.loss) - added, 1e-12)
    share = (added + decay) / data
    if share > _DROWNED or (share > _OUTWEIGHS and seen.fell_less(1 / 3)):
        return fault(share, share=f"{share:.3g}", penalty=f"{added + decay:.3g}")
    if not added and not decay:
        raise NotChecked("no_penalty")
    return fine(share)


@probe(Level.SIGN)
def loss_at_chance(seen: Evidence) -> Answer:
    """The first loss against that of a model whose scores are all 0: ln C, C − 1, ln 2, …"""
    chance = seen.at_zero
    if not chance > 0:
        raise NotChecked("no_scores")
    data = seen.look.loss - sum(abs(float(seen.circuit.nodes[i].value)) for i in seen.penalties)
    values = {"loss": f"{data:.4g}", "chance": f"{chance:.4g}"}
    if data > _TOO_HIGH * chance and not seen.works:
        return fault(data, **values)
    numbers = seen.session.targets and seen.session.targets[0].dtype.kind == "f"
    # An answer of the targets' own spread doubles a squared error.
    if data > (_UNUSUAL_NUMBERS if numbers else _UNUSUAL) * chance:
        return warning(data, **values)
    return fine(data, **values)


def _not_in_the_loss(seen: Evidence) -> Answer:
    """The same of weight decay; and where there is none, what a penalty would do."""
    shrinks = decay_shrinks(seen.session)
    if shrinks is not None:
        if shrinks >= 1.0:
            return fault(shrinks, added=f"−{shrinks - 1:.2g} · ‖w‖")
        how = say("doctor.penalty_sign.by_decay", left=f"{shrinks:.6g}")
        return fine(shrinks, how=how)
    weights = [np.asarray(w, np.float64) for w in parameters(seen.circuit).values() if w.ndim > 1]
    if not weights:
        raise NotChecked("no_penalty")
    added = _TRIED * sum(float(np.vdot(w, w)) for w in weights)
    told = (seen.look.loss, seen.look.loss + added)
    before, after = (f"{one:.4g}" for one in told)
    how = say("doctor.penalty_sign.if_set", strength=f"{_TRIED:g}", before=before, after=after)
    return fine(added, how=how)


def _behind_scores(seen: Evidence) -> Iterator[Node]:
    """The gates from the scores to the loss."""
    behind = {seen.look.scores}
    for node in seen.circuit.gates:
        if not behind.isdisjoint(node.inputs):
            behind.add(node.index)
            yield node


def _sums_to_one(node: Node) -> bool | None:
    """Whether the exponentials of a node's rows are probabilities; None for no rows."""
    values = np.asarray(node.value, np.float64)
    if values.ndim < 2 or (values > 1e-6).any():
        return None
    return bool(np.allclose(np.exp(values).sum(axis=1), 1.0, atol=1e-3))


def _reach_of(node: Node) -> tuple[float, float]:
    """The range of an activation: from 0 for ReLU, −1…1 or 0…1 for a squash."""
    if node.gate is None or node.gate.role is Role.ROUTER:
        flat = node.gate is not None and float(np.min(node.value, initial=0.0)) == 0.0
        return (0.0, np.inf) if flat else (-np.inf, np.inf)
    if node.gate.role is not Role.SQUASH:
        return -np.inf, np.inf
    return (-1.0, 1.0) if float(np.min(node.value, initial=0.0)) < 0 else (0.0, 1.0)

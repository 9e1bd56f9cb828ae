"""Experiments on recorded passes: other learning rates, learning by heart, numerical gradients.

They replay the circuits that a script made (see `replay`), with copies of its parameters. The
script's own tensors are left alone.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import optim, philox
from backlight.doctor.probe import NotChecked
from backlight.doctor.replay import Replay, parameters
from backlight.doctor.session import Look, Session
from backlight.engine.tensor import Tensor
from backlight.errors import BacklightError
from backlight.explain.circuit.circuit import Circuit

Array = np.ndarray[Any, Any]

DECADES = range(-4, 6)
"""The range test tries the script's learning rate times these powers of ten."""
RANGE_STEPS = 12
HEART_STEPS = 150
HEART_RATE = 0.01
LEARNT = 0.02
"""Learning by heart ends when this share of the first loss is left."""
SECONDS = 8.0
"""After so much processor time an experiment answers with what it has, on a busy machine too."""
STEP = 1e-6
NOISY = 1e-4
"""The most that is said of an error which rounding alone explains."""


@dataclass(frozen=True)
class RangeTest:
    """The loss after a few steps, as a share of the first one, at each learning rate.

    Attributes
    ----------
    rate : float
        The script's own.
    left : dict of float to float
        Learning rate → share of the loss that is left; infinity where it was not finite.
    """

    rate: float
    left: dict[float, float]

    @property
    def own(self) -> float:
        """What is left at the script's own rate."""
        return self.left[self.rate]

    @property
    def best(self) -> float:
        """The rate at which the loss fell most."""
        return min(self.left, key=self.left.__getitem__)


def range_test(session: Session) -> RangeTest:
    """Steps from the script's start on its first batches, with its rule, at other rates."""
    if session.alternates:
        raise NotChecked("several_losses")
    circuits = [look.circuit for look in session.looks if look.circuit is not None][:4]
    if not circuits or not session.steps:
        raise NotChecked("no_updates")
    kind, options, rate = _rule(session)
    if not rate > 0:
        raise NotChecked("no_rate")
    replays = [(Replay(one, parameters(one)), _by_name(one)) for one in circuits]
    ends, left = time.thread_time() + SECONDS, {}
    for decade in sorted(DECADES, key=abs):
        if time.thread_time() > ends:
            break
        tried = rate * 10.0**decade
        left[tried] = _left(kind, {**options, "lr": tried}, replays)
    return RangeTest(rate, left)


def _rule(session: Session) -> tuple[Any, dict[str, Any], float]:
    """The script's update rule, its settings, and its first learning rate."""
    if session.optimizers:
        optimizer = session.optimizers[0]
        if optimizer.needs_closure:
            raise NotChecked("closure")
        options = {name: optimizer.param_groups[0][name] for name in optimizer.defaults}
        return type(optimizer), options, session.rates[0]
    look = session.looks[0]
    rates = [
        ratio * look.sizes[name] / look.gradients[name]
        for name, ratio in look.ratios.items()
        if look.gradients.get(name)
    ]
    if not rates:
        raise NotChecked("no_rate")
    return optim.SGD, {}, float(np.median(rates))


def decay_shrinks(session: Session) -> float | None:
    """What an update without gradients leaves of the weights, as a share; None without decay.

    With the script's own rule: a decay that is added where it should be subtracted lets them grow.
    """
    if not session.optimizers or session.first is None or session.first.circuit is None:
        return None
    groups = [group for one in session.optimizers for group in one.param_groups]
    if not any(group.get("weight_decay") for group in groups):
        return None
    try:
        kind, options, rate = _rule(session)
    except NotChecked:
        return None
    strength = max(float(group.get("weight_decay") or 0.0) for group in groups)
    circuit = session.first.circuit
    values = [v for v in parameters(circuit).values() if v.ndim > 1 and v.any()]
    weights = [Tensor(np.array(value), requires_grad=True) for value in values]
    if not weights or not rate > 0:
        return None
    rule = kind(weights, **{**options, "weight_decay": strength, "lr": rate})
    for weight in weights:
        weight.grad = Tensor(np.zeros_like(weight._value))
    rule.step()
    after, before = (
        math.sqrt(sum(float(np.vdot(np.float64(v), np.float64(v))) for v in some))
        for some in ([w._value for w in weights], values)
    )
    return after / before


def _by_name(circuit: Circuit) -> dict[str, int]:
    return {circuit.nodes[index].name: index for index in parameters(circuit)}


def _left(kind: Any, options: dict[str, Any], replays: Any) -> float:
    first_circuit = replays[0][0].circuit
    weights = {
        name: Tensor(first_circuit.nodes[index].value, requires_grad=True)
        for name, index in replays[0][1].items()
    }
    try:
        rule = kind(list(weights.items()), **options)
    except (BacklightError, TypeError) as problem:
        raise NotChecked("no_rate") from problem
    before = [_loss(one, names, weights) for one, names in replays]
    try:
        for step in range(RANGE_STEPS):
            replay, names = replays[step % len(replays)]
            rule.zero_grad()
            replay({names[name]: weights[name] for name in names if name in weights}).backward()
            rule.step()
    except BacklightError:
        return math.inf
    after = [_loss(one, names, weights) for one, names in replays]
    left = float(np.mean(after)) / max(abs(float(np.mean(before))), 1e-12)
    return left if math.isfinite(left) else math.inf


def _loss(replay: Replay, names: dict[str, int], weights: dict[str, Tensor]) -> float:
    return replay.number({names[name]: weights[name]._value for name in names if name in weights})


def learn_by_heart(look: Look) -> tuple[float, float, int]:
    """Adam on one batch until its loss is all but gone: (first loss, last loss, examples).

    A model that cannot learn 20 examples by heart cannot learn at all.
    """
    circuit = look.circuit
    if circuit is None or look.scores < 0:
        raise NotChecked("no_scores")
    scores = circuit.nodes[look.scores].value
    examples = len(scores) if scores.ndim else 1
    weights = {
        index: Tensor(value, requires_grad=True) for index, value in parameters(circuit).items()
    }
    replay, ends = Replay(circuit, weights), time.thread_time() + SECONDS
    rule = optim.Adam(list(weights.values()), lr=HEART_RATE)
    first = last = math.nan
    try:
        for _ in range(HEART_STEPS):
            rule.zero_grad()
            loss = replay(weights)
            last = float(loss._value)
            first = last if math.isnan(first) else first
            if last < LEARNT * first or time.thread_time() > ends or not math.isfinite(last):
                break
            loss.backward()
            rule.step()
    except BacklightError as problem:
        raise NotChecked("not_finite") from problem
    return first, last, examples


def gradient_errors(session: Session, penalties: list[int]) -> dict[str, float]:
    """|g·d − (L(w+hd) − L(w−hd)) / 2h|, relative, for a random direction d of each parameter.

    On the newest pass that was kept, so after some steps; in float64; without the weight penalty.
    A kink between the two points disturbs one step size and not another: the least error of three
    counts.
    """
    looks = [look for look in session.looks if look.circuit is not None]
    if not looks:
        raise NotChecked("no_backward")
    circuit = looks[-1].circuit
    assert circuit is not None  # noqa: S101 - told to the type checker
    start = {i: np.asarray(v, np.float64) for i, v in parameters(circuit).items()}
    silent: dict[int, Any] = {}
    if circuit is looks[0].circuit:
        silent = {i: np.float64(0.0) for i in penalties}
    replay = Replay(circuit, [*start, *silent], wide=True)
    leaves = {i: Tensor(value, requires_grad=True) for i, value in start.items()}
    try:
        loss = replay({**leaves, **silent})
        if not math.isfinite(float(loss._value)):
            raise NotChecked("not_finite")
        loss.backward()
    except BacklightError as problem:
        raise NotChecked("not_finite") from problem
    found, ends = {}, time.thread_time() + SECONDS
    for number, (index, leaf) in enumerate(leaves.items()):
        if leaf.grad is None or time.thread_time() > ends:
            continue
        analytic = np.asarray(leaf.grad._value, np.float64)
        # Along the gradient, jittered: a random direction alone meets a small slope in noise.
        draw = philox.uniform(0, 7000 + number, analytic.shape, np.float64)
        direction = np.where(analytic < 0, -1.0, 1.0) * (0.5 + draw)
        slope = float(np.vdot(analytic, direction))
        found[circuit.nodes[index].name] = min(
            _error(replay, {**start, **silent}, index, direction, slope, step)
            for step in (STEP, STEP / 30, STEP * 30)
        )
    return found


def _error(
    replay: Replay, at: dict[int, Any], index: int, direction: Array, slope: float, step: float
) -> float:
    up = replay.number({**at, index: at[index] + step * direction})
    down = replay.number({**at, index: at[index] - step * direction})
    numeric = (up - down) / (2 * step)
    noise = 1e-15 * max(abs(up), abs(down), 1.0) / step
    largest = max(abs(slope), abs(numeric))
    if largest == 0:
        return 0.0
    error = abs(slope - numeric)
    # Within the noise of the difference nothing is known to be wrong.
    return error / largest if error > noise else min(error / largest, NOISY)

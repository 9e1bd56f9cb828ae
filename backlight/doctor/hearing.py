"""What the listener makes of what it hears: a session, with a closer look now and then."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.doctor.looking import batch_of, look_at
from backlight.doctor.session import Evaluated, Look, Session
from backlight.engine.apply import watch
from backlight.engine.backward import _history
from backlight.engine.mode import mode

Array = np.ndarray[Any, Any]
Place = Callable[[], str]

FIRST_LOOKS, LATER_LOOKS = 4, 10
"""Every one of the first backward passes is looked at closely, then every tenth."""
KEPT = 8
"""Looks whose whole circuit is kept, for experiments; of later ones, the newest."""
ROOM = 2**27
"""Bytes of examples trained on, of examples evaluated on, and of circuits, that are kept."""
_MOST_WAITING = 32


@dataclass
class Heard:
    """A call of a model whose output may yet lead to a loss."""

    module: Any
    inputs: Any
    training: bool
    recording: bool
    place: str
    random: tuple[str, ...] = ()
    output: Any = None
    alone: bool = True
    origin: int = 0


class Hearing:
    """Takes note of events and keeps the session."""

    def __init__(self) -> None:
        self.session = Session()
        self._waiting: list[Heard] = []
        self._known: set[int] = set()
        self._norm = 0.0
        self._used: dict[int, Any] = {}
        self._stale: set[int] = set()
        self._stepped: Any = None
        self._before: dict[str, tuple[Any, Array]] = {}
        self._sums: dict[str, tuple[Any, float]] = {}
        self._gradients: dict[str, Any] = {}
        self._last_event = ""
        self._searching = ""
        self._room = {"trained": ROOM, "evaluated": ROOM, "circuits": ROOM}

    # ── calls of models ────────────────────────────────────────────────────────────────────

    def is_model(self, module: Any) -> bool:
        """Whether a module learns anything; loss layers do not."""
        if any(module is model for model in self.session.models):
            return True
        return next(iter(module.parameters()), None) is not None

    @contextmanager
    def call(self, module: Any, given: tuple[Any, ...], place: Place) -> Iterator[Heard]:
        """A model is called from outside of any other."""
        session = self.session
        if not any(module is model for model in session.models):
            session.models.append(module)
            self._register(module)
        inputs = getattr(given[0], "_value", given[0]) if given else None
        heard = Heard(module, inputs, module.training, mode.recording, place())
        heard.alone = len(given) == 1
        drawn: set[str] = set()

        def hear(gate: Any, *_: Any) -> None:
            if "key" in gate.inputs:
                drawn.add(gate.name)

        if module.training:
            yield heard
        else:
            with watch(hear):
                yield heard
        heard.random = tuple(sorted(drawn))
        self._waiting.append(heard)
        if len(self._waiting) > _MOST_WAITING:
            self._was_evaluated(self._waiting.pop(0))

    def _fits(self, what: str, size: int) -> bool:
        """Whether there is room for so many bytes more; if so it is taken."""
        if self._room[what] <= size:
            self._room[what] = 0
            return False
        self._room[what] -= size
        return True

    def _register(self, module: Any) -> None:
        several = len(self.session.models) > 1
        for path, parameter in module.named_parameters():
            name = f"{type(module).__name__}.{path}" if several else path
            self._name(name, parameter)

    def _name(self, name: str, parameter: Any) -> None:
        session = self.session
        if id(parameter) in self._known:
            return
        self._known.add(id(parameter))
        if name in session.parameters:  # of another model, or of one that was replaced
            name = f"{name} ({len(session.parameters) + 1})"
        session.parameters[name] = parameter
        session.start[name] = np.array(parameter._value)

    def _was_evaluated(self, heard: Heard) -> None:
        if not isinstance(heard.inputs, np.ndarray) or not heard.inputs.ndim:
            return
        session = self.session
        fits = self._fits("evaluated", heard.inputs.nbytes)
        session.evaluated.append(
            Evaluated(
                heard.inputs if fits else heard.inputs[:0],
                heard.training,
                heard.recording,
                session.steps,
                heard.place,
                heard.random,
                id(heard.module),
            )
        )

    # ── backward passes ────────────────────────────────────────────────────────────────────

    def backward(self, loss: Any, place: Place) -> None:
        """A backward pass is about to begin."""
        session = self.session
        session.backwards += 1
        session.places.setdefault("backward", place())
        self._look_for_stale()
        ordered, seen = _history([loss])
        leaves = [one for one in ordered if one._gate is None and one.requires_grad]
        self._name_leaves(leaves)
        self._manual_step()
        if loss._value.size != 1:
            return
        if self._searching != "again":  # a rule that searches tries points that it then leaves
            session.losses.append(float(loss._value))
        self._searching = "again" if self._searching else ""
        heard = self._take(seen)
        output, inputs = (None, None) if heard is None else (heard.output, heard.inputs)
        examples = batch_of(ordered, output, inputs)
        if examples is not None and self._fits("trained", sum(one.nbytes for one in examples)):
            session.inputs.append(examples[0])
            session.targets.append(examples[1])
            session.trained.append((session.steps, 0 if heard is None else heard.origin))
        if self._is_due() and loss.requires_grad:
            self._look(look_at(loss, session, output))

    def _look(self, look: Look) -> None:
        looks = self.session.looks
        if len(looks) > KEPT or (len(looks) > 1 and not self._fits("circuits", 0)):
            looks[-1].circuit = None  # of the later ones the newest is enough
        if look.circuit is not None:
            self._fits("circuits", sum(node.value.nbytes for node in look.circuit.nodes))
        looks.append(look)
        known = self.session.parameters  # of models that were left behind too
        self._before = {n: (known[n], np.array(known[n]._value)) for n in look.gradients}

    def went_back(self) -> None:
        """A backward pass has ended: gradients are there."""
        self._last_event = "backward"
        if self._before:
            self._gradients = {name: p.grad for name, p in self.session.parameters.items()}
            self._norm = _norm(self._gradients.values())

    def _is_due(self) -> bool:
        count = self.session.backwards - 1
        return count < FIRST_LOOKS or count % LATER_LOOKS == 0

    def _take(self, seen: set[int]) -> Heard | None:
        """The call that led to this loss; those that led to none were evaluations."""
        used = [one for one in self._waiting if _leads(one.output, seen)]
        for one in used:
            self.session.training_calls[one.training] += 1
        self.session.calls = max(self.session.calls, len(used))
        main = used[-1] if used else None
        if len(used) == 1 and used[0].alone and isinstance(used[0].inputs, np.ndarray):
            self.session.sample = (used[0].module, used[0].inputs)
        for one in self._waiting:
            if not any(one is other for other in used) and not _same_inputs(one, used):
                self._was_evaluated(one)
        self._waiting = []
        if main is not None:
            main.inputs, main.origin = used[0].inputs, id(used[0].module)
        return main

    def _name_leaves(self, leaves: list[Any]) -> None:
        """Parameters of no module: by their own name, or by their place in the circuit.

        A hand-written update may make them anew each time; the new one takes the old one's place.
        """
        unnamed = 0
        for leaf in leaves:
            if leaf.name is None or not leaf.name:
                unnamed += 1
            if id(leaf) in self._known:
                continue
            name = leaf.name or f"parameter {unnamed}"
            old = self.session.parameters.get(name)
            if old is not None and old.shape == leaf.shape:
                self.session.parameters[name] = leaf
                self._known = (self._known - {id(old)}) | {id(leaf)}
            elif old is None:
                self._name(name, leaf)

    def _look_for_stale(self) -> None:
        """Which gradients that an update has used the coming ones will be added to.

        That alone is no fault: they may be set to zero before they are used again, as those of a
        discriminator are while its generator learns.
        """
        for p in self.session.parameters.values():
            gradient = p.grad
            if gradient is None or not gradient._value.any():
                self._stale.discard(id(p))
            elif gradient is self._used.get(id(p)):
                self._stale.add(id(p))

    # ── updates ────────────────────────────────────────────────────────────────────────────

    def zeroed(self, place: Place) -> None:
        """Gradients are about to be set to zero."""
        self.session.places.setdefault("zero_grad", place())
        self._last_event = "zero after backward" if self._last_event == "backward" else "zero"

    @contextmanager
    def step(self, optimizer: Any, closure: bool, place: Place) -> Iterator[None]:
        """An optimiser updates its parameters."""
        session = self.session
        session.places.setdefault("step", place())
        if not any(optimizer is known for known in session.optimizers):
            session.optimizers.append(optimizer)
            for name, parameter in optimizer.parameters():
                self._name(name or f"parameter {len(session.parameters) + 1}", parameter)
        mine = [p for _, p in optimizer.parameters()]
        if not closure and not any(p.grad is not None and p.grad._value.any() for p in mine):
            session.empty_steps += 1
            session.zeroed_before_step += self._last_event == "zero after backward"
        session.stale += not closure and any(
            id(p) in self._stale and p.grad is not None and p.grad._value.any() for p in mine
        )
        if self._last_event == "backward":
            held = frozenset(id(p) for p in mine)
            others = self._stepped not in (None, held)
            session.alternates = session.alternates or others
            self._stepped = held
        session.rates.append(float(optimizer.param_groups[0]["lr"]))
        session.updates[id(optimizer)] = session.updates.get(id(optimizer), 0) + 1
        gradients = {name: p.grad for name, p in session.parameters.items()}
        if self._norm:
            session.shrunk.append(_norm(gradients.values()) / self._norm)
            self._norm = 0.0
        self._searching = "first" if closure else ""
        yield
        self._searching = ""
        session.steps += 1
        self._compare(gradients)
        self._used |= {id(p): None if closure else p.grad for p in mine}
        self._last_event = "step"

    def _manual_step(self) -> None:
        """Between two backward passes parameters have changed without an optimiser."""
        session = self.session
        if session.optimizers:
            return
        before, self._sums = (
            self._sums,
            {name: (p, float(np.sum(p._value))) for name, p in session.parameters.items()},
        )
        moved = [
            name
            for name, (p, total) in before.items()
            if self._sums[name][0] is not p or self._sums[name][1] != total
        ]
        if not moved:
            return
        session.steps += 1
        session.manual = True
        kept = [session.parameters[name].grad for name in moved]
        session.stale += any(g is not None and g._value.any() for g in kept)
        self._compare(self._gradients)

    def _compare(self, gradients: dict[str, Any]) -> None:
        """How far the update moved each parameter that was looked at before it."""
        if not self._before:
            return
        session, before = self.session, self._before
        self._before = {}
        look, along = session.looks[-1], 0.0
        for name, (_, old) in before.items():
            change = np.asarray(session.parameters[name]._value, np.float64) - old
            size = float(np.linalg.norm(old.astype(np.float64)))
            if size > 0 and old.ndim > 1:
                look.ratios[name] = float(np.linalg.norm(change)) / size
            gradient = gradients.get(name)
            if gradient is not None:
                along += float(np.vdot(change, np.asarray(gradient._value, np.float64)))
        look.uphill = along > 0

    def finish(self) -> None:
        """The script has ended: what was called and led to no loss was evaluated."""
        for one in self._waiting:
            self._was_evaluated(one)
        self._waiting = []


def _norm(gradients: Iterable[Any]) -> float:
    """Euclidean norm of several gradients together."""
    squares = (float(np.vdot(g._value, g._value)) for g in gradients if g is not None)
    return math.sqrt(sum(squares))


def _leads(output: Any, seen: set[int]) -> bool:
    if isinstance(output, (tuple, list)):
        return any(_leads(one, seen) for one in output)
    return id(output) in seen


def _same_inputs(one: Heard, used: list[Heard]) -> bool:
    """Whether a call saw the batch that was trained on, as one that counts what was right does."""
    if not isinstance(one.inputs, np.ndarray):
        return False
    return any(
        isinstance(other.inputs, np.ndarray) and np.array_equal(one.inputs, other.inputs)
        for other in used
    )

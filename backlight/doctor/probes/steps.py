"""The order of a training step: zero the gradients, go back, update what the model is made of."""

from __future__ import annotations

from backlight.doctor.evidence import Evidence
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe

_MOSTLY = 0.5
_MANY, _SHORT = 4, 2
"""So many models or optimisers, each for so few steps, are one that was made again and again."""
_CLIPPED = 1e-3


@probe(Level.CAUSE)
def no_backward(seen: Evidence) -> Answer:
    """Whether gradients are computed at all."""
    session = seen.session
    if session.backwards:
        return fine(session.backwards)
    if not session.models:
        raise NotChecked("nothing_seen")
    if session.error is not None:
        raise NotChecked("error")
    return fault(0)


@probe(Level.CAUSE)
def no_update(seen: Evidence) -> Answer:
    """Whether anything is updated after a backward pass."""
    session = seen.session
    if session.backwards < 2:
        raise NotChecked("no_backward")
    if session.steps:
        return fine(session.steps)
    return fault(session.backwards, passes=session.backwards, place=_at(seen, "backward"))


@probe(Level.CAUSE)
def zeroed_before_step(seen: Evidence) -> Answer:
    """Whether gradients are set to zero between the backward pass and the update."""
    session = seen.session
    if not session.optimizers:
        raise NotChecked("no_optimizer")
    if session.zeroed_before_step > _MOSTLY * session.steps:
        return fault(
            session.zeroed_before_step,
            times=session.zeroed_before_step,
            steps=session.steps,
            place=_at(seen, "zero_grad"),
        )
    return fine(session.zeroed_before_step)


@probe(Level.CAUSE)
def foreign_parameters(seen: Evidence) -> Answer:
    """Whether the optimiser holds the parameters that the loss depends on."""
    session = seen.session
    if not session.optimizers:
        raise NotChecked("no_optimizer")
    held = {id(p) for one in session.optimizers for _, p in one.parameters()}
    own = {id(p) for model in session.models for p in model.parameters()}
    reached = {id(session.parameters[name]) for look in session.looks for name in look.gradients}
    if not reached:
        raise NotChecked("no_backward")
    if held.isdisjoint(reached) and held.isdisjoint(own):
        return fault(len(held), held=len(held), place=_at(seen, "step"))
    return fine(len(held & reached))


@probe(Level.CAUSE)
def step_without_gradients(seen: Evidence) -> Answer:
    """Whether updates find gradients to work with."""
    session = seen.session
    if not session.optimizers:
        raise NotChecked("no_optimizer")
    explained = session.zeroed_before_step or foreign_parameters.look(seen).values
    if not explained and session.empty_steps > _MOSTLY * session.steps:
        return fault(
            session.empty_steps,
            times=session.empty_steps,
            steps=session.steps,
            place=_at(seen, "step"),
        )
    return fine(session.empty_steps)


@probe(Level.CAUSE)
def gradients_not_zeroed(seen: Evidence) -> Answer:
    """Whether gradients that an update has used are added to those of the next batch."""
    session = seen.session
    if session.steps < 2:
        raise NotChecked("no_updates")
    if session.stale > _MOSTLY * (session.steps - 1):
        return fault(session.stale, times=session.stale, place=_at(seen, "backward"))
    return fine(session.stale)


@probe(Level.CAUSE)
def outside_optimizer(seen: Evidence) -> Answer:
    """Parameters that receive a gradient and that no optimiser updates."""
    session = seen.session
    if not session.optimizers:
        raise NotChecked("no_optimizer")
    held = {id(p) for one in session.optimizers for _, p in one.parameters()}
    reached = {name for look in session.looks for name in look.gradients}
    left = [name for name in session.parameters if name in reached]
    left = [name for name in left if id(session.parameters[name]) not in held]
    if not left or len(left) == len(reached):
        return fine(0)
    return fault(
        len(left), names=listed(left), count=len(left), of=len(reached), place=_at(seen, "step")
    )


@probe(Level.CAUSE)
def optimizer_made_anew(seen: Evidence) -> Answer:
    """Whether momentum and running averages last longer than a step or two."""
    session = seen.session
    made = len(session.optimizers)
    if not made:
        raise NotChecked("no_optimizer")
    first, last = (
        {id(p) for _, p in one.parameters()}
        for one in (session.optimizers[0], session.optimizers[-1])
    )
    remembers = any(set(slots) - {"step"} for slots in session.optimizers[-1].state.values())
    each = session.steps / made
    if made >= _MANY and each <= _SHORT and remembers and not first.isdisjoint(last):
        return fault(made, made=made, steps=session.steps)
    return fine(made)


@probe(Level.CAUSE)
def model_made_anew(seen: Evidence) -> Answer:
    """Whether the model that is trained is the one that was trained before."""
    session = seen.session
    made = len({model for _, model in session.trained if model})
    if not made:
        raise NotChecked("no_model")
    if made >= _MANY and session.backwards / made <= _SHORT:
        return fault(made, made=made, passes=session.backwards)
    return fine(made)


@probe(Level.CAUSE)
def clipped_to_nothing(seen: Evidence) -> Answer:
    """How much of the gradient is left between the backward pass and the update."""
    shrunk = sorted(one for one in seen.session.shrunk if one > 0)
    if not shrunk:
        raise NotChecked("no_updates")
    left = shrunk[len(shrunk) // 2]
    if left < _CLIPPED and not seen.works:
        return fault(left, left=f"{left:.1e}")
    return fine(left)


@probe(Level.CAUSE)
def uphill(seen: Evidence) -> Answer:
    """Whether updates go along the gradient, which makes the loss larger."""
    known = [look.uphill for look in seen.session.looks if look.uphill is not None]
    rules = [group for one in seen.session.optimizers for group in one.param_groups]
    if not known:
        raise NotChecked("no_updates")
    if any(group.get("weight_decay") for group in rules):
        raise NotChecked("decays")  # which has a direction of its own
    share = sum(known) / len(known)
    if known[0] and share > _MOSTLY and _rises(seen):
        return fault(share, share=f"{share:.0%}", place=_at(seen, "step"))
    return fine(share)


@probe(Level.CAUSE)
def negated_loss(seen: Evidence) -> Answer:
    """Whether it is the negative of a loss that is made small."""
    losses = [node for node in seen.circuit.gates if "reduction" in node.attributes]
    if not losses:
        raise NotChecked("no_scores")
    gradient = seen.circuit.gradients[losses[-1].index]
    if gradient is not None and gradient.size and (gradient < 0).all():
        return fault(seen.look.loss, loss=f"{seen.look.loss:.4g}", place=_at(seen, "backward"))
    return fine(seen.look.loss)


def _rises(seen: Evidence) -> bool:
    losses = seen.losses
    return len(losses) < 2 or not losses[-1] < losses[0]


def _at(seen: Evidence, event: str) -> str:
    place = seen.session.places.get(event, "")
    return f" ({place})" if place else ""


def listed(names: list[str], most: int = 4) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, +{len(names) - most}"

"""What the gradient reaches: parameters cut off, layers never called, layers frozen."""

from __future__ import annotations

from collections.abc import Iterator

from backlight.doctor.evidence import Evidence
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe, warning
from backlight.doctor.probes.steps import listed
from backlight.errors import GraphError

_MOST_LEFT = 0.5


@probe(Level.CAUSE)
def detached(seen: Evidence) -> Answer:
    """Parameters that were used and that no gradient reaches, for the graph is cut behind them."""
    session = seen.session
    if not session.looks:
        if isinstance(session.error, GraphError) and session.models:
            names = [name for name, p in session.parameters.items() if p.requires_grad]
            return fault(len(names), names=listed(names), count=len(names))
        raise NotChecked("no_backward")
    called = [name for name in _never_reached(seen) if _was_called(seen, name)]
    if called:
        return fault(len(called), names=listed(called), count=len(called))
    return fine(0)


@probe(Level.CAUSE)
def unused_layer(seen: Evidence) -> Answer:
    """Layers that are part of the model and that its forward never calls."""
    if not seen.session.looks:
        raise NotChecked("no_backward")
    unused = [name for name in _never_reached(seen) if not _was_called(seen, name)]
    if unused:
        return fault(len(unused), names=listed(unused), count=len(unused))
    return fine(0)


@probe(Level.CAUSE)
def examples_mixed(seen: Evidence) -> Answer:
    """Whether each example is answered for itself, as a reshape across the batch does not."""
    share = seen.touched
    if share:
        return fault(share, share=f"{share:.0%}")
    return fine(share)


@probe(Level.CAUSE)
def frozen(seen: Evidence) -> Answer:
    """Parameters that ask for no gradient; features that were learnt elsewhere may be so.

    It is a fault where the rest cannot learn even one batch by heart.
    """
    session = seen.session
    if not session.models:
        raise NotChecked("no_model")
    owned = [(n, p) for model in session.models for n, p in model.named_parameters()]
    names = [name for name, p in owned if not p.requires_grad]
    if not names:
        return fine(0)
    values = {"names": listed(names), "count": len(names), "of": len(owned)}
    if not seen.works and _cannot_learn(seen):
        return fault(len(names), **values)
    return warning(len(names), **values)


def _cannot_learn(seen: Evidence) -> bool:
    """Whether what is not frozen is too little even for one batch."""
    try:
        first, last, _ = seen.by_heart
    except NotChecked:
        return False
    return not last < _MOST_LEFT * first


def _never_reached(seen: Evidence) -> Iterator[str]:
    looks = seen.session.looks
    for name in looks[0].unreached:
        if all(name in look.unreached for look in looks):
            yield name


def _was_called(seen: Evidence, name: str) -> bool:
    """Whether the module that owns this parameter was called, or one around it uses it itself."""
    session = seen.session
    parameter = session.parameters[name]
    for _, module in session.modules():
        if any(parameter is own for own in module._parameters.values()):
            return id(module) in session.called
    return False

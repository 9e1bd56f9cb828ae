"""Training and evaluation mode: dropout and batch norm behave differently in the two."""

from __future__ import annotations

from backlight.doctor.evidence import Evidence
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe

_TOO_MANY_DROPPED = 0.9


@probe(Level.CAUSE)
def train_mode_at_evaluation(seen: Evidence) -> Answer:
    """Whether the model is evaluated as it is trained: dropping, with the batch's statistics."""
    sensitive = _sensitive(seen)
    wrong = [one for one in seen.session.evaluated if one.training and one.step]
    if not seen.session.evaluated:
        raise NotChecked("no_evaluation")
    if not wrong:
        return fine(0)
    return fault(
        len(wrong), layers=", ".join(sensitive), place=f" ({wrong[0].place})", times=len(wrong)
    )


@probe(Level.CAUSE)
def eval_mode_in_training(seen: Evidence) -> Answer:
    """Whether the model is trained in evaluation mode, where dropout and batch norm rest."""
    sensitive = _sensitive(seen)
    calls = seen.session.training_calls
    total = calls[True] + calls[False]
    if not total:
        raise NotChecked("no_backward")
    share = calls[False] / total
    if share > 0.5:
        return fault(share, share=f"{share:.0%}", layers=", ".join(sensitive))
    return fine(share)


@probe(Level.CAUSE)
def random_at_evaluation(seen: Evidence) -> Answer:
    """Whether something is drawn at random although the model is in evaluation mode."""
    if not any(not one.training for one in seen.session.evaluated):
        raise NotChecked("no_evaluation")
    drawn = sorted({gate for one in seen.session.evaluated for gate in one.random})
    if drawn:
        return fault(len(drawn), gates=", ".join(drawn))
    return fine(0)


@probe(Level.CAUSE)
def dropout_too_high(seen: Evidence) -> Answer:
    """Whether dropout leaves enough to learn from; p is the share that is dropped."""
    dropped = [
        (float(node.attributes["p"]), node)
        for node in seen.circuit.gates
        if node.gate is not None and "key" in node.gate.inputs and "p" in node.attributes
    ]
    if not dropped:
        raise NotChecked("no_dropout")
    most, node = max(dropped, key=lambda pair: pair[0])
    if most >= _TOO_MANY_DROPPED:
        return fault(most, p=f"{most:g}", keep=f"{1 - most:.2g}", layer=node.layer or "–")
    return fine(most)


@probe(Level.CAUSE)
def dropout_on_scores(seen: Evidence) -> Answer:
    """Whether the model's answer itself is dropped out, and not what it is made from."""
    if seen.look.scores < 0:
        raise NotChecked("no_scores")
    node = seen.circuit.nodes[seen.behind_movers(seen.look.scores)]
    if node.gate is not None and "key" in node.gate.inputs and "p" in node.attributes:
        return fault(float(node.attributes["p"]), p=f"{float(node.attributes['p']):g}")
    return fine()


def _sensitive(seen: Evidence) -> list[str]:
    """Layers that behave differently in the two modes."""
    found = [
        path or type(module).__name__
        for path, module in seen.session.modules()
        if "running_mean" in module._buffers
        or (isinstance(getattr(module, "p", None), float) and module.p > 0)
    ]
    if not found:
        raise NotChecked("no_modes")
    return found

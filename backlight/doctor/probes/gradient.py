"""The gradient check: a few examples, after some steps, regularisation apart."""

from __future__ import annotations

from backlight.doctor.evidence import Evidence
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe

_WRONG = 1e-2


@probe(Level.CAUSE)
def wrong_gradient(seen: Evidence) -> Answer:
    """Each parameter's gradient along one direction, against the difference of two losses."""
    errors = seen.gradient_errors
    if not errors:
        raise NotChecked("no_gradient")
    name = max(errors, key=errors.__getitem__)
    if errors[name] > _WRONG:
        wrong = sum(error > _WRONG for error in errors.values())
        return fault(
            errors[name], name=name, error=f"{errors[name]:.2g}", count=wrong, of=len(errors)
        )
    return fine(errors[name], error=f"{errors[name]:.1e}", name=name)

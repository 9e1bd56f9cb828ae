"""The learning rate: how far a step moves the weights, and where the loss would fall fastest."""

from __future__ import annotations

import math

from backlight.doctor.evidence import FEW_STEPS, Evidence
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe, warning
from backlight.doctor.probes.start import _alike

_HARDLY_FELL = 0.1
_TINY, _SMALL, _HUGE, _LARGE = 1e-4, 1e-5, 0.1, 0.1
_OVER, _FAR_BETTER = 1.0, 0.1
_SPENT = 1e-3


@probe(Level.RATE)
def rate_too_high(seen: Evidence) -> Answer:
    """A loss that does not fall at this learning rate, or explodes first, and falls at a smaller.

    It is warned of steps longer than the weights where a smaller rate leaves far less of the loss.
    """
    test = seen.range_test
    fell = -math.inf if seen.broke or seen.peaked else seen.fall
    smaller = {rate: left for rate, left in test.left.items() if rate < test.rate / 5}
    best = min(smaller, key=smaller.__getitem__, default=0.0)
    if not best:
        return fine(test.best, rate=f"{test.rate:.2g}", best=f"{test.best:.2g}")
    values = {
        "rate": f"{test.rate:.3g}",
        "ratio": _short(seen.ratio()),
        "best": f"{best:.1g}",
        "left": f"{_short(100 * smaller[best])}%",
        "own": f"{_short(100 * test.own)}%",
    }
    better = smaller[best] < min(0.95, test.own - 0.05)
    if fell < _HARDLY_FELL and better and seen.ratio() > _HUGE:
        return fault(test.rate, **values)
    if smaller[best] < _FAR_BETTER * test.own and seen.ratio() > _OVER:
        return warning(test.rate, **values)
    return fine(test.best, rate=f"{test.rate:.2g}", best=f"{test.best:.2g}")


@probe(Level.RATE)
def rate_too_low(seen: Evidence) -> Answer:
    """A loss that stays where it is and falls at a far larger learning rate."""
    test = seen.range_test
    larger = {rate: left for rate, left in test.left.items() if rate > 50 * test.rate}
    best = min(larger, key=larger.__getitem__, default=0.0)
    better = bool(best) and larger[best] < min(0.95, test.own - 0.04)
    if seen.fall < _HARDLY_FELL and better and seen.ratio() < _TINY:
        return fault(
            test.rate,
            rate=f"{test.rate:.3g}",
            ratio=f"{seen.ratio():.1e}",
            best=f"{best:.1g}",
        )
    return fine(test.best, rate=f"{test.rate:.2g}", best=f"{test.best:.2g}")


@probe(Level.RATE)
def rate_spent(seen: Evidence) -> Answer:
    """A schedule that brings the learning rate to nothing while training goes on."""
    rates = seen.session.rates
    if len(rates) < FEW_STEPS:
        raise NotChecked("few_steps", steps=len(rates), needed=FEW_STEPS)
    spent = sum(rate <= _SPENT * max(rates) for rate in rates) / len(rates)
    if spent > 0.5:
        return fault(spent, share=f"{spent:.0%}", first=f"{rates[0]:.2g}", last=f"{rates[-1]:.2g}")
    return fine(rates[-1])


@probe(Level.SIGN)
def update_ratio(seen: Evidence) -> Answer:
    """‖Δw‖/‖w‖ of a step: about 1e-3."""
    if any(rule.needs_closure for rule in seen.session.optimizers):
        raise NotChecked("closure")
    looks = [look for look in seen.session.looks if look.ratios]
    if not looks:
        raise NotChecked("no_updates")
    ratio = seen.ratio(lambda found: sorted(found)[len(found) // 2])
    zeros = any(_alike(start) for start in seen.session.start.values())
    if not zeros and seen.fell_less(1 / 3) and not _SMALL < ratio < _LARGE:
        return warning(ratio, ratio=f"{ratio:.1e}")
    return fine(ratio, ratio=f"{ratio:.1e}")


def _short(value: float) -> str:
    """Two digits, or whole numbers below a million without an exponent."""
    return f"{value:.0f}" if 10 <= value < 1e6 else f"{value:.2g}"

"""Relative error and what it means.

The error is |a − n| / max(|a|, |n|), and 0 where both are 0. The names of the verdicts and their
bounds are the course's: above 1e-2 wrong, to 1e-4 uncomfortable, to 1e-7 too high (fine where there
is a kink), and happy at 1e-7 and below.
"""

from __future__ import annotations

from enum import Enum

WRONG, UNCOMFORTABLE, HAPPY = 1e-2, 1e-4, 1e-7


class Verdict(Enum):
    """What a relative error says about a gradient."""

    WRONG = "wrong"
    UNCOMFORTABLE = "uncomfortable"
    TOO_HIGH = "too high"
    OUTSIDE = "not checked: outside the domain"
    NOT_CHECKED = "not checked: too noisy"
    KINK = "at a kink"
    FINE = "fine with kinks"
    HAPPY = "happy"

    @property
    def failed(self) -> bool:
        """Whether the gradient must be mended."""
        return self in (Verdict.WRONG, Verdict.UNCOMFORTABLE, Verdict.TOO_HIGH)


def relative_error(analytic: float, numeric: float, floor: float = 0.0) -> float:
    """|a − n| / max(|a|, |n|, floor), and 0 where all are 0.

    Examples
    --------
    >>> relative_error(2.0, 1.0), relative_error(0.0, 0.0)
    (0.5, 0.0)
    """
    difference = abs(analytic - numeric)
    if difference == 0:
        return 0.0
    largest = max(abs(analytic), abs(numeric), floor)
    error = difference / largest if largest else difference  # NaN is never the larger
    return error if error == error else float("inf")


def judge(error: float, kinks: bool = False, order: int = 1) -> Verdict:
    """The verdict on a relative error.

    Parameters
    ----------
    error : float
        Relative error, 0 or more.
    kinks : bool
        Whether a kink lies within the difference.
    order : int
        2 for second derivatives, whose bar is 1e-6: they are differences of gradients that are
        rounded themselves.

    Examples
    --------
    >>> judge(0.5).value, judge(1e-3).value, judge(1e-5).value, judge(1e-5, kinks=True).value
    ('wrong', 'uncomfortable', 'too high', 'fine with kinks')
    >>> judge(1e-7).value
    'happy'
    """
    if error <= HAPPY * 10 ** (order - 1):
        return Verdict.HAPPY
    if error <= UNCOMFORTABLE:
        return Verdict.FINE if kinks else Verdict.TOO_HIGH
    return Verdict.UNCOMFORTABLE if error <= WRONG else Verdict.WRONG

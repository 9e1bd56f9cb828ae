"""A report's verdicts and mistakes in the language that is spoken.

The check itself speaks English, as all of the library does. What it says is found again here by
how it is worded; the tests see to it that every wording is known.
"""

from __future__ import annotations

import re

from backlight.check.report import Row
from backlight.check.verdict import HAPPY, Verdict
from backlight.words import say

_OUTSIDE = (
    (r"not checked: at an edge.*", "edge"),
    (r"not checked: the value is not finite", "infinite"),
    (r"outside the domain of (?P<gate>\S+): (?P<given>.+); it needs (?P<needs>.+)", "domain"),
)
_MISTAKES = (
    (r"the sign", "sign"),
    (r"twice too large.*", "double"),
    (r"half of it.*", "half"),
    (r"(?P<size>\d+) times too large.*", "summed"),
    (r"(?P<size>\d+) times too small.*", "averaged"),
    (r"a factor of (?P<size>.+)", "factor"),
    (r"not a finite number", "infinite"),
    (r"no gradient arrives.*", "absent"),
    (r"local without upstream.*", "local"),
    (r"upstream without local.*", "upstream"),
    (r"a mask is missing.*", "unmasked"),
    (r"the mask is the wrong way round", "inverted"),
    (r"a mask that lets too little.*", "narrow"),
    (r"transposed", "transposed"),
    (r"another input is to be transposed.*", "other_transposed"),
    (r"the kernel is not flipped.*", "unflipped"),
    (r"flipped along axis (?P<axis>[^:]+):.*", "flipped"),
    (r"not summed over the broadcast axis (?P<axis>\d+):.*", "unsummed_broadcast"),
    (r"not summed over axis (?P<axis>\d+):.*", "unsummed"),
    (r"= for \+=.*", "overwritten"),
    (r"its own value where.*", "own"),
    (r"handed to the wrong input.*", "exchanged"),
    (r"the derivative is taken at the output.*", "at_output"),
    (r"a term is missing that is the same along axis (?P<axis>\d+).*", "along"),
    (r"a term is missing that is a multiple of the output.*", "of_output"),
    (r"a term is missing that is a multiple of the input.*", "of_input"),
    (r"a term is missing or wrong: off by factors from (?P<low>\S+) to (?P<high>\S+)", "term"),
    (r"the Jacobian is to be transposed.*", "forwards"),
    (r"shifted by one along axis (?P<axis>\d+)", "shifted"),
    (r"the right numbers, at the wrong places", "elsewhere"),
    (r"only some numbers: (?P<count>\d+) of the (?P<all>\d+).*", "some"),
    (r"only (?P<count>\d+) of (?P<all>\d+) numbers are wrong.*", "some"),
    (r"(?P<size>\S+)·(?P<name>\S+) is missing, as a penalty.*", "penalty_missing"),
    (r"(?P<size>\S+)·(?P<name>\S+) is too much, as a penalty.*", "penalty_extra"),
    (r"its shape is (?P<got>.+), and that of .+ is (?P<shape>\([^)]*\)): trans.*", "shape_turned"),
    (r"its shape is (?P<got>.+), and that of .+ is (?P<shape>\([^)]*\)): not.*", "shape_unsummed"),
    (r"its shape is (?P<got>.+), and that of .+ is (?P<shape>\([^)]*\)).*", "shape"),
)
"""How the likely mistakes of a report are worded, and the names of their meanings."""


def verdict(row: Row) -> str:
    """The verdict on a row with what is known about it, in the language that is spoken."""
    outside = matched(row.outside, _OUTSIDE, "outside")
    parts = [outside or say(f"circuit.verdict.{row.verdict.name.lower()}")]
    if row.verdict is Verdict.HAPPY and row.error > HAPPY and not row.kink:
        parts[0] += " " + say("check.rounding", noise=f"{row.noise:.0e}".replace("e-", "e−"))
    if row.order > 1:
        parts.append(say("check.second"))
    if row.kink:
        own = row.kink == "the function"
        parts.append(say("check.kink_own") if own else say("check.kink", gate=row.kink))
        if row.side and row.side != "both":
            parts.append(say(f"check.side.{row.side}"))
    return "; ".join(parts)


def mistake(told: str, language: str | None = None) -> str:
    """A likely mistake in the language that is spoken; one without a name as it is told.

    Examples
    --------
    >>> mistake("the sign", "ko")
    '부호'
    """
    return matched(told, _MISTAKES, "mistake", language)


def matched(
    told: str, known: tuple[tuple[str, str], ...], group: str, language: str | None = None
) -> str:
    """The sentence of the first wording that fits; what fits none, as it is told."""
    for pattern, key in known:
        found = re.fullmatch(pattern, told)
        if found is not None:
            return say(f"check.{group}.{key}", language, **found.groupdict())
    return told

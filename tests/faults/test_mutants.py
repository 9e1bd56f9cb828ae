"""The checks can fail: every mutant of every backward rule is noticed, or is no mutant at all.

A third of the mutants is tried, always the same; BACKLIGHT_ALL_MUTANTS=1 tries all (a minute).
"""

import os
import re

import pytest

from tests.faults.edges import EDGES, all_as_stated, as_stated, found_gradients
from tests.faults.mutate import behaviour_mutants, families, killed_by, source_mutants

EVERY = 1 if os.environ.get("BACKLIGHT_ALL_MUTANTS") else 3

GUARD = "a stand-in that keeps a division or logarithm finite where its result is not used"
ROUTE = "only chooses between two ways to the same number"
PRESENT = "asks whether an input is there; a gradient for a missing one is not looked at"
FLAT = "both branches are the same number there"

EQUIVALENT = {
    r"add: gradients swapped": "both are upstream",
    r"(maximum|minimum): y → output in x [<>]= y": "the winner is the output",
    r"(relu|leaky_relu|elu|selu): x → output in where\(x .*": "the output has the input's sign",
    r"relu: output → x in where\(output <= 0, .*": "the input has the output's sign",
    r"(elu|selu): 0\.0 → 1\.0 in where\(x > 0, .*": "keeps e^x finite where it is not taken",
    r"(silu|gelu): (1000|100)\.0 → .*": "keeps a product finite, far outside",
    r"prelu: x > 0 with another comparison in where\(x > 0, 0\.0, upstream \* x\)": FLAT,
    r"\w+: 1\.0 → 2\.0 in where\((still|nothing|never|(output|p|x|total) == 0), 1\.0, .*": GUARD,
    r"binary_cross_entropy: 1\.0 → 2\.0 in where\(equal.*": GUARD,
    r"entropy: 0 → 1 in where\(p == 0, 1\.0, p\)": GUARD,
    r"xlogy: x → output in (x == 0|where\(x == 0, 1\.0, y\))": "x is 0 where output and y are",
    r"power: p → .* in isinstance.*": ROUTE,
    r"power: p → .* in (where\(x == 0, )?p >= 0.*": "at x = 0, x and x^p have the sign asked for",
    r"logsumexp: 0\.0 → 1\.0 in where\(x == math\.inf, .*": "infinite numbers share equally",
    r"cross_entropy_of: output → .*": "the rule that it calls reads no output",
    r"matmul: .* in (column\.ndim == 2 and row\.ndim > 2|row\.ndim > 2)": ROUTE,
    r"cross_entropy: (weight|target) → \w+ in (weight is None|_is_distribution.*)": ROUTE,
    r"conv(_transpose)?[12]d: bias → \w+ in bias is None": PRESENT,
    r"\w+_norm: beta → gamma in self\.unapply.*": "of beta only its presence is asked",
    r"stack: 0 → 1 in along.*": "the index is overwritten on the next line",
}
"""Mutants that are not wrong, by pattern, with the reason."""


def is_equivalent(mutant):
    return any(re.fullmatch(pattern, str(mutant)) for pattern in EQUIVALENT)


def mutants(family):
    for gate in family:
        yield from behaviour_mutants(gate)
    yield from source_mutants(family)


@pytest.mark.parametrize("family", families(), ids=lambda family: family[0].name)
def test_mutants_are_noticed(family):
    tried = [
        mutant
        for number, mutant in enumerate(mutants(family))
        if number % EVERY == 0 and not is_equivalent(mutant)
    ]
    survivors = [str(mutant) for mutant in tried if not killed_by(mutant, all_as_stated)]
    assert not survivors


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: f"{edge[0]} {edge[1]}")
def test_gradient_at_an_edge(edge):
    assert as_stated(edge), found_gradients(edge)


def test_few_are_equivalent():
    every = [mutant for family in families() for mutant in mutants(family)]
    excused = [mutant for mutant in every if is_equivalent(mutant)]
    assert len(every) > 1_000
    assert len(excused) <= 0.035 * len(every)

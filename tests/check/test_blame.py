"""The check names the mistake: planted bugs by family, and no blame for what is right."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import backlight as bl
from backlight.check import gradcheck
from backlight.check.blame import blame_gate
from backlight.check.finding import SILENT
from backlight.gates import gates
from tests.check.planted import BUGS, V, spoiled

DETECTED, NAMED = 78, 74
"""Of as many bugs; `docs/why.md` says so too."""


@pytest.fixture(scope="module")
def reports():
    return [(bug, gradcheck(bug.function, bug.inputs)) for bug in BUGS]


def named(bug, report):
    found = report.worst.mistake
    return any(bug.words) and all(word in found for word in bug.words)


def test_every_planted_bug_is_found(reports):
    assert [str(bug) for bug, report in reports if report.ok] == []
    assert len(reports) == DETECTED


def test_most_are_named(reports):
    missed = [
        f"{bug}: {report.worst.mistake!r}" for bug, report in reports if not named(bug, report)
    ]
    assert len(reports) - len(missed) >= NAMED, "\n".join(missed)
    print(f"\n{len(reports) - len(missed)} of {len(reports)} planted bugs are named; not:")
    print("\n".join(missed))


def test_each_family_is_there(reports):
    families = Counter(bug.family for bug, _ in reports)
    assert len(families) >= 8
    assert min(families.values()) >= 2


def test_the_gate_and_the_input_are_named(reports):
    found = {str(bug): report.worst.gate for bug, report in reports}
    assert found["contraction: matmul, second transposed"] == "gate matmul, by y"
    assert found["convolution: kernel not flipped"] == "gate conv2d, by x"
    assert found["fork: a path of two detached"] == ""  # no gate is wrong, the function is


def test_the_gate_is_found_inside_a_network():
    wrong = spoiled("tanh", 0, lambda share, *_: -share)
    weights = np.array([[0.3, -0.2], [0.5, 0.1]])
    report = gradcheck(lambda x: bl.sum(bl.sigmoid(wrong(x @ weights) * 2)), np.ones((3, 2)) * 0.4)
    row = report.worst
    assert (row.mistake, row.gate) == ("the sign", "gate tanh, by x")
    assert "in gate tanh, by x" in str(report)
    assert row.to_dict()["gate"] == "gate tanh, by x"


def test_no_right_gate_is_blamed():
    """Every gate, on every one of its samples."""
    blamed = []
    for gate in gates():
        if gate.role in SILENT:
            continue
        for sample in gate.samples():
            wires, attributes = gate.bind(tuple(sample.inputs), dict(sample.attributes))
            values = [None if x is None else np.asarray(x) for x in wires]
            found = blame_gate(gate, values, attributes)
            if found is not None:
                blamed.append(f"{sample}: {found}")
    assert blamed == []


def test_a_blame_reads_as_a_sentence():
    found = blame_gate(spoiled("square", 0, lambda share, *_: share * 0.5), [V], {})
    assert str(found).startswith("gate square, by x: half of it")
    assert found.element == (int(np.argmax(np.abs(V))),) or len(found.element) == 1


def test_the_documentation_says_these_numbers():
    page = (Path(__file__).parents[2] / "docs" / "why.md").read_text(encoding="utf-8")
    assert f"{DETECTED} of {DETECTED}" in page
    assert f"{NAMED} of {DETECTED}" in page

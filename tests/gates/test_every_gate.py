"""Every promise of every gate's declaration, on every one of its samples."""

import pytest

from backlight.check.every_gate import CHECKS, check_sample, declaration
from backlight.gates import gates

GATES = list(gates())


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_promise(gate, check):
    findings = [one for sample in gate.samples() for one in check_sample(gate, sample, check)]
    assert not findings, "\n".join(map(str, findings[:5]))


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_declaration(gate):
    assert not list(declaration(gate))


def test_the_table_is_not_empty():
    assert len(GATES) > 80

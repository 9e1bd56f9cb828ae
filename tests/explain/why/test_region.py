"""Every gate of the table: J·v agrees with uᵀ·J, and why has an answer for each of its inputs."""

import numpy as np
import pytest

from backlight.check.finding import SILENT, tensors
from backlight.engine.tensor import Tensor
from backlight.explain import circuit
from backlight.explain.why import why
from backlight.explain.why.region import Region
from backlight.gates import gates

RNG = np.random.default_rng(8)
DIFFERENTIABLE = [gate for gate in gates() if gate.role not in SILENT]


def drawn(gate, sample):
    """The circuit of a gate on a sample, and its leaves that ask for a gradient."""
    wires = tensors(sample)
    output = gate(*wires, **sample.attributes)
    if not isinstance(output, Tensor) or not output.requires_grad:
        return None, []
    leaves = {f"x{i}": x for i, x in enumerate(wires) if isinstance(x, Tensor) and x.requires_grad}
    return circuit(output, names=leaves), list(leaves)


@pytest.mark.parametrize("gate", DIFFERENTIABLE, ids=lambda gate: gate.name)
def test_forward_and_backward_agree(gate):
    for sample in gate.samples():
        made, names = drawn(gate, sample)
        for name in names:
            node = next((one for one in made.nodes if one.name == name), None)
            if node is None:
                continue
            seen = Region(made, node.index)
            for reader, wire in seen.readers(node.index):
                along = RNG.normal(size=node.shape)
                above = RNG.normal(size=made.nodes[reader].shape)
                pushed = seen.pushed(reader, wire, along)
                back = seen.circuit.handed(reader, above)[wire]
                forward, reverse = np.sum(pushed * above), np.sum(back * along)
                size = np.sum(np.abs(pushed * above)) + np.sum(np.abs(back * along))
                if np.isfinite(size):
                    assert abs(forward - reverse) <= 1e-11 * size + 1e-14, (str(sample), name)


@pytest.mark.parametrize("gate", DIFFERENTIABLE, ids=lambda gate: gate.name)
def test_there_is_an_answer_for_every_input(gate):
    for sample in list(gate.samples())[:2]:
        made, names = drawn(gate, sample)
        for name in names:
            node = next((one for one in made.nodes if one.name == name), None)
            if node is None or not node.value.size or not made.nodes[made.output].value.size:
                continue
            reason = why(made, name, tuple(size - 1 for size in node.shape))
            assert reason.in_words("en")
            assert reason.in_words("ko")
            assert reason.to_dict()["outcome"] == reason.outcome
            if reason.outcome == "zero":
                assert reason.stops
            if reason.outcome == "number":
                listed = sum(path.contribution for path in reason.account.paths)
                account = reason.account
                assert listed + account.remainder == pytest.approx(account.gradient, rel=1e-12)
                size = sum(use.positive - use.negative for use in account.uses)
                assert abs(account.rounding) <= 1e-9 * size

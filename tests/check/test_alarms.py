"""No alarm where nothing is wrong: every gate at other scales and in float32, every layer."""

import numpy as np
import pytest

import backlight as bl
from backlight.check import gradcheck
from backlight.check.finding import case_of
from backlight.check.layer import layers, small_layer
from backlight.engine.tensor import Tensor
from backlight.errors import UsageError
from backlight.gates import gates

EVERY = [
    (gate, sample)
    for gate in gates()
    for sample in list(gate.samples())[:2]
    if case_of(gate, sample) is not None
]


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_every_gate_at_another_scale(scale):
    for gate, sample in EVERY:
        report = gradcheck(
            lambda *given, gate=gate, sample=sample: gate(*given, **sample.attributes) * scale,
            tuple(sample.inputs),
            samples=4,
        )
        assert report.ok, f"{gate.name} ({sample}): {report}"


def test_every_gate_in_float32():
    """Numbers may be too noisy to say; none is called wrong."""
    checked = noisy = 0
    for gate, sample in dict(EVERY).items():  # one sample of each

        def single(*given, gate=gate, sample=sample):
            narrow = [
                x.float() if isinstance(x, Tensor) and x.dtype.kind == "f" else x for x in given
            ]
            return gate(*narrow, **sample.attributes)

        report = gradcheck(single, tuple(sample.inputs), samples=1)
        assert report.ok, f"{gate.name} ({sample}): {report}"
        checked += len(report.rows)
        noisy += report.counts.get("not checked: too noisy", 0)
    assert noisy < 0.25 * checked


def test_every_layer():
    checked = 0
    for name in layers():
        try:
            layer, inputs = small_layer(name, 1)
        except UsageError:
            continue  # a container, or one whose sizes cannot be guessed
        report = gradcheck(layer, inputs, samples=4, seed=1)
        assert report.counts == {"happy": len(report.rows)}, f"{name}: {report}"
        checked += 1
    assert checked >= 55


def test_edges_are_said():
    for function, x, words in (
        (bl.sqrt, 0.0, "at an edge"),
        (bl.log, 0.0, "outside the domain of log"),
        (bl.exp, 800.0, "the value is not finite"),
    ):
        report = gradcheck(function, np.array(x))
        assert report.ok
        assert words in str(report)
    probabilities = np.array([0.0, 0.5, 0.5])  # a step below 0 is refused by the gate
    assert gradcheck(lambda p: bl.entropy(p), probabilities).ok

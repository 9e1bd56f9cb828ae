"""Every gate is a method, and the method is the gate."""

import numpy as np
import pytest

import backlight as bl
from backlight.errors import BacklightError
from backlight.gates import gates

OWN = {"reshape", "transpose", "permute", "abs"}


@pytest.mark.parametrize("gate", [g for g in gates() if g.name not in OWN], ids=lambda g: g.name)
def test_method_is_gate(gate):
    for sample in gate.samples():
        wires = [bl.tensor(x) if isinstance(x, np.ndarray) else x for x in sample.inputs]
        if isinstance(wires[0], bl.Tensor):
            found = getattr(wires[0], gate.name)(*wires[1:], **sample.attributes)
            known = gate(*wires, **sample.attributes)
            np.testing.assert_array_equal(np.asarray(found), np.asarray(known))


def test_methods_say_what_they_do():
    assert "exp" in bl.Tensor.exp.__doc__
    assert bl.Tensor.softmax.__name__ == "softmax"


def test_what_is_no_gate():
    with pytest.raises(AttributeError, match="sigmoyd"):
        bl.tensor([1.0]).sigmoyd()
    with pytest.raises(BacklightError, match="sum"):
        bl.tensor([1.0]).sum(0, 0, 0)

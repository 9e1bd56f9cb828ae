"""What lowering tests share: a gate lowered and interpreted, beside the same gate run eagerly."""

import numpy as np

from backlight import as_tensor
from backlight.native.lowering.loops import interpret, ordered
from backlight.native.lowering.lower import leaf, lower_gate, refuse

TOLERANCE = {np.dtype(np.float32): 4e-7, np.dtype(np.float64): 1e-12}


def node_of(gate, wires, attributes):
    return lower_gate(gate, [leaf(wire, slot) for slot, wire in enumerate(wires)], attributes)


def computed(outputs, wires):
    """The nodes' values, after their checks, as a program answers."""
    given = [0 if wire is None else wire for wire in wires]
    for node in ordered(outputs):
        if node.op == "check":
            value, holds = interpret(node.inputs, given)
            if not holds.all():
                refuse(node.attributes["message"], value)
                raise AssertionError("a check that fails names its error")
    return interpret(outputs, given)


def eager(gate, wires, attributes):
    plain = (bool, int, float, type(None))
    given = [x if isinstance(x, plain) and not hasattr(x, "dtype") else as_tensor(x) for x in wires]
    output = gate(*given, **attributes)
    return np.asarray(output.numpy() if hasattr(output, "numpy") else output)


def same(found, wanted, factor=1.0):
    """Equal types and shapes; equal numbers, within rounding where they are fractions."""
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(found, wanted)
        return
    tolerance = factor * TOLERANCE[wanted.dtype]
    largest = np.max(np.abs(wanted[np.isfinite(wanted)]), initial=0.0)
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * largest)


def agree(gate, inputs, attributes, factor=1.0):
    """A gate lowered gives what it gives eagerly."""
    wires, bound = gate.bind(tuple(inputs), attributes)
    (found,) = computed([node_of(gate, wires, bound)], wires)
    same(found, eager(gate, wires, bound), factor)

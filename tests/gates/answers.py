"""The value and the gradients of a gate, alone and inside a longer array."""

from __future__ import annotations

import numpy as np

from backlight.engine.tensor import Tensor

BOTH = (np.float32, np.float64)


def answer(gate, *inputs, dtype=np.float64, upstream=None, **attributes):
    """The output and one gradient for each floating input, as arrays."""
    wires = [
        Tensor(np.array(x, dtype), requires_grad=True)
        if np.asarray(x).dtype.kind == "f"
        else np.asarray(x)
        for x in inputs
    ]
    output = gate(*wires, **attributes)
    above = np.ones(output.shape) if upstream is None else np.array(upstream, float)
    output.backward(above.astype(dtype))
    gradients = [
        wire.grad.numpy() for wire in wires if isinstance(wire, Tensor) and wire.grad is not None
    ]
    assert output.dtype == dtype
    assert all(gradient.dtype == dtype for gradient in gradients)
    return output.detach().numpy(), *gradients


def at_the_edge(gate, table, dtype, rtol, **attributes):
    """An elementwise gate at x has the value and slope of the table, alone and among 17."""
    for x, value, slope in table:
        for places in ((), (17,)):
            wide, steep = answer(gate, np.full(places, x, float), dtype=dtype, **attributes)
            tiny = np.finfo(dtype).smallest_subnormal
            np.testing.assert_allclose(wide, np.full(places, value), rtol=rtol, atol=tiny)
            np.testing.assert_allclose(steep, np.full(places, slope), rtol=rtol, atol=tiny)

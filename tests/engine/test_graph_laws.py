"""Laws of any graph: random ones of up to 60 gates, gates shared and left unused.

The gradient by the reverse pass is that of the forward pass (jvp) and of differences; it is linear
in upstream; history is freed without the cycle collector; all of it again in eight threads.
"""

import gc
import threading
import weakref

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import backlight as bl
from backlight.check.every_gate import check_sample
from backlight.engine.derivative import jvp
from backlight.gates import gates
from backlight.gates.gate import Role

quick = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
SHAPES = [(3,), (2, 3), (2, 1), ()]
ONE = [
    bl.tanh,
    bl.sigmoid,
    bl.sin,
    bl.cos,
    bl.softplus,
    bl.negative,
    bl.erf,
    bl.silu,
    lambda x: bl.exp(bl.tanh(x)),
    lambda x: bl.log(bl.square(x) + 1),
    lambda x: bl.sqrt(bl.square(x) + 0.5),
    lambda x: 1 / (1 + x * x),
    bl.gelu,
    lambda x: bl.softmax(bl.reshape(x, (-1,)), axis=0).reshape(x.shape),
    lambda x: bl.cumsum(bl.reshape(x, (-1,)), axis=0).reshape(x.shape) / max(x.size, 1),
    lambda x: bl.flip(x) if x.ndim else x * 0.5,
    lambda x: x - x.mean(),
    lambda x: bl.transpose(bl.transpose(x)),
    lambda x: x + bl.norm(x + 2),
]
TWO = [
    bl.add,
    bl.subtract,
    lambda x, y: bl.tanh(x) * bl.tanh(y),
    lambda x, y: x / (2 + y * y),
    lambda x, y: bl.hypot(x + 2, y),
    lambda x, y: bl.where(np.True_, x, y),
    lambda x, y: bl.sum(
        bl.stack([bl.reshape(x + 0 * y, (-1,)), bl.reshape(y + 0 * x, (-1,))]), axis=0
    ).reshape((x + y).shape),
]


@st.composite
def graphs(draw):
    """A function of three leaves that applies the gates of a random plan."""
    plan = draw(
        st.lists(
            st.tuples(
                st.integers(0, len(ONE) + len(TWO) - 1), st.integers(0, 99), st.integers(0, 99)
            ),
            min_size=1,
            max_size=60,
        )
    )
    shapes = [draw(st.sampled_from(SHAPES)) for _ in range(3)]
    random = np.random.default_rng(draw(st.integers(0, 2**31)))

    def function(*leaves):
        values = list(leaves)
        for which, first, second in plan:
            x, y = values[first % len(values)], values[second % len(values)]
            made = ONE[which](x) if which < len(ONE) else TWO[which - len(ONE)](x, y)
            # Growth would drown differences in rounding.
            values.append(
                made if float(np.abs(made.detach().numpy()).max(initial=0)) < 50 else bl.tanh(made)
            )
        total = values[-1].sum()
        for value in values[3::3]:
            total = total + bl.tanh(value).mean()
        return total

    return function, [random.standard_normal(shape) for shape in shapes], random


def leaves_of(arrays):
    return [bl.tensor(array, requires_grad=True) for array in arrays]


@quick
@given(graphs())
def test_reverse_is_forward_is_numeric(graph):
    function, arrays, random = graph
    leaves = leaves_of(arrays)
    gradients = [g.numpy() for g in bl.grad(function(*leaves), leaves)]
    directions = [random.standard_normal(array.shape) for array in arrays]
    reverse = sum(float(np.sum(g * d)) for g, d in zip(gradients, directions, strict=True))
    size = max(
        1.0, sum(float(np.sum(np.abs(g * d))) for g, d in zip(gradients, directions, strict=True))
    )
    forward = jvp(function, arrays, directions)[1].item()
    assert abs(forward - reverse) <= 1e-11 * size
    ends = [
        float(function(*[bl.tensor(a + h * d) for a, d in zip(arrays, directions, strict=True)]))
        for h in (2e-4, 1e-4, -1e-4, -2e-4)
    ]
    numeric = (8 * (ends[1] - ends[2]) - (ends[0] - ends[3])) / (12 * 1e-4)
    assert abs(numeric - reverse) <= 2e-5 * size


@quick
@given(graphs(), st.floats(-3, 3), st.floats(-3, 3))
def test_linear_in_upstream(graph, a, b):
    function, arrays, _ = graph
    leaves = leaves_of(arrays)
    loss = function(*leaves)
    found = {u: bl.grad(loss, leaves, u, retain_graph=True) for u in (1.0, a, b, a + b)}
    for one, first, second, both in zip(found[1.0], found[a], found[b], found[a + b], strict=True):
        size = 1e-12 * (1 + np.abs(one.numpy()).max(initial=0)) * (1 + abs(a) + abs(b))
        np.testing.assert_allclose(first.numpy(), a * one.numpy(), rtol=0, atol=size)
        np.testing.assert_allclose(both.numpy(), first.numpy() + second.numpy(), rtol=0, atol=size)


@settings(quick, max_examples=15)
@given(graphs())
def test_freed_without_the_cycle_collector(graph):
    function, arrays, _ = graph
    gc.collect()
    gc.disable()
    try:
        leaves = leaves_of(arrays)
        loss = function(*leaves)
        seen = weakref.ref(loss)
        loss.backward()
        del loss
        assert seen() is None
        loss = function(*leaves)
        slopes = bl.grad(loss, leaves, create_graph=True)
        sum((g * g).sum() for g in slopes).backward() if any(
            g.requires_grad for g in slopes
        ) else None
        seen = [weakref.ref(one) for one in (loss, *slopes)]
        del loss, slopes
        assert not any(one() is not None for one in seen)
        assert gc.collect() == 0
    finally:
        gc.enable()


@settings(quick, max_examples=15)
@given(graphs())
def test_the_same_bits_on_eight_threads(graph):
    function, arrays, _ = graph

    def bits():
        leaves = leaves_of(arrays)
        loss = function(*leaves)
        return tuple(one.detach().numpy().tobytes() for one in (loss, *bl.grad(loss, leaves)))

    known, found = bits(), []
    threads = [threading.Thread(target=lambda: found.append(bits())) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [known] * 8


@pytest.mark.parametrize("gate", list(gates()), ids=lambda gate: gate.name)
def test_every_gate_gives_the_same_bits_on_eight_threads(gate):
    samples = list(gate.samples())[:3]
    findings, barrier = [], threading.Barrier(8)

    def work():
        barrier.wait()
        for sample in samples:
            findings.extend(check_sample(gate, sample, "purity"))
            wires = [
                bl.tensor(x) if isinstance(x, (np.ndarray, np.generic)) else x
                for x in sample.inputs
            ]
            bits.append(np.asarray(gate(*wires, **sample.attributes)._value).tobytes())

    bits = []
    threads = [threading.Thread(target=work) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not findings
    assert len(bits) == 8 * len(samples)
    assert len(set(bits)) <= len(samples)
    assert gate.role in Role

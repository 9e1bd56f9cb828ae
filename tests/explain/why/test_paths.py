"""Paths add up to the gradient: all of them where they can be listed, else with the remainder."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlight as bl
from backlight import nn
from backlight.explain import circuit
from backlight.explain.why.paths import paths
from backlight.explain.why.region import Region
from tests.explain.why.network import LABELS, RNG, convnet, loss_of, perceptron, region, rows


def test_the_circuit_of_the_course():
    for name, contribution in (("x", -4), ("y", -4), ("z", 3)):
        drawn = circuit("(x+y)*z", x=-2, y=5, z=-4)
        account = paths(Region(drawn, drawn.find(name).index), ())
        assert [path.contribution for path in account.paths] == [contribution]
        assert (account.remainder, account.count, account.rounding) == (0, 1, 0)


def test_a_path_is_the_product_of_its_local_gradients():
    drawn = circuit("x*y + sin(x)*y + x**2", x=0.7, y=-2.0)
    account = paths(Region(drawn, drawn.find("x").index), ())
    found = sorted(path.contribution for path in account.paths)
    assert np.allclose(found, sorted([-2, -2 * math.cos(0.7), 1.4]))
    for path in account.paths:
        product = math.prod(step.local for step in path.steps)
        assert path.contribution == pytest.approx(product)
        assert path.steps[-1].node == drawn.output


def test_one_gate_that_reads_twice_is_two_paths():
    drawn = circuit("x*x", x=3)
    account = paths(Region(drawn, 0), ())
    assert [path.contribution for path in account.paths] == [3, 3]
    assert account.count == 2


GATES = ("x{} + x{}", "x{} * x{}", "sin(x{}) * x{}", "tanh(x{}) - x{}", "x{}**2 * sigmoid(x{})")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 99), st.integers(0, 99)), max_size=6))
def test_all_paths_of_any_scalar_circuit_add_up(plan):
    leaf = bl.tensor(0.37, dtype="float64", requires_grad=True)
    made = [leaf]
    for kind, left, right in plan:
        a, b = made[left % len(made)], made[right % len(made)]
        made.append([a + b, a * b, bl.sin(a) * b, bl.tanh(a) - b, a**2 * bl.sigmoid(b)][kind])
    output = made[-1] * 1.0
    drawn = circuit(output, names={"x": leaf})
    account = paths(Region(drawn, drawn.find("x").index), (), most=10_000, effort=10**6)
    total = math.fsum(path.contribution for path in account.paths)
    size = math.fsum(abs(path.contribution) for path in account.paths) + 1e-300
    assert abs(total - account.gradient) <= 1e-12 * size
    assert abs(account.remainder) <= 1e-12 * size
    assert account.count == len(account.paths)


def test_listed_paths_and_the_remainder_add_up_in_a_network():
    loss = loss_of(perceptron(nn.Tanh()), rows(8, 4))
    model = perceptron(nn.Tanh())
    loss = loss_of(model, rows(8, 4))
    for place in itertools.product(range(6), range(4)):
        account = paths(region(loss, model[0].weight), place, most=4)
        listed = math.fsum(path.contribution for path in account.paths)
        assert listed + account.remainder == pytest.approx(account.gradient, rel=1e-14)
        size = sum(use.positive - use.negative for use in account.uses)
        assert abs(account.rounding) <= 1e-12 * size
        assert len(account.paths) == 4


def test_every_path_of_a_small_network_can_be_listed():
    model = perceptron(nn.ReLU())
    loss = loss_of(model, rows(3, 4))
    account = paths(region(loss, model[0].weight), (2, 1), most=1000, effort=10**6)
    assert account.count == len(account.paths) <= 3 * 3
    assert abs(account.remainder) <= 1e-15


def test_the_largest_paths_are_found():
    model = perceptron(nn.Tanh())
    loss = loss_of(model, rows(6, 4))
    seen = region(loss, model[0].weight)
    every = paths(seen, (1, 2), most=1000, effort=10**6).paths
    found = paths(seen, (1, 2), most=3).paths
    largest = max(abs(path.contribution) for path in every)
    assert abs(found[0].contribution) >= 0.5 * largest
    assert len(every) == 6 * 3


@pytest.mark.parametrize("layer", [0, 3, 6])
def test_a_convolutional_network(layer):
    model = convnet()
    loss = loss_of(model, rows(4, 1, 8, 8))
    weight = model[layer].weight
    place = tuple(size - 1 for size in weight.shape)
    account = paths(region(loss, weight), place, most=5)
    loss.backward()
    assert account.gradient == pytest.approx(float(weight.grad.numpy()[place]), rel=1e-12)
    use = account.uses[0]
    assert use.total == pytest.approx(account.gradient, rel=1e-9)
    assert use.positive + use.negative == pytest.approx(use.total)
    assert 0 <= account.cancelled <= 1
    assert abs(account.rounding) <= 1e-12 * (use.positive - use.negative)
    for path in account.paths:
        assert path.contribution == pytest.approx(math.prod(step.local for step in path.steps))


def test_columns_are_the_jacobian():
    """J·v without J, against the rows that the backward rule gives."""
    drawn = circuit(
        "sum(softmax(W @ x) * y)",
        W=RNG.normal(size=(3, 4)),
        x=RNG.normal(size=4),
        y=RNG.normal(size=3),
    )
    for name in ("W", "x"):
        seen = Region(drawn, drawn.find(name).index)
        for index in seen.way:
            node = seen.node(index)
            for wire, source in enumerate(node.inputs):
                if source not in seen.reached:
                    continue
                direction = RNG.normal(size=seen.node(source).shape)
                above = RNG.normal(size=node.shape)
                forward = float(np.sum(seen.pushed(index, wire, direction) * above))
                back = float(np.sum(seen.circuit.handed(index, above)[wire] * direction))
                assert forward == pytest.approx(back, rel=1e-12, abs=1e-14)


def test_effort_bounds_the_work():
    model = perceptron(nn.Tanh())
    loss = loss_of(model, rows(8, 4))
    account = paths(region(loss, model[0].weight), (0, 0), most=10**6, effort=12)
    assert 0 < len(account.paths) < 8
    listed = math.fsum(path.contribution for path in account.paths)
    assert listed + account.remainder == pytest.approx(account.gradient, rel=1e-14)
    assert LABELS.size == 8

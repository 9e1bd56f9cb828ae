"""The errors of differences by their step: the course's numbers, in float64 and float32."""

import numpy as np
import pytest

import backlight as bl
from backlight.check import gradcheck
from backlight.check.case import of_function
from backlight.check.curve import curve_of, step_curve
from backlight.expression import Expression

VALUES = {"a": 1.0, "b": 2.0, "c": -3.0, "x": -1.0, "y": 3.0}


@pytest.fixture(scope="module")
def neuron():
    formula = Expression.parse("sigmoid(a*x + b*y + c)")
    inputs = tuple(np.array(VALUES[name]) for name in formula.names)
    return curve_of(gradcheck(formula, inputs), formula, inputs)


def test_the_neuron_of_the_course(neuron):
    assert neuron.name == "b"  # the largest gradient
    centred = {f"{point.step:.0e}": point.centred for point in neuron.points}
    for step, error in (("1e-02", 5.5e-5), ("1e-03", 5.6e-7), ("1e-04", 5.6e-9)):
        assert centred[step] == pytest.approx(error, rel=0.02)
    assert centred["1e-10"] > 1e-7
    assert neuron.best.step in (1e-5, 1e-6)


def test_orders_are_measured(neuron):
    one_sided, centred = neuron.orders
    assert one_sided == pytest.approx(1, abs=0.02)
    assert centred == pytest.approx(2, abs=0.02)
    line = of_function(lambda x: 3 * x, np.array([2.0]))
    assert step_curve(line, "x", (0,), 3.0).orders is None


def test_float32_has_no_good_step(neuron):
    at = {f"{point.step:.0e}": point.single for point in neuron.points}
    assert at["1e-05"] > 5e-3
    assert at["1e-08"] == 1
    case = of_function(lambda x: bl.tanh(x).double(), np.array([0.5]))
    assert step_curve(case, "x", (0,), float(1 - np.tanh(0.5) ** 2)).best_single is None
    assert case.leaves["x"].dtype == np.float64


def test_the_worst_number_is_shown_and_nothing_is_left_changed():
    point = np.array([0.5, -2.0])
    report = gradcheck(bl.relu, np.array([0.0, 2.0]))
    assert curve_of(report, bl.relu, np.array([0.0, 2.0])).name == "x[1]"
    assert curve_of(gradcheck(bl.tanh, point), bl.tanh, point).name == "x[0]"
    assert np.array_equal(point, [0.5, -2.0])

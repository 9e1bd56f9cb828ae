"""Jacobians as matrices on the Circuit screen."""

import numpy as np
import pytest

from backlight.errors import UsageError
from backlight.studio import jacobians


def test_of_a_product_it_is_the_matrix_and_the_gradient_is_upstream_times_it(ask):
    w = [[1.0, 2.0], [3.0, 4.0]]
    (by_w, by_x) = ask("circuit.jacobian_maps", formula="W@x", inputs={"W": w, "x": [1.0, -1.0]})
    assert (by_x["output"], by_x["input"]) == ("f", "x")
    assert np.array_equal(by_x["entries"], np.ravel(w))
    assert np.array_equal(by_x["product"], by_x["upstream"] @ np.array(w))
    assert by_w["input_shape"] == [2, 2]
    assert np.count_nonzero(by_w["entries"]) == 4


def test_of_a_gate_it_is_by_each_wire(ask):
    given = {"formula": "sum(relu(x)*y)", "inputs": {"x": [-1.0, 2.0], "y": [3.0, 4.0]}}
    opened = ask("circuit.open", **given)
    assert opened["slopes"]["x"].tolist() == [0, 4]
    relu = next(k for k in range(8) if _is(ask, given, k, "relu"))
    (found,) = ask("circuit.jacobian_maps", **given, node=relu)
    assert found["entries"].tolist() == [0, 0, 0, 1]
    assert found["upstream"].tolist() == [3, 4]
    assert found["product"].tolist() == [0, 4]


def _is(ask, given, node, name):
    try:
        return name in ask("circuit.wires", **given, node=node)["name"]
    except Exception:
        return False


def test_one_that_is_too_large_is_not_formed(ask):
    given = {"formula": "relu(x)", "inputs": {"x": [0.5] * 300}}
    assert ask("circuit.jacobian_maps", **given) == []
    assert "diagonal" in ask("circuit.jacobian", **given)


def test_one_that_takes_too_long_is_refused(ask, monkeypatch):
    monkeypatch.setattr(jacobians, "MOST_PRODUCTS", 10)
    with pytest.raises(UsageError, match="products"):
        ask("circuit.jacobian_maps", formula="x*y*x", inputs={"x": [1, 2, 3], "y": 2})

"""G23: a hand-written backward pass is checked line by line; every planted mistake is named."""

import re

import numpy as np
import pytest

from backlight.errors import BacklightError, ExpressionError
from backlight.explain.exercise import marked, marked_told, read_lines
from tests.explain.circuit.lectures import MATRIX, STAGED

PRODUCT = "(x+y)*z"
GIVEN = {"x": -2.0, "y": 5.0, "z": -4.0}
PRODUCT_LINES = ["q = x + y", "f = q * z", "dq = z", "dz = q", "dx = 1.0 * dq", "dy = 1.0 * dq"]
STAGED_GIVEN = {"x": 3.0, "y": -4.0}
STAGED_LINES = [
    "sigy = sigmoid(y)",
    "num = x + sigy",
    "sigx = sigmoid(x)",
    "xpy = x + y",
    "xpysqr = xpy**2",
    "den = sigx + xpysqr",
    "invden = 1 / den",
    "f = num * invden",
    "dnum = invden",
    "dinvden = num",
    "dden = (-1 / den**2) * dinvden",
    "dsigx = dden",
    "dxpysqr = dden",
    "dxpy = (2 * xpy) * dxpysqr",
    "dx = dxpy",
    "dy = dxpy",
    "dx += ((1 - sigx) * sigx) * dsigx",
    "dx += dnum",
    "dsigy = dnum",
    "dy += ((1 - sigy) * sigy) * dsigy",
]


def mark(formula, given, lines, language="en"):
    return marked(formula, given, read_lines("\n".join(lines)), language)


def wrong(formula, given, lines, old, new):
    changed = [new if line == old else line for line in lines]
    assert changed != lines
    result = mark(formula, given, [line for line in changed if line])
    assert result.wrong is not None
    return result


@pytest.mark.parametrize(
    ("formula", "given", "lines"),
    [
        (PRODUCT, GIVEN, PRODUCT_LINES),
        (STAGED, STAGED_GIVEN, STAGED_LINES),
        ("x*y", {"x": 4.0, "y": -3.0}, ["dx = y", "dy = x"]),
        ("x*y", {"x": 4.0, "y": -3.0}, ["dx = y*df", "dy = x*df", "df = 1"]),
        ("a*a", {"a": 3.0}, ["da = a", "da += a"]),
        ("a*a", {"a": 3.0}, ["da = 2*a"]),
        (
            "sum((W@x)**2)",
            MATRIX,
            [
                "q = W @ x",
                "f = sum(q**2)",
                "dq = 2*q",
                "dW = reshape(dq, [2, 1]) @ reshape(x, [1, 2])",
                "dx = transpose(W) @ dq",
            ],
        ),
    ],
)
def test_right_lines_are_right(formula, given, lines):
    result = mark(formula, given, lines)
    assert result.wrong is None
    assert len(result.right) == len(lines)
    assert result.missing == ()
    assert marked_told(result, "en").endswith(f"All {len(lines)} lines are right.")
    assert marked_told(result, "ko").endswith("모두 맞았습니다.")


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("dx = 1.0 * dq", "dx = 1.0", "the upstream gradient −4 is forgotten"),
        ("dx = 1.0 * dq", "dx = -dq", "the sign"),
        ("dz = q", "dz = z", "that is what q gets"),
        ("dq = z", "dq = df", "the local gradient is forgotten"),
        ("dq = z", "dq = 2*z", "a factor of 2"),
    ],
)
def test_mistakes_in_a_product_are_named(old, new, mistake):
    result = wrong(PRODUCT, GIVEN, PRODUCT_LINES, old, new)
    assert result.wrong.text == new
    assert mistake in result.mistake


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("dx += dnum", "dx = dnum", "= where += belongs: this line throws away what line 17 found"),
        ("dy += ((1 - sigy) * sigy) * dsigy", "dy = ((1 - sigy) * sigy) * dsigy", "= where +="),
        ("dden = (-1 / den**2) * dinvden", "dden = (1 / den**2) * dinvden", "the sign"),
        ("dxpy = (2 * xpy) * dxpysqr", "dxpy = 2 * xpy", "the upstream gradient −0.791593 is"),
        (
            "dx += ((1 - sigx) * sigx) * dsigx",
            "dx += (1 - sigx) * sigx",
            "the upstream gradient −0.791593 is forgotten",
        ),
        ("dx += dnum", "dx += -dnum", "the sign"),
    ],
)
def test_mistakes_in_the_staged_example_are_named(old, new, mistake):
    result = wrong(STAGED, STAGED_GIVEN, STAGED_LINES, old, new)
    assert result.wrong.text == new
    assert mistake in result.mistake


def test_a_lost_path_is_named():
    result = mark(STAGED, STAGED_GIVEN, [line for line in STAGED_LINES if line != "dx += dnum"])
    assert result.wrong.text == "dx += ((1 - sigx) * sigx) * dsigx"
    assert "a path is missing: x is used 3 times" in result.mistake


@pytest.mark.parametrize(
    ("formula", "given", "line", "mistake"),
    [
        ("sum((W@x)**2)", MATRIX, "dW = reshape(x, [2, 1]) @ reshape(dq, [1, 2])", "transposed"),
        ("sum((W@x)**2)", MATRIX, "dx = W @ dq", "transposed"),
        (
            "sum(X*b)",
            {"X": np.arange(6.0).reshape(3, 2), "b": np.array([0.2, 0.4])},
            "db = X",
            "not summed over the axis along which b was stretched",
        ),
    ],
)
def test_mistakes_with_arrays_are_named(formula, given, line, mistake):
    first = ["q = W @ x", "f = sum(q**2)", "dq = 2*q"] if "W" in formula else []
    result = mark(formula, given, [*first, line])
    assert result.wrong.text == line
    assert mistake in result.mistake


def test_a_wrong_forward_line_is_told():
    result = mark(PRODUCT, GIVEN, ["q = x + y", "f = q + z"])
    assert result.wrong.text == "f = q + z"
    assert "forward value" in result.mistake
    assert float(result.found) == -1
    assert float(result.expected) == -12


def test_what_is_still_to_do():
    result = mark(PRODUCT, GIVEN, PRODUCT_LINES[:5])
    assert result.missing == ("y",)
    assert "Still to do: dy." in marked_told(result, "en")
    assert mark(PRODUCT, GIVEN, []).missing == ("x", "y", "z")


def test_values_in_between_without_the_last_line():
    assert mark(PRODUCT, GIVEN, ["q = x + y", "dq = z", "dx = dq"]).wrong is None
    with pytest.raises(ExpressionError, match="the circuit does not have"):
        mark(PRODUCT, GIVEN, ["q = x * y", "dq = z"])
    # 2 + 2 and 2 · 2 are both 4: the gate tells them apart.
    four = {"x": 2.0, "y": 2.0}
    assert mark("(x+y)*(x*y)", four, ["q = x*y", "dq = x + y"]).wrong is None
    with pytest.raises(ExpressionError, match="several gates have"):
        mark("(x*y)*(y*x)", four, ["q = x*y", "dq = x*y"])


def test_names_that_begin_with_d():
    """`dot` is a value of the learner's, not the gradient of `ot`."""
    lines = ["dot = w*x", "f = sigmoid(dot)", "ddot = (1 - f)*f", "dw = x*ddot", "dx = w*ddot"]
    assert mark("sigmoid(w*x)", {"w": 2.0, "x": -1.0}, lines).wrong is None


def test_upstream_that_is_forgotten_where_it_is_one_is_right():
    assert mark("x*y", {"x": 4.0, "y": -3.0}, ["dx = y"]).wrong is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("dx y", "line 1 of the exercise"),
        ("\n\ndx = y y", "line 3 of the exercise"),
        ("dx = unknown", "no value for unknown"),
        ("dx = __import__('os')", "line 1"),
        ("x = 3", "a new value for an input"),
        ("dx == y", "line 1"),
        ("dx = [1, 2] @ [1, 2, 3]", "line 1"),
        ("import os", "line 1"),
        ("q = x\n" * 201, "more than 200 lines"),
    ],
)
def test_lines_that_cannot_be_read(lines, said):
    with pytest.raises(BacklightError, match=said):
        marked("x*y", {"x": 4.0, "y": -3.0}, read_lines(lines))


def test_remarks_and_empty_lines():
    lines = read_lines("# a remark\n\n  dx=y # why\r\n\tdy  +=  x")
    assert [(line.number, line.name, line.adds, line.formula) for line in lines] == [
        (3, "dx", False, "y"),
        (4, "dy", True, "x"),
    ]


LATE = "dx = sigmoid(2*(x+y)) * (1 - sigmoid(2*(x+y)))"


@pytest.mark.parametrize(
    ("formula", "values", "line", "words"),
    [
        ("relu(x)*y", {"x": -1, "y": 2}, "dx = y", "mask is missing: relu"),
        ("sum(W@x)", {"W": [[1.0, 2], [3, 4]], "x": [1.0, 2]}, "dW = x@W", "shape of its value"),
        ("sigmoid(2*(x+y))", {"x": 0.1, "y": 0.2}, LATE, "the gradient of multiply #"),
    ],
)
def test_more_slips_are_named(formula, values, line, words):
    inputs = {name: np.asarray(value, float) for name, value in values.items()}
    lines = read_lines(line)
    found = marked(formula, inputs, lines, "en")
    assert words in found.mistake
    assert re.search("[가-힣]", marked(formula, inputs, lines, "ko").mistake)

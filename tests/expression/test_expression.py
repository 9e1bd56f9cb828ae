"""E01–E08 of the programme: what the formula language takes, refuses, and how it says so."""

import math
import re
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight import tensor
from backlight.errors import BacklightError, ExpressionError, ShapeError
from backlight.expression import Expression, read_value, read_values

NEURON = "sigmoid(a*x + b*y + c)"


def value(text, **inputs):
    return Expression.parse(text).evaluate(inputs)


def refused(text):
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(text)
    return str(caught.value)


def caret(message):
    """The character that the caret points at, and the text shown."""
    lines = message.splitlines()
    number = next(i for i, line in enumerate(lines) if line.strip().startswith("^ here"))
    return lines[number].index("^") - 4, lines[number - 1][4:]


@pytest.mark.parametrize(
    ("text", "inputs", "expected"),
    [
        ("x*y", {"x": 4, "y": -3}, -12),
        ("(x+y)*z", {"x": -2, "y": 5, "z": -4}, -12),
        ("max(x, y)", {"x": 4, "y": 2}, 4),
        ("max(x, y, 7)", {"x": 4, "y": 2}, 7),
        ("min(x, y)", {"x": 4, "y": 2}, 2),
        ("max(x)", {"x": [1.0, 5.0]}, 5),
        (NEURON, {"a": 1, "b": 2, "c": -3, "x": -1, "y": 3}, 0.8807970779778823),
        (
            "1/(1+exp(−(w0·x0+w1·x1+w2)))",
            {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3},
            0.7310585786300049,
        ),
        ("(x+σ(y))/(σ(x)+(x+y)²)", {"x": 3, "y": -4}, 1.5456448841066441),
        ("x³ × 2", {"x": 2}, 16),
        ("-2**2", {}, -4),
        ("-x²", {"x": 3}, -9),
        ("2**-1", {}, 0.5),
        ("2**3**2", {}, 512),
        ("2-3-4", {}, -5),
        ("2/4/2", {}, 0.25),
        ("+3 - -2", {}, 5),
        ("x < 3", {"x": 2}, 1),
        ("sum([[1, 2], [3, 4]], axis=0) @ [1, -1]", {}, -2),
        ("sum([[1, 2], [3, 4]], 1) @ [1, -1]", {}, -4),
        ("sum((W@x)**2)", {"W": [[1, 2], [3, 4]], "x": [1, 1]}, 58),
        ("mean(x, dim=0, keepdim=True)", {"x": [1.0, 3.0]}, 2),
        (".5 + 5. + 1e-1 + 1E+1", {}, 15.6),
    ],
)
def test_values(text, inputs, expected):
    assert float(value(text, **inputs)) == pytest.approx(expected, rel=1e-14)


def test_scores_of_the_notes():
    scores = value(
        "W@x + b",
        W=[[0.2, -0.5, 0.1, 2], [1.5, 1.3, 2.1, 0], [0, 0.25, 0.2, -0.3]],
        x=[56, 231, 24, 2],
        b=[1.1, 3.2, -1.2],
    )
    np.testing.assert_allclose(scores.numpy(), [-96.8, 437.9, 60.75], rtol=1e-12)


def test_gradients_flow_to_tensors():
    x, y = tensor(4.0, requires_grad=True), tensor(-3.0, requires_grad=True)
    value("x*y", x=x, y=y).backward()
    assert (x.grad.item(), y.grad.item()) == (-3.0, 4.0)


def test_numbers_are_weak():
    assert value("2*3*x + [1]", x=np.ones(1, np.float32)).dtype == np.float32
    assert value("2*3*x", x=1).dtype == np.float64


def test_names_in_order():
    assert Expression.parse(NEURON).names == ("a", "x", "b", "y", "c")
    assert str(Expression.parse("x")) == "x"
    assert Expression.parse("x - y")(5, 3).item() == 2


# E01, E02: (text, place of the caret)
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", 0),
        ("   ", 3),
        ("(", 1),
        (")", 0),
        ("1+", 2),
        ("*x", 0),
        ("x y", 2),
        ("2x", 1),
        ("x..y", 1),
        ("1..2", 2),
        ("1e", 1),
        ("1e999", 0),
        ("0x10", 1),
        ("1_000", 1),
        ("1j", 1),
        ("__import__('os')", 11),
        ("().__class__", 2),
        ("x.__init__", 1),
        ('f"{x}"', 1),
        ("lambda: 1", 6),
        ("[x for x in y]", 1),
        ("(a:=1)", 2),
        ("await x", 6),
        ("yield x", 6),
        ("x[0]", 1),
        ("'a'*10**9", 0),
        ("exp(*x)", 4),
        ("f(a=1)", 0),
        ("exp(x, a=1)", 0),
        ("exec(x)", 0),
        ("open(x)", 0),
        ("`x`", 0),
        ("x;y", 1),
        ("x\ny", 1),
        ("x\\\ny", 1),
        ("x#y", 1),
        ("x\0y", 1),
        ("a<b<c", 3),
        ("x=1", 1),
        ("exp", 0),
        ("exp()", 0),
        ("exp(x,y)", 0),
        ("sum(axis=0, x)", 12),
        ("sum(x, axis=y+1)", 13),
        ("sum(x, axis=0, axis=1)", 15),
        ("(x", 2),
        ("exp(x", 5),
        ("[1, 2", 5),
        ("x^2", 1),
        ("(x)(y)", 3),
        ("{x}", 0),
        ("x!", 1),
        # E06
        ("ｅｘｐ(x)", 0),
        ("х*2", 0),
        ("x\u200b*2", 1),
        ("\ud800", 0),
        ("🙂", 0),
        ("x ÷ 2", 2),
    ],
)
def test_caret_under_the_place(text, place):
    message = refused(text)
    shown_place, shown = caret(message)
    wide = sum(ord(c) > 0xFF00 and ord(c) < 0xFFE7 for c in text[:place])
    assert shown_place == place + wide
    assert len(shown) == len(text)
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2x", "Write 2 * x"),
        ("x y", "Write * before y"),
        ("x^2", "Write **"),
        ("sigmoidd(x)", "Did you mean 'sigmoid'?"),
        ("exp", "Write exp(…)"),
        ("ｅ", "FULLWIDTH LATIN SMALL LETTER E"),
        ("ｅ", "type 'e'"),
        ("х", "CYRILLIC SMALL LETTER HA"),
        ("x\u200b", "U+200B ZERO WIDTH SPACE"),
        ("sum(x, axs=1)", "Did you mean 'axis'?"),
        ("exp(x, y)", "exp(x)"),
        ("(x", "character 1"),
        ("sum(x[0])", "brackets; use a gate such as take"),
        ("sum(2 x)", "Write * before x"),
        ("[1 2]", "Write a comma before 2"),
        ("|x|", "Write abs(…)"),
        ("√x", "Write sqrt(…)"),
        ("x ≤ 2", "Write <="),
        ("x % 2", "Write remainder(x, y)"),
        ("a⋅b", "Write · or *"),
        ("{x}", "Write ( … )"),
    ],
)
def test_messages_help(text, said):
    assert said in refused(text)


def test_korean_names():
    assert Expression.parse("입력 * 2").evaluate({"입력": 3}).item() == 6


# E03
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9**9**9**9", math.inf),
        ("10**10**10", math.inf),
        ("2**-1e308", 0.0),
        ("1/0", math.inf),
        ("-1/0", -math.inf),
        ("1e308*10", math.inf),
    ],
)
def test_huge_numbers_are_floats(text, expected):
    started = time.process_time()
    assert value(text).item() == expected
    assert time.process_time() - started < 0.05


# E04
@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("(" * 10_000, "1,000"),
        ("-" * 50_000 + "1", "1,000"),
        ("1+" * 10**6 + "1", "1,000"),
        ("." * 10**5, "1,000"),
        ("9" * 5_000_000, "1,000"),
        ("(" * 500, "50 levels"),
        ("-" * 900 + "1", "50 levels"),
        ("[" * 500, "50 levels"),
        ("2**" * 300 + "1", "50 levels"),
        ("exp(" * 200, "50 levels"),
        ("+".join("x" * 200), "200"),
        ("x" + "²" * 400, "200"),
    ],
)
def test_limits_are_named(text, limit):
    started = time.process_time()
    assert limit in refused(text)
    assert time.process_time() - started < 0.1


def test_long_sums_are_not_deep():
    assert value("+".join(["x"] * 90), x=1).item() == 90


# E05
def test_inputs_and_names():
    with pytest.raises(ExpressionError, match="no value for learning_rate") as caught:
        value("learning_rate*2", learning_rat=1)
    assert "learning_rat" in str(caught.value)
    with pytest.raises(ExpressionError, match="a value for y, which 'x' does not use"):
        value("x", x=1, y=2)
    with pytest.raises(ExpressionError, match="input x got the text 'abc'"):
        value("x", x="abc")
    assert math.isnan(value("x", x=math.nan).item())


@pytest.mark.parametrize(
    "text", ["abc", "nan", "inf", "-inf", "1e999", "", "[1", "1/0", "2x", "'1'"]
)
def test_values_that_are_not_numbers_name_their_input(text):
    with pytest.raises(ExpressionError, match="input speed"):
        read_value("speed", text)


def test_settings():
    assert read_values(["W=[[1, -2], [.5, 4]]", "x = 3"])["W"].tolist() == [[1, -2], [0.5, 4]]
    for wrong in (["x"], ["=3"], ["x=1", "x=2"]):
        with pytest.raises(ExpressionError):
            read_values(wrong)


# E07
def test_shapes():
    with pytest.raises(ShapeError, match=r"\(2, 2\) and \(3,\)") as caught:
        value("[[1, 2], [3, 4]] @ [1, 2, 3]")
    assert "^ here" in str(caught.value)
    with pytest.raises(ShapeError, match=r"row 0 has shape \(2,\) and row 1 shape \(1,\)"):
        Expression.parse("[[1, 2], [3]]")
    with pytest.raises(ExpressionError, match="10,000,000,000 numbers"):
        value("broadcast_to(x, shape=[100000, 100000])", x=1)


# E08
@settings(max_examples=500, deadline=None)
@given(st.text(max_size=60))
def test_random_text(text):
    _outcome(text)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "x",
                "y",
                "1",
                "2.5",
                "+",
                "-",
                "*",
                "/",
                "**",
                "@",
                "(",
                ")",
                "[",
                "]",
                ",",
                "=",
                "<",
                "==",
                "exp",
                "sum",
                "max",
                "axis",
                "²",
                "σ",
                " ",
                "True",
                "concatenate",
                "stack",
            ]
        ),
        max_size=14,
    )
)
def test_random_tokens(tokens):
    _outcome("".join(tokens))


def _outcome(text):
    try:
        expression = Expression.parse(text)
        if len(expression.names) < 20:
            expression.evaluate(dict.fromkeys(expression.names, 0.5))
    except BacklightError as refusal:
        if not str(refusal).strip():
            raise


LEAVES = st.one_of(
    st.sampled_from(["x", "y"]), st.floats(0, 9).map(lambda number: format(number, ".3f"))
)
FORMULAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(
            lambda t: "({} {} {})".format(*t)
        ),
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(" ".join),
        inner.map(lambda a: f"-{a}"),
        inner.map(lambda a: f"exp(sin({a}))"),
        st.tuples(inner, inner).map(lambda t: "max({}, {})".format(*t)),
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(FORMULAS)
def test_generated_formulas_equal_numpy(text):
    names = {
        "x": np.float64(0.7),
        "y": np.float64(-1.3),
        "exp": np.exp,
        "sin": np.sin,
        "max": np.maximum,
        "F": np.float64,
    }
    python = re.sub(r"\d\.\d+", lambda match: f"F({match.group()})", text)
    with np.errstate(all="ignore"):
        expected = eval(python, {"__builtins__": {}}, names)  # noqa: S307 - the text is ours
    expression = Expression.parse(text)
    found = expression.evaluate({name: names[name] for name in expression.names}).item()
    assert found == pytest.approx(float(expected), rel=1e-12, abs=1e-12, nan_ok=True)


def test_mutated_formulas():
    text = "sigmoid(a*x + b*y + c) - max(x, [1, 2]) ** 2"
    for place in range(len(text)):
        for other in "()[],=*+1x.²\0":
            _outcome(text[:place] + other + text[place + 1 :])
        _outcome(text[:place] + text[place + 1 :])


def test_whole_numbers_are_labels():
    """Every number of a formula is a float; where a gate wants labels or places, whole ones are."""
    scores = np.array([-2.85, 0.86, 0.28])
    for target in ("2", "[2]", "y"):
        s = scores[None] if target == "[2]" else scores
        given = {"s": s, "y": 2} if target == "y" else {"s": s}
        assert float(value(f"cross_entropy(s, {target})", **given)) == pytest.approx(
            1.040191, abs=1e-6
        )
        assert float(value(f"multiclass_hinge(s, {target})", **given)) == pytest.approx(
            1.58, abs=1e-9
        )
    assert value("take(s, [2, 0])", s=scores).tolist() == [0.28, -2.85]
    for wrong in ("1.5", "3", "-1"):
        with pytest.raises(BacklightError, match="label"):
            value(f"cross_entropy(s, {wrong})", s=scores)

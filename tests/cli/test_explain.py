"""`backlight explain`: what it prints and writes, and what it refuses (E01–E08)."""

import io
import json
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.command import command, program

NEURON = ("explain", "sigmoid(a*x + b*y + c)", "a=1", "b=2", "c=-3", "x=-1", "y=3")


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("BACKLIGHT_LANG", "en")


def said(*arguments, code=0):
    ended = command("explain", *arguments)
    assert ended.code == code, ended
    assert not ended.err
    return ended.out


def refused(*arguments, words=()):
    """A refusal in words; the formula and its caret take two lines more than usual."""
    ended = command("explain", *arguments)
    assert ended.code == 2, ended
    assert not ended.out
    assert "internal error" not in ended.err
    assert len(ended.err) < 1500
    assert ended.err.count("\n") <= 7
    for word in words:
        assert word in ended.err, ended.err


def test_the_neuron():
    out = command(*NEURON).out
    assert out.startswith("sigmoid(a*x + b*y + c) = 0.880797\n")
    for told in ("(×)", "(+)", "(σ)", "0.8808", "−0.1050", "0.3150", "0.314981", "squash"):
        assert told in out
    assert out.index("(σ)") < out.index("gate ") < out.index("input ")


def test_it_starts_quickly(tmp_path):
    """Half a second of this program's own work on a quiet machine; tests share theirs."""
    program(*NEURON, cwd=tmp_path)  # compiled to bytecode once
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        ended = program(*NEURON, cwd=tmp_path, BACKLIGHT_LANG="en")
        seconds.append(time.perf_counter() - started)
        assert ended.returncode == 0
        assert not ended.stderr
    assert min(seconds) < 3


def test_heavy_libraries_are_left_alone(tmp_path):
    import subprocess

    from tests.cli.command import ROOT

    code = (
        "import sys\n"
        "from backlight.cli.main import run\n"
        "run(['explain', 'x*y', 'x=4', 'y=-3'])\n"
        "heavy = {'rich', 'matplotlib', 'plotly', 'sklearn', 'scipy', 'llvmlite', 'starlette'}\n"
        "sys.exit(str(sorted(heavy & set(sys.modules)) or ''))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() in ("", "[]"), done.stderr


def test_steps_in_words():
    out = said("x*y", "x=2", "y=3", "--step")
    assert "The × gate switches its inputs: x gets upstream 1.00 × y 3.00 = 3.00" in out
    assert out.index("Forward: values") < out.index("Backward: gradients")


def test_korean():
    out = said("x*y", "x=2", "y=3", "--step", "--lang", "ko")
    assert "입력을 맞바꿉니다" in out
    assert "그라디언트" in out
    assert "switches" not in out
    assert "switches" in said("x*y", "x=2", "y=3", "--step")  # for that command only


def test_unfold():
    out = said("sigmoid(x)", "x=1", "--unfold")
    for told in ("(×−1)", "(exp)", "(+1)", "(1/x)", "σ"):
        assert told in out


def test_unfold_one_gate():
    formula = "sigmoid(x)*softplus(x)"
    for arguments in (
        (formula, "x=1", "--unfold", "σ"),
        (formula, "x=1", "--unfold=sigmoid"),
        ("--unfold", "sigmoid(x)", formula, "x=1"),
    ):
        out = said(*arguments)
        assert "(1/x)" in out
        assert "(softplus)" in out
        assert "(log1p)" not in out
    both = said(formula, "x=1", "--unfold", "σ, softplus")
    assert "(1/x)" in both
    assert "(log1p)" in both
    assert said("--unfold", formula, "x=1") == said(formula, "x=1", "--unfold")
    assert said(formula, "--unfold", "x=1") == said(formula, "x=1", "--unfold")


def test_numeric():
    out = said("x*y", "x=2", "y=3", "--numeric")
    assert "Gradients that agree with the numerical ones: 2." in out


def test_a_wrong_gradient_is_exit_code_1():
    from backlight.gates import TABLE
    from backlight.gates.family import Elementwise
    from backlight.gates.gate import Role

    class Wrong(Elementwise):
        """x², with half its derivative."""

        role = Role.SCALER
        formula = "x**2"

        def forward(self, np, x):
            return x * x

        def backward(self, upstream, x, output):
            return (upstream * x,)

    Wrong()
    try:
        out = said("wrong(x)", "x=3", "--numeric", code=1)
        assert "do not agree with the numerical ones: 1." in out
    finally:
        TABLE.pop("wrong")


def test_nudges():
    assert "from −6 to −5.8706" in said("x*y", "x=-2", "y=3", "--nudge", "0.01")
    assert "downhill" in said("x*y", "x=-2", "y=3", "--nudge", "-0.01")
    assert "from −12 to −12.003" in said("x*y", "x=4", "y=-3", "--nudge", "x=0.001")
    assert "W [[1, 0]]" in said("W@[1, 2]", "W=[[1,2]]", "--nudge", "W=[[1,0]]")


def test_upstream():
    assert "−6" in said("x*y", "x=4", "y=-3", "--upstream", "2")
    assert "0.3" in said("x*[1, 2]", "x=4", "--upstream", "[0.1, 0.1]")


def test_jacobian_and_ledger():
    out = said("relu(x)", "x=random(4096)", "--dtype", "float32", "--jacobian", "--ledger")
    assert "16,777,216 entries, 64 MiB in float32." in out
    assert "its output" in out
    assert "16 KiB" in out
    out = said("relu(x)", "x=random(100,4096)", "--dtype", "float32", "--jacobian")
    assert "167,772,160,000 entries, 625 GiB in float32." in out
    assert "Forming it is refused" in out


def test_division_by_zero_is_said():
    out = said("x/y", "x=1", "y=0")
    assert out.startswith("x/y = ∞")
    assert "The / gate makes f = ∞ out of x = 1.00, y = 0.00: the first value" in out


@pytest.mark.parametrize(
    ("format", "begins"),
    [
        ("svg", "<svg"),
        ("html", "<!doctype html>"),
        ("json", "{"),
        ("dot", "digraph"),
        ("latex", "\\begin{align*}"),
        ("text", "x*y = −12"),
    ],
)
def test_formats(format, begins, tmp_path):
    out = said("x*y", "x=4", "y=-3", "--format", format)
    assert out.startswith(begins)
    file = tmp_path / "circuit"
    assert not said("x*y", "x=4", "y=-3", "--format", format, "-o", str(file))
    assert file.read_text(encoding="utf-8") == out
    if format == "json":
        assert json.loads(out)["nodes"][2]["value"] == -12


def test_png(tmp_path):
    pytest.importorskip("resvg_py")
    file = tmp_path / "circuit.png"
    assert not said("x*y", "x=4", "y=-3", "--format", "png", "-o", str(file))
    assert file.read_bytes().startswith(b"\x89PNG")
    refused("x*y", "x=4", "y=-3", "--format", "png", words=("-o circuit.png",))


def test_exercise(tmp_path, monkeypatch):
    file = tmp_path / "backward.txt"
    file.write_text("q = x + y\nf = q*z\ndq = z\ndz = q\ndx = dq\ndy = dq\n", encoding="utf-8")
    given = ("(x+y)*z", "x=-2", "y=5", "z=-4")
    assert "All 6 lines are right." in said(*given, "--exercise", str(file))
    file.write_text("q = x + y\nf = q*z\ndq = z\ndx = 1\n", encoding="utf-8")
    out = said(*given, "--exercise", str(file), code=1)
    assert "line 4 ✗ dx = 1" in out
    assert "the upstream gradient −4 is forgotten" in out
    monkeypatch.setattr(sys, "stdin", io.StringIO("dx = y\ndy = y\n"))
    assert "that is what x gets" in said("x*y", "x=4", "y=-3", "--exercise", "-", code=1)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"dx = \x00", b"dx = y\n" * 5000])
def test_exercises_that_cannot_be_read(content, tmp_path):
    file = tmp_path / "backward.txt"
    file.write_bytes(content)
    refused("x*y", "x=1", "y=2", "--exercise", str(file))
    refused("x*y", "x=1", "y=2", "--exercise", str(tmp_path))
    refused("x*y", "x=1", "y=2", "--exercise", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("x*/y", "x=1", "y=2"), ("x*/y\n      ^ here",)),
        (("",), ("^ here",)),
        (("sigmiod(x)", "x=1"), ("Did you mean 'sigmoid'",)),
        (("x*y", "x=1"), ("no value for y", "^ here")),
        (("x*y", "x=1", "yy=2"), ("no value for y",)),
        (("x", "x=1", "y=2"), ("a value for y",)),
        (("x*y", "x=1", "x=2", "y=1"), ("input x got two values",)),
        (("x", "x=random(2)", "x=1"), ("input x got two values",)),
        (("x", "x=random(2)", "x=random(2)"), ("input x got two values",)),
        (("x", "x=nan"), ("finite number",)),
        (("x", "x=inf"), ("finite number",)),
        (("x", "x=abc"), ("input x", "Write x=1.5")),
        (("x", "x=[1, [2]]"), ("input x",)),
        (("x", "x=random(1000,1001)"), ("random(4096)",)),
        (("x", "x=random(0)"), ("random(4096)",)),
        (("x", "x=random(2"), ("random(4096)",)),
        (("x", "x=random(99999999999999999999)"), ("random(4096)",)),
        (("x", "x"), ("name=value",)),
        (("W@x", "W=[[1,2]]", "x=[1,2,3]"), ("(1, 2)", "(3,)", "^ here")),
        (("1+2",), ("without names",)),
        ((), ("nothing to explain",)),
        (("x", "x=1", "--numerik"), ("Did you mean '--numeric'",)),
        (("sigmoid(x)", "x=1", "--unfold", "sigmod"), ("Did you mean 'sigmoid'",)),
        (("x*x", "x=1", "--unfold", "sigmoid"), ("composite gate of this circuit: none",)),
        (("x", "x=1", "--format", "pdf"), ("one of text, svg",)),
        (("x", "x=1", "--lang", "kr"), ("one of en, ko",)),
        (("x", "x=1", "--dtype", "float16"), ("float64, float32",)),
        (("x", "x=1", "--nudge", "0"), ("other than 0",)),
        (("x", "x=1", "--nudge", "nan"), ("finite number",)),
        (("x", "x=1", "--nudge", "[1]"), ("--nudge",)),
        (("x", "x=1", "--nudge", "y=1"), ("one of x",)),
        (("x", "x=1", "--upstream", "[1,2]"), ("upstream gradient of shape",)),
        (("x", "x=1", "-o", "/nonexistent/folder/file"), ("a folder that exists",)),
        (("x", "x=1", "-o", "a\0b"), ("cannot be written",)),
        (("x", "x=1", "--exercise", "-", "--format", "svg"), ("--exercise",)),
        (("ｅｘｐ(x)", "x=1"), ("FULLWIDTH", "^ here")),
        (("х*2", "x=1"), ("CYRILLIC",)),
        (("9**9**9**9*x + 10,000", "x=1"), ("^ here",)),
        (("(" * 10_000 + "x", "x=1"), ("at most",)),
        (("-" * 900 + "x", "x=1"), ("at most",)),
        (("+".join("x" * 400), "x=1"), ("at most",)),
        (("__import__('os').system('true')", "x=1"), ("^ here",)),
        (("x.__class__", "x=1"), ("^ here",)),
        (("sum(x, axis=3)", "x=[1,2]"), ("^ here",)),
        (("\ud800", "x=1"), ("^ here",)),
        (("x\0", "x=1"), ("^ here",)),
    ],
)
def test_bad_input_is_refused_in_words(arguments, words):
    refused(*arguments, words=words)


def test_huge_numbers_are_said(tmp_path):
    """E03: floats, infinite, and quickly."""
    started = time.perf_counter()
    out = said("9**9**9*x", "x=1")
    assert time.perf_counter() - started < 1
    assert "∞" in out


def test_korean_names_and_signs():
    out = said("입력·무게² − 1", "입력=2", "무게=3")
    assert out.startswith("입력·무게² − 1 = 17")


PIECES = ["x", "y", "(", ")", "+", "-", "*", "/", "**", "@", "[", "]", ",", "exp", "max", "1", "²"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@settings(max_examples=60, deadline=None)
def test_any_pieces_are_explained_or_refused(text):
    """E08: nothing but an account or an error of ours."""
    ended = command("explain", text, "x=1.5", "y=[1, 2]")
    assert ended.code in (0, 2), ended
    assert "internal error" not in ended.err


@given(st.text(max_size=20), st.text(max_size=10))
@settings(max_examples=60, deadline=None)
def test_any_text_is_explained_or_refused(formula, value):
    ended = command("explain", formula, f"x={value}")
    assert ended.code in (0, 2), ended


def test_mutated_commands_are_explained_or_refused():
    chooser = np.random.default_rng(7)
    options = ["--step", "--unfold", "--numeric", "--jacobian", "--ledger", "--nudge", "0.01"]
    for _ in range(40):
        formula = list("sigmoid(a*x + b*y + c)/relu(x)**2")
        for _ in range(chooser.integers(3)):
            formula[chooser.integers(len(formula))] = chooser.choice(list("()+-*/@,=xyz0. ²"))
        given = [
            f"{name}={chooser.choice(['0', '1', '-2.5', '[1,2]', '1e300'])}" for name in "abcxy"
        ]
        ended = command("explain", "".join(formula), *given, *options[: chooser.integers(6)])
        assert ended.code in (0, 1, 2), ended
        assert "internal error" not in ended.err


def test_warnings_stay_silent():
    assert command("explain", "1/x + 1/(x-x)", "x=2", "--step", "--jacobian").warned == ()

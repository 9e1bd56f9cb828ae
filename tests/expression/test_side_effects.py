"""Programme 2.8, P11: a hostile formula opens, imports and runs nothing, hangs on nothing."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from backlight.errors import BacklightError
from backlight.expression import Expression, read_values

ROOT = Path(__file__).parents[2]
PROGRAM = r"""
import resource, sys
import numpy as np
from backlight.errors import BacklightError
from backlight.explain import circuit
from backlight.explain.circuit.account import account, walked
from backlight.expression import Expression, read_values

HOSTILE = [
    "__import__('os').system('touch x')", "().__class__.__base__.__subclasses__()", "open('x')",
    "exec(x)", "eval(x)", "x.__init__.__globals__", "lambda: 1", "[y for y in x]", "f'{x}'",
    "import os", "x;import os", "x\nimport os", "getattr(x, y)", "(" * 999, "-" * 999, "[" * 999,
    "9**9**9**9", "x@" * 300, "exp(" * 49 + "x" + ")" * 49, "\0", "\ud800", "\u202e", "a" * 1000,
    "x" * 65536, "(" * 65536, "1" * 65536, "broadcast_to(x, shape=[99999, 99999])",
    "pad(x, widths=[[9999999, 9999999]])", "reshape(x, [-1, 0])", "einsum(x, y, equation=x)",
]
PIECES = "x y 1 2.5 + - * / ** @ ( ) [ ] , = < exp sum max axis sigmoid where take".split()

def attempt(text):
    try:
        expression = Expression.parse(text)
        if 0 < len(expression.names) < 9:
            drawn = circuit(expression, **dict.fromkeys(expression.names, 0.5))
            walked(drawn, "en")
    except BacklightError:
        pass

chooser = np.random.default_rng(1)
attempt("sigmoid(x)")
attempt("x y")
attempt("sigmiod(x)")
attempt("h\u00e9(x)")
read_values(["x=1"])
seen = []
WATCHED = ("open", "import", "exec", "compile", "subprocess", "socket", "ctypes", "os.")
sys.addaudithook(lambda event, given: event.startswith(WATCHED) and seen.append((event, given[:1])))
resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))
for text in HOSTILE:
    attempt(text)
for _ in range(1500):
    attempt("".join(chooser.choice(PIECES, chooser.integers(1, 12))))
found = sorted({event for event, _ in seen})
sys.stdout.write(repr((found, seen[:3])) if found else "nothing")
"""


def test_formulas_touch_nothing():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "nothing", (done.stdout, done.stderr[-2000:])


@pytest.mark.parametrize(
    "text",
    [
        "(" * 65_536,
        "-" * 65_536,
        "x" * 65_536,
        "1" * 65_536,
        "x+" * 32_768,
        "[[" * 30_000,
        "²" * 65_536,
    ],
)
def test_64_kib_is_refused_at_once(text):
    started = time.perf_counter()
    with pytest.raises(BacklightError, match="characters"):
        Expression.parse(text)
    with pytest.raises(BacklightError):
        read_values([f"x={text}"])
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "text",
    [
        "(" * 999,
        "-" * 999,
        "x" + "²" * 900,
        "x" + "**x" * 300,
        "exp(" * 200,
        "x<" * 300,
        "[1," * 300,
    ],
)
def test_the_deepest_texts_end_quickly(text):
    started = time.perf_counter()
    with pytest.raises(BacklightError):
        Expression.parse(text)
    assert time.perf_counter() - started < 1

"""What `backlight check` shows: a gradient by hand, the curve over the steps, both languages."""

import json
import re

import pytest

from backlight.check import gradcheck
from backlight.check.told import mistake
from backlight.cli.main import run
from backlight.words import speaking
from tests.check.planted import BUGS
from tests.cli.command import refused

HANGUL = re.compile("[가-힣]")
MINE = """
import numpy as np

def loss(W, b, X):
    scores = X @ W + b
    return np.sum(scores ** 2), {"W": 2 * X.T @ scores, "b": FACTOR * scores.sum(axis=0)}

def case():
    chance = np.random.default_rng(0)
    return loss, (chance.normal(size=(4, 3)), chance.normal(size=3), chance.normal(size=(5, 4)))
"""


@pytest.fixture
def mine(tmp_path):
    def written(factor):
        path = tmp_path / "mine.py"
        path.write_text(MINE.replace("FACTOR", factor))
        return f"{path}:case"

    return written


def test_a_gradient_by_hand(mine, capsys):
    assert run(["check", mine("2"), "--by-hand", "--every"]) == 0
    assert "15 of 15 numbers" in capsys.readouterr().out
    assert run(["check", mine("-2"), "--by-hand"]) == 1
    assert "Likely mistake in the gradient by b: the sign." in capsys.readouterr().out
    assert run(["check", mine("-2"), "--by-hand", "--lang", "ko"]) == 1
    assert "b 그라디언트의 실수로 짐작되는 것: 부호." in capsys.readouterr().out
    refused("check", "mlp", "--by-hand", words=("(value, gradients)",))
    refused("check", mine("2"), "--by-hand", "--curve", words=("--curve",))
    refused("check", mine("2"), "--by-hand", "--order", "2", words=("--order 2",))
    refused("check", mine("2"), words=("a dictionary", "--by-hand"))


def test_the_curve(capsys):
    assert run(["check", "sigmoid(a*x)", "a=1", "x=2", "--curve"]) == 0
    shown = capsys.readouterr().out
    for words in ("one-sided", "centred, in float32", "h^1.00", "h^2.00", "check in float64"):
        assert words in shown
    assert run(["check", "sigmoid(a*x)", "a=1", "x=2", "--curve", "--json"]) == 0
    curve = json.loads(capsys.readouterr().out)["curve"]
    assert len(curve["points"]) == 12
    assert curve["orders"][1] == pytest.approx(2, abs=0.02)
    assert run(["check", "sigmoid(a*x)", "a=1", "x=2", "--curve", "--lang", "ko"]) == 0
    assert "중앙 차분" in capsys.readouterr().out
    refused("check", "tanh(x)", "x=1", "--curve", "--compiled", words=("--compiled",))


def test_every_mistake_has_a_name_in_both_languages():
    told = {gradcheck(bug.function, bug.inputs).worst.mistake for bug in BUGS} - {""}
    assert len(told) > 20
    for one in told:
        with speaking("ko"):
            assert HANGUL.search(mistake(one)), one
        with speaking("en"):
            assert mistake(one).split()[0] == one.split()[0]
    with speaking("ko"):
        assert mistake("something new") == "something new"


def test_verdicts_in_korean(capsys):
    assert run(["check", "relu(x)*y", "x=0", "y=2", "--lang", "ko"]) == 0
    shown = capsys.readouterr().out
    assert "게이트 relu: 꺾임" in shown
    assert "왼쪽의" in shown
    assert run(["check", "nn.Linear", "--lang", "ko"]) == 0
    assert "무작위 가중치" in capsys.readouterr().out

"""The answer: data for machines, words in two languages, a table for notebooks."""

import json
import re
from importlib.resources import files

import numpy as np
import pytest

from backlight import nn
from backlight.explain import circuit
from backlight.explain.why import Overview, why
from backlight.words import catalogue
from tests.explain.why.network import convnet, loss_of, perceptron, rows


@pytest.fixture(scope="module")
def reason():
    model = convnet()
    return why(loss_of(model, rows(4, 1, 8, 8)), model[0].weight, (1, 0, 1, 1))


def test_plain_values(reason):
    told = json.loads(json.dumps(reason.to_dict(), allow_nan=False))
    assert told["entry"] == [1, 0, 1, 1]
    assert told["outcome"] == "number"
    listed = sum(path["contribution"] for path in told["account"]["paths"])
    assert listed + told["account"]["remainder"] == pytest.approx(told["gradient"])
    assert told["budget"]["by_cause"]["cancellation"] <= 1
    assert told["gates"][str(told["account"]["paths"][0]["steps"][0]["node"])]["gate"] == "conv2d"
    broken = why("log(x)*y", "x", x=0, y=1).to_dict()
    assert broken["nonfinite"]["value"] == "-inf"
    json.dumps(broken, allow_nan=False)


def test_words(reason):
    english, korean = reason.in_words("en"), reason.in_words("ko")
    assert english.startswith("∂output/∂0.weight[1, 0, 1, 1] = ")
    for words in ("local", "upstream", "all other paths together", "cancel", "push hardest"):
        assert words in english
    for words in ("로컬", "업스트림", "나머지 모든 경로", "상쇄", "연쇄 법칙", "그라디언트"):
        assert words in korean
    assert "{" not in english + korean
    assert not re.search(r"\d-\d|= -", english)  # real minus signs


def test_a_small_circuit_is_told_shortly():
    told = why("(x+y)*z", "x", x=-2, y=5, z=-4).in_words("en")
    assert told.splitlines() == [
        "∂output/∂x = −4",
        "Paths to the output, all 1:",
        "          −4  = 1 × −4",
        "                x → add #2 → multiply #4",
        "          −4  sum: the gradient",
    ]


def test_every_leaf_at_once():
    found = why("(x+y)*z", x=-2, y=5, z=-4)
    assert isinstance(found, Overview)
    assert [(one.name, one.gradient) for one in found.reasons] == [("x", -4), ("y", -4), ("z", 3)]
    assert len(str(found).splitlines()) == 3
    assert found["z"].gradient == 3
    model = perceptron(nn.ReLU())
    lines = str(why(loss_of(model, rows(8, 4)))).splitlines()
    assert len(lines) == 4
    assert "‖·‖" in lines[0]
    walled = why("sign(x) * y", x=2, y=3)
    assert walled["x"].missing.gate == "sign"


def test_a_circuit_or_a_node_can_be_asked():
    drawn = circuit("(x+y)*z", x=-2, y=5, z=-4)
    assert why(drawn, "z").gradient == 3
    middle = why(drawn, 2)
    assert middle.gradient == -4
    assert middle.circuit.nodes[2].gate.name == "add"


def test_an_intermediate_tensor_can_be_asked():
    model = perceptron(nn.ReLU())
    hidden = model[1](model[0](rows(8, 4)))
    loss = (model[2](hidden) ** 2).mean()
    reason = why(loss, hidden, (0, 1))
    loss.backward()
    assert reason.target is not None
    assert np.isfinite(reason.gradient)


def test_a_table_for_notebooks(reason):
    table = reason._repr_html_()
    assert table.startswith('<div class="backlight-why">')
    assert "<td>" in table
    assert "<script" not in why("x*y", "x", x=1, y=2)._repr_html_()
    assert repr(reason) == "<why 0.weight[1, 0, 1, 1]: number>"


def test_both_languages_say_the_same_things():
    english, korean = catalogue("en", "why"), catalogue("ko", "why")
    assert list(english) == list(korean)
    for name, sentence in english.items():
        places = re.findall(r"\{(\w+)\}", sentence)
        assert set(re.findall(r"\{(\w+)\}", korean[name])) <= set(places), name
    text = files("backlight.words").joinpath("ko", "why.toml").read_text(encoding="utf-8")
    assert not re.search(r"\}(은|는|이|가|을|를|과|와|으로|로)(\s|$)", text)

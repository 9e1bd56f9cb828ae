"""Which gates each line of a stage came from: nothing is lost on the way, nothing is made up."""

import numpy as np
import pytest

import backlight
from backlight import nn, optim
from backlight.native.pipeline import STAGES


@pytest.fixture(scope="module")
def stages():
    backlight.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    rule = optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        loss = nn.CrossEntropyLoss()(model(x), y)
        rule.zero_grad()
        loss.backward()
        rule.step()
        return loss

    compiled = backlight.compile(step)
    return compiled.lower(backlight.ones(4, 6), backlight.tensor(np.arange(4) % 3))


def numbers(stages, gate):
    """The gates of a name, by the numbers that the graph's text gives them."""
    lines = stages["graph"].split("\n")
    return [int(line[1:].split(" ")[0]) for line in lines if f" = {gate}(" in line]


def lines(stages, stage):
    """The lines of a stage, each with its gates."""
    text = stages[stage].split("\n")
    return list(zip(text, (gates for _, gates in stages.pieces(stage)), strict=True))


@pytest.mark.parametrize("stage", STAGES)
def test_the_pieces_are_the_whole_text(stages, stage):
    assert sum(count for count, _ in stages.pieces(stage)) == stages[stage].count("\n") + 1


def test_a_line_of_the_graph_is_its_own_gate(stages):
    for text, gates in lines(stages, "graph"):
        if text.startswith("%"):
            assert gates == {int(text[1:].split(" ")[0])}
        if text.startswith("return"):
            assert not gates


@pytest.mark.parametrize("stage", ["loops", "simplified", "layout"])
def test_each_product_came_from_its_own_gate(stages, stage):
    first, second = numbers(stages, "linear")
    found = [gates for text, gates in lines(stages, stage) if " = product(" in text]
    assert {first} in found
    assert {second} in found
    assert len(found) == 2 + len(numbers(stages, "matmul"))
    assert len(set(found)) == len(found)


def test_a_gate_of_many_lines_is_found_in_all_of_them(stages):
    (loss,) = numbers(stages, "cross_entropy")
    found = [text for text, gates in lines(stages, "loops") if loss in gates]
    assert len(found) > 20
    assert all("cross_entropy" in text for text in found)


def test_a_product_and_a_sum_that_became_one_came_from_both(stages):
    found = [gates for text, gates in lines(stages, "simplified") if " = fma(" in text]
    graph = dict(lines(stages, "graph"))
    for gates in found:
        made = {text.split(" = ")[1].split("(")[0] for text, one in graph.items() if one & gates}
        assert "multiply" in made
        assert made & {"add", "subtract"}
    assert found


def test_a_call_computes_what_was_put_into_one_kernel(stages):
    first, _ = numbers(stages, "linear")
    (relu,) = numbers(stages, "relu")
    calls = [gates for _, gates in lines(stages, "calls") if first in gates]
    assert calls
    assert relu in calls[0], "the bias and the ReLU are computed on the way"
    steps = [gates for _, gates in lines(stages, "steps")]
    assert calls[0] in steps


def test_the_look_at_the_checks_came_from_no_gate(stages):
    found = [gates for text, gates in lines(stages, "calls") if "look at the checks" in text]
    assert found == [frozenset()]


def test_what_is_computed_is_in_every_later_stage(stages):
    wanted = {*numbers(stages, "linear"), *numbers(stages, "relu"), *numbers(stages, "matmul")}
    for stage in STAGES:
        if stage != "memory":
            assert wanted <= frozenset().union(*(gates for _, gates in stages.pieces(stage)))

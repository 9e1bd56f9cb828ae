import subprocess
import sys

import numpy as np
import pytest

from backlight.bench import workload
from backlight.bench.agreement import compared
from backlight.bench.ours import eager
from backlight.bench.peer import COMPILED, EAGER, PEERS
from backlight.bench.workloads import in_backlight
from backlight.bench.workloads.alexnet import ALEXNET
from backlight.bench.workloads.convnet import CONVNET
from backlight.bench.workloads.perceptron import MOONS, TWO_LAYERS
from backlight.errors import UsageError
from tests.cli.command import ROOT

EVERY = workload.every()
NOTHING_TO_COMPILE = ("gate", "loader", "start")


@pytest.mark.parametrize("name", EVERY)
def test_a_workload_is_declared_whole(name):
    work = EVERY[name][1]
    assert len(work.title) <= 34
    frameworks = {workload.framework(one) for one in work.contenders}
    assert EAGER in work.contenders
    assert COMPILED in work.contenders or work.name in NOTHING_TO_COMPILE
    assert frameworks - {"backlight"} <= set(PEERS)
    assert set(work.slow) <= set(work.contenders)
    for target in work.targets:
        assert (target.ratio is None) != (target.limit is None)
        assert set(target.against) <= frameworks


def test_the_arithmetic_is_that_of_the_design():
    assert CONVNET.flop == pytest.approx(10.2e9, rel=0.02)
    # 109 GFLOP count the first layer's gradient by its images, which nobody needs.
    assert ALEXNET.flop == pytest.approx(109e9, rel=0.04)
    assert TWO_LAYERS.flop == pytest.approx(0.32e9, rel=0.02)
    assert EVERY["lstm"][1].flop == pytest.approx(13.1e9, rel=0.01)


def test_names_find_families():
    assert list(workload.find(["neuron"])) == ["neuron", "neuron-1000"]
    assert list(workload.find(["neuron-1000"])) == ["neuron-1000"]
    assert len(workload.find(["conv32", "conv64-data"])) == 4
    assert {pair[1].quick for pair in workload.find([]).values()} == {True}
    with pytest.raises(UsageError, match="Did you mean 'convnet'"):
        workload.find(["convent"])


def test_workloads_load_where_only_numpy_is():
    """A peer's Python need not have what Backlight needs."""
    program = (
        "import sys; from backlight.bench import child, workload; workload.every();"
        "print(sorted({'psutil', 'rich', 'cyclopts', 'backlight.engine', 'backlight.nn'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_moons_learn_as_written_by_hand():
    given = MOONS.material()
    ready = in_backlight.step(given, eager, MOONS)
    losses = [ready.read(ready.step())[0] for _ in range(20)]
    assert losses[-1] < losses[0]
    w1, b1, w2, b2, w3, b3 = given["weights"]
    hidden = np.maximum(np.maximum(given["x"] @ w1.T + b1, 0) @ w2.T + b2, 0)
    scores = hidden @ w3.T + b3
    by_hand = np.mean(np.logaddexp(0, scores) - given["y"] * scores)
    assert losses[0] == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("name", ["neuron", "neuron-1000"])
def test_the_neuron_learns(name):
    work = EVERY[name][1]
    ready = work.contenders[EAGER](work.material())
    first = ready.read(ready.step())[0]
    assert ready.read(ready.step())[0] < first


def test_comparing_names_the_two_and_the_place():
    same = {"a": [np.ones(3)], "b": [np.ones(3)]}
    assert compared(same, 0.0) == (0.0, None)
    assert compared({"a": [np.zeros(2)], "b": [np.zeros(2)]}, 0.0) == (0.0, None)
    assert compared({"a": [np.ones(0)]}, 0.0) == (0.0, None)
    wrong = {**same, "c": [np.array([1.0, 1.0, 1.5])]}
    _, found = compared(wrong, 0.1)
    assert str(found).startswith("a and c disagree")
    assert "(2,)" in str(found)
    assert "shapes" in compared({**same, "c": [np.ones(2)]}, 1.0)[1].told
    assert "answers" in compared({**same, "c": []}, 1.0)[1].told
    assert compared({"a": [np.ones(2)], "b": [np.array([1, np.inf])]}, 9.0)[1] is not None


def test_the_net_of_two_layers_learns_as_written_by_hand():
    work = EVERY["net2"][1]
    given = work.material()
    losses = []
    for name in (EAGER, "numpy"):
        ready = work.contenders[name](given)
        losses.append([ready.read(ready.step()) for _ in range(3)])
    assert compared(dict(zip("ab", losses, strict=True)), work.tolerance)[1] is None

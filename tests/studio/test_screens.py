"""What each screen answers with: toys, races, checks, runs, nets."""

import json
import time

import numpy as np
import pytest

from backlight.errors import BacklightError, UsageError
from backlight.studio import follow, run_files
from backlight.studio.live_net import LiveNet
from backlight.studio.player import Player
from backlight.studio.toy import Choice, Toy
from tests.train.synthetic_run import HOSTILE, make_examination, make_run


def test_a_toy_learns_the_spiral_and_repeats_itself():
    curves = []
    for _ in range(2):
        toy = Toy(Choice(points=40))
        for _ in range(150):
            toy.advance()
        curves.append(toy.note())
    assert curves[0] == curves[1]
    assert curves[0][1] > 0.8


def test_a_toy_that_diverges_says_so():
    toy = Toy(Choice(optimizer="gradient-descent", lr=100.0, points=20))
    for _ in range(60):
        if toy.problem:
            break
        toy.advance()
    step = toy.step
    frames = []
    player = Player(toy, lambda topic, frame: frames.append((topic, frame)), lambda _: True)
    player.once()
    player.close()
    assert dict(frames)["toy"]["problem"] == toy.problem
    assert toy.step == step if toy.problem else True


@pytest.mark.parametrize("data", ["spiral", "circles", "moons", "xor", "blobs"])
@pytest.mark.parametrize("activation", ["ReLU", "Sigmoid"])
def test_every_toy_is_shown_whole(data, activation):
    toy = Toy(Choice(data=data, points=10, hidden=(4,), activation=activation))
    toy.advance(watched=True)
    assert toy.field().shape == (64, 64, toy.classes)
    assert np.allclose(toy.field().sum(axis=2), 1, atol=1e-5)
    assert set(toy.norms) == set(toy.ratios) | {n for n in toy.norms if n.endswith("bias")}
    assert [maps.shape for _, maps in toy.units()] == [(4, 24, 24)]
    left, bottom, right, top = toy.box
    assert (toy.inputs[:, 0] >= left).all()
    assert (toy.inputs[:, 1] <= top).all()
    assert right > left
    assert top > bottom


def test_a_toy_plays_pauses_and_steps(ask):
    ask("toy.make", points=20, hidden=[4])
    ask("toy.play", steps=1)
    time.sleep(0.25)
    ask("toy.pause")
    step = ask("toy.choices")["now"]["state"]["step"]
    assert step > 0
    ask("toy.step")
    assert ask("toy.choices")["now"]["state"]["step"] in (step + 1, step + 2)
    assert ask("toy.rate", lr=0.5) == 0.5


def test_a_point_has_its_circuit_and_its_gradients(ask):
    ask("toy.make", points=20, hidden=[4])
    found = ask("toy.example", index=7)
    assert sum(found["probabilities"]) == pytest.approx(1, rel=1e-5)
    assert found["loss"] == pytest.approx(-np.log(found["probabilities"][found["label"]]), rel=1e-4)
    assert len(found["gradients"]) == 4
    assert "<svg" in found["circuit"]["svg"]
    assert "∂" in ask("toy.why", index=7, node=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"data": "mnist"},
        {"points": 1e9},
        {"points": 3.5},
        {"noise": -1},
        {"hidden": [1000]},
        {"hidden": [4] * 9},
        {"hidden": "16"},
        {"lr": 0},
        {"lr": True},
        {"seed": -1},
        {"activation": "Softmax"},
        {"optimizer": "lbfgs"},
    ],
)
def test_a_toy_has_limits(ask, wrong):
    with pytest.raises(UsageError):
        ask("toy.make", **wrong)


def test_rules_race_and_gradient_descent_runs_away_above_its_bound(ask):
    racers = [{"key": "gradient-descent", "lr": lr} for lr in (0.06, 0.07)]
    found = ask("race.run", surface="valley", start=[-2.0, 1.0], steps=100, racers=racers)
    below, above = (one["path"] for one in found["racers"])
    assert found["quadratic"]
    assert found["largest"] == pytest.approx(30)
    assert below[-1][2] < 0.01 * below[0][2]
    assert above[-1][2] > above[0][2]


def test_every_racer_runs(ask):
    keys = [rule["key"] for rule in ask("race.choices")["rules"]]
    for start in range(0, len(keys), 8):
        racers = [{"key": key, "lr": 0.05} for key in keys[start : start + 8]]
        found = ask("race.run", surface="pits", start=[2.0, 2.0], steps=30, racers=racers)
        assert all(one["path"][-1][2] < one["path"][0][2] for one in found["racers"])
    assert len(found["field"]) == 64


@pytest.mark.parametrize(
    "wrong",
    [
        {"formula": "a + b"},
        {"formula": "3"},
        {"formula": "x +"},
        {"formula": "sum(x)*x"},
        {"start": [1]},
        {"start": "here"},
        {"steps": 10**6},
        {"racers": [{"key": "adamm", "lr": 1}]},
        {"racers": [{"key": "adam", "lr": -1}]},
        {"racers": ["adam"]},
        {"racers": [{}] * 9},
    ],
)
def test_a_race_has_limits(ask, wrong):
    given = {"surface": "", "formula": "x*x + y*y", "start": [1, 1], "steps": 3, "racers": []}
    with pytest.raises(BacklightError):
        ask("race.run", **given | wrong)


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("", ""),
        ("double", "twice"),
        ("sign", "sign"),
        ("transposed", "transposed"),
        ("half", "half"),
    ],
)
def test_a_planted_fault_is_found_and_named(ask, fault, named):
    given = {"formula": "sum((W@x)²)", "inputs": {"W": [[0.1, 0.5], [-0.3, 0.8]], "x": [0.2, 0.4]}}
    found = ask("check.formula", **given, fault=fault, at="W")
    assert found["ok"] == (fault == "")
    assert {row["name"] for row in found["rows"]} == {"W", "x"}
    wrong = [row for row in found["rows"] if row["failed"]]
    assert all(row["name"] == "W" and named in row["mistake"] for row in wrong)


def test_a_lost_path_is_a_part_of_the_sum(ask):
    found = ask("check.formula", formula="x*x*x", inputs={"x": 2}, fault="lost", at="x")
    assert not found["ok"]
    assert found["rows"][0]["analytic"] == pytest.approx(8)
    assert found["rows"][0]["numeric"] == pytest.approx(12)


def test_the_planted_fault_is_no_gate_of_the_language(ask):
    from backlight.gates import TABLE

    assert "planted_fault" not in TABLE
    with pytest.raises(BacklightError):
        ask("circuit.open", formula="planted_fault(x)", inputs={"x": 1})


def test_the_error_has_a_valley_in_float64_and_is_worse_in_float32(ask):
    given = {"formula": "x² + 3*x*sin(x)", "inputs": {"x": 1.5}}
    row = ask("check.formula", **given)["rows"][0]
    found = ask("check.step", **given, name="x", index=[], analytic=row["analytic"])["lines"]
    assert min(found["float64"]) < 1e-10
    assert min(found["float32"]) > 1e-6
    assert found["float64"][-1] > 1e-3


def test_models_and_layers_are_checked(ask):
    assert ask("check.model", model="softmax")["ok"]
    assert ask("check.layer", layer="Linear")["ok"]


# ── runs ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def runs(ask):
    folder = ask.studio.runs
    make_run(folder / "one", epochs=3)
    make_run(folder / "two", epochs=4, names=HOSTILE)
    make_examination(make_run(folder / "three", epochs=2), [str(k) for k in range(10)])
    return folder


def test_runs_are_listed_and_compared(ask, runs):
    found = {one["name"]: one for one in ask("runs.list")["runs"]}
    assert set(found) == {"one", "two", "three"}
    assert found["one"]["state"] == "done"
    assert len(found["two"]["spark"]) == 4
    one, two = ask("runs.compare", runs=["one", "two"])
    assert len(one["epochs"]["x"]) == 3
    assert two["test_accuracy"] == 0.9815
    json.dumps(one)


def test_damaged_runs_are_told_and_do_no_harm(ask, runs):  # W36
    (runs / "one" / "config.toml").write_bytes(b"\xff\xfe")
    with (runs / "two" / "metrics.jsonl").open("ab") as file:
        file.write(b'{"event": "epoch", "epoch": 1e999}\n[1]\nnonsense\n{"half')
    (runs / "three" / "evaluation.json").write_text('{"confusion": [[1]], "classes": ["a", "b"]}')
    found = {one["name"]: one for one in ask("runs.list")["runs"]}
    assert "no TOML" in found["one"]["problem"]
    broken, sound = ask("runs.compare", runs=["one", "two"])
    assert "problem" in broken
    assert sound["damaged"] == "3"
    with pytest.raises(BacklightError, match="does not fit"):
        ask("runs.confusion", run="three")
    assert ask("runs.confusion", run="two") is None


def test_a_confusion_matrix_is_shown(ask, runs):
    found = ask("runs.confusion", run="three")
    assert sum(map(sum, found["counts"])) == 270


@pytest.mark.parametrize("given", [["../secret"], "one", [None], ["one"] * 9, [["one"]]])
def test_only_runs_of_the_folder_are_compared(ask, runs, given):
    try:
        found = ask("runs.compare", runs=given)
    except BacklightError:
        return
    assert all("problem" in one for one in found)


def test_a_thousand_runs_are_listed_soon(ask):
    for k in range(1_000):
        folder = ask.studio.runs / f"run-{k:04d}"
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(f'data = "digits"\nseed = {k}\n')
    started = time.perf_counter()
    assert len(ask("runs.list")["runs"]) == 1_000
    assert time.perf_counter() - started < 2.0


def test_a_run_is_followed_as_it_grows(ask, runs):
    frames = []
    ask.studio.show = lambda topic, frame: frames.append((topic, frame))
    follower = follow.Follower(ask.studio)
    try:
        follower._grow("one")
        follower._grow("one")
        assert len(frames) == 1, "nothing new, nothing shown"
        with (runs / "one" / "metrics.jsonl").open("a") as file:
            file.write('{"event": "epoch", "step": 99, "epoch": 9, "train_loss": 0.5}\n{"ev')
        follower._grow("one")
        assert frames[-1][1]["epochs"]["train_loss"][-1] == 0.5
        assert not frames[-1][1]["alive"]
        follower._grow("../one")
        assert "problem" in frames[-1][1]
    finally:
        follower.close()


def test_a_page_cannot_name_paths_or_flags_of_a_training(ask):
    for settings in (
        {"data": "folder:/etc"},
        {"data_dir": "/etc"},
        {"out": "/tmp/x"},
        {"resume": "x"},
        {"epochs": "1; rm"},
        {"model": "../x"},
        {"hidden": [[1]]},
    ):
        with pytest.raises(BacklightError):
            ask("train.start", settings=settings)
    assert not ask.studio.runs.exists()


def test_a_process_that_a_folder_names_falsely_is_left_alone(ask, runs):
    import os

    (runs / "one" / ".owner").write_text(str(os.getpid()))
    assert not follow.alive(run_files.find(runs, "one"))
    assert ask("train.pause", run="one") == {"paused": False}


def test_a_training_starts_pauses_and_goes_on(ask):
    name = ask("train.start", settings={"model": "softmax", "epochs": "4000", "limit": "60"})["run"]
    folder = ask.studio.runs / name
    for _ in range(1_200):
        if (folder / "metrics.jsonl").exists() and "epoch" in (
            folder / "metrics.jsonl"
        ).read_text():
            break
        time.sleep(0.05)
    run = run_files.find(ask.studio.runs, name)
    assert follow.alive(run)
    assert ask("train.pause", run=name) == {"paused": True}
    for _ in range(1_200):
        if not follow.alive(run):
            break
        time.sleep(0.05)
    assert not follow.alive(run)
    for child in ask.studio.held["follower"]._children:
        child.process.wait(60)
    assert any((folder / "checkpoints").iterdir())


# ── nets ───────────────────────────────────────────────────────────────────────────────────────


def test_every_number_of_a_net_follows_a_drag():
    from backlight import nn
    from backlight.engine.random import manual_seed

    manual_seed(1)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3))
    live = LiveNet(net, nn.CrossEntropyLoss())
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4) / 16
    before = live.answer(image, 2)
    assert set(before.slopes) == {"x", "0", "1", "2", "3", *live.weights}
    step = 1e-2
    for name, numbers in (
        ("x", image),
        ("0.weight", live.weights["0.weight"]),
        ("1", live.added["1"]),
    ):
        numbers.reshape(-1)[3] += step
        true = live.answer(image, 2).loss - before.loss
        numbers.reshape(-1)[3] -= step
        assert true == pytest.approx(before.slopes[name].ravel()[3] * step, rel=0.03, abs=2e-6)
    assert net[0].weight.tolist() == live.weights["0.weight"].tolist()


def test_landscape_of_the_toy(ask):
    ask("toy.make", points=10, hidden=[3])
    for _ in range(4):
        ask("toy.step")
    seen = []
    for direction in ("random", "between", "path", "downhill"):
        found = ask(
            "landscape.compute",
            of="toy",
            direction=direction,
            points=5,
            progress=lambda share, _: seen.append(share),
        )
        assert found["losses"].shape == (5, 5)
        assert found["line"].shape == (5,)
    assert max(seen) == 1
    with pytest.raises(UsageError):
        ask("landscape.compute", of="toy", points=10_000)


@pytest.fixture
def learned(ask):
    """A run that has learned a little, in the studio's folder."""
    from backlight.train.loop import Trainer
    from backlight.train.pipeline import build
    from backlight.train.run import Run
    from backlight.train.sources import gather

    flags = {"data": "digits", "model": "mlp", "epochs": 2, "limit": 100, "hidden": (8,)}
    parts = build(gather({**flags, "compile": False}, environment={}))
    Trainer(parts, Run.create(ask.studio.runs / "learned", parts.settings), lambda *_: None).fit()
    return "learned"


def test_landscape_of_a_run_goes_the_way_of_its_training(ask, learned):
    whole = ask("landscape.compute", of=learned, direction="path", points=5, again=True)
    kept = ask("landscape.compute", of=learned, direction="path", points=5)
    assert whole["path"].shape == (3, 2), "the start and two epochs"
    assert np.allclose(whole["path"][-1], 0), "the last point is where the plane was cut"
    assert np.allclose(whole["here"], kept["here"])
    line = ask("landscape.compute", of=learned, direction="between", points=9)
    here, start = (int(abs(line["across"] - at).argmin()) for at in (0, 1))
    assert line["line"][here] == pytest.approx(line["here"])
    assert line["line"][start] > line["line"][here], "training went down"


def test_a_picture_of_ones_own_is_seen_as_an_example_is(ask, learned):
    import base64

    from backlight.studio.desk import Ask
    from backlight.studio.nets import loaded

    net = loaded(Ask(ask.studio, "look.open", {"run": learned}))
    pixels = np.round(net.pictures[3] * 255).astype(np.uint8)
    text = base64.b64encode(pixels.tobytes()).decode()
    given = ask("look.open", run=learned, pixels=text)
    example = ask("look.open", run=learned, example=3)
    assert np.allclose(given["probabilities"], example["probabilities"], atol=0.01)
    assert given["label"] is None
    assert list(pixels.shape) == given["wants"]
    ask("look.saliency", run=learned, pixels=text)
    for wrong in (text[:-8], "!", "", base64.b64encode(b"x" * 1_000).decode()):
        with pytest.raises(UsageError, match="8×8 pixels"):
            ask("look.open", run=learned, pixels=wrong)
    with pytest.raises(UsageError):
        ask("look.open", run=learned, pixels="A" * 1_000_000)


def test_two_stages_come_with_the_gates_of_their_lines(ask):
    found = ask("compiler.stage", model="softmax", stage="calls", beside="graph", batch=4)
    lines = found["text"].split("\n")
    assert [count for count, _ in found["pieces"]] == [1] * len(lines)
    first = next(gates for _, gates in found["pieces"] if gates)
    assert all(found["gates"][gate] for gate in first)
    graph = found["beside"]
    assert sum(count for count, _ in graph["pieces"]) == graph["text"].count("\n") + 1
    assert any(gates == [first[0]] for _, gates in graph["pieces"])
    code = ask("compiler.stage", model="softmax", stage="llvm", batch=4)
    assert sum(count for count, _ in code["pieces"]) <= code["text"].count("\n") + 1
    assert "beside" not in code

"""`backlight sweep` end to end: processes, resuming, the winner, and files that are damaged."""

import csv
import json
import shutil

import pytest

from backlight.cli.main import run as program

pytest.importorskip("optuna", reason="Optuna is not installed")

QUICK = ("model=softmax", "compile=false", "limit=200", "--epochs", "1", "--jobs", "1", "--quiet")


def rows(folder):
    with (folder / "trials.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_sweep_its_winner_and_its_resume(tmp_path, capfd):
    folder = tmp_path / "sweep"
    code = program(["sweep", "lr=1e-4..1e-1", "--trials", "2", "--out", str(folder), *QUICK])
    told = capfd.readouterr()
    assert code == 0, told.err
    found = rows(folder)
    assert [row["state"] for row in found] == ["COMPLETE"] * 2
    best = max(found, key=lambda row: float(row["validation_accuracy"]))
    assert f"best: {folder / best['run']}" in told.out
    assert "look 1 at the test split" in told.out
    looks = [(folder / row["run"] / "test_looks.jsonl").exists() for row in found]
    assert sum(looks) == 1  # the winner's

    record = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    record["trials"] = 3
    (folder / "sweep.json").write_text(json.dumps(record), encoding="utf-8")
    assert program(["sweep", "--resume", str(folder), "--quiet", "--no-test"]) == 0
    assert len(rows(folder)) == 3
    assert rows(folder)[:2] == found


def test_a_grid_tries_everything_once(tmp_path):
    folder = tmp_path / "grid"
    arguments = ["sweep", "lr=0.1,0.01", "optimizer=sgd,adam", "--search", "grid", "--no-prune"]
    assert program([*arguments, "--out", str(folder), *QUICK, "--no-test"]) == 0
    assert sorted((row["lr"], row["optimizer"]) for row in rows(folder)) == [
        ("0.01", "adam"),
        ("0.01", "sgd"),
        ("0.1", "adam"),
        ("0.1", "sgd"),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lr=1e-4..1e-1", "--search", "bayes"], "model, random, grid"),
        (["lr=1e-4..1e-1", "--trials", "0"], "at least 1"),
        (["lr=1e-4..1e-1", "--jobs", "0"], "1 to 64"),
        (["model=mlp,svm", "--model", "mlp"], "both fixed and searched"),
        (["lr=1e-4..1e-1", "--resume", "there"], "--resume alone"),
        (["--resume", "nowhere"], "no such file"),
        (["lr=1e-4..1e-1", "data=digit"], "digits"),
    ],
)
def test_misuse_is_said(arguments, words, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert program(["sweep", *arguments]) == 2
    assert words in capfd.readouterr().err


def test_a_folder_in_use_is_left_alone(tmp_path, capfd):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert program(["sweep", "lr=1e-4..1e-1", "--out", str(tmp_path)]) == 2
    assert "--resume" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_damaged_record_is_said(tmp_path, capfd):
    folder = tmp_path / "sweep"
    arguments = ["sweep", "lr=1e-4..1e-1", "--trials", "1", "--out", str(folder), *QUICK]
    assert program([*arguments, "--no-test"]) == 0
    (folder / "sweep.json").write_text('{"schema": "back', encoding="utf-8")
    assert program(["sweep", "--resume", str(folder)]) == 2
    assert "damaged" in capfd.readouterr().err


@pytest.fixture(scope="module")
def finished_sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweeps") / "sweep"
    arguments = ["sweep", "lr=1e-4..1e-1", "--trials", "2", "--out", str(folder), *QUICK]
    assert program([*arguments, "--no-test"]) == 0
    return folder


@pytest.fixture
def a_sweep(finished_sweep, tmp_path):
    shutil.copytree(finished_sweep, tmp_path / "sweep")
    return tmp_path / "sweep"


def resumed(folder, trials=2):
    record = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    record["trials"] = trials
    (folder / "sweep.json").write_text(json.dumps(record), encoding="utf-8")
    return program(["sweep", "--resume", str(folder), "--quiet", "--no-test", "--jobs", "1"])


def test_a_line_that_a_crash_cut_off_is_dropped_and_nothing_else(a_sweep):
    before = rows(a_sweep)
    with (a_sweep / "journal.log").open("ab") as stream:
        stream.write(b'{"op_code": 6, "worker_id": "x", "trial')
    assert resumed(a_sweep, 3) == 0
    assert len(rows(a_sweep)) == 3
    assert rows(a_sweep)[:2] == before


def test_a_damaged_journal_is_said_and_left_alone(a_sweep, capfd):
    journal = a_sweep / "journal.log"
    first, rest = journal.read_bytes().split(b"\n", 1)
    damaged = first + b"\n#" + rest[1:]
    journal.write_bytes(damaged)
    assert resumed(a_sweep) == 2
    assert "cannot be used" in capfd.readouterr().err
    assert journal.read_bytes() == damaged


def test_a_missing_journal_is_said_and_no_trial_overwritten(a_sweep, capfd):
    (a_sweep / "journal.log").unlink()
    assert resumed(a_sweep) == 2
    assert "no such file, although there are trials" in capfd.readouterr().err
    assert not (a_sweep / "journal.log").exists()


def test_a_sweep_in_use_is_left_alone(a_sweep, capfd):
    from backlight.sweep.folder import held

    with held(a_sweep):
        assert resumed(a_sweep, 3) == 2
    assert "one at a time" in capfd.readouterr().err
    assert resumed(a_sweep, 3) == 0


def test_trials_of_another_objective_are_not_mixed_in(a_sweep, tmp_path, capfd):
    other = tmp_path / "other"
    (other / "trials").mkdir(parents=True)
    record = json.loads((a_sweep / "sweep.json").read_text(encoding="utf-8"))
    record["settings"]["limit"] = 100
    (other / "sweep.json").write_text(json.dumps(record), encoding="utf-8")
    shutil.copy(a_sweep / "journal.log", other)
    assert resumed(other) == 2
    assert "trials of another sweep" in capfd.readouterr().err


def test_a_database_for_several_folders(tmp_path, capfd):
    storage = f"sqlite:///{tmp_path}/sweeps.db"
    for place, name in enumerate(("first", "second"), start=1):
        arguments = ["sweep", "lr=1e-4..1e-1", "--trials", str(place), "--storage", storage]
        folder = tmp_path / name
        assert program([*arguments, "--out", str(folder), *QUICK, "--no-test"]) == 0
        assert len(rows(folder)) == place
    arguments = ["sweep", "lr=1e-3..1e-1", "--trials", "3", "--storage", storage]
    assert program([*arguments, "--out", str(tmp_path / "third"), *QUICK]) == 2
    assert "trials of another sweep" in capfd.readouterr().err


def test_settings_that_never_train_end_in_words(tmp_path, capfd):
    folder = tmp_path / "sweep"
    arguments = ["sweep", "lr=1e29..1e30", "optimizer=sgd", "--trials", "2", "--out", str(folder)]
    assert program([*arguments, *QUICK]) == 2
    told = capfd.readouterr().err
    assert "none came to an end" in told
    assert "not finite" in told or "finite" in told

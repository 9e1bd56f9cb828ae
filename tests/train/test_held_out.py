import warnings

import pytest

from backlight.train.held_out import SecondLookWarning, looks, record_look
from backlight.train.run import Run
from backlight.train.settings import Settings


def test_the_second_look_warns_and_every_look_is_recorded(tmp_path):
    run = Run.create(tmp_path / "run", Settings())
    assert looks(run) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert record_look(run, 30, 0.9, "end of training") == 1
    with pytest.warns(SecondLookWarning, match="2 times"):
        assert record_look(run, 40, 0.95, "evaluate") == 2
    assert looks(Run.open(run.path)) == [
        {"look": 1, "step": 30, "accuracy": 0.9, "why": "end of training"},
        {"look": 2, "step": 40, "accuracy": 0.95, "why": "evaluate"},
    ]


def test_a_half_written_look_does_not_spoil_the_ledger(tmp_path):
    run = Run.create(tmp_path / "run", Settings())
    record_look(run, 30, 0.9, "end of training")
    with (run.path / "test_looks.jsonl").open("ab") as stream:
        stream.write(b'{"look": 2, "st')
    with pytest.warns(SecondLookWarning):
        assert record_look(run, 40, 0.95, "evaluate") == 2
    assert [look["step"] for look in looks(run)] == [30, 40]


def test_rewinding_never_forgets_a_look(tmp_path):
    run = Run.create(tmp_path / "run", Settings())
    record_look(run, 30, 0.9, "end of training")
    run.rewind(0)
    assert len(looks(run)) == 1

"""`backlight verify`: a table with ✓ and ✗, exit codes, and refusals in words."""

import json

import pytest

from backlight.train import verify as rooms
from backlight.train.verify import Proof
from tests.cli.command import command, refused


@pytest.fixture
def proved(monkeypatch):
    proofs = [Proof("same bits", True, "yes"), Proof("kill", None, "not checked: long")]
    monkeypatch.setattr(rooms, "verify", lambda *_: proofs)
    return proofs


def test_what_holds(proved):
    ended = command("verify", "run")
    assert ended.code == 0
    assert "✓ same bits  yes" in ended.out
    assert "– kill" in ended.out
    proved.append(Proof("eager", False, "0.weight"))
    ended = command("verify", "run")
    assert ended.code == 1
    assert "✗ eager" in ended.out
    assert "not the same" in ended.out


def test_for_machines(proved):
    ended = command("verify", "run", "--json")
    told = json.loads(ended.out)
    assert told["ok"] is True
    assert [one["ok"] for one in told["proofs"]] == [True, None]


def test_bad_input(tmp_path):
    refused("verify", str(tmp_path / "none"), words=("no such folder",), folder=tmp_path)
    (tmp_path / "file").write_text("x")
    refused("verify", str(tmp_path / "file"), folder=tmp_path)
    refused("verify", str(tmp_path), "--steps", "many", words=("--steps", "'many'"))
    refused("verify", str(tmp_path), "--steps", "0", words=("--steps",))
    refused("verify", words=("RUN",))
    refused("verify", str(tmp_path), words=("config.toml",))

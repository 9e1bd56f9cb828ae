"""Runs a command in this process, and says how it ended."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

from backlight.cli.main import run

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str
    warned: tuple[str, ...] = ()


def command(*arguments: str) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always")
        code = run(arguments)
    return Ended(code, out.getvalue(), err.getvalue(), tuple(str(one.message) for one in warned))


def refused(*arguments: str, words: tuple[str, ...] = (), folder: Path | None = None) -> str:
    """The error of a command that must be refused in words, and write nothing to `folder`."""
    before = None if folder is None else sorted(folder.rglob("*"))
    ended = command(*arguments)
    assert ended.code == 2, ended
    assert not ended.out
    assert "Traceback" not in ended.err
    assert "internal error" not in ended.err
    assert len(ended.err) < 1500
    assert ended.err.count("\n") <= 4
    for word in words:
        assert word in ended.err, ended.err
    if folder is not None:
        assert sorted(folder.rglob("*")) == before
    return ended.err


def program(*arguments: str, cwd: Path, **surroundings: str) -> subprocess.CompletedProcess[str]:
    """The same as a process of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "default",
        **surroundings,
    }
    return subprocess.run(
        [sys.executable, "-m", "backlight", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        encoding="utf-8",
        check=False,
    )

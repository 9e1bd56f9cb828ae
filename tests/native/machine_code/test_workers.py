"""Machine code made by processes beside this one: the same code, and nothing lost with them."""

from __future__ import annotations

import dataclasses
import io
import json
import signal
import sys

import pytest

pytest.importorskip("llvmlite")

import numpy as np

import backlight
from backlight.errors import ArgumentError
from backlight.native.machine_code import build, codebook, worker, workers
from backlight.native.machine_code.machine import host, named

TEXT = "define i64 @NAME(i64 %x) { %y = add i64 %x, NUMBER ret i64 %y }"


def texts(count):
    return [TEXT.replace("NAME", f"f{n}").replace("NUMBER", str(n)) for n in range(count)]


@pytest.fixture
def two(monkeypatch):
    monkeypatch.setenv("BACKLIGHT_COMPILE_PROCESSES", "2")


def made_by(beside, some):
    return [one.result() for one in [beside.submit(text) for text in some]]


def test_the_code_is_the_same(two):
    some = texts(20)
    for target in (host(), named("avx2")):
        with workers.workers(20, target) as beside:
            assert made_by(beside, some) == [build.compile_object(one, target) for one in some]
        for process in beside._started:
            assert process.poll() is not None


def test_few_kernels_are_made_here(two):
    with workers.workers(workers.FEW - 1, host()) as beside:
        assert beside is None


@pytest.mark.parametrize(("told", "count"), [("0", 0), ("1", 1), ("3", 3), ("64", 10)])
def test_the_environment_says_how_many(monkeypatch, told, count):
    monkeypatch.setenv("BACKLIGHT_COMPILE_PROCESSES", told)
    assert workers.wanted(60) == count


@pytest.mark.parametrize("told", ["-1", "two", "65", "1.5"])
def test_what_is_no_number_of_processes(monkeypatch, told):
    monkeypatch.setenv("BACKLIGHT_COMPILE_PROCESSES", told)
    with pytest.raises(ArgumentError, match="BACKLIGHT_COMPILE_PROCESSES"):
        workers.wanted(60)


def test_a_program_that_python_was_built_into_is_not_started_again(monkeypatch):
    monkeypatch.setenv("BACKLIGHT_COMPILE_PROCESSES", "2")
    monkeypatch.setattr(sys, "executable", "/opt/game/game")
    assert workers.wanted(60) == 0
    monkeypatch.setattr(sys, "executable", "")
    assert workers.wanted(60) == 0


def test_processes_that_cannot_start_or_die_are_done_without(two, monkeypatch):
    some = texts(14)
    right = [build.compile_object(one) for one in some]
    with workers.workers(14, host()) as beside:
        first = beside.submit(some[0]).result()
        for process in beside._started:
            process.send_signal(signal.SIGKILL)
        assert [first, *made_by(beside, some[1:])] == right
    monkeypatch.setattr(sys, "executable", "/nowhere/python3")
    with workers.workers(14, host()) as beside:
        assert made_by(beside, some) == right
    monkeypatch.setattr(sys, "executable", "/bin/true")
    monkeypatch.setattr(workers, "_is_python", lambda: True)
    with workers.workers(14, host()) as beside:
        assert made_by(beside, some) == right


def test_a_module_that_is_not_valid_is_refused_as_ever(two):
    with workers.workers(14, host()) as beside, pytest.raises(ArgumentError, match="valid"):
        made_by(beside, [*texts(3), "define nonsense"])


def test_a_whole_program_with_them_and_without(monkeypatch, tmp_path):
    def made(processes):
        monkeypatch.setenv("BACKLIGHT_CACHE", str(tmp_path / processes))
        monkeypatch.setenv("BACKLIGHT_COMPILE_PROCESSES", processes)
        codebook._ENTRIES.clear()
        x = backlight.tensor(np.linspace(-2, 2, 600, dtype="float32").reshape(20, 30))

        @backlight.compile(threads=1)
        def many(x):
            parts = [backlight.softmax(x[:, :size], axis=1).sum() for size in range(2, 30)]
            return backlight.stack(parts)

        return many(x).numpy().tobytes(), many.program.program.kernels.made

    (without, count), (beside, again) = made("0"), made("2")
    assert count == again >= workers.FEW
    assert without == beside


def test_messages_are_whole_or_nothing():
    stream = io.BytesIO()
    worker.send(stream, b"one")
    worker.send(stream, b"")
    whole = stream.getvalue()
    stream.seek(0)
    assert [worker.receive(stream) for _ in range(3)] == [b"one", b"", None]
    for cut in (3, 9):
        with pytest.raises(OSError, match="message"):
            worker.receive(io.BytesIO(whole[:cut]))
    with pytest.raises(OSError, match="no message"):
        worker.receive(io.BytesIO(b"\xff" * 8))


def test_the_other_side_answers_until_its_input_ends():
    given, answers = io.BytesIO(), io.BytesIO()
    worker.main(given, answers)
    assert answers.getvalue() == b""
    target = host()
    worker.send(given, json.dumps(dataclasses.asdict(target)).encode())
    worker.send(given, texts(1)[0].encode())
    worker.send(given, b"nonsense")
    given.seek(0)
    worker.main(given, answers)
    answers.seek(0)
    assert worker.receive(answers) == build.compile_object(texts(1)[0], target)
    assert worker.receive(answers) == b""

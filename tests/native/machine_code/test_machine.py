"""Targets that code is made for, and those whose code may run here."""

from __future__ import annotations

import pytest

import backlight
from backlight.errors import ArgumentError
from backlight.native.machine_code import machine

FOREIGN = "avx512" if machine.processor().name == "neon" else "neon"


def test_the_processor_itself_is_runnable():
    assert machine.runnable(machine.processor().name).name == machine.processor().name


def test_instructions_the_processor_lacks_are_refused_before_they_run():
    with pytest.raises(ArgumentError, match="does not have"):
        machine.runnable(FOREIGN)
    with pytest.raises(ArgumentError, match="does not have"):
        backlight.compile(lambda x: x + 1, target=FOREIGN)


def test_wider_vectors_than_the_processors_are_refused(monkeypatch):
    narrow = machine.named("sse")
    monkeypatch.setattr(machine, "processor", lambda: narrow)
    assert machine.runnable("sse") is narrow
    for name in ("avx2", "avx512", "neon"):
        with pytest.raises(ArgumentError, match="needs one of sse"):
            machine.runnable(name)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'avx2'"):
        machine.runnable("avx")


def test_the_environment_may_ask_for_a_narrower_one_only(monkeypatch):
    monkeypatch.setenv("BACKLIGHT_TARGET", FOREIGN)
    machine.host.cache_clear()
    try:
        with pytest.raises(ArgumentError, match="does not have"):
            machine.host()
    finally:
        monkeypatch.delenv("BACKLIGHT_TARGET")
        machine.host.cache_clear()

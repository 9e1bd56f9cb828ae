import dataclasses

import pytest

from backlight.native.machine_code import machine

pytest.importorskip("llvmlite")

from backlight.native.machine_code import build, peak


def test_limits_are_measured_once(monkeypatch):
    monkeypatch.setattr(peak, "TURNS", 20_000)
    monkeypatch.setattr(peak, "ELEMENTS", 1_000_000)
    monkeypatch.setattr(peak, "REPEATS", 3)
    peak.measure.cache_clear()
    try:
        found = peak.measure()
        assert peak.measure() is found
    finally:
        peak.measure.cache_clear()
    assert found.cores >= 1
    figures = dataclasses.asdict(found)
    assert all(value is None or value > 0.01 for value in figures.values())
    assert found.fma_gflops_core > 0.5
    assert found.fma(1) <= found.fma(found.cores)
    assert found.memory(1) <= found.memory(found.cores)


def test_more_threads_are_never_promised_more_than_all_have():
    one = peak.Peaks(4, 100.0, 300.0, None, None, 30.0, 60.0, 20.0, 70.0)
    assert [one.fma(n) for n in (1, 2, 3, 4, 9)] == [100, 200, 300, 300, 300]
    assert one.fma(1, bfloat16=True) == 100
    assert [one.memory(n) for n in (1, 2, 4)] == [30, 60, 70]


@pytest.mark.parametrize("name", machine.NAMES)
def test_the_loops_are_written_for_every_processor(name):
    target = machine.named(name)
    assert build.compile_object(peak._module(target), target)

import sys

import pytest

from backlight.bench import memory
from backlight.bench.process import Process, surroundings
from backlight.errors import DataError


def test_a_contender_is_not_handicapped_by_what_the_shell_says(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("MKL_DYNAMIC", "0")
    monkeypatch.setenv("HARMLESS", "kept")
    found = surroundings(3)
    assert "OPENBLAS_CORETYPE" not in found
    assert "MKL_DYNAMIC" not in found
    assert found["HARMLESS"] == "kept"
    assert found["OMP_NUM_THREADS"] == found["OPENBLAS_NUM_THREADS"] == "3"


def test_compiled_code_is_kept_where_it_is_told(tmp_path):
    found = surroundings(1, tmp_path)
    inside = [name for name, value in found.items() if value.startswith(str(tmp_path))]
    assert {"XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR"} <= set(inside)


def test_an_unknown_order_is_answered_and_the_process_lives():
    process = Process(sys.executable, surroundings(1))
    try:
        assert "failed" in process.ask("nonsense")
        assert process.ask("round", seconds=0.001)["samples"]
        assert process.ask("repeat", times=2)["memory"] > 2**20
    finally:
        process.close()


def test_no_answer_is_an_error_in_words():
    process = Process(sys.executable, surroundings(1))
    try:
        with pytest.raises(DataError, match="no answer to “round”: it is still busy"):
            process.ask("round", patience=0.2, seconds=1.0)
    finally:
        process.close()


def test_memory_only_grows():
    before = memory.peak()
    held = bytearray(64 * 2**20)
    assert memory.peak() >= before
    assert memory.peak() >= len(held)

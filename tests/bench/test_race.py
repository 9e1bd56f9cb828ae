import pytest

from backlight.bench import race
from tests.bench import fake
from tests.cli.command import ROOT

HOME = "tests.bench.fake"


@pytest.fixture
def measured(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(race, "PATIENCE_SECONDS", 0.1)

    def measured(name, threads=1):
        work = fake.BY_NAME[name]
        settings = race.Settings(threads=threads, rounds=2, seconds=0.01)
        row = race.measure(HOME, work, list(work.contenders), settings)
        return row, {one.contender: one for one in row.measurements}

    return measured


def test_the_quicker_one_wins_and_printing_does_no_harm(measured):
    row, found = measured("fair")
    assert row.disagreement == ""
    assert found["numpy"].median >= 0.004
    assert found["jax"].samples
    first, overall = row.comparisons()
    assert (first.best.contender, first.met) == ("numpy", True)
    assert first.ratio < 0.25
    assert (overall.best.contender, overall.target, overall.met) == ("jax", None, None)


def test_several_steps_in_a_call_are_told_for_one(measured):
    row, found = measured("many")
    assert 0.001 <= found[fake.OURS].median < 0.01
    assert row.comparisons()[0].ratio is None


@pytest.mark.parametrize(("name", "word"), [("differs", "by 0.09"), ("nan", "NaN")])
def test_nothing_is_timed_where_answers_differ(measured, name, word):
    row, found = measured(name)
    assert word in row.disagreement
    assert "numpy" in row.disagreement
    assert not any(one.samples for one in found.values())
    assert row.ours is None


def test_every_way_to_fail_is_told_and_the_rest_goes_on(measured):
    row, found = measured("fails")
    assert found[fake.OURS].samples
    assert found["torch"].missing == "torch"
    assert (found["jax"].missing, "torch_that_nobody_has" in found["jax"].failed) == ("", True)
    assert found["numpy"].failed == "one over nought"
    assert "code 3" in found["faiss"].failed
    assert "last words" in found["faiss"].failed
    assert "code 4" in found["tinygrad"].failed
    assert [one.contender for one in row.timed] == [fake.OURS]


def test_steps_that_change_a_state_are_compared_one_by_one(measured):
    row, _ = measured("states")
    assert (row.disagreement, row.difference) == ("", 0.0)


def test_memory_is_a_fresh_process_own(measured):
    row, found = measured("memory")
    least = 4 * 2**20 * race.STEPS_FOR_MEMORY
    assert found["numpy"].median - found[fake.OURS].median > 0.9 * least
    assert row.comparisons()[0].ratio < 1


@pytest.mark.parametrize("name", ["start", "cached"])
def test_fresh_processes_for_what_happens_once(measured, name):
    row, found = measured(name)
    assert len(found[fake.OURS].samples) == race.FRESH_PROCESSES[row.workload.kind]


def test_everyone_is_told_the_threads(measured, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    row, found = measured("threads")
    assert found[fake.OURS].samples
    assert row.threads == 1

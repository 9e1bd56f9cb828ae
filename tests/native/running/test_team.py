"""Tables on one thread and on many: the same numbers, whatever disturbs them."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from backlight.errors import ArgumentError
from backlight.native.running import threads as thread_numbers
from backlight.native.running.table import STOPPED_EARLY, Table
from backlight.native.running.team import Team
from backlight.native.running.threads import cores, get_num_threads, set_num_threads
from tests.native import handmade as kernels

SLOW_TO_START = """
import os, signal, sys, threading, time, warnings
import numpy as np
from backlight.native.running.table import Table
from backlight.native.running.team import Team, team
from tests.native import handmade as kernels
"""


def child(program, timeout=60, **extra):
    """Run a program in a process of its own; its output, if it ends well."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SLOW_TO_START + program],
        capture_output=True,
        text=True,
        timeout=timeout,
        **extra,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def crew():
    made = Team()
    yield made
    made.close()


def increments(records=1, n=64, **options):
    array = np.zeros(n, np.int64)
    table = Table()
    for _ in range(records):
        table.add(kernels.address("increment"), [array.ctypes.data], n, **options)
    table.keep(kernels.library(), array)
    table.seal()
    return table, array


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("n", [1, 7, 97])
def test_same_numbers_on_any_number_of_threads(crew, threads, n):
    table, buffers, _ = kernels.mirrors(n=n, depth=21)
    table.seal()
    for repetitions in (1, 3):
        buffers[0][:], buffers[1][:] = np.arange(n), 0
        assert crew.run(table, repetitions, threads) == 0
        for found, wanted in zip(buffers, kernels.mirrored(n, 21, repetitions), strict=True):
            assert np.array_equal(found, wanted)


def test_many_programs_in_a_row_on_changing_numbers_of_threads(crew):
    table, array = increments(3)
    for number in range(300):
        assert crew.run(table, threads=1 + number % 4) == 0
    assert (array == 900).all()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_scalars_change_from_repetition_to_repetition(crew, threads):
    table, buffers, scalar = kernels.mirrors(n=33, depth=4)
    rows = np.arange(10, 60, 10, dtype=np.int64)
    table.scalars(rows, scalar.ctypes.data)
    table.seal()
    assert crew.run(table, 5, threads) == 0
    assert np.array_equal(buffers[0], kernels.mirrored(33, 4, 5, rows)[0])
    with pytest.raises(ArgumentError, match="5 rows"):
        crew.run(table, 6, threads)
    with pytest.raises(ArgumentError, match="contiguous"):
        table.scalars(rows[::2], scalar.ctypes.data)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("options", [{"barrier": False}, {"narrow": True}, {"pieces": 5}])
def test_flags_of_a_record(crew, threads, options):
    table, array = increments(4, n=101, **options)
    assert crew.run(table, 2, threads) == 0
    assert (array == 8).all()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_host_calls_run_on_the_calling_thread_and_others_wait(crew, threads):
    table, buffers, _ = kernels.mirrors(n=50, depth=2)
    seen = []

    def look(operands, begin, end):
        seen.append((threading.get_ident(), begin, end, buffers[0].copy()))
        time.sleep(0.002)

    table.host(look, chunks=9)
    table.add(kernels.address("increment"), [buffers[0].ctypes.data], 50)
    table.seal()
    assert crew.run(table, threads=threads) == 0
    ((ident, begin, end, copy),) = seen
    assert (ident, begin, end) == (threading.get_ident(), 0, 9)
    wanted = kernels.mirrored(50, 2)[0]
    assert np.array_equal(copy, wanted)
    assert np.array_equal(buffers[0], wanted + 1)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_exception_of_a_host_call_ends_the_run(crew, threads):
    table, array = Table(), np.zeros(8, np.int64)
    table.host(lambda operands, begin, end: 1 // 0)
    table.add(kernels.address("increment"), [array.ctypes.data], 8)
    table.seal()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            crew.run(table, threads=threads)
    assert not array.any()
    other, array = increments()
    assert crew.run(other, threads=threads) == 0
    assert (array == 1).all()


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("last", [True, False])
def test_the_error_word_ends_the_run(crew, threads, last):
    table, array = Table(), np.zeros(8, np.int64)
    table.add(kernels.address("fail"), [table.error_address], 6)
    if not last:
        table.add(kernels.address("increment"), [array.ctypes.data], 8)
    table.seal()
    assert crew.run(table, 1, threads) == 7
    assert crew.run(table, 1000, threads) == 7
    assert not array.any()


@pytest.mark.parametrize("threads", [1, 2])
def test_stop_from_another_thread(crew, threads):
    table, _ = increments()
    timer = threading.Timer(0.1, table.stop)
    timer.start()
    start = time.monotonic()
    assert crew.run(table, 1 << 40, threads) == STOPPED_EARLY
    assert time.monotonic() - start < 5
    assert crew.run(table, 1, threads) == 0
    timer.join()


@pytest.mark.parametrize("threads", [1, 2])
def test_slices_lose_nothing(crew, threads):
    table, array = increments(3, n=40)
    table._state[7] = 20_000  # ticks a slice: some thousands of them in this run
    assert crew.run(table, 1500, threads) == 0
    assert (array == 4500).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_long_record_goes_in_pieces(crew, threads):
    sink = np.zeros(1, np.int64)
    table = Table()
    table.add(kernels.address("busy"), [sink.ctypes.data], 4000, pieces=1000)
    table.seal()
    timer = threading.Timer(0.1, table.stop)
    timer.start()
    start = time.monotonic()
    assert crew.run(table, 1, threads) == STOPPED_EARLY
    assert time.monotonic() - start < 2
    timer.join()


def test_profile(crew):
    sink = np.zeros(1, np.int64)
    for threads in (1, 2):
        busy = Table()
        busy.add(kernels.address("increment"), [np.zeros(1, np.int64).ctypes.data], 0)
        busy.add(kernels.address("busy"), [sink.ctypes.data], 8)
        busy.seal()
        assert not busy.profile
        crew.run(busy, 1, threads)
        assert not busy.nanoseconds().any()
        busy.profile = True
        start = time.perf_counter_ns()
        crew.run(busy, 2, threads)
        elapsed = time.perf_counter_ns() - start
        empty, full = busy.nanoseconds()
        assert 0 < empty + full <= 1.05 * elapsed  # both include waiting for the other thread
        assert full > 1000
        if threads == 1:
            assert empty < full
        assert not busy.nanoseconds().any()


def test_python_threads_share_a_team(crew):
    tables = [kernels.mirrors(n=61, depth=10) for _ in range(4)]
    for table, _, _ in tables:
        table.seal()
    found = []

    def work(number):
        for _ in range(20):
            table, buffers, _ = tables[number]
            buffers[0][:], buffers[1][:] = np.arange(61), 0
            found.append(crew.run(table, 2, 2))
        found.append(np.array_equal(buffers[0], kernels.mirrored(61, 10, 2)[0]))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert len(found) == 84
    assert sum(found) == 4  # each run returned 0, each comparison True


def test_one_table_from_several_python_threads(crew):
    table, array = increments(5)
    workers = [
        threading.Thread(target=lambda: [crew.run(table, 1, 2) for _ in range(25)])
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert (array == 500).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_program_started_inside_a_host_call(crew, threads):
    inner, array = increments(2)
    outer = Table()
    outer.host(lambda operands, begin, end: crew.run(inner, 3, threads))
    outer.seal()
    assert crew.run(outer, 2, threads) == 0
    assert (array == 12).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_program_started_inside_itself_is_an_error(crew, threads):
    table = Table()
    table.host(lambda operands, begin, end: crew.run(table, 1, threads))
    table.seal()
    for _ in range(2):
        with pytest.raises(ArgumentError, match="inside"):
            crew.run(table, 1, threads)


def test_bind():
    table, array = increments()
    other = np.zeros(64, np.int64)
    table.bind(0, 0, other.ctypes.data)
    table.run()
    assert (other == 1).all()
    assert not array.any()


def test_tables_refuse_what_cannot_be():
    table = Table()
    for bad in ({"chunks": -1}, {"pieces": 0}, {"function": 0}, {"pieces": 2, "narrow": True}):
        with pytest.raises(ArgumentError, match="record 0"):
            table.add(**{"function": 1, **bad})
    with pytest.raises(ArgumentError, match="sealed"):
        table.run()
    table.seal()
    with pytest.raises(ArgumentError, match="record 0"):
        table.add(1)
    with pytest.raises(ArgumentError, match="0 records"):
        table.run()
    table, _ = increments()
    with pytest.raises(ArgumentError, match="0 repetitions"):
        table.run(0)


# ── how many threads ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("bad", ["", "0", "-1", "257", "two", "1.5", "9" * 40])
def test_the_environment_variable(monkeypatch, bad):
    monkeypatch.setenv("BACKLIGHT_NUM_THREADS", "3")
    assert get_num_threads() == 3
    monkeypatch.setenv("BACKLIGHT_NUM_THREADS", bad)
    if not bad:
        assert get_num_threads() == cores()
        return
    with pytest.raises(ArgumentError, match="BACKLIGHT_NUM_THREADS"):
        get_num_threads()


@pytest.mark.parametrize("bad", [0, -3, 257, 2.0, "2", True, 10**30])
def test_wrong_numbers_of_threads(crew, bad):
    table, _ = increments()
    with pytest.raises(ArgumentError, match="256"):
        set_num_threads(bad)
    with pytest.raises(ArgumentError, match="256"):
        crew.run(table, 1, bad)


def test_set_num_threads(crew, monkeypatch):
    monkeypatch.setenv("BACKLIGHT_NUM_THREADS", "1")
    set_num_threads(np.int64(3))
    try:
        table, _ = increments()
        crew.run(table)
        assert crew.size == get_num_threads() == 3
    finally:
        set_num_threads(None)
    assert get_num_threads() == 1
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_a_container_limit(monkeypatch):
    monkeypatch.setattr(thread_numbers, "_container_limit", lambda: 1)
    thread_numbers.cores.cache_clear()
    assert cores() == 1
    monkeypatch.undo()
    thread_numbers.cores.cache_clear()


def test_fewer_threads_than_asked_for(crew, monkeypatch):
    start = threading.Thread.start
    begun = []

    def refuse(thread):
        if begun:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    table, array = increments()
    with pytest.warns(RuntimeWarning, match="no more than 2 threads"):
        assert crew.run(table, 1, 5) == 0
    assert crew.run(table, 1, 5) == 0  # said once
    assert (array == 2).all()
    assert crew.size == 2


# ── processes, signals, idleness ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_interrupt(threads):
    program = f"""
crew = Team()
array = np.zeros(64, np.int64)
table = Table()
table.add(kernels.address("increment"), [array.ctypes.data], 64)
table.seal()
for _ in range(3):
    sent = []
    def send():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    threading.Timer(0.15, send).start()
    try:
        crew.run(table, 1 << 50, {threads})
    except KeyboardInterrupt:
        assert time.monotonic() - sent[0] < 1, time.monotonic() - sent[0]
        array[:] = 0
        assert crew.run(table, 5, {threads}) == 0
        assert (array == 5).all()
        print("interrupted")
"""
    assert child(program) == "interrupted\n" * 3


def test_fork():
    program = """
crew = Team()
table, buffers, _ = kernels.mirrors(n=30, depth=3)
table.seal()
def right():
    buffers[0][:], buffers[1][:] = np.arange(30), 0
    return crew.run(table, 1, 2) == 0 and np.array_equal(buffers[0], kernels.mirrored(30, 3)[0])
assert right()
long, _, _ = kernels.mirrors(n=30, depth=3)
long.seal()
runner = threading.Thread(target=lambda: crew.run(long, 1 << 50, 2))
for running in (False, True):
    if running:
        runner.start()
        time.sleep(0.05)
    for _ in range(4):
        pid = os.fork()
        if not pid:
            ok = right() and right() and crew.size == 2
            os._exit(0 if ok and crew.run(long, 2, 2) == 0 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
long.stop()
runner.join()
assert right()
print("good")
"""
    assert child(program) == "good\n"


@pytest.mark.parametrize("threads", [1, 2])
def test_fork_inside_a_host_call(threads):
    program = f"""
crew = Team()
table = Table()
array = np.zeros(8, np.int64)
pids = []
table.host(lambda operands, begin, end: pids.append(os.fork()))
table.add(kernels.address("increment"), [array.ctypes.data], 8)
table.seal()
try:
    code = crew.run(table, 1, {threads})
except Exception as problem:
    assert pids == [0] and "fork" in str(problem), problem
    os._exit(5)
if pids == [0]:
    os._exit(5 if (array == 1).all() else 1)
assert code == 0
assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 5
print("good")
"""
    assert child(program) == "good\n"


def test_idle_threads_cost_nothing():
    program = """
table, _, _ = kernels.mirrors()
table.seal()
team().run(table, 10, 4)
time.sleep(0.05)
start = time.process_time()
time.sleep(1)
print(time.process_time() - start)
"""
    assert float(child(program)) < 0.01


def test_exit_does_not_hang():
    program = """
table, _, _ = kernels.mirrors()
table.seal()
crew = Team()
for threads in (2, 3):
    crew.run(table, 1, threads)
    team().run(table, 1, threads)
threading.Thread(target=crew.run, args=(table, 1 << 50, 2), daemon=True).start()
time.sleep(0.05)
print("over")
"""
    start = time.monotonic()
    assert child(program, timeout=30) == "over\n"
    assert time.monotonic() - start < 15


def test_a_forgotten_team_sends_its_threads_home():
    before = threading.active_count()
    table, _ = increments()
    Team().run(table, 1, 3)
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_one_processor_for_many_threads():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this platform cannot bind processes to processors")
    program = """
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
table, buffers, _ = kernels.mirrors(n=40, depth=11)
table.seal()
for _ in range(20):
    buffers[0][:], buffers[1][:] = np.arange(40), 0
    assert Team().run(table, 2, 8) == 0
    assert np.array_equal(buffers[0], kernels.mirrored(40, 11, 2)[0])
print("good")
"""
    assert child(program) == "good\n"


def test_three_processes_at_once():
    program = """
table, buffers, _ = kernels.mirrors(n=64, depth=20)
table.seal()
crew = Team()
for _ in range(40):
    buffers[0][:], buffers[1][:] = np.arange(64), 0
    crew.run(table, 3, 2)
    assert np.array_equal(buffers[0], kernels.mirrored(64, 20, 3)[0])
print("good")
"""
    found = []
    workers = [threading.Thread(target=lambda: found.append(child(program))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == ["good\n"] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is counted differently elsewhere")
def test_no_threads_to_be_had():
    program = """
import resource
table, _, _ = kernels.mirrors()
table.seal()
Team().run(table, 1, 2)  # what is read from files is read before the user changes
if os.geteuid() == 0:
    os.setuid(65534)  # the limit does not hold for the superuser
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert Team().run(table, 1, 4) == 0
print([one.category.__name__ for one in caught])
"""
    assert child(program) == "['RuntimeWarning']\n"

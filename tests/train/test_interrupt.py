import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from backlight.train.interrupt import Interrupt

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_only_asks(number):
    # The tests themselves may run under nohup, where SIGHUP is ignored and stays so.
    outside = signal.signal(number, signal.default_int_handler)
    try:
        with Interrupt() as interrupt:
            assert (interrupt.requested, interrupt.exit_code) == (False, 0)
            os.kill(os.getpid(), number)
            assert interrupt.requested
            assert interrupt.exit_code == 128 + number
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, outside)


def test_handlers_come_back_also_after_an_error():
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(RuntimeError), Interrupt():
        raise RuntimeError
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_what_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not interrupt.requested
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_handler_not_of_python_gives_way_to_the_systems_own(monkeypatch):
    interrupt = Interrupt()
    interrupt._before = {signal.SIGTERM: None}
    before = signal.getsignal(signal.SIGTERM)
    try:
        interrupt.__exit__(None, None, None)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_catch_nothing():
    found = []

    def look():
        before = [signal.getsignal(number) for number in SIGNALS]
        with Interrupt() as interrupt:
            found.append([signal.getsignal(number) for number in SIGNALS] == before)
            found.append(interrupt.requested)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [True, False]


@pytest.mark.parametrize("second", SIGNALS)
def test_the_second_leaves_at_once(second):
    code = f"""
import os, signal, atexit
from backlight.train.interrupt import Interrupt
atexit.register(print, "farewell")
with Interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    print("still here", flush=True)
    try:
        os.kill(os.getpid(), {int(second)})
        print("never")
    finally:
        print("never either")
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        preexec_fn=_signals_as_usual,
    )
    assert result.returncode == 128 + second
    assert result.stdout == "still here\n"


def _signals_as_usual():
    for number in SIGNALS:  # a shell may have started us with some of them ignored
        signal.signal(number, signal.SIG_DFL)

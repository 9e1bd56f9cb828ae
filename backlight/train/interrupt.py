"""Signals that ask a run to stop: finish the step, save, and leave."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Interrupt:
    """Within this block the first signal only sets `requested`; a second one leaves at once.

    `exit_code` is 128 plus the signal's number: 130 for Ctrl-C, 143 for SIGTERM, 129 when the
    terminal closes. A signal that is ignored, as under nohup, stays ignored. Outside the main
    thread, where Python allows no handlers, nothing is caught.
    """

    def __init__(self) -> None:
        self.requested = False
        self.exit_code = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for name in _SIGNALS:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            # None: a handler that was not installed from Python, and cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.requested:
            # The second wish: at once, without even the interpreter's own farewells; but a
            # terminal whose cursor a live display has hidden gets it back.
            if os.isatty(2):
                os.write(2, b"\x1b[?25h\n")
            os._exit(128 + number)
        self.requested = True
        self.exit_code = 128 + number

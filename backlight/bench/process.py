"""A contender's process as the parent sees it: started clean, asked in lines of JSON."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backlight.errors import DataError

START = Path(__file__).with_name("start.py")
PATIENCE = 900.0
"""Seconds that one answer may take; compiling a network for the first time is the longest."""

_CHOICES_OF_LIBRARIES = (
    "OPENBLAS_",
    "GOTO_",
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "BLIS_",
    "NVPL_",
    "VECLIB_",
    "NUMEXPR_",
    "XLA_",
    "DNNL_",
    "ONEDNN_",
    "ATEN_",
)
_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BACKLIGHT_NUM_THREADS",
)
_CACHES = (
    "XDG_CACHE_HOME",
    "BACKLIGHT_CACHE",
    "TORCHINDUCTOR_CACHE_DIR",
    "JAX_COMPILATION_CACHE_DIR",
)


def surroundings(threads: int, cache: Path | None = None) -> dict[str, str]:
    """The environment of a contender.

    Whatever tells a numerical library which processor or how many threads to believe in is left
    out, so that each chooses for itself; the number of threads is then said to all alike. With
    `cache`, compiled code is kept there and nowhere else.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_CHOICES_OF_LIBRARIES)
    }
    kept |= dict.fromkeys(_THREADS, str(threads))
    kept |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "", "PYTHONUNBUFFERED": "1"}
    if cache is not None:
        kept |= {name: str(cache / name.lower()) for name in _CACHES}
        kept["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    return kept


class Process:
    """A contender's process.

    Parameters
    ----------
    python : str
        The interpreter it runs in.
    environment : mapping

    Raises
    ------
    DataError
        From `ask`, if the process ends, or does not answer in `PATIENCE` seconds.
    """

    def __init__(self, python: str, environment: Mapping[str, str]) -> None:
        kept = dict(environment)
        if Path(python) != Path(sys.executable):
            kept.pop("PYTHONPATH", None)  # libraries for this Python, not for that one
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(  # noqa: S603
            [python, "-P", str(START)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env=kept,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def ask(self, do: str, patience: float = PATIENCE, **details: Any) -> dict[str, Any]:
        """The answer to one line."""
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.write(json.dumps({"do": do, **details}) + "\n")
                self._process.stdin.flush()
        try:
            line = self._lines.get(timeout=patience)
        except queue.Empty:
            line = ""
        if not line:
            raise DataError(
                "a contender",
                got=f"no answer to “{do}”: {self._last_words()}",
                needs="a process that runs",
                remedy="Run this workload alone, with --peers to leave a peer out.",
            )
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)
        self._lines.put("")

    def _last_words(self) -> str:
        """How the process ended, and the last line it wrote to standard error."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        self._errors.seek(0)
        told = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        code = self._process.returncode
        ended = "it is still busy" if code is None else f"it ended with code {code}"
        return f"{ended}; {told[-1][:200]}" if told else ended

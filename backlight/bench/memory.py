"""The largest memory that this process has had."""

from __future__ import annotations

import sys
from pathlib import Path


def peak() -> int:
    """Bytes of physical memory at the highest mark so far; 0 where the system does not say.

    On Linux it is read from /proc: `getrusage` there remembers the process that this one was
    started from.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024

"""`backlight report RUN`: write the page of a run anew."""

from __future__ import annotations

import sys


def report(run: str, /) -> int:
    """Write report.html of a run, also of one that is still going on, and print its path.

    Parameters
    ----------
    run
        Run folder.
    """
    from backlight.train.report import write_report
    from backlight.train.run import Run

    sys.stdout.write(f"{write_report(Run.open(run))}\n")
    return 0

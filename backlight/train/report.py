"""The report of a run: one page, one file, readable offline and years later."""

from __future__ import annotations

from pathlib import Path

from backlight.train import durable
from backlight.train.held_out import looks
from backlight.train.page.document import document
from backlight.train.page.examined import read_examined
from backlight.train.page.record import read
from backlight.train.run import Run

FILE = "report.html"


def write_report(run: Run) -> Path:
    """Write report.html into a run folder, whatever stage the run has reached.

    The page holds curves, gradients, updates and activations, and, where the run has been
    examined, its confusions, predictions and first-layer weights. It needs no network and no other
    file.

    Parameters
    ----------
    run : Run
        The run folder.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    CheckpointError
        If the metrics are damaged, or the page cannot be written.
    """
    examined, problem = read_examined(run)
    page = document(read(run), examined, problem, len(looks(run)))
    path = run.path / FILE
    durable.replace(path, page.encode("utf-8"))
    return path

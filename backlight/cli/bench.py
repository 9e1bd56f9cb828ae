"""`backlight bench`: Backlight beside its peers on the same work, compared and then timed.

Exit code 1 says that contenders disagree, or that Backlight could not do a workload.
"""

from __future__ import annotations

import json as json_format
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from backlight.errors import ArgumentError, UsageError

if TYPE_CHECKING:
    from backlight.bench.row import Row
    from backlight.bench.workload import Workload

PYTHON_VARIABLE = "BACKLIGHT_BENCH_PYTHON"
_ROUNDS = 7
_SECONDS = 0.2
_MOST_ROUNDS = 1000


def bench(
    *workloads: str,
    all_workloads: Annotated[bool, Parameter(name="--all", negative=())] = False,
    list_workloads: Annotated[bool, Parameter(name="--list", negative=())] = False,
    peers: str | None = None,
    peer_python: str | None = None,
    eager: Annotated[bool, Parameter(negative=())] = False,
    threads: str | None = None,
    rounds: str = str(_ROUNDS),
    seconds: str = str(_SECONDS),
    json: str | None = None,
    figure: str | None = None,
) -> int:
    """Time Backlight beside other frameworks, on work that is first seen to be the same.

    backlight bench                        the quick workloads, about two minutes;
    backlight bench convnet nearest        some, by name or by how their names begin;
    backlight bench convnet --threads 1,2  how it scales;
    backlight bench --all --json all.json  everything, which takes long.

    Every contender runs in a process of its own, at its best settings; they take turns.

    Parameters
    ----------
    workloads
        Names that --list shows. With names, also the peers that take long to compile take part.
    all_workloads
        Every workload, every contender.
    list_workloads
        Show the workloads, their contenders and targets, and stop.
    peers
        Only these, as in torch,jax; "" for none.
    peer_python
        The Python that the peers are installed for. Default: BACKLIGHT_BENCH_PYTHON, else this one.
    eager
        Time eager Backlight as well.
    threads
        How many threads everyone may use, as in 2 or 1,2. Default: all processors.
    rounds
        Turns each contender has.
    seconds
        How long a turn is.
    json
        Write the measurements to this file.
    figure
        Draw the ratios into this .svg, .png or .pdf.
    """
    from backlight.bench import workload

    if list_workloads:
        return _list()
    if all_workloads and workloads:
        raise UsageError(
            "backlight bench",
            got=f"--all and {workloads[0]!r}",
            needs="one",
            remedy="Leave one of them out.",
        )
    found = workload.every() if all_workloads else workload.find(workloads)
    quick = not (all_workloads or workloads)
    python = _python(peer_python or os.environ.get(PYTHON_VARIABLE) or sys.executable)
    options = {
        "rounds": int(_number("--rounds", rounds, 1, _MOST_ROUNDS, whole=True)),
        "seconds": _number("--seconds", seconds, 0.001, 60),
        "peer_python": python,
        "tell": _tell,
    }
    counts, chosen = _threads(threads), _chosen_peers(peers)
    files = [_writable("--json", json), _writable("--figure", figure)]
    if files[1] is not None:
        from backlight.bench.figure import check

        check(files[1])
    contenders = {
        name: _contenders(work, chosen, eager, quick) for name, (_, work) in found.items()
    }
    rows = _measured(found, contenders, counts, options)
    return _shown(rows, files[0], files[1])


def _measured(
    found: dict[str, tuple[str, Workload]],
    contenders: dict[str, list[str]],
    counts: Sequence[int],
    options: dict[str, Any],
) -> list[Row]:
    """Every workload with every number of threads; an interrupt keeps what there is."""
    from backlight.bench.race import Settings, measure

    peaks = _peaks()
    rows = []
    try:
        for name, (home, work) in found.items():
            for count in counts:
                row = measure(home, work, contenders[name], Settings(threads=count, **options))
                if peaks is not None:
                    row.peak_flop = 1e9 * peaks.fma(count, work.bfloat16)
                    row.peak_traffic = 1e9 * peaks.memory(count)
                rows.append(row)
    except KeyboardInterrupt:
        if not rows:
            raise
        _tell("interrupted: this is what was measured so far")
    finally:
        _tell("")
    return rows


def _peaks() -> Any:
    """The measured limits of this machine; None where nothing can be compiled to measure them."""
    from backlight.errors import MissingExtraError

    try:
        from backlight.native.machine_code import peak

        return peak.measure()
    except MissingExtraError:
        return None


def _contenders(work: Workload, peers: Sequence[str], eager: bool, quick: bool) -> list[str]:
    """Backlight compiled (eager where it must be, or is asked for), and the peers wanted."""
    from backlight.bench.ours import has_compiler
    from backlight.bench.peer import COMPILED, EAGER
    from backlight.bench.workload import framework

    compiled = [name for name in work.contenders if name.startswith(COMPILED)]
    ours = compiled if has_compiler() and compiled else [EAGER]
    if eager and EAGER not in ours:
        ours.append(EAGER)
    theirs = [
        name
        for name in work.contenders
        if framework(name) in peers and not (quick and name in work.slow)
    ]
    return ours + theirs


# ── what is asked for ──────────────────────────────────────────────────────────────────────────


def _chosen_peers(text: str | None) -> tuple[str, ...]:
    from backlight.bench.peer import chosen

    return chosen(text)


def _threads(text: str | None) -> list[int]:
    """Numbers of threads, each at most the processors there are."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    if text is None:
        return [cores]
    parts = [part.strip() for part in text.split(",")]
    return [int(_number("--threads", part, 1, cores, whole=True)) for part in parts]


def _number(option: str, text: str, least: float, most: float, whole: bool = False) -> float:
    kind = "a whole number" if whole else "a number"
    try:
        value = float(int(text) if whole else float(text))
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise ArgumentError(
            option,
            got=repr(text[:60]),
            needs=f"{kind} from {least:g} to {most:g}",
            remedy=f"Write for example: {option} {least:g}",
        )
    return value


def _python(given: str) -> str:
    """The path of an interpreter."""
    found = shutil.which(given)
    if found is None:
        raise UsageError(
            "--peer-python",
            got=repr(given),
            needs="a Python interpreter",
            remedy=f"Give the path of a virtual environment's bin/python, or unset "
            f"{PYTHON_VARIABLE}.",
        )
    return found


def _writable(option: str, text: str | None) -> Path | None:
    """A file that can be written, seen to before the measuring that takes minutes."""
    if text is None:
        return None
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(
            option,
            got=repr(text),
            needs="a file in a folder that exists and can be written to",
            remedy="Make the folder first, or name another.",
        )
    return path


# ── what is shown ──────────────────────────────────────────────────────────────────────────────


def _tell(words: str) -> None:
    """What is going on, on one line of a terminal that is overwritten."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[2K{words[:99]}")
        sys.stderr.flush()


def _list() -> int:
    from rich.table import Table

    from backlight.bench.workload import every, framework

    shown = Table(title="Workloads (*: run when none is named)", title_justify="left")
    for heading in ("name", "work", "target", "peers"):
        shown.add_column(heading, no_wrap=heading == "name")
    for name, (_, work) in every().items():
        goals = [
            f"≤ {goal.limit:g} s"
            if goal.limit is not None
            else f"≤ {goal.ratio:g}" + (f" {', '.join(goal.against)}" if goal.against else "")
            for goal in work.targets
        ]
        peers = dict.fromkeys(framework(one) for one in work.contenders)
        peers.pop("backlight", None)
        shown.add_row(
            name + ("*" if work.quick else ""), work.title, "; ".join(goals), ", ".join(peers)
        )
    _console().print(shown)
    return 0


def _console() -> Any:
    """A terminal as wide as it is; a file gets the 100 columns that the table is made for."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=100)


def _shown(rows: list[Row], json: Path | None, figure: Path | None) -> int:
    from rich.markup import escape

    from backlight.bench.table import failed, notes, table

    console = _console()
    console.print(table(rows))
    for line in notes(rows):
        console.print(escape(line), soft_wrap=True)
    if json is not None:
        json.write_text(json_format.dumps(_report(rows), indent=1) + "\n", encoding="utf-8")
    if figure is not None:
        from backlight.bench.figure import draw

        draw(rows, figure)
    return 1 if failed(rows) else 0


def _report(rows: list[Row]) -> dict[str, Any]:
    """For machines: where it was measured, and every row."""
    import dataclasses

    from backlight.train.run import environment

    peaks = _peaks()
    return {
        "environment": environment(),
        "peaks": None if peaks is None else dataclasses.asdict(peaks),
        "rows": [row.to_dict() for row in rows],
    }

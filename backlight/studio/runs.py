"""The Runs screen: what lies on the disk, what differs, how it learned."""

from __future__ import annotations

import contextlib
import tomllib
from typing import Any

from backlight.doctor.remarks import told
from backlight.errors import BacklightError, CheckpointError, UsageError
from backlight.studio import run_files
from backlight.studio.desk import Ask, asked
from backlight.studio.run_files import Found
from backlight.train import strict_json
from backlight.train.page.record import Record, column, nested, number
from backlight.words import LANGUAGES

MOST_COMPARED = 8
MOST_POINTS = 1_500
_SETTINGS = 64 * 1024
_EVENTS = ("step", "layers", "activations", "epoch", "remark")
_MOST_REMARKS = 40
_IDLE = ("seed", "threads", "data_dir", "checkpoint_every", "check")


@asked("runs.list")
def listing(ask: Ask) -> Any:
    """Every run with what one looks for first, and which settings set it apart."""
    rows, settings = [], []
    for run in run_files.scan(ask.studio.runs).values():
        row: dict[str, Any] = {"name": run.name, "changed": run.changed}
        chosen: dict[str, Any] = {}
        try:
            chosen = settings_of(run)
            row |= _outcome(run)
        except CheckpointError as problem:
            row["problem"] = str(problem)
        rows.append(row)
        settings.append(chosen)
    common = _common(settings)
    for row, chosen in zip(rows, settings, strict=True):
        row["settings"] = chosen
        row["differs"] = {
            key: value for key, value in chosen.items() if key not in common and key not in _IDLE
        }
    return {"folder": ask.studio.runs.name or ".", "runs": rows}


@asked("runs.compare")
def compare(ask: Ask) -> Any:
    """Curves, settings and confusion matrices of a few runs."""
    given = ask.given.get("runs")
    if not isinstance(given, list) or len(given) > MOST_COMPARED:
        raise UsageError(
            "the comparison",
            got=f"{len(given) if isinstance(given, list) else 'no'} runs",
            needs=f"at most {MOST_COMPARED}",
            remedy="Choose fewer.",
        )
    answers = []
    for name in given:
        try:
            run = run_files.find(ask.studio.runs, name)
            there = {
                "report": run_files.has(run, "report.html"),
                "net": (run.path / "checkpoints").is_dir(),
            }
            answers.append(curves(record_of(run)) | there)
        except CheckpointError as problem:
            answers.append({"name": str(name)[:200], "problem": str(problem)})
    return answers


@asked("runs.confusion")
def confusion(ask: Ask) -> Any:
    """How often each class was taken for each, as the end of the run found it."""
    run = run_files.find(ask.studio.runs, ask.given.get("run"))
    content = run_files.read(run, "evaluation.json")
    if not content:
        return None
    found = strict_json.loads(content, f"run {run.name}, evaluation.json")
    if not isinstance(found, dict):
        return None
    classes: Any = found.get("classes")
    counts: Any = found.get("confusion")
    if not _is_square(classes, counts):
        raise CheckpointError(
            f"run {run.name[:80]}, evaluation.json",
            got="a confusion matrix that does not fit its classes",
            needs="the file that `backlight train` writes",
            remedy="Evaluate the run again.",
        )
    return {
        "classes": [str(one)[:60] for one in classes],
        "counts": [[int(number(one) or 0) for one in row] for row in counts],
        "split": str(found.get("split"))[:40],
    }


def _is_square(classes: Any, counts: Any) -> bool:
    return (
        isinstance(classes, list)
        and isinstance(counts, list)
        and len(counts) == len(classes) <= 1_000
        and all(isinstance(row, list) and len(row) == len(classes) for row in counts)
    )


def settings_of(run: Found) -> dict[str, Any]:
    """The settings of a run, as they are in its config.toml.

    Raises
    ------
    CheckpointError
        If they cannot be read.
    """
    try:
        return tomllib.loads(run_files.read(run, "config.toml", most=_SETTINGS).decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise CheckpointError(
            f"run {run.name[:80]}, config.toml",
            got=f"what is no TOML ({str(problem)[:120]})",
            needs="the settings that a run records",
            remedy="Restore the file, or remove the folder.",
        ) from None


def record_of(run: Found) -> Record:
    """Everything that a run has measured so far; damaged lines are left out and counted."""
    record = Record(run.name)
    record.settings = settings_of(run)
    lines, damaged = lines_of(run_files.read(run, "metrics.jsonl"))
    take(record, lines)
    record.timings, worse = lines_of(run_files.read(run, "timings.jsonl"))
    if damaged + worse:
        record.problems.append(str(damaged + worse))
    return record


def lines_of(content: bytes) -> tuple[list[dict[str, Any]], int]:
    """The objects in lines of JSON, and how many lines were none; half a last line is left out."""
    found, damaged = [], 0
    for line in content.split(b"\n")[:-1]:
        try:
            one = strict_json.loads(line, "a line")
        except CheckpointError:
            one = None
        if isinstance(one, dict):
            found.append(one)
        else:
            damaged += 1
    return found, damaged


def take(record: Record, lines: list[dict[str, Any]]) -> None:
    """Add lines of metrics to a record."""
    events = {
        "step": record.steps,
        "layers": record.layers,
        "activations": record.activations,
        "epoch": record.epochs,
        "remark": record.remarks,
    }
    for line in lines:
        event = line.get("event")
        if event == "start" and not record.start:
            record.start = line
        elif event == "end":
            record.end = line
        elif event in _EVENTS:
            events[str(event)].append(line)


def curves(record: Record) -> dict[str, Any]:
    """What the charts of a run show, thinned to what a screen can."""
    times = record.times(record.epochs)
    layers = record.layers[-200:]
    end = record.end
    return {
        "name": record.name,
        "unit": record.unit,
        "steps": thinned(record.times(record.steps), column(record.steps, "loss")),
        "epochs": {
            "x": times,
            "train_loss": column(record.epochs, "train_loss"),
            "validation_loss": column(record.epochs, "validation_loss"),
            "train_accuracy": column(record.epochs, "train_accuracy"),
            "validation_accuracy": column(record.epochs, "validation_accuracy"),
        },
        "layers": {
            "x": record.times(layers),
            "names": record.layer_names[:40],
            "gradient_norm": {
                name: nested(layers, "gradient_norm", name) for name in record.layer_names[:40]
            },
            "update_ratio": {
                name: nested(layers, "update_ratio", name) for name in record.layer_names[:40]
            },
        },
        "activations": (record.activations or [{}])[-1].get("layers", {}),
        "settings": record.settings,
        "start": {
            name: record.start.get(name)
            for name in ("data", "model", "parameters", "loss_at_chance", "classes")
        },
        "test_accuracy": number(end.get("test_accuracy")),
        "test_error": number(end.get("test_standard_error")),
        "looks": number(end.get("looks")),
        "stopped": str(end["stopped"])[:300] if end.get("stopped") else "",
        "ended": bool(end),
        "remarks": remarks_of(record),
        "seconds": record.seconds,
        "images_per_second": record.images_per_second,
        "damaged": record.problems[0] if record.problems else "",
    }


def remarks_of(record: Record) -> list[dict[str, Any]]:
    """What the doctor's watch remarked upon: the step, and the sentence in every language."""
    found = []
    for line in record.remarks[:_MOST_REMARKS]:
        with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError, BacklightError):
            said = {code: told(line, code)[:300] for code in LANGUAGES}
            found.append({"step": number(line.get("step")), "said": said})
    return found


def thinned(x: list[float], y: list[float | None], most: int = MOST_POINTS) -> dict[str, Any]:
    """Points few enough for a screen: of each group its mean, its least and its largest."""
    group = max(1, -(-len(x) // most))
    kept: dict[str, list[Any]] = {"x": [], "y": [], "low": [], "high": []}
    for start in range(0, len(x), group):
        values = [one for one in y[start : start + group] if one is not None]
        kept["x"].append(x[min(start + group, len(x)) - 1])
        kept["y"].append(sum(values) / len(values) if values else None)
        kept["low"].append(min(values, default=None))
        kept["high"].append(max(values, default=None))
    return kept


def _outcome(run: Found) -> dict[str, Any]:
    """The end of a run from the last lines of its metrics, without reading the rest."""
    try:
        size = (run.path / "metrics.jsonl").lstat().st_size
    except OSError:
        return {"state": "new"}
    lines, _ = lines_of(run_files.read(run, "metrics.jsonl", max(0, size - 60_000)))
    end: dict[str, Any] = next((one for one in reversed(lines) if one.get("event") == "end"), {})
    epochs = [one for one in lines if one.get("event") == "epoch"]
    last = epochs[-1] if epochs else {}
    best = number(end.get("best_validation_accuracy"))
    return {
        "state": ("stopped" if end.get("stopped") else "done") if end else "open",
        "epoch": number(last.get("epoch")),
        "loss": number(last.get("validation_loss")),
        "accuracy": best if best is not None else number(last.get("validation_accuracy")),
        "test_accuracy": number(end.get("test_accuracy")),
        "spark": [number(one.get("validation_accuracy")) for one in epochs[-40:]],
    }


def _common(settings: list[dict[str, Any]]) -> set[str]:
    """The settings that all runs have, with the same value."""
    if len(settings) < 2:
        return set()
    first = settings[0]
    return {key for key in first if all(one.get(key) == first[key] for one in settings[1:])}

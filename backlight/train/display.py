"""How a run is shown while it goes on: live in a terminal, lines in a pipe, JSON, or nothing.

Progress goes to standard error, the answer to standard output.
"""

from __future__ import annotations

import shlex
import sys
import time
from typing import Any

from backlight.doctor.remarks import told
from backlight.train import strict_json
from backlight.train.held_out import looks
from backlight.train.loop import Outcome
from backlight.train.pipeline import Parts
from backlight.train.run import Run

_REFRESH = 10.0


def make(run: Run, parts: Parts, *, quiet: bool = False, json: bool = False) -> Display:
    """The display that suits the wishes and the terminal."""
    if json:
        return JsonLines(run, parts)
    if quiet:
        return Display(run, parts)
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if console.is_terminal and not console.is_dumb_terminal:
        return Live(run, parts, console)
    return Lines(run, parts)


class Display:
    """Base: shows nothing while training, the result at the end."""

    def __init__(self, run: Run, parts: Parts) -> None:
        self.run, self.parts = run, parts
        self.epochs = int(parts.settings.epochs or 0)
        self.began = time.monotonic()

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the terminal as it was."""

    def tell(self, event: str, record: dict[str, Any]) -> None:
        """Take note of an event of the loop."""

    def close(self, outcome: Outcome) -> None:
        """Say how it ended and where everything is."""
        lines, place = [], shown(str(self.run.path))
        if outcome.test is not None:
            test, count = outcome.test, len(looks(self.run))
            wrong = int((test.predicted != test.labels).sum())
            top5 = test.top5_accuracy
            five = "" if top5 is None else f"top-5 {top5:.1%}   "
            look = "first look" if count == 1 else f"look {count}"
            lines.append(
                f"test ({look}, recorded): {test.accuracy:.1%} "
                f"± {test.standard_error:.1%}   {five}{wrong} of {len(test.labels)} wrong"
            )
        if outcome.stopped == "interrupted":
            lines.append(
                f"stopped at step {outcome.step} and saved; "
                f"go on with: backlight train --resume {shlex.quote(place)}"
            )
        lines.append(f"wrote {place}/  ({', '.join(self._written())})")
        sys.stdout.write("\n".join(lines) + "\n")

    def _written(self) -> list[str]:
        names = ("report.html", "metrics.jsonl", "config.toml")
        return [*(name for name in names if (self.run.path / name).exists()), "checkpoints/"]


class Pace:
    """Images per second of training: the time between two steps of one epoch.

    Validation and the saving of checkpoints lie between epochs and are not counted.
    """

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.close()

    def close(self) -> None:
        """Forget what was counted: the next step is the first of an epoch."""
        self.steps, self.seconds = 0, 0.0
        self._before: float | None = None

    def step(self) -> None:
        """A step has ended now."""
        now = time.monotonic()
        if self._before is not None:
            self.steps += 1
            self.seconds += now - self._before
        self._before = now

    def __str__(self) -> str:
        if not self.steps:
            return "–"
        return f"{self.steps * self.batch_size / max(self.seconds, 1e-9):,.0f}"


class Lines(Display):
    """One plain line an epoch, for pipes and logs."""

    def __init__(self, run: Run, parts: Parts) -> None:
        super().__init__(run, parts)
        self.pace = Pace(int(parts.settings.batch_size or 1))

    def tell(self, event: str, record: dict[str, Any]) -> None:
        """Write the headline at the start and a line after each epoch."""
        if event == "start":
            self._write(headline(record, self.parts))
        elif event == "step":
            self.pace.step()
        elif event == "epoch":
            line = epoch_line(record, self.epochs, time.monotonic() - self.began)
            self._write(f"{line}   {self.pace} images/s")
            self.pace.close()
        elif event == "remark":
            self._write(remark_line(record))

    def _write(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


class JsonLines(Display):
    """One JSON object a line on standard output: the same records as metrics.jsonl."""

    def __enter__(self) -> Display:
        self._write({"schema": "backlight.train/1", "run": str(self.run.path)})
        return self

    def tell(self, event: str, record: dict[str, Any]) -> None:
        """Write the record, but not every single step."""
        if event != "step":
            self._write(record)

    def close(self, outcome: Outcome) -> None:
        """Write the last line."""
        self._write(
            {
                "event": "closed",
                "run": str(self.run.path),
                "step": outcome.step,
                "epoch": outcome.epoch,
                "stopped": outcome.stopped,
                "best_validation_accuracy": outcome.best_validation_accuracy,
                "test_accuracy": None if outcome.test is None else outcome.test.accuracy,
            }
        )

    def _write(self, record: dict[str, Any]) -> None:
        sys.stdout.write(strict_json.dumps(record) + "\n")
        sys.stdout.flush()


class Live(Display):
    """A bar that moves, with loss, accuracies, images per second and the time left."""

    def __init__(self, run: Run, parts: Parts, console: Any) -> None:
        super().__init__(run, parts)
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = console
        self.steps = self.epochs * parts.steps_per_epoch
        self.progress = Progress(
            TextColumn("epoch {task.fields[epoch]:>3}/{task.fields[epochs]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("loss {task.fields[loss]}"),
            TextColumn("{task.fields[rate]} images/s"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            refresh_per_second=_REFRESH,
            transient=True,
        )
        self.task = self.progress.add_task(
            "", total=self.steps, epoch=1, epochs=self.epochs, loss="–", rate="–"
        )
        self.pace = Pace(int(parts.settings.batch_size or 1))
        self._resumed = False

    def __enter__(self) -> Display:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def tell(self, event: str, record: dict[str, Any]) -> None:
        """Move the bar at each step; print a line above it after each epoch."""
        if event == "step":
            step = int(record["step"])
            self.pace.step()
            if not self._resumed:
                # A resumed run begins in the middle: the time left counts from there.
                self._resumed = True
                self.progress.reset(self.task, completed=step - 1)
            self.progress.update(
                self.task,
                completed=step,
                epoch=record["epoch"],
                loss=f"{record['loss']:.4f}",
                rate=str(self.pace),
            )
        elif event == "start":
            self.console.print(headline(record, self.parts), markup=False)
        elif event == "epoch":
            self.pace.close()
            self.console.print(
                epoch_line(record, self.epochs, time.monotonic() - self.began), markup=False
            )
        elif event == "remark":
            self.console.print(remark_line(record), markup=False, style="yellow")


def shown(text: str) -> str:
    """A name as it is, but for control characters, which are written out.

    Examples
    --------
    >>> len("a" + chr(27)), len(shown("a" + chr(27)))
    (2, 5)
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def headline(record: dict[str, Any], parts: Parts) -> str:
    """What is trained on what, and whether the loss starts where chance would put it."""
    settings, sizes = parts.settings, record["sizes"]
    name, shape = shown(str(record["data"])), "×".join(str(n) for n in record["shape"])
    loss, chance = record["loss_before_learning"], record["loss_at_chance"]
    close = "✓" if chance and abs(loss - chance) < 0.1 * chance else "unusual: see the report"
    return (
        f"{name} · {shape} · {sizes['train']:,} train / {sizes['validation']:,} validation / "
        f"{sizes['test']:,} test · seed {settings.seed}\n"
        f"{settings.model} · {record['parameters']:,} parameters · {settings.optimizer} "
        f"lr {settings.lr:g} {settings.schedule} · batch {settings.batch_size}\n"
        f"loss before learning {loss:.4f} (all classes alike: {chance:.4f}) {close}"
    )


def remark_line(record: dict[str, Any]) -> str:
    """What the watch remarks upon, with the step at which it did."""
    return f"  ! step {record['step']}: {shown(told(record))}"


def epoch_line(record: dict[str, Any], epochs: int, seconds: float) -> str:
    """Losses and accuracies of one epoch on a line."""
    width = len(str(epochs))
    return (
        f"epoch {record['epoch']:>{width}}/{epochs}  "
        f"train loss {record['train_loss']:.4f} · {record['train_accuracy']:.1%}   "
        f"validation loss {record['validation_loss']:.4f} · "
        f"{record['validation_accuracy']:.1%}   {seconds:.1f} s"
    )

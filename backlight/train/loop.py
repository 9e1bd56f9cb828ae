"""The training loop, to be read aloud: forward, loss, backward, update; then validate and save.

Everything that decides the result is saved in each checkpoint, so that a run that was stopped and
resumed ends with the same bits as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from threadpoolctl import threadpool_limits

from backlight.doctor.remarks import Watch
from backlight.errors import CheckpointError, NonFiniteError
from backlight.native.inspecting.inspection import Inspection
from backlight.train import checkpoint, observe, snapshot
from backlight.train.held_out import looks, record_look
from backlight.train.interrupt import Interrupt
from backlight.train.metrics import Evaluation, evaluate
from backlight.train.pipeline import Parts
from backlight.train.run import Run
from backlight.train.step import Step

OBSERVED_AN_EPOCH, FEWEST_BETWEEN = 4, 80
"""How often an epoch gradient norms and update ratios are written down, and after how many steps
at the earliest: of a small network such a step takes several times as long as another."""
WATCHED_EXAMPLES, WATCHED_SHARE = 128, 0.005
"""Validation examples whose activations are looked at, and how many of them there may be for each
training example: after every epoch of a large data set, every twenty-first of the digits."""

Listener = Callable[[str, dict[str, Any]], None]


@dataclass
class Outcome:
    """How a run ended: `stopped` says why if it was before the last epoch."""

    step: int
    epoch: int
    best_validation_accuracy: float
    test: Evaluation | None = None
    stopped: str = ""
    exit_code: int = 0


@dataclass
class Position:
    """Where a run is: steps taken, epochs finished, sums of the epoch under way, best so far."""

    step: int = 0
    epoch: int = 0
    loss_sum: float = 0.0
    right: int = 0
    seen: int = 0
    best_accuracy: float = -1.0
    best_step: int = 0
    best_epoch: int = 0
    saved_step: int = -1
    finished: bool = False

    def start_epoch(self) -> None:
        """Forget the sums of the epoch before."""
        self.loss_sum, self.right, self.seen = 0.0, 0, 0


@dataclass
class Trainer:
    """One run: its parts, its folder, and where it is.

    Parameters
    ----------
    parts : Parts
        Data, model, optimiser and schedule.
    run : Run
        The folder to write to.
    listen : callable
        Told of every event as (name, record): "start", "step", "layers",
        "activations", "epoch", "remark", "end".
    look : bool
        Whether the best parameters are evaluated on the test split in the end.
    """

    parts: Parts
    run: Run
    listen: Listener = lambda _name, _record: None
    position: Position = field(default_factory=Position)
    look: bool = True

    def __post_init__(self) -> None:
        self.step = Step(self.parts, self._inspected)
        named = self.parts.model.module.named_parameters()
        self.watch = Watch(name for name, parameter in named if parameter.ndim > 1)

    def fit(self) -> Outcome:
        """Train to the last epoch, or until told to stop; evaluate the best on the test split.

        Raises
        ------
        NonFiniteError
            If a loss or a gradient is NaN or infinite; the last checkpoint stays good.
        """
        position = self.position
        epochs: int = self.parts.settings.epochs  # type: ignore[assignment]
        # One BLAS thread: its products differ in the last bits from one thread count to another.
        with self.run.writing(), Interrupt() as interrupt, threadpool_limits(limits=1):
            if position.saved_step < 0:
                self._start()
                self._save(None)  # so that there is a good checkpoint before the first step
            while position.epoch < epochs:
                position.finished = False
                try:
                    self._epoch(interrupt)
                except NonFiniteError as problem:
                    # Under the step that failed, so that going back to an earlier one drops it.
                    self._tell(
                        "end",
                        {
                            "step": position.step + 1,
                            "epoch": position.epoch,
                            "stopped": str(problem),
                        },
                    )
                    raise
                if interrupt.requested:
                    if position.saved_step != position.step:
                        self._save(None)
                    return self._outcome("interrupted", interrupt.exit_code)
            return self._finish()

    # ── one epoch, one step ────────────────────────────────────────────────────────────────

    def _epoch(self, interrupt: Interrupt) -> None:
        """Every training batch once, from wherever the loader stands."""
        parts, position = self.parts, self.position
        began, seen_before = time.monotonic(), position.seen
        for inputs, labels in parts.train:
            self._step(inputs, labels)
            if interrupt.requested:
                return
        seconds = time.monotonic() - began
        position.epoch += 1
        self._validate(seconds, position.seen - seen_before)
        position.start_epoch()

    def _step(self, inputs: Any, labels: Any) -> None:
        parts, position = self.parts, self.position
        module = parts.model.module
        watched = self._is_watched(position.step)
        updates = observe.Updates(module) if watched else None
        rate = float(parts.optimizer.param_groups[0]["lr"])
        try:
            taken = self.step(inputs, labels, watched=watched)
        except NonFiniteError as problem:
            subject = "" if problem.subject == "the loss" else f" ({problem.subject})"
            raise self._stopped(
                f"{problem.got}{subject}", problem.needs, problem.source
            ) from problem
        parts.schedule.step()

        position.step += 1
        position.loss_sum += taken.loss * len(labels)
        position.right += taken.right
        position.seen += len(labels)
        self._tell("step", {"loss": taken.loss, "lr": rate, "epoch": position.epoch + 1})
        if updates is not None:
            self._tell(
                "layers",
                {
                    "epoch": position.epoch + 1,
                    "gradient_norm": taken.norms,
                    "update_ratio": updates.ratios(module),
                },
            )

    def _validate(self, seconds: float, seen: int) -> None:
        """Close the epoch: validate, write down, and save now and then."""
        parts, position = self.parts, self.position
        with self._averaged():
            validation = self._evaluate(parts.validation)
        if validation.accuracy > position.best_accuracy:
            position.best_accuracy = validation.accuracy
            position.best_step, position.best_epoch = position.step, position.epoch
        if self._is_looked_at(position.epoch):
            first = next(iter(self._first_batch()))
            self._tell(
                "activations",
                {
                    "epoch": position.epoch,
                    "layers": observe.activations(parts.model.module, first[:WATCHED_EXAMPLES]),
                },
            )
        self.run.log(
            "timings",
            {
                "step": position.step,
                "epoch": position.epoch,
                "seconds": seconds,
                "images_per_second": seen / max(seconds, 1e-9),
            },
        )
        self._tell(
            "epoch",
            {
                "epoch": position.epoch,
                "lr": float(parts.optimizer.param_groups[0]["lr"]),
                "train_loss": position.loss_sum / max(position.seen, 1),
                "train_accuracy": position.right / max(position.seen, 1),
                "validation_loss": validation.loss,
                "validation_accuracy": validation.accuracy,
                **_top5("validation", validation),
            },
        )
        last = position.epoch == parts.settings.epochs
        improved = position.best_step == position.step
        if last or improved or position.epoch % parts.settings.checkpoint_every == 0:
            sums = (position.loss_sum, position.right, position.seen)
            position.start_epoch()
            self._save(validation.accuracy)
            position.loss_sum, position.right, position.seen = sums

    # ── beginning and end ──────────────────────────────────────────────────────────────────

    def _start(self) -> None:
        parts = self.parts
        with threadpool_limits(limits=1):
            before = self._evaluate(parts.validation)
        self._tell(
            "start",
            {
                "data": parts.data.name,
                "model": parts.settings.model,
                "classes": list(parts.data.classes),
                "shape": list(parts.data.train.shape),
                "sizes": {
                    "train": len(parts.data.train),
                    "validation": parts.validation.length,
                    "test": parts.test.length,
                },
                "parameters": sum(p.size for p in parts.model.module.parameters()),
                "loss_before_learning": before.loss,
                "loss_at_chance": parts.model.initial_loss,
                "probabilistic": parts.model.probabilistic,
            },
        )

    def _finish(self) -> Outcome:
        """Load the best parameters and look at the test split, once, unless told not to."""
        parts, position = self.parts, self.position
        if not self.look:
            return self._outcome("", 0)
        if looks(self.run) and position.finished:
            return self._outcome("finished before", 0)
        best = checkpoint.best(self.run.checkpoints)
        snapshot.load_best(parts, best)
        with self._averaged():
            test = self._evaluate(parts.test)
        count = self._look(best.step, test.accuracy)
        self._tell(
            "end",
            {
                "epoch": position.epoch,
                "best_step": best.step,
                "best_epoch": position.best_epoch,
                "best_validation_accuracy": position.best_accuracy,
                "test_loss": test.loss,
                "test_accuracy": test.accuracy,
                **_top5("test", test),
                "test_standard_error": test.standard_error,
                "looks": count,
                "stopped": "",
            },
        )
        position.finished = True
        outcome = self._outcome("", 0)
        outcome.test = test
        return outcome

    def _look(self, step: int, accuracy: float) -> int:
        """Record the look at the test split; one that a kill made us repeat is still the same."""
        why = "end of training"
        for look in looks(self.run):
            if (look.get("step"), look.get("accuracy"), look.get("why")) == (step, accuracy, why):
                return int(look["look"])
        return record_look(self.run, step, accuracy, why)

    def _outcome(self, stopped: str, exit_code: int) -> Outcome:
        position = self.position
        return Outcome(
            position.step,
            position.epoch,
            position.best_accuracy,
            stopped=stopped,
            exit_code=exit_code,
        )

    # ── saving and resuming ────────────────────────────────────────────────────────────────

    def _save(self, score: float | None) -> None:
        self.position.saved_step = self.position.step
        arrays, state = snapshot.take(self.parts, vars(self.position))
        self.run.flush()
        checkpoint.save(self.run.checkpoints, self.position.step, arrays, state, score=score)

    def resume(
        self, *, allow_data_change: bool = False, force: bool = False, strict: bool = False
    ) -> None:
        """Go on from the newest whole checkpoint; from the beginning if none was written yet.

        Parameters
        ----------
        allow_data_change : bool
            Go on although the data are not the ones of the run.
        force : bool
            Go on from numbers that are NaN or infinite.
        strict : bool
            Refuse a damaged newest checkpoint rather than take the one before.

        Raises
        ------
        CheckpointError
            If none is whole, or it is of other data or another model.
        UsageError
            If another process is training into the folder.
        """
        with self.run.writing():
            if not checkpoint.found(self.run.checkpoints):
                self.run.rewind(-1)
                return
            saved = checkpoint.latest(self.run.checkpoints, strict=strict)
            try:
                snapshot.check_same(saved, self.parts, allow_data_change)
                snapshot.check_finite(saved, force)
                self.position = Position(**snapshot.put_back(self.parts, saved))
            except (KeyError, TypeError, AttributeError) as problem:
                raise CheckpointError(
                    str(saved.path),
                    got=f"a state that lacks or garbles {problem}",
                    needs="the state that Backlight writes",
                    remedy="Use an earlier checkpoint.",
                ) from problem
            self.run.rewind(saved.step)
            told = self.run.read("metrics")
            self.watch.recall(told)  # what was remarked upon is not said again
            self.position.finished = any(
                record.get("event") == "end" and record.get("step") == saved.step for record in told
            )

    def _evaluate(self, batches: Any) -> Evaluation:
        model = self.parts.model
        return evaluate(model.module, model.loss, batches, self.step.forward)

    # ── small things ───────────────────────────────────────────────────────────────────────

    def _tell(self, event: str, record: dict[str, Any]) -> None:
        line = {"event": event, "step": self.position.step, **record}
        self.run.log("metrics", line)
        self.listen(event, line)
        for remark in self.watch.hear(event, line):
            self._tell("remark", remark)

    def _inspected(self, found: Inspection) -> None:
        """Write down what was checked of a program, and what was not."""
        record = {
            "step": self.position.step,
            "program": found.label.strip("_"),
            "ok": found.ok,
            "results": len(found.rows),
            "slopes": len(found.slopes),
            "worst": max((row.error for row in found.rows), default=0.0),
            "seconds": found.seconds,
            "notes": found.notes,
            "unchecked": found.unchecked,
        }
        self.run.log("checks", record)

    def _is_watched(self, step: int) -> bool:
        every = max(FEWEST_BETWEEN, self.parts.steps_per_epoch // OBSERVED_AN_EPOCH)
        return step % every == 0

    def _is_looked_at(self, epoch: int) -> bool:
        """Whether activations are looked at after this epoch: the first and the last always."""
        settings, examples = self.parts.settings, len(self.parts.data.train)
        watched = min(WATCHED_EXAMPLES, self.parts.validation.length)
        every = max(1, math.ceil(watched / (WATCHED_SHARE * examples)))
        return epoch in (1, settings.epochs) or epoch % every == 0

    def _first_batch(self) -> Any:
        batches = iter(self.parts.validation)
        try:
            yield next(batches)[0]
        finally:
            batches.close()

    def _averaged(self) -> Any:
        import contextlib

        average = self.parts.average
        return contextlib.nullcontext() if average is None else average.applied()

    def _stopped(self, got: str, needs: str, source: str) -> NonFiniteError:
        """The error of a step that cannot be taken."""
        return NonFiniteError(
            f"step {self.position.step + 1} (epoch {self.position.epoch + 1})",
            got=got,
            needs=needs,
            source=source,
            remedy=f"Lower --lr (now {self.parts.optimizer.param_groups[0]['lr']:g}) or set "
            f"--clip 1. The last good checkpoint is in {self.run.checkpoints}.",
        )


def _top5(split: str, found: Evaluation) -> dict[str, float]:
    """What is told besides the accuracy, where there are more than five classes."""
    five = found.top5_accuracy
    return {} if five is None else {f"{split}_top5_accuracy": five}

"""The charts of a run: loss, accuracy, learning rate, gradients, updates and lost units."""

from __future__ import annotations

import math

import numpy as np

from backlight.train.page.charts import (
    MOST_POINTS,
    Chart,
    Moment,
    Reference,
    Series,
    thin,
)
from backlight.train.page.histograms import layer_histories
from backlight.train.page.number import percent, plural, short
from backlight.train.page.record import Numbers, Record, column, known, nested, number

RULE_OF_THUMB = 1e-3
"""Update:weight ratio that a healthy run has, roughly."""
_BAND = (10**-3.5, 10**-2.5)
MOST_LAYERS = 14
_LAYER_POINTS = 80


def charts(record: Record) -> list[Chart]:
    """The charts there are numbers for, in the order of the page."""
    made = [
        _loss(record),
        _accuracy(record),
        _rate(record),
        _gradients(record),
        _updates(record),
        _lost_units(record),
    ]
    return [chart for chart in made if chart is not None]


def smoothed(values: Numbers) -> tuple[list[int], Numbers, Numbers, Numbers]:
    """Moving mean of a step's losses with the least and greatest in the same window.

    Returns
    -------
    places, means, lows, highs : lists
        At most 240 places, evenly chosen; the window is a fortieth of the run around each.
    """
    count = len(values)
    half = max(1, count // 80)
    places = sorted(
        {
            round(k * (count - 1) / max(1, min(MOST_POINTS, count) - 1))
            for k in range(min(MOST_POINTS, count))
        }
    )
    means: Numbers = []
    lows: Numbers = []
    highs: Numbers = []
    for place in places:
        # The curve is steep at the start: a window cut off on one side would lean away from it.
        reach = min(half, place)
        window = known(values[place - reach : place + reach + 1])
        means.append(float(np.mean(window)) if window else None)
        lows.append(min(window, default=None))
        highs.append(max(window, default=None))
    return places, means, lows, highs


def _loss(record: Record) -> Chart | None:
    series = []
    steps = column(record.steps, "loss")
    if known(steps):
        times = record.times(record.steps)
        places, means, lows, highs = smoothed(steps)
        series.append(
            Series(
                "each step, smoothed",
                [times[k] for k in places],
                means,
                look=4,
                dash=0,
                band=(lows, highs),
                marked=False,
            )
        )
    series += _epoch_lines(record, "loss", "loss_before_learning")
    if not series or not (record.steps or record.epochs):
        return None
    chance = number(record.start.get("loss_at_chance"))
    references = [] if chance is None else [Reference(chance, _chance_label(record, chance))]
    return Chart(
        "loss",
        "Loss",
        _course(record, "loss"),
        "loss" + (" (nats)" if record.probabilistic else " (hinge)"),
        series,
        record.unit,
        scale="both",
        references=references,
        moments=[*_best(record), *_broken(record)],
        rows=_epoch_rows(record),
        note="The training loss of an epoch is a mean over weights that were still changing, so "
        "it stands at the middle of the epoch. The band is the range of single steps: its width "
        "goes with the batch size.",
    )


def _chance_label(record: Record, chance: float) -> str:
    count = len(record.classes)
    if record.probabilistic and count and abs(chance - math.log(count)) < 1e-3:
        return f"guessing: ln {count} = {chance:.4f}"
    if not record.probabilistic and count and abs(chance - (count - 1)) < 1e-6:
        return f"all scores equal: C − 1 = {chance:g}"
    return f"at chance: {short(chance)}"


def _accuracy(record: Record) -> Chart | None:
    series = _epoch_lines(record, "accuracy", None)
    if not series:
        return None
    count = len(record.classes)
    references = [Reference(1 / count, f"guessing: 1/{count}")] if count else []
    return Chart(
        "accuracy",
        "Accuracy",
        _course(record, "accuracy"),
        "right answers (% of the split)",
        series,
        record.unit,
        percent=True,
        references=references,
        moments=_best(record),
        rows=_epoch_rows(record),
        highest=1.0,
        note="The gap between the two lines is overfitting: none at all may mean a model that is "
        "too small, a wide one wants more data or regularisation.",
    )


def _epoch_lines(record: Record, what: str, before: str | None) -> list[Series]:
    per_epoch = record.times(record.epochs)
    lines = []
    train = column(record.epochs, f"train_{what}")
    if known(train):
        half = 0.5 if record.unit == "epoch" else 0.0
        lines.append(Series("training", [x - half for x in per_epoch], train, look=0, dash=0))
    x, validation = list(per_epoch), column(record.epochs, f"validation_{what}")
    untrained = number(record.start.get(before)) if before else None
    if untrained is not None:
        x, validation = [0.0, *x], [untrained, *validation]
    if known(validation):
        lines.append(Series("validation", x, validation, look=1))
    return lines


def _epoch_rows(record: Record) -> list[list[str]] | None:
    if not record.epochs:
        return None
    headings = [
        "epoch",
        "training loss",
        "validation loss",
        "training accuracy",
        "validation accuracy",
        "learning rate",
    ]
    return [
        headings,
        *(
            [
                short(number(line.get("epoch"))),
                *(short(number(line.get(name))) for name in ("train_loss", "validation_loss")),
                *(
                    percent(number(line.get(name)), 2)
                    for name in ("train_accuracy", "validation_accuracy")
                ),
                short(number(line.get("lr"))),
            ]
            for line in record.epochs
        ),
    ]


def _course(record: Record, what: str) -> str:
    """How a quantity went, in a sentence."""
    write = percent if what == "accuracy" else short
    said = []
    for split in ("train", "validation"):
        values = known(column(record.epochs, f"{split}_{what}"))
        if values:
            name = "training" if split == "train" else split
            verb = _verb(values[0], values[-1])
            said.append(f"{name} {what} {verb} {write(values[0])} to {write(values[-1])}")
    if said:
        return f"{'; '.join(said)}, in {plural(len(record.epochs), 'epoch')}.".capitalize()
    values = known(column(record.steps, what))
    if values:
        return (
            f"Loss of single steps {_verb(values[0], values[-1])} {short(values[0])} to "
            f"{short(values[-1])} in {plural(len(record.steps), 'step')}."
        )
    return f"No {what} is known."


def _verb(first: float, last: float) -> str:
    if abs(last - first) <= 0.02 * max(abs(first), abs(last)):
        return "went from"
    return "fell from" if last < first else "rose from"


def _best(record: Record) -> list[Moment]:
    best = record.best_epoch
    if best is None or record.unit != "epoch":
        return []
    return [Moment(best, f"kept: epoch {best:g}")]


def _broken(record: Record) -> list[Moment]:
    """Where the loss stopped being a number."""
    times = record.times(record.steps)
    for time, loss in zip(times, column(record.steps, "loss"), strict=True):
        if loss is None:
            return [Moment(time, "not a number")]
    return []


def _rate(record: Record) -> Chart | None:
    values = column(record.steps, "lr")
    present = known(values)
    if not present:
        return None
    x, y = thin(record.times(record.steps), values)
    above = [v for v in present if v > 0]
    return Chart(
        "learning-rate",
        "Learning rate",
        f"The learning rate went from {short(present[0])} to {short(present[-1])}; its highest "
        f"was {short(max(present))}.",
        "learning rate",
        [Series("learning rate", x, y, look=2, dash=0, marked=False)],
        record.unit,
        scale="both" if above and max(above) > 3 * min(above) else "linear",
    )


def _layer_series(record: Record, part: str) -> tuple[list[Series], str]:
    """A line a parameter, those of biases dashed, and a sentence where some are left out."""
    names = [name for name in record.layer_names if known(nested(record.layers, part, name))]
    told = ""
    if len(names) > MOST_LAYERS:
        weights = [name for name in names if not name.endswith("bias")] or names
        kept = (
            [
                weights[round(k * (len(weights) - 1) / (MOST_LAYERS - 1))]
                for k in range(min(MOST_LAYERS, len(weights)))
            ]
            if len(weights) > MOST_LAYERS
            else weights
        )
        told = f"{len(kept)} of {len(names)} parameters are shown. "
        names = kept
    times = record.times(record.layers)
    series = []
    for place, name in enumerate(names):
        x, y = thin(times, nested(record.layers, part, name), _LAYER_POINTS)
        dash = 1 if name.endswith("bias") else 0
        series.append(Series(name, x, y, look=place, dash=dash))
    return series, told


def _gradients(record: Record) -> Chart | None:
    series, told = _layer_series(record, "gradient_norm")
    if not series:
        return None
    lasts = [one.last for one in series if one.last]
    ends = (
        f" At the end they lie between {short(min(lasts), 3)} and {short(max(lasts), 3)}."
        if lasts
        else ""
    )
    return Chart(
        "gradients",
        "Gradient norms",
        f"Gradient norms of {plural(len(series), 'parameter')} over training.{ends}",
        "‖∇‖",
        series,
        record.unit,
        scale="log",
        note=told + "Lines that drop by factors from the last layer to the first are vanishing "
        "gradients; spikes are what gradient clipping (--clip) cuts. Biases are dashed.",
    )


def _updates(record: Record) -> Chart | None:
    series, told = _layer_series(record, "update_ratio")
    if not series:
        return None
    lasts = [one.last for one in series if one.last]
    ends = (
        f" At the end they lie between {short(min(lasts), 3)} and {short(max(lasts), 3)}."
        if lasts
        else ""
    )
    return Chart(
        "updates",
        "Update : weight ratio",
        f"Size of an update as a share of the weights, for {plural(len(series), 'parameter')}; "
        f"the rule of thumb is 0.001.{ends}",
        "‖Δw‖ / ‖w‖",
        series,
        record.unit,
        scale="log",
        references=[Reference(_BAND[0], "rule of thumb: about 10⁻³", _BAND[1])],
        note=told + "Far above the band the learning rate is probably too high, far below it too "
        "low. Biases (dashed) start at zero and may lie outside it.",
    )


def _lost_units(record: Record) -> Chart | None:
    series = []
    histories = layer_histories(record.activations)
    words = [
        fate
        for fate in ("dead", "saturated")
        if any(
            number(seen.get(fate)) is not None for lines in histories.values() for _, seen in lines
        )
    ]
    for place, (path, history) in enumerate(list(histories.items())[:MOST_LAYERS]):
        for fate in words:
            values = [number(seen.get(fate)) for _, seen in history]
            if known(values):
                name = f"layer {path}" + (f", {fate}" if len(words) > 1 else "")
                series.append(Series(name, [x for x, _ in history], values, look=place))
    if not series:
        return None
    named = " or ".join(words).capitalize()
    worst = max(series, key=lambda one: one.last or 0.0)
    return Chart(
        "lost-units",
        f"{named} units",
        f"{named} units by layer over {plural(len(record.activations), 'epoch')}; at the end the "
        f"most are in {worst.name}: {percent(worst.last)}.",
        "units (% of the layer)",
        series,
        percent=True,
        highest=None,
        note="Dead: zero for every example looked at, so no gradient comes through. Saturated: "
        "within 1% of an end of its range for every example.",
    )

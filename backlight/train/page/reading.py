"""What a practised eye reads in the curves: the checks that one makes while a model trains.

Each check is a rule of thumb with its numbers, and says so; none is a verdict. Source: CS231n,
"Neural networks 3: learning and evaluation" (sanity checks, babysitting the learning process).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from backlight.train.page.histograms import layer_histories
from backlight.train.page.number import percent, plural, short
from backlight.train.page.record import Record, column, known, nested, number

_CLOSE_TO_CHANCE = 0.1
_FEW_DEAD, _MANY_DEAD = 0.1, 0.4
_MANY_SATURATED = 0.1
_LOW_RATIO, _HIGH_RATIO = 1e-4, 1e-2
_VANISHING = 1e-3
_WIDE_GAP, _NO_GAP = 0.1, 0.02


@dataclass(frozen=True)
class Finding:
    """One remark. `kind` is "good", "look" (worth a look) or "note"; `about` a part of the page."""

    kind: str
    title: str
    text: str
    about: str


def findings(record: Record) -> list[Finding]:
    """Everything there is to say of a run, in the order in which one would check."""
    made = [check(record) for check in _CHECKS]
    return [finding for finding in made if finding is not None]


def _initial_loss(record: Record) -> Finding | None:
    before = number(record.start.get("loss_before_learning"))
    chance = number(record.start.get("loss_at_chance"))
    if before is None or chance is None or chance <= 0:
        return None
    text = (
        f"Before learning the loss was {short(before)}; a model that does not prefer any of "
        f"the {plural(len(record.classes), 'class', 'classes')} has {short(chance)}."
    )
    if abs(before - chance) <= _CLOSE_TO_CHANCE * chance:
        return Finding("good", "The loss began where it should", text, "loss")
    return Finding(
        "look",
        "The loss did not begin at chance",
        text + " The first weights may be too large, or the inputs not normalised.",
        "loss",
    )


def _stopped_at_nan(record: Record) -> Finding | None:
    bad = next((line for line in record.steps if number(line.get("loss")) is None), None)
    if bad is None:
        return None
    step = number(bad.get("step"))
    return Finding(
        "look",
        "The loss stopped being a number",
        f"At step {short(step)} it was NaN or infinite. A smaller learning rate or "
        "gradient clipping is the usual cure; the last good checkpoint was kept.",
        "loss",
    )


def _loss_shape(record: Record) -> Finding | None:
    losses = known(column(record.epochs, "train_loss"))
    if len(losses) < 3:
        return None
    first, last = losses[0], losses[-1]
    chance = number(record.start.get("loss_at_chance"))
    top = max(first, chance or first)
    if last > 1.05 * first:
        return Finding(
            "look",
            "The training loss rose",
            f"From {short(first)} to {short(last)}. The learning rate is probably too high.",
            "loss",
        )
    if last > 0.95 * top:
        accuracy = known(column(record.epochs, "train_accuracy"))
        extra = ""
        if accuracy and accuracy[-1] > accuracy[0] + 0.03:
            extra = (
                " Accuracy rising meanwhile is no bug: the highest score changes before the "
                "probabilities do."
            )
        return Finding(
            "look",
            "The training loss hardly moved",
            f"From {short(first)} to {short(last)}. The learning rate is probably too low.{extra}",
            "loss",
        )
    if chance is not None and first > 1.2 * chance:
        return Finding(
            "look",
            "The loss rose above guessing first",
            "In the first epoch it was "
            f"{short(first)} on average, worse than the {short(chance)} of a model "
            "that knows nothing: the first steps were too large. A smaller learning "
            f"rate, or a warm-up, avoids it. It ended at {short(last)}.",
            "loss",
        )
    late = _plateau(losses)
    if late is not None:
        return Finding(
            "look",
            "A plateau, then a drop",
            f"The loss stood near {short(losses[0])} "
            f"for {plural(late, 'epoch')} before it fell: the initial weights are the "
            "prime suspect.",
            "loss",
        )
    recent = losses[-1] / losses[-2] if losses[-2] > 0 else 1.0
    rate = known(column(record.epochs, "lr"))
    if recent < 0.9 and (not rate or rate[-1] > 0.05 * max(rate)):
        return Finding(
            "note",
            "Still falling at the end",
            "The last epoch still took "
            f"{percent(1 - recent, 0)} off the training loss: more epochs may help.",
            "loss",
        )
    return Finding(
        "good",
        "The training loss fell",
        f"From {short(first)} in the first epoch to {short(last)} in the last.",
        "loss",
    )


def _plateau(losses: list[float]) -> int | None:
    """Epochs at the start within 3% of the first loss, where a fall by half came after them."""
    flat = 0
    while flat < len(losses) and abs(losses[flat] - losses[0]) <= 0.03 * abs(losses[0]):
        flat += 1
    return flat if flat >= 3 and flat < len(losses) and losses[-1] < 0.5 * losses[0] else None


def _gap(record: Record) -> Finding | None:
    place = _best_place(record)
    if place is None:
        return None
    train = number(record.epochs[place].get("train_accuracy"))
    validation = number(record.epochs[place].get("validation_accuracy"))
    if train is None or validation is None:
        return None
    gap = train - validation
    text = (
        f"At the best epoch {percent(train)} of the training images and {percent(validation)} "
        "of the validation images were right."
    )
    if gap >= _WIDE_GAP:
        return Finding(
            "look",
            "Overfitting",
            text + " More data, augmentation, weight decay or dropout narrow such a gap.",
            "accuracy",
        )
    if gap < _NO_GAP and train < 0.9:
        return Finding(
            "note",
            "Room for a larger model",
            text + " There is hardly a gap, so the "
            "model may be too small, or have been trained too briefly.",
            "accuracy",
        )
    return Finding("good", "Training and validation agree", text, "accuracy")


def _best_place(record: Record) -> int | None:
    scores = [(number(line.get("validation_accuracy")), k) for k, line in enumerate(record.epochs)]
    present = [(score, -k) for score, k in scores if score is not None]
    return -max(present)[1] if present else None


def _turning_point(record: Record) -> Finding | None:
    losses = column(record.epochs, "validation_loss")
    present = [(loss, k) for k, loss in enumerate(losses) if loss is not None]
    if len(present) < 4:
        return None
    least, place = min(present)
    last = present[-1][0]
    if last > 1.25 * least and place < len(losses) - 2:
        epoch = number(record.epochs[place].get("epoch"))
        return Finding(
            "note",
            "The validation loss turned",
            f"It was least, {short(least)}, in "
            f"epoch {short(epoch)} and ended at {short(last)}: from there the model "
            "grew surer of its errors. The best epoch's weights were kept.",
            "loss",
        )
    return None


def _ratios(record: Record) -> Finding | None:
    medians = {}
    for name in record.layer_names:
        values = known(nested(record.layers, "update_ratio", name))
        if values and not name.endswith("bias"):
            medians[name] = statistics.median(values)
    if not medians:
        return None
    high = [name for name, value in medians.items() if value > _HIGH_RATIO]
    low = [name for name, value in medians.items() if value < _LOW_RATIO]
    spread = f"Median by parameter: {_range(list(medians.values()))}; about 10⁻³ is usual."
    if high:
        return Finding(
            "look",
            "Large updates",
            f"{spread} {_listed(high)} moved by more than a "
            "hundredth of its size a step: the learning rate may be too high.",
            "updates",
        )
    if low:
        return Finding(
            "look",
            "Small updates",
            f"{spread} {_listed(low)} moved by less than a "
            "ten-thousandth of its size a step: the learning rate may be too low.",
            "updates",
        )
    return Finding("good", "Updates of a healthy size", spread, "updates")


def _vanishing(record: Record) -> Finding | None:
    weights = [name for name in record.layer_names if not name.endswith("bias")]
    medians = []
    for name in weights:
        values = known(nested(record.layers, "gradient_norm", name))
        if values:
            medians.append((name, statistics.median(values)))
    if len(medians) < 3:
        return None
    (first, low), (last, high) = medians[0], medians[-1]
    if high > 0 and low < _VANISHING * high:
        return Finding(
            "look",
            "Vanishing gradients",
            f"The gradient of {first} is "
            f"{short(low / high, 2)} of that of {last}: little reaches the first "
            "layer.",
            "gradients",
        )
    return None


def _dead_units(record: Record) -> Finding | None:
    shares = _last_shares(record, "dead")
    if not shares:
        return None
    worst = max(shares, key=lambda path: shares[path])
    share = shares[worst]
    if share >= _FEW_DEAD:
        much = "Very many" if share >= _MANY_DEAD else "Many"
        return Finding(
            "look",
            f"{much} dead units",
            f"{percent(share, 0)} of the units of layer "
            f"{worst} were zero for every example looked at, so that no gradient "
            "reached them at the end. A lower learning rate, or a leaky ReLU, keeps "
            "them alive.",
            "lost-units",
        )
    return Finding(
        "good",
        "Few dead units",
        f"At most {percent(share, 0)} of a layer ({worst}) was dead at the end.",
        "lost-units",
    )


def _saturated_units(record: Record) -> Finding | None:
    shares = _last_shares(record, "saturated")
    if not shares:
        return None
    worst = max(shares, key=lambda path: shares[path])
    if shares[worst] < _MANY_SATURATED:
        return None
    return Finding(
        "look",
        "Saturated units",
        f"{percent(shares[worst], 0)} of layer {worst} lay "
        "at an end of its range for every example: their gradient is nearly zero. "
        "Smaller initial weights help.",
        "lost-units",
    )


def _last_shares(record: Record, fate: str) -> dict[str, float]:
    found = {}
    for path, history in layer_histories(record.activations).items():
        share = number(history[-1][1].get(fate))
        if share is not None:
            found[path] = share
    return found


def _test_agrees(record: Record) -> Finding | None:
    test = number(record.end.get("test_accuracy"))
    error = number(record.end.get("test_standard_error"))
    validation = number(record.end.get("best_validation_accuracy"))
    count = record.size("validation")
    if test is None or error is None or validation is None or not count:
        return None
    other = math.sqrt(max(0.0, validation * (1 - validation)) / count)
    noise = math.hypot(error, other)
    text = (
        f"Test {percent(test)}, validation {percent(validation)}; chance alone moves their "
        f"difference by about {percent(noise)} (one standard error)."
    )
    if noise > 0 and validation - test > 2 * noise:
        return Finding(
            "look",
            "The test split is harder than validation",
            text + " Many choices made on a small validation split do this.",
            "top",
        )
    return Finding("good", "Test and validation agree", text, "top")


def _range(values: list[float]) -> str:
    low, high = min(values), max(values)
    return short(low, 2) if low == high else f"{short(low, 2)} to {short(high, 2)}"


def _listed(names: list[str]) -> str:
    rest = len(names) - 3
    return ", ".join(names[:3]) + (f" and {rest} more" if rest > 0 else "")


_CHECKS: list[Callable[[Record], Finding | None]] = [
    _initial_loss,
    _stopped_at_nan,
    _loss_shape,
    _gap,
    _turning_point,
    _ratios,
    _vanishing,
    _dead_units,
    _saturated_units,
    _test_agrees,
]

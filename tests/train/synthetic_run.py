"""Run folders with the numbers a real run would have, made without training."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np

from backlight.data import Examples
from backlight.train.examine import examine
from backlight.train.metrics import Evaluation
from backlight.train.run import Run
from backlight.train.settings import Settings

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"]}',
    "';DROP TABLE--",
    "\u202eright to left",
    "🙂",
    "한글",
    "\u1112\u1161\u11ab\u1100\u1173\u11af",
    "__proto__",
    "constructor",
    "[/]",
    "[bold]",
    "[link=http://example.org]x",
    "%s",
    "{0}",
    "\x1b[2J",
    "a\rb\nc",
    "</script><script>alert(2)</script>",
    "</style>",
    "javascript:alert(3)",
    "\ud800",
    "&amp;",
    "=1+1",
    "아주 긴 이름을 가진 분류 하나 더 길게",
    "x" * 300,
    "\u0000",
]
PARAMETERS = ["0.weight", "0.bias", "3.weight", "3.bias", "7.weight", "7.bias"]


class Model:
    """What the examination asks of a model: its parameters with their names."""

    def __init__(self, *weights):
        self._weights = weights

    def named_parameters(self):
        for place, values in enumerate(self._weights):
            yield f"{place}.weight", SimpleNamespace(_value=values)
            yield f"{place}.bias", SimpleNamespace(_value=np.zeros(len(values), np.float32))


def make_run(
    folder,
    *,
    names=None,
    epochs=8,
    steps=20,
    ends=True,
    nan_at=None,
    probabilistic=True,
    stopped="",
):
    """A run folder at any stage; `nan_at` is the step at which the loss stops being a number."""
    run = Run.create(folder, Settings())
    names = [str(k) for k in range(10)] if names is None else names
    chance = math.log(len(names)) if probabilistic else len(names) - 1.0
    run.log(
        "metrics",
        {
            "event": "start",
            "step": 0,
            "data": "digits",
            "model": "convnet",
            "classes": names,
            "sizes": {"train": 1257, "validation": 270, "test": 270},
            "shape": [1, 8, 8],
            "parameters": 22602,
            "loss_before_learning": chance * 1.001,
            "loss_at_chance": chance,
            "probabilistic": probabilistic,
        },
    )
    random = np.random.default_rng(3)
    for epoch in range(1, epochs + 1):
        losses = []
        for _ in range(steps):
            step = (epoch - 1) * steps + len(losses) + 1
            loss = chance * math.exp(-step / (2.2 * steps)) * (0.8 + 0.4 * random.random()) + 0.03
            loss = math.nan if nan_at is not None and step >= nan_at else loss
            losses.append(loss)
            rate = 0.002 * (1 + math.cos(math.pi * step / (epochs * steps))) / 2
            run.log(
                "metrics", {"event": "step", "step": step, "epoch": epoch, "loss": loss, "lr": rate}
            )
            if step % (steps // 4) == 1:
                run.log(
                    "metrics",
                    {
                        "event": "layers",
                        "step": step,
                        "epoch": epoch,
                        "gradient_norm": {
                            name: loss * 10.0 ** -(k / 2) * random.uniform(0.7, 1.4)
                            for k, name in enumerate(reversed(PARAMETERS))
                        },
                        "update_ratio": {
                            name: 1e-3 * random.uniform(0.5, 2) for name in PARAMETERS
                        },
                    },
                )
            if nan_at is not None and step >= nan_at:
                return run
        _epoch(run, epoch, epoch * steps, float(np.mean(losses)), random)
    if ends:
        run.log(
            "test_looks",
            {"look": 1, "step": epochs * steps, "accuracy": 0.9815, "why": "end of training"},
        )
        run.log(
            "metrics",
            {
                "event": "end",
                "step": epochs * steps,
                "epoch": epochs,
                "best_step": 7 * steps,
                "best_epoch": 7,
                "best_validation_accuracy": 0.985,
                "test_loss": 0.06,
                "test_accuracy": 0.9815,
                "test_standard_error": 0.0082,
                "looks": 1,
                "stopped": stopped,
            },
        )
    return run


def _epoch(run, epoch, step, loss, random):
    run.log(
        "timings",
        {
            "step": step,
            "epoch": epoch,
            "seconds": 0.9 + 0.1 * random.random(),
            "images_per_second": 1300 + 100 * random.random(),
        },
    )
    layers = {}
    for path, units, dead in (("1", 16, 0.0), ("4", 32, 0.125)):
        values = np.maximum(random.normal(0.2, 1 + 0.1 * epoch, 3000), 0)
        counts, edges = np.histogram(values, bins=30)
        layers[path] = {
            "counts": counts.tolist(),
            "low": float(edges[0]),
            "high": float(edges[-1]),
            "mean": float(values.mean()),
            "std": float(values.std()),
            "units": units,
            "zero": float((values == 0).mean()),
            "dead": dead,
            "saturated": None,
        }
    run.log("metrics", {"event": "activations", "step": step, "epoch": epoch, "layers": layers})
    accuracy = 1 - 0.6 * math.exp(-epoch / 1.5)
    run.log(
        "metrics",
        {
            "event": "epoch",
            "step": step,
            "epoch": epoch,
            "lr": 0.002 / epoch,
            "train_loss": loss,
            "train_accuracy": accuracy,
            "validation_loss": loss * 1.15 + 0.02,
            "validation_accuracy": accuracy - 0.012,
        },
    )


def make_examination(
    run,
    names,
    *,
    examples=270,
    probabilistic=True,
    shape=(1, 8, 8),
    weights=None,
    right=0.93,
    seed=5,
):
    """Evaluate an invented model on invented images and write evaluation.json."""
    random = np.random.default_rng(seed)
    labels = np.arange(examples) % len(names)
    scores = random.normal(0, 1, (examples, len(names))).astype(np.float32)
    taken = np.where(
        random.random(examples) < right,
        labels,
        (labels + 1 + random.integers(0, 3, examples)) % len(names),
    )
    scores[np.arange(examples), taken] += 5
    inputs = random.integers(0, 17, (examples, *shape)).astype(np.uint8)
    if weights is None:
        weights = random.normal(0, 0.3, (16, shape[0], 3, 3)).astype(np.float32)
    evaluation = Evaluation(0.2, scores, labels)
    examine(
        run,
        Model(weights, random.normal(0, 1, (len(names), 16))),
        evaluation,
        Examples(inputs, labels),
        names,
        "test",
        probabilistic,
    )
    return evaluation

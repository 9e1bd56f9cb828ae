"""What a run uses where the user said nothing: settings that suit the data and the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backlight.data.dataset import DataSet
from backlight.train.settings import Settings

SMALL = 10_000
"""Data sets below this many training examples get more epochs and smaller batches."""


SMALLEST_AUGMENTED = 16
"""Side of an image, in pixels, from which it is shifted at random."""


def complete(settings: Settings, data: DataSet) -> Settings:
    """The settings with every None that matters filled in."""
    images = len(data.train.shape) == 3
    small = len(data.train) < SMALL
    convolutional = settings.model == "convnet"
    linear = settings.model in ("softmax", "svm")
    optimizer = settings.optimizer or ("sgd" if linear else "adam")
    wishes: dict[str, Any] = {
        "epochs": 60 if small else (10 if convolutional else 20),
        "batch_size": min(32 if small else 128, len(data.train)),
        "optimizer": optimizer,
        "lr": _learning_rate(optimizer, linear),
        "schedule": "cosine",
        "weight_decay": 1e-4 if linear or not small else 0.0,
        "momentum": 0.9 if optimizer == "sgd" else None,
        # Shifting an 8×8 digit by a pixel makes it another picture; a photograph stays itself.
        "augment": images and convolutional and min(data.train.shape[1:]) >= SMALLEST_AUGMENTED,
        "dropout": 0.3 if small and not linear else 0.0,
        "ema": 0.99 if small and not linear else None,
    }
    return replace(settings, **{
        name: value for name, value in wishes.items() if getattr(settings, name) is None})


def _learning_rate(optimizer: str, linear: bool) -> float:
    if optimizer == "sgd":
        return 0.01 if linear else 0.05
    return {"adagrad": 0.01, "adadelta": 1.0, "rmsprop": 1e-3}.get(optimizer, 2e-3)

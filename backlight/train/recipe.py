"""What a run uses where the user said nothing: settings that suit the data and the model."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from backlight.data.dataset import DataSet
from backlight.train.settings import Settings

SMALL = 10_000
"""Data sets below this many training examples get more epochs and smaller batches."""
LINEAR = ("softmax", "svm")
"""Models without a hidden layer."""
FEW_INPUTS = 16
"""Up to here a step of an adaptive rule may be larger: it moves few weights."""
SHORTEST_AVERAGED = 1000
"""Steps of a run from which its parameters are averaged."""
SMALLEST_AUGMENTED = 16
"""Side of an image, in pixels, from which it is shifted at random."""


def complete(settings: Settings, data: DataSet) -> Settings:
    """The settings with every None that matters filled in."""
    images = len(data.train.shape) == 3
    small = len(data.train) < SMALL
    convolutional = settings.model == "convnet"
    linear = settings.model in LINEAR
    optimizer = settings.optimizer or ("sgd" if linear else "adam")
    epochs = settings.epochs or _epochs(small, images, convolutional)
    batch_size = settings.batch_size or min(32 if small else 128, len(data.train))
    steps = epochs * math.ceil(len(data.train) / batch_size)
    wishes: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "lr": _learning_rate(optimizer, settings, math.prod(data.train.shape)),
        "schedule": "cosine",
        "weight_decay": 1e-4 if (linear or not small) and optimizer != "gradient-descent" else 0.0,
        "momentum": 0.9 if optimizer == "sgd" else None,
        # Shifting an 8×8 digit by a pixel makes it another picture; a photograph stays itself.
        "augment": images and convolutional and min(data.train.shape[1:]) >= SMALLEST_AUGMENTED,
        "dropout": 0.3 if small and images and not linear else 0.0,
        # An average over 100 steps is of use in a run that is much longer.
        "ema": 0.99 if small and not linear and steps >= SHORTEST_AVERAGED else 0.0,
    }
    return replace(
        settings,
        **{name: value for name, value in wishes.items() if getattr(settings, name) is None},
    )


def _epochs(small: bool, images: bool, convolutional: bool) -> int:
    if not small:
        return 10 if convolutional else 20
    return 60 if images else 300  # a few hundred points in a plane make few steps an epoch


def _learning_rate(optimizer: str, settings: Settings, inputs: int) -> float:
    if optimizer in ("sgd", "gradient-descent"):
        if settings.model not in LINEAR:
            return 0.05
        # The steepest curvature of a linear model grows with its inputs; the hinge, summed over
        # the classes that are wrong, is some ten times as steep as the cross-entropy.
        return min(0.01, 10 / inputs) * (0.1 if settings.model == "svm" else 1.0)
    return {"adagrad": 0.01, "adadelta": 1.0, "rmsprop": 1e-3}.get(
        optimizer, 2e-3 if inputs > FEW_INPUTS else 1e-2
    )

"""From settings to everything a run needs: data, splits, model, optimiser, schedule, loaders.

One function a part, in the order in which they are built; nothing here trains.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlight import data, models, optim
from backlight.data.dataset import DataSet, Examples
from backlight.data.split import split
from backlight.engine import random
from backlight.errors import ArgumentError, DataError, UsageError
from backlight.train.recipe import complete
from backlight.train.settings import Settings

Array = np.ndarray[Any, Any]


@dataclass
class Parts:
    """What `build` puts together."""

    settings: Settings
    data: DataSet
    model: models.Built
    optimizer: Any
    schedule: Any
    normalize: Any
    train: Any
    validation: Any
    test: Any
    average: Any = None

    @property
    def steps_per_epoch(self) -> int:
        """Batches a pass over the training split."""
        return len(self.train)


def build(settings: Settings) -> Parts:
    """Everything for a run of these settings; the same settings give the same bits.

    Raises
    ------
    DataError, ArgumentError, UsageError
        If the data cannot be read or the settings do not fit them.
    """
    full = load_data(settings)
    settings = complete(settings, full)
    _check_batch(settings, len(full.train))
    random.default.manual_seed(settings.seed)
    model = models.build(settings.model, full.train.shape, len(full.classes),
                         settings.hidden, settings.dropout or 0.0)
    normalize = data.Normalize.fit(full.train.inputs, per="channel")
    train = data.DataLoader(full.train, settings.batch_size, seed=settings.seed,
                            transform=_augmented(settings, full, normalize))
    validation, test = (watched(part, normalize) for part in (full.validation, full.test))
    optimizer, schedule = rules(settings, model, len(train))
    average = None
    if settings.ema is not None:
        average = optim.ExponentialMovingAverage(model.module.named_parameters(), settings.ema)
    return Parts(settings, full, model, optimizer, schedule, normalize, train, validation, test,
                 average)


def watched(part: Examples | None, normalize: Any) -> Any:
    """A loader that evaluates a split: in its order, without augmentation."""
    if part is None:
        raise DataError("the data set", got="no validation or test split",
                        needs="three splits", remedy="Let --validation and --test be positive.")
    return data.DataLoader(part, min(256, len(part)), shuffle=False, transform=normalize)


def load_data(settings: Settings) -> DataSet:
    """The data set with its three splits; `limit` keeps the first examples of a shuffled order."""
    options: dict[str, Any] = {} if settings.image_size is None else {"size": settings.image_size}
    whole = data.load(settings.data, settings.data_dir, **options)
    parts = split(whole, validation=settings.validation, test=settings.test, seed=settings.seed)
    if settings.limit is not None and settings.limit < len(parts.train):
        from backlight.philox import permutation

        order = permutation(settings.seed, 2**40, len(parts.train))[: settings.limit]
        parts = replace(parts, train=parts.train[np.sort(order)])
    return parts


def rules(settings: Settings, model: models.Built, steps_per_epoch: int) -> tuple[Any, Any]:
    """The update rule and the schedule of its learning rate."""
    options: dict[str, Any] = {"lr": settings.lr, "weight_decay": settings.weight_decay}
    if settings.momentum is not None:
        if settings.optimizer != "sgd":
            raise UsageError("setting momentum", got=f"optimizer {settings.optimizer}",
                             needs="optimizer sgd, which has a momentum",
                             remedy="Leave --momentum out, or use --optimizer sgd.")
        options["momentum"] = settings.momentum
    # Biases and scales are not decayed: the course's convention.
    decayed = [(n, p) for n, p in model.module.named_parameters() if p.ndim > 1]
    plain = [(n, p) for n, p in model.module.named_parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}]
    if plain:
        groups.append({"params": plain, "weight_decay": 0.0})
    optimizer = optim.from_name(str(settings.optimizer), groups, **options)
    total = settings.epochs * steps_per_epoch  # type: ignore[operator]
    schedule = optim.schedule.from_name(str(settings.schedule), lr=optimizer, total_steps=total,
                                        warmup=settings.warmup)
    return optimizer, schedule


def _augmented(settings: Settings, full: DataSet, normalize: Any) -> Any:
    if not settings.augment:
        return normalize
    if len(full.train.shape) != 3:
        raise ArgumentError("setting augment", got=f"inputs of shape {full.train.shape}",
                            needs="images", remedy="Leave --augment out.")
    side = max(full.train.shape[1:])
    steps: list[Any] = [data.RandomShift(max(1, side // 10))]
    if full.name not in ("digits", "mnist"):  # a mirrored digit is another sign
        steps.insert(0, data.RandomHorizontalFlip())
    return data.Compose([*steps, normalize])


def _check_batch(settings: Settings, examples: int) -> None:
    if settings.batch_size is not None and settings.batch_size > examples:
        raise UsageError("setting batch-size", got=str(settings.batch_size),
                         needs=f"at most {examples}, the size of the training split",
                         remedy=f"Use --batch-size {min(64, examples)}.")

"""From settings to everything a run needs: data, splits, model, optimiser, schedule, loaders.

One function a part, in the order in which they are built; nothing here trains.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlight import data, models, optim
from backlight.data.dataset import DataSet, Examples
from backlight.data.image_folder import ImageFolder
from backlight.data.split import split
from backlight.engine import random
from backlight.errors import ArgumentError, DataError, UsageError
from backlight.philox import permutation
from backlight.train.memory import check_memory
from backlight.train.recipe import LINEAR, complete
from backlight.train.settings import Settings

Array = np.ndarray[Any, Any]
_RESIZED = ("folder", "faces", "stream")
_MENDED = ("folder", "stream")
MEASURED = 512
"""Images of a streamed data set whose means and spreads stand for all: the error of a mean is a
twentieth of a spread."""


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
    _check_model(settings)
    full = load_data(settings)
    _check_classes(full)
    settings = complete(settings, full)
    _check_batch(settings, len(full.train))
    check_memory(
        settings.model,
        full.train.shape,
        len(full.classes),
        settings.hidden,
        settings.batch_size or 1,
    )
    random.default.manual_seed(settings.seed)
    model = models.build(
        settings.model,
        full.train.shape,
        len(full.classes),
        settings.hidden,
        settings.dropout or 0.0,
    )
    normalize = data.Normalize.fit(_measured(full.train, settings.seed), per="channel")
    learned = full.train
    if isinstance(learned, ImageFolder) and settings.augment:
        learned = learned.with_crop("random")
    train = data.DataLoader(
        learned,
        settings.batch_size,
        shuffle=True,
        seed=settings.seed,
        transform=_augmented(settings, full, normalize),
        num_workers=_workers(settings, learned),
    )
    validation, test = (watched(part, normalize, settings) for part in (full.validation, full.test))
    optimizer, schedule = rules(settings, model, len(train))
    average = None
    if settings.ema:
        average = optim.ExponentialMovingAverage(model.module.named_parameters(), settings.ema)
    return Parts(
        settings, full, model, optimizer, schedule, normalize, train, validation, test, average
    )


def watched(part: Examples | None, normalize: Any, settings: Settings) -> Any:
    """A loader that evaluates a split: in its order, without augmentation."""
    if part is None:
        raise DataError(
            "the data set",
            got="no validation or test split",
            needs="three splits",
            remedy="Let --validation and --test be positive.",
        )
    return data.DataLoader(
        part,
        min(256 if isinstance(part.inputs, np.ndarray) else 64, len(part)),
        shuffle=False,
        transform=normalize,
        num_workers=_workers(settings, part),
        persistent_workers=False,  # beside those of the training split they would lie idle
    )


def load_data(settings: Settings) -> DataSet:
    """The data set with its three splits; `limit` keeps the first examples of a shuffled order."""
    options: dict[str, Any] = {}
    if settings.image_size is not None:
        if settings.data.partition(":")[0] not in _RESIZED:
            raise UsageError(
                "setting image-size",
                got=f"data set {settings.data}",
                needs="images from files: --data folder:PATH or faces:PATH",
                remedy="Leave --image-size out.",
            )
        options["size"] = settings.image_size
    if settings.skip_bad:
        if settings.data.partition(":")[0] not in _MENDED:
            raise UsageError(
                "setting skip-bad",
                got=f"data set {settings.data}",
                needs="images from files: --data folder:PATH or stream:PATH",
                remedy="Leave --skip-bad out.",
            )
        options["skip_bad"] = settings.skip_bad
    whole = data.load(settings.data, settings.data_dir, **options)
    parts = split(whole, validation=settings.validation, test=settings.test, seed=settings.seed)
    if settings.limit is not None and settings.limit < len(parts.train):
        order = permutation(settings.seed, 2**40, len(parts.train))[: settings.limit]
        parts = replace(parts, train=parts.train[np.sort(order)])
    return parts


def rules(settings: Settings, model: models.Built, steps_per_epoch: int) -> tuple[Any, Any]:
    """The update rule and the schedule of its learning rate."""
    options: dict[str, Any] = {"lr": settings.lr}
    if settings.weight_decay:
        if settings.optimizer == "gradient-descent":
            raise UsageError(
                "setting weight-decay",
                got="optimizer gradient-descent",
                needs="an optimizer that decays weights",
                remedy="Leave --weight-decay out, or use --optimizer sgd.",
            )
        options["weight_decay"] = settings.weight_decay
    if settings.momentum is not None:
        if settings.optimizer != "sgd":
            raise UsageError(
                "setting momentum",
                got=f"optimizer {settings.optimizer}",
                needs="optimizer sgd, which has a momentum",
                remedy="Leave --momentum out, or use --optimizer sgd.",
            )
        options["momentum"] = settings.momentum
    optimizer = optim.from_name(
        str(settings.optimizer), _groups(model, "weight_decay" in options), **options
    )
    total = settings.epochs * steps_per_epoch  # type: ignore[operator]
    schedule = optim.schedule.from_name(
        str(settings.schedule), lr=optimizer, total_steps=total, warmup=settings.warmup
    )
    return optimizer, schedule


def _groups(model: models.Built, decay: bool) -> list[dict[str, Any]]:
    """The parameters; biases and scales are not decayed, which is the course's convention."""
    named = list(model.module.named_parameters())
    decayed: dict[str, Any] = {"params": [(n, p) for n, p in named if p.ndim > 1]}
    plain: dict[str, Any] = {"params": [(n, p) for n, p in named if p.ndim <= 1]}
    if decay:
        plain["weight_decay"] = 0.0
    return [group for group in (decayed, plain) if group["params"]]


def _measured(train: Examples, seed: int) -> Any:
    """The inputs that the normalisation is fitted to: of a streamed data set, some at random."""
    if not isinstance(train, ImageFolder) or len(train) <= MEASURED:
        return train.inputs[:]
    return train.inputs[np.sort(permutation(seed, 2**40, len(train))[:MEASURED])]


def _workers(settings: Settings, part: Examples) -> int:
    """Processes that read a split: none where it is in memory."""
    if not isinstance(part, ImageFolder):
        return 0
    if settings.workers is not None:
        return settings.workers
    has_affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def _augmented(settings: Settings, full: DataSet, normalize: Any) -> Any:
    # A streamed image is cut out at random where it is read.
    if not settings.augment or isinstance(full.train, ImageFolder):
        return normalize
    if len(full.train.shape) != 3:
        raise ArgumentError(
            "setting augment",
            got=f"inputs of shape {full.train.shape}",
            needs="images",
            remedy="Leave --augment out.",
        )
    side = max(full.train.shape[1:])
    steps: list[Any] = [data.RandomShift(max(1, side // 10))]
    if full.name not in ("digits", "mnist"):  # a mirrored digit is another sign
        steps.insert(0, data.RandomHorizontalFlip())
    return data.Compose([*steps, normalize])


def _check_model(settings: Settings) -> None:
    """Refuse a wish that the model would not heed."""
    for name in ("hidden", "dropout"):
        value = getattr(settings, name)
        if value and settings.model in LINEAR:
            told = ",".join(map(str, value)) if name == "hidden" else f"{value:g}"
            raise UsageError(
                f"setting {name}",
                got=f"{told} for model {settings.model}",
                needs="a model with hidden layers, such as mlp or convnet",
                remedy=f"Leave --{name} out, or use --model mlp.",
            )


def _check_classes(full: DataSet) -> None:
    present = np.unique(full.train.labels)
    if len(present) < 2:
        only = full.classes[int(present[0])] if len(present) else "none"
        raise DataError(
            f"data set {full.name}",
            got=f"{len(full.train)} training examples, all of one class, {only!r}",
            needs="examples of two classes at least",
            remedy="Add images of another class, or raise --limit.",
        )


def _check_batch(settings: Settings, examples: int) -> None:
    if settings.batch_size is not None and settings.batch_size > examples:
        raise UsageError(
            "setting batch-size",
            got=str(settings.batch_size),
            needs=f"at most {examples}, the size of the training split",
            remedy=f"Use --batch-size {min(64, examples)}.",
        )

"""What each stop is worth: accuracy, seconds, memory and size, on splits that all share."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline

from backlight.compare.figure import Figure
from backlight.compare.road import Stop
from backlight.data import DataSet
from backlight.estimators import KNeighborsClassifier

Array = np.ndarray[Any, Any]
_LOOK_EVERY = 0.02


@dataclass
class Result:
    """What was measured at a stop.

    Attributes
    ----------
    stop : Stop
    setting : dict
        The one that was best on validation data.
    tried : list of (dict, float)
        Every setting with its validation accuracy.
    validation, test : float
        Accuracies of the best.
    fit_seconds : float
        To train it with that setting.
    predict_seconds : float
        For one image, of the test split predicted in one call.
    memory : int
        Bytes that the process took more at its highest than before.
    size : int
        Bytes that the model keeps: its numbers, or the images it remembers.
    predicted : array
        Its answers on the test split.
    estimator : estimator or None
        None where the stop was measured before a walk was interrupted.
    figures : list of Figure
        What it is shown by.
    """

    stop: Stop
    setting: dict[str, Any]
    tried: list[tuple[dict[str, Any], float]]
    validation: float
    test: float
    fit_seconds: float
    predict_seconds: float
    memory: int
    size: int
    predicted: Array = field(repr=False)
    estimator: Any = field(repr=False)
    figures: list[Figure] = field(default_factory=list, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Plain numbers for machines."""
        return {
            "stop": self.stop.name,
            "setting": self.setting,
            "tried": [{"setting": setting, "validation": score} for setting, score in self.tried],
            "validation_accuracy": self.validation,
            "test_accuracy": self.test,
            "fit_seconds": self.fit_seconds,
            "predict_seconds_per_image": self.predict_seconds,
            "peak_memory_bytes": self.memory,
            "model_bytes": self.size,
        }


def rows_of(data: DataSet) -> tuple[Array, Array, Array]:
    """Training, validation and test images as rows."""
    splits = [data.train, data.validation, data.test]
    train, validation, test = (
        one.inputs.reshape(len(one), -1) for one in splits if one is not None
    )
    return train, validation, test


def walk(
    stop: Stop, data: DataSet, shape: tuple[int, ...], tell: Callable[[str], None] = lambda _: None
) -> Result:
    """Choose a stop's setting on the validation split, and measure the winner on the test split.

    Neighbours are searched once, for the largest k, and vote for every k that is tried.
    """
    train, validation, test = rows_of(data)
    labels = data.train.labels
    held = data.validation.labels
    truth = data.test.labels
    tried: list[tuple[dict[str, Any], float]] = []
    best: tuple[float, Any, float, dict[str, Any]] | None = None
    with _peak() as peak:
        for setting, estimator, seconds, answers in _fitted(
            stop, shape, train, labels, validation, tell
        ):
            score = float(np.mean(answers == held))
            tried.append((setting, score))
            if best is None or score > best[0]:
                best = score, estimator, seconds, setting
        assert best is not None  # noqa: S101 - every stop has a setting
        score, estimator, seconds, setting = best
        if isinstance(estimator, KNeighborsClassifier):
            estimator.n_neighbors = setting["k"]
        tell("test")
        begin = time.perf_counter()
        predicted = np.asarray(estimator.predict(test))
        each = (time.perf_counter() - begin) / len(test)
    return Result(
        stop,
        setting,
        tried,
        score,
        float(np.mean(predicted == truth)),
        seconds,
        each,
        peak.bytes,
        size_of(estimator),
        predicted,
        estimator,
    )


def _fitted(
    stop: Stop,
    shape: tuple[int, ...],
    train: Array,
    labels: Array,
    validation: Array,
    tell: Callable[[str], None],
) -> Iterator[tuple[dict[str, Any], Any, float, Array]]:
    """Every setting: a fitted estimator, how long that took, its answers on validation data."""
    near: tuple[Array, Array] | None = None
    kept: Any = None
    seconds, spent = 0.0, 0.0
    ahead = stop.features(shape) if stop.features is not None else None
    if ahead is not None:  # the same for all settings
        tell("features")
        begin = time.perf_counter()
        train = ahead.fit_transform(train)
        spent = time.perf_counter() - begin
        validation = ahead.transform(validation)
    for setting in stop.settings:
        tell(", ".join(f"{name}={value}" for name, value in setting.items()))
        estimator = kept if near is not None else stop.make(shape, **setting)
        if near is None:
            begin = time.perf_counter()
            estimator.fit(train, labels)
            seconds = spent + time.perf_counter() - begin
        if not isinstance(estimator, KNeighborsClassifier):
            answers = np.asarray(estimator.predict(validation))
            whole = estimator if ahead is None else make_pipeline(ahead, estimator)
            yield setting, whole, seconds, answers
            continue
        if near is None:  # the same memory and the same neighbours for every k: another vote
            kept = estimator
            near = estimator.kneighbors(validation, max(one["k"] for one in stop.settings))
        answers = estimator.voted(*(one[:, : setting["k"]] for one in near))
        yield setting, estimator, seconds, answers


def size_of(estimator: Any) -> int:
    """Bytes that a fitted model keeps."""
    if hasattr(estimator, "steps"):
        return sum(size_of(step) for _, step in estimator.steps)
    if hasattr(estimator, "transformer_list"):
        return sum(size_of(step) for _, step in estimator.transformer_list)
    if isinstance(estimator, KNeighborsClassifier):
        points = estimator.remembered
        return int(points.nbytes)
    if hasattr(estimator, "module_"):
        return sum(4 * one.size for one in estimator.module_.parameters())
    return sum(one.nbytes for one in vars(estimator).values() if isinstance(one, np.ndarray))


class _Peak:
    def __init__(self) -> None:
        self.bytes = 0


@contextmanager
def _peak() -> Iterator[_Peak]:
    """The most memory that the process takes within this block, over what it had before."""
    import psutil

    process, found, ended = psutil.Process(os.getpid()), _Peak(), threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        while not ended.wait(_LOOK_EVERY):
            found.bytes = max(found.bytes, process.memory_info().rss - before)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()
        found.bytes = max(found.bytes, process.memory_info().rss - before)

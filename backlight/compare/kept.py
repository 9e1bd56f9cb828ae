"""What was measured before a walk was interrupted, so that it can go on from there.

While the road is walked, a file beside the page holds a line for each stop that was measured. It is
removed when the page is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import backlight
from backlight.compare.figure import Figure
from backlight.compare.measure import Result
from backlight.compare.road import Stop
from backlight.data import DataSet
from backlight.errors import BacklightError
from backlight.train import durable, strict_json

SCHEMA = "backlight.compare/1"
_LARGEST = 1 << 28
_NUMBERS = ("validation", "test", "fit_seconds", "predict_seconds", "memory", "size")


class Kept:
    """The file beside a page, for these examples and this version of Backlight.

    Parameters
    ----------
    page : Path
        Where the page will be written.
    data : DataSet
        Whose splits are part of what must be equal to go on.
    """

    def __init__(self, page: Path, data: DataSet) -> None:
        self.path = page.with_name(page.name + ".part")
        self.plan = {
            "schema": SCHEMA,
            "version": backlight.__version__,
            "data": data.name,
            "examples": _digest(data),
        }

    def results(self, stops: Sequence[Stop]) -> dict[str, Result]:
        """The stops that were measured already, by name; none if the file is of other data."""
        try:
            plan, *lines = durable.read(self.path, _LARGEST).splitlines()
            if strict_json.loads(plan, str(self.path)) != self.plan:
                return {}
        except (OSError, ValueError, BacklightError):
            return {}
        known = {stop.name: stop for stop in stops}
        found: dict[str, Result] = {}
        for line in lines:
            try:
                record = strict_json.loads(line, str(self.path))
                stop = known.get(record["stop"])
                if stop is not None and _settings(record) == list(stop.settings):
                    found[stop.name] = _result(stop, record)
            except (BacklightError, ValueError, TypeError, KeyError, AttributeError):
                break  # a line that was cut off: that stop is measured again
        return found

    def keep(self, result: Result, *, first: bool) -> None:
        """Write a stop down; the first one of a walk begins the file anew."""
        line = (strict_json.dumps(_record(result)) + "\n").encode()
        if first:
            head = (strict_json.dumps(self.plan) + "\n").encode()
            durable.replace(self.path, head + line)
        else:
            durable.append(self.path, line)

    def forget(self) -> None:
        """The page is there: the file may go."""
        durable.remove(self.path)


def _digest(data: DataSet) -> str:
    total = hashlib.sha256()
    for part in (data.train, data.validation, data.test):
        if part is not None:
            total.update(repr((part.inputs.shape, part.inputs.dtype.str)).encode())
            total.update(np.ascontiguousarray(part.inputs).data)
            total.update(np.ascontiguousarray(part.labels).data)
    return total.hexdigest()


def _record(result: Result) -> dict[str, Any]:
    return {
        "stop": result.stop.name,
        "setting": result.setting,
        "tried": [[setting, score] for setting, score in result.tried],
        **{name: getattr(result, name) for name in _NUMBERS},
        "predicted": result.predicted.tolist(),
        "figures": [figure.as_json() for figure in result.figures],
    }


def _settings(record: dict[str, Any]) -> list[Any]:
    return [setting for setting, _ in record["tried"]]


def _result(stop: Stop, record: dict[str, Any]) -> Result:
    return Result(
        stop=stop,
        setting=record["setting"],
        tried=[(setting, score) for setting, score in record["tried"]],
        **{name: record[name] for name in _NUMBERS},
        predicted=np.array(record["predicted"], np.int64),
        estimator=None,
        figures=[Figure.read(one) for one in record["figures"]],
    )

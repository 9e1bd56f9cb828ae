"""What was found when a split was examined: confusions, predictions, first-layer weights.

`backlight.train.examine` writes it as evaluation.json; the page reads it back here, and trusts
nothing in it: a missing or damaged file leaves a sentence in its place.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from backlight.errors import CheckpointError
from backlight.train import strict_json
from backlight.train.page.record import number
from backlight.train.run import Run

FILE = "evaluation.json"
FORMAT = 1
_PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/]+={0,2}")
_MOST_CLASSES = 20_000


@dataclass(frozen=True)
class Prediction:
    """One example: its place in the split, its class, the answer, and the highest values.

    `top` holds (class, value) with the highest first; a value is a probability or a score.
    `features` are the first numbers of an example that is not an image.
    """

    index: int
    label: int
    predicted: int
    image: str
    top: list[tuple[int, float]]
    label_value: float
    features: list[float]


@dataclass(frozen=True)
class Weight:
    """The picture of one unit's weights, with their Euclidean norm and its class, if it has one."""

    image: str
    norm: float
    label: int | None


@dataclass(frozen=True)
class Examined:
    """A split as the best model answered it."""

    split: str
    probabilistic: bool
    classes: list[str]
    confusion: list[list[int]]
    unanswered: int
    right: list[Prediction]
    wrong: list[Prediction]
    weights: list[Weight]
    weights_of: str
    weights_shape: list[int]
    weights_total: int
    weights_channels: int

    def as_json(self) -> dict[str, Any]:
        """Plain types for a file."""
        return {"format": FORMAT, **asdict(self)}


def read_examined(run: Run) -> tuple[Examined | None, str]:
    """The examination of a run, or None with a sentence that says what is wrong with the file."""
    path = run.path / FILE
    if not path.is_file():
        return None, (
            "The predictions have not been examined: there is no evaluation.json in the "
            "run folder. It is written when a run ends."
        )
    try:
        return _examined(strict_json.loads(path.read_bytes(), str(path))), ""
    except (OSError, CheckpointError, KeyError, TypeError, ValueError, IndexError) as problem:
        said = str(problem).split("\n")[0]
        return None, f"evaluation.json is damaged and left out ({type(problem).__name__}: {said})."


def _examined(found: Any) -> Examined:
    if found["format"] != FORMAT:
        raise ValueError(f"format {found['format']!r}, not {FORMAT}")
    classes = [str(name) for name in _sequence(found["classes"])]
    counts = [[_whole(one) for one in _sequence(row)] for row in _sequence(found["confusion"])]
    if (
        not 2 <= len(classes) <= _MOST_CLASSES
        or len(counts) != len(classes)
        or any(len(row) != len(classes) for row in counts)
    ):
        raise ValueError(f"a confusion matrix that does not fit {len(classes)} classes")
    return Examined(
        split=str(found["split"]),
        probabilistic=found["probabilistic"] is True,
        classes=classes,
        confusion=counts,
        unanswered=_whole(found["unanswered"]),
        right=[_prediction(one, len(classes)) for one in _sequence(found["right"])],
        wrong=[_prediction(one, len(classes)) for one in _sequence(found["wrong"])],
        weights=[_weight(one, len(classes)) for one in _sequence(found["weights"])],
        weights_of=str(found["weights_of"]),
        weights_shape=[_whole(one) for one in _sequence(found["weights_shape"])],
        weights_total=_whole(found["weights_total"]),
        weights_channels=_whole(found["weights_channels"]),
    )


def _prediction(found: Any, classes: int) -> Prediction:
    top = [(_class(pair[0], classes), _number(pair[1])) for pair in _sequence(found["top"])]
    return Prediction(
        _whole(found["index"]),
        _class(found["label"], classes),
        _class(found["predicted"], classes),
        _picture(found["image"]),
        top,
        _number(found["label_value"]),
        [_number(one) for one in _sequence(found["features"])],
    )


def _weight(found: Any, classes: int) -> Weight:
    label = found["label"]
    return Weight(
        _picture(found["image"]),
        _number(found["norm"]),
        None if label is None else _class(label, classes),
    )


def _sequence(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} where a list belongs")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} where a count belongs")
    return value


def _class(value: Any, classes: int) -> int:
    if _whole(value) >= classes:
        raise ValueError(f"class {value} of {classes}")
    return int(value)


def _number(value: Any) -> float:
    found = number(value)
    if found is None:
        raise ValueError(f"{value!r} where a number belongs")
    return found


def _picture(value: Any) -> str:
    """An image of ours, or none: nothing else may stand in the page's image elements."""
    if not isinstance(value, str) or (value and not _PICTURE.fullmatch(value)):
        raise ValueError("a picture that is not a PNG")
    return value

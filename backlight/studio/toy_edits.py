"""Changing a toy while it learns: points dragged, painted, erased, or read; activations removed."""

from __future__ import annotations

import copy
import csv
import math
from dataclasses import replace
from typing import Any

import numpy as np

from backlight.errors import DataError
from backlight.explain.collapse import collapse, witness
from backlight.studio.desk import Ask, asked
from backlight.studio.player import Player
from backlight.studio.toy import MOST_CLASSES, MOST_POINTS, OWN, Toy
from backlight.studio.toys import described, player

Array = np.ndarray[Any, Any]
LONGEST_TABLE = 400_000
FEWEST = 2
LARGEST = 1e6
_WIDE = 10.0


@asked("toy.move")
def move(ask: Ask) -> Any:
    """One point elsewhere."""
    playing = player(ask)
    with playing.toy.lock:
        toy = playing.toy
        index = ask.whole("index", 0, len(toy.labels) - 1)
        inputs = toy.inputs.copy()
        inputs[index] = ask.number("x", -LARGEST, LARGEST), ask.number("y", -LARGEST, LARGEST)
        toy.replace_points(inputs, toy.labels)
        toy.note()
    playing.send()
    return True


@asked("toy.paint")
def paint(ask: Ask) -> Any:
    """One point more; of a class that is new, it makes a new net with one more output."""
    playing = player(ask)
    toy = playing.toy
    if len(toy.labels) >= MOST_POINTS:
        raise ask.refuse("point", f"{MOST_POINTS:,} points already", "fewer")
    label = ask.whole("label", 0, min(toy.classes, MOST_CLASSES - 1))
    x, y = ask.number("x", -LARGEST, LARGEST), ask.number("y", -LARGEST, LARGEST)
    with toy.lock:
        inputs = np.concatenate([toy.inputs, np.array([[x, y]], np.float32)])
        labels = np.append(toy.labels, label)
        if label < toy.classes:
            toy.replace_points(inputs, labels)
            toy.note()
    if label == toy.classes:
        _learn_anew(playing, inputs, labels)
    playing.send()
    return True


@asked("toy.erase")
def erase(ask: Ask) -> Any:
    """One point less."""
    playing = player(ask)
    with playing.toy.lock:
        toy = playing.toy
        if len(toy.labels) <= FEWEST:
            raise ask.refuse("point", f"{FEWEST} points", "more than that to erase one")
        index = ask.whole("index", 0, len(toy.labels) - 1)
        toy.replace_points(np.delete(toy.inputs, index, axis=0), np.delete(toy.labels, index))
        toy.note()
    playing.send()
    return True


@asked("toy.load")
def load(ask: Ask) -> Any:
    """Points from a table with a row of x, y and class each."""
    inputs, labels = read_table(ask.text("text", longest=LONGEST_TABLE))
    scaled = bool(np.abs(inputs).max() > _WIDE)
    if scaled:
        spread = inputs.std(axis=0)
        inputs = (inputs - inputs.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    playing = player(ask)
    _learn_anew(playing, inputs, labels)
    return {**described(playing), "scaled": scaled}


@asked("toy.collapse")
def flattened(ask: Ask) -> Any:
    """Take the activations away, or put them back; what the layers are worth then."""
    playing = player(ask)
    with playing.toy.lock:
        toy = playing.toy
        bent = toy.choice.activation != "Identity"
        seen = _witness(toy) if bent else ""
        back = toy.before if toy.before != "Identity" else "ReLU"
        toy.set_activation("Identity" if bent else back)
        toy.note()
        found = _one(toy) if bent else None
    playing.send()
    return {"one": found, "witness": seen, "activation": toy.choice.activation}


def _one(toy: Toy) -> dict[str, Any]:
    found = collapse(toy.net)
    return {
        "layers": [weight.round(4) for _, weight in reversed(toy.weights())],
        "matrix": found.matrix.round(4),
        "bias": found.bias.round(4),
        "error": found.error,
    }


def _witness(toy: Toy) -> str:
    """Two points that show that the net was not linear."""
    found = witness(copy.deepcopy(toy.net).double().eval(), 2)
    return "" if found is None else str(found)


def _learn_anew(playing: Player, inputs: Array, labels: Array) -> None:
    """A new toy of these points, otherwise like the last."""
    own = tuple((float(x), float(y), int(k)) for (x, y), k in zip(inputs, labels, strict=True))
    playing.change(Toy(replace(playing.toy.choice, data=OWN, own=own)))


def read_table(text: str) -> tuple[Array, Array]:
    r"""Points and classes of a table: x, y, class in each row, by commas, semicolons or tabs.

    A first row of names is left out. Classes may be numbers or names; they are numbered in order.

    Raises
    ------
    DataError
        With the row that does not fit, and what a row has to be.

    Examples
    --------
    >>> points, classes = read_table("x,y,kind\n1,2,cat\n-1,0.5,dog\n0,0,cat")
    >>> points.tolist(), classes.tolist()
    ([[1.0, 2.0], [-1.0, 0.5], [0.0, 0.0]], [0, 1, 0])
    """
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()]
    mark = next((one for one in ("\t", ";", ",") if lines and one in lines[0]), ",")
    rows = list(csv.reader(lines, delimiter=mark))
    if rows and not _is_number(rows[0][0]):
        rows = rows[1:]
    points, names = [], []
    for place, row in enumerate(rows, 1):
        if len(row) != 3 or not (_is_number(row[0]) and _is_number(row[1])):
            raise _unfit(f"{mark.join(row)[:60]!r} in row {place}", "x, y and a class in each row")
        points.append([float(row[0]), float(row[1])])
        names.append(row[2].strip())
    known = sorted(set(names), key=lambda name: (not _is_number(name), _as_number(name), name))
    if not FEWEST <= len(points) <= MOST_POINTS:
        raise _unfit(f"{len(points):,} points", f"{FEWEST} to {MOST_POINTS:,}")
    if not 1 <= len(known) <= MOST_CLASSES:
        raise _unfit(f"{len(known)} classes", f"at most {MOST_CLASSES}")
    return np.array(points), np.array([known.index(name) for name in names])


def _unfit(got: str, needs: str) -> DataError:
    return DataError("the table", got=got, needs=needs, remedy="Write rows such as 0.5,-1.2,0.")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and abs(float(text)) <= LARGEST
    except ValueError:
        return False


def _as_number(text: str) -> float:
    return float(text) if _is_number(text) else 0.0

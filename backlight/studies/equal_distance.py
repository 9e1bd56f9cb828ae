"""Why the distance of pixels fails: a shift, a hole and a shadow that are equally far away.

Source: CS231n, image classification notes ("pixel-based distances can be unintuitive").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import ArgumentError, RangeError
from backlight.studies.board import Board
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

DARKEST = 0.5
"""A picture is darkened by half at most: it still shows what it shows."""


@dataclass(frozen=True)
class Change:
    """A changed picture.

    Attributes
    ----------
    name : {"shifted", "masked", "darkened"}
    picture : ndarray (C, H, W)
    distance : float
        ‖picture − original‖, Euclid.
    """

    name: str
    picture: Array
    distance: float


def equal_distance(picture: Array) -> list[Change]:
    """The picture shifted, masked and darkened, all equally far from it by Euclid's distance.

    Each change goes along a straight line from the picture to an extreme (shifted by one pixel, a
    hole in the middle, half as bright), as far as the nearest of the extremes lies.

    Parameters
    ----------
    picture : array (C, H, W)
        Numbers in [0, 1].

    Raises
    ------
    ArgumentError
        If the picture is black: there is nothing to change.

    Examples
    --------
    >>> ramp = np.linspace(0, 1, 64).reshape(1, 8, 8)
    >>> [f"{one.name} {one.distance:.4f}" for one in equal_distance(ramp)]
    ['shifted 0.1188', 'masked 0.1188', 'darkened 0.1188']
    """
    original = np.asarray(picture, np.float64)
    moved = np.roll(original, 1, axis=2)
    moved[:, :, 0] = original[:, :, 0]
    far = min(_apart(moved, original), DARKEST * _apart(original, 0 * original))
    if far == 0:
        raise ArgumentError(
            "equal_distance",
            got="a picture whose shift or shadow is the picture itself",
            needs="one with something in it",
            remedy="Choose another example.",
        )
    extremes = {"shifted": moved, "masked": _hole(original, far), "darkened": 0 * original}
    found = []
    for name, extreme in extremes.items():
        way = far / _apart(extreme, original)
        changed = original + way * (extreme - original)
        found.append(
            Change(
                name,
                changed,
                _apart(changed, original),
            )
        )
    return found


def _apart(one: Array, other: Array) -> float:
    return float(np.sqrt(((one - other) ** 2).sum()))


def _hole(original: Array, far: float) -> Array:
    """The picture with the smallest black square in its middle that changes it this much."""
    height, width = original.shape[1:]
    holed = original.copy()
    for half in range(1, max(height, width)):
        top, left = max(0, height // 2 - half), max(0, width // 2 - half)
        holed[:, top : height // 2 + half, left : width // 2 + half] = 0
        if _apart(holed, original) >= far:
            break
    return holed


def draw(board: Board, picture: Array, found: list[Change], name: str) -> Any:
    """The picture and its changes, with the squared difference of each pixel below."""
    original = np.asarray(picture, np.float64)
    told = {"distance": f"{found[0].distance:.4g}", "data": name}
    most = max(float(((one.picture - original) ** 2).sum(axis=0).max()) for one in found)
    with board.titled(
        "equal-distance",
        9.2,
        5.2,
        **told,
    ) as page:
        above, below = page.subplots(2, 4)
        board.picture(
            above[0],
            original,
            board.say("equal-distance.original"),
        )
        below[0].axis("off")
        for place, one in enumerate(found, 1):
            board.picture(
                above[place],
                one.picture,
                board.say(f"equal-distance.{one.name}"),
            )
            squares = ((one.picture - original) ** 2).sum(axis=0)
            image = board.amount_map(
                below[place],
                squares,
                most=most,
                of="gradient",
            )
            below[place].set_xlabel(
                f"L2 = {one.distance:.4f}",
                size=10,
                color=board.theme.ink,
            )
        board.bar(
            page,
            image,
            [*above, *below],
            board.say("equal-distance.square"),
        )
    return page


@study("equal-distance", examples=2000)
def _equal_distance(asked: Asked) -> Told:
    given = asked.material
    given.need_images("equal-distance")
    if not 0 <= asked.index < len(given.train):
        raise RangeError(
            "--index",
            got=str(asked.index),
            needs=f"0 to {len(given.train) - 1}",
            remedy="Choose one of those.",
        )
    picture = given.pictures(given.train)[asked.index]
    found = equal_distance(picture)
    facts: dict[str, Any] = {f"l2_{one.name}": one.distance for one in found}
    distances = [one.distance for one in found]
    facts["largest_difference"] = max(distances) / min(distances) - 1
    return draw(asked.board, picture, found, given.name), facts

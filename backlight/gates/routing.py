"""Following the winners of a max pooling: back to their places, and from their places."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy

from backlight.errors import RangeError, ShapeError
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.window import several
from backlight.shapes import Shape


class RouteBack(Structural):
    """Every y put to its window's winner; what several windows send to one place adds up.

    y and winner are (N, C, *windows); winner counts places of an image of `size` row by row. The
    result is (N, C, *size), zero where nothing won. It is the gradient of a max pooling.

    Raises
    ------
    ShapeError
        If y and winner differ in shape.
    RangeError
        If a winner lies outside the image.
    """

    role = Role.MOVER
    formula = "x'[n,c,winner[n,c,i]] += y[n,c,i]"
    selectors = ("winner",)
    source = "CS231n, convolutional-networks (the switches of max pooling)"

    def forward(self, np: Any, y: Any, winner: Any, *, size: Any) -> Any:
        shape = self.shape(y.shape, winner.shape, size=size)
        places = math.prod(shape[2:])
        images = math.prod(shape[:2])
        _check_range(self.name, np, winner, places)
        flat = winner.reshape(images, math.prod(y.shape[2:])) + places * np.arange(images)[:, None]
        # bincount adds in float64.
        total = np.bincount(flat.ravel(), weights=y.ravel(), minlength=images * places)
        return total.reshape(shape).astype(y.dtype)

    def backward(self, upstream: Any, y: Any, winner: Any, output: Any, *, size: Any) -> Any:
        return lambda: take_winners(upstream, winner), None

    def shape(self, y: Any, winner: Any, *, size: Any) -> Shape:
        sizes = several(self.name, "size", size, len(y) - 2, 0)
        if tuple(y) != tuple(winner):
            raise ShapeError(
                self.name,
                got=f"numbers of shape {tuple(y)}, winners {tuple(winner)}",
                needs="one winner for each number",
                remedy="Make the shapes equal.",
            )
        return (*y[:2], *sizes)

    def samples(self) -> Iterator[Sample]:
        for stream, (y, winners, size) in enumerate(
            [
                ((1, 2, 2, 2), [0, 3, 5, 5, 8, 1, 1, 2], (3, 3)),
                ((2, 1, 2), [1, 1, 0, 2], (3,)),
                ((0, 2, 1, 1), [], (2, 2)),
            ]
        ):
            winner = numpy.array(winners, numpy.int64).reshape(y)
            yield Sample((draw(y, 960 + stream), winner), {"size": size})


class TakeWinners(Structural):
    """The numbers of x at the winners' places.

    X
    """

    role = Role.ROUTER
    formula = "y[n,c,i] = x[n,c,winner[n,c,i]]"
    selectors = ("winner",)

    def forward(self, np: Any, x: Any, winner: Any) -> Any:
        shape = self.shape(x.shape, winner.shape)
        places = math.prod(x.shape[2:])
        _check_range(self.name, np, winner, places)
        rows = x.reshape(*shape[:2], places)
        return np.take_along_axis(
            rows, winner.reshape(*shape[:2], math.prod(shape[2:])), axis=-1
        ).reshape(shape)

    def backward(self, upstream: Any, x: Any, winner: Any, output: Any) -> Any:
        return lambda: route_back(upstream, winner, size=x.shape[2:]), None

    def shape(self, x: Any, winner: Any) -> Shape:
        if len(x) != len(winner) or len(x) < 3 or tuple(x[:2]) != tuple(winner[:2]):
            raise ShapeError(
                self.name,
                got=f"an input of shape {tuple(x)}, winners {tuple(winner)}",
                needs="the same images and channels in both",
                remedy="Give it the winners of this input's pooling.",
            )
        return tuple(winner)

    def samples(self) -> Iterator[Sample]:
        for stream, (x, winners, windows) in enumerate(
            [
                ((1, 2, 3, 3), [0, 3, 5, 5, 8, 1, 1, 2], (2, 2)),
                ((2, 1, 3), [1, 1, 0, 2], (2,)),
                ((0, 2, 2, 2), [], (1, 1)),
            ]
        ):
            winner = numpy.array(winners, numpy.int64).reshape(*x[:2], *windows)
            yield Sample((draw(x, 970 + stream), winner))


def _check_range(subject: str, np: Any, winner: Any, places: int) -> None:
    if winner.size and (int(winner.min()) < 0 or int(winner.max()) >= places):
        wrong = (winner < 0) | (winner >= places)
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise RangeError(
            subject,
            got=f"winner {winner[where]} at {where}",
            needs=f"places from 0 to {places - 1}",
            remedy="Give it the winners of a pooling of this size.",
        )


route_back = RouteBack()
take_winners = TakeWinners()

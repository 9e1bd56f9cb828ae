"""Following the winners of a max pooling: back to their places, and from their places."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy

from backlight.errors import RangeError, ShapeError
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.refusal import computed
from backlight.gates.window import Window, looking_at, several
from backlight.shapes import Shape


class RouteBack(Structural):
    """Every y put to its window's winner; what several windows send to one place adds up.

    y and winner are (N, C, *windows); winner counts places of an image of `size` row by row. The
    result is (N, C, *size), zero where nothing won. It is the gradient of a max pooling; `window`,
    the kernel, stride and padding of that pooling, says where a compiler need not look.

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

    def forward(self, np: Any, y: Any, winner: Any, *, size: Any, window: Any = None) -> Any:
        shape = self.shape(y.shape, winner.shape, size=size)
        places = math.prod(shape[2:])
        images = math.prod(shape[:2])
        refuse_winner(self.name, winner, places)
        flat = winner.reshape(images, math.prod(y.shape[2:])) + places * np.arange(images)[:, None]
        # bincount adds in float64.
        total = np.bincount(flat.ravel(), weights=y.ravel(), minlength=images * places)
        return total.reshape(shape).astype(y.dtype)

    def lower(self, np: Any, y: Any, winner: Any, *, size: Any, window: Any = None) -> Any:
        """Every place looks at the windows that may have chosen it."""
        shape = self.shape(y.shape, winner.shape, size=size)
        if window is None or not y.size:
            winner = _check_range(self.name, np, winner, math.prod(shape[2:]))
            flat = (*shape[:2], math.prod(shape[2:]))
            lines = (*y.shape[:2], math.prod(y.shape[2:]))
            ahead = [np.along(lines, axis) for axis in (0, 1)]
            rows = np.add_at(flat, np.reshape(y, lines), *ahead, np.reshape(winner, lines))
            return np.reshape(rows, shape)
        kernel, stride, padding = window
        geometry = Window(self.name, kernel, stride, padding, (1,) * len(kernel))
        own = np.flat_place(shape, range(2, len(shape)))
        shares = [
            np.where(chosen == own, part, 0)
            for _, (part, chosen) in looking_at(np, shape[2:], geometry, (y, 0), (winner, -1))
        ]
        return sum(shares[1:], start=shares[0])

    def backward(
        self, upstream: Any, y: Any, winner: Any, output: Any, *, size: Any, window: Any
    ) -> Any:
        return lambda: take_winners(upstream, winner), None

    def shape(self, y: Any, winner: Any, *, size: Any, window: Any = None) -> Shape:
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
        winner = _check_range(self.name, np, winner, places)
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


def _check_range(subject: str, np: Any, winner: Any, places: int) -> Any:
    """The winners, on the condition that they are places of the image."""
    if not computed(np):
        inside = (winner >= 0) & (winner < places)
        return np.check(winner, inside, refuse_winner, (subject, ..., places))
    refuse_winner(subject, winner, places)
    return winner


def refuse_winner(subject: str, winner: Any, places: int) -> None:
    """Raise RangeError for the first winner that is no place of the image."""
    if winner.size and (int(winner.min()) < 0 or int(winner.max()) >= places):
        wrong = (winner < 0) | (winner >= places)
        where = tuple(int(i) for i in numpy.argwhere(wrong)[0])
        raise RangeError(
            subject,
            got=f"winner {winner[where]} at {where}",
            needs=f"places from 0 to {places - 1}",
            remedy="Give it the winners of a pooling of this size.",
        )


route_back = RouteBack()
take_winners = TakeWinners()

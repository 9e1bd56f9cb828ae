"""Triangles of matrices: what lies below or above a diagonal, and zeros elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backlight.errors import ShapeError
from backlight.gates.family import Mover, draw
from backlight.gates.gate import Sample
from backlight.shapes import Shape


class Triangle(Mover, abstract=True):
    """Part of a matrix, or of every matrix of a stack. What is dropped has the gradient 0."""

    def shape(self, x: Any, *, diagonal: int = 0) -> Shape:
        """The input's shape, which has two axes at least."""
        if len(x) < 2:
            raise ShapeError(
                self.name,
                got=f"shape {x}",
                needs="a matrix, or a stack of them",
                remedy="Reshape the input to two axes.",
            )
        return tuple(x)

    def samples(self) -> Iterator[Sample]:
        """Square, wide and empty matrices, a stack, diagonals beside the main one."""
        for place, (size, diagonal) in enumerate(
            [
                ((3, 3), 0),
                ((2, 4), 1),
                ((2, 3, 2), -1),
                ((0, 3), 0),
                ((2, 2), 5),
            ]
        ):
            yield Sample((draw(size, 740 + place),), {"diagonal": diagonal})


class Tril(Triangle):
    """The lower triangle: numbers on the diagonal and below it; a positive one lies higher."""

    formula = "x if column <= row + diagonal else 0"

    def forward(self, np: Any, x: Any, *, diagonal: int = 0) -> Any:
        self.shape(np.shape(x))
        return np.tril(x, diagonal)

    def backward(self, upstream: Any, x: Any, output: Any, *, diagonal: int) -> Any:
        return (tril(upstream, diagonal=diagonal),)


class Triu(Triangle):
    """The upper triangle: numbers on the diagonal and above it; a positive one lies higher."""

    formula = "x if column >= row + diagonal else 0"

    def forward(self, np: Any, x: Any, *, diagonal: int = 0) -> Any:
        self.shape(np.shape(x))
        return np.triu(x, diagonal)

    def backward(self, upstream: Any, x: Any, output: Any, *, diagonal: int) -> Any:
        return (triu(upstream, diagonal=diagonal),)


tril = Tril()
triu = Triu()

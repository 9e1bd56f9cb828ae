"""How alike the directions of two vectors are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from backlight import shapes
from backlight.errors import ArgumentError, ShapeError
from backlight.gates.choice import maximum, where
from backlight.gates.deviation import norm
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.reduction import sum as total
from backlight.gates.target import as_float
from backlight.gates.view import broadcast_to, expand_dims
from backlight.shapes import Shape


class CosineSimilarity(Structural):
    """Cosine of the angle between vectors: x·y / (|x|·|y|), from −1 to 1; 0 for a zero vector.

    A length below epsilon counts as epsilon, so that a zero vector has similarity 0 and a gradient
    of 1/epsilon at most. x receives (y/|y| − output·x/|x|) / |x| times upstream: what turns it
    towards y, nothing of what makes it longer.

    Parameters
    ----------
    x, y : array
        Vectors along `axis`; the other axes are stretched to each other.
    axis : int
        The axis of the vectors' elements: the last unless named. (PyTorch's is 1, which for rows
        of a matrix is the same, and for single vectors does not exist.)
    epsilon : float
        The least length, above 0.

    Raises
    ------
    ShapeError
        If the shapes do not stretch to each other, or the inputs are single numbers.
    ArgumentError
        If epsilon is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> cosine_similarity(np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([4.0, 3.0])).tolist()
    [0.96, 0.8]
    """

    role = Role.MIXER
    formula = "sum(x * y) / (max(norm(x), epsilon) * max(norm(y), epsilon))"
    kinks = "norm(x) == epsilon or norm(y) == epsilon: the gradient of longer vectors"
    result = "float"
    source = "A. Graves et al., Neural Turing Machines, 2014"

    def forward(self, np: Any, x: Any, y: Any, *, axis: int = -1, epsilon: float = 1e-8) -> Any:
        x, y = as_float(np, x), as_float(np, y)
        self.shape(x.shape, y.shape, axis=axis, epsilon=epsilon)
        x, y = np.broadcast_arrays(x, y)
        wide = [np.asarray(one, np.float64) for one in (x, y)]
        first, second = [
            one / np.maximum(norm.forward(np, one, axis=axis, keepdims=True), epsilon)
            for one in wide
        ]
        return np.asarray(np.sum(first * second, axis=axis), np.result_type(x, y))

    def lower(self, np: Any, x: Any, y: Any, *, axis: int = -1, epsilon: float = 1e-8) -> Any:
        """Three sums and one quotient, where no product of float32 numbers can overflow."""
        x, y = as_float(np, x), as_float(np, y)
        if np.result_type(x, y) == np.float64:
            return self.forward(np, x, y, axis=axis, epsilon=epsilon)
        self.shape(x.shape, y.shape, axis=axis, epsilon=epsilon)
        x, y = [one.astype(np.float64) for one in np.broadcast_arrays(x, y)]
        lengths = [np.sqrt(np.sum(one * one, axis=axis)) for one in (x, y)]
        first, second = [np.maximum(length, epsilon) for length in lengths]
        return np.asarray(np.sum(x * y, axis=axis) / first / second, np.float32)

    def backward(
        self, upstream: Any, x: Any, y: Any, output: Any, *, axis: int, epsilon: float
    ) -> Any:
        size = shapes.broadcast(self.name, x.shape, y.shape)
        above, cosine = expand_dims(upstream, axis=axis), expand_dims(output, axis=axis)
        x, y = broadcast_to(x, shape=size), broadcast_to(y, shape=size)

        def turned(one: Any, other: Any) -> Any:
            length = norm(one, axis=axis, keepdims=True)
            least = maximum(length, epsilon)
            kept = where(length >= epsilon, cosine, 0.0)
            return above * ((_unit(other, axis, epsilon) - kept * (one / least)) / least)

        return lambda: turned(x, y), lambda: turned(y, x)

    def branch(self, np: Any, x: Any, y: Any, *, axis: int = -1, epsilon: float = 1e-8) -> Any:
        """Whether each length is above, at or under epsilon."""
        first, second = [
            np.sign(norm.forward(np, one, axis=axis) - epsilon) for one in np.broadcast_arrays(x, y)
        ]
        return first + 3 * second

    def parts(self, x: Any, y: Any, *, axis: int, epsilon: float) -> Any:
        """Both made as long as 1, multiplied and summed."""
        size = shapes.broadcast(self.name, x.shape, y.shape)
        x, y = broadcast_to(x, shape=size), broadcast_to(y, shape=size)
        return total(_unit(x, axis, epsilon) * _unit(y, axis, epsilon), axis=axis)

    def shape(self, x: Shape, y: Shape, *, axis: int = -1, epsilon: float = 1e-8) -> Shape:
        """The stretched shape without the axis of the elements."""
        if not 0 < epsilon < math.inf:
            raise ArgumentError(
                self.name,
                got=f"epsilon={epsilon}",
                needs="a number above 0",
                remedy="Leave it out for 1e-8.",
            )
        size = shapes.broadcast(self.name, x, y)
        if not size:
            raise ShapeError(
                self.name,
                got="single numbers",
                needs="vectors along an axis",
                remedy="Multiply numbers with *.",
            )
        shapes.whole(self.name, "axis", axis)
        return shapes.reduce(self.name, size, axis, keepdims=False)

    def samples(self) -> Iterator[Sample]:
        """Rows, columns, single vectors, one against many, short ones, none."""
        for stream, (first, second, axis) in enumerate(
            [
                ((2, 3), (2, 3), -1),
                ((3, 2), (3, 2), 0),
                ((4,), (4,), -1),
                ((3, 4), (4,), -1),
                ((2, 1, 3), (4, 3), 2),
                ((0, 3), (0, 3), 1),
            ]
        ):
            yield Sample((draw(first, 660 + stream), draw(second, 670 + stream)), {"axis": axis})
        yield Sample((0.1 * draw((2, 3), 680), draw((2, 3), 681)), {"epsilon": 1.0})


def _unit(vectors: Any, axis: int, epsilon: float) -> Any:
    return vectors / maximum(norm(vectors, axis=axis, keepdims=True), epsilon)


cosine_similarity = CosineSimilarity()

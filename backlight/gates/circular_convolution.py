"""Circular convolution: weights over places moved around a ring by a distribution of shifts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backlight import dtypes, shapes
from backlight.errors import ShapeError
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.view import flip
from backlight.shapes import Shape


class CircularConvolution(Structural):
    """The Neural Turing Machine's shift of its attention: w'[i] = Σ_j w[j] · s[i − j mod N].

    w (…, N) holds one weight a place; s (…, 2k+1) holds the shifts −k, …, 0, …, k. A shift by +1
    moves every weight one place up, the last to the first. Leading axes broadcast. If there are
    more shifts than places they go around the ring more than once, and add up.

    Raises
    ------
    ShapeError
        If the number of shifts is even, or an input is a single number.

    Examples
    --------
    >>> import numpy as np
    >>> circular_convolution(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 0.0, 1.0])).tolist()
    [4.0, 1.0, 2.0, 3.0]
    """

    role = Role.SWITCHER
    formula = "w'[i] = sum of w[j] * s[i-j mod N] over j"
    source = "Graves, Wayne and Danihelka 2014, equation 8"

    def forward(self, np: Any, w: Any, s: Any) -> Any:
        reach = _reach(w.shape, s.shape)
        return sum(
            s[..., reach + d : reach + d + 1] * np.roll(w, d, axis=-1)
            for d in range(-reach, reach + 1)
        )

    def backward(self, upstream: Any, w: Any, s: Any, output: Any) -> Any:
        return (
            lambda: circular_convolution(upstream, flip(s, axis=-1)),
            lambda: circular_correlation(upstream, w, shifts=s.shape[-1]),
        )

    def dtype(self, *given: Any, **attributes: Any) -> Any:
        mixed = super().dtype(*given, **attributes)
        return dtypes.int64 if mixed == dtypes.boolean else mixed

    def shape(self, w: Any, s: Any) -> Shape:
        _reach(w, s)
        return (*shapes.broadcast(self.name, tuple(w[:-1]), tuple(s[:-1])), w[-1])

    def samples(self) -> Iterator[Sample]:
        for stream, (w, s) in enumerate(_PAIRS):
            yield Sample((draw(w, 850 + stream), draw(s, 870 + stream)))


class CircularCorrelation(Structural):
    """The gradient of a circular convolution by its shifts: s'[d] = Σ_i y[i] · w[i − d mod N].

    y and w are (…, N); the result is (…, shifts), for the shifts −k, …, k of an odd number 2k+1.
    """

    role = Role.SWITCHER
    formula = "s'[d] = sum of y[i] * w[i-d mod N] over i"
    source = "Graves, Wayne and Danihelka 2014"

    def forward(self, np: Any, y: Any, w: Any, *, shifts: int) -> Any:
        self.shape(y.shape, w.shape, shifts=shifts)
        reach = shifts // 2
        kind = np.result_type(y, w)
        return np.stack(
            [
                np.sum(y * np.roll(w, d, axis=-1), axis=-1, dtype=np.float64).astype(kind)
                for d in range(-reach, reach + 1)
            ],
            axis=-1,
        )

    def backward(self, upstream: Any, y: Any, w: Any, output: Any, *, shifts: int) -> Any:
        return (
            lambda: circular_convolution(w, upstream),
            lambda: circular_convolution(y, flip(upstream, axis=-1)),
        )

    def shape(self, y: Any, w: Any, *, shifts: int) -> Shape:
        if not y or not w or y[-1] != w[-1]:
            raise ShapeError(
                self.name,
                got=f"shapes {tuple(y)} and {tuple(w)}",
                needs="as many places in both",
                remedy="Make the last axes equal.",
            )
        _reach(w, (shapes.whole(self.name, "shifts", shifts, 1),))
        return (*shapes.broadcast(self.name, tuple(y[:-1]), tuple(w[:-1])), shifts)

    def samples(self) -> Iterator[Sample]:
        for stream, (w, s) in enumerate(_PAIRS):
            yield Sample((draw(w, 850 + stream), draw(w, 860 + stream)), {"shifts": s[-1]})


def _reach(w: Shape, s: Shape) -> int:
    """The k of 2k+1 shifts."""
    if not w or not s or s[-1] % 2 == 0:
        raise ShapeError(
            "circular_convolution",
            got=f"weights of shape {tuple(w)}, shifts of shape {tuple(s)}",
            needs="places along the last axis, and an odd number of shifts −k … k",
            remedy="Put a shift by 0 in the middle of the shifts.",
        )
    return s[-1] // 2


_PAIRS: list[tuple[Shape, Shape]] = [
    ((5,), (3,)),
    ((2, 4), (2, 3)),
    ((2, 4), (3,)),
    ((4,), (2, 3)),
    ((3,), (1,)),
    ((3,), (7,)),
    ((0, 4), (0, 3)),
]

circular_convolution = CircularConvolution()
circular_correlation = CircularCorrelation()

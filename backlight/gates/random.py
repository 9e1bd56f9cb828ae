"""Random draws as gates: a pure function of a key, and dropout.

A key is two whole numbers, the seed and the stream (see `backlight.philox`). The same key gives
the same numbers, eager or compiled, whatever the number of threads; a new draw takes a new stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from backlight import dtypes, philox
from backlight.errors import ArgumentError, DTypeError, ShapeError
from backlight.gates.choice import where
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.random_words import normal_numbers, uniform_numbers
from backlight.gates.target import as_float
from backlight.shapes import Shape, whole


class Draw(Structural, abstract=True):
    """What the draws share: a key, a shape, a floating type."""

    role = Role.SOURCE
    result = "float"

    def shape(self, key: Shape, *, shape: Any = (), dtype: Any = "float32") -> Shape:
        """The shape that is asked for."""
        _check_key_shape(self.name, key)
        return _sizes(self.name, shape)

    def dtype(self, *given: Any, **attributes: Any) -> dtypes.DType:
        """The type that is asked for."""
        return _kind(self.name, attributes.get("dtype", "float32"))

    def samples(self) -> Iterator[Sample]:
        """A table, one number, none; float64."""
        for size, dtype in (
            ((2, 3), "float32"),
            ((), "float32"),
            ((0, 2), "float64"),
            ((5,), "float64"),
        ):
            yield Sample((numpy.array([7, 1], numpy.uint64),), {"shape": size, "dtype": dtype})


class Uniform(Draw):
    """Numbers spread evenly over [0, 1): 24 random bits in float32, 53 in float64.

    Parameters
    ----------
    key : array of two whole numbers
        Seed and stream.
    shape : int or tuple of int
        How many.
    dtype : str
        float32 or float64.

    Raises
    ------
    ShapeError, DTypeError
        If the key is not two whole numbers, or the type is not floating.
    ArgumentError
        If a size is negative.
    """

    formula = "uniform(seed, stream)"

    def forward(self, np: Any, key: Any, *, shape: Any = (), dtype: Any = "float32") -> Any:
        seed, stream = _key(np, self.name, key)
        return philox.uniform(seed, stream, _sizes(self.name, shape), _kind(self.name, dtype))

    def lower(self, np: Any, key: Any, *, shape: Any = (), dtype: Any = "float32") -> Any:
        """The same words, computed by every number for itself."""
        sizes, kind = _sizes(self.name, shape), _kind(self.name, dtype)
        return uniform_numbers(np, _words_key(np, self.name, key), sizes, kind)


class Normal(Draw):
    """Standard normal numbers, mean 0 and variance 1.

    Parameters
    ----------
    key, shape, dtype
        As of uniform.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError
        As of uniform.
    """

    formula = "normal(seed, stream)"
    source = "Box and Muller, 1958"

    def forward(self, np: Any, key: Any, *, shape: Any = (), dtype: Any = "float32") -> Any:
        seed, stream = _key(np, self.name, key)
        return philox.normal(seed, stream, _sizes(self.name, shape), _kind(self.name, dtype))

    def lower(self, np: Any, key: Any, *, shape: Any = (), dtype: Any = "float32") -> Any:
        """The same words; both numbers of a pair compute its radius and angle."""
        sizes, kind = _sizes(self.name, shape), _kind(self.name, dtype)
        return normal_numbers(np, _words_key(np, self.name, key), sizes, kind)


class Dropout(Structural):
    """Each number is dropped (made 0) with probability p, else divided by 1 − p.

    This is inverted dropout: outputs have the mean of the inputs, and nothing is left to do when
    the model predicts. Upstream passes through the same mask, drawn again from the key.

    Parameters
    ----------
    x : array
    key : array of two whole numbers
        Seed and stream; a new stream for every step.
    p : float, 0 ≤ p < 1
        The probability of dropping, as in PyTorch. The course's assignments call p the
        probability of keeping.

    Raises
    ------
    ArgumentError
        If p is not a probability below 1.
    ShapeError, DTypeError
        If the key is not two whole numbers.
    """

    role = Role.SCALER
    formula = "x * (uniform(key) >= p) / (1 - p)"
    result = "float"
    source = "Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, 2014; CS231n"

    def forward(self, np: Any, x: Any, key: Any, *, p: float = 0.5) -> Any:
        x = as_float(np, x)
        _check_probability(p)
        seed, stream = _key(np, self.name, key)
        # The draw is in float32 whatever the type of x, so that the mask does not depend on it.
        kept = philox.uniform(seed, stream, x.shape, np.float32) >= np.float32(p)
        return np.where(kept, x / (1.0 - p), 0.0)

    def lower(self, np: Any, x: Any, key: Any, *, p: float = 0.5) -> Any:
        """The same mask."""
        x = as_float(np, x)
        _check_probability(p)
        drawn = uniform_numbers(np, _words_key(np, self.name, key), x.shape, dtypes.float32)
        return np.where(drawn >= np.float32(p), x / (1.0 - p), 0.0)

    def backward(self, upstream: Any, x: Any, key: Any, output: Any, *, p: float) -> Any:
        return lambda: dropout(upstream, key, p=p), None

    def parts(self, x: Any, key: Any, *, p: float = 0.5) -> Any:
        """A draw, compared with p; the numbers that stay, scaled."""
        return where(
            uniform(key, shape=x.shape, dtype="float32") >= numpy.float32(p), x / (1.0 - p), 0.0
        )

    def shape(self, x: Shape, key: Shape, *, p: float = 0.5) -> Shape:
        """The input's shape."""
        _check_probability(p)
        _check_key_shape(self.name, key)
        return x

    def samples(self) -> Iterator[Sample]:
        """Several probabilities, one number, none."""
        for stream, (size, p) in enumerate(
            [((3, 4), 0.5), ((3, 4), 0.0), ((5,), 0.25), ((), 0.5), ((0, 2), 0.75)]
        ):
            yield Sample((draw(size, 770 + stream), numpy.array([7, stream])), {"p": p})


def _check_probability(p: float) -> None:
    if not 0 <= p < 1:
        raise ArgumentError(
            "dropout",
            got=f"p={p}",
            needs="a probability of dropping, 0 ≤ p < 1",
            remedy="p=0.5 drops half; if you mean the share to keep, pass 1 − it.",
        )


def _check_key_shape(subject: str, key: Shape) -> None:
    if key != (2,):
        raise ShapeError(
            subject,
            got=f"a key of shape {key}",
            needs="two numbers, seed and stream",
            remedy="Pass an array such as [seed, stream].",
        )


def _key(np: Any, subject: str, key: Any) -> tuple[int, int]:
    numbers = _checked_key(np, subject, key)
    return int(numbers[0]) % 2**64, int(numbers[1]) % 2**64


def _words_key(np: Any, subject: str, key: Any) -> tuple[Any, Any]:
    """Seed and stream as numbers that are not computed yet; negative ones wrap."""
    numbers = _checked_key(np, subject, key).astype(np.uint64)
    return numbers[0], numbers[1]


def _checked_key(np: Any, subject: str, key: Any) -> Any:
    numbers = np.asarray(key)
    _check_key_shape(subject, numbers.shape)
    if numbers.dtype.kind not in "iu":
        raise DTypeError(
            subject,
            got=f"a key of type {numbers.dtype}",
            needs="whole numbers",
            remedy="Make the key an array of int64 or uint64.",
        )
    return numbers


def _sizes(subject: str, shape: Any) -> Shape:
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return tuple(whole(subject, "shape", size, 0) for size in sizes)


def _kind(subject: str, dtype: Any) -> dtypes.DType:
    kind: dtypes.DType = numpy.dtype(dtype)
    if kind not in (dtypes.float32, dtypes.float64):
        raise DTypeError(
            subject,
            got=f"dtype={kind}",
            needs="float32 or float64",
            remedy="Draw numbers with fractions and round them.",
        )
    return kind


uniform = Uniform()
normal = Normal()
dropout = Dropout()

"""Activations with a corner: ReLU and its relatives, maxout, and the hard step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backlight import dtypes, shapes
from backlight.errors import ShapeError
from backlight.gates.along import first_winner
from backlight.gates.choice import maximum, minimum, where
from backlight.gates.family import Elementwise, Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.reduction import max as largest
from backlight.gates.transcendental import exp, expm1
from backlight.gates.view import reshape
from backlight.shapes import Shape

_SELU_SCALE = 1.0507009873554804934
_SELU_ALPHA = 1.6732632423543772848


class Relu(Elementwise):
    """max(0, x): lets positive numbers and their gradients through, stops the rest.

    A unit whose input is never positive receives no gradient: it is dead. A NaN stays a NaN.
    """

    role = Role.ROUTER
    formula = "max(x, 0)"
    kinks = "x == 0: gradient 0"
    source = "Nair and Hinton, 2010; CS231n, lecture 5"

    def forward(self, np: Any, x: Any) -> Any:
        return np.maximum(x, 0)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        # By the output, which says the same: so the scores before it need not be kept.
        return (where(output <= 0, 0.0, upstream),)

    def branch(self, np: Any, x: Any) -> Any:
        return np.sign(x)

    def dtype(self, *given: Any, **attributes: Any) -> dtypes.DType:
        """The input's type; truth values count as whole numbers."""
        return dtypes.promote(*given, int)

    def parts(self, x: Any) -> Any:
        """The larger of two numbers, the first a zero, which wins the tie."""
        return maximum(0.0, x)


class LeakyRelu(Elementwise):
    """x where it is positive, else slope·x: a ReLU that cannot die."""

    role = Role.SCALER
    formula = "x if x > 0 else slope * x"
    kinks = "x == 0: gradient slope"
    result = "float"
    source = "Maas, Hannun and Ng, 2013"

    def forward(self, np: Any, x: Any, *, slope: float = 0.01) -> Any:
        return np.where(x > 0, x, slope * x)

    def backward(self, upstream: Any, x: Any, output: Any, *, slope: float) -> Any:
        return (where(x > 0, upstream, slope * upstream),)

    def branch(self, np: Any, x: Any, *, slope: float = 0.01) -> Any:
        return np.sign(x)

    def parts(self, x: Any, *, slope: float = 0.01) -> Any:
        """The positive part plus slope times the negative part."""
        return relu(x) + slope * minimum(x, 0.0)


class Prelu(Elementwise):
    """x where it is positive, else slope·x with a slope that is learned.

    Both inputs broadcast; give a slope for each channel the shape (channels, 1, 1). The slope
    receives upstream·x from the places where x is not positive.
    """

    role = Role.SCALER
    formula = "x if x > 0 else slope * x"
    kinks = "x == 0: gradient slope for x"
    source = "He, Zhang, Ren and Sun, Delving deep into rectifiers, 2015"

    def forward(self, np: Any, x: Any, slope: Any) -> Any:
        return np.where(x > 0, x, slope * x)

    def backward(self, upstream: Any, x: Any, slope: Any, output: Any) -> Any:
        return (
            lambda: where(x > 0, upstream, slope * upstream),
            lambda: where(x > 0, 0.0, upstream * x),
        )

    def branch(self, np: Any, x: Any, slope: Any) -> Any:
        return np.sign(x) + 0 * slope

    def parts(self, x: Any, slope: Any) -> Any:
        """The positive part plus slope times the negative part."""
        return relu(x) + slope * minimum(x, 0.0)


class Elu(Elementwise):
    """x where it is positive, else α·(eˣ − 1), which levels out at −α."""

    role = Role.SCALER
    formula = "x if x > 0 else alpha * (exp(x) - 1)"
    kinks = "x == 0 unless alpha is 1: gradient alpha"
    result = "float"
    source = "Clevert, Unterthiner and Hochreiter, 2015"

    def forward(self, np: Any, x: Any, *, alpha: float = 1.0) -> Any:
        return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))

    def backward(self, upstream: Any, x: Any, output: Any, *, alpha: float) -> Any:
        # α·eˣ rather than output + α, which is 0 long before eˣ is.
        return (upstream * where(x > 0, 1.0, alpha * exp(minimum(x, 0.0))),)

    def branch(self, np: Any, x: Any, *, alpha: float = 1.0) -> Any:
        return np.sign(x)

    def parts(self, x: Any, *, alpha: float = 1.0) -> Any:
        """The positive part plus α·(eˣ − 1) of the negative part."""
        return where(x > 0, x, alpha * expm1(minimum(x, 0.0)))

    def samples(self) -> Iterator[Sample]:
        """Every elementwise sample, and one with a corner at 0."""
        yield from super().samples()
        yield Sample((draw((5,), 400),), {"alpha": 0.3})


class Selu(Elementwise):
    """An ELU scaled so that activations keep mean 0 and variance 1 from layer to layer."""

    role = Role.SCALER
    formula = "1.0507 * (x if x > 0 else 1.6733 * (exp(x) - 1))"
    kinks = "x == 0: gradient 1.7581"
    result = "float"
    source = "Klambauer, Unterthiner, Mayr and Hochreiter, 2017"

    def forward(self, np: Any, x: Any) -> Any:
        return _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(np.minimum(x, 0.0)))

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        slope = where(x > 0, 1.0, _SELU_ALPHA * exp(minimum(x, 0.0)))
        return (upstream * (_SELU_SCALE * slope),)

    def branch(self, np: Any, x: Any) -> Any:
        return np.sign(x)

    def parts(self, x: Any) -> Any:
        """1.0507 times an ELU with α = 1.6733."""
        return _SELU_SCALE * elu(x, alpha=_SELU_ALPHA)


class Maxout(Structural):
    """The largest of `pieces` neighbours along the channels; upstream goes whole to the winner.

    Channels 0 … pieces−1 make the first output channel, the next `pieces` the second, and so on.
    A ReLU is a maxout of two pieces of which one is 0.

    Parameters
    ----------
    x : array, at least `axis` + 1 axes
    pieces : int
        How many channels compete, at least 1; it divides the number of channels.
    axis : int
        The axis of the channels; 1 for (examples, features) and (examples, channels, …).

    Raises
    ------
    ShapeError
        If the number of channels is not a multiple of `pieces`.
    """

    role = Role.ROUTER
    formula = "max(x[0], x[1], …)"
    kinks = "the largest occurs twice: the gradient goes to the first"
    source = "Goodfellow, Warde-Farley, Mirza, Courville and Bengio, Maxout networks, 2013"

    def forward(self, np: Any, x: Any, *, pieces: int, axis: int = 1) -> Any:
        grouped, place = _grouping(np.shape(x), pieces, axis)
        return np.max(np.reshape(x, grouped), axis=place)

    def backward(self, upstream: Any, x: Any, output: Any, *, pieces: int, axis: int) -> Any:
        grouped, place = _grouping(x.shape, pieces, axis)
        won = first_winner(reshape(x, grouped), axis=place)
        kept = (*grouped[:place], 1, *grouped[place + 1 :])
        return (reshape(where(won, reshape(upstream, kept), 0.0), x.shape),)

    def branch(self, np: Any, x: Any, *, pieces: int, axis: int = 1) -> Any:
        grouped, place = _grouping(np.shape(x), pieces, axis)
        lined = np.reshape(x, grouped)
        return np.equal(lined, np.max(lined, axis=place, keepdims=True))

    def parts(self, x: Any, *, pieces: int, axis: int = 1) -> Any:
        """Channels in groups, and the largest of each group."""
        grouped, place = _grouping(x.shape, pieces, axis)
        return largest(reshape(x, grouped), axis=place)

    def shape(self, x: Shape, *, pieces: int, axis: int = 1) -> Shape:
        """The input's shape with the channels divided by `pieces`."""
        grouped, place = _grouping(x, pieces, axis)
        return grouped[:place] + grouped[place + 1 :]

    def samples(self) -> Iterator[Sample]:
        """Features, images, no example, a single piece."""
        for stream, (size, pieces, axis) in enumerate(
            [
                ((2, 6), 2, 1),
                ((2, 6), 3, -1),
                ((2, 4, 3, 2), 2, 1),
                ((0, 4), 2, 1),
                ((4,), 1, 0),
            ]
        ):
            yield Sample((draw(size, 410 + stream),), {"pieces": pieces, "axis": axis})


class Step(Elementwise):
    """1 where x is positive, else 0: the perceptron's unit. Flat everywhere: no gradient passes."""

    role = Role.WALL
    formula = "1 if x > 0 else 0"
    kinks = "x == 0"
    source = "Rosenblatt, 1958"

    def forward(self, np: Any, x: Any) -> Any:
        return np.where(x != x, x, x > 0)  # a NaN stays a NaN

    def branch(self, np: Any, x: Any) -> Any:
        return np.sign(x)


def _grouping(size: Shape, pieces: int, axis: int) -> tuple[Shape, int]:
    """The shape with the channels split into groups, and the axis of the pieces."""
    (place,) = shapes.axes("maxout", axis, len(size)) or (None,)
    count = shapes.whole("maxout", "pieces", pieces, 1)
    if place is None or size[place] % count:
        raise ShapeError(
            "maxout",
            got=f"shape {size} with pieces={pieces} along axis {axis}",
            needs="a number of channels that pieces divides",
            remedy=f"Give it a multiple of {pieces} channels.",
        )
    return (*size[:place], size[place] // count, count, *size[place + 1 :]), place + 1


relu = Relu()
leaky_relu = LeakyRelu()
prelu = Prelu()
elu = Elu()
selu = Selu()
maxout = Maxout()
step = Step()

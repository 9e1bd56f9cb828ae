"""Normalisation: numbers brought to mean 0 and variance 1 over some axes, then scaled and moved.

Means and variances are computed in float64, so that a row of numbers that are large, or large and
close together, keeps its digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from backlight import shapes
from backlight.errors import ArgumentError, ShapeError
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.reduction import mean
from backlight.gates.reduction import sum as total
from backlight.gates.refusal import computed
from backlight.gates.target import as_float
from backlight.gates.view import reshape
from backlight.shapes import Axis, Shape


class Standardize(Structural):
    """(x − mean) / √(variance + ε) over some axes.

    A row of equal numbers becomes 0. x receives (u − mean(u) − y·mean(u·y)) / √(variance + ε),
    where u is upstream and y the output: what is left of u after its mean and its share along y
    are taken out.

    Parameters
    ----------
    x : array
    axis : int, tuple of int, or None for all
        The axes over which mean and variance are taken.
    epsilon : float, at least 0
        Added to the variance.

    Raises
    ------
    ShapeError
        If there is no such axis.
    ArgumentError
        If epsilon is negative.
    """

    role = Role.MIXER
    formula = "(x - mean(x)) / sqrt(var(x) + epsilon)"
    result = "float"

    def forward(self, np: Any, x: Any, *, axis: Axis = -1, epsilon: float = 1e-5) -> Any:
        x = as_float(np, x)
        over = _over(self.name, x.shape, axis, epsilon)
        centred, inverse = _statistics(np, x, over, epsilon)
        return (centred * inverse).astype(x.dtype, copy=False)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: Axis, epsilon: float) -> Any:
        over = shapes.axes(self.name, axis, x.ndim)
        return (_slope(upstream, x, output, over, epsilon),)

    def shape(self, x: Shape, *, axis: Axis = -1, epsilon: float = 1e-5) -> Shape:
        """The input's shape."""
        _over(self.name, x, axis, epsilon)
        return x

    def samples(self) -> Iterator[Sample]:
        """Rows, columns, everything, two axes, another epsilon."""
        for stream, (size, axis, epsilon) in enumerate(
            [
                ((2, 4), -1, 1e-5),
                ((4, 2), 0, 1e-5),
                ((2, 3), None, 1e-5),
                ((2, 3, 4), (0, 2), 0.1),
            ]
        ):
            yield Sample((draw(size, 700 + stream),), {"axis": axis, "epsilon": epsilon})


class InverseDeviation(Structural):
    """1 / √(variance + ε) over some axes, which are kept with size 1.

    x receives −r²·y·upstream / n, where r is the output and y the standardized input.

    Parameters
    ----------
    x, axis, epsilon
        As of standardize.

    Raises
    ------
    ShapeError, ArgumentError
        As of standardize.
    """

    role = Role.MIXER
    formula = "1 / sqrt(var(x) + epsilon)"
    result = "float"

    def forward(self, np: Any, x: Any, *, axis: Axis = -1, epsilon: float = 1e-5) -> Any:
        x = as_float(np, x)
        over = _over(self.name, x.shape, axis, epsilon)
        return np.asarray(_statistics(np, x, over, epsilon)[1], x.dtype)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: Axis, epsilon: float) -> Any:
        over = shapes.axes(self.name, axis, x.ndim)
        count = math.prod(x.shape[place] for place in over)
        straight = standardize(x, axis=over, epsilon=epsilon)
        return (straight * (upstream * output * output / -count),)

    def shape(self, x: Shape, *, axis: Axis = -1, epsilon: float = 1e-5) -> Shape:
        """The input's shape with size 1 at the axes."""
        _over(self.name, x, axis, epsilon)
        return shapes.reduce(self.name, x, axis, keepdims=True)

    def samples(self) -> Iterator[Sample]:
        """As of standardize."""
        return standardize.samples()


class Normalisation(Structural, abstract=True):
    """What the normalising layers share: standardize, times gamma, plus beta.

    A layer says how it sees its input (`view`), over which axes it standardizes (`over`), and the
    shape in which gamma and beta meet the input (`meet`); `how` is its axes or its groups.
    """

    role = Role.MIXER
    formula = "gamma * (x - mean(x)) / sqrt(var(x) + epsilon) + beta"
    result = "first"

    def view(self, shape: Shape, how: Any) -> Shape:
        """The shape in which the input is standardized."""
        return shape

    def over(self, shape: Shape, how: Any) -> Shape:
        """The axes of the view over which mean and variance are taken."""
        raise NotImplementedError

    def meet(self, shape: Shape, how: Any) -> Shape:
        """The shape, with 1 for the other axes, in which gamma and beta meet the input."""
        raise NotImplementedError

    def apply(self, np: Any, x: Any, gamma: Any, beta: Any, how: Any, epsilon: float) -> Any:
        """The output, from arrays."""
        x = as_float(np, x)
        self._check(
            x.shape,
            None if gamma is None else np.shape(gamma),
            None if beta is None else np.shape(beta),
            how,
            epsilon,
        )
        seen = self.view(x.shape, how)
        centred, inverse = _statistics(np, np.reshape(x, seen), self.over(x.shape, how), epsilon)
        output = np.reshape(centred * inverse, x.shape)
        meet = self.meet(x.shape, how)
        if gamma is not None:
            output = output * np.reshape(gamma, meet)
        if beta is not None:
            output = output + np.reshape(beta, meet)
        return output.astype(x.dtype, copy=False)

    def unapply(
        self, upstream: Any, x: Any, gamma: Any, beta: Any, how: Any, epsilon: float
    ) -> Any:
        """The gradients of x, gamma and beta."""
        size = x.shape
        seen, over = self.view(size, how), self.over(size, how)
        meet = self.meet(size, how)
        rest = tuple(place for place, length in enumerate(meet) if length == 1)

        def straight() -> Any:
            return standardize(reshape(x, seen), axis=over, epsilon=epsilon)

        def by_x() -> Any:
            scaled = upstream if gamma is None else upstream * reshape(gamma, meet)
            slope = _slope(reshape(scaled, seen), reshape(x, seen), straight(), over, epsilon)
            return reshape(slope, size)

        def by_gamma() -> Any:
            return reshape(total(upstream * reshape(straight(), size), axis=rest), gamma.shape)

        def by_beta() -> Any:
            return reshape(total(upstream, axis=rest), beta.shape)

        return by_x, by_gamma, by_beta

    def unfold(self, x: Any, gamma: Any, beta: Any, how: Any, epsilon: float) -> Any:
        """The output, from simpler gates."""
        seen, over = self.view(x.shape, how), self.over(x.shape, how)
        meet = self.meet(x.shape, how)
        output = reshape(standardize(reshape(x, seen), axis=over, epsilon=epsilon), x.shape)
        if gamma is not None:
            output = output * reshape(gamma, meet)
        return output if beta is None else output + reshape(beta, meet)

    def _check(
        self, x: Shape, gamma: Shape | None, beta: Shape | None, how: Any, epsilon: float
    ) -> Shape:
        _over(self.name, self.view(x, how), self.over(x, how), epsilon)
        wanted = tuple(length for length in self.meet(x, how) if length != 1)
        for name, given in (("gamma", gamma), ("beta", beta)):
            if given is not None and tuple(length for length in given if length != 1) != wanted:
                raise ShapeError(
                    self.name,
                    got=f"{name} of shape {given} for an input of {x}",
                    needs=f"shape {wanted}",
                    remedy=f"Make {name} of that shape.",
                )
        return x


class BatchNorm(Normalisation):
    """Each channel brought to mean 0 and variance 1 over the batch, times gamma, plus beta.

    This is the training form: mean and variance are those of this batch (the variance is divided
    by n). For prediction, a layer scales and moves by its running statistics instead. A loss that
    is a plain sum of the outputs has no gradient by x.

    Parameters
    ----------
    x : array (examples, channels, …)
    gamma, beta : array (channels,), optional
        Scale and shift.
    axis : int, tuple of int, or None
        The axes over which mean and variance are taken; all but axis 1 unless named.
    epsilon : float, at least 0
        Added to the variance.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or there is one value a channel: its variance is 0 and the output
        would be beta whatever the input.
    ArgumentError
        If epsilon is negative.
    """

    source = "Ioffe and Szegedy, Batch normalization, 2015"

    def forward(
        self,
        np: Any,
        x: Any,
        gamma: Any = None,
        beta: Any = None,
        *,
        axis: Axis = None,
        epsilon: float = 1e-5,
    ) -> Any:
        return self.apply(np, x, gamma, beta, axis, epsilon)

    def backward(
        self,
        upstream: Any,
        x: Any,
        gamma: Any,
        beta: Any,
        output: Any,
        *,
        axis: Axis,
        epsilon: float,
    ) -> Any:
        return self.unapply(upstream, x, gamma, beta, axis, epsilon)

    def parts(
        self,
        x: Any,
        gamma: Any = None,
        beta: Any = None,
        *,
        axis: Axis = None,
        epsilon: float = 1e-5,
    ) -> Any:
        """Standardize, scale, shift."""
        return self.unfold(x, gamma, beta, axis, epsilon)

    def over(self, shape: Shape, how: Any) -> Shape:
        """The named axes, or all but the channels."""
        if how is None:
            return tuple(place for place in range(len(shape)) if place != 1)
        return shapes.axes(self.name, how, len(shape))

    def meet(self, shape: Shape, how: Any) -> Shape:
        """The axes that are kept."""
        over = self.over(shape, how)
        return tuple(1 if place in over else length for place, length in enumerate(shape))

    def shape(
        self,
        x: Shape,
        gamma: Shape | None = None,
        beta: Shape | None = None,
        *,
        axis: Axis = None,
        epsilon: float = 1e-5,
    ) -> Shape:
        """The input's shape."""
        return self._check(x, gamma, beta, axis, epsilon)

    def _check(
        self, x: Shape, gamma: Shape | None, beta: Shape | None, how: Any, epsilon: float
    ) -> Shape:
        if len(x) < 2:
            raise ShapeError(
                self.name,
                got=f"an input of shape {x}",
                needs="(examples, channels, …)",
                remedy="Keep the batch's axis.",
            )
        if math.prod(x[place] for place in self.over(x, how)) < 2:
            raise ShapeError(
                self.name,
                got=f"one value a channel, shape {x}, in training",
                needs="at least two values a channel to have a variance",
                remedy="Use a larger batch (drop the last incomplete one), or evaluate with "
                "running statistics.",
            )
        return super()._check(x, gamma, beta, how, epsilon)

    def samples(self) -> Iterator[Sample]:
        """Features, images, without gamma and beta, named axes."""
        yield Sample((draw((4, 3), 710), draw((3,), 711), draw((3,), 712)))
        yield Sample((draw((2, 3, 2, 2), 713), draw((3,), 714), draw((3,), 715)))
        yield Sample((draw((4, 3), 716), None, None))
        yield Sample((draw((3, 2, 4), 717), draw((4,), 718), None), {"axis": (0, 1)})


class LayerNorm(Normalisation):
    """Each example brought to mean 0 and variance 1 over its features, times gamma, plus beta.

    Parameters
    ----------
    x : array
    gamma, beta : array, optional
        Scale and shift, of the sizes of the axes.
    axis : int or tuple of int
        The axes of the features; the last unless named.
    epsilon : float, at least 0
        Added to the variance.

    Raises
    ------
    ShapeError, ArgumentError
        If the shapes do not fit, or epsilon is negative.
    """

    source = "Ba, Kiros and Hinton, Layer normalization, 2016"

    def forward(
        self,
        np: Any,
        x: Any,
        gamma: Any = None,
        beta: Any = None,
        *,
        axis: Axis = -1,
        epsilon: float = 1e-5,
    ) -> Any:
        return self.apply(np, x, gamma, beta, axis, epsilon)

    def backward(
        self,
        upstream: Any,
        x: Any,
        gamma: Any,
        beta: Any,
        output: Any,
        *,
        axis: Axis,
        epsilon: float,
    ) -> Any:
        return self.unapply(upstream, x, gamma, beta, axis, epsilon)

    def parts(
        self, x: Any, gamma: Any = None, beta: Any = None, *, axis: Axis = -1, epsilon: float = 1e-5
    ) -> Any:
        """Standardize, scale, shift."""
        return self.unfold(x, gamma, beta, axis, epsilon)

    def over(self, shape: Shape, how: Any) -> Shape:
        """The axes of the features."""
        return shapes.axes(self.name, how, len(shape))

    def meet(self, shape: Shape, how: Any) -> Shape:
        """The axes of the features."""
        over = self.over(shape, how)
        return tuple(length if place in over else 1 for place, length in enumerate(shape))

    def shape(
        self,
        x: Shape,
        gamma: Shape | None = None,
        beta: Shape | None = None,
        *,
        axis: Axis = -1,
        epsilon: float = 1e-5,
    ) -> Shape:
        """The input's shape."""
        return self._check(x, gamma, beta, axis, epsilon)

    def samples(self) -> Iterator[Sample]:
        """Rows, two axes, without gamma and beta."""
        yield Sample((draw((2, 4), 720), draw((4,), 721), draw((4,), 722)))
        yield Sample(
            (draw((2, 3, 4), 723), draw((3, 4), 724), draw((3, 4), 725)), {"axis": (-2, -1)}
        )
        yield Sample((draw((2, 4), 726), None, None))


def _over(subject: str, shape: Shape, axis: Axis, epsilon: float) -> Shape:
    if not epsilon >= 0:
        raise ArgumentError(
            subject, got=f"epsilon={epsilon}", needs="a number of at least 0", remedy="Use 1e-5."
        )
    return shapes.axes(subject, axis, len(shape))


def _statistics(np: Any, x: Any, over: Shape, epsilon: float) -> tuple[Any, Any]:
    """X minus its mean, and 1/√(variance + ε), both in float64; float32 if it is to be compiled."""
    count = math.prod(x.shape[place] for place in over) or 1
    mean_ = np.sum(x, axis=over, keepdims=True, dtype=np.float64) / count
    centred = np.subtract(x, mean_, dtype=np.float64)
    variance = np.sum(centred * centred, axis=over, keepdims=True) / count
    inverse = 1.0 / np.sqrt(variance + epsilon)
    if computed(np) or x.dtype == np.float64:
        return centred, inverse
    near = mean_.astype(x.dtype)  # the mean as a sum of two float32 numbers loses nothing of it
    return x - near - np.subtract(mean_, near).astype(x.dtype), inverse.astype(x.dtype)


def _slope(upstream: Any, x: Any, straight: Any, over: Shape, epsilon: float) -> Any:
    """What x receives through its standardized form."""
    inverse = inverse_deviation(x, axis=over, epsilon=epsilon)
    if x.size == 0:
        return upstream * inverse
    along = mean(upstream * straight, axis=over, keepdims=True)
    return inverse * (upstream - mean(upstream, axis=over, keepdims=True) - straight * along)


standardize = Standardize()
inverse_deviation = InverseDeviation()
batch_norm = BatchNorm()
layer_norm = LayerNorm()

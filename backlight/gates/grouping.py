"""Normalisation over groups of channels, over each channel, and over neighbouring channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backlight import shapes
from backlight.errors import ArgumentError, ShapeError
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.normalisation import Normalisation
from backlight.gates.target import as_float
from backlight.shapes import Shape


class GroupNorm(Normalisation):
    """Groups of channels of each example brought to mean 0 and variance 1, times gamma, plus beta.

    Parameters
    ----------
    x : array (examples, channels, …)
    gamma, beta : array (channels,), optional
        Scale and shift.
    groups : int, at least 1
        How many groups; it divides the number of channels.
    epsilon : float, at least 0
        Added to the variance.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or the groups do not divide the channels.
    ArgumentError
        If epsilon is negative.
    """

    source = "Wu and He, Group normalization, 2018"

    def forward(
        self,
        np: Any,
        x: Any,
        gamma: Any = None,
        beta: Any = None,
        *,
        groups: int,
        epsilon: float = 1e-5,
    ) -> Any:
        return self.apply(np, x, gamma, beta, groups, epsilon)

    def backward(
        self,
        upstream: Any,
        x: Any,
        gamma: Any,
        beta: Any,
        output: Any,
        *,
        groups: int,
        epsilon: float,
    ) -> Any:
        return self.unapply(upstream, x, gamma, beta, groups, epsilon)

    def parts(
        self, x: Any, gamma: Any = None, beta: Any = None, *, groups: int, epsilon: float = 1e-5
    ) -> Any:
        """Groups, standardize, back, scale, shift."""
        return self.unfold(x, gamma, beta, groups, epsilon)

    def view(self, shape: Shape, how: Any) -> Shape:
        """Channels split into groups."""
        count = shapes.whole(self.name, "groups", how, 1)
        if len(shape) < 2 or shape[1] % count:
            raise ShapeError(
                self.name,
                got=f"an input of shape {shape} for {how} groups",
                needs="(examples, channels, …) with channels that groups divide",
                remedy="Use a number of groups that divides the channels.",
            )
        return (shape[0], count, shape[1] // count, *shape[2:])

    def over(self, shape: Shape, how: Any) -> Shape:
        """All axes but the example's and the group's."""
        return tuple(range(2, len(shape) + 1))

    def meet(self, shape: Shape, how: Any) -> Shape:
        """The channels."""
        return _channels(shape)

    def shape(
        self,
        x: Shape,
        gamma: Shape | None = None,
        beta: Shape | None = None,
        *,
        groups: int,
        epsilon: float = 1e-5,
    ) -> Shape:
        """The input's shape."""
        return self._check(x, gamma, beta, groups, epsilon)

    def samples(self) -> Iterator[Sample]:
        """Features, images, one group, without gamma and beta."""
        yield Sample((draw((2, 6), 730), draw((6,), 731), draw((6,), 732)), {"groups": 2})
        yield Sample((draw((2, 4, 2, 2), 733), draw((4,), 734), draw((4,), 735)), {"groups": 2})
        yield Sample((draw((2, 4, 3), 736), None, None), {"groups": 1})


class InstanceNorm(Normalisation):
    """Each channel of each example brought to mean 0 and variance 1, times gamma, plus beta.

    Parameters
    ----------
    x : array (examples, channels, …), at least one axis after the channels
    gamma, beta : array (channels,), optional
        Scale and shift.
    epsilon : float, at least 0
        Added to the variance.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or a channel has one value.
    ArgumentError
        If epsilon is negative.
    """

    source = "Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016"

    def forward(
        self, np: Any, x: Any, gamma: Any = None, beta: Any = None, *, epsilon: float = 1e-5
    ) -> Any:
        return self.apply(np, x, gamma, beta, None, epsilon)

    def backward(
        self, upstream: Any, x: Any, gamma: Any, beta: Any, output: Any, *, epsilon: float
    ) -> Any:
        return self.unapply(upstream, x, gamma, beta, None, epsilon)

    def parts(self, x: Any, gamma: Any = None, beta: Any = None, *, epsilon: float = 1e-5) -> Any:
        """Standardize, scale, shift."""
        return self.unfold(x, gamma, beta, None, epsilon)

    def over(self, shape: Shape, how: Any) -> Shape:
        """All axes after the channels."""
        if len(shape) < 3 or all(length == 1 for length in shape[2:]):
            raise ShapeError(
                self.name,
                got=f"an input of shape {shape}, one value a channel",
                needs="(examples, channels, …) with several values a channel",
                remedy="Use layer_norm for features without positions.",
            )
        return tuple(range(2, len(shape)))

    def meet(self, shape: Shape, how: Any) -> Shape:
        """The channels."""
        return _channels(shape)

    def shape(
        self,
        x: Shape,
        gamma: Shape | None = None,
        beta: Shape | None = None,
        *,
        epsilon: float = 1e-5,
    ) -> Shape:
        """The input's shape."""
        return self._check(x, gamma, beta, None, epsilon)

    def samples(self) -> Iterator[Sample]:
        """Sequences, images, without gamma and beta."""
        yield Sample((draw((2, 3, 4), 740), draw((3,), 741), draw((3,), 742)))
        yield Sample((draw((1, 2, 2, 3), 743), draw((2,), 744), draw((2,), 745)))
        yield Sample((draw((2, 2, 4), 746), None, None))


class NeighbourSum(Structural):
    """Each channel plus the channels `before` and `after` it; beyond the edge there is 0.

    A channel receives the sum of upstream over the channels whose sum it is in.

    Parameters
    ----------
    x : array (examples, channels, …)
    before, after : int, at least 0
        How many neighbours on each side.
    """

    role = Role.DISTRIBUTOR
    formula = "x[c - before] + … + x[c + after]"
    placewise = True

    def forward(self, np: Any, x: Any, *, before: int, after: int) -> Any:
        self.shape(x.shape, before=before, after=after)
        channels = x.shape[1]
        sums = np.array(x, np.float64)
        for distance in range(1, min(channels, max(before, after) + 1)):
            if distance <= before:
                sums[:, distance:] += x[:, :-distance]
            if distance <= after:
                sums[:, :-distance] += x[:, distance:]
        return sums.astype(x.dtype, copy=False)

    def lower(self, np: Any, x: Any, *, before: int, after: int) -> Any:
        """The channels between zeros, moved to every distance and added."""
        self.shape(x.shape, before=before, after=after)
        channels, *rest = x.shape[1:]
        reach = [min(before, max(channels - 1, 0)), min(after, max(channels - 1, 0))]
        wide = np.asarray(x, np.float64)
        bordered = np.pad(wide, [(0, 0), tuple(reach), *[(0, 0)] * len(rest)], 0)
        total = bordered[:, :channels]
        for distance in range(1, reach[0] + reach[1] + 1):
            total = total + bordered[:, distance : distance + channels]
        return total.astype(x.dtype)

    def backward(self, upstream: Any, x: Any, output: Any, *, before: int, after: int) -> Any:
        return (neighbour_sum(upstream, before=after, after=before),)

    def shape(self, x: Shape, *, before: int, after: int) -> Shape:
        """The input's shape."""
        if len(x) < 2:
            raise ShapeError(
                self.name,
                got=f"an input of shape {x}",
                needs="(examples, channels, …)",
                remedy="Keep the batch's axis.",
            )
        shapes.whole(self.name, "before", before, 0)
        shapes.whole(self.name, "after", after, 0)
        return x

    def samples(self) -> Iterator[Sample]:
        """Uneven neighbourhoods, and one wider than the channels."""
        yield Sample((draw((2, 5), 750),), {"before": 2, "after": 1})
        yield Sample((draw((2, 3, 2), 751),), {"before": 0, "after": 1})
        yield Sample((draw((1, 2, 2, 2), 752),), {"before": 4, "after": 4})


class LocalResponseNorm(Structural):
    """x / (k + α/n · Σ x² over n neighbouring channels)^β: the strong quieten their neighbours.

    α is divided by the number of neighbours n, as in PyTorch. The paper's formula does not divide:
    AlexNet's k = 2, n = 5, α = 1e−4, β = 0.75 is size=5, alpha=5e-4, beta=0.75, k=2 here.

    Parameters
    ----------
    x : array (examples, channels, …)
    size : int, at least 1
        How many neighbouring channels, itself included; of an even number one more comes before.
    alpha, beta, k : float
        k is above 0, or a channel of zeros would be divided by 0.

    Raises
    ------
    ShapeError
        If the input has no channels.
    ArgumentError
        If size is not a whole number of at least 1, or k is not above 0.
    """

    role = Role.MIXER
    formula = "x / (k + alpha / size * sum(x[c]**2))**beta"
    placewise = True
    result = "float"
    source = "Krizhevsky, Sutskever and Hinton, 2012, section 3.3"

    def forward(
        self,
        np: Any,
        x: Any,
        *,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
    ) -> Any:
        x = as_float(np, x)
        self.shape(x.shape, size=size, k=k)
        wide = x.astype(np.float64)
        sums = neighbour_sum.forward(np, wide * wide, before=size // 2, after=(size - 1) // 2)
        return (wide / (k + alpha / size * sums) ** beta).astype(x.dtype, copy=False)

    def lower(
        self,
        np: Any,
        x: Any,
        *,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
    ) -> Any:
        """The sums in float64, the power in the type of x; of ¾, by square roots."""
        x = as_float(np, x)
        self.shape(x.shape, size=size, k=k)
        wide = x.astype(np.float64)
        sums = neighbour_sum.lower(np, wide * wide, before=size // 2, after=(size - 1) // 2)
        level = (k + alpha / size * sums).astype(x.dtype)
        if beta == 0.75:
            root = np.sqrt(level)
            return x / (root * np.sqrt(root))
        return x / level**beta

    def backward(
        self, upstream: Any, x: Any, output: Any, *, size: int, alpha: float, beta: float, k: float
    ) -> Any:
        before, after = size // 2, (size - 1) // 2
        level = k + alpha / size * neighbour_sum(x * x, before=before, after=after)
        felt = neighbour_sum(upstream * output / level, before=after, after=before)
        return (upstream * level**-beta - (2.0 * alpha * beta / size) * (x * felt),)

    def parts(
        self, x: Any, *, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
    ) -> Any:
        """Square, sum over neighbours, scale, power, divide."""
        sums = neighbour_sum(x * x, before=size // 2, after=(size - 1) // 2)
        return x / (k + alpha / size * sums) ** beta

    def shape(self, x: Shape, *, size: int = 5, k: float = 1.0, **_: Any) -> Shape:
        """The input's shape."""
        shapes.whole(self.name, "size", size, 1)
        if not k > 0:
            raise ArgumentError(
                self.name, got=f"k={k}", needs="a number above 0", remedy="Use 1, or AlexNet's 2."
            )
        return neighbour_sum.shape(x, before=0, after=0)

    def samples(self) -> Iterator[Sample]:
        """Odd and even neighbourhoods, strong enough to matter."""
        yield Sample((draw((2, 6), 760),), {"size": 3, "alpha": 0.5})
        yield Sample((draw((1, 4, 2, 2), 761),), {"size": 2, "alpha": 1.0, "k": 2.0})
        yield Sample((draw((2, 3), 762),))


def _channels(shape: Shape) -> Shape:
    return tuple(length if place == 1 else 1 for place, length in enumerate(shape))


group_norm = GroupNorm()
instance_norm = InstanceNorm()
neighbour_sum = NeighbourSum()
local_response_norm = LocalResponseNorm()

"""Gates that choose: comparisons, where, maximum, minimum, clip, absolute value, sign, rounding.

A choice is where a function has a kink. Each gate states its subgradient there: one winner takes
all, and the first wins a tie. (PyTorch, JAX, tinygrad and autograd halve the gradient of an
elementwise tie.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backlight.errors import ArgumentError
from backlight.gates.family import Elementwise, draw
from backlight.gates.gate import Role, Sample


class Comparison(Elementwise, abstract=True):
    """A truth value for every place; no gradient passes."""

    role = Role.WALL
    result = "bool"


class Equal(Comparison):
    """Whether the numbers are the same."""

    formula = "x == y"
    symbol = "="
    aliases = ("eq",)

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.equal(x, y)


class NotEqual(Comparison):
    """Whether the numbers differ."""

    formula = "x != y"
    symbol = "≠"
    aliases = ("ne",)

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.not_equal(x, y)


class Less(Comparison):
    """Whether x is the smaller."""

    formula = "x < y"
    symbol = "<"
    aliases = ("lt",)

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.less(x, y)


class LessEqual(Comparison):
    """Whether x is not the larger."""

    formula = "x <= y"
    symbol = "≤"
    aliases = ("le",)

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.less_equal(x, y)


class Greater(Comparison):
    """Whether x is the larger."""

    formula = "x > y"
    symbol = ">"
    aliases = ("gt",)

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.greater(x, y)


class GreaterEqual(Comparison):
    """Whether x is not the smaller."""

    formula = "x >= y"
    symbol = "≥"
    aliases = ("ge",)

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.greater_equal(x, y)


class LogicalAnd(Comparison):
    """Whether both are true (not zero)."""

    formula = "x and y"

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.logical_and(x, y)


class LogicalOr(Comparison):
    """Whether one is true (not zero)."""

    formula = "x or y"

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.logical_or(x, y)


class LogicalNot(Comparison):
    """Whether x is false (zero)."""

    formula = "not x"

    def forward(self, np: Any, x: Any) -> Any:
        return np.logical_not(x)


class Isnan(Comparison):
    """Whether the number is NaN."""

    formula = "x != x"

    def forward(self, np: Any, x: Any) -> Any:
        return np.isnan(x)


class Isfinite(Comparison):
    """Whether the number is neither NaN nor infinite."""

    formula = "abs(x) < inf"

    def forward(self, np: Any, x: Any) -> Any:
        return np.isfinite(x)


class Isinf(Comparison):
    """Whether the number is infinite, of either sign."""

    formula = "abs(x) == inf"

    def forward(self, np: Any, x: Any) -> Any:
        return np.isinf(x)


class Where(Elementwise):
    """x where the condition holds, else y. Upstream goes whole to the one that was taken.

    The other branch receives exactly 0, also where upstream is infinite.
    """

    role = Role.ROUTER
    formula = "x if condition else y"
    symbol = "if"
    selectors = ("condition",)

    def forward(self, np: Any, condition: Any, x: Any, y: Any) -> Any:
        return np.where(condition, x, y)

    def backward(self, upstream: Any, condition: Any, x: Any, y: Any, output: Any) -> Any:
        return (
            None,
            lambda: where(condition, upstream, 0.0),
            lambda: where(condition, 0.0, upstream),
        )

    def samples(self) -> Iterator[Sample]:
        for stream, sizes in enumerate([((2, 3),) * 3, ((),) * 3, ((0,),) * 3, ((3, 1), (2,), ())]):
            condition, x, y = (draw(size, 300 + 3 * stream + i) for i, size in enumerate(sizes))
            yield Sample((condition > 0, x, y))


class Maximum(Elementwise):
    """The larger of two numbers. Upstream goes whole to the winner; on a tie, to x."""

    role = Role.ROUTER
    formula = "max(x, y)"
    symbol = "max"
    kinks = "x == y: the gradient goes to x"
    source = "CS231n, lecture 4"

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.maximum(x, y)

    def backward(self, upstream: Any, x: Any, y: Any, output: Any) -> Any:
        # NaN beats everything, as in forward: it takes the gradient with it.
        won = (x >= y) | (x != x)
        return lambda: where(won, upstream, 0.0), lambda: where(won, 0.0, upstream)

    def branch(self, np: Any, x: Any, y: Any) -> Any:
        return np.sign(np.subtract(x, y))


class Minimum(Elementwise):
    """The smaller of two numbers. Upstream goes whole to the winner; on a tie, to x."""

    role = Role.ROUTER
    formula = "min(x, y)"
    symbol = "min"
    kinks = "x == y: the gradient goes to x"

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.minimum(x, y)

    def backward(self, upstream: Any, x: Any, y: Any, output: Any) -> Any:
        won = (x <= y) | (x != x)
        return lambda: where(won, upstream, 0.0), lambda: where(won, 0.0, upstream)

    def branch(self, np: Any, x: Any, y: Any) -> Any:
        return np.sign(np.subtract(x, y))


class Clip(Elementwise):
    """x held between two bounds. The gradient passes where x is within them, bounds included.

    Raises
    ------
    ArgumentError
        If the lower bound is above the upper.
    """

    role = Role.ROUTER
    formula = "min(max(x, low), high)"
    kinks = "x == low or x == high: gradient 1"
    aliases = ("clamp",)
    spellings = {"min": "low", "max": "high"}

    def forward(self, np: Any, x: Any, *, low: Any = None, high: Any = None) -> Any:
        if low is not None and high is not None and low > high:
            raise ArgumentError(
                "clip",
                got=f"low={low} above high={high}",
                needs="low ≤ high",
                remedy="Swap the bounds.",
            )
        # Without bounds the output is a copy: what shares memory with x would have to say so.
        bounded = np.maximum(x, x if low is None else low)
        return bounded if high is None else np.minimum(bounded, high)

    def backward(self, upstream: Any, x: Any, output: Any, *, low: Any, high: Any) -> Any:
        return (where(x == output, upstream, 0.0),)

    def dtype(self, *given: Any, low: Any = None, high: Any = None) -> Any:
        return super().dtype(*given, *[type(bound) for bound in (low, high) if bound is not None])

    def branch(self, np: Any, x: Any, *, low: Any, high: Any) -> Any:
        below = 0 if low is None else np.sign(x - low)
        above = 0 if high is None else np.sign(x - high)
        return below + 3 * above

    def samples(self) -> Iterator[Sample]:
        bounds = [(-0.5, 0.5), (None, 0.2), (-0.3, None), (None, None)]
        for stream, (low, high) in enumerate(bounds):
            yield Sample((draw((3, 4), 320 + stream),), {"low": low, "high": high})


class Absolute(Elementwise):
    """|x|. The gradient is upstream with the sign of x, and 0 at 0 (JAX says 1 there)."""

    role = Role.SCALER
    formula = "abs(x)"
    symbol = "|x|"
    kinks = "x == 0: gradient 0"
    aliases = ("abs",)

    def forward(self, np: Any, x: Any) -> Any:
        return np.absolute(x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream * sign(x),)

    def branch(self, np: Any, x: Any) -> Any:
        return np.sign(x)


class Sign(Elementwise):
    """−1, 0 or 1. Flat everywhere, so no gradient passes."""

    role = Role.WALL
    formula = "sign(x)"
    kinks = "x == 0"

    def forward(self, np: Any, x: Any) -> Any:
        return np.sign(x)

    def branch(self, np: Any, x: Any) -> Any:
        return np.sign(x)


class Floor(Elementwise):
    """The whole number at or below x. Flat almost everywhere, so no gradient passes."""

    role = Role.WALL
    formula = "floor(x)"
    kinks = "x whole"

    def forward(self, np: Any, x: Any) -> Any:
        return np.floor(x)

    def branch(self, np: Any, x: Any) -> Any:
        return np.floor(x)


class Ceil(Elementwise):
    """The whole number at or above x. Flat almost everywhere, so no gradient passes."""

    role = Role.WALL
    formula = "ceil(x)"
    kinks = "x whole"

    def forward(self, np: Any, x: Any) -> Any:
        return np.ceil(x)

    def branch(self, np: Any, x: Any) -> Any:
        return np.ceil(x)


class Round(Elementwise):
    """The nearest whole number; halfway, the even one. No gradient passes."""

    role = Role.WALL
    formula = "round(x)"
    kinks = "x halfway between whole numbers"

    def forward(self, np: Any, x: Any) -> Any:
        # NumPy rounds truth values to half-precision numbers; they are whole already.
        truths = getattr(x, "dtype", None) == np.bool_
        return np.floor(x) if truths else np.round(x)

    def branch(self, np: Any, x: Any) -> Any:
        return np.floor(x + 0.5) + np.ceil(x + 0.5)


equal = Equal()
not_equal = NotEqual()
less = Less()
less_equal = LessEqual()
greater = Greater()
greater_equal = GreaterEqual()
logical_and = LogicalAnd()
logical_or = LogicalOr()
logical_not = LogicalNot()
isnan = Isnan()
isfinite = Isfinite()
isinf = Isinf()
where = Where()
maximum = Maximum()
minimum = Minimum()
clip = Clip()
absolute = Absolute()
sign = Sign()
floor = Floor()
ceil = Ceil()
round = Round()

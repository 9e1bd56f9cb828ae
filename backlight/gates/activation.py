"""Smooth activations: sigmoid and its logarithm, softplus, SiLU, GELU.

Each is written so that no number overflows, no digit is lost in the tails, and an infinite input
gives the limit and a gradient that is a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backlight.errors import ArgumentError, nearest
from backlight.gates.arithmetic import reciprocal
from backlight.gates.choice import absolute, clip, maximum, minimum
from backlight.gates.error_function import normal_cdf_values
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role, Sample
from backlight.gates.transcendental import erfc, exp, log1p, tanh

_EXP_MINUS_64 = 1.603810890548637852976e-28
_ROOT_HALF = 0.70710678118654752440
_BELL = 0.39894228040143267794  # 1/√(2π), the height of the normal density
_TANH_SCALE = 0.79788456080286535588  # √(2/π)
_TANH_CUBIC = 0.044715


class Sigmoid(Elementwise):
    """1 / (1 + e^(−x)), between 0 and 1; the local gradient σ·(1 − σ) is at most ¼.

    The exponential is taken of −|x| only, so that it never overflows. At both ends the unit is
    saturated: its gradient is 0.10 at ±2, 0.0066 at ±5 and 4.5e−5 at ±10, and nothing beyond
    learns. It is not centred at 0, so that the weights of the next layer all move the same way.
    """

    role = Role.SQUASH
    formula = "1 / (1 + exp(-x))"
    symbol = "σ"
    result = "float"
    source = "CS231n, lecture 4"

    def forward(self, np: Any, x: Any) -> Any:
        small = np.exp(-np.abs(x))
        return np.where(x >= 0, 1.0, small) / (1.0 + small)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream * (output * (1.0 - output)),)

    def parts(self, x: Any) -> Any:
        """Times −1, exponential, plus 1, 1/x: the four gates of the lecture."""
        return reciprocal(exp(-x) + 1.0)


class LogSigmoid(Elementwise):
    """ln σ(x), exact in both tails; the local gradient is σ(−x)."""

    role = Role.SCALER
    formula = "-log(1 + exp(-x))"
    result = "float"

    def forward(self, np: Any, x: Any) -> Any:
        return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream * sigmoid(-x),)

    def parts(self, x: Any) -> Any:
        """The smaller of x and 0, less ln(1 + e^(−|x|))."""
        return minimum(x, 0.0) - log1p(exp(-absolute(x)))


class Softplus(Elementwise):
    """ln(1 + eˣ), a ReLU without its corner; the local gradient is σ(x)."""

    role = Role.SCALER
    formula = "log(1 + exp(x))"
    result = "float"

    def forward(self, np: Any, x: Any) -> Any:
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream * sigmoid(x),)

    def parts(self, x: Any) -> Any:
        """The larger of x and 0, plus ln(1 + e^(−|x|))."""
        return maximum(x, 0.0) + log1p(exp(-absolute(x)))


class Silu(Elementwise):
    """x·σ(x), the swish. Its tail is exact where σ(x) alone is no longer a normal number."""

    role = Role.SCALER
    formula = "x / (1 + exp(-x))"
    result = "float"
    source = "Elfwing, Uchibe and Doya, 2017; Ramachandran, Zoph and Le, 2017"
    aliases = ("swish",)

    def forward(self, np: Any, x: Any) -> Any:
        size = np.abs(x)
        far = size > 64.0
        # Adding 64 to a number below −64 is exact: the exponential is taken where it is a normal
        # number, and the factor e^(−64) comes last.
        small = np.exp(np.where(far, 64.0 - size, -size))
        below = np.maximum(x, -1000.0) * small
        below = np.where(far, below * _EXP_MINUS_64, below)
        return np.where(x >= 0, x, below) / (1.0 + np.where(far, 0.0, small))

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        # σ + x·σ·(1 − σ); beyond 1000 the last factor is 0, and the bound keeps ∞·0 away.
        squashed = sigmoid(x)
        return (upstream * (squashed + minimum(output, 1000.0) * (1.0 - squashed)),)

    def parts(self, x: Any) -> Any:
        """The number times its sigmoid."""
        return x * sigmoid(x)


class Gelu(Elementwise):
    """x·Φ(x), where Φ(x) is the share of a standard normal distribution below x.

    `approximate="tanh"` replaces Φ by ½(1 + tanh(√(2/π)·(x + 0.044715·x³))), which differs by at
    most 5e−4. Both keep their digits in the left tail and are 0 with gradient 0 at −∞.

    Raises
    ------
    ArgumentError
        If `approximate` is neither "none" nor "tanh".
    """

    role = Role.SCALER
    formula = "x * erfc(-x / sqrt(2)) / 2"
    result = "float"
    source = "Hendrycks and Gimpel, Gaussian error linear units, 2016"

    def forward(self, np: Any, x: Any, *, approximate: str = "none") -> Any:
        held = np.maximum(x, -100.0)  # Φ is 0 there: the bound keeps −∞·0 away
        if approximate == "none":
            return normal_cdf_values(np, x, held)
        if approximate != "tanh":
            raise ArgumentError(
                "gelu",
                got=f"approximate={approximate!r}",
                needs="'none' or 'tanh'",
                remedy=nearest(approximate, ("none", "tanh")),
            )
        # ½(1 + tanh u) is σ(2u), without the cancellation of 1 + tanh.
        bounded = np.minimum(held, 100.0)
        return held * sigmoid.forward(np, _twice_inner(bounded))

    def backward(self, upstream: Any, x: Any, output: Any, *, approximate: str) -> Any:
        held = clip(x, -100.0, 100.0)
        if approximate == "none":
            share = 0.5 * erfc(-_ROOT_HALF * held)
            density = _BELL * exp(-0.5 * (held * held))
            return (upstream * (share + held * density),)
        share = sigmoid(_twice_inner(held))
        inner_slope = 2.0 * _TANH_SCALE * (1.0 + 3.0 * _TANH_CUBIC * (held * held))
        return (upstream * (share + held * inner_slope * (share * (1.0 - share))),)

    def parts(self, x: Any, *, approximate: str = "none") -> Any:
        """The number times ½ erfc(−x/√2), or times ½(1 + tanh)."""
        if approximate == "none":
            return x * (0.5 * erfc(-_ROOT_HALF * x))
        return x * (0.5 * (1.0 + tanh(0.5 * _twice_inner(x))))

    def samples(self) -> Iterator[Sample]:
        """Every elementwise sample, in both forms."""
        for sample in super().samples():
            yield sample
            yield Sample(sample.inputs, {"approximate": "tanh"})


def _twice_inner(x: Any) -> Any:
    return 2.0 * _TANH_SCALE * (x + _TANH_CUBIC * (x * x * x))


sigmoid = Sigmoid()
log_sigmoid = LogSigmoid()
softplus = Softplus()
silu = Silu()
gelu = Gelu()

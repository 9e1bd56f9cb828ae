"""Roots, exponentials, logarithms, circular and error functions."""

from __future__ import annotations

from typing import Any

from backlight.gates.choice import where
from backlight.gates.error_function import erf_values, erfc_values
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role

TWO_OVER_ROOT_PI = 1.1283791670955126


class Sqrt(Elementwise):
    """Square root. The gradient upstream / (2√x) grows without bound towards 0."""

    role = Role.SCALER
    formula = "sqrt(x)"
    symbol = "√"
    domain = {"x": "x >= 0"}
    result = "float"

    def forward(self, np: Any, x: Any) -> Any:
        return np.sqrt(x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream * 0.5 / output,)


class Rsqrt(Elementwise):
    """One over the square root. The gradient is −upstream / (2 x √x)."""

    role = Role.SCALER
    formula = "1 / sqrt(x)"
    symbol = "1/√x"
    domain = {"x": "x > 0"}
    result = "float"

    def forward(self, np: Any, x: Any) -> Any:
        return 1.0 / np.sqrt(x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream * -0.5 * output / x,)


class Exp(Elementwise):
    """eˣ, its own derivative."""

    role = Role.SCALER
    formula = "exp(x)"
    result = "float"

    def forward(self, np: Any, x: Any) -> Any:
        return np.exp(x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream * output,)


class Expm1(Elementwise):
    """eˣ − 1, exact for small x."""

    role = Role.SCALER
    formula = "exp(x) - 1"
    result = "float"

    def forward(self, np: Any, x: Any) -> Any:
        return np.expm1(x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream * (output + 1),)


class Log(Elementwise):
    """Natural logarithm. The gradient is upstream / x."""

    role = Role.SCALER
    formula = "log(x)"
    domain = {"x": "x > 0"}
    result = "float"

    def forward(self, np: Any, x: Any) -> Any:
        return np.log(x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream / x,)


class Log1p(Elementwise):
    """ln(1 + x), exact for small x."""

    role = Role.SCALER
    formula = "log(1 + x)"
    domain = {"x": "x > -1"}
    result = "float"

    def forward(self, np: Any, x: Any) -> Any:
        return np.log1p(x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream / (1 + x),)


class Sin(Elementwise):
    """Sine, x in radians."""

    role = Role.SCALER
    formula = "sin(x)"
    result = "float"

    def forward(self, np: Any, x: Any) -> Any:
        return np.sin(x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream * cos(x),)


class Cos(Elementwise):
    """Cosine, x in radians."""

    role = Role.SCALER
    formula = "cos(x)"
    result = "float"

    def forward(self, np: Any, x: Any) -> Any:
        return np.cos(x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (-upstream * sin(x),)


class Tanh(Elementwise):
    """Hyperbolic tangent, 2σ(2x) − 1. The local gradient 1 − tanh² fades to 0 at both ends."""

    role = Role.SQUASH
    formula = "tanh(x)"
    result = "float"

    def forward(self, np: Any, x: Any) -> Any:
        return np.tanh(x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        # (1 − y)(1 + y) rather than 1 − y², which loses the last digits near ±1.
        return (upstream * ((1 - output) * (1 + output)),)


class Erf(Elementwise):
    """The error function, 2/√π ∫₀ˣ e^(−t²) dt; the local gradient is 2/√π · e^(−x²)."""

    role = Role.SQUASH
    formula = "erf(x)"
    result = "float"
    source = "W. J. Cody, Rational Chebyshev approximations for the error function, 1969"

    def forward(self, np: Any, x: Any) -> Any:
        return erf_values(np, x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream * (TWO_OVER_ROOT_PI * exp(-x * x)),)


class Erfc(Elementwise):
    """1 − erf(x), with all its digits where erf is close to 1."""

    role = Role.SQUASH
    formula = "erfc(x)"
    result = "float"
    source = "W. J. Cody, Rational Chebyshev approximations for the error function, 1969"

    def forward(self, np: Any, x: Any) -> Any:
        return erfc_values(np, x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream * (-TWO_OVER_ROOT_PI * exp(-x * x)),)


class Hypot(Elementwise):
    """√(x² + y²) without the overflow or underflow of the squares; at (0, 0) the gradient is 0."""

    role = Role.MIXER
    formula = "sqrt(x**2 + y**2)"
    kinks = "x == 0 and y == 0: gradient 0"
    result = "float"

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.hypot(x, y)

    def backward(self, upstream: Any, x: Any, y: Any, output: Any) -> Any:
        length = where(output == 0, 1.0, output)
        return lambda: upstream * (x / length), lambda: upstream * (y / length)

    def branch(self, np: Any, x: Any, y: Any) -> Any:
        return np.hypot(x, y) == 0


sqrt = Sqrt()
rsqrt = Rsqrt()
exp = Exp()
expm1 = Expm1()
log = Log()
log1p = Log1p()
sin = Sin()
cos = Cos()
tanh = Tanh()
erf = Erf()
erfc = Erfc()
hypot = Hypot()

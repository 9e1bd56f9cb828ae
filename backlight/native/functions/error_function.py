"""The error function and its complement.

Near 0, erf x = x·P(x²). In float32 the tail is 1 − e^(−Q(x)); in float64 erfc is
e^(−x²)/(1 + 2x) times a polynomial of (x − K)/(x + K), which takes 0 … ∞ to −1 … 1. Source of that
last form: M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc x
in 0 ≤ x < ∞", Mathematics of Computation 36, 1981.
"""

from __future__ import annotations

from backlight.native.functions.exponential import exp_of_sum, exp_within
from backlight.native.functions.polynomial import (
    FLOAT32,
    FLOAT64,
    exact_product,
    floating,
    magnitude,
    polynomial,
    single_or_double,
    with_sign_of,
)
from backlight.native.machine_code.emit import Code, Number

# erf(x)/x − 1 as a polynomial of x² − 7/16, up to x = 1.1: relative error of erf 2^−32 and 2^−64.
# Around such a middle rounding is felt half as much as around 0.
_NEAR = {
    4: (
        -0.0166495368,
        -0.291216135,
        0.0829211622,
        -0.0191762131,
        0.00366041996,
        -0.000591834716,
        8.25399693e-05,
        -8.76887589e-06,
    ),
    8: (
        -0.01664953745787181,
        -0.29121613263426094,
        0.08292117223750459,
        -0.01917626207388488,
        0.0036603171721910203,
        -0.0005913539305362929,
        8.262038384581792e-05,
        -1.0156563765656387e-05,
        1.1139419745965757e-06,
        -1.1024214085211093e-07,
        9.937368075440043e-09,
        -8.224555438856749e-10,
        6.250078943211855e-11,
        -3.816349317284619e-12,
    ),
}
_MIDDLE = 0.4375
_SEAM = 1.1
# −ln erfc(1 + u) for 1.1 ≤ 1 + u ≤ 4: error of erf 2^−30. At 4, erf is 1 in float32.
_TAIL32 = (
    1.84960568,
    2.63896275,
    0.843142867,
    0.041434098,
    -0.00980423391,
    0.00177369849,
    -0.000173807464,
)
# (1 + 2x)·e^(x²)·erfc x as a polynomial of (x − 3.75)/(x + 3.75): relative error 2^−59.
_CENTRE = 3.75
_SCALED_TAIL = (
    1.2375126308378275,
    -0.14024059858554702,
    0.003585415485464435,
    0.08227673849015119,
    -0.1088039301417492,
    0.09230432116019428,
    -0.05869339858962896,
    0.028362277421562613,
    -0.00974657955811628,
    0.0017556258321254055,
    0.0002937136661456774,
    -0.00029015397818588025,
    5.1649096700691216e-05,
    2.23839095412548e-05,
    -1.1444140619972508e-05,
    -9.728463014373845e-07,
    1.7516281573619777e-06,
    -5.8264740954295286e-08,
    -2.586580122450009e-07,
    2.428903460191933e-08,
    3.866802898439234e-08,
    -4.387300047687779e-09,
    -5.171086404296394e-09,
    5.44479530630846e-10,
    4.2464462207414727e-10,
    -3.725724401904947e-11,
)
# The same for a float32 result: 2^−30.
_SCALED_TAIL_SHORT = (
    1.2375126300323023,
    -0.14024060071322747,
    0.003585495729340512,
    0.08227680479514116,
    -0.10880523576430805,
    0.09230370646402049,
    -0.05868539398120711,
    0.028364852153714017,
    -0.009770194794183415,
    0.0017499768356455747,
    0.0003302762021605922,
    -0.0002834124545015663,
    2.2006828741337727e-05,
    1.8256509493557355e-05,
)


@single_or_double
def erf(code: Code, x: Number) -> Number:
    """2/√π ∫₀ˣ e^(−t²) dt."""
    width = x.dtype.itemsize
    size = magnitude(code, x)
    near = code.fma(size, _near(code, size), size)
    if width == 4:
        place = code.select(size > 4.0, 4.0, size) - 1.0
        far = 1.0 - exp_within(code, -polynomial(code, _TAIL32, place))
    else:
        far = 1.0 - _tail(code, size, _SCALED_TAIL)
    return with_sign_of(code, code.select(size < _SEAM, near, code.select(x != x, x, far)), x)


def erfc(code: Code, x: Number) -> Number:
    """1 − erf x, with all its digits where erf is close to 1; computed in float64."""
    x = floating(x)
    single = x.dtype == FLOAT32
    x = x.astype(FLOAT64)
    size = magnitude(code, x)
    near = 1.0 - code.fma(x, _near(code, x), x)
    tail = _tail(code, size, _SCALED_TAIL_SHORT if single else _SCALED_TAIL)
    far = code.select(x < 0.0, 2.0 - tail, tail)
    value = code.select(size < 0.5, near, far)
    return value.astype(FLOAT32) if single else value


def _near(code: Code, x: Number) -> Number:
    """What erf(x)/x is more than 1, for |x| ≤ 1.1."""
    return polynomial(code, _NEAR[x.dtype.itemsize], code.fma(x, x, -_MIDDLE))


def _tail(code: Code, size: Number, coefficients: tuple[float, ...]) -> Number:
    """Complementary error function of a number that is not negative."""
    held = code.select(size > 30.0, 30.0, size)
    place = (held - _CENTRE) / (held + _CENTRE)
    square, lost = exact_product(code, held, held)
    bell = exp_of_sum(code, -square, -lost)
    return bell * (polynomial(code, coefficients, place) / (held + held + 1.0))


FUNCTIONS = {"erf": erf, "erfc": erfc}

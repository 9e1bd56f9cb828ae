"""Every elementwise function of the loop language, as instructions, under NumPy's name.

`FUNCTIONS[name](code, *numbers)` writes the code that computes `numpy.name`, for one element or a
vector of them, with the same bits for every number of lanes, and without a call of the C library.

Largest errors in units of the last place, float32 over all its numbers, float64 over samples:

====================  =======  =======
function              float32  float64
====================  =======  =======
exp                   1.00     0.95
expm1                 0.89     1.1
log                   0.89     0.85
log1p                 1.00     0.83
tanh                  0.98     1.04
erf                   0.95     0.9
erfc                  0.52     3.3
sin, cos              0.51     0.8
tan                   0.51     2.0
sinh, cosh            0.51     2.1
arcsin, arccos        0.51     1.5
arctan, arctan2       0.51     2.1
exp2, log2, log10     0.51     1.7
power, hypot          0.51     1.2
sqrt                  0.5      0.5
====================  =======  =======

The first six compute float32 in float32 (in float64 on a target without fused products), the
others compute it in float64 and round once.
"""

from __future__ import annotations

from collections.abc import Callable

from backlight.native.functions import (
    arithmetic,
    error_function,
    exponential,
    inverse_circular,
    logarithm,
    power,
    remainder,
    trigonometry,
)
from backlight.native.machine_code.emit import Number

FUNCTIONS: dict[str, Callable[..., Number]] = {
    **arithmetic.FUNCTIONS,
    **exponential.FUNCTIONS,
    **logarithm.FUNCTIONS,
    **power.FUNCTIONS,
    **remainder.FUNCTIONS,
    **trigonometry.FUNCTIONS,
    **inverse_circular.FUNCTIONS,
    **error_function.FUNCTIONS,
}
"""NumPy's name → what writes it."""

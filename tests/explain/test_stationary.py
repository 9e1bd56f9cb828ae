"""A gradient of zero: minimum, maximum, saddle or plateau, by the curvature."""

import numpy as np
import pytest

from backlight.explain.stationary import stationary


@pytest.mark.parametrize(
    ("f", "x", "kind"),
    [
        (lambda v: v[0] ** 2 - v[1] ** 2, [0.0, 0.0], "saddle"),
        (lambda v: (v * v).sum(), [0.0, 0.0], "minimum"),
        (lambda v: -(v * v).sum(), [0.0, 0.0], "maximum"),
        (lambda v: (v.relu() ** 2).sum(), [-3.0, -2.0], "plateau"),
        (lambda v: (v**4).sum(), [0.0, 0.0], "minimum"),
        (lambda v: (v**3).sum(), [0.0], "saddle"),
        (lambda v: v[0] ** 2 + 0.0 * v[1], [0.0, 5.0], "minimum"),
        (lambda v: (v * v).sum(), [1.0, 0.0], "not stationary"),
        (lambda v: 1e8 * (v[0] ** 2 - v[1] ** 2), [0.0, 0.0], "saddle"),
    ],
)
def test_kinds(f, x, kind):
    assert stationary(f, x).kind == kind


def test_a_local_minimum_is_not_the_global_one():
    def f(v):
        return (v**4 - v**2 + 0.3 * v).sum()

    right = float(np.roots([4, 0, -2, 0.3]).real.max())
    found = stationary(f, [right])
    assert found.kind == "minimum"
    assert found.lower is not None
    assert found.lower[1] < found.value
    assert "not the global one" in str(found)
    assert stationary(lambda v: (v * v).sum(), [0.0]).lower is None


def test_eigenvalues_are_the_curvatures():
    found = stationary(lambda v: 3 * v[0] ** 2 - v[1] ** 2 + 4 * v[0] * v[1], [0.0, 0.0])
    assert np.allclose(found.eigenvalues, np.linalg.eigvalsh([[6, 4], [4, -2]]))
    assert str(found).startswith("saddle: value 0")

"""New tensors: shapes, types, refusals."""

import numpy as np
import pytest

import backlight
from backlight.errors import ArgumentError, DTypeError


@pytest.mark.parametrize(
    "make", [backlight.zeros, backlight.ones, backlight.rand, backlight.randn, backlight.empty]
)
def test_sizes_and_types(make):
    assert make(2, 3).shape == make((2, 3)).shape == make([2, 3]).shape == (2, 3)
    assert make().shape == ()
    assert make(0, 3).size == 0
    assert make(2).dtype == np.float32
    assert make(2, dtype=np.float64).dtype == np.float64
    assert make(2, requires_grad=True).requires_grad
    for wrong in ((-1,), (2.5,), ("2",), (True,)):
        with pytest.raises(ArgumentError):
            make(*wrong)


@pytest.mark.parametrize(
    "make",
    [
        lambda: backlight.zeros(10**9, 10**6),
        lambda: backlight.full((10**15,), 1.0),
        lambda: backlight.arange(10**15),
        lambda: backlight.randn(10**8, 10**8),
        lambda: backlight.eye(10**8),
        lambda: backlight.linspace(0, 1, 10**15),
    ],
)
def test_what_does_not_fit_the_memory_is_refused_with_its_size(make):
    with pytest.raises(ArgumentError, match="bytes"):
        make()


def test_values():
    assert backlight.full((2,), True).dtype == np.bool_
    assert backlight.full((), 2.5).item() == 2.5
    assert backlight.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert backlight.zeros_like(backlight.ones(2, dtype=np.float64)).dtype == np.float64
    assert backlight.ones_like(np.zeros(2)).tolist() == [1, 1]
    assert backlight.full_like(np.zeros((2, 2), np.int64), 3).tolist() == [[3, 3], [3, 3]]
    with pytest.raises(ArgumentError):
        backlight.full((2,), [1, 2])


def test_ranges():
    assert backlight.arange(3).dtype == np.int64
    assert backlight.arange(5, 1, -2).tolist() == [5, 3]
    assert backlight.arange(0.0, 1.0, 0.5).dtype == np.float32
    assert backlight.arange(3, 1).size == 0
    assert backlight.linspace(1, 2, 1).tolist() == [1.0]
    for wrong in ((0, 5, 0), (0, float("inf")), (0, float("nan"))):
        with pytest.raises(ArgumentError):
            backlight.arange(*wrong)


def test_random_numbers_are_floats():
    with pytest.raises(DTypeError):
        backlight.rand(2, dtype=np.int64)
    x = backlight.randn(10_000)
    assert abs(float(x.mean())) < 0.05
    assert sorted(backlight.engine.create.randperm(6).tolist()) == list(range(6))

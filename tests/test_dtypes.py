"""Types of elements: which there are, how they mix, and what is converted."""

import itertools

import numpy as np
import pytest

from backlight import dtypes
from backlight.errors import ArgumentError, DTypeError

KINDS = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
]


@pytest.mark.parametrize(("a", "b"), list(itertools.product(KINDS, KINDS)))
def test_two_arrays_mix_like_numpy_s_but_whole_numbers_make_nothing_double(a, b):
    a, b = np.dtype(a), np.dtype(b)
    found = dtypes.promote(a, b)
    if "f" in (a.kind, b.kind):
        assert found == (np.float64 if np.float64 in (a, b) else np.float32)
    elif np.result_type(a, b).kind == "f":
        assert found == np.float32
    else:
        assert found == np.result_type(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_python_numbers_are_weak(kind):
    kind = np.dtype(kind)
    assert dtypes.promote(kind, float) == (kind if kind.kind == "f" else np.float32)
    assert dtypes.promote(kind, int) == (kind if kind.kind != "b" else np.int64)
    assert dtypes.promote(kind, bool) == kind
    assert dtypes.promote(float) == np.float32
    assert dtypes.promote(int) == np.int64
    assert dtypes.promote(bool) == np.bool_


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1.0, "float32"),
        (1, "int64"),
        (True, "bool"),
        ([1, 2.0], "float32"),
        ([], "float32"),
        ([True, False], "bool"),
        (np.float64(1), "float64"),
        (np.array([1.0]), "float64"),
        (np.array([1], "i2"), "int16"),
        (np.array([1.0], ">f8"), "float64"),
        (np.array([1.0], ">f4"), "float32"),
        (range(3), "int64"),
        (memoryview(b"ab"), "uint8"),
    ],
)
def test_what_becomes_an_array(value, dtype):
    found = dtypes.as_array(value)
    assert found.dtype == dtype
    assert found.dtype.isnative


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("text", "<U4"),
        (None, "object"),
        (1j, "complex"),
        (np.float16(1), "float16"),
        ([[1], [1, 2]], "equal length"),
        (np.array(["2020"], "M8[Y]"), "datetime"),
        (b"bytes", "S5"),
        (10**30, "object"),
        (np.ma.array([1.0]), "masked"),
        ({1, 2}, "object"),
    ],
)
def test_what_does_not(value, words):
    with pytest.raises(DTypeError, match=words):
        dtypes.as_array(value, subject="labels")


def test_a_wanted_type_that_there_is_not():
    for wanted in (np.float16, complex, "U3"):
        with pytest.raises(DTypeError, match="labels"):
            dtypes.as_array([1.0], wanted, "labels")


def test_the_default_can_be_double():
    try:
        dtypes.set_default_dtype(np.float64)
        assert dtypes.as_array([0.1]).dtype == np.float64
        assert dtypes.promote(float) == np.float64
        assert dtypes.floating(np.dtype("int8")) == np.float64
    finally:
        dtypes.set_default_dtype(np.float32)
    for bad in (np.float16, int):
        with pytest.raises(ArgumentError, match="float32 or float64"):
            dtypes.set_default_dtype(bad)
    assert dtypes.get_default_dtype() == np.float32

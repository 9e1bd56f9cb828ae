"""The element types that Backlight computes with, and how they mix.

Floating point is float32 or float64; whole numbers and truth values take part where they make
sense (labels, indices, masks). A Python number is *weak*: it takes the type of the array it meets,
so that a float32 tensor times 2.0 stays float32. Whole numbers never become float64 by accident:
where a floating result is needed they become the default type.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from backlight.errors import ArgumentError, DTypeError

Array = np.ndarray[Any, Any]
DType = np.dtype[Any]

float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)
boolean = np.dtype(np.bool_)

_SUPPORTED = "bool, int8…int64, uint8…uint64, float32, float64"
_default = float32


def get_default_dtype() -> DType:
    """The floating type given to Python numbers and lists: float32 unless set."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Make float32 or float64 the type given to Python numbers and lists.

    Raises
    ------
    ArgumentError
        If `dtype` is another type.
    """
    global _default
    chosen = np.dtype(dtype)
    if chosen not in (float32, float64):
        raise ArgumentError(
            "set_default_dtype",
            got=str(chosen),
            needs="float32 or float64",
            remedy="Pass numpy.float32 or numpy.float64.",
        )
    _default = chosen


def is_supported(dtype: DType) -> bool:
    """Whether tensors can have elements of this type."""
    return dtype.kind in "bui" or dtype.newbyteorder("=") in (float32, float64)


def is_floating(dtype: DType) -> bool:
    """Whether values of this type can carry a gradient."""
    return dtype.kind == "f"


def as_array(value: Any, dtype: Any = None, subject: str = "tensor") -> Array:
    """`value` as an array of a supported type and of this machine's byte order.

    Lists and Python numbers take the default floating type if they hold fractions, int64 if they
    are whole, bool if they are truth values. Arrays keep their type. The result may share memory
    with `value`.

    Raises
    ------
    DTypeError
        If the elements are text, objects, dates, complex or half-precision numbers, or if a list
        is ragged.

    Examples
    --------
    >>> as_array([1.0, 2.0]).dtype, as_array([1, 2]).dtype
    (dtype('float32'), dtype('int64'))
    """
    if "numpy.ma" in sys.modules and np.ma.isMaskedArray(value):  # no need to load it to know
        raise DTypeError(
            subject,
            got="a masked array",
            needs="an array without a mask",
            remedy="Fill the masked elements: array.filled(value).",
        )
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as problem:
        raise DTypeError(
            subject,
            got=f"a value that is not a regular array ({problem})",
            needs="numbers in rows of equal length",
            remedy="Make the rows equally long.",
        ) from problem
    if dtype is None and array.dtype == float64 and not hasattr(value, "dtype"):
        dtype = _default
    if dtype is not None:
        dtype = np.dtype(dtype)
    if not is_supported(array.dtype) or (dtype is not None and not is_supported(dtype)):
        wrong = array.dtype if not is_supported(array.dtype) else dtype
        raise DTypeError(
            subject,
            got=f"elements of type {wrong}",
            needs=_SUPPORTED,
            remedy="Convert them first, for example array.astype(numpy.float32).",
        )
    target = array.dtype if dtype is None else dtype
    if array.dtype == target and target.isnative:
        return array  # asking NumPy for an equal type that is another object gives a view
    return np.asarray(array, dtype=target.newbyteorder("="))


def promote(*dtypes: Any) -> DType:
    """The type of a result of these types; `float`, `int` and `bool` stand for Python numbers.

    Examples
    --------
    >>> promote(float32, float), promote(np.dtype("uint8"), float), promote(int64, float32)
    (dtype('float32'), dtype('float32'), dtype('float32'))
    """
    strong = [dtype for dtype in dtypes if isinstance(dtype, np.dtype)]
    weak = [dtype for dtype in dtypes if not isinstance(dtype, np.dtype)]
    floating = [dtype for dtype in strong if dtype.kind == "f"]
    if floating:
        return float64 if float64 in floating else float32
    if float in weak:
        return _default
    if not strong:
        return int64 if int in weak else boolean
    result = np.result_type(*strong)
    if result.kind == "f":  # NumPy's answer to uint64 with int64
        return _default
    if int in weak and result.kind == "b":
        return int64
    return result


def floating(dtype: DType) -> DType:
    """`dtype` if it is floating, else the default floating type."""
    return dtype if dtype.kind == "f" else _default

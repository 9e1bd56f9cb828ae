"""Arrays of places: read as whole numbers, held to their range, and sums by place."""

from __future__ import annotations

from typing import Any

import numpy

from backlight.errors import DTypeError, RangeError
from backlight.gates.refusal import computed
from backlight.gates.slicing import beyond

Array = numpy.ndarray[Any, Any]


def whole_places(np: Any, subject: str, places: Any) -> Any:
    """`places` as an array of whole numbers.

    Raises
    ------
    DTypeError
        If they are fractions, truth values or anything else.
    """
    array = np.asarray(places)
    if array.dtype.kind not in "ui" and array.size:
        raise DTypeError(
            subject,
            got=f"places of type {array.dtype}",
            needs="whole numbers",
            remedy="Convert them, for example with .long(); select by a mask as x[m].",
        )
    return array if array.dtype.kind in "ui" else array.astype(np.int64)


def legal(np: Any, subject: str, places: Any, size: int, axis: int) -> Any:
    """Whole numbers, for a compiler, on the condition that an axis of this size has them."""
    places = whole_places(np, subject, places)
    inside = (places >= -size) & (places < size)
    return np.check(places, inside, refuse_place, (subject, ..., size, axis))


def within(np: Any, subject: str, what: str, values: Any, limit: int, of: str) -> Any:
    """`values` as whole numbers from 0 to limit − 1; −1 is no such number.

    Raises
    ------
    RangeError
        If one is not; the message holds value, range and position.
    """
    array = whole_places(np, subject, values)
    if computed(np):
        refuse_number(subject, what, array, limit, of)
        return array
    inside = (array >= 0) & (array < limit)
    return np.check(array, inside, refuse_number, (subject, what, ..., limit, of))


def refuse_number(subject: str, what: str, array: Any, limit: int, of: str) -> None:
    """Raise RangeError for the first number that is not from 0 to limit − 1."""
    if array.size and (array.min() < 0 or array.max() >= limit):
        value, position = _first(array, (array < 0) | (array >= limit))
        raise RangeError(
            subject,
            got=f"{what} {value}{position}",
            needs=f"{'indices' if what == 'index' else what + 's'} from 0 to {limit - 1}",
            remedy=f"Correct it, or make room: there are {limit} {of}.",
        )


def refuse_place(subject: str, places: Any, size: int, axis: int) -> None:
    """Raise RangeError for the first of `places` that an axis of this size does not have."""
    array = numpy.asarray(places)
    wrong = (array < -size) | (array >= size)
    if wrong.any():
        value, position = _first(array, wrong)
        raise beyond(subject, value, size, axis, position)


def add_rows(np: Any, x: Any, places: Any, shape: tuple[int, ...], axis: int) -> Any:
    """Zeros of `shape` with slices of x added at places along one axis.

    Slices of one place are brought together by a stable sort and added in float64: the order, and
    with it every bit, depends on nothing but the places. Only the slices that are named are
    touched.
    """
    places = np.asarray(places, np.int64)
    flat = places.reshape(-1)
    flat = np.where(flat < 0, flat + shape[axis], flat)
    rows = np.reshape(
        np.moveaxis(x, range(axis, axis + places.ndim), range(places.ndim)),
        (len(flat), *shape[:axis], *shape[axis + 1 :]),
    )
    whole = np.zeros(shape, x.dtype)
    if not len(flat):
        return whole
    order = np.argsort(flat, kind="stable")
    sorted_places = flat[order]
    starts = np.flatnonzero(np.concatenate(([True], sorted_places[1:] != sorted_places[:-1])))
    target = np.moveaxis(whole, axis, 0)
    if len(starts) == len(flat):
        target[flat] = rows
    else:
        target[sorted_places[starts]] = np.add.reduceat(rows[order], starts, 0, np.float64)
    return whole


def _first(array: Array, wrong: Array) -> tuple[int, str]:
    """The first wrong value, and where it stands, in words."""
    place = numpy.unravel_index(int(numpy.argmax(wrong)), array.shape)
    where = ", ".join(map(str, place))
    return int(array[place]), f" at position [{where}]" if array.ndim else ""

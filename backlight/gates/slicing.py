"""Slices: a rectangular part of an array, and the array of zeros that such a part is put into.

A key holds one entry an axis of the input: a place (the axis goes away), a triple (start, stop,
step), or None (a new axis of size 1). Tensors make it from what stands between brackets.
Starts and stops are counted from the front, so that a key means the same to every executor; the
stop of a slice that runs backwards past the first number is None.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from typing import Any

from backlight.errors import ArgumentError, RangeError, ShapeError
from backlight.gates.family import Mover, draw, labelled
from backlight.gates.gate import Sample
from backlight.shapes import Shape, axes

Key = tuple[Any, ...]


class Slice(Mover):
    """The part of x that a key names, sharing its memory. The rest receives the gradient 0."""

    formula = "x[key]"
    views = True

    def forward(self, np: Any, x: Any, *, key: Key) -> Any:
        return x[brackets(key)]

    def backward(self, upstream: Any, x: Any, output: Any, *, key: Key) -> Any:
        return (slice_scatter(upstream, key=key, shape=x.shape),)

    def shape(self, x: Any, *, key: Key) -> Shape:
        return sliced(self.name, x, key)

    def samples(self) -> Iterator[Sample]:
        for place, (size, key) in enumerate(_CASES):
            yield Sample((draw(size, 400 + place),), {"key": key})


class SliceScatter(Mover):
    """Zeros of a given shape, with x put where the key says: the gradient of a slice."""

    formula = "zeros(shape)[key] = x"

    def forward(self, np: Any, x: Any, *, key: Key, shape: Shape) -> Any:
        whole = np.zeros(shape, x.dtype)
        whole[brackets(key)] = x
        return whole

    def lower(self, np: Any, x: Any, *, key: Key, shape: Shape) -> Any:
        """Zeros put between the numbers and around them."""
        self.shape(x.shape, key=key, shape=shape)
        entries = [entry for entry in key if entry is not None]
        chosen = [
            range(entry % size, entry % size + 1)
            if type(entry) is not tuple
            else range(*builtins.slice(*entry).indices(size))
            for entry, size in zip(entries, shape, strict=True)
        ]
        if 0 in map(len, chosen):
            return np.zeros(shape, x.dtype)
        part = np.reshape(x, [len(places) for places in chosen])
        return np.put_back(
            part, [places.start for places in chosen], [p.step for p in chosen], shape
        )

    def backward(self, upstream: Any, x: Any, output: Any, *, key: Key, shape: Shape) -> Any:
        return (slice(upstream, key=key),)

    def shape(self, x: Any, *, key: Key, shape: Shape) -> Shape:
        expected = sliced(self.name, shape, key)
        if x != expected:
            raise ShapeError(
                self.name,
                got=f"shape {x}",
                needs=f"the slice's shape {expected}",
                remedy="Reshape the input, or change the key.",
            )
        return shape

    def samples(self) -> Iterator[Sample]:
        return labelled(
            *[
                ((draw(sliced("slice", size, key), 420 + place),), {"key": key, "shape": size})
                for place, (size, key) in enumerate(_CASES)
            ]
        )


_CASES: tuple[tuple[Shape, Key], ...] = (
    ((4, 3), (1, (0, 3, 1))),
    ((4, 3), ((3, None, -2), None, (1, 3, 1))),
    ((5,), ((4, 0, -2),)),
    ((5,), ((2, 2, 1),)),
    ((0, 3), ((0, 0, 1), 2)),
    ((2, 3), (1, 2)),
    ((), (None,)),
)


def brackets(key: Key) -> tuple[Any, ...]:
    """The key as it stands between NumPy's brackets."""
    return tuple([builtins.slice(*entry) if type(entry) is tuple else entry for entry in key])


def sliced(subject: str, shape: Shape, key: Key) -> Shape:
    """The shape of the part of an array of `shape` that `key` names."""
    if len(shape) != len(key) - key.count(None):
        raise ShapeError(
            subject,
            got=f"a key for {len(key) - key.count(None)} axes, shape {shape}",
            needs="one place or (start, stop, step) an axis",
            remedy="Write x[…], which makes the key.",
        )
    sizes, rest = [], iter(shape)
    for entry in key:
        if entry is None:
            sizes.append(1)
            continue
        size = next(rest)
        if type(entry) is tuple:
            sizes.append(len(range(*builtins.slice(*entry).indices(size))))
        elif not -size <= entry < size:
            raise beyond(subject, entry, size, shape.index(size))
    return tuple(sizes)


def beyond(subject: str, value: int, size: int, axis: int, position: str = "") -> RangeError:
    """The error for a place that an axis does not have."""
    allowed = f"a place from {-size} to {size - 1}" if size else "an axis that is not empty"
    return RangeError(
        subject,
        got=f"index {value}{position} for axis {axis} of size {size}",
        needs=allowed,
        remedy="Correct the index; nothing is clipped or wrapped.",
    )


def whole_slices(shape: Sequence[int]) -> list[Any]:
    """A key's entries that take all of every axis."""
    return [(0, size, 1) for size in shape]


def along(shape: Sequence[int], axis: int, start: int, stop: int) -> Key:
    """The key of the places from `start` up to `stop` of one axis, and all of the others."""
    key = whole_slices(shape)
    key[axis] = (start, stop, 1)
    return tuple(key)


def resolve_slice(part: Any, size: int) -> tuple[int, int | None, int]:
    """A Python slice of an axis of this size as (start, stop, step) counted from the front.

    Examples
    --------
    >>> import builtins
    >>> resolve_slice(builtins.slice(None, None, -1), 4), resolve_slice(builtins.slice(-2, None), 4)
    ((3, None, -1), (2, 4, 1))
    """
    try:
        start, stop, step = part.indices(size)
    except (TypeError, ValueError) as problem:
        raise ArgumentError(
            "slice",
            got=f"{part} ({problem})",
            needs="whole numbers, step not 0",
            remedy="Write x[start:stop:step] with whole numbers.",
        ) from None
    if len(range(start, stop, step)) == 0:
        return 0, 0, 1
    return start, (None if stop < 0 else stop), step


def spread_ellipsis(subject: str, entries: Sequence[Any], used: int, rank: int) -> list[Any]:
    """The entries with … written out as full slices; also the axes that nothing is said about."""
    dots = [place for place, entry in enumerate(entries) if entry is Ellipsis]
    if len(dots) > 1 or used > rank:
        raise ShapeError(
            subject,
            got=f"a key for {used} axes" + (" with more than one …" if dots[1:] else ""),
            needs=f"at most {rank} axes, those of the input, and one …",
            remedy="Leave out what is too many.",
        )
    at = dots[0] if dots else len(entries)
    return [*entries[:at], *[builtins.slice(None)] * (rank - used), *entries[at + 1 :]]


def axis_of(subject: str, axis: Any, rank: int) -> int:
    """One axis as a place 0 … rank−1."""
    if not rank:
        raise ShapeError(
            subject,
            got="an input without axes",
            needs="at least one axis",
            remedy="Reshape it to (1,).",
        )
    return axes(subject, (axis,), rank)[0]


slice = Slice()
slice_scatter = SliceScatter()

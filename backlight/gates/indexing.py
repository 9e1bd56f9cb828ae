"""Indexing: what stands between brackets, and gathering and scattering by arrays of places.

Reading from places copies numbers; the gradient goes back to those places, and where a place was
read several times its gradients are added, in float64 and always in the same order. Places are
wires without a gradient, not constants, so that a compiled program can be given new ones.

Places out of range are refused with value, range and position. (JAX clips them silently.)
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from backlight.errors import DTypeError, ShapeError
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.place import add_rows, legal, refuse_place, whole_places, within
from backlight.gates.slicing import (
    Key,
    axis_of,
    beyond,
    brackets,
    resolve_slice,
    slice,
    spread_ellipsis,
)
from backlight.shapes import Shape

PLACES = "places"
MASK = "mask"


class Index(Structural):
    """Some numbers of x, chosen as NumPy's brackets choose them, by arrays of places or by masks.

    `key` has an entry an axis, as for `slice`, and "places" or "mask" where the next of the arrays
    belongs. Tensors make both from x[…].

    Unlike PyTorch: the order of axes is NumPy's throughout. Where places stand apart, with a slice
    between them (a number counts as a place: x[1, :, places]), their axis comes first.

    Raises
    ------
    RangeError
        If a place is out of range.
    """

    role = Role.DISTRIBUTOR
    formula = "x[places]"
    selectors = ("places",)

    def forward(self, np: Any, x: Any, *places: Any, key: Key) -> Any:
        index = _filled(key, places)
        try:
            return x[index]
        except IndexError:
            _refuse(self.name, np.shape(x), index)
            raise

    def lower(self, np: Any, x: Any, *places: Any, key: Key) -> Any:
        """Numbers collected from a place along every axis."""
        return np.collect(x, *located(np, self.name, x.shape, places, key)).reshape(
            _chosen(self.name, x.shape, [np.shape(one) for one in places], key)
        )

    def backward(self, upstream: Any, x: Any, *places: Any, key: Key) -> Any:
        places = places[:-1]  # the last is the output
        return (lambda: index_add(upstream, *places, key=key, shape=x.shape), *[None] * len(places))

    def shape(self, x: Any, *places: Any, key: Key) -> Shape:
        return _chosen(self.name, x, places, key)

    def samples(self) -> Iterator[Sample]:
        # Masks are left out: the shape of what they choose is not known from shapes.
        for place, (size, places, key) in enumerate(case for case in _CASES if MASK not in case[2]):
            yield Sample((draw(size, 800 + place), *map(numpy.array, places)), {"key": key})

    def of(self, x: Any, key: Any) -> Any:
        """x[key] for any key of NumPy's: places, slices, None, …, arrays of places, masks.

        Raises
        ------
        RangeError
            If a place is out of range.
        DTypeError
            If an entry is neither whole numbers nor truth values.
        ShapeError
            If there are more entries than axes, or a mask has another shape than what it masks.
        """
        entries = [_entry(entry) for entry in (key if isinstance(key, tuple) else (key,))]
        used = sum(_extent(entry) for entry in entries)
        resolved: list[Any] = []
        arrays = []
        axis = 0
        for entry in spread_ellipsis("index", entries, used, len(x.shape)):
            if entry is None:
                resolved.append(None)
                continue
            if isinstance(entry, _SLICE):
                resolved.append(resolve_slice(entry, x.shape[axis]))
            elif isinstance(entry, int):
                size = x.shape[axis]
                if not -size <= entry < size:
                    raise beyond("index", entry, size, axis)
                resolved.append(entry % size)
            elif entry.dtype.kind == "b":
                if entry.shape != tuple(x.shape[axis : axis + entry.ndim]):
                    raise ShapeError(
                        "index",
                        got=f"a mask of shape {entry.shape} for shape {tuple(x.shape)}",
                        needs=f"a mask of shape {tuple(x.shape[axis : axis + entry.ndim])}",
                        remedy="Make the mask from the axes that it masks.",
                    )
                resolved.append(MASK)
                arrays.append(entry)
            else:
                resolved.append(PLACES)
                arrays.append(entry)
            axis += _extent(entry)
        if arrays:
            return self(x, *arrays, key=tuple(resolved))
        return slice(x, key=tuple(resolved))


class IndexAdd(Structural):
    """Zeros of a given shape, with the numbers of x added at the places that `index` reads.

    A place that is named several times receives the sum.
    """

    role = Role.MOVER
    formula = "zeros(shape)[places] += x"
    selectors = ("places",)

    def forward(self, np: Any, x: Any, *places: Any, key: Key, shape: Shape) -> Any:
        index = _filled(key, places)
        axis = _only_axis(key, shape)
        if axis is not None:
            return add_rows(np, x, places[0], shape, axis)
        # Number the places of the result, read those numbers as the index does, add up by number.
        numbers = np.arange(math.prod(shape)).reshape(shape)[index]
        total = np.bincount(
            np.ravel(numbers), np.ravel(np.broadcast_to(x, numbers.shape)), math.prod(shape)
        )
        return total.reshape(shape).astype(x.dtype)

    def lower(self, np: Any, x: Any, *places: Any, key: Key, shape: Shape) -> Any:
        """Numbers added at a place along every axis; how many a mask chooses is not known."""
        if MASK in key:
            return self.forward(np, x, *places, key=key, shape=shape)
        return np.add_at(shape, x, *located(np, self.name, shape, places, key))

    def backward(self, upstream: Any, x: Any, *places: Any, key: Key, shape: Shape) -> Any:
        places = places[:-1]  # the last is the output
        return lambda: index(upstream, *places, key=key), *[None] * len(places)

    def shape(self, x: Any, *places: Any, key: Key, shape: Shape) -> Shape:
        return shape

    def samples(self) -> Iterator[Sample]:
        for place, (size, places, key) in enumerate(_CASES):
            arrays = [numpy.array(array) for array in places]
            chosen = numpy.zeros(size)[_filled(key, arrays)].shape
            yield Sample((draw(chosen, 820 + place), *arrays), {"key": key, "shape": size})


_CASES: tuple[tuple[Shape, Sequence[Any], Key], ...] = (
    ((4, 3), ([2, 0, 2],), (PLACES, (0, 3, 1))),
    ((4, 3), ([[1, -1], [1, 0]],), ((0, 4, 1), PLACES)),
    ((4, 3), ([0, 3, 0], [1, 2, 1]), (PLACES, PLACES)),
    ((4, 3), ([True, False, True, True],), (MASK, (0, 3, 1))),
    ((2, 3), ([[True, False, True], [False] * 3],), (MASK,)),
    ((2, 3, 4), ([0, 1, 1],), (1, (2, None, -1), PLACES)),
    ((2, 3, 4), ([[0], [1]], [2, 0]), (PLACES, None, (0, 3, 1), PLACES)),
    ((3,), (1,), (PLACES,)),
    ((3, 2), (numpy.zeros(0, int),), (PLACES, (0, 2, 1))),
)


class Take(Structural):
    """Slices of x along an axis at the given places, in their order; −1 is the last place.

    The axis is 0 unless named; NumPy and PyTorch take from the flattened array then. PyTorch's
    `index_select(x, axis, places)` is a method and a function of its own.
    """

    role = Role.DISTRIBUTOR
    formula = "x[..., places, ...]"
    selectors = ("places",)

    def forward(self, np: Any, x: Any, places: Any, *, axis: int = 0) -> Any:
        places = whole_places(np, self.name, places)
        try:
            return np.take(x, places, axis)
        except IndexError:
            refuse_place(self.name, places, np.shape(x)[axis_of(self.name, axis, np.ndim(x))], axis)
            raise

    def lower(self, np: Any, x: Any, places: Any, *, axis: int = 0) -> Any:
        """Slices collected."""
        size = x.shape[axis_of(self.name, axis, x.ndim)]
        return np.take(x, legal(np, self.name, places, size, axis), axis)

    def backward(self, upstream: Any, x: Any, places: Any, output: Any, *, axis: int) -> Any:
        return lambda: index_add(upstream, places, key=_row_key(x.shape, axis), shape=x.shape), None

    def shape(self, x: Any, places: Any, *, axis: int = 0) -> Shape:
        place = axis_of(self.name, axis, len(x))
        return (*x[:place], *places, *x[place + 1 :])

    def samples(self) -> Iterator[Sample]:
        for stream, (size, places, axis) in enumerate(
            [
                ((4, 3), [2, 0, 2], 0),
                ((4, 3), [[0, -1], [1, 1]], -1),
                ((3,), 1, 0),
                ((3, 2), numpy.zeros(0, int), 0),
            ]
        ):
            yield Sample((draw(size, 840 + stream), numpy.array(places)), {"axis": axis})


class Embedding(Structural):
    """Rows of a table: the vector of each number in `indices`.

    A row receives the sum of the upstream gradients of all its uses.

    Raises
    ------
    RangeError
        If an index is negative or not smaller than the number of rows.
    """

    role = Role.DISTRIBUTOR
    formula = "weight[indices]"
    selectors = ("indices",)

    def forward(self, np: Any, weight: Any, indices: Any) -> Any:
        indices = within(np, self.name, "index", indices, len(weight), "rows")
        return np.take(weight, indices, 0)

    def backward(self, upstream: Any, weight: Any, indices: Any, output: Any) -> Any:
        key = _row_key(weight.shape, 0)
        return lambda: index_add(upstream, indices, key=key, shape=weight.shape), None

    def shape(self, weight: Any, indices: Any) -> Shape:
        if len(weight) != 2:
            raise ShapeError(
                self.name,
                got=f"a table of shape {weight}",
                needs="a row for each index: (rows, features)",
                remedy="Reshape the table.",
            )
        return (*indices, weight[1])

    def samples(self) -> Iterator[Sample]:
        for stream, indices in enumerate(([1, 3, 1], [[0, 0], [2, 1]], 2, numpy.zeros(0, int))):
            yield Sample((draw((4, 3), 850 + stream), numpy.array(indices)))


class OneHot(Structural):
    """Rows of zeros with a 1 at the place of each label; a new last axis of size `classes`.

    Raises
    ------
    RangeError
        If a label is negative or not smaller than `classes`.
    """

    role = Role.WALL
    formula = "1 if place == label else 0"

    def forward(self, np: Any, labels: Any, *, classes: int, dtype: str = "float32") -> Any:
        labels = within(np, self.name, "label", labels, classes, "classes")
        return np.equal(labels[..., None], np.arange(classes)).astype(dtype)

    def shape(self, labels: Any, *, classes: int, dtype: str = "float32") -> Shape:
        return (*labels, classes)

    def dtype(self, *given: Any, **attributes: Any) -> Any:
        """The type that was asked for."""
        return numpy.dtype(attributes.get("dtype", "float32"))

    def samples(self) -> Iterator[Sample]:
        for labels in ([0, 2, 1], [[1], [1]], 0, numpy.zeros(0, int)):
            yield Sample((numpy.array(labels),), {"classes": 3, "dtype": "float64"})


def _entry(entry: Any) -> Any:
    """An entry of a key as None, …, a slice, an int, or an array of whole numbers or of truths."""
    if entry is None or entry is Ellipsis or isinstance(entry, _SLICE):
        return entry
    if not hasattr(entry, "dtype") or isinstance(entry, numpy.generic):
        if not isinstance(entry, (bool, numpy.bool_)):
            try:
                return operator.index(entry)
            except TypeError:
                pass
        try:
            entry = numpy.asarray(entry)
        except ValueError:
            entry = numpy.asarray(None)
        if not entry.size:
            entry = entry.astype(numpy.int64)
    if entry.dtype.kind not in "bui" or (entry.dtype.kind == "b" and not entry.ndim):
        kind = "a lone truth value" if entry.dtype.kind == "b" else f"entries of {entry.dtype}"
        raise DTypeError(
            "index",
            got=kind,
            needs="whole numbers, slices, None, … or masks",
            remedy="Convert places with .long(); make masks by comparing.",
        )
    return entry


def _extent(entry: Any) -> int:
    """How many axes of the input an entry speaks of."""
    if entry is None or entry is Ellipsis:
        return 0
    kind = getattr(entry, "dtype", None)
    return entry.ndim if kind is not None and kind.kind == "b" else 1


def _filled(key: Key, places: Sequence[Any]) -> tuple[Any, ...]:
    """The key with its arrays put in, as it stands between NumPy's brackets."""
    rest = iter(places)
    return brackets(tuple([next(rest) if entry in (PLACES, MASK) else entry for entry in key]))


def _chosen(subject: str, shape: Shape, places: Sequence[Shape], key: Key) -> Shape:
    """The shape of what the key chooses, found by choosing from an array that takes no memory."""
    if MASK in key:
        raise ShapeError(
            subject,
            got="a mask while only shapes are known",
            needs="a result whose size does not depend on values",
            remedy="Use where(mask, x, 0.0), which keeps the shape.",
        )
    blank = numpy.broadcast_to(numpy.zeros((), numpy.int8), shape)
    zeros = [numpy.broadcast_to(numpy.int64(0), size) for size in places]
    try:
        chosen: Shape = blank[_filled(key, zeros)].shape
    except IndexError as problem:
        raise ShapeError(
            subject,
            got=f"shape {shape} and places of shapes {', '.join(map(str, places))}",
            needs=f"places that broadcast and axes that are not empty ({problem})",
            remedy="Reshape the arrays of places.",
        ) from None
    return chosen


def located(np: Any, subject: str, shape: Shape, places: Sequence[Any], key: Key) -> list[Any]:
    """What the key reads, for a compiler: a place along each axis, in arrays that broadcast.

    If the first axes are read by places and all others are taken whole, the places are enough.
    """
    chosen = _chosen(subject, shape, [np.shape(one) for one in places], key)
    width = len(numpy.broadcast_shapes(*[np.shape(one) for one in places]))
    pointed = [at for at, entry in enumerate(key) if entry == PLACES or isinstance(entry, int)]
    together = pointed == [*range(pointed[0], pointed[-1] + 1)]
    ahead = pointed[0] if together else 0  # how many axes of the result come before the places'
    count = len(pointed)
    rest = [entry for at, entry in enumerate(key) if at not in pointed]
    if pointed == [*range(count)] and rest == [(0, size, 1) for size in shape[count:]]:
        chosen, key = chosen[:width], key[:count]
    given, found, axis, free = iter(places), [], 0, 0
    for entry in key:
        if entry is None:
            free += 1
            continue
        size = shape[axis]
        if type(entry) is tuple:
            start, _, step = _SLICE(*entry).indices(size)
            here = free if free < ahead else free + width
            found.append(np.along(chosen, here) * step + start)
            free += 1
        elif entry == PLACES:
            one = np.from_front(legal(np, subject, next(given), size, axis), size)
            after = len(chosen) - ahead - width
            found.append(one.reshape((*one.shape, *(1,) * after)))
        else:
            found.append(np.full((), entry % size))
        axis += 1
    return found


def _refuse(subject: str, shape: Shape, index: Sequence[Any]) -> None:
    """Say which place is out of range, if that is what is wrong."""
    axis = 0
    for entry in index:
        kind = getattr(entry, "dtype", None)
        if kind is not None and kind.kind in "ui":
            refuse_place(subject, entry, shape[axis], axis)
        axis += 0 if entry is None else _extent(entry)


def _row_key(shape: Shape, axis: int) -> Key:
    """The key that reads whole slices along one axis at an array of places."""
    place = axis_of("take", axis, len(shape))
    return tuple([PLACES if here == place else (0, size, 1) for here, size in enumerate(shape)])


def _only_axis(key: Key, shape: Shape) -> int | None:
    """The axis of the only array of places, if the rest is taken whole."""
    if key.count(PLACES) != 1 or len(key) != len(shape):
        return None
    axis = key.index(PLACES)
    return axis if key == _row_key(shape, axis) else None


_SLICE = type(numpy.s_[:])

index = Index()
index_add = IndexAdd()
take = Take()
embedding = Embedding()
one_hot = OneHot()


def index_select(x: Any, axis: int, places: Any) -> Any:
    """Slices along an axis at the given places: `take` with PyTorch's order of arguments.

    Examples
    --------
    >>> import numpy as np
    >>> index_select(np.array([[1.0, 2.0], [3.0, 4.0]]), 0, np.array([1])).tolist()
    [[3.0, 4.0]]
    """
    return take(x, places, axis=axis)

"""Contractions: sums of products over shared axes. Matrix products and Einstein's notation.

A contraction is linear in each operand, so the gradient by one is a contraction of upstream with
the others. Products of float32 accumulate in the order of the machine's matrix library.
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from backlight import shapes
from backlight.dtypes import float32, float64
from backlight.errors import ArgumentError, ShapeError
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.view import broadcast_to, reshape, transpose
from backlight.shapes import Shape


class Matmul(Structural):
    """The product of two matrices, of vectors, or of stacks of matrices that broadcast.

    x (…, n, k) times y (…, k, m) is (…, n, m). An x of one axis counts as one row, a y of one axis
    as one column, and that axis is gone from the result. x receives upstream · yᵀ, y receives
    xᵀ · upstream.

    Raises
    ------
    ShapeError
        If the inner sizes differ, the stacks do not broadcast, or an input is a single number.

    Examples
    --------
    >>> import numpy as np
    >>> W = np.array([[0.1, 0.5], [-0.3, 0.8]])
    >>> matmul(W, np.array([0.2, 0.4])).round(6).tolist()
    [0.22, 0.26]
    """

    role = Role.SWITCHER
    formula = "z[i,j] = sum of x[i,k] * y[k,j] over k"
    symbol = "@"
    source = "CS231n, lecture 4"
    aliases = ("mm", "bmm")

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        if np.ndim(y) == 2 and np.ndim(x) > 2 and x.shape[-1] == y.shape[0]:
            # One matrix for the whole stack: one large product in place of many small ones.
            rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
            return np.matmul(rows, y).reshape(*x.shape[:-1], y.shape[1])
        return np.matmul(x, y)

    def backward(self, upstream: Any, x: Any, y: Any, output: Any) -> Any:
        if x.ndim == 2 and y.ndim == 2:
            return (
                lambda: matmul(upstream, transpose(y, axes=(1, 0))),
                lambda: matmul(transpose(x, axes=(1, 0)), upstream),
            )
        row = reshape(x, shape=(1, x.shape[0])) if x.ndim == 1 else x
        column = reshape(y, shape=(y.shape[0], 1)) if y.ndim == 1 else y
        stack = upstream.shape[: upstream.ndim - (x.ndim > 1) - (y.ndim > 1)]
        above = reshape(upstream, shape=(*stack, row.shape[-2], column.shape[-1]))

        def by_x() -> Any:
            gradient = matmul(above, _turned(column))
            return reshape(gradient, shape=(*stack, x.shape[0])) if x.ndim == 1 else gradient

        def by_y() -> Any:
            if column.ndim == 2 and row.ndim > 2:
                rows = math.prod(row.shape[:-1])
                gradient = matmul(
                    _turned(reshape(row, shape=(rows, row.shape[-1]))),
                    reshape(above, shape=(rows, above.shape[-1])),
                )
                return reshape(gradient, shape=y.shape)
            gradient = matmul(_turned(row), above)
            return reshape(gradient, shape=(*stack, y.shape[0])) if y.ndim == 1 else gradient

        return by_x, by_y

    def shape(self, x: Any, y: Any) -> Shape:
        return shapes.matmul(self.name, tuple(x), tuple(y))

    def multiply_adds(self, shapes: Any, output: Shape, **attributes: Any) -> int:
        return math.prod(output) * int(shapes[0][-1])

    def samples(self) -> Iterator[Sample]:
        for stream, (x, y) in enumerate(
            [
                ((2, 3), (3, 4)),
                ((3,), (3,)),
                ((3,), (3, 2)),
                ((2, 3), (3,)),
                ((2, 2, 3), (3, 2)),
                ((2, 1, 2, 3), (2, 3, 2)),
                ((2, 2, 3), (3,)),
                ((3,), (2, 3, 2)),
                ((2, 3), (2, 3, 2)),
                ((0, 3), (3, 2)),
                ((2, 0), (0, 3)),
                ((1, 1), (1, 1)),
            ]
        ):
            yield Sample((draw(x, 700 + 2 * stream), draw(y, 701 + 2 * stream)))


class Einsum(Structural):
    """A sum of products in Einstein's notation: letters name axes, and those left out are summed.

    Call it as einsum("ij,jk->ik", x, y). Without an arrow the result has every letter that occurs
    once, in alphabetical order. "..." stands for axes that are carried along, the same for every
    operand that has it. A letter may be repeated within an operand: "ii->i" is the diagonal.
    Sizes that share a letter must be equal; nothing broadcasts.

    Each operand receives the contraction of upstream with all the others.

    Parameters
    ----------
    *operands : arrays
        One for each comma-separated group of letters.
    equation : str
        The letters.

    Raises
    ------
    ShapeError
        If sizes under one letter differ, or an operand has another number of axes than letters.
    ArgumentError
        If the equation cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> float(einsum("ii", x)), einsum("ij->j", x).tolist(), einsum("ij,ij->i", x, x).tolist()
    (5.0, [4.0, 6.0], [5.0, 25.0])
    """

    role = Role.SWITCHER
    formula = "sum of products over the letters that the output leaves out"
    source = "Einstein 1916"

    def bind(
        self, inputs: tuple[Any, ...], attributes: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Take the equation from the first place, as NumPy and PyTorch do."""
        if inputs and isinstance(inputs[0], str):
            return super().bind(inputs[1:], {"equation": inputs[0], **attributes})
        return super().bind(inputs, attributes)

    def forward(self, np: Any, *operands: Any, equation: str) -> Any:
        inputs, output, _ = read(equation, [np.shape(x) for x in operands])
        if len(operands) == 2 and all(len(set(letters)) == len(letters) for letters in inputs):
            return _contract(np, inputs, output, *operands)
        plain = f"{','.join(inputs)}->{output}"
        if len(operands) == 1:
            kind = operands[0].dtype
            precise = np.einsum(plain, operands[0], dtype=float64 if kind == float32 else kind)
            return np.array(precise, kind)
        return np.einsum(plain, *operands, optimize=True)

    def lower(self, np: Any, *operands: Any, equation: str) -> Any:
        """Diagonals taken, then two operands contracted at a time, from the left."""
        inputs, output, _ = read(equation, [x.shape for x in operands])
        pairs = [_diagonals(x, letters) for x, letters in zip(operands, inputs, strict=True)]
        x, left = pairs[0]
        for place, (y, right) in enumerate(pairs[1:], start=2):
            later = output + "".join(letters for _, letters in pairs[place:])
            both = "".join(dict.fromkeys(left + right))
            kept = output if place == len(pairs) else "".join(one for one in both if one in later)
            x, left = _contract(np, [left, right], kept, x, y), kept
        x, left = _summed_alone(np, x, left, output)
        return x.transpose([left.index(letter) for letter in output])

    def backward(self, upstream: Any, *operands_and_output: Any, equation: str) -> Any:
        operands = operands_and_output[:-1]
        inputs, output, sizes = read(equation, [x.shape for x in operands])

        def by(place: int) -> Any:
            return lambda: _gradient(upstream, operands, inputs, output, sizes, place)

        return tuple(by(place) for place in range(len(operands)))

    def shape(self, *shapes_: Any, equation: str) -> Shape:
        _, output, sizes = read(equation, shapes_)
        return tuple(sizes[letter] for letter in output)

    def multiply_adds(self, shapes: Any, output: Shape, **attributes: Any) -> int:
        words = attributes["equation"].replace(" ", "").split("->")[0].split(",")
        sizes: dict[str, int] = {}
        for word, shape in zip(words, shapes, strict=True):
            if "." in word:  # what an ellipsis stands for is not counted
                return 0
            sizes.update(zip(word, shape, strict=True))
        return math.prod(sizes.values())

    def samples(self) -> Iterator[Sample]:
        cases: list[tuple[str, list[Shape]]] = [
            ("ij,jk->ik", [(2, 3), (3, 4)]),
            ("bij,bjk->bik", [(2, 2, 3), (2, 3, 2)]),
            ("ij->ji", [(2, 3)]),
            ("ij->", [(2, 3)]),
            ("ij->i", [(2, 3)]),
            ("ii->i", [(3, 3)]),
            ("ii", [(3, 3)]),
            ("i,j->ij", [(2,), (3,)]),
            ("ij,ij", [(2, 3), (2, 3)]),
            ("ij,jk,k->i", [(2, 3), (3, 2), (2,)]),
            (",i->i", [(), (3,)]),
            ("...ij,jk->...ik", [(2, 2, 3), (3, 2)]),
            ("iij,j->i", [(2, 2, 3), (3,)]),
            ("ij,k->k", [(2, 2), (3,)]),
            ("ij,jk->ik", [(0, 3), (3, 2)]),
            ("ba,b", [(2, 3), (2,)]),
        ]
        for stream, (equation, sizes) in enumerate(cases):
            operands = tuple(draw(size, 740 + 4 * stream + i) for i, size in enumerate(sizes))
            yield Sample(operands, {"equation": equation})


def read(equation: str, given: Sequence[Any]) -> tuple[list[str], str, dict[str, int]]:
    """The letters of every operand and of the output, ellipses spelled out, and their sizes.

    Examples
    --------
    >>> read("ij,jk", [(2, 3), (3, 4)])
    (['ij', 'jk'], 'ik', {'i': 2, 'j': 3, 'k': 4})
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    groups = left.split(",")
    if len(groups) != len(given):
        raise ArgumentError(
            "einsum",
            got=f"{equation!r} with {len(given)} operands",
            needs="one group of letters for each operand",
            remedy="Separate the operands' letters by commas.",
        )
    for group in [*groups, right]:
        if not group.replace("...", "", 1).isalpha() and group.replace("...", "", 1):
            raise ArgumentError(
                "einsum",
                got=f"{group!r} in {equation!r}",
                needs="letters, at most one '...' an operand, commas and '->'",
                remedy="Name every axis by one letter.",
            )
    carried = _carried(equation, groups, given)
    inputs = [
        _spelled(group, carried, len(size)) for group, size in zip(groups, given, strict=True)
    ]
    sizes: dict[str, int] = {}
    for letters, size in zip(inputs, given, strict=True):
        if len(letters) != len(size):
            raise ShapeError(
                "einsum",
                got=f"shape {tuple(size)} for {letters!r} in {equation!r}",
                needs=f"{len(letters)} axes",
                remedy="Name each axis by one letter.",
            )
        for letter, length in zip(letters, size, strict=True):
            if sizes.setdefault(letter, length) != length:
                raise ShapeError(
                    "einsum",
                    got=f"sizes {sizes[letter]} and {length} for axis {letter!r} of "
                    f"{equation!r}, shapes {' and '.join(str(tuple(one)) for one in given)}",
                    needs="one size for each letter",
                    remedy="Reshape or transpose an operand.",
                )
    every = "".join(inputs)
    if arrow:
        output = right.replace("...", carried)
    else:
        once = {letter for letter in every if every.count(letter) == 1} - set(carried)
        output = carried + "".join(sorted(once))
    if len(set(output)) < len(output) or not set(output) <= set(every):
        raise ArgumentError(
            "einsum",
            got=f"the output {right!r} in {equation!r}",
            needs="each letter once, and only letters of the operands",
            remedy="Correct the letters after '->'.",
        )
    return inputs, output, sizes


def _carried(equation: str, groups: Sequence[str], given: Sequence[Any]) -> str:
    """Unused letters for the axes under the ellipsis."""
    counts = [
        len(size) - len(group) + 3
        for group, size in zip(groups, given, strict=True)
        if "..." in group
    ]
    free = [letter for letter in string.ascii_letters if letter not in equation]
    count = max(counts, default=0)
    if count > len(free):
        raise ArgumentError(
            "einsum",
            got=f"{count} axes under '...'",
            needs=f"{len(free)} at most",
            remedy="Merge axes by a reshape.",
        )
    return "".join(free[: max(0, count)])


def _spelled(group: str, carried: str, rank: int) -> str:
    """A group with its ellipsis replaced by the last letters of `carried` that it has axes for."""
    covered = max(0, rank - (len(group) - 3))
    return group.replace("...", carried[len(carried) - min(covered, len(carried)) :])


def _contract(np: Any, inputs: Sequence[str], output: str, x: Any, y: Any) -> Any:
    """Two operands as a stack of matrix products: carried, kept by x only, summed, by y only."""
    left, right = inputs
    both = [letter for letter in left if letter in right]
    carried = [letter for letter in both if letter in output]
    summed = [letter for letter in both if letter not in output]
    x, left = _summed_alone(np, x, left, right + output)
    y, right = _summed_alone(np, y, right, left + output)
    rows = [letter for letter in left if letter not in both]
    columns = [letter for letter in right if letter not in both]
    sizes = dict(zip(left + right, x.shape + y.shape, strict=True))

    def matrix(array: Any, letters: str, *parts: list[str]) -> Any:
        order = [letters.index(letter) for part in parts for letter in part]
        return array.transpose(order).reshape(
            [math.prod(sizes[letter] for letter in part) for part in parts]
        )

    product = np.matmul(
        matrix(x, left, carried, rows, summed), matrix(y, right, carried, summed, columns)
    )
    made = [*carried, *rows, *columns]
    return product.reshape([sizes[letter] for letter in made]).transpose(
        [made.index(letter) for letter in output]
    )


def _summed_alone(np: Any, x: Any, letters: str, elsewhere: str) -> tuple[Any, str]:
    """The operand summed over the axes that nothing else mentions."""
    gone = tuple(place for place, letter in enumerate(letters) if letter not in elsewhere)
    if not gone:
        return np.asarray(x), letters
    precise = float64 if x.dtype == float32 else None
    kept = "".join(letter for letter in letters if letter in elsewhere)
    return np.sum(x, axis=gone, dtype=precise).astype(x.dtype), kept


def _diagonals(x: Any, letters: str) -> tuple[Any, str]:
    """Axes under one letter made into one: their numbers stand n + 1 apart, n a row."""
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            first, second = [at for at, one in enumerate(letters) if one == letter][:2]
            rest = [at for at in range(len(letters)) if at not in (first, second)]
            size = x.shape[first]
            turned = x.transpose((first, second, *rest))
            line = turned.reshape((size * size, *turned.shape[2:]))
            x, letters = line[:: size + 1], letter + "".join(letters[at] for at in rest)
    return x, letters


def _gradient(
    upstream: Any,
    operands: Sequence[Any],
    inputs: Sequence[str],
    output: str,
    sizes: dict[str, int],
    place: int,
) -> Any:
    """Upstream contracted with every operand but one, in the letters of that one."""
    target = inputs[place]
    others = [x for i, x in enumerate(operands) if i != place]
    letters = [output, *(group for i, group in enumerate(inputs) if i != place)]
    free = [letter for letter in string.ascii_letters if letter not in sizes]
    wanted = ""
    for letter in target:
        if letter in wanted:
            # A diagonal: the second axis gets a letter of its own, tied by an identity matrix.
            other = free.pop(0)
            others.append(numpy.eye(sizes[letter], dtype=upstream.dtype))
            letters.append(letter + other)
            wanted += other
        else:
            wanted += letter
    known = "".join(letters)
    present = "".join(letter for letter in wanted if letter in known)
    gradient = einsum(upstream, *others, equation=f"{','.join(letters)}->{present}")
    if present == wanted:
        return gradient
    # A letter that only this operand has was summed: every number along it gets the same.
    whole = operands[place].shape
    kept = tuple(size if letter in known else 1 for letter, size in zip(wanted, whole, strict=True))
    return broadcast_to(reshape(gradient, shape=kept), shape=whole)


def _turned(x: Any) -> Any:
    """The last two axes exchanged."""
    rank = x.ndim
    return transpose(x, axes=(*range(rank - 2), rank - 1, rank - 2))


matmul = Matmul()
einsum = Einsum()

"""Mistakes that a backward rule makes, as hypotheses: what the rule would answer with each.

The evidence is a gate's numerical Jacobian at some numbers of one input, a random upstream, and
what the rule answered. The first hypothesis that explains the answer at every number is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Place = tuple[int, ...]

_CLOSE = 2e-5
_ENOUGH = 2  # numbers: one alone fits too many explanations


@dataclass(frozen=True)
class Evidence:
    """What is known of a backward rule that answered wrongly, for one input of a gate.

    Attributes
    ----------
    answer : array
        What the rule handed to the input, whole.
    places : list of tuple
        The numbers of the input that were measured.
    columns : array, shape (len(places), *output)
        ∂output/∂number for each, measured.
    upstream : array
        The gradient that was handed to the rule, of the output's shape.
    values : list of array or None
        The gate's inputs; `wire` is the one that is looked at.
    wire : int
    output : array
    measure : callable
        measure(values, place) gives ∂output/∂number of this wire at other inputs.
    others : list of array or None
        What the rule handed to each wire.
    """

    answer: Array
    places: list[Place]
    columns: Array
    upstream: Array
    values: list[Array | None]
    wire: int
    output: Array
    measure: Callable[[list[Any], Place], Array]
    others: list[Array | None]

    def pulled(self, upstream: Array) -> Array:
        """uᵀ·J at the measured numbers."""
        axes = tuple(range(1, self.columns.ndim))
        return np.asarray(np.sum(self.columns * upstream, axis=axes))

    @property
    def expected(self) -> Array:
        """What the rule should have answered."""
        return self.pulled(self.upstream)

    @property
    def given(self) -> Array:
        """What it answered."""
        return np.array([self.answer[place] for place in self.places])

    @property
    def scale(self) -> float:
        """Size of what is compared: of the terms, not of their sum."""
        axes = tuple(range(1, self.columns.ndim))
        sizes = np.sum(np.abs(self.columns * self.upstream), axis=axes)
        return max(float(np.max(sizes, initial=0.0)), 1e-300)

    def fits(self, guess: Any) -> bool:
        """Whether a guess is what the rule answered, at every measured number."""
        if guess is None or np.shape(guess) != self.given.shape:
            return False
        bound = _CLOSE * max(self.scale, float(np.max(np.abs(guess), initial=0.0)))
        return bool(np.all(np.abs(guess - self.given) <= bound))

    @property
    def right(self) -> bool:
        """Whether the answer is right, within the measurement."""
        return self.fits(self.expected)


def explained(evidence: Evidence) -> str:
    """The likely mistake in words; "" if no hypothesis fits."""
    if not np.isfinite(evidence.given).all():
        return "not a finite number"
    return next((told for told in map(_tried(evidence), HYPOTHESES) if told), "")


def _tried(evidence: Evidence) -> Callable[[Callable[[Evidence], str]], str]:
    def attempt(hypothesis: Callable[[Evidence], str]) -> str:
        with np.errstate(all="ignore"):
            return hypothesis(evidence)

    return attempt


def _nothing(evidence: Evidence) -> str:
    if np.any(evidence.answer):
        return ""
    return "no gradient arrives: a path is missing, or was detached"


def _sign(evidence: Evidence) -> str:
    return "the sign" if evidence.fits(-evidence.expected) else ""


def _local_alone(evidence: Evidence) -> str:
    """The local gradient, and not times upstream: the Jacobian's columns summed."""
    guess = evidence.pulled(np.ones(evidence.upstream.shape))
    if evidence.fits(guess):
        return "local without upstream: multiply by the gradient from above"
    return ""


def _mask(evidence: Evidence) -> str:
    expected, given = evidence.expected, evidence.given
    still = np.abs(expected) <= _CLOSE * evidence.scale
    bound = _CLOSE * evidence.scale
    agree = np.abs(given - expected) <= bound
    if still.any() and not still.all() and agree[~still].all():
        return "a mask is missing: gradient where the value has no influence"
    lost = (given == 0) & ~still
    if still.any() and np.array_equal(given == 0, ~still):
        return "the mask is the wrong way round"
    if lost.any() and not lost.all() and agree[~lost].all():
        return "a mask that lets too little through: no gradient where the value has influence"
    return ""


def _upstream_alone(evidence: Evidence) -> str:
    if evidence.answer.shape != evidence.upstream.shape:
        return ""
    guess = np.array([evidence.upstream[place] for place in evidence.places])
    return "upstream without local: multiply by the gate's own derivative" * evidence.fits(guess)


def _transposed(evidence: Evidence) -> str:
    if _square(evidence.answer):
        turned = np.swapaxes(evidence.answer, -1, -2)
        moved = np.array([turned[place] for place in evidence.places])
        if _same(moved, evidence.expected, evidence.scale):
            return "transposed"
    for wire, value in enumerate(evidence.values):
        if wire != evidence.wire and value is not None and _square(value):
            other = list(evidence.values)
            other[wire] = np.ascontiguousarray(np.swapaxes(value, -1, -2))
            if evidence.fits(_elsewhere(evidence, other)):
                return "another input is to be transposed before upstream is multiplied by it"
    return ""


def _square(value: Array) -> bool:
    return value.ndim > 1 and value.shape[-1] == value.shape[-2] > 1


def _flipped(evidence: Evidence) -> str:
    """The kernel of a convolution read backwards, in the answer or in what it was made from."""
    for axes in _spatial(evidence.answer.ndim):
        turned = np.flip(evidence.answer, axes)
        moved = np.array([turned[place] for place in evidence.places])
        if _same(moved, evidence.expected, evidence.scale):
            return f"flipped along axis {_told(axes)}: the kernel is turned, and must not be"
    for wire, value in enumerate(evidence.values):
        if wire == evidence.wire or value is None or value.ndim < 1 or value.dtype.kind != "f":
            continue
        for axes in _spatial(value.ndim):
            other = list(evidence.values)
            other[wire] = np.ascontiguousarray(np.flip(value, axes))
            if evidence.fits(_elsewhere(evidence, other)):
                return "the kernel is not flipped: going back, it is read the other way round"
    return ""


def _one_slice(evidence: Evidence) -> str:
    """Of a sum over an axis, one slice; or the axis was broadcast and is not summed."""
    source = (1,) * (evidence.upstream.ndim - evidence.answer.ndim) + evidence.answer.shape
    for axis, size in enumerate(evidence.upstream.shape):
        if size < 2:
            continue
        for place, told in ((0, "first"), (size - 1, "last")):
            only = np.zeros(evidence.upstream.shape)
            chosen = (slice(None),) * axis + (place,)
            only[chosen] = evidence.upstream[chosen]
            if evidence.fits(evidence.pulled(only)):
                stretched = len(source) == evidence.upstream.ndim and source[axis] == 1
                kind = "the broadcast axis" if stretched else "axis"
                return f"not summed over {kind} {axis}: only its {told} slice counts"
    return ""


def _overwritten(evidence: Evidence) -> str:
    """Of several outputs that a number reaches, only the first or last: = for +=."""
    terms = (evidence.columns * evidence.upstream).reshape(len(evidence.places), -1)
    influence = np.abs(evidence.columns).reshape(len(evidence.places), -1)
    alive = influence > 1e-8 * np.max(influence, initial=1e-300)
    if not (alive.sum(axis=1) > 1).any():
        return ""
    rows = np.arange(len(terms))
    ways = ((0, "first"), (-1, "last"))
    for way, told in ways:
        order = alive if way == 0 else alive[:, ::-1]
        column = order.argmax(axis=1)
        column = column if way == 0 else terms.shape[1] - 1 - column
        guess = np.where(alive.any(axis=1), terms[rows, column], 0.0)
        if evidence.fits(guess):
            return f"= for +=: where several paths meet, only the {told} is kept"
    return ""


def _factor(evidence: Evidence) -> str:
    expected, given = evidence.expected, evidence.given
    kept = np.abs(expected) > 1e-6 * evidence.scale
    if not kept.any() or (kept.sum() < _ENOUGH and evidence.answer.size > 1):
        return ""
    ratios = given[kept] / expected[kept]
    factor = float(np.median(ratios))
    if not evidence.fits(factor * expected):
        return ""
    return named_factor(factor, _sizes(evidence))


def _swapped(evidence: Evidence) -> str:
    for wire, other in enumerate(evidence.others):
        value = evidence.values[wire]
        if wire == evidence.wire or value is None or value.shape != evidence.answer.shape:
            continue
        mirrored = list(evidence.values)
        mirrored[wire], mirrored[evidence.wire] = mirrored[evidence.wire], mirrored[wire]
        if evidence.fits(_elsewhere(evidence, mirrored)):
            return "its own value where the other input's belongs"
        if other is not None and np.shape(other) == evidence.answer.shape:
            moved = np.array([other[place] for place in evidence.places])
            if _same(moved, evidence.expected, evidence.scale):
                return "handed to the wrong input: two inputs are exchanged"
    return ""


def _elsewhere_taken(evidence: Evidence) -> str:
    """The derivative at the output where the input belongs."""
    if evidence.output.shape != evidence.answer.shape:
        return ""
    other = list(evidence.values)
    other[evidence.wire] = evidence.output
    if evidence.fits(_elsewhere(evidence, other)):
        return "the derivative is taken at the output, and belongs at the input"
    return ""


def _term(evidence: Evidence) -> str:
    """What is missing follows a pattern: the same along an axis, or a multiple of a value."""
    if len(evidence.places) < evidence.answer.size:
        return ""
    missing = np.zeros(evidence.answer.shape)
    for place, gap in zip(evidence.places, evidence.expected - evidence.given, strict=True):
        missing[place] = gap
    bound = 10 * _CLOSE * evidence.scale
    for axis, size in enumerate(missing.shape):
        spread = missing - missing.mean(axis=axis, keepdims=True)
        if size > 1 and np.all(np.abs(spread) <= bound):
            return f"a term is missing that is the same along axis {axis}: a sum or mean over it"
    like = (("output", evidence.output), ("input", evidence.values[evidence.wire]))
    for name, value in like:
        if value is None or value.shape != missing.shape:
            continue
        for axis in (None, *range(missing.ndim)):
            if axis is not None and missing.shape[axis] < 3:
                continue
            share = np.sum(missing * value, axis=axis, keepdims=True)
            share = share / np.sum(value * value, axis=axis, keepdims=True)
            if missing.size > _ENOUGH and np.all(np.abs(missing - share * value) <= bound):
                along = "" if axis is None else f" along axis {axis}"
                return f"a term is missing that is a multiple of the {name}{along}"
    return ""


def _moved(evidence: Evidence) -> str:
    """The right numbers at wrong places."""
    if len(evidence.places) < evidence.answer.size or evidence.answer.size < 3:
        return ""
    expected = np.zeros(evidence.answer.shape)
    for place, number in zip(evidence.places, evidence.expected, strict=True):
        expected[place] = number
    for axis, size in enumerate(expected.shape):
        for shift in (1, -1):
            rolled = np.roll(expected, shift, axis)
            if size > 1 and _same(rolled, evidence.answer, evidence.scale):
                return f"shifted by one along axis {axis}"
    if _same(np.sort(expected.ravel()), np.sort(evidence.answer.ravel()), evidence.scale):
        return "the right numbers, at the wrong places"
    return ""


def _forwards(evidence: Evidence) -> str:
    """J·u, as if upstream went forwards."""
    size = len(evidence.places)
    if size != evidence.answer.size or evidence.upstream.shape != evidence.answer.shape:
        return ""
    matrix = evidence.columns.reshape(size, size)
    if evidence.fits(matrix.T @ evidence.upstream.ravel()):
        return "the Jacobian is to be transposed: going back, each output hands to its inputs"
    return ""


def _some(evidence: Evidence) -> str:
    """Only some numbers are wrong."""
    wrong = np.abs(evidence.given - evidence.expected) > _CLOSE * evidence.scale
    count = int(wrong.sum())
    if 0 < count <= len(wrong) // 2:
        first = evidence.places[int(np.argmax(wrong))]
        return f"only {count} of {len(wrong)} numbers are wrong, the first at {list(first)}"
    return ""


def _by_place(evidence: Evidence) -> str:
    """The wrong local gradient of an elementwise gate."""
    if evidence.answer.shape != evidence.upstream.shape or evidence.answer.size < _ENOUGH:
        return ""
    zero = np.abs(evidence.expected) <= 1e-9 * evidence.scale
    local = evidence.given[~zero] / evidence.expected[~zero]
    if len(local) < _ENOUGH or not np.isfinite(local).all():
        return ""
    return f"a term is missing or wrong: off by factors from {local.min():.4g} to {local.max():.4g}"


HYPOTHESES: tuple[Callable[[Evidence], str], ...] = (
    _nothing,
    _sign,
    _local_alone,
    _mask,
    _transposed,
    _flipped,
    _moved,
    _upstream_alone,
    _one_slice,
    _overwritten,
    _factor,
    _swapped,
    _elsewhere_taken,
    _term,
    _forwards,
    _some,
    _by_place,
)
"""What is tried, the more particular before the more general."""


def named_factor(factor: float, sizes: Iterable[int]) -> str:
    """What a factor is likely to be.

    Examples
    --------
    >>> named_factor(2.0, ()), named_factor(1 / 32, (32,))
    ('twice too large: counted twice, or a ½ is missing', '32 times too small: a mean over 32 where a sum should be')
    """  # noqa: E501 - one line of the interpreter
    if abs(factor - 2) < 1e-4:
        return "twice too large: counted twice, or a ½ is missing"
    if abs(factor - 0.5) < 1e-4:
        return "half of it: one of two equal paths is lost (= for +=), or a 2 is missing"
    for size in sorted(set(sizes) - {0, 1, 2}):
        if abs(factor / size - 1) < 1e-4:
            return f"{size} times too large: a sum over {size} where a mean should be"
        if abs(factor * size - 1) < 1e-4:
            return f"{size} times too small: a mean over {size} where a sum should be"
    return f"a factor of {factor:.6g}"


def _sizes(evidence: Evidence) -> set[int]:
    """Sizes of axes, and of several together, over which a mean may be taken."""
    found = set()
    shapes = [evidence.output.shape, *(v.shape for v in evidence.values if v is not None)]
    for shape in shapes:
        for start in range(len(shape)):
            for stop in range(start, len(shape)):
                found.add(int(np.prod(shape[start : stop + 1])))
        found.add(int(np.prod(shape[:1] + shape[2:])))
    return found


def _elsewhere(evidence: Evidence, values: list[Any]) -> Array | None:
    """What the right rule would answer at other inputs; None if they do not fit the gate."""
    try:
        columns = [evidence.measure(values, place) for place in evidence.places]
    except (ValueError, TypeError, IndexError, ArithmeticError):
        return None
    if not columns or columns[0].shape != evidence.upstream.shape:
        return None
    return np.array([float(np.sum(column * evidence.upstream)) for column in columns])


def _spatial(axes: int) -> list[tuple[int, ...]]:
    """Axes that a kernel may be flipped along: the last two, or the last."""
    if axes < 1:
        return []
    return [(-2, -1), (-1,)] if axes >= 3 else [(-1,)]


def _told(axes: tuple[int, ...]) -> str:
    return " and ".join(map(str, axes))


def _same(a: Array, b: Array, scale: float) -> bool:
    return bool(np.all(np.abs(a - b) <= _CLOSE * scale))

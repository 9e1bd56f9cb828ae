"""A gradient that was worked out by hand: a function that answers with its value and its gradient.

The function is ordinary Python and NumPy, as a course's exercise asks for it:

    def loss(W, X, y):
        ...
        return loss, dW

No gate is seen inside it. What is known of it are its values, so that a kink is told by slopes that
differ to the left and to the right, however small the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from backlight import philox
from backlight.check.case import Case, input_names, is_floating, several
from backlight.check.difference import Reading
from backlight.check.gradient import check_case
from backlight.check.report import Report, Row
from backlight.check.verdict import Verdict
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, ShapeError, nearest

Array = np.ndarray[Any, Any]
_CLOSE = 1e-4


def check_by_hand(
    function: Callable[..., Any], inputs: Any, *, samples: int | None = None, seed: int = 0
) -> Report:
    """Compare the gradient that a function answers with to a numerical one.

    Parameters
    ----------
    function : callable
        Answers with (value, gradients): one number, and the gradient by its first input; or a tuple
        with one for each of the first inputs, None for those to be left out; or a dictionary by
        name, with or without a d in front (dW). It is given float64 arrays.
    inputs : array or tuple of them
        The arguments.
    samples : int, optional
        How many numbers of each gradient are checked; all if not given.
    seed : int
        Draws the sample.

    Returns
    -------
    Report
        Rows worst first, with the likely mistake; true if no gradient is wrong.

    Raises
    ------
    ArgumentError
        If the function does not answer with a value and gradients, or not twice the same.
    ShapeError
        If the value is not one number.

    Examples
    --------
    >>> def parabola(w):
    ...     return np.sum(w * w), w
    >>> report = check_by_hand(parabola, np.array([1.0, -2.0]))
    >>> report.ok, report.worst.mistake
    (False, 'half of it: one of two equal paths is lost (= for +=), or a 2 is missing')
    """
    title = f"Check of the gradient that {_called(function)} answers with"
    case = _HandCase(function, several(inputs), seed)
    if not case.leaves:
        return Report(case.misshapen, 1, title)
    case.check_repeatable()
    report = check_case(case, samples, title=title)
    rows = [_explained(row, case, report.rows) for row in report.rows]
    return replace(report, rows=case.misshapen + rows)


class _HandCase(Case):
    """A case whose gradients are those that the function answers with."""

    blind = True

    def __init__(self, function: Callable[..., Any], given: tuple[Any, ...], seed: int) -> None:
        self._function = function
        names = input_names(function, len(given))
        self._arguments = [np.array(_bare(x), np.float64) if is_floating(x) else x for x in given]
        floating = {
            name: x
            for name, x in zip(names, self._arguments, strict=True)
            if isinstance(x, np.ndarray) and x.dtype == np.float64
        }
        self._all_sizes = {
            size for x in given if hasattr(_bare(x), "shape") for size in np.shape(_bare(x))
        }
        self._names = list(floating)
        answered = self._answer()[1]
        self.misshapen = [
            _misshapen(name, floating[name].shape, gradient.shape)
            for name, gradient in answered.items()
            if gradient.shape != floating[name].shape
        ]
        wrong = {row.name for row in self.misshapen}
        leaves = {
            name: Tensor.share(floating[name]) for name in answered.keys() - wrong
        }  # the very arrays that the function is given, nudged in place
        super().__init__(self.history, {n: leaves[n] for n in floating if n in leaves}, seed=seed)

    @property
    def sizes(self) -> set[int]:
        """The sizes of all inputs' axes."""
        return self._all_sizes

    @property
    def rounding(self) -> float:
        """Relative rounding of the value: that of float32 where it never has more digits."""
        values = [self._answer()[0] for _ in self._nudges()]
        single = all(np.float32(value) == value for value in values)
        return float(np.finfo(np.float32 if single else np.float64).eps)

    def _nudges(self) -> Iterator[int]:
        """A few points close by, one after the other, set in place."""
        before = [np.array(leaf._value) for leaf in self.leaves.values()]
        for nudge in range(3):
            for place, (leaf, value) in enumerate(zip(self.leaves.values(), before, strict=True)):
                noise = philox.normal(nudge, place, value.shape, np.float64)
                leaf._value[...] = value * (1 + 1e-3 * noise)
            yield nudge
        for leaf, value in zip(self.leaves.values(), before, strict=True):
            leaf._value[...] = value

    def history(self) -> list[Tensor]:
        """The value."""
        return [Tensor.share(np.asarray(self._answer()[0]))]

    def read(self) -> Reading:
        """The value; nothing is known of winners."""
        return Reading(np.asarray(self._answer()[0], np.float64).reshape(1), [])

    def gradients(self, share: float = 1.0, stir: int = 0) -> dict[str, Array]:
        """What the function answered with."""
        if stir:
            return self._stirred(share, stir)
        found = self._answer()[1]
        return {name: share * found[name] for name in self.leaves}

    def _answer(self) -> tuple[Array, dict[str, Array]]:
        answer = self._function(*self._arguments)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise ArgumentError(
                _called(self._function),
                got=f"an answer of type {type(answer).__name__}",
                needs="(value, gradient): a number, and its gradient by the inputs",
                remedy="Write return loss, dW; or check the function without its own gradient.",
            )
        value = np.asarray(_bare(answer[0]))
        if value.size != 1 or value.dtype.kind not in "fiu":
            raise ShapeError(
                f"the value of {_called(self._function)}",
                got=f"shape {value.shape}, type {value.dtype}",
                needs="one number",
                remedy="Sum or average it, and its gradient with it.",
            )
        if value.dtype.kind != "f":
            value = value.astype(np.float64)
        return value, self._by_name(answer[1])

    def _by_name(self, gradients: Any) -> dict[str, Array]:
        """The gradients with the names of the inputs that they belong to."""
        if isinstance(gradients, Mapping):
            found = {self._meant(str(name)): one for name, one in gradients.items()}
        else:
            listed = list(gradients) if isinstance(gradients, (tuple, list)) else [gradients]
            if listed and isinstance(listed[0], (int, float)) and len(self._names) == 1:
                listed = [gradients]  # a list of numbers is one gradient
            if len(listed) > len(self._names):
                raise ArgumentError(
                    _called(self._function),
                    got=f"{len(listed)} gradients",
                    needs=f"at most one for each input with fractions: {', '.join(self._names)}",
                    remedy="Answer with a dictionary by name, such as {'W': dW}.",
                )
            found = dict(zip(self._names, listed, strict=False))
        return {
            name: np.array(_bare(one), np.float64) for name, one in found.items() if one is not None
        }

    def _meant(self, name: str) -> str:
        for known in (name, name.removeprefix("d"), name.removeprefix("d_")):
            if known in self._names:
                return known
        raise ArgumentError(
            _called(self._function),
            got=f"a gradient by {name!r}",
            needs=f"one of its inputs with fractions: {', '.join(self._names)}",
            remedy=nearest(name, self._names),
        )


def _misshapen(name: str, shape: tuple[int, ...], got: tuple[int, ...]) -> Row:
    """A gradient of another shape than its value: wrong, whatever its numbers."""
    told = f"its shape is {got}, and that of {name} is {shape}"
    extra = len(got) - len(shape)
    if got == shape[::-1]:
        told += ": transposed"
    elif tuple(size for size in got if size != 1) == tuple(size for size in shape if size != 1):
        told += ": an axis of length 1 too many or too few"
    elif extra > 0 and got[extra:] == shape:
        told += f": not summed over the axis {', '.join(map(str, range(extra)))} of the broadcast"
    elif len(got) == len(shape) and all(
        one == 1 or one == other for one, other in zip(shape, got, strict=True)
    ):
        axes = [
            str(i) for i, (one, other) in enumerate(zip(shape, got, strict=True)) if one != other
        ]
        told += f": not summed over the axis {', '.join(axes)} of the broadcast"
    return Row(name, None, np.nan, np.nan, 0.0, np.inf, Verdict.WRONG, mistake=told, side="shape")


def _explained(row: Row, case: _HandCase, rows: list[Row]) -> Row:
    """A row that failed without a likely mistake: what else the numbers may tell."""
    if not row.verdict.failed or row.mistake:
        return row
    measured = [one for one in rows if one.name == row.name and one.index is not None]
    failed = [one for one in measured if one.verdict.failed]
    value = case.leaves[row.name]._value
    mine = np.array([value[one.index] for one in measured])
    lacking = np.array([one.numeric - one.analytic for one in measured])
    told = _penalty(row.name, mine, lacking) if len(measured) > 1 else ""
    if not told and len(failed) < len(measured):
        told = f"only some numbers: {len(failed)} of the {len(measured)} that were measured"
    return replace(row, mistake=told)


def _penalty(name: str, value: Array, lacking: Array) -> str:
    """Whether what is lacking is a multiple of the value itself."""
    size = float(value @ value)
    factor = float(value @ lacking) / size if size else 0.0
    left = np.abs(lacking - factor * value)
    if not factor or float(left.max()) > _CLOSE * float(np.abs(lacking).max()):
        return ""
    word = "is missing" if factor > 0 else "is too much"
    return f"{abs(factor):.4g}·{name} {word}, as a penalty on {name} brings"


def _bare(x: Any) -> Any:
    return getattr(x, "_value", x)


def _called(function: Any) -> str:
    named = getattr(function, "text", None) or getattr(function, "__name__", None)
    return str(named or type(function).__name__)

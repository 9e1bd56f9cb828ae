"""The gradient check: analytic against numerical, number by number, for anything that computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from backlight import philox
from backlight.check.blame import located
from backlight.check.case import Case, of_function, of_model, second_order
from backlight.check.compiled import CompiledCase
from backlight.check.difference import EPSILON, Line, Prober
from backlight.check.domain import left_domain, outside_domain
from backlight.check.judging import Rule, Tolerances, compare, largest_of
from backlight.check.mistake import likely_mistake
from backlight.check.report import Report, Row
from backlight.check.verdict import Verdict
from backlight.errors import ArgumentError, DTypeError, GraphError, nearest
from backlight.shapes import whole

Array = np.ndarray[Any, Any]

MAX_EVALUATIONS = 2_000_000
_RESIDUE, _ROUNDING, _MARGIN = 1e-14, 1e-9, 16.0
_WEIGHTS = 4  # of the cotangent, as an example
_PYTORCH_ONLY = (
    "check_sparse_nnz",
    "nondet_tol",
    "check_undefined_grad",
    "check_grad_dtypes",
    "check_batched_grad",
    "check_batched_forward_grad",
    "check_forward_ad",
    "check_backward_ad",
    "masked",
    "gen_non_contig_grad_outputs",
    "check_fwd_over_rev",
    "check_rev_over_rev",
)


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    loss: Callable[..., Any] | None = None,
    samples: int | None = None,
    order: int = 1,
    seed: int = 0,
    cotangent: str = "random",
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    raise_exception: bool = False,
    fast_mode: bool = False,
    compiled: bool = False,
    **pytorch: Any,
) -> Report:
    """Compare the gradients of a function, gate, layer or model with numerical ones.

    Every result is weighted by a random cotangent, so that mistakes cannot cancel. Computed in
    float64 on copies: inputs, parameters, running statistics and random state are left as they
    were. There is no tolerance to set: each numerical slope carries its own error bar.

    Parameters
    ----------
    func : callable
        A function of tensors, a gate, or a Module.
    inputs : tensor, array or tuple of them
        The arguments. Floating ones are differentiated by; if some have requires_grad, only those.
    loss : callable, optional
        With a Module: loss(model(*inputs[:-1]), inputs[-1]).
    samples : int, optional
        How many numbers of each parameter and input are checked, the one with the largest gradient
        among them, together with a random direction through all; None checks every number.
    order : int
        2 also checks the gradient of the backward pass, by the inputs and by the upstream.
    seed : int
        Draws the cotangent and the sample.
    cotangent : str
        "random" weights for several results, so that no two mistakes cancel, or "ones": their sum.
    eps : float, optional
        The first step tried, 1e-5·max(1, |x|) if not given.
    atol, rtol : float, optional
        Accept |a − n| ≤ atol + rtol·|n| instead of the verdict's 1e-7 (PyTorch's rule).
    raise_exception : bool
        Raise GraphError where a gradient is wrong. (PyTorch does unless told not to.)
    fast_mode : bool
        Check only a random direction through each tensor.
    compiled : bool
        Compile the function and its backward pass, and check those: compiled gradients against
        differences of compiled values.

    Returns
    -------
    Report
        Rows worst first; true if no gradient is wrong.

    Raises
    ------
    ArgumentError
        If the function is not repeatable, writes into its inputs, or needs more than 2,000,000
        evaluations; if an option is unknown.
    CompileCheckError
        With `compiled`: if the compiled function has other values than the function itself.
    DTypeError
        If nothing can be differentiated by, or no result can be differentiated.

    Examples
    --------
    >>> import backlight
    >>> report = gradcheck(lambda x, y: x * backlight.exp(y), ([1.0, 2.0], [0.5, -1.0]))
    >>> report.ok, report.counts
    (True, {'happy': 4})

    Source: CS231n, notes on neural networks 3.
    """
    for name in pytorch:
        if name not in _PYTORCH_ONLY:
            raise ArgumentError(
                "gradcheck",
                got=f"the option {name!r}",
                needs="a known option",
                remedy=nearest(
                    name,
                    (
                        "samples",
                        "order",
                        "seed",
                        "cotangent",
                        "eps",
                        "atol",
                        "rtol",
                        "raise_exception",
                        "fast_mode",
                        "compiled",
                    ),
                ),
            )
    if order not in (1, 2):
        raise ArgumentError(
            "gradcheck",
            got=f"order={order}",
            needs="1 or 2",
            remedy="Third derivatives follow from the rules of the second.",
        )
    if cotangent not in ("random", "ones"):
        raise ArgumentError(
            "gradcheck",
            got=f"cotangent={cotangent!r}",
            needs="'random' or 'ones'",
            remedy=nearest(str(cotangent), ("random", "ones")),
        )
    if samples is not None:
        whole("gradcheck", "samples", samples, 1)
    tolerances = None if atol is None and rtol is None else (atol or 0.0, rtol or 0.0)
    kind = CompiledCase if compiled else Case
    case = (
        of_model(func, inputs, loss, seed, cotangent == "ones", kind)
        if hasattr(func, "named_parameters")
        else of_function(_with_loss(func, loss), inputs, seed, cotangent == "ones", kind)
    )
    if not case.outputs:
        raise DTypeError(
            f"gradcheck of {_title(func)}",
            got="no floating tensor among the results",
            needs="one to differentiate",
            remedy="Return a tensor that is computed from the inputs.",
        )
    case.check_repeatable()
    count = 0 if fast_mode else samples
    title = f"Gradient check of {'compiled ' if compiled else ''}{_title(func)}"
    report = check_case(case, count, eps=eps, tolerances=tolerances, title=title)
    report = located(report, case)
    if order == 2 and report.ok:
        again = check_case(second_order(case), count, eps=eps, tolerances=tolerances, order=2)
        report = Report(
            _sorted(report.rows + again.rows),
            report.evaluations + again.evaluations,
            title,
            report.sizes,
            report.weighting,
        )
    if raise_exception and not report.ok:
        raise _exception(report)
    return report


def gradgradcheck(func: Callable[..., Any], inputs: Any, **options: Any) -> Report:
    """`gradcheck` to second order: the backward pass is itself differentiated and compared.

    Examples
    --------
    >>> import backlight
    >>> gradgradcheck(backlight.tanh, [0.3, -0.7]).ok
    True
    """
    return gradcheck(func, inputs, **{**options, "order": 2})


def check_case(
    case: Case,
    samples: int | None = None,
    *,
    eps: float | None = None,
    tolerances: Tolerances = None,
    order: int = 1,
    title: str = "",
) -> Report:
    """The report on a case: all numbers of every leaf, or `samples` of each and a direction."""
    chosen = {name: _places(leaf.shape, samples) for name, leaf in case.leaves.items()}
    needed = 2 * sum(len(places) for places in chosen.values())
    if needed > MAX_EVALUATIONS:
        raise ArgumentError(
            "gradcheck",
            got=f"{needed:,} evaluations to make",
            needs=f"at most {MAX_EVALUATIONS:,}",
            remedy="Check a sample of each parameter: samples=10.",
        )
    gradients = case.gradients()
    prober = Prober(case.read, case.cotangent, case.rounding, case.blind)
    residues = rounding_of(case, gradients)
    rows: list[Row] = []
    for name, leaf in case.leaves.items():
        analytic = gradients[name]
        places = _with_largest(chosen[name], analytic, samples)
        rule = Rule(residues[name], eps, tolerances, order)
        found = [_row(prober, name, leaf._value, place, analytic, rule) for place in places]
        if samples is not None and leaf.size > len(places):
            found.append(_along(prober, name, leaf._value, analytic, case.seed, rule))
        rows += _explained(found, analytic, case.sizes)
    rows = outside_domain(rows, left_domain(case))
    return Report(
        _sorted(rows),
        prober.evaluations,
        title,
        {name: leaf.size for name, leaf in case.leaves.items()},
        _weighting(case),
    )


def _weighting(case: Case) -> str:
    """What was differentiated, where there are several results; "" for one number."""
    weights = case.cotangent
    if weights.size <= 1:
        return ""
    if case.ones:
        return "The gradient of Σ yᵢ, the sum of all results."
    shown = ", ".join(f"{weight:.4g}" for weight in weights[:_WEIGHTS])
    more = ", …" if weights.size > _WEIGHTS else ""
    return (
        f"The gradient of Σ uᵢ·yᵢ with random weights u = [{shown}{more}], "
        "so that no two mistakes cancel."
    )


def rounding_of(case: Case, gradients: dict[str, Array]) -> dict[str, float]:
    """How far rounding in the backward pass may have moved each leaf's gradient.

    A backward pass is linear in its upstream, so a third of the upstream gives a third of the
    gradient, and rounds differently; so do inputs that differ in their last digits. What is left
    where gradients cancel (by a bias in front of a batch norm, say) shows in the differences. A
    mistake is the same in all.
    """
    scale = max(map(largest_of, gradients.values()), default=0.0)
    others = [(part, case.gradients(1 / part, stir=part)) for part in (3, 7, 11)]
    found = {}
    coarse = case.rounding
    most = _ROUNDING if coarse <= EPSILON else 64 * coarse
    for name, gradient in gradients.items():
        with np.errstate(all="ignore"):
            moved = _MARGIN * max(
                largest_of(gradient - part * other[name]) for part, other in others
            )
        # More than this is no rounding: the rule is not linear, and gets no benefit from it.
        found[name] = max(_RESIDUE * scale, moved if moved <= most * scale else 0.0)
    return found


def _row(
    prober: Prober, name: str, array: Array, place: tuple[int, ...], analytic: Array, rule: Rule
) -> Row:
    """One number."""
    largest = largest_of(analytic)
    return compare(prober, Line(array, place), name, place, float(analytic[place]), largest, rule)


def _along(prober: Prober, name: str, array: Array, analytic: Array, seed: int, rule: Rule) -> Row:
    """A random direction through all numbers, which the sample may have left out."""
    direction = philox.normal(seed, 777, array.shape, np.float64)
    slope = float(np.sum(analytic * direction))
    largest = largest_of(np.sqrt(np.sum((analytic * direction) ** 2)))
    return compare(prober, Line(array, None, direction), name, None, slope, largest, rule)


def _explained(rows: list[Row], analytic: Array, sizes: set[int]) -> list[Row]:
    """The rows of one tensor, with the likely mistake in those that failed."""
    if not any(row.verdict.failed for row in rows):
        return rows
    numeric = {row.index: row.numeric for row in rows if row.index is not None and not row.kink}
    mistake = likely_mistake(analytic, numeric, sizes)
    return [replace(row, mistake=mistake) if row.verdict.failed else row for row in rows]


_RANK = {verdict: rank for rank, verdict in enumerate(Verdict)}


def _sorted(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (_RANK[row.verdict], -row.error))


def _places(shape: tuple[int, ...], samples: int | None) -> list[tuple[int, ...]]:
    size = int(np.prod(shape))
    if samples is None or samples >= size:
        return list(np.ndindex(shape))
    order = philox.permutation(size, samples, size)[:samples]
    return [tuple(int(i) for i in np.unravel_index(int(one), shape)) for one in order]


def _with_largest(
    places: list[tuple[int, ...]], analytic: Array, samples: int | None
) -> list[tuple[int, ...]]:
    """The sample, with the number of the largest gradient in it."""
    if not samples or analytic.size == 0:
        return places
    top = tuple(int(i) for i in np.unravel_index(int(np.argmax(np.abs(analytic))), analytic.shape))
    return places if top in places else [top, *places[1:]]


def _with_loss(func: Callable[..., Any], loss: Callable[..., Any] | None) -> Callable[..., Any]:
    if loss is None:
        return func

    def composed(*arguments: Any) -> Any:
        return loss(func(*arguments[:-1]), arguments[-1])

    return composed


def _title(func: Any) -> str:
    return str(getattr(func, "text", None) or getattr(func, "__name__", type(func).__name__))


def _exception(report: Report) -> GraphError:
    row = report.rows[0]
    return GraphError(
        f"the gradient by {row.place}",
        got=f"{row.analytic:.9g} from the backward pass, a relative error of {row.error:.1e}",
        needs=f"{row.numeric:.9g}, the numerical gradient",
        remedy=f"Mend the backward rule. {'Likely: ' + row.mistake if row.mistake else ''}",
    )

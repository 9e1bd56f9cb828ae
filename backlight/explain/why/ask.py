"""Asking why: from a value, a circuit or a formula to the reasons for one gradient in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, GraphError, RangeError, nearest
from backlight.explain.circuit.circuit import Circuit
from backlight.explain.circuit.record import circuit
from backlight.explain.why.answer import Overview, Why, size_of
from backlight.explain.why.chain import Budget, budget
from backlight.explain.why.examples import batch_of, pushes
from backlight.explain.why.missing import Recording, cut_off, detached_copies, missing
from backlight.explain.why.nonfinite import birth
from backlight.explain.why.paths import Account, paths
from backlight.explain.why.region import Region
from backlight.explain.why.removed import removals
from backlight.explain.why.stopped import cancels, stops
from backlight.expression import Expression

_ASKED = "\0asked"
_NEGLIGIBLE = {"f4": 2e-6, "f8": 1e-13}
"""Relative to its parts: a gradient below is what rounding left of a cancellation."""


@dataclass(frozen=True)
class Options:
    """How much is looked for, and in which language it is said; see `why`."""

    most: int = 6
    effort: int = 300
    batch: int | None = None
    clip: float | None = None
    language: str | None = None


def why(
    of: Tensor | Circuit | Expression | str,
    what: Tensor | str | int | None = None,
    entry: int | Sequence[int] | None = None,
    *,
    most: int = 6,
    effort: int = 300,
    batch: int | None = None,
    clip: float | None = None,
    language: str | None = None,
    **values: Any,
) -> Why | Overview:
    """Where a gradient came from: paths, factors, what removed it, and which examples push.

    The gradient of one number is Σ over paths of Π local gradients; the paths listed and the
    remainder add up to it exactly. The size of a whole gradient is the product of what each gate on
    the way did to it. A gradient of 0, none at all, and a NaN are answered with the gate that made
    them so.

    Parameters
    ----------
    of : Tensor, Circuit, Expression or str
        The output, usually the loss, before `backward()` frees its history; or a formula.
    what : Tensor, str or int, optional
        The leaf or value asked about: itself, its name or its number in the circuit. Default: the
        only leaf, or a line for each.
    entry : int or sequence of int, optional
        Which number of it.
    most : int
        How many paths to list.
    effort : int
        How many gates may be asked for a column of their Jacobian.
    batch : int, optional
        The number of examples; found from the data if not given.
    clip : float, optional
        To which norm training clips the gradient of all parameters.
    language : str, optional
        "en" or "ko".
    **values
        The inputs of a formula.

    Returns
    -------
    Why, or Overview where several leaves were asked about
        They print in words; `to_dict()` for machines.

    Raises
    ------
    ArgumentError
        If nothing in the circuit has the name.
    RangeError
        If the tensor has no such number.
    GraphError
        If the output has no history.

    Examples
    --------
    >>> reason = why("x*y + sigmoid(x)", "x", x=2, y=-4)
    >>> print(reason.in_words("en").splitlines()[0])
    ∂output/∂x = −3.895
    >>> [round(path.contribution, 4) for path in reason.account.paths]
    [-4.0, 0.105]
    >>> import backlight
    >>> x = backlight.tensor([3.0, -1.0], requires_grad=True, name="x")
    >>> why(x.relu().sum(), x, 1).outcome
    'zero'
    """
    options = Options(most, effort, batch, clip, language)
    return ask(of, what, values, entry, options)


def ask(
    of: Tensor | Circuit | Expression | str,
    what: Tensor | str | int | None,
    values: dict[str, Any],
    entry: int | Sequence[int] | None = None,
    options: Options | None = None,
) -> Why | Overview:
    """`why`, with the inputs of a formula as a dictionary: they may be called anything."""
    options = options or Options()
    drawn, asked, barrier = _drawn(of, what, values)
    if what is None:
        leaves = [
            node.index for node in drawn.leaves if node.kind != "constant" and node.wants_gradient
        ]
        if not leaves and not values:
            raise _without_history(drawn)
        if len(leaves) != 1 or values.keys() - {drawn.nodes[leaves[0]].name}:
            return _overview(drawn, leaves, values, of, options)
        asked = leaves[0]
    if isinstance(what, int) or (isinstance(what, str) and asked is None and what not in values):
        asked = drawn.find(what).index
    name = _name(drawn, what, asked)
    given = what._value if isinstance(what, Tensor) else values.get(name)
    return _reason(drawn, name, asked, given, entry, barrier, options)


def _drawn(
    of: Any, what: Any, values: dict[str, Any]
) -> tuple[Circuit, int | None, tuple[str, str] | None]:
    """The circuit, the node asked about if it has one, and what keeps its gradient away."""
    if isinstance(of, Circuit):
        return of, _named(of, what), None
    if isinstance(of, (str, Expression)):
        return _formula(of, what, values)
    if values:
        raise ArgumentError(
            "why",
            got=f"the option {next(iter(values))!r}",
            needs="a known option, or a formula whose input it is",
            remedy=nearest(
                next(iter(values)), ("most", "effort", "batch", "clip", "language", "entry")
            ),
        )
    names = {_ASKED: what} if isinstance(what, Tensor) else {}
    drawn = circuit(of, names=names)
    if drawn.nodes[drawn.output].gate is None and drawn.nodes[drawn.output].kind == "constant":
        raise _without_history(drawn)
    asked = _named(drawn, _ASKED if names else what)
    if names and asked is not None:
        nodes = list(drawn.nodes)
        nodes[asked] = replace(nodes[asked], name=what.name or "")
        drawn = replace(drawn, nodes=tuple(nodes), _shares={})
    barrier = cut_off(of, what) if names and asked is None else None
    return drawn, asked, barrier


def _formula(
    of: Any, what: Any, values: dict[str, Any]
) -> tuple[Circuit, int | None, tuple[str, str] | None]:
    """The circuit of a formula; every gate is watched, so that a wall is seen too."""
    text = Expression.parse(of) if isinstance(of, str) else of
    inputs = {name: _input(value) for name, value in values.items()}
    with Recording() as recording:
        output = text.evaluate(inputs)
    drawn = replace(circuit(output, names=inputs), text=str(text), _shares={})
    asked = _named(drawn, what)
    barrier = None
    if isinstance(what, str) and what in inputs and asked is None:
        barrier = recording.barrier(inputs[what], output)
    elif isinstance(what, str) and what not in inputs and asked is None:
        raise ArgumentError(
            f"the formula {str(text)!r}",
            got=f"the name {what!r}",
            needs="one of its inputs",
            remedy=nearest(what, text.names),
        )
    return drawn, asked, barrier


def _input(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value)
    made = Tensor.share(array.astype(np.float64) if array.dtype.kind in "iub" else array)
    made.requires_grad = True
    return made


def _named(drawn: Circuit, what: Any) -> int | None:
    if not isinstance(what, str):
        return None
    return next((node.index for node in drawn.nodes if node.name == what), None)


def _name(drawn: Circuit, what: Any, asked: int | None) -> str:
    if isinstance(what, str):
        return what
    if asked is not None and drawn.nodes[asked].name:
        return drawn.nodes[asked].name
    if isinstance(what, Tensor):
        return what.name or "x"
    return f"#{asked}"


def _overview(
    drawn: Circuit, leaves: list[int], values: dict[str, Any], of: Any, options: Options
) -> Overview:
    """A short answer for each leaf; an input that reaches nothing is answered too."""
    single = all(node.value.size == 1 for node in drawn.nodes)
    reasons = []
    for index in leaves:
        name = drawn.nodes[index].name or f"#{index}"
        reasons.append(_reason(drawn, name, index, None, None, None, options, short=not single))
    known = {reason.name for reason in reasons}
    for name in values.keys() - known:
        lost = ask(of, name, values, None, options)
        if isinstance(lost, Why):
            reasons.append(lost)
    return Overview(drawn, tuple(reasons), options.language)


def _reason(
    drawn: Circuit,
    name: str,
    asked: int | None,
    given: Any,
    entry: Any,
    barrier: tuple[str, str] | None,
    options: Options,
    short: bool = False,
) -> Why:
    value = drawn.nodes[asked].value if asked is not None else np.asarray(_bare(given))
    place = _place(name, entry, value.shape)
    if place is None and value.size == 1:
        place = (0,) * value.ndim
    failed = birth(drawn)
    region = None if asked is None else Region(drawn, asked)
    asks = asked is not None and drawn.nodes[asked].wants_gradient
    gradient = region.gradient if region is not None and asks else None
    facts: dict[str, Any] = {"language": options.language}
    if region is not None and asked is not None:
        facts["detached"] = tuple(detached_copies(drawn, region.reached))
    if failed is not None:  # said even where this gradient is none of it
        facts["birth"] = failed
    asked_about = gradient if gradient is None or place is None else gradient[place]
    if asked_about is not None and not np.isfinite(asked_about).all():
        size = size_of(gradient, place)
        return Why(drawn, name, asked, place, "nonfinite", size, **facts)
    if region is None or gradient is None:
        reason = missing(drawn, asked, barrier)
        return Why(drawn, name, asked, place, "none", None, missing=reason, **facts)
    rows = options.batch or batch_of(region)
    if place is not None:
        facts["account"] = paths(region, place, options.most, options.effort)
    size = size_of(gradient, place)
    if not np.isfinite(gradient).all():  # other numbers of it: their norms say nothing
        facts["stops"] = tuple(stops(region, place)) if size == 0 else ()
        outcome = "zero" if size == 0 else "number"
        return Why(drawn, name, asked, place, outcome, size, **facts)
    facts["budget"] = budget(region, rows, options.clip, place)
    facts["removals"] = tuple(removals(region, rows, place))
    zero = size == 0 or _negligible(facts.get("account"), facts["budget"], region)
    if zero:
        facts["stops"] = tuple(stops(region, place))
    elif not short:
        facts["pushes"] = pushes(region, place, rows)
    return Why(drawn, name, asked, place, "zero" if zero else "number", size, **facts)


def _negligible(account: Account | None, chain: Budget, region: Region) -> bool:
    """Whether a gradient is only the rounding of parts that cancel."""
    tiny = _NEGLIGIBLE.get(np.asarray(region.gradient).dtype.str[1:], 2e-6)
    if account is None:
        causes = [cause for link in chain.links for cause in link.causes]
        if any(one.name == "cancellation" and one.factor <= tiny for one in causes):
            return True
        # What cancels inside examples, over the words of a sentence, has no factor of its own.
        suspected = any(link.factor <= 50 * tiny for link in chain.links)
        return suspected and cancels(region)
    size = sum(use.positive - use.negative for use in account.uses)
    return abs(account.gradient) <= tiny * size


def _place(name: str, entry: Any, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    if entry is None:
        return None
    place = (entry,) if isinstance(entry, (int, np.integer)) else tuple(entry)
    fits = len(place) == len(shape) and all(
        -size <= i < size for i, size in zip(place, shape, strict=True)
    )
    if not fits:
        raise RangeError(
            f"why {name}",
            got=f"the entry [{', '.join(map(str, place))}]",
            needs=f"one number of a tensor of shape {shape}",
            remedy=f"Give {len(shape)} whole numbers, each below the size of its axis.",
        )
    return tuple(int(i) % size for i, size in zip(place, shape, strict=True))


def _bare(given: Any) -> Any:
    return getattr(given, "_value", 0.0 if given is None else given)


def _without_history(drawn: Circuit) -> GraphError:
    shape = drawn.nodes[drawn.output].shape
    return GraphError(
        "why",
        got=f"a value of shape {shape} that no gate made from something with a gradient",
        needs="an output with its history, and what to ask about in it",
        remedy="Write why(loss, parameter) with the loss of an eager step, before loss.backward(): "
        "a compiled step, no_grad() and detach() keep no history.",
    )

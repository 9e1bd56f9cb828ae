"""The answer in words: which sentences are said, in which order, with which numbers."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backlight.explain.circuit.circuit import Array, Circuit
from backlight.explain.why.chain import Budget, Link
from backlight.explain.why.examples import Push, Pushes
from backlight.explain.why.paths import Account, Path, Place, Use
from backlight.explain.why.removed import Removal
from backlight.explain.why.stopped import Stop
from backlight.words import say

if TYPE_CHECKING:
    from backlight.explain.why.answer import Why

_SHOWN = 5
_LINKS = 40
_LONGEST = 16
_CHANGED = 0.005  # a factor nearer to 1 is no news


def number(value: float | None) -> str:
    """At most four digits, with a real minus sign.

    Examples
    --------
    >>> number(-0.000123456), number(3.0)
    ('−0.0001235', '3')
    """
    return "–" if value is None else f"{value + 0.0:.4g}".replace("-", "−")


def percent(part: float) -> str:
    """A part of 1 in per cent; 100% only if it is all."""
    if 0 < part < 1:
        part = min(max(part, 0.001), 0.999)
    return f"{100 * part:.3g}%"


def at(place: Place | None) -> str:
    """Indices in brackets; nothing for a single number."""
    return f"[{', '.join(map(str, place))}]" if place else ""


def label(circuit: Circuit, index: int, language: str | None = None) -> str:
    """A node as one would call it: its name, or its gate with the layer or number."""
    node = circuit.nodes[index]
    if node.gate is None:
        return node.name or say("why.leaf", language, number=index)
    if node.name:
        return f"{node.name} ({node.gate.name})"
    if node.layer:
        return say("why.gate_of_layer", language, gate=node.gate.name, layer=node.layer)
    return f"{node.gate.name} #{index}"


def subject(why: Why) -> str:
    """The number or tensor that was asked about, as one would write it."""
    return f"{why.name}{at(why.entry)}"


def lines(why: Why, language: str | None) -> Iterator[str]:
    """The whole answer, line by line."""
    yield _heading(why, language)
    yield from _ends(why, language)
    if why.account is not None and why.account.uses:
        yield from _account(why, why.account, language)
    small = _small(why)
    if why.budget is not None and why.budget.links and not small:
        yield from _budget(why, why.budget, language)
    if why.removals and not small:
        yield say(
            "why.heading.removed" if why.entry is None else "why.heading.removed_reached", language
        )
        for removal in why.removals:
            yield "  " + _removal(why, removal, language)
    for constant, original in why.detached:
        yield say(
            "why.detached",
            language,
            constant=label(why.circuit, constant, language),
            original=label(why.circuit, original, language),
        )
    if why.pushes is not None:
        yield from _examples(why, why.pushes, language)


def _small(why: Why) -> bool:
    """A circuit of single numbers, about which its paths say everything."""
    return why.account is not None and all(node.value.size == 1 for node in why.circuit.nodes)


def _heading(why: Why, language: str | None) -> str:
    output = why.circuit.nodes[why.circuit.output].name or say("why.output", language)
    written = f"∂{output}/∂{why.subject}"
    if why.outcome == "none":
        return say("why.none", language, what=written)
    if why.outcome == "nonfinite" or why.value is None:
        return say("why.nonfinite", language, what=written, value=number(why.gradient))
    if why.entry is not None:
        return f"{written} = {number(why.gradient)}"
    shape = " × ".join(map(str, why.value.shape))
    return say("why.norm", language, what=written, norm=number(why.gradient), shape=shape)


def _ends(why: Why, language: str | None) -> Iterator[str]:
    """What made it nothing, zero, or no number."""
    if why.missing is not None:
        yield "  " + say(
            f"why.missing.{why.missing.kind}",
            language,
            name=why.name,
            gate=why.missing.gate,
        )
    if why.outcome == "zero":
        yield say("why.rounding" if why.gradient else "why.zero", language)
        for stop in why.stops[:_SHOWN]:
            yield "  " + _stop(why, stop, language)
        if len(why.stops) > _SHOWN:
            yield "  " + say("why.more", language, count=len(why.stops) - _SHOWN)
    if why.birth is not None:
        yield "  " + _birth(why, language)
        for given in why.birth.given:
            needs = say("why.needs", language, domain=given.domain) if given.domain else ""
            source = "" if given.node < 0 else label(why.circuit, given.node, language)
            named = f"{given.wire} = {number(given.value)}"
            yield f"    {named:24} {source}{at(given.place)} {needs}".rstrip()
        if why.outcome != "nonfinite" and _finite_output(why):
            yield "  " + say("why.birth.harmless", language)


def _finite_output(why: Why) -> bool:
    return bool(np.isfinite(why.circuit.nodes[why.circuit.output].value).all())


def _stop(why: Why, stop: Stop, language: str | None) -> str:
    return say(
        f"why.stop.{stop.kind}" if stop.value is None else "why.stop.flat_at",
        language,
        value=number(stop.value),
        gate=label(why.circuit, stop.node, language),
        places=stop.places,
        other=label(why.circuit, stop.other, language)
        if stop.other >= 0
        else say("why.other", language),
    )


def _birth(why: Why, language: str | None) -> str:
    birth = why.birth
    assert birth is not None  # noqa: S101 - told to the type checker
    leaf = why.circuit.nodes[birth.node].gate is None
    kind = "leaf" if leaf and not birth.backward else "backward" if birth.backward else "forward"
    told = say(
        f"why.birth.{kind}",
        language,
        gate=label(why.circuit, birth.node, language),
        value=number(birth.value),
        place=at(birth.place),
        count=birth.count,
        source=label(why.circuit, birth.source, language) if birth.source >= 0 else "",
    )
    return " ".join(told.replace(" ,", ",").split())  # a single number has no place


# ── paths ──────────────────────────────────────────────────────────────────────────────────────


def _account(why: Why, account: Account, language: str | None) -> Iterator[str]:
    if not _small(why):
        yield say("why.heading.uses", language)
        for use in account.uses:
            yield from _use(why, use, language)
        if account.cancelled > _CHANGED:
            yield "  " + say("why.cancelled", language, part=percent(account.cancelled))
    if not account.paths:
        return
    many = account.count is None or account.count > len(account.paths)
    yield say(
        "why.heading.paths" if many else "why.heading.all_paths",
        language,
        shown=len(account.paths),
        count=say("why.many", language) if account.count is None else account.count,
    )
    for path in account.paths:
        yield from _path(why, path, language)
    if many or account.remainder:
        rest = say("why.remainder" if many else "why.rounded", language)
        yield f"  {number(account.remainder):>10}  {rest}"
    yield f"  {number(account.gradient):>10}  {say('why.sum', language)}"


def _use(why: Why, use: Use, language: str | None) -> Iterator[str]:
    yield "  " + say(
        "why.use" if use.count > 1 else "why.use_one",
        language,
        gate=label(why.circuit, use.node, language),
        count=use.count,
        total=number(use.total),
        positive=number(use.positive),
        negative=number(use.negative),
    )
    for term in use.terms:
        product = term.local * term.upstream
        yield "    " + say(
            "why.term",
            language,
            place=at(term.place),
            local=number(term.local),
            upstream=number(term.upstream),
            product=number(product),
        )


def _path(why: Why, path: Path, language: str | None) -> Iterator[str]:
    upstream = float(why.circuit.upstream[path.steps[-1].place]) if path.steps else 1.0
    factors = [number(step.local) for step in path.steps]
    if upstream != 1 or not factors:
        factors.append(number(upstream))
    way = " → ".join(
        _middle_out(
            [f"{label(why.circuit, step.node, language)}{at(step.place)}" for step in path.steps]
        )
    )
    yield f"  {number(path.contribution):>10}  = {' × '.join(_middle_out(factors))}"
    yield f"  {'':>10}    {why.subject} → {way}"


def _middle_out(told: list[str]) -> list[str]:
    """The parts of a very long path, with how many were left out in the middle."""
    if len(told) <= _LONGEST:
        return told
    half = _LONGEST // 2
    return [*told[:half], f"… ({len(told) - 2 * half}) …", *told[-half:]]


# ── the budget ─────────────────────────────────────────────────────────────────────────────────


def _budget(why: Why, budget: Budget, language: str | None) -> Iterator[str]:
    whole = why.entry is None or why.value is None or why.value.size == 1
    yield say(
        "why.heading.budget" if whole else "why.heading.budget_whole", language, name=why.name
    )
    shown = budget.links
    if len(shown) > _LINKS:  # a very deep network: what changed most
        ranked = sorted(budget.links, key=lambda link: -_news(link))[:_LINKS]
        shown = tuple(link for link in budget.links if link in ranked)
        yield "  " + say("why.shown", language, shown=_LINKS, count=len(budget.links))
    for link in shown:
        yield "  " + _link(why, link, language)
    causes = ", ".join(
        f"{say(f'why.cause.{name}', language)} ×{number(factor)}"
        for name, factor in budget.by_cause().items()
    )
    factor = budget.end / budget.start if budget.start else 0.0
    yield "  " + say(
        "why.total" if causes else "why.total_plain",
        language,
        start=number(budget.start),
        end=number(budget.end),
        factor=number(factor),
        causes=causes,
    )


def _link(why: Why, link: Link, language: str | None) -> str:
    if link.node >= 0:
        name = label(why.circuit, link.node, language)
    elif any(cause.name == "entry" for cause in link.causes):
        name = why.subject
    else:
        name = say("why.clip", language)
    causes = ", ".join(
        f"{say(f'why.cause.{cause.name}', language)} ×{number(cause.factor)}"
        for cause in link.causes
        if abs(cause.factor - 1) > _CHANGED
    )
    return f"×{number(link.factor):<10} {number(link.after):>10}  {name:28} {causes}".rstrip()


def _gate_and_causes(why: Why, link: Link, language: str | None) -> str:
    return " ".join(_link(why, link, language).split()[2:])


def _news(link: Link) -> float:
    return max((abs(cause.factor - 1) for cause in link.causes), default=0.0)


def _removal(why: Why, removal: Removal, language: str | None) -> str:
    several = sum(i >= 0 for i in why.circuit.nodes[removal.node].inputs) > 1
    told = say(
        "why.removal.routed_of"
        if removal.kind == "routed" and several
        else f"why.removal.{removal.kind}",
        language,
        source=label(why.circuit, removal.source, language),
        gate=label(why.circuit, removal.node, language),
        part=percent(removal.part),
        places=removal.places,
        of=removal.of,
    )
    if removal.examples:
        key = "why.saturated_all" if removal.kind == "saturated" else "why.blocked"
        told += " " + say(key, language, examples=removal.examples, batch=removal.batch)
    if removal.dead and removal.units and why.entry is None:
        told += " " + say("why.dead", language, dead=removal.dead, units=removal.units)
    return told


def _examples(why: Why, pushes: Pushes, language: str | None) -> Iterator[str]:
    labels = _labels(why.circuit, pushes.batch)
    yield say("why.heading.examples", language, batch=pushes.batch)
    ups = [push for push in pushes.pushes if push.amount > 0][:_SHOWN]
    downs = [push for push in reversed(pushes.pushes) if push.amount < 0][:_SHOWN]
    for key, found in (("up", ups), ("down", downs)):
        if found:
            yield "  " + say(f"why.{key}", language, examples=_pushed(found, labels, language))
    if pushes.cancelled > _CHANGED:
        yield "  " + say("why.between", language, part=percent(pushes.cancelled))
    if abs(pushes.remainder) > 1e-6 * sum(abs(push.amount) for push in pushes.pushes):
        yield "  " + say("why.not_examples", language, amount=number(pushes.remainder))
    if pushes.mixed:
        yield "  " + say("why.mixed", language)


def _labels(circuit: Circuit, batch: int) -> Array | None:
    """The classes of the examples, where the loss is given some."""
    for node in circuit.leaves:
        if node.value.dtype.kind in "iu" and node.shape == (batch,):
            return node.value
    return None


def _pushed(found: Sequence[Push], labels: Array | None, language: str | None) -> str:
    return ", ".join(
        say(
            "why.example" if labels is None else "why.example_of",
            language,
            number=push.example,
            label=None if labels is None else int(labels[push.example]),
            amount=number(push.amount),
        )
        for push in found
    )


# ── short forms ────────────────────────────────────────────────────────────────────────────────


def short(why: Why, language: str | None) -> str:
    """One line: what the gradient is, and the first reason."""
    rest = list(_ends(why, language))
    if why.outcome in ("zero", "none", "nonfinite") and len(rest) > 0:
        return rest[1 if why.outcome == "zero" and len(rest) > 1 else 0].strip()
    if why.account is not None and why.account.count is not None:
        return " + ".join(number(path.contribution) for path in why.account.paths)
    if why.budget is None:
        return ""
    return ", ".join(
        f"{say(f'why.cause.{name}', language)} ×{number(factor)}"
        for name, factor in why.budget.by_cause().items()
    )


def overview_lines(reasons: Sequence[Why], language: str | None) -> Iterator[str]:
    """A line for each leaf: name, gradient or its norm, and the reason in short."""
    width = max([len(reason.subject) for reason in reasons], default=0)
    for reason in reasons:
        size = number(reason.gradient)
        kind = "" if reason.entry is not None or reason.gradient is None else "‖·‖ "
        yield f"{reason.subject:{width}}  {kind + size:>14}  {short(reason, language)}"


def table(why: Why, language: str | None) -> str:
    """A small table in HTML: heading, reasons, factors."""
    rows: list[tuple[str, str]] = []
    if why.account is not None:
        for path in why.account.paths[:_SHOWN]:
            way = " → ".join(label(why.circuit, step.node, language) for step in path.steps)
            rows.append((number(path.contribution), way))
        if why.account.remainder:
            rows.append((number(why.account.remainder), say("why.remainder", language)))
    elif why.budget is not None:
        rows += [
            (f"×{number(link.factor)}", _gate_and_causes(why, link, language))
            for link in why.budget.links[:_LINKS]
        ]
    told = [line.strip() for line in _ends(why, language)]
    told += [_removal(why, removal, language) for removal in why.removals[:_SHOWN]]
    cells = "".join(f"<tr>{_cell(left)}{_cell(right)}</tr>" for left, right in rows)
    said = "".join(f"<li>{html.escape(line)}</li>" for line in told)
    heading = html.escape(_heading(why, language))
    return (
        f'<div class="backlight-why"><strong>{heading}</strong><table>{cells}</table>'
        f"<ul>{said}</ul></div>"
    )


def _cell(text: Any) -> str:
    return f"<td>{html.escape(str(text))}</td>"

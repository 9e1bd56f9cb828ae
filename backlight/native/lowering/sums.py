"""Sums over many steps: one product, one fold, one array instead of one for each step.

A weight that is used at every step of a sequence gets a gradient from each: products
A₁B₁ + A₂B₂ + …, which are one product of [A₁ A₂ …] with the B's below each other. In the same way a
sum of sums over rows is one sum over all rows, and zeros around parts, added up, are the parts one
after the other. The parts are computed where they belong, so that putting them together is free,
and what would pass over the whole gradient at every step happens once.

Only the order of additions changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backlight.native.lowering.loops import LEAVES, VIEWS, Node, ordered, rebuilt, users

FEWEST = 3
"""Terms from which it pays."""
LEAST = 4
"""Nodes that are surely computed before any step: zeros, an input, and views of them."""


def gathered(outputs: Sequence[Node]) -> list[Node]:
    """The outputs with sums over steps written as one operation each."""
    nodes = ordered(outputs)
    uses = users(nodes)
    inside = _inner(nodes, uses, set(outputs))
    new: dict[Node, Node] = {}
    for node in nodes:
        inputs = tuple(new[x] for x in node.inputs)
        made = node if inputs == node.inputs else node.with_inputs(inputs)
        if node.op == "add" and node not in inside:
            terms = [new[term] for term in _terms(node, inside)]
            if len(terms) > 1:
                made = _summed(node, made, terms)
        new[node] = made
    return _shared([new[node] for node in outputs])


def _shared(outputs: Sequence[Node]) -> list[Node]:
    """The outputs, where parts that stand in a row in a longer join are a part of that one."""
    outputs = rebuilt(outputs, _flat)
    joins = [node for node in ordered(outputs) if node.op == "join" and _along_first(node)]
    joins += _overlaps(joins)
    joins.sort(key=lambda node: len(node.inputs), reverse=True)
    places: dict[Node, list[tuple[Node, int]]] = {}
    hosts: dict[Node, tuple[Node, int]] = {}
    for node in joins:
        for host, place in places.get(node.inputs[0], ()):
            if host.inputs[place : place + len(node.inputs)] == node.inputs:
                # What waits for the part would wait for the whole: it must not be in the whole.
                if node not in ordered([host]):
                    hosts[node] = host, place
                break
        else:
            for place, part in enumerate(node.inputs):
                places.setdefault(part, []).append((node, place))
    if not hosts:
        return outputs
    order = _before(ordered(outputs), hosts)
    known: set[Node] = set()
    for node in order:
        needed = [hosts[node][0]] if node in hosts else node.inputs
        if not known.issuperset(needed):
            return outputs  # each waits for the other
        known.add(node)
    new: dict[Node, Node] = {}
    for node in order:
        if node not in hosts:
            inputs = tuple(new[x] for x in node.inputs)
            new[node] = node if inputs == node.inputs else node.with_inputs(inputs)
            continue
        host, place = hosts[node]
        first = sum(part.shape[0] for part in host.inputs[:place])
        start = (first, *(0 for _ in node.shape[1:]))
        settings = {"start": start, "step": (1,) * node.ndim}
        new[node] = Node("slice", [new[host]], node.shape, node.dtype, settings, node.origin)
    return [new[node] for node in outputs]


def _overlaps(joins: list[Node]) -> list[Node]:
    """A join for both of two that share all but their ends: states before and after each step."""
    firsts = {node.inputs[0]: node for node in joins}
    found = []
    for node in joins:
        early, rest = node.inputs[0], node.inputs[1:]
        other = firsts.get(rest[0]) if rest else None
        alike = other is not None and other.dtype == node.dtype and len(ordered([early])) <= LEAST
        if alike and other is not None and other.inputs[: len(rest)] == rest:
            found.append(joined([early, *other.inputs]))
    return found


def _before(nodes: list[Node], hosts: dict[Node, tuple[Node, int]]) -> list[Node]:
    """The nodes, each longer join right before the first of those that are a part of it."""
    found: dict[Node, None] = {}
    for node in nodes:
        if node in hosts:
            for one in ordered([hosts[node][0]]):
                found[one] = None
        found[node] = None
    return list(found)


def _flat(node: Node, inputs: tuple[Node, ...]) -> Node:
    """A join of parts with a new first axis of 1, as one of the parts without it."""
    made = node if inputs == node.inputs else node.with_inputs(inputs)
    if node.op != "join" or not _along_first(node):
        return made
    bare = [x.inputs[0] for x in inputs if x.op == "reshape" and x.shape == (1, *x.inputs[0].shape)]
    if len(bare) < len(inputs) or not bare[0].ndim:
        return made
    return Node("reshape", [joined(bare)], node.shape, node.dtype, {}, node.origin)


def _along_first(node: Node) -> bool:
    return bool(node.attributes["axis"] == 0)


def _inner(nodes: Sequence[Node], uses: dict[Node, list[Node]], kept: set[Node]) -> set[Node]:
    """Sums that are only a part of a larger sum of the same kind."""
    return {
        node
        for node in nodes
        if node.op == "add"
        and node not in kept
        and len(uses[node]) == 1
        and uses[node][0].op == "add"
        and _alike(node, uses[node][0])
    }


def _terms(node: Node, inside: set[Node]) -> list[Node]:
    found: list[Node] = []
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one is node or one in inside:
            waiting.extend(reversed(one.inputs))
        else:
            found.append(one)
    return found


def _summed(node: Node, made: Node, terms: list[Node]) -> Node:
    """The sum of the terms, those of a kind together; as it was where none can be."""
    rest = list(terms)
    parts: list[Node] = []
    for gather in (_pads, _products, _folds):
        found, rest = gather(rest)
        parts += found
    if not parts:
        return made
    total, *others = [*parts, *rest]
    for other in others:
        total = Node("add", [total, other], node.shape, node.dtype, {}, node.origin)
    return total


def _products(terms: list[Node]) -> tuple[list[Node], list[Node]]:
    """Products of a transposed matrix with another, of the same shapes but for K."""
    kinds: dict[Any, list[Node]] = {}
    for term in terms:
        if term.op == "product" and term.ndim == 2 and term.inputs[0].op == "transpose":
            left, right = term.inputs[0].inputs[0], term.inputs[1]
            if all(one.op not in VIEWS or _filled(one) for one in (left, right)):
                kinds.setdefault((term.shape, term.dtype), []).append(term)
    found = []
    for some in kinds.values():
        if len(some) >= FEWEST:
            # Gradients are found from the last step to the first: in the order of the steps they
            # are the same runs of memory as what stacks all steps.
            some.reverse()
            left = joined([one.inputs[0].inputs[0] for one in some])
            right = joined([one.inputs[1] for one in some])
            turned = Node("transpose", [left], left.shape[::-1], left.dtype, {"axes": (1, 0)})
            first = some[0]
            product = Node("product", [turned, right], first.shape, first.dtype, {}, first.origin)
            found.append(product)
    return found, _without(terms, kinds)


def _filled(node: Node) -> bool:
    """Whether it is one constant everywhere, as the state before the first step is."""
    return node.op == "expand" and node.inputs[0].op == "constant"


def _folds(terms: list[Node]) -> tuple[list[Node], list[Node]]:
    """Sums over the first axis, also those that are rounded before they are added."""
    kinds: dict[Any, list[Node]] = {}
    for term in terms:
        fold = _bare(term)
        settings = fold.attributes
        if fold.op == "fold" and settings["by"] == "sum" and settings["axes"] == (0,):
            x = fold.inputs[0]
            kind = (x.shape[1:], x.dtype, fold.dtype, term.shape, term.dtype)
            kinds.setdefault(kind, []).append(term)
    found = []
    for some in kinds.values():
        if len(some) >= FEWEST:
            some.reverse()
            term, fold = some[0], _bare(some[0])
            whole = joined([_bare(one).inputs[0] for one in some])
            settings = {"by": "sum", "axes": (0,)}
            made = Node("fold", [whole], fold.shape, fold.dtype, settings, fold.origin)
            if made.dtype != term.dtype:
                made = Node("cast", [made], made.shape, term.dtype, {}, term.origin)
            if made.shape != term.shape:
                made = Node("reshape", [made], term.shape, term.dtype, {}, term.origin)
            found.append(made)
    return found, _without(terms, kinds)


def _bare(term: Node) -> Node:
    """What a term is before it is rounded and gets another shape."""
    while term.op in ("cast", "reshape"):
        term = term.inputs[0]
    return term


def _pads(terms: list[Node]) -> tuple[list[Node], list[Node]]:
    """Parts with zeros before and after, which together fill one axis exactly once."""
    kinds: dict[int, list[Node]] = {}
    for term in terms:
        if term.op == "pad" and term.attributes["value"] == 0:
            part = term.inputs[0].shape
            axes = [axis for axis, size in enumerate(part) if size != term.shape[axis]]
            if len(axes) == 1:
                kinds.setdefault(axes[0], []).append(term)
    for axis, some in kinds.items():
        some.sort(key=lambda term: term.attributes["before"][axis])
        end = 0
        for term in some:
            if term.attributes["before"][axis] != end:
                break
            end += term.inputs[0].shape[axis]
        else:
            if len(some) > 1 and end == some[0].shape[axis]:
                whole = joined([term.inputs[0] for term in some], axis)
                return [whole], [term for term in terms if term not in some]
    return [], terms


def joined(parts: list[Node], axis: int = 0) -> Node:
    """The parts one after the other; joins of joins are one."""
    flat: list[Node] = []
    for part in parts:
        same = part.op == "join" and part.attributes["axis"] == axis
        flat.extend(part.inputs if same else [part])
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return Node("join", flat, shape, parts[0].dtype, {"axis": axis}, parts[0].origin)


def _without(terms: list[Node], kinds: dict[Any, list[Node]]) -> list[Node]:
    taken = {one for some in kinds.values() if len(some) >= FEWEST for one in some}
    return [term for term in terms if term not in taken]


def _alike(node: Node, user: Node) -> bool:
    return (
        node.shape == user.shape
        and node.dtype == user.dtype
        and node.dtype.kind == "f"
        and node.op not in LEAVES
    )

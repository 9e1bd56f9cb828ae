"""The same outputs from less work: constants, algebra, views of views, equal nodes computed once.

Every rewrite is a small function in a table. All but one keep every bit, infinities, NaN and the
sign of zero included: x·0 is not 0 for infinite x, and x + 0 is not x for −0. The exception is
`multiply_add`: in float32 a product and a sum become one instruction, which rounds once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from backlight.native.lowering.loops import (
    ELEMENTWISE,
    Node,
    Provenance,
    evaluate,
    gates_of,
    ordered,
    rebuilt,
)
from backlight.native.lowering.view_rules import VIEW_RULES

Rule = Callable[[Node], Node | None]


def simplified(outputs: Sequence[Node]) -> list[Node]:
    """The outputs from fewer and cheaper nodes, the same bits (but for `multiply_add`).

    Outputs may be written to memory that others are read from: what was computed stays so, as a
    copy if need be, and different nodes stay different ones.

    Examples
    --------
    >>> from backlight.native.lowering.loops import printed
    >>> x = Node("input", [], (3,), np.float32, {"slot": 0})
    >>> one = Node("constant", [], (), np.float32, {"value": 1.0})
    >>> product = Node("multiply", [x, one], (3,), np.float32)
    >>> root = Node("sqrt", [product], (3,), np.float32)
    >>> print(printed(simplified([root]), {x: "x"}))
    x = input(slot=0) : float32[3]
    %1 = sqrt(x) : float32[3]
    return %1
    """
    return multiply_add(_kept_apart(outputs, exactly_simplified(outputs)))


def _kept_apart(before: Sequence[Node], after: Sequence[Node]) -> list[Node]:
    """The new outputs, with copies of those that became inputs, numbers, or one of the others."""
    holders: dict[Node, Node] = {}
    apart: dict[Node, Node] = {}
    for old, new in zip(before, after, strict=True):
        became_leaf = new.op in ("input", "constant") and old.op != new.op
        shared = holders.setdefault(new, old) is not old
        if old not in apart:
            copied = became_leaf or (shared and old is not new)
            apart[old] = elementwise("cast", new, dtype=new.dtype) if copied else new
    return [apart[old] for old in before]


def exactly_simplified(outputs: Sequence[Node]) -> list[Node]:
    """The outputs from fewer and cheaper nodes, every bit the same."""
    settling = _Settling()
    for node in ordered(outputs):
        settling.settle(node)
    return [settling.settled[node] for node in outputs]


class _Settling:
    """Nodes that no rule changes any more, each once."""

    def __init__(self) -> None:
        self.settled: dict[Node, Node] = {}
        self._numbers: dict[Node, int] = {}
        self._known: dict[Any, Node] = {}

    def settle(self, node: Node) -> Node:
        """What the node has become."""
        found = self.settled.get(node)
        if found is None:
            found = self._rewritten(node)
            self.settled[node] = self.settled[found] = found
        return found

    def _rewritten(self, node: Node) -> Node:
        inputs = tuple([self.settle(x) for x in node.inputs])
        if inputs != node.inputs:
            node = node.with_inputs(inputs)
        for rule in _rules(node.op):
            better = rule(node)
            if better is not None:
                if not better.origin and better.op not in ("input", "constant"):
                    better.origin = node.origin
                return self.settle(better)
        return self._once(node)

    def _once(self, node: Node) -> Node:
        """The first node that computes the same."""
        key = node.key(self._numbers)
        known = self._known.setdefault(key, node)
        if known is node:
            self._numbers[node] = len(self._numbers)
        return known


def multiply_add(outputs: Sequence[Node]) -> list[Node]:
    """x·y + z and x·y − z in float32 as one instruction that rounds once, where x·y is not kept.

    In float64 nothing is fused: results are compared with the eager ones to the last digits.
    """
    uses: dict[Node, int] = {}
    for node in ordered(outputs):
        for x in node.inputs:
            uses[x] = uses.get(x, 0) + 1
    for node in outputs:
        uses[node] = uses.get(node, 0) + 1
    single = {node for node, count in uses.items() if count == 1 and _is_product(node)}
    fused: set[Node] = set()

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        made = node if inputs == node.inputs else node.with_inputs(inputs)
        if node.op in ("add", "subtract") and node.dtype == np.float32:
            for place, x in enumerate(node.inputs):
                if x in single and x not in fused:
                    fused.add(x)
                    return _fused(made, place)
        return made

    return rebuilt(outputs, rule)


def _is_product(node: Node) -> bool:
    return node.op == "multiply" and node.dtype == np.float32


def _fused(node: Node, place: int) -> Node:
    """A sum or difference with the product at `place` as one instruction."""
    (x, y), other = node.inputs[place].inputs, node.inputs[1 - place]
    if node.op == "subtract" and place == 0:
        other = elementwise("negative", other)
    elif node.op == "subtract":
        x = elementwise("negative", x)
    origin = Provenance(node.origin, gates_of(node.origin)).joined(node.inputs[place].origin)
    return Node("fma", [x, y, other], node.shape, node.dtype, {}, origin)


# ── what a rule needs ──────────────────────────────────────────────────────────────────────


def constant(value: Any, dtype: Any) -> Node:
    """One number."""
    return Node("constant", [], (), dtype, {"value": np.asarray(value).astype(dtype)[()].item()})


def elementwise(op: str, *inputs: Node, dtype: Any = None) -> Node:
    """An operation place by place, of the type of its last input."""
    shape = np.broadcast_shapes(*[x.shape for x in inputs])
    return Node(op, inputs, shape, inputs[-1].dtype if dtype is None else dtype)


def uniform(node: Node) -> Any:
    """The one number that the node holds everywhere, as NumPy's; None if it is not known."""
    while node.op in ("expand", "reshape") and node.size:
        node = node.inputs[0]
    return node.dtype.type(node.attributes["value"]) if node.op == "constant" else None


def is_number(node: Node, value: float) -> bool:
    """Whether the node holds this number everywhere, of the same sign."""
    known = uniform(node)
    return known is not None and known == value and np.signbit(known * 1.0) == np.signbit(value)


def filled(node: Node, value: Any) -> Node:
    """One number in the shape and type of the node."""
    return stretched(constant(value, node.dtype), node)


def stretched(x: Node, like: Node) -> Node:
    """One node in the shape of another."""
    if x.shape == like.shape:
        return x
    return Node("expand", [x], like.shape, x.dtype, {}, like.origin)


# ── constants ──────────────────────────────────────────────────────────────────────────────


def fold_constants(node: Node) -> Node | None:
    """An operation on numbers that are known."""
    known = [uniform(x) for x in node.inputs]
    if not known or not node.size or any(value is None for value in known):
        return None
    scalar = Node(node.op, [constant(v, x.dtype) for v, x in zip(known, node.inputs, strict=True)],
                  (), node.dtype, node.attributes)  # fmt: skip
    with np.errstate(all="ignore"):
        value = evaluate(scalar, known)
    return filled(node, value)


def bare_inputs(node: Node) -> Node | None:
    """Inputs that were stretched although the operation stretches them itself."""
    if not node.inputs:
        return None
    bare = [x.inputs[0] if x.op == "expand" and x.inputs[0].ndim <= node.ndim else x
            for x in node.inputs]  # fmt: skip
    if all(x is y for x, y in zip(bare, node.inputs, strict=True)):
        return None
    if np.broadcast_shapes(*[x.shape for x in bare]) == node.shape:
        return node.with_inputs(bare)
    shape = np.broadcast_shapes(*[x.shape for x in bare])
    if int(np.prod(shape)) < node.size:  # compute the small array, then stretch it
        small = Node(node.op, bare, shape, node.dtype, node.attributes, node.origin)
        return stretched(small, node)
    return None


# ── algebra ────────────────────────────────────────────────────────────────────────────────


def neutral(node: Node) -> Node | None:
    """x·1, x/1, x − 0, x + (−0), x¹; for whole numbers also x + 0."""
    if len(node.inputs) != 2:
        return None
    left, right = node.inputs
    if left.dtype != node.dtype or right.dtype != node.dtype:
        return None
    nothing = -0.0 if node.dtype.kind == "f" else 0
    kept = None
    if node.op == "multiply":
        kept = left if is_number(right, 1) else right if is_number(left, 1) else None
    elif node.op == "add":
        kept = left if is_number(right, nothing) else right if is_number(left, nothing) else None
    elif (node.op == "subtract" and is_number(right, 0)) or (
        node.op in ("divide", "power") and is_number(right, 1)
    ):
        kept = left
    return None if kept is None else stretched(kept, node)


def square(node: Node) -> Node | None:
    """x² as a product."""
    x, exponent = node.inputs
    if x.dtype == node.dtype and is_number(exponent, 2):
        return stretched(elementwise("multiply", x, x), node)
    return None


def by_reciprocal(node: Node) -> Node | None:
    """A division by a power of two as a product, which is as exact."""
    x, divisor = node.inputs
    value = uniform(divisor)
    if value is None or node.dtype.kind != "f" or not np.isfinite(value) or value == 0:
        return None
    share = node.dtype.type(1) / value
    limits = np.finfo(node.dtype)
    normal = limits.tiny <= abs(share) <= limits.max and abs(value) >= limits.tiny
    if not normal or abs(np.frexp(value)[0]) != 0.5:
        return None
    return stretched(elementwise("multiply", x, constant(share, node.dtype)), node)


def signs(node: Node) -> Node | None:
    """−(−x), |−x|, ||x||, x + (−y), x − (−y), (−x)·(−y), (−x)/(−y), x·(−1)."""
    first, last = node.inputs[0], node.inputs[-1]
    if node.op == "negative" and first.op == "negative":
        return first.inputs[0]
    if node.op == "absolute" and first.op == "absolute":
        return first
    if node.op == "absolute" and first.op == "negative" and node.dtype.kind == "f":
        return elementwise("absolute", first.inputs[0])
    if node.op in ("add", "subtract") and last.op == "negative":
        other = "subtract" if node.op == "add" else "add"
        return elementwise(other, first, last.inputs[0])
    if node.op in ("multiply", "divide") and first.op == last.op == "negative":
        return elementwise(node.op, first.inputs[0], last.inputs[0])
    if node.op == "multiply" and is_number(last, -1) and node.dtype.kind == "f":
        return stretched(elementwise("negative", first), node)
    return None


def chosen(node: Node) -> Node | None:
    """A choice that is known, between equals, or by a negation."""
    condition, x, y = node.inputs
    known = uniform(condition)
    if known is not None:
        return stretched(x if known else y, node)
    if x is y:
        return stretched(x, node)
    if condition.op in ("logical_not", "invert"):
        return elementwise("where", condition.inputs[0], y, x)
    return None


def truths(node: Node) -> Node | None:
    """Conjunctions and disjunctions with something known or with itself; a double negation."""
    first, last = node.inputs[0], node.inputs[-1]
    if any(x.dtype != np.bool_ for x in node.inputs):
        return None
    if node.op in ("logical_not", "invert"):
        return first.inputs[0] if first.op in ("logical_not", "invert") else None
    if first is last:
        return stretched(first, node)
    deciding = node.op in ("logical_or", "bitwise_or")  # true decides an or, false an and
    for known, other in ((uniform(first), last), (uniform(last), first)):
        if known is not None:
            return filled(node, known) if known == deciding else stretched(other, node)
    return None


def same_twice(node: Node) -> Node | None:
    """The larger or smaller of a number and itself."""
    return node.inputs[0] if node.inputs[0] is node.inputs[1] else None


def holds(node: Node) -> Node | None:
    """A condition that is known to hold."""
    known = uniform(node.inputs[1])
    return node.inputs[0] if known is not None and known else None


# ── types ──────────────────────────────────────────────────────────────────────────────────


def exact(source: Any, target: Any) -> bool:
    """Whether every number of one type is a number of the other."""
    if source.kind in "iu" and target.kind == "f":
        return bool(8 * source.itemsize <= np.finfo(target).nmant + 1)
    return bool(np.can_cast(source, target, "safe"))


def cast_of_cast(node: Node) -> Node | None:
    """To the same type; or over a type in which nothing is lost."""
    x = node.inputs[0]
    if x.dtype == node.dtype:
        return x
    if x.op == "cast" and node.dtype.kind != "b" and exact(x.inputs[0].dtype, x.dtype):
        return elementwise("cast", x.inputs[0], dtype=node.dtype)
    return None


def narrowed(node: Node) -> Node | None:
    """One operation in float64 on float32 numbers, rounded: in float32 it gives the same bits.

    float64 has more than twice the digits, so that rounding twice is rounding once.
    """
    wide = node.inputs[0]
    if node.dtype != np.float32 or wide.dtype != np.float64 or wide.op not in _ROUNDED_ONCE:
        return None
    inputs = []
    for x in wide.inputs:
        known = uniform(x)
        if x.op == "cast" and x.inputs[0].dtype == np.float32:
            inputs.append(x.inputs[0])
        elif known is not None and np.float64(np.float32(known)) == known:
            inputs.append(stretched(constant(known, np.float32), x))
        elif wide.op == "where" and x.dtype == np.bool_:
            inputs.append(x)
        else:
            return None
    return Node(wide.op, inputs, wide.shape, np.float32, wide.attributes, wide.origin)


_ROUNDED_ONCE = frozenset(["add", "subtract", "multiply", "divide", "sqrt", "negative"])
_ROUNDED_ONCE |= {"absolute", "maximum", "minimum", "where"}


# ── reductions ─────────────────────────────────────────────────────────────────────────────


def narrow_fold(node: Node) -> Node | None:
    """A sum or product of widened numbers: the reduction widens them itself."""
    x = node.inputs[0]
    if x.op != "cast" or node.attributes["by"] not in ("sum", "prod") or x.dtype != node.dtype:
        return None
    source = x.inputs[0]
    if (source.dtype, x.dtype) == (np.float32, np.float64):
        return node.with_inputs([source])
    return None


def fold_of_one(node: Node) -> Node | None:
    """A reduction over axes of size 1; but a sum of −0 is 0."""
    x = node.inputs[0]
    if any(x.shape[axis] != 1 for axis in node.attributes["axes"]):
        return None
    if node.attributes["by"] == "sum" and x.dtype.kind == "f":
        return None
    if node.attributes["by"] in ("argmax", "argmin"):
        return filled(node, 0) if node.size else None
    flat = Node("reshape", [x], node.shape, x.dtype)
    return flat if x.dtype == node.dtype else elementwise("cast", flat, dtype=node.dtype)


ALGEBRA: tuple[tuple[str, Rule], ...] = (
    ("multiply divide add subtract power", neutral),
    ("power", square),
    ("divide", by_reciprocal),
    ("negative absolute add subtract multiply divide", signs),
    ("where", chosen),
    ("logical_and logical_or bitwise_and bitwise_or logical_not invert", truths),
    ("maximum minimum", same_twice),
    ("check", holds),
    ("cast", cast_of_cast),
    ("cast", narrowed),
    ("fold", narrow_fold),
    ("fold", fold_of_one),
)


def _table() -> dict[str, list[Rule]]:
    table: dict[str, list[Rule]] = {op: [fold_constants, bare_inputs] for op in ELEMENTWISE}
    pairs: Iterable[tuple[str, Rule]] = (*ALGEBRA, *VIEW_RULES)
    for ops, rule in pairs:
        for op in ops.split():
            table.setdefault(op, []).append(rule)
    return table


_TABLE = _table()


def _rules(op: str) -> Sequence[Rule]:
    return _TABLE.get(op, ())

"""Mutants of backward rules: what a rule answers changed, and single edits of its source."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from backlight.check.every_gate import check_sample
from backlight.check.finding import floating
from backlight.gates import gates
from backlight.gates.gate import Gate, Role

KILLERS = (
    "first order",
    "role",
    "composite",
    "forward = reverse",
    "second order",
    "float32",
    "memory layout",
)


@dataclass(frozen=True)
class Mutant:
    """A changed rule for a gate, and for the others that share its source."""

    rules: tuple[tuple[Gate, Callable[..., Any]], ...]
    name: str

    def __str__(self) -> str:
        return f"{self.rules[0][0].name}: {self.name}"


@contextmanager
def planted(gate: Gate, rule: Callable[..., Any]) -> Iterator[None]:
    """Within this block the gate has this rule."""
    gate.backward = rule
    try:
        yield
    finally:
        del gate.backward


def differentiable() -> list[Gate]:
    return [gate for gate in gates() if gate.role not in (Role.WALL, Role.SOURCE)]


def families() -> list[list[Gate]]:
    """The gates with a rule, those that share its source together."""
    found: dict[Any, list[Gate]] = {}
    for gate in differentiable():
        found.setdefault(type(gate).backward, []).append(gate)
    return list(found.values())


def killed_by(mutant: Mutant, at_edges: Callable[[Gate], bool]) -> str:
    """The check that notices the mutant; "" if none does."""
    for gate, rule in mutant.rules:
        samples = list(gate.samples())
        with planted(gate, rule):
            if not at_edges(gate):
                return "stated gradient at an edge"
            for check in KILLERS:
                for sample in samples:
                    if check_sample(gate, sample, check):
                        return check
    return ""


# ── what a rule answers ────────────────────────────────────────────────────────────────────────


def behaviour_mutants(gate: Gate) -> Iterator[Mutant]:
    rule = gate.backward
    memory: dict[str, Any] = {}

    def stale(gradient: Any) -> Any:
        """The gradient of an earlier call with this shape."""
        return memory.setdefault(str(np.shape(getattr(gradient, "_value", gradient))), gradient)

    edits: dict[str, Callable[[Any], Any]] = {
        "scaled by 1 + 1e-5": lambda g: g * (1 + 1e-5),
        "sign turned": lambda g: -g,
        "twice": lambda g: g * 2,
        "dropped": lambda g: None,
        "off by one place": _rolled,
        "stale": stale,
    }
    for told, edit in edits.items():
        for place in carrying(gate):
            yield Mutant(((gate, _edited(rule, place, edit)),), f"gradient {place} {told}")
    if len(carrying(gate)) > 1:
        yield Mutant(((gate, _swapped(rule)),), "gradients swapped")


def carrying(gate: Gate) -> list[int]:
    """The inputs that can carry a gradient: others have no neighbours, and none is asked for."""
    count = 2 if gate.variadic else len(gate.inputs)
    return [
        place
        for place in range(count)
        if any(
            place < len(sample.inputs) and floating(sample.inputs[place])
            for sample in gate.samples()
        )
    ]


def _edited(rule: Callable[..., Any], place: int, edit: Callable[[Any], Any]) -> Any:
    def mutated(*arguments: Any, **attributes: Any) -> Any:
        shares = list(rule(*arguments, **attributes))
        if place < len(shares) and shares[place] is not None:
            share = _computed(shares[place])
            shares[place] = None if share is None else edit(share)
        return tuple(shares)

    return mutated


def _swapped(rule: Callable[..., Any]) -> Any:
    def mutated(*arguments: Any, **attributes: Any) -> Any:
        shares = list(rule(*arguments, **attributes))
        there = [place for place, share in enumerate(shares) if share is not None]
        if len(there) > 1:
            first, last = there[0], there[-1]
            shares[first], shares[last] = shares[last], shares[first]
        return tuple(shares)

    return mutated


def _computed(share: Any) -> Any:
    return share() if type(share) is FunctionType else share


def _rolled(gradient: Any) -> Any:
    from backlight.gates import TABLE

    if gradient.ndim == 0:
        return gradient
    size = int(np.prod(gradient.shape))
    if size < 2:
        return gradient
    flat = TABLE["reshape"](gradient, (size,))
    places = np.roll(np.arange(size), 1)
    return TABLE["reshape"](TABLE["take"](flat, places, axis=0), gradient.shape)


# ── edits of the source ────────────────────────────────────────────────────────────────────────

_OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.MatMult: ast.Mult,
}
_COMPARISONS = {
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}


def source_mutants(family: list[Gate]) -> Iterator[Mutant]:
    """Single edits of the rule's source: operators, comparisons, constants, names, branches.

    Shapes and types (x.shape, y.ndim) are left alone: they are no part of the formula, and the
    engine refuses what does not fit.
    """
    function = type(family[0]).backward
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    names = [one.arg for one in definition.args.args][2:]
    nodes = [node for statement in definition.body for node in ast.walk(statement)]
    meta = {
        id(node.value)
        for node in nodes
        if isinstance(node, ast.Attribute) and node.attr in ("shape", "ndim", "dtype")
    }
    above = {id(child): node for node in nodes for child in ast.iter_child_nodes(node)}
    seen = set()
    for number, original in enumerate(nodes):
        if id(original) in meta:
            continue
        for variant in range(3):
            mutated = copy.deepcopy(tree)
            body = mutated.body[0].body  # type: ignore[attr-defined]
            node = [n for statement in body for n in ast.walk(statement)][number]
            told = _edit(node, variant, names)
            if not told:
                break
            ast.fix_missing_locations(mutated)
            text = ast.unparse(mutated)
            if text in seen:
                continue
            seen.add(text)
            rules = tuple(
                (gate, _compiled(function, copy.deepcopy(mutated), gate)) for gate in family
            )
            yield Mutant(rules, f"{told} in {_context(original, above)}")


def _context(node: ast.AST, above: dict[int, ast.AST]) -> str:
    """The choice that the node is part of, or the expression around it."""
    outer = above.get(id(node), node)
    climbing = outer
    while climbing is not None:
        if isinstance(climbing, ast.Call) and getattr(climbing.func, "id", "") == "where":
            return ast.unparse(climbing)
        climbing = above.get(id(climbing))  # type: ignore[assignment]
    return ast.unparse(outer) if isinstance(outer, ast.expr) else ast.unparse(node)


def _edit(node: ast.AST, variant: int, names: list[str]) -> str:
    """Edit the node in place; what was done, or "" if there is no such variant."""
    if isinstance(node, ast.BinOp):
        if variant == 0 and type(node.op) in _OPERATORS:
            old, new = type(node.op), _OPERATORS[type(node.op)]
            told = f"{old.__name__} → {new.__name__}"
            node.op = new()
            return told
        if variant == 1 and isinstance(node.op, ast.Mult):
            told = "only the right factor"
            node.left, node.op = ast.Constant(1.0), ast.Mult()
            return told
        return ""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and variant == 0:
        told = "no sign"
        node.op = ast.UAdd()
        if isinstance(node.operand, ast.Constant):
            return told
        node.op = ast.USub()
        node.operand = ast.UnaryOp(ast.USub(), node.operand)
        return told
    if isinstance(node, ast.Compare) and variant == 0 and type(node.ops[0]) in _COMPARISONS:
        told = f"{ast.unparse(node)} with another comparison"
        node.ops[0] = _COMPARISONS[type(node.ops[0])]()
        return told
    if isinstance(node, ast.Constant) and type(node.value) in (int, float) and variant == 0:
        told = f"{node.value} → {node.value + 1}"
        node.value = node.value + 1
        return told
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        others = [name for name in names if name != node.id]
        if variant < min(2, len(others)):
            told = f"{node.id} → {others[variant]}"
            node.id = others[variant]
            return told
        return ""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "where" and variant == 0:
        told = "branches swapped"
        node.args[1], node.args[2] = node.args[2], node.args[1]
        return told
    return ""


def _compiled(function: Any, tree: ast.Module, gate: Gate) -> Callable[..., Any]:
    """The mutated method, bound to the gate, seeing what the original sees."""
    for one in tree.body:
        assert isinstance(one, ast.FunctionDef)
        one.decorator_list, one.returns = [], None
    factory = ast.parse("def factory(__class__):\n    return backward")
    factory.body[0].body.insert(0, tree.body[0])  # type: ignore[attr-defined]
    ast.fix_missing_locations(factory)
    namespace: dict[str, Any] = {}
    space = dict(function.__globals__)
    exec(compile(factory, "<mutant>", "exec"), space, namespace)  # noqa: S102
    made = namespace["factory"](type(gate))
    return made.__get__(gate)  # type: ignore[no-any-return]

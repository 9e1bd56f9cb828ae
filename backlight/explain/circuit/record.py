"""Recording a circuit: from a tensor's history, from a function and its inputs, or a formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backlight.engine.apply import watch
from backlight.engine.backward import _history
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, GraphError
from backlight.explain.circuit.calls import attributed
from backlight.explain.circuit.circuit import Array, Circuit, Kind, Node
from backlight.expression import Expression
from backlight.gates.gate import Gate


def circuit(
    what: Tensor | Callable[..., Any] | Expression | str,
    *inputs: Any,
    upstream: Any = None,
    names: Mapping[str, Tensor] | None = None,
    **values: Any,
) -> Circuit:
    """Record the gates that made a value, with every value and gradient.

    Parameters
    ----------
    what : Tensor, Expression, str or callable
        A tensor computed with gradients on, before `backward()` frees its history; a formula with
        its inputs by name; or a function or module with its inputs by position.
    upstream : array_like, optional
        The gradient at the output, of its shape. Default: 1 everywhere, which gives the gradient of
        the output's sum.
    names : mapping of str to Tensor, optional
        Names for tensors that have none.
    **values
        The inputs of a formula.

    Returns
    -------
    Circuit
        It prints as a drawing, shows itself in a notebook, and is saved with `.save(path)`.

    Raises
    ------
    GraphError
        If the tensor has no history, or a backward pass freed it.
    ExpressionError, ShapeError, ArgumentError
        If the formula or its inputs are refused.

    Examples
    --------
    >>> neuron = circuit("sigmoid(a*x + b*y + c)", a=1, b=2, c=-3, x=-1, y=3)
    >>> round(float(neuron.nodes[neuron.output].value), 6)
    0.880797
    >>> round(float(neuron.gradient("b")), 6)
    0.314981
    """
    text = ""
    called = dict(names or {})
    silent = _Silent()
    if isinstance(what, str):
        what = Expression.parse(what)
    if isinstance(what, Expression):
        text = str(what)
        called |= {name: _differentiable(value) for name, value in values.items()}
        with watch(silent.note):
            output = what.evaluate({name: called[name] for name in values})
    elif isinstance(what, Tensor):
        output = what
    elif callable(what):
        with watch(silent.note):
            output = what(*[_differentiable(x) for x in inputs])
    else:
        raise ArgumentError(
            "circuit",
            got=f"a {type(what).__name__}",
            needs="a tensor, a formula or a function",
            remedy="Pass the tensor whose history is to be drawn, for example the loss.",
        )
    if not isinstance(output, Tensor):
        raise ArgumentError(
            "circuit",
            got=f"a function that answers with a {type(output).__name__}",
            needs="one that answers with one tensor",
            remedy="Wrap it: circuit(lambda x: model(x)[0], x)",
        )
    spelled = {id(tensor): name for name, tensor in called.items()}
    return _recorded(output, upstream, spelled, text, silent)


class _Silent:
    """Gates that no gradient passes, which the history leaves out: comparisons, rounding.

    What they make of an input looks like a constant otherwise.
    """

    def __init__(self) -> None:
        self.made: dict[int, tuple[Any, Gate, Any, dict[str, Any]]] = {}

    def note(self, gate: Gate, inputs: Any, _: Any, attributes: dict[str, Any], made: Any) -> None:
        """Remember an application whose output has no history although its inputs are not fixed."""
        if made._gate is None and any(
            id(x) in self.made or (isinstance(x, Tensor) and x.requires_grad) for x in inputs
        ):
            self.made[id(made)] = (made, gate, inputs, attributes)

    def histories(self, output: Tensor) -> list[Tensor]:
        """What the output was made from, in order, also behind gates that no gradient passes."""
        needed: set[int] = set()
        waiting: list[Any] = [output]
        while waiting:
            tensors = [x for x in waiting if isinstance(x, Tensor)]
            found = [x for tensor in _history(tensors)[0] for x in tensor._inputs or ()]
            found += waiting
            waiting = []
            for x in found:
                if id(x) in self.made and id(x) not in needed:
                    needed.add(id(x))
                    waiting += self.made[id(x)][2]
        ordered: dict[int, Tensor] = {}
        for key, (_, _, inputs, _) in self.made.items():
            if key in needed:
                before = _history([x for x in inputs if isinstance(x, Tensor)])[0]
                ordered |= {id(tensor): tensor for tensor in before}
        return list((ordered | {id(tensor): tensor for tensor in _history([output])[0]}).values())


def _differentiable(value: Any) -> Tensor:
    """A number that can be moved: formulas in float64, tensors as they are."""
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    made = Tensor.share(array)
    made.requires_grad = True
    return made


def _recorded(
    output: Tensor, upstream: Any, names: dict[int, str], text: str, silent: _Silent
) -> Circuit:
    ordered = silent.histories(output)
    calls, inside = attributed(ordered)
    numbers: dict[int, int] = {}
    nodes: list[Node] = []
    alive: list[Any] = []  # an id is only good while its object lives

    def leaf(x: Any) -> int:
        if x is None:
            return -1
        known = numbers.get(id(x))
        if known is not None:
            return known
        alive.append(x)
        if id(x) in silent.made:
            _, gate, inputs, attributes = silent.made[id(x)]
            wires = tuple(map(leaf, inputs))
            name = names.get(id(x), "")
            made = Node(len(nodes), "gate", name, gate, wires, dict(attributes), _array(x))
        else:
            made = Node(len(nodes), *_leaf(x, names))
        numbers[id(x)] = made.index
        nodes.append(made)
        return made.index

    for tensor in ordered:
        if tensor._gate is None:
            continue  # a leaf is written down where it is first used
        if tensor._inputs is None:
            raise GraphError(
                tensor._title(),
                got="a request for its circuit after backward(), which freed the history",
                needs="the history of how it was computed",
                remedy="Call circuit(loss) before loss.backward(), or keep the history with "
                "loss.backward(retain_graph=True).",
            )
        wires = tuple(map(leaf, tensor._inputs))
        numbers[id(tensor)] = len(nodes)
        alive.append(tensor)
        call = inside.get(id(tensor), -1)
        nodes.append(
            Node(
                len(nodes),
                "gate",
                names.get(id(tensor)) or tensor.name or "",
                tensor._gate,
                wires,
                dict(tensor._attributes or {}),
                _array(tensor),
                calls[call].path if call >= 0 else "",
                call,
            )
        )
    last = leaf(output)
    return Circuit(tuple(nodes), last, _seed(nodes[last].value, upstream), text, calls)


def _array(x: Any) -> Array:
    return np.asarray(x._value)


def _leaf(
    x: Any, names: dict[int, str]
) -> tuple[Kind, str, None, tuple[()], dict[str, Any], Array]:
    name = names.get(id(x), "")
    if not isinstance(x, Tensor):
        return "constant", name, None, (), {}, np.asarray(x)
    kind: Kind = "constant"
    if x.requires_grad:
        kind = "parameter" if type(x) is not Tensor else "input"
    return kind, name or x.name or "", None, (), {}, _array(x)


def _seed(value: Array, upstream: Any) -> Array:
    dtype = value.dtype if value.dtype.kind == "f" else np.dtype(np.float64)
    if upstream is None:
        return np.ones(value.shape, dtype)
    given = np.asarray(getattr(upstream, "_value", upstream), dtype)
    try:
        return np.broadcast_to(given, value.shape).copy()
    except ValueError:
        raise ArgumentError(
            "circuit",
            got=f"an upstream gradient of shape {given.shape}",
            needs=f"one number, or the output's shape {value.shape}",
            remedy="Pass one number for each number of the output.",
        ) from None

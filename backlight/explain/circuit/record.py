"""Recording a circuit: from a tensor's history, from a function and its inputs, or a formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backlight.engine.backward import _history
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, GraphError
from backlight.explain.circuit.circuit import Array, Circuit, Kind, Node
from backlight.expression import Expression


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
    if isinstance(what, str):
        what = Expression.parse(what)
    if isinstance(what, Expression):
        text = str(what)
        called |= {name: _differentiable(value) for name, value in values.items()}
        output = what.evaluate({name: called[name] for name in values})
    elif isinstance(what, Tensor):
        output = what
    elif callable(what):
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
    return _recorded(output, upstream, {id(tensor): name for name, tensor in called.items()}, text)


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


def _recorded(output: Tensor, upstream: Any, names: dict[int, str], text: str) -> Circuit:
    ordered, _ = _history([output])
    numbers: dict[int, int] = {}
    nodes: list[Node] = []
    alive: list[Any] = []  # an id is only good while its object lives

    def leaf(x: Any) -> int:
        if x is None:
            return -1
        known = numbers.get(id(x))
        if known is None:
            known = numbers[id(x)] = len(nodes)
            alive.append(x)
            nodes.append(Node(known, *_leaf(x, names)))
        return known

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
        wires = tuple(numbers[id(x)] if id(x) in numbers else leaf(x) for x in tensor._inputs)
        numbers[id(tensor)] = len(nodes)
        alive.append(tensor)
        origin = (tensor._notes or {}).get("origin")
        nodes.append(
            Node(
                len(nodes),
                "gate",
                names.get(id(tensor)) or tensor.name or "",
                tensor._gate,
                wires,
                dict(tensor._attributes or {}),
                np.asarray(tensor._value),
                origin.path_in_model if origin else "",
            )
        )
    last = numbers[id(output)] if id(output) in numbers else leaf(output)
    return Circuit(tuple(nodes), last, _seed(nodes[last].value, upstream), text)


def _leaf(
    x: Any, names: dict[int, str]
) -> tuple[Kind, str, None, tuple[()], dict[str, Any], Array]:
    name = names.get(id(x), "")
    if not isinstance(x, Tensor):
        return "constant", name, None, (), {}, np.asarray(x)
    kind: Kind = "constant"
    if x.requires_grad:
        kind = "parameter" if type(x) is not Tensor else "input"
    return kind, name or x.name or "", None, (), {}, np.asarray(x._value)


def _seed(value: Array, upstream: Any) -> Array:
    if upstream is None:
        return np.ones(value.shape, value.dtype)
    given = np.asarray(getattr(upstream, "_value", upstream), value.dtype)
    try:
        return np.broadcast_to(given, value.shape).copy()
    except ValueError:
        raise ArgumentError(
            "circuit",
            got=f"an upstream gradient of shape {given.shape}",
            needs=f"one number, or the output's shape {value.shape}",
            remedy="Pass one number for each number of the output.",
        ) from None

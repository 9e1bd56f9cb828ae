"""The Circuit screen for a trained net: the loss of one example of its data, folded by layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.engine.tensor import Tensor
from backlight.explain.circuit import fold
from backlight.explain.circuit.circuit import Circuit
from backlight.explain.circuit.draw import budget_of, tree_of
from backlight.explain.circuit.fold import Group
from backlight.explain.circuit.number import exact, numbers
from backlight.explain.circuit.page import MOST_STEPS
from backlight.explain.circuit.record import circuit
from backlight.explain.circuit.walk import steps
from backlight.studio.circuits import drawing, factors_of, reason
from backlight.studio.desk import Ask, asked
from backlight.studio.jacobians import jacobian_maps, jacobian_of
from backlight.studio.nets import Net, loaded, png, runs_with_checkpoints

MOST_PARAMETERS = 200


@dataclass(frozen=True)
class Recorded:
    """The circuit of one example's loss, and the scores on the way to it."""

    net: Net
    example: int
    circuit: Circuit
    scores: np.ndarray[Any, Any]


@asked("example.nets")
def nets(ask: Ask) -> Any:
    """The runs with a net to look into."""
    return runs_with_checkpoints(ask)


@asked("example.open", slow=True)
def opened(ask: Ask) -> Any:
    """The loss of one example as a circuit: values, gradients, folded layers, every parameter."""
    found = _recorded(ask)
    net, drawn = found.net, found.circuit
    label = int(net.labels[found.example])
    return {
        "run": net.name,
        "example": found.example,
        "count": len(net.labels),
        "picture": png(net.pictures[found.example]) if net.image else None,
        "label": net.classes[label],
        "answer": net.classes[int(found.scores.argmax())],
        "loss": exact(drawn.nodes[drawn.output].value),
        "gates": len(drawn.gates),
        "parameters": _parameters(drawn),
        "drawing": drawing(
            drawn,
            ask.language,
            _open(drawn, ask.opened()),
            steps(drawn, ask.language) if len(drawn.gates) <= MOST_STEPS else (),
        ),
    }


@asked("example.wires", slow=True)
def factors(ask: Ask) -> Any:
    """For one gate: of each wire, upstream × local = product."""
    return factors_of(ask, _recorded(ask).circuit)


@asked("example.why", slow=True)
def reasons(ask: Ask) -> Any:
    """Where the gradient of a value or parameter came from, through the net."""
    return reason(ask, _recorded(ask).circuit)


@asked("example.jacobian", slow=True)
def jacobians(ask: Ask) -> Any:
    """The Jacobian of one gate of the net."""
    return jacobian_of(ask, _recorded(ask).circuit)


@asked("example.jacobian_maps", slow=True)
def matrices(ask: Ask) -> Any:
    """The same as matrices, those that are small enough to be formed."""
    return jacobian_maps(ask, _recorded(ask).circuit)


def _recorded(ask: Ask) -> Recorded:
    """The circuit of the example that the page names; the last one is kept."""
    net = loaded(ask)
    index = ask.whole("example", 0, len(net.labels) - 1, 0)
    kept = ask.studio.held.get("example")
    if isinstance(kept, Recorded) and kept.net is net and kept.example == index:
        return kept
    x = Tensor(net.inputs[index : index + 1], requires_grad=True, name="x")
    scores = net.module(x)
    loss = net.loss(scores, Tensor.share(net.labels[index : index + 1]))
    made = Recorded(net, index, circuit(loss), np.asarray(scores.detach().numpy())[0])
    ask.studio.held["example"] = made
    return made


def _open(drawn: Circuit, asked_for: tuple[str, ...] | None) -> frozenset[str]:
    """The layers that are open. Unasked: what holds layers, as far as it fits; no layer itself."""
    tree = tree_of(drawn)
    whole = {one.key for one in tree.members if isinstance(one, Group) and not one.path}
    if asked_for is not None:
        return frozenset(asked_for) | whole
    layers = {
        group.key
        for group in fold.groups_below(tree)
        if group.kind == "call" and not any(isinstance(one, Group) for one in group.members)
    }
    return frozenset(fold.opened(tree, drawn, budget_of(drawn)) - layers | whole)


def _parameters(drawn: Circuit) -> list[dict[str, Any]]:
    """Every parameter: its node, its name, its length and that of its gradient."""
    found: list[dict[str, Any]] = []
    for node in drawn.leaves:
        gradient = drawn.gradients[node.index]
        if node.kind != "parameter" or gradient is None or len(found) >= MOST_PARAMETERS:
            continue
        size = float(np.linalg.norm(node.value))
        pull = float(np.linalg.norm(gradient))
        name = node.name or numbers(node.value)
        found.append({"node": node.index, "name": name, "size": size, "gradient": pull})
    return found

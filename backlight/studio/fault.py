"""A gate that is wrong on purpose, to see that the gradient check finds it and names the mistake.

It hands its input on unchanged and lies about the gradient. It is no gate of the language: no
formula, model or test of all gates meets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from backlight.expression import Expression
from backlight.expression.parse import Call, Name, Node
from backlight.gates.family import Elementwise
from backlight.gates.gate import TABLE, Role
from backlight.gates.view import transpose

FAULTS = ("double", "half", "sign", "transposed", "lost", "mean")
_LOST = "the lost path of "


class PlantedFault(Elementwise):
    """x, with a gradient that is wrong in the way its attribute says."""

    role = Role.SCALER
    formula = "x"

    def forward(self, np: Any, x: Any, *, kind: str = "double") -> Any:  # noqa: ARG002
        """The input itself."""
        return np.multiply(x, 1)

    def backward(self, upstream: Any, x: Any, output: Any, *, kind: str) -> Any:  # noqa: ARG002
        """The wrong gradient."""
        if kind == "transposed":
            square = upstream.ndim == 2 and upstream.shape[0] == upstream.shape[1]
            return (transpose(upstream) if square else upstream,)
        size = 1
        for extent in upstream.shape:
            size *= extent
        factor = {"double": 2.0, "half": 0.5, "sign": -1.0, "lost": 0.0, "mean": 1.0 / max(size, 1)}
        return (upstream * factor[kind],)


planted_fault = PlantedFault()
TABLE.pop("planted_fault")


def faulty(formula: Expression, name: str, kind: str) -> Any:
    """The formula as a function of its inputs, wrong in the gradient of one of them.

    Parameters
    ----------
    formula : Expression
    name : str
        The input whose gradient becomes wrong.
    kind : str
        One of FAULTS; "lost" forgets the first of its uses, the others concern all of them.
    """
    if kind == "lost":
        tree, _ = _renamed(formula.tree, name, _LOST + name)
        wrong = Expression(formula.text, tree)
    else:
        wrong = formula

    def function(*inputs: Any) -> Any:
        given: dict[str, Any] = dict(zip(formula.names, inputs, strict=True))
        lied = planted_fault(given[name], kind=kind)
        values: Mapping[str, Any] = given | {_LOST + name if kind == "lost" else name: lied}
        return wrong.evaluate({one: values[one] for one in wrong.names})

    return function


def _renamed(node: Node, name: str, new: str) -> tuple[Node, bool]:
    """The tree with the first use of a name under another one; whether there was one."""
    if isinstance(node, Name) and node.name == name:
        return Name(new, node.place), True
    if isinstance(node, Call):
        inputs = list(node.inputs)
        for place, one in enumerate(inputs):
            inputs[place], found = _renamed(one, name, new)
            if found:
                return replace(node, inputs=tuple(inputs)), True
    return node, False

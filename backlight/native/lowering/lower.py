"""From gates to loop nodes: a gate's own formula is run on arrays that are not computed yet.

A gate whose formula looks at values has a `lower` of its own beside it. What has none (yet) is
left to NumPy, as a `host` node; `host_gates` says which and why.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy

from backlight import dtypes
from backlight.errors import BacklightError
from backlight.gates.gate import Gate, gates
from backlight.gates.refusal import MISTAKES, explained
from backlight.native.lowering.array import Array, Halved, Unlowered, array
from backlight.native.lowering.arrays import arrays
from backlight.native.lowering.loops import Node

Wire = Node | float | None


def lower_gate(
    gate: Gate, wires: Sequence[Wire], attributes: dict[str, Any], origin: str = ""
) -> Node:
    """What a gate computes of its wires, as a node.

    Parameters
    ----------
    gate : Gate
    wires : sequence of Node, number or None
        As many as the gate has; None for one that is not connected.
    attributes : dict
        Every attribute with its value, as `Gate.bind` gives them.
    origin : str
        What its nodes say they came from; the gate's name by default.

    Returns
    -------
    Node
        Of the type that the eager executor gives the result. A `host` node if the formula needs
        values.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError
        As the gate does.

    Examples
    --------
    >>> from backlight.gates import find
    >>> from backlight.native.lowering.loops import printed
    >>> x = Node("input", [], (3,), numpy.float32, {"slot": 0})
    >>> print(printed([lower_gate(find("square"), [x], {})], {x: "x"}))
    x = input(slot=0) : float32[3]
    %1 = multiply(x, x) : float32[3]    # square
    return %1
    """
    try:
        output = _run(gate, wires, attributes)
    except Unlowered as problem:
        return _on_host(gate, wires, attributes, str(problem), origin or gate.name)
    known = {wire for wire in wires if isinstance(wire, Node)}
    waiting = [output]  # only what this gate made: a graph of many gates is not walked each time
    while waiting:
        node = waiting.pop()
        if node not in known and not node.origin:
            known.add(node)
            node.origin = origin or gate.name
            waiting.extend(node.inputs)
    return output


def _run(gate: Gate, wires: Sequence[Wire], attributes: dict[str, Any]) -> Node:
    values = [Array(wire) if isinstance(wire, Node) else wire for wire in wires]
    try:
        try:
            output = array(gate.lower(arrays, *values, **attributes))
        except Halved:
            values = [_widened(value) for value in values]
            try:
                output = array(gate.lower(arrays, *values, **attributes))
            except Halved as problem:
                raise Unlowered(f"half precision in {problem}") from problem
    except MISTAKES as problem:
        raise explained(gate, values, attributes, problem) from (
            None if isinstance(problem, BacklightError) else problem
        )
    return output.astype(_settled(output.dtype, values, attributes)).node


def _widened(value: Any) -> Any:
    """Whole numbers in the default type."""
    if isinstance(value, Array) and value.dtype.kind in "bui":
        return value.astype(dtypes.get_default_dtype())
    return value


def _settled(dtype: Any, values: Sequence[Any], attributes: dict[str, Any]) -> Any:
    """The type of the result, by the eager executor's rule."""
    if dtype != dtypes.float64:
        return dtype
    strong = (Array, numpy.generic, numpy.ndarray)  # NumPy's numbers are not weak, as Python's are
    given = [value.dtype for value in values if isinstance(value, strong)]
    if dtypes.float64 in given or attributes.get("dtype", "") in (
        "float64",
        numpy.float64,
        dtypes.float64,
    ):
        return dtype
    return dtypes.float32 if dtypes.float32 in given else dtypes.get_default_dtype()


def _on_host(
    gate: Gate, wires: Sequence[Wire], attributes: dict[str, Any], why: str, origin: str
) -> Node:
    """The gate left to NumPy."""
    nodes = [wire for wire in wires if isinstance(wire, Node)]
    shapes = [_of(wire, "shape", ()) for wire in wires]
    kinds = [_of(wire, "dtype", type(wire)) for wire in wires]
    described = {
        "gate": gate,
        "wires": tuple(
            [None if isinstance(x, Node) else "none" if x is None else x for x in wires]
        ),
        "settings": tuple(sorted(attributes.items())),
        "why": why,
    }
    shape = gate.shape(*shapes, **attributes)
    kind = gate.dtype(*kinds, **attributes)
    return Node("host", nodes, shape, kind, described, origin)


def _of(wire: Wire, name: str, otherwise: Any) -> Any:
    return None if wire is None else getattr(wire, name, otherwise)


def refuse(message: tuple[str, str, tuple[Any, ...]], value: Any) -> None:
    """Raise the error of the gate whose `check` node, with this message, did not hold of `value`.

    Raises
    ------
    RangeError
        Or what else the gate says of such values.
    """
    module, name, settings = message
    known = numpy.asarray(value)
    getattr(sys.modules[module], name)(*[known if one is Ellipsis else one for one in settings])


def host_gates() -> dict[str, str]:
    """The gates that are left to NumPy for one of their samples, and what their formula needs.

    Examples
    --------
    >>> "multiply" in host_gates()
    False
    """
    found = {}
    for gate in gates():
        for sample in gate.samples():
            node = _sampled(gate, sample)
            if node.op == "host":
                found[gate.name] = node.attributes["why"]
    return found


def _sampled(gate: Gate, sample: Any) -> Node:
    """A sample's gate on inputs of the sample's shapes and types."""
    wires, attributes = gate.bind(sample.inputs, sample.attributes)
    return lower_gate(gate, [leaf(wire, slot) for slot, wire in enumerate(wires)], attributes)


def leaf(value: Any, slot: int) -> Wire:
    """An input of a program that has the shape and type of this value; numbers stay."""
    if value is None or (isinstance(value, (bool, int, float)) and not hasattr(value, "dtype")):
        return value
    value = numpy.asarray(value)
    return Node("input", [], value.shape, value.dtype, {"slot": slot})

"""Where a NaN or an infinity came from: the first gate that made one, forward or backward.

A circuit of a gradient (computed with `create_graph=True`) is a circuit like any other, so that
the same walk answers for second derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backlight.explain.circuit.circuit import Array, Circuit
from backlight.gates.family import outside

Place = tuple[int, ...]


@dataclass(frozen=True)
class Given:
    """One number that a gate was given when it failed.

    Attributes
    ----------
    wire : str
        What the gate calls the input; "upstream" for the gradient from above.
    node : int
        Where it came from; −1 for the upstream.
    value : float
        The number; where the places of input and output do not match, the one of largest size.
    place : tuple of int
        Where it stands in the input.
    domain : str
        What the gate needs there, if the number is outside of it.
    """

    wire: str
    node: int
    value: float
    place: Place
    domain: str = ""


@dataclass(frozen=True)
class Birth:
    """The first number that is not finite.

    Attributes
    ----------
    node : int
        The gate that made it, or the leaf that was given it.
    source : int
        Backward: the value whose gradient it is; forward −1.
    value : float
        nan, inf or −inf.
    place : tuple of int
        Where, in the value or gradient.
    count : int
        How many of its numbers are not finite.
    backward : bool
        Whether a gradient became so, while all values were finite.
    given : tuple of Given
        What the gate was given at that place.
    """

    node: int
    source: int
    value: float
    place: Place
    count: int
    backward: bool
    given: tuple[Given, ...] = ()


def birth(circuit: Circuit) -> Birth | None:
    """The first number in a circuit that is not finite; None if all values and gradients are.

    Values are looked at in the order in which gates ran, then gradients from the output back.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> found = birth(circuit("sqrt(x) * y", x=0, y=2))
    >>> found.backward, circuit("sqrt(x) * y", x=0, y=2).nodes[found.node].gate.name, found.value
    (True, 'sqrt', inf)
    """
    for node in circuit.nodes:
        if not _finite(node.value):
            return _forward(circuit, node.index)
    if not _finite(circuit.upstream):
        place, value, count = _first(circuit.upstream)
        return Birth(circuit.output, -1, value, place, count, backward=True)
    for node in reversed(circuit.gates):
        upstream = circuit.gradients[node.index]
        if upstream is None or not _finite(upstream):
            continue
        for source, share in zip(node.inputs, circuit.shares(node.index), strict=True):
            if share is not None and not _finite(share):
                return _backward(circuit, node.index, source, share, upstream)
        for source in node.inputs:  # finite parts whose sum overflows
            gradient = circuit.gradients[source] if source >= 0 else None
            if gradient is not None and not _finite(gradient) and _all_finite(circuit, source):
                place, value, count = _first(gradient)
                return Birth(source, source, value, place, count, backward=True)
    return None


def _all_finite(circuit: Circuit, source: int) -> bool:
    handed = [
        circuit.shares(reader)[wire]
        for reader, wire in circuit.consumers[source]
        if circuit.gradients[reader] is not None
    ]
    return all(share is None or _finite(share) for share in handed)


def _forward(circuit: Circuit, index: int) -> Birth:
    node = circuit.nodes[index]
    place, value, count = _first(node.value)
    given = () if node.gate is None else _given(circuit, index, place, node.shape)
    return Birth(index, -1, value, place, count, backward=False, given=given)


def _backward(circuit: Circuit, index: int, source: int, share: Array, upstream: Array) -> Birth:
    place, value, count = _first(share)
    given = _given(circuit, index, place, share.shape)
    at = _largest(upstream) if upstream.shape != share.shape else place
    above = Given("upstream", -1, float(upstream[at]), at)
    return Birth(index, source, value, place, count, backward=True, given=(above, *given))


def _given(circuit: Circuit, index: int, place: Place, shape: Place) -> tuple[Given, ...]:
    node = circuit.nodes[index]
    assert node.gate is not None  # noqa: S101 - told to the type checker
    names = node.gate.inputs + node.gate.inputs[-1:] * len(node.inputs)
    made = []
    for name, source in zip(names, node.inputs, strict=False):
        if source < 0 or circuit.nodes[source].value.dtype.kind not in "fiub":
            continue
        value = circuit.nodes[source].value
        if not value.size:
            continue
        domain = node.gate.domain.get(name, "")
        wrong = outside(domain, value)
        if value.shape == shape and wrong[place]:
            at = place
        elif wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
        else:
            at = _aligned(value, place, shape)
            domain = ""
        made.append(Given(name, source, float(value[at]), at, domain))
    return tuple(made)


def _aligned(value: Array, place: Place, shape: Place) -> Place:
    """The same place in an input that broadcasts to the shape, else its largest number."""
    extra = len(shape) - value.ndim
    fits = extra >= 0 and all(
        size in (1, whole) for size, whole in zip(value.shape, shape[extra:], strict=True)
    )
    if not fits or len(place) != len(shape):
        return _largest(value)
    return tuple(0 if size == 1 else i for i, size in zip(place[extra:], value.shape, strict=True))


def _largest(value: Array) -> Place:
    sizes = np.abs(value.astype(np.float64))
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(sizes)), value.shape))


def _first(value: Array) -> tuple[Place, float, int]:
    wrong = ~np.isfinite(value)
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return place, float(value[place]), int(wrong.sum())


def _finite(value: Array) -> bool:
    return value.dtype.kind != "f" or bool(np.isfinite(value).all())

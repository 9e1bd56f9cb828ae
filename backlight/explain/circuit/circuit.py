"""A circuit: the gates that made a value, with every value and every gradient.

It is data, recorded once and never changed. Sentences, drawings, reasons and pages are made from
it, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from backlight.engine.mode import no_grad
from backlight.errors import ArgumentError, nearest
from backlight.gates.gate import TABLE, Gate, Role

Array = np.ndarray[Any, Any]
Kind = Literal["input", "parameter", "constant", "gate"]


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a circuit: a leaf, or what a gate made.

    Attributes
    ----------
    index : int
        Its place in `Circuit.nodes`; what it was made from stands before it.
    kind : str
        "input" and "parameter" ask for a gradient, "constant" does not; "gate" was computed.
    name : str
        What its maker calls it; "" if nothing. Leaves of formulas have their name there.
    gate : Gate or None
        What made it; None for a leaf.
    inputs : tuple of int
        The nodes on the gate's wires, in order; −1 where an optional one was left out.
    attributes : dict
        The constants written on the gate.
    value : array
        What it came to, of any shape.
    layer : str
        Dotted path of the layer inside which it was made; "" outside of layers.
    call : int
        The innermost call of a module inside which it was made, in `Circuit.calls`; −1 outside.
    """

    index: int
    kind: Kind
    name: str
    gate: Gate | None
    inputs: tuple[int, ...]
    attributes: dict[str, Any]
    value: Array
    layer: str = ""
    call: int = -1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value; its gradient has the same."""
        return tuple(self.value.shape)

    @property
    def wants_gradient(self) -> bool:
        """Whether a gradient can reach it: its value is not a constant and not whole numbers."""
        return self.kind != "constant" and self.value.dtype.kind == "f"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a module: the gates applied from its beginning to its end belong to it.

    Attributes
    ----------
    path : str
        Dotted path in the model that was called; "" for the model itself.
    description : str
        Kind and sizes: Conv2d 3→16, 3×3.
    around : int
        The call from inside which it was made, in `Circuit.calls`; −1 if there is none.
    begun, ended : int
        By the engine's clock, which counts gates.
    """

    path: str
    description: str
    around: int
    begun: int
    ended: int


FORMATS: dict[str, Callable[..., str | bytes]] = {}
"""How a circuit is written, by the end of a file's name; see formats.py."""


@dataclass(frozen=True, repr=False)
class Circuit:
    """The gates that made a value, in the order in which they ran.

    Attributes
    ----------
    nodes : tuple of Node
        Leaves and gates; every node stands after what it was made from.
    output : int
        The node that was asked about.
    upstream : array
        The gradient at the output from which the backward pass starts; 1 for a single number.
    text : str
        The formula it was made from, if there is one.
    calls : tuple of Call
        The calls of modules inside which the gates ran; a call stands before those inside it.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> drawn = circuit("(x+y)*z", x=-2, y=5, z=-4)
    >>> float(drawn.gradient("x")), float(drawn.gradient("z"))
    (-4.0, 3.0)
    """

    nodes: tuple[Node, ...]
    output: int
    upstream: Array
    text: str = ""
    calls: tuple[Call, ...] = ()
    _shares: dict[int, tuple[Array | None, ...]] = field(default_factory=dict, repr=False)

    def find(self, what: int | str) -> Node:
        """The node of this number or name.

        Raises
        ------
        ArgumentError
            If there is none.
        """
        if isinstance(what, str):
            for node in self.nodes:
                if node.name == what:
                    return node
            names = [node.name for node in self.nodes if node.name]
        elif 0 <= what < len(self.nodes):
            return self.nodes[what]
        else:
            names = [node.name for node in self.nodes if node.name]
        raise ArgumentError(
            "the circuit",
            got=f"the name {what!r}" if isinstance(what, str) else f"the node number {what}",
            needs=f"the name or number of a node: {', '.join(names[:20])}",
            remedy=nearest(str(what), names),
        )

    def value(self, what: int | str) -> Array:
        """The value of a node."""
        return self.find(what).value

    def gradient(self, what: int | str) -> Array | None:
        """∂output/∂node times the upstream gradient: the sum over all paths; None for constants."""
        return self.gradients[self.find(what).index]

    @cached_property
    def consumers(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """For every node, the gates that read it: (their number, on which wire)."""
        found: list[list[tuple[int, int]]] = [[] for _ in self.nodes]
        for node in self.nodes:
            for wire, source in enumerate(node.inputs):
                if source >= 0:
                    found[source].append((node.index, wire))
        return tuple(map(tuple, found))

    @cached_property
    def reached(self) -> frozenset[int]:
        """The nodes that lead to a leaf that asks for a gradient."""
        found: set[int] = set()
        for node in self.nodes:
            leads = node.kind != "gate" or not found.isdisjoint(node.inputs)
            if leads and node.wants_gradient:
                found.add(node.index)
        return frozenset(found)

    @cached_property
    def gradients(self) -> tuple[Array | None, ...]:
        """The gradient of every node; None where none arrives."""
        arrived: list[Array | None] = [None] * len(self.nodes)
        arrived[self.output] = self.upstream
        for node in reversed(self.nodes):
            upstream = arrived[node.index]
            if upstream is None or node.gate is None:
                continue
            for source, share in zip(node.inputs, self._handed(node, upstream), strict=True):
                if share is None or source < 0:
                    continue
                known = arrived[source]
                with np.errstate(all="ignore"):
                    arrived[source] = share if known is None else known + share
        return tuple(arrived)

    def shares(self, what: int | str) -> tuple[Array | None, ...]:
        """What a gate hands to each of its wires: upstream × local, of the input's shape.

        The gradient of a node is the sum of what the gates that read it hand to it.
        """
        node = self.find(what)
        if node.gate is None:
            return ()
        found = self._shares.get(node.index)
        if found is None:
            upstream = self.gradients[node.index]
            nothing: tuple[Array | None, ...] = (None,) * len(node.inputs)
            found = nothing if upstream is None else self._handed(node, upstream)
            self._shares[node.index] = found
        return found

    def handed(
        self, what: int | str, upstream: Any, to: Collection[int] | None = None
    ) -> tuple[Array | None, ...]:
        """What a gate would hand to its wires if `upstream` arrived at it.

        With `to`, only what these nodes get: the others cost nothing, and None stands for them.
        """
        node = self.find(what)
        return self._handed(node, np.asarray(upstream, node.value.dtype), to)

    def _handed(
        self, node: Node, upstream: Array, to: Collection[int] | None = None
    ) -> tuple[Array | None, ...]:
        """The gate's own backward rule on the recorded values, summed where it was broadcast."""
        given = [None if i < 0 else self.nodes[i].value for i in node.inputs]
        assert node.gate is not None  # noqa: S101 - told to the type checker
        silent = not node.wants_gradient or self.reached.isdisjoint(node.inputs)
        if silent or node.gate.role in (Role.WALL, Role.SOURCE):
            return (None,) * len(given)
        with no_grad(), np.errstate(all="ignore"):
            shares = node.gate.backward(upstream, *given, node.value, **node.attributes)
            return tuple(
                self._fitted(source, share) if to is None or source in to else None
                for source, share in zip(node.inputs, shares, strict=True)
            )

    def _fitted(self, source: int, share: Any) -> Array | None:
        if source < 0 or source not in self.reached:
            return None
        share = share() if callable(share) else share
        if share is None:
            return None
        value = self.nodes[source].value
        share = np.asarray(share)
        if share.shape != value.shape:
            try:
                share = TABLE["sum_to"](share, shape=value.shape)
            except ValueError:
                share = TABLE["broadcast_to"](share, shape=value.shape)
        return np.asarray(share, value.dtype)

    @property
    def leaves(self) -> tuple[Node, ...]:
        """The inputs, parameters and constants, in the order of their first use."""
        return tuple(node for node in self.nodes if node.kind != "gate")

    @property
    def gates(self) -> tuple[Node, ...]:
        """What gates made, in the order in which they ran."""
        return tuple(node for node in self.nodes if node.kind == "gate")

    def __len__(self) -> int:
        return len(self.nodes)

    # ── showing itself ─────────────────────────────────────────────────────────────────────

    def render(self, form: str, **how: Any) -> str | bytes:
        """The circuit as txt, svg, png, html, json, dot or tex.

        Parameters
        ----------
        form : str
            Which.
        **how
            For svg and png: `theme` ("auto", "light", "dark"), `open` (keys of groups to open);
            for all pictures and text `language`; for png `scale`; for txt `width`;
            for html `jacobian` (True: with matrices whose cells can be picked).

        Raises
        ------
        ArgumentError
            If there is no such form.
        MissingExtraError
            If a library for it is not installed.
        """
        if form not in FORMATS:
            raise ArgumentError(
                "the circuit",
                got=f"the form {form!r}",
                needs=f"one of {', '.join(FORMATS)}",
                remedy=nearest(form, FORMATS),
            )
        return FORMATS[form](self, **how)

    def save(self, path: str | Path, **how: Any) -> Path:
        """Write the circuit to a file, in the form that its name ends with; see `render`."""
        path = Path(path)
        made = self.render(path.suffix.removeprefix(".").lower(), **how)
        path.write_bytes(made if isinstance(made, bytes) else made.encode("utf-8", "replace"))
        return path

    def __str__(self) -> str:
        """The drawing as text."""
        return str(self.render("txt"))

    def __repr__(self) -> str:
        return f"<circuit of {len(self.gates)} gates and {len(self.leaves)} leaves>"

    def _repr_svg_(self) -> str:
        return str(self.render("svg"))

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        """What a notebook shows: the interactive page, the picture, or the text."""
        forms = {"text/plain": "txt", "image/svg+xml": "svg", "text/html": "fragment"}
        return {
            kind: str(self.render(form))
            for kind, form in forms.items()
            if (include is None or kind in include) and kind not in (exclude or ())
        }


def renumbered(nodes: Sequence[Node], kept: Sequence[int]) -> tuple[Node, ...]:
    """The kept nodes with numbers counted anew; wires from others are left out."""
    place = {old: new for new, old in enumerate(kept)}
    return tuple(
        Node(
            place[old],
            nodes[old].kind,
            nodes[old].name,
            nodes[old].gate,
            tuple(place.get(i, -1) for i in nodes[old].inputs),
            nodes[old].attributes,
            nodes[old].value,
            nodes[old].layer,
            nodes[old].call,
        )
        for old in kept
    )

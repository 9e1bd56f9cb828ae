"""From a circuit to boxes and wires, by the rules that keep a drawing readable.

A leaf is drawn again at each use, so that no wire runs across the page for it; its gradient is the
sum of the shares that its copies show, which is the chain rule for many paths. A gate's value that
is used very often becomes a tag after its first use. Layers fold, outermost first, until the boxes
fit.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache

import numpy as np

from backlight.errors import BacklightError
from backlight.explain.circuit import fold, told
from backlight.explain.circuit.boxes import NUMBER, PIXELS, Box, Drawn, Frame, Pen, Wire
from backlight.explain.circuit.circuit import Circuit, Node
from backlight.explain.circuit.fold import Group
from backlight.explain.circuit.number import shape
from backlight.gates.gate import Gate
from backlight.words import say

MOST = 400
"""Boxes on one page, at most."""
USUAL = 48
"""Boxes up to which layers are opened without being asked."""
FLAT = 200
"""The same for a circuit without layers, such as a formula: its gates are what it is about."""
OFTEN = 12
"""Uses of a gate's value from which it is written as a tag instead of a wire."""
SHARED = 40
"""Boxes up to which each of several wires from one value shows its share of the gradient."""
TALLER = {"gate": 1.17, "layer": 1.25}
"""How much larger than other texts the symbol of a box is in a picture."""
MANY_TURNS = 8
SHORTEST_STRIP, LONGEST_STRIP = 3, 24
"""Gradients that are drawn as bars at the foot of a folded layer."""
LONGEST = 28
"""Letters of the longest text in a box."""


def draw(
    circuit: Circuit,
    *,
    pen: Pen = PIXELS,
    open: Collection[str] | None = None,
    budget: int | None = None,
) -> Drawn:
    """The boxes, wires and frames of a circuit.

    Parameters
    ----------
    circuit : Circuit
        What is drawn; only its structure is looked at, none of its numbers.
    pen : Pen
        Sizes: PIXELS for pictures, CELLS for a terminal.
    open : collection of str, optional
        Keys of the groups to open (`Box.group`, `Frame.key`). Default: as many as fit, outermost
        first.
    budget : int, optional
        Boxes up to which groups are opened when `open` is not given; never more than 400. Default:
        48, or 200 without layers.

    Returns
    -------
    Drawn

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> drawn = draw(circuit("x*x + y", x=2, y=3))
    >>> [(box.kind, box.symbol, box.uses) for box in drawn.boxes]
    [('leaf', 'x', 2), ('leaf', 'x', 0), ('gate', '×', 0), ('leaf', 'y', 0), ('gate', '+', 0)]
    """
    tree = tree_of(circuit)
    budget = budget_of(circuit) if budget is None else budget
    keys = fold.opened(tree, circuit, budget) if open is None else fold.ancestors(tree, open)
    while True:
        drawn = _Drawing(circuit, tree, keys, pen).finish()
        if len(drawn.boxes) <= MOST or len(keys) <= 1:
            return drawn
        # Estimates leave out what enters folded boxes: fewer are opened until it fits.
        budget = min(budget, MOST) * 3 // 4
        keys = fold.opened(tree, circuit, budget) & keys


def budget_of(circuit: Circuit) -> int:
    """Boxes up to which groups are opened without being asked."""
    return USUAL if circuit.calls else FLAT


def tree_of(circuit: Circuit) -> Group:
    """The tree of a circuit's groups, made once."""
    tree = circuit.__dict__.get("_tree")
    if tree is None:
        tree = circuit.__dict__["_tree"] = fold.folded(circuit)
    return tree


class _Drawing:
    """The boxes made so far."""

    def __init__(self, circuit: Circuit, tree: Group, keys: Collection[str], pen: Pen) -> None:
        self.circuit = circuit
        self.keys = keys
        self.pen = pen
        self.names = told.names(circuit)
        self.boxes: list[Box] = []
        self.wires: list[Wire] = []
        self.frames: list[Frame] = []
        self.owner: dict[int, int] = {}
        """Which box a gate is in."""
        self._paths: dict[int, str] = {-1: ""}
        self._first_use: dict[int, int] = {}
        self._used: dict[int, int] = {}
        """How many wires leave a box for the value of a gate."""
        self._show(tree, -1)
        if not self.boxes:
            self._value(circuit.nodes[circuit.output])

    def finish(self) -> Drawn:
        for leaf, box in self._first_use.items():
            tags = [place for place, one in enumerate(self.boxes) if one.node == leaf]
            if len(tags) > 1 and self.boxes[box].kind == "leaf":
                self.boxes[box] = self._with_total(self.boxes[box], len(tags))
        if len(self.boxes) <= SHARED:
            self._show_shares()
        hidden = sum(len(box.nodes) for box in self.boxes if box.kind == "layer")
        return Drawn(tuple(self.boxes), tuple(self.wires), tuple(self.frames), self.pen, hidden)

    def _with_total(self, box: Box, uses: int) -> Box:
        """The first tag of a leaf: below its name is room for the sum of all shares."""
        node = self.circuit.nodes[box.node]
        if node.index not in self.circuit.reached:
            return replace(box, uses=uses)
        letters = NUMBER + 2 + (len("|∇| ") if node.value.ndim else 0)
        body = max(box.body, self.pen.letter * letters)
        return replace(box, uses=uses, body=body, width=box.width + body - box.body)

    # ── walking the tree ───────────────────────────────────────────────────────────────────

    def _show(self, group: Group, frame: int) -> None:
        for part in group.members:
            if isinstance(part, int):
                self._gate(self.circuit.nodes[part], frame)
            elif part.key not in self.keys:
                self._layer(part, frame)
            elif part.framed and not self._is_model(group, part):
                self._show(part, self._frame(part, frame))
            else:
                self._show(part, frame)

    def _is_model(self, around: Group, group: Group) -> bool:
        """Whether it is the one model of the circuit: a frame around everything says nothing."""
        calls = [part for part in around.members if isinstance(part, Group)]
        return around.kind == "circuit" and not group.path and len(calls) == 1

    def _frame(self, group: Group, frame: int) -> int:
        title = " ".join(filter(None, (self._relative(group.path, frame), group.description)))
        if group.times > 1:
            title = f"{title} ×{group.times}"
        title = _cut(title, 2 * LONGEST)
        self.frames.append(Frame(group.key, title, frame, self.pen.width(title)))
        number = len(self.frames) - 1
        self._paths[number] = group.path if group.kind == "call" else self._paths[frame]
        return number

    def _relative(self, path: str, frame: int) -> str:
        around = self._paths[frame]
        return path.removeprefix(around + ".") if around else path

    def _gate(self, node: Node, frame: int) -> None:
        assert node.gate is not None  # noqa: S101 - told to the type checker
        symbol = _cut(told.symbol(self.circuit, node.index), LONGEST)
        written = told.written_on(self.circuit, node.index)
        often = len(self.circuit.consumers[node.index]) > OFTEN
        note = self.names[node.index] if often else ""  # its tags are called so
        key = f"n{node.index}"
        box = self._sized(Box(key, "gate", node.index, symbol, 0, 0, 0, note=note, frame=frame))
        entering = [
            (self._source(source, node.index, wire, frame), source, wire)
            for wire, source in enumerate(node.inputs)
            if source >= 0 and wire != written
        ]
        self.owner[node.index] = len(self.boxes)
        self.boxes.append(replace(box, nodes=(node.index,)))
        ordered = len(entering) == 2 and not _commutes(node.gate)
        joined: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for source, carried, wire in entering:
            value = self._carried(source, carried) if len(entering) > 2 else wire
            joined.setdefault((source, value), []).append((carried, wire))
        for (source, _), wires in joined.items():
            uses = tuple((node.index, wire) for _, wire in wires)
            self._wire(source, wires[0][0], uses, wires[0][1] + 1 if ordered else 0)

    def _value(self, node: Node) -> None:
        """The one box of a circuit in which nothing is computed, and its value on its wire."""
        name = self.names[node.index]
        symbol = _cut(name if node.value.ndim else self.circuit.text or name, LONGEST)
        box = self._sized(Box(f"n{node.index}", "leaf", node.index, symbol, 0, 0, 0))
        width = max(box.width, box.body + (NUMBER + 1) * self.pen.letter)
        self.boxes.append(replace(box, width=width, nodes=(node.index,)))

    def _carried(self, box: int, node: int) -> int:
        """What a wire carries; between folded boxes one wire stands for all of their values."""
        return self.boxes[box].node if self.boxes[box].kind == "layer" else node

    def _layer(self, group: Group, frame: int) -> None:
        """A folded group, with what enters it."""
        inside = set(group.nodes)
        entering: dict[int, list[tuple[int, int]]] = {}
        leaves: dict[int, list[tuple[int, int]]] = {}
        for number in group.nodes:
            for wire, source in enumerate(self.circuit.nodes[number].inputs):
                if source >= 0 and source not in inside:
                    kind = self.circuit.nodes[source].kind
                    where = entering if kind == "gate" else leaves
                    where.setdefault(source, []).append((number, wire))
        for leaf, uses in leaves.items():
            kind = self.circuit.nodes[leaf].kind
            data = kind == "constant" and not entering and self._is_data(leaf)
            if kind == "input" or data:
                entering[leaf] = uses
        sources: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for source, uses in entering.items():
            box = self._source(source, *uses[0], frame)
            sources.setdefault((box, self._carried(box, source)), []).extend(uses)
        number = len(self.boxes)
        self.owner |= dict.fromkeys(group.nodes, number)
        self.boxes.append(self._folded(group, frame))
        for (box, source), joined in sources.items():
            self._wire(box, source, tuple(joined), 0)

    def _is_data(self, leaf: int) -> bool:
        node = self.circuit.nodes[leaf]
        return node.value.size > 1 and not node.name

    def _folded(self, group: Group, frame: int) -> Box:
        """Its wire carries what leaves it; the last such value, if there are several."""
        inside = set(group.nodes)
        leaving = [
            node
            for node in group.nodes
            if node == self.circuit.output
            or any(gate not in inside for gate, _ in self.circuit.consumers[node])
        ]
        symbol = self._relative(group.path, frame)
        note = group.description
        if not symbol:
            symbol, _, note = note.partition(" ")
        if group.times > 1 and not symbol:
            turn = group.nodes[: len(group.nodes) // group.times]
            symbol = say("drawing.gates", count=len(turn))
            if len(turn) <= 3:
                symbol = " ".join(told.symbol(self.circuit, node) for node in turn)
        if group.times > 1:
            symbol = f"{_cut(symbol, LONGEST - 5)} ×{group.times}"
        symbol = symbol or say("drawing.gates", count=len(group.nodes))
        return self._sized(
            Box(
                f"g{group.key}",
                "layer",
                leaving[-1] if leaving else group.nodes[-1],
                _cut(symbol, LONGEST),
                0,
                0,
                0,
                note=_cut(note, LONGEST),
                frame=frame,
                nodes=group.nodes,
                path=group.path,
                group=group.key,
                times=group.times,
                strip=self._strip(group),
            )
        )

    def _strip(self, group: Group) -> tuple[int, ...]:
        """What shows how the gradient fares inside: the ends of many turns, or every gate."""
        turn = len(group.nodes) // group.times if group.times >= MANY_TURNS else 1
        ends = group.nodes[turn - 1 :: turn]
        ends = tuple(node for node in ends if node in self.circuit.reached)
        if len(ends) < SHORTEST_STRIP:
            return ()
        count = min(len(ends), LONGEST_STRIP)
        return tuple(ends[(number + 1) * len(ends) // count - 1] for number in range(count))

    # ── what a gate reads ──────────────────────────────────────────────────────────────────

    def _source(self, source: int, gate: int, wire: int, frame: int) -> int:
        """The box that a wire to a gate starts from: a new tag for a leaf."""
        node = self.circuit.nodes[source]
        if node.kind == "gate":
            box = self.owner[source]
            count = self._used[box] = self._used.get(box, 0) + 1
            if count == 1 or len(self.circuit.consumers[source]) <= OFTEN:
                return box
        name = node.name if node.name or not node.value.ndim else shape(node.shape)
        tag = self._sized(
            Box(
                f"n{source}@{gate}.{wire}",
                "tag" if node.kind == "gate" else "leaf",
                source,
                _cut(self._relative(name or self.names[source], frame), LONGEST),
                0,
                0,
                0,
                frame=frame,
                nodes=(source,),
                use=(gate, wire),
            )
        )
        self._first_use.setdefault(source, len(self.boxes))
        self.boxes.append(tag)
        return len(self.boxes) - 1

    def _wire(
        self, source: int, node: int, uses: tuple[tuple[int, int], ...], position: int
    ) -> None:
        self.wires.append(Wire(source, len(self.boxes) - 1, node, uses, position))

    def _show_shares(self) -> None:
        """Between a gate whose value several gates read, and each of them, room for the share."""
        leaving: dict[int, int] = {}
        for wire in self.wires:
            if self.boxes[wire.source].kind == "gate":
                leaving[wire.source] = leaving.get(wire.source, 0) + 1
        for number, wire in enumerate(tuple(self.wires)):
            wanted = wire.node in self.circuit.reached and len(wire.uses) == 1
            if leaving.get(wire.source, 0) < 2 or not wanted:
                continue
            gate, place = wire.uses[0]
            room = self.pen.width(" " * (NUMBER + 1))
            between = Box(
                f"n{wire.node}>{gate}.{place}",
                "share",
                wire.node,
                "",
                room,
                self.pen.heights[0],
                0,
                frame=self.boxes[wire.target].frame,
                use=wire.uses[0],
            )
            self.boxes.append(between)
            self.wires[number] = replace(wire, source=len(self.boxes) - 1)
            self.wires.append(Wire(wire.source, len(self.boxes) - 1, wire.node, wire.uses))

    def _sized(self, box: Box) -> Box:
        """The box with its size: its text, and right of it the numbers on its wire."""
        pen = self.pen
        node = self.circuit.nodes[box.node]
        texts = [pen.width(box.symbol), pen.width(box.note)]
        if not pen.whole:
            texts[0] *= TALLER.get(box.kind, 1.09)
        body = max(pen.gate, pen.padding + max(texts))
        if node.value.size == 1 and not node.value.ndim:
            letters = NUMBER + 1 if node.kind != "constant" else 1
            height = pen.heights[0]
        else:
            letters = max(len(shape(node.shape)), len("|∇| ") + NUMBER) + 1
            height = pen.heights[1]
        if box.kind == "layer":
            height = pen.heights[2] + (pen.strip if box.strip else 0)
        return replace(box, width=body + letters * pen.letter, height=height, body=body)


@lru_cache(maxsize=512)
def _commutes(gate: Gate) -> bool:
    """Whether exchanging the two inputs of a gate changes nothing, as two pairs of numbers tell."""
    try:
        return all(
            np.array_equal(gate.forward(np, x, y), gate.forward(np, y, x))
            for x, y in ((np.float64(2), np.float64(3)), (np.float64(-1.5), np.float64(0.5)))
        )
    except (BacklightError, TypeError, ValueError, IndexError, AttributeError):
        return False


def _cut(text: str, letters: int) -> str:
    """A text that is not too long; what is left out is in the box's title."""
    return text if len(text) <= letters else text[: letters - 1] + "…"

"""Folding a circuit: gates inside layers, layers inside layers, equal blocks in a row as one.

A circuit becomes a tree. Its inner nodes are groups: a call of a module, a block that is repeated
("×12"), one of its turns, or, where nothing else divides a long row of gates, a stretch of it.
Every group is a stretch of the order in which the gates ran: folding one never makes a loop.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from backlight.explain.circuit.circuit import Circuit, Node
from backlight.explain.circuit.told import symbol
from backlight.gates.gate import Role

GroupKind = Literal["circuit", "call", "repeat", "turn", "stretch"]

LEAST_TURNS = 3
"""Equal blocks in a row from which they are one box."""
LONGEST_TURN = 32
"""Members of the longest block whose repetition is looked for."""
WIDEST = 36
"""Members of a group beyond which they are divided into stretches."""


@dataclass(frozen=True, slots=True)
class Group:
    """Gates that are drawn as one box while folded.

    Attributes
    ----------
    key : str
        Its name, the same for the same circuit.
    kind : str
        "circuit" (everything), "call", "repeat", "turn" or "stretch".
    path, description : str
        Of the module that was called; of the first turn's for a repetition.
    members : tuple of int or Group
        Gates by number in the circuit, and groups, in the order in which they ran.
    nodes : tuple of int
        All gates in it.
    times : int
        How many turns a repetition has; 1 for others.
    """

    key: str
    kind: GroupKind
    path: str
    description: str
    members: tuple[int | Group, ...]
    nodes: tuple[int, ...]
    times: int = 1

    @property
    def framed(self) -> bool:
        """Whether a frame is drawn around it when it is open."""
        return self.kind == "call" or (self.kind == "repeat" and bool(self.description))


def folded(circuit: Circuit) -> Group:
    """The tree of a circuit's groups.

    Examples
    --------
    >>> from backlight import nn, tensor
    >>> from backlight.explain import circuit
    >>> deep = nn.Sequential(*[nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(12)])
    >>> tree = folded(circuit(deep, tensor([[1.0, 2.0]])))
    >>> whole = tree.members[0]
    >>> [(group.description, group.kind, group.times) for group in whole.members]
    [('Sequential', 'repeat', 12)]
    """
    inside: dict[int, list[int]] = {}
    for node in circuit.gates:
        inside.setdefault(node.call, []).append(node.index)
    below: dict[int, list[int]] = {}
    for number, call in enumerate(circuit.calls):
        below.setdefault(call.around, []).append(number)
    signatures = _Signatures(circuit)

    def of_call(number: int) -> Group | None:
        parts: list[int | Group] = [*inside.get(number, ())]
        for child in below.get(number, ()):
            group = of_call(child)
            if group is not None:
                parts.append(group.nodes[0] if _bare(circuit, group) else group)
        if not parts:
            return None  # it only passed its input on
        parts.sort(key=_first)
        members = _divided(_repeated(parts, signatures))
        nodes = tuple(node for part in parts for node in _nodes(part))
        if number < 0:
            return Group("all", "circuit", "", "", members, nodes)
        call = circuit.calls[number]
        return Group(f"c{number}", "call", call.path, call.description, members, nodes)

    return of_call(-1) or Group("all", "circuit", "", "", (), ())


def _bare(circuit: Circuit, group: Group) -> bool:
    """Whether a layer is one gate without parameters: then the gate says as much as the layer."""
    wires = circuit.nodes[group.nodes[0]].inputs
    own = any(i >= 0 and circuit.nodes[i].kind == "parameter" for i in wires)
    return len(group.nodes) == 1 and not own


def groups_below(group: Group) -> Iterator[Group]:
    """The group and all groups inside it, outermost first."""
    waiting = [group]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += [part for part in reversed(found.members) if isinstance(part, Group)]


def opened(tree: Group, circuit: Circuit, budget: int) -> frozenset[str]:
    """Which groups to open so that at most about `budget` boxes are seen: the outermost first.

    Repeated blocks stay folded, unless all of the circuit fits: one box says as much.
    """
    every = {group.key for group in groups_below(tree)}
    if _cost(tree.nodes, circuit) <= budget:
        return frozenset(every)
    chosen = {tree.key}
    count = _cost(tree.members, circuit)
    level = [part for part in tree.members if isinstance(part, Group)]
    while level:
        deeper: list[Group] = []
        for group in level:
            more = _cost(group.members, circuit) - 1
            if count + more > budget or group.kind == "repeat":
                continue
            count += more
            chosen.add(group.key)
            deeper += [part for part in group.members if isinstance(part, Group)]
        level = deeper
    return frozenset(chosen)


def _cost(members: Iterable[int | Group], circuit: Circuit) -> int:
    """Boxes that members need: a folded group one; a gate one and one for each leaf it reads."""
    count = 0
    for part in members:
        count += 1
        if isinstance(part, int):
            wires = circuit.nodes[part].inputs
            count += sum(i >= 0 and circuit.nodes[i].kind != "gate" for i in wires)
    return count


def _first(part: int | Group) -> int:
    return part if isinstance(part, int) else part.nodes[0]


def _nodes(part: int | Group) -> tuple[int, ...]:
    return (part,) if isinstance(part, int) else part.nodes


class _Signatures:
    """A number for what a gate or group does; equal blocks have equal ones."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self._known: dict[Any, int] = {}

    def of(self, part: int | Group) -> int:
        if isinstance(part, int):
            key = self._gate(self.circuit.nodes[part])
        else:
            key = (part.kind, part.description, part.times, *map(self.of, part.members))
        return self._known.setdefault(key, len(self._known))

    def _gate(self, node: Node) -> tuple[Any, ...]:
        nodes = self.circuit.nodes
        # What flows through may be data in the first block and a gate's value in the next.
        wires = tuple(i >= 0 and nodes[i].kind == "parameter" for i in node.inputs)
        if node.gate is not None and node.gate.role is Role.MOVER:
            return (node.gate.name,)  # where a step takes its part from differs with every step
        constants = tuple(
            (name, value if isinstance(value, (int, float, str, bool, tuple)) else type(value))
            for name, value in node.attributes.items()
        )
        return (node.gate and node.gate.name, node.shape, wires, repr(constants)[:500])


def _repeated(parts: Sequence[int | Group], signatures: _Signatures) -> list[int | Group]:
    """Parts with equal blocks in a row made one; the longest row first at every place."""
    marks = [signatures.of(part) for part in parts]
    found: list[int | Group] = []
    at = 0
    while at < len(parts):
        turn, times = _longest_row(marks, at)
        if times < LEAST_TURNS:
            found.append(parts[at])
            at += 1
            continue
        turns = [parts[at + k * turn : at + (k + 1) * turn] for k in range(times)]
        found.append(_repetition(turns, signatures.circuit))
        at += turn * times
    return found


def _longest_row(marks: Sequence[int], at: int) -> tuple[int, int]:
    """(members of a block, how often it stands here in a row), covering the most."""
    best = (1, 1)
    for turn in range(1, min(LONGEST_TURN, (len(marks) - at) // LEAST_TURNS) + 1):
        block = marks[at : at + turn]
        times = 1
        while marks[at + times * turn : at + (times + 1) * turn] == block:
            times += 1
        if times >= LEAST_TURNS and turn * times > best[0] * best[1]:
            best = (turn, times)
    return best


def _repetition(turns: Sequence[Sequence[int | Group]], circuit: Circuit) -> Group:
    members: list[int | Group] = []
    for turn in turns:
        if len(turn) == 1:
            members.append(turn[0])
            continue
        nodes = tuple(node for part in turn for node in _nodes(part))
        members.append(
            Group(f"t{nodes[0]}", "turn", _path(turn), _said(turn, circuit), tuple(turn), nodes)
        )
    nodes = tuple(node for part in members for node in _nodes(part))
    ends = [_path(turns[0]), _path(turns[-1])]
    path = "…".join(dict.fromkeys(filter(None, ends)))
    key = f"r{nodes[0]}x{len(turns)}"
    divided = _divided(members)
    return Group(key, "repeat", path, _said(turns[0], circuit), divided, nodes, len(turns))


def _path(turn: Sequence[int | Group]) -> str:
    return next((part.path for part in turn if isinstance(part, Group) and part.path), "")


def _said(turn: Sequence[int | Group], circuit: Circuit) -> str:
    """A block's layers, and the gates between them; "" if it is made of gates alone."""
    if not any(isinstance(part, Group) and part.description for part in turn):
        return ""
    said = [part.description if isinstance(part, Group) else symbol(circuit, part) for part in turn]
    return ", ".join(filter(None, said))


def _divided(parts: Sequence[int | Group]) -> tuple[int | Group, ...]:
    """Parts in stretches where there are too many for one page."""
    if len(parts) <= WIDEST:
        return tuple(parts)
    step = math.ceil(len(parts) / math.ceil(math.sqrt(len(parts))))
    found: list[int | Group] = []
    for start in range(0, len(parts), step):
        members = tuple(parts[start : start + step])
        nodes = tuple(node for part in members for node in _nodes(part))
        ends = [part.path for part in members if isinstance(part, Group) and part.path]
        path = "…".join(dict.fromkeys([*ends[:1], *ends[-1:]]))
        key = f"s{nodes[0]}-{nodes[-1]}"
        found.append(Group(key, "stretch", path, "", members, nodes))
    return _divided(found)


def ancestors(tree: Group, keys: Collection[str]) -> frozenset[str]:
    """The keys, and those of every group around them: a group is seen only in an open one."""
    found: set[str] = {tree.key}

    def walk(group: Group) -> bool:
        wanted = group.key in keys
        for part in group.members:
            if isinstance(part, Group) and walk(part):
                wanted = True
        if wanted:
            found.add(group.key)
        return wanted

    walk(tree)
    return frozenset(found)

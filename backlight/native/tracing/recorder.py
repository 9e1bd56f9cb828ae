"""Recorder: writes down every gate that a thread applies while it traces a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backlight import dtypes
from backlight.engine.apply import provenance
from backlight.engine.deferred import gradient_of
from backlight.engine.mode import clock, mode
from backlight.engine.tensor import Tensor
from backlight.engine.tracing import Unknown, layers, refusal, user_place
from backlight.errors import BacklightError, TraceError
from backlight.gates.gate import Gate, Role
from backlight.gates.refusal import MISTAKES, explained
from backlight.native.tracing.changes import Changes
from backlight.native.tracing.demands import Demands
from backlight.native.tracing.gradients import Gradients
from backlight.native.tracing.graph import (
    Argument,
    Constant,
    Graph,
    Node,
    Origin,
    State,
    stretched,
)
from backlight.native.tracing.host_number import HostNumber

Array = np.ndarray[Any, Any]
Guard = Callable[[], bool]

_NUMBERS = (float, int, bool, type(None))
_SILENT = (Role.WALL, Role.SOURCE)
_PLACES = ("places", "mask")


class Recorder(Changes, Gradients, Demands):
    """What one run of a function does, as a graph, and what was found of the outside world.

    Attributes
    ----------
    graph : Graph
    open : bool
        Whether the function is still running.
    behind : Tensor or None
        During a backward pass, the value whose gate is gone through.
    guards : list of callable
        Conditions on which the graph depends, to be looked at when `engine.tracing.version` moved.
    watched : list of callable
        Conditions that may change without notice, given the leaves of the arguments of a call.
    live : set of Node
        What has a history: a gradient flows through it.
    own : dict
        The constants that are tensors made by the function, with the key of their memory.
    shared : dict
        For callers, to find again what they made earlier in this trace.
    effects : list of callable
        What is left to do after each call, given the leaves of its arguments.
    counts : list of callable
        What is left to count after calls, given how many there were: of no influence on anything
        but numbers of sources, which know of it.
    steady : bool
        Whether a second call would meet the outside as the first did, but for numbers.
    mode : (bool, dtype)
        Whether gates record, and the default type: what the graph holds for.
    """

    def __init__(self, name: str) -> None:
        self.graph = Graph(name)
        self.open = True
        self.behind: Tensor | None = None
        self.guards: list[Guard] = []
        self.watched: list[Callable[[Sequence[Any]], bool]] = []
        self.effects: list[Callable[[Sequence[Any]], None]] = []
        self.counts: list[Callable[[int], None]] = []
        self.steady = True
        self.mode = mode.recording, dtypes.get_default_dtype()
        self.places: dict[Any, Unknown] = {}
        self.homes: dict[Unknown, State] = {}
        self.given: dict[int, str] = {}
        self.called: dict[int, tuple[Any, bool, tuple[int, ...]]] = {}
        self.kept: list[Any] = []  # so that no id is used twice
        self.shared: dict[Any, Any] = {}
        self.own: dict[Node, Any] = {}
        self.live: set[Node] = set()
        self._paths: dict[Any, str] = {}
        self._rules: dict[Any, Any] = {}
        self._behind_origin: tuple[Any, Origin] = (None, Origin())
        self.start_changes()
        self.start_gradients()
        self.start_demands()

    # ── gates ──────────────────────────────────────────────────────────────────────────────

    def apply(
        self, kind: type[Tensor], gate: Gate, inputs: Any, attributes: dict[str, Any]
    ) -> Tensor:
        """The tensor without value that `gate` makes of `inputs`."""
        given: list[Any] = []
        shapes: list[Any] = []
        kinds: list[Any] = []
        wanted = foreign = late = cut = False
        for x in inputs:
            if isinstance(x, kind):
                place = self.value_of(x)
                if x._wanted:
                    wanted = True
                elif place.node in self.live:
                    cut = True
                given.append(place.node)
                shapes.append(place.shape)
                kinds.append(place.dtype)
            elif type(x) in _NUMBERS:
                given.append(x)
                shapes.append(None if x is None else ())
                kinds.append(None if x is None else type(x))
            elif isinstance(x, HostNumber):
                late = True
                given.append(x)
                shapes.append(())
                kinds.append(float)
            elif getattr(x, "executor_rank", 0) > kind.executor_rank:
                return x.apply_gate(gate, inputs, attributes)  # type: ignore[no-any-return]
            elif isinstance(x, np.generic):
                given.append(x)
                shapes.append(())
                kinds.append(dtypes.as_array(x, subject=f"gate {gate.name}").dtype)
            else:
                foreign = True
                place = self.place_of_array(dtypes.as_array(x, subject=f"gate {gate.name}"))
                given.append(place.node)
                shapes.append(place.shape)
                kinds.append(place.dtype)
        if late:
            given = self._with_scalars(given, kinds)
        if foreign or late:  # the backward rule meets tensors in their place
            inputs = tuple(
                x
                if isinstance(x, kind) or not isinstance(node, Node)
                else self.bare(Unknown(self, node))
                for x, node in zip(inputs, given, strict=True)
            )
        shape, dtype = self._result(gate, inputs, shapes, kinds, attributes)
        node = Node(gate, tuple(given), attributes, shape, dtype, self.origin())
        self.graph.nodes.append(node)
        made = self._output(kind, node, inputs, wanted)
        if made._wanted:
            self.live.add(node)
        if cut or (wanted and not made._wanted and gate.role not in _SILENT):
            self.graph.walls.add(node)
        return made

    def _output(self, kind: type[Tensor], node: Node, inputs: Any, wanted: bool) -> Tensor:
        """The tensor that a node stands behind, with its history if one is wanted."""
        gate: Any = node.gate
        made = kind.__new__(kind)
        made._grad = made._notes = made._base = None
        made._changed = 0
        base = None
        if gate.views and isinstance(inputs[0], kind) and _shares(node):
            first = inputs[0]
            made._base = first if first._base is None else first._base
            base = self.value_of(first)
            base = base if base.base is None else base.base
        made._value = Unknown(self, node, base)
        made._attributes = node.attributes
        if wanted and mode.recording and gate.role not in _SILENT and node.dtype.kind == "f":
            made._wanted = True
            made._gate = gate
            made._inputs = inputs
            made._order = next(clock)
        else:
            made._wanted = False
            made._gate = made._inputs = None
            made._order = 0
        return made

    def _result(
        self, gate: Gate, inputs: Any, shapes: list[Any], kinds: list[Any], attributes: Any
    ) -> Any:
        """Shape and type of what a gate makes; found once for each kind of call."""
        try:
            key = gate, *shapes, *kinds, *attributes.values()
            found = self._rules.get(key)
        except TypeError:
            raise refusal(
                f"gate {gate.name} with the constants {attributes}",
                "constants of plain numbers, text and tuples",
                "Pass arrays and tensors as inputs of gates, not as constants.",
            ) from None
        if found is None:
            for name, value in attributes.items():
                if isinstance(value, (Tensor, HostNumber)):
                    raise refusal(
                        f"gate {gate.name} with a tensor as its constant {name!r}",
                        "a Python number there: it is written into the compiled code",
                        "Pass a number, or write it with gates that take tensors (maximum, where).",
                    )
            self._refuse_sizes(gate, attributes)
            try:
                found = gate.shape(*shapes, **attributes), gate.dtype(*kinds, **attributes)
            except MISTAKES as problem:
                blanks = [
                    None if size is None else np.broadcast_to(np.zeros((), kind), size)
                    for size, kind in zip(shapes, kinds, strict=True)
                ]
                raise explained(gate, blanks, attributes, problem, provenance(inputs)) from (
                    None if isinstance(problem, BacklightError) else problem
                )
            self._rules[key] = found
        return found

    def _refuse_sizes(self, gate: Gate, attributes: dict[str, Any]) -> None:
        """Refuse an output whose size depends on values, in the words of the user's line."""
        if gate.name == "index" and "mask" in attributes["key"]:
            raise refusal(
                "an index by a mask, whose result has as many numbers as the mask has truths",
                "sizes that are known before the values",
                "Use where(mask, x, 0.0), which keeps the shape. A mask that never changes can be "
                "written as places: x[numpy.flatnonzero(mask)].",
            )

    def _with_scalars(self, given: list[Any], kinds: list[Any]) -> list[Any]:
        """The inputs with numbers of the host as leaves of the type that they meet."""
        strong = [k for k in kinds if isinstance(k, np.dtype) and k.kind == "f"]
        dtype = dtypes.promote(*strong, float) if strong else dtypes.get_default_dtype()
        return [self.scalar(x, dtype) if isinstance(x, HostNumber) else x for x in given]

    def origin(self) -> Origin:
        """Who applies a gate now."""
        behind = self.behind
        if behind is not None and type(behind._value) is Unknown:
            if self._behind_origin[0] is not behind:
                made = behind._value.node.origin
                self._behind_origin = behind, made._replace(back=True)
            return self._behind_origin[1]
        file, line = user_place()
        stack = layers.stack()
        path = ""
        if stack:
            key = tuple(map(id, stack))
            found = self._paths.get(key)
            path = self._paths[key] = layers.path() if found is None else found
        return Origin(path, file, line)

    # ── tensors and what is behind them ────────────────────────────────────────────────────

    def bare(self, place: Unknown) -> Tensor:
        """A tensor on these numbers, without history."""
        made = Tensor.__new__(Tensor)
        made._value = place
        made._grad = made._gate = made._inputs = made._base = made._notes = None
        made._attributes = {}
        made._order = made._changed = 0
        made._wanted = False
        return made

    def value_of(self, tensor: Tensor) -> Unknown:
        """What stands for the numbers of a tensor: its own, or what was captured of it."""
        place = tensor._value
        if type(place) is not Unknown:
            key = id(place) if isinstance(place, np.ndarray) else ("one", id(tensor))
            found = self.places.get(key)
            return self._captured(tensor, key) if found is None else found
        if place.tracer is not self:
            place.refuse()
        base = place.base
        if base is not None and base.version != place.seen:
            raise refusal(
                "a view of a tensor that was changed in place after the view was taken",
                "values that do not change behind a name, to be compiled",
                "Take the view again after the change, or make a new tensor instead of writing.",
            )
        return place

    def made(self, tensor: Tensor) -> None:
        """The function makes a tensor of its own: its numbers are constants of the graph."""
        value = tensor._value
        if type(value) is Unknown:
            return
        key = id(value) if isinstance(value, np.ndarray) else ("one", id(tensor))
        if key not in self.places:
            self.kept += [tensor, value]
            node = self.leaf(Constant(stretched(np.asarray(value))), value.shape, value.dtype)
            self.places[key] = Unknown(self, node)
            self.own[node] = "memory", key

    def place_of_array(self, array: Array) -> Unknown:
        """What stands for an array: its memory, read at each call."""
        found = self.places.get(id(array))
        if found is not None:
            return found
        self._refuse_given(array, "an array")
        state = State(
            "array",
            ("memory", id(array)),
            f"of shape {array.shape}",
            array,
            lambda _: array,
            lambda _, numbers: np.copyto(array, numbers),
        )
        return self.capture(id(array), state, array.shape, array.dtype)

    def capture(self, key: Any, state: State, shape: Any, dtype: Any) -> Unknown:
        """A new leaf for memory outside the function."""
        place = Unknown(self, self.leaf(state, shape, dtype))
        self.places[key] = place
        self.homes[place] = state
        self.kept.append(state.holder)
        return place

    def leaf(self, leaf: Any, shape: Any, dtype: Any) -> Node:
        """A new leaf of the graph."""
        node = Node(None, (), {}, tuple(shape), np.dtype(dtype), self.origin(), leaf)
        self.graph.nodes.append(node)
        return node

    def constant(self, value: Any, dtype: Any) -> Node:
        """A leaf that holds numbers for good."""
        array = np.asarray(value, dtype)
        return self.leaf(Constant(array), array.shape, array.dtype)

    def argument(self, place: int, given: Any, name: str) -> Tensor:
        """What the function is given in place of an argument."""
        array = given._value if isinstance(given, Tensor) else dtypes.as_array(given, None, name)
        node = Node(None, (), {}, tuple(array.shape), array.dtype, Origin(), Argument(place, name))
        self.graph.nodes.append(node)
        unknown = Unknown(self, node)
        made = self.bare(unknown)
        made._notes = {"name": name, "argument": place}
        self.homes[unknown] = State(
            "argument",
            ("argument", place),
            name,
            place,
            lambda leaves: _array(leaves[place]),
            lambda leaves, numbers: _overwrite(leaves[place], numbers),
        )
        if isinstance(given, Tensor):
            made._wanted = given._wanted
            if given._wanted:
                self.live.add(node)
            made._grad = gradient_of(given)
            self.kept.append(given._value)
        self.given[id(given)] = name
        self.given[id(array)] = name
        self.kept.append(given)
        return made

    def _captured(self, tensor: Tensor, key: Any) -> Unknown:
        self._refuse_given(tensor, "a tensor")
        if tensor._gate is not None and tensor._wanted:
            raise refusal(
                f"{tensor._title()} from outside, with a history of gates",
                "captured tensors without history: gradients stop at the function's border",
                "Compute it inside the function, or pass x.detach().",
            )
        wanted = self.wanted_before(tensor)
        size, kind = tensor._value.shape, tensor._value.dtype
        self.guards.append(
            lambda: (
                tensor._wanted == wanted
                and tensor._value.shape == size
                and tensor._value.dtype == kind
            )
        )
        state = State(
            "tensor",
            ("memory", key),
            tensor.name or f"of shape {size}",
            tensor,
            lambda _: _array(tensor),
            lambda _, numbers: _overwrite(tensor, numbers),
        )
        self.kept.append(tensor._value)
        place = self.capture(key, state, size, kind)
        if wanted:
            self.live.add(place.node)
        return place

    def _refuse_given(self, thing: Any, what: str) -> None:
        name = self.given.get(id(thing)) or self.given.get(id(getattr(thing, "_value", None)))
        if name is not None:
            raise refusal(
                f"{what} that is the argument {name!r} and is used from outside too",
                "each tensor by one way",
                "Use the argument inside the function, or do not pass it.",
            )

    # ── modules ────────────────────────────────────────────────────────────────────────────

    def enter(self, module: Any) -> None:
        """Note a module that is called: its mode and its hooks decide what it does."""
        if id(module) not in self.called:
            hooks = (*module._hooks, *module._pre_hooks)
            self.called[id(module)] = module, module.training, hooks

    def start_guards(self) -> None:
        """Note the modes of this moment; those of modules follow as they are called."""
        called = self.called
        self.guards.append(
            lambda: all(
                module.training == training and (*module._hooks, *module._pre_hooks) == hooks
                for module, training, hooks in called.values()
            )
        )


def _shares(made: Node) -> bool:
    """Whether a gate that may show its first input's memory does so here."""
    gate: Any = made.gate
    first = made.inputs[0]
    if gate.name == "cast":
        return bool(first.dtype == made.dtype)
    return gate.name != "sum_to" or bool(first.shape == made.shape)


def _array(given: Any) -> Array:
    """The memory of a tensor, which stays the same array from now on, or of an array."""
    if not isinstance(given, Tensor):
        return dtypes.as_array(given)
    if not isinstance(given._value, np.ndarray):
        given._value = np.array(given._value)
    return given._value


def _overwrite(given: Any, numbers: Any) -> None:
    if isinstance(given, Tensor):
        given.copy_(numbers)
    elif isinstance(given, np.ndarray):
        np.copyto(given, numbers)
    else:
        raise TraceError(
            "the compiled function",
            got=f"an argument of type {type(given).__name__}, which it changes in place",
            needs="a tensor or an array there",
            remedy="Pass tensor(x).",
        )

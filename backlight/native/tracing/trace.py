"""Trace: a function run once without values, and what came of it.

`trace` runs a function with tensors that have a shape and a type and no numbers. Every gate that is
applied is written down (see `recorder`), and what the run changed is put back. It runs twice, and
both runs must give the same graph: what differs from one run to the next (a clock, NumPy's random
numbers, a list that grows) cannot be compiled and is refused by name.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlight import dtypes
from backlight.engine import tracing
from backlight.engine.mode import mode
from backlight.engine.tensor import Tensor
from backlight.engine.tracing import Unknown, tracers
from backlight.errors import TraceError
from backlight.native.tracing import pytree
from backlight.native.tracing.compare import settle
from backlight.native.tracing.graph import Argument, Graph, Node, Scalar, State, interpret
from backlight.native.tracing.recorder import Recorder


@dataclass
class Traced:
    """A traced function: its graph, and how to bind and to answer a call.

    Attributes
    ----------
    graph : Graph
    structure : hashable
        Of the arguments: equal for calls that differ in numbers only (see `pytree.flatten`).
    kept : dict
        The outputs, by number, that are a tensor or array of the outside itself, as its state.
    wanted : tuple of bool
        For each output, whether it would have a history outside, had the function not been traced.
    effects : list of callable
        To be called after the writes of each call with the leaves of its arguments: step counters.
    guards, watched : list of callable
        See `guards_hold`.
    mode : (bool, dtype)
        Whether gates record, and the default type.
    counts : list of callable
        To be called with the number of calls that were made: step counters.
    steady : bool
        Whether a call leaves what the next one meets as it was, but for states and counters.
    """

    graph: Graph
    structure: Any
    result: Any
    kept: dict[int, State]
    wanted: tuple[bool, ...]
    effects: list[Callable[[Sequence[Any]], None]]
    guards: list[Callable[[], bool]]
    watched: list[Callable[[Sequence[Any]], bool]]
    mode: tuple[bool, Any]
    counts: list[Callable[[int], None]] = field(default_factory=list)
    steady: bool = True
    version: int = field(default=0)

    def guards_hold(self, leaves: Sequence[Any] = ()) -> bool:
        """Whether the graph still says what the function would do: else it is to be traced again.

        What may change unnoticed is looked at each time (settings of optimizers, gradients that
        were there or not); the rest only after `engine.tracing.version` has moved.
        """
        if tracing.version.number != self.version:
            if not all(guard() for guard in self.guards):
                return False
            self.version = tracing.version.number
        if (mode.recording, dtypes.get_default_dtype()) != self.mode:
            return False
        return all(holds(leaves) for holds in self.watched)

    def bind(self, leaves: Sequence[Any]) -> dict[Node, Any]:
        """The numbers of every leaf of the graph that is needed, for a call with these arguments.

        The host is asked for its numbers here, which draws random keys.
        """
        found: dict[Node, Any] = {}
        for node in self.graph.needed():
            if isinstance(node.leaf, Argument):
                found[node] = _numbers(leaves[node.leaf.place])
            elif isinstance(node.leaf, State):
                found[node] = node.leaf.get(leaves)
        for node in self.graph.scalars:
            leaf = node.leaf
            if isinstance(leaf, Scalar):
                found[node] = np.asarray(leaf.ask(), node.dtype)
        return found

    def answer(self, outputs: Sequence[Any], leaves: Sequence[Any]) -> Any:
        """The function's result from the numbers of the outputs."""
        values: list[Any] = []
        for place, numbers in enumerate(outputs):
            same = self.kept.get(place)
            if isinstance(same, State):
                values.append(leaves[same.holder] if same.kind == "argument" else same.holder)
            else:
                values.append(Tensor.share(numbers))
        return pytree.restore(self.result, values)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """A call by the interpreter: what a compiled call does, step by step.

        The host is asked; everything is computed; checks must hold; then all is written; then the
        effects follow.
        """
        leaves, structure = pytree.flatten((arguments, named))
        if structure != self.structure:
            raise TraceError(
                self.graph.name,
                got="arguments of another structure than it was traced with",
                needs="the same nesting and constants",
                remedy="Trace it again.",
            )
        return self.conclude(self.bind(leaves), leaves)

    def conclude(self, bindings: Mapping[Node, Any], leaves: Sequence[Any]) -> Any:
        """A call by the interpreter, once the numbers of every leaf are known."""
        graph = self.graph
        outputs, written = len(graph.outputs), [w for w in graph.writes if w.node is not None]
        values = interpret(graph.results(), bindings, graph.needed())
        values = [np.array(value) for value in values]  # views of memory that is written next
        for check, holds in zip(graph.checks, values[outputs + len(written) :], strict=True):
            if not holds:
                check.fail()
        numbers = dict(zip(map(id, written), values[outputs:], strict=False))
        for write in graph.writes:
            write.state.put(leaves, numbers.get(id(write)))
        for effect in self.effects:
            effect(leaves)
        for count in self.counts:
            count(1)
        return self.answer(values[:outputs], leaves)


def trace(
    function: Callable[..., Any],
    arguments: Sequence[Any] = (),
    named: Mapping[str, Any] | None = None,
    *,
    twice: bool = True,
) -> Traced:
    """The graph of what `function(*arguments, **named)` computes.

    Nothing is computed and nothing is changed: parameters, gradients, optimizers, generators and
    modules are as before, also after an error. Python's own side effects do happen.

    Parameters
    ----------
    function : callable
    arguments, named : sequence, mapping
        Tensors and arrays, also inside lists, tuples and dicts, lose their numbers; everything
        else is a constant of the graph.
    twice : bool
        Run it a second time and compare. Without it, what the function makes anew in each run
        counts as memory from outside.

    Raises
    ------
    TraceError
        If the function asks for a value, or does not do the same in each run. The message names
        the line.

    Examples
    --------
    >>> from backlight import tensor
    >>> traced = trace(lambda x: x * 2 + 1, [tensor([1.0])])
    >>> print(str(traced.graph).split("#")[0].strip().split(chr(10))[0])
    graph <lambda>:
    >>> traced(tensor([4.0])).tolist()
    [9.0]
    """
    leaves, structure = pytree.flatten((tuple(arguments), dict(named or {})))
    names = pytree.names({**_positions(function, arguments), **(named or {})})
    first, second = _Run(function, leaves, names), _Run(function, leaves, names)
    # A graph is all live objects: looking for garbage among them would double the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        first.go(structure)
        if twice:
            second.go(structure)
            fresh = settle(first.recorder, second.recorder)
            first.kept = {k: state for k, state in first.kept.items() if state.key not in fresh}
    finally:
        second.recorder.restore_books()
        first.recorder.restore_books()
        if collecting:
            gc.enable()
    return first.traced(structure)


class _Run:
    """One run of the function under a recorder."""

    def __init__(self, function: Callable[..., Any], leaves: list[Any], names: list[str]) -> None:
        self.function = function
        self.leaves = leaves
        self.names = names
        self.recorder = Recorder(getattr(function, "__name__", type(function).__name__))
        self.result: Any = None
        self.kept: dict[int, State] = {}
        self.wanted: list[bool] = []

    def go(self, structure: Any) -> None:
        """Run the function; put back what it changed."""
        recorder = self.recorder
        thread = threading.get_ident()
        if thread in tracers:
            raise tracing.refusal(
                "a trace inside of a trace", "one at a time", "Call the function itself."
            )
        pairs = enumerate(zip(self.leaves, self.names, strict=True))
        given = [recorder.argument(place, leaf, name) for place, (leaf, name) in pairs]
        arguments, named = pytree.restore(structure, given)
        tracers[thread] = recorder
        try:
            recorder.start_guards()
            self._finish(self.function(*arguments, **named))
        finally:
            del tracers[thread]
            recorder.open = False
            recorder.close_gradients()
            recorder.close_changes()

    def _finish(self, result: Any) -> None:
        recorder = self.recorder
        outputs, self.result = pytree.flatten(result, constants=False)
        for place, one in enumerate(outputs):
            if isinstance(one, Tensor):
                value = recorder.value_of(one)
                self.wanted.append(one._wanted)
            else:
                value = recorder.place_of_array(np.asarray(one))
                self.wanted.append(False)
            recorder.graph.outputs.append(value.node)
            if value in recorder.homes and _is_itself(one):
                self.kept[place] = recorder.homes[value]
        recorder.finish_gradients()
        recorder.finish_changes()

    def traced(self, structure: Any) -> Traced:
        """What came of it."""
        recorder = self.recorder
        for module, name, _, after in recorder.plain.values():
            recorder.effects.append(_setter(module, name, after))
        return Traced(
            recorder.graph,
            structure,
            self.result,
            self.kept,
            tuple(self.wanted),
            recorder.effects,
            recorder.guards,
            recorder.watched,
            recorder.mode,
            recorder.counts,
            recorder.steady and not recorder.effects,
            tracing.version.number,
        )


def _is_itself(output: Any) -> bool:
    """Whether a result is the very tensor that was given or captured."""
    if not isinstance(output, Tensor):
        return True
    return type(output._value) is not Unknown or "argument" in (output._notes or {})


def _setter(module: Any, name: str, value: Any) -> Callable[[Any], None]:
    def effect(_: Any) -> None:
        setattr(module, name, value)

    return effect


def _positions(function: Any, arguments: Sequence[Any]) -> dict[str, Any]:
    """The positional arguments under the names that the function gives them."""
    function = getattr(function, "forward", function)  # a module is called by its forward
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    skip = 1 if hasattr(function, "__func__") else 0
    names = code.co_varnames[skip : code.co_argcount] if code is not None else ()
    return {
        names[place] if place < len(names) else f"argument {place}": one
        for place, one in enumerate(arguments)
    }


def _numbers(leaf: Any) -> Any:
    return leaf._value if isinstance(leaf, Tensor) else np.asarray(leaf)

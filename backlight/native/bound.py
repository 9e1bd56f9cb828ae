"""A program with its memory: arguments go in, states are updated where they are, results come out.

Small arguments are copied into memory of the program, large ones are read where they are. States
are looked up again only after an event that may have moved them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backlight.engine import tracing
from backlight.engine.in_place import one_at_a_time
from backlight.engine.memory_format import lies_channels_last
from backlight.engine.mode import changes, clock
from backlight.engine.tensor import Tensor
from backlight.errors import GraphError, ShapeError
from backlight.native.contraction.contract import FULL, Precision
from backlight.native.fast import fast
from backlight.native.machine_code.machine import Target
from backlight.native.pipeline import Compilation, Slot, compiled
from backlight.native.returned import Returned
from backlight.native.tracing import graph
from backlight.native.tracing.asked import Asked
from backlight.native.tracing.trace import Traced

Array = np.ndarray[Any, Any]
_SMALL = 4096
"""Bytes up to which an argument is copied instead of pointed at."""


class Bound:
    """A compiled function for one kind of arguments.

    Attributes
    ----------
    traced : Traced
    compilation : Compilation
    fast : callable or None
        The short way: see `native.fast`.
    repeatable : bool
        Whether many calls in a row can be one run of the program.
    watch : Watch or None
        What inspects the program now and then.
    """

    def __init__(
        self,
        traced: Traced,
        target: Target,
        threads: int | None,
        label: str,
        precision: Precision = FULL,
        leaves: Sequence[Any] = (),
    ) -> None:
        self.traced = traced
        self.threads = threads
        self.precision = precision
        last = _channels_last(traced.graph, leaves)
        self.compilation: Compilation = compiled(traced.graph, target, label, precision, last)
        self.program = self.compilation.program
        self.fast: Callable[[Any, Any], Any] | None = None
        self.watch: Any = None
        self._sort()
        self._prepared = False

    # ── once ───────────────────────────────────────────────────────────────────────────────

    def _sort(self) -> None:
        """Which slot is filled how."""
        slots = self.compilation.lowered.slots
        source = self.traced.graph
        self.staged: list[tuple[int, Slot, Array]] = []
        self.pointed: list[tuple[int, Slot]] = []
        self._states: list[Slot] = []
        self.there: list[Any] = [None] * (len(slots) + 1)  # the last stays empty
        self.version = self._spans_at = -1
        self._changing: list[int] = []
        self._spans: list[tuple[int, int]] = []
        self._lowest = self._highest = 0
        written = {slot for slot in self.compilation.lowered.written if slot is not None}
        scalars: list[Slot] = []
        for slot in slots:
            leaf = slot.leaf
            if isinstance(leaf, graph.Argument) and slot.number not in written:
                if slot.nbytes <= _SMALL:
                    array = slot.laid(np.zeros(slot.shape, slot.dtype))
                    self.point(slot, array)
                    self.staged.append((leaf.place, slot, array))
                else:
                    self.pointed.append((leaf.place, slot))
            elif isinstance(leaf, graph.Constant):
                self.point(slot, np.ascontiguousarray(leaf.value))
            elif isinstance(leaf, graph.Scalar):
                scalars.append(slot)
            else:
                self._states.append(slot)
                if slot.number in written:
                    self._changing.append(slot.number)
        self.asked = Asked(source.scalars, {slot.leaf for slot in scalars})
        for slot in scalars:
            self.program.bind(slot.number, self.asked.addresses[slot.leaf])
        self.program.bind(self.compilation.error, self.program.table.error_address)
        self.moves = [slot for slot in self._states if getattr(slot.leaf, "kind", "") in _MOVING]
        self._results()
        self.changed = [
            write.state.holder
            for write in source.writes
            if write.node is not None
            and write.state.kind != "gradient"
            and isinstance(write.state.holder, Tensor)
        ]
        writes = [write for write in source.writes if write.node is not None]
        self.puts = [
            (write.state, read)
            for write, read in zip(writes, self._written, strict=True)
            if write.state.kind in ("gradient", "attribute")
        ]
        self.emptied = [write.state for write in source.writes if write.node is None]
        replaced = any(state.kind == "attribute" for state, _ in self.puts)
        self.repeatable = self.traced.steady and self.asked.foreseen and not replaced

    def _results(self) -> None:
        """Where the outputs and gradients are read after a run."""
        found = self.compilation
        self.returned = {
            slot: Returned(node.shape, node.dtype) for slot, node in found.returned.items()
        }
        self._staying: list[Callable[[], Any]] = []
        count = len(self.traced.graph.outputs)
        writes = [w for w in self.traced.graph.writes if w.node is not None]
        nodes = [*self.traced.graph.outputs, *(write.node for write in writes)]
        readers = [self._reader(index, node) for index, node in enumerate(nodes)]
        self.outputs, self._written = readers[:count], readers[count:]

    def _reader(self, index: int, node: Any) -> Callable[[], Any]:
        """What gives an output's numbers after a run, for the caller to keep."""
        array, offset = self.compilation.results[index]
        last = index in self.compilation.lowered.last
        shape, dtype = node.shape, np.dtype(node.dtype)
        seen = functools.partial(self.compilation.seen, index, shape=shape)
        if array.slot in self.returned:
            take = self.returned[array.slot].take
            return (lambda: seen(take())) if last else take
        if array.slot is not None:  # the function returns an argument or a state as it is
            number, stop = array.slot, offset + node.size * dtype.itemsize

            def part() -> Any:
                flat = np.ravel(self.there[number], "K").view(np.uint8)
                return seen(flat[offset:stop].view(dtype).copy())

            return part
        if last:
            flat = self.program.view(array, (node.size,), dtype, offset)
            return lambda: seen(flat.copy())
        view = self.program.view(array, node.shape, node.dtype, offset)
        read = view.copy if view.ndim else lambda: view[()]
        self._staying.append(read)
        return read

    def stays(self, read: Callable[[], Any]) -> bool:
        """Whether what `read` reads is in the program's memory until the next run."""
        return any(read is one for one in self._staying)

    # ── each call ──────────────────────────────────────────────────────────────────────────

    def fits(self, leaves: Sequence[Any]) -> bool:
        """Whether the states lie in memory as they did when the program was made."""
        if self.version == tracing.version.number:
            return True
        kept = [slot for slot in self._states if slot not in self.moves]
        return all(lies_channels_last(slot.leaf.get(leaves)) == slot.last for slot in kept)

    def point(self, slot: Slot, array: Array) -> None:
        """Let a slot be this array, as long as it is not another one."""
        if array is self.there[slot.number]:
            return
        if not slot.lies(array) or array.dtype != slot.dtype:
            raise GraphError(
                f"{slot.label} of a compiled function",
                got=f"memory of {array.dtype} with strides {array.strides}",
                needs=f"{'images, channels last,' if slot.last else 'a row-major array'} "
                f"of {slot.dtype}",
                remedy="Pass a copy: tensor.contiguous(memory_format="
                f"{'channels_last' if slot.last else 'contiguous_format'!r}).",
            )
        if array.shape != slot.shape:
            raise ShapeError(
                f"{slot.label} of a compiled function",
                got=f"shape {array.shape}",
                needs=f"shape {slot.shape}, with which it was compiled",
                remedy="Do not change the shape of a parameter after compiling.",
            )
        self.there[slot.number] = array
        self.program.bind(slot.number, array.__array_interface__["data"][0])

    def run(self, leaves: Sequence[Any], times: int = 1) -> Any:
        """Run the program for these arguments, `times` times.

        Raises
        ------
        BacklightError
            As the eager function does, if an index or label is out of range or a gradient is not
            finite. Nothing has been written then.
        """
        try:
            if times > 1:
                return self._repeat(leaves, times)
            self._place(leaves)
            self.asked.fill()
            if self.program.run(self.threads):
                return self.settle(leaves)
            if not self._prepared:
                self._prepared = True
                self.fast = fast(self, leaves)
            return self._finish(leaves)
        finally:
            self.release()

    def release(self) -> None:
        """Let go of arguments that were read where they are."""
        for _, slot in self.pointed:
            self.there[slot.number] = None

    def renew(self) -> None:
        """Memory for the large results of the next run."""
        for number, one in self.returned.items():
            self.program.bind(number, one.fresh().__array_interface__["data"][0])

    def _place(self, leaves: Sequence[Any]) -> None:
        """Arguments, states and results to where the program reads and writes them."""
        self.renew()
        if self.version != tracing.version.number:
            for slot in self._states:
                self.point(slot, self._memory(slot, leaves))
            self.version = tracing.version.number
        else:
            for slot in self.moves:
                self.point(slot, self._memory(slot, leaves))
                self._spans_at = -1
        for place, slot, array in self.staged:
            given = leaves[place]
            array[...] = given._value if isinstance(given, Tensor) else given
            self.point(slot, array)
        for place, slot in self.pointed:
            given = leaves[place]
            numbers = given._value if isinstance(given, Tensor) else given
            self._point_apart(slot, numbers)

    def taker(self, place: int) -> tuple[Array | None, Callable[[Any], Any], int]:
        """Where to copy an argument, or what takes it; and the slot that it is in, or an empty one.

        What takes it answers with True where it lies in memory as another program wants it.

        A small array that is given twice in a row is read where it is from then on.
        """
        for argument, slot in self.pointed:
            if argument == place and len(slot.shape) == 4:
                return None, functools.partial(self._take_images, slot), slot.number
            if argument == place:
                return None, functools.partial(self._point_apart, slot), slot.number
        for argument, slot, memory in self.staged:
            if argument == place:
                copy = None if memory.ndim else memory
                if memory.ndim == 4:
                    return None, functools.partial(self._copy_images, slot, memory), slot.number
                return copy, self._small_taker(slot, memory), slot.number
        return None, _untaken, len(self.there) - 1

    def _take_images(self, slot: Slot, numbers: Any) -> bool:
        if lies_channels_last(numbers) != slot.last:
            return True
        self._point_apart(slot, numbers)
        return False

    def _copy_images(self, slot: Slot, memory: Array, numbers: Any) -> bool:
        if lies_channels_last(numbers) != slot.last:
            return True
        memory[...] = numbers
        self.point(slot, memory)
        return False

    def _small_taker(self, slot: Slot, memory: Array) -> Callable[[Any], None]:
        there, number = self.there, slot.number
        last: Any = None

        def take(numbers: Any) -> None:
            nonlocal last
            if numbers is last and numbers.dtype == memory.dtype and self._apart(slot, numbers):
                self.point(slot, numbers)
                return
            memory[...] = numbers
            if there[number] is not memory:
                self.point(slot, memory)
            last = numbers if type(numbers) is np.ndarray else None

        return take

    def _point_apart(self, slot: Slot, numbers: Any) -> None:
        """Let a slot be these numbers, or a copy where the program writes into their memory."""
        as_is = numbers.dtype == slot.dtype and self._apart(slot, numbers)
        self.point(slot, numbers if as_is else slot.laid(numbers))

    def _apart(self, slot: Slot, numbers: Any) -> bool:
        """Whether an array can be read where it is, while states are written."""
        flags = numbers.flags
        if not (flags.aligned and (slot.lies(numbers) if slot.last else flags.c_contiguous)):
            return False
        if self._spans_at != tracing.version.number:
            spans = [np.lib.array_utils.byte_bounds(self.there[n]) for n in self._changing]
            self._lowest = min((low for low, _ in spans), default=0)
            self._highest = max((high for _, high in spans), default=0)
            self._spans = spans
            self._spans_at = self.version
        low = numbers.__array_interface__["data"][0]
        high = low + numbers.nbytes
        if high <= self._lowest or low >= self._highest:
            return True
        return not any(low < end and start < high for start, end in self._spans)

    def _repeat(self, leaves: Sequence[Any], left: int) -> Any:
        """So many repetitions, those behind one that has to be settled in Python included."""
        table = self.program.table
        while True:
            self._place(leaves)
            rows = self.asked.rows(left)
            if rows is not None:
                table.scalars(rows, self.asked.address)
            try:
                code = self.program.run(self.threads, left)
            except BaseException:
                self._count(table.completed)
                self.asked.used(table.completed + 1)
                raise
            finally:
                table.scalars(None)
            if not code:
                return self._finish(leaves, left)
            done = table.completed
            self._count(done)
            self.asked.used(done + 1)
            result = self.settle(leaves)
            left -= done + 1
            if not left:
                return result

    def _count(self, times: int) -> None:
        """States have changed, so many times."""
        self.stamp()
        for count in self.traced.counts:
            count(times)

    def _memory(self, slot: Slot, leaves: Sequence[Any]) -> Array:
        if isinstance(slot.leaf, graph.Argument):  # one that is written: never copied
            given = leaves[slot.leaf.place]
            if isinstance(given, Tensor) and not isinstance(given._value, np.ndarray):
                given._value = np.array(given._value)
            return given._value if isinstance(given, Tensor) else given  # type: ignore[no-any-return]
        return slot.leaf.get(leaves)  # type: ignore[no-any-return]

    def stamp(self) -> None:
        """Note that the tensors of the program have changed."""
        if self.changed:
            with one_at_a_time:
                now = changes.last = next(clock)
            for tensor in self.changed:
                owner = tensor if tensor._base is None else tensor._base
                owner._changed = now

    def _finish(self, leaves: Sequence[Any], times: int = 1) -> Any:
        outputs = [read() for read in self.outputs]
        for state, read in self.puts:
            state.put(leaves, read())
        for state in self.emptied:
            state.put(leaves, None)
        for effect in self.traced.effects:
            effect(leaves)
        self._count(times)
        return self.traced.answer(outputs, leaves)

    def settle(self, leaves: Sequence[Any]) -> Any:
        """What follows when the program stopped at a check: nothing has been written yet.

        The graph is interpreted with the numbers of this call. So a gate that refuses a value says
        so in its own words; and where only the quick look at a condition failed, but not the
        condition, the call ends as if there had been no program.
        """
        source = self.traced.graph
        bindings: dict[Any, Any] = {}
        slots = {slot.leaf: slot for slot in self.compilation.lowered.slots}
        asked = self.asked.numbers()
        for node in source.needed():
            if isinstance(node.leaf, graph.Scalar):
                bindings[node] = np.array(asked[node.leaf], node.dtype).reshape(node.shape)
            elif node.leaf is not None and not isinstance(node.leaf, graph.Constant):
                slot = slots.get(node.leaf) or Slot(-1, node.shape, node.dtype, node.leaf)
                bindings[node] = self._numbers(slot, leaves)
        return self.traced.conclude(bindings, leaves)

    def _numbers(self, slot: Slot, leaves: Sequence[Any]) -> Any:
        if isinstance(slot.leaf, graph.Argument):
            given = leaves[slot.leaf.place]
            return np.asarray(given._value if isinstance(given, Tensor) else given)
        return self._memory(slot, leaves)


def _channels_last(source: graph.Graph, leaves: Sequence[Any]) -> set[Any]:
    """The arguments and states of a graph that are images lying channels last."""
    found = set()
    for node in source.nodes:
        leaf = node.leaf
        if isinstance(leaf, graph.Argument):
            given = leaves[leaf.place] if leaves else None
            array = given._value if isinstance(given, Tensor) else given
        elif isinstance(leaf, graph.State) and leaf.kind not in _MOVING:
            array = leaf.get(leaves)
        else:
            continue
        if array is not None and lies_channels_last(array):
            found.add(graph.key_of(leaf))
    return found


def _untaken(_: Any) -> None:
    """What becomes of an argument that the program does not read."""


_MOVING = ("gradient", "attribute", "argument", "")
"""Kinds of states whose memory may be another one at each call."""

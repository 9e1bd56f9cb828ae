"""The code of a kernel of loops: its rows, and in each row one loop after the other."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from backlight.native.kernels import places
from backlight.native.kernels.expression import FREE, Expressions, Guard, joint
from backlight.native.kernels.folds import INT64, Partial, Reducer, reducer
from backlight.native.kernels.footprint import spread
from backlight.native.kernels.places import ZERO, Coordinates, Index, Space, Symbol
from backlight.native.kernels.vector_loop import Body, VectorLoop, flattened, grouped
from backlight.native.lowering.loops import Node
from backlight.native.machine_code.emit import I8, I64, POINTER, Code, Number, operand
from backlight.native.machine_code.machine import Target

if TYPE_CHECKING:
    from backlight.native.kernels.loop_kernel import LoopKernel, Stage

CHEAP = 12
"""Operations an element below which several vectors are folded at a time."""


def function(
    module: Any, name: str, target: Target, operands: int, shared: set[int]
) -> tuple[Code, list[Any], Any, Any]:
    """A kernel's code, the addresses of its operands, and its first and last chunk.

    The work is in a function of its own, whose arguments tell LLVM that the operands lie apart,
    except for those in `shared`.
    """
    outside = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER, I64, I64]), name)
    kind = ir.FunctionType(ir.VoidType(), [*[POINTER] * operands, I64, I64])
    inside = ir.Function(module, kind, name + ".work")
    inside.linkage = "internal"
    inside.attributes.add("alwaysinline")
    for place in range(operands):
        if place not in shared:
            inside.args[place].add_attribute("noalias")
    code = Code(outside, target)
    given = [operand(code, outside.args[0], place) for place in range(operands)]
    code.builder.call(inside, [*given, *outside.args[1:]])
    code.finish()
    return Code(inside, target), list(inside.args[:operands]), inside.args[-2], inside.args[-1]


def share(code: Code, count: int, chunks: int, chunk: Any) -> Any:
    """The first of `count` turns that belongs to a chunk."""
    if chunks == count:
        return chunk
    return code.builder.udiv(code.builder.mul(chunk, I64(count)), I64(chunks))


def write(kernel: LoopKernel, module: Any, name: str, target: Target) -> None:
    """Write the code of a kernel into a module."""
    operands = [*kernel.inputs, *kernel.stored]
    shared = {place for place, _ in kernel.may_alias}
    shared |= {len(kernel.inputs) + place for _, place in kernel.may_alias}
    code, addresses, begin, end = function(module, name, target, len(operands), shared)
    bases = dict(zip(operands, addresses, strict=True))
    lanes = min(target.lanes(kernel.lanes_size), _reach(kernel))
    expressions = Expressions(code, bases, Space(), lanes)
    for node in kernel.scratch:
        size = math.prod(node.shape[kernel.rows :]) * node.dtype.itemsize
        row = code.builder.alloca(ir.ArrayType(I8, max(size, 1)))
        row.align = 64
        row.type = POINTER  # llvmlite still tells apart what pointers point to; LLVM does not
        expressions.own_rows(node, row, kernel.rows)
    first = share(code, kernel.count, kernel.chunks, begin)
    last = share(code, kernel.count, kernel.chunks, end)
    row_code = RowCode(kernel, expressions)
    if kernel.partial:
        code.loop(begin, end, 1, row_code.chunk)
    else:
        row_code.rows(first, last)
    code.finish()


def _reach(kernel: LoopKernel) -> int:
    """The smallest power of two that holds the longest run of any stage."""
    longest = 1
    for stage, groups in zip(kernel.stages, kernel.groups, strict=True):
        if groups:
            longest = max(longest, math.prod(stage.shape[axis] for axis in groups[-1]))
    return 1 << (longest - 1).bit_length()


def _moved(body: Any, start: int, i: Index, guard: Guard, partials: list[Partial]) -> Any:
    return body((i + start,), guard, partials)


def _ends(stage: Stage) -> list[int]:
    """Where one part of a join along the last axis ends and the next begins."""
    found: set[int] = set()
    node = stage.roots[0]
    while node.op == "where":
        end = joint(node)
        if end is None or not 0 < end < stage.shape[-1]:
            break
        found.add(end)
        node = node.inputs[2]
    return sorted(found)


class RowCode:
    """Writes one row of a kernel."""

    def __init__(self, kernel: LoopKernel, expressions: Expressions) -> None:
        self.kernel, self.expressions, self.code = kernel, expressions, expressions.code
        self.space = expressions.space
        self.chunk_index = ZERO

    def chunk(self, index: Any) -> None:
        """One chunk of a kernel with folds of columns: its rows, on partial results of its own."""
        kernel, expressions = self.kernel, self.expressions
        symbol = Symbol(0, max(kernel.chunks - 1, 0), Number(self.code, index, INT64, 1))
        with expressions.scope():
            self.chunk_index = places.of(symbol) if kernel.chunks > 1 else ZERO
            for node in kernel.partial:
                self._cleared(node)
            after = self.code.builder.add(index, I64(1))
            first, last = (share(self.code, kernel.count, kernel.chunks, i) for i in (index, after))
            self.rows(first, last)

    def _cleared(self, node: Node) -> None:
        base, start = self.expressions.bases[node], self.chunk_index * node.size
        nothing = reducer(self.code, node).start(1)[0]

        def body(place: Index, guard: Guard, partials: list[Partial]) -> list[Partial]:
            self.expressions.store(nothing, base, start + place, guard)
            return partials

        loop = VectorLoop(self.expressions, node.size, None, [], 1)
        loop.run(loop.start(), body)

    def rows(self, first: Any, last: Any) -> None:
        """The rows first … last − 1."""
        count = self.kernel.count

        def turn(index: Any) -> None:
            symbol = Symbol(0, max(count - 1, 0), Number(self.code, index, INT64, 1))
            with self.expressions.scope():
                self.row(places.of(symbol) if count > 1 else ZERO)

        self.code.loop(first, last, 1, turn)

    def row(self, index: Index) -> None:
        """All stages of the row of this number."""
        kernel = self.kernel
        self.expressions.held.clear()
        if kernel.plain:
            self._plain(index)
            return
        row = self.space.apart(index, kernel.row_shape)
        for stage, groups in zip(kernel.stages, kernel.groups, strict=True):
            self._stage(stage, groups, row)

    def _plain(self, index: Index) -> None:
        kernel, stage, groups = self.kernel, self.kernel.stages[0], self.kernel.groups[0]
        if not groups:
            self._roots(stage, (), (ZERO,) * len(stage.shape), FREE, [], [])
            return
        lengths = [math.prod(stage.shape[axis] for axis in one) for one in groups]
        lead, block = index, ZERO
        if kernel.blocks > 1:
            lead, block = self.space.divided(index, kernel.blocks)
        before = self.space.apart(lead, tuple(lengths[: kernel.lead]))
        size, count = lengths[-1], None
        if kernel.block:
            if size % kernel.block:
                left = self.expressions.scalar(block * -kernel.block + size)
                short = self.code.builder.icmp_signed("<", left, I64(kernel.block))
                count = self.code.builder.select(short, left, I64(kernel.block))
            size = kernel.block
        loop = VectorLoop(self.expressions, size, count, [], 1)

        def around(outer: tuple[Index, ...]) -> list[list[Partial]]:
            if len(outer) < len(lengths) - 1:
                self._outer(lengths[len(outer)], lambda i, _: around((*outer, i)), [])
                return []

            def body(place: Index, guard: Guard, partials: list[Partial]) -> list[Partial]:
                last = block * kernel.block + place
                if last.terms:
                    self.space.note(last, 0, lengths[-1] - 1)
                inner = spread(groups, (*outer, last), stage.shape, self.space)
                return self._roots(stage, (), inner, guard, [], partials)

            self._unless_padding(stage, groups, outer, loop, body)
            return []

        around(tuple(before))

    def _unless_padding(
        self,
        stage: Stage,
        groups: Sequence[tuple[int, ...]],
        outer: tuple[Index, ...],
        loop: VectorLoop,
        body: Body,
    ) -> None:
        """Run the loop over the last axis; where it lies in padding altogether, fill it."""
        root, expressions = stage.roots[0], self.expressions
        if root.op != "pad" or len(stage.roots) > 1:
            loop.run(loop.start(), body)
            return
        at = spread(groups[:-1], outer, stage.shape, self.space)
        known = [axis for one in groups[:-1] for axis in one]
        tests = expressions.tests(root, at, known)
        if not tests:
            loop.run(loop.start(), body)
            return
        inside = expressions.together(tests)

        def fill(place: Index, guard: Guard, partials: list[Partial]) -> list[Partial]:
            where = spread(groups, (*outer, place), stage.shape, self.space)
            filler = self.code.constant(root.dtype, root.attributes["value"])
            offset = places.flat(where, root.shape)
            expressions.store(filler, expressions.bases[root], offset, guard)
            return partials

        with self.code.builder.if_else(inside.value) as (then, otherwise):
            with then, expressions.scope():
                expressions.assume(tests)
                loop.run(loop.start(), body)
            with otherwise, expressions.scope():
                loop.run(loop.start(), fill)

    def _stage(self, stage: Stage, groups: Sequence[tuple[int, ...]], row: Coordinates) -> None:
        folds = [root for root in stage.roots if stage.folds(root)]
        rules = [reducer(self.code, root) for root in folds]
        lengths = [math.prod(stage.shape[axis] for axis in one) for one in groups] or [1]
        lanes = self.expressions.lanes
        many = bool(rules) and stage.cost < CHEAP and lengths[-1] >= 4 * lanes
        loop = VectorLoop(self.expressions, lengths[-1], None, rules, 4 if many else 1)

        def around(before: tuple[Index, ...], sets: Any) -> Any:
            if len(before) < len(lengths) - 1:
                size = lengths[len(before)]
                return self._outer(size, lambda i, held: around((*before, i), held), sets)
            return loop.run(sets, lambda i, guard, now: inside((*before, i), guard, now))

        def inside(at: Any, guard: Guard, partials: list[Partial]) -> list[Partial]:
            inner = spread(groups, at if groups else (), stage.shape, self.space)
            return self._roots(stage, row, inner, guard, rules, partials)

        ends = _ends(stage) if len(lengths) == 1 and not rules else []
        if ends:
            # A part at a time, in which every choice between the parts is known.
            for start, end in itertools.pairwise((0, *ends, lengths[0])):
                part = VectorLoop(self.expressions, end - start, None, [], 1)
                at_part = functools.partial(_moved, inside, start)
                part.run(part.start(), at_part)
            return
        sets = around((), loop.start())
        for root, rule, partial in zip(folds, rules, loop.combined(sets), strict=True):
            value = rule.result(partial, math.prod(stage.shape))
            self.expressions.held[root, row] = value
            if root in self.expressions.bases:
                offset = places.flat(row, root.shape)
                self.expressions.store(value, self.expressions.bases[root], offset)

    def _outer(self, size: int, body: Callable[[Index, Any], Any], sets: Any) -> Any:
        def turn(index: Any, *held: Number) -> list[Number]:
            symbol = Symbol(0, size - 1, Number(self.code, index, INT64, 1))
            with self.expressions.scope():
                return flattened(body(places.of(symbol), grouped(sets, held)))

        return grouped(sets, self.code.loop(0, size, 1, turn, flattened(sets)))

    def _roots(
        self,
        stage: Stage,
        row: Coordinates,
        inner: Coordinates,
        guard: Guard,
        rules: list[Reducer],
        partials: list[Partial],
    ) -> list[Partial]:
        """What one turn of a stage's loop computes: maps stored, folds taken in."""
        expressions = self.expressions
        taken: list[Partial] = []
        made: list[tuple[Node, Coordinates, Number]] = []
        expressions.making = set(stage.roots)
        for root in stage.roots:
            at = stage.where(root, row, inner)
            if stage.folds(root):
                value = expressions.at(root.inputs[0], at, guard)
                rule, partial = rules[len(taken)], partials[len(taken)]
                place = self._place(stage, inner, rule)
                taken.append(rule.taken(partial, value, place, guard.lanes))
            elif stage.columns(root):
                self._take_column(root, at, inner, guard)
            else:
                value = expressions.computed(root, at, guard)
                expressions.held[root, at] = value
                made.append((root, at, value))
        expressions.making = set()
        # Stored last: an output may lie where an input of this turn did.
        for root, at, value in made:
            del expressions.held[root, at]
            offset = expressions.offset(root, at)
            expressions.store(value, expressions.bases[root], offset, guard)
        return taken

    def _take_column(self, root: Node, at: Coordinates, inner: Coordinates, guard: Guard) -> None:
        """A row's elements taken into the chunk's partial results, which are in memory."""
        expressions, rule = self.expressions, reducer(self.code, root)
        value = expressions.at(root.inputs[0], at, guard).astype(rule.kind)
        offset = self.chunk_index * root.size + places.flat(inner, root.shape)
        base = expressions.bases[root]
        old = expressions.load(base, offset, rule.kind, guard)
        lanes = max(old.lanes, value.lanes)
        pair = [self.code.splat(one, lanes) for one in (old, value)]
        expressions.store(rule.merged(pair[:1], pair[1:])[0], base, offset, guard)

    def _place(self, stage: Stage, inner: Coordinates, rule: Reducer) -> Number | None:
        if not rule.places:
            return None
        return self.expressions.number(places.flat(inner, stage.shape))

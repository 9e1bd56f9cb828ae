"""Writing instructions: numbers that are one element or a vector of them, and loops.

A `Number` is a value while code is being written. Its operators write instructions, so that a
formula such as `x * x + 1.0`, run on Numbers, becomes the code that computes it. One lane is a
scalar; several lanes are a vector, with the same instructions: the tail of an array is computed by
the same formula as its body, and no number depends on where it stands.

Nothing is reordered or contracted behind the formula's back: a product and a sum become one
instruction only where `Code.fma` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from backlight.native.machine_code.machine import Target
from backlight.native.machine_code.number import (
    F32,
    F64,
    I1,
    I8,
    I32,
    I64,
    POINTER,
    DType,
    Number,
    element_type,
    vector_type,
)

__all__ = [
    "F32",
    "F64",
    "I1",
    "I8",
    "I32",
    "I64",
    "POINTER",
    "Code",
    "Number",
    "element_type",
    "kernel",
    "operand",
    "vector_type",
]


class Code:
    """Writes instructions for a target into a function.

    Parameters
    ----------
    function : llvmlite.ir.Function
        Empty; its first block is made here. `code.builder` is llvmlite's builder, for everything
        that has no word here.
    target : Target
    """

    def __init__(self, function: Any, target: Target) -> None:
        self.function, self.target = function, target
        self.module = function.module
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))

    # ── numbers ────────────────────────────────────────────────────────────────────────────

    def constant(self, dtype: Any, value: Any, lanes: int = 1) -> Number:
        """The same constant in every lane."""
        kind = np.dtype(dtype)
        one: Any = kind.type(value)
        if kind.kind == "f":
            plain: Any = float(one)
        else:
            plain = int(one)
        element = element_type(kind)
        if lanes == 1:
            return Number(self, ir.Constant(element, plain), kind, 1)
        vector = ir.Constant(ir.VectorType(element, lanes), [plain] * lanes)
        return Number(self, vector, kind, lanes)

    def lane_numbers(self, dtype: Any, lanes: int, step: int = 1) -> Number:
        """The vector 0, step, 2·step, …"""
        kind = np.dtype(dtype)
        if lanes == 1:
            return self.constant(kind, 0)
        values = [step * lane for lane in range(lanes)]
        return Number(self, ir.Constant(vector_type(kind, lanes), values), kind, lanes)

    def splat(self, number: Number, lanes: int) -> Number:
        """One element repeated in every lane."""
        if number.lanes == lanes:
            return number
        if isinstance(number.value, ir.Constant) and not isinstance(number.value.constant, str):
            return self.constant(number.dtype, number.value.constant, lanes)
        kind = vector_type(number.dtype, lanes)
        nothing = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(nothing, number.value, I32(0))
        everywhere = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
        value = self.builder.shuffle_vector(first, nothing, everywhere)
        return Number(self, value, number.dtype, lanes)

    def together(self, *given: Any) -> list[Number]:
        """Numbers of the same lanes; Python's numbers take the type of the others."""
        kind = next(one.dtype for one in given if isinstance(one, Number))
        lanes = max(one.lanes for one in given if isinstance(one, Number))
        found = []
        for one in given:
            if not isinstance(one, Number):
                found.append(self.constant(kind, one, lanes))
            else:
                found.append(self.splat(one, lanes))
        return found

    def arithmetic(self, word: str, left: Any, right: Any) -> Number:
        """add, sub, mul or div."""
        x, y = self.together(left, right)
        if x.kind == "f":
            name = "f" + word
        elif word == "div":
            name = "udiv" if x.kind == "u" else "sdiv"
        else:
            name = word
        return x.like(getattr(self.builder, name)(x.value, y.value))

    def bitwise(self, word: str, left: Any, right: Any) -> Number:
        """and_, or_, xor, shl, lshr or ashr."""
        x, y = self.together(left, right)
        return x.like(getattr(self.builder, word)(x.value, y.value))

    def compare(self, word: str, left: Any, right: Any) -> Number:
        """A truth value a lane; comparisons with NaN are false, except that NaN != x."""
        x, y = self.together(left, right)
        built = self.builder
        if x.kind == "f":
            test = built.fcmp_unordered if word == "!=" else built.fcmp_ordered
        else:
            test = built.icmp_signed if x.kind == "i" else built.icmp_unsigned
        value = test(word, x.value, y.value)
        return Number(self, value, np.dtype(bool), x.lanes)

    def select(self, condition: Number, yes: Any, no: Any) -> Number:
        """`yes` in the lanes where the condition holds, else `no`."""
        x, y = self.together(yes, no)
        lanes = max(condition.lanes, x.lanes)
        condition, x, y = (self.splat(one, lanes) for one in (condition, x, y))
        return x.like(self.builder.select(condition.value, x.value, y.value))

    def convert(self, x: Number, kind: DType) -> Number:
        """See `Number.astype`."""
        if x.dtype == kind:
            return x
        built, to = self.builder, vector_type(kind, x.lanes)
        if kind.kind == "b":
            return x != 0
        if x.kind == "f" and kind.kind == "f":
            change = built.fpext if kind.itemsize > x.dtype.itemsize else built.fptrunc
        elif x.kind == "f":
            change = built.fptoui if kind.kind == "u" else built.fptosi
        elif kind.kind == "f":
            change = built.sitofp if x.kind == "i" else built.uitofp
        elif kind.itemsize == x.dtype.itemsize and x.kind != "b":
            return Number(self, x.value, kind, x.lanes)
        elif x.kind != "b" and kind.itemsize < x.dtype.itemsize:
            change = built.trunc
        else:
            change = built.sext if x.kind == "i" else built.zext
        return Number(self, change(x.value, to), kind, x.lanes)

    def intrinsic(self, name: str, *given: Any, result: Number | None = None) -> Number:
        """LLVM's function `llvm.NAME` of Numbers, overloaded on the type of the first."""
        numbers = self.together(*given)
        like = numbers[0] if result is None else result
        kind = vector_type(like.dtype, like.lanes)
        return like.like(self.call(f"llvm.{name}.{_mangled(numbers[0])}", kind, numbers))

    def call(self, name: str, kind: Any, numbers: Sequence[Number]) -> Any:
        """A call of the function `name`, declared here if need be."""
        function = self.module.globals.get(name)
        if function is None:
            types = [one.value.type for one in numbers]
            function = ir.Function(self.module, ir.FunctionType(kind, types), name)
        return self.builder.call(function, [one.value for one in numbers])

    def fma(self, x: Any, y: Any, z: Any) -> Number:
        """x·y + z, rounded once where the target has such an instruction, else twice."""
        x, y, z = self.together(x, y, z)
        if not self.target.fma:
            return self.arithmetic("add", self.arithmetic("mul", x, y), z)
        return self.intrinsic("fma", x, y, z)

    # ── memory ─────────────────────────────────────────────────────────────────────────────

    def index(self, value: int) -> Any:
        """A 64-bit constant, as addresses and loops use."""
        return I64(value)

    def address(self, base: Any, offset: Any, dtype: Any) -> Any:
        """The address of element `offset` of an array at `base`."""
        kind = np.dtype(dtype)
        element = I8 if kind.kind == "b" else element_type(kind)
        return self.builder.gep(base, [offset], source_etype=element)

    def load(self, base: Any, offset: Any, dtype: Any, lanes: int = 1, mask: Any = None) -> Number:
        """Consecutive elements from `offset` on; lanes whose `mask` is false read as 0."""
        kind = np.dtype(dtype)
        place = self.address(base, offset, kind)
        stored = _stored(kind, lanes)
        if mask is None or lanes == 1:
            value = self.builder.load(place, typ=stored)
            value.align = kind.itemsize
        else:
            name = f"llvm.masked.load.v{lanes}{_letter(kind)}.p0"
            function = self._declared(
                name, ir.FunctionType(stored, [POINTER, I32, mask.value.type, stored])
            )
            given = [place, I32(kind.itemsize), mask.value, ir.Constant(stored, None)]
            value = self.builder.call(function, given)
        if kind.kind == "b":
            value = self.builder.trunc(value, vector_type(kind, lanes))
        return Number(self, value, kind, lanes)

    def store(self, number: Number, base: Any, offset: Any, mask: Any = None) -> None:
        """Write consecutive elements from `offset` on; only the lanes whose `mask` is true."""
        kind = number.dtype
        place = self.address(base, offset, kind)
        value = number.value
        if kind.kind == "b":
            value = self.builder.zext(value, _stored(kind, number.lanes))
        if mask is None or number.lanes == 1:
            self.builder.store(value, place).align = kind.itemsize
            return
        name = f"llvm.masked.store.v{number.lanes}{_letter(kind)}.p0"
        function = self._declared(
            name, ir.FunctionType(ir.VoidType(), [value.type, POINTER, I32, mask.value.type])
        )
        self.builder.call(function, [value, place, I32(kind.itemsize), mask.value])

    def prefetch(self, base: Any, offset: Any, dtype: Any, near: bool = True) -> None:
        """Ask memory for the cache line of an element that will be read; any address is safe.

        It comes into the first cache if `near`, else into the second.
        """
        kind = ir.FunctionType(ir.VoidType(), [POINTER, I32, I32, I32])
        function = self._declared("llvm.prefetch.p0", kind)
        read, keep, data = I32(0), I32(3 if near else 2), I32(1)
        self.builder.call(function, [self.address(base, offset, dtype), read, keep, data])

    def gather(self, base: Any, offsets: Number, dtype: Any) -> Number:
        """The element at each lane's offset."""
        kind = np.dtype(dtype)
        if offsets.lanes == 1:
            return self.load(base, offsets.value, kind)
        found = ir.Constant(vector_type(kind, offsets.lanes), ir.Undefined)
        for lane in range(offsets.lanes):
            one = self.load(base, offsets.lane(lane).value, kind)
            found = self.builder.insert_element(found, one.value, I32(lane))
        return Number(self, found, kind, offsets.lanes)

    def mask(self, count: Any, lanes: int) -> Number:
        """True in the first `count` (a 64-bit value) lanes."""
        limit = self.splat(Number(self, count, np.dtype(np.int64), 1), lanes)
        return self.lane_numbers(np.int64, lanes) < limit

    # ── flow ───────────────────────────────────────────────────────────────────────────────

    def loop(
        self,
        start: Any,
        stop: Any,
        step: int,
        body: Callable[..., Sequence[Any] | None],
        carried: Sequence[Any] = (),
    ) -> list[Any]:
        """`for index in range(start, stop, step)`, possibly no time at all.

        Parameters
        ----------
        start, stop : 64-bit values or int
        step : int, at least 1
        body : callable
            `body(index, *carried)` writes one turn and returns the carried values for the next.
        carried : sequence of LLVM values or Numbers
            What changes from turn to turn: accumulators, kept in registers.

        Returns
        -------
        list
            The carried values after the last turn.
        """
        built = self.builder
        first = I64(start) if isinstance(start, int) else start
        last = I64(stop) if isinstance(stop, int) else stop
        before = built.block
        head = built.append_basic_block("head")
        inside = built.append_basic_block("body")
        after = built.append_basic_block("after")
        built.branch(head)
        built.position_at_end(head)
        index = built.phi(I64)
        index.add_incoming(first, before)
        held = []
        for one in carried:
            value = one.value if isinstance(one, Number) else one
            phi = built.phi(value.type)
            phi.add_incoming(value, before)
            held.append(one.like(phi) if isinstance(one, Number) else phi)
        built.cbranch(built.icmp_signed("<", index, last), inside, after)
        built.position_at_end(inside)
        given = list(body(index, *held) or ())
        index.add_incoming(built.add(index, I64(step)), built.block)
        for phi, one in zip(held, given, strict=True):
            target = phi.value if isinstance(phi, Number) else phi
            target.add_incoming(one.value if isinstance(one, Number) else one, built.block)
        built.branch(head)
        built.position_at_end(after)
        return held

    def when(self, condition: Any, body: Callable[[], None]) -> None:
        """Run `body` only if a one-lane condition holds."""
        value = condition.value if isinstance(condition, Number) else condition
        with self.builder.if_then(value):
            body()

    def finish(self) -> None:
        """Return from the function."""
        self.builder.ret_void()

    def _declared(self, name: str, kind: Any) -> Any:
        found = self.module.globals.get(name)
        return found if found is not None else ir.Function(self.module, kind, name)


def kernel(name: str, module: Any, target: Target) -> tuple[Code, Any, Any, Any]:
    """A new kernel: its code, and its operands' array, first and last chunk.

    Every kernel is `void name(ptr operands, i64 begin, i64 end)`; see `operand`.
    """
    kind = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64])
    function = ir.Function(module, kind, name)
    operands, begin, end = function.args
    return Code(function, target), operands, begin, end


def operand(code: Code, operands: Any, place: int) -> Any:
    """The base address of a kernel's operand."""
    slot = code.builder.gep(operands, [I64(place)], source_etype=POINTER)
    return code.builder.load(slot, typ=POINTER)


def _stored(kind: DType, lanes: int) -> Any:
    """LLVM's type in memory: truth values take a byte."""
    element = I8 if kind.kind == "b" else element_type(kind)
    return element if lanes == 1 else ir.VectorType(element, lanes)


def _letter(kind: DType) -> str:
    if kind.kind == "f":
        return f"f{8 * kind.itemsize}"
    return f"i{8 * kind.itemsize}"


def _mangled(number: Number) -> str:
    letter = "i1" if number.kind == "b" else _letter(number.dtype)
    return letter if number.lanes == 1 else f"v{number.lanes}{letter}"

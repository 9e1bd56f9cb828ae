"""Programs whose kernels check every load and every store against the array it belongs to.

The text of each kernel is rewritten before it is compiled: where it reads or writes memory, the
distance to the operand from which the address was computed is compared with that operand's extent
in this call. What lies outside is noted (kernel, operand, offset, line) and turned aside into
memory of nobody, so that the process lives. Addresses of stack and of constants are compared
likewise. Nothing of this is in the compiler: a mistake there is not repeated here.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import pytest

from backlight.native import bound
from backlight.native.machine_code import codebook
from backlight.native.running import program

_NAME = r'(?:"[^"]+"|[\w.$-]+)'
_VALUE = rf"[%@]{_NAME}"
_DEFINE = re.compile(rf"^define (?:internal )?void @({_NAME})\((.*)\)")
_POINTER = re.compile(rf"^ *(%{_NAME}) = (getelementptr|phi|select|load|bitcast)\b(.*)$")
_ALLOCA = re.compile(rf"^ *(%{_NAME}) = alloca (.+?)(?:, align \d+)?$")
_LOAD = re.compile(rf"^( *%{_NAME} = load )([^,]+), ptr ({_VALUE})(.*)$")
_STORE = re.compile(rf"^( *store )(.+) ((?:%{_NAME}|[^ ]+|<.*>)), ptr ({_VALUE})(.*)$")
_MASKED = re.compile(r'^(.*)@"?llvm\.masked\.(load|store)\.v(\d+)([fi])(\d+)\.p0"?\((.*)\)(.*)$')
_GLOBAL = re.compile(rf"^(@{_NAME}) = .*?\bconstant (\[[^\]]+\]|<[^>]+>|\w+)")
_CALL = re.compile(r'^ *call void @("[^"]+\.work")\((.*)\)$')

_WORDS = 16
_BASE, _LOWS, _HIGHS, _INDEX, _COUNT, _KERNEL, _OPERAND, _OFFSET, _BYTES, _LINE = range(10)


@dataclass
class Findings:
    """What was found outside of its array.

    Attributes
    ----------
    state : ndarray
        Words that kernels read and write.
    checked : int
        Loads and stores of the text that are looked at.
    kernels : list of str
        Texts before they were rewritten, by number.
    """

    state: Any = field(default_factory=lambda: np.zeros(_WORDS, np.int64))
    aside: Any = field(default_factory=lambda: np.zeros(4096, np.uint8))
    checked: int = 0
    kernels: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many accesses were outside."""
        return int(self.state[_COUNT])

    def __str__(self) -> str:
        """The first of them."""
        if not self.count:
            return ""
        said = self.state.tolist()
        text = self.kernels[said[_KERNEL]].splitlines()
        return (
            f"{self.count} accesses outside of their arrays, the first of operand "
            f"{said[_OPERAND]}: {said[_BYTES]} bytes from {said[_OFFSET]}, "
            f"in\n{text[said[_LINE]].strip()}\nof {text[0]}"
        )


@contextmanager
def bounds_checked() -> Iterator[Findings]:
    """Programs made inside look at each access; they must be run inside too, on one thread."""
    found = Findings()
    original, initialise = codebook.text, bound.Bound.__init__
    run = program.Program.run

    def text(kernel: Any, target: Any) -> str:
        return rewritten(original(kernel, target), found)

    def made(self: Any, *given: Any, **named: Any) -> None:
        initialise(self, *given, **named)
        slots = self.compilation.lowered.slots
        sizes = [slot.nbytes for slot in slots] + [8]
        sizes += [node.nbytes for node in self.compilation.returned.values()]
        self.program.extents = _extents(self.program, sizes)

    def checked_run(self: Any, threads: int | None = None, repetitions: int = 1) -> int:
        lows, highs = self.extents
        found.state[[_BASE, _LOWS, _HIGHS]] = (
            self.table.operands.ctypes.data, lows.ctypes.data, highs.ctypes.data
        )  # fmt: skip
        del threads
        return int(run(self, 1, repetitions))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKLIGHT_CACHE", "off")
        patch.setattr(codebook, "_ENTRIES", WeakValueDictionary())
        patch.setattr(codebook, "text", text)
        patch.setattr(bound.Bound, "__init__", made)
        patch.setattr(bound, "fast", lambda *_: None)
        patch.setattr(program.Program, "run", checked_run)
        yield found


def _extents(made: Any, sizes: list[int]) -> tuple[Any, Any]:
    """For each operand of each call, from where to where its array reaches around its address."""
    rows = []
    for call in made.calls:
        for array, offset in call.operands:
            size = array.nbytes if array.slot is None else sizes[array.slot]
            rows.append((-offset, size - offset))
    table = np.array(rows or [(0, 0)], np.int64).T.copy()
    return table[0], table[1]


# ── rewriting ──────────────────────────────────────────────────────────────────────────────


def rewritten(text: str, found: Findings) -> str:
    """The text of a kernel with a look before every access."""
    number = len(found.kernels)
    found.kernels.append(text)
    lines = text.splitlines()
    sizes = {m[1]: size_of(m[2]) for m in map(_GLOBAL.match, lines) if m}
    bodies = list(_bodies(lines))
    names = {name for name, *_ in bodies}
    given = {name: _arguments(lines[first]) for name, first, _ in bodies}
    passed = _passed(lines, bodies, given)
    replaced = dict(enumerate(lines))
    for name, first, last in bodies:
        outer = name + ".work" in names or not name.endswith(".work")
        _Function(replaced, first, last, number, found, sizes).rewrite(
            given[name], outer and name.replace('"', "").startswith("kernel_"), passed.get(name)
        )
    return "\n".join([*(replaced[line] for line in range(len(lines))), _check(found)])


def _bodies(lines: list[str]) -> Iterator[tuple[str, int, int]]:
    """Name, first and last line of each function that may touch memory."""
    for place, line in enumerate(lines):
        defined = _DEFINE.match(line)
        if defined:
            stop = next(end for end in range(place, len(lines)) if lines[end] == "}")
            yield defined[1].strip('"'), place, stop


def _arguments(line: str) -> list[str]:
    given = _DEFINE.match(line)
    assert given is not None
    return [re.search(rf"%{_NAME}$", part.strip())[0] for part in given[2].split(",")]  # type: ignore[index]


def _passed(
    lines: list[str], bodies: list[tuple[str, int, int]], given: dict[str, list[str]]
) -> dict[str, dict[str, int]]:
    """For each inner function, which operand of the kernel each of its arguments is."""
    found: dict[str, dict[str, int]] = {}
    for name, first, last in bodies:
        slots = _operand_loads(lines[first:last], given[name][0])
        for line in lines[first:last]:
            call = _CALL.match(line)
            if call:
                inner = call[1].strip('"')
                values = [part.strip().split()[-1] for part in call[2].split(",")]
                pairs = zip(given[inner], values, strict=True)
                found[inner] = {name: slots[value] for name, value in pairs if value in slots}
    return found


def _operand_loads(lines: list[str], array: str) -> dict[str, int]:
    """Which values are the operands, loaded from the array of their addresses."""
    slots: dict[str, int] = {}
    loaded: dict[str, int] = {}
    for line in lines:
        slot = re.match(
            rf"^ *(%{_NAME}) = getelementptr ptr, ptr {re.escape(array)}, i64 (\d+)$", line
        )
        if slot:
            slots[slot[1]] = int(slot[2])
        load = re.match(rf"^ *(%{_NAME}) = load ptr, ptr (%{_NAME})$", line)
        if load and load[2] in slots:
            loaded[load[1]] = slots[load[2]]
    return loaded


class _Function:
    """Rewrites one function."""

    def __init__(
        self,
        lines: dict[int, str],
        first: int,
        last: int,
        number: int,
        found: Findings,
        constants: dict[str, int],
    ) -> None:
        self.lines, self.first, self.last = lines, first, last
        self.number, self.found = number, found
        self.origin: dict[str, str] = {name: name for name in constants}
        self.sizes = dict(constants)
        self.operands: dict[str, int] = {}
        self.free: set[str] = set()

    def rewrite(self, given: list[str], outer: bool, passed: dict[str, int] | None) -> None:
        """Every access of the function."""
        body = [self.lines[line] for line in range(self.first, self.last)]
        if outer:
            self.operands = _operand_loads(body, given[0])
            self.free.add(given[0])
        self.operands.update(passed or {})
        self.origin.update({name: name for name in self.operands})
        self._trace(body)
        for line in range(self.first + 1, self.last):
            self._access(line)
        if outer:
            self.lines[self.first + 2] += self._entry(given[0])

    def _trace(self, body: list[str]) -> None:
        """From which operand, stack or constant each address is computed."""
        for line in body:
            stack = _ALLOCA.match(line)
            if stack:
                self.origin[stack[1]], self.sizes[stack[1]] = stack[1], size_of(stack[2])
        changed = True
        while changed:
            changed = False
            for line in body:
                made = _POINTER.match(line)
                if not made or made[1] in self.origin or made[1] in self.free:
                    continue
                word, rest = made[2], made[3]
                if word == "getelementptr":
                    sources = [re.search(rf"ptr ({_VALUE})", rest)[1]]  # type: ignore[index]
                elif word == "phi" and rest.split()[0] == "ptr":
                    sources = re.findall(rf"\[({_VALUE}),", rest)
                elif word == "select" and ", ptr " in rest:
                    sources = re.findall(rf", ptr ({_VALUE})", rest)
                else:
                    continue
                if any(one in self.free for one in sources):
                    self.free.add(made[1])
                    continue
                known = {self.origin[one] for one in sources if one in self.origin}
                if len(known) > 1:
                    raise ValueError(f"an address of two arrays: {line}")
                if known:
                    self.origin[made[1]] = known.pop()
                    changed = True

    def _entry(self, array: str) -> str:
        """Where in the table of extents the operands of this call begin."""
        state = self.found.state.ctypes.data
        return (
            f"\n  %bounds_at = ptrtoint ptr {array} to i64"
            f"\n  %bounds_base = load i64, ptr inttoptr (i64 {state} to ptr)"
            f"\n  %bounds_far = sub i64 %bounds_at, %bounds_base"
            f"\n  %bounds_index = sdiv i64 %bounds_far, 8"
            f"\n  store i64 %bounds_index, ptr inttoptr (i64 {state + 8 * _INDEX} to ptr)"
        )

    def _access(self, line: int) -> None:
        text = self.lines[line]
        masked = _MASKED.match(text)
        if masked and "declare" not in text:
            self._masked(line, masked)
            return
        load = _LOAD.match(text)
        if load:
            if load[3] not in self.free:
                safe, before = self._look(line, load[3], "0", str(size_of(load[2])))
                self.lines[line] = f"{before}\n{load[1]}{load[2]}, ptr {safe}{load[4]}"
            return
        store = _STORE.match(text)
        if store:
            size = size_of(_type_of(f"{store[2]} {store[3]}"))
            safe, before = self._look(line, store[4], "0", str(size))
            self.lines[line] = f"{before}\n{store[1]}{store[2]} {store[3]}, ptr {safe}{store[5]}"
        elif " load " in text or text.lstrip().startswith("store") or "llvm.mem" in text:
            raise ValueError(f"an access that is not understood: {text}")

    def _masked(self, line: int, found: re.Match[str]) -> None:
        lanes, size = int(found[3]), int(found[5]) // 8
        mask = re.search(rf"<{lanes} x i1> (%{_NAME}|<[^>]*>)", found[6])
        pointer = re.search(rf"ptr ({_VALUE})", found[6])
        if mask is None or pointer is None:
            raise ValueError(f"an access that is not understood: {found[0]}")
        n = f"%bounds_{line}"
        before = (
            f"  {n}_mask = bitcast <{lanes} x i1> {mask[1]} to i{lanes}\n"
            + (
                f"  {n}_bits = zext i{lanes} {n}_mask to i64\n"
                if lanes < 64
                else f"  {n}_bits = bitcast i64 {n}_mask to i64\n"
            )
            + f"  {n}_first = call i64 @llvm.cttz.i64(i64 {n}_bits, i1 false)\n"
            f"  {n}_none = call i64 @llvm.ctlz.i64(i64 {n}_bits, i1 false)\n"
            f"  {n}_after = sub i64 64, {n}_none\n"
            f"  {n}_low = mul i64 {n}_first, {size}\n"
            f"  {n}_high = mul i64 {n}_after, {size}\n"
        )
        safe, look = self._look(line, pointer[1], f"{n}_low", f"{n}_high")
        inside = found[6].replace(f"ptr {pointer[1]}", f"ptr {safe}", 1)
        call = found[0][: found.start(6)]
        self.lines[line] = f"{before}{look}\n{call}{inside}){found[7]}"

    def _look(self, line: int, pointer: str, low: str, high: str) -> tuple[str, str]:
        origin = self.origin.get(pointer)
        if origin is None:
            raise ValueError(f"an address of unknown origin: {self.lines[line]}")
        self.found.checked += 1
        operand = self.operands.get(origin, -1)
        size = self.sizes.get(origin, 0)
        safe = f"%bounds_{line}_safe"
        return safe, (
            f"  {safe} = call ptr @bounds_check(ptr {origin}, ptr {pointer}, i64 {low}, i64 {high},"
            f" i64 {operand}, i64 {size}, i64 {self.number}, i64 {line})"
        )


def size_of(kind: str) -> int:
    """Bytes of an LLVM type."""
    kind = kind.strip()
    many = re.fullmatch(r"[<\[](\d+) x (.+)[>\]]", kind)
    if many:
        return int(many[1]) * size_of(many[2])
    if kind.startswith("i"):
        return max(1, int(kind[1:]) // 8)
    return {"float": 4, "double": 8, "ptr": 8, "bfloat": 2, "half": 2}[kind]


def _type_of(typed: str) -> str:
    """The type in front of a value."""
    vector = re.match(r"(?:<\d+ x \w+>|\[\d+ x \w+\]|\w+)", typed.strip())
    assert vector is not None
    return vector[0]


def _check(found: Findings) -> str:
    """The function that looks: an address to use instead, and a note of the first that is wrong."""
    state, aside = found.state.ctypes.data, found.aside.ctypes.data + 2048

    def word(place: int) -> str:
        return f"ptr inttoptr (i64 {state + 8 * place} to ptr)"

    return f"""
declare i64 @llvm.cttz.i64(i64, i1)
declare i64 @llvm.ctlz.i64(i64, i1)
define internal ptr @bounds_check(ptr %base, ptr %at, i64 %low, i64 %high, i64 %operand,
                                  i64 %size, i64 %kernel, i64 %line) noinline {{
entry:
  %from = ptrtoint ptr %base to i64
  %to = ptrtoint ptr %at to i64
  %distance = sub i64 %to, %from
  %first = add i64 %distance, %low
  %after = add i64 %distance, %high
  %nothing = icmp sge i64 %low, %high
  %own = icmp slt i64 %operand, 0
  br i1 %own, label %compare, label %table
table:
  %index = load i64, {word(_INDEX)}
  %row = add i64 %index, %operand
  %lows = load ptr, {word(_LOWS)}
  %highs = load ptr, {word(_HIGHS)}
  %low_at = getelementptr i64, ptr %lows, i64 %row
  %high_at = getelementptr i64, ptr %highs, i64 %row
  %lowest = load i64, ptr %low_at
  %highest = load i64, ptr %high_at
  br label %compare
compare:
  %start = phi i64 [0, %entry], [%lowest, %table]
  %stop = phi i64 [%size, %entry], [%highest, %table]
  %before = icmp slt i64 %first, %start
  %behind = icmp sgt i64 %after, %stop
  %outside = or i1 %before, %behind
  %something = xor i1 %nothing, true
  %wrong = and i1 %outside, %something
  br i1 %wrong, label %note, label %fine
fine:
  ret ptr %at
note:
  %count = load i64, {word(_COUNT)}
  %more = add i64 %count, 1
  store i64 %more, {word(_COUNT)}
  %again = icmp ne i64 %count, 0
  br i1 %again, label %aside, label %write
write:
  %bytes = sub i64 %high, %low
  store i64 %kernel, {word(_KERNEL)}
  store i64 %operand, {word(_OPERAND)}
  store i64 %first, {word(_OFFSET)}
  store i64 %bytes, {word(_BYTES)}
  store i64 %line, {word(_LINE)}
  br label %aside
aside:
  ret ptr inttoptr (i64 {aside} to ptr)
}}
"""


assert ctypes.sizeof(ctypes.c_void_p) == 8  # words of the state hold addresses

"""Random graphs of loop nodes, and a way to run the steps that they are fused into."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from backlight.native.kernels.fuse import Alias, Contraction, Host, fuse
from backlight.native.lowering.loops import Node, evaluate, interpret, ordered
from backlight.native.machine_code.build import compile_object, load
from backlight.native.machine_code.machine import Target

CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
GUARD = 64
_kept: list[Any] = []


def compiled(kernel: Any, target: Target) -> Any:
    """A kernel's function, callable from Python."""
    module = ir.Module()
    kernel.emit(module, "kernel", target)
    library = load([compile_object(str(module), target)])
    _kept.append(library)
    return CALL(library.address("kernel"))


def guarded(shape: Sequence[int], dtype: Any, moved: int = 0) -> tuple[Any, Any]:
    """An array with a guard on either side, `moved` bytes from an alignment of 64."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape)) * kind.itemsize
    raw = np.full(size + 4 * GUARD, 0x5A, np.uint8)
    first = GUARD + (-raw.ctypes.data % 64) + moved
    return raw, raw[first : first + size].view(kind).reshape(shape)


def called(
    kernel: Any, function: Any, values: dict[Node, Any], parts: int, moved: int = 0
) -> list[Any]:
    """The outputs of a kernel, its chunks run in several parts, last part first."""
    made = [guarded(node.shape, node.dtype, moved) for node in kernel.outputs]
    before = [(raw.copy(), array) for raw, array in made]
    given = [values[node] for node in kernel.inputs]
    places = [one.ctypes.data for one in (*given, *(array for _, array in made))]
    operands = np.array(places, np.int64)
    for part in reversed(range(parts)):
        ends = [kernel.chunks * one // parts for one in (part, part + 1)]
        function(operands.ctypes.data, *ends)
    for (raw, array), (old, _) in zip(made, before, strict=True):
        first = array.ctypes.data - raw.ctypes.data
        assert np.array_equal(raw[:first], old[:first]), "written before the array"
        last = first + array.nbytes
        assert np.array_equal(raw[last:], old[last:]), "written behind the array"
    return [array for _, array in made]


def execute(
    outputs: Sequence[Node],
    inputs: Sequence[Any],
    target: Target,
    parts: int = 1,
    moved: int = 0,
    compile: Callable[[Any, Target], Any] = compiled,
) -> list[Any]:
    """The outputs, computed by the steps of `fuse`."""
    values: dict[Node, Any] = {}
    for node in ordered(outputs):
        if node.op == "input":
            _, values[node] = guarded(node.shape, node.dtype, moved)
            values[node][...] = inputs[node.attributes["slot"]]
        elif node.size == 0:
            values[node] = np.zeros(node.shape, node.dtype)
    functions: dict[Any, Any] = {}
    for step in fuse(outputs):
        if isinstance(step, Alias):
            flat = values[step.source].reshape(-1)[step.offset :]
            values[step.node] = flat[: step.node.size].reshape(step.node.shape)
        elif isinstance(step, Host):
            values[step.node] = evaluate(step.node, [values[x] for x in step.node.inputs])
        elif isinstance(step, Contraction):
            values[step.output] = interpret([step.output], inputs)[0]
        else:
            if step.key not in functions:
                functions[step.key] = compile(step, target)
            made = called(step, functions[step.key], values, min(parts, step.chunks), moved)
            values.update(zip(step.outputs, made, strict=True))
    return [values[node] for node in outputs]


def given(slot: int, shape: Sequence[int], dtype: Any = np.float32) -> Node:
    """An input."""
    return Node("input", (), shape, dtype, {"slot": slot})


def number(value: float, dtype: Any = np.float32) -> Node:
    """A constant."""
    return Node("constant", (), (), dtype, {"value": value})


def applied(op: str, *inputs: Node, dtype: Any = None) -> Node:
    """An elementwise operation."""
    shape = np.broadcast_shapes(*[x.shape for x in inputs])
    return Node(op, inputs, shape, dtype or inputs[-1].dtype)


def folded(x: Node, axes: Sequence[int], by: str = "sum", dtype: Any = None) -> Node:
    """A fold."""
    shape = [size for axis, size in enumerate(x.shape) if axis not in axes]
    return Node("fold", (x,), shape, dtype or x.dtype, {"by": by, "axes": tuple(sorted(axes))})


def kept_axes(x: Node, axes: Sequence[int], by: str = "sum", dtype: Any = None) -> Node:
    """A fold whose axes stay, with size 1."""
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    made = folded(x, axes, by, dtype)
    return Node("reshape", (made,), shape, made.dtype)


class Drawn:
    """A random graph over one input of float64, grown node by node."""

    def __init__(self, seed: int, nodes: int = 14, dtype: Any = np.float64) -> None:
        self.random = np.random.Generator(np.random.Philox(seed))
        self.dtype = np.dtype(dtype)
        rank = int(self.random.integers(1, 4))
        sizes = [1, 2, 3, 4, 5, 8, 10, 16, 17, 32, 33]
        shape = tuple(int(n) for n in self.random.choice(sizes, rank))
        self.made = [given(0, shape, dtype), given(1, shape[-1:], dtype), given(2, (1,), dtype)]
        for _ in range(nodes):
            self.made.append(self.grown())
        count = int(self.random.integers(1, 4))
        chosen = self.random.choice(len(self.made[3:]), min(count, nodes), replace=False)
        self.outputs = [self.made[-1], *(self.made[3 + int(one)] for one in chosen)]

    def values(self) -> list[Any]:
        """Values for the inputs."""
        inputs = self.made[:3]
        return [self.random.uniform(-2, 2, x.shape).astype(self.dtype) for x in inputs]

    def one_of(self, things: Sequence[Any]) -> Any:
        """One of them."""
        return things[int(self.random.integers(len(things)))]

    def grown(self) -> Node:
        """One more node."""
        x = self.made[-1] if self.random.random() < 0.6 else self.one_of(self.made)
        if x.size > 20000:
            return self.fold(x)
        rules = [self.binary, self.binary, self.unary, self.fold, self.rows, self.rows]
        rules += [self.view, self.view, self.scan, self.gathered, self.scattered, self.choice]
        return self.one_of(rules)(x)  # type: ignore[no-any-return]

    def binary(self, x: Node) -> Node:
        """Two arrays that broadcast, if there is another that does."""
        fits = []
        for y in self.made:
            try:
                wide = np.broadcast_shapes(x.shape, y.shape)
            except ValueError:
                continue
            if np.prod(wide) < 20000:
                fits.append(y)
        op = self.one_of(["add", "subtract", "multiply", "maximum", "minimum"])
        return applied(op, x, self.one_of(fits))

    def unary(self, x: Node) -> Node:
        """Negative, absolute, and a bounded exponential."""
        op = self.one_of(["negative", "absolute", "exp"])
        if op == "exp":
            x = applied("minimum", x, number(2.0, self.dtype))
        return applied(op, x)

    def choice(self, x: Node) -> Node:
        """where(x > 0, x, c·x)."""
        positive = applied("greater", x, number(0.0, self.dtype), dtype=bool)
        return applied("where", positive, x, applied("multiply", number(0.5, self.dtype), x))

    def axes(self, x: Node) -> tuple[int, ...]:
        """Some axes, at least one if there are any."""
        count = int(self.random.integers(1, x.ndim + 1)) if x.ndim else 0
        return tuple(sorted(int(a) for a in self.random.permutation(x.ndim)[:count]))

    def fold(self, x: Node) -> Node:
        """A fold of some axes."""
        axes = self.axes(x)
        if not axes:
            return x
        by = self.one_of(["sum", "max", "min", "argmax", "any"])
        if by == "argmax":
            return applied("cast", folded(x, axes, by, np.int64), dtype=self.dtype)
        if by == "any":
            some = applied("greater", x, number(1.5, self.dtype), dtype=bool)
            return applied("cast", folded(some, axes, "any"), dtype=self.dtype)
        made = folded(x, axes, by)
        if by == "sum":
            made = applied("multiply", made, number(2.0 / max(x.size, 1), self.dtype))
        return made

    def rows(self, x: Node) -> Node:
        """Something of x and its own fold, as softmax and normalisation do."""
        if not x.ndim:
            return x
        axes = (x.ndim - 1,) if self.random.random() < 0.6 else self.axes(x)
        top = kept_axes(x, axes, "max")
        if self.random.random() < 0.3:
            return applied("subtract", x, top)
        small = applied("exp", applied("subtract", x, top))
        total = kept_axes(small, axes, "sum")
        return applied("divide", small, applied("add", total, number(1.0, self.dtype)))

    def view(self, x: Node) -> Node:
        """One of the views."""
        op = self.one_of(["transpose", "reshape", "slice", "pad", "expand", "window"])
        if op == "transpose":
            order = tuple(int(a) for a in self.random.permutation(x.ndim))
            return Node(op, (x,), [x.shape[a] for a in order], x.dtype, {"axes": order})
        if op == "reshape":
            return Node(op, (x,), self.other_shape(x.size), x.dtype)
        if op == "slice":
            return self.sliced(x)
        if op == "pad":
            before = [int(n) for n in self.random.integers(0, 3, x.ndim)]
            after = [int(n) for n in self.random.integers(0, 3, x.ndim)]
            shape = [sum(one) for one in zip(before, x.shape, after, strict=True)]
            return Node(op, (x,), shape, x.dtype, {"before": tuple(before), "value": -0.5})
        if op == "expand":
            lead = int(self.random.integers(1, 4))
            return Node(op, (x,), (lead, *x.shape), x.dtype)
        return self.windowed(x)

    def other_shape(self, size: int) -> tuple[int, ...]:
        """A shape of as many elements."""
        sizes, left = [], size
        for _ in range(int(self.random.integers(0, 3))):
            divisors = [d for d in range(1, min(left, 40) + 1) if left % d == 0] or [1]
            sizes.append(self.one_of(divisors))
            left //= max(sizes[-1], 1)
        return (*sizes, left)

    def sliced(self, x: Node) -> Node:
        """Regular steps along each axis, some of them backwards."""
        start, step, shape = [], [], []
        for size in x.shape:
            by = self.one_of([1, 1, 1, 2, -1])
            first = int(self.random.integers(0, size)) if size else 0
            room = (size - 1 - first) // by + 1 if by > 0 else first // -by + 1
            start.append(first)
            step.append(by)
            shape.append(int(self.random.integers(1, room + 1)) if size else 0)
        return Node("slice", (x,), shape, x.dtype, {"start": tuple(start), "step": tuple(step)})

    def windowed(self, x: Node) -> Node:
        """Windows along the last axis."""
        if not x.ndim or x.shape[-1] < 3:
            return x
        kernel = int(self.random.integers(1, 4))
        stride = int(self.random.integers(1, 3))
        count = (x.shape[-1] - kernel) // stride + 1
        settings = {"kernel": (kernel,), "stride": (stride,), "dilation": (1,)}
        return Node("window", (x,), (*x.shape[:-1], count, kernel), x.dtype, settings)

    def scan(self, x: Node) -> Node:
        """A running fold."""
        if not x.ndim:
            return x
        by = self.one_of(["sum", "max"])
        axis = int(self.random.integers(x.ndim))
        made = Node("scan", (x,), x.shape, x.dtype, {"by": by, "axis": axis})
        return applied("multiply", made, number(1 / 32, self.dtype))

    def places(self, shape: Sequence[int], size: int) -> Node:
        """Indices below `size`, some of them counted from the end."""
        flat = Node("place", (), shape, np.int64, {"axis": len(shape) - 1})
        spread = applied("multiply", flat, number(7, np.int64))
        within = applied("remainder", spread, number(2 * size, np.int64))
        return applied("subtract", within, number(size, np.int64))

    def gathered(self, x: Node) -> Node:
        """Some of x, by indices."""
        if not x.ndim or 0 in x.shape:
            return x
        count = int(self.random.integers(1, x.ndim + 1))
        shape = (int(self.random.integers(1, 20)),)
        arrays = [self.places(shape, size) for size in x.shape[:count]]
        return Node("gather", (x, *arrays), (*shape, *x.shape[count:]), x.dtype)

    def scattered(self, x: Node) -> Node:
        """What a gather's gradient is."""
        picked = self.gathered(x)
        if picked.op != "gather":
            return x
        return Node("scatter", (x, picked, *picked.inputs[1:]), x.shape, x.dtype, {"by": "add"})

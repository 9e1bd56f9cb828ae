"""The loop language: what every gate is lowered to, and what every later stage rewrites.

A `Node` is an array that is not computed yet: an operation, its inputs, its shape and its type.
There are few kinds of operation:

- leaves: `input` (an array of the program, by slot), `constant` (one number), `place` (each
  element's own position along an axis);
- elementwise, under NumPy's names (`add`, `exp`, `where`, …) with NumPy's broadcasting, and `cast`;
- views, which move numbers and compute nothing: `transpose`, `reshape`, `slice`, `pad`, `expand`,
  `window`;
- `fold` (a reduction: sum, prod, max, min, argmax, argmin, any, all) and `scan` (a running one);
- `join`, arrays one after the other along an axis; `gather` and `scatter`, by arrays of indices;
- `product` (matrix products) and `convolve`, `convolve_by_data`, `convolve_by_weight`;
- `nearest`, the places of the points nearest to each query;
- `check` (a value with a condition on it) and `host` (a gate without native form, run by NumPy).

The meaning of every operation is its line in `interpret`: NumPy. Every stage of the compiler can be
tested by interpreting the nodes before and after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

DType = np.dtype[Any]
Shape = tuple[int, ...]

LEAVES = ("input", "constant", "place")
VIEWS = ("transpose", "reshape", "slice", "pad", "expand", "window")
CONTRACTIONS = ("product", "convolve", "convolve_by_data", "convolve_by_weight")
FOLDS = ("sum", "prod", "max", "min", "argmax", "argmin", "any", "all")
ELEMENTWISE = frozenset(
    [
        "add",
        "subtract",
        "multiply",
        "divide",
        "floor_divide",
        "remainder",
        "power",
        "negative",
        "absolute",
        "sign",
        "maximum",
        "minimum",
        "sqrt",
        "exp",
        "expm1",
        "log",
        "log1p",
        "sin",
        "cos",
        "tan",
        "tanh",
        "sinh",
        "cosh",
        "arcsin",
        "arccos",
        "arctan",
        "arctan2",
        "hypot",
        "floor",
        "ceil",
        "trunc",
        "rint",
        "isnan",
        "isfinite",
        "isinf",
        "copysign",
        "fma",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "equal",
        "not_equal",
        "logical_and",
        "logical_or",
        "logical_xor",
        "logical_not",
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "invert",
        "left_shift",
        "right_shift",
        "where",
        "cast",
    ]
)


class Provenance(str):
    """Where a node came from, in words, and from which gates of the graph, by their numbers.

    Examples
    --------
    >>> linear = Provenance("linear fc1", [5])
    >>> linear, sorted(linear.joined(Provenance("relu", [6])).gates)
    ('linear fc1', [5, 6])
    """

    __slots__ = ("gates",)
    gates: frozenset[int]

    def __new__(cls, words: str = "", gates: Iterable[int] = ()) -> Provenance:
        """The words, with the gates beside them."""
        made = super().__new__(cls, words)
        made.gates = frozenset(gates)
        return made

    def joined(self, other: str) -> Provenance:
        """The same words, of the gates of both."""
        return Provenance(self, self.gates | gates_of(other))


def gates_of(origin: str) -> frozenset[int]:
    """The gates that an origin tells of; none where it is nothing but words."""
    return origin.gates if isinstance(origin, Provenance) else frozenset()


class Node:
    """An array that is not computed yet.

    Attributes
    ----------
    op : str
        One of the operations above.
    inputs : tuple of Node
    shape : tuple of int
    dtype : numpy.dtype
    attributes : dict
        Constants of the operation, all hashable. `slice`: start, step (one an axis; the shape says
        how many). `pad`: before (one an axis), value. `transpose`: axes. `window`: kernel, stride,
        dilation (one for each of the last axes). `place`: axis. `fold`: by, axes (sorted; they are
        removed). `scan`: by, axis. `join`: axis. `scatter`: by (add or set). `constant`: value.
        `input`: slot. `nearest`: k, metric (l1 or l2).
        Convolutions: stride, padding, dilation (pairs), groups, and size or
        kernel_size; layout is channels_last where images are N, H, W, C.
    origin : str
        The gate, and the layer if known, that it came from: a `Provenance` where a graph is known.
    """

    __slots__ = ("attributes", "dtype", "inputs", "op", "origin", "shape")

    def __init__(
        self,
        op: str,
        inputs: Sequence[Node],
        shape: Sequence[int],
        dtype: Any,
        attributes: dict[str, Any] | None = None,
        origin: str = "",
    ) -> None:
        self.op = op
        self.inputs = tuple(inputs)
        self.shape = tuple(int(size) for size in shape)
        self.dtype = np.dtype(dtype)
        self.attributes = attributes or {}
        self.origin = origin

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    @property
    def nbytes(self) -> int:
        """Memory of the elements, in bytes."""
        return self.size * int(self.dtype.itemsize)

    def key(self, numbers: dict[Node, Any]) -> Any:
        """What two nodes that compute the same have in common, given numbers for the inputs."""
        attributes = tuple([(name, _spelt(x)) for name, x in sorted(self.attributes.items())])
        return self.op, tuple(numbers[x] for x in self.inputs), self.shape, self.dtype, attributes

    def with_inputs(self, inputs: Sequence[Node]) -> Node:
        """The same operation on other inputs of the same shapes and types."""
        return Node(self.op, inputs, self.shape, self.dtype, self.attributes, self.origin)

    def __repr__(self) -> str:
        sizes = ", ".join(map(str, self.shape))
        return f"<{self.op} {self.dtype}[{sizes}]>"


def _spelt(value: Any) -> Any:
    """A setting as what it is equal to alone: 0.0 is not −0.0, True not 1, and NaN is NaN."""
    return (type(value), value.hex()) if isinstance(value, float) else (type(value), value)


def ordered(outputs: Iterable[Node]) -> list[Node]:
    """Every node that the outputs need, inputs before what uses them, each once."""
    found: list[Node] = []
    seen: set[Node] = set()
    waiting = [(node, False) for node in reversed(list(outputs))]
    while waiting:
        node, ready = waiting.pop()
        if ready:
            found.append(node)
        elif node not in seen:
            seen.add(node)
            waiting.append((node, True))
            waiting.extend((x, False) for x in reversed(node.inputs) if x not in seen)
    return found


def users(nodes: Iterable[Node]) -> dict[Node, list[Node]]:
    """For every node, the nodes that it is an input of."""
    found: dict[Node, list[Node]] = {}
    for node in nodes:
        found.setdefault(node, [])
        for x in node.inputs:
            found.setdefault(x, []).append(node)
    return found


def rebuilt(outputs: Sequence[Node], rule: Callable[[Node, tuple[Node, ...]], Node]) -> list[Node]:
    """The outputs again, every node replaced by `rule(node, its new inputs)`."""
    new: dict[Node, Node] = {}
    for node in ordered(outputs):
        new[node] = rule(node, tuple(new[x] for x in node.inputs))
    return [new[node] for node in outputs]


def printed(outputs: Sequence[Node], names: dict[Node, str] | None = None) -> str:
    """One line a node, as `backlight lower` prints it."""
    names = dict(names or {})
    lines = []
    for number, node in enumerate(ordered(outputs)):
        given = ", ".join(names[x] for x in node.inputs)
        settings = ", ".join(f"{name}={value}" for name, value in node.attributes.items())
        names.setdefault(node, f"%{number}")
        sizes = ", ".join(map(str, node.shape))
        inside = "; ".join(part for part in (given, settings) if part)
        line = f"{names[node]} = {node.op}({inside}) : {node.dtype}[{sizes}]"
        lines.append(f"{line:<72}  # {node.origin}" if node.origin else line)
    lines.append("return " + ", ".join(names[node] for node in outputs))
    return "\n".join(lines)


# ── what the operations mean ───────────────────────────────────────────────────────────────


def interpret(outputs: Sequence[Node], inputs: Sequence[Any]) -> list[Any]:
    """The outputs computed with NumPy, node by node: the reference for every later stage."""
    values: dict[Node, Any] = {}
    with np.errstate(all="ignore"):
        for node in ordered(outputs):
            if node.op == "input":
                values[node] = np.asarray(inputs[node.attributes["slot"]])
            else:
                values[node] = evaluate(node, [values[x] for x in node.inputs])
    return [values[node] for node in outputs]


def evaluate(node: Node, given: Sequence[Any]) -> Any:
    """One operation, on arrays."""
    rule = _MEANING.get(node.op)
    value = rule(node, *given) if rule else getattr(np, node.op)(*given)
    return np.asarray(value).astype(node.dtype, copy=False).reshape(node.shape)


def _place(node: Node) -> Any:
    axis = node.attributes["axis"]
    sizes = [1] * node.ndim
    sizes[axis] = node.shape[axis]
    return np.broadcast_to(np.arange(node.shape[axis]).reshape(sizes), node.shape)


def _slice(node: Node, x: Any) -> Any:
    places = [
        start + step * np.arange(count)
        for start, step, count in zip(
            node.attributes["start"], node.attributes["step"], node.shape, strict=True
        )
    ]
    return x[np.ix_(*places)] if places else x


def _pad(node: Node, x: Any) -> Any:
    wide = np.full(node.shape, node.attributes["value"], node.dtype)
    inside = tuple(
        slice(before, before + size)
        for before, size in zip(node.attributes["before"], x.shape, strict=True)
    )
    wide[inside] = x
    return wide


def _window(node: Node, x: Any) -> Any:
    settings = node.attributes
    rank = len(settings["kernel"])
    lead = x.ndim - rank
    counts = node.shape[lead : lead + rank]
    strides = x.strides[lead:]
    steps = [s * t for s, t in zip(strides, settings["stride"], strict=True)]
    taps = [s * d for s, d in zip(strides, settings["dilation"], strict=True)]
    return np.lib.stride_tricks.as_strided(
        x, (*x.shape[:lead], *counts, *settings["kernel"]), (*x.strides[:lead], *steps, *taps)
    )


def _fold(node: Node, x: Any) -> Any:
    axes, by = node.attributes["axes"], node.attributes["by"]
    if by in ("argmax", "argmin"):
        rest = [axis for axis in range(x.ndim) if axis not in axes]
        flat = np.transpose(x, [*rest, *axes]).reshape([x.shape[axis] for axis in rest] + [-1])
        return getattr(np, by)(flat, axis=-1)
    if by in ("sum", "prod"):
        return getattr(np, by)(x, axis=axes, dtype=node.dtype)
    return getattr(np, by)(x, axis=axes)


def _scan(node: Node, x: Any) -> Any:
    word = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}
    fold = getattr(np, word[node.attributes["by"]])
    return fold.accumulate(x, axis=node.attributes["axis"])


def _scatter(node: Node, base: Any, values: Any, *places: Any) -> Any:
    made = np.array(base)
    if node.attributes["by"] == "add":
        np.add.at(made, places, values)
    else:
        made[places] = values
    return made


def _convolution(suffix: str) -> Callable[..., Any]:
    def meaning(node: Node, first: Any, second: Any) -> Any:
        from backlight.gates.gate import find

        settings = dict(node.attributes)
        last = settings.pop("layout", "") == "channels_last"
        top, bottom, left, right = settings.pop("around", (0, 0, 0, 0))
        if not suffix:
            settings["rounding"] = "floor"
        if last:  # images are N, H, W, C; filters come as they were written
            inside = first[:, top : first.shape[1] - bottom, left : first.shape[2] - right]
            first = np.moveaxis(inside, -1, 1)
            second = np.moveaxis(second, -1, 1) if suffix == "_by_weight" else second
        found = find("conv2d" + suffix).compute((first, second), settings)
        if not last:
            return found
        if suffix == "_by_weight":  # group, tap, tap, channel, filter
            apart = found.reshape(node.shape[0], -1, *found.shape[1:])
            return np.transpose(apart, (0, 3, 4, 2, 1))
        return np.moveaxis(found, 1, -1)

    return meaning


def _host(node: Node, *given: Any) -> Any:
    filled = iter(given)
    wires = [next(filled) if one is None else one for one in node.attributes["wires"]]
    wires = [None if isinstance(one, str) else one for one in wires]
    return node.attributes["gate"].compute(tuple(wires), dict(node.attributes["settings"]))


def _nearest(node: Node, queries: Any, points: Any) -> Any:
    from backlight.gates.gate import find

    settings = {"k": node.attributes["k"], "p": int(node.attributes["metric"][1:])}
    return find("nearest").compute((queries, points), settings)


_MEANING: dict[str, Callable[..., Any]] = {
    "constant": lambda node: node.attributes["value"],
    "place": _place,
    "cast": lambda node, x: x.astype(node.dtype),
    "transpose": lambda node, x: np.transpose(x, node.attributes["axes"]),
    "reshape": lambda node, x: np.reshape(x, node.shape),
    "expand": lambda node, x: np.broadcast_to(x, node.shape),
    "slice": _slice,
    "pad": _pad,
    "window": _window,
    "fold": _fold,
    "scan": _scan,
    "join": lambda node, *given: np.concatenate(given, node.attributes["axis"]),
    "gather": lambda _, x, *places: x[tuple(places)],
    "scatter": _scatter,
    "product": lambda _, a, b: np.matmul(a, b),
    "convolve": _convolution(""),
    "convolve_by_data": _convolution("_by_data"),
    "convolve_by_weight": _convolution("_by_weight"),
    "check": lambda _node, x, _holds: x,
    "nearest": _nearest,
    "host": _host,
    "fma": lambda _, x, y, z: x * y + z,
}

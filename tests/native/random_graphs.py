"""Random graphs of loop nodes, with the inputs that they are computed from."""

import numpy as np

from backlight.native.lowering.loops import Node
from backlight.native.lowering.simplify import constant

_UNARY = ["negative", "absolute", "exp", "sqrt", "tanh", "floor", "log1p"]
_BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "less", "equal"]
_NUMBERS = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0, np.inf]


def graph(seed, steps=25):
    """Outputs and inputs; numbers at the edge among them."""
    rng = np.random.default_rng(seed)
    kinds = [np.float32, np.float32, np.float64, np.int64]
    inputs, nodes = [], []
    for slot, kind in enumerate(kinds):
        shape = [(3, 4), (4,), (3, 1), (1, 4)][slot]
        values = rng.choice([0.0, -0.0, 1.0, -2.5, 3.0, np.inf, np.nan, 1e-3], shape)
        values = rng.integers(-3, 4, shape) if kind is np.int64 else values.astype(kind)
        inputs.append(values)
        nodes.append(Node("input", [], shape, kind, {"slot": slot}))
    for _ in range(steps):
        nodes.append(_step(rng, nodes))
    picked = [nodes[place] for place in rng.choice(np.arange(4, len(nodes)), 3, replace=False)]
    return [nodes[-1], *picked], inputs


def _step(rng, nodes):
    x = nodes[int(rng.integers(max(0, len(nodes) - 8), len(nodes)))]
    kind = rng.choice(["unary", "binary", "number", "where", "cast", "view", "fold"])
    if kind == "unary":
        return _made(str(rng.choice(_UNARY)), x)
    if kind == "cast":
        return Node("cast", [x], x.shape, rng.choice([np.float32, np.float64, np.float64]))
    if kind == "number":
        value = constant(
            float(rng.choice(_NUMBERS)), x.dtype if x.dtype.kind == "f" else np.float32
        )
        pair = [x, value] if rng.random() < 0.5 else [value, x]
        return _made(str(rng.choice(_BINARY[:7])), *pair)
    if kind == "view":
        return _viewed(rng, x)
    if kind == "fold" and x.ndim:
        axes = (int(rng.integers(x.ndim)),)
        shape = [size for axis, size in enumerate(x.shape) if axis not in axes]
        by = str(rng.choice(["sum", "max", "min", "argmax"]))
        if by == "argmax" or x.dtype.kind == "b":
            return Node("fold", [x], shape, np.int64, {"by": "argmax", "axes": axes})
        dtype = np.float64 if by == "sum" and x.dtype == np.float32 else x.dtype
        return Node("fold", [x], shape, dtype, {"by": by, "axes": axes})
    others = [y for y in nodes if _fit(x, y)]
    y = others[int(rng.integers(len(others)))]
    if kind == "where":
        return _made("where", _made("less", x, y), x, y)
    return _made(str(rng.choice(_BINARY)), x, y)


def _viewed(rng, x):
    op = str(rng.choice(["transpose", "reshape", "slice", "pad", "expand", "join"]))
    shape = x.shape
    if op == "transpose" and x.ndim:
        axes = tuple(int(axis) for axis in rng.permutation(x.ndim))
        return Node(op, [x], [shape[axis] for axis in axes], x.dtype, {"axes": axes})
    if op == "reshape":
        return Node(op, [x], [(x.size,), (1, x.size), shape[::-1]][int(rng.integers(3))], x.dtype)
    if op == "slice" and x.ndim:
        size = shape[-1]
        start, step = [(0, 1), (size - 1, -1), (size // 2, 1)][int(rng.integers(3))]
        count = size if step < 0 or not start else size - start
        settings = {"start": (0,) * (x.ndim - 1) + (start,), "step": (1,) * (x.ndim - 1) + (step,)}
        return Node(op, [x], (*shape[:-1], count), x.dtype, settings)
    if op == "pad" and x.ndim and x.size < 200:
        settings = {"before": (1,) * x.ndim, "value": [0.0, -0.0, 1.0][int(rng.integers(3))]}
        return Node(op, [x], [size + 1 for size in shape], x.dtype, settings)
    if op == "join" and x.ndim and x.size < 200:
        return Node(op, [x, x], (2 * shape[0], *shape[1:]), x.dtype, {"axis": 0})
    if x.ndim < 3 and x.size < 200:
        return Node("expand", [x], (2, *shape), x.dtype)
    return x


def _fit(x, y):
    try:
        return np.prod(np.broadcast_shapes(x.shape, y.shape)) < 400
    except ValueError:
        return False


def _made(op, *inputs):
    """An operation in the type that NumPy gives it, its inputs cast as lowering casts them."""
    if op == "where":
        kind = np.result_type(*[x.dtype for x in inputs[1:]])
        kinds = [np.dtype(bool), kind, kind]
        result = kind
    else:
        given = [np.float32 if x.dtype.kind == "b" else x.dtype for x in inputs]
        if op in ("exp", "sqrt", "tanh", "log1p", "floor", "divide", "power"):
            given = [np.float64 if np.dtype(kind).kind != "f" else kind for kind in given]
        kind = np.result_type(*given)
        kinds = [kind] * len(inputs)
        result = np.dtype(bool) if op in ("less", "equal") else kind
    cast = [
        x if x.dtype == kind else Node("cast", [x], x.shape, kind)
        for x, kind in zip(inputs, kinds, strict=True)
    ]
    return Node(op, cast, np.broadcast_shapes(*[x.shape for x in inputs]), result)

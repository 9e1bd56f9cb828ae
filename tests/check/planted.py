"""Backward rules with a mistake in each, by family: what the check is to find and to name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import backlight as bl
from backlight.gates import TABLE

RNG = np.random.default_rng(4)


def normal(*shape):
    return RNG.normal(size=shape)


def planted(name, backward):
    """The gate of this name with another backward rule, kept out of the table."""
    right = TABLE[name]
    kind = type(right)

    class Planted(kind):
        """A gate with a mistake."""

        def backward(self, upstream, *given, **attributes):
            return backward(self, upstream, *given, **attributes)

    gate = object.__new__(Planted)
    gate.__dict__.update(right.__dict__)
    return gate


def forced(share):
    return share() if callable(share) and not isinstance(share, (bl.Tensor, np.ndarray)) else share


def spoiled(name, wire, spoil):
    """The gate whose right answer on one wire is spoiled: spoil(share, upstream, *given)."""
    right = TABLE[name]

    def backward(_self, upstream, *given, **attributes):
        shares = list(right.backward(upstream, *given, **attributes))
        share = forced(shares[wire])
        shares[wire] = spoil(share, upstream, *given)
        return tuple(shares)

    return planted(name, backward)


def answering(name, wire, answer):
    """The gate that answers answer(right gate, upstream, *given, **attributes) on a wire."""
    right = TABLE[name]

    def backward(_self, upstream, *given, **attributes):
        shares = list(right.backward(upstream, *given, **attributes))
        shares[wire] = answer(right, upstream, *given, **attributes)
        return tuple(shares)

    return planted(name, backward)


@dataclass(frozen=True)
class Bug:
    """A planted mistake: the function, where it is called, and words that name it."""

    family: str
    name: str
    function: Any
    inputs: tuple
    words: tuple[str, ...]

    def __str__(self):
        return f"{self.family}: {self.name}"


BUGS: list[Bug] = []


def bug(family, name, function, inputs, *words):
    BUGS.append(Bug(family, name, function, inputs, words))


def gate_bug(family, name, gate, inputs, *words, **attributes):
    bug(family, name, lambda *xs: gate(*xs, **attributes), inputs, *words)


def ones(upstream):
    return upstream * 0.0 + 1.0


V = normal(5)
M = normal(4, 3)
S = normal(4, 4)

# ── elementwise ────────────────────────────────────────────────────────────────────────────────
for gate_name in ("tanh", "sigmoid", "exp", "sin"):
    gate_bug(
        "elementwise", f"{gate_name}, sign", spoiled(gate_name, 0, lambda s, *_: -s), (V,), "sign"
    )
gate_bug(
    "elementwise", "square without its 2", spoiled("square", 0, lambda s, *_: s * 0.5), (V,), "half"
)
gate_bug(
    "elementwise", "tanh counted twice", spoiled("tanh", 0, lambda s, *_: s * 2.0), (M,), "twice"
)
gate_bug(
    "elementwise",
    "sigmoid, local without upstream",
    planted("sigmoid", lambda _g, u, x, o: (o * (1 - o),)),
    (V,),
    "local without upstream",
)
gate_bug(
    "elementwise",
    "exp, local without upstream",
    planted("exp", lambda _g, u, x, o: (o * ones(u),)),
    (M,),
    "local without upstream",
)
gate_bug(
    "elementwise",
    "cos, upstream without local",
    planted("cos", lambda _g, u, x, o: (u * 1.0,)),
    (V,),
    "upstream without local",
)
gate_bug(
    "elementwise",
    "sin, derivative at the output",
    planted("sin", lambda _g, u, x, o: (u * bl.cos(o),)),
    (V,),
    "at the output",
)
gate_bug(
    "elementwise",
    "tanh, 1 − o for 1 − o²",
    planted("tanh", lambda _g, u, x, o: (u * (1 - o),)),
    (V,),
    "term",
)
gate_bug(
    "elementwise",
    "sigmoid, σ for σ(1 − σ)",
    planted("sigmoid", lambda _g, u, x, o: (u * o,)),
    (V,),
    "term",
)
gate_bug(
    "elementwise",
    "log, a factor of 1.01",
    spoiled("log", 0, lambda s, *_: s * 1.01),
    (np.abs(V) + 0.5,),
    "factor of 1.01",
)
gate_bug(
    "elementwise",
    "sqrt, no gradient",
    spoiled("sqrt", 0, lambda s, *_: s * 0.0),
    (np.abs(V) + 0.5,),
    "no gradient",
)
gate_bug(
    "elementwise",
    "tanh, one entry",
    spoiled("tanh", 0, lambda s, u, x, o: s * bl.where(x == V[3], 1.5, 1.0)),
    (V,),
    "only 1 of 5",
)
gate_bug(
    "elementwise",
    "exp, NaN",
    spoiled("exp", 0, lambda s, *_: s * float("nan")),
    (V,),
    "not a finite",
)

# ── masks ──────────────────────────────────────────────────────────────────────────────────────
for gate_name in ("relu", "maximum"):
    extra = (normal(4, 3),) if gate_name == "maximum" else ()
    gate_bug(
        "mask",
        f"{gate_name}, missing mask",
        answering(gate_name, 0, lambda _g, u, *_: u * 1.0),
        (M, *extra),
        "mask is missing",
    )
gate_bug(
    "mask",
    "clip, missing mask",
    answering("clip", 0, lambda _g, u, *_, **__: u * 1.0),
    (M,),
    "mask is missing",
    low=-0.5,
    high=0.5,
)
gate_bug(
    "mask",
    "leaky ReLU that is closed",
    answering("leaky_relu", 0, lambda _g, u, x, o, **_: bl.where(x > 0, u, 0.0)),
    (M,),
    "too little",
)
gate_bug(
    "mask",
    "relu by x < 0",
    answering("relu", 0, lambda _g, u, x, o: bl.where(x < 0, u, 0.0)),
    (M,),
    "wrong way round",
)
gate_bug(
    "mask",
    "max pooling to all",
    answering(
        "max_pool2d",
        0,
        lambda _g, u, x, o, **_: bl.reshape(
            bl.broadcast_to(bl.reshape(u, (2, 1, 2, 1)), (2, 2, 2, 2)), (1, 1, 4, 4)
        ),
    ),
    (normal(1, 1, 4, 4),),
    "mask is missing",
    kernel_size=2,
    stride=2,
)

# ── two inputs ─────────────────────────────────────────────────────────────────────────────────
gate_bug(
    "two inputs",
    "multiply, own value",
    answering("multiply", 0, lambda _g, u, x, y, o: u * x),
    (M, normal(4, 3)),
    "own value",
)
gate_bug(
    "two inputs",
    "subtract, sign of the second",
    answering("subtract", 1, lambda _g, u, x, y, o: u),
    (M, normal(4, 3)),
    "sign",
)
gate_bug(
    "two inputs",
    "divide, sign of the second",
    spoiled("divide", 1, lambda s, *_: -s),
    (M, np.abs(normal(4, 3)) + 0.5),
    "sign",
)
gate_bug(
    "two inputs",
    "divide, upstream only",
    answering("divide", 0, lambda _g, u, *_: u),
    (M, np.abs(normal(4, 3)) + 0.5),
    "upstream without local",
)
gate_bug(
    "two inputs",
    "multiply, local without upstream",
    answering("multiply", 1, lambda _g, u, x, y, o: x * ones(u)),
    (M, normal(4, 3)),
    "local without upstream",
)

# ── broadcasting ───────────────────────────────────────────────────────────────────────────────
gate_bug(
    "broadcast",
    "add, bias from one row",
    answering("add", 1, lambda _g, u, *_: u[0]),
    (M, normal(3)),
    "broadcast axis",
)
gate_bug(
    "broadcast",
    "add, bias averaged",
    answering("add", 1, lambda _g, u, *_: bl.mean(u, axis=0)),
    (M, normal(3)),
    "a mean over 4",
)
gate_bug(
    "broadcast",
    "multiply, last row only",
    answering("multiply", 1, lambda _g, u, x, y, o: (u * x)[-1]),
    (M, normal(3)),
    "broadcast axis",
)
gate_bug(
    "broadcast",
    "linear, bias from one row",
    answering("linear", 2, lambda _g, u, *_: u[0]),
    (M, normal(2, 3), normal(2)),
    "axis 0",
)
gate_bug(
    "broadcast",
    "multiply by a column, first entry",
    answering("multiply", 1, lambda _g, u, x, y, o: (u * x)[:, 0:1]),
    (M, normal(4, 1)),
    "broadcast axis",
)

# ── reductions ─────────────────────────────────────────────────────────────────────────────────
gate_bug(
    "reduction",
    "mean without 1/N",
    spoiled("mean", 0, lambda s, *_: s * 5.0),
    (V,),
    "5 times too large",
)
gate_bug(
    "reduction",
    "mean of rows without 1/N",
    spoiled("mean", 0, lambda s, *_: s * 4.0),
    (M,),
    "4 times too large",
    axis=0,
)
gate_bug(
    "reduction",
    "sum with 1/N",
    spoiled("sum", 0, lambda s, *_: s / 12.0),
    (M,),
    "12 times too small",
)
gate_bug("reduction", "var without its 2", spoiled("var", 0, lambda s, *_: s / 2.0), (V,), "half")
gate_bug(
    "reduction",
    "sum, local without upstream",
    answering("sum", 0, lambda _g, u, x, o, **_: x * 0.0 + 1.0),
    (M,),
    "local without upstream",
    axis=1,
)
gate_bug(
    "reduction",
    "max to every place",
    answering("max", 0, lambda _g, u, x, o, **_: x * 0.0 + u),
    (V,),
    "mask is missing",
)

# ── contractions ───────────────────────────────────────────────────────────────────────────────
gate_bug(
    "contraction",
    "matmul, first transposed",
    spoiled("matmul", 0, lambda s, *_: bl.transpose(s)),
    (S, normal(4, 4)),
    "transposed",
)
gate_bug(
    "contraction",
    "matmul, second transposed",
    spoiled("matmul", 1, lambda s, *_: bl.transpose(s)),
    (S, normal(4, 4)),
    "transposed",
)
gate_bug(
    "contraction",
    "matmul, yᵀ forgotten",
    answering("matmul", 0, lambda _g, u, x, y, o: u @ y),
    (S, normal(4, 4)),
    "another input is to be transposed",
)
gate_bug(
    "contraction",
    "linear, mean for sum over the batch",
    spoiled("linear", 1, lambda s, *_: s / 4.0),
    (M, normal(2, 3), normal(2)),
    "a mean over 4",
)
gate_bug(
    "contraction",
    "linear, weight sign",
    spoiled("linear", 1, lambda s, *_: -s),
    (M, normal(2, 3), normal(2)),
    "sign",
)
gate_bug(
    "contraction",
    "linear, one example only",
    answering("linear", 1, lambda _g, u, x, w, b, o: bl.transpose(u[0:1]) @ x[0:1]),
    (M, normal(2, 3), normal(2)),
    "only its first slice",
)

# ── convolution ────────────────────────────────────────────────────────────────────────────────
X, W = normal(2, 2, 4, 4), normal(3, 2, 3, 3)
gate_bug(
    "convolution",
    "kernel not flipped",
    answering(
        "conv2d",
        0,
        lambda g, u, x, w, b, o, **a: forced(g.backward(u, x, bl.flip(w, (2, 3)), b, o, **a)[0]),
    ),
    (X, W),
    "not flipped",
    padding=1,
)
gate_bug(
    "convolution",
    "weights flipped",
    spoiled("conv2d", 1, lambda s, *_: bl.flip(s, (2, 3))),
    (X, W),
    "flipped",
    padding=1,
)
gate_bug(
    "convolution",
    "weights transposed",
    spoiled("conv2d", 1, lambda s, *_: bl.transpose(s, (0, 1, 3, 2))),
    (X, W),
    "transposed",
)
gate_bug(
    "convolution",
    "bias not summed over the batch",
    answering("conv2d", 2, lambda _g, u, *_, **__: bl.sum(u[0], axis=(1, 2))),
    (X, W, normal(3)),
    "not summed",
)
gate_bug(
    "convolution",
    "bias averaged",
    spoiled("conv2d", 2, lambda s, *_: s / 8.0),
    (X, W, normal(3)),
    "a mean over 8",
)
gate_bug(
    "convolution",
    "average pooling without 1/N",
    spoiled("average_pool2d", 0, lambda s, *_: s * 4.0),
    (normal(1, 2, 4, 4),),
    "4",
    kernel_size=2,
    stride=2,
)

# ── normalisation, softmax, losses ─────────────────────────────────────────────────────────────
gate_bug(
    "normalisation",
    "softmax without −Σ",
    planted("softmax", lambda _g, u, x, o, **_: (u * o,)),
    (M,),
    "multiple of the output",
    axis=1,
)
gate_bug(
    "normalisation",
    "log-softmax without −Σ",
    answering("log_softmax", 0, lambda _g, u, *_, **__: u * 1.0),
    (M,),
    "upstream without local",
    axis=1,
)
gate_bug(
    "normalisation",
    "center without its mean",
    answering("center", 0, lambda _g, u, *_, **__: u * 1.0),
    (M,),
    "upstream without local",
    axis=0,
)
gate_bug(
    "normalisation",
    "standardize without its means",
    answering(
        "standardize",
        0,
        lambda _g, u, x, o, **_: u * (1 / bl.std(x, axis=0, correction=0, keepdims=True)),
    ),
    (M,),
    "term",
    axis=0,
)
gate_bug(
    "loss",
    "mean squared error without 1/N",
    spoiled("mean_squared_error", 0, lambda s, *_: s * 12.0),
    (M, normal(4, 3)),
    "12 times too large",
)
gate_bug(
    "loss",
    "mean squared error without its 2",
    spoiled("mean_squared_error", 0, lambda s, *_: s * 0.5),
    (M, normal(4, 3)),
    "half",
)
LABELS = np.array([0, 2, 1, 1])
SCORES = spoiled("cross_entropy", 0, lambda s, *_: s * 4.0)
bug("loss", "cross-entropy without 1/N", lambda x: SCORES(x, LABELS), (M,), "4 times too large")
PROBABILITIES = answering(
    "cross_entropy", 0, lambda _g, u, x, *_, **__: u * bl.softmax(x, axis=1) / 4.0
)
bug(
    "loss",
    "cross-entropy, p without −y",
    lambda x: PROBABILITIES(x, LABELS),
    (M,),
    "only 4 of 12",
)

# ── indices, and paths that meet ───────────────────────────────────────────────────────────────
PLACES = np.array([0, 2, 2, 1, 2])


def last_only(_g, u, x, *_, **__):
    kept = np.array([0.0, 0, 0, 1, 1])[:, None] * 1.0
    kept[0] = 1.0
    right = np.zeros((x.shape[0], 5))
    right[PLACES, np.arange(5)] = 1
    return bl.matmul(right * kept[:, 0], u)


ROWS = answering(
    "embedding",
    0,
    lambda g, u, *given, **_: last_only(g, u, next(x for x in given if np.ndim(x) == 2)),
)
bug("index", "embedding, = for +=", lambda w: ROWS(w, PLACES), (normal(4, 3),), "= for +=")
bug("fork", "a path of two detached", lambda x: x * 2 + x.detach() * 2, (V,), "half")
bug("fork", "x·x with one side detached", lambda x: x * x.detach(), (V,), "half")
bug(
    "fork",
    "all paths detached but by a constant",
    lambda x: x.detach() * 2 + x * 0.0,
    (V,),
    "no gradient",
)
gate_bug(
    "index",
    "cumsum forwards",
    answering("cumsum", 0, lambda _g, u, x, o, **_: bl.cumsum(u, axis=0)),
    (V,),
    "Jacobian is to be transposed",
    axis=0,
)
gate_bug(
    "index",
    "roll, the wrong way",
    answering("roll", 0, lambda _g, u, x, o, **_: u * 1.0),
    (V,),
    "shifted by one",
    shift=1,
    axis=0,
)
gate_bug(
    "index",
    "transpose, not turned back",
    answering("transpose", 0, lambda _g, u, *_, **__: u * 1.0),
    (S,),
    "transposed",
)
gate_bug(
    "index",
    "flip, not turned back",
    answering("flip", 0, lambda _g, u, *_, **__: u * 1.0),
    (S,),
    "wrong places",
    axis=0,
)

# ── written after the hypotheses were: how well do they name what nobody had in mind? ──────────
gate_bug(
    "unseen",
    "softplus with tanh for σ",
    planted("softplus", lambda _g, u, x, o: (u * bl.tanh(x),)),
    (V,),
    "term",
)
gate_bug(
    "unseen",
    "silu without its second term",
    planted("silu", lambda _g, u, x, o: (u * bl.sigmoid(x),)),
    (V,),
    "term",
)
gate_bug(
    "unseen",
    "reciprocal, 1/x for 1/x²",
    planted("reciprocal", lambda _g, u, x, o: (-u * o,)),
    (np.abs(V) + 0.5,),
    "term",
)
gate_bug(
    "unseen",
    "dropout without 1/(1 − p)",
    answering("dropout", 0, lambda _g, u, x, key, o, **_: bl.where(o == 0, 0.0, u)),
    (normal(6, 5), np.array([3, 1])),
    "factor of 0.5",
    p=0.5,
)
gate_bug("unseen", "norm, sign", spoiled("norm", 0, lambda s, *_: -s), (V,), "sign")
gate_bug(
    "unseen",
    "layer norm, gain from one row",
    answering(
        "layer_norm",
        1,
        lambda _g, u, x, w, b, o, **_: (
            u
            * (x - bl.mean(x, axis=1, keepdims=True))
            / bl.std(x, axis=1, correction=0, keepdims=True)
        )[0],
    ),
    (normal(4, 6), np.ones(6), np.zeros(6)),
    "axis 0",
    epsilon=0.0,
)
gate_bug(
    "unseen",
    "batch norm, shift averaged",
    spoiled("batch_norm", 2, lambda s, *_: s / 4.0),
    (M, np.ones(3), np.zeros(3)),
    "a mean over 4",
    axis=0,
)
gate_bug(
    "unseen",
    "hinge counted for the right class only",
    spoiled("multiclass_hinge", 0, lambda s, *_: bl.where(s < 0, s, 0.0)),
    (M, LABELS),
    "too little",
)
gate_bug(
    "unseen",
    "l1 loss without its sign",
    spoiled("l1_loss", 0, lambda s, *_: bl.absolute(s)),
    (M, normal(4, 3)),
    "numbers are wrong",
)
gate_bug(
    "unseen",
    "logsumexp, every place alike",
    answering(
        "logsumexp",
        0,
        lambda _g, u, x, o, **_: bl.broadcast_to(bl.reshape(u, (4, 1)), (4, 3)) / 3.0,
    ),
    (M,),
    "",
    axis=1,
)
gate_bug(
    "unseen",
    "cosine similarity, exchanged",
    planted(
        "cosine_similarity",
        lambda g, u, x, y, o, **a: tuple(
            reversed([forced(s) for s in TABLE["cosine_similarity"].backward(u, x, y, o, **a)])
        ),
    ),
    (M, normal(4, 3)),
    "wrong input",
)
gate_bug(
    "unseen",
    "prod, its own value",
    answering("prod", 0, lambda _g, u, x, o, **_: u * o),
    (np.abs(V) + 0.5,),
    "",
)

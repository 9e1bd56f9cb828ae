"""A zero is always answered, and the answer is true: random circuits, asked the other way round."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlight as bl
from backlight import nn
from backlight.explain.circuit.circuit import Circuit
from backlight.explain.why import why
from backlight.explain.why.region import Region
from backlight.gates.gate import TABLE, Role
from tests.explain.why.network import LABELS, rows

SHAPES = ((), (3,), (2, 3))
NUMBERS = (0, 0, 1, -1, 2, -2, 0.5, 3, 40, -40, 800, -800)
SINGLE = [
    "relu",
    "tanh",
    "sigmoid",
    "square",
    "absolute",
    "exp",
    "cos",
    "sin",
    "silu",
    "elu",
    "softplus",
    "negative",
    "leaky_relu",
    "gelu",
]
DOUBLE = ["add", "subtract", "multiply", "maximum", "minimum", "multiply", "add", "hypot"]
FOLDING = ["sum", "mean", "max", "min", "prod", "var", "norm", "logsumexp"]
ROLES = {
    "closed": {Role.ROUTER},
    "routed": {Role.ROUTER, Role.MOVER, Role.DISTRIBUTOR},
    "zeros": {Role.SWITCHER},
    "saturated": {Role.SQUASH},
    "flat": {Role.SCALER, Role.MIXER},
}


def leaf(chance, name):
    shape = chance.choice(SHAPES)
    drawn = [
        chance.choice(NUMBERS) if chance.random() < 0.6 else chance.gauss(0, 1)
        for _ in range(int(np.prod(shape)))
    ]
    values = np.array(drawn, float).reshape(shape)
    return bl.tensor(values, requires_grad=True, name=name)


def grown(chance, pool):
    """One more value, made from those there are."""
    x, y, kind = chance.choice(pool[-4:]), chance.choice(pool), chance.random()
    if kind < 0.35:
        return TABLE[chance.choice(SINGLE)](x)
    if kind < 0.7:
        return TABLE[chance.choice(DOUBLE)](x, y)
    if kind < 0.8:
        return TABLE[chance.choice(FOLDING)](x)
    if kind < 0.85:
        return bl.clip(x, -1.0, 1.0)
    if kind < 0.89:
        return x[..., 0] if x.shape else x * 0.0
    if kind < 0.92:
        return bl.where(y.detach() > 0, x, y)
    if kind < 0.96:
        return bl.softmax(bl.tanh(x), axis=-1) if x.shape else x**3
    return x - x * 1.0


def random_circuit(seed):
    chance = random.Random(seed)  # noqa: S311 - circuits, not secrets
    leaves = [leaf(chance, name) for name in "abc"]
    pool = list(leaves)
    for _ in range(chance.randint(2, 12)):
        try:
            made = grown(chance, pool)
        except bl.errors.ShapeError:
            continue
        if np.isfinite(made.detach().numpy()).all():
            pool.append(made)
    return leaves, pool[-1].sum(), chance


def slope(reason, index, direction):
    """∂(node · direction)/∂(what was asked about), by a backward pass from there."""
    seen = Circuit(reason.circuit.nodes, index, direction)
    gradient = np.ones(1) if index == reason.target else Region(seen, reason.target).gradient
    if gradient is None:
        return np.zeros(1)
    return np.atleast_1d(
        gradient if reason.entry is None or index == reason.target else gradient[reason.entry]
    )


def true(reason, stop):
    """Whether something comes to the gate and nothing leaves it, and the kind fits its role."""
    node = reason.circuit.nodes[stop.node]
    source = reason.circuit.nodes[node.inputs[stop.wire]]
    chance = np.random.default_rng(0)
    came = slope(reason, source.index, chance.normal(size=source.shape))
    left = slope(reason, node.index, chance.normal(size=node.shape))
    role = stop.kind == "cancelled" or node.gate.role in ROLES[stop.kind]
    nothing = np.abs(left).max() <= 1e-9 * np.abs(came).max()
    other = stop.other < 0 or not np.all(reason.circuit.nodes[stop.other].value)
    return role and other and np.any(came) and nothing


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10**9))
def test_every_zero_is_answered_and_every_answer_is_true(seed):
    leaves, output, chance = random_circuit(seed)
    if not output.requires_grad:
        return
    for asked in leaves:
        for entry in (None, tuple(chance.randrange(size) for size in asked.shape)):
            reason = why(output, asked, entry, most=3, effort=10)
            if reason.gradient == 0:
                assert reason.outcome == "zero"
                assert reason.stops
            for stop in reason.stops:
                assert stop.kind in ("underflow", "upstream") or true(reason, stop), stop
            if reason.account is not None and reason.outcome == "number":
                sizes = [abs(path.contribution) for path in reason.account.paths]
                assert abs(reason.account.rounding) <= 1e-6 * (sum(sizes) + abs(reason.gradient))


@pytest.mark.parametrize(
    ("formula", "values", "gate", "kind"),
    [
        ("sum(x*y)", {"x": 1, "y": [1.0, -1.0]}, "sum", "cancelled"),
        ("mean(x*y)", {"x": 1, "y": [1.0, -1.0]}, "mean", "cancelled"),
        ("x**3", {"x": 0}, "power", "flat"),
        ("cos(x)*y", {"x": 0, "y": 2}, "cos", "flat"),
        ("exp(x)*y", {"x": -800, "y": 2}, "exp", "flat"),
        ("prod(x)", {"x": [2.0, 0.0, 0.0]}, "prod", "zeros"),
    ],
)
def test_the_kind_of_zero(formula, values, gate, kind):
    inputs = {name: np.asarray(value, float) for name, value in values.items()}
    reason = why(formula, "x", (0,) if inputs["x"].ndim else None, **inputs)
    (stop,) = reason.stops
    assert (reason.circuit.nodes[stop.node].gate.name, stop.kind) == (gate, kind)
    assert not stop.value or f"at {stop.value:g}".replace("-", "−") in reason.in_words("en")


def test_small_is_not_zero_on_the_way():
    """Movements are followed however small; what rounds to 0 going back is called so."""
    x = bl.tensor([1e-30, 1.0], requires_grad=True)
    tiny = (x * 1e-30) * 1e-30
    (stop,) = why(tiny.sum(), x).stops
    assert stop.kind == "underflow"


def test_the_keys_bias_of_attention():
    """The same is added to all scores of a row, and a softmax takes it out again."""
    bl.manual_seed(0)
    query, key, value, head = (nn.Linear(4, 4) for _ in range(4))
    words = rows(8, 5, 4, dtype=np.float32)
    scores = query(words) @ bl.transpose(key(words), (0, 2, 1))
    seen = (bl.softmax(scores, axis=-1) @ value(words))[:, -1]
    loss = nn.CrossEntropyLoss()(head(seen), bl.tensor(LABELS))
    for entry in (None, 2):
        reason = why(loss, key.bias, entry)
        assert reason.gradient != 0
        assert reason.outcome == "zero"
        (stop,) = reason.stops
        assert (stop.kind, reason.circuit.nodes[stop.node].gate.name) == ("cancelled", "softmax")
    assert why(loss, query.bias).outcome == "number"


def test_small_is_not_called_rounding():
    """What a softmax that is sure of itself lets through is tiny, and no cancellation."""
    scores = bl.tensor([0.5, -0.4, 40.0], dtype="float64", requires_grad=True)
    reason = why(bl.max(bl.softmax(scores, axis=0)), scores)
    assert 0 < reason.gradient < 1e-15
    assert reason.outcome == "number"


def test_a_finite_number_beside_an_infinite_one():
    drawn = {"x": np.array([1.0, 0.0])}
    assert why("sum(log(x))", "x", 0, **drawn).outcome == "number"
    assert why("sum(log(x))", "x", 1, **drawn).outcome == "nonfinite"
    told = why("sum(where(x > 0, log(x + 0), 0) * y)", "y", x=0.0, y=2.0).in_words("en")
    assert "log #" in told
    assert "It goes no further" in told

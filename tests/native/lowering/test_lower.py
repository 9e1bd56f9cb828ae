"""Every gate lowered to loop nodes means what its NumPy formula means."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlight as bl
from backlight.errors import BacklightError, RangeError, ShapeError
from backlight.gates import find, gates
from backlight.gates.family import Elementwise
from backlight.gates.gate import TABLE, Role
from backlight.native.lowering.loops import ELEMENTWISE, ordered
from backlight.native.lowering.lower import host_gates
from backlight.native.lowering.simplify import simplified
from tests.gates import test_hostile_numbers as hostile
from tests.native.lowered import agree, computed, node_of, same

EVERY = [gate for gate in gates() if type(gate).__module__.startswith("backlight.")]


def converted(x, kind):
    fractions = isinstance(x, np.ndarray) and x.dtype == np.float64
    return x.astype(kind) if fractions else x


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.uint8])
@pytest.mark.parametrize("gate", EVERY, ids=lambda gate: gate.name)
def test_every_sample(gate, kind):
    with np.errstate(all="ignore"):
        for sample in gate.samples():
            inputs = [converted(x, kind) for x in sample.inputs]
            if np.dtype(kind).kind in "iu":
                try:
                    gate(
                        *[x if x is None else bl.as_tensor(x) for x in inputs], **sample.attributes
                    )
                except (BacklightError, TypeError):
                    continue  # whole numbers are refused
            agree(gate, inputs, sample.attributes)


def test_few_gates_are_left_to_numpy():
    assert set(host_gates()) <= {"index_add"}  # of a mask: how many it chooses is a value


# ── numbers at the edge ────────────────────────────────────────────────────────────────────


@pytest.fixture
def lowered(monkeypatch):
    """Every gate, forward and backward, is lowered, simplified and interpreted."""
    inside = []

    def instead(gate):
        original = type(gate).forward.__get__(gate)

        def forward(np_, *wires, **attributes):
            if np_ is not np or inside:
                return original(np_, *wires, **attributes)
            inside.append(gate)
            try:
                return computed(simplified([node_of(gate, wires, attributes)]), wires)[0][()]
            finally:
                inside.pop()

        return forward

    for gate in EVERY:
        monkeypatch.setattr(gate, "forward", instead(gate), raising=False)


@pytest.mark.usefixtures("lowered")
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("case", hostile.CASES, ids=lambda case: f"row{case.row:02d}-{case.label}")
def test_hostile_numbers(case, kind):
    if kind not in case.dtypes:
        pytest.skip("the row is about another type")
    hostile.test_row(case, kind, case.batched)


@pytest.mark.parametrize(
    "name", ["softmax", "log_softmax", "logsumexp", "layer_norm", "max", "std"]
)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_of_every_hostile_mixture(name, kind):
    numbers = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e30, -3.0], kind)
    rows = np.array(list(itertools.product(numbers, repeat=3)))
    agree(find(name), [rows], {"axis": -1})


@pytest.mark.parametrize(
    "name", ["sigmoid", "silu", "gelu", "softplus", "elu", "erf", "relu", "clip"]
)
def test_elementwise_at_the_edge(name):
    edge = [np.inf, -np.inf, np.nan, 0.0, -0.0, 88.8, -88.8, -104.0, 3e38, -64.0, -64.5, 1e-40]
    attributes = {"low": -1.0, "high": 1.0} if name == "clip" else {}
    agree(find(name), [np.array(edge, np.float32)], attributes)
    agree(find(name), [np.array(edge, np.float64)], attributes)


# ── a gate of one's own ────────────────────────────────────────────────────────────────────


def declared(formula):
    """A gate of a notebook, for the time of a test."""

    class Mine(Elementwise):
        """A user's formula."""

        role = Role.SCALER
        formula = "mine"
        result = "float"

        def forward(self, np, x):
            return formula(np, x)

        def backward(self, upstream, x, output):
            return (upstream,)

    return Mine()


@pytest.mark.parametrize(
    "formula",
    [
        lambda np, x: x * np.tanh(np.log1p(np.exp(x))),
        lambda np, x: np.where(x > 0, x**2, np.sqrt(abs(x))) / (1 + x * x),
        lambda _, x: np.exp(-x) + np.float32(2) * x,  # not the namespace, but NumPy itself
        lambda np, x: np.clip(x, -1, 1) + np.maximum(x, 0.5) * np.pi - x.max() + np.square(x),
    ],
)
def test_a_formula_of_ones_own(formula):
    mine = declared(formula)
    try:
        node = node_of(mine, [np.ones((3, 4), np.float32)], {})
        assert "host" not in {one.op for one in ordered([node])}
        for kind in (np.float32, np.float64):
            agree(mine, [np.linspace(-3, 3, 12).reshape(3, 4).astype(kind)], {}, factor=4)
    finally:
        TABLE.pop("mine")


def in_place(np, x):
    y = x * 2
    y[y > 1] = 1.0
    return y


def branching(np, x):
    return x if (x > 0).all() else -x


@pytest.mark.parametrize("formula", [in_place, branching])
def test_a_formula_that_needs_values_is_left_to_numpy(formula):
    mine = declared(formula)
    try:
        x = np.array([-1.0, 2.0], np.float32)
        node = node_of(mine, [x], {})
        assert node.op == "host"
        assert node.attributes["why"]
        agree(mine, [x], {})
    finally:
        TABLE.pop("mine")


# ── types ──────────────────────────────────────────────────────────────────────────────────

KINDS = [np.bool_, np.uint8, np.int8, np.int32, np.int64, np.float32, np.float64]


@pytest.mark.parametrize(
    "name", ["add", "multiply", "divide", "maximum", "less", "matmul", "power"]
)
@pytest.mark.parametrize("second", [*KINDS, 2, 0.5, True])
@pytest.mark.parametrize("first", KINDS)
def test_promotion(name, first, second):
    gate = find(name)
    x = np.array([[1, 2], [0, 1]]).astype(first)
    y = np.array([[1, 1], [2, 1]]).astype(second) if isinstance(second, type) else second
    try:
        gate(bl.as_tensor(x), bl.as_tensor(y) if isinstance(second, type) else y)
    except (BacklightError, TypeError):
        return
    agree(gate, [x, y], {})


@pytest.mark.parametrize("name", ["exp", "sqrt", "sigmoid", "sum", "mean", "cumsum", "softmax"])
@pytest.mark.parametrize("kind", KINDS)
def test_types_of_one_input(name, kind):
    attributes = {"axis": 0} if name in ("cumsum", "softmax") else {}
    x = np.array([1, 0, 1, 1]).astype(kind)
    try:
        find(name)(bl.as_tensor(x), **attributes)
    except BacklightError:  # −True
        return
    agree(find(name), [x], attributes)


def test_small_numbers_are_compared_with_large_ones():
    agree(find("less"), [np.array([1, 255], np.uint8), 300], {})
    agree(find("equal"), [np.array([1, 255], np.uint8), -1], {})


# ── refusals ───────────────────────────────────────────────────────────────────────────────

ROWS = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize(
    ("name", "inputs", "attributes"),
    [
        ("cross_entropy", (ROWS, np.array([0, 4, 1])), {}),
        ("cross_entropy", (ROWS, np.array([0, -1, 1])), {"ignore_index": 2}),
        ("nll_loss", (ROWS, np.array([0, 1, 9])), {}),
        ("multiclass_hinge", (ROWS, np.array([0, 1, 9])), {}),
        ("embedding", (ROWS, np.array([[0], [-1]])), {}),
        ("one_hot", (np.array([0, 3]),), {"classes": 3}),
        ("take", (ROWS, np.array([0, 4])), {"axis": 1}),
        ("gather", (ROWS, np.array([[0], [-5], [0]])), {"axis": 1}),
        ("scatter", (ROWS, np.full((3, 4), 7)), {"axis": 1, "size": 7}),
        ("index", (ROWS, np.array([0, 3])), {"key": ("places", (0, 4, 1))}),
        ("entropy", (np.array([0.5, -0.5]),), {}),
        ("binary_cross_entropy", (np.array([0.5, 1.5]), np.array([1, 0])), {}),
        ("take_winners", (np.ones((1, 1, 2, 2)), np.full((1, 1, 1, 1), 4)), {}),
        ("route_back", (np.ones((1, 1, 1, 1)), np.full((1, 1, 1, 1), 4)), {"size": (2, 2)}),
    ],
)
def test_a_compiled_refusal_says_what_the_eager_one_says(name, inputs, attributes):
    gate = find(name)
    wires, bound = gate.bind(inputs, attributes)
    with pytest.raises(RangeError) as eagerly:
        gate(*inputs, **attributes)
    with pytest.raises(RangeError) as compiled:
        computed(simplified([node_of(gate, wires, bound)]), wires)
    told = str(eagerly.value).removeprefix("gate ").replace("winner 4 at (0, 0, 0, 0)", "winner 4")
    assert str(compiled.value).replace("winner 4 at (0, 0, 0, 0)", "winner 4") in (
        told,
        str(eagerly.value),
    )


def test_shapes_are_refused_when_lowering():
    with pytest.raises(ShapeError, match="add"):
        node_of(find("add"), [np.ones(2), np.ones(3)], {})
    with pytest.raises(ShapeError, match="mask"):
        node_of(find("index"), [ROWS, ROWS > 3], {"key": ("mask",)})


# ── windows ────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_pooling_of_any_geometry(data):
    rank = data.draw(st.integers(1, 2))
    kernel = data.draw(st.tuples(*[st.integers(1, 4)] * rank))
    stride = data.draw(st.tuples(*[st.integers(1, 4)] * rank))
    padding = tuple(data.draw(st.integers(0, f // 2)) for f in kernel)
    size = tuple(data.draw(st.integers(max(1, f - 2 * p), 9)) for f, p in zip(kernel, padding))  # noqa: B905
    rounding = data.draw(st.sampled_from(["floor", "ceil"]))
    window = {"kernel_size": kernel, "stride": stride, "padding": padding, "rounding": rounding}
    rng = np.random.default_rng(sum(size))
    hard = rng.integers(0, 3, (2, 2, *size)).astype(np.float32)  # full of ties
    hard[rng.random(hard.shape) < 0.2] = -np.inf
    hard[0, 0][rng.random(size) < 0.1] = np.nan
    pool, average = find(f"max_pool{rank}d"), find(f"average_pool{rank}d")
    winners = find(f"{pool.name}_winner")
    for x in (hard, np.nan_to_num(hard, neginf=-128).astype(np.int8)):
        agree(pool, [x], window)
        agree(winners, [x], window)
    won = winners(hard, **window)
    upstream = rng.normal(size=won.shape).astype(np.float32)
    seen = (kernel, stride, padding)
    agree(find("route_back"), [upstream, won], {"size": size, "window": seen})
    agree(find("route_back"), [upstream, won], {"size": size})
    counted = window | {"count_include_pad": data.draw(st.booleans())}
    agree(average, [rng.normal(size=hard.shape).astype(np.float32)], counted)
    agree(find(f"{average.name}_by_data"), [upstream], counted | {"size": size})


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 8), st.integers(1, 8))
def test_adaptive_pooling_of_any_size(height, width, rows, columns):
    x = np.random.default_rng(height).integers(-2, 3, (2, 1, height, width)).astype(np.float64)
    for name in ("max", "average"):
        agree(find(f"adaptive_{name}_pool2d"), [x], {"output_size": (rows, columns)})
    agree(find("adaptive_max_pool2d_winner"), [x], {"output_size": (rows, columns)})
    y = np.random.default_rng(width).normal(size=(2, 1, rows, columns))
    agree(find("adaptive_average_pool2d_by_data"), [y], {"size": (height, width)})


# ── places and draws ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "places"),
    [
        (("places", (0, 4, 1), (4, None, -2)), ([2, -1],)),
        ((1, (1, 3, 1), "places"), ([[0], [4]],)),
        (("places", None, (0, 4, 1), "places"), ([0, 1], [1, 2])),
        (((2, None, -1), "places", "places"), ([1, 3], [[0], [2]])),
        ((None, "places", "places", 2), ([1, 0, 1], [0, 0, 3])),
        (("places", "places", "places"), (1, [2, 3], -1)),
        (((0, 0, 1), "places", (0, 5, 1)), ([1],)),
    ],
)
def test_any_key(key, places):
    x = np.arange(60.0).reshape(3, 4, 5)
    arrays = [np.array(place) for place in places]
    agree(find("index"), [x, *arrays], {"key": key})
    chosen = find("index")(x, *arrays, key=key)
    agree(find("index_add"), [chosen + 1, *arrays], {"key": key, "shape": x.shape})


@pytest.mark.parametrize("step", [1, 2, 3, -1, -3])
@pytest.mark.parametrize("size", [1, 4, 7])
def test_slices_put_back(size, step):
    start, stop = (0, size) if step > 0 else (size - 1, None)
    key = (slice(None), slice(start, stop, step))
    upstream = np.ones((2, size))[key] * 3
    attributes = {"key": ((0, 2, 1), (start, stop, step)), "shape": (2, size)}
    agree(find("slice_scatter"), [upstream], attributes)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5), (2, 3, 4), (0, 2)])
@pytest.mark.parametrize("seed", [0, 7, -3, 2**63 - 1])
def test_draws_have_the_same_bits(seed, shape):
    key = np.array([seed, 2**40 + 5])
    for name, kind in itertools.product(("uniform", "normal"), ("float32", "float64")):
        gate, attributes = find(name), {"shape": shape, "dtype": kind}
        (found,) = computed(simplified([node_of(gate, [key], attributes)]), [key])
        wanted = np.asarray(gate(key, **attributes))
        if name == "uniform":
            np.testing.assert_array_equal(found, wanted)
        same(found, wanted, factor=4)
    x = np.ones(shape, np.float32)
    agree(find("dropout"), [x, key], {"p": 0.3})


# ── economy ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name", ["softmax", "log_softmax", "sigmoid", "gelu", "silu", "layer_norm"]
)
def test_float32_exponentials_stay_in_float32(name):
    (node,) = simplified(
        [
            node_of(
                find(name),
                [np.ones((4, 8), np.float32)] + [None] * 2 * (name == "layer_norm"),
                find(name).bind((ROWS,), {})[1],
            )
        ]
    )
    wide = {
        n.op for n in ordered([node]) if n.op in ELEMENTWISE and n.size == 32 and n.dtype == float
    }
    assert wide <= {"cast", "subtract", "multiply"}  # of a variance


def test_windows_that_do_not_overlap_are_looked_at_once():
    gate, y, winner = (
        find("route_back"),
        np.ones((1, 2, 3, 3), np.float32),
        np.zeros((1, 2, 3, 3), int),
    )
    attributes = {"size": (6, 6), "window": ((2, 2), (2, 2), (0, 0))}
    (node,) = simplified([node_of(gate, [y, winner], attributes)])
    assert [one.op for one in ordered([node])].count("where") == 1

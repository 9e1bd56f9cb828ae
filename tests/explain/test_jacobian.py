"""Jacobians: V2–V5, in full and by structure, against the engine's own."""

import time

import numpy as np
import pytest

import backlight
from backlight.errors import ArgumentError
from backlight.explain import circuit
from backlight.explain.circuit.number import memory
from backlight.explain.jacobian import full, jacobian
from backlight.explain.jacobian_told import heat_map, jacobian_told
from backlight.expression import Expression

RNG = np.random.default_rng(5)
SMALL = [
    ("relu(x)", {"x": RNG.normal(size=6)}, "x", "diagonal"),
    ("tanh(relu(x))", {"x": RNG.normal(size=6)}, "x", "diagonal"),
    ("softmax(x)", {"x": RNG.normal(size=5)}, "x", "dense"),
    ("W@x", {"W": RNG.normal(size=(3, 4)), "x": RNG.normal(size=4)}, "x", "dense"),
    ("W@x", {"W": RNG.normal(size=(3, 4)), "x": RNG.normal(size=4)}, "W", "block"),
    (
        "conv1d(x, w)",
        {"x": RNG.normal(size=(1, 1, 9)), "w": RNG.normal(size=(1, 1, 3))},
        "x",
        "toeplitz",
    ),
    ("softmax(x)", {"x": RNG.normal(size=(3, 4))}, "x", "block"),
    ("transpose(x)", {"x": RNG.normal(size=(3, 4))}, "x", "permutation"),
    ("max(x, axis=1)", {"x": RNG.normal(size=(3, 4))}, "x", "selection"),
    ("cumsum(x, axis=0)", {"x": RNG.normal(size=5)}, "x", "toeplitz"),
    ("x - flip(x, axis=0)", {"x": RNG.normal(size=4)}, "x", "sign"),
    ("x*0", {"x": RNG.normal(size=4)}, "x", "empty"),
    ("sum(x)", {"x": RNG.normal(size=4)}, "x", "dense"),
    ("x*y", {"x": RNG.normal(size=4), "y": 2.0}, "y", "dense"),
]


def of_engine(formula, inputs, by):
    expression = Expression.parse(formula)
    held = {name: value for name, value in inputs.items() if name != by}
    found = backlight.jacobian(
        lambda x: expression.evaluate({by: x, **held}),
        backlight.tensor(np.asarray(inputs[by], float)),
    )
    return np.asarray(found).reshape(-1, np.size(inputs[by]))


@pytest.mark.parametrize(("formula", "inputs", "by", "structure"), SMALL)
def test_entries_and_structure(formula, inputs, by, structure):
    """V2, V5: the entries of the engine, and vᵀJ to 1e-12."""
    drawn = circuit(formula, **inputs)
    found = jacobian(drawn, by)
    expected = of_engine(formula, inputs, by)
    np.testing.assert_allclose(found.entries, expected, rtol=1e-12, atol=1e-14)
    assert found.structure == structure
    assert found.zeros == pytest.approx(np.mean(expected == 0))
    v = RNG.normal(size=drawn.nodes[drawn.output].shape)
    weighed = circuit(formula, upstream=v, **inputs)
    np.testing.assert_allclose(
        weighed.gradient(by).ravel(), expected.T @ v.ravel(), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(jacobian(weighed, by).product, weighed.gradient(by), rtol=1e-13)
    np.testing.assert_array_equal(full(drawn, by), found.entries)


def test_the_jacobian_of_a_product_is_the_matrix():
    """V2: ∂(W·x)/∂x is W."""
    w = RNG.normal(size=(3, 4))
    drawn = circuit("W@x", W=w, x=RNG.normal(size=4))
    found = jacobian(drawn, "x")
    np.testing.assert_array_equal(found.entries, w)
    assert found.same_as == drawn.find("W").index
    assert "It is W itself." in jacobian_told(drawn, "en")
    large = circuit("W@x", W=RNG.normal(size=(200, 300)), x=RNG.normal(size=300))
    found = jacobian(large, "x")
    assert (found.entries, found.same_as, found.structure) == (None, large.find("W").index, "dense")


def test_softmax_is_diagonal_minus_outer_product():
    """V2: diag(p) − ppᵀ."""
    scores = np.array([1.0, -2.0, 0.5])
    p = np.exp(scores) / np.exp(scores).sum()
    found = full(circuit("softmax(x)", x=scores), "x")
    np.testing.assert_allclose(found, np.diag(p) - np.outer(p, p), atol=1e-15)


def test_the_jacobian_of_4096_relus_is_counted_not_formed():
    """V3: 16,777,216 entries, 64 MiB in float32."""
    x = RNG.normal(size=4096).astype(np.float32)
    found = jacobian(circuit("relu(x)", x=x), "x")
    assert (found.rows, found.columns, found.count) == (4096, 4096, 16_777_216)
    assert memory(found.bytes) == "64 MiB"
    assert found.entries is None
    assert found.structure == "diagonal"
    np.testing.assert_array_equal(found.diagonal, x > 0)
    assert found.zeros == pytest.approx(1 - np.count_nonzero(x > 0) / 4096**2)


def test_a_batch_of_100_is_refused_with_its_numbers():
    """V3: 409,600² = 1.6777e11 entries, 625 GiB; upstream × Jacobian in milliseconds."""
    x = RNG.normal(size=(100, 4096)).astype(np.float32)
    drawn = circuit("relu(x)", x=x)
    started = time.perf_counter()
    found = jacobian(drawn, "x")
    assert time.perf_counter() - started < 1
    assert found.count == 409_600**2 == 167_772_160_000
    assert memory(found.bytes) == "625 GiB"
    assert found.seconds < 0.2
    np.testing.assert_array_equal(found.product, x > 0)
    with pytest.raises(ArgumentError, match=r"167,772,160,000 entries, 625 GiB"):
        full(drawn, "x")
    told = jacobian_told(drawn, "en")
    assert "Forming it is refused: 625 GiB" in told
    assert f"ones: {np.count_nonzero(x > 0):,}" in told
    assert "만들기를 거절합니다" in jacobian_told(drawn, "ko")


@pytest.mark.parametrize(
    ("formula", "inputs", "by", "structure", "blocks"),
    [
        ("softmax(x)", {"x": (100, 50)}, "x", "block", (100, 50, 50)),
        ("linear(x, W)", {"x": (100, 40), "W": (30, 40)}, "x", "block", (100, 30, 40)),
        ("W@x", {"W": (300, 40), "x": (40,)}, "W", "block", (300, 1, 40)),
        ("transpose(x)", {"x": (100, 50)}, "x", "permutation", (0, 0, 0)),
        ("reshape(x, [50, 100])", {"x": (100, 50)}, "x", "permutation", (0, 0, 0)),
        ("max(x, axis=1)", {"x": (100, 50)}, "x", "selection", (0, 0, 0)),
        ("x*x", {"x": (100, 50)}, "x", "diagonal", (0, 0, 0)),
        ("tanh(x)*2 + x", {"x": (100, 50)}, "x", "block", (100, 50, 50)),
        ("W@x", {"W": (60, 50), "x": (50, 70)}, "x", "sorted", (70, 60, 50)),
    ],
)
def test_large_structures_are_true(formula, inputs, by, structure, blocks):
    """The structure told without forming is that of the matrix, formed at a smaller size."""
    large = circuit(formula, **{name: RNG.normal(size=shape) for name, shape in inputs.items()})
    found = jacobian(large, by)
    assert found.entries is None
    if formula not in ("x*x", "tanh(x)*2 + x"):
        assert (found.structure, found.blocks) == (structure, blocks)
    assert found.structure in (structure, "block", "unknown", "diagonal")
    # A smaller one of the same form, with all of its entries.
    shrunk = formula.replace("[50, 100]", "[5, 10]")
    small = {
        name: RNG.normal(size=tuple(max(2, size // 10) for size in shape))
        for name, shape in inputs.items()
    }
    entries = full(circuit(shrunk, **small), by)
    if found.structure == "block":
        count = blocks[0] // 10
        high, wide = entries.shape[0] // count, entries.shape[1] // count
        outside = entries.reshape(count, high, count, wide).copy()
        for number in range(count):
            outside[number, :, number] = 0
        assert not outside.any()
    if found.structure == "sorted":
        by_column = entries.reshape(6, 7, 5, 7).transpose(1, 3, 0, 2)
        assert not by_column[~np.eye(7, dtype=bool)].any()
    if found.structure in ("permutation", "selection"):
        assert set(np.unique(entries)) <= {0.0, 1.0}
        assert (np.count_nonzero(entries, axis=1) <= 1).all()
    if found.structure == "diagonal":
        assert not (entries - np.diag(np.diag(entries))).any()


CONVOLUTIONS = [
    ("conv2d(x, w)", (1, 1, 6, 6), (1, 1, 3, 3), (1, 1)),
    ("conv2d(x, w, padding=1)", (2, 2, 9, 8), (3, 2, 3, 3), (1, 1)),
    ("conv2d(x, w, stride=2, padding=1)", (1, 2, 13, 13), (3, 2, 3, 3), (2, 2)),
    ("conv2d(x, w, dilation=2)", (1, 2, 11, 11), (2, 2, 3, 3), (1, 1)),
    ("conv1d(x, w)", (1, 2, 60), (4, 2, 5), (1,)),
    ("avg_pool2d(x, 2)", (1, 2, 12, 12), None, (2, 2)),
    ("tanh(conv2d(x, w)*0)", (1, 1, 6, 6), (1, 1, 3, 3), ()),
]


@pytest.mark.parametrize(("formula", "shape", "kernel", "shifts"), CONVOLUTIONS)
def test_a_convolution_is_toeplitz_in_blocks(formula, shape, kernel, shifts):
    """Found without forming where it is large, and by looking where it is small: the same."""
    inputs = {"x": RNG.normal(size=shape)}
    if kernel is not None:
        inputs["w"] = RNG.normal(size=kernel)
    drawn = circuit(formula, **inputs)
    found = jacobian(drawn, "x")
    assert found.shifts == shifts
    if not shifts:
        assert found.structure == "empty"
        return
    assert found.structure == "convolution"
    entries = full(drawn, "x")
    if found.zeros is not None:
        assert found.zeros == pytest.approx(np.mean(entries == 0), abs=1e-12)
    places = drawn.nodes[drawn.output].shape
    whole = entries.reshape(*places, *shape)
    for axis, step in enumerate(shifts, 2):
        ahead = np.moveaxis(whole, (axis, len(places) + axis), (0, 1))
        np.testing.assert_allclose(ahead[1:, step:], ahead[:-1, :-step], atol=1e-12)
    told = jacobian_told(drawn, "en")
    assert f"a row move on, by {'×'.join(map(str, shifts))}" in told
    assert "합성곱" in jacobian_told(drawn, "ko")


def test_a_row_that_changes_on_its_way_is_no_convolution():
    drawn = circuit("conv1d(x, w)*m", x=np.ones((1, 1, 90)), w=np.ones((1, 1, 3)), m=RNG.random(88))
    assert jacobian(drawn, "x").structure not in ("convolution", "toeplitz")
    dense = circuit(
        "reshape(reshape(x, [90])@W, [1, 1, 80])", x=np.ones((1, 1, 90)), W=RNG.random((90, 80))
    )
    assert jacobian(dense, "x").structure == "unknown"


@pytest.mark.parametrize(
    ("formula", "inputs", "by", "blocks"),
    [
        ("conv2d(x, w)", {"x": (2, 3, 8, 8), "w": (4, 3, 3, 3)}, "w", (4, 72, 27)),
        ("linear(x, W, b)", {"x": (20, 12), "W": (10, 12), "b": (10,)}, "W", (10, 20, 12)),
        ("linear(x, W, b)", {"x": (50, 9), "W": (90, 9), "b": (90,)}, "b", (90, 50, 1)),
        ("softmax(x, axis=0)", {"x": (12, 20)}, "x", (20, 12, 12)),
    ],
)
def test_blocks_that_lie_apart_in_memory(formula, inputs, by, blocks):
    """Sorted by the axes that go together, everything outside of the blocks is zero."""
    values = {name: RNG.normal(size=shape) for name, shape in inputs.items()}
    drawn = circuit(formula, **values)
    found = jacobian(drawn, by)
    assert (found.structure, found.blocks) == ("sorted", blocks)
    entries = full(drawn, by)
    if found.zeros is not None:
        assert found.zeros == pytest.approx(np.mean(entries == 0), abs=1e-12)
    filled = np.count_nonzero(entries)
    assert filled <= blocks[0] * blocks[1] * blocks[2]
    assert "once rows and columns are sorted" in jacobian_told(drawn, "en")


def test_every_convolution_is_its_jacobian():
    """V5: upstream × Jacobian is the gradient, to 1e-12, for x and for w."""
    values = {"x": RNG.normal(size=(2, 2, 5, 5)), "w": RNG.normal(size=(3, 2, 3, 3))}
    upstream = RNG.normal(size=(2, 3, 3, 3))
    drawn = circuit("conv2d(x, w)", upstream=upstream, **values)
    for name in values:
        product = upstream.ravel() @ full(drawn, name)
        np.testing.assert_allclose(product, drawn.gradient(name).ravel(), rtol=0, atol=1e-12)


def test_between_any_two_nodes():
    drawn = circuit("sum((W@x)**2)", W=[[0.1, 0.5], [-0.3, 0.8]], x=[0.2, 0.4])
    product = drawn.gates[0].index
    np.testing.assert_allclose(jacobian(drawn, product).entries, [[0.44, 0.52]])
    np.testing.assert_allclose(jacobian(drawn, "x", product).entries, [[0.1, 0.5], [-0.3, 0.8]])


def test_norm_squared():
    """V4: dW, dx of ‖W·x‖²."""
    drawn = circuit("sum((W@x)**2)", W=[[0.1, 0.5], [-0.3, 0.8]], x=[0.2, 0.4])
    np.testing.assert_allclose(jacobian(drawn, "W").entries, [[0.088, 0.176, 0.104, 0.208]])
    np.testing.assert_allclose(jacobian(drawn, "x").entries, [[-0.112, 0.636]])
    told = jacobian_told(drawn, "en")
    assert "The local Jacobian of every gate by every wire:" in told
    assert "0.088  0.176  0.104  0.208" in told


def test_what_has_no_jacobian():
    drawn = circuit("floor(x)", x=[1.5])
    with pytest.raises(ArgumentError, match="no gradient flows"):
        jacobian(circuit("x*[1, 2]", x=[1, 1]), 1)
    assert jacobian(drawn, "x").structure == "empty"
    assert jacobian_told(circuit("x", x=1), "en") == "No input has a Jacobian here."


def test_heat_maps():
    assert heat_map(np.array([[1.0, -0.5]])).split() == ["1", "−0.5"]
    shaded = heat_map(np.eye(12)).splitlines()
    assert [line.index("█") for line in shaded] == list(range(3, 15))
    large = heat_map(np.eye(500))
    assert max(map(len, large.splitlines())) <= 70
    assert "█" in large
    assert set(heat_map(np.zeros((20, 20)))) <= set(" │\n")

"""What is said of every gate of the table is so: each clause is verified by other means."""

import re

import numpy as np
import pytest

from backlight import tensor
from backlight.explain import circuit
from backlight.explain.circuit.clause import Clauses
from backlight.explain.circuit.kink import kink_of
from backlight.explain.circuit.told import names, wires
from backlight.explain.circuit.walk import steps
from backlight.gates import TABLE
from backlight.gates.gate import Role

LETTERS = "xyzwabcd"


class Kept(Clauses):
    """Remembers the entry that was said, and its values before they were written."""

    def _say(self, entry, wire, **values):
        self.entry, self.values = entry, values
        return super()._say(entry, wire, **values)


def recorded(gate, sample):
    """The gate alone, from named inputs, with an upstream gradient of different numbers."""
    inputs = [
        tensor(x, requires_grad=x.dtype.kind == "f") if isinstance(x, np.ndarray) else x
        for x in sample.inputs
    ]
    made = gate(*inputs, **sample.attributes)
    if getattr(made, "_gate", None) is None:
        return None
    named = {LETTERS[place]: x for place, x in enumerate(inputs) if hasattr(x, "_gate")}
    upstream = np.linspace(1, 2, made.size).reshape(made.shape)
    return circuit(made, upstream=upstream, names=named)


def jacobian(drawn, node, place):
    """The local Jacobian by one wire, row by row."""
    rows = []
    for number in range(node.value.size):
        unit = np.zeros(node.value.size)
        unit[number] = 1
        share = drawn.handed(node.index, unit.reshape(node.shape))[place]
        rows.append(np.zeros(0) if share is None else share.ravel())
    return np.array(rows).reshape(node.value.size, -1)


def moved(drawn, node, place):
    """What every wire gets if the value on one wire is another."""
    given = [None if i < 0 else drawn.nodes[i].value for i in node.inputs]
    given[place] = given[place] * 0.5 + 3
    upstream = drawn.gradients[node.index]
    shares = node.gate.backward(upstream, *given, node.value, **node.attributes)
    return [share() if callable(share) else share for share in shares]


def verify(drawn, node, wire, kept):
    """The claim of a clause, from the Jacobian and from NumPy alone."""
    upstream, product = drawn.gradients[node.index], wire.product
    local = jacobian(drawn, node, wire.place)
    others = [drawn.nodes[i].value for p, i in enumerate(node.inputs) if p != wire.place and i >= 0]
    entry, values = kept.entry, kept.values
    np.testing.assert_allclose(upstream.ravel() @ local, product.ravel(), rtol=1e-9, atol=1e-12)
    whole = set(np.unique(local)) <= {-1.0, 0.0, 1.0}
    if entry in ("same", "all"):
        assert np.array_equal(product, upstream)
    elif entry == "turned":
        assert np.array_equal(product, -upstream)
    elif entry == "copied":
        assert (product == upstream).all()
    elif entry == "moved":
        assert whole
        assert sorted(product.ravel()) == sorted(upstream.ravel())
    elif entry == "each":
        assert whole
        assert (np.count_nonzero(local, axis=0) >= 1).all()
    elif entry.startswith(("routed", "picked")):
        assert whole
        assert values["count"] == f"{np.count_nonzero(product):,}"
        assert entry.endswith("_one") == (np.count_nonzero(product) == 1)
        if entry.startswith("picked"):
            assert len(set(product[product != 0])) == 1
    elif entry in ("summed", "stretched"):
        assert whole or node.gate.name == "broadcast_to"
    elif entry == "switched":
        np.testing.assert_allclose(upstream * np.prod(others), product) if not product.ndim else (
            np.testing.assert_allclose(upstream * others[0], product)
        )
    elif entry == "stretched_times":
        summed = np.sum(TABLE["sum_to"](upstream * others[0], shape=product.shape) - product)
        assert summed == pytest.approx(0, abs=1e-9)
    elif entry == "scaled":
        np.testing.assert_allclose(upstream * values["local"], product, rtol=1e-9)
    elif entry == "formula":
        verify_formula(node, wire, upstream, others, product)
    elif entry == "made_of":
        alone = moved(drawn, node, wire.place)[wire.place]
        alone = TABLE["sum_to"](np.asarray(alone), shape=product.shape)
        np.testing.assert_allclose(alone, product, rtol=1e-9)
    else:
        assert entry in ("array", "stretched_local"), entry
    return entry


def verify_formula(node, wire, upstream, others, product):
    """upstream @ yᵀ and xᵀ @ upstream, a vector as the column or the row that it stands for."""
    rows = node.value.ndim == 0 or (node.value.ndim == 1 and wire.place == 0)
    if node.gate.name == "linear":
        upstream = np.atleast_2d(upstream)
        found = upstream @ others[0] if wire.place == 0 else upstream.T @ np.atleast_2d(others[0])
    elif wire.place == 0:
        other = others[0] if others[0].ndim == 2 else others[0][:, None]
        upstream = upstream if upstream.ndim == 2 else np.atleast_2d(upstream)
        upstream = upstream.T if rows and others[0].ndim == 1 else upstream
        found = upstream @ other.T
    else:
        other = others[0] if others[0].ndim == 2 else others[0][None, :]
        upstream = upstream if upstream.ndim == 2 else np.atleast_2d(upstream)
        upstream = upstream.T if others[0].ndim == 2 and wire.product.ndim == 1 else upstream
        found = other.T @ upstream
    np.testing.assert_allclose(found.ravel(), product.ravel(), rtol=1e-9)


def samples(gate):
    """Its smallest samples with numbers in them."""
    found = [s for s in gate.samples() if any(np.size(x) for x in s.inputs if x is not None)]
    found.sort(key=lambda s: sum(np.size(x) for x in s.inputs if x is not None))
    return [*found[:3], found[-1]]


@pytest.mark.parametrize("name", sorted({gate.name for gate in TABLE.values()}))
def test_every_clause_of_every_gate_is_true(name):
    gate = TABLE[name]
    if gate.role in (Role.WALL, Role.SOURCE):
        return
    for sample in samples(gate):
        drawn = recorded(gate, sample)
        if drawn is None or drawn.nodes[drawn.output].value.size > 300:
            continue
        called = names(drawn)
        for node in drawn.gates:
            for wire in wires(drawn, node.index):
                if wire.product is None:
                    continue
                for language in ("en", "ko"):
                    kept = Kept(drawn, called, language)
                    said = kept.of(node, wire)
                    assert said.startswith(called[wire.source]) or called[wire.source] in said
                    assert "{" not in said
                    if kept.entry == "nothing":
                        assert not wire.product.any()
                        continue
                    verify(drawn, node, wire, kept)


BROKEN_ENGLISH = re.compile(
    r"\b1 numbers|\b1 of the \d+ numbers \w+ get\b|  |\.\.|,\.|;\.|\bNone\b"
)


@pytest.mark.parametrize("name", sorted({gate.name for gate in TABLE.values()}))
def test_every_sentence_is_a_sentence(name):
    gate = TABLE[name]
    for sample in samples(gate):
        drawn = recorded(gate, sample)
        if drawn is None:
            continue
        for language in ("en", "ko"):
            for step in steps(drawn, language):
                assert step.sentence.endswith(".")
                assert "{" not in step.sentence
                assert not BROKEN_ENGLISH.search(step.sentence), step.sentence
                assert step.sentence[0] == step.sentence[0].strip()
                if language == "ko":
                    assert not re.search(r"\b(gets|gate|upstream|the|numbers)\b", step.sentence)


@pytest.mark.parametrize(
    ("formula", "inputs", "said"),
    [
        ("sum(x+b)", {"x": [[1, 2], [3, 4]], "b": [5, 6]}, "b was stretched to 2×2 and gets the"),
        ("sum(s*x)", {"x": [1, 2], "s": 3}, "s was stretched to (2) and gets the sum of upstream"),
        ("linear(x, W, b)", {"x": [[1, 2]], "W": [[3, 4]], "b": [5]}, "b gets upstream"),
        ("linear(x, W, b)", {"x": [[1, 2]], "W": [[3, 4]], "b": [5]}, "(upstream [[1]])ᵀ @ x = [["),
        ("W@x", {"W": [[1, 2]], "x": [3, 4]}, "W gets upstream [1] @ xᵀ = [[3, 4]]"),
        ("W@x", {"W": [[1, 2]], "x": [3, 4]}, "x gets Wᵀ @ upstream [1] = [1, 2]"),
        ("take(x, 1)", {"x": [1, 2, 3]}, "one of the 3 numbers of x gets upstream 1.00"),
        ("prod(x)", {"x": [1, 2, 3]}, "x gets upstream 1.00 × local [6, 3, 2] = [6, 3, 2]"),
        ("sum(softmax(x)**2)", {"x": [0, 1]}, "] × Jacobian 2×2 = ["),
        ("x/y", {"x": [2, 4], "y": 2}, "y was stretched to (2) and gets the sum of upstream × loc"),
        ("max(x)", {"x": [3, 1, 3]}, "stands at a tie: of equal winners the first takes it all."),
        ("max(a, b)", {"a": 2, "b": 2}, "stands at a tie"),
        ("relu(x)", {"x": [0, 1]}, "exactly at a kink of the relu gate"),
        ("abs(x)", {"x": 0}, "exactly at a kink"),
        ("sum(x, axis=0)", {"x": [[1, 2], [3, 4]]}, "every number of x gets an upstream number"),
        ("x*y", {"x": 2, "y": 0}, "x gets upstream 1.00 × y 0.00 = 0.00"),
        ("sigmoid(1000*x)", {"x": 1}, "1000·x gets upstream 1.00 × local 0.00 = 0.00"),
        ("sum(exp(x))", {"x": [-1e5, -1e6]}, "x gets upstream [1, 1] × local [0, 0] = [0, 0]"),
        ("0*sum(linear(x, W, b))", {"x": [[1, 2]], "W": [[3, 4]], "b": [5]}, "; b gets 0."),
        ("relu(x)", {"x": -1}, "The relu gate routes: x gets 0."),
        ("max(x)", {"x": [3, 1]}, "Of the numbers of x (2) one is pulled, with force 1.00."),
    ],
)
def test_plain_words_for_what_is_hard(formula, inputs, said):
    told = " ".join(step.sentence for step in steps(circuit(formula, **inputs), "en"))
    assert said in told


@pytest.mark.parametrize(
    ("formula", "inputs"),
    [
        ("max(a, b)", {"a": 2, "b": 2.001}),
        ("max(x)", {"x": [3, 1, 2]}),
        ("relu(x)", {"x": [-1e-3, 1]}),
        ("x*y", {"x": 0, "y": 0}),
        ("max_pool2d(x, 2)", {"x": np.arange(16.0).reshape(1, 1, 4, 4)}),
    ],
)
def test_away_from_a_kink_none_is_told(formula, inputs):
    drawn = circuit(formula, **inputs)
    assert [kink_of(drawn, node.index) for node in drawn.gates] == [""] * len(drawn.gates)
    assert kink_of(circuit("max_pool2d(x, 2)", x=np.ones((1, 1, 4, 4))), 1) == "tie"


def test_a_wrong_claim_would_be_found():
    """The bias of a layer is no factor, and a sum of copies is not upstream unchanged."""
    drawn = circuit("linear(x, W, b)", x=[[1, 2], [3, 4]], W=[[1, 1]], b=[5])
    node = drawn.gates[-1]
    wire = wires(drawn, node.index)[2]
    kept = Kept(drawn, names(drawn), "en")
    assert kept.of(node, wire).startswith("every number of b gets the sum")
    kept.entry = "same"
    with pytest.raises(AssertionError):
        verify(drawn, node, wire, kept)

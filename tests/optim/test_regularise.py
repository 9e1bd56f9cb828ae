"""Penalties, max-norm, and which parameters they concern."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight import optim
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, NonFiniteError


def leaf(data, name=None):
    return Tensor(np.asarray(data, np.float64), requires_grad=True, name=name)


def test_values_and_gradients():
    w, b = leaf([[1.0, -2.0], [0.0, 3.0]]), leaf([5.0, 5.0])
    for penalty, value, gradient in (
        (optim.l2_penalty([w, b], 0.5), 3.5, 0.5 * w.detach().numpy()),
        (optim.l1_penalty([w, b], 0.5), 3.0, 0.5 * np.sign(w.detach().numpy())),
        (
            optim.elastic_penalty([w, b], 0.5, 0.5),
            6.5,
            0.5 * np.sign(w.detach().numpy()) + 0.5 * w.detach().numpy(),
        ),
    ):
        w.grad = None
        assert penalty.item() == pytest.approx(value)
        penalty.backward()
        np.testing.assert_allclose(w.grad.numpy(), gradient)
        assert b.grad is None


def test_l2_prefers_what_is_spread():
    one, spread = leaf([[1.0, 0, 0, 0]]), leaf([[0.25] * 4])
    assert (one.detach().numpy().sum(), spread.detach().numpy().sum()) == (1, 1)
    assert optim.l2_penalty(one, 2.0).item() == 1.0
    assert optim.l2_penalty(spread, 2.0).item() == 0.25


def test_weight_decay_is_the_gradient_of_the_penalty():
    x, y = leaf([[1.0, -2.0]]), leaf([[1.0, -2.0]])
    x.grad = Tensor(np.zeros((1, 2)))
    optim.SGD([x], lr=0.1, weight_decay=0.3).step()
    optim.l2_penalty(y, 0.3).backward()
    optim.SGD([y], lr=0.1).step()
    np.testing.assert_allclose(x.detach().numpy(), y.detach().numpy(), rtol=1e-15)


def test_who_is_concerned():
    pairs = [
        ("fc.weight", leaf([[1.0]])),
        ("fc.bias", leaf([1.0])),
        ("rnn.bias_ih", leaf([[1.0]])),
        ("norm.weight", leaf([1.0])),
    ]
    assert [optim.is_weight(*pair) for pair in pairs] == [True, False, False, False]
    decayed, rest = optim.weight_decay_groups(pairs, 0.1)
    assert (len(decayed["params"]), decayed["weight_decay"]) == (1, 0.1)
    assert (len(rest["params"]), rest["weight_decay"]) == (3, 0.0)
    assert len(optim.AdamW([decayed, rest]).param_groups) == 2
    with pytest.raises(ArgumentError, match="none of which"):
        optim.l2_penalty(pairs[1:], 0.1)
    everything = optim.l2_penalty(pairs[1:], 2.0, include=lambda name, parameter: True)
    assert everything.item() == 3.0


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "1"])
def test_strengths_that_are_refused(wrong):
    for penalty in (optim.l1_penalty, optim.l2_penalty):
        with pytest.raises(ArgumentError, match="strength"):
            penalty(leaf([[1.0]]), wrong)
    with pytest.raises(ArgumentError):
        optim.max_norm_(leaf([[1.0]]), wrong)


@given(
    st.integers(0, 10**6),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from([1e-3, 1.0, 3.0, 4.0]),
    st.sampled_from([1e-30, 0.1, 1.0, 1e10, 1e37]),
)
def test_no_row_exceeds_the_limit(seed, dtype, limit, size):
    rng = np.random.default_rng(seed)
    w = Tensor((rng.normal(size=(4, 3, 2)) * size).astype(dtype), requires_grad=True)
    before = w.detach().numpy().copy()
    optim.max_norm_(w, limit)
    norms = np.linalg.norm(w.detach().numpy().astype(np.float64).reshape(4, -1), axis=1)
    short = np.linalg.norm(before.astype(np.float64).reshape(4, -1), axis=1) <= limit
    assert (norms <= limit).all()
    np.testing.assert_array_equal(before[short], w.detach().numpy()[short])
    np.testing.assert_allclose(norms[~short], limit, rtol=1e-5)


def test_max_norm_holds_at_an_absurd_rate():
    w = leaf(np.random.default_rng(0).normal(size=(3, 5)))
    rule = optim.SGD([w], lr=1e12)
    for step in range(5):
        w.grad = Tensor(np.random.default_rng(step).normal(size=(3, 5)))
        rule.step()
        optim.max_norm_([w], 3.0)
        assert (np.linalg.norm(w.detach().numpy(), axis=1) <= 3.0).all()


def test_max_norm_refuses_nan_and_changes_nothing():
    good, bad = leaf([[30.0, 40.0]]), leaf([[np.nan, 1.0]], name="fc.weight")
    with pytest.raises(NonFiniteError, match=r"fc\.weight"):
        optim.max_norm_([good, bad], 1.0)
    assert good.tolist() == [[30.0, 40.0]]

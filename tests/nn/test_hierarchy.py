"""Hierarchical softmax: probabilities, paths, refusals, and what it learns of groups."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlight
from backlight import nn, optim
from backlight.check import gradcheck
from backlight.errors import ArgumentError

quick = settings(max_examples=25, deadline=None, derandomize=True)


@st.composite
def groupings(draw):
    """Classes 0 … K−1, shuffled and cut into groups."""
    order = draw(st.permutations(range(draw(st.integers(1, 7)))))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(order) - 1)))))
    edges = [0, *[cut for cut in cuts if cut < len(order)], len(order)]
    return [order[start:end] for start, end in itertools.pairwise(edges)]


@quick
@given(groupings())
def test_probabilities_are_those_of_group_and_class(groups):
    head = nn.HierarchicalSoftmax(3, groups).double()
    x = backlight.tensor(np.linspace(-2, 2, 12).reshape(4, 3))
    scores = head.scores(x).detach().numpy()
    answer = np.exp(head(x).detach().numpy())
    assert np.allclose(answer.sum(-1), 1)
    each = np.exp(scores - scores[:, :1])
    start = len(groups)
    for place, group in enumerate(groups):
        of_group = each[:, place] / each[:, : len(groups)].sum(1)
        within = each[:, start : start + len(group)]
        within = within / within.sum(1, keepdims=True)
        assert np.allclose(answer[:, group], of_group[:, None] * within)
        start += len(group)


@quick
@given(groupings())
def test_a_path_ends_in_a_class_of_its_group(groups):
    head = nn.HierarchicalSoftmax(3, groups)
    path = head.predict_path(np.random.default_rng(0).normal(size=(9, 3)))
    assert path.shape == (9, 2)
    assert all(label in groups[group] for group, label in path)


def test_gradients_and_the_compiled_program_agree():
    head = nn.HierarchicalSoftmax(4, [(2, 0), (1, 3, 4)]).double()
    x = backlight.tensor(np.random.default_rng(1).normal(size=(3, 4)))
    labels = np.array([0, 3, 4])
    assert gradcheck(lambda one: nn.NLLLoss()(head(one), labels), [x]).ok
    compiled = backlight.compile(lambda one: head(one))(x)
    assert np.allclose(compiled.detach().numpy(), head(x).detach().numpy(), rtol=1e-12)


def test_groups_are_learnt_at_least_as_well_as_their_classes():
    random = np.random.default_rng(2)
    groups = [(0, 1, 2), (3, 4)]
    middles = np.array([[0, 0], [1.5, 0], [0, 1.5], [6, 6], [7.5, 6]], float)
    labels = random.integers(0, 5, 300)
    x = (middles[labels] + random.normal(0, 1, (300, 2))).astype(np.float32)
    backlight.manual_seed(0)
    head = nn.HierarchicalSoftmax(2, groups)
    rule = optim.Adam(head.parameters(), lr=0.1)

    @backlight.compile
    def learn(x, labels):
        rule.zero_grad()
        loss = nn.NLLLoss()(head(x), labels)
        loss.backward()
        rule.step()
        return loss

    for _ in range(200):
        learn(x, labels)
    path = head.predict_path(x)
    group = np.array([0, 0, 0, 1, 1])[labels]
    of_groups, of_classes = (path[:, 0] == group).mean(), (path[:, 1] == labels).mean()
    assert of_groups > 0.98
    assert 0.6 < of_classes < of_groups


@pytest.mark.parametrize("groups", [[], [[]], [(0, 1), ()], [(0, 1), (1, 2)], [(0, 2)], [(1, 2)]])
def test_classes_must_be_in_exactly_one_group(groups):
    with pytest.raises(ArgumentError, match="exactly one group"):
        nn.HierarchicalSoftmax(3, groups)


@pytest.mark.parametrize("group", [(0.5,), (-1, 0), ("cat",)])
def test_classes_are_numbers(group):
    with pytest.raises(ArgumentError, match="class"):
        nn.HierarchicalSoftmax(3, [group])

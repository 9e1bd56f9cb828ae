"""Claims that hold for every layer geometry, tree and length, not for examples alone."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import backlight
from backlight import nn
from backlight.errors import BacklightError, CheckpointError, ShapeError

small = st.integers(1, 4)


@settings(max_examples=60, deadline=None)
@given(
    small,
    small,
    small,
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 2),
    st.sampled_from(["exact", "floor"]),
    st.integers(3, 9),
    st.integers(3, 9),
)
def test_a_summary_says_what_a_run_makes(
    channels, filters, kernel, stride, padding, dilation, rounding, height, width
):
    net = nn.Sequential(
        nn.Conv2d(channels, filters, kernel, stride, padding, dilation, rounding=rounding),
        nn.ReLU(),
        nn.Flatten(),
    )
    size = (2, channels, height, width)
    try:
        made = net(backlight.zeros(*size))
    except ShapeError as refused:
        with pytest.raises(ShapeError) as again:
            nn.summary(net, size)
        assert str(again.value) == str(refused)  # noqa: PT017
        return
    table = nn.summary(net, size)
    assert table.rows[-1].output_shape == made.shape
    assert table.parameters == filters * (channels * kernel * kernel + 1)
    assert table.rows[0].multiply_adds == made.size * channels * kernel * kernel


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.sampled_from(["RNN", "GRU", "LSTM"]), st.booleans())
def test_sequences_of_any_length(length, kind, batch_first):
    layer = getattr(nn, kind)(2, 3, batch_first=batch_first)
    x = backlight.randn(*((4, length, 2) if batch_first else (length, 4, 2)))
    x.requires_grad_()
    output, last = layer(x)
    hidden = last[0] if kind == "LSTM" else last
    end = output[:, -1] if batch_first else output[-1]
    assert (end == hidden[0]).all()
    end.sum().backward()
    assert x.grad.shape == x.shape
    assert float(abs(x.grad).sum()) > 0


def trees():
    leaf = st.sampled_from(["linear", "norm", "relu"])
    return st.recursive(leaf, lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=6)


def grow(plan):
    if isinstance(plan, list):
        return nn.Sequential(*map(grow, plan))
    return {"linear": lambda: nn.Linear(3, 3), "norm": lambda: nn.BatchNorm1d(3), "relu": nn.ReLU}[
        plan
    ]()


@settings(max_examples=40, deadline=None)
@given(trees(), st.randoms(use_true_random=False))
def test_a_state_goes_back_or_changes_nothing(plan, chance):
    first, second = grow(plan), grow(plan)
    state = first.state_dict()
    assert [name for name, _ in first.named_parameters()] == [
        parameter.name for parameter in first.parameters()
    ]
    second.load_state_dict(state)
    assert all((value == state[name]).all() for name, value in second.state_dict().items())
    assume(state)
    # One name damaged: nothing at all is written.
    spoiled = {name: np.full(value.shape, 7, value.dtype) for name, value in state.items()}
    victim = chance.choice(sorted(spoiled))
    if chance.random() < 0.5:
        del spoiled[victim]
    else:
        spoiled[victim] = np.zeros((9, 9, 9))
    with pytest.raises(CheckpointError, match=victim.replace(".", r"\.")):
        second.load_state_dict(spoiled)
    assert all((value == state[name]).all() for name, value in second.state_dict().items())


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        [
            lambda: nn.Linear(3, 2),
            lambda: nn.Conv2d(3, 2, 3),
            lambda: nn.Conv1d(3, 2, 2),
            lambda: nn.ConvTranspose2d(3, 2, 2),
            lambda: nn.MaxPool2d(2),
            lambda: nn.AvgPool2d(2),
            lambda: nn.AdaptiveAvgPool2d(2),
            lambda: nn.BatchNorm1d(3),
            lambda: nn.BatchNorm2d(3),
            lambda: nn.LayerNorm(3),
            lambda: nn.GroupNorm(3, 3),
            lambda: nn.InstanceNorm2d(3),
            lambda: nn.LSTM(3, 2),
            lambda: nn.GRU(3, 2),
            lambda: nn.RNN(3, 2),
            lambda: nn.PReLU(3),
            lambda: nn.Softmax(dim=1),
            lambda: nn.LocalResponseNorm(),
            lambda: nn.GlobalAveragePool(),
        ]
    ),
    st.lists(st.integers(0, 5), max_size=5),
)
def test_any_shape_is_computed_or_refused_in_our_words(build, shape):
    layer = nn.Sequential({"layer": build()})
    try:
        layer(backlight.zeros(*shape))
    except BacklightError as refused:
        assert str(refused).startswith("layer (")  # noqa: PT017 - a refusal is one of two right ends

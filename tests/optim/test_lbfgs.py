"""L-BFGS: Newton-like steps, line searches, saving, and going back when something fails."""

import numpy as np
import pytest

from backlight import optim
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, CheckpointError, GraphError, NonFiniteError
from backlight.optim.line_search import Point, backtracking, strong_wolfe

SEARCHES = [None, "strong_wolfe", "backtracking"]


def closure_of(rule, function):
    def closure():
        rule.zero_grad()
        loss = function()
        loss.backward()
        return loss

    return closure


def rosenbrock(x, y):
    return (1 - x) * (1 - x) + 100 * (y - x * x) * (y - x * x)


@pytest.mark.parametrize("search", SEARCHES)
def test_a_stretched_bowl_is_solved(search):
    bends = Tensor(np.array([1.0, 10.0, 100.0]))
    x = Tensor(np.array([1.0, 1.0, 1.0]), requires_grad=True)
    rule = optim.LBFGS([x], lr=1.0, max_iter=60, line_search_fn=search)
    rule.step(closure_of(rule, lambda: (bends * x * x / 2).sum()))
    np.testing.assert_allclose(x.detach().numpy(), 0, atol=1e-5)


@pytest.mark.parametrize("search", ["strong_wolfe", "backtracking"])
def test_rosenbrocks_valley(search):
    x, y = (Tensor(start, dtype=np.float64, requires_grad=True) for start in (-1.2, 1.0))
    rule = optim.LBFGS([x, y], max_iter=100, tolerance_change=1e-16, line_search_fn=search)
    first = rule.step(closure_of(rule, lambda: rosenbrock(x, y)))
    assert first.item() == pytest.approx(24.2)
    assert (x.item(), y.item()) == (pytest.approx(1, abs=1e-5), pytest.approx(1, abs=1e-5))
    assert rule.state_dict()["memory"]["evaluations"] < 120


def test_float32_parameters_of_several_shapes():
    rng = np.random.default_rng(0)
    data, goal = Tensor(rng.normal(size=(30, 4))).float(), Tensor(rng.normal(size=(30, 2))).float()
    w, b = (Tensor(np.zeros(s, np.float32), requires_grad=True) for s in ((4, 2), (2,)))
    rule = optim.LBFGS([w, b], max_iter=40, line_search_fn="strong_wolfe")

    def loss():
        error = data @ w + b - goal
        return (error * error).mean()

    rule.step(closure_of(rule, loss))
    design = np.hstack([data.numpy(), np.ones((30, 1))])
    best = np.linalg.lstsq(design, goal.numpy(), rcond=None)[0]
    assert w.dtype == np.float32
    np.testing.assert_allclose(np.vstack([w.detach().numpy(), b.detach().numpy()]), best, atol=1e-4)


@pytest.mark.parametrize("search", SEARCHES)
def test_resuming_equals_going_on(search):
    def make(start):
        pair = [Tensor(np.array(v), requires_grad=True) for v in start]
        rule = optim.LBFGS(
            pair,
            lr=0.001 if search is None else 1.0,
            max_iter=3,
            history_size=4,
            line_search_fn=search,
        )
        return pair, rule, closure_of(rule, lambda: rosenbrock(*pair))

    pair, rule, closure = make([-1.2, 1.0])
    for _ in range(4):
        rule.step(closure)
    state, place = rule.state_dict(), [p.item() for p in pair]
    other, resumed, other_closure = make(place)
    resumed.load_state_dict(state)
    for _ in range(4):
        rule.step(closure)
        resumed.step(other_closure)
    assert [p.item() for p in pair] == [p.item() for p in other]
    assert [p.item() for p in pair] != place


def test_states_that_are_refused():
    x = Tensor([1.0, 2.0], requires_grad=True)
    rule = optim.LBFGS([x])
    for damage in (
        lambda s: s.pop("memory"),
        lambda s: s["memory"].pop("last"),
        lambda s: s["memory"].update(last=np.zeros(3)),
        lambda s: s["memory"].update(steps=np.zeros((1, 2))),
        lambda s: s["memory"].update(scale=float("nan")),
        lambda s: s.update(optimizer="Adam"),
    ):
        state = rule.state_dict()
        damage(state)
        with pytest.raises(CheckpointError):
            rule.load_state_dict(state)


def test_misuse():
    x = Tensor([1.0], requires_grad=True)
    rule = optim.LBFGS([x])
    with pytest.raises(ArgumentError, match="closure"):
        rule.step()
    with pytest.raises(GraphError, match="returned nothing"):
        rule.step(lambda: None)
    with pytest.raises(ArgumentError, match="second group"):
        rule.add_param_group({"params": [Tensor([1.0])]})


def test_a_failing_closure_leaves_everything_as_it_was():
    x = Tensor([1.0], requires_grad=True, name="x")
    rule = optim.LBFGS([x], lr=0.1)
    calls = []

    def closure():
        calls.append(1)
        rule.zero_grad()
        loss = (x * x).sum() * (float("nan") if len(calls) == 3 else 1.0)
        loss.backward()
        return loss

    with pytest.raises(NonFiniteError, match="'x'"):
        rule.step(closure)
    assert x.tolist() == [1.0]
    assert rule.state_dict()["memory"]["moves"] == 0


def test_a_search_steps_back_from_where_the_function_is_not_defined():
    x = Tensor(np.array(0.1), requires_grad=True)
    rule = optim.LBFGS([x], lr=10.0, line_search_fn="strong_wolfe")
    rule.step(closure_of(rule, lambda: -x.log() - (1 - x).log()))
    assert x.item() == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("first", [1e-6, 0.01, 1.0, 50.0, 1e4])
@pytest.mark.parametrize(
    "function",
    [
        lambda t: ((t - 3) ** 2, 2 * (t - 3)),
        lambda t: (-t / (t * t + 2), (t * t - 2) / (t * t + 2) ** 2),
        lambda t: (
            (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4,
            5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3,
        ),
    ],
)
def test_the_wolfe_conditions_hold(function, first):
    def along(t):
        value, slope = function(t)
        return Point(t, value, slope, np.zeros(1))

    start = along(0.0)
    found = strong_wolfe(along, start, first, most=60)
    assert found.loss <= start.loss + 1e-4 * found.t * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)
    lower = backtracking(along, start, first)
    assert lower.loss <= start.loss

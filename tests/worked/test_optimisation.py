"""Descent, mini-batches and the shape of losses (O rows); update rules and schedules (2.5)."""

import math

import numpy as np
import pytest

import backlight
from backlight import optim
from backlight.data import DataLoader, Examples
from backlight.optim import schedule


def clouds(n, classes=3, features=4, seed=0):
    rng = np.random.RandomState(seed)
    labels = rng.randint(0, classes, n)
    return rng.randn(n, features) + 2 * np.eye(classes, features)[labels], labels


def test_O4_full_batch_descent_never_raises_the_loss():
    """Least squares: curvature L is the largest eigenvalue; below 2/L the loss only falls."""
    x, labels = clouds(80)
    target = np.eye(3)[labels]
    curvature = np.linalg.eigvalsh(x.T @ x / len(x)).max()
    for factor, falls in ((0.5, True), (1.0, True), (1.95, True), (2.2, False)):
        w = backlight.tensor(np.zeros((4, 3)), requires_grad=True)
        losses = []
        for _ in range(60):
            loss = ((backlight.tensor(x) @ w - target) ** 2).sum() / (2 * len(x))
            losses.append(loss.item())
            w.grad = None
            loss.backward()
            with backlight.no_grad():
                w -= factor / curvature * w.grad
        assert (np.diff(losses) <= 1e-12).all() == falls


def test_O5_an_epoch_is_every_example_once_and_the_seed_fixes_the_order():
    x = np.arange(1000.0).reshape(-1, 1)
    examples = Examples(x, np.arange(1000) % 2)
    loaders = [DataLoader(examples, batch_size=256, shuffle=True, seed=seed) for seed in (3, 3, 4)]
    epochs = [[batch[:, 0] for batch, _ in loader] for loader in loaders]
    assert [len(batch) for batch in epochs[0]] == [256, 256, 256, 232]
    for epoch in epochs:
        assert sorted(np.concatenate(epoch)) == x[:, 0].tolist()
    assert np.concatenate(epochs[0]).tolist() == np.concatenate(epochs[1]).tolist()
    assert np.concatenate(epochs[0]).tolist() != np.concatenate(epochs[2]).tolist()
    again = np.concatenate([batch[:, 0] for batch, _ in loaders[0]])
    assert again.tolist() != np.concatenate(epochs[0]).tolist()


def test_O5_noise_of_the_loss_falls_with_the_root_of_the_batch():
    x, labels = clouds(20_000)
    w = np.random.RandomState(1).randn(4, 3)
    each = np.asarray(backlight.cross_entropy(backlight.tensor(x @ w), labels, reduction="none"))
    spread = {}
    for size in (1, 16, 256):
        loader = DataLoader(
            Examples(each.reshape(-1, 1), labels), batch_size=size, seed=0, drop_last=True
        )
        spread[size] = np.std([batch.mean() for batch, _ in loader])
    assert spread[1] / spread[16] == pytest.approx(4, rel=0.1)
    assert spread[16] / spread[256] == pytest.approx(4, rel=0.25)


def test_O6_copies_add_nothing_to_the_gradient():
    x, labels = clouds(100)

    def gradient(inputs, answers):
        return np.asarray(
            backlight.grad(
                lambda w: backlight.cross_entropy(backlight.tensor(inputs) @ w, answers)
            )(np.ones((4, 3)))
        ).ravel()

    unique = gradient(x, labels)
    copied = gradient(np.tile(x, (120, 1)), np.tile(labels, 120))
    cosine = unique @ copied / np.linalg.norm(unique) / np.linalg.norm(copied)
    assert cosine >= 0.999
    np.testing.assert_allclose(unique, copied, rtol=1e-10)


def test_O8_a_slice_of_the_hinge_is_piecewise_linear():
    """Along a random direction the loss of one example has zero second differences but at kinks."""
    rng = np.random.RandomState(0)
    x, w, direction = rng.randn(5), rng.randn(4, 5), rng.randn(4, 5)
    a = np.linspace(-3, 3, 2001)
    scores = (w + a[:, None, None] * direction) @ x
    loss = np.asarray(
        backlight.multiclass_hinge(backlight.tensor(scores), np.full(2001, 2), reduction="none")
    )
    bends = np.abs(np.diff(loss, 2)) > 1e-9
    corners = np.count_nonzero(np.diff(np.flatnonzero(bends)) > 1) + 1
    assert 1 <= corners <= 3
    assert bends.sum() <= 2 * 3
    assert (np.diff(loss, 2) > -1e-9).all()


def test_O9_the_hinge_is_convex_and_a_network_is_not():
    rng = np.random.RandomState(0)
    x, labels = clouds(6)
    ends = rng.randn(2, 10_000, 4, 3) * 3

    def hinge(w):
        scores = (x @ w).reshape(-1, 3)
        each = backlight.multiclass_hinge(
            backlight.tensor(scores), np.tile(labels, len(w)), reduction="none"
        )
        return np.asarray(each).reshape(len(w), -1).mean(axis=1)

    assert (hinge(ends.mean(axis=0)) <= (hinge(ends[0]) + hinge(ends[1])) / 2 + 1e-9).all()

    def network(first, second):
        hidden = backlight.relu(backlight.tensor(x) @ first)
        return backlight.cross_entropy(hidden @ second, labels).item()

    violated = 0
    for _ in range(50):
        one, other = ((rng.randn(4, 5), rng.randn(5, 3)) for _ in range(2))
        middle = network(*((a + b) / 2 for a, b in zip(one, other, strict=True)))
        violated += middle > (network(*one) + network(*other)) / 2
    assert violated


@pytest.mark.parametrize(
    ("function", "signs"),
    [
        (lambda v: v[0] ** 2 - v[1] ** 2, (-1, 1)),  # a saddle
        (lambda v: (v[0] ** 4 - v[0] ** 2) + v[1] ** 2 + v[0] ** 2 * 2, (1, 1)),  # a minimum
        (lambda v: v[0] ** 2 + 0 * v[1], (0, 1)),  # flat along one axis
    ],
)
def test_O10_a_zero_gradient_is_only_a_stationary_point(function, signs):
    at = np.zeros(2)
    np.testing.assert_array_equal(np.asarray(backlight.grad(function)(at)), 0)
    found = np.linalg.eigvalsh(np.asarray(backlight.hessian(function, at)))
    assert tuple(np.sign(found.round(12))) == signs


# ── 2.5 ────────────────────────────────────────────────────────────────────────────────────────

RULES = {
    "sgd": (lambda p: optim.SGD(p, lr=0.1), [0.9, 0.81, 0.729], 9),
    "momentum": (lambda p: optim.SGD(p, lr=0.1, momentum=0.9), [0.9, 0.72, 0.486], 9),
    "nesterov": (
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        [0.81, 0.5751, 0.327321],
        9,
    ),
    "adagrad": (lambda p: optim.Adagrad(p, lr=0.1, eps=1e-8), [0.9, 0.833103528, 0.780456183], 8),
    "rmsprop": (lambda p: optim.RMSprop(p, lr=0.1, alpha=0.99), [1e-7, -1e-9, 0.0], 9),
    "adam": (lambda p: optim.Adam(p, lr=0.1), [0.9, 0.80041223, 0.701586275], 8),
    "adam without correction": (
        lambda p: optim.Adam(p, lr=0.1, bias_correction=False),
        [0.683772334, 0.270206169, -0.162141207],
        8,
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_2_5_first_three_steps_from_1_on_half_a_square(name):
    make, expected, digits = RULES[name]
    x = backlight.tensor(np.array(1.0), requires_grad=True)
    rule = make([x])
    found = []
    for _ in range(3):
        rule.zero_grad()
        (x * x / 2).backward()
        rule.step()
        found.append(x.item())
    assert found == pytest.approx(expected, abs=0.6 * 10.0**-digits)


def test_2_5_rmsprop_begins_with_ten_times_the_rate():
    for alpha, times in ((0.99, 10), (0.9, math.sqrt(10))):
        x = backlight.tensor(np.array(5.0), requires_grad=True)
        rule = optim.RMSprop([x], lr=0.1, alpha=alpha)
        (x * x / 2).backward()
        rule.step()
        assert 5 - x.item() == pytest.approx(0.1 * times, rel=1e-6)


def test_2_5_adam_counts_from_one():
    """A state at t = 5 takes its next step with t = 6."""
    x = backlight.tensor(np.array(1.0), requires_grad=True)
    rule = optim.Adam([x], lr=0.1)
    for _ in range(6):
        rule.zero_grad()
        (x * x / 2).backward()
        rule.step()
    m = v = 0.0
    w = 1.0
    for t in range(1, 7):
        m, v = 0.9 * m + 0.1 * w, 0.999 * v + 0.001 * w * w
        w -= 0.1 * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
    assert x.item() == pytest.approx(w, rel=1e-12)


def test_2_5_schedules():
    assert schedule.StepLR(1.0, 5, gamma=0.5)(12) == 0.25
    assert schedule.StepLR(1.0, 20)(45) == pytest.approx(0.01)
    assert schedule.ExponentialLR(1.0, rate=0.1)(7) == pytest.approx(math.exp(-0.7), rel=1e-12)
    assert schedule.InverseTimeLR(1.0, rate=0.1)(7) == pytest.approx(1 / 1.7, rel=1e-12)
    plateau = schedule.ReduceLROnPlateau(1.0, factor=0.5, patience=2)
    for loss in (1.0, 0.9, 0.9, 0.9, 0.9):
        plateau.step(loss)
    assert plateau.get_last_lr() == [0.5]


def test_2_5_momentum_may_be_annealed():
    """From 0.5 to 0.99, by assigning to the group."""
    x = backlight.tensor(np.array(1.0), requires_grad=True)
    rule = optim.SGD([x], lr=0.1, momentum=0.5)
    for momentum in (0.5, 0.99):
        rule.param_groups[0]["momentum"] = momentum
        rule.zero_grad()
        (x * x / 2).backward()
        rule.step()
    assert x.item() == pytest.approx(0.9 - 0.1 * (0.99 * 1 + 0.9), rel=1e-12)


def quadratic():
    rng = np.random.RandomState(0)
    root = rng.randn(4, 4)
    return root @ root.T + np.eye(4), rng.randn(4)


def test_2_5_one_newton_step_solves_a_quadratic():
    h, c = quadratic()

    def f(w):
        return 0.5 * (w @ (backlight.tensor(h) @ w)) - (backlight.tensor(c) * w).sum()

    w = np.array([3.0, -2.0, 5.0, 1.0])
    np.testing.assert_allclose(np.asarray(backlight.hessian(f, w)), h, rtol=1e-12)
    step = np.linalg.solve(np.asarray(backlight.hessian(f, w)), np.asarray(backlight.grad(f)(w)))
    np.testing.assert_allclose(w - step, np.linalg.solve(h, c), rtol=1e-10)


def test_2_5_lbfgs_needs_no_hessian():
    h, c = quadratic()
    w = backlight.tensor(np.array([3.0, -2.0, 5.0, 1.0]), requires_grad=True)
    rule = optim.LBFGS([w], line_search_fn="strong_wolfe", max_iter=30)

    def closure():
        rule.zero_grad()
        loss = 0.5 * (w @ (backlight.tensor(h) @ w)) - (backlight.tensor(c) * w).sum()
        loss.backward()
        return loss

    rule.step(closure)
    np.testing.assert_allclose(w.detach().numpy(), np.linalg.solve(h, c), rtol=1e-4)


def test_2_5_size_of_a_hessian():
    """A million parameters: 3725.29 GiB in float32."""
    assert round(1e6**2 * 4 / 2**30, 2) == 3725.29
    assert "3725" in optim.LBFGS.__doc__


def test_2_5_rmsprop_leaves_a_saddle_that_holds_descent():
    """x² − y² from (1, 1e-9): after 60 steps descent is still at the saddle."""
    reached = {}
    for name, make in (
        ("sgd", lambda p: optim.SGD(p, lr=0.05)),
        ("rmsprop", lambda p: optim.RMSprop(p, lr=0.05, alpha=0.9)),
    ):
        v = backlight.tensor(np.array([1.0, 1e-9]), requires_grad=True)
        rule = make([v])
        for _ in range(60):
            rule.zero_grad()
            (v[0] ** 2 - v[1] ** 2).backward()
            rule.step()
        reached[name] = abs(v[1].item())
    assert reached["sgd"] < 1e-5
    assert reached["rmsprop"] > 1
    exactly = backlight.tensor(np.zeros(2), requires_grad=True)
    (exactly[0] ** 2 - exactly[1] ** 2).backward()
    assert exactly.grad.tolist() == [0, 0]

"""Twenty steps of every update rule, and every schedule, beside PyTorch's."""

import numpy as np
import pytest

from backlight import optim
from backlight.engine.tensor import Tensor

torch = pytest.importorskip("torch")

STEPS = 20
CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adagrad", {}),
    (
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5},
    ),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.9, "weight_decay": 0.1, "momentum": 0.8}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.9, "momentum": 0.8, "centered": True, "eps": 1e-6}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.95, "eps": 1e-5, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "betas": (0.8, 0.99), "weight_decay": 0.2}),
]


def start(seed, dtype):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in ((4, 3), (3,), ())]


def gradients(dtype):
    """Of sizes from 1e-4 to 10, and some exactly 0."""
    rng = np.random.default_rng(9)
    for _ in range(STEPS):
        yield [
            np.asarray(
                rng.normal(size=shape)
                * 10.0 ** rng.integers(-4, 2, size=shape)
                * (rng.uniform(size=shape) > 0.1)
            ).astype(dtype)
            for shape in ((4, 3), (3,), ())
        ]


def ours(name, options, dtype):
    parameters = [Tensor(one, requires_grad=True) for one in start(0, dtype)]
    rule = getattr(optim, name)(parameters, **options)
    for step in gradients(dtype):
        for one, gradient in zip(parameters, step, strict=True):
            one.grad = Tensor(gradient)
        rule.step()
    return [one.detach().numpy() for one in parameters]


def theirs(name, options, dtype):
    parameters = [torch.tensor(one, requires_grad=True) for one in start(0, dtype)]
    rule = getattr(torch.optim, name)(parameters, **options)
    for step in gradients(dtype):
        for one, gradient in zip(parameters, step, strict=True):
            one.grad = torch.tensor(gradient)
        rule.step()
    return [one.detach().numpy() for one in parameters]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_twenty_steps(name, options):
    truth = theirs(name, options, np.float64)
    for mine, exact in zip(ours(name, options, np.float64), truth, strict=True):
        np.testing.assert_allclose(mine, exact, rtol=1e-11, atol=1e-12)
    single, peer = ours(name, options, np.float32), theirs(name, options, np.float32)
    for mine, other, exact in zip(single, peer, truth, strict=True):
        assert mine.dtype == np.float32
        allowed = np.maximum(2 * np.abs(other - exact).max(), 2e-6 * (1 + np.abs(exact).max()))
        assert np.abs(mine - exact).max() <= allowed


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adadelta", "Adam", "AdamW"])
def test_defaults_are_the_same(name):
    mine = getattr(optim, name)([Tensor([1.0], requires_grad=True)]).defaults
    other = getattr(torch.optim, name)([torch.tensor([1.0], requires_grad=True)]).defaults
    assert {key: other[key] for key in mine if key != "bias_correction"} == {
        key: value for key, value in mine.items() if key != "bias_correction"
    }


def valley(x):
    return ((1 - x[:-1]) ** 2).sum() + 10 * ((x[1:] - x[:-1] ** 2) ** 2).sum()


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.05, "max_iter": 4},
        {"lr": 0.05, "max_iter": 4, "history_size": 3},
        {"max_iter": 5, "line_search_fn": "strong_wolfe"},
    ],
)
def test_lbfgs(options):
    found = []
    for library, make in (
        (torch.optim, lambda v: torch.tensor(v, requires_grad=True)),
        (optim, lambda v: Tensor(v, requires_grad=True)),
    ):
        x = make(np.array([-1.2, 1.0, 0.5, 2.0]))
        rule = library.LBFGS([x], **options)

        def closure(x=x, rule=rule):
            rule.zero_grad()
            loss = valley(x)
            loss.backward()
            return loss

        losses = [float(rule.step(closure).detach()) for _ in range(STEPS)]
        found.append((x.detach().numpy(), losses))
    (place, losses), (mine, my_losses) = found
    np.testing.assert_allclose(mine, place, atol=1e-9 if options["max_iter"] == 4 else 1e-4)
    if options["max_iter"] == 4:  # no search: the same moves exactly
        np.testing.assert_allclose(my_losses, losses, rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("StepLR", {"step_size": 5, "gamma": 0.5}),
        ("ExponentialLR", {"gamma": 0.9}),
        ("CosineAnnealingLR", {"T_max": 30, "eta_min": 0.01}),
        ("ConstantLR", {"factor": 0.5, "total_iters": 4}),
        ("LambdaLR", {"lr_lambda": lambda step: 1 / (1 + step)}),
        ("OneCycleLR", {"max_lr": 0.3, "total_steps": 31}),
        (
            "OneCycleLR",
            {
                "max_lr": 0.3,
                "total_steps": 31,
                "pct_start": 0.1,
                "div_factor": 5,
                "anneal_strategy": "linear",
            },
        ),
    ],
)
def test_schedules(name, options):
    x = torch.tensor([1.0], requires_grad=True)
    rule = torch.optim.SGD([x], lr=0.2)
    extra = {"cycle_momentum": False} if name == "OneCycleLR" else {}
    driver = getattr(torch.optim.lr_scheduler, name)(rule, **options, **extra)
    schedule = getattr(optim, name)(0.2, **options)
    for step in range(31):
        assert schedule(step) == pytest.approx(rule.param_groups[0]["lr"], rel=1e-9, abs=1e-12)
        rule.step()
        if step < 30:
            driver.step()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "max", "patience": 1, "factor": 0.5},
        {"patience": 2, "cooldown": 3},
        {"threshold_mode": "abs", "threshold": 0.3, "patience": 1, "min_lr": 1e-3},
    ],
)
def test_plateau(options):
    rule = torch.optim.SGD([torch.tensor([1.0], requires_grad=True)], lr=0.2)
    driver = torch.optim.lr_scheduler.ReduceLROnPlateau(rule, eps=0.0, **options)
    mine = optim.ReduceLROnPlateau(0.2, **options)
    for metric in np.random.default_rng(0).normal(size=60).tolist():
        driver.step(metric)
        mine.step(metric)
        assert mine.get_last_lr()[0] == pytest.approx(rule.param_groups[0]["lr"], rel=1e-9)


def test_clipping():
    values = np.random.default_rng(0).normal(size=(4, 3))
    for order in (1.0, 2.0, 3.0, float("inf")):
        mine, other = Tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
        mine.grad, other.grad = Tensor(values * 5), torch.tensor(values * 5)
        norm = optim.clip_grad_norm_(mine, 1.0, order)
        assert norm == pytest.approx(
            float(torch.nn.utils.clip_grad_norm_(other, 1.0, order)), rel=1e-9
        )
        np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=1e-5)

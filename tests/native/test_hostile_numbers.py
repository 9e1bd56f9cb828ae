"""Numbers at the edge, compiled: the 62 rows of `tests.gates.test_hostile_numbers` once more.

Alone, and among 17 and 67 of the same rows, so that whole vectors and what is left over are
both met; the others' numbers decide nothing.
"""

import numpy as np
import pytest

import backlight as bl
from backlight.engine.derivative import grad
from backlight.errors import BacklightError, NonFiniteError
from backlight.native.compile import compile
from backlight.optim import SGD, Adam
from backlight.optim.clipping import clip_grad_norm_
from tests.gates.test_hostile_numbers import BIG, CASES, HALF, INF, NAN, ROOT2, compare

COUNTS = (0, 17, 67)


def spread(value, dtype, count):
    array = np.array(value, dtype)
    return np.broadcast_to(array, (count, *array.shape)).copy() if count else array


def slopes(function, gradients):
    """The output, and what the inputs receive for an upstream of ones."""

    def both(*wires):
        inputs = [x.detach().requires_grad_() for x in wires]
        output = function(*inputs)
        if not gradients:
            return [output.detach()]
        received = grad(output, inputs, np.ones(output.shape, output.dtype))
        return [output.detach(), *received]

    return both


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=[f"row{c.row:02d}-{c.label}" for c in CASES])
def test_row(case, dtype, count):
    if dtype not in case.dtypes or (count and not case.batched):
        pytest.skip("the row is about another type, or about one array")
    wires = [bl.tensor(spread(x, dtype, count)) for x in case.inputs]
    function = slopes(case.function, case.gradients)
    with np.errstate(all="ignore"):
        wanted = function(*wires)
    found = compile(function)(*wires)
    compare(found[0].numpy(), case.value, case, dtype, count)
    given = () if case.gradients == "named" else case.gradients
    for one, value in zip(found[1:], given, strict=False):
        compare(one.numpy(), value, case, dtype, count)
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        ours, eager = one.numpy(), other.numpy()
        assert np.array_equal(np.isnan(ours), np.isnan(eager))
        if count and ours.size:  # the same number wherever it stands
            rows = ours.reshape(count, -1)
            assert (rows.view(f"u{ours.itemsize}") == rows.view(f"u{ours.itemsize}")[0]).all()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_twenty_million_tenths(threads):
    x = bl.full((20_000_000,), np.float32(0.1))
    assert abs(float(compile(lambda x: x.sum(), threads=threads)(x)) - 2_000_000) <= 0.25


def test_cumulative_sum_past_2_to_the_24():
    assert float(compile(lambda x: bl.cumsum(x)[-1])(bl.ones(2**25))) == 2**25


def test_clipping_large_gradients():
    for dtype, big in BIG.items():
        x = bl.tensor(np.zeros(2, dtype), requires_grad=True)
        x.grad = bl.tensor(np.full(2, big, dtype))
        norm = compile(lambda: clip_grad_norm_([x], 1.0))()  # noqa: B023
        assert float(norm) == pytest.approx(ROOT2 * big)
        np.testing.assert_allclose(x.grad.numpy(), [HALF, HALF], rtol=1e-6)


@pytest.mark.parametrize("bad", [INF, NAN])
@pytest.mark.parametrize("rule", [Adam, SGD])
def test_a_step_with_what_is_not_finite(rule, bad):
    x = bl.tensor([1.0, 1.0], requires_grad=True)
    optimiser = rule([x], lr=0.1)

    @compile
    def step(slope):
        optimiser.zero_grad()
        (x * slope).sum().backward()
        optimiser.step()

    step(bl.tensor([0.0, 0.0]))
    before = x.tolist()
    with pytest.raises(NonFiniteError):
        step(bl.tensor([1.0, bad]))
    assert x.tolist() == before


def test_adam_with_a_gradient_whose_square_overflows():
    x = bl.tensor([1.0, 1.0], requires_grad=True)
    rule = Adam([x], lr=0.1)

    @compile
    def step(slope):
        rule.zero_grad()
        (x * slope).sum().backward()
        rule.step()

    try:
        step(bl.tensor([1e30, 1e30]))
    except NonFiniteError as stopped:
        assert "second moment" in str(stopped)  # noqa: PT017 - one of two right answers
        assert x.tolist() == [1.0, 1.0]
    else:
        np.testing.assert_allclose(x.tolist(), [0.9, 0.9], rtol=1e-5)


def test_differences_of_bytes_do_not_wrap():
    dark, light = (bl.tensor(np.array([value], np.uint8)) for value in (3, 250))
    assert compile(lambda x, y: bl.l1_loss(x, y))(dark, light).item() == 247
    assert compile(lambda x, y: bl.mean_squared_error(x, y))(dark, light).item() == 247**2
    assert compile(lambda x, y: abs(x.float() - y.float()))(dark, light).item() == 247


@pytest.mark.parametrize("bad", [4, -4, 2**40])
@pytest.mark.parametrize(
    "call",
    [
        lambda x, place: bl.gather(x, bl.stack([place, place]), axis=1),
        lambda x, place: bl.take(x, place, axis=1),
        lambda x, place: bl.embedding(x, place),
        lambda x, place: bl.one_hot(place, classes=3),
        lambda x, place: bl.cross_entropy(x, bl.concatenate([place, place])),
        lambda x, place: bl.nll_loss(x, bl.concatenate([place, place])),
        lambda x, place: bl.multiclass_hinge(x, bl.concatenate([place, place])),
        lambda x, place: x[place],
    ],
    ids=["gather", "take", "embedding", "one_hot", "cross_entropy", "nll_loss", "hinge", "index"],
)
def test_positions_out_of_range(call, bad):
    """Also of a program that has run with right ones before."""
    x = bl.tensor(np.ones((2, 3), np.float32))
    compiled = compile(call)
    compiled(x, bl.tensor(np.array([1])))
    with pytest.raises(IndexError, match=str(bad)):
        compiled(x, bl.tensor(np.array([bad])))
    with pytest.raises(BacklightError):
        call(x, bl.tensor(np.array([bad])))

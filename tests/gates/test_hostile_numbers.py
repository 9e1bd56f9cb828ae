"""Numbers at the edge: 62 rows, each in float32 and float64, alone and in a batch of 17.

`CASES` holds what a gate, or a small function of gates, must give and which gradient its inputs
must receive for an upstream of ones. `None` is a gradient that the row leaves free but finite.
`born` names the gate that `first_nonfinite` must blame.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.errors import (
    ArgumentError,
    BacklightError,
    NonFiniteError,
    RangeError,
    ShapeError,
)
from backlight.optim import SGD, Adam
from backlight.optim.clipping import clip_grad_norm_
from backlight.train.metrics import Evaluation

INF, NAN = math.inf, math.nan
TINY32 = float(np.finfo(np.float32).smallest_subnormal)
BIG = {np.float32: 1e20, np.float64: 1e200}


@dataclass(frozen=True)
class Case:
    row: int
    label: str
    function: Any
    inputs: tuple
    value: Any
    gradients: tuple = ()
    born: str = ""
    rtol: float = 2e-6
    atol: float = 0.0
    dtypes: tuple = (np.float32, np.float64)
    batched: bool = True


def normal_below(x):
    return math.erfc(-x / math.sqrt(2)) / 2


def gelu(x):
    return x * normal_below(x)


def gelu_slope(x):
    return normal_below(x) + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def last(gate, **settings):
    return lambda *xs: gate(*xs, axis=-1, **settings)


def each(gate, **settings):
    """A loss of every row for itself."""
    return lambda logits, target: gate(logits, target, reduction="none", **settings)


def labelled(label):
    """Cross-entropy of rows that all have this label."""

    def loss(logits):
        rows = logits if logits.ndim == 2 else logits.reshape(1, -1)
        found = bl.cross_entropy(rows, np.full(rows.shape[0], label), reduction="none")
        return found if logits.ndim == 2 else found[0]

    return loss


def distributed(logits):
    target = np.broadcast_to(np.array([1.0, 0.0], logits.dtype), logits.shape)
    if logits.ndim == 1:
        return bl.cross_entropy(logits.reshape(1, -1), target.reshape(1, -1), reduction="none")[0]
    return bl.cross_entropy(logits, target, reduction="none")


def pooled(x):
    """Max pooling of rows of four by windows of two."""
    rows = x.reshape(-1, 1, x.shape[-1])
    found = bl.max_pool1d(rows, kernel_size=2)
    return found.reshape(*x.shape[:-1], 2)


SOFT88 = math.exp(-88.0)
SILU = -89.75 * math.exp(-89.75)
SILU_SLOPE = math.exp(-89.75) * (1 - 89.75)
ROOT2, HALF = math.sqrt(2), math.sqrt(0.5)

CASES = [
    Case(
        1,
        "large",
        last(bl.logsumexp),
        ([1000.0, 1000.0],),
        1000 + math.log(2),
        ([0.5, 0.5],),
        rtol=2.4e-7,
    ),
    Case(
        2,
        "small",
        last(bl.logsumexp),
        ([-1000.0, -1000.0],),
        -1000 + math.log(2),
        ([0.5, 0.5],),
        rtol=2.4e-7,
    ),
    Case(3, "logsumexp", last(bl.logsumexp), ([-INF, -INF],), -INF, (0,)),
    Case(3, "softmax", last(bl.softmax), ([-INF, -INF],), [NAN, NAN], born="input"),
    Case(4, "infinite", last(bl.logsumexp), ([INF, 0.0],), INF, ([1.0, 0.0],)),
    Case(5, "logsumexp", bl.logsumexp, ([],), -INF, ([],), batched=False),
    Case(5, "sum", bl.sum, ([],), 0.0, ([],), batched=False),
    Case(6, "far apart", last(bl.softmax), ([1e4, 0.0, -1e4],), [1.0, 0, 0], (None,)),
    Case(7, "masked", last(bl.softmax), ([0.0, -INF],), [1.0, 0.0], ([0.0, 0.0],)),
    Case(
        8,
        "far apart",
        lambda x: bl.log_softmax(x, axis=-1)[..., 1],
        ([0.0, -1e4],),
        -1e4,
        ([-1.0, 1.0],),
    ),
    Case(9, "wrong", labelled(1), ([1e4, -1e4],), 2e4, ([1.0, -1.0],)),
    Case(
        10,
        "nearly sure",
        labelled(0),
        ([20.0, 0.0],),
        2.0611536181902037e-9,
        ([-2.0611536e-9, 2.0611536e-9],),
    ),
    Case(11, "impossible", distributed, ([0.0, -INF],), 0.0, (None,)),
    Case(
        12,
        "wrong",
        lambda x: bl.binary_cross_entropy_with_logits(
            x, np.zeros(x.shape, x.dtype), reduction="none"
        ),
        (1000.0,),
        1000.0,
        (1.0,),
    ),
    Case(
        12,
        "right",
        lambda x: bl.binary_cross_entropy_with_logits(
            x, np.zeros(x.shape, x.dtype), reduction="none"
        ),
        (-1000.0,),
        0.0,
        (0.0,),
    ),
    Case(
        13,
        "sure and wrong",
        lambda x: bl.binary_cross_entropy(x, np.zeros(x.shape, x.dtype), reduction="none"),
        (1.0,),
        INF,
        (INF,),
        born="binary_cross_entropy",
    ),
    Case(14, "-104", bl.softplus, (-104.0,), math.exp(-104), (math.exp(-104),), atol=TINY32),
    Case(14, "-88", bl.softplus, (-88.0,), SOFT88, (SOFT88,), atol=TINY32),
    Case(14, "20", bl.softplus, (20.0,), 20 + math.log1p(math.exp(-20)), (sigmoid(20),)),
    Case(14, "1000", bl.softplus, (1000.0,), 1000.0, (1.0,)),
    *(
        Case(15, str(x), bl.sigmoid, (x,), y, (0.0 if abs(x) > 100 else y,), atol=TINY32)
        for x, y in [(1000.0, 1.0), (-1000.0, 0.0), (INF, 1.0), (-INF, 0.0), (-88.0, SOFT88)]
    ),
    Case(16, "-200", bl.log_sigmoid, (-200.0,), -200.0, (1.0,)),
    Case(16, "30", bl.log_sigmoid, (30.0,), -9.357622968840e-14, (9.357622968840e-14,)),
    Case(17, "1000", bl.elu, (1000.0,), 1000.0, (1.0,)),
    Case(17, "-1e-8", bl.elu, (-1e-8,), -1e-8, (1.0,)),
    Case(17, "-100", bl.elu, (-100.0,), -1.0, (math.exp(-100),), atol=TINY32),
    Case(18, "-5", bl.gelu, (-5.0,), gelu(-5), (gelu_slope(-5),)),
    Case(18, "-10", bl.gelu, (-10.0,), gelu(-10), (gelu_slope(-10),), rtol=5e-6),
    Case(19, "3e38", bl.gelu, (3e38,), 3e38, (1.0,)),
    Case(20, "1e20", lambda x: bl.gelu(x, approximate="tanh"), (1e20,), 1e20, (1.0,)),
    Case(20, "-1e20", lambda x: bl.gelu(x, approximate="tanh"), (-1e20,), 0.0, (0.0,)),
    Case(21, "gelu", bl.gelu, (-INF,), 0.0, (0.0,)),
    Case(21, "silu", bl.silu, (-INF,), 0.0, (0.0,)),
    Case(22, "-89.75", bl.silu, (-89.75,), SILU, (SILU_SLOPE,), rtol=5e-7, atol=TINY32),
    Case(23, "10", bl.tanh, (10.0,), 1.0, (1 / math.cosh(10) ** 2,), rtol=1e-6, atol=8.3e-9),
    Case(24, "log1p", bl.log1p, (1e-10,), 1e-10, (1.0,)),
    Case(24, "expm1", bl.expm1, (1e-10,), 1e-10, (1.0,)),
    Case(25, "0", bl.sqrt, (0.0,), 0.0, (INF,)),
    Case(26, "zero", last(bl.norm), ([0.0, 0.0],), 0.0, ([0.0, 0.0],)),
    Case(27, "large", last(bl.norm), ([1e20, 1e20],), ROOT2 * 1e20, ([HALF, HALF],)),
    Case(
        27,
        "larger",
        last(bl.norm),
        ([1e200, 1e200],),
        ROOT2 * 1e200,
        ([HALF, HALF],),
        dtypes=(np.float64,),
    ),
    Case(28, "small", last(bl.norm), ([1e-25, 1e-25],), ROOT2 * 1e-25, ([HALF, HALF],)),
    Case(
        28,
        "smaller",
        last(bl.norm),
        ([1e-200, 1e-200],),
        ROOT2 * 1e-200,
        ([HALF, HALF],),
        dtypes=(np.float64,),
    ),
    Case(29, "large", bl.hypot, (1e20, 1e20), ROOT2 * 1e20, (HALF, HALF)),
    Case(30, "1/0", bl.divide, (1.0, 0.0), INF, (INF, -INF), born="divide"),
    Case(30, "0/0", bl.divide, (0.0, 0.0), NAN, (INF, NAN), born="divide"),
    Case(31, "small by small", bl.divide, (1e-30, 1e-25), 1e-5, (1e25, -1e20)),
    Case(
        32,
        "logarithm behind a mask",
        lambda x: bl.where(x > 0, bl.log(x), 0.0),
        (0.0,),
        0.0,
        "named",
    ),
    Case(33, "0**0", bl.power, (0.0, 0.0), 1.0, (0.0, None)),
    Case(33, "x**0", lambda x: x**0, (0.0,), 1.0, (0.0,)),
    Case(34, "0**2", lambda x: x**2, (0.0,), 0.0, (0.0,)),
    Case(34, "0**0.5", lambda x: x**0.5, (0.0,), 0.0, (INF,)),
    Case(34, "0**-1", lambda x: x**-1, (0.0,), INF, (-INF,), born="power"),
    Case(35, "cube", lambda x: x**3, (-2.0,), -8.0, (12.0,)),
    Case(35, "cube root", lambda x: x ** (1 / 3), (-8.0,), NAN, born="power"),
    Case(36, "0·log 0", bl.xlogy, (0.0, 0.0), 0.0, (0.0, 0.0)),
    Case(
        37,
        "p has a 0",
        bl.kl_divergence,
        ([0.0, 1.0], [0.5, 0.5]),
        math.log(2),
        (None, [0.0, -2.0]),
    ),
    Case(37, "q has a 0", bl.kl_divergence, ([0.5, 0.5], [0.0, 1.0]), INF, born="kl_divergence"),
    *(
        Case(38, f"{gate.name}({x})", gate, (x,), 0.0, (0.0,) if gate is not bl.sign else ())
        for gate in (bl.absolute, bl.relu, bl.sign)
        for x in (0.0, -0.0)
    ),
    Case(39, "relu", bl.relu, (NAN,), NAN, born="input"),
    Case(39, "max", last(bl.max), ([1.0, NAN, 2.0],), NAN, born="input"),
    Case(39, "clip", lambda x: bl.clip(x, 0.0, 1.0), (NAN,), NAN, born="input"),
    Case(40, "maximum", bl.maximum, (1.0, 1.0), 1.0, (1.0, 0.0)),
    Case(40, "max", last(bl.max), ([2.0, 2.0, 1.0],), 2.0, ([1.0, 0.0, 0.0],)),
    Case(41, "tie", pooled, ([2.0, 2.0, 1.0, 1.0],), [2.0, 1.0], ([1.0, 0.0, 1.0, 0.0],)),
    Case(41, "NaN", pooled, ([NAN, 2.0, 1.0, 1.0],), [NAN, 1.0], born="input"),
    Case(42, "at its bound", lambda x: bl.clip(x, 0.0, 1.0), (1.0,), 1.0, (1.0,)),
    Case(43, "argmax", last(bl.argmax), ([1.0, NAN, 2.0],), 1),
    Case(44, "var", last(bl.var), ([1e8, 1e8 + 8, 1e8 + 16],), 128 / 3, ([-16 / 3, 0.0, 16 / 3],)),
    Case(45, "std", last(bl.std), ([3.0, 3.0, 3.0],), 0.0, ([0.0, 0.0, 0.0],)),
    Case(
        47,
        "constant row",
        last(bl.layer_norm),
        ([7.0, 7.0, 7.0],),
        [0.0, 0.0, 0.0],
        ([0.0, 0.0, 0.0],),
    ),
    Case(
        47,
        "large row",
        last(bl.layer_norm),
        ([1e20, 2e20, 3e20],),
        [-math.sqrt(1.5), 0.0, math.sqrt(1.5)],
        (None,),
        atol=1e-12,
    ),
    Case(
        47,
        "far row",
        last(bl.layer_norm),
        ([1e6, 1e6 + 1, 1e6 + 2],),
        [-1.2247356859, 0.0, 1.2247356859],
        (None,),
        atol=1e-12,
    ),
    Case(49, "mean", last(bl.mean), ([3e38, 3e38],), 3e38, ([0.5, 0.5],)),
    Case(52, "one 0", last(bl.prod), ([2.0, 0.0, 3.0],), 0.0, ([0.0, 6.0, 0.0],)),
    Case(52, "two 0", last(bl.prod), ([2.0, 0.0, 0.0],), 0.0, ([0.0, 0.0, 0.0],)),
    Case(
        53,
        "mse",
        lambda x: bl.mean_squared_error(x, np.zeros(x.shape, x.dtype), reduction="none"),
        (1e30,),
        INF,
        (2e30,),
        born="mean_squared_error",
        dtypes=(np.float32,),
    ),
    Case(
        53,
        "huber",
        lambda x: bl.huber(x, np.zeros(x.shape, x.dtype), reduction="none"),
        (1e30,),
        1e30,
        (1.0,),
    ),
    Case(
        54,
        "zero vector",
        last(bl.cosine_similarity),
        ([0.0, 0.0], [3.0, 4.0]),
        0.0,
        ([6e7, 8e7], [0.0, 0.0]),
    ),
    Case(61, "sum", last(bl.sum), ([1e8, 1.0, -1e8],), 1.0, ([1.0, 1.0, 1.0],)),
]


def spread(value, dtype, batch):
    """The value alone, or 17 times with the others' neighbours being the same numbers."""
    array = np.array(value, dtype)
    return np.broadcast_to(array, (17, *array.shape)).copy() if batch else array


def compare(found, wanted, case, dtype, batch):
    if wanted is None:
        assert np.isfinite(found).all()
        return
    wanted = np.array(wanted, np.float64)
    rtol = case.rtol if dtype == np.float32 else max(case.rtol / 1e4, 1e-8)
    np.testing.assert_allclose(
        np.asarray(found, np.float64),
        np.broadcast_to(wanted, found.shape),
        rtol=rtol,
        atol=case.atol,
    )


@pytest.mark.parametrize("batch", [False, True], ids=["alone", "among 17"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=[f"row{c.row:02d}-{c.label}" for c in CASES])
def test_row(case, dtype, batch):
    if dtype not in case.dtypes or (batch and not case.batched):
        pytest.skip("the row is about another type, or about one array")
    wires = [bl.tensor(spread(x, dtype, batch), requires_grad=True) for x in case.inputs]
    output = case.function(*wires)
    assert output.dtype == (dtype if case.row != 43 else np.int64)
    compare(output.detach().numpy(), case.value, case, dtype, batch)
    if case.born:
        place = bl.first_nonfinite(output)
        assert place is not None
        assert place.gate == case.born
        assert not batch or place.place[0] == 0
    if case.gradients == "named":
        total = output.sum()
        total.backward(retain_graph=True)
        if not (wires[0].grad.numpy() == 0).all():
            place = bl.first_nonfinite_gradient(total)
            assert place.gate == "log"
            assert "masked branch of where" in str(place)
    elif case.gradients:
        if any(wanted is not None and not np.isfinite(wanted).all() for wanted in case.gradients):
            place = bl.first_nonfinite_gradient(output, np.ones(output.shape, dtype))
            assert place.backward
            assert place.gate == output.gate.name
        output.backward(np.ones(output.shape, dtype))
        for wire, wanted in zip(wires, case.gradients, strict=True):
            assert wire.grad.dtype == dtype
            compare(wire.grad.numpy(), wanted, case, dtype, batch)


def named(row):
    return pytest.mark.parametrize("row", [row], ids=[f"row{row:02d}"])


@named(5)
def test_largest_of_nothing(row):
    with pytest.raises(ShapeError, match="max"):
        bl.tensor(np.zeros(0, np.float32)).max()


@named(42)
def test_bounds_in_the_wrong_order(row):
    with pytest.raises(ValueError, match="clip"):
        bl.clip(bl.tensor([1.0]), 2.0, 1.0)


@named(43)
def test_accuracy_counts_NaN_as_wrong(row):
    scores = np.array([[NAN, 1.0], [0.0, 1.0]])
    assert Evaluation(0.0, scores, np.array([0, 1])).accuracy == 0.5


@named(46)
@pytest.mark.parametrize("gate", [bl.var, bl.std], ids=["var", "std"])
def test_spread_of_one_value(row, gate):
    with pytest.raises(ValueError, match="axis"):
        gate(bl.tensor([[1.0], [2.0]]), axis=1, correction=1)


@named(48)
def test_batch_norm_of_one_value(row):
    with pytest.raises(ValueError, match="BatchNorm1d"):
        nn.BatchNorm1d(3)(bl.tensor(np.ones((1, 3), np.float32)))


@named(50)
def test_twenty_million_tenths(row):
    x = bl.full((20_000_000,), np.float32(0.1))
    assert abs(float(x.sum()) - 2_000_000) <= 0.25


@named(51)
def test_cumulative_sum_past_2_to_the_24(row):
    assert float(bl.cumsum(bl.ones(2**25))[-1]) == 2**25


@named(55)
def test_clipping_large_gradients(row):
    for dtype, big in BIG.items():
        x = bl.tensor(np.zeros(2, dtype), requires_grad=True)
        x.grad = bl.tensor(np.full(2, big, dtype))
        assert float(clip_grad_norm_([x], 1.0)) == pytest.approx(ROOT2 * big)
        np.testing.assert_allclose(x.grad.numpy(), [HALF, HALF], rtol=1e-6)


@named(56)
@pytest.mark.parametrize("bad", [INF, -INF, NAN])
def test_clipping_what_is_not_finite(row, bad):
    x, y = (bl.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    x.grad, y.grad = bl.tensor([3.0, 4.0]), bl.tensor([bad, 1.0])
    with pytest.raises(NonFiniteError, match=r"head\.weight"):
        clip_grad_norm_([("body.weight", x), ("head.weight", y)], 1.0)
    assert x.grad.tolist() == [3.0, 4.0]


@named(57)
def test_adam_with_a_gradient_whose_square_overflows(row):
    x = bl.tensor([1.0, 1.0], requires_grad=True)
    rule = Adam([x], lr=0.1)
    x.grad = bl.tensor([1e30, 1e30])
    try:
        rule.step()
    except NonFiniteError as stopped:
        assert "second moment" in str(stopped)  # noqa: PT017 - one of two right answers
        assert x.tolist() == [1.0, 1.0]
    else:
        np.testing.assert_allclose(x.tolist(), [0.9, 0.9], rtol=1e-5)


@named(58)
@pytest.mark.parametrize("bad", [INF, NAN])
@pytest.mark.parametrize("rule", [Adam, SGD])
def test_a_step_with_what_is_not_finite(row, rule, bad):
    x = bl.tensor([1.0, 1.0], requires_grad=True)
    x.grad = bl.tensor([1.0, bad])
    with pytest.raises(NonFiniteError):
        rule([x], lr=0.1).step()
    assert x.tolist() == [1.0, 1.0]


@named(59)
def test_differences_of_bytes_do_not_wrap(row):
    dark, light = (bl.tensor(np.array([value], np.uint8)) for value in (3, 250))
    assert bl.l1_loss(dark, light).item() == 247
    assert bl.mean_squared_error(dark, light).item() == 247**2
    assert abs(dark.float() - light.float()).item() == 247


@named(60)
@pytest.mark.parametrize(
    "call",
    [
        lambda x: bl.gather(x, np.array([[4], [0]]), axis=1),
        lambda x: bl.take(x, np.array([4]), axis=1),
        lambda x: bl.embedding(x, np.array([4])),
        lambda x: bl.one_hot(bl.tensor(np.array([4])), classes=3),
        lambda x: bl.cross_entropy(x, np.array([4, 0])),
        lambda x: bl.nll_loss(x, np.array([4, 0])),
        lambda x: bl.multiclass_hinge(x, np.array([4, 0])),
        lambda x: x[np.array([4])],
        lambda x: x[4],
    ],
    ids=[
        "gather",
        "take",
        "embedding",
        "one_hot",
        "cross_entropy",
        "nll_loss",
        "hinge",
        "index",
        "slice",
    ],
)
def test_positions_out_of_range(row, call):
    with pytest.raises(IndexError, match="4") as refusal:
        call(bl.tensor(np.ones((2, 3), np.float32), requires_grad=True))
    assert isinstance(refusal.value, RangeError)


@named(62)
@pytest.mark.parametrize(
    "call",
    [
        lambda x: nn.Conv2d(4, 4, 5)(x),
        lambda x: nn.MaxPool2d(5)(x),
        lambda x: bl.conv2d(x, np.ones((4, 4, 3, 3), np.float32), stride=0),
        lambda x: bl.conv2d(x, np.ones((4, 4, 3, 3), np.float32), dilation=0),
        lambda x: bl.conv2d(x, np.ones((4, 4, 3, 3), np.float32), groups=3),
        lambda x: bl.max_pool2d(x, kernel_size=2, stride=0),
        lambda x: bl.average_pool2d(x, kernel_size=0),
    ],
    ids=["kernel", "pool", "stride", "dilation", "groups", "pool stride", "pool kernel"],
)
def test_windows_that_do_not_fit(row, call):
    with pytest.raises(ValueError, match=r"conv|Conv|pool|Pool") as refusal:
        call(bl.tensor(np.ones((1, 4, 4, 4), np.float32)))
    assert isinstance(refusal.value, (ShapeError, ArgumentError))


def test_every_row_is_here():
    import sys

    rows = {case.row for case in CASES}
    for one in vars(sys.modules[__name__]).values():
        for mark in getattr(one, "pytestmark", []):
            if mark.args[0] == "row":
                rows |= set(mark.args[1])
    assert rows == set(range(1, 63))
    assert issubclass(ShapeError, BacklightError)

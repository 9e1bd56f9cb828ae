"""What `backlight.compile` promises: the same as the function itself, however it is called."""

import gc

import numpy as np
import pytest

import backlight as bl
from backlight.gates.gate import TABLE
from backlight.native.compile import compile
from tests.native.compiled import bits, numbers, same, tensor


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

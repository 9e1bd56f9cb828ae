"""Large results: written where the caller finds them, used again only when nobody holds them."""

from __future__ import annotations

import numpy as np

import backlight
from backlight.native.returned import LARGE, Returned


def test_results_of_several_calls_are_kept_apart():
    double = backlight.compile(lambda x: (x * 2, x + 1))
    size = LARGE // 4 + 3
    kept = [double(backlight.full((size,), float(number))) for number in range(7)]
    for number, (twice, more) in enumerate(kept):
        assert np.array_equal(twice.numpy(), np.full(size, 2.0 * number))
        assert np.array_equal(more.numpy(), np.full(size, 1.0 + number))


def test_a_view_of_a_result_keeps_it():
    double = backlight.compile(lambda x: x * 2)
    x = backlight.ones(LARGE)
    part = double(x).detach()[10:20]
    for _ in range(6):
        double(x * 3)
    assert part.tolist() == [2.0] * 10


def test_memory_is_used_again_when_it_is_free():
    double = backlight.compile(lambda x: x * 2)
    x = backlight.ones(LARGE)
    places = {double(x)._value.__array_interface__["data"][0] for _ in range(20)}
    assert len(places) <= 2


def test_gradients_left_behind_stay_as_they_are():
    w = backlight.tensor(np.ones(LARGE, np.float32), requires_grad=True)

    @backlight.compile
    def step(x):
        w.grad = None
        (w * x).sum().backward()

    held = []
    for number in range(1, 5):
        step(backlight.tensor(float(number)))
        held.append(w.grad)
    assert [one[5].item() for one in held] == [1.0, 2.0, 3.0, 4.0]


def test_an_array_that_was_taken_is_not_given_again():
    one = Returned((4,), np.float32)
    first = one.fresh()
    assert one.take() is first
    second = one.fresh()
    assert second is not first
    del first
    assert one.take() is second

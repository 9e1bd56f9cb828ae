"""The generator: two numbers of state, no key twice, the same bits again."""

import copy
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import backlight
from backlight.engine.random import Generator
from backlight.errors import ArgumentError, CheckpointError


@given(st.integers(0, 2**64 - 1), st.integers(0, 5))
def test_state_goes_there_and_back(seed, draws):
    first = Generator(seed)
    for _ in range(draws):
        first.next_key()
    second = Generator(1)
    second.load_state_dict(first.state_dict())
    assert (first.uniform((4,)) == second.uniform((4,))).all()
    assert first.next_key().tolist() == [seed, draws + 1]


def test_copies_continue_alike_and_apart():
    first = Generator(3)
    first.normal((2,))
    for other in (copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert other.state_dict() == first.state_dict()
        other.next_key()
        assert other.count == first.count + 1


def test_threads_get_different_keys():
    generator, keys = Generator(0), []

    def draw():
        keys.extend(int(generator.next_key()[1]) for _ in range(500))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(keys) == list(range(2000))


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1", None, True])
def test_seeds_refused(seed):
    with pytest.raises(ArgumentError):
        Generator(seed)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"seed": 1},
        {"seed": 1, "count": -1},
        {"seed": 1, "count": 0.5},
        [1, 2],
        None,
        {"seed": 1, "count": 2, "more": 3},
    ],
)
def test_states_refused_change_nothing(state):
    generator = Generator(9)
    with pytest.raises(CheckpointError):
        generator.load_state_dict(state)
    assert generator.state_dict() == {"seed": 9, "count": 0}


def test_manual_seed_and_numpy_seed():
    backlight.manual_seed(np.int64(5))
    first = backlight.rand(3)
    backlight.manual_seed(5)
    assert (backlight.rand(3) == first).all()
    assert repr(Generator(2)) == "Generator(seed=2, count=0)"


def test_streams_are_independent():
    generator = Generator(0)
    first, second = generator.normal((20_000,)), generator.normal((20_000,))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03

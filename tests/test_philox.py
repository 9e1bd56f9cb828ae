"""Random numbers by counter: the vectors their authors publish, positions, and distributions."""

import numpy as np
import pytest

from backlight import philox

ONES = 2**64 - 1
PI = ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0))
VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (*PI, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]


@pytest.mark.parametrize(("counter", "key", "words"), VECTORS, ids=["zeros", "ones", "pi"])
def test_published_vectors(counter, key, words):
    """Salmon, Moraes, Dror and Shaw: known answers of Philox-4x32-10."""
    first = counter[0] | counter[1] << 32
    stream = counter[2] | counter[3] << 32
    seed = key[0] | key[1] << 32
    assert tuple(map(int, philox.blocks(seed, stream, first, 1)[0])) == words


def test_a_block_depends_on_its_position_alone():
    whole = philox.blocks(3, 5, 0, 40_000)
    for first, count in ((0, 1), (17, 3), (16_383, 2), (39_999, 1)):
        assert np.array_equal(philox.blocks(3, 5, first, count), whole[first : first + count])


def test_seeds_and_streams_differ_in_every_bit_of_theirs():
    seen = {
        philox.blocks(seed, stream, 0, 1).tobytes()
        for seed in (0, 1, 2**32, ONES)
        for stream in (0, 1, 2**32, ONES)
    }
    assert len(seen) == 16


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distributions(dtype):
    draws = philox.uniform(1, 2, (200, 1000), dtype)
    assert draws.dtype == dtype
    assert 0 <= draws.min() < 1e-4
    assert 1 - 1e-4 < draws.max() < 1
    counts = np.bincount((draws * 100).astype(int).ravel(), minlength=100)
    assert np.sum((counts - 2000) ** 2 / 2000) < 180  # χ² of 99 degrees: p > 1e-6
    normal = philox.normal(1, 3, (200, 1000), dtype).astype(np.float64)
    assert abs(normal.mean()) < 5 / np.sqrt(normal.size)
    assert abs(normal.std() - 1) < 5 / np.sqrt(2 * normal.size)
    assert abs((normal**3).mean()) < 5 * np.sqrt(15 / normal.size)
    assert abs(np.mean(normal[:, 1:] * normal[:, :-1])) < 0.012


def test_a_permutation_is_one():
    order = philox.permutation(4, 5, 1000)
    assert sorted(order) == list(range(1000))
    assert np.array_equal(order, philox.permutation(4, 5, 1000))
    assert not np.array_equal(order, philox.permutation(4, 6, 1000))

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight.engine.tensor import Tensor
from backlight.errors import CheckpointError
from backlight.train import strict_json
from backlight.train.state import join, separate

KEYS = st.text(max_size=5) | st.integers() | st.sampled_from(["$array", "$pairs", "$number"])
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(TREES)
def test_any_nested_state_survives_the_disk(tree):
    arrays, rest = separate(tree, "part")
    assert arrays == {}
    written = strict_json.loads(strict_json.dumps(rest, exact=True), "x", exact=True)
    assert join(written, arrays) == tree


def test_arrays_tensors_and_scalars_keep_their_bits():
    tree = {
        "a": np.arange(3, dtype=np.float32),
        "b": [Tensor(np.eye(2)), np.float32(0.1)],
        3: np.zeros((0, 2)),
        "best": -math.inf,
        "empty": np.array(2.5),
    }
    arrays, rest = separate(tree, "x")
    back = join(strict_json.loads(strict_json.dumps(rest, exact=True), "x", exact=True), arrays)
    assert back["a"].dtype == np.float32
    assert back["b"][0].tolist() == [[1, 0], [0, 1]]
    assert np.float32(back["b"][1]) == np.float32(0.1)
    assert back[3].shape == (0, 2)
    assert back["best"] == -math.inf
    assert back["empty"].shape == ()


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", 1j, {(1, 2): 3}])
def test_what_cannot_be_saved_is_named(value):
    with pytest.raises(CheckpointError, match=r"part\.slots\.1"):
        separate({"slots": [0, value]}, "part")


@pytest.mark.parametrize(
    "rest",
    [
        {"$array": "absent"},
        {"$array": 3},
        {"$array": [1]},
        {"$pairs": 3},
        {"$pairs": [1]},
        {"$pairs": [[[1], 2]]},
        {"$pairs": [[1, 2, 3]]},
        {"$pairs": [[{"a": 1}, 2]]},
    ],
)
def test_a_state_of_another_making_is_refused(rest):
    with pytest.raises(CheckpointError):
        join(rest, {})

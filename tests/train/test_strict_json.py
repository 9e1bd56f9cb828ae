import contextlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight.errors import CheckpointError
from backlight.train import strict_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text().filter(lambda key: key != "$number"), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(PLAIN)
def test_plain_values_come_back_as_they_went(value):
    text = strict_json.dumps(value, exact=True)
    text.encode()
    assert "\n" not in text
    assert strict_json.loads(text, "here", exact=True) == value
    assert strict_json.loads(text.encode(), "here", exact=True) == value


@given(st.text(st.characters(categories=None)))
def test_text_that_utf8_lacks_is_escaped(value):
    assert strict_json.loads(strict_json.dumps(value).encode(), "here") == value


def test_numbers_that_json_lacks_become_null_or_come_back():
    for value in (math.inf, -math.inf, math.nan, np.float32(np.inf)):
        assert strict_json.dumps(value) == "null"
        back = strict_json.loads(strict_json.dumps({"x": value}, exact=True), "here", exact=True)
        assert str(back["x"]) == str(float(value))
    assert (
        strict_json.dumps([np.float32(0.1), np.int64(3), np.bool_(True)])
        == f"[{float(np.float32(0.1))!r}, 3, true]"
    )
    assert math.copysign(1, strict_json.loads(strict_json.dumps(-0.0), "here")) == -1


def test_keys_that_would_change_are_refused_where_exactness_is_asked():
    assert strict_json.dumps({1: 2}) == '{"1": 2}'
    with pytest.raises(TypeError, match="not text"):
        strict_json.dumps({1: 2}, exact=True)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"a": 1, "a": 2}', "repeated key 'a'"),
        ("[NaN]", "NaN"),
        ("[Infinity]", "Infinity"),
        ("[1e999]", "too large"),
        ("[-1e999]", "too large"),
        ("1" * 5000, "5000 digits"),
        ("[" * 100_000, ""),
        ('{"a":' * 100_000, ""),
        ("", ""),
        ("{", ""),
        ("[1] x", ""),
        ("'a'", ""),
        (b"\xff", "utf-8"),
        ("[1]".encode("utf-16"), ""),
        (b"\xef\xbb\xbf[1]", "BOM"),
        ("[01]", ""),
        ('["\x01"]', ""),
        ("[1,]", ""),
    ],
)
def test_loose_ends_are_refused_by_name(text, word):
    with pytest.raises(CheckpointError) as caught:
        strict_json.loads(text, "state.json")
    assert "state.json" in str(caught.value)
    assert word in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ['{"$number": 3}', '{"$number": "1e3"}', '{"$number": []}'])
def test_only_three_words_are_numbers(text):
    with pytest.raises(CheckpointError):
        strict_json.loads(text, "state.json", exact=True)
    assert strict_json.loads(text, "state.json") == json.loads(text)


@given(st.binary(max_size=40))
def test_no_bytes_lead_to_another_error(content):
    with contextlib.suppress(CheckpointError):
        strict_json.loads(content, "x", exact=True)

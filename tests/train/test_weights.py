import json
import struct
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight.errors import CheckpointError
from backlight.train import weights

KINDS = [
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "float16",
    "uint32",
    "int32",
    "float32",
    "uint64",
    "int64",
    "float64",
]


def written(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(kind="F32", shape=(2,), place=(0, 8)):
    return {"dtype": kind, "shape": shape, "data_offsets": place}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_every_type_and_shape_keeps_its_bits(kind, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(kind)
    back = weights.from_bytes(weights.to_bytes({"x": array}), "x")["x"]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_layout_in_memory_is_not_what_is_saved():
    matrix = np.arange(12.0).reshape(3, 4)
    for array in (matrix.T, matrix[::-1, ::2], matrix.astype(">f8"), np.asfortranarray(matrix)):
        back = weights.from_bytes(weights.to_bytes({"x": array}), "x")["x"]
        assert back.tolist() == array.tolist()
        assert back.dtype == np.float64
    special = np.array([np.nan, -np.nan, np.inf, -0.0, 5e-324], np.float64)
    assert (
        weights.from_bytes(weights.to_bytes({"x": special}), "x")["x"].tobytes()
        == special.tobytes()
    )


def test_the_same_arrays_give_the_same_bytes_in_any_order():
    a, b = np.ones(3), np.zeros(2, np.float32)
    assert weights.to_bytes({"a": a, "b": b}) == weights.to_bytes({"b": b, "a": a})


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "/etc/passwd",
        "a\0b",
        "__class__",
        "\u202etxt.exe",
        "이름",
        "🙂",
        "x" * 2**20,
        "\n",
        '"]}',
        " ",
    ],
)
def test_a_name_is_only_a_name(name):
    back = weights.from_bytes(weights.to_bytes({name: np.ones(2)}), "x")
    assert list(back) == [name]


@pytest.mark.parametrize(
    "array",
    [
        np.array([None]),
        np.array(["a"]),
        np.array([1j]),
        np.array(["2020-01-01"], "datetime64[D]"),
        np.zeros(2, np.longdouble),
    ],
)
def test_types_that_the_format_lacks_are_refused_by_name(array):
    with pytest.raises(CheckpointError, match="slot"):
        weights.to_bytes({"slot": array})


def test_what_could_not_be_read_back_is_not_written():
    with pytest.raises(CheckpointError, match="10,000"):
        weights.to_bytes({str(number): np.zeros(0) for number in range(10_001)})
    with pytest.raises(CheckpointError, match="header of"):
        weights.to_bytes({"x" * 5_000_000: np.zeros(1)})
    for name in ("", "__metadata__"):
        with pytest.raises(CheckpointError):
            weights.to_bytes({name: np.zeros(1)})


DATA = b"\0" * 8
MALFORMED = {
    "empty": b"",
    "short": b"1234567",
    "length alone": struct.pack("<Q", 0),
    "length 2⁶³": struct.pack("<Q", 2**63) + b"{}",
    "length −1": b"\xff" * 8 + b"{}",
    "length past the file": written(b"{}", length=3),
    "length of 5 MiB": written(b"{" * 5 * 2**20),
    "length too small": written({"x": entry()}, DATA, length=20),
    "hole at the start": written({"x": entry(place=(4, 12))}, b"\0" * 12),
    "hole": written({"x": entry(), "y": entry(place=(12, 20))}, b"\0" * 20),
    "overlap": written({"x": entry(), "y": entry(place=(4, 12))}, b"\0" * 12),
    "same bytes twice": written({"x": entry(), "y": entry()}, DATA),
    "overflowing shape": written({"x": entry(shape=(2**62, 4, 2))}, DATA),
    "wrapping shape": written({"x": entry(shape=(2**32, 2**32))}, b""),
    "negative dimension": written({"x": entry(shape=(-2,), place=(0, 8))}, DATA),
    "two negatives": written({"x": entry(shape=(-1, -2))}, DATA),
    "float dimension": written({"x": entry(shape=(2.0,))}, DATA),
    "truth dimension": written({"x": entry(shape=(True, 2))}, DATA),
    "text shape": written({"x": entry(shape="2")}, DATA),
    "nested shape": written({"x": entry(shape=[[2]])}, DATA),
    "33 axes": written({"x": entry(shape=[2] + [1] * 32)}, DATA),
    "unknown type": written({"x": entry("F128")}, DATA),
    "type as list": written({"x": entry(["F32"])}, DATA),
    "float offsets": written({"x": entry(place=(0, 8.0))}, DATA),
    "three offsets": written({"x": entry(place=(0, 8, 9))}, DATA),
    "backwards": written({"x": entry(place=(8, 0))}, DATA),
    "end past the file": written({"x": entry(shape=(4,), place=(0, 16))}, DATA),
    "empty with a vast place": written({"x": entry(shape=(0,), place=(0, 2**62))}, b""),
    "empty in the middle of nowhere": written({"x": entry(shape=(0,), place=(2**62, 2**62))}, b""),
    "trailing byte": written({"x": entry()}, DATA + b"!"),
    "data without tensors": written({}, b"!"),
    "missing key": written({"x": {"dtype": "F32", "shape": [2]}}, DATA),
    "extra key": written({"x": {**entry(), "evil": 1}}, DATA),
    "entry is a list": written({"x": [1]}, DATA),
    "header is a list": written(b"[]"),
    "header is a number": written(b"3"),
    "leading space": written(b" {}"),
    "leading newline": written(b"\n{}"),
    "two objects": written(b"{}{}"),
    "no end": written(b"{"),
    "not UTF-8": written(b'{"\xff": 1}'),
    "UTF-16": written("{}".encode("utf-16")),
    "NaN": written(b'{"x": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 8]}}', DATA),
    "deep": written(b'{"x":' + b"[" * 200_000),
    "digits": written(b'{"x": ' + b"1" * 5000 + b"}"),
    "duplicate": written(
        b'{"x": {"dtype":"U8","shape":[0],"data_offsets":[0,0]}, '
        b'"x": {"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    ),
    "duplicate inside": written(
        b'{"x": {"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]}}'
    ),
    "notes of numbers": written({"__metadata__": {"a": 1}}),
    "notes of text": written({"__metadata__": "a"}),
    "10,001 names": written({str(n): entry("U8", (0,), (0, 0)) for n in range(10_001)}),
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_file_is_refused(content):
    with pytest.raises(CheckpointError) as caught:
        weights.from_bytes(content, "folder/tensors.safetensors")
    assert "folder/tensors.safetensors" in str(caught.value)
    assert len(str(caught.value)) < 800


def test_well_formed_neighbours_of_the_malformed_are_read():
    assert weights.from_bytes(written({}), "x") == {}
    assert weights.from_bytes(written(b"{}      "), "x") == {}
    noted = written({"__metadata__": {"a": "b"}, "x": entry()}, DATA)
    assert weights.from_bytes(noted, "x")["x"].tolist() == [0, 0]


def test_a_hostile_header_costs_neither_time_nor_memory():
    many = b"[" + b",".join([b"999999999"] * 380_000) + b"]"
    hostile = [
        written(b'{"x": {"dtype": "U8", "shape": ' + many + b', "data_offsets": [0, 0]}}'),
        written(b'{"x": {"dtype": "U8", "shape": [' + b"9" * 4200 + b'], "data_offsets": [0,0]}}'),
        written({"x": entry("U8", (2**40,), (0, 2**40))}),
    ]
    for content in hostile:
        began = time.process_time()
        tracemalloc.start()
        with pytest.raises(CheckpointError):
            weights.from_bytes(content, "x")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert time.process_time() - began < 2
        assert peak < 64 * 2**20


WHOLE = weights.to_bytes({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2)})


@given(st.data())
def test_no_mutation_leads_to_another_error(data):
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[place] = data.draw(st.integers(0, 255))
        else:
            del content[place : place + data.draw(st.integers(1, 9))]
            if not content:
                break
    try:
        found = weights.from_bytes(bytes(content), "x")
    except CheckpointError:
        return
    assert sum(array.nbytes for array in found.values()) <= len(content)


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04" + b"a" * 20,
        b"\x80\x02}q\x00X\x04\x00\x00",
        b"\x80\x04\x95\x10\x00\x00\x00\x00",
    ],
)
def test_pytorch_files_are_refused_with_the_way_to_convert_them(content):
    with pytest.raises(CheckpointError, match="PyTorch") as caught:
        weights.from_bytes(content, "model.pt")
    assert "weights_only=True" in caught.value.remedy


def test_a_header_whose_length_looks_like_a_pickle_is_read():
    for length in (0x0280, 0x0480):
        header = json.dumps({"x": entry()}).encode()
        content = written(header + b" " * (length - len(header)), DATA)
        assert content[:1] == b"\x80"
        assert list(weights.from_bytes(content, "x")) == ["x"]


def test_more_than_the_memory_is_refused_before_reading(monkeypatch):
    with pytest.raises(CheckpointError, match="GiB"):
        weights.check_room(2**62, "x")
    weights.check_room(100, "x")


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(weights, "_GROUP_LIMITS", [tmp_path / "absent", limit])
    limit.write_text("max\n")
    weights.check_room(2**20, "x")
    limit.write_text(str(2**20))
    with pytest.raises(CheckpointError, match="GiB"):
        weights.check_room(2**20, "x")


def test_numbers_that_are_not_finite_are_found_by_name():
    arrays = {
        "a": np.ones(3),
        "b": np.array([1, np.inf], np.float32),
        "c": np.arange(3),
        "d": np.array(np.nan),
        "e": np.array([True]),
    }
    assert weights.nonfinite(arrays) == ["b", "d"]

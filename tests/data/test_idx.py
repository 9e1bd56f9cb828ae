import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backlight.data.idx import read_idx
from backlight.errors import DataError

CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def idx(array, code=None):
    code = code or CODES[array.dtype.newbyteorder(">").str.replace("|", "")]
    return (
        bytes([0, 0, code, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("dtype", CODES)
def test_an_array_comes_back_plain_or_compressed(tmp_path, dtype, pack):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    (tmp_path / "file.gz").write_bytes(pack(idx(array)))
    read = read_idx(tmp_path / "file.gz")
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype.newbyteorder("=")


SMALL = idx(np.arange(6, dtype=np.uint8).reshape(2, 3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"first bytes \(none\)"),
        (SMALL[:3], "first bytes 00 00 08"),
        (b"\x01" + SMALL[1:], "first bytes 01 00 08 02"),
        (b"\0\0\x07\x02", "00 00 07 02"),
        (b"\0\0\x08\0", "0 dimensions"),
        (b"\0\0\x08\xff", "255 dimensions"),
        (SMALL[:9], "an end within the header"),
        (SMALL[:-1], "5 bytes of content.*\n.*6, as its"),
        (SMALL + b"x", "more bytes of content.*\n.*6, as its header says: shape"),
        (b"\0\0\x08\x02" + b"\x7f\xff\xff\xff" * 2, "header for 4611686014132420609 bytes"),
        (b"\0\0\x0e\x04" + b"\xff" * 16, "header for"),
        (b"\x89PNG\r\n", "89 50 4e 47"),
        (b"PK\x03\x04", "50 4b"),
    ],
)
def test_a_wrong_header_or_length_is_named(tmp_path, content, message):
    for pack in (bytes, gzip.compress):
        (tmp_path / "labels").write_bytes(pack(content))
        with pytest.raises(DataError, match=f"labels got .*{message}"):
            read_idx(tmp_path / "labels")


def test_a_bomb_unfolds_to_its_header_and_one_byte(tmp_path):
    (tmp_path / "bomb").write_bytes(gzip.compress(SMALL + bytes(1 << 26)))
    with pytest.raises(DataError, match="more bytes of content"):
        read_idx(tmp_path / "bomb")


def test_a_truncated_stream_and_a_wrong_checksum_are_damage(tmp_path):
    packed = gzip.compress(SMALL)
    for damaged in (packed[:-3], packed[:-8] + b"\0\0\0\0" + packed[-4:]):
        (tmp_path / "file").write_bytes(damaged)
        with pytest.raises(DataError, match="stream"):
            read_idx(tmp_path / "file")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="nothing got no such file"):
        read_idx(tmp_path / "nothing")


@settings(max_examples=60)
@given(
    array=arrays.arrays(
        st.sampled_from(["u1", "<i2", ">i4", "<f4", "f8"]),
        arrays.array_shapes(max_dims=4, max_side=4, min_side=0),
    )
)
def test_any_array_survives(tmp_path_factory, array):
    path = tmp_path_factory.getbasetemp() / "idx"
    path.write_bytes(idx(array))
    np.testing.assert_array_equal(read_idx(path), array)


@settings(max_examples=200, deadline=1000)
@given(st.sampled_from([SMALL, gzip.compress(SMALL)]), st.integers(0, 60), st.binary(max_size=6))
def test_a_mutant_is_read_or_refused(tmp_path_factory, content, at, piece):
    path = tmp_path_factory.getbasetemp() / "mutant"
    path.write_bytes(content[:at] + piece + content[at + len(piece) :])
    try:
        read_idx(path)
    except DataError:
        return

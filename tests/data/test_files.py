import gzip
import lzma
import os
import socket
import zlib
from pathlib import Path

import pytest

from backlight.data.files import open_regular, read_bounded, shown
from backlight.errors import DataError

CONTENT = bytes(range(256)) * 3000


@pytest.mark.parametrize(
    "pack",
    [
        bytes,
        gzip.compress,
        lzma.compress,
        lambda c: gzip.compress(c[:100]) + gzip.compress(c[100:]),
    ],
)
def test_content_is_the_same_however_it_is_packed(tmp_path, pack):
    (tmp_path / "file").write_bytes(pack(CONTENT))
    assert read_bounded(tmp_path / "file", len(CONTENT)) == CONTENT
    with pytest.raises(DataError, match="more than"):
        read_bounded(tmp_path / "file", len(CONTENT) - 1)


def broken(packed):
    return packed[:-9] + bytes([packed[-9] ^ 1]) + packed[-8:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda p: p[:-1],
        lambda p: p[: len(p) // 2],
        lambda p: p[:-4] + b"\1\2\3\4",
        lambda p: p[: len(p) // 2] + b"\xff" * 50 + p[len(p) // 2 + 50 :],
        lambda p: p[:8],
    ],
)
@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_damage_of_a_packed_file_names_it(tmp_path, pack, damage):
    noise = zlib.compress(os.urandom(10_000))
    (tmp_path / "batch.gz").write_bytes(damage(pack(noise)))
    with pytest.raises(DataError, match=r"batch\.gz got"):
        read_bounded(tmp_path / "batch.gz", 1 << 20)


def test_a_small_file_that_unfolds_into_much_is_cut_off(tmp_path):
    (tmp_path / "bomb").write_bytes(gzip.compress(bytes(1 << 26)))
    with pytest.raises(DataError, match="more than 1000 bytes"):
        read_bounded(tmp_path / "bomb", 1000)


def test_an_xz_file_that_wants_much_memory_is_refused(tmp_path):
    header = lzma.LZMACompressor(filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}])
    packed = bytearray(header.compress(CONTENT) + header.flush())
    # The dictionary's size is one byte of the block header, which a checksum follows.
    at = packed.index(b"\x21\x01", 12) + 2
    packed[at] = 32
    start, size = 12, (packed[12] + 1) * 4
    packed[start + size - 4 : start + size] = zlib.crc32(packed[start : start + size - 4]).to_bytes(
        4, "little"
    )
    (tmp_path / "greedy.xz").write_bytes(packed)
    with pytest.raises(DataError, match=r"greedy\.xz got a damaged stream: .*[Mm]emory"):
        read_bounded(tmp_path / "greedy.xz", 1 << 20)


def test_a_pipe_a_socket_a_folder_and_a_missing_file_do_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)  # a socket's path must be short
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        (tmp_path / "loop").symlink_to("loop")
        for name in ("pipe", "socket", ".", "missing", "loop", "nul\0byte"):
            with pytest.raises(DataError):
                open_regular(tmp_path / name)


def test_a_name_is_shown_without_control_characters():
    assert shown("a\x1b[2J\r\n\udcff[bold]é🙂") == "a\\x1b[2J\\r\\n\\udcff[bold]é🙂"

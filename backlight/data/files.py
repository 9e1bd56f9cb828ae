"""Files that somebody else wrote, opened so that they can be neither trap nor bomb.

Only regular files are opened, so that a pipe or a device cannot block. Compressed streams (gzip,
xz) are known by their first bytes, not by their name, and give as many bytes as are asked for:
a small file that unfolds into gigabytes is cut off where its reader's limit is.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from backlight.errors import DataError

_XZ_MEMORY = 1 << 27  # the strongest published setting, xz -9, asks for 65 MiB to unpack
_CHUNK = 1 << 16


def shown(name: object) -> str:
    r"""A name fit for a message: control characters and broken bytes are written as escapes.

    Examples
    --------
    >>> shown("cat\x1b[2J")
    'cat\\x1b[2J'
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in str(name)
    )


def open_regular(path: Path) -> BinaryIO:
    """The file opened for reading bytes; anything but a readable regular file is a DataError."""
    try:
        # Without waiting: opening a pipe that nobody writes to would block for ever.
        number = os.open(
            path,
            os.O_RDONLY
            | getattr(os, "O_NONBLOCK", 0)
            | getattr(os, "O_BINARY", 0)
            | getattr(os, "O_CLOEXEC", 0),
        )
    except FileNotFoundError:
        raise DataError(
            shown(path),
            got="no such file",
            needs="a file that exists",
            remedy="Check the path; a file may have moved while it was read.",
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            shown(path),
            got=f"an error when opened: {reason}",
            needs="a readable file",
            remedy="Check the path and its permissions.",
        ) from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise DataError(
            shown(path),
            got="a folder, pipe or device",
            needs="a regular file",
            remedy="Remove it or name a file.",
        )
    return os.fdopen(number, "rb")


@contextmanager
def decompressed(path: Path) -> Iterator[Stream]:
    """The content of a file, plain, gzip or xz, as a stream that is read a bounded piece a time."""
    with open_regular(path) as file:
        start = file.read(6)
        file.seek(0)
        if start[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield Stream(unpacked, path, file)
        elif start == b"\xfd7zXZ\x00":
            with io.BufferedReader(_XzReader(file)) as unpacked_xz:
                yield Stream(unpacked_xz, path, file)
        else:
            yield Stream(file, path, file)


def read_bounded(path: Path, limit: int) -> bytes:
    """The whole content, decompressed, of a file that may hold at most `limit` bytes."""
    with decompressed(path) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise DataError(
            shown(path),
            got=f"more than {limit} bytes of content",
            needs=f"at most {limit}, more than any published file of its kind holds",
            remedy="Check that it is the right file.",
        )
    return content


class Stream:
    """A decompressed stream whose damage is told as DataError, with the file's name.

    Parameters
    ----------
    file : binary file
        What is read.
    path : Path
        The name told in messages.
    packed : binary file
        The compressed file below, for the number of bytes used of it.
    """

    def __init__(
        self, file: BinaryIO | io.BufferedReader | gzip.GzipFile, path: Path, packed: BinaryIO
    ) -> None:
        self._file = file
        self._packed = packed
        self.path = path

    def read(self, count: int) -> bytes:
        """Up to `count` bytes: fewer only at the end."""
        try:
            return self._read(count)
        except EOFError as error:
            raise self._damaged("a compressed stream that ends early") from error
        except (OSError, zlib.error, lzma.LZMAError) as error:
            raise self._damaged(f"a damaged stream: {error}") from error

    def packed_bytes(self) -> int:
        """How many bytes of the file on disk have been used so far."""
        return self._packed.tell()

    def _read(self, count: int) -> bytes:
        content = self._file.read(min(count, _CHUNK))
        if len(content) == count or not content:
            return content
        pieces = bytearray(content)
        while len(pieces) < count:
            content = self._file.read(min(count - len(pieces), 1 << 20))
            if not content:
                break
            pieces += content
        return bytes(pieces)

    def _damaged(self, got: str) -> DataError:
        return DataError(
            shown(self.path),
            got=got,
            needs="a whole file",
            remedy="Download or copy it again and compare its checksum.",
        )


class _XzReader(io.RawIOBase):
    """An xz stream with a limit on the decoder's memory, which lzma.open does not offer."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while not self._decoder.eof:
            packed = self._file.read(_CHUNK) if self._decoder.needs_input else b""
            if self._decoder.needs_input and not packed:
                raise EOFError("the stream ends before its end mark")
            content = self._decoder.decompress(packed, len(view))
            if content:
                view[: len(content)] = content
                return len(content)
        if self._decoder.unused_data or self._file.read(1):
            raise lzma.LZMAError("bytes follow the end of the stream")
        return 0

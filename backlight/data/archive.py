"""A tar file read as a stream: regular members come out as bytes, nothing is ever extracted.

Programs that unpack a tar have been led out of their folder by links, absolute names and long
paths, again and again. This reader has no path at all to write to: it walks the 512-byte headers
itself, checks every length before it reads that much, gives name and content of regular files, and
passes over links, devices and folders.

Source: POSIX.1-2001 (ustar, pax) and the GNU extension for long names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backlight.data.files import Stream, decompressed, shown
from backlight.errors import DataError

_BLOCK = 512
_MOST_MEMBERS = 2_000_000
_MOST_BYTES = 1 << 35  # 32 GiB; ImageNet's validation images take 6
_MOST_UNFOLDED = 200  # times the compressed size; images do not compress so well
_FREE_UNFOLDING = 1 << 28
_LONGEST_NAME = 4096
_WITHOUT_CONTENT = b"123456"  # links, devices, folders, pipes
_LONGEST_RECORD = 1 << 16


def tar_members(path: Path, largest: int = 1 << 26) -> Iterator[tuple[str, bytes]]:
    """Name and content of the regular files of a tar, plain, gzip or xz, in their order.

    Parameters
    ----------
    path : Path
        The tar file.
    largest : int
        The most bytes that a member may have.

    Yields
    ------
    str, bytes
        The name with "/" between folders and without a leading "./".

    Raises
    ------
    DataError
        A damaged or foreign file; a name that is absolute, leads out of the folder or occurs
        twice; a member or a whole that is too large.
    """
    with decompressed(path) as stream:
        walker = _Walker(stream, largest)
        yield from walker.members()


class _Walker:
    def __init__(self, stream: Stream, largest: int) -> None:
        self._stream = stream
        self._largest = largest
        self._read = 0
        self._seen: set[str] = set()
        self._next_name = ""
        self._next_size: int | None = None

    def members(self) -> Iterator[tuple[str, bytes]]:
        for number in range(_MOST_MEMBERS + 1):
            header = self._take(_BLOCK, "a member's header", may_end=number > 0)
            if not header.strip(b"\0"):
                self._to_the_end()
                return
            size = self._checked_size(header, number)
            kind = header[156:157]
            if kind in (b"L", b"K", b"x", b"g"):
                self._extension(kind, size)
                continue
            size = size if self._next_size is None else self._next_size
            name = self._next_name or _plain_name(header)
            self._next_name, self._next_size = "", None
            if kind in (b"0", b"\0", b"7") and not name.endswith("/"):
                yield self._checked_name(name), self._content(name, size)
            elif kind == b"S":
                raise self._refuse(f"the sparse member {shown(name)[:200]}", "whole files")
            elif kind not in _WITHOUT_CONTENT:
                self._skip(size)
        raise self._refuse(f"more than {_MOST_MEMBERS} members", "fewer")

    def _to_the_end(self) -> None:
        """Read on behind the end mark: only there does a compressed stream prove its checksum."""
        while content := self._stream.read(1 << 16):
            self._count(len(content))

    def _content(self, name: str, size: int) -> bytes:
        if size > self._largest:
            raise self._refuse(
                f"the member {shown(name)[:200]} of {size} bytes",
                f"members of at most {self._largest} bytes",
            )
        content = self._take(size, f"the member {shown(name)[:200]}")
        self._skip(-size % _BLOCK, padded=True)
        return content

    def _checked_size(self, header: bytes, number: int) -> int:
        sums = sum(header) - sum(header[148:156]) + 8 * ord(" ")
        try:
            said = _octal(header[148:156])
            size = _octal(header[124:136])
        except ValueError:
            said, size = -1, -1
        if said != sums:
            if header[:2] == b"PK":
                raise self._refuse(
                    "a zip archive",
                    "a tar file, plain, gzip or xz",
                    "Unpack it into a folder and name the folder.",
                )
            raise self._refuse(
                f"a header with a wrong checksum (member {number})"
                if number
                else "a file that is not a tar",
                "a whole tar file",
            )
        if not 0 <= size <= _MOST_BYTES:
            raise self._refuse(
                f"a member of {size} bytes (member {number})", f"at most {_MOST_BYTES}"
            )
        return size

    def _checked_name(self, name: str) -> str:
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        if (
            name.startswith(("/", "\\"))
            or ".." in parts
            or "\0" in name
            or name[1:2] == ":"
            or not parts
            or len(name) > _LONGEST_NAME
        ):
            raise self._refuse(
                f"a member named '{shown(name)[:200]}'",
                "names inside the folder, without .. and not absolute",
                "Do not use this file; nothing was written.",
            )
        clean = "/".join(parts)
        if clean in self._seen:
            raise self._refuse(f"the member '{shown(clean)[:200]}' twice", "each name once")
        self._seen.add(clean)
        return clean

    def _extension(self, kind: bytes, size: int) -> None:
        if size > (_LONGEST_NAME if kind in b"LK" else _LONGEST_RECORD):
            raise self._refuse(
                f"a name or record of {size} bytes", f"names of at most {_LONGEST_NAME} bytes"
            )
        content = self._take(size, "a long name")
        self._skip(-size % _BLOCK, padded=True)
        if kind == b"L":
            self._next_name = content.rstrip(b"\0").decode("utf-8", "surrogateescape")
        elif kind == b"x":
            records = self._records(content)
            if b"path" in records:
                self._next_name = records[b"path"].decode("utf-8", "surrogateescape")
            if b"size" in records:
                if not records[b"size"].isdigit() or len(records[b"size"]) > 15:
                    raise self._refuse("a record with a wrong size", "a number of bytes")
                self._next_size = int(records[b"size"])
            if any(key.startswith(b"GNU.sparse") for key in records):
                raise self._refuse("a sparse member", "whole files")

    def _records(self, content: bytes) -> dict[bytes, bytes]:
        records: dict[bytes, bytes] = {}
        while content.strip(b"\0"):
            length, found, _ = content.partition(b" ")
            end = int(length) if found and length.isdigit() and len(length) < 8 else 0
            key, equals, value = content[len(length) + 1 : end].partition(b"=")
            if not equals or not value.endswith(b"\n") or end > len(content):
                raise self._refuse("a damaged record", "a whole tar file")
            records[key] = value[:-1]
            content = content[end:]
        return records

    def _take(self, count: int, what: str, *, may_end: bool = False) -> bytes:
        self._count(count)
        content = self._stream.read(count)
        if len(content) < count and not (may_end and not content):
            whole = "a file that is not a tar" if self._read == _BLOCK else f"an end within {what}"
            raise self._refuse(whole, "a whole tar file")
        return content

    def _skip(self, size: int, *, padded: bool = False) -> None:
        left = size if padded else size + -size % _BLOCK
        while left > 0:
            piece = min(left, 1 << 20)
            self._take(piece, "a member that is passed over")
            left -= piece

    def _count(self, count: int) -> None:
        self._read += count
        packed = self._stream.packed_bytes()
        if self._read > _MOST_BYTES or self._read > _FREE_UNFOLDING + _MOST_UNFOLDED * packed:
            raise self._refuse(
                f"{packed} bytes that unfold into more than {self._read}",
                f"at most {_MOST_UNFOLDED} times the compressed size",
            )

    def _refuse(self, got: str, needs: str, remedy: str = "") -> DataError:
        return DataError(
            shown(self._stream.path),
            got=got,
            needs=needs,
            remedy=remedy or "Download or copy it again and compare its checksum.",
        )


def _octal(field: bytes) -> int:
    if field[:1] in (b"\x80", b"\xff"):  # GNU: base 256, for sizes of 8 GiB and more
        return int.from_bytes(field[1:], "big") if field[:1] == b"\x80" else -1
    text = field.split(b"\0")[0].strip()
    if text.strip(b"01234567"):
        raise ValueError("not an octal number")
    return int(text or b"0", 8)


def _plain_name(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    if header[257:263] == b"ustar\0":
        prefix = header[345:500].split(b"\0")[0]
        name = prefix + b"/" + name if prefix else name
    return name.decode("utf-8", "surrogateescape")

"""A folder that nobody but its owner may write to, and files in it that are what they seem."""

from __future__ import annotations

import os
import secrets
import stat
import time
from pathlib import Path
from types import TracebackType
from typing import Any

_CAN_HOLD = os.open in os.supports_dir_fd and hasattr(os, "O_DIRECTORY")
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_TEMPORARY = ".new-"


class NotPrivateError(OSError):
    """A folder or file that somebody else could have written, or that is not a plain one."""


class PrivateFolder:
    """A folder of this user's, held open, so that nothing put in its place is ever touched.

    Parameters
    ----------
    path : Path
        Made with mode 0700 where it is not there.

    Raises
    ------
    NotPrivateError
        If it is a link, belongs to somebody else, or others may write to it.
    OSError
        If it cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None
        try:
            self._open()
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
            self._open()

    def _open(self) -> None:
        if not _CAN_HOLD:  # Windows: profiles are private there by default
            if not stat.S_ISDIR(os.lstat(self._path).st_mode):
                raise NotPrivateError("it is a link or a file")
            return
        if stat.S_ISLNK(os.lstat(self._path).st_mode):
            raise NotPrivateError("it is a link")
        handle = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | _NO_FOLLOW)
        try:
            _refuse_shared(os.fstat(handle), 0o022)
        except OSError:
            os.close(handle)
            raise
        self._handle = handle

    def __enter__(self) -> PrivateFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _place(self, name: str) -> tuple[str, dict[str, Any]]:
        if self._handle is None:
            return str(self._path / name), {}
        return name, {"dir_fd": self._handle}

    def read(self, name: str, most: int, forbidden: int = 0o022) -> bytes:
        """A whole file, of at most `most` bytes.

        Raises
        ------
        FileNotFoundError
            If there is none.
        NotPrivateError
            If it is no plain file, too long, somebody else's, or has one of the mode bits
            `forbidden`.
        OSError
            If it cannot be read, a link among other reasons.
        """
        place, where = self._place(name)
        # A pipe must not be waited for.
        flags = os.O_RDONLY | _NO_FOLLOW | _BINARY | getattr(os, "O_NONBLOCK", 0)
        handle = os.open(place, flags, **where)
        with open(handle, "rb") as file:  # noqa: PTH123 - it has a handle, not a path
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or found.st_size > most:
                raise NotPrivateError("it is not a plain file, or too long")
            _refuse_shared(found, forbidden)
            return file.read(most)

    def write(self, name: str, content: bytes, replace: bool = True) -> None:
        """Write a file under another name and give it its own once it is whole.

        Raises
        ------
        FileExistsError
            If it is there and `replace` is false.
        OSError
            If it cannot be written. Nothing is left behind.
        """
        temporary, where = self._place(_TEMPORARY + secrets.token_hex(8))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _BINARY
        handle = os.open(temporary, flags, 0o600, **where)
        try:
            with open(handle, "wb") as file:  # noqa: PTH123 - it has a handle, not a path
                file.write(content)
            place, _ = self._place(name)
            pair = {} if self._handle is None else self._pair()
            if replace:
                os.replace(temporary, place, **pair)  # noqa: PTH105 - relative to the folder
            else:
                os.link(temporary, place, follow_symlinks=False, **pair)
                os.unlink(temporary, **where)
        except BaseException:
            self.remove(Path(temporary).name)
            raise

    def _pair(self) -> dict[str, Any]:
        return {"src_dir_fd": self._handle, "dst_dir_fd": self._handle}

    def remove(self, name: str) -> None:
        """Remove a file, if it is there and can be."""
        place, where = self._place(name)
        try:
            os.unlink(place, **where)
        except OSError:
            return  # it does no harm; the next one who looks for old files tries again

    def touch(self, name: str, age: float) -> None:
        """Note that a file is used now, if the last note is more than `age` seconds old."""
        place, where = self._place(name)
        try:
            about = os.stat(place, follow_symlinks=False, **where)  # noqa: PTH116 - as above
            if time.time() - about.st_mtime > age:
                os.utime(place, follow_symlinks=False, **where)
        except (OSError, NotImplementedError):
            return  # a folder that can only be read

    def files(self) -> list[tuple[float, int, str]]:
        """Time of last change, size and name of everything there, oldest first."""
        found = []
        with os.scandir(self._path if self._handle is None else self._handle) as entries:
            for entry in entries:
                try:
                    about = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # removed by another process meanwhile
                found.append((about.st_mtime, about.st_size, entry.name))
        return sorted(found)

    @staticmethod
    def is_temporary(name: str) -> bool:
        """Whether a file is one that `write` had not finished."""
        return name.startswith(_TEMPORARY)


def _refuse_shared(found: os.stat_result, forbidden: int) -> None:
    if not hasattr(os, "geteuid"):
        return
    if found.st_uid != os.geteuid():
        raise NotPrivateError(f"it belongs to user {found.st_uid}, not to {os.geteuid()}")
    if found.st_mode & forbidden:
        raise NotPrivateError(f"its mode is {stat.S_IMODE(found.st_mode):04o}: others could use it")

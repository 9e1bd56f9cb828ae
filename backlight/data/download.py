"""Fetches published data sets into the platform's cache folder, and checks their SHA-256."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from backlight.data.mnist import FILES as MNIST_FILES
from backlight.errors import DataError, MissingExtraError, UsageError, nearest

#: Name → (address of the folder, {file: SHA-256}).
PUBLISHED = {
    "mnist": ("https://ossci-datasets.s3.amazonaws.com/mnist/", MNIST_FILES),
    "cifar10": (
        "https://www.cs.toronto.edu/~kriz/",
        {
            "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
        },
    ),
}
_LARGEST = 1 << 28  # bytes; the largest published file here has 170 million
_PATIENCE = 30  # seconds without an answer


def cache_folder() -> Path:
    """Where fetched data sets are kept; BACKLIGHT_DATA_DIR, where that is set."""
    told = os.environ.get("BACKLIGHT_DATA_DIR")
    if told:
        return Path(told)
    from platformdirs import user_cache_path

    return user_cache_path("backlight", appauthor=False) / "data"


def fetch(name: str, folder: str | Path | None = None) -> Path:
    """Download a data set unless it is there, and return its folder.

    Each file is written under another name first, and takes its own once its SHA-256 is right.

    Parameters
    ----------
    name : {"mnist", "cifar10"}
        What to fetch.
    folder : str or Path, optional
        Where to put it; by default the folder `name` in the cache.

    Raises
    ------
    MissingExtraError
        Where the library that downloads, pooch, is not installed.
    DataError
        Where a file cannot be had or is another than was published: says what to put where.
    UsageError
        An unknown name.
    """
    if name not in PUBLISHED:
        raise UsageError(
            "fetch",
            got=f"the data set {name!r}",
            needs="one that can be fetched",
            remedy=nearest(name, PUBLISHED),
        )
    home, files = PUBLISHED[name]
    target = Path(folder) if folder is not None else cache_folder() / name
    try:
        import pooch  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError(
            "fetch",
            got=f"no library to download {name} with",
            needs="pooch",
            remedy=f"pip install 'backlight[download]' — or put {', '.join(files)} from {home} "
            f"into {target} yourself.",
        ) from error
    for file, digest in files.items():
        _one(pooch, home + file, digest, target)
    return target


def _one(pooch: Any, address: str, digest: str, target: Path) -> None:
    file = address.rsplit("/", 1)[-1]
    try:
        pooch.get_logger().setLevel("WARNING")
        pooch.retrieve(
            address, known_hash=f"sha256:{digest}", fname=file, path=target, downloader=_download
        )
    except (OSError, ValueError) as error:
        wrong = isinstance(error, ValueError)
        raise DataError(
            address,
            got="a file with another SHA-256 than was published"
            if wrong
            else f"no answer ({type(error).__name__}: {str(error)[:120]})",
            needs=f"the file with SHA-256 {digest}",
            remedy=f"Check the connection, or put {file} into {target} yourself.",
        ) from error


def _download(address: str, output_file: str, keeper: Any) -> None:
    """As pooch does it, but with an end to patience and to size."""
    import pooch

    answers: list[Any] = []
    hooks = {"response": lambda answer, *_, **__: answers.append(answer)}
    try:
        with Path(output_file).open("wb") as file:
            pooch.HTTPDownloader(timeout=_PATIENCE, hooks=hooks)(address, _Limited(file), keeper)
    finally:
        for answer in answers:
            answer.close()  # one that was cut off would keep its connection


class _Limited:
    """A file that takes only so many bytes."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = _LARGEST

    def write(self, content: bytes) -> int:
        self._left -= len(content)
        if self._left < 0:
            raise OSError(f"more than {_LARGEST} bytes were sent")
        written: int = self._file.write(content)
        return written

    def flush(self) -> None:
        self._file.flush()

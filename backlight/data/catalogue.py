"""Every data set by the name that `--data` takes."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from backlight.data.dataset import DataSet
from backlight.data.digits import load_digits
from backlight.data.download import cache_folder, fetch
from backlight.data.toy import TOYS
from backlight.errors import DataError, UsageError, nearest

_PUBLISHED = ("mnist", "cifar10")
_WITH_PATH = ("folder", "faces", "stream")


def known_names() -> tuple[str, ...]:
    """What `load` takes; a name that ends in a colon is followed by a path.

    Examples
    --------
    >>> known_names()[:5]
    ('digits', 'mnist', 'cifar10', 'folder:PATH', 'faces:PATH')
    """
    return ("digits", *_PUBLISHED, *(f"{name}:PATH" for name in _WITH_PATH), *TOYS)


def load(
    name: str,
    data_dir: str | Path | None = None,
    *,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    skip_bad: int = 0,
    download: bool = True,
) -> DataSet:
    """A data set by its name.

    Parameters
    ----------
    name : str
        "digits", "mnist", "cifar10", "folder:PATH", "faces:PATH", "stream:PATH" (a folder whose
        images are read when they are needed), or one of the plane's: "spiral", "circles", "moons",
        "xor", "blobs".
    data_dir : str or Path, optional
        Where the files are: DIR itself, or DIR/mnist, DIR/cifar10/cifar-10-batches-py and the
        like. Without it: the folder named by the environment variable BACKLIGHT_DATA_DIR, or the
        platform's cache folder. A relative PATH that does not exist is looked for in the named
        one too.
    size, channels, skip_bad
        For folders of images; see `load_folder` and `stream_folder`.
    download : bool
        Whether "mnist" and "cifar10" may be fetched where they are not found and no `data_dir`
        is given.

    Raises
    ------
    UsageError
        An unknown name, with the nearest known one; a missing path.
    DataError
        Files that are missing or cannot be used.

    Examples
    --------
    >>> len(load("digits").train)
    1797
    """
    kind, colon, rest = str(name).partition(":")
    if kind in _WITH_PATH and rest:
        return _from_path(kind, rest, data_dir, size, channels, skip_bad)
    if colon or kind in _WITH_PATH:
        if kind in _WITH_PATH:
            raise UsageError(
                "--data",
                got=f"{name!r} without a path",
                needs=f"{kind}:PATH",
                remedy=f"Name the folder or tar, as in {kind}:pictures.",
            )
    elif kind == "digits":
        return load_digits()
    elif kind in TOYS:
        return TOYS[kind]()
    elif kind in _PUBLISHED:
        return _published(kind, data_dir, download=download)
    raise UsageError(
        "--data",
        got=f"{name!r}",
        needs="the name of a data set",
        remedy=nearest(kind.lower(), known_names()),
    )


def _published(name: str, data_dir: str | Path | None, *, download: bool) -> DataSet:
    module = import_module(f"backlight.data.{name}")
    root = Path(data_dir) if data_dir is not None else cache_folder()
    if data_dir is not None and not root.exists():
        raise DataError(
            str(root),
            got="no such folder",
            needs=f"the folder with {name}",
            remedy="Check --data-dir.",
        )
    find, read = getattr(module, f"find_{name}"), getattr(module, f"load_{name}")
    if data_dir is None and download and find(root) is None:
        root = fetch(name)
    data_set: DataSet = read(root)
    return data_set


def _from_path(
    kind: str,
    rest: str,
    data_dir: str | Path | None,
    size: int | tuple[int, int] | None,
    channels: int | None,
    skip_bad: int,
) -> DataSet:
    from backlight.data.faces import load_faces
    from backlight.data.folder import load_folder
    from backlight.data.image_folder import DEFAULT_SIZE, stream_folder

    path = Path(rest).expanduser()
    root = data_dir if data_dir is not None else os.environ.get("BACKLIGHT_DATA_DIR")
    if root and not path.is_absolute() and not path.exists():
        path = Path(root) / path
    if kind == "faces":
        return load_faces(path, size)
    if kind == "stream":
        return stream_folder(path, size or DEFAULT_SIZE, channels or 3, skip_bad=skip_bad)
    return load_folder(path, size, channels, skip_bad=skip_bad)

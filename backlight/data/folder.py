"""Images in folders, one for each class, on disk or within a tar that is read as a stream.

The files are gone through twice: first the headers, which give the layout, the size and whether
there is colour, so that damage and disorder are found before any pixel is decoded; then the
images, each decoded straight to its row. A folder and a tar of it give the same data set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from backlight.data.archive import tar_members
from backlight.data.dataset import DataSet, Examples
from backlight.data.files import open_regular, read_bounded, shown
from backlight.data.image import LARGEST_FILE, SUFFIXES, describe_image, read_image
from backlight.data.layout import TEXTS, Layout, is_ignored, lay_out
from backlight.errors import ArgumentError, DataError

Array = np.ndarray[Any, Any]

#: Side of the square that images of different sizes are brought to, unless told otherwise.
DEFAULT_SIZE = 64

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz")
_FOREIGN_IMAGES = (".gif", ".webp", ".heic", ".heif", ".avif", ".bmp", ".tif", ".tiff", ".svg")
_DEEPEST = 16
_MOST_BYTES = 1 << 35
_LARGEST_TEXT = 1 << 26


def load_folder(
    path: str | Path,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    *,
    name: str = "",
    skip_bad: int = 0,
    by_number: bool = False,
) -> DataSet:
    """A data set from a folder, or a tar, with images in a folder for each class.

    Layouts: class/…/image; train/class/…/image with val (validation) and test beside train; Tiny
    ImageNet's, whose val images become the test split, since the labels of its test images are
    not published. Classes are in alphabetical order, examples ordered by path. Links on disk are
    followed. Hidden files, Thumbs.db and the like, and files that are not images are passed over.

    Parameters
    ----------
    path : str or Path
        A folder, or a tar: plain, gzip or xz.
    size : int or (height, width), optional
        Images are scaled until they cover it and cut at the centre. Without it: the size that all
        have, or 64 × 64 where they differ.
    channels : {1, 3, None}
        Grey or colour. None: grey where all images are.
    name : str
        The data set's name; the path's last part by default.
    skip_bad : int
        How many images that cannot be read are left out; one more is an error.
    by_number : bool
        Whether class s2 comes before s10.

    Returns
    -------
    DataSet
        Inputs uint8 (n, C, H, W).

    Raises
    ------
    DataError
        A path that is missing or holds no such layout; an image that cannot be read (named).
    """
    path = Path(path)
    if channels not in (1, 3, None):
        raise ArgumentError(
            "load_folder",
            got=f"channels {channels!r}",
            needs="1, 3 or None",
            remedy="Use 1 for grey, 3 for colour.",
        )
    wanted = _checked_size(size)
    survey = _survey(path, skip_bad)
    layout = lay_out(survey.images, survey.texts, shown(path), survey.folders, by_number=by_number)
    used = [survey.images[image] for pairs in layout.splits.values() for image, _ in pairs]
    sizes = {(height, width) for height, width, _ in used}
    if wanted is None:
        wanted = sizes.pop() if len(sizes) == 1 else (DEFAULT_SIZE, DEFAULT_SIZE)
    channels = channels or (1 if all(grey for *_, grey in used) else 3)
    splits = _decoded(path, layout, (channels, *wanted), survey)
    label = name or path.name.split(".tar")[0] or "folder"
    return DataSet(
        label,
        layout.classes,
        splits["train"],
        splits.get("test"),
        splits.get("validation"),
        source=_told(path, survey),
    )


@dataclass
class _Survey:
    """What the first pass found."""

    skip_bad: int
    images: dict[str, tuple[int, int, bool]] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    bad: list[str] = field(default_factory=list)
    others: int = 0

    def leave_out(self, image: str, error: DataError) -> None:
        """Note an unreadable image, or raise `error` when there are more than are allowed."""
        self.bad.append(image)
        if len(self.bad) > self.skip_bad:
            raise error


def _checked_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    pair = (size, size) if isinstance(size, (int, np.integer)) else tuple(size)
    if len(pair) != 2 or not all(
        isinstance(side, (int, np.integer)) and 1 <= side <= 4096 for side in pair
    ):
        raise ArgumentError(
            "load_folder",
            got=f"size {size!r}",
            needs="a side, or (height, width), of 1 to 4096 pixels",
            remedy="Choose a size such as 64.",
        )
    return int(pair[0]), int(pair[1])


def _survey(path: Path, skip_bad: int) -> _Survey:
    survey = _Survey(skip_bad)
    for name, content in _files(path, survey):
        base = name.rsplit("/", 1)[-1]
        suffix = PurePosixPath(base).suffix.lower()
        subject = f"{path}: {name}"
        if base in TEXTS:
            survey.texts[name] = content()[:_LARGEST_TEXT]
        elif suffix in SUFFIXES:
            try:
                survey.images[name] = describe_image(content(), subject)
            except DataError as error:
                survey.leave_out(name, error)
        elif suffix in _FOREIGN_IMAGES:
            survey.leave_out(
                name,
                DataError(
                    shown(subject),
                    got=f"an image in the format {suffix}",
                    needs="PNG, JPEG, PGM or PPM",
                    remedy="Convert it, or remove it from the data.",
                ),
            )
        else:
            survey.others += 1
    return survey


def _decoded(
    path: Path, layout: Layout, shape: tuple[int, int, int], survey: _Survey
) -> dict[str, Examples]:
    count = sum(len(pairs) for pairs in layout.splits.values())
    if count * int(np.prod(shape)) > _MOST_BYTES:
        raise DataError(
            shown(path),
            got=f"{count} images of shape {shape}",
            needs=f"at most {_MOST_BYTES >> 30} GiB of pixels",
            remedy="Choose a smaller size.",
        )
    inputs = {
        split: np.empty((len(pairs), *shape), np.uint8) for split, pairs in layout.splits.items()
    }
    good = {split: np.zeros(len(pairs), bool) for split, pairs in layout.splits.items()}
    rows = {
        image: (split, row)
        for split, pairs in layout.splits.items()
        for row, (image, _) in enumerate(pairs)
    }
    mode = "L" if shape[0] == 1 else "RGB"
    for name, content in _files(path, _Survey(0)):
        if name not in rows:
            continue
        split, row = rows.pop(name)
        try:
            inputs[split][row] = read_image(content(), f"{path}: {name}", mode, shape[1:])
            good[split][row] = True
        except DataError as error:
            survey.leave_out(name, error)
    if rows:
        raise DataError(
            f"{shown(path)}: {shown(min(rows))}",
            got="no such file any more",
            needs="a folder that does not change while it is read",
            remedy="Read it again.",
        )
    splits = {}
    for split, pairs in layout.splits.items():
        labels = np.array([label for _, label in pairs], np.int64)
        whole = bool(good[split].all())
        splits[split] = Examples(
            inputs[split] if whole else inputs[split][good[split]],
            labels if whole else labels[good[split]],
        )
    return splits


def _files(path: Path, survey: _Survey) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name below the root and a way to its content, of all files but hidden ones."""
    if path.is_dir():
        yield from _on_disk(path, "", survey, ())
    elif path.exists() and not path.is_file():
        open_regular(path).close()  # tells what it is instead
    elif path.exists() and not path.name.lower().endswith((*_TARS, ".zip", ".gz", ".xz")):
        raise DataError(
            shown(path),
            got="a file that is not a tar",
            needs=f"a folder or a file that ends in {', '.join(_TARS)}",
            remedy="Name the folder of images.",
        )
    else:
        for name, content in tar_members(path, LARGEST_FILE):
            if not is_ignored(name):
                yield name, lambda content=content: content  # type: ignore[misc]


def _on_disk(
    folder: Path, prefix: str, survey: _Survey, above: tuple[tuple[int, int], ...]
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            shown(folder),
            got=f"an error when read: {error.strerror}",
            needs="a readable folder",
            remedy="Check its permissions.",
        ) from error
    here = (status.st_dev, status.st_ino)
    if here in above or len(above) > _DEEPEST:
        what = "a link to a folder around it" if here in above else f"{_DEEPEST} folders above it"
        raise DataError(
            shown(folder), got=what, needs="folders that end", remedy="Remove the link."
        )
    for entry in entries:
        name = prefix + entry.name
        if is_ignored(entry.name):
            continue
        inside = folder / entry.name
        if _is_folder(entry):
            survey.folders.add(name)
            yield from _on_disk(inside, name + "/", survey, (*above, here))
        else:
            yield name, _reader(inside)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: told when it is opened, if it is named like an image
        return False


def _reader(path: Path) -> Callable[[], bytes]:
    if path.name in TEXTS:
        return lambda: read_bounded(path, _LARGEST_TEXT)

    def content() -> bytes:
        with open_regular(path) as file:
            try:
                return file.read(LARGEST_FILE + 1)
            except OSError as error:
                raise DataError(
                    shown(path),
                    got=f"an error when read: {error.strerror}",
                    needs="a readable file",
                    remedy="Copy it again.",
                ) from error

    return content


def _told(path: Path, survey: _Survey) -> str:
    notes = []
    if survey.bad:
        first = ", ".join(shown(name) for name in survey.bad[:5])
        notes.append(f"{len(survey.bad)} unreadable images left out: {first}")
    if survey.others:
        notes.append(f"{survey.others} other files passed over")
    return f"{path} ({'; '.join(notes)})" if notes else str(path)

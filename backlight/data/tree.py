"""A tree of image files of any size as a list that needs little memory, and its layout.

Only names are looked at: no file is opened. A million names are one block of bytes and where each
ends, some 40 MB; what a class and a split is, is decided by a name a folder.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backlight.data.files import read_bounded, shown
from backlight.data.image import SUFFIXES
from backlight.data.layout import TEXTS, Layout, is_ignored, lay_out
from backlight.errors import DataError

Array = np.ndarray[Any, Any]

_FOREIGN = (".gif", ".webp", ".heic", ".heif", ".avif", ".bmp", ".tif", ".tiff", ".svg")
_DEEPEST = 16
_LARGEST_TEXT = 1 << 26


@dataclass(frozen=True)
class FileList:
    """The images of a tree, folder after folder.

    Parameters
    ----------
    root : Path
        The tree.
    folders : tuple of str
        Folders with images, below the root, with "/".
    folder : ndarray of int32, shape (n,)
        The folder of each image, by its place.
    names : bytes
        All file names, one after the other.
    ends : ndarray of int64, shape (n,)
        Where each name ends.
    """

    root: Path
    folders: tuple[str, ...]
    folder: Array
    names: bytes
    ends: Array

    def __len__(self) -> int:
        return len(self.ends)

    def below(self, place: int) -> str:
        """The path of an image below the root."""
        start = int(self.ends[place - 1]) if place else 0
        name = os.fsdecode(self.names[start : int(self.ends[place])])
        folder = self.folders[int(self.folder[place])]
        return f"{folder}/{name}" if folder else name

    def path(self, place: int) -> Path:
        """The path of an image."""
        return self.root / self.below(place)


@dataclass(frozen=True)
class Tree:
    """A surveyed tree: its images, its classes, and for each split the images and their classes."""

    files: FileList
    classes: tuple[str, ...]
    splits: dict[str, tuple[Array, Array]]


def survey(root: Path, skip_bad: int = 0) -> Tree:
    """List the images of a tree and find its classes and splits, without opening an image.

    The layouts are those of `load_folder`. Examples are ordered by folder, then by name.

    Parameters
    ----------
    root : Path
        A folder.
    skip_bad : int
        How many files in formats that are not read are left out; one more is an error.

    Raises
    ------
    DataError
        No such folder, or none of the layouts.
    """
    if not root.is_dir():
        raise DataError(
            shown(root),
            got="a file" if root.exists() else "no such folder",
            needs="a folder of images: an archive cannot be read in random order",
            remedy="Unpack it, or read it whole with folder:PATH.",
        )
    found = _Found()
    for folder, entries in _walk(root, "", ()):
        found.add(root, folder, entries)
    if len(found.foreign) > skip_bad:
        raise DataError(
            f"{shown(root)}: {shown(found.foreign[0])}",
            got=f"an image in the format {found.foreign[0].rpartition('.')[2].lower()}",
            needs="PNG, JPEG, PGM or PPM",
            remedy="Convert it, or remove it from the data.",
        )
    files = FileList(
        root,
        tuple(found.folders),
        np.repeat(np.arange(len(found.folders), dtype=np.int32), found.counts),
        bytes(found.names),
        np.cumsum(np.asarray(found.lengths, np.int64)),
    )
    return _placed(files, found)


@dataclass
class _Found:
    """What the walk has come past so far."""

    folders: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    names: bytearray = field(default_factory=bytearray)
    lengths: array[int] = field(default_factory=lambda: array("i"))
    every_folder: set[str] = field(default_factory=set)
    texts: dict[str, bytes] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)

    def add(self, root: Path, folder: str, names: list[str]) -> None:
        """Take down the files of a folder."""
        prefix = f"{folder}/" if folder else ""
        self.every_folder |= {folder} - {""}
        images = [os.fsencode(name) for name in names if name.lower().endswith(SUFFIXES)]
        self.foreign += [prefix + name for name in names if name.lower().endswith(_FOREIGN)]
        for name in set(TEXTS).intersection(names):
            self.texts[prefix + name] = read_bounded(root / folder / name, _LARGEST_TEXT)
        if images:
            self.folders.append(folder)
            self.counts.append(len(images))
            self.names += b"".join(images)
            self.lengths.extend(map(len, images))


def _placed(files: FileList, found: _Found) -> Tree:
    """The tree's layout, from an image or two of each folder."""
    starts = np.cumsum([0, *found.counts])
    annotated = tuple(
        text.removesuffix("val_annotations.txt")
        for text in found.texts
        if text.endswith("val/val_annotations.txt")
    )
    # Where the folder does not tell the class, every image is asked.
    spread = [not folder or f"{folder}/".startswith(annotated) for folder in files.folders]
    asked: dict[str, int] = {}
    for place, every in enumerate(spread):
        count = found.counts[place] if every else 1
        for image in range(int(starts[place]), int(starts[place]) + count):
            asked[files.below(image)] = image
    layout = lay_out(asked, found.texts, shown(files.root), found.every_folder)
    return Tree(files, layout.classes, _expanded(layout, asked, files, spread, starts))


def _expanded(
    layout: Layout, asked: dict[str, int], files: FileList, spread: list[bool], starts: Array
) -> dict[str, tuple[Array, Array]]:
    """From the images that were asked to all of their folders."""
    splits = {}
    for split, pairs in layout.splits.items():
        images, labels = [], []
        for path, label in sorted((asked[path], label) for path, label in pairs):
            place = int(files.folder[path])
            end = path + 1 if spread[place] else int(starts[place + 1])
            images.append(np.arange(path, end))
            labels.append(np.full(end - path, label, np.int64))
        splits[split] = (np.concatenate(images), np.concatenate(labels))
    return splits


def _walk(
    root: Path, folder: str, above: tuple[tuple[int, int], ...]
) -> Iterator[tuple[str, list[str]]]:
    """Every folder with its files' names, in order; links are followed, but not in circles."""
    here = root / folder
    try:
        status = here.stat()
        with os.scandir(here) as entries:
            files, inner = _sorted_out(entries)
    except OSError as error:
        raise DataError(
            shown(here),
            got=f"an error when read: {error.strerror}",
            needs="a readable folder",
            remedy="Check its permissions.",
        ) from error
    place = (status.st_dev, status.st_ino)
    if place in above or len(above) > _DEEPEST:
        what = "a link to a folder around it" if place in above else f"{_DEEPEST} folders above it"
        raise DataError(shown(here), got=what, needs="folders that end", remedy="Remove the link.")
    yield folder, files
    for name in inner:
        yield from _walk(root, f"{folder}/{name}" if folder else name, (*above, place))


def _sorted_out(entries: Iterator[os.DirEntry[str]]) -> tuple[list[str], list[str]]:
    """Names of files and of folders, without hidden ones."""
    files: list[str] = []
    folders: list[str] = []
    for entry in entries:
        if not is_ignored(entry.name):
            (folders if _is_folder(entry) else files).append(entry.name)
    return sorted(files), sorted(folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: told when it is opened, if it is named like an image
        return False

"""Images in class folders that are decoded when they are asked for: data larger than memory.

What is kept are the names. An image is read anew every time, cut and scaled as the field does: for
learning a random part of it, mirrored or not; for evaluation the middle. What is random is a
function of seed, epoch and example, so that batches depend neither on the number of worker
processes nor on where a run was taken up again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backlight.data.dataset import DataSet, Examples
from backlight.data.draw import Draw
from backlight.data.files import shown
from backlight.data.image import read_window
from backlight.data.number import whole_number
from backlight.data.tree import FileList, survey
from backlight.errors import ArgumentError, DataError, RangeError, nearest

Array = np.ndarray[Any, Any]
Window = Callable[[int, int], tuple[float, float, float, float]]

DEFAULT_SIZE = 224
LEAST_AREA = 0.08
WIDEST = 4 / 3
RESIZED, CUT = 256, 224
"""For evaluation the short side is scaled to 256 and the middle 224 × 224 are cut out."""
_ATTEMPTS = 10
_NUMBERS = 3 + 2 * _ATTEMPTS
_CROPS = ("center", "random")
_MOST_BYTES = 1 << 33


class Gathered(NamedTuple):
    """A batch as it was read: what could be, and (example, error) of what could not."""

    indices: Array
    inputs: Array
    labels: Array
    bad: list[tuple[int, DataError]]


class Reading(NamedTuple):
    """How images are read: (height, width), crop, channels, and how many may be damaged."""

    size: tuple[int, int]
    crop: str
    channels: int
    skip_bad: int


class ImageFolder(Examples):
    """The images of one split of a tree of class folders, read when they are asked for.

    Used like `Examples`. `folder[3]` is a pair (image, label); `folder[places]` is an ImageFolder
    of those. With `crop="random"` it can be read by a DataLoader only, which draws the numbers.

    Parameters
    ----------
    path : str or Path
        A folder in one of the layouts that `load_folder` knows.
    size : int or (height, width)
        Images are brought to this size, 1 … 4096 pixels.
    crop : {"center", "random"}
        "center": the short side is scaled to 256/224 of `size`, and the middle is cut out.
        "random": a part of 8–100% of the area with sides in a ratio of 3/4 … 4/3, anywhere, scaled
        to `size`, and mirrored half of the time.
    split : {"train", "validation", "test"}
        Which split; a tree without splits is all "train".
    channels : {1, 3}
        Grey or colour.
    skip_bad : int
        How many damaged images a loader leaves out of their batches; one more is an error.

    Attributes
    ----------
    classes : tuple of str
        The name of each class.
    labels : ndarray of int64, shape (n,)
        The class of each image.
    inputs : array-like, shape (n, C, H, W)
        Images cut at the centre, uint8, read when they are indexed.

    Raises
    ------
    DataError
        A folder without such a layout; when reading, a damaged image, by name.

    Source: Szegedy and others, "Going deeper with convolutions", 2014 (the random part);
    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
    networks", 2012 (256, then 224).
    """

    files: FileList
    rows: Array
    classes: tuple[str, ...]
    reading: Reading
    skip_bad: int

    def __init__(
        self,
        path: str | Path,
        size: int | tuple[int, int] = DEFAULT_SIZE,
        crop: str = "center",
        *,
        split: str = "train",
        channels: int = 3,
        skip_bad: int = 0,
    ) -> None:
        skip_bad = whole_number(skip_bad, "skip_bad", "ImageFolder")
        tree = survey(Path(path), skip_bad)
        if split not in tree.splits:
            raise DataError(
                f"{shown(path)}, split {split!r}",
                got="no folder for it",
                needs="a split that is there",
                remedy=nearest(split, tree.splits),
            )
        rows, labels = tree.splits[split]
        reading = Reading(
            _checked_size(size), _checked_crop(crop), _checked_channels(channels), skip_bad
        )
        self._fill(tree.files, rows, labels, tree.classes, reading)

    def _fill(
        self,
        files: FileList,
        rows: Array,
        labels: Array,
        classes: tuple[str, ...],
        reading: Reading,
    ) -> None:
        self.files, self.rows, self.classes, self.reading = files, rows, classes, reading
        self.skip_bad = reading.skip_bad
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "inputs", Pictures(self))

    def _like(self, rows: Array, labels: Array, reading: Reading) -> ImageFolder:
        new = object.__new__(ImageFolder)
        new._fill(self.files, rows, labels, self.classes, reading)
        return new

    def with_crop(self, crop: str) -> ImageFolder:
        """The same images, cut in another way."""
        return self._like(self.rows, self.labels, self.reading._replace(crop=_checked_crop(crop)))

    def name(self, index: int) -> str:
        """The path of an example below the tree's folder."""
        return self.files.below(int(self.rows[index]))

    def __getitem__(self, index: Any) -> Any:
        """A pair (image, label) for a number; an ImageFolder for a slice, a list or an array."""
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            place = _place(int(index), len(self))
            if self.reading.crop == "random":
                raise ArgumentError(
                    "ImageFolder",
                    got="an index without random numbers",
                    needs="a DataLoader, which draws each example's crop",
                    remedy="Give the folder itself, or folder[places], to a DataLoader; "
                    'or use with_crop("center")',
                )
            return self.read(place), int(self.labels[place])
        chosen = np.arange(len(self))[index if isinstance(index, slice) else _places(index)]
        return self._like(self.rows[chosen], self.labels[chosen], self.reading)

    def read(self, index: int, numbers: Array | None = None) -> Array:
        """One image, uint8 (C, H, W): its middle, or the part that 23 random numbers choose."""
        place = int(self.rows[index])
        window = centre_window(self.reading.size) if numbers is None else random_window(numbers)
        image = read_window(
            self.files.path(place),
            window,
            self.reading.size,
            "L" if self.reading.channels == 1 else "RGB",
            f"{self.files.root}: {self.files.below(place)}",
        )
        return image if numbers is None or numbers[0] >= 0.5 else image[:, :, ::-1]

    def gather(self, indices: Array, note: Callable[[int], None], draw: Draw) -> Gathered:
        """A batch: the images at these places, without damaged ones where some may be."""
        inputs = np.empty((len(indices), *self.shape), np.uint8)
        numbers = draw.uniform(_NUMBERS) if self.reading.crop == "random" else None
        kept: list[int] = []
        bad: list[tuple[int, DataError]] = []
        for place, index in enumerate(indices.tolist()):
            note(index)
            try:
                inputs[len(kept)] = self.read(index, None if numbers is None else numbers[place])
            except DataError as error:
                told = error.within(f"example {index}: {error.subject}")
                if not self.skip_bad or not isinstance(told, DataError):
                    raise told from error
                bad.append((index, told))
            else:
                kept.append(index)
        chosen = np.asarray(kept, np.int64)
        return Gathered(chosen, inputs[: len(kept)], self.labels[chosen], bad)

    def hash_into(self, digest: Any, split: str) -> None:
        """Hand names and labels to a hash: to read a million images would take too long."""
        digest.update(f"{split}{len(self)}{self.shape}stream".encode())
        for index in range(len(self)):
            digest.update(self.name(index).encode("utf-8", "surrogateescape") + b"\n")
        digest.update(self.labels.astype("<i8").tobytes())

    def __repr__(self) -> str:
        return (
            f"ImageFolder({len(self)} × {self.shape} uint8, {len(self.classes)} classes, "
            f"crop {self.reading.crop!r}, from {self.files.root})"
        )


class Pictures:
    r"""The images of an ImageFolder as something like an array, read when they are indexed.

    Examples
    --------
    >>> import io, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat", "dog"):
    ...         (Path(folder) / name).mkdir()
    ...         _ = (Path(folder) / name / "1.pgm").write_bytes(b"P5 1 1 255 \x07")
    ...     inputs = ImageFolder(folder, 2, channels=1).inputs
    ...     inputs.shape, inputs[1].tolist()
    ((2, 1, 2, 2), [[[7, 7], [7, 7]]])
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, folder: ImageFolder) -> None:
        self._folder = folder
        self.shape = (len(folder.labels), folder.reading.channels, *folder.reading.size)
        self.size = math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Array:
        """One image for a number, else a batch of them."""
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            return self._folder.read(_place(int(index), len(self)))
        places = np.arange(len(self))[index if isinstance(index, slice) else _places(index)]
        self._refuse_many(len(places))
        # A damaged image is left out where the folder may leave some out.
        plain = self._folder.with_crop("center")
        return plain.gather(places, lambda _: None, Draw(0, 0, places)).inputs

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """All images, where they fit."""
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    def _refuse_many(self, count: int) -> None:
        if count * math.prod(self.shape[1:]) > _MOST_BYTES:
            raise DataError(
                str(self._folder.files.root),
                got=f"{count:,} images of shape {self.shape[1:]} wanted in memory at once",
                needs=f"at most {_MOST_BYTES >> 30} GiB of pixels",
                remedy="Read them batch by batch with a DataLoader, or ask for fewer.",
            )


def stream_folder(
    path: str | Path,
    size: int | tuple[int, int] = DEFAULT_SIZE,
    channels: int = 3,
    *,
    name: str = "",
    skip_bad: int = 0,
) -> DataSet:
    """A data set whose splits are read from a tree of class folders image by image.

    The classes, splits and labels are those of `load_folder`; see `ImageFolder` for the rest.

    Parameters
    ----------
    path, size, channels, skip_bad
        As of `ImageFolder`.
    name : str
        The data set's name; the path's last part by default.

    Returns
    -------
    DataSet
        Each of its splits is an ImageFolder.

    Raises
    ------
    DataError
        A path that is missing or holds no such layout.
    """
    skip_bad = whole_number(skip_bad, "skip_bad", "stream_folder")
    tree = survey(Path(path), skip_bad)
    reading = Reading(_checked_size(size), "center", _checked_channels(channels), skip_bad)
    splits = {}
    for split, (rows, labels) in tree.splits.items():
        splits[split] = object.__new__(ImageFolder)
        splits[split]._fill(tree.files, rows, labels, tree.classes, reading)
    return DataSet(
        name or Path(path).resolve().name or "stream",
        tree.classes,
        splits["train"],
        splits.get("test"),
        splits.get("validation"),
        source=str(path),
    )


def centre_window(size: tuple[int, int]) -> Window:
    """The largest window in the middle with these proportions, and 224/256 of that.

    Examples
    --------
    >>> centre_window((224, 224))(256, 356)
    (16.0, 66.0, 224.0, 224.0)
    """

    def window(height: int, width: int) -> tuple[float, float, float, float]:
        scale = min(height / size[0], width / size[1]) * CUT / RESIZED
        down, across = size[0] * scale, size[1] * scale
        return (height - down) / 2, (width - across) / 2, down, across

    return window


def random_window(numbers: Array) -> Window:
    """The window that random numbers choose: mirrored, top, left, then (area, ratio) ten times.

    The first area and ratio that fit into the image are taken; if none does, its middle.

    Examples
    --------
    >>> half = np.full(23, 0.5)
    >>> random_window(half)(100, 100)
    (14, 14, 73, 73)
    """

    def window(height: int, width: int) -> tuple[float, float, float, float]:
        for area, ratio in numbers[3:].reshape(_ATTEMPTS, 2).tolist():
            pixels = height * width * (LEAST_AREA + (1 - LEAST_AREA) * area)
            shape = WIDEST ** (2 * ratio - 1)
            down, across = round(math.sqrt(pixels / shape)), round(math.sqrt(pixels * shape))
            if 0 < down <= height and 0 < across <= width:
                top = int(numbers[1] * (height - down + 1))
                return top, int(numbers[2] * (width - across + 1)), down, across
        tallest, widest = min(height, width * WIDEST), min(width, height * WIDEST)
        return (height - tallest) / 2, (width - widest) / 2, tallest, widest

    return window


def _place(index: int, length: int) -> int:
    if not -length <= index < length:
        raise RangeError(
            "ImageFolder",
            got=f"index {index}",
            needs=f"an index below {length}",
            remedy="Ask for an example that exists.",
        )
    return index % length


def _places(index: Any) -> Array:
    places = np.asarray(index)
    return places if places.size else places.astype(np.int64)


def _checked_size(size: int | tuple[int, int]) -> tuple[int, int]:
    pair = (size, size) if isinstance(size, (int, np.integer)) else tuple(size)
    if len(pair) != 2 or not all(
        isinstance(side, (int, np.integer)) and 1 <= side <= 4096 for side in pair
    ):
        raise ArgumentError(
            "ImageFolder",
            got=f"size {size!r}",
            needs="a side, or (height, width), of 1 to 4096 pixels",
            remedy="Choose a size such as 224.",
        )
    return int(pair[0]), int(pair[1])


def _checked_crop(crop: str) -> str:
    if crop not in _CROPS:
        raise ArgumentError(
            "ImageFolder",
            got=f"crop {crop!r}",
            needs="'center' or 'random'",
            remedy="Use 'random' for learning, 'center' for evaluation.",
        )
    return crop


def _checked_channels(channels: int) -> int:
    if channels not in (1, 3):
        raise ArgumentError(
            "ImageFolder",
            got=f"channels {channels!r}",
            needs="1 or 3",
            remedy="Use 1 for grey, 3 for colour.",
        )
    return channels

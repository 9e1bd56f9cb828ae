"""MNIST: 60,000 training and 10,000 test images of handwritten digits, 28×28, in four IDX files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from backlight.data.dataset import DataSet, Examples
from backlight.data.files import shown
from backlight.data.idx import read_idx
from backlight.errors import DataError

Array = np.ndarray[Any, Any]

#: The published files with their SHA-256.
FILES = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
_FOLDERS = ("", "mnist", "MNIST", "MNIST/raw", "raw")


def load_mnist(path: str | Path) -> DataSet:
    """MNIST, or a data set in its form, from a folder with the four files, gzipped or not.

    Parameters
    ----------
    path : str or Path
        The folder, or the one above it (mnist, MNIST, MNIST/raw are looked into).

    Returns
    -------
    DataSet
        Inputs uint8 (n, 1, 28, 28), classes "0" … "9", with the published test split.

    Raises
    ------
    DataError
        A file that is missing (named), damaged, not of images or not of labels; counts that differ.
    """
    folder = find_mnist(Path(path))
    if folder is None:
        wanted = ", ".join(name.removesuffix(".gz") for name in FILES)
        raise DataError(
            shown(path),
            got="no MNIST files",
            needs=f"{wanted} (with or without .gz)",
            remedy="Put them there, or fetch them with backlight.data.fetch('mnist').",
        )
    splits = {kind: _split(folder, kind) for kind in ("train", "t10k")}
    classes = tuple(str(digit) for digit in range(10))
    return DataSet("mnist", classes, splits["train"], splits["t10k"], source=str(folder))


def find_mnist(path: Path) -> Path | None:
    """The folder, at or below `path`, that holds any of the four files."""
    for below in _FOLDERS:
        folder = path / below
        if any(candidate.exists() for name in FILES for candidate in _candidates(folder, name)):
            return folder
    return None


def _candidates(folder: Path, name: str) -> Iterator[Path]:
    plain = name.removesuffix(".gz")
    for spelling in (plain, plain.replace("-idx", ".idx")):
        yield folder / (spelling + ".gz")
        yield folder / spelling


def _split(folder: Path, kind: str) -> Examples:
    images_path = _file(folder, f"{kind}-images-idx3-ubyte.gz")
    labels_path = _file(folder, f"{kind}-labels-idx1-ubyte.gz")
    images = _checked(images_path, read_idx(images_path), 3, "images")
    labels = _checked(labels_path, read_idx(labels_path), 1, "labels")
    if len(images) != len(labels):
        raise DataError(
            f"{shown(images_path)} and {labels_path.name}",
            got=f"{len(images)} images and {len(labels)} labels",
            needs="one label an image",
            remedy="Download both again and compare their checksums.",
        )
    if len(labels) and labels.max() > 9:
        row = int(np.argmax(labels > 9))
        raise DataError(
            shown(labels_path),
            got=f"label {labels[row]} at row {row}",
            needs="labels 0 … 9",
            remedy="Check that it holds MNIST's labels.",
        )
    return Examples(images[:, None], labels.astype(np.int64))


def _file(folder: Path, name: str) -> Path:
    for candidate in _candidates(folder, name):
        if candidate.exists():
            return candidate
    raise DataError(
        shown(folder),
        got=f"no {name.removesuffix('.gz')}",
        needs="all four files of MNIST",
        remedy=f"Put {name} beside the others, gzipped or not.",
    )


def _checked(path: Path, values: Array, dimensions: int, what: str) -> Array:
    if values.ndim != dimensions or values.dtype != np.uint8 or 0 in values.shape:
        raise DataError(
            shown(path),
            got=f"an array of shape {values.shape} and type {values.dtype}",
            needs=f"{what}: {dimensions} dimensions of uint8, none of them empty",
            remedy="Check that images and labels were not exchanged.",
        )
    return values

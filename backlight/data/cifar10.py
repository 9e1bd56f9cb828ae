"""CIFAR-10: 50,000 training and 10,000 test photographs of ten classes, 32×32 in colour.

It is published twice, as pickles of Python 2 and as plain bytes; both are read, plain or
compressed, from a folder or straight from the published tar.

Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from backlight.data.archive import tar_members
from backlight.data.dataset import DataSet, Examples
from backlight.data.files import read_bounded, shown
from backlight.data.unpickle import read_pickle
from backlight.errors import DataError, RangeError

Array = np.ndarray[Any, Any]

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_BATCHES = (*_TRAIN, "test_batch")
_META = ("batches.meta", "batches.meta.txt")
_PIXELS = 3 * 32 * 32
_LARGEST = 1 << 26  # twice a published batch
_FOLDERS = (
    "",
    "cifar-10-batches-py",
    "cifar-10-batches-bin",
    "cifar10",
    "cifar-10",
    "cifar10/cifar-10-batches-py",
    "cifar10/cifar-10-batches-bin",
)
_TARS = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz")
_PACKED = ("", ".xz", ".gz")
_AGAIN = "Download it again and compare its checksum."


def load_cifar10(path: str | Path) -> DataSet:
    """CIFAR-10 from the published files.

    Parameters
    ----------
    path : str or Path
        The folder with data_batch_1 … data_batch_5 and test_batch (pickles, or .bin; plain, .xz
        or .gz), a folder above it, or the published tar, which is read without unpacking it.

    Returns
    -------
    DataSet
        Inputs uint8 (n, 3, 32, 32), the five batches in their order as train, the test batch as
        test, which may have fewer than the published 10,000 rows.

    Raises
    ------
    DataError
        A batch that is missing, damaged, foreign, or the same as another one; each is named.
    """
    place = find_cifar10(Path(path))
    if place is None:
        raise DataError(
            shown(path),
            got="no CIFAR-10 files",
            needs=f"{_BATCHES[0]} … {_BATCHES[4]} and test_batch, as pickles or with .bin, plain "
            f"or compressed; or {_TARS[0]}",
            remedy="Put them there, or fetch them with backlight.data.fetch('cifar10').",
        )
    contents = _in_tar(place) if place.is_file() else _in_folder(place)
    missing = [name for name in _BATCHES if name not in contents]
    if missing:
        raise DataError(
            shown(place),
            got=f"CIFAR-10 without {', '.join(missing)}",
            needs="five training batches and the test batch",
            remedy="Put the missing files beside the others.",
        )
    # Unpacking releases the interpreter's lock: a thread a processor.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        read = list(threads.map(lambda name: contents[name](), _BATCHES))
    batches = dict(zip(_BATCHES, read, strict=True))
    _check_distinct(place, batches)
    classes = contents["classes"]() if "classes" in contents else CLASSES
    train = Examples(
        np.concatenate([batches[name][0] for name in _TRAIN]),
        np.concatenate([batches[name][1] for name in _TRAIN]),
    )
    return DataSet("cifar10", classes, train, Examples(*batches["test_batch"]), source=str(place))


def find_cifar10(path: Path) -> Path | None:
    """The folder with any of the batches, or the published tar, at or below `path`."""
    if path.is_file():
        return path
    for below in _FOLDERS:
        if any(_located(path / below, name) for name in _BATCHES):
            return path / below
    for below in ("", "cifar10", "cifar-10"):
        for name in _TARS:
            if (path / below / name).is_file():
                return path / below / name
    return None


def _located(folder: Path, name: str) -> Path | None:
    for kind, packed in itertools.product(("", ".bin"), _PACKED):
        candidate = folder / f"{name}{kind}{packed}"
        if candidate.exists():
            return candidate
    return None


def _in_folder(folder: Path) -> dict[str, Callable[[], Any]]:
    contents: dict[str, Callable[[], Any]] = {}
    for name in _BATCHES:
        found = _located(folder, name)
        if found is not None:
            contents[name] = partial(_batch_in_file, found)
    for name in _META:
        if (folder / name).exists():
            contents["classes"] = partial(_classes_in_file, folder / name)
            break
    return contents


def _in_tar(path: Path) -> dict[str, Callable[[], Any]]:
    contents: dict[str, Callable[[], Any]] = {}
    for member, content in tar_members(path, _LARGEST):
        base = member.rsplit("/", 1)[-1]
        name = "classes" if base in _META else base.removesuffix(".bin")
        if name != "classes" and name not in _BATCHES:
            continue
        if name in contents:
            raise DataError(
                shown(path),
                got=f"{base} in two folders",
                needs="each batch once",
                remedy="Use the tar as it was published.",
            )
        read = _classes if name == "classes" else _batch
        contents[name] = partial(read, content, f"{path}: {member}")
    return contents


def _batch_in_file(path: Path) -> tuple[Array, Array]:
    return _batch(read_bounded(path, _LARGEST), str(path))


def _classes_in_file(path: Path) -> tuple[str, ...]:
    return _classes(read_bounded(path, 1 << 20), str(path))


def _batch(content: bytes, where: str) -> tuple[Array, Array]:
    subject = shown(where)
    if ".bin" in Path(where).suffixes:
        return _binary_batch(content, subject)
    found = _dict(read_pickle(content, subject), subject)
    for key in ("data", "labels"):
        if key not in found:
            raise DataError(
                subject,
                got=f"a pickle without {key!r}; it has {shown(sorted(found))[:200]}",
                needs="'data' and 'labels', as in CIFAR-10's batches",
                remedy="Check the file.",
            )
    data, labels = found["data"], found["labels"]
    if (
        not isinstance(data, np.ndarray)
        or data.dtype != np.uint8
        or (data.ndim != 2 or data.shape[1] != _PIXELS or not len(data))
    ):
        got = (
            f"'data' of shape {data.shape} and type {data.dtype}"
            if isinstance(data, np.ndarray)
            else f"'data' that is a {type(data).__name__}"
        )
        raise DataError(subject, got=got, needs=f"uint8 of shape (n, {_PIXELS})", remedy=_AGAIN)
    if isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.kind in "iu":
        labels = labels.tolist()
    wrong = None if isinstance(labels, list) else type(labels).__name__
    if wrong is not None:
        raise DataError(
            subject,
            got=f"'labels' that is a {wrong}",
            needs="a list of whole numbers",
            remedy=_AGAIN,
        )
    for row, label in enumerate(labels):
        if type(label) is not int:
            raise DataError(
                subject,
                got=f"a label that is a {type(label).__name__}, at row {row}",
                needs="whole numbers 0 … 9",
                remedy=_AGAIN,
            )
        if not 0 <= label <= 9:
            raise _label_out_of_range(subject, label, row)
    if len(labels) != len(data):
        raise DataError(
            subject,
            got=f"{len(data)} images and {len(labels)} labels",
            needs="one label an image",
            remedy=_AGAIN,
        )
    return np.ascontiguousarray(data).reshape(-1, 3, 32, 32), np.array(labels, np.int64)


def _binary_batch(content: bytes, subject: str) -> tuple[Array, Array]:
    rows, rest = divmod(len(content), 1 + _PIXELS)
    if rest or not rows:
        raise DataError(
            subject,
            got=f"{len(content)} bytes: {rows} images and {rest} bytes over",
            needs=f"whole images of {1 + _PIXELS} bytes: a label and {_PIXELS} pixels",
            remedy=_AGAIN,
        )
    table = np.frombuffer(content, np.uint8).reshape(rows, 1 + _PIXELS)
    labels = table[:, 0].astype(np.int64)
    if labels.max() > 9:
        row = int(np.argmax(labels > 9))
        raise _label_out_of_range(subject, int(labels[row]), row)
    return np.ascontiguousarray(table[:, 1:]).reshape(-1, 3, 32, 32), labels


def _label_out_of_range(subject: str, label: int, row: int) -> RangeError:
    return RangeError(
        subject,
        got=f"label {shown(label)[:30]} at row {row}",
        needs="labels 0 … 9",
        remedy="Check that this is CIFAR-10, not CIFAR-100, and whole.",
    )


def _dict(found: Any, subject: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise DataError(
            subject,
            got=f"a pickle that holds a {type(found).__name__}",
            needs="a dict, as in CIFAR-10's files",
            remedy="Check the file.",
        )
    return {
        key.decode("latin-1") if isinstance(key, bytes) else str(key): value
        for key, value in found.items()
    }


def _classes(content: bytes, where: str) -> tuple[str, ...]:
    subject = shown(where)
    if where.endswith(".txt"):
        names: Any = content.decode("utf-8", "replace").split()
    else:
        names = _dict(read_pickle(content, subject), subject).get("label_names")
    if isinstance(names, list):
        names = [
            name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names
        ]
    if (
        not isinstance(names, list)
        or len(names) != 10
        or len(set(map(str, names))) != 10
        or (not all(isinstance(name, str) and name for name in names))
    ):
        raise DataError(
            subject,
            got="other than ten different class names",
            needs="the ten names of CIFAR-10's classes",
            remedy="Download it again, or remove it: the names are known without it.",
        )
    return tuple(names)


def _check_distinct(place: Path, batches: dict[str, tuple[Array, Array]]) -> None:
    for first, second in itertools.combinations(_BATCHES, 2):
        if all(
            np.array_equal(one, other)
            for one, other in zip(batches[first][::-1], batches[second][::-1], strict=True)
        ):
            raise DataError(
                shown(place),
                got=f"identical files {first} and {second}",
                needs="six different batches"
                if second in _TRAIN
                else "a test batch that is not trained on",
                remedy=f"Download {second} again.",
            )

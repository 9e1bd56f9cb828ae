"""Which class and which split an image belongs to, from its path alone.

Three layouts are known: a folder for each class (rose/1.jpg); those within folders named train,
val or validation, test (train/rose/1.jpg); and Tiny ImageNet's (train/n01882714/images/1.JPEG,
with the classes of val/images in val/val_annotations.txt). A single folder around all of it is
looked through.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from backlight.data.files import shown
from backlight.errors import DataError

TEXTS = ("wnids.txt", "words.txt", "val_annotations.txt")
_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_IGNORED = {"thumbs.db", "desktop.ini", "__macosx"}
_LISTED = 12


@dataclass(frozen=True)
class Layout:
    """The classes in order, and for each split its (path, class number), ordered by path."""

    classes: tuple[str, ...]
    splits: dict[str, list[tuple[str, int]]]


def is_ignored(path: str) -> bool:
    """Whether a part of the path is hidden or left behind by a file manager.

    Examples
    --------
    >>> is_ignored("rose/.DS_Store"), is_ignored("rose/1.jpg")
    (True, False)
    """
    return any(part.startswith(".") or part.lower() in _IGNORED for part in path.split("/"))


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that orders numbers within names by value.

    Examples
    --------
    >>> sorted(["s10", "s2", "s1"], key=natural)
    ['s1', 's2', 's10']
    """
    return [
        (0, int(part), "") if part.isdecimal() and len(part) < 19 else (1, 0, part)
        for part in re.split(r"([0-9]+)", name)
        if part
    ]


def lay_out(
    images: Iterable[str],
    texts: dict[str, bytes],
    subject: str,
    folders: Iterable[str] = (),
    *,
    by_number: bool = False,
) -> Layout:
    """The layout of images with these paths.

    Parameters
    ----------
    images : iterable of str
        Paths below the root, with "/".
    texts : dict
        Content of the files named in TEXTS, by path.
    subject : str
        What messages call the root.
    folders : iterable of str
        All folders, where they are known, so that one without images is noticed.
    by_number : bool
        Whether s2 comes before s10.

    Raises
    ------
    DataError
        No images, no class folders, a class without images, one class only, classes that look
        alike, a validation image without annotation.

    Examples
    --------
    >>> lay_out(["b/1.png", "a/2.png", "a/1.png"], {}, "pets")
    Layout(classes=('a', 'b'), splits={'train': [('a/1.png', 0), ('a/2.png', 0), ('b/1.png', 1)]})
    """
    images = sorted(images)
    if not images:
        raise DataError(
            subject,
            got="no images",
            needs="PNG, JPEG, PGM or PPM files in a folder for each class",
            remedy="Check the path.",
        )
    prefix = _common_folder(images)
    within = {path: path[len(prefix) :].split("/") for path in images}
    texts = {path[len(prefix) :]: text for path, text in texts.items() if path.startswith(prefix)}
    named: dict[str, list[tuple[str, str]]] = {}
    loose = 0
    annotated = _annotations(texts, subject)
    splits = _has_splits(within.values())
    for path, parts in within.items():
        split, rest = (_SPLITS[parts[0].lower()], parts[1:]) if splits else ("train", parts)
        if splits and annotated is not None and split != "train":
            _place_annotated(named, path, split, rest, annotated, subject)
        elif len(rest) < 2:
            loose += 1
        else:
            named.setdefault(split, []).append((path, rest[0]))
    classes = _classes(named, loose, subject, by_number=by_number)
    if annotated is None:
        _check_empty(folders, prefix, classes, subject, splits=splits)
    number = {name: k for k, name in enumerate(classes)}
    _check_known(named, number, subject)
    placed = {
        split: [(path, number[name]) for path, name in pairs] for split, pairs in named.items()
    }
    if by_number:
        for pairs in placed.values():
            pairs.sort(key=lambda pair: (pair[1], natural(pair[0])))
    return Layout(_spoken(classes, texts), placed)


def _common_folder(images: list[str]) -> str:
    """The folders that surround all images, and leave each a folder of its own."""
    prefix = ""
    while True:
        below = [path[len(prefix) :].split("/") for path in images]
        if min(len(parts) for parts in below) < 3 or len({parts[0] for parts in below}) > 1:
            return prefix
        # Tiny ImageNet's folder n01882714/images is one class, not one class named images.
        if {parts[1].lower() for parts in below} == {"images"}:
            return prefix
        prefix += below[0][0] + "/"


def _has_splits(within: Iterable[list[str]]) -> bool:
    tops = {parts[0].lower() for parts in within if len(parts) > 1}
    return tops <= _SPLITS.keys() and "train" in {_SPLITS[top] for top in tops}


def _annotations(texts: dict[str, bytes], subject: str) -> dict[str, str] | None:
    """File name → class of Tiny ImageNet's validation images; None for other layouts."""
    found = texts.get("val/val_annotations.txt")
    if found is None:
        return {} if "wnids.txt" in texts else None
    annotated = {}
    for number, line in enumerate(found.decode("utf-8", "replace").splitlines(), 1):
        fields = line.split("\t")
        if len(fields) < 2:
            raise DataError(
                f"{subject}: val_annotations.txt",
                got=f"line {number}: '{shown(line)[:60]}'",
                needs="a file name, a tab and a class",
                remedy="Download it again.",
            )
        annotated[fields[0]] = fields[1]
    return annotated


def _place_annotated(
    named: dict[str, list[tuple[str, str]]],
    path: str,
    split: str,
    rest: list[str],
    annotated: dict[str, str],
    subject: str,
) -> None:
    if split != "validation":
        return  # the labels of Tiny ImageNet's test images are not published
    name = annotated.get(rest[-1])
    if name is None:
        raise DataError(
            f"{subject}: {shown(path)}",
            got="no line in val_annotations.txt",
            needs="the class of each validation image",
            remedy="Download the data set again.",
        )
    # The only labelled images that are not trained on: they are what a test set is.
    named.setdefault("test", []).append((path, name))


def _classes(
    named: dict[str, list[tuple[str, str]]], loose: int, subject: str, *, by_number: bool
) -> list[str]:
    classes = sorted(
        {name for _, name in named.get("train", [])}, key=natural if by_number else None
    )
    beside = f" and {loose} images beside class folders" if loose else ""
    if len(classes) < 2:
        only = f" ('{shown(classes[0])}', {len(named['train'])} images)" if classes else ""
        raise DataError(
            subject,
            got=f"{len(classes)} class folder{'s'[: len(classes) != 1]}{only}{beside}",
            needs="a folder with images for each of at least two classes",
            remedy="Sort the images into folders named after their classes.",
        )
    seen: dict[str, str] = {}
    for name in classes:
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise DataError(
                subject,
                got=f"a class folder '{shown(name)}' whose name is not UTF-8",
                needs="names in UTF-8",
                remedy="Rename the folder.",
            )
        alike = unicodedata.normalize("NFC", name).casefold()
        if alike in seen:
            raise DataError(
                subject,
                got=f"class folders '{shown(seen[alike])}' and '{shown(name)}', which look alike",
                needs="a name for each class",
                remedy="Merge or rename them.",
            )
        seen[alike] = name
    return classes


def _check_empty(
    folders: Iterable[str], prefix: str, classes: list[str], subject: str, *, splits: bool
) -> None:
    empty = []
    for folder in folders:
        parts = folder[len(prefix) :].split("/") if folder.startswith(prefix) else []
        if splits and parts and _SPLITS.get(parts[0].lower()) == "train":
            parts = parts[1:]
        elif splits:
            continue
        if len(parts) == 1 and parts[0] and parts[0] not in classes:
            empty.append(shown(parts[0]))
    if empty:
        more = f" and {len(empty) - _LISTED} more" if len(empty) > _LISTED else ""
        raise DataError(
            subject,
            got=f"folders without images: {', '.join(empty[:_LISTED])}{more}",
            needs="images of each class",
            remedy="Fill or remove those folders.",
        )


def _check_known(
    named: dict[str, list[tuple[str, str]]], number: dict[str, int], subject: str
) -> None:
    for split, pairs in named.items():
        strange = sorted({name for _, name in pairs} - number.keys())
        if strange:
            raise DataError(
                subject,
                got=f"classes in {split} that train does not have: "
                f"{', '.join(shown(name) for name in strange[:_LISTED])}",
                needs=f"the classes of train: {', '.join(shown(n) for n in [*number][:_LISTED])}",
                remedy="Give each class a folder in train.",
            )


def _spoken(classes: list[str], texts: dict[str, bytes]) -> tuple[str, ...]:
    """The classes by the first word that words.txt has for them, where there is one."""
    words = {}
    for line in texts.get("words.txt", b"").decode("utf-8", "replace").splitlines():
        code, _, meaning = line.partition("\t")
        words[code] = meaning.split(",")[0].strip()
    spoken = [words.get(name) or name for name in classes]
    # Two classes may share a word (a crane, a crane): those keep their code beside it.
    return tuple(
        f"{word} ({code})" if spoken.count(word) > 1 and word != code else word
        for word, code in zip(spoken, classes, strict=True)
    )

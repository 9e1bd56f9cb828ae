"""Data sets, splits, transforms and the loader.

Reading a data set imports its libraries (Pillow, scikit-learn, pooch) when it is read, and a name
of this package is imported when it is first used, so that `import backlight` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Examples": "dataset",
    "DataSet": "dataset",
    "check_examples": "dataset",
    "load": "catalogue",
    "known_names": "catalogue",
    "load_digits": "digits",
    "load_mnist": "mnist",
    "load_cifar10": "cifar10",
    "load_folder": "folder",
    "load_faces": "faces",
    "ImageFolder": "image_folder",
    "stream_folder": "image_folder",
    "read_idx": "idx",
    "read_image": "image",
    "read_pickle": "unpickle",
    "spiral": "toy",
    "circles": "toy",
    "moons": "toy",
    "xor": "toy",
    "blobs": "toy",
    "fetch": "download",
    "kfold": "split",
    "bootstrap": "split",
    "stratified_indices": "split",
    "train_validation_test_indices": "split",
    "Transform": "transform",
    "Compose": "transform",
    "ToFloat": "transform",
    "Flatten": "transform",
    "Normalize": "normalize",
    "Whiten": "whiten",
    "RandomHorizontalFlip": "augment",
    "RandomCrop": "augment",
    "RandomShift": "augment",
    "Cutout": "augment",
    "ColorJitter": "augment",
    "DataLoader": "loader",
    "Dataset": "subset",
    "TensorDataset": "subset",
    "Subset": "subset",
    "random_split": "subset",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'backlight.data' has no attribute {name!r}")
    return getattr(import_module(f"backlight.data.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from backlight.data import load
from backlight.data.split import split
from backlight.studies.material import material

KEPT = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def digits():
    return material(split(load("digits"), 0.15, 0.15, 0))


@cache
def _cifar():
    folder = Path(os.environ.get("BACKLIGHT_TEST_DATA", KEPT)) / "cifar10"
    if not folder.is_dir():
        pytest.skip("CIFAR-10 is not there: set BACKLIGHT_TEST_DATA")
    train = load("cifar10", str(folder)).train
    few = replace(
        load("digits"), name="cifar10", train=train[:10_000], validation=train[10_000:11_000]
    )
    return material(few)


def cifar(train, held=1000):
    """The first examples of CIFAR-10, where it is there."""
    return _cifar().first(train, held)

import struct

import numpy as np
import pytest
from PIL import Image

from backlight.data import catalogue
from backlight.data.catalogue import known_names, load
from backlight.data.digits import load_digits
from backlight.errors import DataError, UsageError


@pytest.fixture
def pictures(tmp_path):
    for name in "ab":
        (tmp_path / "pictures" / name).mkdir(parents=True)
        Image.new("L", (4, 4)).save(tmp_path / "pictures" / name / "1.pgm")
    return tmp_path / "pictures"


def write_mnist(folder):
    folder.mkdir(parents=True)
    for kind in ("train", "t10k"):
        for what, shape in [("images-idx3", (10, 28, 28)), ("labels-idx1", (10,))]:
            content = np.zeros(shape, np.uint8) if len(shape) > 1 else np.arange(10, dtype=np.uint8)
            (folder / f"{kind}-{what}-ubyte").write_bytes(
                bytes([0, 0, 8, len(shape)])
                + struct.pack(f">{len(shape)}I", *shape)
                + content.tobytes()
            )


def test_every_plain_name_loads():
    for name in ("digits", "spiral", "circles", "moons", "xor", "blobs"):
        assert name in known_names()
        assert load(name).name == name


def test_the_digits_are_levels_from_0_to_16():
    data = load_digits()
    assert data.train.inputs.shape == (1797, 1, 8, 8)
    assert data.train.inputs.dtype == np.uint8
    assert data.train.inputs.max() == 16
    assert data.train.labels[:5].tolist() == [0, 1, 2, 3, 4]
    assert data.train.inputs[0, 0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert data.test is None


def test_a_path_follows_the_colon(pictures, monkeypatch):
    assert load(f"folder:{pictures}").train.shape == (1, 4, 4)
    assert load(f"folder:{pictures}", size=2, channels=3).train.shape == (3, 2, 2)
    assert load("folder:pictures", data_dir=pictures.parent).classes == ("a", "b")
    monkeypatch.setenv("BACKLIGHT_DATA_DIR", str(pictures.parent))
    assert load("folder:pictures").classes == ("a", "b")
    monkeypatch.delenv("BACKLIGHT_DATA_DIR")
    assert load(f"faces:{pictures}").name == "faces"
    monkeypatch.chdir(pictures.parent)
    assert load("folder:pictures").classes == ("a", "b")


@pytest.mark.parametrize("below", ["", "mnist"])
def test_the_folder_is_given_or_comes_from_the_environment(tmp_path, below, monkeypatch):
    write_mnist(tmp_path / "data" / below)
    assert len(load("mnist", tmp_path / "data").train) == 10
    monkeypatch.setenv("BACKLIGHT_DATA_DIR", str(tmp_path / "data"))
    assert len(load("mnist").train) == 10


def test_what_is_not_there_is_fetched_only_into_the_cache(tmp_path, monkeypatch):
    def fetch(name):
        write_mnist(tmp_path / name)
        return tmp_path / name

    monkeypatch.setenv("BACKLIGHT_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(catalogue, "fetch", fetch)
    for options in ({"download": False}, {"data_dir": tmp_path}):
        with pytest.raises(DataError, match="no MNIST files"):
            load("mnist", **options)
    assert len(load("mnist").train) == 10
    monkeypatch.setattr(catalogue, "fetch", None)
    assert len(load("mnist").train) == 10
    with pytest.raises(DataError, match="no CIFAR-10 files"):
        load("cifar10", tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        load("cifar10", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minst", "Did you mean 'mnist'"),
        ("CIFAR10", "Did you mean 'cifar10'"),
        ("folder", r"needs folder:PATH"),
        ("faces:", r"needs faces:PATH"),
        ("mnist:here", "'mnist:here'"),
        ("", "Known: digits"),
        ("folders:x", "Did you mean 'folder:P"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name, message):
    with pytest.raises(UsageError, match=message):
        load(name)

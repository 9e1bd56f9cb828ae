import gzip
import struct

import numpy as np
import pytest

from backlight.data.mnist import FILES, load_mnist
from backlight.errors import DataError


def idx(array):
    return (
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def write(folder, pack=bytes, suffix="", counts=(20, 10), labels=None):
    folder.mkdir(parents=True, exist_ok=True)
    for kind, count in zip(("train", "t10k"), counts, strict=True):
        images = (np.arange(count * 28 * 28) % 251).astype(np.uint8).reshape(count, 28, 28)
        numbers = (np.arange(count) % 10).astype(np.uint8) if labels is None else labels
        (folder / f"{kind}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(images)))
        (folder / f"{kind}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(numbers)))


@pytest.mark.parametrize("below", ["", "mnist", "MNIST/raw"])
def test_the_files_are_found_plain_or_compressed_at_or_below_the_folder(tmp_path, below):
    write(tmp_path / "plain" / below)
    write(tmp_path / "packed" / below, gzip.compress, ".gz")
    plain, packed = load_mnist(tmp_path / "plain"), load_mnist(tmp_path / "packed")
    assert plain.fingerprint == packed.fingerprint
    assert plain.train.inputs.shape == (20, 1, 28, 28)
    assert plain.test.labels.tolist() == list(range(10))
    assert plain.validation is None


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_file_is_named(tmp_path, missing):
    write(tmp_path)
    (tmp_path / missing.removesuffix(".gz")).unlink()
    with pytest.raises(DataError, match=f"no {missing.removesuffix('.gz')}"):
        load_mnist(tmp_path)


def test_an_empty_folder_and_none_say_what_is_wanted(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(DataError, match=r"no MNIST files.*\n.*train-images-idx3-ubyte"):
            load_mnist(path)


def test_counts_that_differ_and_exchanged_files_are_told(tmp_path):
    write(tmp_path, labels=np.zeros(15, np.uint8))
    with pytest.raises(DataError, match="20 images and 15 labels"):
        load_mnist(tmp_path)
    write(tmp_path)
    images = tmp_path / "train-images-idx3-ubyte"
    labels = tmp_path / "train-labels-idx1-ubyte"
    content = images.read_bytes()
    images.write_bytes(labels.read_bytes())
    labels.write_bytes(content)
    with pytest.raises(DataError, match=r"images-idx3-ubyte got an array of shape \(20,\)"):
        load_mnist(tmp_path)


def test_a_label_above_nine_is_named(tmp_path):
    labels = np.zeros(20, np.uint8)
    labels[4] = 10
    write(tmp_path, counts=(20, 20), labels=labels)
    with pytest.raises(DataError, match="label 10 at row 4"):
        load_mnist(tmp_path)


def test_the_published_files(real_data):
    data = load_mnist(real_data("mnist"))
    assert data.train.inputs.shape == (60_000, 1, 28, 28)
    assert data.test.inputs.shape == (10_000, 1, 28, 28)
    assert data.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.train.inputs.mean() / 255 == pytest.approx(0.1306604762738429)
    assert data.train.inputs.std() / 255 == pytest.approx(0.30810780385646264)

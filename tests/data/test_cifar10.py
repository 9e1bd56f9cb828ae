import gzip
import io
import lzma
import os
import pickle
import tarfile

import numpy as np
import pytest

from backlight.data.cifar10 import CLASSES, load_cifar10
from backlight.errors import DataError, RangeError

NAMES = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]


def batch(number, rows=4):
    draw = np.random.RandomState(number)
    return draw.randint(0, 256, (rows, 3072)).astype(np.uint8), draw.randint(0, 10, rows).tolist()


def pickled(number, rows=4, **changed):
    data, labels = batch(number, rows)
    content = {b"data": data, b"labels": labels, b"batch_label": b"x", **changed}
    return pickle.dumps({key: value for key, value in content.items() if value is not None}, 2)


def binary(number, rows=4):
    data, labels = batch(number, rows)
    return np.c_[np.array(labels, np.uint8), data].tobytes()


def write(folder, make=pickled, suffix="", pack=bytes):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(NAMES):
        (folder / (name + suffix)).write_bytes(pack(make(number)))


@pytest.mark.parametrize(
    ("make", "suffix", "pack"),
    [
        (pickled, "", bytes),
        (pickled, ".xz", lzma.compress),
        (pickled, ".gz", gzip.compress),
        (binary, ".bin", bytes),
        (binary, ".bin.gz", gzip.compress),
    ],
)
@pytest.mark.parametrize("below", ["", "cifar-10-batches-py", "cifar10/cifar-10-batches-py"])
def test_both_layouts_plain_or_compressed_give_the_same(tmp_path, make, suffix, pack, below):
    write(tmp_path / below, make, suffix, pack)
    data = load_cifar10(tmp_path)
    assert data.classes == CLASSES
    for k in range(5):
        pixels, labels = batch(k)
        np.testing.assert_array_equal(
            data.train.inputs[4 * k : 4 * k + 4], pixels.reshape(4, 3, 32, 32)
        )
        assert data.train.labels[4 * k : 4 * k + 4].tolist() == labels
    np.testing.assert_array_equal(data.test.inputs.reshape(4, -1), batch(5)[0])


def test_the_tar_is_read_as_it_was_published(tmp_path):
    write(tmp_path / "plain")
    (tmp_path / "plain" / "batches.meta").write_bytes(
        pickle.dumps({b"label_names": [name.encode().upper() for name in CLASSES]}, 2)
    )
    (tmp_path / "plain" / "readme.html").write_text("<html>")
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "plain", "cifar-10-batches-py")
    from_tar = load_cifar10(tmp_path)
    assert from_tar.source.endswith(".tar.gz")
    assert from_tar.classes[0] == "AIRPLANE"
    assert from_tar.fingerprint == load_cifar10(tmp_path / "plain").fingerprint
    assert from_tar.fingerprint == load_cifar10(tmp_path / "cifar-10-python.tar.gz").fingerprint


def test_the_test_batch_may_have_fewer_rows_and_names_may_come_as_text(tmp_path):
    write(tmp_path, binary, ".bin")
    (tmp_path / "test_batch.bin").write_bytes(binary(9, rows=1))
    (tmp_path / "batches.meta.txt").write_text("\n".join("abcdefghij") + "\n\n")
    data = load_cifar10(tmp_path)
    assert len(data.test) == 1
    assert data.classes == tuple("abcdefghij")


@pytest.mark.parametrize("missing", [["data_batch_3"], ["test_batch"], NAMES[1:]])
def test_missing_batches_are_named(tmp_path, missing):
    write(tmp_path)
    for name in missing:
        (tmp_path / name).unlink()
    with pytest.raises(DataError, match=f"without {', '.join(missing)}"):
        load_cifar10(tmp_path)


@pytest.mark.parametrize(("first", "second"), [(0, 3), (2, 5)])
def test_the_same_batch_twice_is_told_by_content(tmp_path, first, second):
    write(tmp_path)
    (tmp_path / f"{NAMES[second]}").write_bytes(pickled(first, batch_label=b"other"))
    with pytest.raises(DataError, match=f"identical files {NAMES[first]} and {NAMES[second]}"):
        load_cifar10(tmp_path)


def floats(rows=4):
    return np.zeros((rows, 3072), np.float32)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({b"data": None}, r"without 'data'; it has \['batch_label', 'labels'\]"),
        ({b"labels": None, b"fine_labels": [1]}, "without 'labels'"),
        ({b"labels": [1, 2, 11, 3]}, "label 11 at row 2"),
        ({b"labels": [1, -1, 0, 3]}, "label -1 at row 1"),
        ({b"labels": [1, 2.0, 0, 3]}, "label that is a float, at row 1"),
        ({b"labels": [1, True, 0, 3]}, "label that is a bool"),
        ({b"labels": [1, [2], 0, 3]}, "label that is a list"),
        ({b"labels": [1, 2]}, "4 images and 2 labels"),
        ({b"labels": 3}, "'labels' that is a int"),
        ({b"labels": np.zeros((4, 1), int)}, "'labels' that is a ndarray"),
        ({b"data": np.zeros((4, 3071), np.uint8)}, r"shape \(4, 3071\)"),
        ({b"data": np.zeros((0, 3072), np.uint8)}, r"shape \(0, 3072\)"),
        ({b"data": np.zeros(3072, np.uint8)}, r"shape \(3072,\)"),
        ({b"data": floats()}, "float32"),
        ({b"data": [1, 2]}, "'data' that is a list"),
    ],
)
def test_a_pickle_with_other_contents_names_file_key_and_value(tmp_path, changed, message):
    write(tmp_path)
    data, labels = batch(1)
    content = {b"data": data, b"labels": labels, b"batch_label": b"x"} | changed
    (tmp_path / "data_batch_2").write_bytes(
        pickle.dumps({key: value for key, value in content.items() if value is not None}, 2)
    )
    with pytest.raises((DataError, RangeError), match=f"data_batch_2 got .*{message}"):
        load_cifar10(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"cos\nsystem\n(S'true'\ntR.",
        pickle.dumps([1]),
        b"\x89PNG",
        pickled(1)[:-9],
        lzma.compress(pickled(1))[:-9],
        gzip.compress(pickled(1))[:-1],
        pickled(1) + b"x",
    ],
)
def test_a_damaged_or_hostile_batch_is_named(tmp_path, content):
    write(tmp_path)
    (tmp_path / "data_batch_4").write_bytes(content)
    with pytest.raises(DataError, match="data_batch_4 got"):
        load_cifar10(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes: 0 images"),
        (binary(1)[:-1], "12291 bytes: 3 images and 3072 bytes over"),
        (b"\x0a" + binary(1)[1:], "label 10 at row 0"),
    ],
)
def test_a_binary_batch_of_wrong_length_or_label_is_named(tmp_path, content, message):
    write(tmp_path, binary, ".bin")
    (tmp_path / "data_batch_5.bin").write_bytes(content)
    with pytest.raises((DataError, RangeError), match=f"data_batch_5.bin got {message}"):
        load_cifar10(tmp_path)


def test_a_batch_of_a_terabyte_is_not_read(tmp_path):
    write(tmp_path, binary, ".bin")
    os.truncate(tmp_path / "data_batch_1.bin", 10**12)
    with pytest.raises(DataError, match=r"data_batch_1\.bin got more than"):
        load_cifar10(tmp_path)


@pytest.mark.parametrize("names", [None, [b"a"] * 10, [b"a"], "abcdefghij", [1] * 10])
def test_damaged_class_names_are_told(tmp_path, names):
    write(tmp_path)
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, 2))
    with pytest.raises(DataError, match=r"batches\.meta got other than ten"):
        load_cifar10(tmp_path)


def test_a_tar_with_a_batch_twice_and_a_folder_without_any_are_told(tmp_path):
    with tarfile.open(tmp_path / "two.tar", "w") as tar:
        for folder in "ab":
            member = tarfile.TarInfo(f"{folder}/data_batch_1")
            member.size = len(pickled(1))
            tar.addfile(member, io.BytesIO(pickled(1)))
    with pytest.raises(DataError, match="data_batch_1 in two folders"):
        load_cifar10(tmp_path / "two.tar")
    with pytest.raises(DataError, match="no CIFAR-10 files"):
        load_cifar10(tmp_path)


def test_the_published_batches(real_data):
    data = load_cifar10(real_data("cifar10"))
    assert data.classes == CLASSES
    assert data.train.inputs.shape == (50_000, 3, 32, 32)
    assert np.bincount(data.train.labels).tolist() == [5000] * 10
    assert data.train.labels[:8].tolist() == [6, 9, 9, 4, 1, 1, 2, 7]
    assert data.train.inputs[0, :, 0, 0].tolist() == [59, 62, 63]
    assert data.train.inputs.mean(axis=(0, 2, 3)).round(3).tolist() == [125.307, 122.95, 113.865]
    assert np.bincount(data.test.labels).tolist() == [len(data.test) // 10] * 10

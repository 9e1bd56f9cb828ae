"""Each refusal of the command: exit code 2, one paragraph, nothing written, and soon."""

import gzip
import io
import os
import pickle
import stat
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backlight.train.memory import available
from tests.cli.command import refused


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


OPTIONS = [
    ("--lr", ["-1", "0", "nan", "inf", "1e400", "abc", "", "0x1", "1_0"], ("lr", "> 0 and finite")),
    ("--epochs", ["0", "-3", "1.5", "1e18", "9" * 30, "x"], ("epochs", "whole number ≥ 1")),
    ("--batch-size", ["0", "-1", "x"], ("batch-size", "whole number ≥ 1")),
    ("--batch-size", ["1000000"], ("batch-size", "1257", "training split")),
    ("--seed", ["-1", str(2**64), "x"], ("seed", "≥ 0", str(2**63 - 1))),
    ("--weight-decay", ["-1", "nan"], ("weight-decay", "≥ 0 and finite")),
    ("--momentum", ["1.5", "1", "-1", "nan"], ("momentum", "< 1")),
    ("--momentum", ["0.9"], ("optimizer adam", "--optimizer sgd")),
    ("--dropout", ["1.0", "-0.1", "nan"], ("dropout", "< 1")),
    ("--hidden", ["0", "10,,20", "a", "-5"], ("hidden", "hidden layer")),
    ("--hidden", ["1e12", "1000000000"], ("hidden layer 1", "GiB")),
    ("--warmup", ["1000000"], ("warm-up of 1000000 steps", "2400")),
    ("--validation", ["0", "-1", "1.5", "nan", "x"], ("validation", "fraction")),
    ("--validation", ["1797", "1e9"], ("1797 examples",)),
    ("--validation", ["2"], ("10 classes",)),
    ("--limit", ["1", "0"], ("limit", "≥ 2")),
    ("--image-size", ["16"], ("image-size", "digits", "folder:PATH")),
    ("--image-size", ["100000"], ("image-size", "4096")),
    ("--model", ["convnett"], ("'convnett'", "Did you mean 'convnet'", "softmax")),
    ("--optimizer", ["adamm"], ("'adamm'", "Did you mean 'adam'", "rmsprop")),
    ("--schedule", ["cosin"], ("'cosin'", "Did you mean 'cosine'", "one-cycle")),
    ("--data", ["cifar1"], ("'cifar1'", "Did you mean 'cifar10'", "folder:PATH")),
    ("--data", ["folder:"], ("folder:", "path")),
    ("--data", ["x" * 2**20, "\udcff"], ("data",)),
    ("--config", ["absent.toml", ".", "\x1b[2J", "c" * 300], ("config",)),
    ("--out", ["", " x ", "y" * 300, "a\0b", "/dev/null"], ("--out",)),
    ("--resume", ["nowhere", "", "a\0b"], ("run",)),
]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        pytest.param(option, value, words, id=f"{option} {value[:20]!r}")
        for option, values, words in OPTIONS
        for value in values
    ],
)
def test_options(tmp_path, option, value, words):
    refused("train", option, value, words=words, folder=tmp_path)


def test_wishes_that_a_model_would_not_heed(tmp_path):
    for wish in (("--hidden", "5"), ("--dropout", "0.5")):
        for model in ("svm", "softmax"):
            refused(
                "train", "--model", model, *wish, words=(wish[1], model, "mlp"), folder=tmp_path
            )
    refused(
        "train",
        "--optimizer",
        "gradient-descent",
        "--weight-decay",
        "1",
        words=("gradient-descent", "sgd"),
        folder=tmp_path,
    )
    refused("train", "--data", "spiral", words=("convnet", "(2,)", "--model mlp"))
    refused("train", "--data", "spiral", "--model", "mlp", "--augment", words=("images",))


# ── more than there is memory for ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "wish",
    [
        ("--model", "mlp", "--hidden", "1000000,1000000"),
        ("--hidden", "1000000,1000000"),
        ("--model", "mlp", "--hidden", "10," + ",".join(["900000"] * 5)),
    ],
)
def test_a_model_that_cannot_fit_is_refused_before_it_is_made(tmp_path, wish):
    psutil = pytest.importorskip("psutil")
    before = psutil.Process().memory_info().rss
    told = refused("train", *wish, words=("GiB of memory", "are free"), folder=tmp_path)
    assert psutil.Process().memory_info().rss - before < 300 * 2**20
    assert f"{available() / 2**30:,.0f}."[:1] in told


def test_a_summary_that_cannot_fit():
    refused("summary", "mlp", "--shape", "1000000x1000000x10", words=("GiB",))
    refused("summary", "mlp", "--hidden", "1000000,1000000", words=("GiB",))


# ── settings files ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"lrr = 2", ("c.toml:1", "'lrr'", "Did you mean 'lr'")),
        (b'seed = 1\nlr = "x"', ("c.toml:2", "lr")),
        (b"lr = nan", ("lr", "finite")),
        (b"\xff\xfe", ("UTF-8",)),
        (b"lr = 1\nlr = 2", ("c.toml",)),
        (b"a" * 70_000, ("65536 bytes",)),
        (b"a = " + b"[" * 5000, ("brackets",)),
        (b".".join([b"a"] * 1000) + b" = 1", ("dots",)),
        (b"lr = " + b"9" * 5000, ("c.toml", "5000 digits")),
        (b"epochs = 1.5", ("epochs", "whole")),
        (b"hidden = [[1]]", ("hidden",)),
        (b"[lr]\nx = 1", ("lr",)),
        (b'optimizer = "adamm"', ("Did you mean 'adam'",)),
    ],
)
def test_settings_files(tmp_path, content, words):
    (tmp_path / "c.toml").write_bytes(content)
    refused("train", "--config", "c.toml", words=words, folder=tmp_path)


# ── run folders ────────────────────────────────────────────────────────────────────────────────


def test_a_folder_that_is_not_empty(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    refused("train", "--out", "full", words=("full", "not empty", "--out"), folder=tmp_path)
    (tmp_path / "file").write_text("dear")
    refused("train", "--out", "file", words=("a file",), folder=tmp_path)
    refused("train", "--out", "file/run", words=("--out",), folder=tmp_path)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind the superuser"
)
def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(stat.S_IRUSR | stat.S_IXUSR)
    refused("train", "--out", "locked/run", words=("locked", "written"), folder=tmp_path)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder no one can write")
def test_a_folder_of_the_system():
    refused("train", "--out", "/proc/run", words=("/proc/run", "written"))


def test_other_commands(tmp_path):
    for name in ("evaluate", "report"):
        refused(name, "nowhere", words=("nowhere", "no such folder"), folder=tmp_path)
        refused(name, str(tmp_path), words=("without config.toml",), folder=tmp_path)
    refused("summary", "mpl", words=("'mpl'", "Did you mean 'mlp'"))
    refused("summary", "convnet", "--shape", "3x32", words=("(3, 32)",))
    for shape in ("a", "", "0x1", "3x-1", "x"):
        refused("summary", "mlp", "--shape", shape, words=("--shape",))
    refused("env", "x", words=("'x'",))


# ── data ───────────────────────────────────────────────────────────────────────────────────────


class Malice:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


def cifar10(folder, **replaced):
    """CIFAR-10 of six small batches; `replaced` gives other bytes for one."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        batch = {
            b"data": draw.integers(0, 256, (20, 3072), np.uint8).astype(np.uint8),
            b"labels": [n % 10 for n in range(20)],
        }
        content = pickle.dumps(batch | replaced.pop(name, {}), protocol=2)
        (folder / name).write_bytes(content)
    return folder


def test_a_pickle_with_malice_is_never_run(tmp_path):
    folder, marker = cifar10(tmp_path / "c"), tmp_path / "marker"
    for protocol in range(6):
        (folder / "data_batch_3").write_bytes(pickle.dumps(Malice(marker), protocol))
        told = refused(
            "train",
            "--data",
            "cifar10",
            "--data-dir",
            "c",
            folder=tmp_path,
            words=("data_batch_3", "system"),
        )
        assert "Nothing in it was run" in told
        assert not marker.exists()


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ({b"labels": [11] * 20}, ("data_batch_2", "11")),
        ({b"labels": [-1] * 20}, ("-1",)),
        ({b"labels": [1] * 3}, ("data_batch_2", "3", "20")),
        ({b"data": np.zeros((20, 3071), np.uint8)}, ("3071",)),
        ({b"data": np.full((20, 3072), np.nan)}, ("data_batch_2", "float64")),
    ],
)
def test_wrong_contents_of_a_right_pickle(tmp_path, batch, words):
    cifar10(tmp_path / "c", data_batch_2=batch)
    refused("train", "--data", "cifar10", "--data-dir", "c", folder=tmp_path, words=words)


def test_damaged_batches(tmp_path):
    folder = cifar10(tmp_path / "c")
    whole = (folder / "data_batch_4").read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"\0" * 100, b"not a pickle"):
        (folder / "data_batch_4").write_bytes(content)
        refused(
            "train",
            "--data",
            "cifar10",
            "--data-dir",
            "c",
            folder=tmp_path,
            words=("data_batch_4",),
        )
    (folder / "data_batch_4").unlink()
    refused("train", "--data", "cifar10", "--data-dir", "c", words=("without data_batch_4",))
    (folder / "data_batch_4").write_bytes((folder / "data_batch_1").read_bytes())
    refused("train", "--data", "cifar10", "--data-dir", "c", words=("data_batch_4",))


def idx(array, magic=None):
    head = struct.pack(">I", magic if magic is not None else 0x0800 + array.ndim)
    return head + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist(folder, **replaced):
    folder.mkdir()
    labels = np.arange(20, dtype=np.uint8) % 10
    files = {
        "train-images-idx3-ubyte": idx(np.arange(20 * 784).astype(np.uint8).reshape(20, 28, 28)),
        "train-labels-idx1-ubyte": idx(labels),
    }
    files |= {name.replace("train", "t10k"): content for name, content in files.items()}
    for name, content in files.items():
        (folder / name).write_bytes(replaced.get(name.split("-idx")[0].replace("-", "_"), content))


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"train_images": b""}, ("train-images",)),
        ({"train_images": idx(np.zeros((20, 28, 28), np.uint8), 0x12345678)}, ("train-images",)),
        ({"train_images": idx(np.zeros((20, 28, 28), np.uint8))[:-1]}, ("train-images",)),
        ({"train_images": idx(np.zeros((20, 28, 28), np.uint8)) + b"x"}, ("train-images",)),
        ({"train_labels": idx(np.zeros(19, np.uint8))}, ("19", "20")),
        ({"train_labels": idx(np.full(20, 10, np.uint8))}, ("10",)),
        ({"train_images": struct.pack(">IIII", 0x803, 2**31, 2**31, 9)}, ("train-images",)),
        ({"train_images": gzip.compress(b"\0" * 10**6)}, ("train-images",)),
    ],
)
def test_idx_files(tmp_path, replaced, words):
    mnist(tmp_path / "m", **replaced)
    refused("train", "--data", "mnist", "--data-dir", "m", folder=tmp_path, words=words)


def test_a_data_folder_that_is_missing_or_foreign(tmp_path):
    for data in ("mnist", "cifar10"):
        refused("train", "--data", data, "--data-dir", "none", words=("none",), folder=tmp_path)
        refused("train", "--data", data, "--data-dir", str(tmp_path), words=(str(tmp_path),))
    refused("train", "--data", "folder:none", words=("none",))


def images(folder, **classes):
    """Folders of grey images: a number of good ones, or named bytes."""
    for name, content in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(content if isinstance(content, int) else 4):
            Image.new("L", (8, 8), 10 * number).save(folder / name / f"{number}.png")
        if isinstance(content, dict):
            for file, data in content.items():
                (folder / name / file).write_bytes(data)


def test_one_class_only_and_none(tmp_path):
    (tmp_path / "empty").mkdir()
    refused("train", "--data", "folder:empty", words=("empty", "no images"), folder=tmp_path)
    images(tmp_path / "one", cat=5)
    refused("train", "--data", "folder:one", words=("1 class folder", "'cat'", "two classes"))


def png_claiming(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("huge.png", png_claiming(60_000, 60_000)),
        ("text.png", b"I am a letter"),
        ("magic.png", b"\x89PNG\r\n\x1a\n"),
        ("empty.jpg", b""),
        ("short.pgm", b"P5 8 8 255\n\0"),
        ("claim.pgm", b"P5 99999999 99999999 255\n\0"),
        ("zero.png", png_claiming(0, 5)),
    ],
)
def test_images_that_are_none(tmp_path, name, content):
    images(tmp_path / "d", cat=4, dog={name: content})
    refused("train", "--data", "folder:d", words=(name,), folder=tmp_path)


@pytest.mark.parametrize(
    "member", ["../escaped.png", "/tmp/escaped-backlight.png", "a/../../x.png"]
)
def test_a_tar_that_reaches_out_writes_nothing(tmp_path, member):
    picture = io.BytesIO()
    Image.new("L", (8, 8)).save(picture, "PNG")
    with tarfile.open(tmp_path / "d.tar", "w") as tar:
        for name in ("a/1.png", "b/1.png", member):
            entry = tarfile.TarInfo(name)
            entry.size = len(picture.getvalue())
            tar.addfile(entry, io.BytesIO(picture.getvalue()))
    refused("train", "--data", "folder:d.tar", folder=tmp_path.parent, words=("d.tar",))


@pytest.mark.parametrize("name", ["[bold]x[/]", "[/]", "[link=http://e.org]", "%s", "{0}", "<b>"])
def test_names_are_shown_as_they_are(tmp_path, name):
    folder = f"{name.replace('/', '')}"
    images(tmp_path / folder, only=3)
    refused("train", "--data", f"folder:{folder}", words=(folder,))


def test_control_characters_of_a_class_are_written_out(tmp_path):
    images(tmp_path / "d", **{"evil\x1b[2J": 5})
    told = refused("train", "--data", "folder:d", words=("evil",))
    assert "\x1b" not in told

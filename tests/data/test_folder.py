import io
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

from backlight.data import folder as folder_module
from backlight.data.faces import load_faces
from backlight.data.folder import load_folder
from backlight.errors import ArgumentError, DataError


def picture(path, level=0, size=(8, 6), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level, 0, 0)).save(path, **options)


@pytest.fixture
def pets(tmp_path):
    for k, name in enumerate(["dog", "cat"]):
        for n in range(3):
            picture(tmp_path / "pets" / name / f"{n}.png", 100 * k + n)
    return tmp_path / "pets"


def pack(folder, path, mode="w:gz", base="pets", reverse=False):
    with tarfile.open(path, mode) as tar:
        for file in sorted(folder.rglob("*"), reverse=reverse):
            if file.is_file():
                tar.add(
                    file,
                    f"{base}/{file.relative_to(folder)}" if base else str(file.relative_to(folder)),
                )
    return path


def test_images_come_ordered_by_path_with_their_class(pets):
    data = load_folder(pets)
    assert data.classes == ("cat", "dog")
    assert data.train.inputs[:, 0, 0, 0].tolist() == [100, 101, 102, 0, 1, 2]
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.train.shape == (3, 6, 8)
    assert data.name == "pets"


@pytest.mark.parametrize(("mode", "suffix"), [("w", ".tar"), ("w:gz", ".tgz"), ("w:xz", ".tar.xz")])
@pytest.mark.parametrize("base", ["pets", "", "."])
def test_a_tar_gives_the_same_as_the_folder(pets, tmp_path, mode, suffix, base):
    path = pack(pets, tmp_path / f"pets{suffix}", mode, base, reverse=True)
    assert load_folder(path).fingerprint == load_folder(pets).fingerprint


def test_different_sizes_become_one(pets):
    picture(pets / "cat" / "9.jpg", 50, (30, 20))
    assert load_folder(pets).train.shape == (3, 64, 64)
    assert load_folder(pets, 16).train.shape == (3, 16, 16)
    assert load_folder(pets, (5, 9)).train.shape == (3, 5, 9)
    for size in (0, -1, 5000, (1, 2, 3), 1.5):
        with pytest.raises((ArgumentError, TypeError)):
            load_folder(pets, size)


def test_grey_and_colour_mixed_is_colour_unless_told_otherwise(pets, tmp_path):
    picture(pets / "cat" / "9.png", 77, mode="L")
    data = load_folder(pets)
    assert data.train.inputs[3, :, 0, 0].tolist() == [77, 77, 77]
    assert load_folder(pets, channels=1).train.shape == (1, 6, 8)
    picture(tmp_path / "grey" / "a" / "1.pgm", 1, mode="L")
    picture(tmp_path / "grey" / "b" / "1.pgm", 1, mode="L")
    assert load_folder(tmp_path / "grey").train.shape == (1, 6, 8)
    assert load_folder(tmp_path / "grey", channels=3).train.shape == (3, 6, 8)
    with pytest.raises(ArgumentError):
        load_folder(pets, channels=4)


def test_splits_by_folder(tmp_path):
    for split in ("train", "val", "test"):
        for name in "ab":
            picture(tmp_path / split / name / "1.png")
    data = load_folder(tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (2, 2, 2)


def test_hidden_files_are_passed_over_and_others_counted(pets, tmp_path):
    for name in (
        "cat/.hidden.png",
        "cat/.DS_Store",
        "dog/Thumbs.db",
        "__MACOSX/cat/._0.png",
        ".git/x.png",
        "readme.txt",
        "cat/notes.csv",
    ):
        (pets / name).parent.mkdir(parents=True, exist_ok=True)
        (pets / name).write_bytes(b"no image")
    data = load_folder(pets)
    assert len(data.train) == 6
    assert data.source == f"{pets} (2 other files passed over)"
    assert len(load_folder(pack(pets, tmp_path / "pets.tar.gz")).train) == 6


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cat/bad.png", b"\x89PNG\r\n\x1a\n", "a damaged image"),
        ("cat/bad.jpg", b"some words", "a text"),
        ("cat/bad.gif", b"GIF89a", r"the format \.gif"),
        ("cat/bad.JPEG", b"", "an empty file"),
        ("cat/bad.webp", b"RIFF", r"the format \.webp"),
    ],
)
def test_a_bad_image_is_named_and_may_be_skipped(pets, tmp_path, packed, name, content, message):
    (pets / name).write_bytes(content)
    path = pack(pets, tmp_path / "pets.tar.gz") if packed else pets
    with pytest.raises(DataError, match=f"{name} got .*{message}"):
        load_folder(path)
    data = load_folder(path, skip_bad=1)
    assert len(data.train) == 6
    assert f"1 unreadable images left out: {'pets/' * packed}{name}" in data.source


def test_an_image_that_breaks_behind_its_header_is_skipped_with_its_label(pets):
    half = pets / "cat" / "1.png"
    noise = np.random.RandomState(0).randint(0, 255, (60, 80, 3)).astype(np.uint8)
    Image.fromarray(noise).save(half)
    half.write_bytes(half.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"cat/1\.png got a damaged image"):
        load_folder(pets, 6)
    data = load_folder(pets, (6, 8), skip_bad=1)
    assert data.train.inputs[:, 0, 0, 0].tolist() == [100, 102, 0, 1, 2]
    assert data.train.labels.tolist() == [0, 0, 1, 1, 1]


def test_links_are_followed_but_not_in_circles(pets, tmp_path):
    picture(tmp_path / "elsewhere" / "1.png", 5)
    (pets / "eel").symlink_to(tmp_path / "elsewhere")
    (pets / "cat" / "link.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    assert len(load_folder(pets).train) == 8
    (pets / "cat" / "up").symlink_to(pets)
    with pytest.raises(DataError, match="cat/up got a link to a folder around it"):
        load_folder(pets)


@pytest.mark.parametrize("kind", ["pipe", "broken link", "link to itself", "folder of that name"])
def test_what_is_named_like_an_image_and_is_none_does_not_block(pets, kind):
    path = pets / "cat" / "odd.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder of that name":
        path.mkdir()
        assert len(load_folder(pets).train) == 6
        return
    else:
        path.symlink_to("nowhere" if kind == "broken link" else "odd.png")
    with pytest.raises(DataError, match=r"odd\.png got"):
        load_folder(pets)


def test_a_file_name_that_is_not_utf8_is_read(pets):
    picture(pets / "cat" / os.fsdecode(b"\xff.png"), 9)
    assert len(load_folder(pets).train) == 7


def test_a_file_that_vanishes_while_reading_is_named(pets, monkeypatch):
    survey = folder_module._survey

    def then_vanish(path, skip_bad):
        found = survey(path, skip_bad)
        (pets / "dog" / "2.png").unlink()
        return found

    monkeypatch.setattr(folder_module, "_survey", then_vanish)
    with pytest.raises(DataError, match=r"dog/2\.png got no such file any more"):
        load_folder(pets)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pets.zip", b"PK\x03\x04" + bytes(600), "a zip archive"),
        ("pets.csv", b"a,b", "not a tar"),
        ("pets.tar", b"", "not a tar"),
        ("pets.npz", b"PK", "not a tar"),
    ],
)
def test_a_file_that_is_no_tar_and_a_missing_path_are_told(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_folder(tmp_path / name)
    with pytest.raises(DataError, match="no such file"):
        load_folder(tmp_path / "missing")
    with pytest.raises(DataError, match="no images"):
        load_folder(tmp_path)


def test_an_empty_class_folder_is_named(pets):
    (pets / "eel").mkdir()
    with pytest.raises(DataError, match="without images: eel"):
        load_folder(pets)


def test_links_and_devices_in_a_tar_are_passed_over(pets, tmp_path):
    path = pack(pets, tmp_path / "pets.tar", "w")
    with tarfile.open(path, "a") as tar:
        for kind, folder in [(tarfile.SYMTYPE, "cat"), (tarfile.FIFOTYPE, "eel")]:
            member = tarfile.TarInfo(f"pets/{folder}/z.png")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        member = tarfile.TarInfo("pets/../../evil.png")
        tar.addfile(member, io.BytesIO())
    with pytest.raises(DataError, match=r"a member named 'pets/\.\./\.\./evil\.png'"):
        load_folder(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pets", "pets.tar"]


def test_tiny_imagenet_from_folder_and_tar(tmp_path):
    root = tmp_path / "tiny"
    for k, code in enumerate(["n01", "n02"]):
        for n in range(2):
            picture(root / "train" / code / "images" / f"{code}_{n}.JPEG", 100 * k)
        (root / "train" / code / f"{code}_boxes.txt").write_text("x")
    for n in range(2):
        picture(root / "val" / "images" / f"val_{n}.JPEG", 100 * (1 - n))
        picture(root / "test" / "images" / f"test_{n}.JPEG")
    (root / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn02\t0\nval_1.JPEG\tn01\t0\n")
    (root / "wnids.txt").write_text("n02\nn01\n")
    (root / "words.txt").write_text("n01\tkoala, bear\nn02\tbus\n")
    data = load_folder(root)
    assert data.classes == ("koala", "bus")
    assert data.train.labels.tolist() == [0, 0, 1, 1]
    assert data.test.labels.tolist() == [1, 0]
    assert data.test.inputs[:, 0].mean(axis=(1, 2)).round(-2).tolist() == [100, 0]
    packed = load_folder(pack(root, tmp_path / "tiny.tar.gz", base="tiny"))
    assert packed.fingerprint == data.fingerprint


def test_faces_are_ordered_by_number(tmp_path):
    for person in (10, 2, 1):
        for n in (2, 10, 1):
            picture(tmp_path / "orl" / f"s{person}" / f"{n}.pgm", 10 * person + n, mode="L")
    (tmp_path / "orl" / "README").write_text("x")
    data = load_faces(tmp_path / "orl")
    assert data.classes == ("s1", "s2", "s10")
    assert data.train.inputs[:, 0, 0, 0].tolist() == [11, 12, 20, 21, 22, 30, 101, 102, 110]
    (tmp_path / "home").mkdir()
    pack(tmp_path / "orl", tmp_path / "home" / "orl-faces.tar", "w", base="")
    assert load_faces(tmp_path / "home").fingerprint == data.fingerprint


def test_the_published_faces(real_data):
    data = load_faces(real_data("orl-faces"))
    assert data.train.inputs.shape == (400, 1, 112, 92)
    assert np.bincount(data.train.labels).tolist() == [10] * 40
    assert data.classes[:3] == ("s1", "s2", "s3")


def test_published_flowers(real_data):
    data = load_folder(real_data("flowers"))
    assert data.classes == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert data.train.inputs.shape == (60, 3, 64, 64)


def test_published_tiny_imagenet(real_data):
    data = load_folder(real_data("tiny-imagenet-10/tiny-imagenet-10.tar.gz"))
    assert data.train.inputs.shape == (5000, 3, 64, 64)
    assert data.test.inputs.shape == (500, 3, 64, 64)
    assert np.bincount(data.test.labels).tolist() == [50] * 10
    assert data.classes[0] == "koala"

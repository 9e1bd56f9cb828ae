"""Images read one by one: the same classes and labels as read at once, any crop by its rules."""

import io
import os
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backlight.data import DataLoader, ImageFolder, Normalize, load, load_folder, stream_folder
from backlight.data import draw as draw_module
from backlight.data.draw import Draw
from backlight.data.image import _decode_smaller, read_window
from backlight.data.image_folder import centre_window, random_window
from backlight.data.split import split
from backlight.errors import ArgumentError, DataError, RangeError

CLASSES, EACH = 1000, 3


def flat(level, side=4):
    """A grey picture of one level: whatever is cut out of it looks the same."""
    return b"P5 %d %d 255 " % (side, side) + bytes([level]) * side * side


def fill(root, names, content=flat):
    for place, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(place % 251))
    return root


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    names = [f"n{c:08d}/{c}_{i}.pgm" for c in range(CLASSES) for i in range(EACH)]
    return fill(tmp_path_factory.mktemp("thousand"), names)


def everything(folder, **options):
    return list(DataLoader(folder, **options))


def test_a_thousand_classes_streamed(thousand):
    folder = ImageFolder(thousand, 4, channels=1)
    assert len(folder) == CLASSES * EACH
    assert folder.classes == tuple(f"n{c:08d}" for c in range(CLASSES))
    assert (folder.labels == np.arange(CLASSES).repeat(EACH)).all()
    batches = everything(folder, batch_size=64, shuffle=True, seed=5)
    seen = np.concatenate([labels for _, labels in batches])
    assert (np.bincount(seen) == EACH).all()
    whole = load_folder(thousand, 4)
    order = DataLoader(folder, 64, shuffle=True, seed=5).order(0)
    levels = np.concatenate([inputs[:, 0, 0, 0] for inputs, _ in batches])
    assert (levels == whole.train.inputs[order, 0, 0, 0]).all()
    assert (seen == whole.train.labels[order]).all()


LAYOUTS = {
    "plain": ["b/2.pgm", "b/1.pgm", "a/x/9.pgm", "a/1.pgm"],
    "splits": ["train/b/1.pgm", "train/a/2.pgm", "val/a/1.pgm", "val/b/7.pgm", "test/b/1.pgm"],
    "wrapped": ["data/pets/b/1.pgm", "data/pets/a/2.pgm", "data/pets/c/3.pgm"],
    "loose": ["1.pgm", "b/1.pgm", "a/2.pgm", "a/.hidden.pgm", "b/Thumbs.db"],
}


@pytest.mark.parametrize("names", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_are_those_of_a_folder_read_at_once(tmp_path, names):
    streamed, whole = stream_folder(fill(tmp_path, names), 4, 1), load_folder(tmp_path, 4)
    assert streamed.classes == whole.classes
    assert streamed.splits.keys() == whole.splits.keys()
    for name, part in streamed.splits.items():
        other = whole.splits[name]
        assert sorted(other.labels) == sorted(part.labels)
        ours = {(int(label), int(image[0, 0, 0])) for image, label in part}
        assert ours == {(int(label), int(image[0, 0, 0])) for image, label in other}


def test_tiny_imagenets_validation_images_take_their_classes_from_its_list(tmp_path):
    names = [f"train/n{c}/images/{i}.pgm" for c in (1, 2) for i in range(3)]
    fill(tmp_path, [*names, "val/images/v1.pgm", "val/images/v0.pgm", "test/images/t.pgm"])
    (tmp_path / "wnids.txt").write_text("n1\nn2\n")
    (tmp_path / "words.txt").write_text("n1\tgoldfish, x\nn2\tcat\n")
    (tmp_path / "val" / "val_annotations.txt").write_text("v0.pgm\tn2\t0\nv1.pgm\tn1\t0\n")
    found = stream_folder(tmp_path, 4, 1)
    assert found.classes == ("goldfish", "cat")
    assert found.splits.keys() == {"train", "test"}
    assert [found.test.name(k) for k in range(2)] == ["val/images/v0.pgm", "val/images/v1.pgm"]
    assert found.test.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "no images"),
        (["a/1.pgm"], "1 class folder"),
        (["a/1.pgm", "b/1.gif"], "format gif"),
        (["a/1.pgm", "A/1.pgm"], "look alike"),
        (["train/a/1.pgm", "train/b/1.pgm", "val/c/1.pgm"], "classes in validation that train"),
    ],
)
def test_trees_that_are_none_are_refused(tmp_path, names, said):
    with pytest.raises(DataError, match=said):
        stream_folder(fill(tmp_path, names))


def test_an_empty_class_and_a_link_to_itself_are_told(tmp_path):
    fill(tmp_path, ["a/1.pgm", "b/1.pgm"])
    (tmp_path / "c").mkdir()
    with pytest.raises(DataError, match="folders without images: c"):
        ImageFolder(tmp_path)
    (tmp_path / "c" / "1.pgm").write_bytes(flat(1))
    (tmp_path / "b" / "up").symlink_to(tmp_path)
    with pytest.raises(DataError, match="a link to a folder around it"):
        ImageFolder(tmp_path)
    with pytest.raises(DataError, match=r"It needs a folder of images: an archive"):
        ImageFolder(tmp_path / "a" / "1.pgm")
    with pytest.raises(DataError, match="no such folder"):
        ImageFolder(tmp_path / "absent")


def test_a_pipe_among_the_images_does_not_block(tmp_path):
    fill(tmp_path, ["a/1.pgm", "b/1.pgm"])
    os.mkfifo(tmp_path / "a" / "2.pgm")
    with pytest.raises(DataError, match=r"example 1.*2\.pgm got a folder, pipe or device"):
        everything(ImageFolder(tmp_path, 4), batch_size=3)


def test_arguments_are_checked(tmp_path):
    fill(tmp_path, ["a/1.pgm", "b/1.pgm"])
    for options in ({"size": 0}, {"size": (4, 4, 4)}, {"crop": "middle"}, {"channels": 4}):
        with pytest.raises(ArgumentError):
            ImageFolder(tmp_path, **options)
    with pytest.raises(DataError, match="split 'test'"):
        ImageFolder(tmp_path, split="test")
    folder = ImageFolder(tmp_path, 4)
    with pytest.raises(RangeError):
        folder[2]
    with pytest.raises(ArgumentError, match="without random numbers"):
        folder.with_crop("random")[0]


def test_names_take_little_memory(tmp_path):
    count = 20_000
    for c in range(20):
        folder = tmp_path / f"class{c}"
        folder.mkdir()
        for i in range(count // 20):
            (folder / f"n{c:08d}_{i:08d}.JPEG").touch()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    folder = ImageFolder(tmp_path)
    kept, peak = (value - before for value in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    assert len(folder) == count
    assert kept < 60 * count  # a name of 22 bytes, and 28 for where it is and what it shows
    assert peak < 120 * count + 2**20


def test_images_larger_than_the_memory_bound_are_streamed_within_it(tmp_path):
    side, count, bound = 192, 300, 8 * 2**20
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (9, 8, 7)).save(buffer, "PNG")
    fill(tmp_path, [f"{k % 2}/{k}.png" for k in range(count)], lambda _: buffer.getvalue())
    assert count * 3 * side * side > 2 * bound
    loader = DataLoader(ImageFolder(tmp_path, side, "random"), 4, shuffle=True)
    next(iter(loader))
    tracemalloc.start()
    assert sum(len(labels) for _, labels in loader) == count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < bound


def ramp(height, width):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 255 // height, columns * 255 // width, rows * 0], -1).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(300, 400), (500, 281), (256, 256), (90, 120)])
def test_the_middle_is_that_of_scaling_to_256_and_cutting_224(tmp_path, height, width):
    path = tmp_path / "a.png"
    Image.fromarray(ramp(height, width)).save(path)
    image = Image.open(path)
    scale = 256 / min(height, width)
    small = image.resize((round(width * scale), round(height * scale)), Image.BILINEAR)
    left, top = (small.width - 224) // 2, (small.height - 224) // 2
    expected = np.asarray(small.crop((left, top, left + 224, top + 224)), np.float64)
    found = read_window(path, centre_window((224, 224)), (224, 224)).transpose(1, 2, 0)
    assert np.abs(found - expected).max() <= 3


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=23, max_size=23), st.data())
def test_random_windows_lie_within_and_keep_their_bounds(numbers, data):
    height, width = data.draw(st.integers(1, 700)), data.draw(st.integers(1, 700))
    top, left, down, across = random_window(np.array(numbers))(height, width)
    assert top >= 0
    assert left >= 0
    assert down > 0
    assert across > 0
    assert top + down <= height
    assert left + across <= width
    if min(height, width) >= 300:
        assert 0.07 < down * across / (height * width) <= 1.0
        assert 0.72 < across / down < 1.39


def test_random_windows_are_spread_evenly():
    numbers = np.random.default_rng(0).random((4000, 23))
    windows = np.array([random_window(row)(400, 400) for row in numbers])
    area = windows[:, 2] * windows[:, 3] / 160_000
    assert abs(area.mean() - 0.5) < 0.06  # a little less than 0.54: the largest do not always fit
    assert abs(np.log(windows[:, 3] / windows[:, 2]).mean()) < 0.02
    assert abs((windows[:, 0] + windows[:, 2] / 2).mean() - 200) < 4


def test_a_part_of_a_large_jpeg_is_decoded_small_and_looks_the_same():
    buffer = io.BytesIO()
    Image.fromarray(ramp(1200, 1600)).save(buffer, "JPEG", quality=95)
    with Image.open(io.BytesIO(buffer.getvalue())) as image:
        _decode_smaller(image, 1050 / 224)
        assert image.size == (400, 300)
    found = read_window(buffer.getvalue(), centre_window((224, 224)), (224, 224))
    plain = io.BytesIO()
    Image.open(buffer).save(plain, "PNG")
    expected = read_window(plain.getvalue(), centre_window((224, 224)), (224, 224))
    assert np.abs(found.astype(int) - expected).mean() < 1.5


def test_a_turned_photograph_is_cut_where_it_is_seen():
    upright, turned = io.BytesIO(), io.BytesIO()
    picture = Image.fromarray(ramp(1000, 800))
    picture.save(upright, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(turned, "JPEG", quality=98, exif=exif)

    def corner(height, width):
        assert (height, width) == (1000, 800)
        return 100, 0, 400, 300

    ours, expected = (read_window(one.getvalue(), corner, (40, 30)) for one in (turned, upright))
    assert np.abs(ours.astype(int) - expected).max() < 12


def test_damaged_notes_of_a_camera_do_not_spoil_the_picture(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 0, 0)).save(
        buffer, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x09\0"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_window(buffer.getvalue(), centre_window((4, 4)), (4, 4))
    assert image[0].min() > 190


def test_half_of_the_images_are_mirrored(tmp_path):
    picture = io.BytesIO()
    Image.fromarray(ramp(8, 8)).save(picture, "PNG")
    fill(tmp_path, [f"{k % 2}/{k}.png" for k in range(200)], lambda _: picture.getvalue())
    ((inputs, _),) = everything(ImageFolder(tmp_path, 8, "random"), batch_size=200)
    mirrored = inputs[:, 1, :, 0].mean(1) > inputs[:, 1, :, -1].mean(1)
    assert 75 < mirrored.sum() < 125


def by_example(folder, **options):
    """The bits of each example, told apart by its label."""
    return {
        int(label): image.tobytes()
        for inputs, labels in DataLoader(folder, seed=3, **options)
        for image, label in zip(inputs, labels, strict=True)
    }


@pytest.fixture
def ramps(tmp_path):
    contents = []
    for k in range(12):
        buffer = io.BytesIO()
        Image.fromarray(np.roll(ramp(20, 30), k, axis=2 if k % 2 else 1)).save(buffer, "PNG")
        contents.append(buffer.getvalue())
    return fill(tmp_path, [f"{k:02d}/1.png" for k in range(12)], lambda k: contents[k])


def test_crops_are_bound_to_seed_epoch_and_example(ramps, monkeypatch):
    folder = ImageFolder(ramps, 8, "random")
    expected = by_example(folder, batch_size=12)
    assert by_example(folder, batch_size=5, shuffle=True, prefetch=0) == expected
    assert by_example(folder[np.arange(12)], batch_size=1) == expected
    loader = DataLoader(folder, 12, seed=3)
    epochs = [next(iter(loader))[0].tobytes()]
    loader.set_epoch(1)
    epochs.append(next(iter(loader))[0].tobytes())
    assert epochs[0] != epochs[1]
    monkeypatch.setattr(draw_module, "_LONGEST_TABLE", 0)
    assert by_example(folder, batch_size=7) == expected


def test_numbers_are_the_same_with_and_without_a_table(monkeypatch):
    indices = np.array([70, 3, 3, 0])
    expected = Draw(9, 2, indices, 5).uniform(9)
    monkeypatch.setattr(draw_module, "_LONGEST_TABLE", 0)
    assert (Draw(9, 2, indices, 5).uniform(9) == expected).all()


def test_it_stands_for_an_array_where_one_is_wanted(ramps):
    data = stream_folder(ramps, 8)
    inputs = data.train.inputs
    assert np.asarray(inputs).shape == inputs.shape == (12, 3, 8, 8)
    assert (inputs[3] == inputs[[3]][0]).all()
    assert (inputs[-1] == data.train[11][0]).all()
    assert Normalize.fit(inputs[:]).mean.shape == (3, 1, 1)
    assert len(data.fingerprint) == 64
    fewer = stream_folder(ramps, 16)
    assert fewer.fingerprint != data.fingerprint
    parts = split(data, 3, 3, stratified=False)
    assert [len(part) for part in parts.splits.values()] == [6, 3, 3]
    assert isinstance(parts.test, ImageFolder)
    assert repr(parts.test).startswith("ImageFolder(3 × (3, 8, 8) uint8, 12 classes, crop 'center'")
    assert load(f"stream:{ramps}", size=8).fingerprint == data.fingerprint


def test_more_than_fits_is_not_read_at_once(thousand):
    folder = ImageFolder(thousand, 4096)
    with pytest.raises(DataError, match="batch by batch"):
        np.asarray(folder.inputs)


def test_a_damaged_image_is_named_or_left_out(ramps):
    (ramps / "03" / "1.png").write_bytes(b"\x89PNG but not much more")
    (ramps / "07" / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"DataLoader, batch 1 of epoch 0: example 3: .*03/1\.png"):
        everything(ImageFolder(ramps, 8), batch_size=3)
    loader = DataLoader(ImageFolder(ramps, 8, skip_bad=2), 3)
    assert [labels.tolist() for _, labels in loader] == [[0, 1, 2], [4, 5], [6, 8], [9, 10, 11]]
    assert [len(labels) for _, labels in loader] == [3, 2, 2, 3]  # no image counts twice
    assert sorted(loader.left_out) == [3, 7]
    assert "07/1.png" in loader.left_out[7]
    with pytest.raises(DataError, match=r"example 7: .*07/1\.png got an empty file"):
        everything(ImageFolder(ramps, 8, skip_bad=1), batch_size=3)
    alone = DataLoader(ImageFolder(ramps, 8, skip_bad=2), 1)
    assert [int(labels[0]) for _, labels in alone] == [0, 1, 2, 4, 5, 6, 8, 9, 10, 11]

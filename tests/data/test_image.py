import contextlib
import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from backlight.data.image import describe_image, read_image
from backlight.errors import ArgumentError, DataError


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def noise(shape=(5, 7, 3), seed=0):
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(width, height, *chunks, pixels=b""):
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + b"".join(chunks)
        + chunk(b"IDAT", zlib.compress(pixels, 9))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", ["PNG", "PPM"])
def test_colour_and_grey_keep_their_values(form):
    colour, grey = noise(), noise((4, 6))
    np.testing.assert_array_equal(
        read_image(encoded(Image.fromarray(colour), form)), colour.transpose(2, 0, 1)
    )
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(grey), form)), grey[None])
    assert read_image(encoded(Image.fromarray(grey), form), mode="RGB").shape == (3, 4, 6)
    assert read_image(encoded(Image.fromarray(colour), form), mode="L").shape == (1, 5, 7)
    assert describe_image(encoded(Image.fromarray(colour), form)) == (5, 7, False)
    assert describe_image(encoded(Image.fromarray(grey), form)) == (4, 6, True)


def test_grey_is_the_weighted_sum_of_colours():
    colour = noise()
    sums = colour @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(
        read_image(encoded(Image.fromarray(colour)), mode="L")[0], sums, atol=1
    )


def test_transparent_pixels_lie_on_white():
    pixels = np.array([[[255, 0, 0, 0], [255, 0, 0, 255], [0, 0, 0, 128]]], np.uint8)
    assert read_image(encoded(Image.fromarray(pixels)))[:, 0].T.tolist() == [
        [255, 255, 255],
        [255, 0, 0],
        [127, 127, 127],
    ]
    grey = np.array([[[9, 0], [9, 255]]], np.uint8)
    assert read_image(encoded(Image.fromarray(grey, "LA")), mode="L").tolist() == [[[255, 9]]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    assert read_image(encoded(palette, transparency=0))[:, 0].T.tolist() == [
        [255, 255, 255],
        [40, 50, 60],
    ]
    assert read_image(encoded(palette, transparency=b"\0\xff"))[:, 0, 0].tolist() == [255] * 3
    assert read_image(encoded(palette))[:, 0].T.tolist() == [[10, 20, 30], [40, 50, 60]]


def test_sixteen_bits_keep_the_upper_eight_and_one_bit_is_black_or_white():
    deep = np.array([[0, 255, 256, 65535]], np.uint16)
    assert read_image(encoded(Image.fromarray(deep))).tolist() == [[[0, 0, 1, 255]]]
    pgm = b"P5 4 1 65535 " + deep.astype(">u2").tobytes()
    assert read_image(pgm).tolist() == [[[0, 0, 1, 255]]]
    assert read_image(pgm, mode="RGB").shape == (3, 1, 4)
    assert read_image(encoded(Image.fromarray(np.array([[True, False]])))).tolist() == [[[255, 0]]]


def test_cmyk_becomes_colour_and_of_an_animation_the_first_frame_counts():
    inks = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red = read_image(encoded(inks, "JPEG", quality=95))
    assert red.shape == (3, 8, 8)
    assert red[0].min() > 200
    assert red[1:].max() < 60
    frames = [Image.fromarray(noise(seed=k)) for k in range(3)]
    moving = encoded(frames[0], save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_image(moving), noise().transpose(2, 0, 1))


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_photograph_is_turned_as_its_camera_noted(form):
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :8] = 255  # the upper left corner of what the sensor saw
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    content = encoded(Image.fromarray(pixels), form, exif=exif)
    turned = read_image(content)
    assert turned.shape == (3, 32, 16)
    assert turned[0, :8, 8:].mean() > 250
    assert turned[0].mean() < 60
    assert describe_image(content)[:2] == (32, 16)


def test_scaling_covers_the_size_and_cuts_at_the_centre():
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255
    assert read_image(encoded(Image.fromarray(pixels)), size=(10, 10)).min() == 255
    assert read_image(encoded(Image.fromarray(pixels)), size=(5, 5)).shape == (3, 5, 5)
    assert read_image(encoded(Image.fromarray(noise())), size=(64, 48)).shape == (3, 64, 48)
    assert read_image(encoded(Image.fromarray(noise((1, 300, 3)))), size=(9, 2)).shape == (3, 9, 2)
    same = noise()
    np.testing.assert_array_equal(
        read_image(encoded(Image.fromarray(same)), size=(5, 7)), same.transpose(2, 0, 1)
    )


FOREIGN = {
    b"": "an empty file",
    b"GIF89a" + bytes(50): "a GIF image",
    b"BM" + bytes(50): "a BMP image",
    b"RIFF\0\0\0\0WEBPVP8 ": "a WebP image",
    b"\0\0\0\x18ftypheic": "a HEIC",
    b"<svg xmlns=''></svg>": "an SVG drawing",
    b"%!PS-Adobe-3.0 EPSF": "a PostScript file",
    b"just words": "a text",
    b"PK\x03\x04" + bytes(9): "a zip archive",
    b"\n<!DOCTYPE html>": "a web page",
    b"II*\0" + bytes(9): "a TIFF image",
    b"\x89PNG\r\n\x1a\n": "a damaged image",
    b"\xff\xd8\xff\xe0": "a damaged image",
    bytes(100): "no image; it begins with 00 00",
}


@pytest.mark.parametrize("content", FOREIGN)
def test_what_is_not_an_image_is_told_by_what_it_looks_like(content):
    with pytest.raises(DataError, match=f"cat.jpg got {FOREIGN[content]}"):
        read_image(content, "cat.jpg")


def test_other_formats_are_refused_though_the_decoder_knows_them():
    for form in ("GIF", "BMP", "TIFF", "WEBP", "TGA", "PCX"):
        with pytest.raises(DataError, match=r"cat\.png got"):
            read_image(encoded(Image.fromarray(noise()), form), "cat.png")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "PPM"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_image_is_refused(form, share):
    content = encoded(Image.fromarray(noise((64, 64, 3))), form)
    with pytest.raises(DataError, match="half got a damaged image"):
        read_image(content[: int(len(content) * share)], "half")


def test_a_tail_behind_the_image_does_not_matter():
    content = encoded(Image.fromarray(noise()))
    np.testing.assert_array_equal(read_image(content + b"PK\x03\x04"), read_image(content))


@pytest.mark.parametrize(
    "content",
    [
        png(60_000, 60_000),
        png(2**31 - 1, 1),
        png(9000, 9000, pixels=bytes(9000 * 1126)),
        png(4097, 4096),
        b"P5 99999999 99999999 255 ",
        b"P6 4097 4097 255 ",
    ],
)
def test_a_huge_image_is_refused_before_it_is_decoded(content):
    assert len(content) < 20_000
    tracemalloc.start()
    with pytest.raises(DataError, match=r"big got an image .*\d+ pixels.*\n.*4096 × 4096"):
        read_image(content, "big")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 23
    assert read_image(png(4096, 4096, pixels=bytes(4096 * 513))).shape == (1, 4096, 4096)


@pytest.mark.parametrize(
    "content",
    [
        png(0, 5),
        b"P5 0 5 255 ",
        b"P5 -2 5 255 xxxxxxxxxxx",
        b"P5 2 2 0 xxxx",
        b"P5 2 2 70000 xxxx",
        b"P5 2 2 255 abc",
        b"P5 " + b"1" * 100_000 + b" 1 255 x",
        b"P5 #" + b"c" * 100_000,
        b"P2 2 1 255 1 x",
        b"P2 2 1 255 1 999",
        b"P5",
        b"P9 1 1 255 x",
        b"P6 1 1 255 ab",
        b"Pf 1 1 -1.0 abcd",
        b"PF 1 1 -1.0 abcdabcdabcd",
    ],
)
def test_a_damaged_header_is_refused(content):
    with pytest.raises(DataError, match="head got"):
        read_image(content, "head")


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 26), 9)),
        chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(1 << 26), 9)),
        chunk(b"tEXt", b"k\0" + b"t" * 100) * 10_000,
    ],
)
def test_texts_and_profiles_that_unfold_do_not_take_memory(extra):
    tracemalloc.start()
    with contextlib.suppress(DataError):
        read_image(png(8, 1, extra, pixels=b"\0\xff"), "texts")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 25


def test_a_path_is_read_and_what_is_no_file_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(noise())))
    assert read_image(tmp_path / "a.png").shape == (3, 5, 7)
    for name in ("missing.png", "."):
        with pytest.raises(DataError):
            read_image(tmp_path / name)
    with pytest.raises(ArgumentError, match="'CMYK'"):
        read_image(tmp_path / "a.png", mode="CMYK")


@settings(max_examples=200, deadline=2000)
@given(
    st.sampled_from(
        [encoded(Image.fromarray(noise((9, 8, 3))), form) for form in ("PNG", "JPEG", "PPM")]
    ),
    st.integers(0, 900),
    st.binary(min_size=1, max_size=8),
)
def test_a_mutant_is_read_or_refused(content, at, piece):
    at %= len(content)
    try:
        image = read_image(content[:at] + piece + content[at + len(piece) :], "mutant", "RGB")
    except DataError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3

"""One image file as an array of bytes, by stated rules, from a file that nobody vouches for.

Only PNG, JPEG and PGM/PPM are decoded; the size is read from the header and limited before any
pixel is. The rules: the photograph is turned as its camera noted (EXIF); transparent pixels lie on
white; palettes and CMYK become red, green and blue; 16-bit levels keep their upper 8 bits; of an
animation the first frame counts.
"""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlight.data.files import open_regular, shown
from backlight.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from PIL import Image

Array = np.ndarray[Any, Any]

FORMATS = ("PNG", "JPEG", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".pbm", ".pnm")
LARGEST_FILE = 1 << 26
_MOST_PIXELS = 4096 * 4096
_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
_TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
_ORIENTATION = 0x0112

# Foreign files by how they begin, so that the message says what was given.
_FOREIGN = (
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "an EPS file"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML file"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"\0\0\1\0", "an icon"),
    (b"8BPS", "a Photoshop file"),
)


def read_image(
    source: bytes | str | Path,
    name: str = "",
    mode: str | None = None,
    size: tuple[int, int] | None = None,
) -> Array:
    r"""An image as uint8 array of shape (C, H, W).

    Parameters
    ----------
    source : bytes, str or Path
        The content of a file, or its path.
    name : str
        What messages call it; the path by default.
    mode : {"RGB", "L", None}
        Three channels, one (0.299 red + 0.587 green + 0.114 blue), or what the file has.
    size : (height, width), optional
        Scaled, with its proportions kept, until it covers that size, then cut at the centre.

    Raises
    ------
    DataError
        Not PNG, JPEG or PGM/PPM (says what it looks like), damaged, or above 4096 × 4096 pixels.

    Examples
    --------
    >>> read_image(b"P5 2 1 255 \x00\xff", "two pixels")
    array([[[  0, 255]]], dtype=uint8)
    """
    if mode not in ("RGB", "L", None):
        raise ArgumentError(
            "read_image",
            got=f"mode {mode!r}",
            needs="'RGB', 'L' or None",
            remedy="Choose one of them.",
        )
    with _opened(source, name) as image:
        whole = _turned(image)
        flat = _grey(whole) if (mode or _natural_mode(whole)) == "L" else _colour(whole)
        if size is not None and (flat.height, flat.width) != tuple(size):
            flat = _covering(flat, *size)
        values = np.asarray(flat)
    return np.ascontiguousarray(values[None] if values.ndim == 2 else values.transpose(2, 0, 1))


def read_window(
    source: bytes | str | Path,
    window: Callable[[int, int], tuple[float, float, float, float]],
    size: tuple[int, int],
    mode: str = "RGB",
    name: str = "",
) -> Array:
    r"""A part of an image, scaled to a size, as uint8 array of shape (C, H, W).

    A JPEG is decoded at a half, a quarter or an eighth of its size where the part still has as many
    pixels as are wanted.

    Parameters
    ----------
    source : bytes, str or Path
        The content of a file, or its path.
    window : callable
        From the image's height and width to (top, left, height, width) of the part, in pixels.
    size : (height, width)
        Of the result.
    mode : {"RGB", "L"}
        Three channels, or one.
    name : str
        What messages call it; the path by default.

    Raises
    ------
    DataError
        As for `read_image`.

    Examples
    --------
    >>> right_half = lambda height, width: (0, width / 2, height, width / 2)
    >>> read_window(b"P5 2 1 255 \x00\xff", right_half, (1, 1), "L")
    array([[[255]]], dtype=uint8)
    """
    with _opened(source, name) as image:
        width, height = image.size
        if image.getexif().get(_ORIENTATION) in _TURNED:
            width, height = height, width
        top, left, down, across = window(height, width)
        _decode_smaller(image, min(down / size[0], across / size[1]))
        flat = _grey(_turned(image)) if mode == "L" else _colour(_turned(image))
        x, y = flat.width / width, flat.height / height
        box = (left * x, top * y, min((left + across) * x, flat.width), (top + down) * y)
        box = (*box[:3], min(box[3], flat.height))
        values = np.asarray(flat.resize(size[::-1], _bilinear(), box=box))
    return np.ascontiguousarray(values[None] if values.ndim == 2 else values.transpose(2, 0, 1))


def _decode_smaller(image: Image.Image, shrink: float) -> None:
    """Tell the JPEG decoder to leave out what a smaller picture would not show."""
    factor = max((step for step in (2, 4, 8) if step <= shrink), default=1)
    if image.format == "JPEG" and factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))


def _bilinear() -> Image.Resampling:
    from PIL import Image

    return Image.Resampling.BILINEAR


def describe_image(source: bytes | str | Path, name: str = "") -> tuple[int, int, bool]:
    """Height, width and whether it is grey, from the header alone."""
    with _opened(source, name) as image:
        width, height = image.size
        if "exif" in image.info and image.getexif().get(_ORIENTATION) in _TURNED:
            width, height = height, width
        return height, width, _natural_mode(image) == "L"


@contextmanager
def _opened(source: bytes | str | Path, name: str) -> Iterator[Image.Image]:
    """The image with its header read and its size checked; all trouble within is a DataError."""
    from PIL import Image

    if not isinstance(source, bytes):
        name = name or str(source)
        with open_regular(Path(source)) as file:
            # Asked for its size, for a reader takes memory for all it is asked for.
            size = os.fstat(file.fileno()).st_size
            source = file.read(min(size, LARGEST_FILE) + 1)
    subject = shown(name or "image")
    if len(source) > LARGEST_FILE:
        raise DataError(
            subject,
            got=f"more than {LARGEST_FILE} bytes",
            needs="a smaller image",
            remedy="Scale it down.",
        )
    try:
        # A warning of the decoder means that it guesses; here guesses are errors.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # What a camera noted beside the pixels is no part of them.
            warnings.filterwarnings("ignore", ".*[Cc]orrupt EXIF", UserWarning)
            with Image.open(io.BytesIO(source), formats=FORMATS) as image:
                _check_size(image, subject)
                yield image
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(subject, f"an image that is too large ({error})") from error
    except Exception as error:  # decoders raise almost anything on damaged files
        raise DataError(
            subject,
            got=_looks_like(source, error),
            needs="a whole PNG, JPEG, PGM or PPM image",
            remedy="Convert it, or remove it from the data.",
        ) from error


def _check_size(image: Image.Image, subject: str) -> None:
    width, height = image.size
    if width < 1 or height < 1 or width * height > _MOST_PIXELS:
        raise _too_large(subject, f"an image of {width} × {height} pixels")


def _too_large(subject: str, got: str) -> DataError:
    return DataError(
        subject,
        got=got,
        needs="at least one pixel and at most 4096 × 4096 of them",
        remedy="Scale it down, or remove it from the data.",
    )


def _looks_like(content: bytes, error: Exception) -> str:
    if not content:
        return "an empty file"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "a WebP image"
    if content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        return "a HEIC or AVIF image"
    start = content.lstrip()[:16]
    for magic, what in _FOREIGN:
        if start.startswith(magic) or content.startswith(magic):
            return what
    if not content.startswith((b"\x89PNG", b"\xff\xd8")) and content[:1] != b"P":
        text = content[:256].decode("latin-1").replace("\n", "").replace("\r", "")
        begins = f"no image; it begins with {content[:8].hex(' ')}"
        return "a text" if text.isprintable() else begins
    # An address in memory tells nothing, and differs each time.
    told = re.sub(r" ?<[^<>]* at 0x[0-9a-fA-F]+>", "", shown(str(error)))
    return f"a damaged image ({type(error).__name__}: {told[:120]})"


def _turned(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    image.load()
    return ImageOps.exif_transpose(image) if image.getexif() else image


def _natural_mode(image: Image.Image) -> str:
    return "L" if image.mode in _GREY else "RGB"


def _grey(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I"):
        # Levels 0 … 65535: convert("L") would clip them at 255.
        levels = np.asarray(image).astype(np.int64).clip(0, 65535)
        return Image.fromarray((levels >> 8).astype(np.uint8))
    if image.mode in ("1", "L") and "transparency" not in image.info:
        return image.convert("L")
    return _colour(image).convert("L")


def _colour(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I"):
        return _grey(image).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _covering(image: Image.Image, height: int, width: int) -> Image.Image:
    scale = min(image.width / width, image.height / height)
    across, down = width * scale, height * scale
    left, top = (image.width - across) / 2, (image.height - down) / 2
    box = (left, top, min(left + across, image.width), min(top + down, image.height))
    return image.resize((width, height), _bilinear(), box=box)

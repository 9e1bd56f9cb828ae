"""A drawing as PNG, by the library resvg."""

from __future__ import annotations

import unicodedata

from backlight.errors import MissingExtraError

_SLANTED = '.blc .number.gradient,.blc .total{font-family:"DejaVu Sans",sans-serif}'
"""East Asian fonts have no italics; the numbers of gradients need no East Asian font."""


def png(svg: str, *, scale: float = 2.0) -> bytes:
    """The picture of an SVG text.

    Parameters
    ----------
    svg : str
        Drawn with the theme "light" or "dark": the library knows no custom properties.
    scale : float
        Pixels of the picture for one of the drawing.

    Raises
    ------
    MissingExtraError
        If the library is not installed.
    """
    try:
        import resvg_py
    except ImportError:
        raise MissingExtraError(
            "a PNG file",
            got="a request, but resvg-py is not installed",
            needs="it to turn the drawing into pixels",
            remedy="Install it: pip install 'backlight[plots]'. Or save as .svg.",
        ) from None
    if any(unicodedata.east_asian_width(letter) in "WF" for letter in svg):
        # The library takes the first family there is; a missing letter then comes from any font.
        svg = svg.replace('"DejaVu Sans",', "").replace("</style>", _SLANTED + "</style>", 1)
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=scale))

"""Pages to play with: one HTML file each, stepped through or dragged, with no network."""

from importlib import import_module

ROOMS = ("convolution", "eleven_lines", "entropy", "jacobian", "linear")


def open_all() -> None:
    """Import every page, so that all have declared themselves."""
    for room in ROOMS:
        import_module(f"backlight.explain.play.{room}")

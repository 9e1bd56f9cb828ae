"""The small shapes by which lines are told apart without their colour."""

from __future__ import annotations

MARKERS = "circle", "square", "triangle", "diamond", "cross", "plus", "tent"
_SIZE = 3.6


def marker(look: int, x: float, y: float) -> str:
    """A small shape around a place, as path data."""
    s = _SIZE
    shapes = {
        "circle": f"m{-s} 0a{s} {s} 0 1 0 {2 * s} 0a{s} {s} 0 1 0 {-2 * s} 0z",
        "square": f"m{-s} {-s}h{2 * s}v{2 * s}h{-2 * s}z",
        "triangle": f"m0 {-1.2 * s:g}l{1.2 * s:g} {2.1 * s:g}h{-2.4 * s:g}z",
        "diamond": f"m0 {-1.4 * s:g}l{1.3 * s:g} {1.4 * s:g}l{-1.3 * s:g} {1.4 * s:g}"
        f"l{-1.3 * s:g} {-1.4 * s:g}z",
        "cross": f"m{-s} {-s}l{2 * s} {2 * s}m0 {-2 * s}l{-2 * s} {2 * s}",
        "plus": f"m{-1.2 * s:g} 0h{2.4 * s:g}m{-1.2 * s:g} {-1.2 * s:g}v{2.4 * s:g}",
        "tent": f"m0 {1.2 * s:g}l{1.2 * s:g} {-2.1 * s:g}h{-2.4 * s:g}z",
    }
    return f"M{plain(x)} {plain(y)}{shapes[MARKERS[look % len(MARKERS)]]}"


def plain(value: float) -> str:
    """A coordinate with as many digits as a screen can show."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if abs(value) < 1e5 else f"{value:.6g}"

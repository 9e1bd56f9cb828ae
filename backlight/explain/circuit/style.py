"""Colours and style of drawn circuits, light and dark, by name and by rule.

The colours stand in custom properties with one place for each theme. A viewer that does not know
those gets a drawing with the colours written out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Theme = Literal["auto", "light", "dark"]

LIGHT = {
    "ground": "#ffffff",
    "text": "#15191e",
    "quiet": "#525b66",
    "rule": "#b9c1c9",
    "box": "#f2f4f6",
    "folded": "#e4e9ee",
    "value": "#00735c",
    "gradient": "#b3261e",
    "chosen": "#fff1c2",
}
DARK = {
    "ground": "#111418",
    "text": "#e8ebef",
    "quiet": "#a3adb9",
    "rule": "#4a535e",
    "box": "#1c2128",
    "folded": "#2a323c",
    "value": "#4fd1b0",
    "gradient": "#ff9e8a",
    "chosen": "#4a3d12",
}
FONTS = (
    'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",'
    '"Apple SD Gothic Neo","Malgun Gothic","Noto Sans KR","Noto Sans CJK KR",sans-serif'
)
WIDTHS = (0.7, 1.0, 1.4, 1.9, 2.5, 3.2, 4.0)
"""Thickness of a wire at each level, in pixels."""
STRENGTHS = (45, 50, 60, 70, 80, 90, 100)
"""How much of the gradient's colour it has, in percent; the rest is the ground's."""

TALLEST = 18.0
"""Height of the bar at the highest level, in a folded layer."""

_RULES = f"""
.blc{{font-family:{FONTS};font-size:12px;font-variant-numeric:tabular-nums}}
.blc .ground{{fill:var(--blc-ground)}}
.blc text{{fill:var(--blc-text);stroke:none}}
.blc .body{{fill:var(--blc-box);stroke:var(--blc-text);stroke-width:1.3}}
.blc .leaf .body,.blc .tag .body{{fill:var(--blc-ground);stroke:var(--blc-rule)}}
.blc .parameter .body{{stroke:var(--blc-quiet);stroke-width:2}}
.blc .tag .body{{stroke-dasharray:3 2}}
.blc .layer .body,.blc .behind{{fill:var(--blc-folded);stroke:var(--blc-quiet)}}
.blc .frame .body{{fill:none;stroke:var(--blc-rule);stroke-width:1.2}}
.blc .symbol{{font-size:13px;text-anchor:middle}}
.blc .gate .symbol{{font-size:14px}}
.blc .layer .symbol{{font-weight:600}}
.blc .note{{font-size:11px;text-anchor:middle;fill:var(--blc-quiet)}}
.blc .name{{font-size:11px;fill:var(--blc-quiet)}}
.blc .shape,.blc .place,.blc .legend text{{font-size:10.5px;fill:var(--blc-quiet)}}
.blc .place{{text-anchor:end}}
.blc .value,.blc .legend .value{{fill:var(--blc-value)}}
.blc .gradient,.blc .total,.blc .legend .gradient{{fill:var(--blc-gradient);font-style:italic}}
.blc .total{{font-size:11px;text-anchor:middle}}
.blc .number{{text-anchor:middle}}
.blc .wire{{fill:none;stroke:var(--blc-gradient);stroke-linejoin:round}}
.blc .none{{stroke:var(--blc-rule);stroke-width:1.2}}
.blc .zero{{stroke:var(--blc-quiet);stroke-width:1.2;stroke-dasharray:4 3}}
.blc [data-group]{{cursor:pointer}}
.blc .same .body{{fill:var(--blc-chosen)}}
.blc .now .body{{fill:var(--blc-chosen);stroke-width:3}}
.blc g:focus{{outline:none}}
.blc g:focus-visible>.body{{stroke:var(--blc-value);stroke-width:3.5}}
.blc .strip .wire{{stroke-width:3}}
.blc .strip .zero{{stroke-dasharray:1 99}}
.blc .strip .none{{stroke:none}}
.blc .broken{{stroke:var(--blc-gradient);stroke-width:4;stroke-dasharray:1 3}}
"""


def style(theme: Theme = "auto") -> str:
    """The style sheet of a drawing.

    Parameters
    ----------
    theme : {"auto", "light", "dark"}
        "auto" follows the reader's system, and a page that sets `data-theme`; the others hold the
        colours themselves, for viewers that know no custom properties.
    """
    rules = _RULES.replace("\n", "") + "".join(
        f".blc .l{level}{{stroke-width:{width};stroke:{_mixed(strength, theme)}}}"
        f".blc .strip .l{level}{{stroke-dasharray:{TALLEST * (level + 1) / len(WIDTHS):.1f} 99}}"
        for level, (width, strength) in enumerate(zip(WIDTHS, STRENGTHS, strict=True))
    )
    if theme != "auto":
        colours = LIGHT if theme == "light" else DARK
        return re.sub(r"var\(--blc-(\w+)\)", lambda found: colours[found[1]], rules)
    light = '[data-theme="light"],[data-theme="light"] *,[data-jp-theme-light="true"] *'
    dark = '[data-theme="dark"],[data-theme="dark"] *,[data-jp-theme-light="false"] *'
    return (
        f".blc{{{_named(LIGHT)}}}"
        f"@media screen and (prefers-color-scheme:dark){{.blc:not({light}){{{_named(DARK)}}}}}"
        f".blc:is({dark}){{{_named(DARK)}}}"
        f"{rules}"
    )


def _mixed(strength: int, theme: Theme) -> str:
    """A colour between ground and gradient: opaque, so that wires may overlap where they meet."""
    if theme == "auto":
        return f"color-mix(in srgb,var(--blc-gradient) {strength}%,var(--blc-ground))"
    colours = LIGHT if theme == "light" else DARK
    parts = [
        [int(colours[name][place : place + 2], 16) for place in (1, 3, 5)]
        for name in ("gradient", "ground")
    ]
    return "#" + "".join(
        f"{round((strength * a + (100 - strength) * b) / 100):02x}"
        for a, b in zip(*parts, strict=True)
    )


def _named(colours: Mapping[str, str]) -> str:
    return ";".join(f"--blc-{name}:{colour}" for name, colour in colours.items())

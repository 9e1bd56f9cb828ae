"""The forms in which a circuit is printed, shown and saved, by the end of a file's name."""

from __future__ import annotations

import json
from typing import Any

from backlight.explain.circuit.circuit import FORMATS, Circuit
from backlight.explain.circuit.dot import dot
from backlight.explain.circuit.json_form import json_form
from backlight.explain.circuit.latex import latex
from backlight.explain.circuit.page import document, fragment, picture
from backlight.explain.circuit.png import png
from backlight.explain.circuit.text import text


def _png(circuit: Circuit, *, theme: Any = "light", scale: float = 2.0, **how: Any) -> bytes:
    return png(picture(circuit, theme=theme, **how), scale=scale)


def _json(circuit: Circuit) -> str:
    return json.dumps(json_form(circuit), ensure_ascii=False, indent=1) + "\n"


FORMATS.update(
    txt=text,
    svg=picture,
    png=_png,
    html=document,
    fragment=fragment,
    json=_json,
    dot=dot,
    tex=latex,
)

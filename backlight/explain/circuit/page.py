"""A circuit as a page: the drawing as data for circuit.js, one self-contained file, a notebook's.

The drawing is made here, in Python, for every host alike. The script changes the numbers in it,
walks through it, and exchanges it for another where a layer is opened; it knows no gate, formula or
sentence.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from html import escape
from importlib import resources
from typing import Any

from backlight.explain.circuit import fold
from backlight.explain.circuit.boxes import Drawn
from backlight.explain.circuit.circuit import Circuit
from backlight.explain.circuit.draw import budget_of, draw, tree_of
from backlight.explain.circuit.layout import laid_out
from backlight.explain.circuit.number import numbers
from backlight.explain.circuit.statistics import Figures, figures
from backlight.explain.circuit.svg import svg
from backlight.explain.circuit.told import names
from backlight.explain.circuit.walk import Step, steps
from backlight.explain.circuit.wrap import wrapped
from backlight.explain.jacobian_page import jacobian_maps
from backlight.words import catalogue, say
from backlight.words import language as spoken

MOST_STEPS = 400
"""Gates up to which a page walks through a circuit."""
ROOM = 170_000
"""Letters of a page of its own; drawings of opened layers are left out where they go beyond."""


def picture(
    circuit: Circuit,
    *,
    theme: Any = "auto",
    open: Collection[str] | None = None,
    language: str | None = None,
) -> str:
    """The drawing as SVG text; see `draw` for `open`, `svg` for `theme`.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> picture(circuit("x*y", x=2, y=3), language="en").startswith("<svg")
    True
    """
    drawn = draw(circuit, open=open)
    written = figures(circuit, drawn, language)
    return svg(circuit, wrapped(laid_out(drawn)), written, theme=theme, language=language)


def drawing(
    circuit: Circuit,
    *,
    open: Collection[str] | None = None,
    language: str | None = None,
    walked: Sequence[Step] = (),
) -> dict[str, Any]:
    """One drawing as data: what `mount` and `update` of circuit.js take.

    Parameters
    ----------
    circuit, open, language
        As for `picture`.
    walked : sequence of Step
        The steps of the circuit; those inside folded layers are left out.

    Returns
    -------
    dict
        "svg"; "boxes": for each its key, node, the gate that reads it there (−1: none), kind,
        whether its wire has a part in the box's own room, and its statistics; "ends": the gate at
        the end of each wire; "figures", see `written`; "table"; and
        "steps" if there are any.
    """
    drawn = draw(circuit, open=open)
    made = figures(circuit, drawn, language, detail=True)
    boxes = [
        {
            "key": box.key,
            "node": box.node,
            "gate": box.use[0],
            "kind": box.kind,
            "stub": box.body < box.width,
            "detail": one.detail,
        }
        for box, one in zip(drawn.boxes, made.boxes, strict=True)
    ]
    seen = {
        "svg": svg(circuit, wrapped(laid_out(drawn)), made, language=language),
        "boxes": boxes,
        "ends": [wire.uses[0][0] for wire in drawn.wires],
        "figures": written(made),
        "table": _table(circuit, drawn, language),
    }
    return seen | {"steps": _steps(drawn, walked)} if walked else seen


def _steps(drawn: Drawn, walked: Sequence[Step]) -> list[dict[str, Any]]:
    """The steps that can be seen, each with what became known since the one before."""
    seen = {box.node for box in drawn.boxes}
    ends = {wire.uses[0][0] for wire in drawn.wires}
    found = []
    lit: list[int] = []
    done: list[int] = []
    for one in walked:
        lit += [node for node in one.lit if node in seen]
        done += [one.node] if one.node in seen or one.node in ends else []
        if one.node not in seen:
            continue
        back = one.direction == "backward"
        found.append(
            {"back": back, "node": one.node, "said": one.sentence, "lit": lit, "done": done}
        )
        lit, done = [], []
    return found


def _table(circuit: Circuit, drawn: Drawn, language: str | None) -> dict[str, Any]:
    """The same numbers for those who read instead of look: a row for every value that is drawn."""
    called = names(circuit)
    rows: dict[int, list[str]] = {}
    for box in drawn.boxes:
        node = circuit.nodes[box.node]
        name = called[box.node]
        if box.kind == "layer":
            name = f"{box.path or box.symbol}  {box.note}"
        elif box.kind == "gate":
            name = f"{name}  {box.symbol}"
        gradient = circuit.gradients[box.node]
        cells = [name, numbers(node.value), "–" if gradient is None else numbers(gradient)]
        rows.setdefault(box.node, cells)
    heads = [say(f"circuit.heading.{head}", language) for head in ("gate", "value", "gradient")]
    return {"heads": heads, "rows": list(rows.values())}


def written(made: Figures) -> dict[str, Any]:
    """The numbers of a drawing as data, for `update`: the same structure, other values."""
    return {
        "boxes": [
            [one.value, one.gradient, one.total, one.level, one.label, one.strip]
            for one in made.boxes
        ],
        "wires": made.wires,
    }


def page(
    circuit: Circuit,
    language: str | None = None,
    room: int = ROOM,
    jacobian: bool = False,
) -> dict[str, Any]:
    """Everything a page of its own needs: drawing, steps, words, and the layers opened.

    Parameters
    ----------
    jacobian : bool
        With the Jacobian of the output by every input.
    room : int
        Letters in all; drawings of opened layers that do not fit are left out.
    """
    walked = steps(circuit, language) if len(circuit.gates) <= MOST_STEPS else ()
    usual = drawing(circuit, language=language, walked=walked)
    words = dict(catalogue("en", "drawing")) | dict(catalogue(language or spoken(), "drawing"))
    whole = usual | {
        "words": {
            key.removeprefix("page."): text
            for key, text in words.items()
            if key.startswith("page.")
        },
    }
    if jacobian:
        whole["jacobians"] = jacobian_maps(circuit, language)
    taken = len(_json(whole).encode())
    views, around, opened = _views(circuit, usual, walked, language, room - taken)
    return whole | {"views": views, "fold": {"default": opened, "around": around}}


def _views(
    circuit: Circuit,
    usual: dict[str, Any],
    walked: Sequence[Step],
    language: str | None,
    room: int,
) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Packed drawings: "" as it is at first, a key with that group open, −key with it folded."""
    tree = tree_of(circuit)
    opened = fold.opened(tree, circuit, budget_of(circuit))
    around: dict[str, str] = {}
    parents: dict[str, str] = {}
    views: dict[str, str] = {}
    for group in fold.groups_below(tree):
        inner = [part.key for part in group.members if isinstance(part, fold.Group)]
        around |= dict.fromkeys(inner, "" if group.key in opened else group.key)
        parents |= dict.fromkeys(inner, group.key)
        folds = group.key in opened
        if group.key == tree.key or (folds and not group.framed):
            continue
        if not views:
            views[""] = _packed(usual)
            room -= len(views[""])
        keys = opened - {group.key} if folds else opened | _chain(group.key, parents)
        view = _packed(drawing(circuit, open=keys, language=language, walked=walked))
        room -= len(view)
        if room < 0:
            break
        views[f"-{group.key}" if folds else group.key] = view
    # What is folded again was opened before: groups without a drawing need no way back.
    around = {key: back for key, back in around.items() if key in views or key in opened}
    return views, around, sorted(opened)


def _chain(key: str, parents: Mapping[str, str]) -> frozenset[str]:
    """A group and all groups around it."""
    found = {key}
    while key in parents:
        key = parents[key]
        found.add(key)
    return frozenset(found)


def _packed(view: dict[str, Any]) -> str:
    return base64.b64encode(zlib.compress(_json(view).encode(), 9)).decode()


def document(circuit: Circuit, *, language: str | None = None, jacobian: bool = False) -> str:
    """The circuit as one HTML file that needs no network and no other file.

    Parameters
    ----------
    circuit : Circuit
        What is shown.
    language : str, optional
        "en" or "ko"; by default the one that is spoken.
    jacobian : bool
        With the Jacobian of the output by every input, as matrices whose cells can be picked.

    Returns
    -------
    str
        Under 200 kB, Jacobians apart. Without scripts the drawing is still there.
    """
    title = escape(say("drawing.title", language, name=circuit.text or "f"))
    data, drawn, script = _parts(circuit, language, jacobian)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    style = _file("circuit.css") + (
        "body{margin:0;background:#fff}.blc-live{max-width:1560px;margin:auto;padding:1rem}"
        "@media screen and (prefers-color-scheme:dark){body{background:#111418}}"
    )
    return (
        f'<!doctype html>\n<html lang="{language or spoken()}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{title}</title><style>{style}</style></head>'
        "<body>"
        f'<main class="blc-live" data-circuit="{_key(data)}">{drawn}</main>'
        f'<script type="application/json" data-for="{_key(data)}">{data}</script>'
        f'<script type="module">{script}</script></body></html>\n'
    )


def fragment(circuit: Circuit, *, language: str | None = None) -> str:
    """The circuit as HTML inside another page, such as a notebook.

    It holds the drawing as an image, which also stays where scripts and drawings are taken out of
    pages: in a notebook that is not trusted, or on a site that shows it. The script unpacks it.
    """
    data, drawn, script = _parts(circuit, language)
    packed = base64.b64encode(drawn.encode()).decode()
    title = escape(
        say("drawing.title", language, name=circuit.text or names(circuit)[circuit.output])
    )
    return (
        f'<div class="blc-live" data-circuit="{_key(data)}">'
        f'<img class="blc-still" alt="{title}" src="data:image/svg+xml;base64,{packed}"></div>'
        f"<style>{_file('circuit.css')}</style>"
        f'<script type="application/json" data-for="{_key(data)}">{data}</script>'
        f'<script type="module">{script}</script>'
    )


def _parts(circuit: Circuit, language: str | None, jacobian: bool = False) -> tuple[str, str, str]:
    """Data, drawing and script. The script finds its place by a key made of the data."""
    whole = page(circuit, language, jacobian=jacobian)
    drawn = whole.pop("svg")
    data = _json(whole).replace("<", "\\u003c")
    script = _file("circuit.js") + (
        f"\nfor (const place of document.querySelectorAll('[data-circuit=\"{_key(data)}\"]')) {{\n"
        "  if (place.dataset.mounted) continue;\n"
        "  place.dataset.mounted = '1';\n"
        f"  const data = document.querySelector('[data-for=\"{_key(data)}\"]').textContent;\n"
        "  mount(place, JSON.parse(data));\n"
    )
    if jacobian:
        script += "  mountJacobians(place, JSON.parse(data).jacobians);\n"
        script += "}\n" + _file("jacobian.js")
    else:
        script += "}\n"
    return data, drawn, script


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a letter in somebody's name
        text = json.dumps(value, separators=(",", ":"))
    return text


def _key(data: str) -> str:
    return hashlib.sha256(data.encode()).hexdigest()[:16]


@lru_cache(maxsize=3)
def _file(name: str) -> str:
    return resources.files("backlight.explain.circuit").joinpath("web", name).read_text("utf-8")

"""The whole page: head with its policy, headline, sections, style and script in one file.

The content security policy allows nothing but the page's own style and script, by their hashes,
and images inside the page. There is no address in it to fetch from.
"""

from __future__ import annotations

import base64
import hashlib
import math
from importlib import resources
from typing import Any

from backlight.train.page.charts import draw
from backlight.train.page.confusion import draw_confusion
from backlight.train.page.curves import charts
from backlight.train.page.examined import Examined
from backlight.train.page.histograms import draw_histograms, layer_histories
from backlight.train.page.markup import Markup, element, escape, join
from backlight.train.page.number import duration, percent, plural, short
from backlight.train.page.predictions import draw_predictions, draw_weights
from backlight.train.page.reading import findings
from backlight.train.page.record import Record, number
from backlight.train.page.remarks import draw_remarks
from backlight.train.page.tables import named_values

MOST_HISTOGRAMS = 12


def document(record: Record, examined: Examined | None, examined_problem: str, looks: int) -> str:
    """The page of a run as HTML.

    Parameters
    ----------
    record : Record
        What the run folder says.
    examined : Examined or None
        Predictions and weights; where None, `examined_problem` says why.
    looks : int
        How often the test split has been evaluated.
    """
    style, script = _resource("style.css"), _resource("page.js")
    sections = [
        ("reading", "What the curves say", _reading(record)),
        ("remarks", "Remarks during training", draw_remarks(record.remarks)),
        ("curves", "Learning", _curves(record)),
        ("activations", "Activations", _activations(record)),
        ("confusion", "Confusions", _of_examined(examined, examined_problem, "confusion")),
        ("weights", "First-layer weights", _of_examined(examined, "", "weights")),
        ("predictions", "Predictions", _of_examined(examined, "", "predictions")),
        ("configuration", "Configuration and environment", _tables(record)),
    ]
    present = [(key, title, body) for key, title, body in sections if body is not None]
    body = [
        element("header", _bar(present), _headline(record, looks), class_="top", id="top"),
        element(
            "main",
            [
                element("section", element("h2", title), inside, id=key)
                for key, title, inside in present
            ],
        ),
        element(
            "footer",
            "Written by Backlight ",
            str(record.environment.get("backlight", "")),
            ". This page is one file and works offline.",
        ),
        element("script", Markup(script)),
    ]
    head = [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy(style, script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("link", rel="icon", href="data:,"),
        element("title", f"{_model(record)} on {_data(record)} · {record.name} · Backlight"),
        element("style", Markup(style)),
    ]
    page = element("html", element("head", head), element("body", body), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def policy(style: str, script: str) -> str:
    """The content security policy for this style and this script."""
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; "
        f"script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _bar(sections: list[tuple[str, str, Any]]) -> Markup:
    links = [element("a", title, href=f"#{key}") for key, title, _ in sections]
    switch = element(
        "button",
        "Theme",
        type="button",
        class_="needs-script",
        id="theme",
        aria_label="Switch between light and dark",
    )
    return element(
        "nav",
        element("span", "Backlight", class_="brand"),
        element("div", links, class_="links"),
        switch,
        aria_label="Sections",
    )


# ── headline ───────────────────────────────────────────────────────────────────────────────


def _model(record: Record) -> str:
    return str(record.start.get("model") or record.settings.get("model") or "A model")


def _data(record: Record) -> str:
    return str(record.start.get("data") or record.settings.get("data") or "unknown data")


def _headline(record: Record, looks: int) -> Markup:
    shape = record.start.get("shape")
    facts = [
        plural(len(record.classes), "class", "classes") if record.classes else None,
        "inputs of " + " × ".join(str(side) for side in shape) if isinstance(shape, list) else None,
    ]
    sizes = [
        f"{record.size(split):,} {split}"
        for split in ("train", "validation", "test")
        if record.size(split) is not None
    ]
    facts.append("examples: " + ", ".join(sizes) if sizes else None)
    return element(
        "div",
        element("p", record.name, class_="run"),
        element("h1", element("bdi", _model(record)), " on ", element("bdi", _data(record))),
        element("p", " · ".join(fact for fact in facts if fact), class_="facts"),
        _state(record),
        [element("p", problem, class_="notice") for problem in record.problems],
        element("dl", _tiles(record, looks), class_="figures"),
        class_="headline",
    )


def _state(record: Record) -> Markup | None:
    stopped = str(record.end.get("stopped") or "")
    if stopped:
        lines = stopped.split("\n")
        return element(
            "div",
            element("strong", "Stopped early. "),
            escape(lines[0]),
            [element("p", line.strip()) for line in lines[1:]],
            class_="notice alarm",
            role="note",
        )
    if record.end:
        return None
    if not record.start:
        return element("p", "This run has no measurements yet.", class_="notice")
    reached = (
        f"{plural(len(record.epochs), 'epoch')} and {plural(len(record.steps), 'step')} "
        "are written down"
    )
    return element(
        "p",
        f"This run has not finished: {reached}. It is going on, was interrupted, "
        "or stopped at an error; ",
        element("code", "backlight train --resume"),
        " goes on from its last checkpoint.",
        class_="notice",
    )


def _tiles(record: Record, looks: int) -> list[Markup]:
    test, error = (
        number(record.end.get(f"test_{name}")) for name in ("accuracy", "standard_error")
    )
    return [
        _tile("Test accuracy", _with_error(test, error), _looks_told(looks, test), "main")
        if test is not None
        else _tile("Test accuracy", "not looked at", "the test split is opened once, at the end"),
        _validation_tile(record),
        _tile("Parameters", _parameters(record), _data_per_parameter(record)),
        _tile(
            "Training time",
            duration(record.seconds),
            f"{plural(len(record.epochs), 'epoch')}, {plural(len(record.steps), 'step')}",
        ),
        _tile("Speed", _speed(record), "images a second, median epoch"),
    ]


def _tile(name: str, value: Any, remark: str, kind: str = "") -> Markup:
    return element(
        "div",
        element("dt", name),
        element("dd", value, class_="number"),
        element("dd", remark, class_="remark"),
        class_=f"tile {kind}".strip(),
    )


def _validation_tile(record: Record) -> Markup:
    best = number(record.end.get("best_validation_accuracy"))
    epoch = record.best_epoch
    if best is None:
        scores = [
            (score, -k)
            for k, line in enumerate(record.epochs)
            if (score := number(line.get("validation_accuracy"))) is not None
        ]
        if not scores:
            return _tile("Best validation accuracy", "–", "no epoch has ended yet")
        best, place = max(scores)
        epoch = number(record.epochs[-place].get("epoch"))
    count = record.size("validation")
    error = math.sqrt(max(0.0, best * (1 - best)) / count) if count else None
    remark = (
        f"epoch {short(epoch)}; ± is one standard error"
        if error is not None
        else f"epoch {short(epoch)}"
    )
    return _tile("Best validation accuracy", _with_error(best, error), remark)


def _with_error(value: float | None, error: float | None) -> Markup:
    if value is None or error is None:
        return element("span", percent(value))
    return element("span", percent(value), element("small", f" ± {error * 100:.1f}"))


def _looks_told(looks: int, test: float | None) -> str:
    if test is None or looks <= 1:
        return "first look, recorded"
    return (
        f"looked at {looks} times: every further look makes the number more optimistic; "
        "choose by validation"
    )


def _speed(record: Record) -> str:
    speed = record.images_per_second
    return "–" if speed is None else f"{speed:,.0f}" if speed >= 100 else short(speed, 3)


def _parameters(record: Record) -> str:
    found = number(record.start.get("parameters"))
    return "–" if found is None else f"{found:,.0f}"


def _data_per_parameter(record: Record) -> str:
    parameters, examples = number(record.start.get("parameters")), record.size("train")
    if not parameters or not examples:
        return "numbers that are learned"
    return f"{short(parameters / examples, 2)} for each training example"


# ── sections ───────────────────────────────────────────────────────────────────────────────

_SIGNS = {"good": ("✓", "As expected"), "look": ("!", "Worth a look"), "note": ("·", "Note")}


def _reading(record: Record) -> Markup | None:
    items = []
    for one in findings(record):
        sign, word = _SIGNS[one.kind]
        items.append(
            element(
                "li",
                element("span", sign, class_="sign", role="img", aria_label=word),
                element(
                    "div", element("a", one.title, href=f"#{one.about}"), element("p", one.text)
                ),
                class_=f"is-{one.kind}",
            )
        )
    if not items:
        return None
    return element(
        "div",
        element(
            "p", "Rules of thumb, with their numbers; ! marks what is worth a look.", class_="note"
        ),
        element("ul", items, class_="findings"),
    )


def _curves(record: Record) -> Markup | None:
    drawn = [draw(chart) for chart in charts(record)]
    return element("div", drawn, class_="grid-of-charts") if drawn else None


def _activations(record: Record) -> Markup | None:
    histories = layer_histories(record.activations)
    drawn = [
        figure
        for place, (path, history) in enumerate(histories.items())
        if place < MOST_HISTOGRAMS
        and (figure := draw_histograms(path, history, f"layer-{place}")) is not None
    ]
    if not drawn:
        return None
    left = len(histories) - MOST_HISTOGRAMS
    told = f" The first {MOST_HISTOGRAMS} of {len(histories)} layers." if left > 0 else ""
    return join(
        [
            element(
                "p",
                "What each layer put out after every epoch, for validation images. A healthy "
                "layer keeps a spread; all mass at zero (or at the ends of a sigmoid) lets no "
                f"gradient through.{told}",
                class_="note",
            ),
            element("div", drawn, class_="grid-of-charts"),
        ]
    )


def _of_examined(examined: Examined | None, problem: str, part: str) -> Markup | None:
    if examined is None:
        return element("p", problem, class_="notice") if problem else None
    if part == "confusion":
        unanswered = None
        if examined.unanswered:
            unanswered = element(
                "p",
                f"{plural(examined.unanswered, 'example')} had scores that "
                "are not numbers, and count as wrong.",
                class_="notice",
            )
        return join([unanswered, draw_confusion(examined)])
    return draw_weights(examined) if part == "weights" else draw_predictions(examined)


def _tables(record: Record) -> Markup:
    parts = []
    if record.settings:
        parts.append(named_values(record.settings, "Configuration (config.toml)"))
    if record.environment:
        parts.append(named_values(record.environment, "Environment"))
    return element("div", parts, class_="pair")

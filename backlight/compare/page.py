"""The page of the road: a table, a bar a stop, and what each one saw."""

from __future__ import annotations

import math
from importlib import resources

from backlight.compare.matrix import matrix
from backlight.compare.measure import Result
from backlight.compare.pictures import confusions, hardest
from backlight.data import DataSet
from backlight.train.page.document import policy
from backlight.train.page.markup import Markup, element
from backlight.train.page.number import duration, percent

_HEADINGS = (
    "stop",
    "test accuracy",
    "validation",
    "setting",
    "training",
    "an image",
    "peak memory",
    "size",
)


def page(results: list[Result], data: DataSet, shape: tuple[int, ...]) -> str:
    """The page as HTML: one file that works offline."""
    style = resources.files("backlight.train.page").joinpath("style.css").read_text("utf-8")
    style += resources.files(__package__).joinpath("page.css").read_text("utf-8")
    sizes = {
        name: len(split)
        for name, split in (
            ("training", data.train),
            ("validation", data.validation),
            ("test", data.test),
        )
        if split is not None
    }
    told = ", ".join(f"{count:,} {name}" for name, count in sizes.items())
    body = [
        element(
            "header",
            element("p", "Backlight · the road from pixels to convolutions", class_="run"),
            element("h1", f"{_ways(len(results))} to classify {data.name}"),
            element(
                "p",
                f"{told} images of {' × '.join(map(str, shape))}, {len(data.classes)} classes. "
                "Settings were chosen on the validation split; the test split was looked at once "
                "by each stop's winner.",
            ),
            class_="headline",
        ),
        element(
            "main",
            element("section", element("h2", "Side by side"), _chart(results, sizes["test"])),
            element("section", element("h2", "What each costs"), _table(results)),
            [_section(one, data) for one in results],
        ),
    ]
    head = [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy(style, "")),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),
        element("title", f"The road on {data.name} · Backlight"),
        element("style", Markup(style)),
    ]
    whole = element("html", element("head", head), element("body", body), lang="en")
    return f"<!DOCTYPE html>\n{whole}\n"


def _chart(results: list[Result], count: int) -> Markup:
    """A bar a stop, with its standard error."""
    rows = []
    for one in results:
        end, error = 100 * one.test, 100 * standard_error(one.test, count)
        bar = element(
            "svg",
            element("rect", x=0, y=2, width=f"{end:.2f}", height=16, class_="bar"),
            element(
                "line",
                x1=f"{max(end - error, 0):.2f}",
                x2=f"{min(end + error, 100):.2f}",
                y1=10,
                y2=10,
                class_="error",
            ),
            viewBox="0 0 100 20",
            preserveAspectRatio="none",
            aria_hidden="true",
        )
        told = f"{percent(one.test)} ± {percent(error / 100)}"
        rows += [
            element("dt", one.stop.title),
            element("dd", bar, element("span", told, class_="number")),
        ]
    caption = "Accuracy on the test split, with a line of one standard error to each side."
    return element("figure", element("dl", rows, class_="road"), element("figcaption", caption))


def standard_error(share: float, count: int) -> float:
    """Of an accuracy that was measured on so many examples.

    Examples
    --------
    >>> round(standard_error(0.4, 1000), 4)
    0.0155
    """
    return math.sqrt(share * (1 - share) / count)


def _table(results: list[Result]) -> Markup:
    head = element("tr", [element("th", one, scope="col") for one in _HEADINGS])
    rows = [
        element(
            "tr",
            element("th", element("a", one.stop.title, href=f"#{one.stop.name}"), scope="row"),
            [element("td", cell) for cell in cells(one)],
        )
        for one in results
    ]
    table = element("table", element("thead", head), element("tbody", rows))
    return element("div", table, class_="scroll")


def cells(one: Result) -> list[str]:
    """The numbers of a stop as words, in the order of the table."""
    setting = ", ".join(f"{name} {value:g}" for name, value in one.setting.items())
    return [
        f"{percent(one.test)} ± {percent(standard_error(one.test, len(one.predicted)))}",
        percent(one.validation),
        setting or "–",
        seconds_told(one.fit_seconds),
        seconds_told(one.predict_seconds),
        bytes_told(one.memory),
        bytes_told(one.size),
    ]


def seconds_told(seconds: float) -> str:
    """Seconds with a unit: 31 µs, 4.2 ms, 1.5 s, 2 min 5 s."""
    for unit, size in (("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 1000 * size:
            return f"{seconds / size:.3g} {unit}"
    return duration(seconds)


def bytes_told(count: float) -> str:
    """Bytes with a unit: 12 kB, 3.4 MB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def _ways(count: int) -> str:
    words = ("One way", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
    told = words[count - 1] if count <= len(words) else str(count)
    return told if count == 1 else f"{told} ways"


def _section(one: Result, data: DataSet) -> Markup:
    tried = "; ".join(
        ", ".join(f"{name} {value:g}" for name, value in setting.items()) + f": {percent(score)}"
        for setting, score in one.tried
        if setting
    )
    return element(
        "section",
        element("h2", f"{one.stop.title} · {percent(one.test)}"),
        element("p", one.stop.idea),
        element("p", f"Tried on validation data: {tried}.") if tried else None,
        element("p", f"Confused most: {hardest(one, data)}."),
        [figure.drawn() for figure in one.figures],
        matrix(confusions(one, data), data.classes),
        id=one.stop.name,
    )

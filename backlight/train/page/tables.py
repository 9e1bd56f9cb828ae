"""Tables: of a chart's numbers, folded away until asked for, and of names with values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from backlight.train.page.markup import Markup, element

Row = TypeVar("Row")

MOST_ROWS = 40


def folded_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    summary: str = "Table of these numbers",
    most: int = MOST_ROWS,
) -> Markup | None:
    """A table behind a button; of a long one every so-many-th row and always the last."""
    if not rows:
        return None
    shown = thinned(rows, most)
    left_out = None
    if len(shown) < len(rows):
        left_out = element(
            "p", f"{len(shown)} of {len(rows):,} rows, evenly chosen.", class_="note"
        )
    body = [
        element("tr", element("th", row[0], scope="row"), [element("td", cell) for cell in row[1:]])
        for row in shown
    ]
    return element(
        "details",
        element("summary", summary),
        element(
            "div",
            element(
                "table",
                element(
                    "thead", element("tr", [element("th", one, scope="col") for one in headings])
                ),
                element("tbody", body),
            ),
            class_="scroll",
            tabindex="0",
            role="region",
            aria_label=summary,
        ),
        left_out,
        element("button", "Copy as CSV", type="button", class_="copy needs-script", data_copy=True),
    )


def thinned(rows: Sequence[Row], most: int = MOST_ROWS) -> list[Row]:
    """Evenly chosen rows, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[round(k * (len(rows) - 1) / (most - 1))] for k in range(most)]


def named_values(values: Mapping[str, Any], caption: str) -> Markup:
    """Two columns: a name and its value."""
    rows = [
        element("tr", element("th", name, scope="row"), element("td", _written(value)))
        for name, value in values.items()
    ]
    return element(
        "div",
        element("table", element("caption", caption), element("tbody", rows), class_="named"),
        class_="scroll",
    )


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_written(one) for one in value) or "–"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_written(one)}" for name, one in value.items())
    return "–" if value is None else str(value)

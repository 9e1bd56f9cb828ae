"""The confusion matrix as a heat map: rows are true classes, columns what the model answered.

Right answers lie on the diagonal in one colour, errors off it in another; the strength of the
colour is the share of the row, by its square root so that one error in fifty can be seen.
"""

from __future__ import annotations

import json
import math

from backlight.train.page.examined import Examined
from backlight.train.page.markup import Markup, element, visible
from backlight.train.page.number import cut, percent, plural
from backlight.train.page.tables import folded_table

MOST_COUNTED = 20
"""Up to so many classes the counts are written into the cells."""
_MOST_NAMED = 40
_LEVELS = 8
_SIDE, _RIGHT, _LETTER = 520.0, 64.0, 7.4
_LONGEST_NAME = 16
_MOST_ROWS = 1000


def draw_confusion(found: Examined) -> Markup:
    """The figure of an examined split's confusions."""
    counts, classes = found.confusion, found.classes
    totals = [sum(row) for row in counts]
    cell = _SIDE / len(classes)
    names = [cut(name, _LONGEST_NAME) for name in classes]
    named = len(classes) <= _MOST_NAMED
    margin = 54 + (_widest(names) * _LETTER if named else 40)
    top = 48 + (max(20.0, _tallest(names, cell)) if named else 24)
    counted = len(classes) <= MOST_COUNTED
    # Turned names of the last columns lean out to the right.
    lean = 0.5 * _tallest(names, cell) if named else 0.0
    width = margin + _SIDE + max(_RIGHT if counted else 12.0, lean)
    parts = [
        element("rect", class_="paper", x=margin, y=top, width=_SIDE, height=_SIDE),
        _cells(counts, totals, cell, margin, top),
        _counts(counts, totals, cell, margin, top) if counted else None,
        _names(names, cell, margin, top, every=1 if named else 10),
        _recalls(counts, totals, cell, margin, top) if counted else None,
        element("text", "predicted class →", class_="title across", x=margin + _SIDE / 2, y=20),
        element(
            "text",
            "true class →",
            class_="title across",
            transform=f"translate(18 {top + _SIDE / 2:.1f}) rotate(90)",
        ),
        element(
            "rect",
            class_="pick",
            x=0,
            y=0,
            width=f"{cell:.2f}",
            height=f"{cell:.2f}",
            visibility="hidden",
        ),
    ]
    drawing = element(
        "svg",
        parts,
        class_="plot matrix few" if len(classes) <= 10 else "plot matrix",
        viewBox=f"0 0 {width:.0f} {top + _SIDE + 12:.0f}",
        role="img",
        aria_label=_sentence(found),
        tabindex="0",
        data_left=f"{margin:.2f}",
        data_top=f"{top:.2f}",
        data_side=_SIDE,
        data_classes=json.dumps([visible(cut(name)) for name in classes], ensure_ascii=False),
        data_counts=json.dumps(_sparse(counts), separators=(",", ":")),
    )
    return element(
        "figure",
        element(
            "figcaption",
            element("h3", "Confusion matrix"),
            element("output", class_="at", aria_live="off"),
        ),
        element("div", drawing, class_="scroll"),
        element("div", _worst(found), _key(), class_="aside"),
        element(
            "div", _class_table(found), _count_table(found) if counted else None, class_="below"
        ),
        class_="chart wide confusion",
        id="confusion-matrix",
    )


def most_confused(found: Examined, most: int = 5) -> list[tuple[int, int, int]]:
    """The commonest errors: true class, predicted class, how often."""
    errors = [
        (i, j, count)
        for i, row in enumerate(found.confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(errors, key=lambda one: (-one[2], one[0], one[1]))[:most]


def _cells(
    counts: list[list[int]], totals: list[int], cell: float, left: float, top: float
) -> list[Markup]:
    """One path for each strength and colour: a hundred classes have ten thousand cells."""
    paths: dict[tuple[bool, int], list[str]] = {}
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            if count:
                corner = f"M{left + j * cell:.2f} {top + i * cell:.2f}"
                paths.setdefault((i == j, _level(count, totals[i])), []).append(
                    f"{corner}h{cell:.2f}v{cell:.2f}h{-cell:.2f}z"
                )
    return [
        element(
            "path",
            class_="hit" if right else "miss",
            d="".join(where),
            fill_opacity=f"{level / _LEVELS:.3f}",
        )
        for (right, level), where in sorted(paths.items())
    ]


def _level(count: int, total: int) -> int:
    return max(1, math.ceil(math.sqrt(count / total) * _LEVELS - 1e-9))


def _counts(
    counts: list[list[int]], totals: list[int], cell: float, left: float, top: float
) -> Markup:
    texts = []
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            if count:
                level = _level(count, totals[i])
                strength = " strong" if level >= 7 else " firm" if level >= 4 else ""
                texts.append(
                    element(
                        "text",
                        count,
                        class_="count" + strength,
                        x=f"{left + (j + 0.5) * cell:.1f}",
                        y=f"{top + (i + 0.5) * cell:.1f}",
                    )
                )
    size = min(15.0, cell * (0.42 if max(max(row) for row in counts) < 1000 else 0.32))
    return element("g", texts, font_size=f"{size:.1f}")


def _names(names: list[str], cell: float, left: float, top: float, every: int) -> Markup:
    texts = []
    size = min(14.0, max(9.0, cell * 0.75)) if every == 1 else 12.0
    turned = every == 1 and _widest(names) * _LETTER > cell - 4
    for k in range(0, len(names), every):
        middle = (k + 0.5) * cell
        label = names[k] if every == 1 else f"№ {k}"
        texts.append(
            element("text", label, class_="name up", x=f"{left - 7:.1f}", y=f"{top + middle:.1f}")
        )
        place = f"translate({left + middle:.1f} {top - 8:.1f})"
        texts.append(
            element(
                "text",
                label,
                class_="name turned" if turned else "name across",
                transform=place + (" rotate(-60)" if turned else ""),
            )
        )
    return element("g", texts, font_size=f"{size:.1f}")


def _recalls(
    counts: list[list[int]], totals: list[int], cell: float, left: float, top: float
) -> Markup:
    texts = [element("text", "right", class_="title across", x=left + _SIDE + 34, y=top - 10)]
    for i, total in enumerate(totals):
        texts.append(
            element(
                "text",
                percent(counts[i][i] / total, 0) if total else "–",
                class_="tick up",
                x=left + _SIDE + 56,
                y=f"{top + (i + 0.5) * cell:.1f}",
            )
        )
    return element("g", texts)


def _key() -> Markup:
    steps = [
        element(
            "rect",
            class_=kind,
            x=k * 18,
            y=row * 16,
            width=18,
            height=14,
            fill_opacity=f"{(k + 1) / _LEVELS:.3f}",
        )
        for row, kind in enumerate(("hit", "miss"))
        for k in range(_LEVELS)
    ]
    return element(
        "p",
        element("svg", steps, class_="ramp", viewBox="0 0 144 30", aria_hidden="true"),
        element(
            "span",
            "Upper: right answers, on the diagonal. Lower: errors. Full strength is "
            "all of a row, the second step 1 in 16.",
        ),
        class_="note ramp-note",
    )


def _worst(found: Examined) -> Markup | None:
    errors = most_confused(found)
    if not errors:
        return element("p", "No example of this split was answered wrongly.")
    items = [
        element(
            "li",
            "true ",
            element("b", cut(found.classes[i])),
            " taken for ",
            element("b", cut(found.classes[j])),
            f": {plural(count, 'time')} of {sum(found.confusion[i]):,}",
        )
        for i, j, count in errors
    ]
    return element(
        "div", element("h4", "Most often confused"), element("ol", items), class_="worst"
    )


def _class_table(found: Examined) -> Markup | None:
    counts = found.confusion
    columns = [sum(column) for column in zip(*counts, strict=True)]
    rows = []
    for i, row in enumerate(counts):
        errors = sorted(
            ((n, j) for j, n in enumerate(row) if j != i and n), key=lambda one: (-one[0], one[1])
        )[:3]
        rows.append(
            [
                cut(found.classes[i]),
                f"{sum(row):,}",
                f"{row[i]:,}",
                percent(row[i] / sum(row)) if sum(row) else "–",
                percent(row[i] / columns[i]) if columns[i] else "–",
                ", ".join(f"{cut(found.classes[j])} ({n})" for n, j in errors) or "–",
            ]
        )
    return folded_table(
        ["class", "examples", "right", "recall", "precision", "taken for"],
        rows,
        "Table of the classes",
        _MOST_ROWS,
    )


def _count_table(found: Examined) -> Markup | None:
    rows = [
        [cut(name), *(str(n) for n in row)]
        for name, row in zip(found.classes, found.confusion, strict=True)
    ]
    headings = ["true \\ predicted", *map(cut, found.classes)]
    return folded_table(headings, rows, "Table of the counts")


def _sparse(counts: list[list[int]]) -> list[list[int]]:
    """For each row its columns and counts one after the other, without zeros."""
    return [[part for j, n in enumerate(row) if n for part in (j, n)] for row in counts]


def _sentence(found: Examined) -> str:
    total = sum(map(sum, found.confusion))
    right = sum(found.confusion[k][k] for k in range(len(found.classes)))
    said = (
        f"Confusion matrix of the {found.split} split, {len(found.classes)} classes: "
        f"{right:,} of {total:,} right"
    )
    for i, j, count in most_confused(found, 1):
        said += (
            f"; most often {cut(found.classes[i])} was taken for {cut(found.classes[j])}, "
            f"{plural(count, 'time')}"
        )
    return said + "."


def _widest(names: list[str]) -> float:
    """Letters of the longest name; letters beyond Latin are about twice as wide."""
    return max(sum(1.0 if ord(letter) < 0x1100 else 1.75 for letter in name) for name in names)


def _tallest(names: list[str], cell: float) -> float:
    wide = _widest(names) * _LETTER
    return wide * 0.9 if wide > cell - 4 else 0.0

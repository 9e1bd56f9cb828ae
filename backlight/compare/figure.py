"""What a stop is shown by: lines of small pictures, as plain data and on the page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from backlight.errors import DataError
from backlight.train.page.markup import Markup, element

_EMBEDDED = "data:image/png;base64,"
_SIDE = 48


@dataclass(frozen=True)
class Cell:
    """A picture with words below it; without a picture, a sign between two.

    Attributes
    ----------
    words : str
    source : str
        The picture as an address that holds it, or "".
    miss : bool
        Whether it shows a mistake.
    """

    words: str
    source: str = ""
    miss: bool = False

    def drawn(self) -> Markup:
        """The cell as HTML."""
        if not self.source:
            return element("span", self.words, class_="between")
        return element(
            "span",
            element("img", src=self.source, alt=self.words, width=_SIDE, height=_SIDE),
            element("small", self.words),
            class_="cell miss" if self.miss else "cell",
        )


@dataclass(frozen=True)
class Figure:
    """Lines of cells with a caption.

    Examples
    --------
    >>> figure = Figure([[Cell("−")]], "a sign")
    >>> Figure.read(figure.as_json()) == figure
    True
    """

    rows: list[list[Cell]]
    caption: str

    def drawn(self) -> Markup:
        """The figure as HTML."""
        lines = [
            element("div", [cell.drawn() for cell in row], class_="strip") for row in self.rows
        ]
        caption = element("figcaption", self.caption)
        return element("figure", lines, caption, class_="pictures")

    def as_json(self) -> dict[str, Any]:
        """Plain types for a file."""
        return asdict(self)

    @classmethod
    def read(cls, record: Any) -> Figure:
        """The figure of such plain types.

        Raises
        ------
        DataError
            If they name a picture that they do not hold.
        """
        rows = [
            [Cell(str(one["words"]), str(one["source"]), bool(one["miss"])) for one in row]
            for row in record["rows"]
        ]
        sources = [cell.source for row in rows for cell in row]
        if any(source and not source.startswith(_EMBEDDED) for source in sources):
            raise DataError(
                "a figure",
                got="a picture that lies elsewhere",
                needs="pictures that it holds itself",
                remedy="Make it anew.",
            )
        return cls(rows, str(record["caption"]))

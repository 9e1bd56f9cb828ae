"""What the watch remarked upon while the model was trained, with the step at which it did."""

from __future__ import annotations

from collections.abc import Sequence

from backlight.doctor.remarks import told
from backlight.errors import BacklightError
from backlight.train.page.markup import Markup, element, join
from backlight.train.page.number import plural
from backlight.train.page.record import Line, number

MOST = 40
_ABOUT = {
    "dead": "lost-units",
    "saturated": "lost-units",
    "ratio_high": "updates",
    "ratio_low": "updates",
    "vanishing": "gradients",
    "gap": "accuracy",
}
"""Where on the page the numbers of a remark are drawn; of the others, the loss."""


def draw_remarks(remarks: Sequence[Line]) -> Markup | None:
    """A list of remarks in the order in which they were made; None where there are none.

    A line of the metrics that cannot be told is passed over.
    """
    items = []
    for line in remarks:
        step = number(line.get("step"))
        try:
            sentence = told(line, "en")
        except (KeyError, TypeError, ValueError, BacklightError):
            continue
        if step is None or not sentence:
            continue
        sentence = f"{sentence[0].upper()}{sentence[1:]}."
        place = f"Step {step:,.0f}"
        about = _ABOUT.get(str(line.get("kind")), "loss")
        items.append(
            element(
                "li",
                element("span", "!", class_="sign", role="img", aria_label="Worth a look"),
                element("div", element("a", place, href=f"#{about}"), element("p", sentence)),
                class_="is-look",
            )
        )
    if not items:
        return None
    left = len(items) - MOST
    rest = element("p", f"And {plural(left, 'further remark')}.", class_="note")
    return join(
        [
            element(
                "p",
                "What the watch said during training, each thing once, when it was first seen.",
                class_="note",
            ),
            element("ul", items[:MOST], class_="findings"),
            rest if left > 0 else None,
        ]
    )

"""Examples with what the model said of them, and its first weights as pictures."""

from __future__ import annotations

from backlight.train.page.examined import Examined, Prediction
from backlight.train.page.markup import Markup, element
from backlight.train.page.number import cut, fixed, percent, plural, short


def draw_predictions(found: Examined) -> Markup:
    """Wrong answers, the surest first, and right ones from all classes."""
    errors = (
        sum(map(sum, found.confusion))
        - sum(found.confusion[k][k] for k in range(len(found.classes)))
        + found.unanswered
    )
    sure = "probability" if found.probabilistic else "score"
    if found.wrong:
        told = (
            f"{plural(errors, 'error')} in the {found.split} split; shown are the "
            f"{len(found.wrong)} where the wrong class beat the true one by the widest "
            f"margin of {sure}. Look for labels that are wrong or doubtful too."
        )
        wrong = element("div", [_card(one, found) for one in found.wrong], class_="cards")
    else:
        told, wrong = f"Not one example of the {found.split} split was answered wrongly.", None
    return element(
        "div",
        element("h3", "Wrong, the surest first"),
        element("p", told, class_="note"),
        wrong,
        element("h3", "Right, from the classes in turn"),
        element("div", [_card(one, found) for one in found.right], class_="cards")
        if found.right
        else element("p", "None was right.", class_="note"),
    )


def _card(one: Prediction, found: Examined) -> Markup:
    right = one.label == one.predicted
    true, predicted = (cut(found.classes[k]) for k in (one.label, one.predicted))
    alt = (
        f"Example {one.index} of the {found.split} split: true class {true}, predicted {predicted}"
    )
    if one.image:
        view = element(
            "div",
            element("img", src=one.image, alt=alt, class_="pixels"),
            element("small", f"№ {one.index}"),
            class_="view",
        )
    else:
        numbers = ", ".join(short(value, 3) for value in one.features)
        view = element("p", f"[{numbers}, …]", class_="features")
    words = [
        element("dt", "true"),
        element("dd", element("bdi", true)),
        element("dt", "predicted"),
        element(
            "dd",
            element("bdi", predicted),
            " ✓" if right else " ✗",
            class_="right" if right else "wrong",
        ),
    ]
    return element(
        "article",
        view,
        element("div", element("dl", words), _bars(one, found)),
        class_="card",
        data_index=one.index,
    )


def _bars(one: Prediction, found: Examined) -> Markup:
    shown = list(one.top)
    if one.label not in [k for k, _ in shown]:
        shown = [*shown[:-1], (one.label, one.label_value)]
    low = 0.0 if found.probabilistic else min(0.0, *(value for _, value in shown))
    high = 1.0 if found.probabilistic else max(0.0, *(value for _, value in shown))
    span = (high - low) or 1.0
    rows = []
    for k, value in shown:
        kind = "true" if k == one.label else "taken" if k == one.predicted else "other"
        start = (min(value, 0.0) - low) / span * 100
        bar = element(
            "svg",
            element("rect", class_="rail", x=0, y=0, width=100, height=8),
            element(
                "rect",
                class_=kind,
                x=f"{start:.1f}",
                y=0,
                width=f"{abs(value) / span * 100:.1f}",
                height=8,
            ),
            viewBox="0 0 100 8",
            preserveAspectRatio="none",
            aria_hidden="true",
        )
        text = percent(value) if found.probabilistic else fixed(value, 2)
        rows.append(
            element(
                "tr",
                element("th", element("bdi", cut(found.classes[k])), scope="row", class_=kind),
                element("td", bar, class_="bar"),
                element("td", text),
            )
        )
    heading = "probability" if found.probabilistic else "score"
    return element("table", element("caption", heading), element("tbody", rows), class_="bars")


def draw_weights(found: Examined) -> Markup:
    """The first layer's weights, a picture a unit."""
    if not found.weights:
        return element("p", "The model has no matrix or filter bank to show.", class_="note")
    shape = " × ".join(str(side) for side in found.weights_shape)
    kind = (
        "templates"
        if found.weights[0].label is not None
        else ("filters" if len(found.weights_shape) == 4 else "pictures")
    )
    of = [element("code", found.weights_of), f", {shape}. "]
    if len(found.weights) == 1 and found.weights_total > 1:
        of.append("The data are not images, so this is the matrix itself: a row a unit. ")
    elif found.weights_total > len(found.weights):
        of.append(f"The first {len(found.weights)} of {found.weights_total:,} {kind}. ")
    of.append(_explanation(found, kind))
    tiles = []
    for place, one in enumerate(found.weights):
        name = cut(found.classes[one.label]) if one.label is not None else f"unit {place}"
        label = element("bdi", name, class_="template") if one.label is not None else None
        tiles.append(
            element(
                "figure",
                element(
                    "img",
                    src=one.image,
                    alt=f"First-layer weights of {name}, norm {short(one.norm, 3)}",
                    class_="pixels",
                ),
                element("figcaption", label, element("small", f"‖w‖ {short(one.norm, 3)}")),
            )
        )
    size = "few" if len(found.weights) <= 20 else "many"
    if len(found.weights) == 1:
        size = "one"
    return element(
        "div", element("p", of, class_="note"), element("div", tiles, class_=f"tiles {size}")
    )


def _explanation(found: Examined, kind: str) -> str:
    colours = (
        "Grey is zero; red, green and blue show the weights of the three channels. "
        if found.weights_channels == 3
        else "White is zero, orange is positive, blue is negative. "
    )
    said = {
        "templates": "Each is what one class looks for: the score is how well the image matches. ",
        "filters": "Smooth, varied filters are a sign of a network that has learned; noisy ones "
        "of too little training, too high a learning rate or too little "
        "regularisation. ",
        "pictures": "Each is the input that excites one unit the most. ",
    }[kind]
    return colours + said + "Each picture is scaled to its own largest weight; ‖w‖ is its norm."

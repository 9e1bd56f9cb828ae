"""A layer's sizes, its cost and its four vocabularies, in words and as facts."""

from __future__ import annotations

from typing import Any

from backlight.explain.circuit.number import memory
from backlight.explain.layer.backward_cost import BackwardCost
from backlight.nn.vocabulary import CONVOLUTION, LINEAR, SLIDING, Description, Sizes, in_words
from backlight.words import say

TITLES = {"course": "CS231n", "torch7": "Torch7", "caffe": "Caffe", "pytorch": "PyTorch"}


def told(layer: Description, found: Sizes, cost: BackwardCost, language: str | None = None) -> str:
    """What a layer is, in lines.

    Examples
    --------
    >>> from backlight.explain.layer import backward_cost
    >>> from backlight.nn.vocabulary import sizes
    >>> from backlight.nn.vocabulary_reader import read
    >>> layer = read("K=2 F=3 S=2 P=1")
    >>> found = sizes(layer, (3, 5, 5))
    >>> print(told(layer, found, backward_cost(layer, found), "en").splitlines()[2])
    output        2×3×3 = 18 numbers: (5 − 3 + 2·1)/2 + 1 = 3
    """

    def spoken(meaning: str, **values: Any) -> str:
        return say(f"layer.{meaning}", language, **values)

    rows = [
        ("input", _numbers(found.input, found.taken, spoken)),
        ("output", _numbers(found.output, found.made, spoken) + _sum(layer, found)),
        ("parameters", _parameters(layer, found, spoken)),
        ("work", f"{found.multiply_adds:,}"),
        ("jacobian", _jacobian(found, cost, spoken)),
        ("backward", _backward(cost, spoken)),
    ]
    heads = [spoken(f"row.{name}") for name, _ in rows]
    vocabularies = in_words(layer, _taken(layer, found), found.fits)
    wide = max(map(_wide, (*heads, *TITLES.values()))) + 2
    lines = [spoken(f"kind.{layer.kind}", name=TITLES[layer.vocabulary])]
    lines += [
        f"{head}{' ' * (wide - _wide(head))}{text}"
        for head, (_, text) in zip(heads, rows, strict=True)
        if text
    ]
    lines += ["", spoken("vocabularies")]
    lines += [f"{TITLES[name]:{wide}}{text}" for name, text in vocabularies.items()]
    if not found.fits:
        lines += ["", spoken(f"remainder.{layer.rounding}")]
    return "\n".join(lines)


def facts(layer: Description, found: Sizes, cost: BackwardCost) -> dict[str, Any]:
    """The same as numbers."""
    return {
        "kind": layer.kind,
        "read_as": layer.vocabulary,
        "input": list(found.input),
        "output": list(found.output),
        "fits": found.fits,
        "parameters": found.parameters,
        "parameters_unshared": found.unshared,
        "multiply_adds": found.multiply_adds,
        "batch": cost.batch,
        "jacobian_entries": cost.entries,
        "jacobian_bytes": cost.jacobian_bytes,
        "gradient_bytes": cost.gradient_bytes,
        "backward_seconds": cost.seconds,
        "vocabularies": in_words(layer, _taken(layer, found), found.fits),
    }


def _taken(layer: Description, found: Sizes) -> int:
    """Channels of the input, or features of a column."""
    return found.taken if layer.kind == LINEAR else found.input[0]


def _numbers(shape: tuple[int, ...], count: int, spoken: Any) -> str:
    sides = "×".join(map(str, shape))
    if len(shape) == 1:
        return str(spoken("numbers", count=f"{count:,}"))
    return f"{sides} = {spoken('numbers', count=f'{count:,}')}"


def _sum(layer: Description, found: Sizes) -> str:
    """How the output's size comes about, for each axis that is different."""
    if layer.kind not in SLIDING:
        return ""
    axes = zip(
        found.input[1:],
        layer.kernel,
        layer.stride,
        layer.padding,
        layer.dilation,
        found.output[1:],
        strict=True,
    )
    sums = []
    for size, kernel, stride, padding, dilation, made in axes:
        extent = dilation * (kernel - 1) + 1
        whole = (size - extent + 2 * padding) % stride == 0
        equals = "=" if whole else "→"
        sums.append(f"({size} − {extent} + 2·{padding})/{stride} + 1 {equals} {made}")
    return ": " + ", ".join(dict.fromkeys(sums))


def _parameters(layer: Description, found: Sizes, spoken: Any) -> str:
    if not found.parameters:
        return str(spoken("none"))
    bias = f" + {layer.made:,}" if layer.bias else ""
    if layer.kind != CONVOLUTION:
        return f"{found.parameters:,} = {layer.made:,}·{found.taken:,}{bias}"
    high, wide = layer.kernel
    channels = found.input[0] // layer.groups
    text = f"{found.parameters:,} = {layer.made:,}·({channels}·{high}·{wide}){bias}"
    return f"{text}; {spoken('unshared', count=f'{found.unshared:,}')}"


def _jacobian(found: Sizes, cost: BackwardCost, spoken: Any) -> str:
    return str(
        spoken(
            "jacobian",
            batch=f"{cost.batch:,}",
            rows=f"{cost.batch * found.made:,}",
            columns=f"{cost.batch * found.taken:,}",
            entries=f"{cost.entries:,}",
            size=memory(cost.jacobian_bytes),
        )
    )


def _backward(cost: BackwardCost, spoken: Any) -> str:
    size = memory(cost.gradient_bytes)
    if cost.seconds is None:
        return str(spoken("untried", size=size))
    return str(spoken("backward", size=size, time=f"{1000 * cost.seconds:.3g}"))


def _wide(text: str) -> int:
    """Cells in a terminal: Hangul takes two."""
    return sum(2 if "가" <= letter <= "힣" else 1 for letter in text)

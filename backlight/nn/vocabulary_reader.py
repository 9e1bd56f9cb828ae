"""Read a layer from a line of PyTorch, Torch7, Caffe or the course's letters; nothing is run.

A call is read as a name, numbers and named numbers; Caffe's text as names, values and braces; the
course's letters as pairs. Everything else is refused with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from backlight.errors import ArgumentError, nearest
from backlight.nn.vocabulary import (
    AVERAGE,
    CONVOLUTION,
    LINEAR,
    MAXIMUM,
    POOLS,
    RECTIFIER,
    Description,
    Pair,
)

LONGEST = 4000
DEEPEST = 8
LARGEST = 10**9
MOST_DIGITS = 20

TOKEN = re.compile(
    r"""(?P<space>(?:\s|\#[^\n]*)+)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w.])
      |(?P<name>[A-Za-z_]\w*)|(?P<text>"[^"\n]*"|'[^'\n]*')|(?P<mark>[.:,;=(){}\[\]])""",
    re.VERBOSE,
)
CONSTANTS = {"True": True, "False": False, "true": True, "false": False, "None": None, "nil": None}

TORCH7_WINDOW = ("kW", "kH", "dW", "dH", "padW", "padH")
CALLS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "Conv2d": (
        CONVOLUTION,
        "pytorch",
        (
            "in_channels",
            "out_channels",
            "kernel_size",
            "stride",
            "padding",
            "dilation",
            "groups",
            "bias",
        ),
    ),
    "MaxPool2d": (
        MAXIMUM,
        "pytorch",
        ("kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode"),
    ),
    "AvgPool2d": (AVERAGE, "pytorch", ("kernel_size", "stride", "padding", "ceil_mode")),
    "Linear": (LINEAR, "pytorch", ("in_features", "out_features", "bias")),
    "ReLU": (RECTIFIER, "pytorch", ("inplace",)),
    "SpatialConvolution": (
        CONVOLUTION,
        "torch7",
        ("nInputPlane", "nOutputPlane", *TORCH7_WINDOW, "groups"),
    ),
    "SpatialMaxPooling": (MAXIMUM, "torch7", TORCH7_WINDOW),
    "SpatialAveragePooling": (AVERAGE, "torch7", TORCH7_WINDOW),
}
"""Kind, vocabulary and arguments in their order, for each name that may be called."""

CAFFE = {
    "convolution": (CONVOLUTION, "convolution_param"),
    "pooling": (MAXIMUM, "pooling_param"),
    "innerproduct": (LINEAR, "inner_product_param"),
    "relu": (RECTIFIER, "relu_param"),
}
CAFFE_WINDOW = (
    *("kernel_size", "kernel_h", "kernel_w"),
    *("stride", "stride_h", "stride_w"),
    *("pad", "pad_h", "pad_w"),
)
CAFFE_SETTINGS = (
    *CAFFE_WINDOW,
    *("num_output", "group", "dilation", "bias_term", "pool", "round_mode"),
)
CAFFE_ELSEWHERE = ("weight_filler", "bias_filler", "engine", "axis", "negative_slope")
"""What says nothing of a layer's sizes."""


def read(line: str) -> Description:
    """What layer a line tells of.

    Parameters
    ----------
    line : str
        Such as "nn.Conv2d(3, 96, 11, stride=4)", "nn.SpatialConvolution(3, 96, 11, 11, 4, 4)",
        'layer { type: "Convolution" convolution_param { num_output: 96 kernel_size: 11 } }', or
        "K=96 F=11 S=4 P=0".

    Raises
    ------
    ArgumentError
        If it is none of these; the message says where.

    Examples
    --------
    >>> told = read("self.pool = nn.MaxPool2d(3, stride=2)")
    >>> told.kind, told.kernel, told.stride
    ('max-pooling', (3, 3), (2, 2))
    >>> read("K=96 F=11 S=4 P=0").made
    96
    """
    words = _Words(line)
    called = words.called()
    if called is not None:
        return _from_call(words, called)
    if any(kind == "mark" and text in ":{" for kind, text, _ in words.tokens):
        return _from_caffe(words.message())
    return _from_course(words)


def unknown(name: str, known: Iterable[str]) -> str:
    """What is needed where a name is not known, the nearest first.

    Examples
    --------
    >>> unknown("strid", ["stride", "pad"])
    "'stride' (the nearest of: stride, pad)"
    """
    found = nearest(name, known).partition("'")[2].partition("'")[0]
    listed = ", ".join(known)
    return f"'{found}' (the nearest of: {listed})" if found else f"one of {listed}"


class _Words:
    """The words of a line, one after the other."""

    def __init__(self, line: str) -> None:
        if len(line) > LONGEST:
            raise self.refused(f"{len(line):,} characters", f"at most {LONGEST:,}")
        self.tokens: list[tuple[str, str, int]] = []
        self.at = 0
        place = 0
        while place < len(line):
            found = TOKEN.match(line, place)
            if found is None:
                raise self.refused(f"{line[place : place + 12]!r} at character {place + 1}")
            kind = str(found.lastgroup)
            if kind != "space":
                self.tokens.append((kind, found[0], place))
            place = found.end()
        if not self.tokens:
            raise self.refused("nothing")

    @staticmethod
    def refused(
        got: str,
        needs: str = "one layer in the words of PyTorch, Torch7, Caffe or the course",
    ) -> ArgumentError:
        """An error with examples of what is understood."""
        return ArgumentError(
            "the layer",
            got=got,
            needs=needs,
            remedy="Write for example: nn.Conv2d(3, 96, 11, stride=4), or K=96 F=11 S=4 P=0, or "
            'layer { type: "Pooling" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }',
        )

    def peek(self, ahead: int = 0) -> str:
        """The text of a word; empty behind the last."""
        place = self.at + ahead
        return self.tokens[place][1] if place < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        """The next word, which must be the wanted one."""
        if self.at >= len(self.tokens):
            raise self.refused(f"an end where {wanted or 'a value'} belongs")
        _, text, place = self.tokens[self.at]
        if wanted and text != wanted:
            raise self.refused(f"{text!r} at character {place + 1}", f"{wanted!r} there")
        self.at += 1
        return text

    def called(self) -> str | None:
        """Go behind the bracket of a known layer's call; None if nothing is called."""
        calls = [
            place
            for place, ((kind, _, _), (_, then, _)) in enumerate(
                zip(self.tokens, self.tokens[1:], strict=False),
            )
            if kind == "name" and then == "("
        ]
        if not calls:
            return None
        for place in calls:
            name = self.tokens[place][1]
            if name.removesuffix("MM") in CALLS:
                self.at = place + 2
                return name.removesuffix("MM")
        name = self.tokens[calls[-1]][1]
        raise self.refused(f"the layer {name!r}", unknown(name, CALLS))

    def value(self, depth: int = 0) -> Any:
        """A number, a word, a text, or several in brackets."""
        place = self.at
        kind = self.tokens[place][0] if place < len(self.tokens) else ""
        text = self.take()
        if kind == "number":
            if len(text) > MOST_DIGITS or abs(float(text)) > LARGEST:
                raise self.refused(text, f"numbers up to {LARGEST:,}")
            return int(text) if text.lstrip("-").isdecimal() else float(text)
        if kind == "text":
            return text[1:-1]
        if kind == "name":
            return CONSTANTS.get(text, text)
        if text in "([" and depth < 2:
            end = {"(": ")", "[": "]"}[text]
            found = []
            while self.peek() != end:
                found.append(self.value(depth + 1))
                if self.peek() != end:
                    self.take(",")
            self.take(end)
            return tuple(found)
        raise self.refused(f"{text!r} at character {self.tokens[place][2] + 1}", "a value there")

    def arguments(self, names: tuple[str, ...], call: str) -> dict[str, Any]:
        """What is between the brackets of a call, by name."""
        found: dict[str, Any] = {}
        place = 0
        while self.peek() != ")":
            if self.peek(1) == "=":
                name = self.take()
                self.take("=")
                if name not in names:
                    raise self.refused(f"{call}({name}=…)", unknown(name, names))
            elif place < len(names):
                name, place = names[place], place + 1
            else:
                raise self.refused(
                    f"{call} with more than {len(names)} values", f"{', '.join(names)}"
                )
            if name in found:
                raise self.refused(f"{call} with {name} twice", "it once")
            found[name] = self.value()
            if self.peek() != ")":
                self.take(",")
        self.take(")")
        return found

    def message(self, depth: int = 0) -> dict[str, Any]:
        """Caffe's names with values or braces, up to the closing brace or the end."""
        found: dict[str, Any] = {}
        while self.peek() not in ("", "}"):
            name = self.take()
            if self.peek() == "{" or (self.peek() == ":" and self.peek(1) == "{"):
                if depth >= DEEPEST:
                    raise self.refused("braces in braces without end", f"at most {DEEPEST}")
                while self.take() != "{":
                    pass
                found[name] = self.message(depth + 1)
                self.take("}")
            else:
                self.take(":")
                found[name] = self.value()
            if self.peek() in (",", ";"):
                self.take()
        if depth == 0 and self.peek():
            raise self.refused("a closing brace without an opening one")
        return found


def _from_call(words: _Words, name: str) -> Description:
    kind, vocabulary, names = CALLS[name]
    told = words.arguments(names, name)
    ceil = bool(told.get("ceil_mode", False))
    if words.peek() == ":" and words.peek(1) == "ceil":
        ceil = True
    if vocabulary == "torch7":
        told = _as_pytorch(told)
    need = {
        CONVOLUTION: ("in_channels", "out_channels", "kernel_size"),
        LINEAR: ("in_features", "out_features"),
        RECTIFIER: (),
    }.get(kind, ("kernel_size",))
    for one in need:
        if told.get(one) is None:
            raise words.refused(f"{name} without {one}", f"{', '.join(need)}")
    if told.get("padding") == "same":
        told["padding"] = _same(told)
    kernel = _pair("kernel_size", told.get("kernel_size", 1), 1)
    usual = kernel if kind in POOLS else 1
    stride = told.get("stride")
    return Description(
        kind,
        vocabulary,
        _count("out", told.get("out_channels", told.get("out_features", 0))),
        _count("in", told.get("in_channels", told.get("in_features", 0))),
        kernel,
        _pair("stride", usual if stride is None else stride, 1),
        _pair("padding", told.get("padding") or 0, 0),
        _pair("dilation", told.get("dilation") or 1, 1),
        _count("groups", told.get("groups", 1)) or 1,
        bool(told.get("bias", True)),
        "ceil" if ceil else "floor",
    )


def _as_pytorch(told: Mapping[str, Any]) -> dict[str, Any]:
    """Torch7's arguments under PyTorch's names, height before width."""
    across = told.get("kW")
    kernel = (told.get("kH", across), across)
    steps = (told.get("dH", told.get("dW")), told.get("dW"))
    padding = (told.get("padH", told.get("padW", 0)), told.get("padW", 0))
    return {
        "in_channels": told.get("nInputPlane"),
        "out_channels": told.get("nOutputPlane"),
        "kernel_size": None if across is None else kernel,
        "stride": None if steps[1] is None else steps,
        "padding": padding,
        "groups": told.get("groups", 1),
    } | ({} if "nOutputPlane" in told else {"out_channels": 0, "in_channels": 0})


def _same(told: Mapping[str, Any]) -> Pair:
    kernel = _pair("kernel_size", told.get("kernel_size"), 1)
    dilation = _pair("dilation", told.get("dilation") or 1, 1)
    extents = [d * (f - 1) for f, d in zip(kernel, dilation, strict=True)]
    if any(one % 2 for one in extents):
        raise _Words.refused("padding='same' with an even kernel", "the padding as a number")
    return extents[0] // 2, extents[1] // 2


def _from_caffe(message: Mapping[str, Any]) -> Description:
    layer = message.get("layer", message.get("layers", message))
    if not isinstance(layer, Mapping):
        raise _Words.refused("a layer without braces")
    kind, inner = _caffe_kind(layer)
    strange = [name for name in inner if name not in (*CAFFE_SETTINGS, *CAFFE_ELSEWHERE)]
    if strange:
        raise _Words.refused(f"the setting {strange[0]!r}", unknown(strange[0], CAFFE_SETTINGS))
    if kind in (CONVOLUTION, LINEAR) and "num_output" not in inner:
        raise _Words.refused("a layer without num_output", "num_output: K")
    if kind in POOLS and inner.get("pool", "MAX") == "AVE":
        kind = AVERAGE
    sides = ("kernel_size", "kernel_h", "kernel_w")
    if kind in (CONVOLUTION, *POOLS) and not any(one in inner for one in sides):
        raise _Words.refused("a layer without kernel_size", "kernel_size: F")
    floors = kind not in POOLS or inner.get("round_mode") == "FLOOR"
    return Description(
        kind,
        "caffe",
        _count("num_output", inner.get("num_output", 0)),
        0,
        _caffe_pair(inner, "kernel_size", "kernel", 1),
        _caffe_pair(inner, "stride", "stride", 1),
        _caffe_pair(inner, "pad", "pad", 0),
        _pair("dilation", inner.get("dilation", 1), 1),
        _count("group", inner.get("group", 1)) or 1,
        bool(inner.get("bias_term", True)),
        "floor" if floors else "ceil",
    )


def _caffe_kind(layer: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The kind, and the settings; from the type, else from the name of the settings."""
    told = str(layer.get("type", "")).lower().replace("_", "")
    for name, (kind, room) in CAFFE.items():
        if told == name or (not told and room in layer):
            inner = layer.get(room, {})
            if not isinstance(inner, Mapping):
                raise _Words.refused(f"{room} without braces")
            return kind, inner
    if not told and any(name in CAFFE_SETTINGS for name in layer):
        return (CONVOLUTION if "num_output" in layer else MAXIMUM), layer
    known = "Convolution, Pooling, InnerProduct or ReLU"
    raise _Words.refused(f"the type {layer.get('type', '')!r}", f"the type {known}")


def _caffe_pair(inner: Mapping[str, Any], both: str, side: str, usual: int) -> Pair:
    value = inner.get(both, usual)
    high, wide = inner.get(f"{side}_h", value), inner.get(f"{side}_w", value)
    return _pair(both, (high, wide), min(usual, 1))


def _from_course(words: _Words) -> Description:
    letters: dict[str, int] = {}
    while words.peek():
        name = words.take().upper()
        if name not in ("K", "F", "S", "P", "D"):
            raise words.refused(f"{name!r}", "the letters K, F, S, P, as in K=96 F=11 S=4 P=0")
        words.take("=")
        value = words.value()
        least = 0 if name == "P" else 1
        letters[name] = _pair(name, value, least)[0]
        if words.peek() in (",", ";"):
            words.take()
    if "F" not in letters:
        raise words.refused("no F", "F, the size of a window")
    size = letters["F"]
    pools = "K" not in letters
    step = letters.get("S", size if pools else 1)
    return Description(
        MAXIMUM if pools else CONVOLUTION,
        "course",
        letters.get("K", 0),
        0,
        (size, size),
        (step, step),
        (letters.get("P", 0),) * 2,
        (letters.get("D", 1),) * 2,
        rounding="exact",
    )


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _Words.refused(f"{name}={value!r}", "a whole number, 1 or more")
    return value


def _pair(name: str, value: Any, least: int) -> Pair:
    """Vertical and horizontal, from one number or two."""
    both = value if isinstance(value, tuple) else (value, value)
    for one in both:
        if isinstance(one, bool) or not isinstance(one, int) or one < least:
            raise _Words.refused(f"{name}={value!r}", f"whole numbers, {least} or more")
    if len(both) != 2:
        raise _Words.refused(f"{name}={value!r}", "one number or two")
    return both[0], both[1]

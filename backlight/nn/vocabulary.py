"""A layer in four vocabularies: the course's K, F, S, P; Torch7; Caffe; PyTorch.

All of them say the same few numbers. They differ in their names, in what is said where (PyTorch
and Torch7 name the input's channels, Caffe and the course do not), and in what happens if the
windows do not fit: the course refuses, Torch7 and PyTorch leave the rest out, and Caffe does so
with convolutions but lets a last window of a pool hang over the edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from backlight.errors import ArgumentError, ShapeError
from backlight.shapes import window

Pair = tuple[int, int]

CONVOLUTION = "convolution"
MAXIMUM = "max-pooling"
AVERAGE = "average-pooling"
LINEAR = "fully-connected"
RECTIFIER = "relu"
POOLS = (MAXIMUM, AVERAGE)
SLIDING = (CONVOLUTION, *POOLS)

VOCABULARIES = ("course", "torch7", "caffe", "pytorch")


@dataclass(frozen=True)
class Description:
    """What a layer is told to be.

    Attributes
    ----------
    kind : str
        "convolution", "max-pooling", "average-pooling", "fully-connected" or "relu".
    vocabulary : str
        In whose words it was told.
    made : int
        Channels or features that come out; 0 where as many as go in.
    taken : int
        Channels or features that go in; 0 where the words do not say.
    kernel, stride, padding, dilation : (int, int)
        Vertical, horizontal.
    groups : int
    bias : bool
    rounding : {"exact", "floor", "ceil"}
        What happens to a remainder of (W − F + 2P)/S.
    """

    kind: str
    vocabulary: str = "pytorch"
    made: int = 0
    taken: int = 0
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = True
    rounding: str = "floor"


@dataclass(frozen=True)
class Sizes:
    """How large a layer is on an input.

    Attributes
    ----------
    input, output : tuple of int
        Of one example.
    fits : bool
        Whether windows meet the edge without a remainder.
    parameters : int
    unshared : int
        Parameters if every place had weights of its own; equal to `parameters` where no window
        slides.
    multiply_adds : int
        Of one example's forward pass.
    """

    input: tuple[int, ...]
    output: tuple[int, ...]
    fits: bool
    parameters: int
    unshared: int
    multiply_adds: int

    @property
    def taken(self) -> int:
        """Numbers that go in."""
        return math.prod(self.input)

    @property
    def made(self) -> int:
        """Numbers that come out."""
        return math.prod(self.output)

    def jacobian(self, batch: int) -> int:
        """Entries of the Jacobian of a batch: every output number by every input number."""
        return batch * self.made * batch * self.taken


def sizes(told: Description, shape: tuple[int, ...]) -> Sizes:
    """How large the layer is on an example of this shape.

    Parameters
    ----------
    told : Description
    shape : tuple of int
        (channels, height, width), or (features,).

    Raises
    ------
    ShapeError
        If the layer says that it takes something else, or its windows do not fit.

    Examples
    --------
    AlexNet's first layer: shared weights make 3,000 of 100 million parameters unnecessary.

    >>> first = Description("convolution", made=96, taken=3, kernel=(11, 11), stride=(4, 4))
    >>> found = sizes(first, (3, 227, 227))
    >>> found.output, found.parameters, found.unshared
    ((96, 55, 55), 34944, 105705600)
    """
    if told.kind == RECTIFIER:
        return Sizes(shape, shape, True, 0, 0, 0)
    if told.kind == LINEAR:
        features = math.prod(shape)
        _agree(told, features, shape)
        parameters = features * told.made + told.made * told.bias
        return Sizes(shape, (told.made,), True, parameters, parameters, features * told.made)
    if len(shape) != 3:
        raise ShapeError(
            told.kind,
            got=f"an input of shape {shape}",
            needs="three sizes: channels, height, width",
            remedy="Write it as 3x227x227",
        )
    channels = shape[0]
    _agree(told, channels, shape)
    high, wide = _counts(told, shape, told.rounding)
    taps = math.prod(told.kernel)
    if told.kind in POOLS:
        return Sizes(shape, (channels, high, wide), _fits(told, shape), 0, 0, 0)
    if channels % told.groups or told.made % told.groups:
        raise ArgumentError(
            told.kind,
            got=f"{told.groups} groups for {channels} channels in and {told.made} out",
            needs="groups that divide both",
            remedy="Change the groups, or the channels of the input",
        )
    weights = channels // told.groups * taps
    places = high * wide
    return Sizes(
        shape,
        (told.made, high, wide),
        _fits(told, shape),
        told.made * (weights + told.bias),
        places * told.made * (weights + told.bias),
        places * told.made * weights,
    )


def _agree(told: Description, given: int, shape: tuple[int, ...]) -> None:
    if told.taken not in (0, given):
        what = "features" if told.kind == LINEAR else "channels"
        raise ShapeError(
            told.kind,
            got=f"an input with {given:,} {what}, shape {shape}",
            needs=f"{told.taken:,}, as it was told",
            remedy=f"Give it an input with {told.taken:,} {what}, or tell it {given:,}",
        )


def _counts(told: Description, shape: tuple[int, ...], rounding: str) -> list[int]:
    """How many windows fit down and across."""
    axes = zip(
        shape[1:],
        told.kernel,
        told.stride,
        told.padding,
        told.dilation,
        strict=True,
    )
    return [window(told.kind, *axis, rounding) for axis in axes]


def _fits(told: Description, shape: tuple[int, ...]) -> bool:
    return _counts(told, shape, "floor") == _counts(told, shape, "ceil")


def in_words(told: Description, channels: int = 0, fits: bool = True) -> dict[str, str]:
    """The layer in each vocabulary.

    Parameters
    ----------
    told : Description
    channels : int
        Channels (or features) of the input, where the layer itself does not say.
    fits : bool
        Whether windows meet the edge exactly; if not, how to round is said.

    Examples
    --------
    >>> pool = Description("max-pooling", kernel=(3, 3), stride=(2, 2), rounding="ceil")
    >>> for name, words in in_words(pool, fits=False).items():
    ...     print(f"{name:8}", words)
    course   F=3 S=2 P=0, rounded up
    torch7   nn.SpatialMaxPooling(3, 3, 2, 2, 0, 0):ceil()
    caffe    layer { type: "Pooling" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
    pytorch  nn.MaxPool2d(3, stride=2, ceil_mode=True)
    """
    known = replace(told, taken=told.taken or channels)
    rounding = "" if fits else known.rounding
    return {
        "course": _course(known, rounding),
        "torch7": _torch7(known, rounding),
        "caffe": _caffe(known, rounding),
        "pytorch": _pytorch(known, rounding),
    }


def _course(told: Description, rounding: str) -> str:
    if told.kind == RECTIFIER:
        return "max(0, x)"
    if told.kind == LINEAR:
        return f"W: {told.made}×{told.taken}"
    made = f"K={told.made} " if told.kind == CONVOLUTION else ""
    text = f"{made}F={_one(told.kernel)} S={_one(told.stride)} P={_one(told.padding)}"
    if told.dilation != (1, 1):
        text += f" D={_one(told.dilation)}"
    if told.groups > 1:
        text += f" groups={told.groups}"
    return text + {"ceil": ", rounded up", "floor": ", rounded down"}.get(rounding, "")


def _torch7(told: Description, rounding: str) -> str:
    if told.kind in (RECTIFIER, LINEAR):
        return _pytorch(told, rounding).replace("bias=False", "false")
    numbers = [*_across(told.kernel), *_across(told.stride), *_across(told.padding)]
    if told.kind in POOLS:
        name = "SpatialMaxPooling" if told.kind == MAXIMUM else "SpatialAveragePooling"
        return f"nn.{name}({_listed(numbers)})" + (":ceil()" if rounding == "ceil" else "")
    numbers = [told.taken, told.made, *numbers]
    name = "nn.SpatialConvolution"
    if told.dilation != (1, 1):
        name, numbers = "nn.SpatialDilatedConvolution", [*numbers, *_across(told.dilation)]
    if told.groups > 1:
        name, numbers = "cudnn.SpatialConvolution", [*numbers, told.groups]
    return f"{name}({_listed(numbers)})" + ("" if told.bias else ":noBias()")


def _caffe(told: Description, rounding: str) -> str:
    if told.kind == RECTIFIER:
        return 'layer { type: "ReLU" }'
    if told.kind == LINEAR:
        settings, kind, room = [f"num_output: {told.made}"], "InnerProduct", "inner_product_param"
    elif told.kind == CONVOLUTION:
        settings, kind, room = [f"num_output: {told.made}"], "Convolution", "convolution_param"
    else:
        pool = "MAX" if told.kind == MAXIMUM else "AVE"
        settings, kind, room = [f"pool: {pool}"], "Pooling", "pooling_param"
    if told.kind in SLIDING:
        settings += _spatial(told)
    if told.kind in POOLS and rounding == "floor":
        settings.append("round_mode: FLOOR")
    if not told.bias:
        settings.append("bias_term: false")
    return f'layer {{ type: "{kind}" {room} {{ {" ".join(settings)} }} }}'


def _spatial(told: Description) -> list[str]:
    """Caffe's words for the window, those left out that are as usual."""
    found = []
    for name, short, pair, usual in (
        ("kernel_size", "kernel", told.kernel, 0),
        ("stride", "stride", told.stride, 1),
        ("pad", "pad", told.padding, 0),
    ):
        if pair[0] != pair[1]:
            found += [f"{short}_h: {pair[0]}", f"{short}_w: {pair[1]}"]
        elif pair[0] != usual:
            found.append(f"{name}: {pair[0]}")
    if told.dilation != (1, 1):
        found.append(f"dilation: {told.dilation[0]}")
    if told.groups > 1:
        found.append(f"group: {told.groups}")
    return found


def _pytorch(told: Description, rounding: str) -> str:
    if told.kind == RECTIFIER:
        return "nn.ReLU()"
    if told.kind == LINEAR:
        return f"nn.Linear({told.taken}, {told.made}{'' if told.bias else ', bias=False'})"
    named: dict[str, Any] = {}
    usual = told.kernel if told.kind in POOLS else (1, 1)
    for name, pair, plain in (
        ("stride", told.stride, usual),
        ("padding", told.padding, (0, 0)),
        ("dilation", told.dilation, (1, 1)),
    ):
        if pair != plain:
            named[name] = _python(pair)
    if told.groups > 1:
        named["groups"] = told.groups
    if not told.bias:
        named["bias"] = False
    if rounding == "ceil":
        named["ceil_mode"] = True
    more = "".join(f", {name}={value}" for name, value in named.items())
    if told.kind in POOLS:
        name = "MaxPool2d" if told.kind == MAXIMUM else "AvgPool2d"
        return f"nn.{name}({_python(told.kernel)}{more})"
    return f"nn.Conv2d({told.taken}, {told.made}, {_python(told.kernel)}{more})"


def _one(pair: Pair) -> str:
    """One number where both are equal, else height×width."""
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}×{pair[1]}"


def _python(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else str(pair)


def _across(pair: Pair) -> Pair:
    """Torch7 says width before height."""
    return pair[1], pair[0]


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))

"""Channels last: how the arrays of a program lie in memory.

Users write images as N, C, H, W. Convolutions run on N, H, W, C, with the zeros of their padding
around: then the channels of a pixel, and the pixels under one row of a kernel, are one run of
memory. Here the graph is rewritten so that every array is row-major in the order in which it is
stored. Between two convolutions nothing is turned around: whatever works place by place, folds or
looks through windows works in the stored order too. Only at the borders of the program, and where
an operation needs the written order, is an array transposed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from backlight.native.contraction.convolution_passes import upstream_padding
from backlight.native.contraction.depthwise import is_depthwise
from backlight.native.contraction.geometry import Geometry
from backlight.native.lowering.loops import ELEMENTWISE, LEAVES, VIEWS, Node, ordered
from backlight.native.machine_code.machine import Target

Order = tuple[int, ...]
"""`order[i]` is the stored axis that is axis i of the array as it was written."""


class Stored:
    """An array as it is stored, and the order in which its axes were written."""

    __slots__ = ("core", "order")

    def __init__(self, core: Node, order: Order | None = None) -> None:
        self.core = core
        self.order: Order = tuple(range(core.ndim)) if order is None else order

    @property
    def straight(self) -> bool:
        """Whether it is stored as it was written."""
        return self.order == tuple(range(len(self.order)))


def channels_last(outputs: Sequence[Node], target: Target) -> list[Node]:
    """The same values, with convolutions and what lies between them stored channels last."""
    if not any(node.op in _CONVOLUTIONS or _comes_so(node) for node in ordered(outputs)):
        return list(outputs)
    rewrite = _Layout(target)
    stored: dict[Node, Stored] = {}
    for node in ordered(outputs):
        stored[node] = rewrite.place(node, [stored[x] for x in node.inputs])
    return _read_from_padded([rewrite.written(stored[node]) for node in outputs])


def _comes_so(node: Node) -> bool:
    """Whether these are images from outside whose memory is channels last already."""
    last = node.op == "transpose" and node.attributes["axes"] == _CHANNELS_LAST
    return last and node.inputs[0].op == "input"


def _read_from_padded(outputs: Sequence[Node]) -> list[Node]:
    """What is stored with zeros around is read there by all who need it: it is stored once."""
    nodes = ordered(outputs)
    padded = {
        node.inputs[0]: node
        for node in nodes
        if node.op == "pad" and node.inputs[0].op not in _ELSEWHERE
    }
    for node in outputs:
        padded.pop(node, None)
    new: dict[Node, Node] = {}
    wide: dict[Node, Node] = {}
    inside: dict[Node, Node] = {}
    for node in nodes:
        pad = padded.get(node.inputs[0]) if node.inputs else None
        if pad is node:
            new[node] = wide[node.inputs[0]]
            continue
        inputs = [inside.get(x, new[x]) for x in node.inputs]
        made = node if tuple(inputs) == node.inputs else node.with_inputs(inputs)
        new[node] = made
        if node in padded:
            pad = padded[node]
            wide[node] = pad if made is node else pad.with_inputs([made])
            settings = {"start": pad.attributes["before"], "step": (1,) * node.ndim}
            inside[node] = Node(
                "slice", [wide[node]], node.shape, node.dtype, settings, node.origin
            )
    return [new[node] for node in outputs]


_ELSEWHERE = (*LEAVES, *VIEWS)
"""Operations whose result is not stored, or is stored by someone else."""


class _Layout:
    """Rewrites node by node; views that were made once are made only once."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._made: dict[object, Node] = {}

    # ── helpers ────────────────────────────────────────────────────────────────────────────

    def transposed(self, node: Node, axes: Order) -> Node:
        """The node with its axes in another order; one node for the same request."""
        if axes == tuple(range(node.ndim)):
            return node
        if node.op == "transpose":  # of a transpose: one
            inner = node.attributes["axes"]
            return self.transposed(node.inputs[0], tuple(inner[axis] for axis in axes))
        key = (node, axes)
        if key not in self._made:
            shape = tuple(node.shape[axis] for axis in axes)
            kept = [axis for axis in axes if node.shape[axis] != 1]
            if kept == sorted(kept):  # only sizes of 1 move: no number does
                self._made[key] = Node("reshape", [node], shape, node.dtype, {}, node.origin)
            else:
                self._made[key] = Node(
                    "transpose", [node], shape, node.dtype, {"axes": axes}, node.origin
                )
        return self._made[key]

    def written(self, array: Stored) -> Node:
        """The array in the order in which it was written."""
        return self.transposed(array.core, array.order)

    def in_order(self, array: Stored, order: Order) -> Node:
        """The array stored so that `order` describes it."""
        if array.order == order:
            return array.core
        back = _inverse(order)
        return self.transposed(array.core, tuple(array.order[axis] for axis in back))

    def padded(self, node: Node, before: Sequence[int], after: Sequence[int]) -> Node:
        """Zeros around; one node for the same request, so that users share the array."""
        if not any(before) and not any(after):
            return node
        if min(*before, *after) < 0:
            node = self._cut(node, before, after)
            return self.padded(node, [max(n, 0) for n in before], [max(n, 0) for n in after])
        key = (node, tuple(before), tuple(after))
        if key not in self._made:
            shape = [
                size + low + high for size, low, high in zip(node.shape, before, after, strict=True)
            ]
            settings = {"before": tuple(before), "value": 0.0}
            self._made[key] = Node("pad", [node], shape, node.dtype, settings, node.origin)
        return self._made[key]

    def _cut(self, node: Node, before: Sequence[int], after: Sequence[int]) -> Node:
        start = tuple(max(-n, 0) for n in before)
        shape = [
            size - low - max(-high, 0)
            for size, low, high in zip(node.shape, start, after, strict=True)
        ]
        settings = {"start": start, "step": (1,) * node.ndim}
        return Node("slice", [node], shape, node.dtype, settings, node.origin)

    # ── one node ───────────────────────────────────────────────────────────────────────────

    def place(self, node: Node, given: list[Stored]) -> Stored:
        """How this node is stored, given how its inputs are."""
        if node.op in _CONVOLUTIONS:
            return _CONVOLUTIONS[node.op](self, node, given)
        if _comes_so(node):
            return Stored(given[0].core, _CHANNELS_LAST)
        if all(array.straight for array in given):
            inputs = [array.core for array in given]
            return Stored(node if tuple(inputs) == node.inputs else node.with_inputs(inputs))
        if node.op in ELEMENTWISE or node.op == "check":
            return self._elementwise(node, given)
        rule = _RULES.get(node.op)
        found = rule(self, node, given) if rule else None
        if found is None:
            return Stored(node.with_inputs([self.written(array) for array in given]))
        return found

    def _elementwise(self, node: Node, given: list[Stored]) -> Stored:
        """Computed in the order in which the largest input is stored."""
        leading = [a for a in given if len(a.order) == node.ndim and not a.straight]
        if not leading:
            return Stored(node.with_inputs([self.written(array) for array in given]))
        order = max(leading, key=lambda array: array.core.size).order
        inputs = []
        for array in given:
            missing = node.ndim - array.core.ndim
            if array.core.size == 1 or not missing:
                full = array
            else:
                shape = (1,) * missing + self.written(array).shape
                wide = Node("reshape", [self.written(array)], shape, array.core.dtype)
                full = Stored(wide)
            inputs.append(array.core if array.core.size == 1 else self.in_order(full, order))
        shape = _stored_shape(node.shape, order)
        made = Node(node.op, inputs, shape, node.dtype, node.attributes, node.origin)
        return Stored(made, order)

    def _fold(self, node: Node, given: list[Stored]) -> Stored | None:
        (x,) = given
        if node.attributes["by"] in ("argmax", "argmin"):
            folded = [x.order[axis] for axis in node.attributes["axes"]]
            if folded != sorted(folded):
                return None  # the place of a winner is counted in the written order
        axes = tuple(sorted(x.order[axis] for axis in node.attributes["axes"]))
        kept = [axis for axis in range(len(x.order)) if axis not in node.attributes["axes"]]
        stay = [axis for axis in range(len(x.order)) if axis not in axes]
        order = tuple(stay.index(x.order[axis]) for axis in kept)
        shape = tuple(x.core.shape[axis] for axis in stay)
        settings = {**node.attributes, "axes": axes}
        return Stored(Node("fold", [x.core], shape, node.dtype, settings, node.origin), order)

    def _pad(self, node: Node, given: list[Stored]) -> Stored:
        (x,) = given
        back = _inverse(x.order)
        settings = {
            **node.attributes,
            "before": tuple(node.attributes["before"][axis] for axis in back),
        }
        shape = _stored_shape(node.shape, x.order)
        return Stored(Node("pad", [x.core], shape, node.dtype, settings, node.origin), x.order)

    def _slice(self, node: Node, given: list[Stored]) -> Stored:
        (x,) = given
        back = _inverse(x.order)
        settings = {
            name: tuple(node.attributes[name][axis] for axis in back) for name in ("start", "step")
        }
        shape = _stored_shape(node.shape, x.order)
        return Stored(Node("slice", [x.core], shape, node.dtype, settings, node.origin), x.order)

    def _window(self, node: Node, given: list[Stored]) -> Stored:
        """Windows over the written axes; the taps come last, the rest is stored as the input is."""
        (x,) = given
        rank = len(node.attributes["kernel"])
        seen = Node("window", [self.written(x)], node.shape, node.dtype, node.attributes)
        ndim = x.core.ndim
        order = (*x.order, *range(ndim, ndim + rank))
        return Stored(self.transposed(seen, _inverse(order)), order)

    def _transpose(self, node: Node, given: list[Stored]) -> Stored:
        (x,) = given
        return Stored(x.core, tuple(x.order[axis] for axis in node.attributes["axes"]))

    def _expand(self, node: Node, given: list[Stored]) -> Stored | None:
        (x,) = given
        if node.ndim != x.core.ndim:
            return None
        shape = _stored_shape(node.shape, x.order)
        return Stored(Node("expand", [x.core], shape, node.dtype, {}, node.origin), x.order)

    def _reshape(self, node: Node, given: list[Stored]) -> Stored | None:
        """Axes are split and merged where they are stored, if what is merged is stored together."""
        (x,) = given
        runs = groups(self.written(x).shape, node.shape)
        if runs is None:
            return None
        placed = []
        for old, new in runs:
            stored = [x.order[axis] for axis in old]
            if stored != list(range(stored[0], stored[0] + len(stored))):
                return None
            placed.append((stored[0], new))
        in_storage = [axis for _, new in sorted(placed) for axis in new]
        shape = [node.shape[axis] for axis in in_storage]
        order = tuple(in_storage.index(axis) for axis in range(node.ndim))
        return Stored(Node("reshape", [x.core], shape, node.dtype, {}, node.origin), order)

    def _gather(self, node: Node, given: list[Stored]) -> Stored:
        """From a source stored in its own order, at places stored in theirs."""
        source, *places = given
        by_stored = [places[axis] for axis in _inverse(source.order)]
        leading = [a for a in places if len(a.order) == node.ndim and not a.straight]
        order = leading[0].order if leading else tuple(range(node.ndim))
        inputs = [source.core, *[self.in_order(array, order) for array in by_stored]]
        shape = _stored_shape(node.shape, order)
        made = Node("gather", inputs, shape, node.dtype, node.attributes, node.origin)
        return Stored(made, order)

    # ── convolutions ───────────────────────────────────────────────────────────────────────

    def _images(self, array: Stored) -> Node:
        """Images stored channels last."""
        return self.in_order(array, _CHANNELS_LAST)

    def _border(self, node: Node, x: Node) -> Node:
        """The images with the zeros of the padding around."""
        rows, columns = node.attributes["padding"]
        around = (0, rows, columns, 0)
        return self.padded(x, around, around)

    def _settings(self, node: Node) -> dict[str, object]:
        return {**node.attributes, "padding": (0, 0), "layout": "channels_last"}

    def _convolve(self, node: Node, given: list[Stored]) -> Stored:
        x, weight = given
        seen = self._border(node, self._images(x))
        n, o, h, w = node.shape
        inputs = [seen, self.written(weight)]
        made = Node("convolve", inputs, (n, h, w, o), node.dtype, self._settings(node), node.origin)
        return Stored(made, _CHANNELS_LAST)

    def _by_data(self, node: Node, given: list[Stored]) -> Stored:
        y, weight = given
        n, c, h, w = node.shape
        filters = self.written(weight)
        geometry = geometry_of(node, (n, c, h, w), filters.shape)
        (top, bottom), (left, right) = upstream_padding(geometry, node.dtype, self.target)
        seen = self.padded(self._images(y), (0, top, left, 0), (0, bottom, right, 0))
        settings = {
            **node.attributes,
            "layout": "channels_last",
            "around": (top, bottom, left, right),
        }
        inputs = [seen, filters]
        made = Node("convolve_by_data", inputs, (n, h, w, c), node.dtype, settings, node.origin)
        return Stored(made, _CHANNELS_LAST)

    def _by_weight(self, node: Node, given: list[Stored]) -> Stored:
        y, x = given
        o, c, rows, columns = node.shape
        inputs = [self._images(y), self._border(node, self._images(x))]
        geometry = geometry_of(node, (inputs[1].shape[0], inputs[1].shape[3], 0, 0), node.shape)
        groups = 1 if is_depthwise(geometry) else node.attributes["groups"]
        made = Node(
            "convolve_by_weight",
            inputs,
            (groups, rows, columns, c, o // groups),
            node.dtype,
            self._settings(node),
            node.origin,
        )
        turned = self.transposed(made, (0, 4, 3, 1, 2))
        return Stored(Node("reshape", [turned], node.shape, node.dtype, {}, node.origin))


def geometry_of(node: Node, images: Sequence[int], filters: Sequence[int]) -> Geometry:
    """The sizes of a convolution of images N, C, H, W, written without their padding."""
    settings = node.attributes
    return Geometry(
        images[0],
        images[1],
        filters[0],
        (images[2], images[3]),
        (filters[2], filters[3]),
        settings["stride"],
        settings["padding"],
        settings["dilation"],
        settings["groups"],
    )


_CHANNELS_LAST: Order = (0, 3, 1, 2)

_CONVOLUTIONS: dict[str, Callable[[_Layout, Node, list[Stored]], Stored]] = {
    "convolve": _Layout._convolve,
    "convolve_by_data": _Layout._by_data,
    "convolve_by_weight": _Layout._by_weight,
}
_RULES: dict[str, Callable[[_Layout, Node, list[Stored]], Stored | None]] = {
    "fold": _Layout._fold,
    "pad": _Layout._pad,
    "slice": _Layout._slice,
    "window": _Layout._window,
    "transpose": _Layout._transpose,
    "expand": _Layout._expand,
    "gather": _Layout._gather,
    "reshape": _Layout._reshape,
}


def groups(
    old: Sequence[int], new: Sequence[int]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]] | None:
    """Runs of old axes and of new ones that hold the same elements in a reshape, the shortest.

    None where a run has no old axis, as for axes of size 1 in an array of one number.

    Examples
    --------
    >>> groups((2, 6, 4), (2, 3, 2, 1, 4))
    [((0,), (0,)), ((1,), (1, 2, 3)), ((2,), (4,))]
    """
    found: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    left = right = 0
    while left < len(old) and right < len(new):
        first, second = [left], [right]
        have, want = old[left], new[right]
        left, right = left + 1, right + 1
        while have != want:
            if have < want and left < len(old):
                have *= old[left]
                first.append(left)
                left += 1
            elif have > want and right < len(new):
                want *= new[right]
                second.append(right)
                right += 1
            else:
                return None
        # Axes of size 1 that are left over belong to the run before them.
        while right < len(new) and new[right] == 1 and (left == len(old) or old[left] != 1):
            second.append(right)
            right += 1
        found.append((tuple(first), tuple(second)))
    return found if left == len(old) and right == len(new) else None


def _inverse(order: Order) -> Order:
    """Which written axis each stored axis is."""
    back = [0] * len(order)
    for written, stored in enumerate(order):
        back[stored] = written
    return tuple(back)


def _stored_shape(shape: Sequence[int], order: Order) -> tuple[int, ...]:
    """The shape in stored order of an array written with this shape."""
    return tuple(shape[axis] for axis in _inverse(order))

"""Views of views as one view: rewrites that move no number and change none."""

from __future__ import annotations

from collections.abc import Callable

from backlight.native.lowering.loops import Node

Rule = Callable[[Node], Node | None]


def same_shape(node: Node) -> Node | None:
    """A view that changes nothing."""
    x = node.inputs[0]
    if x.shape != node.shape:
        return None
    if node.op == "transpose":
        return x if node.attributes["axes"] == tuple(range(node.ndim)) else None
    if node.op == "slice" and (any(node.attributes["start"]) or not _close(node)):
        return None
    return x


def _close(node: Node) -> bool:
    return all(
        step == 1 or size == 1
        for step, size in zip(node.attributes["step"], node.shape, strict=True)
    )


def reshape_of_reshape(node: Node) -> Node | None:
    """Only the last shape counts."""
    x = node.inputs[0]
    return node.with_inputs(x.inputs) if x.op == "reshape" else None


def expand_of_expand(node: Node) -> Node | None:
    """Only the last shape counts."""
    x = node.inputs[0]
    return node.with_inputs(x.inputs) if x.op == "expand" else None


def transpose_of_transpose(node: Node) -> Node | None:
    """One order of axes."""
    x = node.inputs[0]
    if x.op != "transpose":
        return None
    axes = tuple([x.attributes["axes"][axis] for axis in node.attributes["axes"]])
    return Node("transpose", x.inputs, node.shape, node.dtype, {"axes": axes}, node.origin)


def transpose_of_ones(node: Node) -> Node | None:
    """Where only axes of size 1 move, no number does."""
    x = node.inputs[0]
    long = [axis for axis in node.attributes["axes"] if x.shape[axis] != 1]
    if long != sorted(long):
        return None
    return Node("reshape", [x], node.shape, node.dtype, {}, node.origin)


def slice_of_slice(node: Node) -> Node | None:
    """One start and one step."""
    x = node.inputs[0]
    if x.op != "slice":
        return None
    inner, outer = x.attributes, node.attributes
    start = [
        first + by * more
        for first, by, more in zip(inner["start"], inner["step"], outer["start"], strict=True)
    ]
    step = [one * other for one, other in zip(inner["step"], outer["step"], strict=True)]
    settings = {"start": tuple(start), "step": tuple(step)}
    return Node("slice", x.inputs, node.shape, node.dtype, settings, node.origin)


def slice_of_pad(node: Node) -> Node | None:
    """A part that has nothing of the border; or all along an axis, with its border."""
    x = node.inputs[0]
    if x.op != "pad" or not node.size:
        return None
    start, step = node.attributes["start"], node.attributes["step"]
    source = x.inputs[0]
    moved = [first - before for first, before in zip(start, x.attributes["before"], strict=True)]
    last = [s + by * (n - 1) for s, by, n in zip(moved, step, node.shape, strict=True)]
    inside = all(
        min(a, b) >= 0 and max(a, b) < size
        for a, b, size in zip(moved, last, source.shape, strict=True)
    )
    if not inside:
        return None
    settings = {"start": tuple(moved), "step": step}
    return Node("slice", [source], node.shape, node.dtype, settings, node.origin)


def slice_of_join(node: Node) -> Node | None:
    """A part of one of the arrays that were joined."""
    x = node.inputs[0]
    if x.op != "join" or not node.size:
        return None
    axis = x.attributes["axis"]
    start, step = node.attributes["start"], node.attributes["step"]
    ends = (start[axis], start[axis] + step[axis] * (node.shape[axis] - 1))
    offset = 0
    for part in x.inputs:
        size = part.shape[axis]
        if offset <= min(ends) and max(ends) < offset + size:
            first = (*start[:axis], start[axis] - offset, *start[axis + 1 :])
            settings = {"start": first, "step": step}
            return Node("slice", [part], node.shape, node.dtype, settings, node.origin)
        offset += size
    return None


def pad_of_pad(node: Node) -> Node | None:
    """Two borders of one value."""
    x = node.inputs[0]
    if x.op != "pad" or repr(x.attributes["value"]) != repr(node.attributes["value"]):
        return None
    before = [a + b for a, b in zip(node.attributes["before"], x.attributes["before"], strict=True)]
    settings = {"before": tuple(before), "value": node.attributes["value"]}
    return Node("pad", x.inputs, node.shape, node.dtype, settings, node.origin)


def view_of_number(node: Node) -> Node | None:
    """One number everywhere, seen from anywhere."""
    x = node.inputs[0]
    stretched = x.op == "expand" and x.inputs[0].op == "constant"
    if not (stretched or x.op == "constant") or not x.size:
        return None
    number = x.inputs[0] if stretched else x
    if node.op == "pad" and repr(node.attributes["value"]) != repr(number.attributes["value"]):
        return None
    if not node.shape:
        return number
    return Node("expand", [number], node.shape, node.dtype, {}, node.origin)


def join_of_one(node: Node) -> Node | None:
    """Arrays without elements are left out; one that is left is the whole."""
    axis = node.attributes["axis"]
    full = [x for x in node.inputs if x.shape[axis]]
    if len(full) == 1:
        return full[0]
    return node.with_inputs(full) if full and len(full) < len(node.inputs) else None


VIEW_RULES: tuple[tuple[str, Rule], ...] = (
    ("reshape expand transpose slice pad", same_shape),
    ("reshape", reshape_of_reshape),
    ("expand", expand_of_expand),
    ("transpose", transpose_of_transpose),
    ("transpose", transpose_of_ones),
    ("slice", slice_of_slice),
    ("slice", slice_of_pad),
    ("slice", slice_of_join),
    ("pad", pad_of_pad),
    ("reshape transpose slice pad window", view_of_number),
    ("join", join_of_one),
)

"""The examples of a batch that push a gradient hardest, each way.

The gradient of a batch is a sum of what its examples bring. Example b's part is what arrives when
the backward pass starts with the gradient of b's scores alone. Where no gate mixes examples (none
does but a batch normalisation), it is enough to split the last gate, which costs one small
backward step an example; where one does, the pass is run for one example at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backlight.engine.mode import no_grad
from backlight.explain.circuit.circuit import Array
from backlight.explain.why.region import Region, norm, sent
from backlight.gates.gate import TABLE

Place = tuple[int, ...]
_ONE_BY_ONE = 64  # passes through the whole circuit, at most
_CLOSE = 1e-4


@dataclass(frozen=True)
class Push:
    """What one example brings.

    Attributes
    ----------
    example : int
        Its row in the batch.
    amount : float
        Its part of the number's gradient; for a whole tensor, its gradient's component along the
        whole gradient: positive with it, negative against.
    size : float
        The norm of its part.
    """

    example: int
    amount: float
    size: float


@dataclass(frozen=True)
class Pushes:
    """What the examples of a batch bring, the largest first.

    Attributes
    ----------
    batch : int
        How many examples there are.
    pushes : tuple of Push
        Those looked at, from the most positive to the most negative.
    total : float
        The gradient's number, or the norm of the whole gradient.
    remainder : float
        total − Σ amounts: what does not come from these examples (a penalty on the weights, say).
    mixed : bool
        Whether the examples could not be told apart at the last gate alone: a gate mixes them, as
        a batch normalisation does, or they do not stand in its rows.
    """

    batch: int
    pushes: tuple[Push, ...]
    total: float
    remainder: float
    mixed: bool

    @property
    def cancelled(self) -> float:
        """Which part of what the examples bring cancels between them: 0 nothing, 1 all."""
        size = math.fsum(abs(push.amount) for push in self.pushes)
        return 0.0 if size == 0 else 1 - abs(math.fsum(p.amount for p in self.pushes)) / size


def batch_of(region: Region) -> int | None:
    """The number of examples: rows of the scores, and of something that was given; None if none.

    The rows of a formula's vectors and matrices are not taken for examples.
    """
    if region.whole.text:
        return None
    given = {
        node.shape[0]
        for node in region.whole.leaves
        if node.kind != "parameter" and node.index != region.target and node.shape
    }
    for index in _scores(region):
        rows = region.node(index).shape[0]
        if rows > 1 and rows in given:
            return rows
    return None


def pushes(region: Region, place: Place | None = None, batch: int | None = None) -> Pushes | None:
    """What each example of the batch brings to a gradient; None if there is no batch.

    Parameters
    ----------
    region : Region
        The circuit, seen from the tensor.
    place : tuple of int, optional
        Which number of the tensor; the whole of it if not given.
    batch : int, optional
        The number of examples; found from the data if not given.
    """
    rows = batch or batch_of(region)
    gradient = region.gradient
    if rows is None or gradient is None or not np.isfinite(gradient).all():
        return None
    whole = np.asarray(gradient, np.float64)
    starts = {
        i: np.asarray(region.gradients[i])
        for i in _scores(region)
        if region.node(i).shape[0] == rows
    }
    direction = whole / (norm(whole) or 1.0)
    mixed = _mixing(region, starts, rows)
    found = []
    parts: Iterator[Array]
    if mixed:
        sizes = [math.fsum(norm(u[b]) ** 2 for u in starts.values()) for b in range(rows)]
        chosen = sorted(np.argsort(sizes)[::-1][:_ONE_BY_ONE].tolist())
        parts = iter(_alone(region, starts, example) for example in chosen)
    else:
        chosen = list(range(rows))
        parts = iter(_split(region, rows))
    for example, part in zip(chosen, parts, strict=True):
        amount = float(np.sum(part * direction)) if place is None else float(part[place])
        found.append(Push(example, amount, norm(part)))
    found.sort(key=lambda push: -push.amount)
    total = norm(whole) if place is None else float(whole[place])
    rest = total - math.fsum(push.amount for push in found)
    return Pushes(rows, tuple(found), total, rest, mixed)


def each_example(region: Region, at: int, source: int, batch: int | None) -> list[Array]:
    """What a gate hands to one of its inputs, example by example; empty if it cannot be split.

    The rows of everything that has a row an example are given one at a time, and the parts are
    seen to add up to the whole.
    """
    node = region.circuit.nodes[at]
    upstream = region.gradients[at]
    if batch is None or node.gate is None or upstream is None:
        return []
    parts = []
    for row in range(batch):
        one = slice(row, row + 1)
        given = [
            None if i < 0 else region.node(i).value[one] if _has_rows(region, i, batch, source)
            else region.node(i).value
            for i in node.inputs
        ]  # fmt: skip
        try:
            with no_grad(), np.errstate(all="ignore"):
                handed = node.gate.backward(
                    upstream[one], *given, node.value[one], **node.attributes
                )
                shares = [
                    _fitted(share, region.node(source).shape)
                    for i, share in zip(node.inputs, handed, strict=True)
                    if i == source
                ]
        except (ValueError, TypeError, IndexError):
            return []
        parts.append(np.asarray(np.sum(shares, axis=0, dtype=np.float64)))
    whole = np.asarray(region.shares(at)[source], np.float64)
    size = np.sum(np.abs(parts), axis=0)
    fits = np.abs(np.sum(parts, axis=0) - whole) <= _CLOSE * size + 1e-300
    return parts if fits.all() else []


def _split(region: Region, rows: int) -> list[Array]:
    """The target's gradient example by example, where no gate mixes them."""
    whole = region.gradient
    total = [np.zeros(() if whole is None else whole.shape) for _ in range(rows)]
    for reader in dict.fromkeys(reader for reader, _ in region.readers(region.target)):
        if region.node(reader).shape[:1] != (rows,):
            continue  # reached without the examples: a penalty on the weights, say
        parts = each_example(region, reader, region.target, rows)
        if not parts:
            parts = [_masked(region, reader, row) for row in range(rows)]
        total = [np.asarray(known + part) for known, part in zip(total, parts, strict=True)]
    return total


def _masked(region: Region, reader: int, row: int) -> Array:
    """What a gate hands to the target if the upstream of all other rows were 0."""
    whole = np.asarray(region.gradients[reader])
    upstream = np.zeros_like(whole)
    upstream[row] = whole[row]
    handed = region.circuit.handed(reader, upstream)
    inputs = region.circuit.nodes[reader].inputs
    shares = [s for i, s in zip(inputs, handed, strict=True) if i == region.target]
    return np.asarray(np.sum([s for s in shares if s is not None], axis=0, dtype=np.float64))


def _alone(region: Region, starts: dict[int, Array], example: int) -> Array:
    """The target's gradient if only this example's scores had one."""
    only = {}
    for index, upstream in starts.items():
        only[index] = np.zeros_like(upstream)
        only[index][example] = upstream[example]
    arrived = sent(region, only).get(region.target)
    shape = region.node(region.target).shape
    return np.zeros(shape) if arrived is None else np.asarray(arrived, np.float64)


def _mixing(region: Region, starts: dict[int, Array], rows: int) -> bool:
    """Whether even examples change when odd ones are silent, or do not stand in rows."""
    even = {}
    for index, upstream in starts.items():
        even[index] = np.array(upstream)
        even[index][1::2] = 0
    arrived = sent(region, even)
    for reader in {reader for reader, _ in region.readers(region.target)}:
        whole = region.gradients[reader]
        part = arrived.get(reader)
        if reader in starts or whole is None or part is None or not np.any(part):
            continue
        if region.node(reader).shape[:1] != (rows,):
            return True  # the examples do not stand in rows here
        bound = _CLOSE * norm(whole)
        if norm(part[1::2]) > bound or norm(part[::2] - whole[::2]) > bound:
            return True
    return False


def _scores(region: Region) -> list[int]:
    """The first values with rows that the gradient comes to, going back from a single number."""
    waiting, found = [region.circuit.output], []
    seen: set[int] = set()
    while waiting:
        index = waiting.pop()
        node = region.circuit.nodes[index]
        if index in seen or region.gradients[index] is None:
            continue
        seen.add(index)
        if node.value.size > 1 and node.shape:
            if node.kind == "gate":
                found.append(index)
            continue
        waiting += [i for i in node.inputs if i in region.reached]
    return sorted(found)


def _has_rows(region: Region, index: int, batch: int, source: int) -> bool:
    node = region.node(index)
    return node.kind != "parameter" and index != source and node.shape[:1] == (batch,)


def _fitted(share: object, shape: tuple[int, ...]) -> Array:
    share = share() if callable(share) else share
    found = np.asarray(share)
    return found if found.shape == shape else np.asarray(TABLE["sum_to"](found, shape=shape))

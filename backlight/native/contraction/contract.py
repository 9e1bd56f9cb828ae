"""Contractions as calls: which kernel computes a product or a convolution, on which memory.

Filters and other second matrices are packed by calls of their own, once for all that use them in
the same form.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlight.errors import GraphError
from backlight.native.contraction import winograd_passes, winograd_weights
from backlight.native.contraction.blocking import splits_for
from backlight.native.contraction.convolution_pairs import PairChannels, pixel_pairs
from backlight.native.contraction.convolution_passes import by_data, by_weight, forward, has_pairs
from backlight.native.contraction.geometry import Geometry, dense
from backlight.native.contraction.pack import Pack
from backlight.native.contraction.product import Product
from backlight.native.contraction.splits import SumOfSplits
from backlight.native.kernels.epilogue import Epilogue
from backlight.native.kernels.loop_kernel import LoopKernel
from backlight.native.lowering.loops import Node
from backlight.native.lowering.strides import Strided, reshaped, strided
from backlight.native.machine_code.machine import Target
from backlight.native.running.program import Array, Call, Place

FEW_ROWS = 16
"""Rows of a product from which a packed second matrix pays."""


@dataclass(frozen=True)
class Precision:
    """How products are taken.

    Attributes
    ----------
    bfloat16 : bool
        Inputs of products are rounded to bfloat16; sums, and all else, stay float32.
    winograd : bool
        Whether 3×3 convolutions may be taken in fewer products, which rounds a little more.
    """

    bfloat16: bool = False
    winograd: bool = True


FULL = Precision()


@dataclass
class Contractions:
    """Makes the calls of a program's contractions.

    Parameters
    ----------
    target : Target
    place : callable
        Where a node is in memory; None if it is not.
    precision : Precision
    shared : collection of Node
        Arrays that several products read as their second matrix.
    """

    target: Target
    place: Callable[[Node], Place | None]
    precision: Precision
    shared: Collection[Node] = ()
    _packed: dict[Any, Array] = field(default_factory=dict)

    def calls(
        self, node: Node, output: Node, to: Place, strides: Any, epilogue: Epilogue
    ) -> list[Call]:
        """The calls that compute `node`, its epilogue applied, into memory at `to`.

        Parameters
        ----------
        node, output : Node
            The contraction, and what the epilogue makes of it, of the same shape.
        to : (Array, int)
        strides : (image, row, pixel) or None
            Of a convolution's output where it is not row-major without gaps.
        epilogue : Epilogue
        """
        if node.op == "product":
            return self._product(node, output, to, epilogue)
        if node.op == "convolve_by_weight":
            return self._by_weight(node, to)
        rule = self._convolve if node.op == "convolve" else self._by_data
        return rule(node, to, strides, epilogue)

    def _narrow(self, node: Node) -> bool:
        """Whether the products of a contraction are taken in bfloat16."""
        return self.precision.bfloat16 and node.dtype == np.float32

    # ── products ───────────────────────────────────────────────────────────────────────────

    def _product(self, node: Node, output: Node, to: Place, epilogue: Epilogue) -> list[Call]:
        a, b = (self._read(x) for x in node.inputs)
        lead, (m, n) = node.shape[:-2], node.shape[-2:]
        a_lead, b_lead = (
            _stretched(one.strides[:-2], x.shape[:-2], lead)
            for one, x in zip((a, b), node.inputs, strict=True)
        )
        joined = [_single(lead, steps) for steps in (a_lead, b_lead)]
        if None in joined and _writer(epilogue) is not None:
            return self._product_then(node, output, to, epilogue)
        if None not in joined:
            batch = math.prod(lead)
            return self._one_product(
                node, output, to, epilogue, batch, (a, joined[0] or 0), (b, joined[1] or 0)
            )
        found = []  # strides that no single step describes: the products one by one
        for number, place in enumerate(itertools.product(*map(range, lead))):
            moved = [
                Strided(
                    one.base,
                    one.offset + sum(i * s for i, s in zip(place, steps, strict=True)),
                    one.strides,
                )
                for one, steps in ((a, a_lead), (b, b_lead))
            ]
            there = (to[0], to[1] + number * m * n * output.dtype.itemsize)
            found += self._one_product(
                node, output, there, epilogue, 1, (moved[0], 0), (moved[1], 0)
            )
        return found

    def _product_then(self, node: Node, output: Node, to: Place, epilogue: Epilogue) -> list[Call]:
        """Sums of their own, and what becomes of them: where no single epilogue knows its place."""
        sums = (Array(node.nbytes, _label(node)), 0)
        found = self._product(node, node, sums, Epilogue(node, node, ()))
        kernel = LoopKernel([[output]], 0, [output], {node, *epilogue.inputs})
        given = [sums if x is node else self._whole(x) for x in kernel.inputs]
        return [*found, Call(kernel, [*given, to], _label(output))]

    def _one_product(
        self,
        node: Node,
        output: Node,
        to: Place,
        epilogue: Epilogue,
        batch: int,
        left: tuple[Strided, int],
        right: tuple[Strided, int],
    ) -> list[Call]:
        (a, a_step), (b, b_step) = left, right
        m, n = node.shape[-2:]
        k, size = node.inputs[0].shape[-1], node.dtype.itemsize
        narrow = self._narrow(node)
        b_strides = (b_step, b.strides[-2], b.strides[-1])
        alone: dict[str, Any] = {"splits": splits_for(m, n, k, batch), "bfloat16": narrow}
        plan = batch, m, n, k, node.dtype, (a_step, a.strides[-2], a.strides[-1]), b_strides
        once = Product(*plan, self.target, **alone).blocks.m_blocks == 1
        packed = self._worth_packing(node, b, m, once) or (narrow and m >= FEW_ROWS)
        splits = 1 if packed else alone["splits"]
        ending: dict[str, Any] = {
            "epilogue": _writer(epilogue),
            "epilogue_key": epilogue.key,
            "extra": _names(epilogue),
            "out_dtype": output.dtype,
        }
        kernel = Product(
            *plan,
            self.target,
            packed=packed,
            bfloat16=narrow,
            splits=splits,
            **(ending if splits == 1 else {}),
        )
        found: list[Call] = []
        if packed:
            many = batch if b_step else 1
            pack = Pack(many, k, n, node.dtype, b_strides, kernel.width, pairs=narrow)
            second = self._pack(node, b, pack, math.prod(pack.shape) * pack.kind.itemsize, found)
        else:
            second = self._at(b.base, b.offset, size)
        extra = [self._whole(x) for x in epilogue.inputs]
        first = self._at(a.base, a.offset, size)
        if splits == 1:
            return [*found, Call(kernel, [first, second, to, *extra], _label(node))]
        parts = Array(splits * batch * m * n * size, f"parts of {_label(node)}")
        found.append(Call(kernel, [first, second, (parts, 0)], _label(node)))
        total = SumOfSplits(splits, batch, m, n, node.dtype, **ending)
        found.append(Call(total, [(parts, 0), to, *extra], f"sum {_label(node)}"))
        return found

    def _worth_packing(self, node: Node, b: Strided, rows: int, once: bool) -> bool:
        """Whether the second matrix lies badly, or is read often, and is used by many rows.

        One that lies badly and that every product reads `once` is packed by the product itself,
        piece by piece, which spares memory the packed copy.
        """
        if rows < FEW_ROWS or node.dtype.kind != "f":
            return False
        badly = b.strides[-1] != 1 and node.shape[-1] > 1
        return b.base in self.shared or (badly and not once)

    def _pack(self, node: Node, b: Strided, kernel: Any, nbytes: int, calls: list[Call]) -> Place:
        """A packed array, by a call the first time that it is asked for."""
        key = (b.base, b.offset, b.strides, kernel.key)
        if key not in self._packed:
            self._packed[key] = Array(max(1, nbytes), f"packed for {_label(node)}")
            source = self._at(b.base, b.offset, node.dtype.itemsize)
            operands = [source, (self._packed[key], 0)]
            calls.append(Call(kernel, operands, f"pack for {_label(node)}"))
        return self._packed[key], 0

    # ── convolutions ───────────────────────────────────────────────────────────────────────

    def _convolve(self, node: Node, to: Place, strides: Any, epilogue: Epilogue) -> list[Call]:
        x, weight = node.inputs
        geometry = _geometry(node, x.shape, weight.shape)
        return self._pass(node, geometry, (forward, winograd_passes.forward), to, strides, epilogue)

    def _by_data(self, node: Node, to: Place, strides: Any, epilogue: Epilogue) -> list[Call]:
        settings = node.attributes
        n, h, w, c = node.shape
        o, _, rows, columns = node.inputs[1].shape
        geometry = Geometry(
            n,
            c,
            o,
            (h, w),
            (rows, columns),
            settings["stride"],
            settings["padding"],
            settings["dilation"],
            settings["groups"],
        )
        return self._pass(node, geometry, (by_data, winograd_passes.by_data), to, strides, epilogue)

    def _pass(
        self,
        node: Node,
        geometry: Geometry,
        ways: tuple[Any, Any],
        to: Place,
        strides: Any,
        epilogue: Epilogue,
    ) -> list[Call]:
        seen, weight = self._read(node.inputs[0]), self._read(node.inputs[1])
        given = (strides, _writer(epilogue), epilogue.key, _names(epilogue))
        found: list[Call] = []
        size = node.dtype.itemsize
        first = self._at(seen.base, seen.offset, size)
        narrow = self._narrow(node)
        if self.precision.winograd and winograd_passes.suits(geometry, node.dtype, self.target):
            made: Any = ways[1](
                geometry, node.dtype, self.target, _image(seen), *given, pairs=narrow
            )
        elif narrow and has_pairs(geometry):
            n, h, w, c = node.inputs[0].shape
            pairs = PairChannels(n, (h, w), c, _image(seen), self.target)
            first = self._pack(node, seen, pairs, 4 * pairs.size_in_words, found)
            apart = dense(h, w, pairs.words)
            made = ways[0](geometry, node.dtype, self.target, apart, *given, pairs=True)
        else:
            made = ways[0](geometry, node.dtype, self.target, _image(seen), *given)
        panels = self._pack(node, weight, made.pack, made.scratch * size, found)
        operands = [first, panels, to, *[self._whole(x) for x in epilogue.inputs]]
        found.append(Call(made.run, operands, _label(node)))
        return found

    def _by_weight(self, node: Node, to: Place) -> list[Call]:
        y, x = (self._read(one) for one in node.inputs)
        groups = node.attributes["groups"]
        rows, columns = node.attributes["kernel_size"]
        images = node.inputs[1].shape
        filters = (node.inputs[0].shape[-1], images[-1] // groups, rows, columns)
        geometry = _geometry(node, images, filters)
        size = node.dtype.itemsize
        found: list[Call] = []
        narrow = self._narrow(node)
        if self.precision.winograd and not narrow and winograd_weights.suits(geometry, node.dtype):
            return self._by_tiles(node, geometry, y, x, to)
        if narrow and has_pairs(geometry):
            of_x, of_y = pixel_pairs(geometry, self.target, _image(x), _image(y))
            operands = [
                self._pack(node, one, pairs, 4 * pairs.size_in_words, found)
                for one, pairs in ((x, of_x), (y, of_y))
            ]
            run, gather = by_weight(geometry, node.dtype, self.target, pairs=True)
        else:
            operands = [self._at(one.base, one.offset, size) for one in (x, y)]
            run, gather = by_weight(geometry, node.dtype, self.target, _image(x), _image(y))
        if gather is None:
            return [*found, Call(run, [*operands, to], _label(node))]
        partials = Array(run.scratch * size, f"partial sums of {_label(node)}")
        return [
            *found,
            Call(run, [*operands, (partials, 0)], _label(node)),
            Call(gather, [(partials, 0), to], f"sum {_label(node)}"),
        ]

    def _by_tiles(
        self, node: Node, geometry: Geometry, y: Strided, x: Strided, to: Place
    ) -> list[Call]:
        """The gradient by the weights from transformed tiles."""
        size, label = node.dtype.itemsize, _label(node)
        made = winograd_weights.by_weight(geometry, node.dtype, self.target, _image(x), _image(y))
        tiles = [
            (Array(one.elements * size, f"tiles of {label}"), 0)
            for one in (made.images, made.upstream)
        ]
        sums = (Array(16 * made.gather.size * size, f"sums of {label}"), 0)
        sources = [self._at(one.base, one.offset, size) for one in (x, y)]
        return [
            Call(made.images, [sources[0], tiles[0]], f"tiles of the images of {label}"),
            Call(made.upstream, [sources[1], tiles[1]], f"tiles of the gradient of {label}"),
            Call(made.product, [*tiles, sums], label),
            Call(made.gather, [sums, to], f"gather {label}"),
        ]

    # ── memory ─────────────────────────────────────────────────────────────────────────────

    def _read(self, node: Node) -> Strided:
        found = strided(node, lambda one: self.place(one) is not None)
        if found is None:
            raise mistake(node)
        return found

    def _at(self, base: Node, offset: int, itemsize: int) -> Place:
        array, first = self._whole(base)
        return array, first + offset * itemsize

    def _whole(self, node: Node) -> Place:
        found = self.place(node)
        if found is None:
            raise mistake(node)
        return found


def _geometry(node: Node, images: Sequence[int], filters: Sequence[int]) -> Geometry:
    """Of images N, H, W, C that are stored with their padding."""
    settings = node.attributes
    n, h, w, c = images
    return Geometry(
        n,
        c,
        filters[0],
        (h, w),
        (filters[2], filters[3]),
        settings["stride"],
        (0, 0),
        settings["dilation"],
        settings["groups"],
    )


def mistake(node: Node) -> GraphError:
    """The error of a step that reads what no step before it has computed."""
    return GraphError(
        f"the compiler, at {_label(node)}",
        got=f"an array {node} that is in no memory",
        needs="every array to be computed before it is read",
        remedy="This is a mistake in the compiler, not in your program: please report it.",
    )


def _image(array: Strided) -> tuple[int, int, int]:
    """Strides of images, rows and pixels."""
    image, row, pixel = array.strides[:3]
    return image, row, pixel


def _label(node: Node) -> str:
    return f"{node.op} {node.origin}".strip()


def _stretched(steps: Sequence[int], shape: Sequence[int], lead: Sequence[int]) -> tuple[int, ...]:
    """Strides along the batch axes of the result: 0 where the input has size 1 or no axis."""
    missing = len(lead) - len(shape)
    return (0,) * missing + tuple(
        0 if size == 1 else step for step, size in zip(steps, shape, strict=True)
    )


def _single(lead: Sequence[int], steps: Sequence[int]) -> int | None:
    """One stride for all batch axes together, if there is one."""
    if not any(steps) or math.prod(lead) <= 1:
        return 0
    found = reshaped(tuple(lead), steps, (math.prod(lead),))
    return None if found is None else found[0]


def _writer(epilogue: Epilogue) -> Callable[..., Any] | None:
    return None if epilogue.output is epilogue.contraction else epilogue.write


def _names(epilogue: Epilogue) -> tuple[str, ...]:
    return tuple(f"extra{place}" for place in range(len(epilogue.inputs)))

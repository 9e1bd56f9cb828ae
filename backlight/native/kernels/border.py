"""The zeros around images: written apart, so that a convolution can fill the middle itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.native.machine_code.emit import I64, Code, kernel, operand
from backlight.native.machine_code.machine import Target


@dataclass(frozen=True)
class Border:
    """Zeros in the margins of images N, H, W, C that are stored row by row.

    Parameters
    ----------
    shape : (N, H, W, C)
        With the margins.
    margins : (top, bottom, left, right)
    dtype : dtype
    """

    shape: tuple[int, int, int, int]
    margins: tuple[int, int, int, int]
    dtype: np.dtype[Any]

    multiply_adds = 0
    operands = ("images",)

    @property
    def key(self) -> Any:
        """Equal keys make equal code."""
        return "border", self.shape, self.margins, self.dtype.str

    @property
    def chunks(self) -> int:
        """One an image, but for very small ones."""
        return self.shape[0] if self.bytes > 2**16 else 1

    @property
    def bytes(self) -> int:
        """Memory written."""
        n, h, w, c = self.shape
        top, bottom, left, right = self.margins
        inside = (h - top - bottom) * (w - left - right)
        return n * (h * w - inside) * c * self.dtype.itemsize

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the kernel into a module."""
        code, operands, begin, end = kernel(name, module, target)
        images = operand(code, operands, 0)
        built = code.builder
        each = self.shape[0] // self.chunks
        first, last = built.mul(begin, I64(each)), built.mul(end, I64(each))
        code.loop(first, last, 1, lambda image: self.around(code, images, image))
        code.finish()

    def around(self, code: Code, images: Any, image: Any) -> None:
        """Write the zeros of one image."""
        _, height, width, channels = self.shape
        top, bottom, left, right = self.margins
        row = width * channels
        built = code.builder
        start = built.mul(image, I64(height * row))
        # The right margin of a row and the left one of the next are neighbours in memory.
        head = top * row + left * channels
        between = (left + right) * channels
        self._zeros(code, images, start, head)
        inner = height - top - bottom
        if between and inner > 1:

            def gap(line: Any) -> None:
                behind = I64(head + row - between)
                at = built.add(start, built.add(built.mul(line, I64(row)), behind))
                self._zeros(code, images, at, between)

            code.loop(0, inner - 1, 1, gap)
        tail = right * channels + bottom * row
        self._zeros(code, images, built.add(start, I64(height * row - tail)), tail)

    def _zeros(self, code: Code, images: Any, start: Any, count: int) -> None:
        lanes = code.target.lanes(self.dtype.itemsize)
        nothing = code.constant(self.dtype, 0, lanes)
        whole, left = divmod(count, lanes)

        def store(place: Any) -> None:
            code.store(nothing, images, code.builder.add(start, place))

        if whole:
            code.loop(0, whole * lanes, lanes, store)
        if left:
            at = code.builder.add(start, I64(whole * lanes))
            code.store(nothing, images, at, code.mask(I64(left), lanes))

"""The fully connected layer as one gate: rows of inputs times weights, plus a bias."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from backlight.errors import ShapeError
from backlight.gates.contraction import matmul
from backlight.gates.family import Structural, draw, labelled
from backlight.gates.gate import Role, Sample
from backlight.gates.view import reshape, transpose
from backlight.shapes import Shape


class Linear(Structural):
    """x·Wᵀ + b: the scores of a linear classifier, the weighted sums of a layer of neurons.

    x is (…, D), W (K, D), b (K,); the result is (…, K). x receives upstream·W, W receives
    upstreamᵀ·x over all rows, b the sum of upstream over them. One gate rather than three, so that
    the gradient of W comes out in W's own layout.

    Raises
    ------
    ShapeError
        If the features of x are not those of W, or b has not one number for each row of W.

    Examples
    --------
    The cat of the lecture, whose picture in the slides forgot the bias of the last score:

    >>> import numpy as np
    >>> W = np.array([[0.2, -0.5, 0.1, 2], [1.5, 1.3, 2.1, 0], [0, 0.25, 0.2, -0.3]])
    >>> linear(np.array([56, 231, 24, 2.0]), W, np.array([1.1, 3.2, -1.2])).round(6).tolist()
    [-96.8, 437.9, 60.75]
    """

    role = Role.SWITCHER
    formula = "z[i,k] = sum of x[i,d] * W[k,d] over d, + b[k]"
    source = "CS231n, linear classification"

    def forward(self, np: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        x, weight = np.asarray(x), np.asarray(weight)
        self.shape(x.shape, weight.shape, None if bias is None else np.shape(bias))
        # One product for all rows, however many axes they are spread over.
        rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1]) if x.ndim != 2 else x
        sums = np.matmul(rows, weight.T)
        if bias is not None:
            own = sums.dtype == np.result_type(sums, bias)
            sums = np.add(sums, bias, out=sums if own else None)
        return sums if x.ndim == 2 else sums.reshape(*x.shape[:-1], weight.shape[0])

    def backward(self, upstream: Any, x: Any, weight: Any, bias: Any, output: Any) -> Any:
        def by_weight() -> Any:
            above = reshape(upstream, shape=(math.prod(x.shape[:-1]), weight.shape[0]))
            rows = reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))
            return matmul(transpose(above), rows)

        by_bias = None if bias is None else upstream
        return lambda: matmul(upstream, weight), by_weight, by_bias

    def parts(self, x: Any, weight: Any, bias: Any = None) -> Any:
        """A product with the weights turned, and a sum."""
        product = matmul(x, transpose(weight))
        return product if bias is None else product + bias

    def shape(self, x: Any, weight: Any, bias: Any = None) -> Shape:
        if not x or len(weight) != 2 or x[-1] != weight[1]:
            raise ShapeError(
                self.name,
                got=f"inputs of shape {tuple(x)} and weights of shape {tuple(weight)}",
                needs="inputs (…, D) and weights (K, D) with the same number of features D",
                remedy="Change the features, or turn the weights with transpose.",
            )
        if bias is not None and tuple(bias) != (weight[0],):
            raise ShapeError(
                self.name,
                got=f"a bias of shape {tuple(bias)} for weights of shape {tuple(weight)}",
                needs=f"shape ({weight[0]},), one number for each row of the weights",
                remedy="Reshape the bias.",
            )
        return (*x[:-1], weight[0])

    def multiply_adds(self, shapes: Any, output: Shape, **attributes: Any) -> int:
        return math.prod(output) * int(shapes[0][-1])

    def samples(self) -> Iterator[Sample]:
        sizes = [((2, 3), 4), ((3,), 2), ((2, 2, 3), 2), ((0, 3), 2), ((2, 1), 1)]
        for stream, (x, rows) in enumerate(sizes):
            inputs = draw(x, 1300 + 3 * stream), draw((rows, x[-1]), 1301 + 3 * stream)
            bias = None if stream == 4 else draw((rows,), 1302 + 3 * stream)
            yield from labelled(((*inputs, bias), {}))


linear = Linear()

"""Linear: every output a weighted sum of all inputs."""

from __future__ import annotations

from typing import Any

from backlight.errors import ShapeError
from backlight.gates.linear import linear
from backlight.nn import initialise
from backlight.nn.module import Module
from backlight.nn.parameter import Parameter
from backlight.shapes import whole


class Linear(Module):
    """y = x·Wᵀ + b: the scores of a linear classifier, the fully connected layer of a network.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last axis of input and output, at least 1 and 0.
    bias : bool
        Whether b is added.

    Shapes
    ------
    x (…, in_features) → (…, out_features); weight (out_features, in_features), bias (out_features).

    Initialisation
    --------------
    Weight and bias from U(−1/√in_features, 1/√in_features), as PyTorch; see `nn.init` for others.

    Raises
    ------
    ShapeError
        If the last axis of the input is not in_features; the message names the layer before.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Linear(784, 10)
    >>> layer(np.zeros((2, 784), np.float32)).shape, sum(p.size for p in layer.parameters())
    ((2, 10), 7850)
    """

    sets_width = True
    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features = whole("Linear", "in_features", in_features, 1)
        self.out_features = whole("Linear", "out_features", out_features, 0)
        self.weight = initialise.blank(self.out_features, self.in_features)
        self.bias = initialise.blank(self.out_features) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        initialise.default_(self.weight, self.bias)

    def forward(self, x: Any) -> Any:
        """The weighted sums."""
        shape = x.shape
        if not shape or shape[-1] != self.in_features:
            self._refuse(x)
        return linear(x, self.used_weight(), self.bias)

    def used_weight(self) -> Any:
        """The weights that this call multiplies by; a subclass may change them."""
        return self.weight

    def describe(self) -> str:
        """Linear 784→10."""
        return f"{type(self).__name__} {self.in_features}→{self.out_features}"

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )

    def _refuse(self, x: Any) -> None:
        count = 1
        for size in x.shape[1:]:
            count *= size
        if len(x.shape) > 2 and count == self.in_features:
            raise self.refuse(
                ShapeError,
                x,
                got=f"an input of shape {x.shape}",
                needs=f"{self.in_features} features along the last axis",
                remedy="Put nn.Flatten() before it, which makes the other axes into one",
            )
        if not x.shape:
            raise self.refuse(
                ShapeError,
                x,
                got="a single number",
                needs=f"rows of {self.in_features} features",
                remedy="Pass an array of shape (examples, features)",
            )
        self.check_width(x, -1, self.in_features, "features", "in_features")

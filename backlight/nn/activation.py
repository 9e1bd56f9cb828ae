"""Activation layers: one line a gate; PReLU alone has something to learn.

`inplace=True` is accepted where PyTorch has it and changes nothing: values that the backward pass
needs are never overwritten.
"""

from __future__ import annotations

from typing import Any

from backlight.errors import ShapeError
from backlight.gates.activation import gelu, log_sigmoid, sigmoid, silu, softplus
from backlight.gates.rectifier import elu, leaky_relu, maxout, prelu, relu, selu
from backlight.gates.softmax import log_softmax, softmax
from backlight.gates.transcendental import tanh
from backlight.gates.view import reshape
from backlight.nn import initialise
from backlight.nn.gate_layer import GateLayer, layer
from backlight.nn.module import Module
from backlight.shapes import whole


class _Activation(GateLayer):
    """A gate that is applied number by number."""

    def __init__(self, *arguments: Any, inplace: bool = False, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.inplace = inplace


ReLU = layer("ReLU", relu, __name__, _Activation)
LeakyReLU = layer("LeakyReLU", leaky_relu, __name__, _Activation, negative_slope="slope")
ELU = layer("ELU", elu, __name__, _Activation)
SELU = layer("SELU", selu, __name__, _Activation)
GELU = layer("GELU", gelu, __name__, _Activation)
SiLU = layer("SiLU", silu, __name__, _Activation)
Sigmoid = layer("Sigmoid", sigmoid, __name__, _Activation)
LogSigmoid = layer("LogSigmoid", log_sigmoid, __name__, _Activation)
Tanh = layer("Tanh", tanh, __name__, _Activation)
Softplus = layer("Softplus", softplus, __name__, _Activation)
Maxout = layer("Maxout", maxout, __name__)
Softmax = layer("Softmax", softmax, __name__)
LogSoftmax = layer("LogSoftmax", log_softmax, __name__)


class PReLU(Module):
    """x where it is positive, else slope·x, with one learnt slope, or one for each channel.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels (axis 1).
    init : float
        The slope to begin with.

    Examples
    --------
    >>> import numpy as np
    >>> PReLU()(np.array([[-2.0, 3.0]])).tolist()
    [[-0.5, 3.0]]

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.num_parameters = whole("PReLU", "num_parameters", num_parameters, 1)
        self.weight = initialise.blank(self.num_parameters)
        initialise.constant_(self.weight, init)

    def forward(self, x: Any) -> Any:
        """The rectified input."""
        slope = self.weight
        if self.num_parameters > 1:
            if len(x.shape) < 2:
                raise self.refuse(
                    ShapeError,
                    x,
                    got=f"an input of shape {x.shape}",
                    needs="an axis of channels at place 1",
                    remedy="Reshape it",
                )
            self.check_width(x, 1, self.num_parameters, "channels", "num_parameters")
            slope = reshape(slope, (-1, *(1,) * (len(x.shape) - 2)))
        return prelu(x, slope)

    def extra_repr(self) -> str:
        """How many slopes."""
        return f"num_parameters={self.num_parameters}"

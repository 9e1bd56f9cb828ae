"""Recurrent cells: one step of an RNN, a GRU or an LSTM."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from backlight.engine.create import zeros
from backlight.errors import ArgumentError, ShapeError, nearest
from backlight.gates.activation import sigmoid
from backlight.gates.joining import split
from backlight.gates.linear import linear
from backlight.gates.rectifier import relu
from backlight.gates.transcendental import tanh
from backlight.nn import initialise
from backlight.nn.module import Module
from backlight.nn.parameter import Parameter
from backlight.shapes import whole

SQUASHES: dict[str, Callable[[Any], Any]] = {"tanh": tanh, "relu": relu}


def rnn_step(
    from_input: Any, hidden: Any, weight: Any, bias: Any, squash: Callable[[Any], Any]
) -> Any:
    """The plain step h' = tanh(Wₓx + Wₕh + b), or with ReLU."""
    return squash(from_input + linear(hidden, weight, bias))


def gru_step(from_input: Any, hidden: Any, weight: Any, bias: Any) -> Any:
    """Gates r, z; n = tanh(Wx + r∘(Wh)); h' = (1−z)∘n + z∘h, r applied after the product."""
    reset_x, update_x, new_x = split(from_input, 3, -1)
    reset_h, update_h, new_h = split(linear(hidden, weight, bias), 3, -1)
    update = sigmoid(update_x + update_h)
    new = tanh(new_x + sigmoid(reset_x + reset_h) * new_h)
    return new + update * (hidden - new)


def lstm_step(from_input: Any, hidden: Any, memory: Any, weight: Any, bias: Any) -> tuple[Any, Any]:
    """Gates i, f, g, o; c' = f∘c + i∘g; h' = o∘tanh(c')."""
    enter, forget, candidate, leave = split(from_input + linear(hidden, weight, bias), 4, -1)
    memory = sigmoid(forget) * memory + sigmoid(enter) * tanh(candidate)
    return sigmoid(leave) * tanh(memory), memory


class _Cell(Module):
    """Weights of one step: input to hidden and hidden to hidden, a row block for each gate."""

    sets_width = True
    blocks: ClassVar[int]
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        kind = type(self).__name__
        self.input_size = whole(kind, "input_size", input_size, 1)
        self.hidden_size = whole(kind, "hidden_size", hidden_size, 1)
        rows = self.blocks * self.hidden_size
        self.weight_ih = initialise.blank(rows, self.input_size)
        self.weight_hh = initialise.blank(rows, self.hidden_size)
        self.bias_ih = initialise.blank(rows) if bias else None
        self.bias_hh = initialise.blank(rows) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all from U(−1/√hidden_size, 1/√hidden_size), as PyTorch does."""
        fill(self)

    def _from_input(self, x: Any) -> Any:
        if len(x.shape) not in (1, 2):
            raise self.refuse(
                ShapeError,
                x,
                got=f"an input of shape {x.shape}",
                needs="one step: (examples, input_size)",
                remedy="Loop over the steps, or use the layer without Cell",
            )
        self.check_width(x, -1, self.input_size, "features", "input_size")
        return linear(x, self.weight_ih, self.bias_ih)

    def _start(self, x: Any, state: Any) -> Any:
        return (
            zeros(*x.shape[:-1], self.hidden_size, dtype=self.weight_hh.dtype)
            if state is None
            else state
        )

    def describe(self) -> str:
        """LSTMCell 3→5."""
        return f"{type(self).__name__} {self.input_size}→{self.hidden_size}"

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.input_size}, {self.hidden_size}"


class RNNCell(_Cell):
    """h' = tanh(W_ih·x + b_ih + W_hh·h + b_hh): one step of the plain recurrent network.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    nonlinearity : {"tanh", "relu"}

    Shapes
    ------
    x (N, input_size), h (N, hidden_size) or None for zeros → h' (N, hidden_size).

    Examples
    --------
    >>> import numpy as np
    >>> RNNCell(3, 5)(np.zeros((2, 3), np.float32)).shape
    (2, 5)
    """

    blocks = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh"
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        self.nonlinearity = squash_name("RNNCell", nonlinearity)

    def forward(self, x: Any, state: Any = None) -> Any:
        """The next hidden state."""
        return rnn_step(
            self._from_input(x),
            self._start(x, state),
            self.weight_hh,
            self.bias_hh,
            SQUASHES[self.nonlinearity],
        )


class GRUCell(_Cell):
    """One step of a gated recurrent unit; row blocks r, z, n.

    Shapes
    ------
    x (N, input_size), h (N, hidden_size) or None → h' (N, hidden_size).

    Source: Cho et al., 2014, with the reset gate after the product, as cuDNN and PyTorch have it.
    """

    blocks = 3

    def forward(self, x: Any, state: Any = None) -> Any:
        """The next hidden state."""
        return gru_step(self._from_input(x), self._start(x, state), self.weight_hh, self.bias_hh)


class LSTMCell(_Cell):
    """One step of a long short-term memory; row blocks i, f, g, o.

    Shapes
    ------
    x (N, input_size), (h, c) each (N, hidden_size) or None → (h', c').

    Source: Hochreiter and Schmidhuber, 1997; Gers, 2000 (the forget gate).
    """

    blocks = 4

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """The next hidden state and memory."""
        hidden, memory = (None, None) if state is None else state
        return lstm_step(
            self._from_input(x),
            self._start(x, hidden),
            self._start(x, memory),
            self.weight_hh,
            self.bias_hh,
        )


def squash_name(kind: str, name: str) -> str:
    """The name of a known nonlinearity."""
    if name not in SQUASHES:
        raise ArgumentError(
            kind, got=f"nonlinearity={name!r}", needs="tanh or relu", remedy=nearest(name, SQUASHES)
        )
    return name


def fill(module: Any) -> None:
    """Draw all parameters from U(−1/√hidden_size, 1/√hidden_size)."""
    bound = 1.0 / math.sqrt(module.hidden_size)
    for parameter in module.parameters():
        initialise.uniform_(parameter, -bound, bound)

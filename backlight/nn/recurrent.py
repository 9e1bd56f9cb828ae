"""Recurrent layers over whole sequences: RNN, GRU, LSTM, stacked and in both directions."""

from __future__ import annotations

from typing import Any, ClassVar

from backlight.engine.create import zeros
from backlight.errors import ArgumentError, ShapeError
from backlight.gates.joining import concatenate, stack
from backlight.gates.linear import linear
from backlight.gates.view import transpose
from backlight.nn import initialise
from backlight.nn.cell import SQUASHES, fill, gru_step, lstm_step, rnn_step, squash_name
from backlight.nn.functional import dropout
from backlight.nn.module import Module
from backlight.shapes import whole


class _Recurrent(Module):
    """The sequence loop that the three layers share; each says what one step does.

    Parameters are named as in PyTorch: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 for the
    lowest layer, `_l1` for the next, with `_reverse` for the way back.
    """

    sets_width = True
    blocks: ClassVar[int]
    states: ClassVar[int] = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        kind = type(self).__name__
        self.input_size = whole(kind, "input_size", input_size, 1)
        self.hidden_size = whole(kind, "hidden_size", hidden_size, 1)
        self.num_layers = whole(kind, "num_layers", num_layers, 1)
        if not 0 <= dropout < 1:
            raise ArgumentError(
                kind,
                got=f"dropout={dropout}",
                needs="a probability 0 ≤ dropout < 1 of dropping, between layers",
                remedy="Pass 0 for none.",
            )
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        rows = self.blocks * self.hidden_size
        for suffix, layer in self._suffixes():
            width = self.input_size if layer == 0 else self.hidden_size * (1 + bidirectional)
            setattr(self, f"weight_ih_{suffix}", initialise.blank(rows, width))
            setattr(self, f"weight_hh_{suffix}", initialise.blank(rows, self.hidden_size))
            if bias:
                setattr(self, f"bias_ih_{suffix}", initialise.blank(rows))
                setattr(self, f"bias_hh_{suffix}", initialise.blank(rows))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all from U(−1/√hidden_size, 1/√hidden_size), as PyTorch does."""
        fill(self)

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """The top layer's hidden states at every step, and the last states of every layer.

        Shapes: x (L, N, input_size), or (N, L, …) with batch_first, or (L, input_size) →
        (L, N, directions·hidden_size) and (layers·directions, N, hidden_size), twice for LSTM.
        """
        rank = len(x.shape)
        if rank not in (2, 3):
            raise self.refuse(
                ShapeError,
                x,
                got=f"an input of shape {x.shape}",
                needs="sequences (L, N, input_size), or (N, L, input_size) with batch_first=True",
                remedy="Reshape it",
            )
        self.check_width(x, -1, self.input_size, "features", "input_size")
        if rank == 2:
            x = x.reshape(x.shape[0], 1, x.shape[1])
            state = (
                None
                if state is None
                else self._each(state, lambda s: s.reshape(s.shape[0], 1, s.shape[1]))
            )
        elif self.batch_first:
            x = transpose(x, (1, 0, 2))
        if not x.shape[0]:
            raise self.refuse(
                ShapeError,
                x,
                got="a sequence of no steps",
                needs="at least one",
                remedy="Drop empty sequences",
            )
        output, last = self._layers(x, self._start(x, state))
        final = tuple(stack(*[one[place] for one in last]) for place in range(self.states))
        if rank == 2:
            output = output.reshape(output.shape[0], output.shape[2])
            final = tuple(one.reshape(one.shape[0], one.shape[2]) for one in final)
        elif self.batch_first:
            output = transpose(output, (1, 0, 2))
        return output, final if self.states > 1 else final[0]

    def step(
        self, from_input: Any, state: tuple[Any, ...], weight: Any, bias: Any
    ) -> tuple[Any, ...]:
        """The states after one step; the first of them is the hidden state."""
        raise NotImplementedError

    def _layers(self, x: Any, start: list[tuple[Any, ...]]) -> tuple[Any, Any]:
        """All layers from below, both ways if asked: the outputs, and each one's last state."""
        last: list[tuple[Any, ...]] = []
        for layer in range(self.num_layers):
            ways = []
            for reverse in ("", "_reverse")[: 1 + self.bidirectional]:
                outputs, state = self._sweep(
                    x, start[len(last)], f"l{layer}{reverse}", bool(reverse)
                )
                last.append(state)
                ways.append(outputs)
            x = ways[0] if len(ways) == 1 else concatenate(*ways, axis=-1)
            if self.dropout and self.training and layer + 1 < self.num_layers:
                x = dropout(x, self.dropout)
        return x, last

    def _sweep(
        self, x: Any, state: tuple[Any, ...], suffix: str, reverse: bool
    ) -> tuple[Any, tuple[Any, ...]]:
        """One layer in one direction. What comes from the inputs is one product for all steps."""
        books = self._parameters
        every = linear(x, books[f"weight_ih_{suffix}"], books.get(f"bias_ih_{suffix}"))
        steps = _steps(every)
        outputs = []
        for from_input in reversed(steps) if reverse else steps:
            state = self.step(
                from_input, state, books[f"weight_hh_{suffix}"], books.get(f"bias_hh_{suffix}")
            )
            outputs.append(state[0])
        return stack(*(outputs[::-1] if reverse else outputs)), state

    def _start(self, x: Any, state: Any) -> list[tuple[Any, ...]]:
        """The initial states of each layer and direction; zeros where none are given."""
        count = self.num_layers * (1 + self.bidirectional)
        wanted = (count, x.shape[1], self.hidden_size)
        if state is None:
            dtype = self._parameters["weight_hh_l0"].dtype  # type: ignore[union-attr]
            blank = zeros(wanted[1:], dtype=dtype)
            return [(blank,) * self.states] * count
        given = state if isinstance(state, (tuple, list)) else (state,)
        if len(given) != self.states or any(tuple(one.shape) != wanted for one in given):
            raise self.refuse(
                ShapeError,
                x,
                got=f"initial states of shapes {[tuple(s.shape) for s in given]}",
                needs=f"{self.states} of shape {wanted}: layers·directions, examples, hidden_size",
                remedy="Leave them out for zeros",
            )
        return [tuple(one[place] for one in given) for place in range(count)]

    def _each(self, state: Any, change: Any) -> Any:
        return tuple(map(change, state)) if isinstance(state, (tuple, list)) else change(state)

    def _suffixes(self) -> list[tuple[str, int]]:
        ways = ("", "_reverse")[: 1 + self.bidirectional]
        return [(f"l{layer}{way}", layer) for layer in range(self.num_layers) for way in ways]

    def describe(self) -> str:
        """LSTM 3→5, 2 layers."""
        text = f"{type(self).__name__} {self.input_size}→{self.hidden_size}"
        return text if self.num_layers == 1 else f"{text}, {self.num_layers} layers"

    def extra_repr(self) -> str:
        """The sizes, and what differs from the usual."""
        text = f"{self.input_size}, {self.hidden_size}"
        usual = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        for name, value in usual.items():
            if getattr(self, name) != value:
                text += f", {name}={getattr(self, name)}"
        return text


def _steps(x: Any) -> list[Any]:
    """The steps of a sequence, found by halving.

    A slice's gradient is as large as what it was cut from. Cut one by one, n steps would write n²
    steps' worth of zeros going back; cut by halves, n·log₂ n.
    """
    length = x.shape[0]
    if length <= 2:
        return [x[place] for place in range(length)]
    half = length // 2
    return _steps(x[:half]) + _steps(x[half:])


class RNN(_Recurrent):
    """h_t = tanh(W_ih·x_t + b_ih + W_hh·h_{t−1} + b_hh) at every step of a sequence.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    nonlinearity : {"tanh", "relu"}
    bias : bool
    batch_first : bool
        Whether sequences are (N, L, …) rather than (L, N, …).
    dropout : float
        Probability of dropping between stacked layers, in training.
    bidirectional : bool
        Whether a second pass runs from the end; its states are appended to the features.

    Examples
    --------
    >>> import numpy as np
    >>> output, last = RNN(3, 5)(np.zeros((7, 2, 3), np.float32))
    >>> output.shape, last.shape
    ((7, 2, 5), (1, 2, 5))
    """

    blocks = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional
        )
        self.nonlinearity = squash_name("RNN", nonlinearity)

    def step(
        self, from_input: Any, state: tuple[Any, ...], weight: Any, bias: Any
    ) -> tuple[Any, ...]:
        """One step; see `rnn_step`."""
        return (rnn_step(from_input, state[0], weight, bias, SQUASHES[self.nonlinearity]),)


class GRU(_Recurrent):
    """Gated recurrent units over a sequence; row blocks r, z, n. Arguments as for `RNN`.

    Source: Cho et al., 2014, with the reset gate after the product, as cuDNN and PyTorch have it.
    """

    blocks = 3

    def step(
        self, from_input: Any, state: tuple[Any, ...], weight: Any, bias: Any
    ) -> tuple[Any, ...]:
        """One step; see `gru_step`."""
        return (gru_step(from_input, state[0], weight, bias),)


class LSTM(_Recurrent):
    """Long short-term memory over a sequence; row blocks i, f, g, o. Arguments as for `RNN`.

    It returns the outputs and (h, c), the last hidden states and memories.

    Examples
    --------
    >>> import numpy as np
    >>> output, (hidden, memory) = LSTM(3, 5, num_layers=2)(np.zeros((7, 2, 3), np.float32))
    >>> output.shape, hidden.shape, memory.shape
    ((7, 2, 5), (2, 2, 5), (2, 2, 5))

    Source: Hochreiter and Schmidhuber, 1997; Gers, 2000 (the forget gate).
    """

    blocks = 4
    states = 2

    def step(
        self, from_input: Any, state: tuple[Any, ...], weight: Any, bias: Any
    ) -> tuple[Any, ...]:
        """One step; see `lstm_step`."""
        return lstm_step(from_input, state[0], state[1], weight, bias)

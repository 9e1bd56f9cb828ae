"""A neural Turing machine: a network that writes into a memory and reads from it, all by gates.

A head looks at every row of the memory with some weight. Its weights come from what it looks for
(content), from where it looked before, and from a shift to the left or right; all of it has a
gradient, so that where to look is learned like everything else.
"""

from __future__ import annotations

from typing import Any

import backlight
from backlight import nn
from backlight.gates.activation import sigmoid, softplus
from backlight.gates.circular_convolution import circular_convolution
from backlight.gates.joining import concatenate, split
from backlight.gates.similarity import cosine_similarity
from backlight.gates.softmax import softmax
from backlight.gates.transcendental import tanh

SHIFTS = 3
"""To the left, nowhere, to the right."""
NEVER_ZERO = 1e-8


class Head(nn.Module):
    """Where to look: weights over the rows of the memory.

    Parameters
    ----------
    hidden : int
        Numbers of the controller.
    width : int
        Numbers in a row of the memory.
    """

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.wish = nn.Linear(hidden, width + 3 + SHIFTS)

    def forward(self, hidden: Any, memory: Any, before: Any) -> Any:
        """New weights (1, rows) from the controller (1, hidden) and the weights before."""
        key, strength, trust, sharp, shift = split(
            self.wish(hidden),
            [self.width, 1, 1, 1, SHIFTS],
            -1,
        )
        alike = cosine_similarity(tanh(key), memory)
        content = softmax(softplus(strength) * alike)
        mixed = before + sigmoid(trust) * (content - before)
        moved = circular_convolution(mixed, softmax(shift))
        pointed = (moved + NEVER_ZERO) ** (1 + softplus(sharp))
        return pointed / pointed.sum(axis=-1, keepdims=True)


class TuringMachine(nn.Module):
    """A controller with a head that writes and a head that reads.

    Parameters
    ----------
    bits : int
        Numbers of an input and of an output.
    hidden : int
        Numbers of the controller.
    rows, width : int
        Of the memory.

    Examples
    --------
    >>> machine = TuringMachine(8, hidden=16, rows=12, width=5)
    >>> output, state = machine(backlight.zeros(1, 8), machine.start())
    >>> output.shape, state[0].shape
    ((1, 8), (12, 5))

    Notes
    -----
    Source: Graves, Wayne and Danihelka, "Neural Turing Machines", 2014.
    """

    def __init__(self, bits: int, hidden: int = 100, rows: int = 128, width: int = 20) -> None:
        super().__init__()
        self.rows, self.width = rows, width
        self.controller = nn.Linear(bits + width, hidden)
        self.writer = Head(hidden, width)
        self.reader = Head(hidden, width)
        self.change = nn.Linear(hidden, 2 * width)
        self.answer = nn.Linear(hidden + width, bits)

    def start(self) -> tuple[Any, Any, Any, Any]:
        """An almost empty memory, nothing read, both heads on the first row."""
        first = backlight.tensor([[1.0] + [0.0] * (self.rows - 1)])
        memory = backlight.full((self.rows, self.width), 0.01)
        return memory, backlight.zeros(1, self.width), first, first

    def forward(self, x: Any, state: tuple[Any, Any, Any, Any]) -> tuple[Any, Any]:
        """The scores of the output's bits, and memory, reading and heads for the next step."""
        memory, reading, written, read = state
        hidden = tanh(self.controller(concatenate(x, reading, axis=-1)))
        written = self.writer(hidden, memory, written)
        erase, add = split(
            self.change(hidden),
            [self.width, self.width],
            -1,
        )
        memory = memory * (1 - written.T @ sigmoid(erase)) + written.T @ tanh(add)
        read = self.reader(hidden, memory, read)
        reading = read @ memory
        return self.answer(concatenate(hidden, reading, axis=-1)), (memory, reading, written, read)

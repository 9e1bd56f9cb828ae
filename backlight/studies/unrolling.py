"""How large a recurrent network is when it is written out: its gates, and its formula.

A circuit uses a value as often as it likes, so every step adds the same number of gates. A formula
has to write the value out at each use; its length is multiplied at each step. That is why nobody
writes the gradient of such a network by hand, and why gates that know only their neighbours are
enough.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import backlight
from backlight import nn, philox
from backlight.errors import ArgumentError, nearest
from backlight.explain.circuit.circuit import Circuit
from backlight.explain.circuit.record import circuit
from backlight.studies.board import Board
from backlight.studies.registry import Asked, Told, study
from backlight.studies.turing import TuringMachine

BITS = 8
HIDDEN = 100
STEPS = (1, 2, 4, 8, 16, 32, 64)
NETWORKS = ("rnn", "lstm", "turing")
ATOMS = 80
"""Atoms of the observable universe: about 10⁸⁰."""


@dataclass(frozen=True)
class Unrolled:
    """A network written out over some steps.

    Attributes
    ----------
    name : str
    steps : int
    gates : int
        Of the forward pass.
    numbers : int
        That those gates compute.
    symbols : int
        Length of the formula in which each value is written out at each use.
    seconds : float
        Of the backward pass, which goes through each gate once.
    """

    name: str
    steps: int
    gates: int
    numbers: int
    symbols: int
    seconds: float


def network(name: str, hidden: int = HIDDEN, rows: int = 128, width: int = 20) -> Any:
    """One of NETWORKS.

    Raises
    ------
    ArgumentError
        If there is none of that name.
    """
    if name == "rnn":
        return nn.RNNCell(BITS, hidden)
    if name == "lstm":
        return nn.LSTMCell(BITS, hidden)
    if name == "turing":
        return TuringMachine(BITS, hidden, rows, width)
    raise ArgumentError(
        "network", got=repr(name), needs="a known network", remedy=nearest(name, NETWORKS)
    )


def unroll(cell: Any, steps: int, seed: int = 0) -> Any:
    """A loss of the cell's last output after some random bits.

    Give it to `circuit` to see it: each step is a box that opens.

    Examples
    --------
    >>> drawn = circuit(unroll(nn.RNNCell(8, 4), 3))
    >>> [call.description for call in drawn.calls]
    ['RNNCell 8→4', 'RNNCell 8→4', 'RNNCell 8→4']
    """
    bits = np.round(philox.uniform(seed, 0, (steps, 1, BITS)))
    state: Any = cell.start() if isinstance(cell, TuringMachine) else None
    output: Any = None
    for x in bits:
        if isinstance(cell, TuringMachine):
            output, state = cell(backlight.tensor(x), state)
        elif isinstance(cell, nn.LSTMCell):
            output, memory = cell(backlight.tensor(x), state)
            state = (output, memory)
        else:
            output = state = cell(backlight.tensor(x), state)
    return (output * output).sum()


def symbols(drawn: Circuit) -> int:
    """Length of the formula of a circuit's output: a sign a gate, a name a leaf, no sharing.

    Examples
    --------
    (x + x)·(x + x) has three gates' signs and four names:

    >>> x = backlight.tensor(2.0, requires_grad=True)
    >>> twice = x + x
    >>> symbols(circuit(twice * twice))
    7
    """
    lengths: list[int] = []
    for node in drawn.nodes:
        lengths.append(1 + sum(lengths[one] for one in node.inputs if one >= 0))
    return lengths[drawn.output]


def count(name: str, steps: int, cell: Any = None, seed: int = 0) -> Unrolled:
    """Write a network out, and count.

    Parameters
    ----------
    name : str
        One of NETWORKS.
    steps : int
    cell : Module, optional
        Instead of a new one.
    seed : int
    """
    loss = unroll(network(name) if cell is None else cell, steps, seed)
    drawn = circuit(loss)
    gates = [node for node in drawn.nodes if node.kind == "gate"]
    begin = time.perf_counter()
    loss.backward()
    return Unrolled(
        name,
        steps,
        len(gates),
        sum(node.value.size for node in gates),
        symbols(drawn),
        time.perf_counter() - begin,
    )


def unrolling(
    names: Sequence[str] = NETWORKS, steps: Sequence[int] = STEPS, seed: int = 0
) -> list[Unrolled]:
    """Every network over every number of steps."""
    return [count(name, one, seed=seed) for name in names for one in steps]


def draw(board: Board, found: list[Unrolled]) -> Any:
    """Gates grow like the steps; the formula grows beyond all bounds."""
    last = max(
        (one for one in found if one.name == "turing"),
        key=lambda one: one.steps,
        default=found[-1],
    )
    values = {
        "steps": last.steps,
        "gates": f"{last.gates:,}",
        "numbers": f"{last.numbers:,}",
        "digits": f"{len(str(last.symbols)):,}",
        "seconds": f"{1000 * last.seconds:.0f}",
    }
    with board.titled("unrolling", 10.6, 4.9, **values) as page:
        left, right = page.subplots(1, 2)
        for place, name in enumerate(dict.fromkeys(one.name for one in found)):
            line = [one for one in found if one.name == name]
            steps = [one.steps for one in line]
            how = board.curve(place) | {"marker": "o", "markersize": 4}
            told = board.say(f"unrolling.{name}")
            left.loglog(steps, [one.gates for one in line], base=10, label=told, **how)
            right.plot(
                steps,
                [_digits(one.symbols) for one in line],
                **how,
            )
        every = sorted({one.steps for one in found})
        left.set_xticks(every, [str(one) for one in every])
        left.minorticks_off()
        right.axhline(ATOMS, color=board.theme.faint, linestyle=":", linewidth=1.2)
        board.write(
            right,
            every[0],
            ATOMS + 2,
            board.say("unrolling.atoms"),
            ha="left",
            va="bottom",
            size=9,
            color=board.theme.faint,
        )
        right.set(ylim=(0, None))
        right.yaxis.set_major_formatter(lambda power, _: f"$10^{{{power:.0f}}}$")
        for axes, what in ((left, "gates"), (right, "symbols")):
            axes.set(xlabel=board.say("unrolling.steps"), ylabel=board.say(f"unrolling.{what}"))
            axes.grid()
        left.legend()
    return page


def _digits(count: int) -> float:
    """The power of ten, also of numbers that no float holds."""
    text = str(count)
    return len(text) - 1 + float(np.log10(float(text[:15]) / 10 ** (min(len(text), 15) - 1)))


@study("unrolling", data="")
def _unrolling(asked: Asked) -> Told:
    found = unrolling(seed=asked.seed)
    table = [
        {
            "network": one.name,
            "steps": one.steps,
            "gates": one.gates,
            "numbers": one.numbers,
            "formula": f"10^{_digits(one.symbols):.1f} symbols",
            "backward_ms": 1000 * one.seconds,
        }
        for one in found
    ]
    return draw(asked.board, found), {"table": table}

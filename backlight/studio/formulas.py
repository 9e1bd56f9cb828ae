"""Formulas that a page types: read, evaluated within limits on size and time, kept for drags."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backlight.engine.apply import watch
from backlight.engine.tensor import Tensor
from backlight.errors import ExpressionError
from backlight.explain.circuit.boxes import Drawn
from backlight.explain.circuit.circuit import Circuit
from backlight.explain.circuit.draw import draw
from backlight.explain.circuit.record import circuit as recorded
from backlight.explain.circuit.unfold import unfolded
from backlight.expression import Expression

Array = np.ndarray[Any, Any]

MOST_GATES = 500
MOST_ELEMENTS = 64 * 64
SECONDS = 0.05
MOST_INPUTS = 64
_KEPT = 64


@dataclass
class Recent:
    """The last formulas and circuits: a drag asks for the same formula again and again."""

    parsed: OrderedDict[str, Expression] = field(default_factory=OrderedDict)
    circuits: OrderedDict[Any, Circuit] = field(default_factory=OrderedDict)
    drawings: OrderedDict[Any, Drawn] = field(default_factory=OrderedDict)

    def parse(self, text: str) -> Expression:
        """The formula of this text."""
        found = self.parsed.get(text)
        if found is None:
            found = self.parsed[text] = Expression.parse(text)
            _shorten(self.parsed)
        return found

    def circuit(self, text: str, values: Mapping[str, Array], unfold: bool) -> Circuit:
        """The circuit of a formula at these inputs.

        Raises
        ------
        ExpressionError
            If it has too many gates, or takes too long; and whatever the gates refuse.
        """
        key = (text, unfold, *[(name, x.shape, x.tobytes()) for name, x in values.items()])
        found = self.circuits.get(key)
        if found is None:
            found = self.circuits[key] = _circuit(self.parse(text), values, unfold)
            _shorten(self.circuits)
        return found

    def drawn(self, circuit: Circuit, unfold: bool, opened: tuple[str, ...] | None) -> Drawn:
        """The boxes and wires of a circuit: the same for all inputs of the same shapes."""
        key = (circuit.text, unfold, opened, *[node.shape for node in circuit.leaves])
        found = self.drawings.get(key)
        if found is None:
            found = self.drawings[key] = draw(circuit, open=opened)
            _shorten(self.drawings)
        return found


def _circuit(formula: Expression, values: Mapping[str, Array], unfold: bool) -> Circuit:
    inputs = {}
    for name, value in values.items():
        inputs[name] = Tensor.share(np.asarray(value, np.float64))
        inputs[name].requires_grad = True
    with within(SECONDS):
        output = formula.evaluate(inputs, max_elements=MOST_ELEMENTS)
    # Inputs are handed over by name: one may be called what an argument of the recorder is.
    made = replace(recorded(output, names=inputs), text=formula.text)
    made = unfolded(made) if unfold else made
    if len(made.gates) > MOST_GATES:
        raise ExpressionError(
            "expression",
            got=f"{len(made.gates):,} gates",
            needs=f"at most {MOST_GATES}",
            remedy="Fold its gates, or shorten it.",
        )
    _ = made.gradients
    return made


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Refuse what computes longer; it is looked at between gates, whose own sizes are limited.

    The processor's time counts, not the clock's: on a busy machine a short formula stays allowed.

    Raises
    ------
    ExpressionError
        After the time is over.
    """
    ends = time.thread_time() + seconds
    thread = threading.get_ident()

    def look(*_application: Any) -> None:
        if threading.get_ident() == thread and time.thread_time() > ends:
            raise ExpressionError(
                "expression",
                got=f"more than {seconds * 1e3:.0f} ms of computing",
                needs="less",
                remedy="Use fewer gates or smaller inputs.",
            )

    with watch(look):
        yield


def _shorten(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > _KEPT:
        kept.popitem(last=False)

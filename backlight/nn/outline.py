"""Outline: a tensor with a shape and a type and no memory, to follow shapes through a model.

Gates are asked for their shape rule only. So the sizes of a model that would not fit this machine
are known in a moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from backlight.engine.tensor import Tensor
from backlight.errors import GraphError
from backlight.gates.arithmetic import add, divide, multiply, negative, power, subtract
from backlight.gates.gate import Gate
from backlight.nn.receptive_field import ReceptiveField, seen
from backlight.shapes import Shape


class _Observer(threading.local):
    tell: Callable[[Gate, int], None] | None = None


observer = _Observer()
"""`observer.tell(gate, multiply_adds)` is called for every gate that is followed."""


class Outline(Tensor):
    """A shape and a type; its numbers read as 0 and are kept nowhere."""

    __slots__ = ()

    @classmethod
    def of(cls, shape: Shape, dtype: Any) -> Outline:
        """An outline of this shape and type."""
        kind = np.dtype(dtype)
        return cls.share(np.broadcast_to(kind.type(0), shape))  # type: ignore[return-value]

    @classmethod
    def apply_gate(cls, gate: Gate, inputs: Any, attributes: dict[str, Any]) -> Outline:
        """The outline of the gate's output, by its shape rule."""
        shapes = [None if x is None else tuple(getattr(x, "shape", ())) for x in inputs]
        kinds = [None if x is None else getattr(x, "dtype", type(x)) for x in inputs]
        made = cls.of(gate.shape(*shapes, **attributes), gate.dtype(*kinds, **attributes))
        if gate.views and isinstance(inputs[0], Tensor):
            made._base = inputs[0]
        # So that messages can say which layer an input came from, as for real tensors.
        made._inputs = tuple(inputs)
        fields = [x.field if isinstance(x, Outline) else None for x in inputs]
        field = seen(gate, fields, shapes, attributes)
        if field is not None:
            made.note("field", field)
        if observer.tell is not None:
            observer.tell(gate, gate.multiply_adds(shapes, made.shape, **attributes))
        return made

    @property
    def field(self) -> ReceptiveField | None:
        """The part of the model's input behind each number; None for weights and constants."""
        return (self._notes or {}).get("field")

    def _array(self) -> Any:
        raise self._valueless("a request for its numbers")

    def item(self) -> Any:
        """An outline has no numbers."""
        raise self._valueless("item()")

    def tolist(self) -> Any:
        """An outline has no numbers."""
        raise self._valueless("tolist()")

    def copy_(self, source: Any) -> Outline:
        """Writing into an outline changes nothing."""
        del source
        return self

    def _valueless(self, got: str) -> GraphError:
        return GraphError(
            f"outline of shape {self.shape}",
            got=got,
            needs="a model whose computation does not depend on values, to follow its shapes",
            remedy="Keep decisions on values out of forward, or run the model on real data.",
        )

    def __add__(self, other: Any) -> Tensor:
        return self.apply_gate(add, (self, other), {})

    def __radd__(self, other: Any) -> Tensor:
        return self.apply_gate(add, (other, self), {})

    def __sub__(self, other: Any) -> Tensor:
        return self.apply_gate(subtract, (self, other), {})

    def __rsub__(self, other: Any) -> Tensor:
        return self.apply_gate(subtract, (other, self), {})

    def __mul__(self, other: Any) -> Tensor:
        return self.apply_gate(multiply, (self, other), {})

    def __rmul__(self, other: Any) -> Tensor:
        return self.apply_gate(multiply, (other, self), {})

    def __truediv__(self, other: Any) -> Tensor:
        return self.apply_gate(divide, (self, other), {})

    def __rtruediv__(self, other: Any) -> Tensor:
        return self.apply_gate(divide, (other, self), {})

    def __pow__(self, other: Any) -> Tensor:
        return self.apply_gate(power, (self, other), {})

    def __rpow__(self, other: Any) -> Tensor:
        return self.apply_gate(power, (other, self), {})

    def __neg__(self) -> Tensor:
        return self.apply_gate(negative, (self,), {})


def claim(gate: Gate, inputs: Any, values: Any, attributes: dict[str, Any], made: Tensor) -> None:
    """Follow a gate whose first tensor was no outline and which was therefore computed.

    A watcher for `engine.apply.watch`. Such gates begin with a constant that a layer made itself,
    zeros for the first state of a recurrent one: their output is followed from here on.
    """
    del values
    if any(isinstance(x, Outline) for x in inputs) and not isinstance(made, Outline):
        made.__class__ = Outline
        if observer.tell is not None:
            shapes = [None if x is None else tuple(getattr(x, "shape", ())) for x in inputs]
            observer.tell(gate, gate.multiply_adds(shapes, made.shape, **attributes))

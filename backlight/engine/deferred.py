"""Gradients that a compiled program left in its memory: a tensor is made of them when asked for.

Most gradients of a compiled step are never looked at, and making a tensor of each takes longer than
a small step itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Deferred:
    """Stands in `Tensor._grad` for a gradient that can be read, until the program runs again.

    Attributes
    ----------
    read : callable
        Makes the tensor, with memory of its own.
    """

    __slots__ = ("read",)

    def __init__(self, read: Callable[[], Any]) -> None:
        self.read = read


def gradient_of(tensor: Any) -> Any:
    """The tensor's gradient, made now if it was deferred; None if it has none."""
    found = tensor._grad
    if type(found) is Deferred:
        found = tensor._grad = found.read()
    return found

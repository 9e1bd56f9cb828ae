"""Parameter: a tensor that a module learns."""

from __future__ import annotations

from typing import Any

from backlight.engine.tensor import Tensor
from backlight.errors import DTypeError


class Parameter(Tensor):
    """A leaf that requires a gradient; assigned to a module it becomes one of its parameters.

    Parameters
    ----------
    data : array_like
        Initial numbers, floating; copied.
    requires_grad : bool
        False freezes it: it stays in the state but receives no gradient.
    name : str, optional
        Its name; a module that it is assigned to gives it its path.

    Raises
    ------
    DTypeError
        If the numbers are whole: they have no neighbours to differentiate by.

    Examples
    --------
    >>> weight = Parameter([[0.5, -0.5]])
    >>> weight.requires_grad, weight.shape
    (True, (1, 2))
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, name: str | None = None) -> None:
        super().__init__(data, name=name)
        if self.dtype.kind != "f":
            raise DTypeError(
                f"parameter {name!r}" if name else "Parameter",
                got=f"elements of type {self.dtype}",
                needs="float32 or float64",
                remedy="Write the numbers as fractions (1.0 for 1), or keep whole numbers in a "
                "buffer: module.register_buffer(name, tensor).",
            )
        self.requires_grad = requires_grad

    @classmethod
    def share(cls, array: Any) -> Parameter:
        """A parameter on this very array, not a copy."""
        made = super().share(array)
        made.requires_grad_()
        return made  # type: ignore[return-value]

    def __repr__(self) -> str:
        """The name, the shape and the numbers."""
        return f"Parameter {self.name or ''}{self.shape}: {super().__repr__()}"

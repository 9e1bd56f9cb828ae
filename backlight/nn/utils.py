"""What PyTorch users look for in `nn.utils`: clipping gradients, parameters as one vector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, ShapeError
from backlight.gates.joining import concatenate
from backlight.gates.view import reshape
from backlight.optim.clipping import clip_grad_norm_, clip_grad_value_

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "parameters_to_vector",
    "vector_to_parameters",
]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Any:
    """All numbers of all parameters in one row, in their order; gradients pass through.

    Raises
    ------
    ArgumentError
        If there is no parameter.

    Examples
    --------
    >>> from backlight import nn
    >>> parameters_to_vector(nn.Linear(3, 2).parameters()).shape
    (8,)
    """
    rows = [reshape(parameter, (-1,)) for parameter in parameters]
    if not rows:
        raise ArgumentError(
            "parameters_to_vector",
            got="no parameters",
            needs="one at least",
            remedy="Pass model.parameters().",
        )
    return concatenate(*rows)


def vector_to_parameters(vec: Any, parameters: Iterable[Tensor]) -> None:
    """Write the numbers of a vector into the parameters, in their order.

    Raises
    ------
    ShapeError
        If it has more or fewer numbers than they; then nothing has been changed.

    Examples
    --------
    >>> from backlight import nn
    >>> layer = nn.Linear(2, 1)
    >>> vector_to_parameters(Tensor([1.0, 2.0, 3.0]), layer.parameters())
    >>> layer.weight.tolist(), layer.bias.tolist()
    ([[1.0, 2.0]], [3.0])
    """
    targets = list(parameters)
    count = sum(target.size for target in targets)
    if vec.shape != (count,):
        raise ShapeError(
            "vector_to_parameters",
            got=f"a vector of shape {vec.shape}",
            needs=f"shape ({count},), as many numbers as the parameters have",
            remedy="Make it with parameters_to_vector.",
        )
    place = 0
    for target in targets:
        target.copy_(vec[place : place + target.size].reshape(target.shape))
        place += target.size

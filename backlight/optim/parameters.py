"""Parameters as they are handed over: tensors or (name, tensor) pairs, checked one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, DTypeError


def title(index: int, name: str) -> str:
    """How a message calls a parameter: by its name, or by its place.

    Examples
    --------
    >>> title(2, "conv1.weight"), title(2, "")
    ("parameter 'conv1.weight'", 'parameter 2')
    """
    return f"parameter {name!r}" if name else f"parameter {index}"


def named(subject: str, params: Any) -> list[tuple[str, Tensor]]:
    """`params` as (name, tensor) pairs; a tensor without a name has the empty one.

    Parameters
    ----------
    subject : str
        Who asks, for messages.
    params : Tensor or iterable
        One tensor, tensors, or (name, tensor) pairs.

    Raises
    ------
    ArgumentError
        If there are none, or one was computed by a gate.
    DTypeError
        If something else than a tensor of floating numbers is among them.
    """
    if isinstance(params, Tensor):
        params = [params]
    if callable(getattr(params, "named_parameters", None)):
        params = params.named_parameters()
    if isinstance(params, (str, Mapping)) or not isinstance(params, Iterable):
        raise DTypeError(
            subject,
            got=f"{_kind(params)} as its parameters",
            needs="tensors or (name, tensor) pairs",
            remedy="Pass model.named_parameters(), or a list of tensors.",
        )
    pairs = []
    for index, one in enumerate(params):
        if isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str):
            name, parameter = one
        else:
            name, parameter = getattr(one, "name", None) or "", one
        who = title(index, name)
        if not isinstance(parameter, Tensor):
            raise DTypeError(
                subject,
                got=f"{_kind(parameter)} as {who}",
                needs="a tensor",
                remedy="Make it one: Tensor(data, requires_grad=True).",
            )
        if parameter.dtype.kind != "f":
            raise DTypeError(
                subject,
                got=f"{who} with elements of type {parameter.dtype}",
                needs="float32 or float64: whole numbers cannot take small steps",
                remedy="Convert it first: Tensor(data, dtype=numpy.float32).",
            )
        if not parameter.is_leaf:
            raise ArgumentError(
                subject,
                got=f"{who}, which gate {parameter.gate.name} computed",  # type: ignore[union-attr]
                needs="leaves: values that were set, not computed",
                remedy="Optimise what it was computed from, or detach it and set "
                "requires_grad=True.",
            )
        pairs.append((name, parameter))
    if not pairs:
        raise ArgumentError(
            subject,
            got="no parameters",
            needs="at least one",
            remedy="Pass model.parameters(); an iterator can be used only once.",
        )
    return pairs


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"

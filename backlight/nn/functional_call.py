"""Calling a module with other parameters than its own: the module as a function of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backlight.errors import ArgumentError, nearest
from backlight.nn.module import Module

Place = tuple[dict[str, Any], str]


def functional_call(
    module: Module,
    parameters_and_buffers: Mapping[str, Any],
    inputs: Any = (),
    named: Mapping[str, Any] | None = None,
) -> Any:
    """`module(*inputs)` with the given tensors in the place of its parameters or buffers.

    Derivatives by parameters follow: the Hessian of a loss is
    hessian(lambda w: loss(functional_call(model, {"weight": w}, (x,)))).

    Parameters
    ----------
    module : Module
        Put back as it was afterwards; meanwhile no other thread may call it.
    parameters_and_buffers : mapping of path to tensor
        Those that are not named keep their values. One that is shared is replaced everywhere.
    inputs : tuple, or one input
    named : mapping, optional
        Keyword arguments.

    Raises
    ------
    ArgumentError
        If a path is not one of a parameter or buffer.

    Examples
    --------
    >>> from backlight import grad, nn, tensor
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> f = lambda w: functional_call(layer, {"weight": w}, tensor([[1.0, 2.0]])).sum()
    >>> grad(f)(tensor([[3.0, 4.0]])).tolist()
    [[1.0, 2.0]]
    """
    paths = _places(module)
    replaced: list[tuple[Place, Any]] = []
    by_identity = {}
    for path, value in parameters_and_buffers.items():
        if path not in paths:
            raise ArgumentError(
                "functional_call",
                got=f"the path {path!r}",
                needs=f"a parameter or buffer of {type(module).__name__}",
                remedy=nearest(path, paths),
            )
        book, name = paths[path][0]
        by_identity[id(book[name])] = value
    for places in paths.values():
        for book, name in places:
            if id(book[name]) in by_identity:
                replaced.append(((book, name), book[name]))
    try:
        for (book, name), before in replaced:
            book[name] = by_identity[id(before)]
        arguments = inputs if isinstance(inputs, tuple) else (inputs,)
        return module(*arguments, **(named or {}))
    finally:
        for (book, name), before in replaced:
            book[name] = before


def _places(module: Module) -> dict[str, list[Place]]:
    """Where each parameter and buffer is kept: in the module's books and among its attributes."""
    found: dict[str, list[Place]] = {}
    for path, part in module.named_modules():
        for book in (part._parameters, part._buffers):
            for name, value in book.items():
                if value is not None:
                    found[f"{path}.{name}" if path else name] = [
                        (book, name),
                        (part.__dict__, name),
                    ]
    return found

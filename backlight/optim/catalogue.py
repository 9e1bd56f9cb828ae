"""The update rules by the names of the command line."""

from __future__ import annotations

from typing import Any

from backlight.errors import ArgumentError, nearest
from backlight.optim.optimizer import Optimizer


def rules() -> dict[str, type[Optimizer]]:
    """Every update rule by its name on the command line, read from the classes themselves."""
    found = {}
    waiting = Optimizer.__subclasses__()
    while waiting:
        rule = waiting.pop(0)
        waiting += rule.__subclasses__()
        found[rule.label or rule.__name__.lower()] = rule
    return found


def from_name(name: str, params: Any, **options: Any) -> Optimizer:
    """The update rule of this name for `params`.

    Parameters
    ----------
    name : str
        A key of `rules()`, such as "sgd" or "adam".
    params : iterable
        As for the rule itself.
    **options
        The rule's settings; None stands for its default.

    Raises
    ------
    ArgumentError
        If the name or an option is unknown; the message suggests the nearest.

    Examples
    --------
    >>> from backlight.engine.tensor import Tensor
    >>> from backlight.optim import from_name
    >>> from_name("adamw", [Tensor([1.0], requires_grad=True)], lr=0.01, weight_decay=None)
    AdamW(lr=0.01, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01, bias_correction=True; 1 ...
    """
    table = rules()
    if name not in table:
        raise ArgumentError(
            "the optimizer",
            got=f"the name {name!r}",
            needs="the name of an update rule",
            remedy=nearest(name, table),
        )
    given = {option: value for option, value in options.items() if value is not None}
    if "learning_rate" in given and "lr" not in given:
        given["lr"] = given.pop("learning_rate")
    return table[name](params, **given)

"""A layer made from a gate: the gate's name, settings and documentation, and nothing said twice."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from backlight.errors import ArgumentError, nearest
from backlight.gates.gate import Gate
from backlight.nn.module import Module


class GateLayer(Module):
    """One gate with its settings fixed; made by `layer`.

    Parameters
    ----------
    *arguments, **named
        The gate's settings, in its order or by name.

    Raises
    ------
    ArgumentError
        If a setting is unknown or missing.
    """

    gate: ClassVar[Gate]
    names: ClassVar[dict[str, str]] = {}

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__()
        self.settings = self._settings(arguments, named)

    def forward(self, *inputs: Any) -> Any:
        """The gate's output."""
        return self.gate(*inputs, **self.settings)

    def describe(self) -> str:
        """The kind, and settings that differ from the gate's own."""
        changed = [
            f"{name} {value}"
            for name, value in self.settings.items()
            if value != self.gate.defaults[name]
        ]
        return " ".join([type(self).__name__, ", ".join(changed)]).strip()

    def extra_repr(self) -> str:
        """The settings, by the names they are given by."""
        back = {inner: outer for outer, inner in self.names.items()}
        return ", ".join(f"{back.get(name, name)}={value}" for name, value in self.settings.items())

    def _settings(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        kind = type(self).__name__
        known = list(self.gate.defaults)
        if len(arguments) > len(known):
            raise ArgumentError(
                kind,
                got=f"{len(arguments)} settings",
                needs=f"{len(known)} at most",
                remedy=_listed(kind, known),
            )
        settings = dict(zip(known, arguments, strict=False))
        for outer, value in named.items():
            name = self.names.get(outer, outer)
            if name not in known or name in settings:
                raise ArgumentError(
                    kind,
                    got=f"the argument {outer!r}, unknown or given twice",
                    needs=f"its settings: {', '.join(known) or 'it has none'}",
                    remedy=nearest(outer, [*known, *self.names]) if known else "Leave it out.",
                )
            settings[name] = value
        for name, usual in self.gate.defaults.items():
            settings.setdefault(name, usual)
            if settings[name] is inspect.Parameter.empty:
                raise ArgumentError(
                    kind, got=f"no {name}", needs=f"{name}", remedy=f"Write nn.{kind}({name}=…)."
                )
        return {name: settings[name] for name in known}


def layer(
    name: str, gate: Gate, module: str, base: type[GateLayer] = GateLayer, **names: str
) -> type[GateLayer]:
    """The layer class of a gate.

    Parameters
    ----------
    name : str
        Name of the class, in PyTorch's spelling.
    gate : Gate
    module : str
        The module it is found in, for pickling.
    base : type
        What it derives from.
    **names : str
        PyTorch's names of settings, and the gate's: negative_slope="slope".
    """
    settings = ", ".join(
        f"{key}" if value is inspect.Parameter.empty else f"{key}={value!r}"
        for key, value in gate.defaults.items()
    )
    text = (
        f"{(gate.__doc__ or '').rstrip()}\n\n"
        f"As a layer: nn.{name}({settings}); formula {gate.formula}.\n"
    )
    return type(
        name,
        (base,),
        {
            "gate": gate,
            "names": {"dim": "axis", **names} if "axis" in gate.defaults else names,
            "__module__": module,
            "__qualname__": name,
            "__doc__": text,
        },
    )


def _listed(kind: str, known: list[str]) -> str:
    return f"Write nn.{kind}({', '.join(f'{name}=…' for name in known)})."

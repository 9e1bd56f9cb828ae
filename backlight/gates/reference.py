"""The reference of the gates, written from their declarations."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable

from backlight.gates.gate import Gate, gates

_RESULTS = {
    "same": "of the inputs' type",
    "float": "floating",
    "first": "floating, of the first input's type",
    "bool": "truth values",
    "index": "int64",
}


def signature(gate: Gate) -> str:
    """How the gate is called: wires, then constants with their defaults.

    Examples
    --------
    >>> from backlight.gates import find
    >>> signature(find("multiply")), signature(find("clip"))
    ('multiply(x, y)', 'clip(x, *, low=None, high=None)')
    """
    wires = list(gate.inputs)
    if gate.variadic:
        wires[-1] = "*" + wires[-1]
    for place in range(len(wires) - gate.optional, len(wires)):
        wires[place] += "=None"
    settings = [
        name if default is inspect.Parameter.empty else f"{name}={default!r}"
        for name, default in gate.defaults.items()
    ]
    if settings and not gate.variadic:
        settings.insert(0, "*")
    return f"{gate.name}({', '.join([*wires, *settings])})"


def entry(gate: Gate) -> str:
    """One gate in Markdown: call, docstring, and every fact of its declaration."""
    facts = [
        ("formula", f"`{gate.formula}`"),
        ("role", f"{gate.role.name.lower()}: {gate.role.value}"),
        ("output", _RESULTS[gate.result]),
        ("domain", ", ".join(f"`{rule}`" for rule in gate.domain.values())),
        ("kinks", gate.kinks),
        ("also called", ", ".join(f"`{name}`" for name in gate.aliases)),
        ("unfolds into simpler gates", "yes" if hasattr(gate, "parts") else ""),
        ("source", gate.source),
    ]
    table = "\n".join(f"* {name}: {fact}" for name, fact in facts if fact)
    text = inspect.cleandoc(type(gate).__doc__ or "")
    described = text.split("\nExamples\n")[0].rstrip()
    return f"### {gate.name}\n\n    {signature(gate)}\n\n{_indented(described)}\n\n{table}\n"


def page(shown: Iterable[Gate] | None = None) -> str:
    """The whole reference in Markdown, a section a file of the table.

    Examples
    --------
    >>> "### maximum" in page()
    True
    """
    sections: dict[str, list[Gate]] = {}
    for gate in gates() if shown is None else shown:
        module = type(gate).__module__
        if module.startswith(__package__ + "."):
            sections.setdefault(module, []).append(gate)
    parts = [
        "# Gates\n\nEvery operation, from its declaration. Written by `backlight reference "
        "--markdown`; a test compares it with the table.\n"
    ]
    for module in sorted(sections):
        title = module.rsplit(".", 1)[1].replace("_", " ").capitalize()
        about = (sys.modules[module].__doc__ or "").strip().split("\n\n")[0]
        parts.append(f"## {title}\n\n{about}\n")
        parts += [entry(gate) for gate in sections[module]]
    return "\n".join(parts)


def _indented(text: str) -> str:
    """Numpydoc sections as Markdown: underlined headings become bold lines."""
    lines = text.split("\n")
    out = []
    for place, line in enumerate(lines):
        below = lines[place + 1] if place + 1 < len(lines) else ""
        if below and set(below) == {"-"}:
            out.append(f"**{line}**\n")
        elif set(line) != {"-"}:
            out.append(line)
    return "\n".join(out)

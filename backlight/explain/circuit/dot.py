"""A circuit in the language of Graphviz."""

from __future__ import annotations

from backlight.explain.circuit.circuit import Circuit
from backlight.explain.circuit.number import label, numbers
from backlight.explain.circuit.told import names, symbol


def dot(circuit: Circuit) -> str:
    """The circuit for `dot -Tsvg`: gates are circles, values above and gradients below.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> print(dot(circuit("x*y", x=4, y=-3)).splitlines()[5])
      n0 [shape=box, label="x"];
    """
    called = names(circuit)
    lines = [
        "digraph circuit {",
        "  rankdir=LR;",
        '  node [fontname="Helvetica"];',
        '  edge [fontname="Helvetica", fontsize=10];',
        f"  label={_quoted(circuit.text)}; labelloc=t;",
    ]
    for node in circuit.nodes:
        shape = "circle" if node.gate is not None else "box"
        shown = symbol(circuit, node.index) or called[node.index]
        lines.append(f"  n{node.index} [shape={shape}, label={_quoted(shown)}];")
    for node in circuit.gates:
        shares = circuit.shares(node.index)
        for source, share in zip(node.inputs, shares, strict=True):
            if source >= 0:
                told = _told(circuit, source, share)
                lines.append(f"  n{source} -> n{node.index} [{told}];")
    told = _told(circuit, circuit.output, circuit.gradients[circuit.output])
    lines.append('  out [shape=none, label=""];')
    lines.append(f"  n{circuit.output} -> out [{told}];")
    return "\n".join([*lines, "}"]) + "\n"


def _told(circuit: Circuit, source: int, gradient: object) -> str:
    """The wire's label as a table: value in green above, gradient in red italics below."""
    value = _escaped(numbers(circuit.nodes[source].value, label))
    rows = f'<tr><td><font color="#00735c">{value}</font></td></tr>'
    if gradient is not None:
        shown = _escaped(numbers(gradient, label))
        rows += f'<tr><td><font color="#b3261e"><i>{shown}</i></font></td></tr>'
    return f'label=<<table border="0" cellspacing="0">{rows}</table>>'


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

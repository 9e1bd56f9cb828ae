"""A circuit's two passes as equations in LaTeX: values forward, the chain rule backward."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.explain.circuit.number import label, length
from backlight.explain.circuit.told import LONGEST_NAME, names, wires

_BINARY = {
    "add": "{} + {}",
    "subtract": "{} - {}",
    "multiply": "{} \\cdot {}",
    "divide": "\\frac{{{}}}{{{}}}",
    "power": "{}^{{{}}}",
    "matmul": "{} \\, {}",
    "greater": "{} > {}",
    "greater_equal": "{} \\geq {}",
    "less": "{} < {}",
    "less_equal": "{} \\leq {}",
    "equal": "{} = {}",
    "not_equal": "{} \\neq {}",
    "maximum": "\\max({}, {})",
    "minimum": "\\min({}, {})",
}
_UNARY = {
    "negative": "-{}",
    "reciprocal": "\\frac{{1}}{{{}}}",
    "square": "{}^{{2}}",
    "sqrt": "\\sqrt{{{}}}",
    "exp": "\\exp({})",
    "log": "\\ln({})",
    "sin": "\\sin({})",
    "cos": "\\cos({})",
    "tanh": "\\tanh({})",
    "sigmoid": "\\sigma({})",
    "absolute": "\\left|{}\\right|",
    "sum": "\\sum {}",
    "prod": "\\prod {}",
    "max": "\\max({})",
    "min": "\\min({})",
}


def latex(circuit: Circuit) -> str:
    r"""An `align*` environment (package amsmath) with a line for each gate, forward and backward.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> print(latex(circuit("x*y", x=4, y=-3)))
    \begin{align*}
      x &= 4.00, \quad y = -3.00 \\
      f &= x \cdot y = -12.00 \\
      \frac{\partial f}{\partial x} &= 1.00 \cdot (-3.00) = -3.00 \\
      \frac{\partial f}{\partial y} &= 1.00 \cdot 4.00 = 4.00
    \end{align*}
    <BLANKLINE>
    """
    spoken = _symbols(circuit)
    given = ", \\quad ".join(
        f"{spoken[node.index]} {'&' if number == 0 else ''}= {_value(node.value)}"
        for number, node in enumerate(node for node in circuit.leaves if node.name)
    )
    lines = [given] if given else []
    for node in circuit.gates:
        made = _formula(node, spoken)
        lines.append(f"{spoken[node.index]} &= {made} = {_value(node.value)}")
    for node in (*reversed(circuit.gates), *circuit.leaves):
        gradient = circuit.gradients[node.index]
        if gradient is None or node.index == circuit.output or not node.wants_gradient:
            continue
        by = f"\\frac{{\\partial {spoken[circuit.output]}}}{{\\partial {spoken[node.index]}}}"
        lines.append(f"{by} &= {_paths(circuit, node)}{_value(gradient)}")
    body = " \\\\\n  ".join(lines)
    return f"\\begin{{align*}}\n  {body}\n\\end{{align*}}\n"


def _symbols(circuit: Circuit) -> list[str]:
    """Every node as one letter with an index: q_1 for what has no name."""
    found = []
    count = 0
    taken = any(re.fullmatch(r"q_?\d+", node.name) for node in circuit.nodes)
    letter = "q'" if taken else "q"
    called = names(circuit)
    for node in circuit.nodes:
        if node.gate is not None:
            count += 1
        if node.index == circuit.output and not node.name:
            found.append(called[node.index].replace("′", "'"))
        elif node.name:
            found.append(_letter(node.name))
        elif node.kind == "gate":
            found.append(f"{letter}_{{{count}}}")
        else:
            found.append(
                called[node.index].replace("−", "-") if node.value.size == 1 else _value(node.value)
            )
    return found


def _letter(name: str) -> str:
    """w0 as w_{0}; α as its command; a longer name as one word."""
    match = re.fullmatch(r"([^\W\d_])_?(\d+)", name)
    if match:
        return f"{_greek(match[1]).strip()}_{{{match[2]}}}"
    if len(name) == 1:
        return _greek(name).strip()
    word = name if len(name) <= 2 * LONGEST_NAME else name[: 2 * LONGEST_NAME - 1] + "…"
    spelled = "".join(map(_greek, word)).replace("_", "\\_").replace("…", "\\ldots ")
    return f"\\mathit{{{spelled}}}"


def _greek(letter: str) -> str:
    """The command of a Greek letter, which TeX need not know by itself."""
    greek = re.fullmatch(r"GREEK SMALL LETTER (\w+)", unicodedata.name(letter, ""))
    if greek is None:
        return letter
    return "\\" + {"LAMDA": "lambda"}.get(greek[1], greek[1].lower()) + " "


def _formula(node: Node, spoken: list[str]) -> str:
    assert node.gate is not None  # noqa: S101 - told to the type checker
    inputs = [
        f"({spoken[i]})" if spoken[i].startswith("-") else spoken[i] for i in node.inputs if i >= 0
    ]
    pattern = {1: _UNARY, 2: _BINARY}.get(len(inputs), {}).get(node.gate.name)
    if pattern is not None:
        return pattern.format(*inputs)
    name = node.gate.name.replace("_", "\\_")
    return f"\\mathrm{{{name}}}({', '.join(inputs)})"


def _paths(circuit: Circuit, node: Node) -> str:
    """Each path's upstream · local, summed; "" where a local gradient is a matrix."""
    terms = []
    for gate, place in circuit.consumers[node.index]:
        upstream = circuit.gradients[gate]
        for wire in wires(circuit, gate):
            if wire.place != place or upstream is None:
                continue
            if wire.local is None or wire.local.ndim or upstream.ndim:
                return ""
            terms.append(f"{_value(upstream)} \\cdot {_bracketed(_value(wire.local))}")
    return f"{' + '.join(map(_leading, terms, range(len(terms))))} = " if terms else ""


def _leading(term: str, number: int) -> str:
    return f"({term.split(' ')[0]}) {term.partition(' ')[2]}" if number and term[0] == "-" else term


def _value(value: Array) -> str:
    value = np.asarray(value)
    if value.ndim == 0:
        return _number(value)
    if value.ndim > 2 or value.size > 16:
        sizes = " \\times ".join(map(str, value.shape))
        return f"\\left[{sizes},\\ \\|\\cdot\\| = {_number(length(value))}\\right]"
    rows = np.atleast_2d(value) if value.ndim == 2 else value.reshape(-1, 1)
    body = " \\\\ ".join(" & ".join(_number(x) for x in row) for row in rows)
    return f"\\begin{{pmatrix}} {body} \\end{{pmatrix}}"


def _number(x: object) -> str:
    text = label(x).replace("−", "-").replace("∞", "\\infty").replace("NaN", "\\mathrm{NaN}")
    digits, e, power = text.partition("e")
    return f"{digits} \\cdot 10^{{{power}}}" if e and digits[-1:].isdigit() else text


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("-") else text

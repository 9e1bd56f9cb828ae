"""The Circuit screen: a formula drawn, dragged, stepped through, unfolded, compared and nudged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from backlight.errors import UsageError
from backlight.explain.circuit import page
from backlight.explain.circuit.circuit import Circuit
from backlight.explain.circuit.nudge import along_gradient
from backlight.explain.circuit.number import exact, numbers
from backlight.explain.circuit.statistics import figures
from backlight.explain.circuit.style import style
from backlight.explain.circuit.told import names, wires
from backlight.explain.circuit.walk import Step, steps
from backlight.explain.why import why
from backlight.studio.desk import MOST_NUMBERS, Ask, asked
from backlight.studio.examples import EXAMPLES
from backlight.studio.formulas import MOST_INPUTS, Recent
from backlight.studio.jacobians import jacobian_maps, jacobian_of

Array = np.ndarray[Any, Any]
MOST_SLOPES = 256
"""Entries of an input up to which each one's gradient is sent along with a drag."""
_STYLE = f"<style>{style('auto')}</style>"


@asked("circuit.examples")
def examples(ask: Ask) -> Any:
    """Formulas to start from, with their inputs."""
    return [
        {
            "key": key,
            "name": ask.say(f"studio.example.{key}"),
            "formula": formula,
            "inputs": inputs,
        }
        for key, formula, inputs in EXAMPLES
    ]


@asked("circuit.open")
def opened(ask: Ask) -> Any:
    """A formula as a circuit: its drawing, its inputs, its steps.

    Inputs without a value are answered by name, for the page to offer a slider for each.
    """
    text = ask.text("formula")
    recent = recent_of(ask)
    formula = recent.parse(text)
    values = values_of(ask, ask.mapping("inputs", MOST_INPUTS), formula.names)
    missing = [name for name in formula.names if name not in values]
    if missing:
        return {"missing": missing, "names": formula.names}
    circuit = recent.circuit(text, values, ask.flag("unfold"))
    return {
        "names": formula.names,
        "inputs": values,
        "gates": len(circuit.gates),
        "leaves": {node.index: node.name for node in circuit.leaves if node.name in values},
        "drawing": drawing(circuit, ask.language, ask.opened()),
        "steps": _steps(circuit, ask.language),
        **_numbers(circuit, values),
    }


@asked("circuit.drag")
def dragged(ask: Ask) -> Any:
    """The numbers of the same circuit at other inputs; and how far the gradient foresaw them."""
    text, unfold, recent = ask.text("formula"), ask.flag("unfold"), recent_of(ask)
    formula = recent.parse(text)
    values = values_of(ask, ask.mapping("inputs", MOST_INPUTS), formula.names)
    circuit = recent.circuit(text, values, unfold)
    answer = {
        "figures": page.written(
            figures(circuit, recent.drawn(circuit, unfold, ask.opened()), ask.language)
        ),
        **_numbers(circuit, values),
    }
    start = ask.mapping("start", MOST_INPUTS)
    if start:
        before = recent.circuit(text, values_of(ask, start, formula.names), unfold)
        answer["change"] = _change(before, circuit)
    return answer


@asked("circuit.steps")
def told(ask: Ask) -> Any:
    """The sentences of a circuit at these inputs."""
    circuit, _ = _asked(ask)
    return _steps(circuit, ask.language)


@asked("circuit.nudge")
def nudged(ask: Ask) -> Any:
    """A step along the gradient: where every input goes, what was foreseen, what came."""
    circuit, _ = _asked(ask)
    taken = along_gradient(circuit, ask.number("step", -10, 10))
    moved = {
        circuit.nodes[index].name: circuit.nodes[index].value + move
        for index, move in taken.moves.items()
    }
    return {
        "inputs": moved,
        "before": taken.before,
        "after": taken.after,
        "predicted": taken.predicted,
        "true": taken.true,
    }


@asked("circuit.wires")
def factors(ask: Ask) -> Any:
    """For one gate: of each wire, upstream × local = product."""
    circuit, _ = _asked(ask)
    return factors_of(ask, circuit)


def factors_of(ask: Ask, circuit: Circuit) -> dict[str, Any]:
    """Value, gradient and wires of the node that is asked about."""
    node = circuit.find(ask.whole("node", 0, len(circuit.nodes) - 1))
    called = names(circuit)
    upstream = circuit.gradients[node.index]
    return {
        "name": called[node.index],
        "shape": list(node.shape),
        "value": numbers(node.value),
        "gradient": "–" if upstream is None else numbers(upstream),
        "picture": _picture(node.value),
        "gradient_picture": None if upstream is None else _picture(upstream),
        "formula": node.gate.formula if node.gate is not None else "",
        "wires": [
            {
                "name": called[wire.source],
                "local": "–" if wire.local is None else numbers(wire.local),
                "product": "–" if wire.product is None else numbers(wire.product),
            }
            for wire in (wires(circuit, node.index) if node.gate is not None else ())
        ],
    }


@asked("circuit.why", slow=True)
def reasons(ask: Ask) -> Any:
    """Where the gradient of a value came from: paths, factors, and what cancelled."""
    circuit, _ = _asked(ask)
    return reason(ask, circuit)


def reason(ask: Ask, circuit: Circuit) -> str:
    """The words of `why` for the node that is asked about."""
    node = ask.whole("node", 0, len(circuit.nodes) - 1)
    return why(circuit, node, effort=100, language=ask.language).in_words(ask.language)


@asked("circuit.jacobian", slow=True)
def jacobians(ask: Ask) -> Any:
    """The Jacobian of a gate, or, without a node, of the whole formula by each of its inputs."""
    circuit, _ = _asked(ask)
    return jacobian_of(ask, circuit)


@asked("circuit.jacobian_maps", slow=True)
def matrices(ask: Ask) -> Any:
    """The same Jacobians as matrices, those that are small enough to be formed."""
    circuit, _ = _asked(ask)
    return jacobian_maps(ask, circuit)


@asked("circuit.numeric", slow=True)
def compared(ask: Ask) -> Any:
    """Every input's gradient beside the numerical one, with the verdict and the kink, if any."""
    from backlight.check.gradient import gradcheck

    text, recent = ask.text("formula"), recent_of(ask)
    formula = recent.parse(text)
    values = values_of(ask, ask.mapping("inputs", MOST_INPUTS), formula.names)
    if not formula.names:
        raise UsageError(
            "the comparison",
            got="a formula without names",
            needs="something to differentiate by",
            remedy="Use a name, such as x.",
        )
    recent.circuit(text, values, False)  # refuses what takes too long
    report = gradcheck(
        formula, tuple(values[name] for name in formula.names), samples=20, cotangent="ones"
    )
    return {
        "ok": report.ok,
        "rows": [
            [
                row.place,
                exact(row.analytic),
                exact(row.numeric),
                exact(float(f"{row.error:.1g}")).replace("-", "−"),
                ask.say(f"circuit.verdict.{row.verdict.name.lower()}"),
                row.kink,
            ]
            for row in report.rows[:200]
        ],
    }


def drawing(
    circuit: Circuit,
    language: str,
    opened: Collection[str] | None = None,
    walked: Sequence[Step] = (),
) -> dict[str, Any]:
    """A circuit as the page draws it: the picture, its boxes, and the numbers at them."""
    made = page.drawing(circuit, open=opened, language=language, walked=walked)
    # The page has the style as a file: its policy allows none inside.
    return made | {"svg": made["svg"].replace(_STYLE, "")}


def _steps(circuit: Circuit, language: str) -> list[dict[str, Any]]:
    return [
        {
            "back": one.direction == "backward",
            "node": one.node,
            "said": one.sentence,
            "lit": one.lit,
        }
        for one in steps(circuit, language)
    ]


def _numbers(circuit: Circuit, values: dict[str, Array]) -> dict[str, Any]:
    """The output and the gradient of every input."""
    output = circuit.nodes[circuit.output].value
    found: dict[str, Any] = {}
    for node in circuit.leaves:
        if node.name in values and node.wants_gradient:
            gradient = circuit.gradients[node.index]
            found[node.name] = None if gradient is None else gradient
    return {
        "output": numbers(output),
        "gradients": {
            name: None if found.get(name) is None else numbers(found[name]) for name in values
        },
        "slopes": {
            name: gradient
            for name, gradient in found.items()
            if gradient is not None and 1 <= gradient.ndim <= 2 and gradient.size <= MOST_SLOPES
        },
    }


def _change(before: Circuit, after: Circuit) -> dict[str, float]:
    """What the gradient at the start of a drag said would happen, and what did."""
    old = {node.name: node for node in before.leaves if node.name}
    predicted = 0.0
    for node in after.leaves:
        start = old.get(node.name)
        gradient = None if start is None else before.gradients[start.index]
        if start is not None and gradient is not None and start.shape == node.shape:
            predicted += float(np.sum(gradient * (node.value - start.value)))
    values = [float(np.sum(one.nodes[one.output].value)) for one in (before, after)]
    return {"predicted": predicted, "true": values[1] - values[0]}


def _asked(ask: Ask) -> tuple[Circuit, dict[str, Array]]:
    text, recent = ask.text("formula"), recent_of(ask)
    values = values_of(ask, ask.mapping("inputs", MOST_INPUTS), recent.parse(text).names)
    return recent.circuit(text, values, ask.flag("unfold")), values


def values_of(ask: Ask, given: dict[str, Any], known: tuple[str, ...]) -> dict[str, Array]:
    """The values of the formula's names; the page may keep others for later."""
    return {name: ask.array(name, given[name]) for name in known if name in given}


def recent_of(ask: Ask) -> Recent:
    """The formulas and circuits that were asked for last."""
    found: Recent = ask.studio.held.setdefault("formulas", Recent())
    return found


def _picture(value: Array) -> dict[str, Any] | None:
    if not 1 <= value.ndim <= 2 or value.dtype.kind != "f" or value.size > MOST_NUMBERS:
        return None
    rows, columns = (1, value.size) if value.ndim == 1 else value.shape
    return {"rows": rows, "columns": columns, "numbers": value.ravel()}

"""The Check screen: analytic gradients beside numerical ones, worst first; planted faults."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from backlight import models, philox
from backlight.check.gradient import gradcheck
from backlight.check.layer import layers, small_layer
from backlight.check.report import Report, Row
from backlight.data.digits import load_digits
from backlight.engine.mode import no_grad
from backlight.engine.random import default as generator
from backlight.engine.tensor import Tensor
from backlight.expression import Expression
from backlight.studio.circuits import recent_of, values_of
from backlight.studio.desk import Ask, asked
from backlight.studio.examples import EXAMPLES
from backlight.studio.fault import FAULTS, faulty
from backlight.studio.formulas import MOST_INPUTS

Array = np.ndarray[Any, Any]
SAMPLES = 12
SEED = 0
"""Of the check: the curve of one number weights the results as the check did."""
EXAMPLES_OF_DIGITS = 4
MODELS = ("softmax", "svm", "mlp", "convnet")
STEPS = tuple(10.0**-power for power in np.arange(0.5, 15.01, 0.5))
_MOST_ROWS = 200
_MISTAKES = (
    (r"the sign$", "sign"),
    (r"transposed$", "transposed"),
    (r"twice too large", "double"),
    (r"half of it", "half"),
    (r"no gradient arrives", "absent"),
    (r"a mask is missing", "open"),
    (r"a mask that lets too little", "shut"),
    (r"not a finite number", "infinite"),
    (r"(\d+) times too large", "summed"),
    (r"(\d+) times too small", "averaged"),
    (r"a factor of (.+)$", "factor"),
)
"""How the likely mistakes begin, and under which names they are said."""


@asked("check.choices")
def choices(ask: Ask) -> Any:
    """What can be checked, and which faults can be planted."""
    return {
        "formulas": [
            {"name": ask.say(f"studio.example.{key}"), "formula": formula, "inputs": inputs}
            for key, formula, inputs in EXAMPLES
        ],
        "models": [one for one in MODELS if one in models.names()],
        "layers": list(layers()),
        "faults": list(FAULTS),
    }


@asked("check.formula", slow=True)
def formula(ask: Ask) -> Any:
    """Check a formula, with a fault if one is asked for."""
    expression, values = _formula(ask)
    fault = ask.one_of("fault", ("", *FAULTS), "")
    function: Any = expression
    if fault:
        function = faulty(expression, ask.one_of("at", expression.names), fault)
    inputs = tuple(values[name] for name in expression.names)
    report = gradcheck(function, inputs, samples=SAMPLES, seed=SEED)
    found = _table(ask, report, list(expression.names))
    at = values[ask.text("at")] if fault else None
    results = int(expression.evaluate(values).numpy().size)
    return found | {"planted": at is None or _changes(fault, at), "results": results}


def _changes(fault: str, value: Array) -> bool:
    """Whether a fault makes any difference to a gradient of this shape."""
    if fault == "transposed":
        return value.ndim == 2 and value.shape[0] == value.shape[1] > 1
    return fault != "mean" or value.size > 1


@asked("check.model", slow=True)
def model(ask: Ask) -> Any:
    """Check a model on a few digits, after a few steps of descent."""
    name = ask.one_of("model", MODELS)
    generator.manual_seed(ask.whole("seed", 0, 2**31, 0))
    digits = load_digits().train
    images = np.asarray(digits.inputs[:EXAMPLES_OF_DIGITS], np.float64) / 16 - 0.3
    labels = np.asarray(digits.labels[:EXAMPLES_OF_DIGITS])
    built = models.build(name, images.shape[1:], 10, (16,) if name in ("mlp", "convnet") else ())
    built.module.double()
    report = gradcheck(built.module, (images, labels), loss=built.loss, samples=SAMPLES)
    return _table(ask, report)


@asked("check.layer", slow=True)
def layer(ask: Ask) -> Any:
    """Check a layer at small sizes."""
    made, inputs = small_layer(ask.one_of("layer", list(layers())), 0)
    return _table(ask, gradcheck(made, inputs, samples=SAMPLES))


@asked("check.step")
def step(ask: Ask) -> Any:
    """For one number of a formula: how the numerical error depends on the step h."""
    expression, values = _formula(ask)
    name = ask.one_of("name", expression.names)
    place = ask.given.get("index") or []
    value = values[name]
    if not isinstance(place, list) or len(place) != value.ndim:
        raise ask.refuse("index", place, f"{value.ndim} whole numbers")
    for one, size in zip(place, value.shape, strict=True):
        if isinstance(one, bool) or not isinstance(one, int) or not 0 <= one < size:
            raise ask.refuse("index", f"{one!s:.20}", f"whole numbers below {size}")
    analytic = ask.number("analytic", -1e300, 1e300)
    lines = {}
    for dtype in ("float64", "float32"):
        lines[dtype] = [
            _error(expression, values, name, tuple(place), h, dtype, analytic) for h in STEPS
        ]
    return {"h": STEPS, "lines": lines}


def _error(
    expression: Expression,
    values: dict[str, Array],
    name: str,
    place: tuple[int, ...],
    h: float,
    dtype: str,
    analytic: float,
) -> float | None:
    """Relative error of the centred difference with this step."""

    def at(sign: float) -> float:
        given = {key: np.array(value, dtype) for key, value in values.items()}
        given[name][place] += sign * h
        moved = {key: Tensor.share(value) for key, value in given.items()}
        with no_grad():
            found = expression.evaluate(moved).numpy()
        return float(np.sum(found * _weights(found), dtype=dtype))

    slope = (at(1.0) - at(-1.0)) / (2 * h)
    size = max(abs(slope), abs(analytic))
    return abs(slope - analytic) / size if size else None


def _weights(output: Array) -> Array:
    """What the check weights several results by, so that no two mistakes cancel; else 1."""
    if output.size == 1:
        return np.ones(output.shape, output.dtype)
    return philox.normal(SEED, 900, output.shape, np.float64).astype(output.dtype)


def _formula(ask: Ask) -> tuple[Expression, dict[str, Array]]:
    """The formula and its inputs, within the limits of the Circuit screen."""
    text, recent = ask.text("formula"), recent_of(ask)
    expression = recent.parse(text)
    values = values_of(ask, ask.mapping("inputs", MOST_INPUTS), expression.names)
    recent.circuit(text, values, False)
    if not expression.names:
        raise ask.refuse("formula", "a formula without names", "something to differentiate by")
    return expression, values


def _table(ask: Ask, report: Report, names: list[str] | None = None) -> dict[str, Any]:
    called = {f"input {place}": name for place, name in enumerate(names or [])}
    rows = [
        {
            "place": _place(ask, row, called.get(row.name, row.name)),
            "name": called.get(row.name, row.name),
            "index": None if row.index is None else list(row.index),
            "analytic": row.analytic,
            "numeric": row.numeric,
            "noise": row.noise,
            "error": row.error,
            "verdict": ask.say(f"circuit.verdict.{row.verdict.name.lower()}"),
            "failed": row.verdict.failed,
            "kink": row.kink,
            "mistake": _mistake(ask, row.mistake),
        }
        for row in report.rows[:_MOST_ROWS]
    ]
    return {"ok": report.ok, "summary": _summary(ask, report), "rows": rows}


def _place(ask: Ask, row: Row, name: str) -> str:
    if row.index is None:
        return ask.say("studio.check.direction", name=name)
    return replace(row, name=name).place


def _mistake(ask: Ask, told: str) -> str:
    """The likely mistake in the page's language; one that is not known by name, as it is told."""
    for beginning, key in _MISTAKES:
        found = re.match(beginning, told)
        if found is not None:
            size = found.group(1) if found.groups() else ""
            return ask.say(f"studio.check.mistake.{key}", size=size)
    return told


def _summary(ask: Ask, report: Report) -> str:
    """How many numbers were checked, and what came out."""
    counts = Counter(row.verdict for row in report.rows)
    told = [
        f"{ask.say(f'circuit.verdict.{verdict.name.lower()}')} {count}"
        for verdict, count in counts.items()
    ]
    checked = sum(row.order == 1 and row.index is not None for row in report.rows)
    return ask.say(
        "studio.check.summary",
        checked=f"{checked:,}",
        all=f"{sum(report.sizes.values()) or checked:,}",
        evaluations=f"{report.evaluations:,}",
        verdicts=", ".join(told),
    )

"""The Check screen: analytic gradients beside numerical ones, worst first; planted faults."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from backlight import models
from backlight.check.gradient import gradcheck
from backlight.check.layer import layers, small_layer
from backlight.check.report import Report
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
EXAMPLES_OF_DIGITS = 4
MODELS = ("softmax", "svm", "mlp", "convnet")
STEPS = tuple(10.0**-power for power in np.arange(0.5, 15.01, 0.5))
_MOST_ROWS = 200


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
    report = gradcheck(function, inputs, samples=SAMPLES)
    return _table(report, list(expression.names))


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
    return _table(report)


@asked("check.layer", slow=True)
def layer(ask: Ask) -> Any:
    """Check a layer at small sizes."""
    made, inputs = small_layer(ask.one_of("layer", list(layers())), 0)
    return _table(gradcheck(made, inputs, samples=SAMPLES))


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
            return float(np.sum(expression.evaluate(moved).numpy(), dtype=dtype))

    slope = (at(1.0) - at(-1.0)) / (2 * h)
    size = max(abs(slope), abs(analytic))
    return abs(slope - analytic) / size if size else None


def _formula(ask: Ask) -> tuple[Expression, dict[str, Array]]:
    """The formula and its inputs, within the limits of the Circuit screen."""
    text, recent = ask.text("formula"), recent_of(ask)
    expression = recent.parse(text)
    values = values_of(ask, ask.mapping("inputs", MOST_INPUTS), expression.names)
    recent.circuit(text, values, False)
    if not expression.names:
        raise ask.refuse("formula", "a formula without names", "something to differentiate by")
    return expression, values


def _table(report: Report, names: list[str] | None = None) -> dict[str, Any]:
    called = {f"input {place}": name for place, name in enumerate(names or [])}
    rows = [
        {
            "place": replace(row, name=called.get(row.name, row.name)).place,
            "name": called.get(row.name, row.name),
            "index": None if row.index is None else list(row.index),
            "analytic": row.analytic,
            "numeric": row.numeric,
            "noise": row.noise,
            "error": row.error,
            "verdict": row.verdict.value,
            "failed": row.verdict.failed,
            "kink": row.kink,
            "mistake": row.mistake,
        }
        for row in report.rows[:_MOST_ROWS]
    ]
    return {"ok": report.ok, "summary": report.summary(), "rows": rows}

"""The Compiler screen: a model as a program, stage by stage, and where its time goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import backlight
from backlight import models, optim, philox
from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.native.inspecting.report import profile
from backlight.native.machine_code.peak import Peaks, measure
from backlight.native.pipeline import STAGES
from backlight.native.tracing.pytree import flatten
from backlight.studio.desk import Ask, asked

MODELS = ("softmax", "mlp", "convnet")
SHAPES = {"digits": (1, 8, 8), "images": (3, 32, 32)}
MOST_TEXT = 150_000
MEASURED = 5


@dataclass
class Lowered:
    """A compiled function with what it was called with."""

    key: tuple[Any, ...]
    function: Any
    arguments: tuple[Any, ...]
    stages: Any


@asked("compiler.choices")
def choices(_ask: Ask) -> Any:
    """Models, sizes and stages."""
    return {"models": MODELS, "shapes": list(SHAPES), "stages": list(STAGES)}


@asked("compiler.stage", slow=True)
def stage(ask: Ask) -> Any:
    """A stage of the program as text, and another one to be looked at beside it."""
    name = ask.one_of("stage", list(STAGES), "calls")
    beside = ask.one_of("beside", [*STAGES, ""], "")
    stages = _lowered(ask).stages
    found = _shown(stages, name)
    if beside:
        found["beside"] = _shown(stages, beside)
        found["gates"] = _titles(stages["graph"])
    return found


def _shown(stages: Any, name: str) -> dict[str, Any]:
    """The text of a stage, and for each of its pieces how many lines and of which gates."""
    text = stages[name].rstrip()
    shown = text[:MOST_TEXT]
    left, pieces = shown.count("\n") + 1, []
    for count, gates in stages.pieces(name):
        if left > 0:
            pieces.append([min(count, left), sorted(gates)])
            left -= count
    return {
        "stage": name,
        "text": shown,
        "length": len(text),
        "lines": text.count("\n") + 1,
        "pieces": pieces,
    }


def _titles(graph: str) -> list[str]:
    """What each gate of the graph is called, by its number."""
    lines = [line for line in graph.split("\n") if line.startswith("%")]
    return [line.split(" = ", 1)[1].split("(")[0].split(" :")[0][:60] for line in lines]


@asked("compiler.profile", slow=True)
def profiled(ask: Ask) -> Any:
    """Time, GFLOP/s and GB/s of each call, and what the machine can do at most."""
    lowered = _lowered(ask)
    lowered.function(*lowered.arguments)
    leaves, _ = flatten((lowered.arguments, {}))
    peaks = measure()
    program = lowered.function.program
    # Other programs may have had the processor meanwhile: of each call its quietest time counts.
    runs = [profile(program, leaves, peaks) for _ in range(MEASURED)]
    found = runs[0]
    lines = [
        min(times, key=lambda one: one.milliseconds)
        for times in zip(*(one.lines for one in runs), strict=True)
    ]
    return {
        "milliseconds": sum(line.milliseconds for line in lines),
        "memory": found.memory,
        "kernels": found.kernels,
        "threads": found.threads,
        "on_host": found.on_host,
        "lines": [
            {
                "label": line.label,
                "ms": line.milliseconds,
                "gflops": line.gflops,
                "gbs": line.gbs,
                "share": line.share,
            }
            for line in sorted(lines, key=lambda one: -one.milliseconds)[:60]
        ],
        "calls": len(lines),
        "peak": _roof(peaks, found.threads),
    }


def _roof(peaks: Peaks, threads: int) -> dict[str, float]:
    return {"gflops": peaks.fma(threads), "gbs": peaks.memory(threads)}


def _lowered(ask: Ask) -> Lowered:
    model = ask.one_of("model", MODELS, "mlp")
    size = ask.one_of("size", list(SHAPES), "digits")
    inference, batch = ask.flag("inference"), ask.whole("batch", 1, 128, 32)
    key = (model, size, inference, batch)
    kept = ask.studio.held.get("lowered")
    if isinstance(kept, Lowered) and kept.key == key:
        return kept
    function, arguments = _step(model, SHAPES[size], batch, inference)
    compiled: Any = backlight.compile(function)
    made = Lowered(key, compiled, arguments, compiled.lower(*arguments))
    ask.studio.held["lowered"] = made
    return made


def _step(model: str, shape: tuple[int, ...], batch: int, inference: bool) -> Any:
    """The training step of a model, or its prediction, with inputs of the right sizes."""
    built = models.build(model, shape, 10)
    module = built.module
    x = Tensor.share(philox.normal(0, 1, (batch, *shape), np.float32))
    y = Tensor.share(np.arange(batch) % 10)
    if inference:
        module.eval()

        def predict(x: Any) -> Any:
            with no_grad():
                return module(x)

        return predict, (x,)
    rule = optim.SGD(module.named_parameters(), lr=0.01, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        loss = built.loss(module(x), y)
        rule.zero_grad()
        loss.backward()
        rule.step()
        rule.zero_grad()
        return loss

    return step, (x, y)

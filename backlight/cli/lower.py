"""`backlight lower MODEL`: what the compiler makes of a model, stage by stage."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from backlight.errors import UsageError, nearest
from backlight.train.settings import widths


def lower(
    model: str = "mlp",
    /,
    *,
    stage: Annotated[str, Parameter(help="graph, loops, …, assembly; all lists them")] = "calls",
    inference: Annotated[bool, Parameter(negative=())] = False,
    profile: Annotated[bool, Parameter(negative=())] = False,
    shape: Annotated[str, Parameter(help="shape of one input, such as 3x32x32")] = "3x32x32",
    classes: Annotated[str, Parameter(help="number of classes")] = "10",
    hidden: Annotated[str | None, Parameter(help="widths of hidden layers")] = None,
    batch: Annotated[str, Parameter(help="examples a batch")] = "64",
    threads: Annotated[str | None, Parameter(help="threads it runs on")] = None,
    target: Annotated[str | None, Parameter(help="avx512, avx2, sse: make code for these")] = None,
) -> int:
    """Show what the compiler makes of a model's training step.

    Parameters
    ----------
    model
        Name of a model (softmax, svm, mlp, convnet), or path/to/file.py:function, where the
        function answers with (function to compile, its arguments).
    stage
        Which form to print.
    inference
        The prediction instead of the training step.
    profile
        Run it, and print for each call its time, GFLOP/s, GB/s and share of the measured peak.
    """
    import backlight
    from backlight.native.pipeline import STAGES
    from backlight.native.tracing.pytree import flatten

    if stage not in (*STAGES, "all"):
        raise UsageError(
            "--stage", got=repr(stage), needs="a stage", remedy=nearest(stage, [*STAGES, "all"])
        )
    number = None if threads is None else _whole("--threads", threads)
    function, arguments = _found(model, inference, shape, classes, hidden, batch)
    compiled: Any = backlight.compile(function, threads=number, target=target)
    if profile:
        from backlight.native.inspecting.report import profile as measured
        from backlight.native.machine_code.peak import measure

        compiled(*arguments)
        leaves, _ = flatten((arguments, {}))
        sys.stdout.write(measured(compiled.program, leaves, measure()).table() + "\n")
        return 0
    stages = compiled.lower(*arguments)
    for name in STAGES if stage == "all" else (stage,):
        if stage == "all":
            sys.stdout.write(f"── {name} {'─' * max(0, 96 - len(name))}\n")
        sys.stdout.write(stages[name].rstrip() + "\n")
    return 0


def _found(
    model: str, inference: bool, shape: str, classes: str, hidden: str | None, batch: str
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function to compile and what it is called with."""
    from backlight.cli import user_file

    if user_file.is_file(model):
        answer = user_file.imported(model)
        if callable(answer):
            with user_file.mistakes(model):
                answer = answer()
        if not isinstance(answer, tuple) or len(answer) != 2 or not callable(answer[0]):
            raise UsageError(
                model,
                got=f"a {type(answer).__name__}",
                needs="(function to compile, its arguments)",
                remedy="Let the function return such a pair.",
            )
        return answer[0], tuple(answer[1])
    size = tuple(_whole("--shape", part) for part in shape.lower().replace("×", "x").split("x"))
    layers = () if hidden is None else widths()("hidden", hidden)
    return _step(
        model, size, _whole("--classes", classes), layers, _whole("--batch", batch), inference
    )


def _step(
    model: str,
    size: tuple[int, ...],
    classes: int,
    layers: tuple[int, ...],
    batch: int,
    inference: bool,
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    from backlight import models, no_grad, optim, philox, tensor
    from backlight.train.memory import check_memory

    check_memory(model, size, classes, layers, batch)
    built = models.build(model, size, classes, layers)
    module = built.module
    x = tensor(philox.normal(0, 1, (batch, *size), np.float32), name="x")
    if inference:
        module.eval()

        def predict(x: Any) -> Any:
            with no_grad():
                return module(x)

        return predict, (x,)
    y = tensor(np.arange(batch) % classes, name="y")
    rule = optim.SGD(module.named_parameters(), lr=0.01, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        loss = built.loss(module(x), y)
        rule.zero_grad()
        loss.backward()
        rule.step()
        rule.zero_grad()
        return loss

    return step, (x, y)


def _whole(option: str, text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise UsageError(
            option, got=repr(text), needs="whole numbers ≥ 1", remedy="Write sizes such as 3x32x32."
        )
    return int(text)

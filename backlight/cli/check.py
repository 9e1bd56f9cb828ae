"""`backlight check`: numerical against analytic gradients, for anything that has one.

Exit code 1 says that a gradient is wrong, 0 that none is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from backlight.cli import check_shown, mistakes, user_file
from backlight.errors import ArgumentError, CompileCheckError, UsageError, nearest
from backlight.words import speaking

if TYPE_CHECKING:
    from backlight.check.curve import StepCurve
    from backlight.check.report import Report
    from backlight.gates.gate import Gate

EXAMPLES = 3
SAMPLES = 10


def check(
    *what: Annotated[str, Parameter(allow_leading_hyphen=True)],
    all_gates: Annotated[bool, Parameter(negative=())] = False,
    samples: str | None = None,
    order: str = "1",
    seed: str = "0",
    examples: str = str(EXAMPLES),
    burn_in: str = "0",
    every: Annotated[bool, Parameter(negative=())] = False,
    sum: Annotated[bool, Parameter(negative=())] = False,
    compiled: Annotated[bool, Parameter(negative=())] = False,
    by_hand: Annotated[bool, Parameter(negative=())] = False,
    curve: Annotated[bool, Parameter(negative=())] = False,
    lang: Annotated[str | None, Parameter(help="en or ko")] = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Compare gradients with numerical ones, and show a table, worst first.

    backlight check "sigmoid(a*x + b)" a=2 x=-1 b=0.5   an expression and its inputs;
    backlight check conv2d                              a gate, with all its promises;
    backlight check --all-gates                         the whole table, to second order;
    backlight check nn.Linear                           a layer, small, on random numbers;
    backlight check mlp                                 a model with its loss, on digits;
    backlight check path/to/file.py:function x=[1,2]    a function or model of your own;
    backlight check mlp --compiled                      the same, after compiling it;
    backlight check mine.py:loss --by-hand              a gradient that you worked out.

    Parameters
    ----------
    what
        An expression, gate, model or file.py:name, then inputs as name=value. Without inputs, a
        function in a file is called and answers with (function, inputs) or (model, inputs, loss).
    all_gates
        Check every gate of the table.
    samples
        Numbers to check in each parameter; all of them for expressions, else 10.
    order
        1, or 2 for the gradient of the gradient as well.
    seed
        Chooses the sample, the cotangent and a model's weights.
    examples
        Examples a model is checked on; few keep clear of kinks.
    burn_in
        Steps of gradient descent a model makes before it is checked.
    every
        Check every number.
    sum
        Sum several results, instead of weighting them at random.
    compiled
        Compile function and backward pass, in float64, and check what was compiled.
    by_hand
        The function in the file answers with (value, gradients), in NumPy; those are checked.
    curve
        Show one number's differences for many steps h, in float64 and float32.
    lang
        Language of the words.
    json
        Write JSON for machines.
    """
    mistakes.refuse_options(check, what)
    if compiled and all_gates:
        raise UsageError(
            "backlight check",
            got="--all-gates and --compiled",
            needs="one",
            remedy="Name one gate: backlight check conv2d --compiled.",
        )
    if all_gates:
        if what:
            raise UsageError(
                "backlight check",
                got=f"--all-gates and {what[0]!r}",
                needs="one",
                remedy="Leave one of them out.",
            )
        with speaking(lang):
            return _all_gates(json)
    if not what:
        raise UsageError(
            "backlight check",
            got="nothing to check",
            needs="an expression, a gate, a model or file.py:name",
            remedy='Write for example: backlight check "x*y" x=2 y=3, or --all-gates.',
        )
    options = {
        "order": _whole("--order", order, 1, 2),
        "seed": _whole("--seed", seed, 0),
        "samples": None if samples is None else _whole("--samples", samples, 1),
        "cotangent": "ones" if sum else "random",
        "compiled": compiled,
    }
    _refuse_pairs(what, by_hand=by_hand, curve=curve, compiled=compiled, order=order)
    with speaking(lang):
        try:
            asked = _Asked(options, by_hand, curve)
            report = _report(what, asked, every, examples, burn_in, json)
        except CompileCheckError as problem:  # an answer, not a misuse
            sys.stderr.write(f"{problem}\n")
            return 1
        if isinstance(report, int):
            return report
        return check_shown.shown(report, json, summed=sum, curve=asked.found)


@dataclass
class _Asked:
    """How a gradient is to be checked, and the curve over the steps that was found with it."""

    options: dict[str, Any]
    by_hand: bool = False
    curve: bool = False
    found: StepCurve | None = None

    def check(self, function: Any, inputs: Any, loss: Any = None, **other: Any) -> Report:
        """The report on a function, with the curve if one is asked for."""
        from backlight.check.by_hand import check_by_hand
        from backlight.check.curve import curve_of
        from backlight.check.gradient import gradcheck

        options = {**self.options, **other}
        if self.by_hand:
            return check_by_hand(function, inputs, samples=options["samples"], seed=options["seed"])
        report = gradcheck(function, inputs, loss=loss, **options)
        if self.curve:
            ones = options["cotangent"] == "ones"
            self.found = curve_of(report, function, inputs, loss, options["seed"], ones)
        return report


def _report(
    what: Sequence[str],
    asked: _Asked,
    every: bool,
    examples: str,
    burn_in: str,
    json: bool,
) -> Report | int:
    """The report on what is named; of a gate's promises, the exit code."""
    target, *settings = what
    options = asked.options
    if user_file.is_file(target):
        found = user_file.imported(target)
        if user_file.is_gate(found) and not settings:
            return _compiled_gate(found, options) if options["compiled"] else _gate(found, json)
        asked.options = {**options, "samples": None if every else options["samples"] or SAMPLES}
        return user_file.checked(target, found, settings, asked.check)
    if asked.by_hand:
        raise UsageError(
            f"backlight check {target} --by-hand",
            got="no function in a file",
            needs="path/to/file.py:function that answers with (value, gradients)",
            remedy="Write for example: backlight check mine.py:loss --by-hand W=random(4,3).",
        )
    if not settings and _is_gate(target):
        if options["compiled"]:
            from backlight.gates import find

            return _compiled_gate(find(target), options)
        return _gate(target, json)
    if not settings and _is_layer(target):
        return _layer(target, asked)
    if not settings and target in _models():
        return _model(
            target,
            asked,
            every,
            _whole("--examples", examples, 1),
            _whole("--burn-in", burn_in, 0),
        )
    return _expression(target, settings, asked)


def _refuse_pairs(
    what: Sequence[str], *, by_hand: bool, curve: bool, compiled: bool, order: str
) -> None:
    """Options that ask for two things at once."""
    chosen = {"--curve": curve, "--compiled": compiled, "--order 2": order == "2"}
    for option in [name for name, asked in chosen.items() if asked]:
        if by_hand or (option == "--compiled" and curve):
            other = "--by-hand" if by_hand else "--curve"
            raise UsageError(
                f"backlight check {what[0]}",
                got=f"{other} and {option}",
                needs="one of them",
                remedy=f"Leave {option} out.",
            )


# ── what can be checked ────────────────────────────────────────────────────────────────────────


def _expression(text: str, settings: Sequence[str], asked: _Asked) -> Report:
    from backlight.expression import Expression, read_values

    if text.removeprefix("nn.").isidentifier() and not settings:
        from backlight.check.layer import layers
        from backlight.gates import TABLE

        raise UsageError(
            "backlight check",
            got=repr(text),
            needs="a gate, a layer, a model or an expression",
            remedy=nearest(text.removeprefix("nn."), [*_models(), *TABLE, *layers()]).partition(
                " Known:"
            )[0],
        )
    expression = Expression.parse(text)
    values = read_values(settings)
    expression.evaluate(values)  # says which input is missing or not used
    if not expression.names:
        raise UsageError(
            "backlight check",
            got="an expression without names",
            needs="something to differentiate by",
            remedy="Use a name, and give x=3.",
        )
    return asked.check(expression, tuple(values[name] for name in expression.names))


def _gate(name: str | Gate, json: bool) -> int:
    from backlight.check.every_gate import check_gate
    from backlight.gates import find

    gate = find(name) if isinstance(name, str) else name
    return check_shown.findings([(gate.name, check_gate(gate))], json)


def _compiled_gate(gate: Gate, options: dict[str, Any]) -> Report:
    """A gate compiled: each of its samples that has something to differentiate by."""
    from backlight.check.gradient import gradcheck
    from backlight.check.report import Report

    rows, evaluations = [], 0
    for place, sample in enumerate(gate.samples()):
        floating = [
            x
            for x in sample.inputs
            if getattr(x, "dtype", None) is not None and x.dtype.kind == "f"
        ]
        if gate.result in ("bool", "index") or not any(x.size for x in floating):
            continue
        attributes = sample.attributes
        found = gradcheck(
            lambda *given, attributes=attributes: gate(*given, **attributes),
            tuple(sample.inputs),
            **{**options, "samples": options["samples"] or SAMPLES},
        )
        rows += [replace(row, name=f"sample {place}, {row.name}") for row in found.rows]
        evaluations += found.evaluations
    if not rows:
        raise UsageError(
            "backlight check",
            got=f"gate {gate.name} and --compiled",
            needs="a gate with a gradient",
            remedy="Leave --compiled out.",
        )
    ranked = sorted(rows, key=lambda row: not row.verdict.failed)
    return Report(ranked, evaluations, f"Gradient check of compiled {gate.name}, on its samples")


def _layer(name: str, asked: _Asked) -> Report:
    from backlight.check.layer import small_layer

    layer, inputs = small_layer(name.removeprefix("nn."), asked.options["seed"])
    return asked.check(layer, inputs)


def _all_gates(json: bool) -> int:
    from rich.progress import track

    from backlight.check.every_gate import check_gate
    from backlight.gates import gates

    every = list(gates())
    watched = every if json or not sys.stderr.isatty() else track(every, "checking", transient=True)
    return check_shown.findings([(gate.name, check_gate(gate)) for gate in watched], json)


def _model(name: str, asked: _Asked, every: bool, examples: int, burn_in: int) -> Report:
    """A named model with its loss, on the first digits."""
    import numpy as np

    from backlight import models
    from backlight.data.digits import load_digits
    from backlight.engine.random import manual_seed

    manual_seed(asked.options["seed"])
    digits = load_digits().train
    images = np.asarray(digits.inputs[:examples], np.float64) / 16 - 0.3
    labels = np.asarray(digits.labels[:examples])
    built = models.build(name, images.shape[1:], classes=10)
    built.module.double()
    for _ in range(burn_in):
        _descend(built.module, built.loss, images, labels)
    samples = None if every else asked.options["samples"] or SAMPLES
    if every:
        _announce(built.module, built.loss, images, labels)
    return asked.check(built.module, (images, labels), built.loss, samples=samples)


def _announce(module: Any, loss: Any, images: Any, labels: Any) -> None:
    """How many evaluations every number takes, and about how long, before they start."""
    import time

    from backlight.check.numerical import evaluations_needed
    from backlight.engine.tensor import as_tensor

    started = time.perf_counter()
    loss(module(as_tensor(images)), as_tensor(labels))
    count = evaluations_needed(images.size + sum(p.size for p in module.parameters()))
    sys.stderr.write(
        f"{count:,} evaluations, about {count * (time.perf_counter() - started):.0f} s\n"
    )


def _descend(module: Any, loss: Any, images: Any, labels: Any, rate: float = 0.05) -> None:
    """One step of gradient descent: freshly drawn weights can hide a mistake."""
    from backlight.engine.tensor import as_tensor

    module.zero_grad()
    loss(module(as_tensor(images)), as_tensor(labels)).backward()
    for parameter in module.parameters():
        if parameter.grad is not None:
            parameter._value = parameter._value - rate * parameter.grad._value
    module.zero_grad()


def _is_layer(target: str) -> bool:
    from backlight.check.layer import layers

    return target.removeprefix("nn.") in layers()


def _is_gate(target: str) -> bool:
    from backlight.gates import TABLE

    return target in TABLE


def _models() -> Sequence[str]:
    from backlight import models

    return list(models.names())


def _whole(option: str, text: str, least: int, most: int | None = None) -> int:
    if not text.strip().isdecimal() or int(text) < least or (most and int(text) > most):
        raise ArgumentError(
            option,
            got=repr(text),
            needs=f"a whole number from {least}" + (f" to {most}" if most else ""),
            remedy="Write digits only.",
        )
    return int(text)

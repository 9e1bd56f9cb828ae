"""`backlight explain`: a formula as a circuit, with every value and every gradient.

Exit code 1 says that an answer was wrong: a gradient that differs from the numerical one, a line of
an exercise that is not right.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from backlight.cli import mistakes
from backlight.errors import UsageError, nearest

if TYPE_CHECKING:
    from backlight.explain.circuit.circuit import Circuit

FORMATS = ("text", "svg", "png", "html", "json", "dot", "latex")
_TYPES = ("float64", "float32")
_RANDOM = "random("
_LARGEST = 1_000_000
_LONGEST_EXERCISE = 20_000
_SETTING = re.compile(r"\s*\w+\s*=(?!=)")


def explain(
    *what: Annotated[str, Parameter(allow_leading_hyphen=True)],
    step: Annotated[bool, Parameter(negative=())] = False,
    unfold: Annotated[bool | str, Parameter(negative=())] = False,
    numeric: Annotated[bool, Parameter(negative=())] = False,
    nudge: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    upstream: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    jacobian: Annotated[bool, Parameter(negative=())] = False,
    ledger: Annotated[bool, Parameter(negative=())] = False,
    exercise: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    dtype: str = "float64",
    format: str = "text",
    output: Annotated[str | None, Parameter(name=["--output", "-o"])] = None,
    lang: str | None = None,
) -> int:
    """Draw a formula as a circuit of gates, with every value and every gradient.

    backlight explain "sigmoid(a*x + b*y + c)" a=1 b=2 c=-3 x=-1 y=3
    backlight explain "(x+y)*z" x=-2 y=5 z=-4 --step       gate by gate, in words;
    backlight explain "sum((W@x)**2)" W=[[1,2],[3,4]] x=[1,-1] --jacobian
    backlight explain "relu(x)" x=random(4096) --jacobian  a size too large to write down;
    backlight explain "x*y" x=4 y=-3 --nudge x=0.001       predicted beside true change.

    Parameters
    ----------
    what
        A formula, then its inputs as name=value; random(2,3) is normal numbers of that shape.
    step
        Walk forward and backward, a sentence for each gate.
    unfold
        Open composite gates, a sigmoid into ×−1, exp, +1, 1/x: all, or those named after it.
    numeric
        Set the numerical gradient beside each analytic one.
    nudge
        Step along the gradient, 0.01 uphill or -0.01 downhill; or move inputs, as x=0.01,y=-0.2.
    upstream
        The gradient at the output, 1 if not given.
    jacobian
        Show the matrix of all partial derivatives, or its structure if it is large; on an html
        page its cells can be picked.
    ledger
        Show what each gate keeps for the backward pass, in bytes.
    exercise
        A file (or - for what is typed) with lines such as dq = z; each is checked.
    dtype
        float64 or float32: the type that is computed in.
    format
        text, svg, png, html, json, dot or latex.
    output
        The file to write to.
    lang
        en or ko.
    """
    from backlight.words import speaking

    what, unfold = _formula_first(what, unfold)
    mistakes.refuse_options(explain, what)
    if not what:
        raise UsageError(
            "backlight explain",
            got="nothing to explain",
            needs="a formula and its inputs",
            remedy='Write for example: backlight explain "x*y" x=2 y=3.',
        )
    _known_format(format, output, exercise)
    _one_of("--dtype", dtype, _TYPES)
    with speaking(lang):
        drawn, values = _circuit(what, upstream, dtype)
        if unfold:
            drawn = _unfolded(drawn, unfold)
        if exercise is not None:
            return _exercise(what[0], values, exercise)
        if format != "text":
            return _written(drawn, format, output, jacobian)
        asked = {
            "step": step,
            "numeric": numeric,
            "jacobian": jacobian,
            "ledger": ledger,
        }
        told, code = _told(drawn, asked, nudge, output is None)
        _out(told + "\n", output)
        return code


def _told(
    drawn: Circuit, asked: dict[str, bool], nudge: str | None, shown: bool
) -> tuple[str, int]:
    """The account, what was asked for below it, and the exit code."""
    from backlight.explain.circuit.account import account, walked

    terminal = shown and sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else None
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    parts = [account(drawn, width, colour=terminal and not plain)]
    code = 0
    if asked["step"]:
        parts.append(walked(drawn))
    if asked["numeric"]:
        from backlight.explain.circuit.numeric import numeric_told

        told, well = numeric_told(drawn)
        parts.append(told)
        code = 0 if well else 1
    if nudge is not None:
        parts.append(_nudged(drawn, nudge))
    if asked["jacobian"]:
        from backlight.explain.jacobian_told import jacobian_told

        parts.append(jacobian_told(drawn))
    if asked["ledger"]:
        from backlight.explain.circuit.ledger import ledger_told

        parts.append(ledger_told(drawn))
    return "\n\n".join(parts), code


# ── what is given ──────────────────────────────────────────────────────────────────────────────


def _circuit(
    what: Sequence[str], upstream: str | None, dtype: str
) -> tuple[Circuit, dict[str, Any]]:
    """The circuit of the formula, and its inputs."""
    from backlight.explain.circuit.record import circuit
    from backlight.expression import Expression, read_value

    expression = Expression.parse(what[0])
    values = {name: value.astype(dtype) for name, value in _values(what[1:]).items()}
    expression.evaluate(values)  # says which input is missing or not used
    if not expression.names:
        raise UsageError(
            "backlight explain",
            got="a formula without names",
            needs="something to differentiate by",
            remedy="Use a name, and give x=3.",
        )
    seed = None if upstream is None else read_value("upstream", upstream)
    return circuit(expression, upstream=seed, **values), values


def _values(settings: Sequence[str]) -> dict[str, Any]:
    """Inputs from name=value; random(2, 3) for normal numbers of a shape."""
    from backlight.expression import read_values

    drawn = {}
    plain = []
    for number, setting in enumerate(settings):
        name, _, text = setting.partition("=")
        if text.strip().startswith(_RANDOM):
            drawn[name.strip()] = _random(name.strip(), text.strip(), number)
        else:
            plain.append(setting)
    known = read_values(plain)
    twice = sorted(set(drawn) & set(known))
    if twice or len(drawn) + len(known) < len(settings):
        raise UsageError(
            f"input {twice[0] if twice else next(iter(drawn))}",
            got="two values",
            needs="one",
            remedy="Remove one of them.",
        )
    return known | drawn


def _random(name: str, text: str, stream: int) -> Any:
    """Normal numbers of the shape written in random(…), the same every time."""
    import numpy as np

    from backlight import philox

    sizes = [size.strip() for size in text[len(_RANDOM) :].removesuffix(")").split(",")]
    good = text.endswith(")") and all(size.isascii() and size.isdigit() for size in sizes)
    shape = tuple(int(size) for size in sizes if len(size) < 10) if good else ()
    count = 1
    for size in shape:
        count *= size
    if not good or len(shape) != len(sizes) or not 0 < count <= _LARGEST:
        raise UsageError(
            f"input {name}",
            got=text[:60],
            needs=f"random(2,3) with sizes of at most {_LARGEST:,} numbers in all",
            remedy=f"Write for example {name}=random(4096).",
        )
    return philox.normal(0, 1000 + stream, shape, np.float64)


# ── what is asked ──────────────────────────────────────────────────────────────────────────────


def _formula_first(what: tuple[str, ...], unfold: bool | str) -> tuple[tuple[str, ...], bool | str]:
    """`--unfold FORMULA x=1` and `--unfold x=1`, where what follows the option is no name."""
    if isinstance(unfold, str):
        if not what or _SETTING.match(what[0]):
            return (unfold, *what), True
        if _SETTING.match(unfold):
            return (*what, unfold), True
    return what, unfold


def _unfolded(drawn: Circuit, which: bool | str) -> Circuit:
    """All composite gates opened, or those with the names between commas."""
    from backlight.explain.circuit.unfold import unfolded

    if isinstance(which, bool):
        return unfolded(drawn)
    return unfolded(drawn, [name.strip() for name in _settings(which)])


def _nudged(drawn: Circuit, nudge: str) -> str:
    """A step along the gradient, or of the inputs that are named."""
    from backlight.explain.circuit.nudge import along_gradient, nudge_told, of_inputs
    from backlight.expression import read_value, read_values

    if "=" in nudge:
        return nudge_told(drawn, of_inputs(drawn, read_values(_settings(nudge))))
    step = read_value("nudge", nudge)
    if step.ndim:
        raise UsageError(
            "--nudge",
            got=nudge[:60],
            needs="a number, or moves such as x=0.01,y=-0.2",
            remedy="Write --nudge 0.01.",
        )
    return nudge_told(drawn, along_gradient(drawn, float(step)))


def _settings(text: str) -> list[str]:
    """Settings between commas that stand outside of brackets."""
    found, depth = [""], 0
    for letter in text:
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return found


def _exercise(formula: str, values: dict[str, Any], where: str) -> int:
    """Mark the lines of a file, or of what is typed."""
    from backlight.explain.exercise import marked, marked_told, read_lines

    if where == "-":
        text = sys.stdin.read(_LONGEST_EXERCISE + 1)
    else:
        try:
            with Path(where).open(encoding="utf-8") as file:
                text = file.read(_LONGEST_EXERCISE + 1)
        except (OSError, UnicodeDecodeError, ValueError) as problem:
            raise UsageError(
                f"the exercise {where}",
                got=f"a file that cannot be read ({type(problem).__name__})",
                needs="a text file of lines such as dq = z * df",
                remedy="Check its name, or write - to type the lines.",
            ) from None
    if len(text) > _LONGEST_EXERCISE:
        raise UsageError(
            f"the exercise {where}",
            got=f"more than {_LONGEST_EXERCISE:,} characters",
            needs="fewer",
            remedy="Split it.",
        )
    result = marked(formula, values, read_lines(text))
    sys.stdout.write(marked_told(result) + "\n")
    return 0 if result.wrong is None else 1


# ── what comes out ─────────────────────────────────────────────────────────────────────────────


def _written(drawn: Circuit, format: str, output: str | None, jacobian: bool) -> int:
    """The circuit in another format; a page may show Jacobians."""
    more = {"jacobian": True} if jacobian and format == "html" else {}
    _out(drawn.render({"latex": "tex"}.get(format, format), **more), output)
    return 0


def _out(made: str | bytes, output: str | None) -> None:
    """To the file, or to standard output."""
    if output is None:
        if isinstance(made, bytes):
            sys.stdout.buffer.write(made)
        else:
            sys.stdout.write(made)
        return
    try:
        if isinstance(made, bytes):
            Path(output).write_bytes(made)
        else:
            Path(output).write_text(made, encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise UsageError(
            f"--output {output}",
            got=f"a place that cannot be written ({type(problem).__name__})",
            needs="a file in a folder that exists",
            remedy="Choose another name.",
        ) from None


def _known_format(format: str, output: str | None, exercise: str | None) -> None:
    _one_of("--format", format, FORMATS)
    if format == "png" and output is None:
        raise UsageError(
            "--format png",
            got="no file",
            needs="a file to write to",
            remedy="Add -o circuit.png.",
        )
    if exercise is not None and (format != "text" or output is not None):
        raise UsageError(
            "--exercise",
            got="a format or an output file",
            needs="neither: its answer is text",
            remedy="Leave --format and --output out.",
        )


def _one_of(option: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise UsageError(
            option,
            got=repr(given[:60]),
            needs=f"one of {', '.join(known)}",
            remedy=nearest(given, known),
        )

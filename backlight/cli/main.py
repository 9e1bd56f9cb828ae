"""The `backlight` program: finds the command, and turns every error into one paragraph.

Exit codes: 0 well; 1 the answer is "wrong" (a gradient that fails its check); 2 misuse, bad input
or a run that had to stop; 130 interrupted after saving; 141 a closed pipe.
"""

from __future__ import annotations

import codecs
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, CycloptsError

import backlight
from backlight.cli.mistakes import cut, explained
from backlight.errors import BacklightError, UsageError

COMMANDS = {
    "train": (
        "backlight.cli.train:train",
        "Train a classifier and write a run folder.\n\nWith no argument it learns the "
        "1,797 handwritten digits that come with scikit-learn.",
    ),
    "evaluate": (
        "backlight.cli.evaluate:evaluate",
        "Evaluate the best checkpoint of a run on one of its splits.",
    ),
    "compare": (
        "backlight.cli.compare:compare",
        "Walk the road from guessing to convolutions on one data set, and write a page.",
    ),
    "sweep": (
        "backlight.cli.sweep:sweep",
        "Search settings by many trainings, and test the winner once.",
    ),
    "check": (
        "backlight.cli.check:check",
        "Compare gradients with numerical ones, and show a table, worst first.",
    ),
    "why": (
        "backlight.cli.why:why",
        "Where a gradient came from: paths, factors, what removed it, which examples push.",
    ),
    "doctor": (
        "backlight.cli.doctor:doctor",
        "Say what is wrong with a training, and what to do: a model, a run, or a script.",
    ),
    "explain": (
        "backlight.cli.explain:explain",
        "Draw a formula as a circuit of gates, with every value and every gradient.",
    ),
    "verify": (
        "backlight.cli.verify:verify",
        "Prove that a run comes to the same bits: any threads, eager or compiled, killed or not.",
    ),
    "summary": (
        "backlight.cli.summary:summary",
        "Show each layer of a model: shape, parameters, memory, multiply-adds.",
    ),
    "layer": (
        "backlight.cli.layer:layer",
        "Tell a layer of PyTorch, Torch7, Caffe or the course: sizes, cost, four vocabularies.",
    ),
    "lower": (
        "backlight.cli.lower:lower",
        "Show what the compiler makes of a model, stage by stage, and how fast it runs.",
    ),
    "show": (
        "backlight.cli.show:show",
        "Draw what a network learned.\n\nweights, layers, unit, features: what it looks for. "
        "saliency, occlusion: where it looks. class-image, dream: what it would like to see. "
        "adversary: what fools it. boundary, embedding, probes, taxonomy, family: how it tells "
        "classes apart. activations, collapse: of no run.",
    ),
    "play": (
        "backlight.cli.play:play",
        "Write a page to play with: a convolution window by window, a network line by line, "
        "entropies by dragged bars.",
    ),
    "study": (
        "backlight.cli.study:study",
        "Answer a question by experiment on your data: neighbours, distances, robustness, losses, "
        "steps, batches.",
    ),
    "landscape": (
        "backlight.cli.landscape:landscape",
        "Draw the loss along directions through the weights of a run.",
    ),
    "report": ("backlight.cli.report:report", "Write report.html of a run anew."),
    "reference": (
        "backlight.cli.reference:reference",
        "Show what a gate computes, its gradient, role, domain and kinks.",
    ),
    "bench": (
        "backlight.cli.bench:bench",
        "Time Backlight beside other frameworks, on work that is first seen to be the same.",
    ),
    "studio": (
        "backlight.cli.studio:studio",
        "Open a local page to play with circuits, training, runs and pictures.",
    ),
    "env": ("backlight.cli.env:env", "Show versions, processor, memory and folders."),
}
"""What each command runs and is for; its file is imported only when it is called."""

MISUSE = 2
INTERNAL = 70
CLOSED_PIPE = 141
PLAIN = {
    "─": "-",
    "━": "-",
    "×": "x",
    "·": ".",
    "±": "+-",
    "✓": "ok",
    "✗": "x",
    "…": "...",
    "≥": ">=",
    "≤": "<=",
    "→": "->",
    "–": "-",
    "“": '"',
    "”": '"',
    "λ": "lambda",
    "‖": "|",
    "½": "1/2",
    "²": "^2",
    "−": "-",
    "∂": "d",
}
"""Plain spellings, for terminals whose encoding is narrower than ours."""


def application() -> App:
    """The command-line application."""
    app = App(
        name="backlight",
        version=backlight.__version__,
        version_flags=["--version"],
        help="A deep-learning framework that shows its work.",
        suppress_keyboard_interrupt=False,
        help_epilogue="Add --debug to any command for the whole traceback of an error.",
    )
    for name, (target, purpose) in COMMANDS.items():
        app.command(target, name=name, help=purpose)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [one for one in given if one != "--debug"]
    warnings.showwarning = _show_warning
    _write_anything()
    try:
        code = run(given, debug=debug)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone: nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = CLOSED_PIPE
    except SystemExit:  # how rich says the same
        code = CLOSED_PIPE
    sys.exit(code)


def run(arguments: Sequence[str], *, debug: bool = False) -> int:
    """Run one command; returns its exit code. Errors are told on standard error."""
    try:
        _refuse_rubbish(arguments)
        result = application()(
            list(arguments), exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as problem:
        _tell(str(explained(problem, COMMANDS)))
        return MISUSE
    except BacklightError as problem:
        if debug:
            raise
        _tell(str(problem))
        return MISUSE
    except KeyboardInterrupt:
        _tell("interrupted")
        return 130
    except MemoryError:
        if debug:
            raise
        _tell("There is not enough memory for this.\n  Use a smaller model, batch or data set.")
        return MISUSE
    except BrokenPipeError:
        raise
    except Exception as problem:
        if debug:
            raise
        _tell(
            f"internal error: {type(problem).__name__}: {problem}\n"
            "  This is a mistake of Backlight's; --debug shows where."
        )
        return INTERNAL
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def _refuse_rubbish(arguments: Sequence[str]) -> None:
    """Options that answer at once would let what stands behind them pass unread."""
    if len(arguments) > 1 and arguments[0] == "--version":
        raise UsageError(
            "backlight --version",
            got=cut(arguments[1]),
            needs="nothing after it",
            remedy="Leave it out",
        )


def _write_anything() -> None:
    """Let no stream fail: one that is closed writes to nowhere, a poor encoding substitutes."""
    codecs.register_error("backlight.plain", _plain)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the shell's >&-
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, nowhere)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backlight.plain")


def _plain(problem: UnicodeError) -> tuple[str, int]:
    """What stands for characters that the terminal's encoding lacks."""
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    bad = problem.object[problem.start : problem.end]
    return "".join(PLAIN.get(c, f"\\u{ord(c):04x}") for c in bad), problem.end


def _tell(message: str) -> None:
    text = "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in message)
    sys.stderr.write(text + "\n")


def _show_warning(message: object, *_: object, **__: object) -> None:
    _tell(f"warning: {message}")

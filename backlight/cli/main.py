"""The `backlight` program: finds the command, and turns every error into one paragraph.

Exit codes: 0 well; 1 the answer is "wrong" (a gradient that fails its check); 2 misuse, bad input
or a run that had to stop; 130 interrupted after saving; 141 a closed pipe.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from cyclopts import App, CycloptsError

import backlight
from backlight.errors import BacklightError

COMMANDS = {
    "train": "backlight.cli.train:train",
    "evaluate": "backlight.cli.evaluate:evaluate",
    "check": "backlight.cli.check:check",
    "summary": "backlight.cli.summary:summary",
    "report": "backlight.cli.report:report",
    "reference": "backlight.cli.reference:reference",
    "env": "backlight.cli.env:env",
}
"""What each command runs; its file is imported only when it is called."""

MISUSE = 2
INTERNAL = 70


def application() -> App:
    """The command-line application."""
    app = App(
        name="backlight", version=backlight.__version__, version_flags=["--version"],
        help="A deep-learning framework that shows its work.",
        help_epilogue="Add --debug to any command for the whole traceback of an error.",
    )
    for name, target in COMMANDS.items():
        app.command(target, name=name)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [one for one in given if one != "--debug"]
    warnings.showwarning = _show_warning
    try:
        code = run(given, debug=debug)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone: nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)


def run(arguments: Sequence[str], *, debug: bool = False) -> int:
    """Run one command; returns its exit code. Errors are told on standard error."""
    try:
        result = application()(
            list(arguments), exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as problem:
        _tell(str(problem))
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
        _tell("There is not enough memory for this. Use a smaller model, batch or data set.")
        return MISUSE
    except BrokenPipeError:
        raise
    except Exception as problem:
        if debug:
            raise
        _tell(f"internal error: {type(problem).__name__}: {problem}\n"
              "  This is a mistake of Backlight's; --debug shows where.")
        return INTERNAL
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def _tell(message: str) -> None:
    text = "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in message)
    stream = sys.stderr
    stream.write(text.encode(stream.encoding or "utf-8", "backslashreplace")
                 .decode(stream.encoding or "utf-8") + "\n")


def _show_warning(message: object, *_: object, **__: object) -> None:
    _tell(f"warning: {message}")

"""`backlight studio`: a local page to play with circuits, training, runs and pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from cyclopts import Parameter

from backlight.errors import MissingExtraError, UsageError

_PORTS = 65_535


def studio(
    target: str | None = None,
    /,
    *,
    port: Annotated[str, Parameter(help="where to listen; 0 for any free port")] = "8642",
    browser: Annotated[bool, Parameter(help="open the page in the browser")] = True,
    runs: Annotated[str, Parameter(help="the folder of run folders", metavar="DIR")] = "runs",
) -> int:
    """Serve a local page for circuits, training, runs, pictures and checks, until Ctrl-C.

    It listens on this machine alone, and works without a network.

    Parameters
    ----------
    target
        What to open: the name of a screen, a run folder, or a formula such as "x*y".
    """
    try:
        import starlette
        import uvicorn
        import websockets
    except ImportError as problem:
        raise MissingExtraError(
            "backlight studio",
            got=f"no {problem.name}",
            needs="the packages starlette, uvicorn and websockets",
            remedy="Run: pip install 'backlight[studio]'",
        ) from None
    del starlette, uvicorn, websockets
    from backlight.studio.screens import NAMES
    from backlight.studio.serve import serve

    if not port.strip().isdecimal() or int(port) > _PORTS:
        raise UsageError(
            "--port",
            got=repr(port[:40]),
            needs=f"a whole number from 0 to {_PORTS:,}",
            remedy="Leave it out, or use 0 for any free port.",
        )
    folder, opened = _target(target, Path(runs), NAMES)
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"--runs {str(folder)[:200]}",
            got="a file",
            needs="the folder that holds run folders",
            remedy="Give the folder above them.",
        )
    serve(folder.absolute(), port=int(port), target=opened, browser=browser, tell=_tell)
    return 0


def _target(target: str | None, runs: Path, screens: tuple[str, ...]) -> tuple[Path, str]:
    """The folder of runs, and the address within the page that is opened first."""
    if target is None or target in screens:
        return runs, target or screens[0]
    given = Path(target)
    try:
        is_run = (given / "config.toml").is_file()
    except (OSError, ValueError):
        is_run = False
    if is_run:
        place = given.absolute()
        return place.parent, f"runs?runs={quote(place.name)}"
    from backlight.expression import Expression

    Expression.parse(target)  # says what is wrong, with a caret under the place
    return runs, f"circuit?f={quote(target)}"


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

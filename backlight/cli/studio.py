"""`backlight studio`: a local page to play with circuits, training, runs and pictures."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from cyclopts import Parameter

from backlight.errors import MissingExtraError, UsageError, nearest

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
    for place in (Path(target), runs / target):
        if _is_run(place):
            return place.absolute().parent, f"runs?runs={quote(place.absolute().name)}"
    _no_mistake(target, screens)
    from backlight.expression import Expression

    Expression.parse(target)  # says what is wrong, with a caret under the place
    return runs, f"circuit?f={quote(target)}"


def _is_run(place: Path) -> bool:
    try:
        return (place / "config.toml").is_file()
    except (OSError, ValueError):
        return False


def _no_mistake(target: str, screens: tuple[str, ...]) -> None:
    """Refuse what could be a formula, and is a path or nearly a screen's name."""
    parent = Path(target).parent
    if parent != Path() and parent.is_dir():
        raise UsageError(
            f"the run {target[:200]}",
            got="no folder with a config.toml",
            needs="a run folder, as `backlight train` writes them",
            remedy=f"{parent} is a folder; where a quotient is meant, put spaces around its /.",
        )
    if target.isidentifier() and difflib.get_close_matches(target, screens, n=1, cutoff=0.75):
        raise UsageError(
            "backlight studio",
            got=repr(target),
            needs="a screen, a run folder or a formula",
            remedy=nearest(target, screens),
        )


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

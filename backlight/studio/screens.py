"""The screens, each with what its page may ask for, and the reports of runs."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from backlight.errors import CheckpointError
from backlight.studio import (
    checks,
    circuits,
    compiled,
    follow,
    landscapes,
    looking,
    net_circuits,
    race,
    run_files,
    runs,
    toy_doctor,
    toy_edits,
    toys,
    what_if,
)
from backlight.studio.studio import Studio

NAMES = (
    "circuit",
    "train",
    "runs",
    "landscape",
    "look",
    "optimisers",
    "check",
    "compiler",
    "net",
)
"""The screens, in the order of the bar."""
WITH_PLOTLY = frozenset({"landscape"})
ASKED = (
    checks,
    circuits,
    compiled,
    follow,
    landscapes,
    looking,
    net_circuits,
    race,
    runs,
    toy_doctor,
    toy_edits,
    toys,
    what_if,
)
"""Modules that register what pages may ask for."""

SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:"
)
"""A report may be a stranger's: it is shown as a page of nowhere, which can reach nothing."""


async def report(request: Request) -> Response:
    """The report.html of a run."""
    studio: Studio = request.app.state.studio
    try:
        run = run_files.find(studio.runs, request.path_params["name"])
        content = run_files.read(run, "report.html")
    except CheckpointError:
        content = b""
    if not content:
        raise HTTPException(404)
    return Response(content, media_type="text/html", headers={"content-security-policy": SANDBOX})

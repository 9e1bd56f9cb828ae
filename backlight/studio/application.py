"""The addresses of the studio: the page, its scripts, the words, the live channel."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute

import backlight
from backlight.explain.circuit.style import style as drawing_style
from backlight.studio import screens
from backlight.studio.admission import Admission
from backlight.studio.guard import REASONS, WITH_STYLES, Guard
from backlight.studio.live import live
from backlight.studio.studio import Studio
from backlight.words import LANGUAGES, catalogue

TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".svg": "image/svg+xml",
}
PARTS = ("studio", "circuit")
"""Parts of the catalogue that the page itself speaks."""


def application(studio: Studio, admission: Admission, port: int) -> Guard:
    """The guarded application."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        studio.begin()
        try:
            yield
        finally:
            studio.end()

    async def page(request: Request) -> Response:
        if "key" in request.query_params:
            # Out of the address bar, the history and every referrer.
            answer: Response = RedirectResponse(f"/{studio.target}", 303)
            answer.headers["set-cookie"] = admission.set_cookie()
            return answer
        screen = request.path_params.get("screen", "")
        if screen == "":
            return RedirectResponse(f"/{studio.target}", 303)
        if screen not in screens.NAMES:
            raise HTTPException(404)
        found = Response(_web("index.html"), media_type="text/html")
        if screen in screens.WITH_PLOTLY:
            found.headers["content-security-policy"] = WITH_STYLES
        return found

    routes = [
        Route("/words/{code}.json", words),
        Route("/web/{name}", script),
        Route("/plotly.js", plotly),
        Route("/report/{name}", screens.report),
        WebSocketRoute("/live", live),
        Route("/", page),
        Route("/{screen}", page),
    ]
    app = Starlette(
        routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _plain_refusal}
    )
    app.router.redirect_slashes = False
    app.state.studio = studio
    return Guard(app, admission, port)


async def words(request: Request) -> Response:
    """Every sentence that the page speaks, by its meaning."""
    code = request.path_params["code"]
    if code not in LANGUAGES:
        raise HTTPException(404)
    found = {
        f"{part}.{entry}": sentence
        for part in PARTS
        for spoken in ("en", code)
        for entry, sentence in catalogue(spoken, part).items()
    }
    return JSONResponse(
        {"language": code, "languages": LANGUAGES, "version": backlight.__version__, "words": found}
    )


async def script(request: Request) -> Response:
    """A file of the page, from the package."""
    name = request.path_params["name"]
    suffix = name[name.rfind(".") :] if "." in name else ""
    if suffix not in TYPES or name.startswith("."):
        raise HTTPException(404)
    return Response(_web(name), media_type=TYPES[suffix])


async def plotly(_request: Request) -> Response:
    """The plotting library's script, out of its installed package."""
    try:
        found = resources.files("plotly").joinpath("package_data", "plotly.min.js")
    except ModuleNotFoundError:
        raise HTTPException(404) from None
    return Response(found.read_bytes(), media_type="text/javascript")


def _web(name: str) -> bytes:
    known = {
        one.name: one
        for package in ("backlight.studio", "backlight.explain.circuit")
        for one in resources.files(package).joinpath("web").iterdir()
        if one.is_file()
    }
    if name not in known:
        raise HTTPException(404)
    content = known[name].read_bytes()
    return drawing_style().encode() + content if name == "circuit.css" else content


async def _plain_refusal(_request: Request, problem: Any) -> Response:
    status = problem.status_code
    return PlainTextResponse(REASONS.get(status, REASONS[400]), status)

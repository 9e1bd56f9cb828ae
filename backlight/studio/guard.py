"""Who may speak to the studio: its own page, with the cookie of this server, and nobody else.

Any page open in the browser can send requests to a server on this machine. So the name it was
called by (Host) and the page that calls (Origin) must be in a fixed list: comparing them with each
other does not help where the attacker's name points to this machine. Requests with bodies are
refused unread, since the page sends none: everything it says goes through one WebSocket.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from backlight.studio.admission import Admission

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

METHODS = ("GET", "HEAD")
LONGEST_URL = 4_096
MOST_HEADERS = 100

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src {style}; img-src 'self' data: blob:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
STRICT = _POLICY.format(style="'self'")
WITH_STYLES = _POLICY.format(style="'self' 'unsafe-inline'")
"""For the one document that holds a plotting library, which writes styles into the page."""

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (b"x-frame-options", b"DENY"),
)
"""On every answer, errors too."""


class Guard:
    """An ASGI application around another, which sees only what passed.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    admission : Admission
        Who has a cookie.
    port : int
        Where the server listens; part of its name.
    names : tuple of str
        What the server may be called.
    """

    def __init__(
        self,
        app: App,
        admission: Admission,
        port: int,
        names: tuple[str, ...] = ("127.0.0.1", "localhost"),
    ) -> None:
        self.app = app
        self.admission = admission
        self.hosts = frozenset(f"{name}:{port}".encode() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with the headers that every answer has."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        status = self._refused(scope)
        if status:
            await refuse(scope, send, status)
            return
        began = False

        async def headed(message: Message) -> None:
            nonlocal began
            if message["type"].endswith("response.start"):
                began = True
                message["headers"] = _headed(message.get("headers", ()))
            await send(message)

        try:
            await self.app(scope, receive, headed)
        except Exception as problem:
            # The page is told that it failed, and nothing of where; the terminal is told what.
            sys.stderr.write(f"studio: {type(problem).__name__}: {str(problem)[:150]}\n")
            if scope["type"] == "http" and not began:
                await refuse(scope, send, 500)

    def _refused(self, scope: Scope) -> int:
        """The status to answer with, or 0 for what may pass."""
        headers = scope["headers"]
        named = [value for name, value in headers if name == b"host"]
        if len(named) != 1 or named[0] not in self.hosts:
            return 421
        if not scope["path"].startswith("/") or len(headers) > MOST_HEADERS:
            return 400
        if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_URL:
            return 414
        origins = [value for name, value in headers if name == b"origin"]
        if scope["type"] == "websocket":
            if origins != [b"http://" + named[0]]:
                return 403
        else:
            if scope["method"] not in METHODS:
                return 405
            if any(value != b"http://" + named[0] for value in origins):
                return 403
            lengths = [value for name, value in headers if name == b"content-length"]
            if any(name == b"transfer-encoding" for name, _ in headers) or lengths not in (
                [],
                [b"0"],
            ):
                return 413
        sites = [value for name, value in headers if name == b"sec-fetch-site"]
        if any(site not in (b"same-origin", b"none") for site in sites):
            return 403
        return self.admission.refused(scope)


async def refuse(scope: Scope, send: Send, status: int) -> None:
    """Answer with a status and its number in words, and close."""
    body = REASONS[status].encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    await send({"type": f"{kind}.start", "status": status, "headers": _headed(headers)})
    await send({"type": f"{kind}.body", "body": body})


REASONS = {
    400: "This is not a request that the studio understands.",
    401: "Open the address that `backlight studio` printed: it holds the key to this page.",
    403: "Another page may not speak to the studio.",
    404: "There is nothing of this name.",
    405: "The studio only answers GET.",
    413: "The studio takes no bodies.",
    414: "The address is too long.",
    421: "The studio does not go by this name.",
    429: "Too many wrong keys. Wait a minute.",
    500: "The studio failed here; its terminal says how.",
}


def _headed(headers: Any) -> list[tuple[bytes, bytes]]:
    given = [(bytes(name).lower(), bytes(value)) for name, value in headers]
    present = {name for name, _ in given}
    policy = [(b"content-security-policy", STRICT.encode())]
    return given + [pair for pair in (*HEADERS, *policy) if pair[0] not in present]

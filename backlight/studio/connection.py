"""uvicorn's connections with the deadlines and limits that it does not have itself."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from backlight.studio.guard import HEADERS, REASONS, STRICT

MOST_CONNECTIONS = 128
RECEIPT = 8.0
"""Seconds in which a request has to have arrived, and in which an answer has to be taken."""
MOST_FRAGMENTS = 1_024
PINGS_A_SECOND = 20
LARGEST_MESSAGE = 2**20


class Connection(H11Protocol):
    """A connection that is closed when the other side is too slow, or there are too many."""

    _receipt: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, and begin to wait for its first request."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._arrived()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what begins a request begins its deadline, what ends it ends that."""
        if self._receipt is None:
            self._wait()
        super().data_received(data)
        if self.conn.their_state in (h11.DONE, h11.MUST_CLOSE):
            self._arrived()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over, free of this protocol's deadline."""
        self._arrived()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Wait no longer: uvicorn's own deadline for idle connections begins."""
        self._arrived()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The other side reads slowly: begin its deadline."""
        if self._taking is None:
            self._taking = self.loop.call_later(RECEIPT, self.transport.abort)
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        """The other side has read."""
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None
        if self.flow is not None:
            self.flow.resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - one sentence for all
        """Refuse what is not HTTP, with the headers of every answer."""
        body = REASONS[400].encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        headers += [*HEADERS, (b"content-security-policy", STRICT.encode())]
        answer = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        try:
            parts = [
                self.conn.send(one) for one in (answer, h11.Data(data=body), h11.EndOfMessage())
            ]
        except h11.LocalProtocolError:  # an answer is already on its way
            parts = []
        self.transport.write(b"".join(part for part in parts if part))
        self.transport.close()

    def _wait(self) -> None:
        self._receipt = self.loop.call_later(RECEIPT, self.transport.abort)

    def _arrived(self) -> None:
        if self._receipt is not None:
            self._receipt.cancel()
            self._receipt = None


class Socket(WebSocketsSansIOProtocol):
    """A WebSocket whose other side can neither flood with pings nor send endless fragments."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._second, self._pings = 0, 0

    def handle_ping(self) -> None:
        """Answer, unless there are too many."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._pings = second, 0
        self._pings += 1
        if self._pings > PINGS_A_SECOND:
            self.transport.abort()
            return
        super().handle_ping()

    def handle_cont(self, event: Frame) -> None:
        """Collect, unless there are too many."""
        if len(self.frames) > MOST_FRAGMENTS:
            self.transport.abort()
            return
        super().handle_cont(event)

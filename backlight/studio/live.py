"""The live channel of a tab: calls with answers, and frames of what it watches.

Of everything that can be overtaken only the newest is kept: a drag that waits is replaced by the
one after it, and a slow reader gets the newest frame of each topic rather than a queue of old ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
import time
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from backlight.errors import BacklightError, UsageError
from backlight.studio.desk import DESK, Ask, Entry, language_of
from backlight.studio.studio import Studio
from backlight.train.strict_json import dumps, loads

MOST_TABS = 8
MOST_CALLS = 16
MESSAGES_A_SECOND = 400
MOST_UNREAD = 16 * 2**20
"""Bytes of answers that wait for a page to read them."""
SLOWEST = 10.0
"""Seconds in which a frame has to be taken."""
_TRY_AGAIN, _RULE, _UNFIT = 1013, 1008, 1003


class Tab:
    """One open page.

    Parameters
    ----------
    socket : WebSocket
        Accepted already.
    studio : Studio
        What all tabs share.
    """

    def __init__(self, socket: WebSocket, studio: Studio) -> None:
        self.socket = socket
        self.studio = studio
        self.topics: set[str] = set()
        self._replies: list[str | bytes] = []
        self._unread, self._full = 0, False
        self._frames: dict[str, Any] = {}
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._stops: dict[int, threading.Event] = {}
        self._waiting: dict[str, tuple[int, Entry, Ask]] = {}
        self._running: set[str] = set()
        self._wake = asyncio.Event()
        self._budget, self._refilled = float(MESSAGES_A_SECOND), time.monotonic()

    async def serve(self) -> None:
        """Until the page goes."""
        sender = asyncio.create_task(self._send())
        try:
            while True:
                message = await self.socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                if self._full or not self._within_budget():
                    await self._close(_RULE)
                    return
                text = message.get("text")
                if text is None:
                    await self._close(_UNFIT)
                    return
                self._read(text)
        except WebSocketDisconnect:
            return
        finally:
            sender.cancel()
            for stop in list(self._stops.values()):
                stop.set()
            for task in list(self._calls.values()):
                task.cancel()

    def show(self, topic: str, data: Any) -> None:
        """Send the newest frame of a topic, if it is watched."""
        if topic in self.topics:
            self._frames[topic] = data
            self._wake.set()

    # ── what comes in ──────────────────────────────────────────────────────────────────────

    def _read(self, text: str) -> None:
        try:
            message = loads(text, "the page's message")
        except BacklightError as problem:
            self._reply({"kind": "refused", "error": told(problem)})
            return
        if not isinstance(message, dict):
            return
        kind, seq = message.get("kind"), message.get("seq")
        if kind == "watch":
            topics = message.get("topics")
            chosen = topics[:20] if isinstance(topics, list) else []
            self.topics = {str(one)[:200] for one in chosen}
            self.studio.watched(self)
        elif isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq < 2**53:
            return
        elif kind == "cancel":
            if seq in self._stops:
                self._stops[seq].set()
                # Not before it has begun: it could not say then that it was cancelled.
                asyncio.get_running_loop().call_soon(self._calls[seq].cancel)
        elif kind == "call":
            self._call(seq, message)

    def _call(self, seq: int, message: dict[str, Any]) -> None:
        try:
            entry = DESK.find(message.get("name"))
            given = message.get("params", {})
            if not isinstance(given, dict):
                given = {}
            if len(self._calls) >= MOST_CALLS or seq in self._calls:
                raise UsageError(
                    "the studio",
                    got=f"{len(self._calls)} questions at once",
                    needs=f"at most {MOST_CALLS}",
                    remedy="Wait for an answer.",
                )
        except BacklightError as problem:
            self._reply({"kind": "reply", "seq": seq, "error": told(problem)})
            return
        ask = Ask(self.studio, entry.name, given, language_of(message.get("language")))
        ask.progress = self._progress(seq)
        if message.get("latest") is True and entry.name in self._running:
            replaced = self._waiting.get(entry.name)
            if replaced is not None:
                self._reply({"kind": "reply", "seq": replaced[0], "stale": True})
            self._waiting[entry.name] = (seq, entry, ask)
            return
        self._start(seq, entry, ask)

    def _start(self, seq: int, entry: Entry, ask: Ask) -> None:
        self._running.add(entry.name)
        stop = self._stops[seq] = threading.Event()
        ask.stopped = stop.is_set
        self._calls[seq] = asyncio.create_task(self._answer(seq, entry, ask))

    async def _answer(self, seq: int, entry: Entry, ask: Ask) -> None:
        worker = self.studio.slow if entry.slow else self.studio.quick

        def task() -> str | bytes:
            ask.check()  # it may have waited until nobody wanted it any more
            return replied(seq, entry.function(ask))

        try:
            self._push_reply(await worker.do(task))
        except BacklightError as problem:
            self._reply({"kind": "reply", "seq": seq, "error": told(problem)})
        except asyncio.CancelledError:
            self._reply({"kind": "reply", "seq": seq, "stale": True})
        except MemoryError:
            self._reply({"kind": "reply", "seq": seq, "error": {"message": "memory"}})
        except Exception as problem:
            self.studio.failed(entry.name, problem)
            self._reply({"kind": "reply", "seq": seq, "error": {"message": "", "internal": True}})
        finally:
            self._calls.pop(seq, None)
            self._stops.pop(seq, None)
            self._running.discard(entry.name)
            following = self._waiting.pop(entry.name, None)
            if following is not None:
                self._start(*following)

    def _progress(self, seq: int) -> Any:
        loop = asyncio.get_running_loop()

        def tell(share: float, shown: Any = None) -> None:
            frame = {"kind": "progress", "seq": seq, "share": share, "shown": shown}
            loop.call_soon_threadsafe(self._frame, f"progress {seq}", frame)

        return tell

    def _within_budget(self) -> bool:
        now = time.monotonic()
        refill = (now - self._refilled) * MESSAGES_A_SECOND
        self._budget, self._refilled = min(MESSAGES_A_SECOND, self._budget + refill) - 1, now
        return self._budget >= 0

    # ── what goes out ──────────────────────────────────────────────────────────────────────

    def _frame(self, topic: str, data: Any) -> None:
        self._frames[topic] = data
        self._wake.set()

    def _reply(self, message: dict[str, Any]) -> None:
        self._push_reply(encoded(message))

    def _push_reply(self, what: str | bytes) -> None:
        self._unread += len(what)
        self._full = self._full or self._unread > MOST_UNREAD + len(what)
        if not self._full:
            self._replies.append(what)
        self._wake.set()

    async def _send(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            while True:
                await self._wake.wait()
                self._wake.clear()
                replies, self._replies = self._replies, []
                for text in replies:
                    await self._push(text)
                    self._unread -= len(text)
                if self._full:  # answers are missing: a page that is opened anew asks again
                    await self._close(_RULE)
                    return
                frames, self._frames = self._frames, {}
                for topic, data in frames.items():
                    await self._push(framed(topic, data))

    async def _push(self, what: str | bytes) -> None:
        sending = (
            self.socket.send_text(what) if isinstance(what, str) else self.socket.send_bytes(what)
        )
        try:
            await asyncio.wait_for(sending, SLOWEST)
        except TimeoutError:
            await self._close(_RULE)

    async def _close(self, code: int) -> None:
        if self.socket.application_state is WebSocketState.CONNECTED:
            with contextlib.suppress(RuntimeError, OSError):
                await asyncio.wait_for(self.socket.close(code), 1)


async def live(socket: WebSocket) -> None:
    """The endpoint: at most eight tabs at once."""
    studio: Studio = socket.app.state.studio
    await socket.accept()
    if len(studio.tabs) >= MOST_TABS:
        await socket.close(_TRY_AGAIN, f"{MOST_TABS}")
        return
    tab = Tab(socket, studio)
    studio.tabs.add(tab)
    try:
        await tab.serve()
    finally:
        studio.tabs.discard(tab)


def told(problem: BacklightError) -> dict[str, str]:
    """An error as the page shows it."""
    return {
        "message": str(problem)[:4_000],
        "subject": problem.subject[:500],
        "got": problem.got[:2_000],
        "needs": problem.needs[:1_000],
        "remedy": problem.remedy[:1_000],
    }


def encoded(value: Any) -> str:
    """JSON in which arrays are lists, and NaN and the infinities the texts that say so."""
    return dumps(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if value - value == 0 else ("NaN" if value != value else _infinite(value))
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _infinite(value: float) -> str:
    return "∞" if value > 0 else "−∞"


def replied(seq: int, result: Any) -> str | bytes:
    """The answer to a call; with an array "floats" in it, as a packed one."""
    if isinstance(result, dict) and isinstance(result.get("floats"), np.ndarray):
        return _packed({"kind": "reply", "seq": seq}, result)
    return encoded({"kind": "reply", "seq": seq, "result": result})


def framed(topic: str, data: Any) -> str | bytes:
    """A frame of a topic; with an array "floats" in it, as a packed one."""
    if isinstance(data, dict) and isinstance(data.get("floats"), np.ndarray):
        return _packed({"kind": "frame", "topic": topic}, data)
    return encoded(data if _is_message(data) else {"kind": "frame", "topic": topic, "data": data})


def _packed(head: dict[str, Any], data: dict[str, Any]) -> bytes:
    """A length, JSON, and the Float32 numbers."""
    floats = np.ascontiguousarray(data["floats"], "<f4")
    rest = {name: value for name, value in data.items() if name != "floats"}
    text = encoded({**head, "shape": list(floats.shape), "data": rest}).encode()
    text += b" " * (-len(text) % 4)  # Float32Array wants its numbers at a multiple of four
    return struct.pack("<I", len(text)) + text + floats.tobytes()


def _is_message(data: Any) -> bool:
    return isinstance(data, dict) and "kind" in data

"""Starting and ending the server: a free port on loopback, the address, the browser, Ctrl-C."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn

from backlight.errors import UsageError
from backlight.studio.admission import Admission
from backlight.studio.application import application
from backlight.studio.connection import LARGEST_MESSAGE, Connection, Socket
from backlight.studio.studio import Studio

HOST = "127.0.0.1"
PORT = 8642
TRIED = 10
QUEUE, AT_A_TIME = 128, 8
TURN = 0.0005
"""Seconds that a thread may compute while another one waits: a drag waits for several turns."""
_BUSY = (errno.EADDRINUSE, errno.EACCES)


def serve(
    runs: Path,
    *,
    port: int = PORT,
    target: str = "circuit",
    browser: bool = True,
    tell: Callable[[str], None] = lambda line: print(line, flush=True),  # noqa: T201
) -> None:
    """Serve the page until Ctrl-C.

    Parameters
    ----------
    runs : Path
        The folder of run folders; it need not be there yet.
    port : int
        Where to listen, 0 for any free port; the next ten are tried where it is taken.
    target : str
        Which screen the page opens with.
    browser : bool
        Open it in the user's browser.
    tell : callable
        Given each line for the terminal.

    Raises
    ------
    UsageError
        If no port is free.
    """
    listener = listen(port)
    taken: int = listener.getsockname()[1]
    before = sys.getswitchinterval()
    try:
        sys.setswitchinterval(TURN)
        admission = Admission(taken)
        server = made(Studio(runs, target), admission, taken)
        _end_quietly(server)
        if port not in (0, taken):
            tell(f"Port {port} is in use; the studio listens at {taken}.")
        tell(f"Backlight studio: http://{HOST}:{taken}/?key={admission.key}")
        tell("Ctrl-C ends it.")
        if browser:
            opening = f"http://{HOST}:{taken}/?key={admission.once()}"
            threading.Thread(target=_open, args=(opening, tell), daemon=True).start()
        server.run(sockets=[listener])
    finally:
        sys.setswitchinterval(before)
        listener.close()


class Server(uvicorn.Server):
    """uvicorn's server, which takes a few connections at a time from a queue of many.

    Each is counted before the next few are taken: 500 at once do not take 500 handles.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen; the queue is as long as before, whatever is taken at a time."""
        await super().startup(sockets)
        for one in sockets or ():
            one.listen(QUEUE)


def made(studio: Studio, admission: Admission, port: int) -> uvicorn.Server:
    """The server, set to be quiet and strict; run it with the listening socket."""
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    return Server(
        uvicorn.Config(
            application(studio, admission, port),
            http=Connection,
            ws=Socket,
            ws_max_size=LARGEST_MESSAGE,
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=32_768,
            timeout_graceful_shutdown=1,
            backlog=AT_A_TIME,
            server_header=False,
            date_header=False,
            access_log=False,
            log_config=None,
            proxy_headers=False,
        )
    )


def _end_quietly(server: uvicorn.Server) -> None:
    """Let Ctrl-C end the server, whenever it comes, and be nothing out of the ordinary."""

    def end(_signal: int, _frame: object) -> None:
        server.should_exit = True

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, end)


def listen(port: int) -> socket.socket:
    """A socket that listens on loopback at this port, or at one of the ten after it.

    Raises
    ------
    UsageError
        If all of them are taken.
    """
    last = port + TRIED if port else 0
    for tried in range(port, min(last, 65_535) + 1):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, tried))
            listener.listen(QUEUE)
        except OSError as problem:
            listener.close()
            if problem.errno not in _BUSY:
                raise UsageError(
                    f"--port {tried}",
                    got=f"the error “{problem.strerror}”",
                    needs="a port that can be listened at",
                    remedy="Choose another --port, or 0 for any.",
                ) from None
        else:
            return listener
    raise UsageError(
        f"--port {port}",
        got=f"ports {port} to {last} all in use",
        needs="a free port",
        remedy="Choose another --port, or 0 for any.",
    )


def _open(address: str, tell: Callable[[str], None]) -> None:
    """Open the browser; a machine without one has the address in its terminal already."""
    try:
        opened = webbrowser.open(address)
    except (webbrowser.Error, OSError):
        opened = False
    if not opened:
        tell("No browser was found: open the address above in one.")
        sys.stdout.flush()

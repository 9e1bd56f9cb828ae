"""A studio that serves on a free port, and clients that speak to it as rudely as need be."""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field

import pytest

pytest.importorskip("starlette", reason="the studio's packages are not installed")
pytest.importorskip("uvicorn", reason="the studio's packages are not installed")

from backlight.studio.admission import Admission
from backlight.studio.serve import listen, made
from backlight.studio.studio import Studio


@dataclass
class Serving:
    studio: Studio
    admission: Admission
    port: int
    server: object
    thread: threading.Thread = field(repr=False)

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    @property
    def cookie(self):
        return self.admission.set_cookie().split(";")[0]

    @property
    def address(self):
        return f"http://{self.host}/?key={self.admission.key}"

    def raw(self, text, wait=5.0):
        """Send bytes as they are; everything that comes back before the end."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            connection.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))
            found = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                while part := connection.recv(65_536):
                    found += part
                    if complete(found):
                        break
            return found

    def get(self, path, *headers, method="GET", host=None, cookie=True, body=""):
        lines = [f"{method} {path} HTTP/1.1"]
        lines += [f"Host: {self.host if host is None else host}"] if host != "" else []
        lines += [f"Cookie: {self.cookie}"] if cookie else []
        closing = [] if any("Upgrade" in one for one in headers) else ["Connection: close"]
        lines += [*headers, *closing, "", body]
        return Answer(self.raw("\r\n".join(lines)))

    def stop(self):
        self.server.should_exit = True
        self.thread.join(5)
        assert not self.thread.is_alive()


class Answer:
    def __init__(self, content):
        head, _, self.body = content.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1]) if lines[0] else 0
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value


def complete(content):
    head, _, body = content.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return False


def begin(runs, state, port=0):
    listener = listen(port)
    taken = listener.getsockname()[1]
    admission = Admission(taken, state)
    studio = Studio(runs)
    server = made(studio, admission, taken)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    for _ in range(200):
        if server.started:
            break
        time.sleep(0.02)
    return Serving(studio, admission, taken, server, thread)


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio")
    (folder / "runs").mkdir()
    found = begin(folder / "runs", folder / "state")
    yield found
    found.stop()


@pytest.fixture
def ask(tmp_path):
    """Call what a page may call, without a server."""
    from backlight.studio import screens
    from backlight.studio.desk import DESK, Ask

    assert screens.ASKED
    studio = Studio(tmp_path / "runs")

    def call(name, /, *, language="en", progress=None, **given):
        question = Ask(studio, name, given, language)
        if progress is not None:
            question.progress = progress
        return DESK.find(name).function(question)

    call.studio = studio
    yield call
    studio.end()

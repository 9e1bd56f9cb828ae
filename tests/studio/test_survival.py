"""A studio that is killed: what it started goes on, and the next studio finds it and follows it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, suppress
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the studio's packages are not installed")
psutil = pytest.importorskip("psutil")

from websockets.sync.client import connect  # noqa: E402

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")
ROOT = Path(__file__).parents[2]
STUDIO = (sys.executable, "-m", "backlight", "studio", "--no-browser", "--port", "0")


class Program:
    """`backlight studio` as a process of its own, and a tab of it."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [*STUDIO, "--runs", str(folder / "runs")],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder / "state")},
            stdout=subprocess.PIPE,
            text=True,
        )
        line = next(one for one in self.process.stdout if "http://" in one)
        address = line.split(": ", 1)[1].strip()
        cookies = CookieJar()
        urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies)).open(address)
        host = address.split("/")[2]
        found = next(iter(cookies))
        self._open = ExitStack()
        self.socket = self._open.enter_context(
            connect(
                f"ws://{host}/live",
                origin=f"http://{host}",
                additional_headers={"Cookie": f"{found.name}={found.value}"},
            )
        )
        self.seq = 0

    def ask(self, name, **params):
        self.seq += 1
        call = {"kind": "call", "seq": self.seq, "name": name, "params": params}
        self.socket.send(json.dumps(call))
        while True:
            answer = json.loads(self.socket.recv(timeout=20))
            if answer.get("seq") == self.seq:
                return answer

    def follow(self, run, until, seconds=30):
        """The first frame of a run of which something is true."""
        self.ask("train.follow")
        self.socket.send(json.dumps({"kind": "watch", "topics": [f"run {run}"]}))
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            frame = json.loads(self.socket.recv(timeout=seconds))
            if frame.get("topic") == f"run {run}" and until(frame["data"]):
                return frame["data"]
        raise AssertionError("the run was not seen so")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self.process.stdout.close()
        self._open.close()


def at_work(folder):
    """The processes that were started with this folder."""
    found = []
    for one in psutil.process_iter(["cmdline"]):
        if str(folder) in " ".join(one.info["cmdline"] or ()):
            with suppress(psutil.Error):
                found += [one] if one.status() != psutil.STATUS_ZOMBIE else []
    return found


@pytest.fixture
def studio(tmp_path):
    opened = []

    def start():
        opened.append(Program(tmp_path))
        return opened[-1]

    yield start
    for one in opened:
        if one.process.poll() is None:
            one.kill()
    for one in at_work(tmp_path):
        one.kill()


def test_a_run_outlives_a_killed_studio_and_the_next_one_follows_it(studio, tmp_path):  # W39, W40
    first = studio()
    settings = {"data": "digits", "model": "softmax", "epochs": "4000", "limit": "200"}
    run = first.ask("train.start", settings=settings)["result"]["run"]
    folder = tmp_path / "runs" / run
    seen = first.follow(run, lambda frame: frame.get("alive") and frame["epochs"]["x"])
    trainer = psutil.Process(int((folder / ".owner").read_text()))
    first.kill()
    assert trainer.is_running()

    second = studio()
    later = second.follow(
        run, lambda now: now.get("alive") and len(now["epochs"]["x"]) > len(seen["epochs"]["x"])
    )
    assert later["name"] == run
    assert second.ask("train.resume", run=run)["result"]["run"] == run
    assert [one.pid for one in at_work(folder)] == [trainer.pid], "nothing trains twice"
    second.ask("train.start", settings=settings)
    third = second.ask("train.start", settings=settings)
    assert "while 2 others" in third["error"]["message"], "the killed studio's run is counted"
    assert second.ask("train.pause", run=run)["result"]["paused"]
    second.follow(run, lambda frame: frame.get("alive") is False)
    assert list((folder / "checkpoints").iterdir()), "it can be resumed"

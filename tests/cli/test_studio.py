"""`backlight studio`: bad input, ports in use, and Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests.cli.command import ROOT, command, refused

pytest.importorskip("uvicorn", reason="the studio's packages are not installed")

from backlight.cli.studio import _target
from backlight.studio.screens import NAMES


@pytest.mark.parametrize("port", ["x", "-1", "70000", "1.5", ""])
def test_a_port_is_a_number(port):
    refused("studio", f"--port={port}", words=("--port",))


def test_a_target_is_a_screen_a_run_or_a_formula(tmp_path):
    wrong = command("studio", "x*(y")
    assert wrong.code == 2
    assert "^ here" in wrong.err
    (tmp_path / "file").write_text("x")
    refused("studio", f"--runs={tmp_path / 'file'}", words=("a file", "folder"))


@pytest.mark.parametrize("target", ["landscap", "optimizers", "compilers"])
def test_a_screen_that_is_nearly_named_is_suggested(target):
    refused("studio", target, words=("Did you mean",))


def test_a_run_that_is_not_there_is_no_quotient(tmp_path):
    refused("studio", f"{tmp_path}/nope", words=("no folder with a config.toml",))
    assert _target("runs / nope", tmp_path, NAMES) == (tmp_path, "circuit?f=runs%20/%20nope")
    assert _target("x/y", tmp_path, NAMES) == (tmp_path, "circuit?f=x/y")


def test_a_run_is_found_by_its_name_alone(tmp_path):
    (tmp_path / "svm").mkdir()
    (tmp_path / "svm" / "config.toml").write_text("")
    for target in ("svm", str(tmp_path / "svm")):
        assert _target(target, tmp_path, NAMES) == (tmp_path, "runs?runs=svm")


def test_there_is_no_way_to_listen_elsewhere():  # W45
    refused("studio", "--host=192.0.2.1", words=("--host",))


def test_the_help_says_what_it_is():
    assert "a local page" in command("studio", "--help").out


def start(tmp_path, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state")}
    return subprocess.Popen(
        [sys.executable, "-m", "backlight", "studio", *arguments],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def end(process):
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    return time.monotonic() - started, out, err


def test_it_says_its_address_once_and_ends_with_ctrl_c(tmp_path):  # W13, W44
    process = start(tmp_path, "--no-browser", "--port", "0")
    line = process.stdout.readline()
    address = line.split(": ", 1)[1].strip()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(address)  # it swaps the key, and brings no cookie to the page
    seconds, out, err = end(process)
    assert seconds < 2
    assert process.returncode == 0
    assert err == ""
    assert "key=" not in out


def test_a_port_in_use_is_said_and_the_next_one_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(tmp_path, "--no-browser", f"--port={port}")
        line = process.stdout.readline()
        _, _, err = end(process)
    assert f"Port {port} is in use" in line
    assert err == ""


def test_without_a_browser_the_address_is_enough(tmp_path):
    environment = os.environ.get("BROWSER")
    os.environ["BROWSER"] = "no-such-browser"
    try:
        process = start(tmp_path, "--port", "0")
        assert "http://127.0.0.1" in process.stdout.readline()
        time.sleep(0.5)
        _, out, err = end(process)
    finally:
        os.environ.pop("BROWSER")
        if environment is not None:
            os.environ["BROWSER"] = environment
    assert "Traceback" not in out + err

import builtins
import hashlib
import http.server
import threading

import pytest

from backlight.data import download
from backlight.errors import DataError, MissingExtraError, UsageError

CONTENT = b"what was published"


@pytest.fixture
def published(monkeypatch):
    """A server on this machine that holds two files, and counts what it was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200 if "missing" not in self.path else 404)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *arguments):
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    home = f"http://127.0.0.1:{server.server_port}/"
    digest = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setattr(
        download,
        "PUBLISHED",
        {
            "good": (home, {"a.gz": digest, "b.gz": digest}),
            "changed": (home, {"a.gz": "0" * 64}),
            "gone": (home, {"missing.gz": digest}),
        },
    )
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_files_are_fetched_once_and_checked(published, tmp_path):
    assert download.fetch("good", tmp_path / "new" / "folder") == tmp_path / "new" / "folder"
    assert (tmp_path / "new" / "folder" / "b.gz").read_bytes() == CONTENT
    download.fetch("good", tmp_path / "new" / "folder")
    assert published == ["/a.gz", "/b.gz"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("changed", "another SHA-256 than was published"), ("gone", "no answer .*404")],
)
def test_another_file_or_none_is_told_and_nothing_is_left(published, tmp_path, name, message):
    with pytest.raises(DataError, match=message) as caught:
        download.fetch(name, tmp_path)
    assert f"into {tmp_path} yourself" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_too_large_a_body_is_cut_off(published, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_LARGEST", 5)
    with pytest.raises(DataError, match="more than 5 bytes"):
        download.fetch("good", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_offline_says_which_file_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setattr(
        download,
        "PUBLISHED",
        {"mnist": ("http://127.0.0.1:9/", {"train-images-idx3-ubyte.gz": "0" * 64})},
    )
    with pytest.raises(DataError, match=r"no answer(.|\n)*put train-images-idx3-ubyte.gz into"):
        download.fetch("mnist", tmp_path)


def test_without_the_library_the_command_that_installs_it_is_told(tmp_path, monkeypatch):
    real = builtins.__import__

    def without_pooch(name, *rest):
        if name == "pooch":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_pooch)
    with pytest.raises(MissingExtraError, match=r"pip install 'backlight\[download\]'"):
        download.fetch("mnist", tmp_path)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'mnist'"):
        download.fetch("minst")


def test_the_cache_is_the_platforms_or_the_one_named(monkeypatch, tmp_path):
    monkeypatch.setenv("BACKLIGHT_DATA_DIR", str(tmp_path))
    assert download.cache_folder() == tmp_path
    monkeypatch.delenv("BACKLIGHT_DATA_DIR")
    assert "backlight" in download.cache_folder().parts

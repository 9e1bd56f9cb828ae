"""`backlight play`: writes one file, names all pages, refuses in words."""

import pytest

from tests.cli.command import command, refused


def test_a_page_is_written(tmp_path):
    out = tmp_path / "new" / "page.html"
    told = command("play", "entropy", "-o", str(out), "--lang", "ko", "--theme", "dark")
    assert told.code == 0, told.err
    assert 'lang="ko" data-theme="dark"' in out.read_text(encoding="utf-8")


def test_the_list():
    told = command("play", "list", "--lang", "ko").out
    assert len(told.splitlines()) == 5
    assert "합성곱" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("convolutions",), ("play list", "'convolution'")),
        (("entropy", "-o", "x.png"), (".html",)),
        (("entropy", "--theme", "sepia"), ("auto",)),
        (("entropy", "--lang", "fr"), ("en or ko",)),
        (("entropy", "-o", "/dev/null/x.html"), ("another folder",)),
    ],
)
def test_refused(arguments, words):
    refused("play", *arguments, words=words)

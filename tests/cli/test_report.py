import pytest

from backlight.cli.report import report
from backlight.errors import CheckpointError
from tests.train.synthetic_run import make_run


def test_it_writes_the_page_anew_and_prints_where(tmp_path, capsys):
    run = make_run(tmp_path / "run", epochs=1, ends=False)
    assert report(str(run.path)) == 0
    assert capsys.readouterr().out == f"{run.path / 'report.html'}\n"
    assert (run.path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"without config\.toml"):
        report(str(tmp_path))

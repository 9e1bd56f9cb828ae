"""The picture of a sweep has a line a trial and its axes' ends."""

from types import SimpleNamespace

import pytest

from backlight.sweep.space import read_space


@pytest.mark.parametrize("dark", [False, True])
def test_a_line_a_trial(dark):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from backlight.sweep.picture import parallel_coordinates

    space = read_space(["lr=1e-4..1e-1", "model=mlp,svm", "dropout=0..0.5"])
    trials = [
        SimpleNamespace(value=0.5 + place / 10, params={"lr": lr, "model": m, "dropout": 0.1})
        for place, (lr, m) in enumerate([(1e-3, "mlp"), (1e-1, "svm"), (1e-4, "svm")])
    ]
    figure = parallel_coordinates(space, trials, dark=dark)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 4]
    assert len(lines) == 3
    best = lines[-1]
    assert best.get_ydata()[0] == pytest.approx(0.0)  # lr = 1e-4, the lowest end
    assert best.get_ydata()[-1] == pytest.approx(1.0)
    words = {text.get_text() for text in figure.axes[0].texts}
    assert {"lr", "model", "svm", "70.0%", "0.001"} <= words

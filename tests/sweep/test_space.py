"""The language of ranges and lists."""

import pytest

from backlight.errors import UsageError
from backlight.sweep.space import Choice, Range, read_space, shown, suggested


def test_ranges_and_lists():
    space = read_space(
        ["lr=1e-4..1e-1", "dropout=0..0.5", "batch-size=32..64", "model=mlp,svm", "hidden=64,8x4"]
    )
    assert space == {
        "lr": Range(1e-4, 1e-1, True, False),
        "dropout": Range(0.0, 0.5, False, False),
        "batch_size": Range(32, 64, False, True),
        "model": Choice(("mlp", "svm")),
        "hidden": Choice(([64], [8, 4])),
    }


def test_the_scale_can_be_said():
    assert not read_space(["lr=1e-4..1e-1:linear"])["lr"].log
    assert read_space(["dropout=0.1..0.5:log"])["dropout"].log


def test_grids():
    lr = read_space(["lr=1e-4..1e-0"])["lr"].grid()
    assert lr == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1e-0])
    assert read_space(["epochs=1..3"])["epochs"].grid() == [1, 2, 3]
    assert read_space(["model=svm,mlp"])["model"].grid() == ["svm", "mlp"]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["lr"], "lr=1e-4..1e-1"),
        (["lrr=1..2"], "Did you mean 'lr'"),
        (["lr=1..0.1"], "low end below"),
        (["lr=0..1:log"], "low end below|number > 0"),
        (["lr=1e-4..1e-1:sqrt"], "log or linear"),
        (["model=mlp..svm"], "known name|a list"),
        (["model=mlp,svn"], "svm"),
        (["lr=1e-4..1e-1", "learning-rate=1..2"], "twice"),
        (["lr=-1..1"], "number > 0"),
        ([], "no settings"),
    ],
)
def test_mistakes_are_said(texts, words):
    with pytest.raises(UsageError, match=words):
        read_space(texts)


def test_proposals_become_settings():
    class Trial:
        def suggest_categorical(self, name, labels):
            return labels[-1]

        def suggest_int(self, name, low, high, log):
            return high

        def suggest_float(self, name, low, high, log):
            return low

    space = read_space(["hidden=64,8x4", "batch-size=32..64", "lr=1e-4..1e-1"])
    assert suggested(space, Trial()) == {"hidden": [8, 4], "batch_size": 64, "lr": 1e-4}
    assert [shown(v) for v in ([8, 4], 0.12345678, "mlp")] == ["8x4", "0.1235", "mlp"]

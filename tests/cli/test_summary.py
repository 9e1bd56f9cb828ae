import pytest

from backlight import models
from tests.cli.command import command


@pytest.mark.parametrize("model", models.names())
def test_the_sum_is_the_models_own(model):
    built = models.build(model, (1, 8, 8), 10)
    count = sum(p.size for p in built.module.parameters())
    ended = command("summary", model, "--shape", "1x8x8")
    assert ended.code == 0
    assert f"{count:,}" in ended.out.splitlines()[-3]


def test_wishes():
    out = command(
        "summary", "mlp", "--shape", "1×8x8", "--hidden", "7,5", "--classes", "3", "--batch", "16"
    ).out
    for part in ("16×7", "16×5", "16×3"):
        assert part in out

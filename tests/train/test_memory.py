import pytest

from backlight import models
from backlight.errors import UsageError
from backlight.train import memory


@pytest.mark.parametrize(
    ("model", "hidden"),
    [
        ("softmax", ()),
        ("svm", ()),
        ("mlp", ()),
        ("mlp", (300,)),
        ("mlp", (50, 70, 20)),
        ("convnet", ()),
        ("convnet", (33, 12)),
    ],
)
def test_parameters_are_counted_without_making_them(model, hidden):
    built = models.build(model, (3, 16, 16), 10, hidden).module
    exact = memory.COPIES * memory.FLOAT * sum(p.size for p in built.parameters())
    without = memory.needed(model, (3, 16, 16), 10, hidden, batch=1)
    assert exact <= without
    activations = memory.needed(model, (3, 16, 16), 10, hidden, batch=2) - without
    assert without < 1.2 * exact + 2 * activations + 10_000


def test_a_batch_twice_as_large_needs_more():
    small, large = (memory.needed("convnet", (3, 32, 32), 10, (), batch) for batch in (100, 200))
    assert 1.5 * small < large


def test_what_is_too_large_is_told_with_both_numbers(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2**30)
    memory.check_memory("mlp", (64,), 10, (1000,), 32)
    with pytest.raises(UsageError, match=r"needs about [\d,.]+ GiB .* and 1\.0 GiB are free"):
        memory.check_memory("mlp", (64,), 10, (10_000, 10_000), 32)
    with pytest.raises(UsageError, match="GiB"):
        memory.check_memory("mlp", (10**6, 10**6), 10, (), 1)


def test_the_containers_limit_counts(monkeypatch, tmp_path):
    import psutil

    monkeypatch.setattr(memory, "_GROUPS", tmp_path)
    assert memory.available() == pytest.approx(psutil.virtual_memory().available, rel=0.2)
    for name, content in (
        ("memory.max", "1000000\n"),
        ("memory.current", "400000\n"),
        ("memory.stat", "anon 5\ninactive_file 100000\n"),
    ):
        (tmp_path / name).write_text(content)
    assert memory.available() == 700_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() > 700_000

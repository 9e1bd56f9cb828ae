"""Random graphs of gates, compiled beside eager; `BACKLIGHT_FUZZ` says how many (60).

Volumes of a release: 10,000 graphs, with `--stages`, on several threads, between guard pages and
for every instruction set. See `tests.native.fuzz`.
"""

import os

import pytest

from tests.native.fuzz import Graph, verdicts

COUNT = int(os.environ.get("BACKLIGHT_FUZZ", "60"))
FIRST = int(os.environ.get("BACKLIGHT_FUZZ_FIRST", "0"))
WAYS = {
    "stages and threads": (["--stages", "--threads", "2", "3", "8"], 0.3),
    "bounds": (["--bounds"], 0.1),
    "between guard pages": (["--fences", "end"], 0.2),
    "behind guard pages": (["--fences", "front"], 0.1),
    "float32": (["--dtype", "float32"], 0.1),
    "avx2": (["--target", "avx2", "--stages"], 0.1),
    "sse": (["--target", "sse"], 0.1),
}


@pytest.mark.parametrize("way", WAYS)
def test_random_graphs(way):
    arguments, share = WAYS[way]
    count = max(1, int(COUNT * share))
    first = FIRST + 1_000_000 * list(WAYS).index(way)
    said = list(verdicts(first, count, arguments))
    wrong = [one for one in said if one["problem"]]
    assert len(said) == count
    assert not wrong, "\n\n".join(
        f"seed {one['seed']} ({way}): {one['problem']}\n{one.get('graph', '')}" for one in wrong
    )


def test_a_graph_is_its_seed():
    assert str(Graph(7)) == str(Graph(7))
    assert str(Graph(7)) != str(Graph(8))


def test_a_wrong_compiler_is_found(monkeypatch):
    """The fuzzer can fail: with one operation miscompiled, most graphs are reported."""
    from backlight.native.functions import mathematics
    from backlight.native.machine_code import codebook
    from tests.native import fuzz

    options = type("Options", (), {"most": 40, "dtype": "float64", "target": None, "fences": "",
                                   "bounds": False, "stages": False, "threads": []})  # fmt: skip
    monkeypatch.setenv("BACKLIGHT_CACHE", "off")
    right = mathematics.FUNCTIONS["multiply"]

    def wrong(code, x, y):
        return right(code, x, y) + 0.001 if x.kind == "f" else right(code, x, y)

    monkeypatch.setitem(mathematics.FUNCTIONS, "multiply", wrong)
    monkeypatch.setattr(codebook, "_ENTRIES", type(codebook._ENTRIES)())
    assert sum(bool(fuzz.examine(seed, options)) for seed in range(500, 506)) >= 2

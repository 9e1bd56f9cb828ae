"""What lecture notes and slides state wrongly is repeated nowhere in the project."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("backlight", "docs", "bench")
KINDS = {".py", ".md", ".toml", ".html", ".js", ".css", ".txt"}

WRONG = {
    "32·32·3 is 3072": r"\b3027\b",
    "the ship's score is 60.75: the bias was forgotten": r"\b61\.95\b",
    "VGG-16 has 15,237,608 activations, 58.1 MiB": r"\b24 ?M\b[^.]{0,60}\b93 ?MB\b|VGG[^.]{0,120}\b(?:24 ?M|93 ?MB)\b",
    "the gradient points where the function rises most": r"gradients? (?:points?|pointing) [^.]{0,60}(?:falls?|decreases?|descends?) (?:the )?"
    r"(?:most|fastest|steepest)",
    "descent goes against the gradient": r"move (?:in|along) the direction of the gradient to "
    r"(?:minimi[sz]e|descend)",
    "cross-entropy has nothing to do with cross-correlation": r"cross[- ]entropy,? (?:is|or|i\.e\.)"
    r" (?:a |the )?cross[- ]correlation",
    "a zero gradient is a stationary point": r"zero gradient (?:is|means) (?:the |a )?global",
    "the bias dimension is a constant 1": r"bias dimension \W?11\b",
    "a linear net's three losses average 5.27": r"\b10\.9\b.{0,40}\b4\.6\b",
    "−12 is not '4 times lower'": r"4 times lower",
    "the kink is at −1e-6": r"x ?= ?[-−]1e6\b",
    "AlexNet ends in 6×6×256": r"6[×x]6[×x]512",
    "three convolutions at 224 take 73.5 MiB": r"three conv[^.]{0,80}\b72 ?MB\b",
    "whitening divides by √eigenvalue": r"divid\w+ by the (?:squared )?eigenvalues?\b",
    "weight decay is W −= lr·λ·W": r"W\s*\+?-=\s*-?lambda\s*\*\s*W",
    "attention is equivariant": r"attention is permutation[- ]invariant",
    "both sides of a tied max do not get 1": r"1\(x ?(?:>=|≥) ?y\), ?1\(y ?(?:>=|≥) ?x\)",
}


def texts():
    """Every text of the project that a reader may meet; tests state errata to refute them."""
    paths = [path for room in ROOMS for path in (ROOT / room).rglob("*")]
    paths += ROOT.glob("*.md")
    return {
        path: path.read_text(encoding="utf-8")
        for path in paths
        if path.suffix in KINDS and path.is_file()
    }


@pytest.mark.parametrize("truth", WRONG)
def test_3b_errata_are_not_repeated(truth):
    pattern = re.compile(WRONG[truth], re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path, text in texts().items()
        for match in pattern.finditer(text)
    ]
    assert not found, f"{truth}, but {found}"


def test_the_search_finds_what_it_looks_for():
    for truth, wrong in {
        "32·32·3 is 3072": "a vector of 3027 numbers",
        "the gradient points where the function rises most": "The gradient points where the output falls most.",
        "VGG-16 has 15,237,608 activations, 58.1 MiB": "24M * 4 bytes ~= 93MB",
        "the ship's score is 60.75: the bias was forgotten": "ship 61.95",
    }.items():
        assert re.search(WRONG[truth], wrong, re.IGNORECASE)
    assert len(texts()) > 100

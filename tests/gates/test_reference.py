"""The reference in docs/ is what the table says."""

from pathlib import Path

from backlight.gates import gates
from backlight.gates.reference import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "gates.md"


def test_the_page_is_up_to_date():
    """Renew it with: backlight reference --markdown > docs/reference/gates.md"""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_gate_is_on_it():
    text = page()
    missing = [
        g.name
        for g in gates()
        if type(g).__module__.startswith("backlight.gates.") and f"### {g.name}\n" not in text
    ]
    assert not missing

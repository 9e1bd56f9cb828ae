"""What the tests of the house look at: every file of the package, parsed once."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "backlight"


@pytest.fixture(scope="session")
def sources():
    """Every Python file of the package, by module name: (path, text, tree)."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        found[name] = (path, text, ast.parse(text))
    return found

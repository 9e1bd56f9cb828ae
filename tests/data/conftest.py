import os
from pathlib import Path

import pytest


@pytest.fixture
def real_data():
    """A way to published data: skips where it is not on this machine."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    root = Path(os.environ.get("BACKLIGHT_TEST_DATA", beside))

    def path(name: str) -> Path:
        if not (root / name).exists():
            pytest.skip(f"{name} is not in {root}; set BACKLIGHT_TEST_DATA")
        return root / name

    return path

"""Machine code of these tests goes into a folder of the session, not into the user's."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """One folder for all tests, so that kernels are shared; a test may name another one."""
    before = os.environ.get("BACKLIGHT_CACHE")
    if before is None:
        folder = tmp_path_factory.mktemp("cache")
        folder.chmod(0o700)
        os.environ["BACKLIGHT_CACHE"] = str(folder)
    yield
    if before is None:
        del os.environ["BACKLIGHT_CACHE"]

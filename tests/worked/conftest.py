"""The way to published data; tests skip where it is absent."""

from tests.data.conftest import real_data

__all__ = ["real_data"]

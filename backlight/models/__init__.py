"""Models, a readable page each, built by name for the shape of the data."""

from __future__ import annotations

import importlib
import pkgutil

from backlight.models.catalogue import Built, build, names

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["Built", "build", "names"]

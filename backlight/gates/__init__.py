"""The gate table: every operation, declared once, a file a family.

Importing this package declares all of them: each module of the folder, in alphabetical order.
"""

from __future__ import annotations

import importlib
import pkgutil

from backlight.gates.gate import TABLE, Gate, Role, Sample, find, gates

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["TABLE", "Gate", "Role", "Sample", "find", "gates"]

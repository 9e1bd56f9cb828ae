"""The probes, a family a file. Importing this room declares them all, causes first."""

from __future__ import annotations

import importlib

FAMILIES = (
    "steps",
    "reach",
    "mode",
    "loss",
    "inputs",
    "labels",
    "splits",
    "start",
    "gradient",
    "rate",
    "units",
    "curve",
    "trained",
)
"""The order in which they are asked and told."""

for _family in FAMILIES:
    importlib.import_module(f"{__name__}.{_family}")

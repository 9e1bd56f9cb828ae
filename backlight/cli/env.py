"""`backlight env`: versions, processor and folders, to paste into a report of a problem."""

from __future__ import annotations

import importlib.metadata
import json as json_
import sys
from typing import Annotated

import platformdirs
import psutil
from cyclopts import Parameter


def env(*, json: Annotated[bool, Parameter(negative="", help="one JSON object")] = False) -> int:
    """Show versions, processor, memory and folders."""
    from backlight.train.run import environment

    facts = {
        **environment(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "cache": platformdirs.user_cache_dir("backlight"),
        **{name: _version(name) for name in _required()},
    }
    if json:
        sys.stdout.write(json_.dumps(facts) + "\n")
    else:
        width = max(map(len, facts))
        sys.stdout.write("".join(f"{name:<{width}}  {value}\n" for name, value in facts.items()))
    return 0


def _required() -> list[str]:
    """The libraries that the package says it needs, and those of its extras."""
    import re

    try:
        wanted = importlib.metadata.requires("backlight") or []
    except importlib.metadata.PackageNotFoundError:
        wanted = []
    return sorted({re.split(r"[^A-Za-z0-9._-]", line)[0] for line in wanted} - {"numpy"})


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"

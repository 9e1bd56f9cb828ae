"""Reasons: where a gradient came from, what shrank it, what removed it, who pushes."""

from __future__ import annotations

from backlight.explain.why.answer import Overview, Why
from backlight.explain.why.ask import why

__all__ = ["Overview", "Why", "why"]

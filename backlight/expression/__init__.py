"""Formulas as text, such as "sigmoid(a*x + b*y + c)": parsed here, never evaluated by Python."""

from __future__ import annotations

from backlight.expression.evaluate import Expression, read_value, read_values

__all__ = ["Expression", "read_value", "read_values"]

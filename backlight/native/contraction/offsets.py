"""Arithmetic on positions while a kernel is written: sums of strides, limits, quotients."""

from __future__ import annotations

from typing import Any

from backlight.native.machine_code.emit import I64, Code


def offset(code: Code, *terms: Any) -> Any:
    """The sum of terms, each a value or a pair (value, stride).

    Values are 64-bit values or int, strides int; what is known now costs no instruction.
    """
    built, known, total = code.builder, 0, None
    for term in terms:
        value, stride = term if isinstance(term, tuple) else (term, 1)
        if isinstance(value, int) or stride == 0:
            known += value * stride if stride else 0
            continue
        part = value if stride == 1 else built.mul(value, I64(stride))
        total = part if total is None else built.add(total, part)
    if total is None:
        return I64(known)
    return built.add(total, I64(known)) if known else total


def least(code: Code, value: Any, limit: int) -> Any:
    """The smaller of a 64-bit value and a number."""
    built = code.builder
    return built.select(built.icmp_signed("<", value, I64(limit)), value, I64(limit))


def divided(code: Code, value: Any, by: int) -> tuple[Any, Any]:
    """Quotient and remainder of a value that is not negative."""
    if by == 1:
        return value, I64(0)
    return code.builder.udiv(value, I64(by)), code.builder.urem(value, I64(by))

"""Every promise of every gate, on every sample: the checks that nobody has to write for a gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from backlight.check.declared import (
    composite,
    declaration,
    dtype_rule,
    shape_rule,
    single_precision,
)
from backlight.check.derivative import backward_derivative, first_order, forward_against_reverse
from backlight.check.finding import Finding
from backlight.check.memory import aliasing, layouts, purity
from backlight.check.role import role_claim
from backlight.gates import find, gates
from backlight.gates.gate import Gate, Sample

Check = Callable[[Gate, Sample], Iterator[Finding]]

CHECKS: dict[str, Check] = {
    "first order": first_order,
    "second order": backward_derivative,
    "forward = reverse": forward_against_reverse,
    "shape rule": shape_rule,
    "dtype rule": dtype_rule,
    "float32": single_precision,
    "composite": composite,
    "role": role_claim,
    "purity": purity,
    "memory layout": layouts,
    "aliasing": aliasing,
}
"""The derived checks by name: each a function of a gate and a sample that yields findings."""


def check_gate(gate: Gate | str, checks: Iterable[str] | None = None) -> list[Finding]:
    """The findings of the derived checks on all samples of a gate; none if it keeps its promises.

    Parameters
    ----------
    gate : Gate or str
        The gate or its name.
    checks : iterable of str, optional
        Names from `CHECKS`; all if not given.

    Raises
    ------
    GateError
        If there is no gate of this name.

    Examples
    --------
    >>> check_gate("multiply")
    []
    """
    found = gate if isinstance(gate, Gate) else find(gate)
    chosen = list(CHECKS) if checks is None else list(checks)
    findings = list(declaration(found))
    for sample in found.samples():
        for name in chosen:
            findings += check_sample(found, sample, name)
    return findings


def check_sample(gate: Gate, sample: Sample, name: str) -> list[Finding]:
    """One check on one sample; an exception is a finding too."""
    try:
        return list(CHECKS[name](gate, sample))
    except Exception as problem:  # a gate that fails on its own sample is the finding
        told = f"raised {type(problem).__name__}: {problem}"
        return [Finding(gate.name, name, str(sample), told)]


def check_all_gates(checks: Iterable[str] | None = None) -> Iterator[tuple[Gate, list[Finding]]]:
    """Each gate of the table with its findings, one after the other.

    Examples
    --------
    >>> name, findings = next(iter(check_all_gates(["shape rule"])))
    >>> findings
    []
    """
    chosen = None if checks is None else list(checks)
    for gate in gates():
        yield gate, check_gate(gate, chosen)

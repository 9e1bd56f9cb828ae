"""Explanations: circuits drawn and told, reasons for a gradient, what a network looks at.

Everything here takes tensors, functions and modules; the command line opens the run folders.
"""

from backlight.explain.circuit import formats as formats  # teaches a circuit to show itself
from backlight.explain.circuit.record import circuit

__all__ = ["circuit"]

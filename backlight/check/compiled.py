"""Compiled code under check: the very program that trains, and its gradients against differences.

`check_step` inspects a compiled function for some arguments. `CompiledCase` puts a compiled
function and its compiled backward pass in place of the eager ones, for the gradient check.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.check.case import Case, in_a_row
from backlight.check.difference import Reading
from backlight.check.kink import Recorder
from backlight.engine.backward import propagate
from backlight.engine.mode import enable_grad
from backlight.engine.tensor import Tensor
from backlight.engine.tracing import changed
from backlight.errors import ArgumentError, CompileCheckError
from backlight.native import compile as native
from backlight.native.compile import Compiled
from backlight.native.inspecting.inspection import BUDGET, Inspection, inspect
from backlight.native.tracing import pytree

Array = np.ndarray[Any, Any]
_AGREE = 1e-10


def check_step(
    compiled: Compiled,
    arguments: Any,
    named: dict[str, Any] | None = None,
    *,
    budget: float = BUDGET,
    raise_exception: bool = False,
) -> Inspection:
    """Compare what a compiled function computes and writes with eager, float64 and slopes.

    It runs on copies: parameters, slots, buffers, gradients and random generators are as before.

    Parameters
    ----------
    compiled : Compiled
        What `backlight.compile` gave.
    arguments : sequence
        What it would be called with.
    named : dict, optional
        The same by name.
    budget : float
        Seconds that it may take; what they do not suffice for is told as not checked.
    raise_exception : bool
        Raise CompileCheckError where something is wrong.

    Returns
    -------
    Inspection
        True if nothing is wrong; else it names the first gate, with its layer and line.

    Raises
    ------
    ArgumentError
        If it is no compiled function.

    Examples
    --------
    >>> import backlight
    >>> double = backlight.compile(lambda x: x * 2)
    >>> bool(check_step(double, [backlight.tensor([1.0, 2.0])]))
    True
    """
    if not isinstance(compiled, Compiled):
        raise ArgumentError(
            "check_step",
            got=f"a {type(compiled).__name__}",
            needs="a compiled function",
            remedy="Pass backlight.compile(step), and its arguments as a list.",
        )
    given = (tuple(arguments), dict(named or {}))
    leaves, _ = pytree.flatten(given)
    compiled.lower(*given[0], **given[1])
    found = inspect(compiled.program, leaves, budget=budget)
    if raise_exception and not found.ok:
        raise found.error()
    return found


class CompiledCase(Case):
    """A case whose values and gradients are those of compiled code, in float64.

    Which winners a gate has, and so where a kink lies, is asked of the eager function beside it;
    the values of both must agree.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)

        def forward() -> list[Tensor]:
            return self.history()

        def backward(weights: list[Tensor]) -> list[Tensor | None]:
            with enable_grad():
                outputs = self.history()
                pairs = [
                    (output, weight)
                    for output, weight in zip(outputs, weights, strict=True)
                    if output.requires_grad
                ]
                return propagate(
                    [output for output, _ in pairs],
                    [weight for _, weight in pairs],
                    list(self.leaves.values()),
                )

        self._backward = native.compile(backward)
        self._forward = native.compile(forward)

    def read(self) -> Reading:
        """One evaluation of the compiled function; the winners are the eager one's.

        Raises
        ------
        CompileCheckError
            If their values differ by more than rounding.
        """
        with Recorder() as recorder:
            eager = in_a_row(output._value for output in self.results())
        numbers = in_a_row(output._value for output in self._compiled(self._forward))
        with np.errstate(all="ignore"):
            apart = np.abs(numbers - eager)
            size = np.max(np.abs(eager), initial=0.0, where=np.isfinite(eager))
            wrong = np.isfinite(eager) & ~(apart <= _AGREE * size)
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            raise CompileCheckError(
                "the compiled function",
                got=f"{numbers[place]:.12g} as its result {place}",
                needs=f"{eager[place]:.12g}, which it gives when it is not compiled",
                remedy="This is a mistake of Backlight's compiler: please report it.",
            )
        return Reading(numbers, recorder.winners)

    def gradients(self, share: float = 1.0, stir: int = 0) -> dict[str, Array]:
        """The gradient of Σ share·weights·results by each leaf, from the compiled backward pass."""
        if stir:
            return self._stirred(share, stir)
        weights = [
            Tensor.share((share * weight).astype(output.dtype))
            for output, weight in zip(self.outputs, self.weights, strict=True)
        ]
        found = self._compiled(self._backward, weights)
        return {
            name: np.zeros(leaf.shape)
            if gradient is None
            else np.asarray(gradient._value, np.float64)
            for (name, leaf), gradient in zip(self.leaves.items(), found, strict=True)
        }

    def _compiled(self, function: Any, *arguments: Any) -> Any:
        """Call a compiled function from the same buffers and random state as each evaluation."""
        for tensor, value in self._state:
            tensor._value = np.array(value)
        changed()  # other memory: the program is to look for it again
        try:
            return function(*arguments)
        finally:
            for generator, state in self._generators:
                generator.load_state_dict(state)

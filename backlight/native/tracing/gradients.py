"""Gradients while tracing: what `.grad` was, what it becomes, and what depended on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backlight.engine.deferred import gradient_of
from backlight.engine.mode import mode
from backlight.engine.tensor import Tensor
from backlight.engine.tracing import Unknown, refusal
from backlight.gates.arithmetic import identity
from backlight.native.tracing.graph import Pass, State, Write

Owner = Callable[[Sequence[Any]], Any]


class Gradients:
    """The part of a recorder that sees to `.grad` and `requires_grad` of tensors from outside."""

    value_of: Any
    bare: Any
    capture: Any
    guards: list[Any]
    watched: list[Any]
    effects: list[Any]
    steady: bool
    places: dict[Any, Unknown]
    kept: list[Any]
    graph: Any

    def start_gradients(self) -> None:
        """Nothing has been looked at yet."""
        self._gradients: dict[int, tuple[Tensor, Tensor | None]] = {}
        self._assigned: set[int] = set()
        self._wanting: dict[int, tuple[Tensor, bool]] = {}
        self._looked: list[tuple[Tensor, Owner, Any]] = []

    def read_gradient(self, tensor: Tensor) -> None:
        """The function looks at the gradient that a tensor has: note what it depends on."""
        if id(tensor) in self._gradients or not _is_outside(tensor):
            return
        before = gradient_of(tensor)
        self._gradients[id(tensor)] = tensor, before
        self._looked.append((tensor, _owner(tensor), _kind(before)))
        if before is not None:
            if before._gate is not None and before._wanted:
                raise refusal(
                    f"the gradient of {tensor._title()}, which has a history of gates",
                    "a gradient without history",
                    "Detach it, or set it to None before the call.",
                )
            value = before._value
            key = id(value) if isinstance(value, np.ndarray) else ("one", id(before))
            self.kept += [before, value]
            self.capture(key, _gradient_state(tensor), before.shape, before.dtype)

    def keep_gradient(self, tensor: Tensor) -> None:
        """The function assigns a gradient: remember the one before, to put it back."""
        if not _is_outside(tensor):
            return
        self._gradients.setdefault(id(tensor), (tensor, tensor._grad))
        self._assigned.add(id(tensor))

    def keep_wanted(self, tensor: Tensor) -> None:
        """The function changes requires_grad: remember what it was."""
        if type(tensor._value) is not Unknown:
            self._wanting.setdefault(id(tensor), (tensor, tensor._wanted))

    def wanted_before(self, tensor: Tensor) -> bool:
        """Whether a tensor from outside required a gradient before the function was called."""
        return self._wanting.get(id(tensor), (tensor, tensor._wanted))[1]

    def accumulate(
        self, leaves: Sequence[Tensor], found: Sequence[Tensor | None], create_graph: bool
    ) -> None:
        """Add the gradients of a backward pass to those that the leaves have."""
        recording = mode.recording
        mode.recording = create_graph
        try:
            for leaf, value in zip(leaves, found, strict=True):
                if value is None:
                    continue
                self.read_gradient(leaf)
                self.keep_gradient(leaf)
                if leaf._grad is not None:
                    value = leaf._grad + value
                elif create_graph:
                    value = identity(value)
                    value._base = None
                else:  # a tensor of its own, which may be changed in place
                    value = self.bare(Unknown(self, self.value_of(value).node))
                leaf._grad = value
        finally:
            mode.recording = recording

    def note_pass(
        self,
        outputs: Sequence[Tensor],
        upstreams: Sequence[Any],
        targets: Sequence[Tensor],
        found: Sequence[Tensor | None],
    ) -> None:
        """A backward pass was walked: remember what it is the gradient of, for checks."""
        if len(outputs) != 1 or upstreams[0] is not None:
            return
        pairs = [
            (self.value_of(target).node, self.value_of(gradient).node)
            for target, gradient in zip(targets, found, strict=True)
            if gradient is not None
        ]
        known = tuple((leaf, gradient) for leaf, gradient in pairs if leaf.gate is None)
        if known:
            self.graph.passes.append(Pass(self.value_of(outputs[0]).node, known))

    def finish_gradients(self) -> None:
        """The gradients that are left become writes, those that were looked at conditions."""
        if self._looked:
            self.watched.append(_as_before([(owner, kind) for _, owner, kind in self._looked]))
        for tensor, _, kind in self._looked:
            if id(tensor) in self._assigned and (kind is not None or tensor._grad is not None):
                self.steady = False  # the next call meets another gradient
        for place, (tensor, _) in self._gradients.items():
            if place not in self._assigned:
                continue
            node = None if tensor._grad is None else self.value_of(tensor._grad).node
            self.graph.writes.append(Write(_gradient_state(tensor), node))
        for tensor, wanted in self._wanting.values():
            if tensor._wanted != wanted:
                self.effects.append(_want(tensor, tensor._wanted))

    def close_gradients(self) -> None:
        """Everything is put back as it was."""
        for tensor, before in self._gradients.values():
            tensor._grad = before
        for tensor, wanted in self._wanting.values():
            tensor._wanted = wanted


def _is_outside(tensor: Tensor) -> bool:
    """Whether a tensor was there before the function was called."""
    return type(tensor._value) is not Unknown or _argument(tensor) is not None


def _argument(tensor: Tensor) -> int | None:
    """Which argument a tensor stands for, if it does."""
    return (tensor._notes or {}).get("argument")


def _kind(gradient: Tensor | None) -> Any:
    return None if gradient is None else (gradient.shape, gradient.dtype)


def _as_before(looked: Sequence[tuple[Owner, Any]]) -> Callable[[Sequence[Any]], bool]:
    """Whether the gradients that were looked at are there, or not, and of the same kind."""

    def holds(leaves: Sequence[Any]) -> bool:
        for owner, kind in looked:
            found = gradient_of(owner(leaves))
            if (found is not None or kind is not None) and _kind(found) != kind:
                return False
        return True

    return holds


def _owner(tensor: Tensor) -> Owner:
    """The tensor whose gradient is meant, in a call with these arguments."""
    place = _argument(tensor)
    if place is None:
        return lambda _: tensor
    return lambda leaves: leaves[place]


def _gradient_state(tensor: Tensor) -> State:
    owner, place = _owner(tensor), _argument(tensor)

    def get(leaves: Any) -> Any:
        gradient: Any = gradient_of(owner(leaves))
        return np.asarray(gradient._value)

    def put(leaves: Any, numbers: Any) -> None:
        given = owner(leaves)
        if isinstance(given, Tensor):
            given._grad = None if numbers is None else Tensor.share(np.asarray(numbers))

    key = ("gradient", id(tensor)) if place is None else ("gradient of argument", place)
    name = tensor.name or f"of shape {tensor.shape}"
    return State("gradient", key, name, tensor if place is None else place, get, put)


def _want(tensor: Tensor, wanted: bool) -> Callable[[Any], None]:
    def effect(leaves: Any) -> None:  # noqa: ARG001
        tensor.requires_grad_(wanted)

    return effect

"""Changes in place while tracing: numbers that replace others, elements, attributes of modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from backlight import dtypes
from backlight.engine.mode import changes, clock, no_grad
from backlight.engine.tensor import Tensor
from backlight.engine.tracing import Unknown, refusal
from backlight.errors import DTypeError, ShapeError
from backlight.gates.cast import cast
from backlight.gates.choice import where
from backlight.gates.gate import Gate
from backlight.gates.indexing import take
from backlight.gates.slicing import resolve_slice, slice_scatter, spread_ellipsis
from backlight.gates.view import broadcast_to, reshape
from backlight.native.tracing.graph import State, Write
from backlight.native.tracing.host_number import HostNumber

_MISSING = object()
_SLICE = type(np.s_[:])
_BOOKS = ("_parameters", "_buffers", "_modules")


class Changes:
    """The part of a recorder that sees to changes in place."""

    value_of: Any
    bare: Any
    scalar: Any
    constant: Any
    place_of_array: Any
    graph: Any
    homes: dict[Unknown, State]
    kept: list[Any]
    guards: list[Any]
    effects: list[Any]
    called: dict[int, Any]

    def start_changes(self) -> None:
        """Nothing has been changed yet."""
        self._written: dict[Unknown, State] = {}
        self._stamps: dict[int, tuple[Tensor, int]] = {}
        self._attributes: dict[tuple[int, str], tuple[Any, str, Any]] = {}
        self._books: dict[int, tuple[Any, dict[str, dict[str, Any]]]] = {}
        self.plain: dict[tuple[int, str], tuple[Any, str, Any, Any]] = {}

    # ── numbers ────────────────────────────────────────────────────────────────────────────

    def copy(self, value: Unknown, dtype: Any = None) -> Unknown:
        """Numbers that no later change of `value` reaches."""
        if dtype is not None and np.dtype(dtype) != value.dtype:
            return self.value_of(cast(self.bare(value), dtype=np.dtype(dtype).name))  # type: ignore[no-any-return]
        return Unknown(self, value.node)

    def alias(self, tensor: Tensor) -> Tensor:
        """The same numbers without history: a change of one is a change of both."""
        made: Tensor = self.bare(self.value_of(tensor))
        made._base = tensor if tensor._base is None else tensor._base
        made._notes = {"name": tensor.name} if tensor.name else None
        return made

    def write(self, tensor: Tensor, source: Any) -> None:
        """`tensor.copy_(source)`."""
        place: Unknown = self.value_of(tensor)
        if place.base is not None:
            raise refusal(
                f"a change in place of a view ({place.node.told()})",
                "changes of whole tensors",
                "Write into the tensor itself (x[key] = …), or make a new one with where or "
                "concatenate.",
            )
        with no_grad():
            node = self._numbers(tensor, place, source)
        place.node = node
        place.version += 1
        if place in self.homes:
            self._written[place] = self.homes[place]
        owner = tensor if tensor._base is None else tensor._base
        self._stamps.setdefault(id(owner), (owner, owner._changed))
        owner._changed = changes.last = next(clock)

    def _numbers(self, tensor: Tensor, place: Unknown, source: Any) -> Any:
        """The node of `source` in the shape and type of what it is written to."""
        if isinstance(source, HostNumber):
            source = self.bare(Unknown(self, self.scalar(source, place.dtype)))
        elif not isinstance(source, Tensor):
            kind = None if hasattr(source, "dtype") else place.dtype
            array = dtypes.as_array(source, kind, tensor._title())
            if not array.ndim and not isinstance(source, np.ndarray):
                wide = np.broadcast_to(array.astype(place.dtype), place.shape)
                return self.constant(wide, place.dtype)
            source = self.bare(self.place_of_array(array))
        if source.shape != place.shape:
            try:
                np.broadcast_to(np.broadcast_to(np.int8(0), source.shape), place.shape)
            except ValueError:
                raise ShapeError(
                    tensor._title(),
                    got=f"numbers of shape {source.shape}",
                    needs=f"shape {place.shape}",
                    remedy="Reshape them first.",
                ) from None
            source = broadcast_to(source, shape=place.shape)
        if source.dtype != place.dtype:
            source = cast(source, dtype=place.dtype.name)
        return self.value_of(source).node

    def change(self, tensor: Tensor, gate: Gate, other: Any) -> None:
        """`tensor op= other`."""
        with no_grad():
            result = gate(tensor, other)
        if result.shape != tensor.shape:
            raise ShapeError(
                tensor._title(),
                got=f"an in-place {gate.name} with shape {getattr(other, 'shape', ())}",
                needs=f"a result of {tensor.shape}",
                remedy=f"Write x = x {gate.formula[2:3]} y instead.",
            )
        if not np.can_cast(result.dtype, tensor.dtype, "same_kind"):
            raise DTypeError(
                tensor._title(),
                got=f"an in-place {gate.name} that gives {result.dtype}",
                needs=f"numbers of its type {tensor.dtype}",
                remedy="Convert it first, for example with .float().",
            )
        self.write(tensor, result)

    def assign(self, tensor: Tensor, key: Any, value: Any) -> None:
        """`tensor[key] = value`, as a choice between the old numbers and new ones."""
        entries = key if isinstance(key, tuple) else (key,)
        if any(isinstance(entry, Tensor) for entry in entries):
            self._assign_masked(tensor, entries, value)
            return
        reached = np.zeros(tensor.shape, bool)
        numbers = np.arange(reached.size).reshape(tensor.shape)[key]
        reached[key] = True
        source = value if isinstance(value, Tensor) else Tensor(value, dtype=tensor.dtype)
        with no_grad():
            part = source if source.shape == numbers.shape else _stretched(tensor, source, numbers)
            if part.dtype != tensor.dtype:
                part = cast(part, dtype=tensor.dtype.name)
            if all(entry is Ellipsis or isinstance(entry, (int, _SLICE)) for entry in entries):
                spread = slice_scatter(
                    part, key=_resolved(entries, tensor.shape), shape=tensor.shape
                )
            else:
                # The last of several numbers for one place stays, as in NumPy.
                origin = np.zeros(reached.size, np.int64)
                origin[numbers.ravel()] = np.arange(numbers.size)
                rows = take(reshape(part, shape=(-1,)), origin.reshape(tensor.shape), axis=0)
                spread = rows
            self.write(tensor, where(self.bare(self.place_of_array(reached)), spread, tensor))

    def _assign_masked(self, tensor: Tensor, entries: Any, value: Any) -> None:
        mask = entries[0]
        single = not isinstance(value, Tensor) or value.ndim == 0
        if len(entries) > 1 or mask.dtype.kind != "b" or mask.shape != tensor.shape or not single:
            raise refusal(
                "an assignment to elements that a tensor names",
                "places that are known before the values, or a mask of the whole shape and one "
                "number",
                "Build the result with where, scatter_add or index_add.",
            )
        with no_grad():
            self.write(tensor, where(mask, value, tensor))

    def refuse_memory(self, action: str) -> NoReturn:
        """Refuse code that reaches for the memory of a tensor."""
        raise refusal(
            f"{action}, which writes into memory",
            "changes that can be written down: copy_, fill_, +=, item assignment",
            "Do it before or after the compiled function.",
        )

    # ── attributes of modules ──────────────────────────────────────────────────────────────

    def attribute(self, module: Any, name: str) -> None:
        """An attribute of a module is about to be set: remember what it was."""
        books = module.__dict__
        if (id(module), name) not in self._attributes:
            self._attributes[id(module), name] = module, name, books.get(name, _MISSING)
            self.kept.append(module)
        if id(module) not in self._books:
            self._books[id(module)] = module, {book: dict(books[book]) for book in _BOOKS}
        if name == "training" and id(module) not in self.called:
            hooks = (*module._hooks, *module._pre_hooks)
            self.called[id(module)] = module, module.training, hooks

    def finish_changes(self) -> None:
        """What was changed becomes writes."""
        self._refuse_overlap()
        for place, state in self._written.items():
            self.graph.writes.append(Write(state, place.node))
        for module, name, before in self._attributes.values():
            after = module.__dict__.get(name, _MISSING)
            if after is before:
                continue
            if not isinstance(after, Tensor) or type(after._value) is not Unknown:
                self.plain[id(module), name] = module, name, before, after
                continue
            node = self.value_of(after).node
            fits = isinstance(before, Tensor) and type(before._value) is not Unknown
            if fits and (before.shape, before.dtype) == (after.shape, after.dtype):
                state = self.homes[self.value_of(before)]
            else:
                state = _attribute_state(module, name)
                self.guards.append(_still(module, name, before))
            self.graph.writes.append(Write(state, node))

    def _refuse_overlap(self) -> None:
        """Refuse captured views of one memory of which one is written."""
        spans = []
        for place, state in self.homes.items():
            array = getattr(state.holder, "_value", state.holder)
            # A number that stands alone is not memory that anyone else can see.
            if state.kind in ("tensor", "array") and place.size and isinstance(array, np.ndarray):
                spans.append((*np.lib.array_utils.byte_bounds(array), place))
        reach = written_reach = 0
        for low, high, place in sorted(spans, key=lambda span: span[:2]):
            written = place in self._written
            if low < written_reach or (written and low < reach):
                raise refusal(
                    f"{self.homes[place].name}, which shares memory with another captured tensor "
                    "or array, of which one is changed in place",
                    "memory that is known by one name",
                    "Take views inside the function, or copy with clone().",
                )
            reach = max(reach, high)
            written_reach = max(written_reach, high if written else 0)

    def close_changes(self) -> None:
        """Everything is put back, but for plain values, which a second trace is to meet changed."""
        for owner, stamp in self._stamps.values():
            owner._changed = stamp
        for key, (module, name, before) in self._attributes.items():
            if key not in self.plain:
                _put_back(module, name, before)
        if not self.plain:
            self.restore_books()

    def restore_books(self) -> None:
        """Plain attributes too are put back as they were."""
        for module, name, before, _ in self.plain.values():
            _put_back(module, name, before)
        for module, books in self._books.values():
            for book, entries in books.items():
                module.__dict__[book].clear()
                module.__dict__[book].update(entries)


def _stretched(tensor: Tensor, source: Tensor, numbers: Any) -> Any:
    try:
        np.broadcast_to(np.broadcast_to(np.int8(0), source.shape), numbers.shape)
    except ValueError as problem:
        raise ShapeError(
            tensor._title(),
            got=f"numbers of shape {source.shape} ({problem})",
            needs="numbers that fill the places or stretch to them",
            remedy="Reshape them first.",
        ) from None
    return broadcast_to(source, shape=numbers.shape)


def _resolved(entries: Any, shape: Any) -> tuple[Any, ...]:
    """A key of places, slices and … with an entry for each axis."""
    used = sum(entry is not Ellipsis for entry in entries)
    spread = spread_ellipsis("an assignment to elements", list(entries), used, len(shape))
    return tuple(
        resolve_slice(entry, size) if isinstance(entry, _SLICE) else entry % size
        for entry, size in zip(spread, shape, strict=True)
    )


def _put_back(module: Any, name: str, before: Any) -> None:
    if before is _MISSING:
        module.__dict__.pop(name, None)
    else:
        module.__dict__[name] = before


def _still(module: Any, name: str, before: Any) -> Callable[[], bool]:
    return lambda: module.__dict__.get(name, _MISSING) is before


def _attribute_state(module: Any, name: str) -> State:
    def put(_: Any, numbers: Any) -> None:
        setattr(module, name, Tensor.share(np.array(numbers)))

    def get(_: Any) -> Any:
        return np.asarray(getattr(module, name)._value)

    return State("attribute", ("attribute", id(module), name), name, module, get, put)

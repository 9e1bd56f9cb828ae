"""What a traced function asks the host for at each call: numbers, random keys, memory, checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NoReturn

import numpy as np

from backlight.engine.random import Generator
from backlight.engine.tensor import Tensor
from backlight.engine.tracing import Unknown
from backlight.native.tracing.graph import Check, Node, Scalar, State
from backlight.native.tracing.host_number import HostNumber, Source

Array = np.ndarray[Any, Any]


class Demands:
    """The part of a recorder that optimizers, generators and layers turn to."""

    graph: Any
    places: dict[Any, Unknown]
    leaf: Any
    capture: Any
    value_of: Any
    bare: Any
    watched: list[Any]

    def start_demands(self) -> None:
        """Nothing has been asked for yet."""
        self._times: dict[Any, int] = {}
        self._looked_at: set[int] = set()
        self._scalars: dict[Any, Node] = {}

    def number(self, name: str, ask: Callable[[], float]) -> HostNumber:
        """A number that is asked for at each call, to compute with as with a Python float."""
        return HostNumber(name, ask)

    def numbers(
        self, source: Source, names: Sequence[str], steady: Sequence[str] = ()
    ) -> dict[str, HostNumber]:
        """Numbers that one source knows, by their names; the steady ones hang on its stamp."""
        return {
            name: HostNumber(name, None, source, itemgetter(name), name in steady) for name in names
        }

    def scalar(self, number: HostNumber, dtype: Any) -> Node:
        """The leaf of such a number in one type."""
        found = self._scalars.get((number, dtype))
        if found is None:
            found = self.leaf(Scalar(number.name, number.ask), (), dtype)
            self._scalars[number, dtype] = found
            if number.source is not None and not number.steady:
                self._look_at(number.source)
            self.graph.scalars.append(found)
        return found

    def _look_at(self, source: Source) -> None:
        if id(source) not in self._looked_at:
            self._looked_at.add(id(source))
            self.watched.append(source.holds)

    def times(self, key: Any) -> int:
        """How often this was called with the same key in this trace before."""
        count = self._times.get(key, 0)
        self._times[key] = count + 1
        return count

    def key(self, generator: Generator) -> Tensor:
        """The key of a random draw: the generator's next one at each call."""
        node = self.leaf(Scalar("random key", generator.next_key), (2,), np.uint64)
        self.graph.scalars.append(node)
        made: Tensor = self.bare(Unknown(self, node))
        return made

    def state(
        self, key: Any, name: str, get: Callable[[], Array], shape: Any, dtype: Any
    ) -> Tensor:
        """A tensor on memory that `get` answers with, such as a slot of an optimizer."""
        place = self.places.get(key)
        if place is None:
            state = State(
                "slot", key, name, None, lambda _: get(), lambda _, new: np.copyto(get(), new)
            )
            place = self.capture(key, state, shape, dtype)
        made: Tensor = self.bare(place)
        return made

    def check(
        self, condition: Tensor, fail: Callable[[], NoReturn], sure: Tensor | None = None
    ) -> None:
        """Raise by `fail` after a call in which the condition, one truth value, is false.

        `sure` holds nearly always, implies the condition, and is less work.
        """
        cheap = None if sure is None else self.value_of(sure).node
        self.graph.checks.append(Check(self.value_of(condition).node, fail, cheap))

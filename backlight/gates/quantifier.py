"""Gates that make one truth value of many: any and all."""

from __future__ import annotations

import typing
from collections.abc import Iterator

from backlight.gates.family import Reduction, draw
from backlight.gates.gate import Role, Sample
from backlight.shapes import Axis


class Quantifier(Reduction, abstract=True):
    """A truth value from many; no gradient passes."""

    role = Role.WALL
    result = "bool"

    def samples(self) -> Iterator[Sample]:
        """Truth values along every kind of axis; nothing."""
        for sample in super().samples():
            yield Sample((sample.inputs[0] > 0,), sample.attributes)
        yield Sample((draw((0,), 730) > 0,), {"axis": None, "keepdims": False})


class Any(Quantifier):
    """Whether any number along the axes is true (not zero). Of nothing: no."""

    formula = "any(x)"

    def forward(
        self, np: typing.Any, x: typing.Any, *, axis: Axis = None, keepdims: bool = False
    ) -> typing.Any:
        return np.any(x, axis=axis, keepdims=keepdims)


class All(Quantifier):
    """Whether all numbers along the axes are true (not zero). Of nothing: yes."""

    formula = "all(x)"

    def forward(
        self, np: typing.Any, x: typing.Any, *, axis: Axis = None, keepdims: bool = False
    ) -> typing.Any:
        return np.all(x, axis=axis, keepdims=keepdims)


any = Any()
all = All()

"""Changing the type of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from backlight import dtypes
from backlight.errors import DTypeError
from backlight.gates.family import Structural, draw, labelled
from backlight.gates.gate import Role, Sample
from backlight.shapes import Shape


class Cast(Structural):
    """The numbers in another type. Between floating types the gradient flows; else none does.

    Raises
    ------
    DTypeError
        If `dtype` is not a type that tensors can have.
    """

    role = Role.DISTRIBUTOR
    formula = "cast(x, dtype)"
    views = True

    def forward(self, np: Any, x: Any, *, dtype: str = "float32") -> Any:
        target = self.dtype(dtype=dtype)
        array = x if hasattr(x, "dtype") else np.asarray(x)
        return array if array.dtype == target else array.astype(target)

    def backward(self, upstream: Any, x: Any, output: Any, *, dtype: str) -> Any:
        if x.dtype.kind != "f":
            return (None,)
        return (cast(upstream, dtype=x.dtype.name),)

    def shape(self, x: Any, *, dtype: str = "float32") -> Shape:
        return tuple(x)

    def dtype(self, *given: Any, **attributes: Any) -> dtypes.DType:
        """The type that was asked for."""
        name = attributes["dtype"]
        target: dtypes.DType | None
        try:
            target = numpy.dtype(name)
        except TypeError:
            target = None
        if target is None or not dtypes.is_supported(target):
            raise DTypeError(
                self.name,
                got=f"dtype={name!r}",
                needs="bool, int8…int64, uint8…uint64, float32 or float64",
                remedy="Name one of these types.",
            )
        return target

    def samples(self) -> Iterator[Sample]:
        return labelled(
            ((draw((2, 3), 530),), {"dtype": "float64"}),
            ((draw((), 531),), {"dtype": "float64"}),
            ((draw((0, 2), 532),), {"dtype": "float64"}),
        )


cast = Cast()

"""Transforms: objects that are called with a batch and give a batch of as many examples.

Here are what all have in common and the plain ones. `normalize` and `whiten` hold those that learn
from the training split, `augment` those that draw random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backlight.data.draw import Draw
from backlight.errors import ArgumentError, CheckpointError, DataError

Array = np.ndarray[Any, Any]


class Transform:
    """A function of a batch; the base of all transforms, for one's own too.

    One that draws nothing defines `apply`. One that draws is a `RandomTransform`.

    Examples
    --------
    >>> class Invert(Transform):
    ...     def apply(self, batch):
    ...         return batch.max() - batch
    >>> Invert()(np.array([[1, 4]]))
    array([[3, 0]])
    """

    def __call__(self, batch: Array, draw: Draw | None = None) -> Array:  # noqa: ARG002
        """The transformed batch. `draw` holds random numbers for those that want them."""
        return self.apply(np.asarray(batch))

    def apply(self, batch: Array) -> Array:
        """The transformed batch."""
        raise NotImplementedError(f"{type(self).__name__} defines no apply")

    def state_dict(self) -> dict[str, Array]:
        """What was learned from data, as arrays by name; empty where nothing was."""
        return {}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take back what `state_dict` gave."""
        if state:
            raise CheckpointError(
                type(self).__name__,
                got=f"arrays {', '.join(sorted(state))}",
                needs="none",
                remedy="Build the same transforms as when it was saved",
            )

    def __repr__(self) -> str:
        settings = ", ".join(
            f"{name}={value!r}"
            for name, value in vars(self).items()
            if not name.startswith("_") and not isinstance(value, np.ndarray)
        )
        return f"{type(self).__name__}({settings})"


class Compose(Transform):
    """Transforms one after the other.

    Parameters
    ----------
    transforms : sequence of Transform
        In the order they are applied. Each draws its own random numbers, by its place.

    Examples
    --------
    >>> Compose([ToFloat(), Flatten()])(np.full((1, 1, 1, 2), 255, np.uint8))
    array([[1., 1.]], dtype=float32)
    """

    def __init__(self, transforms: list[Transform] | tuple[Transform, ...]) -> None:
        self.transforms = list(transforms)
        for place, transform in enumerate(self.transforms):
            if not callable(transform):
                raise ArgumentError(
                    "Compose",
                    got=f"{transform!r} at place {place}",
                    needs="transforms, objects that are called with a batch",
                    remedy="Pass an instance, such as ToFloat()",
                )

    def __call__(self, batch: Array, draw: Draw | None = None) -> Array:
        """The batch after all transforms."""
        for place, transform in enumerate(self.transforms):
            batch = transform(batch, None if draw is None else draw.child(place))
        return batch

    def state_dict(self) -> dict[str, Array]:
        """The arrays of all parts, each name behind its place: "1.mean"."""
        return {
            f"{place}.{name}": value
            for place, transform in enumerate(self.transforms)
            for name, value in _state(transform).items()
        }

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Hand every part its arrays."""
        parts: dict[str, dict[str, Array]] = {}
        for path, value in state.items():
            place, _, name = path.partition(".")
            parts.setdefault(place, {})[name] = value
        known = {str(place): transform for place, transform in enumerate(self.transforms)}
        unknown = sorted(set(parts) - set(known))
        if unknown:
            raise CheckpointError(
                "Compose",
                got=f"arrays for place {', '.join(unknown)}",
                needs=f"places below {len(known)}",
                remedy="Build the same transforms as when it was saved",
            )
        for place, transform in known.items():
            if place in parts or _state(transform):
                transform.load_state_dict(parts.get(place, {}))


class ToFloat(Transform):
    """Bytes 0 … 255 to float32 in [0, 1]: x / 255. Floating batches stay as they are.

    Examples
    --------
    >>> ToFloat()(np.array([[0, 51, 255]], np.uint8))
    array([[0. , 0.2, 1. ]], dtype=float32)
    """

    def apply(self, batch: Array) -> Array:
        """The batch as floating numbers."""
        if batch.dtype.kind == "f":
            return batch
        if batch.dtype != np.uint8:
            raise DataError(
                "ToFloat",
                got=f"a batch of {batch.dtype}",
                needs="uint8 or floating",
                remedy="Convert it and divide by its own largest value",
            )
        return np.divide(batch, np.float32(255), dtype=np.float32)


class Flatten(Transform):
    """Every example as one row of numbers: (n, C, H, W) to (n, C·H·W).

    Examples
    --------
    >>> Flatten()(np.zeros((2, 3, 4, 4))).shape
    (2, 48)
    """

    def apply(self, batch: Array) -> Array:
        """The batch with two dimensions."""
        return batch.reshape(len(batch), int(np.prod(batch.shape[1:])))


def result_type(batch: Array) -> Any:
    """Float64 for a float64 batch, else float32."""
    return np.float64 if batch.dtype == np.float64 else np.float32


def need_arrays(state: Mapping[str, Array], names: tuple[str, ...], subject: str) -> None:
    """Refuse a state that does not hold exactly the arrays `names`."""
    if set(state) != set(names):
        raise CheckpointError(
            subject,
            got=f"arrays {', '.join(sorted(state)) or 'of no name'}",
            needs=f"arrays {', '.join(names)}",
            remedy="Load what the same transform saved",
        )


def _state(transform: Any) -> Mapping[str, Array]:
    # A plain function of (batch, draw) is welcome among transforms; it has learned nothing.
    state = getattr(transform, "state_dict", None)
    return {} if state is None else state()

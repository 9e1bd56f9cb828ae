"""How the numbers of images lie in memory: channel after channel, or pixel after pixel.

Images are written N, C, H, W. Row-major memory holds all of one channel, then the next; in
channels-last memory the channels of a pixel lie together, which convolutions read much faster. The
shape, every index and every result are the same: only the strides differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.engine.tracing import Unknown, refuse_value, tracers
from backlight.errors import ArgumentError, ShapeError, nearest
from backlight.gates.arithmetic import identity

Array = np.ndarray[Any, Any]

FORMATS = ("contiguous_format", "channels_last")
"""PyTorch's names for them."""
STORED, WRITTEN = (0, 2, 3, 1), (0, 3, 1, 2)
"""From the axes as they are written to those in memory, channels last, and back."""


def lies_channels_last(array: Any) -> bool:
    """Whether an array of 4 axes lies in memory channels last, and not row-major as well.

    Examples
    --------
    >>> x = np.zeros((2, 3, 4, 5))
    >>> lies_channels_last(x), lies_channels_last(in_format(x, "channels_last"))
    (False, True)
    """
    if array.ndim != 4:
        return False
    return not array.flags.c_contiguous and array.transpose(STORED).flags.c_contiguous


def in_format(array: Array, memory_format: str, subject: str = "contiguous") -> Array:
    """The same numbers in this format: the array itself where it lies so already, else a copy.

    Raises
    ------
    ArgumentError
        If there is no such format.
    ShapeError
        If channels last is asked for with other than 4 axes.
    """
    checked(memory_format, subject)
    if memory_format == "contiguous_format":
        return array if array.flags.c_contiguous else np.array(array, order="C")
    if array.ndim != 4:
        raise ShapeError(
            subject,
            got=f"memory_format='channels_last' for shape {array.shape}",
            needs="images: 4 axes, N, C, H, W",
            remedy="Leave it out, or reshape first.",
        )
    turned = array.transpose(STORED)
    return array if turned.flags.c_contiguous else np.array(turned, order="C").transpose(WRITTEN)


def checked(memory_format: Any, subject: str) -> None:
    """Refuse what is no memory format.

    Raises
    ------
    ArgumentError
    """
    if memory_format not in FORMATS:
        raise ArgumentError(
            subject,
            got=f"memory_format={memory_format!r}",
            needs=" or ".join(map(repr, FORMATS)),
            remedy=nearest(str(memory_format).rpartition(".")[2], FORMATS),
        )


class MemoryFormat:
    """Methods of a tensor that ask and choose how its numbers lie."""

    __slots__ = ()

    _value: Any
    _title: Any

    def contiguous(self, memory_format: Any = None) -> Any:
        """The same numbers in another order in memory; shape, indices and results stay.

        A compiled function takes images whose memory is channels last as they are, and gives its
        images so too: convolutions then turn nothing around.

        Parameters
        ----------
        memory_format : {"contiguous_format", "channels_last"}, optional
            Row after row; or, for images N, C, H, W, the channels of a pixel together. Without
            it, the tensor itself: gates take any layout.

        Raises
        ------
        ArgumentError
            If there is no such format.
        ShapeError
            If channels last is asked for with other than 4 axes.

        Examples
        --------
        >>> from backlight import zeros
        >>> x = zeros((1, 3, 8, 8)).contiguous(memory_format="channels_last")
        >>> x.shape, x.numpy().strides, x.is_contiguous("channels_last")
        ((1, 3, 8, 8), (768, 4, 96, 12), True)
        """
        if memory_format is None:
            return self
        checked(memory_format, self._title())
        if tracers and type(self._value) is Unknown:  # a program chooses for itself
            return self
        array = np.asarray(self._value)
        turned = in_format(array, memory_format, self._title())
        if turned is array:
            return self
        made = identity(self)
        made._value, made._base = turned, None
        return made

    def is_contiguous(self, memory_format: Any = "contiguous_format") -> Any:
        """Whether the numbers lie in memory in this order; see `contiguous`."""
        checked(memory_format, self._title())
        if tracers:
            refuse_value(self._value)
        array = np.asarray(self._value)
        if memory_format == "contiguous_format":
            return array.flags.c_contiguous
        return array.ndim == 4 and in_format(array, memory_format) is array

"""Dropout and its relatives: noise in training, nothing in evaluation."""

from __future__ import annotations

from typing import Any

from backlight.engine import random
from backlight.errors import ArgumentError
from backlight.nn.functional import dropout, dropout2d
from backlight.nn.linear import Linear
from backlight.nn.module import Module


class Dropout(Module):
    """Each number is dropped with probability p in training, and the others divided by 1 − p.

    In evaluation the input passes untouched. The mean stays what it was, so nothing needs to be
    scaled at test time. Each call draws a new mask from the generator.

    Parameters
    ----------
    p : float, 0 ≤ p < 1
        Probability of *dropping*, as in PyTorch. The course's notes keep with probability p.
    inplace : bool
        Accepted for PyTorch's sake; changes nothing.
    generator : Generator, optional
        Where masks are drawn from; the default generator unless given.

    Raises
    ------
    ArgumentError
        If p is not a probability below 1.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Dropout(0.5)
    >>> sorted(set(layer(np.ones(100)).tolist())), layer.eval()(np.ones(2)).tolist()
    ([0.0, 2.0], [1.0, 1.0])

    Source: Srivastava et al., 2014; CS231n (inverted dropout).
    """

    def __init__(
        self, p: float = 0.5, inplace: bool = False, *, generator: random.Generator | None = None
    ) -> None:
        super().__init__()
        self.p = _probability(type(self).__name__, p)
        self.inplace = inplace
        self.generator = generator

    def forward(self, x: Any) -> Any:
        """The input with some numbers dropped, or the input itself."""
        return dropout(x, self.p, self.training, generator=self.generator)

    def describe(self) -> str:
        """Dropout 0.5."""
        return f"{type(self).__name__} {self.p}"

    def extra_repr(self) -> str:
        """The probability of dropping."""
        return f"p={self.p}"


class Dropout2d(Dropout):
    """Each channel is dropped whole with probability p in training, the others divided by 1 − p.

    Neighbouring places of one channel say nearly the same: dropping single numbers of images would
    hide little. Arguments as for `Dropout`; x has the axes (N, C, H, W).

    Examples
    --------
    >>> import numpy as np
    >>> dropped = Dropout2d(0.5)(np.ones((2, 8, 3, 3)))
    >>> sorted(set(dropped.sum(axis=(2, 3)).ravel().tolist()))
    [0.0, 18.0]

    Source: Tompson, Goroshin, Jain, LeCun and Bregler, "Efficient object localization", 2015.
    """

    def forward(self, x: Any) -> Any:
        """The input with some channels dropped, or the input itself."""
        return dropout2d(x, self.p, self.training, generator=self.generator)


class DropConnect(Linear):
    """A Linear layer whose *weights* are dropped with probability p in training.

    Parameters
    ----------
    in_features, out_features, bias
        As of Linear.
    p : float, 0 ≤ p < 1
        Probability of dropping a weight; the others are divided by 1 − p.

    Source: Wan, Zeiler, Zhang, LeCun and Fergus, 2013. In evaluation the mean weights serve, not
    the paper's Gaussian approximation.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, p: float = 0.5
    ) -> None:
        super().__init__(in_features, out_features, bias)
        self.p = _probability("DropConnect", p)

    def used_weight(self) -> Any:
        """The weights of this call."""
        return dropout(self.weight, self.p, self.training)

    def extra_repr(self) -> str:
        """The sizes and the probability of dropping."""
        return f"{super().extra_repr()}, p={self.p}"


def _probability(kind: str, p: float) -> float:
    if not 0 <= p < 1:
        raise ArgumentError(
            kind,
            got=f"p={p}",
            needs="a probability of dropping, 0 ≤ p < 1",
            remedy="p=0.5 drops half; if you mean the share to keep, pass 1 − it.",
        )
    return p

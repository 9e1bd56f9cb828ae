"""Hierarchical softmax: first the group, then the class within it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from backlight.engine.tensor import as_tensor
from backlight.errors import ArgumentError
from backlight.gates.indexing import take
from backlight.gates.joining import concatenate
from backlight.gates.softmax import log_softmax
from backlight.nn.linear import Linear
from backlight.nn.module import Module
from backlight.shapes import whole


class HierarchicalSoftmax(Module):
    """log P(class) = log P(group) + log P(class | group): a calico is a cat, which is an animal.

    One softmax decides between the groups, and one in each group between its classes. What is
    learnt of a group helps all its classes, and a mistake within a group costs the group nothing.
    The probabilities of all classes sum to 1.

    Parameters
    ----------
    in_features : int
        Features of an example.
    groups : sequence of sequences of int
        The classes of each group; every class 0 … K−1 in exactly one.
    bias : bool
        Whether every score has a bias.

    Shapes
    ------
    x (…, in_features) → log probabilities (…, K), for `nn.NLLLoss`. The scores are those of one
    `Linear`: first the groups', then the classes', group by group.

    Raises
    ------
    ArgumentError
        If a class is in no group or in two, or a group is empty.

    Examples
    --------
    >>> import numpy as np
    >>> animals, vehicles = (2, 3, 4, 5, 6, 7), (0, 1, 8, 9)
    >>> head = HierarchicalSoftmax(64, [animals, vehicles])
    >>> answer = head(np.ones((3, 64), np.float32))
    >>> answer.shape, np.allclose(answer.exp().sum(-1).detach().numpy(), 1)
    ((3, 10), True)

    Notes
    -----
    Goodman, "Classes for fast maximum entropy training", 2001; Morin and Bengio, "Hierarchical
    probabilistic neural network language model", 2005, with trees of many levels. All scores are
    computed here, also those of other groups: it is the order of deciding that is of use.
    """

    def __init__(
        self, in_features: int, groups: Sequence[Sequence[int]], bias: bool = True
    ) -> None:
        super().__init__()
        self.groups = _checked(groups)
        listed = list(itertools.chain(*self.groups))
        self.order = np.argsort(listed)
        self.group_of = np.repeat(np.arange(len(self.groups)), list(map(len, self.groups)))
        self.group_of = self.group_of[self.order]
        self.scores = Linear(in_features, len(self.groups) + len(listed), bias)

    def forward(self, x: Any) -> Any:
        """Log probabilities of the classes."""
        groups, members = self._both(x)
        within = concatenate(*members, axis=-1)
        return take(groups, self.group_of, axis=-1) + take(within, self.order, axis=-1)

    def group_log_probabilities(self, x: Any) -> Any:
        """Log probabilities of the groups (…, G)."""
        return self._both(x)[0]

    def predict_path(self, x: Any) -> np.ndarray[Any, Any]:
        """Group and class of each example (…, 2): the likeliest group, and its likeliest class.

        The class is always one of the group. It is not always the likeliest of all classes: a
        group may win by many unlikely members.
        """
        groups, members = self._both(x)
        group = np.asarray(groups.detach().numpy().argmax(-1))
        best = np.stack(
            [
                np.asarray(classes)[part.detach().numpy().argmax(-1)]
                for classes, part in zip(self.groups, members, strict=True)
            ],
            axis=-1,
        )
        chosen = np.take_along_axis(best, group[..., None], axis=-1)
        return np.concatenate([group[..., None], chosen], axis=-1)

    def extra_repr(self) -> str:
        """The groups."""
        return f"in_features={self.scores.in_features}, groups={self.groups}"

    def _both(self, x: Any) -> tuple[Any, list[Any]]:
        """Log probabilities of the groups, and of each group's classes within it."""
        scores = self.scores(as_tensor(x))
        count = len(self.groups)
        ends = list(itertools.accumulate(map(len, self.groups), initial=count))
        members = [
            log_softmax(scores[..., start:end], axis=-1) for start, end in itertools.pairwise(ends)
        ]
        return log_softmax(scores[..., :count], axis=-1), members


def _checked(groups: Sequence[Sequence[int]]) -> list[list[int]]:
    found = [[whole("HierarchicalSoftmax", "class", one, 0) for one in group] for group in groups]
    listed = sorted(itertools.chain(*found))
    if not all(found) or not found or listed != list(range(len(listed))):
        raise ArgumentError(
            "HierarchicalSoftmax",
            got=f"groups={found}"[:200],
            needs="every class 0 … K−1 in exactly one group, and no empty group",
            remedy="Pass for example [(2, 3, 4, 5, 6, 7), (0, 1, 8, 9)] for ten classes",
        )
    return found

"""Embedding: a learnt vector for each of a number of things."""

from __future__ import annotations

from typing import Any

from backlight.engine.mode import no_grad
from backlight.engine.tensor import as_tensor
from backlight.errors import ArgumentError, DTypeError
from backlight.gates.choice import where
from backlight.gates.indexing import embedding
from backlight.nn import initialise
from backlight.nn.module import Module
from backlight.shapes import whole


class Embedding(Module):
    """Row i of a table, for each number i: words, users or positions made into vectors.

    Parameters
    ----------
    num_embeddings : int
        Rows of the table; indices are 0 … num_embeddings−1.
    embedding_dim : int
        Length of each vector.
    padding_idx : int, optional
        A row that is 0 and receives no gradient.

    Shapes
    ------
    indices (…) → (…, embedding_dim); weight (num_embeddings, embedding_dim), drawn from N(0, 1).

    Raises
    ------
    RangeError
        If an index has no row.
    DTypeError
        If the indices are not whole numbers.

    Examples
    --------
    >>> import numpy as np
    >>> Embedding(10, 3)(np.array([[1, 2], [4, 1]])).shape
    (2, 2, 3)
    """

    sets_width = True

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__()
        self.num_embeddings = whole("Embedding", "num_embeddings", num_embeddings, 1)
        self.embedding_dim = whole("Embedding", "embedding_dim", embedding_dim, 0)
        self.padding_idx = padding_idx
        if padding_idx is not None:
            place = whole("Embedding", "padding_idx", padding_idx)
            if not -num_embeddings <= place < num_embeddings:
                raise ArgumentError(
                    "Embedding",
                    got=f"padding_idx={place}",
                    needs=f"a row, 0 … {num_embeddings - 1}",
                    remedy="Name a row of the table.",
                )
            self.padding_idx = place % num_embeddings
        self.weight = initialise.blank(self.num_embeddings, self.embedding_dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        initialise.normal_(self.weight)
        if self.padding_idx is not None and not initialise.sketching():
            with no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, indices: Any) -> Any:
        """The rows."""
        kind = indices.dtype if hasattr(indices, "dtype") else as_tensor(indices).dtype
        if kind.kind not in "ui":
            raise self.refuse(
                DTypeError,
                indices,
                got=f"indices of type {kind}",
                needs="whole numbers",
                remedy="Convert them with .long()",
            )
        rows = embedding(self.weight, indices)
        if self.padding_idx is None:
            return rows
        padding = as_tensor(indices).reshape(*indices.shape, 1) == self.padding_idx
        return where(padding, rows.detach(), rows)

    def describe(self) -> str:
        """Embedding 1000→64."""
        return f"Embedding {self.num_embeddings}→{self.embedding_dim}"

    def extra_repr(self) -> str:
        """The sizes."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"

"""Principal components and whitening: axes of the data, and the data measured along them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backlight.data.dataset import row_blocks
from backlight.data.normalize import training_inputs
from backlight.data.number import whole_number
from backlight.data.transform import Transform, need_arrays, result_type
from backlight.errors import ArgumentError, ShapeError

Array = np.ndarray[Any, Any]


class Whiten(Transform):
    """Rotate onto the principal components and divide by √(eigenvalue + 1e-5).

    z = (x − mean) U / √(λ + ε), where the columns of U and λ are the eigenvectors and eigenvalues
    of the training split's covariance XᵀX/n. Images are flattened. What comes out has the identity
    as covariance, as far as λ is large beside ε; dividing lifts the noise in components of small λ.

    Parameters
    ----------
    mean : ndarray, shape (D,)
        Mean of the flattened inputs.
    components : ndarray, shape (D, k)
        Eigenvectors in columns, largest eigenvalue first.
    eigenvalues : ndarray, shape (k,)
        Variances along them.
    epsilon : float
        Added to the eigenvalues, so that a direction without variance is not divided by 0.
    scale : bool
        False rotates only: principal component analysis.

    Source: CS231n notes, "Setting up the data and the model", PCA and whitening.

    Examples
    --------
    >>> from backlight import philox
    >>> x = philox.normal(0, 0, (500, 3), np.float64) @ np.array([[5, 1, 0], [0, 4, 2], [0, 0, 9]])
    >>> z = Whiten.fit(x)(x)
    >>> bool(np.allclose(z.T @ z / 500, np.eye(3), atol=1e-5))
    True
    """

    def __init__(
        self,
        mean: Any,
        components: Any,
        eigenvalues: Any,
        epsilon: float = 1e-5,
        scale: bool = True,
    ) -> None:
        self.mean: Array = np.asarray(mean, np.float64)
        self.components: Array = np.asarray(components, np.float64)
        self.eigenvalues: Array = np.asarray(eigenvalues, np.float64)
        self.epsilon, self.scale = float(epsilon), bool(scale)
        if not self.epsilon > 0:
            raise ArgumentError(
                "Whiten",
                got=f"epsilon={epsilon}",
                needs="a number above 0",
                remedy="Leave it at 1e-5",
            )

    @classmethod
    def fit(
        cls,
        inputs: Any,
        components: int | None = None,
        epsilon: float = 1e-5,
        scale: bool = True,
    ) -> Whiten:
        """Components of inputs, computed in float64: hand in the training split.

        Parameters
        ----------
        inputs : ndarray, shape (n, …)
            uint8 or floating, n ≥ 2. A covariance of D×D numbers is formed.
        components : int, optional
            How many to keep, 1 … D, largest variance first; all where left out.
        epsilon, scale
            As of the class.

        Raises
        ------
        ArgumentError
            More components than there are dimensions, or fewer than 1.
        DataError
            No inputs; NaN or infinity among them.
        """
        values = training_inputs(inputs, "Whiten.fit")
        values = values.reshape(len(values), -1)
        dimensions = values.shape[1]
        kept = (
            dimensions
            if components is None
            else whole_number(components, "components", "Whiten.fit", 1)
        )
        if kept > dimensions:
            raise ArgumentError(
                "Whiten.fit",
                got=f"components={components}",
                needs=f"1 … {dimensions} of {dimensions} dimensions",
                remedy="Keep no more than there are",
            )
        mean = sum(block.sum(axis=0, dtype=np.float64) for block in row_blocks(values))
        mean = mean / len(values)
        covariance = np.zeros((dimensions, dimensions))
        for block in row_blocks(values):
            centred = np.subtract(block, mean, dtype=np.float64)
            covariance += centred.T @ centred
        eigenvalues, vectors = np.linalg.eigh(covariance / len(values))
        # Largest first. Rounding leaves tiny negative values where there is no variance.
        eigenvalues = np.maximum(eigenvalues[::-1][:kept], 0.0)
        vectors = vectors[:, ::-1][:, :kept]
        # An eigenvector's sign is free: the entry of largest size is made positive.
        largest = vectors[np.argmax(np.abs(vectors), axis=0), np.arange(kept)]
        return cls(mean, vectors * np.where(largest < 0, -1.0, 1.0), eigenvalues, epsilon, scale)

    @property
    def explained(self) -> Array:
        """Share of each kept component in the variance of the kept ones."""
        total = float(self.eigenvalues.sum())
        return self.eigenvalues / total if total > 0 else np.zeros_like(self.eigenvalues)

    def apply(self, batch: Array) -> Array:
        """The batch along its components, shape (n, k)."""
        flat = batch.reshape(len(batch), -1)
        if flat.shape[1] != len(self.mean):
            raise ShapeError(
                "Whiten",
                got=f"a batch of shape {batch.shape}",
                needs=f"examples of {len(self.mean)} numbers",
                remedy="Fit it on inputs of the shape it is used on",
            )
        # In float64: rotating cancels large numbers against each other.
        along = np.subtract(flat, self.mean, dtype=np.float64) @ self.components
        if self.scale:
            along /= np.sqrt(self.eigenvalues + self.epsilon)
        return along.astype(result_type(batch), copy=False)

    def invert(self, along: Array) -> Array:
        """Flat inputs again, shape (n, D), as well as the kept components can say."""
        unscaled = along * np.sqrt(self.eigenvalues + self.epsilon) if self.scale else along
        back = unscaled @ self.components.T + self.mean
        return back.astype(result_type(along), copy=False)

    def state_dict(self) -> dict[str, Array]:
        """Arrays "mean", "components", "eigenvalues" and "epsilon"."""
        return {
            "mean": self.mean,
            "components": self.components,
            "eigenvalues": self.eigenvalues,
            "epsilon": np.asarray(self.epsilon),
            "scale": np.asarray(self.scale),
        }

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take back what `state_dict` gave."""
        need_arrays(state, ("mean", "components", "eigenvalues", "epsilon", "scale"), "Whiten")
        vars(self).update(vars(self.from_state_dict(state)))

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Array]) -> Whiten:
        """A new one from what `state_dict` gave."""
        need_arrays(state, ("mean", "components", "eigenvalues", "epsilon", "scale"), "Whiten")
        return cls(
            state["mean"],
            state["components"],
            state["eigenvalues"],
            float(state["epsilon"]),
            bool(state["scale"]),
        )

"""k nearest neighbours: remember everything, and let the most similar examples vote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from backlight.errors import ArgumentError, nearest
from backlight.estimators.approximate import KINDS, ApproximateSearch
from backlight.estimators.labels import check_same_kind
from backlight.estimators.search import Array, ExactSearch

Weights = Literal["uniform", "distance"] | Callable[[Array], Array]


class KNeighborsClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify an example as the k training examples nearest to it are classified.

    Fitting only remembers the data (instance-based, lazy learning); a prediction looks at all of
    it. Neighbours vote with weight 1, or 1/distance, or what a function makes of the distances. Of
    equal distances the example that came first is nearer; of equal votes the class that comes first
    in `classes_` wins. A neighbour at distance 0 under 1/distance outvotes all that are not.

    Parameters
    ----------
    n_neighbors : int
        k ≥ 1.
    weights : {"uniform", "distance"} or callable
        A function takes distances (queries, k) and answers with weights of that shape, ≥ 0.
    p : float
        Order of Minkowski's distance: 1 Manhattan, 2 Euclid.
    metric : {"minkowski", "euclidean", "manhattan", "cosine"}
    algorithm : {"exact", "hnsw", "ivf"}
        The exact search, or an approximate one for p=2; see `ApproximateSearch`.
    effort : int
        How hard an approximate search looks.

    Attributes
    ----------
    classes_ : array
        The labels seen, in order.
    n_features_in_, feature_names_in_
        As scikit-learn has them.
    n_samples_fit_ : int
        How many examples it remembers.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.array([[0.0], [1.0], [4.0], [5.0]])
    >>> model = KNeighborsClassifier(n_neighbors=3).fit(points, ["low", "low", "high", "high"])
    >>> model.predict([[0.4], [4.6]]).tolist()
    ['low', 'high']
    >>> model.predict_proba([[0.4]]).round(2).tolist()
    [[0.33, 0.67]]

    Notes
    -----
    Source: CS231n, image classification notes; Cover and Hart, "Nearest neighbor pattern
    classification", 1967.
    """

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        weights: Weights = "uniform",
        p: float = 2,
        metric: str = "minkowski",
        algorithm: str = "exact",
        effort: int = 64,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.p = p
        self.metric = metric
        self.algorithm = algorithm
        self.effort = effort

    def fit(self, X: Any, y: Any) -> KNeighborsClassifier:
        """Remember the examples X (count, features) and their labels y (count,)."""
        self._forget()
        return self.partial_fit(X, y)

    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any = None,
    ) -> KNeighborsClassifier:
        """Remember more examples; labels that were not seen before become classes too."""
        first = not hasattr(self, "_search")
        X, y = validate_data(self, X, y, reset=first, dtype=_kinds(X))
        check_classification_targets(y)
        known: Array = np.unique(y if classes is None else classes) if first else self.classes_
        check_same_kind("KNeighborsClassifier", y, known)
        if first:
            self._check_settings()
            self._search = self._made()
            self._labels = np.asarray(y)[:0]
        self._search.add(X)
        self.classes_: Array = np.union1d(known, y)
        self._labels = np.concatenate([self._labels, y])
        self.n_samples_fit_ = len(self._search)
        return self

    def kneighbors(
        self,
        X: Any = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Distances and places of the nearest examples, the nearest first.

        Parameters
        ----------
        X : array, optional
            Queries (count, features). Default: the remembered examples, none its own neighbour.
        n_neighbors : int, optional
            Default: the model's.
        return_distance : bool
            Whether distances come too.

        Raises
        ------
        ArgumentError
            If there are fewer examples than neighbours asked for.
        """
        check_is_fitted(self)
        k = self._counted(self.n_neighbors if n_neighbors is None else n_neighbors)
        own = X is None
        most = len(self._search) - own
        if k > most:
            raise ArgumentError(
                "KNeighborsClassifier",
                got=f"n_neighbors={k} with {most} examples to choose from",
                needs="no more neighbours than examples",
                remedy=f"Use n_neighbors={max(most, 1)} or fewer, or fit more examples.",
            )
        if own and not isinstance(self._search, ExactSearch):
            raise ArgumentError(
                "KNeighborsClassifier",
                got=f"no queries, with algorithm={self.algorithm!r}",
                needs="queries: the index does not give its points back",
                remedy="Pass X, or use algorithm='exact'.",
            )
        queries = (
            self._search.points
            if isinstance(self._search, ExactSearch) and own
            else validate_data(self, X, reset=False, dtype=_kinds(X))
        )
        distances, places = self._search.find(queries, k + own)
        if own:
            distances, places = _without_itself(distances, places)
        return (distances, places) if return_distance else places

    def predict_proba(self, X: Any) -> Array:
        """The share of the votes that each class gets, (count, classes)."""
        return self._shares(*self.kneighbors(X))

    def predict(self, X: Any) -> Array:
        """The class with most votes."""
        return self.voted(*self.kneighbors(X))

    def voted(self, distances: Array, places: Array) -> Array:
        """The class with most votes of neighbours that `kneighbors` found, (queries, any k)."""
        votes = self._shares(distances, places)
        return np.asarray(self.classes_[np.argmax(votes, axis=1)])

    def _shares(self, distances: Array, places: Array) -> Array:
        weights = np.where(places < 0, 0.0, self._weighed(distances))  # none was found there
        columns = np.searchsorted(self.classes_, self._labels)[places]
        votes = np.zeros((len(places), len(self.classes_)))
        np.add.at(votes, (np.arange(len(places))[:, None], columns), weights)
        total = votes.sum(axis=1, keepdims=True)
        shares: Array = votes / np.where(total == 0, 1, total)
        return shares

    @property
    def remembered(self) -> Array:
        """The examples that an exact search keeps, (count, features)."""
        return self._search.points if isinstance(self._search, ExactSearch) else self._labels[:0]

    def _weighed(self, distances: Array) -> Array:
        if self.weights == "uniform":
            return np.ones_like(distances)
        if self.weights == "distance":
            same = distances == 0
            with np.errstate(divide="ignore"):
                weights = 1 / distances
            touching = same.any(axis=1)
            weights[touching] = same[touching]
            return np.asarray(weights)
        weights = np.asarray(self.weights(distances), np.float64)
        if weights.shape != distances.shape or not np.all(weights >= 0):
            raise ArgumentError(
                "KNeighborsClassifier",
                got=f"weights of shape {weights.shape} from its function"
                + ("" if np.all(weights >= 0) else ", some negative or NaN"),
                needs=f"numbers ≥ 0 of the distances' shape {distances.shape}",
                remedy="Answer with one weight for each distance.",
            )
        return weights

    def _made(self) -> ExactSearch | ApproximateSearch:
        if self.algorithm == "exact":
            return ExactSearch(self.metric, self.p)
        if self.algorithm not in KINDS:
            raise ArgumentError(
                "KNeighborsClassifier",
                got=f"algorithm={self.algorithm!r}",
                needs=f"exact, {', '.join(KINDS)}",
                remedy=nearest(str(self.algorithm), ["exact", *KINDS]),
            )
        if self.metric not in ("minkowski", "euclidean"):
            raise ArgumentError(
                "KNeighborsClassifier",
                got=f"algorithm={self.algorithm!r} with metric={self.metric!r}",
                needs="Euclid's distance for an approximate search",
                remedy="Use algorithm='exact', or metric='euclidean'.",
            )
        order = 2.0 if self.metric == "euclidean" else self.p
        return ApproximateSearch(self.algorithm, effort=self.effort, p=order)

    def _check_settings(self) -> None:
        self._counted(self.n_neighbors)
        if not callable(self.weights) and self.weights not in ("uniform", "distance"):
            raise ArgumentError(
                "KNeighborsClassifier",
                got=f"weights={self.weights!r}",
                needs="'uniform', 'distance' or a function of the distances",
                remedy=nearest(str(self.weights), ["uniform", "distance"]),
            )

    @staticmethod
    def _counted(k: Any) -> int:
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise ArgumentError(
                "KNeighborsClassifier",
                got=f"n_neighbors={k!r}",
                needs="a whole number ≥ 1",
                remedy="Pass n_neighbors=5, for example.",
            )
        return int(k)

    def _forget(self) -> None:
        for name in ("_search", "_labels", "classes_", "n_samples_fit_"):
            self.__dict__.pop(name, None)


def _kinds(X: Any) -> list[Any]:
    """The types in which examples are kept: float32 holds small whole numbers exactly."""
    kind = getattr(X, "dtype", None)
    small = isinstance(kind, np.dtype) and kind.kind in "ui" and kind.itemsize <= 2
    return [np.float32, np.float64] if small else [np.float64, np.float32]


def _without_itself(distances: Array, places: Array) -> tuple[Array, Array]:
    """Each row without its own place; without its last where it is not there (equal points)."""
    itself = places == np.arange(len(places))[:, None]
    itself[~itself.any(axis=1), -1] = True
    shape = len(places), places.shape[1] - 1
    return distances[~itself].reshape(shape), places[~itself].reshape(shape)

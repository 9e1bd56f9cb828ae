"""The two oldest learning rules of neurons: Rosenblatt's perceptron and Widrow's Adaline."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from backlight import philox
from backlight.errors import ArgumentError, DataError
from backlight.estimators.labels import coded

Array = np.ndarray[Any, Any]
_LARGEST = 1e150
"""Squared length of an example up to which products of weights and features stay finite."""


class _OneNeuronAClass(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A neuron a class, each trained to tell its class from all others, example by example."""

    learning_rate: Any
    epochs: int
    shuffle: bool
    random_state: Any

    def _correct(self, score: Array, wanted: Array) -> Array:
        """How far each neuron's answer is from the wanted ±1, by the rule; 0 leaves it alone."""
        raise NotImplementedError

    def fit(self, X: Any, y: Any) -> Any:
        """Learn from the start on X (count, features) with labels y (count,)."""
        return self._learn(X, y, None, self.epochs, fresh=True)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Any:
        """One epoch more; `classes` names all labels at the first call."""
        return self._learn(X, y, classes, 1, fresh=not hasattr(self, "coef_"))

    def _learn(self, X: Any, y: Any, classes: Any, epochs: int, *, fresh: bool) -> Any:
        self._check_settings()
        X, y = validate_data(self, X, y, reset=fresh, dtype=np.float64)
        check_classification_targets(y)
        if fresh:
            self.classes_ = np.unique(y if classes is None else classes)
            if len(self.classes_) < 2:
                raise DataError(
                    type(self).__name__,
                    got="only one class in y",
                    needs="at least two",
                    remedy="Fit it on examples of several classes.",
                )
            neurons = 1 if len(self.classes_) == 2 else len(self.classes_)
            self.coef_ = np.zeros((neurons, X.shape[1]))
            self.intercept_ = np.zeros(neurons)
            self.mistakes_: list[int] = []
            self.n_iter_ = 0
        wanted = self._wanted(y)
        # The bias trick: a feature that is always 1, whose weight is the bias.
        inputs = np.concatenate([X, np.ones((len(X), 1))], axis=1)
        weights = np.concatenate([self.coef_, self.intercept_[:, None]], axis=1)
        self._check_lengths(inputs)
        rate = self._rate(inputs)
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(epochs):
                self.mistakes_.append(self._epoch(weights, inputs, wanted, rate))
                self.n_iter_ += 1
                if self._stops and not self.mistakes_[-1]:
                    break
        if not np.all(np.isfinite(weights)):
            raise DataError(
                f"{type(self).__name__} with learning_rate={self.learning_rate}",
                got="weights that grew without bound",
                needs="a rate below 2/|x|² of the longest example",
                remedy="Lower learning_rate, or scale the features to a spread of 1.",
            )
        self.coef_, self.intercept_ = weights[:, :-1].copy(), weights[:, -1].copy()
        return self

    def _epoch(self, weights: Array, inputs: Array, wanted: Array, rate: float) -> int:
        """Show every example once, and count those that some neuron got wrong."""
        order = np.arange(len(inputs))
        if self.shuffle:
            order = philox.permutation(self._seed(), self.n_iter_, len(inputs))
        wrong = 0
        for place in order:
            x, target = inputs[place], wanted[place]
            score = weights @ x
            wrong += bool(np.any((score > 0) != (target > 0)))
            weights += rate * self._correct(score, target)[:, None] * x
        return wrong

    def _check_lengths(self, inputs: Array) -> None:
        with np.errstate(over="ignore"):
            lengths = np.sum(inputs * inputs, axis=1)
        if not np.all(lengths < _LARGEST):
            raise DataError(
                type(self).__name__,
                got=f"features as large as {np.abs(inputs).max():.3g}",
                needs="squares that can be added up",
                remedy="Divide the features by their spread first, as StandardScaler does.",
            )

    def _rate(self, inputs: Array) -> float:
        """The step for these inputs."""
        del inputs
        return float(self.learning_rate)

    _stops = True

    def _wanted(self, y: Array) -> Array:
        """±1 for each neuron, (count, neurons)."""
        codes = coded(type(self).__name__, y, self.classes_)
        if len(self.classes_) == 2:
            return np.where(codes[:, None] == 1, 1.0, -1.0)
        return np.where(codes[:, None] == np.arange(len(self.classes_)), 1.0, -1.0)

    def decision_function(self, X: Any) -> Array:
        """The scores W·x + b, (count, classes); one score with two classes, (count,)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        scores: Array = X @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> Array:
        """The class whose neuron says most; with two classes the sign of the score."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.asarray(self.classes_[(scores > 0).astype(int)])
        return np.asarray(self.classes_[np.argmax(scores, axis=1)])

    def _seed(self) -> int:
        if self.random_state is None:
            return 0
        if isinstance(self.random_state, np.random.RandomState):
            return int(self.random_state.randint(2**31))
        return int(self.random_state)

    def _check_settings(self) -> None:
        if isinstance(self.epochs, bool) or not self.epochs >= 1:
            raise ArgumentError(
                type(self).__name__,
                got=f"epochs={self.epochs!r}",
                needs="a whole number ≥ 1",
                remedy="Pass epochs=10, for example.",
            )
        if self.learning_rate != "auto" and not 0 < self.learning_rate < np.inf:
            raise ArgumentError(
                type(self).__name__,
                got=f"learning_rate={self.learning_rate!r}",
                needs="a number above 0",
                remedy="Pass learning_rate=0.01, for example.",
            )


class Perceptron(_OneNeuronAClass):
    """Rosenblatt's neuron: an example on the wrong side pulls the weights towards itself.

    w ← w + η·t·x, for t = ±1, where the neuron's answer (1 if w·x > 0) is wrong; nothing else
    changes w. On examples that a line
    separates it stops after finitely many mistakes; on others it never does. With more than two
    classes there is a neuron for each.

    Parameters
    ----------
    learning_rate : float
        η > 0. From zero weights it scales w and changes no answer.
    epochs : int
        At most; it stops when an epoch brings no mistake.
    shuffle : bool
        Show the examples in a new order every epoch.
    random_state : int or RandomState, optional
        Seed of that order.

    Attributes
    ----------
    coef_, intercept_ : array (neurons, features), (neurons,)
    mistakes_ : list of int
        Examples that some neuron got wrong, epoch by epoch.
    classes_, n_features_in_, n_iter_
        As scikit-learn has them.

    Examples
    --------
    The logical and, which a line separates:

    >>> x, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]
    >>> Perceptron().fit(x, y).predict(x).tolist()
    [0, 0, 0, 1]

    Notes
    -----
    Source: Rosenblatt, "The perceptron", 1958; convergence: Novikoff, 1962.
    """

    def __init__(
        self,
        *,
        learning_rate: float = 1.0,
        epochs: int = 100,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.shuffle = shuffle
        self.random_state = random_state

    def _correct(self, score: Array, wanted: Array) -> Array:
        return np.where((score > 0) != (wanted > 0), wanted, 0.0)


class Adaline(_OneNeuronAClass):
    """Widrow and Hoff's neuron: the delta rule moves w·x itself towards ±1, right or wrong.

    w ← w + η·(t − w·x)·x, the descent on ½(t − w·x)² example by example: the first gradient descent
    of a neuron, since w·x has a slope where a step has none.

    Parameters
    ----------
    learning_rate : float or "auto"
        η > 0; above 2/|x|² it diverges. "auto" is a quarter of that, for the longest x.
    epochs : int
    shuffle : bool
        Show the examples in a new order every epoch.
    random_state : int or RandomState, optional
        Seed of that order.

    Attributes
    ----------
    coef_, intercept_, mistakes_, classes_, n_features_in_, n_iter_
        As of `Perceptron`.

    Examples
    --------
    >>> x, y = [[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1]
    >>> model = Adaline(learning_rate=0.05).fit(x, y)
    >>> model.predict(x).tolist(), round(float(model.coef_[0, 0]), 1)
    ([0, 0, 1, 1], 0.6)

    Notes
    -----
    Source: Widrow and Hoff, "Adaptive switching circuits", 1960.
    """

    _stops = False

    def __init__(
        self,
        *,
        learning_rate: float | str = "auto",
        epochs: int = 50,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.shuffle = shuffle
        self.random_state = random_state

    def _correct(self, score: Array, wanted: Array) -> Array:
        return np.asarray(wanted - score)

    def _rate(self, inputs: Array) -> float:
        if self.learning_rate != "auto":
            return float(self.learning_rate)
        longest = float(np.max(np.sum(inputs * inputs, axis=1)))
        return 0.5 / longest

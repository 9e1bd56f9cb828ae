"""Linear classifiers: a score a class, s = W·x + b, with exchangeable loss and update rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight import nn
from backlight.estimators.trained import Array, GradientClassifier
from backlight.models.mlp import started


class LinearClassifier(GradientClassifier):
    """Draw a hyperplane a class: s = W·x + b, and choose the highest score.

    Minimises mean loss(s, y) + α·((1 − r)·½ΣW² + r·Σ|W|) by mini-batches; b is not penalised.

    Parameters
    ----------
    loss : {"cross_entropy", "hinge", "one_vs_rest_hinge"}
        Softmax (multinomial logistic regression), Weston and Watkins' support vector machine
        summed over the classes, or each class against all others.
    margin : float
        Δ of the hinges. Only its ratio to α matters.
    alpha : float
        Strength of regularisation, ≥ 0.
    l1_ratio : float
        r: 0 is L2, 1 is L1, between them the elastic net.
    optimizer : str
        Update rule: "sgd", "adam", … (`backlight.optim`).
    learning_rate : float or "auto"
        "auto" is 3/mean |x|² for the scaled x, and half of that for hinges.
    schedule : {"cosine", "constant"}
        How the rate goes on from epoch to epoch of `fit`: down to 0 along a cosine, or not at all.
    momentum : float
        For "sgd" only.
    batch_size, epochs : int
    fit_intercept : bool
        Whether there is a bias b.
    standardize : bool
        Subtract each feature's mean and divide by one spread of all, learned from the first data.
        `coef_` and `intercept_` speak of X as it was given.
    early_stopping : bool
        Hold out `validation_fraction` of the examples, keep the best weights on them, and stop when
        `n_iter_no_change` epochs brought nothing better.
    random_state : int or RandomState, optional
        Seed of the first weights and of the order of the examples.
    verbose : bool
        Print a line an epoch.

    Attributes
    ----------
    coef_ : array (classes, features)
        W, also for two classes: a template a class.
    intercept_ : array (classes,)
    classes_, n_features_in_, n_iter_, loss_curve_, validation_scores_
        As scikit-learn's classifiers have them.
    module_ : backlight.nn.Module
        The score function: to be checked, drawn and explained like any other.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> model = LinearClassifier(random_state=0).fit(x, ["cold", "cold", "warm", "warm"])
    >>> model.predict([[-1.5], [1.5]]).tolist()
    ['cold', 'warm']

    Notes
    -----
    Source: CS231n, linear classification notes; Weston and Watkins, 1999.
    """

    def __init__(
        self,
        loss: str = "cross_entropy",
        *,
        margin: float = 1.0,
        alpha: float = 1e-4,
        l1_ratio: float = 0.0,
        optimizer: str = "sgd",
        learning_rate: float | str = "auto",
        schedule: str = "cosine",
        momentum: float = 0.9,
        batch_size: int = 128,
        epochs: int = 30,
        fit_intercept: bool = True,
        standardize: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.loss = loss
        self.margin = margin
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.momentum = momentum
        self.batch_size = batch_size
        self.epochs = epochs
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.verbose = verbose

    def _module(self, features: int, classes: int) -> Any:
        if self.fit_intercept:
            return nn.Sequential(started(nn.Linear(features, classes), 1e-3))
        layer = nn.Linear(features, classes, bias=False)
        nn.init.normal_(layer.weight, std=1e-3)
        return nn.Sequential(layer)

    @property
    def coef_(self) -> Array:
        """W of s = W·x + b for x as it was given."""
        weights: Array = self.module_[0].weight.detach().numpy() * self._scale
        return weights

    @property
    def intercept_(self) -> Array:
        """B of s = W·x + b for x as it was given."""
        bias = self.module_[0].bias
        own = np.zeros(len(self.classes_), np.float32) if bias is None else bias.detach().numpy()
        return np.asarray(own - self.coef_ @ self._mean)

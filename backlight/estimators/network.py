"""Neural and convolutional networks with scikit-learn's conventions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import backlight
from backlight import models, nn
from backlight.errors import ArgumentError, nearest
from backlight.estimators.trained import GradientClassifier
from backlight.models.mlp import started

ACTIVATIONS = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "leaky_relu": nn.LeakyReLU,
    "identity": nn.Identity,
}


_LEAST_SIDE = 4
"""The convolutional network halves an image twice."""


class NeuralNetClassifier(GradientClassifier):
    """Fully connected layers with a non-linearity between: s = W₂·f(W₁·x + b₁) + b₂, and deeper.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int
        Units of each hidden layer; empty is a linear classifier.
    activation : {"relu", "tanh", "sigmoid", "leaky_relu", "identity"}
    dropout : float
        Probability with which a hidden unit is dropped while training, 0 ≤ p < 1.
    loss, margin, alpha, l1_ratio, optimizer, learning_rate, schedule, momentum, batch_size,
    epochs, standardize, early_stopping, validation_fraction, n_iter_no_change, random_state,
    verbose
        As of `LinearClassifier`.

    Attributes
    ----------
    module_, classes_, n_features_in_, n_iter_, loss_curve_, validation_scores_
        As of `LinearClassifier`.

    Examples
    --------
    The exclusive or, which no line separates:

    >>> x, y = [[0.0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> model = NeuralNetClassifier((8,), epochs=200, random_state=0).fit(x, y)
    >>> model.predict(x).tolist()
    [0, 1, 1, 0]

    Notes
    -----
    Source: CS231n, neural networks notes.
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (100,),
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        loss: str = "cross_entropy",
        margin: float = 1.0,
        alpha: float = 1e-4,
        l1_ratio: float = 0.0,
        optimizer: str = "adam",
        learning_rate: float = 1e-2,
        schedule: str = "cosine",
        momentum: float = 0.9,
        batch_size: int = 128,
        epochs: int = 50,
        standardize: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
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
        self.standardize = standardize
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.verbose = verbose

    def _module(self, features: int, classes: int) -> Any:
        if self.activation not in ACTIVATIONS:
            raise ArgumentError(
                type(self).__name__,
                got=f"activation={self.activation!r}",
                needs=f"one of {', '.join(ACTIVATIONS)}",
                remedy=nearest(str(self.activation), ACTIVATIONS),
            )
        layers: list[Any] = []
        gain = 2.0 if self.activation in ("relu", "leaky_relu") else 1.0
        for width in self.hidden_layer_sizes:
            layers += [
                started(nn.Linear(features, width), math.sqrt(gain / features)),
                ACTIVATIONS[self.activation](),
            ]
            if self.dropout:
                layers.append(nn.Dropout(self.dropout))
            features = width
        return nn.Sequential(
            *layers, started(nn.Linear(features, classes), 0.1 / math.sqrt(features))
        )


class ConvNetClassifier(NeuralNetClassifier):
    """The convolutional network of `backlight.models`, on rows that are images stretched out.

    Parameters
    ----------
    image_shape : tuple of int, optional
        (channels, height, width) of the image in each row of X. By default a square in colour or
        grey, where a row's width is that of one; other rows are laid out in the smallest square
        that holds them, at least 4 × 4, zeros behind.
    hidden_layer_sizes : sequence of int
        Units of the fully connected layers behind the convolutions.
    dropout, loss, …
        As of `NeuralNetClassifier`; the activation is ReLU.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> x, y = load_digits(return_X_y=True)
    >>> model = ConvNetClassifier((1, 8, 8), epochs=4, random_state=0).fit(x[:500], y[:500])
    >>> model.score(x[:500], y[:500]) > 0.9
    True

    Notes
    -----
    Source: CS231n, convolutional networks notes.
    """

    def __init__(
        self,
        image_shape: Sequence[int] | None = None,
        *,
        hidden_layer_sizes: Sequence[int] = (128,),
        dropout: float = 0.0,
        loss: str = "cross_entropy",
        margin: float = 1.0,
        alpha: float = 1e-4,
        l1_ratio: float = 0.0,
        optimizer: str = "adam",
        learning_rate: float = 2e-3,
        schedule: str = "cosine",
        momentum: float = 0.9,
        batch_size: int = 64,
        epochs: int = 10,
        standardize: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            dropout=dropout,
            loss=loss,
            margin=margin,
            alpha=alpha,
            l1_ratio=l1_ratio,
            optimizer=optimizer,
            learning_rate=learning_rate,
            schedule=schedule,
            momentum=momentum,
            batch_size=batch_size,
            epochs=epochs,
            standardize=standardize,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            random_state=random_state,
            verbose=verbose,
        )
        self.image_shape = image_shape

    def _module(self, features: int, classes: int) -> Any:
        shape = square(features) if self.image_shape is None else tuple(self.image_shape)
        filled = math.prod(shape) - features
        if filled and self.image_shape is not None:
            raise ArgumentError(
                type(self).__name__,
                got=f"rows of {features} numbers for images of shape {shape}",
                needs=f"{math.prod(shape)} numbers a row",
                remedy="Pass image_shape=(channels, height, width) of the images in X.",
            )
        built = models.build(
            "convnet", shape, classes, tuple(self.hidden_layer_sizes), self.dropout
        )
        return nn.Sequential(_Images(shape, filled), built.module)


class _Images(nn.Module):
    """Rows as images; zeros are put behind rows that are too short."""

    def __init__(self, shape: tuple[int, ...], filled: int) -> None:
        super().__init__()
        self.shape, self.filled = shape, filled

    def forward(self, x: Any) -> Any:
        if self.filled:
            x = backlight.pad(x, ((0, 0), (0, self.filled)))
        return x.reshape(len(x), *self.shape)


def square(features: int) -> tuple[int, int, int]:
    """The shape (channels, side, side) of the picture that a row of so many numbers may be.

    Examples
    --------
    >>> square(3072), square(784), square(30)
    ((3, 32, 32), (1, 28, 28), (1, 6, 6))
    """
    for channels in (3, 1):
        side = math.isqrt(features // channels)
        if side >= _LEAST_SIDE and channels * side * side == features:
            return channels, side, side
    side = max(_LEAST_SIDE, math.isqrt(max(features, 1) - 1) + 1)
    return 1, side, side

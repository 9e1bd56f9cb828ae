"""The stops of the road: what stands at each, and which settings are tried on validation data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from backlight.errors import UsageError, nearest
from backlight.estimators import (
    ConvNetClassifier,
    KNeighborsClassifier,
    LinearClassifier,
    NeuralNetClassifier,
)
from backlight.estimators.features import BagOfPatches, ColourHistogram, HistogramOfGradients

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Stop:
    """A model of the road.

    Attributes
    ----------
    name, title : str
        The word for the command line, and the words for the page.
    idea : str
        What it does, in a sentence.
    make : callable
        From the shape of an image and one of `settings` to an estimator.
    settings : tuple of dict
        Tried on the validation split; the best is the one that counts.
    picture : str
        What is drawn of it: "neighbours", "templates", "words" or "".
    features : callable, optional
        From the shape of an image to a transformer that comes before all of its settings.
    """

    name: str
    title: str
    idea: str
    make: Callable[..., Any]
    settings: tuple[dict[str, Any], ...] = ({},)
    picture: str = ""
    features: Callable[[Shape], Any] | None = None


def _neighbours(order: int) -> Callable[..., Any]:
    return lambda shape, k: KNeighborsClassifier(k, p=order)  # noqa: ARG005 - as all stops are made


def _linear(loss: str) -> Callable[..., Any]:
    def make(shape: Shape, alpha: float, epochs: int = 20) -> Any:
        del shape
        return LinearClassifier(loss, alpha=alpha, epochs=epochs, batch_size=256, random_state=0)

    return make


def _features(shape: Shape) -> Any:
    parts: list[Any] = [
        HistogramOfGradients(shape, cell=max(2, min(shape[1:]) // 4)),
        BagOfPatches(shape, patch=max(3, min(6, min(shape[1:]) // 3)), words=150),
    ]
    if shape[0] == 3:
        parts.append(ColourHistogram(shape))
    return make_pipeline(make_union(*parts), StandardScaler(copy=False))


def _network(*widths: int) -> Callable[..., Any]:
    def make(shape: Shape, alpha: float, dropout: float = 0.0) -> Any:
        del shape
        return NeuralNetClassifier(
            widths,
            alpha=alpha,
            dropout=dropout,
            learning_rate=1e-3,
            batch_size=256,
            epochs=30,
            random_state=0,
        )

    return make


def _convnet(shape: Shape, epochs: int) -> Any:
    return ConvNetClassifier(shape, epochs=epochs, dropout=0.3, random_state=0)


_LINEAR = (
    {"alpha": 1e-4, "epochs": 20},
    {"alpha": 1e-1, "epochs": 10},
    {"alpha": 1e-2, "epochs": 5},  # stopping early regularises as well
)
_KS = tuple({"k": k} for k in (1, 3, 5, 10, 20))

ROAD: tuple[Stop, ...] = (
    Stop(
        "chance",
        "Guessing",
        "Answers at random, looking at nothing.",
        lambda shape: DummyClassifier(strategy="uniform", random_state=0),  # noqa: ARG005
    ),
    Stop(
        "subtraction",
        "Pixel subtraction",
        "The class of the one training image with the smallest sum of absolute differences.",
        _neighbours(1),
        ({"k": 1},),
        "neighbours",
    ),
    Stop(
        "knn-l1",
        "k nearest, Manhattan",
        "The k nearest images by the sum of absolute differences vote.",
        _neighbours(1),
        _KS,
        "neighbours",
    ),
    Stop(
        "knn-l2",
        "k nearest, Euclid",
        "The k nearest images by the root of summed squares vote.",
        _neighbours(2),
        _KS,
        "neighbours",
    ),
    Stop(
        "svm",
        "Linear SVM",
        "A template a class; the right score must lead by a margin.",
        _linear("hinge"),
        _LINEAR,
        "templates",
    ),
    Stop(
        "softmax",
        "Softmax classifier",
        "A template a class; scores become probabilities.",
        _linear("cross_entropy"),
        _LINEAR,
        "templates",
    ),
    Stop(
        "features",
        "Features and a linear classifier",
        "Directions of edges, typical patches and hues instead of pixels.",
        _linear("cross_entropy"),
        _LINEAR,
        "words",
        _features,
    ),
    Stop(
        "two-layer",
        "Two-layer network",
        "One hidden layer of ReLUs learns the features itself.",
        _network(512),
        ({"alpha": 1e-4, "dropout": 0.2}, {"alpha": 5e-4, "dropout": 0.4}),
        "templates",
    ),
    Stop(
        "three-layer",
        "Three-layer network",
        "Two hidden layers: features of features.",
        _network(512, 256),
        ({"alpha": 1e-4, "dropout": 0.3}, {"alpha": 5e-4, "dropout": 0.4}),
        "templates",
    ),
    Stop(
        "convnet",
        "Convolutional network",
        "The same small filters everywhere: the shape of images is built in.",
        _convnet,
        ({"epochs": 10},),
        "templates",
    ),
)


def chosen_stops(names: Sequence[str]) -> list[Stop]:
    """The stops of these names in the order of the road; all where there are none.

    Raises
    ------
    UsageError
        If a name is unknown.
    """
    known = {stop.name: stop for stop in ROAD}
    for name in names:
        if name not in known:
            raise UsageError(
                "compare",
                got=repr(name),
                needs="stops of the road",
                remedy=nearest(name, known),
            )
    return [stop for stop in ROAD if not names or stop.name in names]

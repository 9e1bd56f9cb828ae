"""Estimators with scikit-learn's conventions: fit, partial_fit, predict, predict_proba, score.

They are cloned, searched, put into pipelines and cross-validated by scikit-learn's own tools.
"""

from backlight.estimators.linear import LinearClassifier
from backlight.estimators.neighbours import KNeighborsClassifier
from backlight.estimators.network import ConvNetClassifier, NeuralNetClassifier
from backlight.estimators.perceptron import Adaline, Perceptron

__all__ = [
    "Adaline",
    "ConvNetClassifier",
    "KNeighborsClassifier",
    "LinearClassifier",
    "NeuralNetClassifier",
    "Perceptron",
]

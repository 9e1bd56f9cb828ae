"""Look closely at one evaluated split, and keep what there is to see for the report.

Which classes are taken for which, the errors the model was surest of, some right answers from
every class, and the weights of its first layer as pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backlight.data import Examples
from backlight.train import durable, strict_json
from backlight.train.metrics import Evaluation
from backlight.train.page.examined import FILE, Examined, Prediction, Weight
from backlight.train.page.pictures import display_range, example_picture, weight_picture
from backlight.train.run import Run

Array = np.ndarray[Any, Any]

MOST_RIGHT = 12
MOST_WRONG = 24
MOST_WEIGHTS = 64
_FEWER_WEIGHTS, _LARGE_PICTURE = 40, 400
_TOP = 5
_FEATURES = 8
_LONGEST_MATRIX = 256


def examine(
    run: Run,
    module: Any,
    evaluation: Evaluation,
    examples: Examples,
    classes: Sequence[str],
    split_name: str,
    probabilistic: bool,
) -> Path:
    """Write evaluation.json: confusions, right and wrong predictions, first-layer weights.

    Parameters
    ----------
    run : Run
        The folder to write to.
    module : Module
        The model that was evaluated; its first matrix or filter bank becomes pictures.
    evaluation : Evaluation
        Scores and labels, in the order of `examples`.
    examples : Examples
        The split as it was read, before normalisation: images (n, C, H, W) or features (n, d).
    classes : sequence of str
        Names of the classes.
    split_name : str
        Such as "test".
    probabilistic : bool
        True where softmax of the scores are probabilities; otherwise scores are kept as they are.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    CheckpointError
        If it cannot be written.
    """
    answered = evaluation.predicted
    with np.errstate(invalid="ignore"):
        values = evaluation.probabilities() if probabilistic else evaluation.scores
    values = np.asarray(values, np.float64)
    sound = (answered >= 0) & np.isfinite(values).all(axis=1)
    extent = display_range(examples.inputs)
    picked_right, picked_wrong = _choose(values, evaluation.labels, answered, sound)
    name, weights = first_weights(module)
    found = Examined(
        split=split_name,
        probabilistic=probabilistic,
        classes=[str(one) for one in classes],
        confusion=evaluation.confusion().tolist(),
        unanswered=int((answered < 0).sum()),
        right=[_prediction(k, values, evaluation, examples, extent) for k in picked_right],
        wrong=[_prediction(k, values, evaluation, examples, extent) for k in picked_wrong],
        weights=_weight_pictures(weights, examples.shape, len(classes), module),
        weights_of=name,
        weights_shape=list(weights.shape),
        weights_total=len(weights),
        weights_channels=_channels(weights, examples.shape),
    )
    path = run.path / FILE
    durable.replace(path, (strict_json.dumps(found.as_json()) + "\n").encode())
    return path


def _choose(
    values: Array, labels: Array, answered: Array, sound: Array
) -> tuple[list[int], list[int]]:
    """Right answers taken from the classes in turn; errors with the surest first."""
    places = np.arange(len(labels))
    wrong = places[sound & (answered != labels)]
    lead = values[wrong, answered[wrong]] - values[wrong, labels[wrong]]
    # Stable, so that equally sure errors come in the order of the split.
    wrong = wrong[np.argsort(-lead, kind="stable")]
    right = places[sound & (answered == labels)]
    turn = np.zeros(len(right), np.int64)
    for label in np.unique(labels[right]):
        of_class = labels[right] == label
        turn[of_class] = np.arange(of_class.sum())
    right = right[np.lexsort((labels[right], turn))]
    return right[:MOST_RIGHT].tolist(), wrong[:MOST_WRONG].tolist()


def _prediction(
    place: int,
    values: Array,
    evaluation: Evaluation,
    examples: Examples,
    extent: tuple[float, float],
) -> Prediction:
    row = values[place]
    label = int(evaluation.labels[place])
    best = np.argsort(-row, kind="stable")[:_TOP]
    example = examples.inputs[place]
    is_image = example.ndim == 3
    return Prediction(
        index=place,
        label=label,
        predicted=int(evaluation.predicted[place]),
        image=example_picture(example, extent) if is_image else "",
        top=[(int(k), float(row[k])) for k in best],
        label_value=float(row[label]),
        features=[] if is_image else [float(one) for one in example.ravel()[:_FEATURES]],
    )


def first_weights(module: Any) -> tuple[str, Array]:
    """Path and values of the first parameter that is a matrix or a filter bank.

    A model without one gives an empty name and no weights.
    """
    for name, parameter in module.named_parameters():
        values = np.asarray(parameter._value)
        if values.ndim in (2, 4):
            return name, values
    return "", np.zeros((0, 0))


def _weight_pictures(
    weights: Array, shape: tuple[int, ...], classes: int, module: Any
) -> list[Weight]:
    if not weights.size:
        return []
    linear = sum(np.asarray(p._value).ndim > 1 for _, p in module.named_parameters()) == 1
    labelled = linear and len(weights) == classes
    if weights.ndim == 2:
        if len(shape) != 3 or weights.shape[1] != math.prod(shape):
            matrix = weights[:_LONGEST_MATRIX, :_LONGEST_MATRIX]
            return [Weight(weight_picture(matrix), _norm(weights), None)]
        weights = weights.reshape(-1, *shape)
    elif weights.shape[1] == 2 or weights.shape[1] > 3:
        weights = weights.mean(axis=1, keepdims=True)
    most = MOST_WEIGHTS if math.prod(weights.shape[2:]) <= _LARGE_PICTURE else _FEWER_WEIGHTS
    return [
        Weight(weight_picture(one), _norm(one), k if labelled else None)
        for k, one in enumerate(weights[:most])
    ]


def _channels(weights: Array, shape: tuple[int, ...]) -> int:
    """Channels that a picture of one unit's weights has: 3 in colour, else 1."""
    if weights.ndim == 4:
        return 3 if weights.shape[1] == 3 else 1
    return 3 if len(shape) == 3 and shape[0] == 3 and weights.shape[1] == math.prod(shape) else 1


def _norm(values: Array) -> float:
    size = float(np.linalg.norm(np.asarray(values, np.float64)))
    return size if math.isfinite(size) else 0.0

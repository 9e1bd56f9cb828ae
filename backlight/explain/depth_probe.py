"""What each layer makes of its input: how well a linear classifier reads the classes from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError
from backlight.explain.circuit.circuit import Array
from backlight.nn.module import Module

_RIDGE = 1e-3  # of the features' mean variance
_BATCH = 256


@dataclass(frozen=True)
class Probe:
    """A linear classifier on what one layer answers.

    Attributes
    ----------
    layer : str
        Path and kind of the layer; "input" for the inputs themselves.
    features : int
        How many numbers the classifier is given for one example.
    accuracy : float
        Of the classifier on examples it was not fitted to, 0–1.
    fitted : float
        The same on those it was fitted to.
    judged : int
        How many examples it was judged by.
    """

    layer: str
    features: int
    accuracy: float
    fitted: float
    judged: int

    @property
    def error(self) -> float:
        """The standard error of the accuracy: differences below twice that are chance."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / self.judged)


def depth_probe(
    model: Module,
    inputs: Any,
    labels: Any,
    test_inputs: Any,
    test_labels: Any,
    layers: Sequence[str] | None = None,
    features: int | None = None,
) -> list[Probe]:
    """The accuracy of a linear classifier on the inputs and on what each layer makes of them.

    The classifier is ridge regression onto the classes, solved exactly, so that the numbers are the
    same each time. In a network that has learned, the classes get easier to read from layer to
    layer, if every probe is given equally few numbers, not many more than there are classes. With
    all of them a wide layer in the middle is easy to read for its width alone, and the narrow ones
    behind it look as if they lost something. `features` sees to that.

    Parameters
    ----------
    model : Module
        Called in evaluation mode; its layers are probed in the order in which they answer.
    inputs, labels : array_like
        Examples to fit the classifiers to.
    test_inputs, test_labels : array_like
        Examples to judge them by.
    layers : sequence of str, optional
        Paths of the layers to probe. Default: all that have no layers inside.
    features : int, optional
        Give every classifier at most this many numbers: the leading principal components of what
        the layer answers to the examples that are fitted. Default: all numbers.

    Returns
    -------
    list of Probe
        The inputs first.

    Raises
    ------
    ArgumentError
        If the model has no layer of this path.

    Source: Alain and Bengio, Understanding intermediate layers using linear classifiers, 2016.
    """
    known = {path: module for path, module in model.named_modules() if path and not _inside(module)}
    for path in layers or ():
        if path not in dict(model.named_modules()):
            from_known = ", ".join(known)
            raise ArgumentError(
                "depth_probe",
                got=f"the layer {path!r}",
                needs="a layer of the model",
                remedy=f"Known: {from_known}.",
            )
    chosen = dict(model.named_modules()) if layers else known
    chosen = {path: chosen[path] for path in layers or chosen}
    fit = _answers(model, chosen, np.asarray(inputs))
    judge = _answers(model, chosen, np.asarray(test_inputs))
    right, test_right = np.asarray(labels), np.asarray(test_labels)
    return [
        _probed(name, *_leading(fit[name], judge[name], features), right, test_right)
        for name in fit
    ]


def _leading(fit: Array, judge: Array, most: int | None) -> tuple[Array, Array]:
    """Both, in the leading principal components of the first; as they are if they have few."""
    if most is None or fit.shape[1] <= most:
        return fit, judge
    mean = fit.mean(axis=0)
    rows = fit - mean
    if rows.shape[1] <= rows.shape[0]:
        directions = np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :most]
    else:  # from the examples' side, where there are fewer of them
        sizes, turned = np.linalg.eigh(rows @ rows.T)
        sizes, turned = sizes[::-1][:most], turned[:, ::-1][:, :most]
        kept = sizes > 1e-12 * max(float(sizes[0]), 1e-300)
        directions = rows.T @ (turned[:, kept] / np.sqrt(sizes[kept]))
    return rows @ directions, (judge - mean) @ directions


def _inside(module: Module) -> bool:
    return bool(list(module.children()))


def _answers(model: Module, chosen: dict[str, Module], inputs: Array) -> dict[str, Array]:
    """What each layer answers to every example, an example a row."""
    caught: dict[str, list[Array]] = {"input": []}

    def catch(name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                caught.setdefault(name, []).append(np.asarray(output._value))

        return hook

    hooks = [
        module.register_forward_hook(catch(f"{path} ({type(module).__name__})"))
        for path, module in chosen.items()
    ]
    was_training = model.training
    model.eval()
    try:
        with no_grad():
            for start in range(0, len(inputs), _BATCH):
                batch = inputs[start : start + _BATCH]
                caught["input"].append(batch)
                model(Tensor.share(np.ascontiguousarray(batch)))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return {
        name: np.concatenate(rows).reshape(len(inputs), -1).astype(np.float64)
        for name, rows in caught.items()
    }


def _probed(name: str, fit: Array, judge: Array, right: Array, test_right: Array) -> Probe:
    classes = int(max(right.max(), test_right.max())) + 1
    mean = fit.mean(axis=0)
    rows, targets = fit - mean, np.eye(classes)[right] - 1 / classes
    if rows.shape[1] <= rows.shape[0]:
        gram = rows.T @ rows
        gram[np.diag_indices_from(gram)] += _RIDGE * max(np.trace(gram) / len(gram), 1e-300)
        weights = np.linalg.solve(gram, rows.T @ targets)
    else:  # fewer examples than features: the same solution from the examples' side
        gram = rows @ rows.T
        gram[np.diag_indices_from(gram)] += _RIDGE * max(np.trace(gram) / len(gram), 1e-300)
        weights = rows.T @ np.linalg.solve(gram, targets)
    offset = 1 / classes
    fitted = float(np.mean((rows @ weights + offset).argmax(axis=1) == right))
    accuracy = float(np.mean(((judge - mean) @ weights + offset).argmax(axis=1) == test_right))
    return Probe(name, fit.shape[1], accuracy, fitted, len(test_right))

"""A classifier's training step in tinygrad: one captured function."""

from __future__ import annotations

from typing import Any

from backlight.bench.workload import Material, Ready
from backlight.bench.workloads.network import Classifier, Convolution, Flatten, Linear, Pool, Relu


def step(given: Material, classifier: Classifier) -> Ready:
    """Forward, loss, backward, update, compiled and captured by TinyJit."""
    from tinygrad import Context, Tensor, TinyJit, dtypes
    from tinygrad.nn.optim import SGD

    weights = [Tensor(one).realize() for one in given["weights"]]
    x, y = Tensor(given["x"]).realize(), Tensor(given["y"]).cast(dtypes.int32).realize()
    descent = SGD(weights, lr=classifier.rate, momentum=classifier.momentum)

    def train(x: Any, y: Any) -> Any:
        descent.zero_grad()
        loss = network(classifier, weights, x).sparse_categorical_crossentropy(y).backward()
        return loss.realize(*descent.schedule_step())

    program = TinyJit(train)

    def one_step() -> float:
        with Context(TRAINING=1):
            return float(program(x, y).item())

    return Ready(one_step)


def network(classifier: Classifier, weights: Any, x: Any) -> Any:
    """The scores of a batch."""
    books = iter(weights)
    for layer in classifier.layers:
        if isinstance(layer, Convolution):
            x = x.conv2d(next(books), next(books), stride=layer.stride, padding=layer.padding)
        elif isinstance(layer, Linear):
            x = x.linear(next(books).T, next(books))
        elif isinstance(layer, Pool):
            x = x.max_pool2d(layer.size, layer.stride)
        elif isinstance(layer, Relu):
            x = x.relu()
        elif isinstance(layer, Flatten):
            x = x.flatten(1)
    return x

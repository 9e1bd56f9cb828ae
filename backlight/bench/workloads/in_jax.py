"""A classifier's training step in JAX: one compiled function, channels last."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.bench.workload import Material, Ready
from backlight.bench.workloads.network import Classifier, Convolution, Flatten, Linear, Pool, Relu


def step(given: Material, classifier: Classifier) -> Ready:
    """Forward, loss, gradient and update; the old weights' memory is given to the new."""
    import jax
    import jax.numpy as jnp

    images = len(classifier.shape) == 3
    x = jnp.asarray(given["x"].transpose(0, 2, 3, 1) if images else given["x"])
    y = jnp.asarray(given["y"])
    weights = [jnp.array(one) for one in _laid_out(classifier, given["weights"])]
    speeds = [jnp.zeros_like(one) for one in weights]

    def loss_of(weights: Any, x: Any, y: Any) -> Any:
        scores = network(classifier, weights, x)
        if classifier.classes == 1:
            return jnp.mean(jax.nn.softplus(scores) - y * scores)
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], 1).mean()

    def train(weights: Any, speeds: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(weights, x, y)
        momentum, rate = classifier.momentum, classifier.rate
        speeds = jax.tree.map(lambda v, g: momentum * v + g, speeds, gradients)
        weights = jax.tree.map(lambda w, v: w - rate * v, weights, speeds)
        return weights, speeds, loss

    program = jax.jit(train, donate_argnums=(0, 1))
    held = [weights, speeds]

    def one_step() -> float:
        held[0], held[1], loss = program(held[0], held[1], x, y)
        return float(loss)

    return Ready(one_step)


def network(classifier: Classifier, weights: Any, x: Any) -> Any:
    """The scores of a batch."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    books = iter(weights)
    for layer in classifier.layers:
        if isinstance(layer, Convolution):
            padding = [(layer.padding, layer.padding)] * 2
            strides = (layer.stride, layer.stride)
            names = ("NHWC", "HWIO", "NHWC")
            filters, bias = next(books), next(books)
            x = lax.conv_general_dilated(x, filters, strides, padding, dimension_numbers=names)
            x = x + bias
        elif isinstance(layer, Linear):
            x = x @ next(books) + next(books)
        elif isinstance(layer, Pool):
            window = (1, layer.size, layer.size, 1)
            strides4 = (1, layer.stride, layer.stride, 1)
            x = lax.reduce_window(x, -jnp.inf, lax.max, window, strides4, "VALID")
        elif isinstance(layer, Relu):
            x = jax.nn.relu(x)
        else:
            x = x.reshape(x.shape[0], -1)
    return x


def _laid_out(classifier: Classifier, weights: Any) -> list[Any]:
    """Filters as height, width, in, out; matrices as in, out, images flattened channels last."""
    books = iter(weights)
    found: list[Any] = []
    channels = classifier.shape[0]
    flattened = False
    for layer in classifier.layers:
        if isinstance(layer, Convolution):
            found += [next(books).transpose(2, 3, 1, 0), next(books)]
            channels = layer.outputs
        elif isinstance(layer, Linear):
            matrix = next(books)
            if flattened:
                side = int((layer.inputs // channels) ** 0.5)
                images = matrix.reshape(-1, channels, side, side)
                matrix = images.transpose(0, 2, 3, 1).reshape(layer.outputs, -1)
                flattened = False
            found += [np.ascontiguousarray(matrix.T), next(books)]
        elif isinstance(layer, Flatten):
            flattened = True
    return found

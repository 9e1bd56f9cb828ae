"""What the tests of compiled functions share: numbers, comparisons, a small model to train."""

import numpy as np

import backlight as bl
from backlight import nn
from backlight.native.compile import compile
from backlight.optim import Adam


def numbers(shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def tensor(shape, seed=0, dtype=np.float64):
    return bl.tensor(numbers(shape, seed, dtype))


def same(found, wanted, tolerance=1e-10):
    found, wanted = (np.asarray(x.detach() if hasattr(x, "detach") else x) for x in (found, wanted))
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0) if wanted.dtype.kind == "f" else 0
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * scale)


def bits(thing):
    """Every array in a nested thing, as bytes."""
    if isinstance(thing, dict):
        return {name: bits(one) for name, one in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [bits(one) for one in thing]
    return np.asarray(thing.detach() if hasattr(thing, "detach") else thing).tobytes()


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 9)
        self.norm = nn.BatchNorm1d(9)
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(9, 4)

    def forward(self, x):
        return self.last(self.drop(bl.relu(self.norm(self.first(x)))))


def training(rule=Adam, dtype=np.float64, wrap=compile):
    bl.manual_seed(3)
    model = Small().to(dtype)
    optimiser = rule(model.parameters(), 0.01)

    def step(x, labels):
        optimiser.zero_grad()
        loss = bl.cross_entropy(model(x), labels)
        loss.backward()
        optimiser.step()
        return loss

    return model, optimiser, step, wrap(step)


def batch(number, dtype=np.float64, size=16):
    random = np.random.default_rng(number)
    return random.standard_normal((size, 6)).astype(dtype), random.integers(0, 4, size)


def states(model, optimiser):
    return [np.array(x) for x in model.state_dict().values()]


def close(left, right, tolerance=1e-9):
    for x, y in zip(left, right, strict=True):
        scale = max(1e-3, np.abs(y).max(initial=0)) if y.dtype.kind == "f" else 1
        assert np.abs(np.asarray(x, np.float64) - y).max(initial=0) <= tolerance * scale

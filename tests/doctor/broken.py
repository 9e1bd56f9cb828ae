"""Training scripts with one planted fault each, as people write them. The decorator names it.

Each takes a seed for its data and weights. They are meant to be read: what is wrong is in the code,
and nothing else is.
"""

from __future__ import annotations

import functools

import numpy as np
from sklearn.datasets import load_digits

import backlight as bl
from backlight import nn, optim, tensor
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role
from backlight.nn import functional as F

BROKEN = []


def planted(*causes):
    """Register a broken script with the probes that name its fault."""

    def register(script):
        BROKEN.append((script.__name__, script, causes))
        return script

    return register


@functools.cache
def _digits():
    found = load_digits()
    return (found.images[:, None].astype(np.float32) - 4.9) / 6.0, found.target.astype(np.int64)


def digits(seed, count=256):
    """Images (count, 1, 8, 8), normalised, and labels."""
    images, labels = _digits()
    chosen = np.random.RandomState(seed).permutation(len(images))[:count]
    return images[chosen], labels[chosen]


def blobs(seed, count=240, features=6, classes=3):
    """Clouds of points, one a class."""
    rng = np.random.RandomState(seed)
    centres = rng.randn(classes, features) * 1.5
    y = rng.randint(classes, size=count)
    return (centres[y] + rng.randn(count, features)).astype(np.float32) / 1.8, y


def line(seed, count=200, features=4):
    """A linear function with noise, targets (count,)."""
    rng = np.random.RandomState(seed)
    x = rng.randn(count, features).astype(np.float32)
    y = x @ rng.randn(features).astype(np.float32) + 0.1 * rng.randn(count)
    return x, y.astype(np.float32)


def mlp(inputs=64, hidden=32, classes=10, activation=nn.ReLU, depth=1):
    bl.manual_seed(np.random.randint(2**31))
    layers = [nn.Flatten()]
    for _ in range(depth):
        layers += [nn.Linear(inputs, hidden), activation()]
        inputs = hidden
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


def batches(x, y, size=32, epochs=6, seed=0, shuffle=True):
    rng = np.random.RandomState(seed)
    for _ in range(epochs):
        order = rng.permutation(len(x)) if shuffle else np.arange(len(x))
        for start in range(0, len(x) - size + 1, size):
            chosen = order[start : start + size]
            yield tensor(x[chosen]), tensor(y[chosen])


def fit(model, x, y, loss=None, rule=None, **options):
    """A sound loop, for scripts whose fault lies elsewhere."""
    loss = loss or nn.CrossEntropyLoss()
    rule = rule or optim.Adam(model.parameters(), lr=3e-3)
    for inputs, labels in batches(x, y, **options):
        rule.zero_grad()
        cost = loss(model(inputs), labels)
        cost.backward()
        rule.step()
    return rule


# ── the order of a step ────────────────────────────────────────────────────────────────────────


@planted("gradients_not_zeroed")
def forgets_zero_grad(seed):
    x, y = digits(seed)
    model = mlp()
    rule = optim.SGD(model.parameters(), lr=0.05)
    for inputs, labels in batches(x, y):
        loss = F.cross_entropy(model(inputs), labels)
        loss.backward()
        rule.step()


@planted("gradients_not_zeroed")
def forgets_zero_grad_by_hand(seed):
    x, y = blobs(seed)
    rng = np.random.RandomState(seed)
    w = tensor(0.1 * rng.randn(6, 3).astype(np.float32), requires_grad=True)
    for inputs, labels in batches(x, y):
        loss = F.cross_entropy(inputs @ w, labels)
        loss.backward()
        with bl.no_grad():
            w -= 0.1 * w.grad


@planted("zeroed_before_step")
def zeroes_between_backward_and_step(seed):
    x, y = digits(seed)
    model = mlp()
    rule = optim.SGD(model.parameters(), lr=0.05)
    for inputs, labels in batches(x, y):
        loss = F.cross_entropy(model(inputs), labels)
        loss.backward()
        rule.zero_grad()
        rule.step()


@planted("no_update")
def forgets_step(seed):
    x, y = digits(seed)
    model = mlp()
    rule = optim.Adam(model.parameters())
    for inputs, labels in batches(x, y, epochs=2):
        rule.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()


@planted("no_backward", "step_without_gradients")
def forgets_backward(seed):
    x, y = digits(seed)
    model = mlp()
    rule = optim.Adam(model.parameters())
    for inputs, labels in batches(x, y, epochs=2):
        rule.zero_grad()
        F.cross_entropy(model(inputs), labels)
        rule.step()


@planted("outside_optimizer")
def optimises_the_last_layer_only(seed):
    x, y = digits(seed)
    model = mlp(depth=2)
    fit(model, x, y, rule=optim.SGD(model[-1].parameters(), lr=0.1))


@planted("outside_optimizer")
def leaves_the_biases_out(seed):
    x, y = blobs(seed)
    model = mlp(6, 16, 3)
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    fit(model, x, y, rule=optim.Adam(weights, lr=3e-3))


@planted("foreign_parameters")
def optimises_another_model(seed):
    x, y = digits(seed)
    model = mlp()
    rule = optim.Adam(model.parameters(), lr=3e-3)
    model = mlp()  # "let me start over"
    fit(model, x, y, rule=rule)


@planted("uphill")
def adds_the_gradient(seed):
    x, y = blobs(seed)
    rng = np.random.RandomState(seed)
    w = tensor(0.1 * rng.randn(6, 3).astype(np.float32), requires_grad=True)
    for inputs, labels in batches(x, y, epochs=3):
        loss = F.cross_entropy(inputs @ w, labels)
        w.grad = None
        loss.backward()
        with bl.no_grad():
            w += 0.1 * w.grad


@planted("negated_loss")
def minimises_the_negative(seed):
    x, y = blobs(seed)
    model = mlp(6, 16, 3)
    fit(model, x, y, loss=lambda s, t: -F.cross_entropy(s, t), epochs=3)


# ── the graph ──────────────────────────────────────────────────────────────────────────────────


class Detaching(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Linear(64, 32)
        self.scores = nn.Linear(32, 10)

    def forward(self, x):
        hidden = self.features(x.reshape(len(x), -1)).relu()
        return self.scores(hidden.detach())


@planted("detached")
def detaches_the_features(seed):
    x, y = digits(seed)
    fit(Detaching(), x, y)


class ThroughNumPy(Detaching):
    def forward(self, x):
        hidden = self.features(x.reshape(len(x), -1)).relu()
        centred = hidden.detach().numpy() - hidden.detach().numpy().mean(axis=0)
        return self.scores(tensor(centred))


@planted("detached")
def goes_through_numpy(seed):
    x, y = digits(seed)
    fit(ThroughNumPy(), x, y)


class Forgetful(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(64, 32), nn.Linear(32, 32)
        self.scores = nn.Linear(32, 10)

    def forward(self, x):
        hidden = self.first(x.reshape(len(x), -1)).relu()
        return self.scores(hidden)


@planted("unused_layer")
def forgets_a_layer(seed):
    x, y = digits(seed)
    fit(Forgetful(), x, y)


@planted("frozen")
def freezes_random_features(seed):
    x, y = digits(seed)
    model = mlp(depth=2)
    model[1].requires_grad_(False)
    fit(model, x, y, rule=optim.Adam([p for p in model.parameters() if p.requires_grad], lr=3e-3))


# ── modes ──────────────────────────────────────────────────────────────────────────────────────


def dropping(p=0.5):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Dropout(p), nn.Linear(48, 10)
    )


@planted("train_mode_at_evaluation")
def evaluates_with_dropout(seed):
    x, y = digits(seed, 400)
    model = dropping()
    fit(model, x[:256], y[:256])
    with bl.no_grad():
        return float((model(tensor(x[256:])).numpy().argmax(1) == y[256:]).mean())


@planted("train_mode_at_evaluation")
def evaluates_batch_norm_in_training_mode(seed):
    x, y = digits(seed, 400)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10)
    )
    for epoch in range(3):
        fit(model, x[:256], y[:256], epochs=1, seed=epoch)
        with bl.no_grad():
            model(tensor(x[256:]))


@planted("eval_mode_in_training")
def never_goes_back_to_training_mode(seed):
    x, y = digits(seed, 400)
    model = dropping()
    rule = optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(4):
        model.eval()
        with bl.no_grad():
            model(tensor(x[256:]))
        fit(model, x[:256], y[:256], rule=rule, epochs=1, seed=epoch)


class AlwaysDropping(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.scores = nn.Linear(64, 48), nn.Linear(48, 10)

    def forward(self, x):
        return self.scores(F.dropout(self.hidden(x.reshape(len(x), -1)).relu(), 0.5))


@planted("random_at_evaluation")
def drops_at_evaluation_too(seed):
    x, y = digits(seed, 400)
    model = AlwaysDropping()
    fit(model, x[:256], y[:256])
    model.eval()
    with bl.no_grad():
        model(tensor(x[256:]))


@planted("dropout_too_high")
def takes_p_for_the_share_to_keep(seed):
    x, y = digits(seed)
    fit(dropping(0.95), x, y)


# ── losses ─────────────────────────────────────────────────────────────────────────────────────


@planted("softmax_twice")
def softmax_before_cross_entropy(seed):
    x, y = digits(seed)
    model = mlp()
    fit(model, x, y, loss=lambda s, t: F.cross_entropy(F.softmax(s, axis=1), t))


@planted("softmax_twice")
def softmax_as_a_layer(seed):
    x, y = digits(seed)
    fit(nn.Sequential(*mlp(), nn.Softmax(1)), x, y)


@planted("softmax_twice")
def sigmoid_before_logits(seed):
    x, y = blobs(seed, classes=2)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
    fit(model, x, y[:, None].astype(np.float32), loss=nn.BCEWithLogitsLoss())


@planted("logarithm_missing")
def nll_of_scores(seed):
    x, y = digits(seed)
    fit(mlp(), x, y, loss=nn.NLLLoss())


@planted("softmax_over_batch")
def softmax_over_axis_0(seed):
    x, y = blobs(seed)
    model = mlp(6, 16, 3)

    def loss(scores, labels):
        return -F.log_softmax(scores, axis=0)[range(len(labels)), labels].mean()

    fit(model, x, y, loss=loss)


@planted("loss_broadcast")
def compares_all_with_all(seed):
    x, y = line(seed)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    fit(model, x, y, loss=lambda p, t: ((p - t) ** 2).mean())


@planted("activation_before_loss")
def relu_on_the_scores(seed):
    x, y = digits(seed)
    fit(nn.Sequential(*mlp(), nn.ReLU()), x, y)


@planted("activation_before_loss")
def sigmoid_on_a_regression(seed):
    x, y = line(seed)
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1), nn.Sigmoid())
    fit(model, x, y[:, None], loss=nn.MSELoss())


@planted("penalty_sign")
def subtracts_the_penalty(seed):
    x, y = blobs(seed)
    model = mlp(6, 16, 3)

    def loss(scores, labels):
        penalty = sum((p * p).sum() for p in model.parameters() if p.ndim > 1)
        return F.cross_entropy(scores, labels) - 1e-2 * penalty

    fit(model, x, y, loss=loss)


@planted("penalty_drowns")
def decays_weights_away(seed):
    x, y = digits(seed)
    model = mlp()
    fit(model, x, y, rule=optim.SGD(model.parameters(), lr=0.01, weight_decay=10.0))


# ── data ───────────────────────────────────────────────────────────────────────────────────────


@planted("not_normalised")
def pixels_from_0_to_255(seed):
    x, y = digits(seed)
    fit(mlp(), (x * 6 + 4.9) * 16, y)


@planted("not_normalised")
def inputs_times_1000(seed):
    x, y = blobs(seed)
    fit(mlp(6, 16, 3), x * 1000, y, rule=None)


@planted("inputs_not_finite")
def a_gap_in_the_data(seed):
    x, y = blobs(seed)
    x[17, 2] = np.nan
    fit(mlp(6, 16, 3), x, y)


@planted("labels_shuffled")
def shuffles_labels_alone(seed):
    x, y = digits(seed)
    fit(mlp(), x, np.random.RandomState(seed + 1).permutation(y))


@planted("labels_shuffled")
def sorts_the_targets(seed):
    x, y = line(seed)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    fit(model, x, np.sort(y)[:, None], loss=nn.MSELoss())


@planted("labels_constant")
def reads_the_wrong_column(seed):
    x, y = digits(seed)
    fit(mlp(), x, np.zeros_like(y))


@planted("leak")
def splits_after_repeating(seed):
    x, y = digits(seed, 200)
    x, y = np.concatenate([x, x]), np.concatenate([y, y])
    order = np.random.RandomState(seed).permutation(len(x))
    train, test = order[:300], order[300:]
    model = mlp()
    fit(model, x[train], y[train])
    model.eval()
    with bl.no_grad():
        model(tensor(x[test]))


@planted("class_imbalance")
def hardly_any_of_one_class(seed):
    x, y = blobs(seed, 400, classes=2)
    kept = (y == 0) | (np.arange(len(y)) < 16)
    fit(mlp(6, 16, 2), x[kept], y[kept])


@planted("classes_in_order")
def does_not_shuffle(seed):
    x, y = digits(seed, 320)
    order = np.argsort(y, kind="stable")
    fit(mlp(), x[order], y[order], shuffle=False)


# ── the start ──────────────────────────────────────────────────────────────────────────────────


@planted("same_weights")
def begins_at_zero(seed):
    x, y = digits(seed)
    model = mlp()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    fit(model, x, y)


@planted("same_weights")
def begins_at_a_constant(seed):
    x, y = digits(seed)
    model = mlp(activation=nn.Tanh)
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.05)
    fit(model, x, y)


@planted("weights_too_large")
def begins_ten_times_too_large(seed):
    x, y = digits(seed)
    model = mlp(depth=2)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=10 * (2 / parameter.shape[1]) ** 0.5)
    fit(model, x, y, rule=optim.SGD(model.parameters(), lr=1e-3))


@planted("weights_too_small")
def begins_with_tiny_weights(seed):
    x, y = digits(seed)
    model = mlp(depth=6, activation=nn.Tanh)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.01)
    fit(model, x, y, rule=optim.SGD(model.parameters(), lr=0.05))


@planted("vanishing_gradient")
def stacks_twelve_sigmoids(seed):
    x, y = digits(seed)
    model = mlp(depth=12, activation=nn.Sigmoid)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_normal_(parameter)
    fit(model, x, y, rule=optim.SGD(model.parameters(), lr=0.05))


@planted("dead_at_start")
def begins_with_biases_far_below_zero(seed):
    x, y = digits(seed)
    model = mlp()
    nn.init.constant_(model[1].bias, -20.0)
    fit(model, x, y)


@planted("no_nonlinearity")
def forgets_the_activation(seed):
    x, y = digits(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Linear(64, 32), nn.Linear(32, 10))
    fit(model, x, y)


# ── rates, and a rule of one's own ─────────────────────────────────────────────────────────────


@planted("rate_too_high")
def learns_at_thirty(seed):
    x, y = digits(seed)
    model = mlp(depth=2)
    fit(model, x, y, rule=optim.SGD(model.parameters(), lr=30.0))


@planted("rate_too_high")
def adam_at_one(seed):
    x, y = digits(seed)
    model = mlp(depth=2)
    fit(model, x, y, rule=optim.Adam(model.parameters(), lr=3.0))


@planted("rate_too_high")
def regression_blows_up(seed):
    x, y = line(seed)
    model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
    fit(model, x, y[:, None], loss=nn.MSELoss(), rule=optim.SGD(model.parameters(), lr=20.0))


@planted("rate_too_low")
def learns_at_a_hundred_thousandth(seed):
    x, y = digits(seed)
    model = mlp()
    fit(model, x, y, rule=optim.SGD(model.parameters(), lr=1e-6))


@planted("rate_too_low")
def adam_at_a_hundred_millionth(seed):
    x, y = digits(seed)
    model = mlp()
    fit(model, x, y, rule=optim.Adam(model.parameters(), lr=1e-8))


@planted("rate_spent")
def steps_the_schedule_every_batch(seed):
    x, y = digits(seed)
    model = mlp()
    rule = optim.SGD(model.parameters(), lr=0.1)
    schedule = optim.StepLR(rule, step_size=3, gamma=0.1)
    for inputs, labels in batches(x, y):
        rule.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        rule.step()
        schedule.step()


class HalfSlope(Elementwise):
    """x², with a backward rule that forgets the 2."""

    role = Role.SCALER
    formula = "x * x"

    def forward(self, np, x):
        return x * x

    def backward(self, upstream, x, output):
        return (upstream * x,)


@functools.cache
def half_slope():
    """The gate, made once; taken out of the table, which other tests go through."""
    made = HalfSlope()
    bl.gates.TABLE.pop(made.name)
    return made


@planted("wrong_gradient")
def forgets_the_two(seed):
    x, y = blobs(seed)
    square = half_slope()

    class Squares(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.scores = nn.Linear(6, 16), nn.Linear(16, 3)

        def forward(self, x):
            return self.scores(square(self.hidden(x)))

    fit(Squares(), x, y)

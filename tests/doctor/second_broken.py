"""A second set of broken scripts: mistakes as they are asked about, by other hands than the first.

Written without running them before, each with the fault it is to be named for. What the doctor
said at the first try is printed in `docs/doctor.md`, beside what it says now.
"""

from __future__ import annotations

import numpy as np

import backlight as bl
from backlight import nn, optim, tensor
from backlight.nn import functional as F

SECOND = []


def mistake(*causes):
    """Register a script with the probes that name its fault."""

    def register(script):
        SECOND.append((script.__name__, script, causes))
        return script

    return register


def stripes(seed, count=300, side=6, classes=4):
    """Small images of stripes in four directions, with noise: (n, 1, side, side) and labels."""
    rng = np.random.RandomState(seed)
    y = rng.randint(classes, size=count)
    row, column = np.mgrid[:side, :side]
    waves = [row, column, row + column, row - column]
    phase = rng.uniform(0, 0.6, size=count)
    x = np.stack([np.sin(1.6 * waves[k] + p) for k, p in zip(y, phase, strict=True)])
    x = x + 0.3 * rng.randn(*x.shape)
    return x[:, None].astype(np.float32), y.astype(np.int64)


def houses(seed, count=240):
    """Standardised features of houses and their prices, a curved function of them."""
    rng = np.random.RandomState(seed)
    x = rng.randn(count, 5).astype(np.float32)
    price = x[:, 0] * 1.5 + np.abs(x[:, 1]) + x[:, 2] * x[:, 3] + 0.1 * rng.randn(count)
    return x, ((price - price.mean()) / price.std()).astype(np.float32)[:, None]


def small(inputs=36, classes=4, hidden=24):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes)
    )


def pairs(x, y, size=30, epochs=5, seed=0):
    rng = np.random.RandomState(seed)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for k in range(0, len(x) - size + 1, size):
            yield tensor(x[order[k : k + size]]), tensor(y[order[k : k + size]])


def train(model, x, y, criterion=F.cross_entropy, optimizer=None, **options):
    optimizer = optimizer or optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for inputs, labels in pairs(x, y, **options):
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()


# ── optimisers and parameters ──────────────────────────────────────────────────────────────────


@mistake("outside_optimizer")
def replaces_the_head_after_the_optimizer_was_made(seed):
    x, y = stripes(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 10))
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    layers = list(model)
    layers[-1] = nn.Linear(24, 4)  # four classes, not ten
    train(nn.Sequential(*layers), x, y, optimizer=optimizer)


@mistake("optimizer_made_anew")
def makes_adam_anew_for_each_batch(seed):
    x, y = stripes(seed)
    model = small()
    for inputs, labels in pairs(x, y):
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()


@mistake("model_made_anew")
def builds_the_model_inside_the_loop(seed):
    x, y = stripes(seed)
    for inputs, labels in pairs(x, y):
        model = small()
        optimizer = optim.Adam(model.parameters(), lr=1e-2)
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()


@mistake("gradients_not_zeroed")
def zeroes_the_gradients_of_the_other_optimizer(seed):
    x, y = houses(seed)
    model, unused = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1)), small()
    optimizer, other = optim.SGD(model.parameters(), lr=0.01), optim.SGD(unused.parameters())
    for inputs, prices in pairs(x, y):
        other.zero_grad()
        F.mse_loss(model(inputs), prices).backward()
        optimizer.step()


# ── learning rates and what acts like one ──────────────────────────────────────────────────────


@mistake("rate_too_high")
def adam_at_a_hundred_times_its_rate(seed):
    x, y = stripes(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4)
    )
    train(model, x, y, optimizer=optim.Adam(model.parameters(), lr=0.5))


@mistake("rate_too_low")
def forgets_that_sgd_is_not_adam(seed):
    x, y = houses(seed)
    model = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1))
    train(model, x, y, F.mse_loss, optim.SGD(model.parameters(), lr=1e-5))


@mistake("loss_summed", "rate_too_high")
def sums_the_loss_over_the_batch(seed):
    x, y = stripes(seed)
    model = small()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    train(model, x, y, lambda s, t: F.cross_entropy(s, t, reduction="sum"), optimizer, size=100)


@mistake("clipped_to_nothing", "rate_too_low")
def clips_at_a_millionth(seed):
    x, y = stripes(seed)
    model = small()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for inputs, labels in pairs(x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optim.clip_grad_norm_(model.parameters(), 1e-6)
        optimizer.step()


@mistake("rate_spent", "rate_too_low")
def warms_up_with_whole_numbers(seed):
    x, y = stripes(seed)
    model = small()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    schedule = optim.LambdaLR(optimizer, lambda step: step // 1000)
    for inputs, labels in pairs(x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        schedule.step()


@mistake("penalty_drowns")
def takes_weight_decay_for_momentum(seed):
    x, y = stripes(seed)
    model = small()
    train(model, x, y, optimizer=optim.SGD(model.parameters(), lr=0.1, weight_decay=0.9))


# ── losses ─────────────────────────────────────────────────────────────────────────────────────


@mistake("softmax_twice")
def softmax_clipped_before_cross_entropy(seed):
    x, y = stripes(seed)
    train(small(), x, y, lambda s, t: F.cross_entropy(F.clip(F.softmax(s, axis=1), 1e-7, 1.0), t))


@mistake("softmax_over_batch")
def probabilities_over_the_wrong_axis(seed):
    x, y = stripes(seed)
    model = nn.Sequential(*small(), nn.Softmax(0))

    def criterion(p, t):
        return -F.log(p[range(len(t)), t] + 1e-9).mean()

    train(model, x, y, criterion)


@mistake("dropout_on_scores")
def drops_out_the_scores(seed):
    x, y = stripes(seed)
    train(nn.Sequential(*small(), nn.Dropout(0.5)), x, y)


@mistake("activation_before_loss")
def every_block_ends_in_relu(seed):
    x, y = stripes(seed)

    def block(a, b):
        return nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU())

    model = nn.Sequential(nn.Flatten(), block(36, 24), block(24, 4))
    train(model, x, y)


@mistake("loss_broadcast")
def a_row_of_probabilities_against_a_column(seed):
    x, y = stripes(seed, classes=2)
    model = small(classes=1)
    labels = y[:, None].astype(np.float32)

    def criterion(s, t):
        p = F.sigmoid(s[:, 0])
        return -(t * F.log(p + 1e-7) + (1 - t) * F.log(1 - p + 1e-7)).mean()

    train(model, x, labels, criterion, optim.Adam(model.parameters(), lr=1e-2))


@mistake("overflow", "weights_too_large", "not_normalised", "diverged")
def exponentials_without_a_maximum_subtracted(seed):
    x, y = stripes(seed)

    def criterion(s, t):
        e = F.exp(s)
        return -F.log(e[range(len(t)), t] / e.sum(axis=1)).mean()

    train(small(), 200 * x, y, criterion)


# ── the graph ──────────────────────────────────────────────────────────────────────────────────


class Chooser(nn.Module):
    """Picks a code by argmax in the middle: nothing can go back through a choice."""

    def __init__(self):
        super().__init__()
        self.encode, self.decode = nn.Linear(36, 8), nn.Linear(8, 4)

    def forward(self, x):
        chosen = self.encode(x.reshape(len(x), -1)).argmax(axis=1)
        return self.decode(F.one_hot(chosen, 8).float())


@mistake("detached")
def chooses_by_argmax_in_the_middle(seed):
    x, y = stripes(seed)
    train(Chooser(), x, y)


class Mixing(nn.Module):
    """Folds images with reshape where it should transpose: rows of different examples meet."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(36, 24), nn.Linear(24, 4)

    def forward(self, x):
        columns = x.reshape(len(x), 36).T  # features first, "as the paper has it"
        hidden = self.first(columns.reshape(len(x), 36)).relu()
        return self.head(hidden)


@mistake("examples_mixed")
def reshapes_instead_of_transposing(seed):
    x, y = stripes(seed)
    train(Mixing(), x, y)


@mistake("no_nonlinearity")
def defines_relu_and_never_calls_it(seed):
    x, y = stripes(seed)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 8, 3, padding=1)
            self.hidden, self.head = nn.Linear(288, 32), nn.Linear(32, 4)
            self.relu = nn.ReLU()

        def forward(self, x):
            x = self.conv(x).reshape(len(x), -1)
            return self.head(self.hidden(x))

    model = Net()
    train(model, x, y, optimizer=optim.Adam(model.parameters(), lr=3e-3))


# ── data ───────────────────────────────────────────────────────────────────────────────────────


@mistake("inputs_constant")
def divides_bytes_as_whole_numbers(seed):
    x, y = stripes(seed)
    pixels = np.clip(x * 60 + 128, 0, 254).astype(np.uint8)
    train(small(), (pixels // 255).astype(np.float32), y)


@mistake("not_normalised")
def divides_by_255_after_standardising(seed):
    x, y = stripes(seed)
    x = (x - x.mean()) / x.std() / 255
    model = small()
    train(model, x, y, optimizer=optim.SGD(model.parameters(), lr=0.05))


@mistake("not_normalised")
def subtracts_a_half_from_bytes(seed):
    x, y = stripes(seed)
    pixels = np.clip(x * 60 + 128, 0, 255).round()
    train(small(), ((pixels - 0.5) / 0.5).astype(np.float32), y)


@mistake("inputs_repeat")
def reuses_one_buffer_for_all_batches(seed):
    x, y = stripes(seed)
    buffer, loaded = np.empty((30, 1, 6, 6), np.float32), []
    for k in range(0, 300, 30):
        buffer[:] = x[k : k + 30]
        loaded.append((buffer, y[k : k + 30]))
    model = small()
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(5):
        for inputs, labels in loaded:
            optimizer.zero_grad()
            F.cross_entropy(model(tensor(inputs)), tensor(labels)).backward()
            optimizer.step()


@mistake("labels_shuffled")
def reads_files_in_the_order_of_their_names(seed):
    x, y = stripes(seed)
    by_name = sorted(range(len(x)), key=str)  # 0, 1, 10, 100, 101, …
    train(small(), x[by_name], y)


@mistake("targets_not_normalised")
def prices_in_whole_won(seed):
    x, y = houses(seed)
    model = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1))
    prices = (y * 2e5 + 6e5).astype(np.float32)
    train(model, x, prices, F.mse_loss, optim.Adam(model.parameters(), lr=1e-3))


@mistake("leak")
def draws_a_new_split_in_every_epoch(seed):
    x, y = stripes(seed)
    model, rng = small(), np.random.RandomState(seed)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(5):
        order = rng.permutation(len(x))
        model.train()
        train(model, x[order[:240]], y[order[:240]], optimizer=optimizer, epochs=1)
        model.eval()
        with bl.no_grad():
            model(tensor(x[order[240:]]))


@mistake("not_normalised")
def a_column_of_seconds_since_1970(seed):
    x, y = houses(seed)
    x = np.concatenate([x, 1.6e9 + 1e6 * x[:, :1]], axis=1).astype(np.float32)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
    train(model, x, y, F.mse_loss, optim.Adam(model.parameters(), lr=1e-3))


# ── modes, and the start ───────────────────────────────────────────────────────────────────────


@mistake("eval_mode_in_training")
def calls_eval_once_and_never_train_again(seed):
    x, y = stripes(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(96, 4)
    )
    model.eval()
    with bl.no_grad():
        model(tensor(x[240:]))  # "what does it say before training?"
    train(model, x[:240], y[:240], optimizer=optim.Adam(model.parameters(), lr=3e-3))


@mistake("frozen")
def only_the_biases_learn(seed):
    x, y = stripes(seed)
    model = small()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("bias" in name)
    learn = [p for p in model.parameters() if p.requires_grad]
    train(model, x, y, optimizer=optim.Adam(learn, lr=1e-2))


@mistake("exploding_gradient", "weights_too_large")
def twenty_layers_of_standard_normal_weights(seed):
    x, y = stripes(seed)
    layers = [nn.Flatten(), nn.Linear(36, 24), nn.ReLU()]
    for _ in range(12):
        layers += [nn.Linear(24, 24), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(24, 4))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter)
    train(model, x, y, optimizer=optim.SGD(model.parameters(), lr=1e-4))

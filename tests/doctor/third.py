"""A third set, written after the probes were mended by the second, and scored once.

The faults of the second set in other clothes, and sound scripts that come near to them.
"""

from __future__ import annotations

import numpy as np

import backlight as bl
from backlight import nn, optim, tensor
from backlight.data import toy
from backlight.nn import functional as F
from tests.doctor.broken import blobs, digits
from tests.doctor.second_broken import pairs, train

BROKEN, SOUND = [], []


def wrong(*causes):
    """Register a broken script."""

    def register(script):
        BROKEN.append((script.__name__, script, causes))
        return script

    return register


def right(script):
    """Register a sound script."""
    SOUND.append((script.__name__, script))
    return script


def convnet(classes=10):
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, classes)
    )


def curve(seed, count=200):
    """y = sin(2x) + noise, of one number."""
    rng = np.random.RandomState(seed)
    x = rng.uniform(-2, 2, size=(count, 1)).astype(np.float32)
    return x, np.sin(2 * x) + 0.05 * rng.randn(count, 1).astype(np.float32)


@wrong("optimizer_made_anew")
def momentum_forgotten_in_every_step(seed):
    x, y = digits(seed)
    model = convnet()

    def update(loss):
        optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for inputs, labels in pairs(x, y, epochs=3):
        update(F.cross_entropy(model(inputs), labels))


@wrong("model_made_anew")
def a_train_step_that_makes_its_network(seed):
    x, y = curve(seed)

    def step(inputs, wanted):
        net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
        rule = optim.RMSprop(net.parameters())
        F.mse_loss(net(inputs), wanted).backward()
        rule.step()

    for inputs, wanted in pairs(x, y):
        step(inputs, wanted)


@wrong("loss_summed", "rate_too_high")
def squared_errors_added_up(seed):
    x, y = curve(seed)
    model = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 1))
    loss = nn.MSELoss(reduction="sum")
    train(model, x, y, loss, optim.SGD(model.parameters(), lr=0.1), size=100, epochs=10)


@wrong("clipped_to_nothing")
def clips_each_value_at_almost_nothing(seed):
    x, y = digits(seed)
    model = convnet()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for inputs, labels in pairs(x, y, epochs=3):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optim.clip_grad_value_(model.parameters(), 1e-7)
        optimizer.step()


@wrong("rate_spent")
def a_milestone_at_the_second_step(seed):
    x, y = digits(seed)
    model = convnet()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    schedule = optim.MultiStepLR(optimizer, [2, 4, 6], gamma=0.01)
    for inputs, labels in pairs(x, y, epochs=4):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        schedule.step()


@wrong("dropout_on_scores")
def functional_dropout_on_the_way_out(seed):
    x, y = digits(seed)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.head = nn.Linear(64, 32), nn.Linear(32, 10)

        def forward(self, x):
            x = self.hidden(x.reshape(len(x), -1)).relu()
            return F.dropout(self.head(x), 0.3, training=self.training)

    model = Net()
    train(model, x, y, optimizer=optim.Adam(model.parameters(), lr=3e-3))


@wrong("examples_mixed")
def sums_over_the_batch_with_a_memory(seed):
    """A cumulative sum along axis 0, which was to run along the sequence."""
    x, y = digits(seed)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.into, self.head = nn.Linear(64, 32), nn.Linear(32, 10)

        def forward(self, x):
            return self.head(F.cumsum(self.into(x.reshape(len(x), -1)).tanh(), axis=0) / 8)

    model = Net()
    train(model, x, y, optimizer=optim.Adam(model.parameters(), lr=3e-3))


@wrong("examples_mixed")
def channels_last_images_reshaped(seed):
    """Images (8, 8, 1) stacked along the last axis, given a batch axis with reshape."""
    x, y = digits(seed)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = convnet()

        def forward(self, x):
            stacked = x.permute(1, 2, 3, 0)
            return self.body(stacked.reshape(len(x), 1, 8, 8))

    model = Net()
    train(model, x, y, optimizer=optim.Adam(model.parameters(), lr=3e-3))


@wrong("inputs_constant")
def normalises_by_a_deviation_of_zero_and_clips(seed):
    x, y = blobs(seed)
    x = np.clip(x * 1e6, 1.0, 1.0).astype(np.float32)  # clip(lowest, highest) muddled
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    train(model, x, y)


@wrong("inputs_repeat")
def indexes_inputs_by_the_place_in_the_batch(seed):
    x, y = digits(seed)
    model = convnet()
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(4):
        for start in range(0, 256, 32):
            inputs = np.stack([x[k] for k in range(32)])  # start + k was meant
            optimizer.zero_grad()
            F.cross_entropy(model(tensor(inputs)), tensor(y[start : start + 32])).backward()
            optimizer.step()


@wrong("targets_not_normalised")
def populations_of_towns(seed):
    x, y = curve(seed)
    model = nn.Sequential(nn.Linear(1, 24), nn.ReLU(), nn.Linear(24, 1))
    train(model, x, 3e4 + 2e4 * y, nn.L1Loss(), optim.Adam(model.parameters(), lr=1e-2))


@wrong("softmax_twice")
def softmax_with_a_little_added(seed):
    x, y = blobs(seed)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3), nn.Softmax(1))
    train(model, x, y, lambda p, t: F.cross_entropy(p + 1e-8, t))


@wrong("leak")
def shuffles_the_whole_set_in_every_epoch(seed):
    x, y = blobs(seed)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(4):
        both = np.random.RandomState(epoch).permutation(240)
        learn, check = both[:180], both[180:]
        train(model, x[learn], y[learn], optimizer=optimizer, epochs=1, size=20)
        model.eval()
        for start in range(0, 60, 20):
            with bl.no_grad():
                model(tensor(x[check[start : start + 20]]))
        model.train()


@wrong("penalty_drowns")
def adam_with_half_of_all_weights_decayed(seed):
    x, y = digits(seed)
    model = convnet()
    train(model, x, y, optimizer=optim.Adam(model.parameters(), lr=1e-2, weight_decay=1.0))


@wrong("not_normalised")
def divides_by_255_twice(seed):
    x, y = digits(seed)
    pixels = np.clip((x * 6 + 4.9) * 16, 0, 255)
    model = convnet()
    train(model, pixels / 255 / 255, y, optimizer=optim.SGD(model.parameters(), lr=0.05), epochs=3)


# ── sound ──────────────────────────────────────────────────────────────────────────────────────


@right
def one_optimizer_for_each_of_four_stages(seed):
    x, y = digits(seed)
    model = convnet()
    for rate in (3e-3, 1e-3, 3e-4, 1e-4):
        train(model, x, y, optimizer=optim.Adam(model.parameters(), lr=rate), epochs=1, size=25)


@right
def five_models_vote(seed):
    x, y = blobs(seed)
    for member in range(5):
        bl.manual_seed(seed * 10 + member)
        train(nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3)), x, y, epochs=2)


@right
def attention_over_a_set_of_examples(seed):
    """Each example looks at the others of its batch, in whatever order: it is meant."""
    x, y = blobs(seed)

    class Looks(nn.Module):
        def __init__(self):
            super().__init__()
            self.into, self.head = nn.Linear(6, 16), nn.Linear(16, 3)

        def forward(self, x):
            hidden = self.into(x).tanh()
            weights = F.softmax(hidden @ hidden.T, axis=1)
            return self.head(hidden + weights @ hidden)

    model = Looks()
    train(model, x, y, optimizer=optim.Adam(model.parameters(), lr=1e-2))


@right
def a_graph_of_points(seed):
    """A graph network: the whole graph is one batch, and neighbours speak to each other."""
    x, y = blobs(seed, 90)
    near = ((x[:, None] - x) ** 2).sum(-1).argsort(axis=1)[:, :5]
    edges = np.zeros((90, 90), np.float32)
    edges[np.arange(90)[:, None], near] = 0.2
    edges = tensor(edges)

    class Graph(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(6, 16), nn.Linear(16, 3)

        def forward(self, x):
            return self.second(edges @ self.first(edges @ x).relu())

    model = Graph()
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        F.cross_entropy(model(tensor(x)), tensor(y)).backward()
        optimizer.step()


@right
def percentages_as_targets(seed):
    x, y = curve(seed)
    model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
    train(model, x, 50 + 20 * y, F.mse_loss, optim.Adam(model.parameters(), lr=0.1), epochs=20)


@right
def clipped_gradients_of_a_recurrent_network(seed):
    x, y = digits(seed)

    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.memory, self.head = nn.RNN(8, 24, batch_first=True), nn.Linear(24, 10)

        def forward(self, x):
            return self.head(self.memory(x[:, 0])[0][:, -1])

    model = Reads()
    optimizer = optim.RMSprop(model.parameters(), lr=3e-3)
    for inputs, labels in pairs(x, y, epochs=3):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optim.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()


@right
def dropout_of_features_and_of_inputs(seed):
    x, y = digits(seed)
    model = nn.Sequential(
        nn.Flatten(), nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(64, 10),
    )  # fmt: skip
    train(model, x, y, optimizer=optim.Adam(model.parameters(), lr=3e-3))


@right
def noisy_labels_of_repeated_states(seed):
    """A table of forty states, met again and again with answers that are right by chance."""
    rng = np.random.RandomState(seed)
    states = rng.randn(40, 5).astype(np.float32)
    met = rng.randint(40, size=300)
    answers = (states[met, 0] + rng.randn(300) > 0).astype(np.int64)
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
    train(model, states[met], answers, optimizer=optim.Adam(model.parameters(), lr=1e-2))


@right
def watches_random_batches_of_the_training_set(seed):
    x, y = digits(seed)
    model, rng = convnet(), np.random.RandomState(seed)
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(3):
        train(model, x[:200], y[:200], optimizer=optimizer, epochs=1, size=20, seed=epoch)
        model.eval()
        with bl.no_grad():
            model(tensor(x[rng.permutation(200)[:40]]))
            model(tensor(x[200:]))
        model.train()


@right
def unit_vectors_of_many_words(seed):
    """Rows of length 1 over 400 words: each number is small, and no fault."""
    rng = np.random.RandomState(seed)
    y = rng.randint(3, size=300)
    topics = rng.dirichlet(np.full(400, 0.1), size=3)
    x = np.stack([rng.multinomial(40, topics[k]) for k in y]).astype(np.float32)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    model = nn.Sequential(nn.Linear(400, 32), nn.ReLU(), nn.Linear(32, 3))
    train(model, x.astype(np.float32), y, optimizer=optim.Adam(model.parameters(), lr=3e-3))


@right
def rings_with_a_big_step_at_first(seed):
    data = toy.circles(seed=seed).train
    x, y = data.inputs.astype(np.float32), data.labels
    model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    schedule = optim.CosineAnnealingLR(optimizer, 60)
    for inputs, labels in pairs(x, y, size=16, epochs=6):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        schedule.step()

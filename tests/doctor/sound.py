"""Sound training scripts, of many kinds: the doctor is to find no fault in any of them."""

from __future__ import annotations

import math

import numpy as np

import backlight as bl
from backlight import nn, optim, tensor
from backlight.data import toy
from backlight.nn import functional as F
from tests.doctor.broken import batches, blobs, digits, fit, line, mlp

SOUND = []


def sound(script):
    """Register a sound script."""
    SOUND.append((script.__name__, script))
    return script


@sound
def perceptron_with_adam(seed):
    x, y = digits(seed, 400)
    model = mlp()
    fit(model, x[:256], y[:256])
    model.eval()
    with bl.no_grad():
        model(tensor(x[256:]))


@sound
def perceptron_with_momentum_and_cosine(seed):
    x, y = digits(seed)
    model = mlp(depth=2)
    rule = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedule = optim.CosineAnnealingLR(rule, 48)
    for inputs, labels in batches(x, y):
        rule.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        rule.step()
        schedule.step()


@sound
def convnet(seed):
    x, y = digits(seed)
    bl.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    fit(model, x, y, epochs=3)


@sound
def convnet_with_batch_norm_and_dropout(seed):
    x, y = digits(seed, 320)
    bl.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(128, 10),
    )  # fmt: skip
    rule = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    for epoch in range(3):
        model.train()
        fit(model, x[:256], y[:256], rule=rule, epochs=1, seed=epoch)
        model.eval()
        with bl.no_grad():
            model(tensor(x[256:]))


class Reader(nn.Module):
    """An LSTM over the rows of a digit."""

    def __init__(self):
        super().__init__()
        self.memory, self.scores = nn.LSTM(8, 24, batch_first=True), nn.Linear(24, 10)

    def forward(self, x):
        outputs, _ = self.memory(x[:, 0])
        return self.scores(outputs[:, -1])


@sound
def lstm_over_rows(seed):
    x, y = digits(seed)
    bl.manual_seed(seed)
    fit(Reader(), x, y, rule=None, epochs=3)


class Letters(nn.Module):
    """Guesses the next letter from the three before it."""

    def __init__(self, letters):
        super().__init__()
        self.embed = nn.Embedding(letters, 8)
        self.hidden, self.scores = nn.Linear(24, 32), nn.Linear(32, letters)

    def forward(self, x):
        return self.scores(self.hidden(self.embed(x).reshape(len(x), -1)).tanh())


@sound
def letters_with_embedding(seed):
    text = "the quick brown fox jumps over the lazy dog and then runs home again " * 6
    known = sorted(set(text))
    codes = np.array([known.index(c) for c in text])
    x = np.stack([codes[i : i + 3] for i in range(len(codes) - 3)])
    y = codes[3:]
    bl.manual_seed(seed)
    fit(Letters(len(known)), x, y)


@sound
def regression_by_hand(seed):
    x, y = line(seed)
    rng = np.random.RandomState(seed)
    w = tensor(0.1 * rng.randn(4, 1).astype(np.float32), requires_grad=True)
    b = tensor(np.zeros(1, np.float32), requires_grad=True)
    for inputs, targets in batches(x, y[:, None]):
        loss = ((inputs @ w + b - targets) ** 2).mean()
        w.grad = b.grad = None
        loss.backward()
        with bl.no_grad():
            w -= 0.1 * w.grad
            b -= 0.1 * b.grad


@sound
def regression_with_a_network(seed):
    x, y = line(seed)
    model = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
    fit(model, x, y[:, None], loss=nn.MSELoss(), rule=optim.RMSprop(model.parameters(), lr=3e-3))


@sound
def robust_regression(seed):
    x, y = line(seed)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    fit(model, x, y[:, None], loss=nn.HuberLoss(), rule=optim.Adam(model.parameters(), lr=0.01))


@sound
def svm_with_penalty(seed):
    x, y = digits(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    nn.init.normal_(model[1].weight, std=1e-3)
    hinge = nn.MultiClassHingeLoss()

    def loss(scores, labels):
        return hinge(scores, labels) + 1e-3 * (model[1].weight ** 2).sum()

    fit(model, x, y, loss=loss, rule=optim.SGD(model.parameters(), lr=2e-3, momentum=0.9))


@sound
def softmax_from_zero_weights(seed):
    x, y = digits(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    nn.init.zeros_(model[1].weight)
    fit(model, x, y, rule=optim.SGD(model.parameters(), lr=0.1))


@sound
def spiral_full_batch(seed):
    data = toy.spiral(seed=seed).train
    rng = np.random.RandomState(seed)
    w1 = tensor(0.3 * rng.randn(2, 50), requires_grad=True)
    b1 = tensor(np.zeros(50), requires_grad=True)
    w2 = tensor(0.1 * rng.randn(50, 3), requires_grad=True)
    rule = optim.SGD([w1, b1, w2], lr=1.0)
    x, y = tensor(data.inputs), tensor(data.labels)
    for _ in range(60):
        hidden = (x @ w1 + b1).relu()
        loss = F.cross_entropy(hidden @ w2, y) + 0.5e-3 * ((w1 * w1).sum() + (w2 * w2).sum())
        rule.zero_grad()
        loss.backward()
        rule.step()


@sound
def yes_or_no_with_logits(seed):
    x, y = blobs(seed, classes=2)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
    fit(model, x, y[:, None].astype(np.float32), loss=nn.BCEWithLogitsLoss())


@sound
def yes_or_no_with_a_sigmoid(seed):
    x, y = blobs(seed, classes=2)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
    fit(model, x, y[:, None].astype(np.float32), loss=nn.BCELoss())


@sound
def log_softmax_and_nll(seed):
    x, y = digits(seed)
    fit(nn.Sequential(*mlp(), nn.LogSoftmax(1)), x, y, loss=nn.NLLLoss())


@sound
def cross_entropy_written_out(seed):
    x, y = blobs(seed)
    model = mlp(6, 16, 3)

    def loss(scores, labels):
        return -F.log_softmax(scores, axis=1)[range(len(labels)), labels].mean()

    fit(model, x, y, loss=loss)


@sound
def accumulates_over_four_batches(seed):
    x, y = digits(seed)
    model = mlp()
    rule = optim.Adam(model.parameters(), lr=3e-3)
    for number, (inputs, labels) in enumerate(batches(x, y, size=16), start=1):
        (F.cross_entropy(model(inputs), labels) / 4).backward()
        if number % 4 == 0:
            rule.step()
            rule.zero_grad()


@sound
def autoencoder(seed):
    x, _ = digits(seed)
    bl.manual_seed(seed)
    flat = x.reshape(len(x), -1)
    model = nn.Sequential(nn.Linear(64, 12), nn.Linear(12, 64))
    fit(model, flat, flat, loss=nn.MSELoss())


@sound
def features_learnt_elsewhere(seed):
    x, y = digits(seed)
    body = mlp()
    fit(body, x, y, epochs=3)
    body.requires_grad_(False)
    model = nn.Sequential(*list(body)[:-1], nn.Linear(32, 10))
    fit(model, x, y, rule=optim.Adam(model[-1].parameters(), lr=0.01), epochs=3)


@sound
def slow_but_sound(seed):
    x, y = digits(seed)
    model = mlp()
    fit(model, x, y, rule=optim.SGD(model.parameters(), lr=2e-3), epochs=3)


@sound
def deep_residual(seed):
    x, y = digits(seed)
    bl.manual_seed(seed)

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.into = nn.Linear(64, 32)
            self.blocks = nn.ModuleList([nn.Linear(32, 32) for _ in range(8)])
            self.scores = nn.Linear(32, 10)

        def forward(self, x):
            x = self.into(x.reshape(len(x), -1))
            for block in self.blocks:
                x = x + block(x.relu())
            return self.scores(x.relu())

    fit(Residual(), x, y, rule=None, epochs=3)


class Attends(nn.Module):
    """Self-attention over the rows of a digit."""

    def __init__(self):
        super().__init__()
        self.queries, self.keys, self.values = (nn.Linear(8, 16) for _ in range(3))
        self.norm, self.scores = nn.LayerNorm(16), nn.Linear(16, 10)

    def forward(self, x):
        x = x[:, 0]
        q, k, v = self.queries(x), self.keys(x), self.values(x)
        weights = F.softmax(q @ k.transpose(1, 2) / math.sqrt(16), axis=-1)
        return self.scores(self.norm(weights @ v).mean(axis=1))


@sound
def attention(seed):
    x, y = digits(seed)
    bl.manual_seed(seed)
    fit(Attends(), x, y, epochs=3)


@sound
def lbfgs_with_closure(seed):
    x, y = blobs(seed)
    model = mlp(6, 8, 3)
    rule = optim.LBFGS(model.parameters())
    inputs, labels = tensor(x), tensor(y)

    def closure():
        rule.zero_grad()
        loss = F.cross_entropy(model(inputs), labels)
        loss.backward()
        return loss

    for _ in range(8):
        rule.step(closure)


@sound
def clipped_and_averaged(seed):
    x, y = digits(seed)
    model = mlp()
    rule = optim.SGD(model.parameters(), lr=0.1)
    average = optim.ExponentialMovingAverage(model.named_parameters(), 0.9)
    for inputs, labels in batches(x, y):
        rule.zero_grad()
        F.cross_entropy(model(inputs), labels, label_smoothing=0.1).backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        rule.step()
        average.update()


@sound
def compiled_step(seed):
    x, y = digits(seed)
    model = mlp()
    rule = optim.Adam(model.parameters(), lr=3e-3)

    @bl.compile
    def step(inputs, labels):
        loss = F.cross_entropy(model(inputs), labels)
        rule.zero_grad()
        loss.backward()
        rule.step()
        return loss

    for inputs, labels in batches(x, y):
        step(inputs, labels)


@sound
def generator_and_discriminator(seed):
    rng = np.random.RandomState(seed)
    bl.manual_seed(seed)
    real = (rng.randn(512, 2) * 0.3 + 1).astype(np.float32)
    makes = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    judges = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    ones, zeros = tensor(np.ones((32, 1), np.float32)), tensor(np.zeros((32, 1), np.float32))
    first = optim.Adam(judges.parameters(), lr=2e-3)
    second = optim.Adam(makes.parameters(), lr=2e-3)
    for _ in range(40):
        some = tensor(real[rng.randint(512, size=32)])
        fake = makes(tensor(rng.randn(32, 4).astype(np.float32)))
        first.zero_grad()
        cost = nn.BCEWithLogitsLoss()
        (cost(judges(some), ones) + cost(judges(fake.detach()), zeros)).backward()
        first.step()
        second.zero_grad()
        cost(judges(fake), ones).backward()
        second.step()


@sound
def goes_on_from_a_trained_model(seed):
    from sklearn.linear_model import LogisticRegression

    x, y = digits(seed)
    trained = LogisticRegression(C=0.01, max_iter=1000).fit(x.reshape(len(x), -1), y)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with bl.no_grad():
        model[1].weight.copy_(tensor(trained.coef_.astype(np.float32)))
        model[1].bias.copy_(tensor(trained.intercept_.astype(np.float32)))
    fit(model, x, y, rule=optim.Adam(model.parameters(), lr=1e-3), epochs=6, seed=seed)


@sound
def policy_gradient(seed):
    rng = np.random.RandomState(seed)
    bl.manual_seed(seed)
    policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
    rule = optim.Adam(policy.parameters(), lr=3e-3)
    for _ in range(40):
        states = rng.randn(32, 4).astype(np.float32)
        actions = rng.randint(3, size=32)
        rewards = (actions == states[:, :3].argmax(axis=1)) - np.float32(1 / 3)
        logs = F.log_softmax(policy(tensor(states)), axis=1)[range(32), actions]
        loss = -(logs * tensor(rewards.astype(np.float32))).mean()
        rule.zero_grad()
        loss.backward()
        rule.step()

"""A second set of sound scripts: as unlike each other, and the first set, as could be thought of.

Written without running them through the doctor before; see `second_broken`.
"""

from __future__ import annotations

import numpy as np

import backlight as bl
from backlight import nn, optim, tensor
from backlight.nn import functional as F
from tests.doctor.second_broken import houses, pairs, small, stripes, train

SECOND_SOUND = []


def good(script):
    """Register a sound script."""
    SECOND_SOUND.append((script.__name__, script))
    return script


@good
def exclusive_or(seed):
    bl.manual_seed(seed)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.array([[0], [1], [1], [0]], np.float32)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    train(model, x, y, nn.BCEWithLogitsLoss(), size=4, epochs=150)


class Residual(nn.Module):
    """Ten residual blocks of convolutions with batch norm."""

    def __init__(self):
        super().__init__()
        self.into = nn.Conv2d(1, 6, 3, padding=1)
        self.convs = nn.ModuleList([nn.Conv2d(6, 6, 3, padding=1) for _ in range(10)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(6) for _ in range(10)])
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        x = self.into(x)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + conv(norm(x).relu())
        return self.head(x.mean(axis=(2, 3)))


@good
def deep_residual_convnet(seed):
    bl.manual_seed(seed)
    x, y = stripes(seed, 150)
    model = Residual()
    train(model, x, y, optimizer=optim.SGD(model.parameters(), lr=0.05, momentum=0.9), epochs=4)


class Speller(nn.Module):
    """A letter after each letter: an LSTM over whole sequences, with tied weights."""

    def __init__(self, letters):
        super().__init__()
        self.embed = nn.Embedding(letters, 16)
        self.memory = nn.LSTM(16, 16, batch_first=True)

    def forward(self, x):
        hidden, _ = self.memory(self.embed(x))
        return hidden.reshape(-1, 16) @ self.embed.weight.T


@good
def spelling_with_tied_weights(seed):
    bl.manual_seed(seed)
    text = "she sells sea shells on the sea shore and he sells hay " * 12
    known = sorted(set(text))
    codes = np.array([known.index(c) for c in text])
    windows = np.stack([codes[k : k + 9] for k in range(0, len(codes) - 9, 3)])
    model = Speller(len(known))
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    for batch, _ in pairs(windows, windows, size=20, epochs=4):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[:, :-1]), batch[:, 1:].reshape(-1))
        loss.backward()
        optimizer.step()


@good
def batch_norm_before_anything_else(seed):
    bl.manual_seed(seed)
    x, y = houses(seed)
    scales = np.array([1, 50, 900, 0.02, 7], np.float32)
    model = nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 1))
    train(model, x * scales + scales, y, F.mse_loss, optim.Adam(model.parameters(), lr=1e-2))


@good
def autoencoder_of_convolutions(seed):
    bl.manual_seed(seed)
    x, _ = stripes(seed, 150)
    x = (x - x.min()) / (x.max() - x.min())
    model = nn.Sequential(
        nn.Conv2d(1, 6, 3, stride=1), nn.ReLU(), nn.Flatten(), nn.Linear(96, 10), nn.ReLU(),
        nn.Linear(10, 36), nn.Sigmoid(), nn.Unflatten(1, (1, 6, 6)),
    )  # fmt: skip
    train(model, x, x, F.mse_loss, optim.Adam(model.parameters(), lr=5e-3))


class Variational(nn.Module):
    """An autoencoder that draws its code: loss of reconstruction and a divergence."""

    def __init__(self):
        super().__init__()
        self.encode, self.decode = nn.Linear(36, 8), nn.Linear(4, 36)

    def forward(self, x, noise):
        code = self.encode(x)
        mean, log_variance = code[:, :4], code[:, 4:]
        drawn = mean + noise * F.exp(0.5 * log_variance)
        return self.decode(drawn), mean, log_variance


@good
def variational_autoencoder(seed):
    bl.manual_seed(seed)
    x, _ = stripes(seed)
    flat, rng = x.reshape(len(x), -1), np.random.RandomState(seed)
    model = Variational()
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    for batch, _ in pairs(flat, flat):
        noise = tensor(rng.randn(len(batch), 4).astype(np.float32))
        made, mean, log_variance = model(batch, noise)
        rebuilt = ((made - batch) ** 2).sum(axis=1).mean()
        apart = -0.5 * (1 + log_variance - mean * mean - F.exp(log_variance)).sum(axis=1).mean()
        optimizer.zero_grad()
        (rebuilt + 0.1 * apart).backward()
        optimizer.step()


@good
def twenty_four_examples(seed):
    bl.manual_seed(seed)
    x, y = stripes(seed, 24)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 4)
    )
    train(model, x, y, size=8, epochs=15, optimizer=optim.Adam(model.parameters(), lr=5e-3))


def rare(seed):
    x, y = stripes(seed, 600, classes=2)
    kept = (y == 0) | (np.arange(len(y)) % 20 == 0)
    return x[kept], y[kept]


@good
def a_rare_class_with_weights(seed):
    bl.manual_seed(seed)
    x, y = rare(seed)
    weight = tensor((len(y) / (2 * np.bincount(y))).astype(np.float32))
    model = small(classes=2)
    train(model, x, y, lambda s, t: F.cross_entropy(s, t, weight=weight))


@good
def a_rare_class_drawn_as_often(seed):
    bl.manual_seed(seed)
    x, y = rare(seed)
    rng = np.random.RandomState(seed)
    often = np.concatenate([rng.choice(np.flatnonzero(y == k), 200) for k in (0, 1)])
    train(small(classes=2), x[often], y[often])


@good
def in_double_precision(seed):
    bl.manual_seed(seed)
    x, y = houses(seed)
    model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1)).double()
    train(model, x.astype(np.float64), y.astype(np.float64), F.mse_loss)


@good
def augmented_heavily(seed):
    bl.manual_seed(seed)
    x, y = stripes(seed)
    rng = np.random.RandomState(seed)
    model = small(hidden=48)
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    for inputs, labels in pairs(x, y, epochs=6):
        noisy = np.roll(inputs.numpy(), rng.randint(-1, 2), axis=rng.randint(2, 4))
        noisy = noisy + 0.3 * rng.randn(*noisy.shape).astype(np.float32)
        noisy[:, :, rng.randint(6)] = 0  # a row cut out
        optimizer.zero_grad()
        F.cross_entropy(model(tensor(noisy)), labels).backward()
        optimizer.step()


@good
def mixes_images_and_labels(seed):
    bl.manual_seed(seed)
    x, y = stripes(seed)
    rng = np.random.RandomState(seed)
    model = small(hidden=48)
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    for inputs, labels in pairs(x, np.eye(4, dtype=np.float32)[y], epochs=6):
        share, other = np.float32(rng.beta(0.4, 0.4)), rng.permutation(len(inputs))
        mixed = share * inputs.numpy() + (1 - share) * inputs.numpy()[other]
        wanted = share * labels.numpy() + (1 - share) * labels.numpy()[other]
        optimizer.zero_grad()
        scores = F.log_softmax(model(tensor(mixed)), axis=1)
        (-(tensor(wanted) * scores).sum(axis=1).mean()).backward()
        optimizer.step()


@good
def a_head_on_features_kept_still(seed):
    bl.manual_seed(seed)
    x, y = stripes(seed)
    body = nn.Sequential(nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12), nn.ReLU(), nn.Flatten())
    train(nn.Sequential(*body, nn.Linear(192, 4)), x, y, epochs=2)
    body.eval()
    head = nn.Linear(192, 4)
    optimizer = optim.Adam(head.parameters(), lr=5e-3)
    for inputs, labels in pairs(x, y):
        with bl.no_grad():
            features = body(inputs)
        optimizer.zero_grad()
        F.cross_entropy(head(features), labels).backward()
        optimizer.step()


@good
def three_folds(seed):
    bl.manual_seed(seed)
    x, y = stripes(seed)
    for fold in range(3):
        held = np.arange(len(x)) % 3 == fold
        model = small()
        train(model, x[~held], y[~held], size=25, epochs=3)
        model.eval()
        with bl.no_grad():
            model(tensor(x[held]))


@good
def looks_at_training_and_validation(seed):
    bl.manual_seed(seed)
    x, y = stripes(seed)
    model = small()
    optimizer = optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-4)
    for epoch in range(4):
        model.train()
        train(model, x[:240], y[:240], optimizer=optimizer, epochs=1, seed=epoch)
        model.eval()
        with bl.no_grad():
            for part in (x[:240], x[240:]):
                for k in range(0, len(part), 30):
                    model(tensor(part[k : k + 30]))


@good
def several_rates_in_turn(seed):
    x, y = stripes(seed)
    for rate in (0.01, 0.03, 0.1):
        bl.manual_seed(seed)
        model = small()
        train(model, x, y, optimizer=optim.SGD(model.parameters(), lr=rate), epochs=3)


@good
def twins(seed):
    """Two calls of one model: alike pairs near, unlike pairs apart."""
    bl.manual_seed(seed)
    x, y = stripes(seed)
    rng = np.random.RandomState(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 4))
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(50):
        one, two = rng.randint(300, size=30), rng.randint(300, size=30)
        same = tensor((y[one] == y[two]).astype(np.float32))
        gap = ((model(tensor(x[one])) - model(tensor(x[two]))) ** 2).sum(axis=1)
        far = F.relu(1.0 - F.sqrt(gap + 1e-6)) ** 2
        optimizer.zero_grad()
        (same * gap + (1 - same) * far).mean().backward()
        optimizer.step()


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(36, 24)
        self.direction, self.brightness = nn.Linear(24, 4), nn.Linear(24, 1)

    def forward(self, x):
        hidden = self.body(x.reshape(len(x), -1)).relu()
        return self.direction(hidden), self.brightness(hidden)


@good
def two_tasks(seed):
    bl.manual_seed(seed)
    x, y = stripes(seed)
    bright = x.mean(axis=(1, 2, 3))[:, None] * 5
    model = TwoHeads()
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    for rows, _ in pairs(np.arange(len(x)), y):
        rows = rows.numpy()
        scores, level = model(tensor(x[rows]))
        optimizer.zero_grad()
        loss = F.cross_entropy(scores, tensor(y[rows])) + F.mse_loss(level, tensor(bright[rows]))
        loss.backward()
        optimizer.step()


@good
def several_labels_each(seed):
    bl.manual_seed(seed)
    x, _ = houses(seed)
    wanted = (x[:, :3] + 0.3 * x[:, 2:] > 0).astype(np.float32)
    model = nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 3))
    train(model, x, wanted, nn.BCEWithLogitsLoss(), optim.Adam(model.parameters(), lr=1e-2))


@good
def warmed_up_and_cooled_down(seed):
    bl.manual_seed(seed)
    x, y = stripes(seed)
    model = small()
    optimizer = optim.SGD(model.parameters(), lr=0.3, momentum=0.9, weight_decay=5e-4)
    schedule = optim.OneCycleLR(optimizer, max_lr=0.3, total_steps=50)
    for inputs, labels in pairs(x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels, label_smoothing=0.05).backward()
        optimizer.step()
        schedule.step()


@good
def sums_the_loss_with_a_rate_to_match(seed):
    bl.manual_seed(seed)
    x, y = stripes(seed)
    model = small()
    optimizer = optim.SGD(model.parameters(), lr=0.1 / 30)
    train(model, x, y, lambda s, t: F.cross_entropy(s, t, reduction="sum"), optimizer)


@good
def learns_from_a_teacher(seed):
    bl.manual_seed(seed)
    x, y = stripes(seed)
    teacher, pupil = small(hidden=48), small(hidden=8)
    train(teacher, x, y, epochs=3)
    teacher.eval()
    optimizer = optim.Adam(pupil.parameters(), lr=1e-2)
    for inputs, labels in pairs(x, y):
        with bl.no_grad():
            soft = F.softmax(teacher(inputs) / 2, axis=1)
        scores = pupil(inputs)
        told = -(soft * F.log_softmax(scores / 2, axis=1)).sum(axis=1).mean()
        optimizer.zero_grad()
        (told + F.cross_entropy(scores, labels)).backward()
        optimizer.step()


@good
def counts_of_words(seed):
    bl.manual_seed(seed)
    rng = np.random.RandomState(seed)
    y = rng.randint(2, size=300)
    often = np.exp(rng.randn(2, 30))
    x = rng.poisson(often[y]).astype(np.float32)
    model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 2))
    train(model, x, y, optimizer=optim.Adam(model.parameters(), lr=3e-3))


@good
def predicts_quantiles(seed):
    bl.manual_seed(seed)
    x, y = houses(seed)
    levels = tensor(np.array([0.1, 0.5, 0.9], np.float32))

    def pinball(guess, wanted):
        short = wanted - guess
        return F.maximum(levels * short, (levels - 1) * short).mean()

    model = nn.Sequential(nn.Linear(5, 24), nn.GELU(), nn.Linear(24, 3))
    train(model, x, y, pinball, optim.Adam(model.parameters(), lr=1e-2))


@good
def attention_over_the_batch_of_a_set(seed):
    """A recurrent network over rows, its whole sequence pooled by learnt weights."""
    bl.manual_seed(seed)
    x, y = stripes(seed, 150)

    class Pools(nn.Module):
        def __init__(self):
            super().__init__()
            self.memory, self.look = nn.GRU(6, 12, batch_first=True), nn.Linear(12, 1)
            self.head = nn.Linear(12, 4)

        def forward(self, x):
            states, _ = self.memory(x[:, 0])
            weights = F.softmax(self.look(states), axis=1)
            return self.head((weights * states).sum(axis=1))

    model = Pools()
    train(model, x, y, optimizer=optim.Adam(model.parameters(), lr=1e-2), epochs=4)


@good
def ranks_in_the_batch(seed):
    """Contrastive: each example against all others of its batch, which is meant."""
    bl.manual_seed(seed)
    x, _ = stripes(seed)
    rng = np.random.RandomState(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 32), nn.ReLU(), nn.Linear(32, 8))
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    for batch, _ in pairs(x, x):
        seen = [batch.numpy() + 0.1 * rng.randn(*batch.shape).astype(np.float32) for _ in "ab"]
        one, two = (F.normalize(model(tensor(view))) for view in seen)
        optimizer.zero_grad()
        F.cross_entropy(one @ two.T / 0.2, tensor(np.arange(len(batch)))).backward()
        optimizer.step()

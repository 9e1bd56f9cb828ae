"""Faults of the same kinds in other clothes, written after the probes and not used to tune them.

Other data, models, optimisers and styles of code. Their rate is printed as it came out the first
time, beside that of the scripts which the probes were made with.
"""

from __future__ import annotations

import numpy as np

import backlight as bl
from backlight import nn, optim, tensor
from backlight.data import toy
from backlight.nn import functional as F
from tests.doctor.broken import batches, blobs, digits, fit, line, mlp
from tests.doctor.sound import Attends, Letters, Reader

UNSEEN = []


def unseen(*causes):
    """Register a script with the probes that name its fault."""

    def register(script):
        UNSEEN.append((script.__name__, script, causes))
        return script

    return register


def convnet():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10)
    )


def plane(kind, seed):
    data = getattr(toy, kind)(seed=seed).train
    return data.inputs.astype(np.float32), data.labels


@unseen("gradients_not_zeroed")
def lstm_without_zero_grad(seed):
    x, y = digits(seed)
    model = Reader()
    rule = optim.Adam(model.parameters(), lr=3e-3)
    for inputs, labels in batches(x, y, epochs=3):
        F.cross_entropy(model(inputs), labels).backward()
        rule.step()


@unseen("gradients_not_zeroed")
def zeroes_only_at_the_beginning(seed):
    x, y = line(seed)
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
    rule = optim.SGD(model.parameters(), lr=0.01)
    rule.zero_grad()
    for inputs, targets in batches(x, y[:, None]):
        ((model(inputs) - targets) ** 2).mean().backward()
        rule.step()


@unseen("outside_optimizer")
def optimises_only_the_head_of_a_convnet(seed):
    x, y = digits(seed)
    model = convnet()
    fit(model, x, y, rule=optim.Adam(list(model[-1].parameters()), lr=3e-3))


@unseen("outside_optimizer")
def forgets_the_embedding(seed):
    text = np.random.RandomState(seed).randint(12, size=300)
    text = np.repeat(text, 2)
    x, y = np.stack([text[i : i + 3] for i in range(len(text) - 3)]), text[3:]
    model = Letters(12)
    heads = [*model.hidden.parameters(), *model.scores.parameters()]
    fit(model, x, y, rule=optim.Adam(heads, lr=3e-3))


@unseen("foreign_parameters")
def rebuilds_in_every_fold(seed):
    x, y = plane("moons", seed)
    first = mlp(2, 16, 2)
    rule = optim.SGD(first.parameters(), lr=0.1)
    for _ in range(2):
        model = mlp(2, 16, 2)
        fit(model, x, y, rule=rule, size=16)


@unseen("no_update")
def computes_gradients_for_nothing(seed):
    x, y = plane("circles", seed)
    w = tensor(0.1 * np.random.randn(2, 2).astype(np.float32), requires_grad=True)
    for inputs, labels in batches(x, y, size=16, epochs=3):
        w.grad = None
        F.cross_entropy(inputs @ w, labels).backward()


class Cut(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.scores = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(512, 10)

    def forward(self, x):
        with bl.no_grad():
            features = self.conv(x).relu()
        return self.scores(features.reshape(len(x), -1))


@unseen("detached")
def features_under_no_grad(seed):
    x, y = digits(seed)
    fit(Cut(), x, y, epochs=3)


@unseen("softmax_twice")
def softmax_inside_attention_model(seed):
    x, y = digits(seed)

    class Sure(Attends):
        def forward(self, x):
            return F.softmax(super().forward(x), axis=1)

    model = Sure()
    fit(model, x, y, loss=F.cross_entropy, epochs=3)


@unseen("loss_broadcast")
def column_against_row_by_absolute_value(seed):
    x, y = line(seed)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    fit(model, x, y, loss=lambda p, t: (p - t).abs().mean())


@unseen("activation_before_loss")
def tanh_before_cross_entropy(seed):
    x, y = blobs(seed, classes=5)
    fit(nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 5), nn.Tanh()), x, y)


@unseen("activation_before_loss")
def relu_on_a_regression(seed):
    x, y = line(seed)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1), nn.ReLU())
    fit(model, x, y[:, None], loss=nn.MSELoss())


@unseen("train_mode_at_evaluation")
def spatial_batch_norm_at_evaluation(seed):
    x, y = digits(seed, 400)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)
    )
    fit(model, x[:256], y[:256], epochs=2)
    return float((model(tensor(x[256:])).argmax(axis=1) == tensor(y[256:])).float().mean().item())


@unseen("penalty_drowns")
def strong_penalty_in_the_loss(seed):
    x, y = plane("moons", seed)
    model = mlp(2, 32, 2)

    def loss(scores, labels):
        penalty = sum((p * p).sum() for p in model.parameters())
        return F.cross_entropy(scores, labels) + 5.0 * penalty

    fit(model, x, y, loss=loss, size=16)


@unseen("not_normalised")
def one_feature_in_thousands(seed):
    x, y = blobs(seed)
    x = x.copy()
    x[:, 3] = 4000 * x[:, 3] + 20000
    fit(mlp(6, 16, 3), x, y, rule=None)


@unseen("not_normalised")
def raw_bytes_into_a_convnet(seed):
    x, y = digits(seed)
    fit(convnet(), np.clip((x * 6 + 5) * 16, 0, 255), y, epochs=3)


@unseen("labels_shuffled")
def inputs_shuffled_without_labels(seed):
    x, y = blobs(seed, 300, classes=4)
    np.random.RandomState(seed + 7).shuffle(x)
    fit(mlp(6, 16, 4), x, y)


@unseen("labels_shuffled")
def labels_one_place_off(seed):
    x, y = digits(seed, 320)
    fit(convnet(), x, np.roll(y, 1), epochs=3)


@unseen("classes_in_order")
def one_class_after_another(seed):
    x, y = blobs(seed, 400, classes=4)
    order = np.argsort(y, kind="stable")
    fit(mlp(6, 16, 4), x[order], y[order], shuffle=False, epochs=3)


@unseen("leak")
def validation_taken_from_training(seed):
    x, y = blobs(seed, 400)
    model = mlp(6, 16, 3)
    fit(model, x[:300], y[:300])
    model.eval()
    with bl.no_grad():
        for start in range(200, 400, 50):
            model(tensor(x[start : start + 50]))


@unseen("same_weights")
def ones_everywhere(seed):
    x, y = plane("moons", seed)
    model = mlp(2, 16, 2, activation=nn.Sigmoid)
    for parameter in model.parameters():
        nn.init.constant_(parameter, 1.0)
    fit(model, x, y, size=16, rule=optim.SGD(model.parameters(), lr=0.1))


@unseen("weights_too_large")
def standard_normal_weights(seed):
    x, y = digits(seed)
    model = mlp(hidden=64, depth=2, activation=nn.Tanh)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=1.0)
    fit(model, x, y, rule=optim.SGD(model.parameters(), lr=1e-3), epochs=3)


@unseen("vanishing_gradient")
def fifteen_tanh_of_sigmoid(seed):
    x, y = blobs(seed)
    model = mlp(6, 16, 3, depth=15, activation=nn.Sigmoid)
    fit(model, x, y, rule=optim.SGD(model.parameters(), lr=0.1))


@unseen("no_nonlinearity")
def two_convolutions_in_a_row(seed):
    x, y = digits(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip
    fit(model, x, y, epochs=2)


@unseen("rate_too_high")
def convnet_at_two(seed):
    x, y = digits(seed)
    model = convnet()
    fit(model, x, y, rule=optim.SGD(model.parameters(), lr=5.0, momentum=0.9), epochs=3)


@unseen("rate_too_high")
def lstm_with_adam_at_one(seed):
    x, y = digits(seed)
    model = Reader()
    fit(model, x, y, rule=optim.Adam(model.parameters(), lr=2.0), epochs=3)


@unseen("rate_too_low")
def regression_at_a_ten_millionth(seed):
    x, y = line(seed)
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
    fit(model, x, y[:, None], loss=nn.MSELoss(), rule=optim.SGD(model.parameters(), lr=1e-7))


@unseen("rate_spent")
def exponential_every_batch(seed):
    x, y = digits(seed)
    model = mlp()
    rule = optim.Adam(model.parameters(), lr=3e-3)
    schedule = optim.ExponentialLR(rule, gamma=0.5)
    for inputs, labels in batches(x, y):
        rule.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        rule.step()
        schedule.step()


@unseen("class_imbalance")
def two_per_cent_of_the_ill(seed):
    x, y = line(seed, 600)
    ill = (y > np.quantile(y, 0.98)).astype(np.int64)
    fit(mlp(4, 16, 2), x, ill)

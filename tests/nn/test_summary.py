"""Summary: the numbers of the notes, for nets that are never computed."""

import tracemalloc

import numpy as np
import pytest

import backlight
from backlight import nn
from backlight.errors import ArgumentError, GraphError, ShapeError


def vgg16():
    layers, channels = [], 3
    for block, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            layers += [nn.Conv2d(channels, block, 3, padding=1), nn.ReLU()]
            channels = block
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        nn.Linear(25_088, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 1000),
    )


def alexnet(groups):
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4),
        nn.ReLU(),
        nn.LocalResponseNorm(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=groups),
        nn.ReLU(),
        nn.LocalResponseNorm(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, groups=groups),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=groups),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Linear(9216, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 1000),
    )


def sketched(build):
    with nn.init.sketch():
        return build()


def test_vgg16():
    tracemalloc.start()
    table = nn.summary(sketched(vgg16), (1, 3, 224, 224))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert table.parameters == 138_357_544
    assert table.multiply_adds == 15_470_264_320
    kept = sum(row.forward_bytes for row in table.rows if not row.kind.startswith("ReLU"))
    assert kept // 4 + 3 * 224 * 224 == 15_237_608
    assert table.parameter_bytes == 4 * 138_357_544
    assert peak < 10e6


def test_alexnet():
    for groups, count in ((1, 62_378_344), (2, 60_965_224)):
        table = nn.summary(sketched(lambda groups=groups: alexnet(groups)), (1, 3, 227, 227))
        assert table.parameters == count
    assert table.rows[0].output_shape == (1, 96, 55, 55)
    assert table.rows[0].multiply_adds == 290_400 * 363


def test_table_agrees_with_a_real_run_and_changes_nothing():
    net = nn.Sequential(
        {
            "conv": nn.Conv2d(3, 4, 3),
            "norm": nn.BatchNorm2d(4),
            "act": nn.ReLU(),
            "flat": nn.Flatten(),
            "fc": nn.Linear(64, 2),
        }
    )
    net[0].weight.requires_grad_(False)
    before, draws = net.state_dict(), backlight.manual_seed(0).count
    table = nn.summary(net, (5, 3, 6, 6))
    assert net.training
    assert net[1].training
    assert backlight.engine.random.default.count == draws
    assert all((value == before[name]).all() for name, value in net.state_dict().items())
    shapes = []
    for module in net:
        module.register_forward_hook(lambda m, i, o: shapes.append(o.shape))
    net(backlight.zeros(5, 3, 6, 6))
    assert [row.output_shape for row in table.rows] == shapes
    assert [row.path for row in table.rows] == ["conv", "norm", "act", "flat", "fc"]
    assert table.rows[3].forward_bytes == 0
    assert table.parameters - table.trainable_parameters == 108
    assert "108 parameters are frozen" in str(table)
    assert "Kaiming uniform" in str(table)
    assert table.to_dict()["multiply_adds"] == 5 * 16 * 4 * 27 + 5 * 64 * 2


def test_operators_functions_and_shared_layers_are_followed():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)
            self.scale = nn.Parameter(np.ones(4, np.float32))

        def forward(self, x):
            y = self.fc(x) + x
            y = self.fc(2.0 * y) - y / 3.0
            return backlight.matmul(backlight.ones(2, 3), (self.scale * y + -(y**2)).sum(axis=1))

    table = nn.summary(Residual(), (3, 4))
    assert [row.path for row in table.rows] == ["fc", "fc", ""]
    assert [row.parameters for row in table.rows] == [20, 0, 4]
    assert table.parameters == 24
    assert table.multiply_adds == 2 * 48 + 6
    assert table.rows[-1].output_shape == (2,)


def test_sequences_and_several_inputs():
    table = nn.summary(nn.LSTM(3, 4), (5, 2, 3))
    assert table.rows[0].output_shape == ((5, 2, 4), ((1, 2, 4), (1, 2, 4)))
    assert table.multiply_adds == 5 * 2 * 16 * (3 + 4)
    table = nn.summary(nn.GRUCell(3, 4), [(2, 3), (2, 4)])
    assert table.rows[0].output_shape == (2, 4)
    table = nn.summary(nn.Embedding(9, 2), input=np.zeros((4, 3), np.int64))
    assert table.rows[0].output_shape == (4, 3, 2)


def test_mistakes():
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2))
    with pytest.raises(ShapeError, match=r"1 \(Linear 5→2\).*4 features"):
        nn.summary(net, (1, 3))
    with pytest.raises(ArgumentError):
        nn.summary(net)

    class Depends(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(GraphError, match="does not depend on values"):
        nn.summary(Depends(), (2,))
    assert isinstance(net[0].weight, nn.Parameter)

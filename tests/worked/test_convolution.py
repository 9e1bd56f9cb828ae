"""Convolution and pooling (X rows), and the sizes of convolutional networks (2.7)."""

import numpy as np
import pytest

import backlight
from backlight import nn
from backlight.errors import ShapeError

SIZES = [
    (7, 3, 1, 0, 5),
    (7, 3, 2, 0, 3),
    (7, 3, 3, 0, None),
    (7, 3, 1, 1, 7),
    (5, 3, 1, 1, 5),
    (5, 3, 2, 1, 3),
    (5, 3, 3, 1, None),
    (10, 3, 2, 0, None),
    (227, 11, 4, 0, 55),
    (224, 11, 4, 0, None),
    (11, 5, 2, 0, 4),
    (32, 5, 1, 2, 32),
    (32, 5, 1, 0, 28),
    (28, 5, 1, 0, 24),
    (224, 2, 2, 0, 112),
    (12, 7, 1, 0, 6),
    (32, 3, 2, 0, None),
]


def size_of(layer, *size):
    return nn.summary(layer, size).rows[-1].output_shape


@pytest.mark.parametrize(("w", "f", "s", "p", "out"), SIZES)
def test_X2_output_sizes(w, f, s, p, out):
    layer = nn.Conv2d(1, 1, f, stride=s, padding=p)
    if out is None:
        with pytest.raises(ShapeError, match="whole number of windows") as refusal:
            layer(backlight.zeros(1, 1, w, w))
        assert "Use stride" in str(refusal.value)
    else:
        assert size_of(layer, 1, 1, w, w) == (1, 1, out, out)
        assert layer(backlight.zeros(1, 1, w, w)).shape == (1, 1, out, out)


def test_X2_alexnets_224_does_not_fit_with_3_on_each_side():
    """(224 − 11 + 6)/4 + 1 = 55.75; 3 in all, 227, fits."""
    with pytest.raises(ShapeError, match=r"55\.75 windows"):
        nn.Conv2d(3, 96, 11, stride=4, padding=3)(backlight.zeros(1, 3, 224, 224))
    assert size_of(nn.Conv2d(3, 96, 11, stride=4), 1, 3, 227, 227) == (1, 96, 55, 55)


@pytest.mark.parametrize(("stride", "expected"), [(1, [-2, 2, 1, 2, 1]), (2, [-2, 1, 1])])
def test_X1_conv1d_of_the_figure_is_not_flipped(stride, expected):
    x = np.array([[[1.0, 2, -1, 1, -3]]])
    w = np.array([[[1.0, 0, -1]]])
    found = backlight.conv1d(x, w, stride=stride, padding=1)
    assert np.asarray(found).ravel().tolist() == expected


def test_X1_convolution_of_the_assignments():
    """Inputs, weights and biases are linspaces; stride 2, padding 1."""
    x = np.linspace(-0.1, 0.5, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    w = np.linspace(-0.2, 0.3, 3 * 3 * 4 * 4).reshape(3, 3, 4, 4)
    b = np.linspace(-0.1, 0.2, 3)
    out = np.asarray(backlight.conv2d(x, w, b, stride=2, padding=1))
    expected = np.array(
        [
            [
                [[-0.08759809, -0.10987781], [-0.18387192, -0.2109216]],
                [[0.21027089, 0.21661097], [0.22847626, 0.23004637]],
                [[0.50813986, 0.54309974], [0.64082444, 0.67101435]],
            ],
            [
                [[-0.98053589, -1.03143541], [-1.19128892, -1.24695841]],
                [[0.69108355, 0.66880383], [0.59480972, 0.56776003]],
                [[2.36270298, 2.36904306], [2.38090835, 2.38247847]],
            ],
        ]
    )
    np.testing.assert_allclose(out, expected, atol=5e-9)


def test_X1_backward_by_data_is_a_convolution_with_flipped_filters():
    rng = np.random.RandomState(0)
    x, w = rng.randn(2, 3, 6, 6), rng.randn(4, 3, 3, 3)
    output, pull = backlight.vjp(lambda data: backlight.conv2d(data, w), x)
    upstream = rng.randn(*output.shape)
    flipped = np.ascontiguousarray(w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3))
    np.testing.assert_allclose(
        np.asarray(pull(upstream)[0]), backlight.conv2d(upstream, flipped, padding=2), atol=1e-12
    )
    transposed = backlight.conv_transpose2d(upstream, w)
    np.testing.assert_allclose(np.asarray(pull(upstream)[0]), transposed, atol=1e-12)


def test_X3_two_old_vocabularies():
    layer = nn.Conv2d(96, 256, 5, padding=2, groups=2)
    assert nn.caffe(layer) == "num_output: 256 kernel_size: 5 stride: 1 pad: 2 group: 2"
    assert (
        nn.torch7(nn.Conv2d(3, 96, (11, 7), stride=4, padding=(1, 2)))
        == "SpatialConvolution(3, 96, 7, 11, 4, 4, 2, 1)"
    )
    assert "96, 256, kernel_size=(5, 5)" in repr(layer)  # PyTorch's
    assert layer.describe() == "Conv2d 96→256, 5×5"


def test_X3_pools_of_caffe_round_up():
    for rounding, out in (("ceil", 56), ("floor", 55)):
        pool = nn.MaxPool2d(3, 2, rounding=rounding)
        assert size_of(pool, 1, 1, 112, 112) == (1, 1, out, out)
    with pytest.raises(ShapeError):
        nn.MaxPool2d(3, 2)(backlight.zeros(1, 1, 112, 112))


def test_X4_local_connectivity():
    """A neuron sees 5·5·3 numbers through 75 weights and a bias; 3·3·20 are 180."""
    for channels, size, weights in ((3, 5, 75), (20, 3, 180)):
        layer = nn.Conv2d(channels, 1, size, padding=size // 2)
        assert [p.size for p in layer.parameters()] == [weights, 1]
        x = backlight.randn(1, channels, 9, 9, requires_grad=True)
        layer(x)[0, 0, 4, 4].backward()
        assert np.count_nonzero(x.grad.numpy()) == weights


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
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, 1000),
    )


def alexnet(groups=1):
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
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, 1000),
    )


def summary_of(build, *size):
    with nn.init.sketch():
        return nn.summary(build(), size)


def test_X5_receptive_fields_of_stacked_3x3():
    table = nn.summary(nn.Sequential(*[nn.Conv2d(1, 1, 3) for _ in range(5)]), (1, 1, 32, 32))
    assert [row.receptive_field.size for row in table.rows] == [(n, n) for n in (3, 5, 7, 9, 11)]


def test_X5_receptive_fields_at_the_last_pooling():
    for build, size, field in ((vgg16, 224, (212, 32)), (alexnet, 227, (195, 32))):
        rows = summary_of(build, 1, 3, size, size).rows
        last = [row for row in rows if row.kind.startswith("MaxPool2d")][-1].receptive_field
        assert (last.size, last.stride) == ((field[0],) * 2, (field[1],) * 2)
        assert f"{field[0]}×{field[0]} every 32" in str(last)


def test_X6_sharing():
    """AlexNet's first layer: 34,944 parameters; 105,705,600 if every neuron had its own."""
    row = summary_of(alexnet, 1, 3, 227, 227).rows[0]
    assert row.output_shape == (1, 96, 55, 55)
    neurons = 96 * 55 * 55
    assert neurons == 290_400
    assert row.parameters == 34_944
    assert row.multiply_adds + neurons == 105_705_600


def test_X7_shapes_of_conv_relu_pool():
    table = nn.summary(
        nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * 16 * 12, 10),
        ),
        (1, 3, 32, 32),
    )
    assert [row.output_shape[1:] for row in table.rows] == [
        (12, 32, 32),
        (12, 32, 32),
        (12, 16, 16),
        (3072,),
        (10,),
    ]


def test_X8_max_pooling():
    x = np.array([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]], float)
    data = backlight.tensor(x.reshape(1, 1, 4, 4), requires_grad=True)
    y = nn.MaxPool2d(2)(data)
    assert np.asarray(y.detach())[0, 0].tolist() == [[6, 8], [3, 4]]
    y.backward(np.array([[[[1.0, 2], [3, 4]]]]))
    routed = data.grad.numpy()[0, 0]
    assert routed.tolist() == [[0, 0, 0, 0], [0, 1, 0, 2], [3, 0, 0, 0], [0, 0, 0, 4]]
    assert np.count_nonzero(routed) == x.size / 4  # three quarters are dropped
    assert size_of(nn.MaxPool2d(2), 1, 64, 224, 224) == (1, 64, 112, 112)


def test_X9_pooling_pads_nothing_unless_asked():
    assert nn.MaxPool2d(2).padding == 0
    assert nn.AvgPool2d(2).padding == 0
    assert "padding=1" in repr(nn.MaxPool2d(3, 2, padding=1))


# ── 2.7 and the table of worked numbers ────────────────────────────────────────────────────────


def test_conv_params():
    table = nn.summary(nn.Conv2d(3, 10, 5, padding=2), (1, 3, 32, 32))
    assert (table.parameters, table.rows[0].output_shape) == (760, (1, 10, 32, 32))
    assert nn.Linear(200 * 200 * 3, 1, bias=False).weight.size == 120_000


def test_alexnet_total():
    assert summary_of(alexnet, 1, 3, 227, 227).parameters == 62_378_344
    table = summary_of(lambda: alexnet(2), 1, 3, 227, 227)
    assert table.parameters == 60_965_224
    spatial = [
        row.output_shape[-1] for row in table.rows if row.kind.startswith(("Conv2d", "MaxPool2d"))
    ]
    assert spatial == [55, 27, 27, 13, 13, 13, 13, 6]


def test_vgg16():
    """138,357,544 parameters; 15,237,608 activations, 58.1 MiB; 15,470,264,320 multiply-adds."""
    table = summary_of(vgg16, 1, 3, 224, 224)
    with nn.init.sketch():
        sizes = [(p.ndim, p.size) for p in vgg16().parameters()]
    assert sum(size for ndim, size in sizes if ndim > 1) == 138_344_128
    assert sum(size for ndim, size in sizes if ndim == 1) == 13_416
    assert table.parameters == 138_357_544
    kept = table.input_bytes + sum(
        row.forward_bytes for row in table.rows if not row.kind.startswith("ReLU")
    )
    assert kept // 4 == 15_237_608
    assert round(kept / 2**20, 7) == 58.1268616
    assert table.multiply_adds == 15_470_264_320


def test_three_conv_224():
    """Three layers of 224×224×64: 9,633,792 numbers, 73.5 MiB with their gradients."""
    table = summary_of(
        lambda: nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.Conv2d(64, 64, 3, padding=1),
        ),
        1,
        3,
        224,
        224,
    )
    assert table.forward_bytes // 4 == 9_633_792
    gradients = table.backward_bytes - table.parameter_bytes
    assert (table.forward_bytes + gradients) / 2**20 == 73.5


def test_stacks():
    """Three 3×3 layers have 27C² weights, one of 7×7 has 49C²; both see 7×7."""
    c = 8
    tower = nn.Sequential(*[nn.Conv2d(c, c, 3, bias=False) for _ in range(3)])
    one = nn.Conv2d(c, c, 7, bias=False)
    tables = [nn.summary(model, (1, c, 20, 20)) for model in (tower, one)]
    assert [table.parameters for table in tables] == [27 * c * c, 49 * c * c]
    assert {str(table.rows[-1].receptive_field) for table in tables} == {"7×7"}


def test_im2col_of_alexnets_first_layer():
    """[363×3025] times [96×363]; the image grows 7.10-fold."""
    row = summary_of(alexnet, 1, 3, 227, 227).rows[0]
    assert row.multiply_adds == 96 * 363 * 3025
    assert 363 * 3025 == 1_098_075
    assert round(363 * 3025 / (3 * 227 * 227), 2) == 7.10


def test_fc_to_conv():
    """A fully connected layer as a 7×7 convolution: 36 crops at stride 32 in one pass, exactly."""
    backlight.manual_seed(0)
    halvings = [layer for _ in range(5) for layer in (nn.Conv2d(2, 2, 2, stride=2), nn.ReLU())]
    features = nn.Sequential(nn.Conv2d(3, 2, 1), *halvings).double()
    scores = nn.Linear(2 * 7 * 7, 5).double()
    slid = nn.Conv2d(2, 5, 7).double()
    with backlight.no_grad():
        slid.weight.copy_(scores.weight.reshape(5, 2, 7, 7))
        slid.bias.copy_(scores.bias)
        image = backlight.randn(1, 3, 384, 384, dtype="float64")
        volume = features(image)
        assert volume.shape == (1, 2, 12, 12)
        at_once = np.asarray(slid(volume))
        assert at_once.shape == (1, 5, 6, 6)
        for i, j in ((0, 0), (0, 5), (3, 2), (5, 5)):
            crop = image[:, :, 32 * i : 32 * i + 224, 32 * j : 32 * j + 224]
            alone = np.asarray(scores(nn.Flatten()(features(crop))))
            np.testing.assert_allclose(at_once[:, :, i, j], alone, rtol=1e-12, atol=1e-14)


def test_conv_to_fc():
    """The dense matrix of a convolution is mostly zeros, and its blocks repeat."""
    w = np.random.RandomState(0).randn(1, 1, 3, 3)
    matrix = np.asarray(
        backlight.jacobian(
            lambda x: backlight.conv2d(x.reshape(1, 1, 8, 8), w).reshape(-1), np.zeros(64)
        )
    )
    assert matrix.shape == (36, 64)
    assert np.count_nonzero(matrix) == 36 * 9
    np.testing.assert_array_equal(matrix[0, :55], matrix[7, 9:])


def test_dilation_spreads_the_taps():
    """The course's dilation 1, today's 2: weights at offsets 0, 2, 4."""
    x = np.arange(9.0).reshape(1, 1, 9)
    w = np.array([[[1.0, 10, 100]]])
    found = np.asarray(backlight.conv1d(x, w, dilation=2)).ravel()
    assert found.tolist() == [k + 10 * (k + 2) + 100 * (k + 4) for k in range(5)]
    contiguous = np.asarray(backlight.conv1d(x, w, dilation=1)).ravel()
    assert contiguous[0] == 0 + 10 + 200


def test_one_by_one_convolution_mixes_channels_only():
    x, w = np.random.RandomState(0).randn(2, 3, 4, 4), np.random.RandomState(1).randn(5, 3, 1, 1)
    np.testing.assert_allclose(
        backlight.conv2d(x, w), np.einsum("ncij,kc->nkij", x, w[:, :, 0, 0]), atol=1e-14
    )

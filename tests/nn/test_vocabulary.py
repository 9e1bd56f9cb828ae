"""A layer in four vocabularies: the numbers of the course, round trips, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight.errors import ArgumentError, BacklightError, ShapeError
from backlight.nn import Conv2d, caffe, torch7
from backlight.nn.vocabulary import VOCABULARIES, Description, in_words, sizes
from backlight.nn.vocabulary_reader import read

PROTOTXT = """
layer {
  name: "conv1"
  type: "Convolution"   # AlexNet
  bottom: "data"
  top: "conv1"
  param { lr_mult: 1 decay_mult: 1 }
  param { lr_mult: 2 decay_mult: 0 }
  convolution_param {
    num_output: 96
    kernel_size: 11
    stride: 4
    weight_filler { type: "gaussian" std: 0.01 }
  }
}
"""
ALEXNET = [
    PROTOTXT,
    "nn.Conv2d(3, 96, 11, stride=4)",
    "self.conv1 = torch.nn.Conv2d(in_channels=3, out_channels=96, kernel_size=(11, 11), stride=4)",
    "model:add(nn.SpatialConvolutionMM(3, 96, 11, 11, 4, 4))",
    "K=96 F=11 S=4 P=0",
    "num_output: 96 kernel_size: 11 stride: 4",
    "layers { type: CONVOLUTION convolution_param { num_output: 96 kernel_size: 11 stride: 4 } }",
]


@pytest.mark.parametrize("line", ALEXNET)
def test_the_first_layer_of_alexnet(line):
    found = sizes(read(line), (3, 227, 227))
    assert found.output == (96, 55, 55)
    assert found.parameters == 34_944
    assert found.unshared == 105_705_600
    assert found.multiply_adds == 290_400 * 363
    assert found.fits


def test_the_module_agrees():
    layer = Conv2d(6, 8, (3, 5), stride=(2, 1), padding=(1, 2), groups=2)
    told = read("nn.Conv2d(6, 8, (3, 5), stride=(2, 1), padding=(1, 2), groups=2)")
    found = sizes(told, (6, 9, 7))
    assert layer(np.zeros((1, 6, 9, 7), np.float32)).shape[1:] == found.output
    assert sum(one.numel() for one in layer.parameters()) == found.parameters
    assert "nn." + torch7(Conv2d(3, 96, 11, stride=4)) == in_words(read(ALEXNET[1]))["torch7"]
    assert caffe(Conv2d(3, 96, 11, stride=4)).startswith("num_output: 96 kernel_size: 11 stride: 4")


def test_caffe_rounds_pools_up_and_the_others_down():
    line = 'layer { type: "Pooling" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }'
    up = sizes(read(line), (64, 112, 112))
    assert up.output == (64, 56, 56)
    assert not up.fits
    assert in_words(read(line), fits=False)["pytorch"].endswith("ceil_mode=True)")
    for down in ("nn.MaxPool2d(3, 2)", "nn.SpatialMaxPooling(3, 3, 2, 2)"):
        assert sizes(read(down), (64, 112, 112)).output == (64, 55, 55)
    assert sizes(read("nn.SpatialMaxPooling(3,3,2,2):ceil()"), (64, 112, 112)) == up
    with pytest.raises(ShapeError, match="whole number of windows"):
        sizes(read("F=3 S=2"), (64, 112, 112))


def test_others():
    assert sizes(read("nn.Linear(3072, 10)"), (3, 32, 32)).parameters == 30_730
    inner = 'layer { type: "InnerProduct" inner_product_param { num_output: 10 } }'
    assert sizes(read(inner), (3, 32, 32)).parameters == 30_730
    assert read("nn.AvgPool2d(2)").kind == "average-pooling"
    assert read("pooling_param { pool: AVE kernel_h: 3 kernel_w: 2 }").kernel == (3, 2)
    assert sizes(read("nn.ReLU(inplace=True)"), (4096,)).jacobian(100) == 409_600**2
    assert read("nn.Conv2d(3, 8, 5, padding='same')").padding == (2, 2)


pairs = st.tuples(st.integers(1, 5), st.integers(1, 5))


@given(
    st.sampled_from(["convolution", "max-pooling", "average-pooling"]),
    st.integers(1, 64),
    pairs,
    pairs,
    st.integers(0, 2),
    st.sampled_from(["floor", "ceil"]),
    st.booleans(),
)
def test_each_vocabulary_says_the_same(kind, made, kernel, stride, padding, rounding, bias):
    """What is written in any of them is read back with the same sizes."""
    convolves = kind == "convolution"
    told = Description(
        kind,
        made=made if convolves else 0,
        taken=3 if convolves else 0,
        kernel=kernel,
        stride=stride,
        padding=(padding, padding),
        bias=bias or not convolves,
        rounding="floor" if convolves else rounding,
    )
    wanted = sizes(told, (3, 17, 20))
    written = in_words(told, 3, wanted.fits)
    assert tuple(written) == VOCABULARIES
    for name in ("torch7", "caffe", "pytorch"):
        if bias or not convolves or name != "torch7":  # Torch7 says noBias() behind the call
            assert sizes(read(written[name]), (3, 17, 20)) == wanted, written[name]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "nothing"),
        ("hello", "K, F, S, P"),
        ("__import__('os').system('true')", "system"),
        ("nn.Conv2D(3, 4, 5)", "'Conv2d'"),
        ("nn.Conv2d(3, 4, kernel=5)", "'kernel_size'"),
        ("nn.Conv2d(3, 4, 5, 1, 0, 1, 1, True, 9)", "more than 8"),
        ("nn.Conv2d(3, 4, 5, kernel_size=5)", "twice"),
        ("nn.Conv2d(3, 4", "an end"),
        ("nn.Conv2d(3, 4)", "without kernel_size"),
        ("nn.Conv2d(3, 4, 2**9)", "character 18"),
        ("nn.Conv2d(3, 4, 1.5)", "whole numbers"),
        ("nn.Conv2d(3, 4, 0)", "1 or more"),
        ("nn.Conv2d(x, 4, 3)", "'x'"),
        ("nn.Conv2d(3, 4, 99999999999999)", "1,000,000,000"),
        ("nn.Conv2d(3, 4, 2, padding='same')", "even kernel"),
        ("layer { type: 'LRN' }", "LRN"),
        ("kernel_size: 3 stide: 2", "'stride'"),
        ("a: {" * 50, "without end"),
        ("nn.Conv2d(" + "1," * 3000, "characters"),
        ("K=1", "no F"),
        ("num_output: 3", "without kernel_size"),
        ("kernel_size: 3 }", "opening"),
    ],
)
def test_refused_with_words(line, told):
    with pytest.raises(ArgumentError) as caught:
        read(line)
    assert told in str(caught.value)
    assert "Write for example" in str(caught.value)


@given(st.text(alphabet="nCKFSP=2d.(){}:,\"' 019-eE#[]\nlayerpool_", max_size=60))
def test_no_text_makes_it_stumble(line):
    try:
        told = read(line)
        sizes(told, (3, 8, 8))
    except BacklightError:
        pass


@pytest.mark.parametrize(
    ("line", "shape", "told"),
    [
        ("nn.Conv2d(3, 4, 5)", (4, 9, 9), "4 channels"),
        ("nn.Conv2d(3, 4, 5)", (3,), "three sizes"),
        ("nn.Conv2d(3, 4, 11)", (3, 9, 9), "extent"),
        ("nn.Linear(10, 4)", (3, 2, 2), "12 features"),
        ("num_output: 3 kernel_size: 1 group: 2", (4, 5, 5), "groups"),
    ],
)
def test_inputs_that_do_not_fit(line, shape, told):
    with pytest.raises(BacklightError, match=told):
        sizes(read(line), shape)


def test_a_module_said_in_caffe_s_words_is_read_back():
    """Also where height and width differ, or the filter is spread out."""
    for layer in (
        Conv2d(4, 8, (3, 5), stride=(2, 1), padding=(1, 2), groups=2),
        Conv2d(4, 8, 3, dilation=2),
    ):
        told = read(caffe(layer))
        assert (told.kernel, told.stride) == (layer.kernel_size, layer.stride)
        assert (told.padding, told.dilation) == (layer.padding, layer.dilation)
        assert (told.made, told.groups) == (layer.out_channels, layer.groups)

"""`backlight layer`: a line of any framework, its sizes, its picture; and what it refuses."""

import io
import json

import pytest

from tests.cli.command import command, refused

ALEXNET = (
    'layer { type: "Convolution" convolution_param { num_output: 96 kernel_size: 11 stride: 4 } }'
)


def test_a_caffe_layer_is_told_and_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "conv1.svg"
    told = command("layer", ALEXNET, "--input", "3x227x227", "-o", str(out))
    assert told.code == 0, told.err
    assert "96×55×55 = 290,400 numbers: (227 − 11 + 2·0)/4 + 1 = 55" in told.out
    assert "nn.Conv2d(3, 96, 11, stride=4)" in told.out
    assert out.read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_numbers_as_one_object():
    found = json.loads(
        command("layer", "nn.ReLU()", "--input", "4096", "--batch", "100", "--json").out
    )
    assert found["jacobian_bytes"] == 625 * 2**30
    assert found["gradient_bytes"] == 1_638_400


def test_korean_and_pasted(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("pooling_param {\n pool: MAX kernel_size: 2\n}"))
    told = command("layer", "--input", "3x4x4", "--lang", "ko")
    assert told.code == 0, told.err
    assert "Caffe 방식으로" in told.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nn.Conv2d(3, 4, 5)",), ("--input 3x227x227",)),
        (("nn.Conv2d(16, 4, 5)",), ("--input 16x32x32",)),
        (("nn.Conv2d(3, 4, 5)", "--input", "3x4"), ("one or three",)),
        (("nn.Conv2d(3, 4, 5)", "--input", "3x0x4"), ("from 1 up",)),
        (("nn.Conv2d(3, 4, 5)", "--input", "3x9x9", "--batch", "0"), ("--batch",)),
        (("nn.Conv2D(3, 4, 5)", "--input", "3x9x9"), ("'Conv2d'",)),
        (("K=2 F=3 S=2 P=1", "--input", "3x6x6"), ("whole number of windows", "stride 1")),
        (("nn.ReLU()", "--input", "4", "--lang", "fr"), ("en or ko",)),
        (("nn.ReLU()", "--input", "4", "-o", "x.gif"), (".png",)),
        (("nn.ReLU()", "--input", "4", "--theme", "sepia"), ("dark",)),
    ],
)
def test_refused(arguments, words):
    refused("layer", *arguments, words=words)

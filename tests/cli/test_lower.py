"""`backlight lower`: stages of a model or of one's own function, and refusals in words."""

import pytest

from tests.cli.command import command, refused

SMALL = ("softmax", "--shape", "1x4x4", "--classes", "3", "--batch", "2")
OWN = """
import backlight

def case():
    return (lambda x: backlight.tanh(x).sum()), (backlight.tensor([0.5, 1.0]),)

def number():
    return 3
"""


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("graph", ("graph step:", "linear")),
        ("calls", ("chunks",)),
        ("memory", ("arrays",)),
        ("llvm", ("define",)),
        ("loops", ("multiply",)),
    ],
)
def test_a_stage(stage, words):
    ended = command("lower", *SMALL, "--stage", stage)
    assert ended.code == 0, ended.err
    for word in words:
        assert word in ended.out


def test_all_stages_in_order():
    ended = command("lower", *SMALL, "--stage", "all")
    assert ended.code == 0
    assert (
        ended.out.index("── graph") < ended.out.index("── calls") < ended.out.index("── assembly")
    )


def test_inference_has_no_backward_pass():
    ended = command("lower", *SMALL, "--stage", "graph", "--inference")
    assert "gradient of" not in ended.out
    assert "gradient of" in command("lower", *SMALL, "--stage", "graph").out


def test_only_code_of_ones_own_is_named_as_the_origin(tmp_path):
    """Not the library that reads the command line, from which everything is called."""
    ended = command("lower", *SMALL, "--stage", "graph")
    assert ".py:" not in ended.out
    file = tmp_path / "own.py"
    file.write_text(OWN)
    assert "own.py:5" in command("lower", f"{file}:case", "--stage", "graph").out


def test_another_processor():
    ended = command("lower", *SMALL, "--stage", "assembly", "--target", "sse")
    assert ended.code == 0
    assert "zmm" not in ended.out


def test_a_function_of_ones_own(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN)
    ended = command("lower", f"{file}:case", "--stage", "graph")
    assert ended.code == 0, ended.err
    assert "tanh" in ended.out
    refused("lower", f"{file}:number", words=("function to compile",))
    refused("lower", f"{file}:nothing", words=("no 'nothing'",))


def test_bad_input():
    refused("lower", "softmax", "--stage", "loop", words=("--stage", "loops"))
    refused("lower", "resnet", words=("resnet",))
    refused("lower", *SMALL, "--batch", "0", words=("--batch",))
    refused("lower", *SMALL, "--threads", "none", words=("--threads",))
    refused("lower", *SMALL, "--target", "mmx", words=("mmx",))

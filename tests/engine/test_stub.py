"""The stub that editors read is the one that the gate table makes."""

import ast
import inspect

import pytest

import backlight as bl
from backlight.engine import stub
from backlight.gates import TABLE


def test_the_stub_is_up_to_date():
    assert stub.PATH.read_text(encoding="utf-8") == stub.stub(), (
        "run: python -m backlight.engine.stub"
    )


def test_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(stub, "PATH", tmp_path / "methods.pyi")
    stub.main()
    assert (tmp_path / "methods.pyi").read_text(encoding="utf-8") == stub.stub()


METHODS = {
    node.name: node
    for node in ast.walk(ast.parse(stub.stub()))
    if isinstance(node, ast.FunctionDef) and node.name != "attach"
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_takes_what_its_gate_takes(name):
    gate, arguments = TABLE[name], METHODS[name].args
    assert hasattr(bl.Tensor, name)
    named = [one.arg for one in (*arguments.args[1:], *arguments.kwonlyargs)]
    assert named == [*([] if gate.variadic else gate.inputs[1:]), *gate.defaults]
    if not arguments.kwonlyargs:
        needed = len(arguments.args) - len(arguments.defaults) - 1
        free = [default is not inspect.Parameter.empty for default in gate.defaults.values()]
        assert needed == len(gate.inputs) - 1 - gate.optional + free.count(False)


def test_every_gate_is_a_method():
    for name, gate in TABLE.items():
        if type(gate).__module__.startswith("backlight."):
            assert name in METHODS or callable(getattr(bl.Tensor, name))

"""There is one list of gates: the table. Adding a gate touches one file."""

import subprocess
import sys

PROGRAM = '''
import numpy as np
import backlight
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role
from backlight.check import gradcheck
from backlight.expression import Expression

class Cube(Elementwise):
    """x cubed."""
    role = Role.SCALER
    formula = "x**3"
    def forward(self, np, x):
        return x * x * x
    def backward(self, upstream, x, output):
        return (upstream * (3 * x * x),)

cube = Cube()
x = backlight.tensor([1.0, -2.0], dtype="float64", requires_grad=True)
cube(x).sum().backward()
assert x.grad.tolist() == [3.0, 12.0], x.grad
assert backlight.grad(backlight.grad(cube))(2.0).item() == 12.0
assert backlight.cube(2.0) == 8.0
assert Expression.parse("cube(x)").evaluate({"x": 2.0}).item() == 8.0
assert gradcheck(cube, [np.array([0.5, -1.0])]).ok
from backlight.check.every_gate import check_gate
assert not check_gate(cube), check_gate(cube)
print("one file")
'''


def test_a_new_gate_has_everything_at_once():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout == "one file\n", done.stderr


def test_import_is_quick_and_quiet():
    program = (
        "import sys, backlight; "
        "heavy = {'sklearn', 'scipy', 'PIL', 'rich', 'cyclopts', 'safetensors', 'pooch'}; "
        "backlight.tensor(1.0); print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")

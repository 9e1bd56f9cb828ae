"""Files are small and not dense; nothing unsafe, unfinished or foreign is in them."""

import ast
import io
import re
import subprocess
import tokenize

import pytest

from tests.house.conftest import ROOT

LONGEST_FILE = 450
LONGEST_FUNCTION = 70
DENSEST = 9.0
DENSEST_WRITER = 11.0
"""Code that writes code: its lines are addresses, and an address is arithmetic."""


def code_lines(text):
    """(tokens, lines) of code, without comments, blank lines and docstrings."""
    skipped = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    }
    docstrings = set()
    for node in ast.walk(ast.parse(text)):
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if documented and ast.get_docstring(node):
            docstrings.add(node.body[0].value.lineno)
    tokens, lines = 0, set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in skipped or (
            token.type == tokenize.STRING and token.start[0] in docstrings
        ):
            continue
        tokens += 1
        lines.add(token.start[0])
    return tokens, len(lines)


def test_files_are_rooms_one_can_hold_in_mind(sources):
    long = {
        name: text.count("\n")
        for name, (_, text, _) in sources.items()
        if text.count("\n") > LONGEST_FILE
    }
    assert not long


def test_functions_fit_a_screen(sources):
    long = []
    for name, (_, _, tree) in sources.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                docstring = node.body[0].end_lineno - node.lineno if ast.get_docstring(node) else 0
                length = node.end_lineno - node.lineno - docstring
                if length > LONGEST_FUNCTION:
                    long.append(f"{name}.{node.name}: {length} lines")
    assert not long


@pytest.mark.parametrize(("compiler", "densest"), [(False, DENSEST), (True, DENSEST_WRITER)])
def test_code_is_not_dense(sources, compiler, densest):
    tokens = lines = 0
    for name, (_, text, _) in sources.items():
        if name.startswith("backlight.native.") == compiler:
            t, n = code_lines(text)
            tokens, lines = tokens + t, lines + n
    assert tokens / lines <= densest


CAUGHT_BY_THE_CALLER = {
    "backlight.native.lowering.array": "lower_gate explains NumPy's mistakes, in the gate's name",
    "backlight.native.lowering.arrays": "lower_gate explains NumPy's mistakes, in the gate's name",
    "backlight.data.pickled_array": "backlight.data.unpickle names the file and the place",
    "backlight.data.image": "read_image names the file",
    "backlight.train.strict_json": "a state with such keys is a mistake of our own",
}


def test_errors_are_made_from_the_four_answers(sources):
    """No bare `raise ValueError("…")` reaches a user: errors.py says who, got, needs, do this.

    A file may raise one that it catches itself, to turn it into an error of ours.
    """
    builtin = {"ValueError", "TypeError", "IndexError", "RuntimeError", "Exception", "KeyError"}
    bare = []
    for name, (_, _, tree) in sources.items():
        if name in CAUGHT_BY_THE_CALLER:
            continue
        handlers = [
            node.type
            for node in ast.walk(tree)
            if isinstance(node, ast.ExceptHandler) and node.type
        ]
        caught = {
            inner.id
            for handler in handlers
            for inner in ast.walk(handler)
            if isinstance(inner, ast.Name)
        }
        bare += [
            f"{name}:{node.lineno} {node.exc.func.id}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Raise)
            and isinstance(node.exc, ast.Call)
            and isinstance(node.exc.func, ast.Name)
            and node.exc.func.id in builtin - caught
        ]
    assert not bare


UNSAFE_CALLS = {"eval", "exec", "compile", "pickle.load", "pickle.loads", "tempfile.mktemp"}
UNSAFE_METHODS = {"extract", "extractall"}
UNSAFE_SETTINGS = {"shell", "allow_pickle"}


def test_nothing_runs_what_a_file_says(sources):
    found = []
    for name, (_, _, tree) in sources.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            unsafe = called in UNSAFE_CALLS or called.split(".")[-1] in UNSAFE_METHODS
            settings = [
                k.arg
                for k in node.keywords
                if k.arg in UNSAFE_SETTINGS
                and not (isinstance(k.value, ast.Constant) and not k.value.value)
            ]
            if unsafe or settings:
                found.append(f"{name}:{node.lineno} {called}")
    assert not found


def test_nothing_is_left_undone(sources):
    marks = "TO" + "DO|FIX" + "ME|XX" + "X|HA" + "CK"
    found = [
        f"{name}: {line.strip()}"
        for name, (_, text, _) in sources.items()
        for line in text.splitlines()
        if re.search(rf"\b({marks})\b", line)
    ]
    assert not found


def test_the_repository_speaks_of_the_project_alone():
    """No path of anybody's machine in any file that is kept."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    foreign = []
    for name in listed.stdout.split():
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".css", ".js", "") and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if re.search(r"(?<![\w.])/(wo" + r"rk|ho" + r"me|ro" + r"ot)/\w", text):
                foreign.append(name)
    assert not foreign

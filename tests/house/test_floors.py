"""Imports run down the floors of docs/architecture.md, and in no circle."""

import ast

FLOORS = [
    {"errors", "shapes", "dtypes", "philox", "quiet", "words"},
    {"gates"},
    {"engine"},
    {"expression"},
    {"native"},
    {"nn", "optim", "data"},
    {"check"},
    {"explain"},
    {"doctor"},
    {"models", "train", "bench", "estimators", "sweep", "compare", "studies"},
    {"studio"},
    {"cli", "__main__"},
]
HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}


def imported(tree, top_level_only=False):
    """The project's modules that a file imports."""
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module.split(".")[0] == "backlight":
                for alias in node.names:
                    yield node.module, alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "backlight":
                    yield alias.name, ""


def room(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_every_room_has_a_floor(sources):
    rooms = {room(name) for name in sources} - {""}
    assert rooms <= set(HEIGHT)


def test_imports_go_down(sources):
    climbing = []
    for name, (_, _, tree) in sources.items():
        here = HEIGHT.get(room(name))
        if here is None:
            continue
        for module, what in imported(tree):
            there = HEIGHT.get(room(module)) if room(module) else HEIGHT.get(what)
            if there is not None and there > here:
                climbing.append(f"{name} imports {module}.{what}")
    assert not climbing


def test_no_circles(sources):
    edges = {}
    for name, (_, _, tree) in sources.items():
        targets = set()
        for module, what in imported(tree, top_level_only=True):
            full = f"{module}.{what}"
            target = full if full in sources else module
            # A package is imported before what is in it: that is not a circle of concepts.
            if target in sources and not name.startswith(target + "."):
                targets.add(target)
        edges[name] = targets
    done, path = set(), []

    def visit(name):
        if name in path:
            raise AssertionError("a circle: " + " → ".join([*path[path.index(name) :], name]))
        if name in done:
            return
        path.append(name)
        for target in sorted(edges[name]):
            visit(target)
        path.pop()
        done.add(name)

    for name in sorted(edges):
        visit(name)
    assert done == set(edges)

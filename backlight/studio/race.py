"""The Optimisers screen: update rules racing down a surface of two numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from backlight import optim, philox
from backlight.engine.derivative import hessian
from backlight.engine.tensor import Tensor
from backlight.errors import BacklightError, UsageError
from backlight.expression import Expression
from backlight.studio.desk import Ask, asked

Array = np.ndarray[Any, Any]
Path = list[tuple[float, float, float]]

GRID = 64
MOST_STEPS = 400
MOST_RACERS = 8
SECONDS = 4.0
FAR = 1e6
SURFACES: dict[str, tuple[str, tuple[float, float, float, float], tuple[float, float]]] = {
    "bowl": ("0.5*(x² + 3*y²)", (-3, -3, 3, 3), (-2.5, 1.8)),
    "valley": ("0.5*(x² + 30*y²)", (-3, -3, 3, 3), (-2.6, 0.7)),
    "saddle": ("0.5*(x² - y²) + 0.05*y²*y²", (-4, -4, 4, 4), (-3.2, 0.01)),
    "pits": ("0.25*(x² - 2)² + 0.3*x + y²", (-3, -3, 3, 3), (2.4, 2.2)),
    "banana": ("(1 - x)² + 20*(y - x²)²", (-2, -1, 2, 3), (-1.3, 2.2)),
}
"""Formula, box (left, bottom, right, top) and where to start."""
RATES = {
    "adagrad": 0.3,
    "adadelta": 1.0,
    "adam": 0.1,
    "adamw": 0.1,
    "rmsprop": 0.05,
}
"""A step size with which these rules go well; the others take the slider's."""


@asked("race.choices")
def choices(ask: Ask) -> Any:
    """Surfaces and racers."""
    rules = [name for name, rule in optim.rules().items() if not rule.needs_closure]
    return {
        "surfaces": [
            {
                "key": key,
                "name": ask.say(f"studio.race.surface.{key}"),
                "formula": formula,
                "start": start,
            }
            for key, (formula, _, start) in SURFACES.items()
        ],
        "rules": [
            *({"key": rule, "name": rule, "lr": RATES.get(rule)} for rule in rules),
            *({"key": key, "name": ask.say(f"studio.race.{key}"), "lr": None} for key in SEARCHES),
        ],
    }


@asked("race.run", slow=True)
def race(ask: Ask) -> Any:
    """Every racer's path, and the surface under it."""
    surface = ask.text("surface", "")
    formula, box, _ = SURFACES.get(surface, ("", (-3, -3, 3, 3), (0, 0)))
    text = formula or ask.text("formula")
    function = _function(text)
    start = ask.array("start", ask.given.get("start"))
    if start.shape != (2,) or np.abs(start).max() > FAR:
        raise ask.refuse("start", f"shape {start.shape}", "two numbers")
    count = ask.whole("steps", 1, MOST_STEPS, 100)
    racers = ask.given.get("racers")
    if not isinstance(racers, list) or len(racers) > MOST_RACERS:
        raise ask.refuse("racers", racers, f"at most {MOST_RACERS}")
    ends = time.thread_time() + SECONDS
    found = []
    for racer in racers:
        ask.check()
        if not isinstance(racer, dict):
            raise ask.refuse("racers", racer, "objects")
        one = Ask(ask.studio, ask.name, racer, ask.language)
        key, lr = one.text("key", None, 60), one.number("lr", 1e-9, 1e6, 0.1)
        found.append({"key": key, "lr": lr, **_raced(key, lr, function, start, count, ends)})
    x, y = np.meshgrid(np.linspace(box[0], box[2], GRID), np.linspace(box[3], box[1], GRID))
    field = function(Tensor.share(x), Tensor.share(y)).numpy()
    alone = function(_number(x[3, 5]), _number(y[3, 5])).item()
    if field.shape != (GRID, GRID) or not np.isclose(field[3, 5], alone, equal_nan=True):
        raise UsageError(
            "the surface",
            got="a formula that mixes the numbers of x",
            needs="one number for each x and y",
            remedy="Use gates that work number by number, such as x*y or sin(x).",
        )
    return {
        "formula": text,
        "box": box,
        "field": field,
        "racers": found,
        **_curvature(function, start),
    }


def _function(text: str) -> Callable[[Any, Any], Any]:
    expression = Expression.parse(text)
    strange = sorted(set(expression.names) - {"x", "y"})
    if strange or not expression.names:
        raise UsageError(
            "the surface",
            got=f"the names {', '.join(strange)}" if strange else "a formula without names",
            needs="a formula of x and y",
            remedy="Use x and y, as in x² + 5*y².",
        )

    def function(x: Any, y: Any) -> Any:
        given = {"x": x, "y": y}
        chosen = {name: given[name] for name in expression.names}
        value = expression.evaluate(chosen, max_elements=GRID * GRID)
        # A formula of x alone is a surface all the same.
        return value + 0 * (x + y)

    return function


def _raced(
    key: str, lr: float, function: Any, start: Array, count: int, ends: float
) -> dict[str, Any]:
    """One racer's path: (x, y, value) after each step, and how often it looked."""
    if key in SEARCHES:
        path, looks = SEARCHES[key](function, start, count)
        return {"path": path, "evaluations": looks}
    x, y = (Tensor(float(one), dtype="float64", requires_grad=True) for one in start)
    options = {"momentum": 0.9} if key == "sgd" else {}
    rule = optim.from_name(key, [x, y], lr=lr, **options)
    path = []
    for _ in range(count + 1):
        rule.zero_grad()
        value = function(x, y)
        path.append((x.item(), y.item(), value.item()))
        if not np.isfinite(path[-1]).all() or max(map(abs, path[-1][:2])) > FAR:
            break
        if time.thread_time() > ends:
            break
        try:
            value.backward()
            rule.step()
        except BacklightError:
            break
    return {"path": path, "evaluations": len(path)}


def _random_search(function: Any, start: Array, count: int) -> tuple[Path, int]:
    """Guess anywhere, and keep the best."""
    guesses = philox.uniform(7, 0, (count, 2), np.float64) * 6 - 3
    return _best_of(function, start, lambda k, _best: guesses[k], count)


def _local_search(function: Any, start: Array, count: int) -> tuple[Path, int]:
    """Try a small random step, and take it if it leads down."""
    moves = philox.normal(7, 1, (count, 2), np.float64) * 0.2
    return _best_of(function, start, lambda k, best: best + moves[k], count)


def _best_of(function: Any, start: Array, guess: Any, count: int) -> tuple[Path, int]:
    best, value = start, float(function(*map(_number, start)).item())
    path: Path = [(float(start[0]), float(start[1]), value)]
    for k in range(count):
        tried = guess(k, best)
        there = float(function(*map(_number, tried)).item())
        if there < value:
            best, value = tried, there
        path.append((float(best[0]), float(best[1]), value))
    return path, count + 1


SEARCHES: dict[str, Callable[[Any, Array, int], tuple[Path, int]]] = {
    "random": _random_search,
    "local": _local_search,
}


def _number(value: float) -> Tensor:
    return Tensor(float(value), dtype="float64")


def _curvature(function: Any, start: Array) -> dict[str, Any]:
    """The largest curvature L at the start; whether it is the same everywhere, as on a bowl."""

    def at(point: Array) -> Array:
        found = hessian(lambda p: function(p[0], p[1]))(Tensor.share(point))
        return np.asarray(found.detach().numpy(), np.float64)

    try:
        here, there = at(start), at(start + 1.0)
        largest = float(np.linalg.eigvalsh(here).max())
        quadratic = bool(np.allclose(here, there, rtol=1e-6, atol=1e-9))
    except (BacklightError, np.linalg.LinAlgError):
        return {"largest": None, "quadratic": False}
    return {"largest": largest if np.isfinite(largest) else None, "quadratic": quadratic}

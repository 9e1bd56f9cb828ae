"""Random graphs of gates, eager beside compiled: values, gradients, gradients of gradients.

As NNSmith does it: a graph grows gate by gate, each of which is tried on numbers at once, so that
every shape fits, no number is lost among large ones and none is NaN. A graph is a seed. Graphs run
in child processes: one that ends its process is found, and the others go on.

    python -m tests.native.fuzz FIRST COUNT [--dtype float32] [--target avx2] [--fences end] …
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import backlight as bl
from backlight.engine.derivative import grad
from backlight.engine.tensor import Tensor, as_tensor
from backlight.errors import BacklightError, TraceError
from backlight.gates import gates
from backlight.gates.family import Elementwise, interval
from backlight.gates.gate import Role
from backlight.native.compile import compile
from backlight.native.lowering.loops import interpret
from backlight.native.tracing import graph

SHAPES = [(), (1,), (3,), (17,), (33,), (130,), (2, 3), (4, 1), (5, 7), (1, 64), (3, 40)]
SHAPES += [(2, 3, 4), (2, 1, 5), (2, 3, 4, 5), (2, 2, 6, 6), (8, 16), (67,)]
LARGEST = 4000


@dataclass
class Step:
    """One more value: how it follows from those before it."""

    name: str
    needs: list[int]
    make: Callable[[Sequence[Any]], Any]


class Graph:
    """A random function of a few arrays.

    Attributes
    ----------
    inputs : list of ndarray
    steps : list of Step
    outputs : list of int
        Which values the function returns; inputs come first.
    order : int
        0 values, 1 gradients too, 2 the gradients of those too.
    """

    def __init__(self, seed: int, most: int = 40) -> None:
        self.random = np.random.default_rng([31, seed])
        count = int(self.random.integers(1, 4))
        self.inputs = [self.random.standard_normal(self.one_of(SHAPES)) for _ in range(count)]
        self.values: list[Any] = [as_tensor(x) for x in self.inputs]
        self.steps: list[Step] = []
        size = min(most, 1 + int(self.random.exponential(9)))
        self.order = 2 if size <= 14 else int(self.random.integers(0, 2))
        for _ in range(3 * size):
            if len(self.steps) < size:
                self._grow()
        made = range(len(self.inputs), len(self.values))
        last = [made[-1]] if len(made) else [0]
        more = [int(self.random.integers(len(self.values))) for _ in range(2)]
        self.outputs = list(dict.fromkeys([*last, *more]))

    def one_of(self, things: Any) -> Any:
        """One of them."""
        return things[int(self.random.integers(len(things)))]

    # ── growing ────────────────────────────────────────────────────────────────────────────

    def _grow(self) -> None:
        gate = self.one_of(GATES)
        sample = self.one_of(SAMPLES[gate.name])
        wires = self._wires(gate, sample)
        if wires is None:
            return
        needs = [wire[0] for wire in wires if isinstance(wire, tuple)]
        if not needs:
            return
        scale: list[float] = []

        def make(values: Sequence[Any]) -> Any:
            given = [w[1](values[w[0]]) if isinstance(w, tuple) else w for w in wires]
            made = gate(*given, **sample.attributes)
            if made.dtype.kind != "f":
                return made.cast(values[0].dtype)
            return made * scale[0] if scale else made

        try:
            value = make(self.values)
        except (BacklightError, MemoryError):
            return
        if not value.size or value.size > LARGEST or not np.isfinite(value.numpy()).all():
            return
        largest = float(np.abs(value.numpy()).max())
        if largest > 8:
            # Not always to the same number: two largest ones would be equal but for roundings.
            scale.append((2.0 - 0.013 * (len(self.steps) % 37)) / largest)
            value = make(self.values)
        self.values.append(value)
        self.steps.append(Step(f"{gate.name}[{sample}]", needs, make))

    def _pick(self) -> int:
        recent = self.random.random() < 0.6
        low = max(0, len(self.values) - 4) if recent else 0
        return int(self.random.integers(low, len(self.values)))

    def _wires(self, gate: Any, sample: Any) -> list[Any] | None:
        names = gate.inputs + gate.inputs[-1:] * max(0, len(sample.inputs) - len(gate.inputs))
        if isinstance(gate, Elementwise) and self.random.random() < 0.7:
            chosen = self._broadcasting(len(sample.inputs))
            if chosen is not None:
                allowed = [gate.domain.get(name, "") for name in names]
                return [
                    (place, lambda x, a=a: tamed(x, a))
                    for place, a in zip(chosen, allowed, strict=True)
                ]
        wires: list[Any] = []
        for name, x in zip(names, sample.inputs, strict=True):
            fraction = isinstance(x, np.ndarray) and x.dtype.kind == "f"
            if not fraction or name in gate.selectors or not x.size:
                wires.append(x)
                continue
            allowed, shape = gate.domain.get(name, ""), x.shape
            start = float(self.random.random())
            wires.append(
                (self._pick(), lambda v, s=shape, a=allowed, b=start: tamed(fitted(v, s, b), a))
            )
        return wires

    def _broadcasting(self, count: int) -> list[int] | None:
        chosen = [self._pick()]
        for _ in range(count - 1):
            shapes = [self.values[one].shape for one in chosen]
            fits = []
            for place, value in enumerate(self.values):
                try:
                    wide = np.broadcast_shapes(*shapes, value.shape)
                except ValueError:
                    continue
                if np.prod(wide) <= LARGEST:
                    fits.append(place)
            chosen.append(self.one_of(fits))
        return [chosen[int(i)] for i in self.random.permutation(count)]

    # ── as a function ──────────────────────────────────────────────────────────────────────

    def __call__(self, *inputs: Any) -> list[Any]:
        """The outputs and their gradients."""
        wires = [as_tensor(x).detach() for x in inputs]
        if self.order:
            wires = [x.requires_grad_() for x in wires]
        values: list[Any] = list(wires)
        needed = self.needed()
        for place, step in enumerate(self.steps, len(wires)):
            values.append(step.make(values) if place in needed else None)
        outputs = [values[place] for place in self.outputs]
        found = [one.detach() for one in outputs]
        weighed = [(one * drawn(one)).sum() for one in outputs if one.requires_grad]
        if not self.order or not weighed:
            return found
        first = grad(sum(weighed[1:], weighed[0]), wires, create_graph=self.order > 1)
        found += [one.detach() for one in first]
        again = [(one * drawn(one)).sum() for one in first if one.requires_grad]
        if again:
            found += grad(sum(again[1:], again[0]), wires)
        return found

    def needed(self) -> set[int]:
        """Which values the outputs follow from."""
        found, waiting = set(), list(self.outputs)
        while waiting:
            place = waiting.pop()
            if place not in found:
                found.add(place)
                if place >= len(self.inputs):
                    waiting.extend(self.steps[place - len(self.inputs)].needs)
        return found

    def __str__(self) -> str:
        """One line a step that the outputs need."""
        lines = [f"%{place} = input {x.shape}" for place, x in enumerate(self.inputs)]
        for place, step in enumerate(self.steps, len(self.inputs)):
            if place in self.needed():
                given = ", ".join(f"%{one}" for one in step.needs)
                lines.append(f"%{place} = {step.name}({given}) : {self.values[place].shape}")
        return "\n".join([*lines, f"return {self.outputs}, order {self.order}"])


GATES = [gate for gate in gates() if gate.role is not Role.SOURCE and gate.name != "cast"]
SAMPLES = {
    gate.name: [
        sample
        for sample in gate.samples()
        if not (gate.name in ("index", "index_add") and "mask" in str(sample.attributes))
    ]
    for gate in GATES
}


def drawn(like: Any) -> Any:
    """Fixed weights in the shape and type of a tensor."""
    return np.random.default_rng([5, like.size]).standard_normal(like.shape).astype(like.dtype)


def fitted(x: Any, shape: tuple[int, ...], start: float) -> Any:
    """Numbers of a tensor in another shape: some of them, or all of them several times."""
    if x.shape == shape:
        return x
    count, flat = int(np.prod(shape)), x.reshape(-1)
    if x.size < count:
        # No two copies alike: of equal distances or numbers the rounding would choose one.
        copies = -(-count // x.size)
        flat = bl.concatenate([flat * (1 + 0.013 * number) for number in range(copies)])
    first = int(start * (flat.size - count + 1))
    return flat[first : first + count].reshape(shape)


def tamed(x: Any, allowed: str) -> Any:
    """Numbers inside of a gate's domain, and of moderate size."""
    low, high, hole = interval(allowed)
    if low is not None and high is not None:
        return low + (high - low) * (0.1 + 0.8 * bl.sigmoid(x))
    if low is not None:
        return low + 0.1 + abs(x)
    if high is not None:
        return high - 0.1 - abs(x)
    return bl.where(x >= 0, x + 0.3, x - 0.3) + hole if hole is not None else x


# ── comparing ──────────────────────────────────────────────────────────────────────────────


def arrays(found: Sequence[Any]) -> list[Any]:
    """Tensors as arrays."""
    return [np.array(x.detach().numpy() if isinstance(x, Tensor) else x) for x in found]


def wrong(found: Sequence[Any], wanted: Sequence[Any], moved: Sequence[Any], bar: float) -> str:
    """What differs by more than rounding; `moved` is `wanted` for inputs a rounding away."""
    if len(found) != len(wanted):
        return f"{len(found)} results instead of {len(wanted)}"
    for place, (x, y, z) in enumerate(zip(found, wanted, moved, strict=True)):
        if x.shape != y.shape or x.dtype != y.dtype:
            return f"result {place}: {x.dtype} {x.shape} instead of {y.dtype} {y.shape}"
        if not np.isfinite(y).all() or not np.isfinite(z).all():
            if not np.array_equal(np.isfinite(x), np.isfinite(y)):
                return f"result {place}: other places are finite"
            continue
        apart = float(np.abs(x - y).max(initial=0.0))
        scale = float(np.abs(y).max(initial=0.0))
        shaken = float(np.abs(z - y).max(initial=0.0))
        if not apart <= bar * max(scale, 0.1) + 1000 * shaken:
            return f"result {place}: {apart:.3g} apart, largest {scale:.3g}, shaken {shaken:.3g}"
    return ""


def shaken(inputs: Sequence[Any]) -> list[Any]:
    """The inputs, moved by a rounding or two."""
    random = np.random.default_rng(1)
    return [
        (x * (1 + random.choice([-2, 2], x.shape) * np.finfo(x.dtype).eps)).astype(x.dtype)
        for x in inputs
    ]


def examine(seed: int, options: Any, made: Graph | None = None) -> str:
    """What is wrong with a graph compiled; nothing, if nothing is."""
    from tests.native.bounded import bounds_checked
    from tests.native.guarded import fenced, fences, poison

    function = made or Graph(seed, options.most)
    kind = np.dtype(options.dtype)
    inputs = [x.astype(kind) for x in function.inputs]
    bar = 1e-10 if kind == np.float64 else 2e-4
    wanted = arrays(function(*inputs))
    moved = arrays(function(*shaken(inputs)))
    function.__dict__["__name__"] = f"graph_{seed}"
    if options.fences:
        front = options.fences == "front"
        with fences(front=front):
            inputs = [fenced(x, front=front) for x in inputs]
            compiled = compile(function, target=options.target, threads=1)
            return wrong(arrays(compiled(*inputs)), wanted, moved, bar)
    if options.bounds:
        with bounds_checked() as found:
            compiled = compile(function, target=options.target, threads=1)
            problem = wrong(arrays(compiled(*inputs)), wanted, moved, bar)
        if len(compiled.program.program.kernels) != len(found.kernels):
            return f"only {len(found.kernels)} of its kernels look where they read and write"
        return str(found) or problem
    compiled = compile(function, target=options.target, threads=1)
    found = arrays(compiled(*inputs))
    problem = wrong(found, wanted, moved, bar)
    if problem:
        return problem + said(stages_differ(compiled.program, inputs, wanted, moved, bar))
    if options.stages:
        problem = stages_differ(compiled.program, inputs, wanted, moved, bar)
        if problem:
            return problem
    poison(compiled.program.program)
    if not same_bits(arrays(compiled(*inputs)), found):
        return "other bits after its memory was filled with NaN"
    for threads in options.threads:
        compiled.program.threads = threads
        compiled.program.program.small = False
        compiled.program.fast = None
        if not same_bits(arrays(compiled(*inputs)), found):
            return f"other bits on {threads} threads"
    return ""


def said(problem: str) -> str:
    """In which stage it begins, if the stages were told apart."""
    return f" ({problem})" if problem else " (every stage before the kernels is right)"


def same_bits(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether arrays are the same, NaN for NaN."""
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def stages_differ(
    bound: Any, inputs: Sequence[Any], wanted: Sequence[Any], moved: Sequence[Any], bar: float
) -> str:
    """The first stage of a program that means something else when it is interpreted."""
    lowered = bound.compilation.lowered
    numbers = [
        slot.leaf.value if isinstance(slot.leaf, graph.Constant) else bound._numbers(slot, inputs)
        for slot in lowered.slots
    ]
    count = len(bound.traced.graph.outputs)
    for stage in ("loops", "simplified", "layout"):
        found = interpret(bound.compilation.forms[stage][:count], numbers)
        answer = bound.traced.answer(list(map(np.array, found)), inputs)
        problem = wrong(arrays(answer), wanted, moved, bar)
        if problem:
            return f"stage {stage}: {problem}"
    return ""


def minimised(seed: int, options: Any) -> str:
    """A smaller graph that is still wrong: fewer outputs, a lower order, fewer steps."""
    made = Graph(seed, options.most)
    best = (list(made.outputs), made.order)
    for order in range(made.order + 1):
        for place in range(len(made.inputs), len(made.values)):
            made.outputs, made.order = [place], order
            if len(made.needed()) < len(made.values) + 1 and _bad(seed, options, made):
                return f"{made}"
    made.outputs, made.order = best
    return f"{made}"


def _bad(seed: int, options: Any, made: Graph) -> bool:
    try:
        return bool(examine(seed, options, made))
    except Exception:  # whatever it is, it is the finding
        return True


# ── in child processes ─────────────────────────────────────────────────────────────────────


def verdicts(first: int, count: int, arguments: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """What is said of each graph; one that ends its process is found and stepped over."""
    last = first + count
    while first < last:
        command = [sys.executable, "-m", "tests.native.fuzz", str(first), str(last - first)]
        root = str(Path(__file__).resolve().parents[2])
        child = subprocess.run(
            [*command, *arguments],
            cwd=root,
            env={**os.environ, "PYTHONPATH": root},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [json.loads(line) for line in child.stdout.splitlines() if line[:1] == "{"]
        yield from (line for line in lines if "problem" in line)
        begun = [line["seed"] for line in lines if "problem" not in line]
        if child.returncode == 0:
            return
        crashed = begun[-1] if begun else first
        yield {"seed": crashed, "problem": f"ended its process: {child.returncode}",
               "graph": child.stderr[-2000:]}  # fmt: skip
        first = crashed + 1


def main() -> None:
    """A run of seeds, one line of JSON before and one after each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--target", default=None)
    parser.add_argument("--fences", default="", choices=["", "end", "front"])
    parser.add_argument("--bounds", action="store_true", help="look at every load and store")
    parser.add_argument("--most", type=int, default=40)
    parser.add_argument("--stages", action="store_true")
    parser.add_argument("--threads", type=int, nargs="*", default=[])
    parser.add_argument("--smaller", action="store_true")
    options = parser.parse_args()
    for seed in range(options.first, options.first + options.count):
        print(json.dumps({"seed": seed}), flush=True)
        try:
            problem = examine(seed, options)
        except TraceError as refused:
            problem = f"refused: {refused}"
        except Exception:  # a finding like any other
            problem = traceback.format_exc()[-1500:]
        line = {"seed": seed, "problem": problem}
        if problem and options.smaller:
            line["graph"] = minimised(seed, options)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

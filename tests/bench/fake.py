"""Workloads whose contenders do next to nothing, well and badly."""

import os
import sys
import time

from backlight.bench.workload import Kind, Ready, Target, Workload


def steady(given, answer=1.0, seconds=0.0, steps=1):
    def step():
        if seconds:
            time.sleep(seconds)
        return answer

    return Ready(step, steps=steps)


def chatty(given):
    print("a framework that prints")
    sys.stdout.flush()
    return steady(given)


def absent(given):
    import torch_that_nobody_has  # noqa: F401


def torch_absent(given):
    raise ModuleNotFoundError("No module named 'torch'", name="torch")


def broken(given):
    raise ZeroDivisionError("one over\nnought")


def dies(given):
    print("last words", file=sys.stderr)
    sys.stderr.flush()
    os._exit(3)


def dies_later(given):
    calls = []

    def step():
        calls.append(1)
        if len(calls) > 1:
            os._exit(4)
        return 1.0

    return Ready(step)


def counting(given):
    state = [0.0]

    def step():
        state[0] += 1
        return state[0]

    return Ready(step)


def greedy(given):
    held = []
    return Ready(lambda: len(held.append(bytearray(4 * 2**20)) or held) * 0.0)


def threads(given):
    return Ready(lambda: [float(os.environ["OMP_NUM_THREADS"])])


def named(name, contenders, **options):
    options = {"targets": (Target(0.5),), **options}
    return Workload(name, f"fake {name}", dict, contenders, **options)


OURS = "backlight (eager)"
SLOW = {"seconds": 0.004}
WORKLOADS = [
    named(
        "fair",
        {OURS: steady, "numpy": lambda given: steady(given, **SLOW), "jax": chatty},
        targets=(Target(0.5, ("numpy",)),),
        flop=1e6,
    ),
    named("many", {OURS: lambda given: steady(given, seconds=0.01, steps=10)}),
    named("differs", {OURS: steady, "numpy": lambda given: steady(given, answer=1.1)}),
    named("nan", {OURS: steady, "numpy": lambda given: steady(given, answer=float("nan"))}),
    named(
        "fails",
        {
            OURS: steady,
            "torch": torch_absent,
            "jax": absent,
            "numpy": broken,
            "faiss": dies,
            "tinygrad": dies_later,
        },
    ),
    named("states", {OURS: counting, "numpy": counting}, compared=4),
    named("memory", {OURS: steady, "numpy": greedy}, kind=Kind.MEMORY, tolerance=10.0),
    named("start", {OURS: steady}, kind=Kind.START),
    named("cached", {OURS: steady}, kind=Kind.CACHED_CALL),
    named("threads", {OURS: threads}),
]
BY_NAME = {one.name: one for one in WORKLOADS}

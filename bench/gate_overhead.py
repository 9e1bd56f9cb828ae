"""What a gate costs besides its arithmetic: a chain of scalar products, forward and backward.

python bench/gate_overhead.py
"""

from __future__ import annotations

import time

import backlight

GATES = 20_000
REPEATS = 9


def main() -> None:
    x = backlight.tensor(1.0, requires_grad=True)
    y = backlight.tensor(1.0, requires_grad=True)
    forward, backward = [], []
    for _ in range(REPEATS):
        start = time.perf_counter()
        value = x
        for _ in range(GATES):
            value = value * y
        middle = time.perf_counter()
        value.backward()
        end = time.perf_counter()
        forward.append((middle - start) / GATES * 1e6)
        backward.append((end - middle) / GATES * 1e6)
    there, back = sorted(forward)[REPEATS // 2], sorted(backward)[REPEATS // 2]
    print(
        f"a scalar gate: forward {there:.2f} µs + backward {back:.2f} µs = "
        f"{there + back:.2f} µs (medians of {REPEATS})"
    )


if __name__ == "__main__":
    main()

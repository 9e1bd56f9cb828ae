"""How long `import backlight` takes in a new process, and the first tensor after it.

python bench/import_time.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys

REPEATS = 7
PROGRAM = """
import time; start = time.perf_counter()
import backlight; loaded = time.perf_counter()
backlight.tensor(1.0); print(loaded - start, time.perf_counter() - start)
"""


def main() -> None:
    runs = [
        tuple(
            map(
                float,
                subprocess.run(  # noqa: S603
                    [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
                ).stdout.split(),
            )
        )
        for _ in range(REPEATS)
    ]
    first, tensor = (statistics.median(column) for column in zip(*runs, strict=True))
    print(
        f"import backlight {first:.3f} s, with the first tensor {tensor:.3f} s "
        f"(medians of {REPEATS})"
    )


if __name__ == "__main__":
    main()

"""Studies: questions of the notes, answered by experiment on the data at hand.

Each is a function that computes a small result, a function that draws it, and a kind of
`backlight study`. They are declared in their own files; `ROOMS` names the files.
"""

from importlib import import_module

ROOMS = (
    "neighbour_count",
    "equal_distance",
    "concentration",
    "invariance",
    "recall",
    "robustness",
    "peeking",
    "strategies",
    "step_size",
    "batch_size",
    "batch_time",
    "divergence",
    "binary",
    "two_losses",
    "activations",
    "random_or_grid",
    "history",
    "unrolling",
    "fewest_units",
)


def open_all() -> None:
    """Import every study, so that all have declared themselves."""
    for room in ROOMS:
        import_module(f"backlight.studies.{room}")

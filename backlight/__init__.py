"""Backlight: a deep-learning framework that shows its work.

Every gradient can be looked at, explained and checked. The names a PyTorch or NumPy user types
from habit are here: `tensor`, `no_grad`, `grad`, `nn`, `optim`, and every gate of the table
(`exp`, `matmul`, `conv2d`, …) as a function.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "backlight.engine.tensor": ("Tensor", "as_tensor", "from_dlpack", "tensor"),
    "backlight.engine.mode": ("enable_grad", "is_grad_enabled", "no_grad"),
    "backlight.engine.derivative": (
        "grad",
        "hessian",
        "hvp",
        "jacobian",
        "jvp",
        "value_and_grad",
        "vjp",
    ),
    "backlight.engine.create": (
        "arange",
        "empty",
        "eye",
        "full",
        "full_like",
        "linspace",
        "ones",
        "ones_like",
        "rand",
        "randint",
        "randn",
        "randperm",
        "zeros",
        "zeros_like",
    ),
    "backlight.engine.habits": (
        "allclose",
        "dot",
        "flatten",
        "global_average_pool2d",
        "masked_fill",
        "nan_to_num",
        "outer",
        "topk",
    ),
    "backlight.engine.random": ("Generator", "manual_seed"),
    "backlight.engine.nonfinite": ("first_nonfinite", "first_nonfinite_gradient"),
    "backlight.check.gradient": ("gradcheck", "gradgradcheck"),
    "backlight.dtypes": (
        "boolean",
        "float32",
        "float64",
        "get_default_dtype",
        "int32",
        "int64",
        "set_default_dtype",
    ),
    "backlight.explain.circuit.record": ("circuit",),
    "backlight.explain.why.ask": ("why",),
    "backlight.gates.indexing": ("index_select",),
    "backlight.gates.joining": ("chunk", "split"),
    "backlight.native.compile": ("compile",),
    "backlight.native.running.threads": ("get_num_threads", "set_num_threads"),
    "backlight.nn.functional": ("kl_div",),
    "backlight.nn.functional_call": ("functional_call",),
    "backlight.nn.summary": ("summary",),
}
_OTHER_NAMES = {
    "bool": ("backlight.dtypes", "boolean"),
    "from_numpy": ("backlight.engine.tensor", "as_tensor"),
    "jacrev": ("backlight.engine.derivative", "jacobian"),
    "long": ("backlight.dtypes", "int64"),
}
_WHERE = {name: (home, name) for home, names in _HOMES.items() for name in names} | _OTHER_NAMES
_ROOMS = (
    "check",
    "data",
    "doctor",
    "errors",
    "estimators",
    "explain",
    "expression",
    "gates",
    "models",
    "native",
    "nn",
    "optim",
    "train",
)


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for: `import backlight` stays quick."""
    if name in _ROOMS:
        return importlib.import_module(f"backlight.{name}")
    if name in _WHERE:
        home, known_as = _WHERE[name]
        value = getattr(importlib.import_module(home), known_as)
    else:
        value = importlib.import_module("backlight.gates").TABLE.get(name)
        if value is None:
            nearest = importlib.import_module("backlight.errors").nearest
            meant = nearest(name, __dir__()).split("Known")[0]
            raise AttributeError(f"module 'backlight' has no attribute {name!r}. {meant}".rstrip())
        importlib.import_module("backlight.engine.tensor")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Every public name, the gates included."""
    table = importlib.import_module("backlight.gates").TABLE
    return sorted({*globals(), *_WHERE, *_ROOMS, *table})

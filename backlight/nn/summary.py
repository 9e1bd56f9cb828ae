"""Summary of a model: shapes, parameters, memory and multiply-adds of every layer, and the sums.

Nothing is computed and no memory is taken for values: shapes are followed through the gates' own
shape rules (see `outline`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from backlight import dtypes
from backlight.engine.apply import watch
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError
from backlight.gates.gate import Gate
from backlight.nn import initialise
from backlight.nn.functional_call import functional_call
from backlight.nn.module import Module
from backlight.nn.origin import calls, current_path
from backlight.nn.outline import Outline, claim, observer
from backlight.nn.receptive_field import ReceptiveField, point
from backlight.shapes import Shape


@dataclass
class Row:
    """One call of one layer.

    Attributes
    ----------
    path, kind : str
        Where it is in the model, and what it is: Conv2d 3→16, 3×3.
    output_shape : tuple, or tuple of tuples
    parameters : int
        Its own; 0 where the layer has been counted before.
    forward_bytes : int
        Memory of its output, as in evaluation; 0 if that shares the memory of its input.
    backward_bytes : int
        Memory of the gradients by its output and by its parameters.
    multiply_adds : int
        Products that are summed in its forward pass.
    receptive_field : ReceptiveField or None
        The part of the image that one number of its output sees; None where there is no image.
    """

    path: str
    kind: str
    output_shape: Any
    parameters: int
    forward_bytes: int
    backward_bytes: int
    multiply_adds: int
    receptive_field: ReceptiveField | None = None


@dataclass
class Summary:
    """The rows and their sums; printed, it is a table.

    Attributes
    ----------
    rows : list of Row
        In the order in which the layers are called.
    input_bytes, forward_bytes, backward_bytes, parameter_bytes : int
    parameters, trainable_parameters, multiply_adds : int
    """

    name: str
    rows: list[Row] = field(default_factory=list)
    input_bytes: int = 0
    parameter_bytes: int = 0
    parameters: int = 0
    trainable_parameters: int = 0

    @property
    def multiply_adds(self) -> int:
        """Of the whole forward pass."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def forward_bytes(self) -> int:
        """Memory of all outputs: what the backward pass needs is among them."""
        return sum(row.forward_bytes for row in self.rows)

    @property
    def backward_bytes(self) -> int:
        """Memory of all gradients."""
        return sum(row.backward_bytes for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, for machines."""
        sums = {
            name: getattr(self, name)
            for name in ("multiply_adds", "forward_bytes", "backward_bytes")
        }
        return asdict(self) | sums

    def __str__(self) -> str:
        """The table."""
        lines: list[tuple[str, ...]] = [
            (
                "layer",
                "kind",
                "output",
                "sees",
                "parameters",
                "forward",
                "backward",
                "multiply-adds",
            ),
            *[
                (
                    row.path or "(model)",
                    row.kind,
                    _shape_text(row.output_shape),
                    str(row.receptive_field or ""),
                    f"{row.parameters:,}",
                    _bytes(row.forward_bytes),
                    _bytes(row.backward_bytes),
                    f"{row.multiply_adds:,}",
                )
                for row in self.rows
            ],
            (
                "total",
                self.name,
                "",
                "",
                f"{self.parameters:,}",
                _bytes(self.forward_bytes),
                _bytes(self.backward_bytes),
                f"{self.multiply_adds:,}",
            ),
        ]
        if not any(row.receptive_field and row.receptive_field.size for row in self.rows):
            lines = [line[:3] + line[4:] for line in lines]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        rule = "─" * (sum(widths) + 2 * len(widths) - 2)
        head, *body, foot = [_line(line, widths) for line in lines]
        table = [head, rule, *body, rule, foot]
        frozen = self.parameters - self.trainable_parameters
        notes = [f"Parameters {_bytes(self.parameter_bytes)}, input {_bytes(self.input_bytes)}."]
        if frozen:
            notes.append(f"{frozen:,} parameters are frozen.")
        if self.parameters:
            notes.append(
                "Weights of linear and convolution layers begin in "
                f"{initialise.DEFAULT}, unless the model draws them itself."
            )
        return "\n".join([*table, *notes])

    __repr__ = __str__


def summary(
    model: Module, input_size: Any = None, *, input: Any = None, dtype: Any = None
) -> Summary:
    """Shapes, receptive fields, parameters, memory and multiply-adds, a line a layer.

    Parameters
    ----------
    model : Module
        Its state is not changed, and nothing is computed.
    input_size : tuple of int, or list of tuples for several inputs
        Shape of the input with its axis of examples, for example (1, 3, 32, 32).
    input : array_like or tuple of them, optional
        Instead of `input_size`: only shape and type are looked at.
    dtype : dtype
        Type of the input; the default floating type unless given.

    Raises
    ------
    ArgumentError
        If neither or both of `input_size` and `input` are given.
    ShapeError
        If the input does not fit a layer, as when the model is called.

    Examples
    --------
    >>> from backlight import nn
    >>> table = summary(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), (1, 3))
    >>> table.parameters, table.multiply_adds
    (26, 20)
    """
    if (input_size is None) == (input is None):
        raise ArgumentError(
            "summary",
            got=f"input_size={input_size}",
            needs="the shape of the input, or an input",
            remedy="Write summary(model, (1, 3, 32, 32)).",
        )
    outlines = _outlines(input_size, input, dtype)
    result = Summary(type(model).__name__, input_bytes=sum(one.nbytes for one in outlines))
    for parameter in model.parameters():
        result.parameters += parameter.size
        result.parameter_bytes += parameter.nbytes
        result.trainable_parameters += parameter.size if parameter.requires_grad else 0
    result.rows = _follow(model, tuple(outlines))
    return result


def _outlines(size: Any, given: Any, dtype: Any) -> list[Outline]:
    if given is not None:
        arrays = given if isinstance(given, (tuple, list)) else (given,)
        return [Outline.of(tuple(np.shape(one)), _type(one)) for one in arrays]
    sizes = size if isinstance(size, list) or (size and isinstance(size[0], tuple)) else [size]
    kind = np.dtype(dtype or dtypes.get_default_dtype())
    return [Outline.of(tuple(one), kind) for one in sizes]


def _type(value: Any) -> Any:
    return value.dtype if hasattr(value, "dtype") else dtypes.as_array(value).dtype


def _follow(model: Module, inputs: tuple[Outline, ...]) -> list[Row]:
    """Call the model on outlines, noting what each module makes and what its gates cost."""
    for outline in inputs:
        if outline.ndim > 2:
            outline.note("field", point(outline.ndim - 2))
    rows: list[Row] = []
    costs: dict[int, list[int]] = {}
    counted: set[int] = set()

    def tell(gate: Gate, products: int) -> None:
        del gate
        costs.setdefault(id(calls.stack[-1]), []).append(products)

    def hook(module: Module, given: Any, output: Any) -> None:
        applied = costs.pop(id(module), None)
        own = [p for p in module._parameters.values() if p is not None and id(p) not in counted]
        leaf = not module._modules
        if not (leaf or applied or own):
            return
        counted.update(id(p) for p in own)
        parts = [one for one in _flat(output) if isinstance(one, Tensor)]
        # A view, or an input handed on, takes no memory of its own.
        passed = {id(one) for one in _flat(given)}
        fresh = (
            sum(one.nbytes for one in parts if one._base is None and id(one) not in passed)
            if leaf or applied
            else 0
        )
        rows.append(
            Row(
                current_path(),
                module.describe(),
                _shapes(output),
                sum(p.size for p in own),
                fresh,
                fresh + sum(p.nbytes for p in own if trained[id(p)]),
                sum(applied or []),
                parts[0].field if parts and isinstance(parts[0], Outline) else None,
            )
        )

    parts = {
        path: (value, Outline.of(value.shape, value.dtype))
        for path, value in (*model.named_parameters(), *model.named_buffers())
    }
    trained = {id(outline): value.requires_grad for value, outline in parts.values()}
    modes = {module: module.training for module in model.modules()}
    hooks = [module.register_forward_hook(hook) for module in modes]
    observer.tell = tell
    try:
        model.eval()  # no statistics move, nothing is drawn
        with watch(claim):
            functional_call(model, {path: outline for path, (_, outline) in parts.items()}, inputs)
    finally:
        observer.tell = None
        for one in hooks:
            one.remove()
        for module, training in modes.items():
            module.training = training
    return rows


def _flat(output: Any) -> list[Any]:
    if isinstance(output, (tuple, list)):
        return [one for part in output for one in _flat(part)]
    return [output]


def _shapes(output: Any) -> Any:
    if isinstance(output, (tuple, list)):
        return tuple(_shapes(part) for part in output)
    shape: Shape = tuple(getattr(output, "shape", ()))
    return shape


def _shape_text(shape: Any) -> str:
    if shape and isinstance(shape[0], tuple):
        return ", ".join(_shape_text(one) for one in shape)
    return "×".join(map(str, shape)) or "one number"


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _line(cells: Any, widths: list[int]) -> str:
    """Names to the left, the four columns of numbers to the right."""
    names = len(widths) - 4
    return "  ".join(
        cell.ljust(width) if place < names else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()

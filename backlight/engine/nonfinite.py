"""Where a NaN or an infinity was born: the first gate whose inputs were finite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.engine.backward import _history, _seed, _step
from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.gates.family import outside


@dataclass(frozen=True)
class Birthplace:
    """The gate that made the first value that is not finite, and where in its output."""

    gate: str
    layer: str
    value: float
    place: tuple[int, ...]
    inputs: str
    backward: bool = False

    def __str__(self) -> str:
        """One sentence with gate, layer, place and the numbers it was given."""
        where = f" in {self.layer}" if self.layer else ""
        at = f" at {list(self.place)}" if self.place else ""
        what = " the gradient" if self.backward else ""
        return f"gate {self.gate}{where} gave{what} {self.value}{at} from {self.inputs}"


def first_nonfinite(output: Tensor) -> Birthplace | None:
    """The earliest gate in the history of `output` whose value is not finite; None if all are.

    A leaf that is not finite already (a parameter, the data) is named as the gate "input".

    Examples
    --------
    >>> import backlight
    >>> x = backlight.tensor([1.0, 0.0], requires_grad=True)
    >>> print(first_nonfinite((x * 2).log().sum()))
    gate log gave -inf at [1] from x = 0.0; it needs x > 0
    """
    for node in _history([output])[0]:
        gate = node._gate
        for x in node._inputs or ():
            # Constants and data carry no history of their own: look at them where they enter.
            if isinstance(x, Tensor) and not x.requires_grad and not _finite(x._value):
                return _leaf(x)
        if _finite(node._value):
            continue
        if gate is None:
            return _leaf(node)
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(node._value))[0])
        layer = (node._notes or {}).get("origin")
        return Birthplace(
            gate.name,
            str(layer or ""),
            float(np.asarray(node._value)[place]),
            place,
            _given(node, place),
        )
    return None


def first_nonfinite_gradient(output: Tensor, gradient: Any = None) -> Birthplace | None:
    """The first gate, going back from `output`, that hands on a gradient that is not finite.

    To be asked before the backward pass frees the history, or with `retain_graph=True` there.

    Parameters
    ----------
    output : Tensor
        Where the backward pass starts.
    gradient : array_like, optional
        Its upstream gradient; 1 for a scalar.

    Examples
    --------
    >>> import backlight
    >>> x = backlight.tensor([4.0, 0.0], requires_grad=True)
    >>> print(first_nonfinite_gradient(x.sqrt().sum()))
    gate sqrt gave the gradient inf at [1] from upstream = 1.0, x = 0.0
    """
    ordered, useful = _history([output])
    arrived = {id(output): _seed(output, gradient, False)}
    masked = False
    with np.errstate(all="ignore"):
        for node in reversed(ordered):
            upstream = arrived.get(id(node))
            if node._gate is None or upstream is None:
                continue
            masked = masked or node._gate.name == "where"
            with no_grad():
                _step(node, upstream, useful, arrived, False)
            for x in node._inputs or ():
                found = arrived.get(id(x)) if isinstance(x, Tensor) else None
                if found is not None and not _finite(found):
                    return _backward_place(node, np.asarray(found), np.asarray(upstream), masked)
    return None


def _backward_place(node: Tensor, found: Any, upstream: Any, masked: bool) -> Birthplace:
    place = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
    layer = (node._notes or {}).get("origin")
    given = _given(node, place) if found.shape == node.shape else _given(node, ())
    if upstream.shape == found.shape:
        given = f"upstream = {float(upstream[place])}, {given}"
        if masked and upstream[place] == 0:
            given += (
                "; upstream is 0 in the masked branch of where: mask the input too, as in "
                "log(where(x > 0, x, 1))"
            )
    gate = node._gate.name if node._gate is not None else "input"
    return Birthplace(gate, str(layer or ""), float(found[place]), place, given, backward=True)


def _finite(value: Any) -> bool:
    return value.dtype.kind != "f" or bool(np.isfinite(value).all())


def _leaf(x: Tensor) -> Birthplace:
    place = tuple(int(i) for i in np.argwhere(~np.isfinite(x._value))[0])
    return Birthplace(
        "input",
        "",
        float(np.asarray(x._value)[place]),
        place,
        x.name or f"an input of shape {x.shape}",
    )


def _given(node: Tensor, place: tuple[int, ...]) -> str:
    gate = node._gate
    if gate is None:
        return ""
    told = []
    for name, x in zip(gate.inputs, node._inputs or (), strict=False):
        value = np.asarray(x._value if isinstance(x, Tensor) else x)
        if value.dtype.kind not in "fiub":
            continue
        wrong = outside(gate.domain.get(name, ""), value)
        if wrong.any():
            bad = value[tuple(np.argwhere(wrong)[0])] if value.ndim else value
            told.append(f"{name} = {float(bad)}; it needs {gate.domain[name]}")
        elif value.shape == node.shape and len(place) == value.ndim:
            told.append(f"{name} = {float(value[place])}")
        else:
            told.append(
                f"{name} of shape {value.shape}, largest size "
                f"{float(np.abs(value).max()) if value.size else 0:.4g}"
            )
    return ", ".join(told)

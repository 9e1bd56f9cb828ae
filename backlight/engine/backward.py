"""The backward pass: order, accumulate over paths, un-broadcast, free.

Each gate is handed its upstream gradient and answers with one gradient an input. Here, and only
here, gradients that arrive over several paths are added, and gradients of broadcast inputs are
summed back to the input's shape. The walk is a loop, not a recursion, so that depth is no limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from types import FunctionType
from typing import Any

import numpy as np

from backlight.engine.mode import changes, enable_grad, mode
from backlight.engine.tensor import Tensor, as_tensor
from backlight.engine.tracing import here, tracers
from backlight.errors import DTypeError, GateError, GraphError, ShapeError
from backlight.gates.arithmetic import identity
from backlight.gates.gate import TABLE


def backward(
    output: Tensor, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False
) -> None:
    """Add the gradients of `output` to the `.grad` of the leaves. See `Tensor.backward`."""
    ordered, seen = _history([output])
    kept = [
        node
        for node in ordered
        if node._gate is None or (node._notes and node._notes.get("retain"))
    ]
    # Whatever asks for a gradient leads to a leaf that does, so that every gate is useful here.
    found = _walk(
        [output], [gradient], kept, ordered, seen, retain_graph or create_graph, create_graph
    )
    if tracers and here() is not None:
        here().accumulate(kept, found, create_graph)
        return
    given = {id(getattr(gradient, "_value", gradient))}
    for node, value in zip(kept, found, strict=True):
        if value is None:
            continue
        before = node.grad
        if before is not None:
            node._grad = (
                before + value if create_graph else Tensor.share(before._value + value._value)
            )
            continue
        # One array may have arrived at two leaves: each owns its gradient and may change it.
        if id(value._value) in given or getattr(value._value, "base", None) is not None:
            if create_graph:
                with enable_grad():
                    value = identity(value)
                value._base = None
            value._value = np.array(value._value)
        given.add(id(value._value))
        node._grad = value


def propagate(
    outputs: Sequence[Tensor],
    upstreams: Sequence[Any],
    targets: Sequence[Tensor],
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> list[Tensor | None]:
    """The gradients of Σ outputs·upstreams with respect to each target; None where there is none.

    Parameters
    ----------
    outputs, upstreams : sequences of the same length
        Where to start, and the gradient there; None stands for 1 at a scalar.
    targets : sequence of Tensor
        Leaves or intermediate values.
    retain_graph : bool
        Keep the history for another pass.
    create_graph : bool
        Run the rules on tensors, so that the gradients are differentiable; the history is kept.
    """
    ordered, _ = _history(outputs)
    useful = _useful(ordered, {id(target) for target in targets})
    return _walk(
        outputs, upstreams, targets, ordered, useful, retain_graph or create_graph, create_graph
    )


def _walk(
    outputs: Sequence[Tensor],
    upstreams: Sequence[Any],
    targets: Sequence[Tensor],
    ordered: list[Tensor],
    useful: set[int],
    retain_graph: bool,
    create_graph: bool,
) -> list[Tensor | None]:
    """From the newest gate to the oldest, handing each its upstream gradient."""
    tracer = here() if tracers else None
    # While tracing, rules are applied to tensors without values, whose gates are written down.
    on_tensors = create_graph or tracer is not None
    goals = {id(target) for target in targets}
    arrived: dict[int, Any] = {}
    for output, upstream in zip(outputs, upstreams, strict=True):
        start = _seed(output, upstream, on_tensors)
        key = id(output)
        arrived[key] = arrived[key] + start if key in arrived else start

    recording = mode.recording
    mode.recording = create_graph
    try:
        with np.errstate(all="ignore"):
            while ordered:
                node = ordered.pop()
                key = id(node)
                if node._gate is None or key not in useful:
                    continue
                # What is a target is kept; the rest is let go as soon as it has been used.
                upstream = arrived.get(key) if key in goals else arrived.pop(key, None)
                if upstream is None:
                    continue
                if tracer is not None:
                    tracer.behind = node
                _step(node, upstream, useful, arrived, on_tensors)
                if not retain_graph:
                    node._inputs = None
    finally:
        mode.recording = recording
        if tracer is not None:
            tracer.behind = None
    gradients = [_finish(arrived.get(id(target)), on_tensors) for target in targets]
    if tracer is not None:
        tracer.note_pass(outputs, upstreams, targets, gradients)
    return gradients


def _step(
    node: Tensor, upstream: Any, useful: set[int], arrived: dict[int, Any], on_tensors: bool
) -> None:
    """One gate backwards: multiply upstream by the local gradients and add to the inputs'."""
    gate = node._gate
    inputs = node._inputs
    if inputs is None:
        raise _freed(node)
    if changes.last > node._order:
        _refuse_changed(node, inputs)
    if on_tensors:
        shares = gate.backward(  # type: ignore[union-attr]
            upstream, *inputs, node, **node._attributes
        )
    else:
        shares = gate.backward(  # type: ignore[union-attr]
            upstream,
            *[x._value if isinstance(x, Tensor) else x for x in inputs],
            node._value,
            **node._attributes,
        )
    if type(shares) is not tuple or len(shares) != len(inputs):
        raise _wrong_count(node, shares)
    for x, share in zip(inputs, shares):  # noqa: B905 - the lengths were compared above
        key = id(x)
        if share is None or key not in useful:
            continue
        if type(share) is FunctionType:
            share = share()
            if share is None:
                continue
        value = x._value
        kind = type(share)
        if kind is np.ndarray or kind is not type(value):  # equal scalar types agree in all
            if share.shape != value.shape:
                share = _unbroadcast(node, share, value.shape)
            if share.dtype is not value.dtype and share.dtype != value.dtype:
                share = share.astype(value.dtype)
        if key in arrived:
            arrived[key] = arrived[key] + share
        else:
            arrived[key] = share


def _refuse_changed(node: Tensor, inputs: Sequence[Any]) -> None:
    """Something was changed in place after this gate ran: was it one of its values?"""
    for x in (*inputs, node):
        if isinstance(x, Tensor) and (x if x._base is None else x._base)._changed > node._order:
            raise _changed(node, x)


def _history(outputs: Sequence[Tensor]) -> tuple[list[Tensor], set[int]]:
    """Every tensor that the outputs were made from and that asks for a gradient, oldest first."""
    waiting = [output for output in outputs if isinstance(output, Tensor)]
    found = []
    seen = set(map(id, waiting))
    while waiting:
        node = waiting.pop()
        found.append(node)
        inputs = node._inputs
        if inputs is None:
            continue
        for x in inputs:
            if isinstance(x, Tensor) and x._wanted:
                key = id(x)
                if key not in seen:
                    seen.add(key)
                    waiting.append(x)
    found.sort(key=_made)
    return found, seen


_made = attrgetter("_order")


def _useful(ordered: list[Tensor], goals: set[int]) -> set[int]:
    """Those from which a goal can be reached going back: no other gradient is computed."""
    useful = set()
    for node in ordered:
        key = id(node)
        if key in goals or any(id(x) in useful for x in node._inputs or ()):
            useful.add(key)
        elif node._gate is not None and node._inputs is None:
            useful.add(key)  # freed: going through it must be refused, not skipped
    return useful


def _seed(output: Tensor, upstream: Any, on_tensors: bool) -> Any:
    if not output.requires_grad:
        raise GraphError(
            output._title(),
            got="a request for gradients",
            needs="a history: a value made by gates from a tensor with requires_grad=True",
            remedy="Set requires_grad=True before computing, and leave no_grad() and detach().",
        )
    if upstream is None:
        if output.size != 1:
            raise GraphError(
                output._title(),
                got=f"backward() for {output.size} numbers, shape {output.shape}",
                needs="one number, or the upstream gradient of each",
                remedy="Reduce it with .sum() or .mean(), or pass gradient=… of the same shape.",
            )
        upstream = np.ones(output.shape, output.dtype)
        if on_tensors and tracers and here() is not None:
            return Tensor(upstream)  # which the tracer takes for a constant
    else:
        if isinstance(upstream, Tensor) and on_tensors:
            pass
        else:
            # A Python number has no type of its own: 0.1 keeps its digits in a float64 circuit.
            kind = None if hasattr(upstream, "dtype") else output.dtype
            upstream = as_tensor(upstream, kind)._value
        if upstream.dtype.kind not in "fiub":
            raise DTypeError(
                output._title(),
                got=f"an upstream gradient of {upstream.dtype}",
                needs="numbers",
                remedy="Pass floats.",
            )
        if upstream.shape != output.shape:
            raise ShapeError(
                output._title(),
                got=f"an upstream gradient of {upstream.shape}",
                needs=f"shape {output.shape}",
                remedy="Pass one number an element.",
            )
        if upstream.dtype != output.dtype:
            upstream = upstream.astype(output.dtype)
    if output.ndim == 0 and isinstance(upstream, np.ndarray):
        upstream = upstream[()]  # NumPy's scalars are several times faster than 0-d arrays
    return as_tensor(upstream) if on_tensors else upstream


def _unbroadcast(node: Tensor, share: Any, shape: tuple[int, ...]) -> Any:
    """Sum the gradient of a broadcast input back to the input's shape, or stretch a constant."""
    extra = share.ndim - len(shape)
    fits = extra >= 0 and all(
        want in (have, 1) for have, want in zip(share.shape[extra:], shape, strict=True)
    )
    if fits:
        return TABLE["sum_to"](share, shape=shape)
    try:
        np.broadcast_shapes(share.shape, shape)
    except ValueError:
        fits = False
    else:
        fits = np.broadcast_shapes(share.shape, shape) == shape
    if fits:
        return TABLE["broadcast_to"](share, shape=shape)
    raise GateError(
        f"gate {node._gate.name}",  # type: ignore[union-attr]
        got=f"a backward rule that answers shape {share.shape}",
        needs=f"the input's shape {shape}, or one that sums to it",
        remedy="Mend the rule.",
    )


def _finish(gradient: Any, on_tensors: bool) -> Tensor | None:
    if gradient is None:
        return None
    if isinstance(gradient, Tensor):
        return gradient
    return Tensor.share(np.asarray(gradient)) if not on_tensors else as_tensor(gradient)


def _freed(node: Tensor) -> GraphError:
    return GraphError(
        node._title(),
        got="a second backward pass",
        needs="its history, which the first one freed",
        remedy="Compute it again, or use backward(retain_graph=True) the first time.",
    )


def _changed(node: Tensor, x: Tensor) -> GraphError:
    gate = node._gate.name  # type: ignore[union-attr]
    return GraphError(
        f"gate {gate}",
        got=f"backward after {x._title()} was changed in place",
        needs="the value that it had in the forward pass",
        remedy="Change it after backward, or make a new tensor instead of writing into it.",
    )


def _wrong_count(node: Tensor, shares: Any) -> GateError:
    count = len(shares) if isinstance(shares, tuple) else type(shares).__name__
    return GateError(
        f"gate {node._gate.name}",  # type: ignore[union-attr]
        got=f"a backward rule that answers {count}",
        needs=f"a tuple of {len(node._inputs or ())}, one gradient an input",
        remedy="Return a tuple, with None where an input has no gradient.",
    )

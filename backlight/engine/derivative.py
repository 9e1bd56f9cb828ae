"""Derivatives of functions: grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp.

Each takes a function of tensors and answers with a function or a value; they nest, to any order,
because the rules they run are themselves made of gates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backlight.engine.backward import _history, propagate
from backlight.engine.memory import affordable
from backlight.engine.mode import enable_grad, mode
from backlight.engine.tensor import Tensor, as_tensor
from backlight.engine.tracing import here, tracers
from backlight.errors import DTypeError, GraphError, ShapeError
from backlight.gates.arithmetic import identity

Places = int | Sequence[int]


def grad(
    function: Any,
    inputs: Any = None,
    upstream: Any = None,
    *,
    argnums: Places = 0,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> Any:
    """The gradient, as a function of a function (JAX) or of a computed value (PyTorch).

    `grad(f)` is a function that returns ∂f/∂x at its argument; `grad(y, x)` are the gradients of a
    computed tensor y with respect to x, which may be an intermediate value.

    Parameters
    ----------
    function : callable or Tensor
        A function with a scalar result, or that result.
    inputs : Tensor or sequence of Tensor
        With a tensor: what to differentiate by.
    upstream : array_like, optional
        With a tensor: the gradient to start from.
    argnums : int or sequence of int
        With a function: which arguments to differentiate by.
    create_graph : bool
        Make the gradients differentiable. With a function they are so without being told by its
        arguments and by those of functions around it, not by other tensors, such as parameters
        of a model that it uses.

    Examples
    --------
    >>> f = lambda x: x * x * x
    >>> grad(f)(2.0).item(), grad(grad(f))(2.0).item(), grad(grad(grad(f)))(2.0).item()
    (12.0, 12.0, 6.0)
    """
    if isinstance(function, Tensor):
        single = isinstance(inputs, Tensor)
        wanted = [inputs] if single else list(inputs or ())
        if not wanted or not all(isinstance(x, Tensor) for x in wanted):
            raise GraphError(
                "grad",
                got="a value but no tensors to differentiate by",
                needs="grad(output, inputs)",
                remedy="Pass the inputs as tensors.",
            )
        for x in wanted:
            if not x._wanted:
                raise GraphError(
                    "grad",
                    got=f"{x._title()} to differentiate by, without requires_grad",
                    needs="tensors that gates remember",
                    remedy="Set requires_grad=True before computing the output.",
                )
        keep = create_graph if retain_graph is None else retain_graph
        found = propagate(
            [function], [upstream], wanted, create_graph=create_graph, retain_graph=keep
        )
        whole = [_or_zero(g, x) for g, x in zip(found, wanted, strict=True)]
        return whole[0] if single else whole

    def gradient(*arguments: Any, **named: Any) -> Any:
        both = value_and_grad(function, argnums, create_graph=create_graph)
        return both(*arguments, **named)[1]

    return gradient


def value_and_grad(
    function: Callable[..., Any], argnums: Places = 0, *, create_graph: bool = False
) -> Callable[..., Any]:
    """A function that returns (f(x), ∂f/∂x).

    Examples
    --------
    >>> value, slope = value_and_grad(lambda x: x * x)(3.0)
    >>> value.item(), slope.item()
    (9.0, 6.0)
    """

    def both(*arguments: Any, **named: Any) -> Any:
        places, handles = _handles(arguments, argnums)
        recording = mode.recording
        with enable_grad():
            output = _scalar(function(*_place(arguments, places, handles), **named), function)
            outer = create_graph or (recording and _more([output], handles))
            found = _gradients([output], [None], handles, create_graph=outer)
        single = isinstance(argnums, int)
        return (output if outer else output.detach()), (found[0] if single else tuple(found))

    return both


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Tensor, Callable[[Any], Any]]:
    """f(x) and the function that maps an upstream gradient v to vᵀ·J, one array an argument.

    Examples
    --------
    >>> value, pull = vjp(lambda x: x * x, [1.0, 2.0])
    >>> pull([1.0, 10.0])[0].tolist()
    [2.0, 40.0]
    """
    places, handles = _handles(primals, tuple(range(len(primals))))
    recording = mode.recording
    with enable_grad():
        output = _tensor(function(*_place(primals, places, handles)), function)
    outer = recording and _more([output], handles)

    def pull(upstream: Any) -> tuple[Tensor, ...]:
        create = outer or (isinstance(upstream, Tensor) and upstream.requires_grad)
        with enable_grad():
            return tuple(_gradients([output], [upstream], handles, create_graph=create))

    return (output if outer else output.detach()), pull


def jvp(function: Callable[..., Any], primals: Any, tangents: Any) -> tuple[Tensor, Tensor]:
    """f(x) and J·v, the change of f along the direction v.

    The vector–Jacobian product is linear in its upstream u; differentiating it by u, with v as the
    upstream of that second pass, gives J·v without a second set of rules.

    Parameters
    ----------
    primals, tangents : sequences of array_like
        The arguments, and the direction in each.

    Examples
    --------
    >>> value, change = jvp(lambda x: x * x, ([3.0],), ([1.0],))
    >>> value.tolist(), change.tolist()
    ([9.0], [6.0])
    """
    places, handles = _handles(primals, tuple(range(len(primals))))
    recording = mode.recording
    directions = [as_tensor(t, h.dtype) for t, h in zip(tangents, handles, strict=True)]
    for direction, handle in zip(directions, handles, strict=True):
        if direction.shape != handle.shape:
            raise ShapeError(
                "jvp",
                got=f"a tangent of shape {direction.shape}",
                needs=f"the argument's shape {handle.shape}",
                remedy="Pass one tangent number an element.",
            )
    with enable_grad():
        output = _tensor(function(*_place(primals, places, handles)), function)
        outer = recording and _more([output, *directions], handles)
        if not output.requires_grad:
            return output, Tensor.share(np.zeros(output.shape, output.dtype))
        upstream = Tensor(np.zeros(output.shape, output.dtype), requires_grad=True)
        pulled = _gradients([output], [upstream], handles, create_graph=True)
        linear = [(p, d) for p, d in zip(pulled, directions, strict=True) if p.requires_grad]
        if not linear:
            change = None
        else:
            change = propagate(
                [p for p, _ in linear],
                [d for _, d in linear],
                [upstream],
                create_graph=outer,
                retain_graph=True,
            )[0]
    change = _or_zero(change, upstream)
    return (output, change) if outer else (output.detach(), change.detach())


def jacobian(function: Callable[..., Any], x: Any = None) -> Any:
    """The matrix of all partial derivatives: shape (*f(x).shape, *x.shape), row by row.

    Entry [i, j] is ∂fᵢ/∂xⱼ: outputs first, as in the numerator of the derivative. Without x, the
    function that answers with the matrix at its argument, as `grad` does.

    Raises
    ------
    ArgumentError
        If it does not fit the memory of this machine; `vjp` and `jvp` multiply by it unformed.

    Examples
    --------
    >>> jacobian(lambda x: x * x, [1.0, 2.0]).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    if x is None:
        return lambda x: jacobian(function, x)
    _, (handle,) = _handles((x,), (0,))
    recording = mode.recording
    with enable_grad():
        output = _tensor(function(handle), function)
        outer = recording and _more([output], [handle])
        affordable(
            "jacobian",
            output.shape + handle.shape,
            handle.dtype,
            "Multiply by it without forming it: vjp(f, x), jvp(f, x, v), or hvp.",
        )
        if not output.requires_grad:
            return Tensor.share(np.zeros(output.shape + handle.shape, handle.dtype))
        rows = []
        for place in range(output.size):
            unit = np.zeros(output.size, output.dtype)
            unit[place] = 1
            rows.append(
                _or_zero(
                    propagate(
                        [output],
                        [unit.reshape(output.shape)],
                        [handle],
                        create_graph=outer,
                        retain_graph=True,
                    )[0],
                    handle,
                )
            )
    shape = output.shape + handle.shape
    if rows and (outer or (tracers and here() is not None)):
        from backlight.gates.joining import stack

        return stack(rows).reshape(shape)
    return Tensor.share(np.array([row._value for row in rows], handle.dtype).reshape(shape))


def hessian(function: Callable[..., Any], x: Any = None) -> Any:
    """The matrix of second derivatives of a scalar function: shape (*x.shape, *x.shape).

    Without x, the function that answers with the matrix at its argument.

    Examples
    --------
    >>> hessian(lambda x: (x * x * x).sum(), [1.0, 2.0]).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacobian(grad(function), x)


def hvp(function: Callable[..., Any], x: Any, v: Any) -> Tensor:
    """The Hessian times a vector, without the Hessian: the gradient of ∇f(x)·v.

    Examples
    --------
    >>> hvp(lambda x: (x * x * x).sum(), [1.0, 2.0], [1.0, 1.0]).tolist()
    [6.0, 12.0]
    """
    _, (handle,) = _handles((x,), (0,))
    direction = as_tensor(v, handle.dtype)
    recording = mode.recording
    with enable_grad():
        output = _scalar(function(handle), function)
        outer = recording and _more([output, direction], [handle])
        slope = _gradients([output], [None], [handle], create_graph=True)[0]
        if not slope.requires_grad:
            return Tensor.share(np.zeros(handle.shape, handle.dtype))
        return _gradients([slope], [direction], [handle], create_graph=outer)[0]


def _handles(arguments: Sequence[Any], argnums: Places) -> tuple[list[int], list[Tensor]]:
    """Fresh wires for the arguments to differentiate by, and their places."""
    places = [argnums] if isinstance(argnums, int) else list(argnums)
    handles = []
    for place in places:
        given = arguments[place]
        if isinstance(given, tuple) and any(isinstance(one, Tensor) for one in given):
            raise DTypeError(
                f"argument {place}",
                got="a tuple of tensors",
                needs="one tensor: each argument is differentiated by itself",
                remedy="Stack them, or differentiate a function of several arguments by vjp.",
            )
        x = as_tensor(given)
        if x.dtype.kind != "f":
            if isinstance(arguments[place], (int, list, tuple)):
                x = x.float()
            else:
                raise DTypeError(
                    f"argument {place}",
                    got=f"type {x.dtype}",
                    needs="float32 or float64 to differentiate by",
                    remedy="Convert it first, for example with .float().",
                )
        if x.requires_grad:
            with enable_grad():
                handles.append(identity(x))
        else:
            traced = tracers and here() is not None
            own = x.detach() if traced else Tensor.share(x._value)
            handles.append(own.requires_grad_())
            handles[-1].note("handle", True)
    return places, handles


def _more(outputs: Sequence[Tensor], handles: Sequence[Tensor]) -> bool:
    """Whether a pass around this one will ask for the gradient of this one's gradient.

    It will if an argument has a history already, and if the function uses the argument of a
    function around it. Other tensors, such as parameters of a model, count as constants.
    """
    known = {id(handle) for handle in handles if handle._gate is None}
    return any(handle._gate is not None for handle in handles) or any(
        node._gate is None and id(node) not in known and "handle" in (node._notes or ())
        for node in _history(outputs)[0]
    )


def _place(arguments: Sequence[Any], places: list[int], handles: list[Tensor]) -> list[Any]:
    placed = list(arguments)
    for place, handle in zip(places, handles, strict=True):
        placed[place] = handle
    return placed


def _gradients(
    outputs: list[Tensor], upstreams: list[Any], handles: list[Tensor], create_graph: bool
) -> list[Tensor]:
    if not any(output.requires_grad for output in outputs):
        return [_or_zero(None, handle) for handle in handles]
    found = propagate(outputs, upstreams, handles, create_graph=create_graph, retain_graph=True)
    return [_or_zero(g, handle) for g, handle in zip(found, handles, strict=True)]


def _tensor(output: Any, function: Any) -> Tensor:
    if not isinstance(output, Tensor):
        raise GraphError(
            f"the derivative of {getattr(function, '__name__', 'a function')}",
            got=f"a result that is a {type(output).__name__}",
            needs="one tensor",
            remedy="Compute the result with gates; join several with stack or concatenate.",
        )
    return output


def _scalar(output: Any, function: Any) -> Tensor:
    if not isinstance(output, Tensor) or output.size != 1:
        found = f"shape {output.shape}" if isinstance(output, Tensor) else type(output).__name__
        raise GraphError(
            f"the gradient of {getattr(function, '__name__', 'a function')}",
            got=f"a result of {found}",
            needs="a tensor with one number",
            remedy="Reduce it with .sum(), or use jacobian or vjp.",
        )
    return output


def _or_zero(gradient: Tensor | None, x: Tensor) -> Tensor:
    if gradient is None:
        return Tensor.share(np.zeros(x.shape, x.dtype))
    return gradient

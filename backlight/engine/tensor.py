"""Tensor: a value, and how it was made.

A tensor made by a gate remembers the gate and its inputs; walking back along them is the backward
pass. Operators and methods come from the gate table, so that a gate is a method as soon as it is
declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from backlight import dtypes
from backlight.engine.apply import run
from backlight.engine.deferred import gradient_of
from backlight.engine.habits import Habits
from backlight.engine.in_place import InPlace
from backlight.engine.interchange import Interchange
from backlight.engine.methods import GateMethods, attach
from backlight.engine.naming import Naming
from backlight.engine.operators import Operators
from backlight.engine.rearranging import Count, Rearranging
from backlight.engine.tracing import Unknown, changed, here, refuse_value, tracers
from backlight.errors import DTypeError, GraphError, ShapeError
from backlight.gates.arithmetic import add, divide, multiply, negative, power, subtract
from backlight.gates.gate import TABLE, Gate

Array = np.ndarray[Any, Any]
_NONE: dict[str, Any] = {}


class Tensor(Habits, Naming, Interchange, InPlace, Rearranging, Operators, GateMethods):
    """An array that remembers how it was made.

    Parameters
    ----------
    data : array_like
        Numbers; copied. Lists of fractions become float32, arrays keep their type.
    dtype : dtype, optional
        Type of the elements.
    requires_grad : bool
        Whether gradients with respect to this tensor are wanted.
    name : str, optional
        Shown in pictures, reasons and errors.

    Raises
    ------
    DTypeError
        If the data are not numbers, or whole numbers are to have a gradient.

    Examples
    --------
    >>> x = Tensor(-2.0, requires_grad=True)
    >>> y = Tensor(5.0, requires_grad=True)
    >>> z = Tensor(-4.0, requires_grad=True)
    >>> f = (x + y) * z
    >>> f.backward()
    >>> f.item(), x.grad.item(), y.grad.item(), z.grad.item()
    (-12.0, -4.0, -4.0, 3.0)
    """

    __slots__ = (
        "__weakref__",
        "_attributes",
        "_base",
        "_changed",
        "_gate",
        "_grad",
        "_inputs",
        "_notes",
        "_order",
        "_value",
        "_wanted",
    )

    __hash__ = object.__hash__
    executor_rank: ClassVar[int] = 0
    """Of the arguments of a gate, the one whose class has the highest rank executes it."""
    __array_priority__ = 1000

    _value: Any
    _grad: Tensor | None
    _wanted: bool
    _gate: Gate | None
    _inputs: tuple[Any, ...] | None
    _attributes: dict[str, Any]
    _order: int
    _changed: int
    _base: Tensor | None
    _notes: dict[str, Any] | None

    def __init__(
        self, data: Any, dtype: Any = None, requires_grad: bool = False, name: str | None = None
    ) -> None:
        if isinstance(data, Tensor):
            data = here().value_of(data) if tracers and here() is not None else data._value
        if type(data) is Unknown:  # only while a function is traced
            self._value = data.tracer.copy(data, dtype)
        else:
            value = np.array(dtypes.as_array(data, dtype), order="C")
            # Of a 0-d array its one number: arithmetic on NumPy's scalars is several times faster.
            self._value = value if value.ndim else value[()]
        self._grad = None
        self._gate = None
        self._inputs = None
        self._attributes = _NONE
        self._order = 0
        self._changed = 0
        self._base = None
        self._notes = {"name": name} if name else None
        self._wanted = False
        if tracers and here() is not None:
            here().made(self)
        if requires_grad:
            self.requires_grad_()

    @classmethod
    def share(cls, array: Array) -> Tensor:
        """A tensor on this very array, not a copy. Writing into the array changes the tensor."""
        made = cls.__new__(cls)
        made._value = dtypes.as_array(array)
        made._grad = made._gate = made._inputs = made._base = made._notes = None
        made._attributes = _NONE
        made._order = made._changed = 0
        made._wanted = False
        return made

    @classmethod
    def apply_gate(cls, gate: Gate, inputs: Any, attributes: dict[str, Any]) -> Tensor:
        """Apply a gate to inputs of which at least one is a tensor; gates call this."""
        return run(Tensor, gate, inputs, attributes)

    # ── what it holds ──────────────────────────────────────────────────────────────────────

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each axis."""
        return self._value.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._value.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._value.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> Count:
        """Number of elements; called, the shape, or the size along one axis, as in PyTorch."""
        return Count(self._value.size, self._value.shape)

    @property
    def nbytes(self) -> int:
        """Memory of the elements, in bytes."""
        return self._value.nbytes  # type: ignore[no-any-return]

    @property
    def is_leaf(self) -> bool:
        """Whether no remembered gate made it."""
        return self._gate is None

    @property
    def gate(self) -> Gate | None:
        """The gate that made it, or None."""
        return self._gate

    @property
    def inputs(self) -> tuple[Any, ...]:
        """What the gate was applied to; empty for a leaf and after the graph was freed."""
        return self._inputs or ()

    @property
    def attributes(self) -> dict[str, Any]:
        """The constants written on the gate that made it."""
        return dict(self._attributes)

    @property
    def data(self) -> Tensor:
        """The same numbers without history, sharing memory; assigning replaces the numbers."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        self.copy_(value)

    @property
    def T(self) -> Tensor:  # noqa: N802 - NumPy's and PyTorch's name
        """The tensor with its axes reversed."""
        return TABLE["transpose"](self)  # type: ignore[no-any-return]

    def __len__(self) -> int:
        if not self.ndim:
            raise DTypeError(
                self._title(),
                got="len()",
                needs="at least one axis",
                remedy="A 0-d tensor is one number: use item().",
            )
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Tensor:
        return TABLE["index"].of(self, key)  # type: ignore[attr-defined, no-any-return]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy the value, not the history, as a leaf."""
        if tracers:
            refuse_value(self._value)
        if self._gate is not None:
            raise GraphError(
                self._title(),
                got="a copy or pickle while it has a history",
                needs="a leaf",
                remedy="Detach it first: tensor.detach().",
            )
        return _revive, (
            type(self),
            np.asarray(self._value).copy(),
            self.requires_grad,
            self.name,
            None if self.grad is None else self.grad._value,
        )

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are wanted; may be assigned on a leaf (see `requires_grad_`)."""
        return self._wanted

    @requires_grad.setter
    def requires_grad(self, requires_grad: bool) -> None:
        self.requires_grad_(requires_grad)

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, None before the first; one of its shape may be assigned."""
        if tracers and here() is not None:
            here().read_gradient(self)
        return gradient_of(self)  # type: ignore[no-any-return]

    @grad.setter
    def grad(self, gradient: Any) -> None:
        if gradient is not None:
            gradient = as_tensor(gradient, self.dtype)
            if gradient.shape != self.shape:
                raise ShapeError(
                    self._title(),
                    got=f"a gradient of shape {gradient.shape}",
                    needs=f"its own shape {self.shape}",
                    remedy="Assign one number an element.",
                )
        self._set_gradient(gradient)

    def _set_gradient(self, gradient: Tensor | None) -> None:
        if tracers and here() is not None:
            here().keep_gradient(self)
        self._grad = gradient

    def backward(
        self, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Add the gradients of this value to the `.grad` of every leaf it was made from.

        Parameters
        ----------
        gradient : array_like, optional
            Upstream gradient, of this tensor's shape; 1 for a scalar.
        retain_graph : bool
            Keep the history for another backward pass.
        create_graph : bool
            Make the gradients differentiable themselves.

        Raises
        ------
        GraphError
            If it is not a scalar and no gradient is given, has no history, was freed, or a value
            that is needed was changed in place.
        """
        from backlight.engine.backward import backward

        backward(self, gradient, retain_graph=retain_graph, create_graph=create_graph)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients with respect to this tensor, or stop asking.

        Raises
        ------
        DTypeError
            If the elements are whole numbers or truth values.
        """
        if requires_grad and self._value.dtype.kind != "f":
            raise DTypeError(
                self._title(),
                got=f"requires_grad with elements of type {self.dtype}",
                needs="float32 or float64: whole numbers have no neighbours to differentiate by",
                remedy="Convert it first: tensor.float().",
            )
        if not requires_grad and self._gate is not None:
            raise GraphError(
                self._title(),
                got="requires_grad=False on a computed value",
                needs="a leaf",
                remedy="Use tensor.detach().",
            )
        if tracers and here() is not None:
            here().keep_wanted(self)
        elif self._gate is None and requires_grad != self._wanted:
            changed()
        self._wanted = bool(requires_grad)
        return self

    def retain_grad(self) -> Tensor:
        """Keep the gradient of this intermediate value in its `.grad` too.

        Raises
        ------
        GraphError
            If no gradient will reach it.
        """
        if not self._wanted:
            raise GraphError(
                self._title(),
                got="retain_grad() without a gradient to keep",
                needs="a value made by gates from a tensor with requires_grad=True",
                remedy="Set requires_grad=True before computing.",
            )
        self.note("retain", True)
        return self

    def detach(self) -> Tensor:
        """The same numbers, sharing memory, from which no gradient flows back."""
        if tracers and here() is not None:
            return here().alias(self)  # type: ignore[no-any-return]
        if not isinstance(self._value, np.ndarray):
            self._value = np.array(self._value)  # memory that both can see
            changed()
        made = Tensor.share(self._value)
        made._value = self._value
        made._base = self if self._base is None else self._base
        made._notes = {"name": self.name} if self.name else None
        return made

    def zero_grad(self) -> None:
        """Forget the accumulated gradient."""
        self._set_gradient(None)

    # ── operators ──────────────────────────────────────────────────────────────────────────

    def __add__(self, other: Any) -> Tensor:
        return run(Tensor, add, (self, other), _NONE)

    def __radd__(self, other: Any) -> Tensor:
        return run(Tensor, add, (other, self), _NONE)

    def __sub__(self, other: Any) -> Tensor:
        return run(Tensor, subtract, (self, other), _NONE)

    def __rsub__(self, other: Any) -> Tensor:
        return run(Tensor, subtract, (other, self), _NONE)

    def __mul__(self, other: Any) -> Tensor:
        return run(Tensor, multiply, (self, other), _NONE)

    def __rmul__(self, other: Any) -> Tensor:
        return run(Tensor, multiply, (other, self), _NONE)

    def __truediv__(self, other: Any) -> Tensor:
        return run(Tensor, divide, (self, other), _NONE)

    def __rtruediv__(self, other: Any) -> Tensor:
        return run(Tensor, divide, (other, self), _NONE)

    def __pow__(self, other: Any) -> Tensor:
        return run(Tensor, power, (self, other), _NONE)

    def __rpow__(self, other: Any) -> Tensor:
        return run(Tensor, power, (other, self), _NONE)

    def __neg__(self) -> Tensor:
        return run(Tensor, negative, (self,), _NONE)

    def __pos__(self) -> Tensor:
        return self


attach(Tensor)


def _revive(
    kind: type[Tensor], value: Array, requires_grad: bool, name: str | None, grad: Array | None
) -> Tensor:
    made = kind.__new__(kind)
    Tensor.__init__(made, value, requires_grad=requires_grad, name=name)
    if grad is not None:
        made.grad = Tensor(grad)
    return made


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, name: str | None = None
) -> Tensor:
    """A tensor holding a copy of `data`. See `Tensor`.

    Examples
    --------
    >>> tensor([[1, 2], [3, 4]]).shape
    (2, 2)
    >>> tensor([1.5]) * 2.0
    tensor([3.])
    """
    return Tensor(data, dtype=dtype, requires_grad=requires_grad, name=name)


def as_tensor(data: Any, dtype: Any = None) -> Tensor:
    """`data` itself if it is a tensor, else a tensor; arrays of the right type are not copied."""
    if isinstance(data, Tensor):
        return data if dtype is None or data.dtype == np.dtype(dtype) else data.to(dtype)
    if not hasattr(data, "__array__") and hasattr(data, "__dlpack__"):
        data = np.from_dlpack(data)
    made = Tensor.share(dtypes.as_array(data, dtype))
    if tracers and here() is not None and made._value is not data:
        here().made(made)
    return made


def from_dlpack(source: Any) -> Tensor:
    """A tensor on the memory of another library's array, through DLPack.

    Raises
    ------
    DTypeError
        If the source does not speak DLPack, is not in the processor's memory, or holds elements
        of a type that tensors do not have.
    """
    try:
        array = np.from_dlpack(source)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as problem:
        raise DTypeError(
            "from_dlpack",
            got=f"a {type(source).__name__} that gives no numbers ({problem})",
            needs="an array with __dlpack__ in the processor's memory",
            remedy="Move it to the processor, without a gradient, or pass numpy.asarray of it.",
        ) from problem
    return Tensor.share(array)

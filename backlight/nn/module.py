"""Module: a part of a model, with the parameters it learns and the parts it is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np

from backlight import dtypes
from backlight.engine.memory_format import checked, in_format
from backlight.engine.mode import clock
from backlight.engine.tensor import Tensor
from backlight.engine.tracing import changed, here, tracers
from backlight.errors import ArgumentError, BacklightError, DTypeError, ShapeError
from backlight.nn import state
from backlight.nn.hook import Hook
from backlight.nn.origin import Origin, calls, current_path, origin_of, stamp, title
from backlight.nn.tree import Tree

_WIDTHS = ("out_channels", "out_features", "hidden_size", "embedding_dim")


class Module(Tree):
    """Base of every layer and model: subclass it, make the parts in `__init__`, use in `forward`.

    A Parameter, Module or buffer that is assigned to an attribute is found by itself:
    `parameters()`, `state_dict()`, `train()` and the printed tree follow from it. Call the module,
    not its `forward`: hooks and the paths in messages belong to the call.

    Raises
    ------
    ArgumentError
        If a module is put inside itself, or modules are hidden in a plain list, where their
        parameters would not be found.

    Examples
    --------
    >>> from backlight import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(3, 4)
    ...         self.scores = nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.scores(self.hidden(x).relu())
    >>> [name for name, _ in Net().named_parameters()]
    ['hidden.weight', 'hidden.bias', 'scores.weight', 'scores.bias']

    Unlike PyTorch: a forgotten `super().__init__()` does no harm, and `state_dict` gives copies.
    """

    sets_width: ClassVar[bool] = False
    """Whether the layer decides how many channels or features its output has."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the module computes; subclasses say."""
        del inputs, named
        raise self.refuse(
            ArgumentError,
            None,
            got="a call, but its class has no forward",
            needs="a forward method",
            remedy="Define forward(self, x) in the class",
        )

    def describe(self) -> str:
        """Kind and sizes in a few words, for messages: Conv2d 3→16, 3×3."""
        return type(self).__name__

    def extra_repr(self) -> str:
        """What the printed tree says in the brackets of this module."""
        return ""

    # ── calling ────────────────────────────────────────────────────────────────────────────

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Run `forward`; errors inside name this layer, outputs remember it."""
        stack = calls.stack
        begun = next(clock)
        stack.append(self)
        try:
            if tracers and here() is not None:
                here().enter(self)
            if self._pre_hooks:
                inputs = self._before(inputs)
            output = self.forward(*inputs, **named)
            stamp(self, inputs, output, begun)
            if self._hooks:
                output = self._after(inputs, output)
        except BacklightError as error:
            if getattr(error, "told", False):
                raise
            told = self._told(error, inputs)
            raise told.with_traceback(error.__traceback__) from error.__cause__
        except AttributeError as problem:
            if inputs and isinstance(inputs[0], (list, tuple, int, float)):
                raise self._not_a_tensor(inputs[0]) from problem
            raise
        finally:
            stack.pop()
        return output

    def _not_a_tensor(self, x: Any) -> BacklightError:
        return self.refuse(
            DTypeError,
            None,
            got=f"a {type(x).__name__}",
            needs="a tensor or an array",
            remedy="Make it one: backlight.tensor(…)",
        )

    def refuse(
        self, kind: type[BacklightError], x: Any, *, got: str, needs: str, remedy: str
    ) -> BacklightError:
        """An error of this layer about its input `x`: by its path, with where `x` came from."""
        return _mark(
            kind(
                title(current_path(), self.describe()),
                got=got,
                needs=needs,
                remedy=remedy,
                source=_source(x),
            )
        )

    def check_width(self, x: Any, axis: int, expected: int, what: str, argument: str) -> None:
        """Refuse an input whose size along `axis` is not what the layer was built for."""
        if x.shape[axis] == expected:
            return
        found = x.shape[axis]
        origin = origin_of(x)
        maker = origin and origin.maker
        build = f"build {_called(current_path()) or 'this layer'} with {argument}={found}"
        # Behind a Flatten the layer before does not decide the width alone.
        decides = maker and found in (getattr(maker.module, name, None) for name in _WIDTHS)
        remedy = (
            f"Make {_called(maker.path)} produce {expected} {what}, or {build}"
            if maker and decides
            else f"Pass {expected} {what}, or {build}"
        )
        raise self.refuse(
            ShapeError,
            x,
            got=f"an input with {found} {what}, shape {x.shape}",
            needs=f"{expected} {what}, as it was built",
            remedy=remedy,
        )

    def _told(self, error: BacklightError, inputs: tuple[Any, ...]) -> BacklightError:
        """An error from inside, in the words of this layer, the innermost."""
        here = title(current_path(), self.describe())
        own = type(self).__module__.startswith(__package__)
        subject = here if own else f"{here}: {error.subject}"
        sources = (_source(x) for x in inputs)
        return _mark(error.within(subject, next(filter(None, sources), "")))

    def register_forward_hook(self, hook: Callable[[Module, Any, Any], Any]) -> Hook:
        """Call `hook(module, inputs, output)` after each forward; a result replaces the output."""
        return Hook(self._hooks, hook)

    def register_forward_pre_hook(self, hook: Callable[[Module, Any], Any]) -> Hook:
        """Call `hook(module, inputs)` before each forward; a result replaces the inputs."""
        return Hook(self._pre_hooks, hook)

    def _before(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in tuple(self._pre_hooks.values()):
            changed = hook(self, inputs)
            if changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        return inputs

    def _after(self, inputs: tuple[Any, ...], output: Any) -> Any:
        for hook in tuple(self._hooks.values()):
            changed = hook(self, inputs, output)
            output = output if changed is None else changed
        return output

    # ── acting on all ──────────────────────────────────────────────────────────────────────

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call `function(module)` on every part, innermost first, then on this one."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set all parts to training: dropout drops, batch norm uses the batch's statistics."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set all parts to evaluation; combine with `no_grad()` to save memory."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the accumulated gradient of every parameter."""
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask for the gradients of all parameters, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def to(self, dtype: Any = "cpu", *, memory_format: Any = None) -> Self:
        """Convert parameters and floating buffers, in place, to float32 or float64.

        Parameters
        ----------
        dtype : dtype or "cpu"
        memory_format : {"contiguous_format", "channels_last"}, optional
            How those of 4 axes, filters, lie in memory; see `Tensor.contiguous`.

        Raises
        ------
        DTypeError
            If `dtype` is another type.
        ArgumentError
            If there is no such memory format.
        """
        if memory_format is not None:
            self._laid(memory_format)
        try:
            # NumPy reads None as float64, which nobody who writes it means.
            target = None if dtype == "cpu" else np.dtype(object if dtype is None else dtype)
        except TypeError:
            target = np.dtype(object)
        if target is None:  # the processor is where everything is
            return self
        if target not in (dtypes.float32, dtypes.float64):
            raise DTypeError(
                type(self).__name__,
                got=f"to({dtype!r})",
                needs="float32, float64 or 'cpu'",
                remedy="Call .float() or .double().",
            )
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.dtype.kind == "f" and tensor.dtype != target:
                if tracers and here() is not None:
                    here().refuse_memory("to(dtype)")
                changed()
                tensor._value = tensor._value.astype(target)
                tensor._changed = next(clock)
                tensor.grad = None if tensor.grad is None else tensor.grad.to(target)
        return self

    def _laid(self, memory_format: Any) -> None:
        """Lay parameters and buffers of 4 axes in memory in this format."""
        checked(memory_format, type(self).__name__)
        if tracers and here() is not None:
            here().refuse_memory("to(memory_format)")
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.ndim == 4 and not tensor.is_contiguous(memory_format):
                changed()
                tensor._value = in_format(tensor._value, memory_format)

    def float(self) -> Self:
        """Convert parameters and floating buffers to float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert parameters and floating buffers to float64, for checks."""
        return self.to(np.float64)

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of all parameters and persistent buffers, by path.

        Copies, so that the state of the best epoch is still that after the next step.
        """
        return state.collect(self)

    def load_state_dict(self, state_dict: Any, strict: bool = True) -> state.Difference:
        """Write a state's numbers into the parameters and buffers: all of them, or none.

        Parameters
        ----------
        state_dict : mapping of str to array_like
            What `state_dict` gave, here or in PyTorch.
        strict : bool
            Refuse missing and unexpected names; else they are left and returned.

        Returns
        -------
        Difference
            (missing_keys, unexpected_keys).

        Raises
        ------
        CheckpointError
            Naming everything that is missing, unexpected or of another shape or type; then nothing
            has been changed.
        """
        return state.load(self, state_dict, strict)

    def __repr__(self) -> str:
        """The tree of parts, each with its sizes."""
        lines = []
        for name, child in self._modules.items():
            body = repr(child).replace("\n", "\n  ")
            lines.append(f"  ({name}): {body}")
        extra = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({extra})"
        return "\n".join([f"{type(self).__name__}({extra}", *lines, ")"])


def _called(path: str) -> str:
    """A path as it reads in a sentence: a number alone is a layer's."""
    return f"layer {path}" if path.isdigit() else path


def _mark(error: BacklightError) -> BacklightError:
    """Note that a layer has told this error, so that the layers around it leave it alone."""
    error.__dict__["told"] = True
    return error


def _source(x: Any) -> str:
    origin: Origin | None = origin_of(x)
    return f"The input came from {origin}." if origin else ""

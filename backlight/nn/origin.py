"""Which layer is at work, and which one made a value: what errors and prints say of layers.

Each thread keeps the modules that are being called, outermost first. From it comes the path of a
layer inside the model, and each output remembers the layer that made it. Both cost next to nothing
while all is well: a path is only looked up when somebody asks for it.
"""

from __future__ import annotations

import threading
from typing import Any, ClassVar, Protocol

from backlight.engine.mode import clock
from backlight.engine.tensor import Tensor
from backlight.engine.tracing import layers


class _Layer(Protocol):
    """What is asked of a module here."""

    sets_width: ClassVar[bool]

    def describe(self) -> str:
        """Kind and sizes in a few words."""

    def named_modules(self) -> Any:
        """(path, module) of itself and all below."""


class _Calls(threading.local):
    def __init__(self) -> None:
        self.stack: list[Any] = []


calls = _Calls()
layers.stack = lambda: calls.stack
"""`calls.stack`: the modules this thread is inside of, outermost first."""

_FAR = 8
"""How many functional gates (relu, reshape, …) are looked through to find the layer before."""


class Origin:
    """The layer that made a value, and the layer before it.

    Attributes
    ----------
    module, root : Module
        The layer, and the model that was called.
    before : Origin or None
        Where the layer's input came from: the last layer that decided its width.
    begun, ended : int
        When the call began and ended, by the clock that counts gates: the gates in between were
        applied inside it.
    around : list of (module, root, begun, ended)
        The calls around it that answered with the same value, innermost first.
    """

    __slots__ = ("around", "before", "begun", "ended", "module", "root")

    def __init__(
        self,
        module: _Layer,
        root: _Layer,
        before: Origin | None,
        begun: int = 0,
        ended: int = 0,
    ) -> None:
        self.module = module
        self.root = root
        self.begun = begun
        self.ended = ended
        self.around: list[tuple[_Layer, _Layer, int, int]] = []
        # Only one step is kept: a chain would hold every step of a recurrent network for ever.
        self.before = before and Origin(before.module, before.root, None)

    @property
    def path(self) -> str:
        """Dotted path of the layer in the model; its kind if it was called by itself."""
        return path_of(self.module, self.root) or type(self.module).__name__

    @property
    def description(self) -> str:
        """Kind and sizes: Conv2d 3→16, 3×3."""
        return self.module.describe()

    @property
    def maker(self) -> Origin | None:
        """The last layer that decided how many channels or features the value has."""
        return self if self.module.sets_width else self.before

    def __str__(self) -> str:
        """The layer by path and description, and the one before."""
        here = title(self.path_in_model, self.description)
        if self.before is None:
            return here
        return f"{here}, which got it from {self.before}"

    @property
    def path_in_model(self) -> str:
        """The path, or "" if the layer was called by itself."""
        return path_of(self.module, self.root)


def title(path: str, description: str) -> str:
    """A layer as messages name it: conv2 (Conv2d 32→64, 3×3).

    Examples
    --------
    >>> title("conv2", "Conv2d 32→64, 3×3"), title("", "Linear 2→3")
    ('conv2 (Conv2d 32→64, 3×3)', 'Linear 2→3')
    """
    return f"{path} ({description})" if path else description


def path_of(module: _Layer, root: _Layer) -> str:
    """The path of `module` below `root`; "" if it is not there."""
    return next((path for path, found in root.named_modules() if found is module), "")


def current_path() -> str:
    """The path of the layer at work in this thread, along the calls that led to it."""
    stack = calls.stack
    steps = []
    above = 0
    for place in range(1, len(stack)):
        step = path_of(stack[place], stack[above])
        if step:  # a module that is called but not registered has no path: its caller's serves
            steps.append(step)
            above = place
    return ".".join(steps)


layers.path = current_path


def stamp(module: _Layer, inputs: tuple[Any, ...], output: Any, begun: int) -> None:
    """Note on what a layer made that this layer made it; on what it only passed on, nothing."""
    if isinstance(output, Tensor):
        notes = output._notes
        if notes is not None and "origin" in notes:
            inner = notes["origin"]
            if inner.begun > begun:  # else it was made before this call, and only passed on
                inner.around.append((module, _root(module), begun, next(clock)))
            return
        for x in inputs:
            if output is x:
                return
        if output._gate is None and output.requires_grad:
            return
        before = origin_of(inputs[0]) if inputs else None
        before = before.maker if before is not None else None
        output.note("origin", Origin(module, _root(module), before, begun, next(clock)))
    elif type(output) is tuple:
        for one in output:
            stamp(module, inputs, one, begun)


def _root(module: _Layer) -> Any:
    """The model that was called, in which this layer is."""
    stack = calls.stack
    return stack[0] if stack else module


def origin_of(x: Any) -> Origin | None:
    """The origin of a tensor, looking through the gates applied since the last layer."""
    for _ in range(_FAR):
        if not isinstance(x, Tensor):
            return None
        notes = x._notes
        if notes is not None and "origin" in notes:
            return notes["origin"]  # type: ignore[no-any-return]
        if not x._inputs:
            return None
        x = x._inputs[0]
    return None

"""Containers: modules made of other modules, and the two that only pass things on."""

from __future__ import annotations

import math
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Self

from backlight.errors import ArgumentError, RangeError, ShapeError, nearest
from backlight.nn.module import Module
from backlight.shapes import whole


class _Numbered(Module):
    """Modules in a row, named 0, 1, … or by the names they were given."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter([module for module in self._modules.values() if module is not None])

    def __getitem__(self, place: int | slice) -> Any:
        """The module at a place; a slice gives a container of the same kind, sharing modules."""
        if isinstance(place, slice):
            part = type(self)()
            for name, module in list(self._modules.items())[place]:
                part.add_module(name, module)  # type: ignore[arg-type]
            return part
        return self._modules[self._name(place)]

    def __setitem__(self, place: int, module: Module) -> None:
        self.add_module(self._name(place), module)

    def __delitem__(self, place: int) -> None:
        delattr(self, self._name(place))
        kept = list(self)
        if all(name.isdigit() for name in self._modules):  # close the gap in the numbering
            for name in list(self._modules):
                delattr(self, name)
            self.extend(kept)

    def append(self, module: Module) -> Self:
        """Add a module at the end, named by its number."""
        self.add_module(str(len(self._modules)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def _name(self, place: int) -> str:
        number = whole(type(self).__name__, "index", place)
        if not -len(self) <= number < len(self):
            raise RangeError(
                type(self).__name__,
                got=f"index {number}",
                needs=f"0 … {len(self) - 1}" if len(self) else "a part, and has none",
                remedy="Use len() to see how many parts there are.",
            )
        return list(self._modules)[number]


class Sequential(_Numbered):
    """Modules applied one after the other: each gets the output of the one before.

    Parameters
    ----------
    *modules : Module, or one dict of names to modules
        Named 0, 1, … or as the dict says.

    Raises
    ------
    ArgumentError
        If something is not a Module: a class without brackets, a function.

    Examples
    --------
    >>> from backlight import nn
    >>> net = Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> net[0], len(net)
    (Linear(in_features=4, out_features=8, bias=True), 3)
    >>> [name for name, _ in net.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], dict):
            for name, module in modules[0].items():
                self.add_module(name, module)
        elif len(modules) == 1 and isinstance(modules[0], (list, tuple)):
            raise ArgumentError(
                "Sequential",
                got=f"a {type(modules[0]).__name__} of modules",
                needs="the modules one by one",
                remedy="Put a star before it: nn.Sequential(*layers).",
            )
        else:
            self.extend(modules)

    def forward(self, x: Any) -> Any:
        """The last module's output."""
        for module in self._modules.values():
            x = module(x)  # type: ignore[misc]
        return x


class ModuleList(_Numbered):
    """A list of modules whose parameters are found; it computes nothing by itself.

    Examples
    --------
    >>> from backlight import nn
    >>> len(ModuleList([nn.Linear(2, 2) for _ in range(3)]))
    3
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def forward(self, *_: Any, **__: Any) -> Any:
        """A list cannot be called."""
        raise ArgumentError(
            "ModuleList",
            got="a call",
            needs="to be iterated: it has no forward",
            remedy="Write `for layer in self.layers: x = layer(x)`, or use nn.Sequential.",
        )


class ModuleDict(Module):
    """Modules by name, whose parameters are found; it computes nothing by itself.

    Parameters
    ----------
    modules : mapping of str to Module, optional

    Raises
    ------
    ArgumentError
        If a value is not a Module, or a name has a dot or is one that a Module itself uses.

    Examples
    --------
    >>> from backlight import nn
    >>> heads = ModuleDict({"digit": nn.Linear(8, 10), "parity": nn.Linear(8, 2)})
    >>> list(heads), "digit" in heads, [name for name, _ in heads["parity"].named_parameters()]
    (['digit', 'parity'], True, ['weight', 'bias'])
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def __getitem__(self, name: str) -> Any:
        self._known(name)
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        self._known(name)
        delattr(self, name)

    def add_module(self, name: str, module: Module) -> None:
        """Keep a module under a name."""
        if not isinstance(name, str) or (name not in self._modules and hasattr(self, name)):
            raise ArgumentError(
                "ModuleDict",
                got=f"the name {name!r}",
                needs="text that is no attribute of a Module",
                remedy="Choose another name.",
            )
        super().add_module(name, module)

    def update(self, modules: Mapping[str, Module]) -> None:
        """Keep several modules under their names."""
        for name, module in modules.items():
            self.add_module(name, module)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> ValuesView[Any]:
        """The modules."""
        return self._modules.values()

    def items(self) -> ItemsView[str, Any]:
        """Names with their modules."""
        return self._modules.items()

    def forward(self, *_: Any, **__: Any) -> Any:
        """A dictionary cannot be called."""
        raise ArgumentError(
            "ModuleDict",
            got="a call",
            needs="a name: it has no forward",
            remedy="Write self.parts[name](x).",
        )

    def _known(self, name: str) -> None:
        if name not in self._modules:
            raise ArgumentError(
                "ModuleDict",
                got=f"the name {name!r}",
                needs="the name of a part it has",
                remedy=nearest(str(name), self._modules) if self._modules else "It is empty.",
            )


class Flatten(Module):
    """All axes from `start_dim` on made into one, in order channels, rows, columns.

    Examples
    --------
    >>> import numpy as np
    >>> Flatten()(np.zeros((2, 3, 4, 4))).shape
    (2, 48)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = whole("Flatten", "start_dim", start_dim)
        self.end_dim = whole("Flatten", "end_dim", end_dim)

    def forward(self, x: Any) -> Any:
        """The same numbers with fewer axes."""
        rank = len(x.shape)
        first, last = (axis % rank if rank else 0 for axis in (self.start_dim, self.end_dim))
        count = 1
        for size in x.shape[first : last + 1]:
            count *= size
        return x.reshape((*x.shape[:first], count, *x.shape[last + 1 :]))

    def extra_repr(self) -> str:
        """Where it begins and ends."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One axis made into several, the way back of Flatten.

    Parameters
    ----------
    dim : int
        The axis.
    unflattened_size : sequence of int
        The sizes it becomes; one of them may be −1.

    Raises
    ------
    ShapeError
        If the sizes do not multiply to that of the axis.

    Examples
    --------
    >>> import numpy as np
    >>> Unflatten(1, (3, 4, 4))(np.zeros((2, 48))).shape
    (2, 3, 4, 4)
    """

    def __init__(self, dim: int, unflattened_size: Iterable[int]) -> None:
        super().__init__()
        self.dim = whole("Unflatten", "dim", dim)
        self.unflattened_size = tuple(
            whole("Unflatten", "a size", size, -1) for size in unflattened_size
        )

    def forward(self, x: Any) -> Any:
        """The same numbers with more axes."""
        rank = len(x.shape)
        if not -rank <= self.dim < rank:
            raise self.refuse(
                ShapeError,
                x,
                got=f"an input of shape {x.shape}",
                needs=f"an axis {self.dim}",
                remedy="Correct dim",
            )
        axis = self.dim % rank
        sizes, size = self.unflattened_size, x.shape[axis]
        known = math.prod(one for one in sizes if one != -1)
        free = sizes.count(-1)
        if free > 1 or (free and (not known or size % known)) or (not free and known != size):
            raise self.refuse(
                ShapeError,
                x,
                got=f"an input of shape {x.shape}",
                needs=f"a size along axis {axis} that {sizes} make up",
                remedy="Correct unflattened_size",
            )
        sizes = tuple(size // known if one == -1 else one for one in sizes)
        return x.reshape((*x.shape[:axis], *sizes, *x.shape[axis + 1 :]))

    def extra_repr(self) -> str:
        """Which axis becomes what."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Identity(Module):
    """What comes in goes out; arguments are ignored, so that it can stand for any layer."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        """The input."""
        return x

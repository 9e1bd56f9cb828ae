"""Tree: the parts of a module, and how they are found from what is assigned to its attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from backlight.engine.tensor import Tensor, as_tensor
from backlight.engine.tracing import changed, here, tracers
from backlight.errors import ArgumentError, DTypeError, nearest
from backlight.nn.parameter import Parameter

if TYPE_CHECKING:
    from backlight.nn.module import Module


class Tree:
    """The books of a module: parameters, buffers and parts by name, and the walks through them."""

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _passing: set[str]
    _hooks: dict[int, Any]
    _pre_hooks: dict[int, Any]

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Prepare the books before any `__init__`, so that none needs to remember to."""
        made = super().__new__(cls)
        made.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _modules={},
            _passing=set(),
            _hooks={},
            _pre_hooks={},
        )
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        books: dict[str, Any] = self.__dict__
        if tracers and here() is not None:
            here().attribute(self, name)
        if name == "training":
            changed()
        if isinstance(value, Tree):
            self._adopt(name, value)
            kept = "_modules"
        elif isinstance(value, Parameter):
            if value.name is None:
                value.name = name
            kept = "_parameters"
        elif value is None or isinstance(value, Tensor):
            # An entry of the books may be emptied, and a buffer may be given another value.
            kept = next(
                (book for book in ("_parameters", "_buffers", "_modules") if name in books[book]),
                "",
            )
            if kept in ("_parameters", "_modules") and value is not None:
                raise DTypeError(
                    f"{type(self).__name__}.{name}",
                    got="a tensor that is not a Parameter",
                    needs=f"what it holds: one of its {kept[1:]}",
                    remedy="Assign nn.Parameter(…), or write into it: .copy_(…).",
                )
        else:
            self._refuse_hidden(name, value)
            kept = ""
        for book in ("_parameters", "_buffers", "_modules"):
            if book != kept:
                books[book].pop(name, None)
        if kept:
            books[kept][name] = value
        books[name] = value

    def __delattr__(self, name: str) -> None:
        if tracers and here() is not None:
            here().attribute(self, name)
        for book in (self._parameters, self._buffers, self._modules):
            book.pop(name, None)
        super().__delattr__(name)

    def register_buffer(self, name: str, value: Any, persistent: bool = True) -> None:
        """Keep a tensor that belongs to the state and is not learnt, such as a running mean.

        Parameters
        ----------
        name : str
            Attribute under which it is found.
        value : array_like or None
        persistent : bool
            Whether `state_dict` holds it.
        """
        if name in self._parameters or name in self._modules or "." in name:
            raise ArgumentError(
                f"{type(self).__name__}.{name}",
                got="a buffer of that name",
                needs="a name without dots that nothing else has",
                remedy="Choose another name.",
            )
        if tracers and here() is not None:
            here().attribute(self, name)
        self._buffers[name] = None if value is None else as_tensor(value)
        self.__dict__[name] = self._buffers[name]
        (self._passing.discard if persistent else self._passing.add)(name)

    def register_parameter(self, name: str, value: Parameter | None) -> None:
        """Assign a parameter, or None for a place that holds none."""
        setattr(self, name, value)
        self._parameters.setdefault(name, value)

    def add_module(self, name: str, module: Module) -> None:
        """Assign a module under a name, which may be a number as in Sequential.

        Raises
        ------
        ArgumentError
            If `module` is not a Module, or if the name holds a dot.
        """
        if not isinstance(module, Tree):
            raise ArgumentError(
                f"{type(self).__name__}.{name}",
                got=f"{type(module).__name__} {module!r:.60}",
                needs="a Module",
                remedy="Pass a layer, such as nn.ReLU() for the function relu.",
            )
        if not name or "." in name:
            raise ArgumentError(
                type(self).__name__,
                got=f"the module name {name!r}",
                needs="a name without dots",
                remedy="Use underscores.",
            )
        setattr(self, name, module)

    def _adopt(self, name: str, child: Tree) -> None:
        """Refuse a circle, and give the child's parameters their longer paths."""
        if any(one is self for one in child.modules()):
            raise ArgumentError(
                f"{type(self).__name__}.{name}",
                got="a module that holds this one",
                needs="parts that are not wholes of their whole",
                remedy="Keep the reference outside the model, or pass it to forward.",
            )
        for path, parameter in child.named_parameters():
            if parameter.name == path:
                parameter.name = f"{name}.{path}"

    def _refuse_hidden(self, name: str, value: Any) -> None:
        if not isinstance(value, (list, tuple, dict)):
            return
        hidden = [
            one
            for one in (value.values() if isinstance(value, dict) else value)
            if isinstance(one, Tree)
        ]
        known = {id(module) for module in self.modules()} if hidden else set()
        if any(id(one) not in known for one in hidden):
            container = "ModuleDict" if isinstance(value, dict) else "ModuleList"
            raise ArgumentError(
                f"{type(self).__name__}.{name}",
                got=f"a {type(value).__name__} of modules, whose parameters would not be found",
                needs="a module",
                remedy=f"Write self.{name} = nn.{container}(…).",
            )

    # ── walking ────────────────────────────────────────────────────────────────────────────

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the direct parts, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct parts."""
        return (module for _, module in self.named_children())

    def named_modules(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """(path, module) of itself, whose path is "", and all parts; a shared one once."""
        waiting: list[tuple[str, Any]] = [("", self)]
        seen = set()
        while waiting:
            path, module = waiting.pop()
            if module in seen and remove_duplicate:
                continue
            seen.add(module)
            yield path, module
            waiting += [
                (f"{path}.{name}" if path else name, child)
                for name, child in reversed(module._modules.items())
                if child is not None
            ]

    def modules(self) -> Iterator[Module]:
        """Itself and all parts below."""
        return (module for _, module in self.named_modules())

    def named_parameters(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter) in order of assignment; one that is shared comes once."""
        return self._named("_parameters", remove_duplicate)

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter once."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """(path, buffer) in order of registration."""
        return self._named("_buffers", remove_duplicate)

    def buffers(self) -> Iterator[Tensor]:
        """Every buffer once."""
        return (buffer for _, buffer in self.named_buffers())

    def _named(self, book: str, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        seen = set()
        for path, module in self.named_modules(remove_duplicate):
            for name, value in getattr(module, book).items():
                if value is None or (remove_duplicate and id(value) in seen):
                    continue
                seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def get_submodule(self, path: str) -> Module:
        """The part at a path such as "features.0".

        Raises
        ------
        ArgumentError
            If there is none; the message suggests the nearest.
        """
        found: Module = self._at(path, dict(self.named_modules(False)), "module")
        return found

    def get_parameter(self, path: str) -> Parameter:
        """The parameter at a path such as "features.0.weight"."""
        found: Parameter = self._at(path, dict(self.named_parameters(False)), "parameter")
        return found

    def _at(self, path: str, known: dict[str, Any], what: str) -> Any:
        if path not in known:
            raise ArgumentError(
                type(self).__name__,
                got=f"the {what} path {path!r}",
                needs=f"the path of one of its {what}s",
                remedy=nearest(path, filter(None, known)),
            )
        return known[path]

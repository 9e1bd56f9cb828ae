"""What every update rule shares: groups of parameters, checks, the step, saving and loading.

A rule is declared in one place, as a pure formula for one parameter (`Optimizer.rule`), written
with operators and gate functions. Eager steps call it with pieces of arrays and write the answer
back in place; a compiler may call it with tensors and trace it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from backlight.engine.mode import enable_grad, no_grad
from backlight.engine.tensor import Tensor
from backlight.engine.tracing import here
from backlight.errors import ArgumentError, NonFiniteError, ShapeError
from backlight.optim import recorded, saved
from backlight.optim.parameters import named, title
from backlight.optim.recorded import SUSPICIOUS
from backlight.optim.setting import NOT_NEGATIVE, RANGES, Range, known, number, setting

Array = np.ndarray[Any, Any]
Slots = dict[str, Any]

PIECE = 32768
"""Elements updated at a time: the temporaries of a rule then stay in the processor's cache."""


@dataclass
class Update:
    """One parameter's part of a step, checked and ready to be written."""

    parameter: Tensor
    gradient: Array
    slots: Slots
    settings: SimpleNamespace


class Optimizer:
    """Base of the update rules.

    A subclass passes its settings to `__init__` by name and declares `rule`, and, where they
    apply, `initial` and `per_step`. Everything else follows.

    Parameters
    ----------
    params : iterable
        Tensors; or (name, tensor) pairs, as `model.named_parameters()` gives them, so that errors
        and checkpoints can name parameters; or dicts {"params": …, "lr": …} with settings of
        their own, one a group.
    settings : dict
        The rule's settings with the values for groups that say nothing else.
    options : dict, optional
        Further options as the caller typed them: `learning_rate` is accepted for `lr`.

    Attributes
    ----------
    param_groups : list of dict
        For each group "params", "names" and the settings, which may be assigned to.

    Raises
    ------
    ArgumentError
        If there are no parameters, one is given twice or is not a leaf, an option is unknown or
        a setting is outside its range.
    DTypeError
        If a parameter is not a tensor of floating numbers.

    Examples
    --------
    A rule of one's own:

    >>> from backlight.engine.tensor import Tensor
    >>> from backlight.gates.choice import sign
    >>> class SignDescent(Optimizer):
    ...     \"\"\"Steps of one length, along the signs of the gradient.\"\"\"
    ...     def __init__(self, params, lr=0.1, **options):
    ...         super().__init__(params, {"lr": lr}, options)
    ...     def rule(self, w, g, slots, s):
    ...         return w - s.lr * sign(g), {}
    >>> x = Tensor([1.0, -2.0], requires_grad=True)
    >>> x.grad = Tensor([0.3, -0.4])
    >>> SignDescent([x], lr=0.5).step()
    >>> x.tolist()
    [0.5, -1.5]
    """

    label: ClassVar[str] = ""
    """Name on the command line; the class's name in lower case if empty."""
    needs_closure: ClassVar[bool] = False
    """Whether `step` must be able to ask for the loss, several times a step."""
    ranges: ClassVar[Mapping[str, Range]] = RANGES
    """Ranges of the settings; a subclass with settings of its own extends it."""

    def __init__(
        self, params: Any, settings: dict[str, Any], options: dict[str, Any] | None = None
    ) -> None:
        self.kind = type(self).__name__
        self.defaults = {**settings, **known(self.kind, options or {}, settings)}
        for name, value in self.defaults.items():
            self.defaults[name] = setting(self.kind, name, value, self.ranges)
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[int, Slots] = {}
        for group in _groups(self.kind, params):
            self.add_param_group(group)
        self.validate(self.defaults)

    # ── what a rule declares ───────────────────────────────────────────────────────────────

    def initial(self, w: Any, s: SimpleNamespace) -> Slots:  # noqa: ARG002
        """The slots of a parameter before its first step: arrays of the parameter's shape."""
        return {}

    def per_step(self, s: SimpleNamespace, step: int) -> dict[str, float]:  # noqa: ARG002
        """Numbers that change with `step` (1, 2, …), such as bias corrections."""
        return {}

    def rule(self, w: Any, g: Any, slots: Slots, s: SimpleNamespace) -> tuple[Any, Slots]:
        """The new parameter and slots: a pure formula, the same for every element.

        Parameters
        ----------
        w, g : array or Tensor
            A parameter, or a piece of it, and its gradient.
        slots : dict of arrays or Tensors
            What the rule remembers of this parameter.
        s : namespace
            The group's settings and what `per_step` answered. `s.lr` and the latter may be
            tensors; all other settings are Python numbers on which the formula may depend.

        Returns
        -------
        (new_w, new_slots)
            Only operators and gate functions are used, and no input is changed.
        """
        raise NotImplementedError

    def validate(self, settings: dict[str, Any]) -> None:
        """Refuse settings that are allowed one by one but not together."""

    # ── the step ───────────────────────────────────────────────────────────────────────────

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; all of them, or none.

        Parameters
        ----------
        closure : callable, optional
            Evaluated first; it computes the loss and its gradients and returns the loss.

        Returns
        -------
        What `closure` returned, or None.

        Raises
        ------
        NonFiniteError
            If a gradient is NaN or infinite, or a slot or parameter would become so. Nothing has
            been updated then.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        tracer = here()
        if tracer is not None:
            recorded.step(self, tracer)
            return loss
        with np.errstate(all="ignore"):
            updates = list(self._prepared())
            with no_grad():
                for update in updates:
                    self._write(update)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zeros."""
        for _, parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad = Tensor.share(np.zeros(parameter.shape, parameter.dtype))

    def parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Every parameter with its name, in the order of indices in `state`."""
        for group in self.param_groups:
            yield from zip(group["names"], group["params"], strict=True)

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Add parameters with settings of their own.

        Parameters
        ----------
        group : dict
            {"params": tensors or pairs, and any of the rule's settings}.
        """
        given = {name: value for name, value in group.items() if name not in ("params", "names")}
        own = known(self.kind, given, self.defaults)
        pairs = named(self.kind, group.get("params"))
        checked = {
            name: setting(self.kind, name, value, self.ranges)
            for name, value in {**self.defaults, **own}.items()
        }
        self.validate(checked)
        for index, (name, parameter) in enumerate(pairs):
            # Where a gradient is 0, an eps that is 0 in the parameter's type would give 0/0.
            if "eps" in checked and parameter.dtype.type(checked["eps"]) == 0:
                raise ArgumentError(
                    self.kind,
                    got=f"eps={checked['eps']}, which is 0 in {parameter.dtype}, the "
                    f"type of {title(index, name)}",
                    needs="an eps above 0 in that type",
                    remedy="Pass eps=1e-8.",
                )
        count = sum(1 for _ in self.parameters())
        seen = {
            id(parameter): title(i, name) for i, (name, parameter) in enumerate(self.parameters())
        }
        for index, (name, parameter) in enumerate(pairs, start=count):
            if id(parameter) in seen:
                raise ArgumentError(
                    self.kind,
                    got=f"{title(index, name)} twice; it is {seen[id(parameter)]} too",
                    needs="each parameter once",
                    remedy="Leave one of them out; a shared layer "
                    "is named once by model.parameters().",
                )
            seen[id(parameter)] = title(index, name)
        self.param_groups.append(
            {
                "params": [parameter for _, parameter in pairs],
                "names": [name for name, _ in pairs],
                **checked,
            }
        )

    def slots(self, index: int, parameter: Tensor, s: SimpleNamespace) -> Slots:
        """What the rule remembers of a parameter; made before its first step."""
        if index not in self.state:
            made = self.initial(parameter._value, s)
            self.state[index] = {"step": 0, **made}
        return self.state[index]

    def _prepared(self) -> Iterator[Update]:
        index = -1
        for group in self.param_groups:
            settings = {name: self.current(name, group[name]) for name in self.defaults}
            for name, parameter in zip(group["names"], group["params"], strict=True):
                index += 1
                if parameter.grad is None:
                    continue
                gradient = _gradient(self.kind, title(index, name), parameter)
                s = SimpleNamespace(**settings)
                slots = self.slots(index, parameter, s)
                s.__dict__.update(self.per_step(s, slots["step"] + 1))
                update = Update(parameter, gradient, slots, s)
                flat = gradient.reshape(-1)
                # One product tells almost always that all is well: NaN and inf pass through it.
                if not (np.dot(flat, flat) < SUSPICIOUS and _moderate(s)):
                    self._rehearse(title(index, name), update)
                yield update

    def current(self, name: str, value: Any) -> Any:
        """A group's setting as the formula computes with it, once it is allowed."""
        # Schedules end at 0, which would be a mistake to begin with.
        if name == "lr":
            return number(f"{self.kind}, at this step,", name, value, NOT_NEGATIVE)
        return setting(self.kind, name, value, self.ranges)

    def _rehearse(self, who: str, update: Update) -> None:
        """Compute an update without writing it, and refuse one that is not finite."""
        finite_gradient(self.kind, who, update.gradient)
        after, slots = self.rule(
            update.parameter._value, update.gradient, update.slots, update.settings
        )
        largest = float(np.max(np.abs(update.gradient), initial=0))
        for slot, value in {**slots, "parameter": after}.items():
            if np.all(np.isfinite(value)):
                continue
            what = _OVERFLOWS.get(slot, f"{slot} overflow")
            raise NonFiniteError(
                self.kind,
                got=f"a gradient of {who} as large as {largest:.3g}: {what}",
                needs=f"updates that {update.parameter.dtype} can hold; nothing was updated",
                remedy="Clip the gradients (optim.clip_grad_norm_), lower the learning rate, or "
                "compute in float64.",
            )

    def _write(self, update: Update) -> None:
        w = update.parameter._writable(f"{self.kind}.step")
        slots = {name: value for name, value in update.slots.items() if name != "step"}
        update.slots["step"] += 1
        if w.size <= PIECE or not w.flags.c_contiguous:
            after, changed = self.rule(w, update.gradient, slots, update.settings)
            w[...] = after
            for name, value in changed.items():
                slots[name][...] = value
            return
        flat, gradient = w.reshape(-1), update.gradient.reshape(-1)
        flat_slots = {name: value.reshape(-1) for name, value in slots.items()}
        for start in range(0, w.size, PIECE):
            piece = slice(start, start + PIECE)
            parts = {name: value[piece] for name, value in flat_slots.items()}
            after, changed = self.rule(flat[piece], gradient[piece], parts, update.settings)
            flat[piece] = after
            for name, value in changed.items():
                parts[name][...] = value

    # ── saving and loading ─────────────────────────────────────────────────────────────────

    def state_dict(self) -> dict[str, Any]:
        """Settings and slots as plain numbers, text and copied arrays.

        Returns
        -------
        dict
            "optimizer": the rule's name; "param_groups": for each its settings, "params" (the
            indices) and "names"; "state": for each index, as text, "name", "step" and the slots.
        """
        return saved.state_dict(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state; all of it, or nothing.

        Raises
        ------
        CheckpointError
            If it was saved by another rule, for other parameters, or is damaged.
        """
        saved.load_state_dict(self, state)

    def __repr__(self) -> str:
        """The rule with the settings of each group."""
        groups = [
            ", ".join(f"{name}={group[name]}" for name in self.defaults)
            + f"; {len(group['params'])} parameters"
            for group in self.param_groups
        ]
        return f"{self.kind}({' | '.join(groups)})"


_OVERFLOWS = dict.fromkeys(
    ("exp_avg_sq", "square_avg", "sum", "acc_delta"), "second moment overflow"
)
_OVERFLOWS["parameter"] = "the parameter itself would not be finite"


def decayed(w: Any, g: Any, s: SimpleNamespace) -> Any:
    """The gradient with that of the penalty ½λ‖w‖² added: g + λw."""
    return g if s.weight_decay == 0 else g + s.weight_decay * w


def zeros(w: Any) -> Array:
    """A slot of the parameter's shape and type, filled with zeros."""
    return np.zeros(w.shape, w.dtype)


def finite_gradient(subject: str, who: str, gradient: Array) -> None:
    """Refuse a gradient with a number that is NaN or infinite, saying where the first one is."""
    wrong = ~np.isfinite(gradient)
    if not wrong.any():
        return
    place = [int(i) for i in np.argwhere(wrong)[0]]
    raise NonFiniteError(
        subject,
        got=f"a gradient of {who} that is {gradient[tuple(place)]} at {place}, "
        f"and not finite in {int(wrong.sum())} of {gradient.size} places",
        needs="finite gradients; nothing was updated",
        remedy="Lower the learning rate, or look for the first gate that gave NaN or infinity.",
    )


def _groups(subject: str, params: Any) -> list[dict[str, Any]]:
    if isinstance(params, Mapping):
        raise ArgumentError(
            subject,
            got="a dict as its parameters",
            needs="a list of tensors, of pairs or of dicts",
            remedy="Write [group] for one group, or list(dict.items()) for pairs.",
        )
    single = isinstance(params, Tensor) or hasattr(params, "named_parameters")
    if isinstance(params, Iterable) and not single:
        params = list(params)
        if params and all(isinstance(one, Mapping) for one in params):
            return [dict(one) for one in params]
    return [{"params": params}]


def _moderate(s: SimpleNamespace) -> bool:
    return s.lr < SUSPICIOUS and getattr(s, "weight_decay", 0.0) < SUSPICIOUS


def _gradient(subject: str, who: str, parameter: Tensor) -> Array:
    """The gradient as an array of the parameter's type, in the order of its elements."""
    gradient = np.asarray(parameter.grad._value)  # type: ignore[union-attr]
    if gradient.shape != parameter.shape:
        raise ShapeError(
            subject,
            got=f"a gradient of shape {gradient.shape} for {who}",
            needs=f"shape {parameter.shape}, that of the parameter",
            remedy="Assign a gradient of that shape, or let backward() make it.",
        )
    return np.asarray(gradient, dtype=parameter.dtype, order="C")

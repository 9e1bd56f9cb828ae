"""L-BFGS: Newton's method with a curvature guessed from the last steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backlight.engine.mode import enable_grad, no_grad
from backlight.engine.tracing import here, refusal
from backlight.errors import ArgumentError, GraphError, NonFiniteError, nearest
from backlight.optim import saved
from backlight.optim.line_search import Point, backtracking, strong_wolfe
from backlight.optim.optimizer import Optimizer, finite_gradient
from backlight.optim.parameters import title
from backlight.shapes import whole

Array = np.ndarray[Any, Any]

SEARCHES = {"strong_wolfe": strong_wolfe, "backtracking": backtracking}


class LBFGS(Optimizer):
    """Limited-memory BFGS, for the whole data set at once.

    Newton's step −H⁻¹g would need the Hessian H, 3725 GiB in float32 for a million weights. Here
    H⁻¹g is built from the last `history_size` steps and the changes of the gradient along them.
    The vectors are kept in float64. One `step` makes up to `max_iter` such moves, and calls
    `closure` each time it wants to know the loss somewhere.

    Parameters
    ----------
    params : iterable
        See `Optimizer`; one group only.
    lr : float
        Length of a step, in units of the guessed Newton step; the first length that a line
        search tries.
    max_iter : int
        Moves a step, at least 1.
    max_eval : int, optional
        Evaluations a step after which no further move begins; 1.25·max_iter unless given.
    tolerance_grad : float
        Stop where no gradient is larger.
    tolerance_change : float
        Stop where loss or parameters change by less.
    history_size : int
        Steps remembered, at least 1.
    line_search_fn : {None, "strong_wolfe", "backtracking"}
        How the step length is found; None takes `lr` every time.

    Examples
    --------
    >>> from backlight.engine.tensor import Tensor
    >>> x = Tensor([4.0, -2.0], requires_grad=True)
    >>> rule = LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     rule.zero_grad()
    ...     loss = (x * x / 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> loss = rule.step(closure)
    >>> bool(abs(x.detach().numpy()).max() < 1e-5)
    True

    Source: Liu and Nocedal 1989.
    """

    needs_closure = True

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
            options,
        )
        self._size = sum(parameter.size for _, parameter in self.parameters())
        self._memory = _Memory(self._size)

    def validate(self, settings: dict[str, Any]) -> None:
        """Whole numbers of at least 1, and a line search that exists."""
        whole(self.kind, "max_iter", settings["max_iter"], 1)
        whole(self.kind, "history_size", settings["history_size"], 1)
        if settings["max_eval"] is not None:
            whole(self.kind, "max_eval", settings["max_eval"], 1)
        search = settings["line_search_fn"]
        if search is not None and search not in SEARCHES:
            raise ArgumentError(
                self.kind,
                got=f"line_search_fn={search!r}",
                needs="None or the name of a line search",
                remedy=nearest(search, SEARCHES),
            )

    def add_param_group(self, group: dict[str, Any]) -> None:
        """The one group; all parameters move along one direction by one length.

        Raises
        ------
        ArgumentError
            If there is a group already.
        """
        if self.param_groups:
            raise ArgumentError(
                self.kind,
                got="a second group of parameters",
                needs="one group",
                remedy="Pass all parameters in one list.",
            )
        super().add_param_group(group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move up to `max_iter` times.

        Parameters
        ----------
        closure : callable
            Forgets the gradients, computes the loss and its gradients, and returns the loss.

        Returns
        -------
        The first loss that `closure` returned in this call.

        Raises
        ------
        ArgumentError
            If there is no closure.
        NonFiniteError
            If loss or gradient are NaN or infinite where no line search can avoid it. The
            parameters are then what they were before the call.
        """
        if here() is not None:
            raise refusal(
                f"{self.kind}.step, which decides by the loss how far to go",
                "steps whose work does not depend on values",
                "Compile the closure (loss and gradients), and call step outside; or use Adam.",
            )
        if closure is None:
            raise ArgumentError(
                self.kind,
                got="step() without a closure",
                needs="a function that computes the loss and its gradients",
                remedy="Write step(closure): it looks at several places a step.",
            )
        start, memory = self._place(), self._memory.copy()
        try:
            with np.errstate(all="ignore"):
                return self._moves(closure)
        except BaseException:
            self._move_to(start)
            self._memory = memory
            raise

    def _moves(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        s = {name: self.current(name, group[name]) for name in self.defaults}
        self.validate(s)
        budget = s["max_eval"] or s["max_iter"] * 5 // 4
        first, loss, gradient = self._evaluate(closure, strict=True)
        memory, evaluations = self._memory, 1
        memory.evaluations += 1
        for move in range(1, s["max_iter"] + 1):
            if np.max(np.abs(gradient), initial=0.0) <= s["tolerance_grad"]:
                break
            direction = memory.direction(gradient, int(s["history_size"]))
            slope = float(gradient @ direction)
            if slope > -s["tolerance_change"]:
                break
            length = s["lr"]
            if memory.moves == 1:
                length *= min(1.0, 1.0 / float(np.abs(gradient).sum()))
            before, place, known = loss, self._place(), memory.evaluations
            if s["line_search_fn"] is None:
                self._move_to(place + length * direction)
                if move < s["max_iter"]:
                    _, loss, gradient = self._evaluate(closure, strict=True)
                    memory.evaluations += 1
            else:
                found = SEARCHES[s["line_search_fn"]](
                    self._along(closure, place, direction),
                    Point(0.0, loss, slope, gradient),
                    length,
                )
                length, loss, gradient = found.t, found.loss, found.gradient
                self._move_to(place + length * direction)
            memory.length = length
            evaluations += memory.evaluations - known
            moved = min(abs(loss - before), float(np.max(np.abs(direction * length))))
            if evaluations >= budget or moved <= s["tolerance_change"]:
                break
        return first

    def _along(
        self, closure: Callable[[], Any], place: Array, direction: Array
    ) -> Callable[[float], Point]:
        def at(t: float) -> Point:
            self._move_to(place + t * direction)
            self._memory.evaluations += 1
            _, loss, gradient = self._evaluate(closure, strict=False)
            return Point(t, loss, float(gradient @ direction), gradient)

        return at

    def _evaluate(self, closure: Callable[[], Any], strict: bool) -> tuple[Any, float, Array]:
        """What the closure returns, as it is and as a number, and all gradients in a row."""
        with enable_grad():
            returned = closure()
        if returned is None:
            raise GraphError(
                self.kind,
                got="a closure that returned nothing",
                needs="the loss",
                remedy="End the closure with `return loss`.",
            )
        loss, parts = float(returned), []
        for index, (name, parameter) in enumerate(self.parameters()):
            gradient = (
                np.zeros(parameter.shape)
                if parameter.grad is None
                else np.asarray(parameter.grad._value, np.float64)
            )
            if strict:
                finite_gradient(self.kind, title(index, name), gradient)
            parts.append(gradient.reshape(-1))
        if strict and not math.isfinite(loss):
            raise NonFiniteError(
                self.kind,
                got=f"a loss of {loss}",
                needs="a finite loss; nothing was updated",
                remedy="Use line_search_fn='strong_wolfe', or a smaller lr.",
            )
        return returned, loss, np.concatenate(parts)

    def _place(self) -> Array:
        return np.concatenate(
            [
                np.asarray(parameter._value, np.float64).reshape(-1)
                for _, parameter in self.parameters()
            ]
        )

    def _move_to(self, place: Array) -> None:
        first = 0
        with no_grad():
            for _, parameter in self.parameters():
                w = parameter._writable(f"{self.kind}.step")
                w[...] = place[first : first + w.size].reshape(w.shape)
                first += w.size

    def state_dict(self) -> dict[str, Any]:
        """Settings, and as "memory" the remembered steps: numbers and arrays only."""
        return {**super().state_dict(), "memory": self._memory.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state; all of it, or nothing. See `Optimizer`."""
        if not isinstance(state, Mapping) or not isinstance(state.get("memory"), Mapping):
            raise saved.refusal(self.kind, "a state without 'memory'", "the state of LBFGS")
        memory = _Memory.from_state(self.kind, self._size, state["memory"])
        super().load_state_dict({key: state[key] for key in state if key != "memory"})
        self._memory = memory


class _Memory:
    """The last steps and how the gradient changed along each."""

    def __init__(self, size: int) -> None:
        self.moves = 0
        self.evaluations = 0
        self.length = 0.0
        self.scale = 1.0
        self.last = np.zeros(size)
        self.before = np.zeros(size)
        self.steps: list[Array] = []
        self.changes: list[Array] = []

    def direction(self, gradient: Array, size: int) -> Array:
        """−H⁻¹g by the two-loop recursion, after taking in the step made before."""
        self.moves += 1
        if self.moves > 1:
            change, step = gradient - self.before, self.last * self.length
            product = float(change @ step)
            if product > 1e-10:  # only steps along which the function bends upwards
                self.steps.append(step)
                self.changes.append(change)
                self.scale = product / float(change @ change)
            del self.steps[:-size], self.changes[:-size]
        self.before = gradient.copy()
        result, shares = -gradient, []
        for step, change in zip(reversed(self.steps), reversed(self.changes), strict=True):
            share = float(step @ result) / float(change @ step)
            shares.append(share)
            result = result - share * change
        result = result * self.scale
        for step, change, share in zip(self.steps, self.changes, reversed(shares), strict=True):
            result = result + step * (share - float(change @ result) / float(change @ step))
        self.last = result
        return result

    def copy(self) -> _Memory:
        """A second one: the vectors are never changed in place, so that they can be shared."""
        made = _Memory(0)
        made.__dict__.update(self.__dict__)
        made.steps, made.changes = list(self.steps), list(self.changes)
        return made

    def state_dict(self) -> dict[str, Any]:
        size = len(self.last)
        return {
            "moves": self.moves,
            "evaluations": self.evaluations,
            "length": self.length,
            "scale": self.scale,
            "last": self.last.copy(),
            "before": self.before.copy(),
            "steps": np.array(self.steps).reshape(-1, size),
            "changes": np.array(self.changes).reshape(-1, size),
        }

    @classmethod
    def from_state(cls, kind: str, size: int, state: Mapping[str, Any]) -> _Memory:
        made = cls(size)
        if set(state) != set(made.__dict__):
            raise saved.refusal(
                kind,
                f"a memory of {', '.join(sorted(state))}",
                f"{', '.join(sorted(made.__dict__))}",
            )
        arrays = {}
        for name in ("last", "before", "steps", "changes"):
            array = np.array(state[name])
            fits = array.shape[-1:] == (size,) and array.ndim == 1 + (name in ("steps", "changes"))
            if not fits or array.dtype != np.float64 or not np.all(np.isfinite(array)):
                raise saved.refusal(
                    kind,
                    f"{name} of shape {array.shape}, type {array.dtype}",
                    f"finite float64 numbers for {size} parameters",
                )
            arrays[name] = array
        numbers = [state[name] for name in ("moves", "evaluations", "length", "scale")]
        if len(arrays["steps"]) != len(arrays["changes"]) or not all(
            isinstance(one, (int, float)) and math.isfinite(one) for one in numbers
        ):
            raise saved.refusal(kind, "a memory that does not fit together", "a whole memory")
        made.moves, made.evaluations = int(state["moves"]), int(state["evaluations"])
        made.length, made.scale = float(state["length"]), float(state["scale"])
        made.last, made.before = arrays["last"], arrays["before"]
        made.steps, made.changes = list(arrays["steps"]), list(arrays["changes"])
        return made

"""Gradient descent: plain, mini-batch, with momentum, with Nesterov's look-ahead."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from backlight.errors import ArgumentError
from backlight.optim.optimizer import Optimizer, Slots, decayed, zeros


class GradientDescent(Optimizer):
    """Gradient descent: a step against the gradient, w ← w − lr·g.

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        Step size (learning rate), above 0. On a bowl ½Lx² it converges if and only if lr < 2/L.

    Examples
    --------
    >>> from backlight.engine.tensor import Tensor
    >>> x = Tensor(1.0, requires_grad=True)
    >>> descent = GradientDescent([x], lr=0.1)
    >>> for _ in range(3):
    ...     descent.zero_grad()
    ...     (x * x / 2).backward()
    ...     descent.step()
    ...     print(f"{x.item():.3f}")
    0.900
    0.810
    0.729
    """

    label = "gradient-descent"

    def __init__(self, params: Any, lr: float = 1e-3, **options: Any) -> None:
        super().__init__(params, {"lr": lr}, options)

    def rule(
        self,
        w: Any,
        g: Any,
        slots: Slots,  # noqa: ARG002
        s: SimpleNamespace,
    ) -> tuple[Any, Slots]:
        """The formula: w − lr·g."""
        return w - s.lr * g, {}


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: v ← μv + g, w ← w − lr·v.

    With Nesterov's look-ahead the step is lr·(g + μv). This is PyTorch's form, in which the
    velocity is in units of the gradient. The course writes v ← μv − lr·g, w ← w + v; at a
    constant learning rate the two take the same path (its v is ours times −lr). Under a schedule
    they differ: here a lower rate slows the velocity that has built up at once, there only what
    is added from now on.

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        Learning rate, above 0.
    momentum : float
        μ in [0, 1): how much of the velocity is kept; typically 0.5, 0.9, 0.95 or 0.99.
    dampening : float
        In [0, 1]: the gradient enters the velocity times 1 − dampening, except the first.
    weight_decay : float
        λ ≥ 0: adds λw to the gradient, the penalty ½λ‖w‖².
    nesterov : bool
        Look ahead along the velocity; needs momentum and no dampening.

    Examples
    --------
    >>> from backlight.engine.tensor import Tensor
    >>> x = Tensor(1.0, requires_grad=True)
    >>> rule = SGD([x], lr=0.1, momentum=0.9)
    >>> for _ in range(3):
    ...     rule.zero_grad()
    ...     (x * x / 2).backward()
    ...     rule.step()
    ...     print(f"{x.item():.3f}")
    0.900
    0.720
    0.486

    Source: Polyak 1964; Nesterov 1983; Sutskever, Martens, Dahl and Hinton 2013.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
            },
            options,
        )

    def validate(self, settings: dict[str, Any]) -> None:
        """Nesterov's step has no meaning without momentum, nor with dampening."""
        if settings["nesterov"] and (settings["momentum"] == 0 or settings["dampening"] != 0):
            raise ArgumentError(
                self.kind,
                got=f"nesterov=True with momentum={settings['momentum']} and "
                f"dampening={settings['dampening']}",
                needs="momentum above 0 and no dampening",
                remedy="Pass momentum=0.9, dampening=0, or nesterov=False.",
            )

    def initial(self, w: Any, s: SimpleNamespace) -> Slots:
        """The velocity, at rest; none without momentum."""
        return {"momentum_buffer": zeros(w)} if s.momentum else {}

    def per_step(self, s: SimpleNamespace, step: int) -> dict[str, float]:
        """The share of the gradient that enters the velocity: all of the first."""
        return {"share": 1.0 if step == 1 else 1.0 - s.dampening}

    def rule(self, w: Any, g: Any, slots: Slots, s: SimpleNamespace) -> tuple[Any, Slots]:
        """The formula: v = μv + g; w − lr·v, or w − lr·(g + μv)."""
        g = decayed(w, g, s)
        if s.momentum == 0:
            return w - s.lr * g, {}
        v = s.momentum * slots["momentum_buffer"] + (g if s.dampening == 0 else s.share * g)
        direction = g + s.momentum * v if s.nesterov else v
        return w - s.lr * direction, {"momentum_buffer": v}

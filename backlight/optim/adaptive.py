"""Rules with a learning rate for every single weight: Adagrad, RMSprop, Adadelta."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from backlight.gates.choice import maximum
from backlight.gates.transcendental import sqrt
from backlight.optim.optimizer import Optimizer, Slots, decayed, zeros


class Adagrad(Optimizer):
    """Divide by the root of the sum of all squared gradients: G ← G + g², w ← w − lr·g/(√G + ε).

    Weights whose gradients are large or frequent take smaller steps. G only grows, so that
    learning slows down for good.

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        Learning rate, above 0; the first step has this length.
    lr_decay : float
        At step t = 0, 1, … the rate is lr / (1 + t·lr_decay).
    weight_decay : float
        λ ≥ 0: adds λw to the gradient.
    initial_accumulator_value : float
        What G begins with, 0 or above.
    eps : float
        ε above 0, outside the root; the course uses 1e-4 to 1e-8.

    Source: Duchi, Hazan and Singer 2011.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.01,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        **options: Any,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "eps": eps,
            },
            options,
        )

    def initial(self, w: Any, s: SimpleNamespace) -> Slots:
        """The sum of squares so far."""
        return {"sum": np.full(w.shape, s.initial_accumulator_value, w.dtype)}

    def per_step(self, s: SimpleNamespace, step: int) -> dict[str, float]:
        """The decayed rate of this step."""
        return {"rate": s.lr / (1 + (step - 1) * s.lr_decay)}

    def rule(self, w: Any, g: Any, slots: Slots, s: SimpleNamespace) -> tuple[Any, Slots]:
        """The formula: G + g²; w − rate·g / (√G + ε)."""
        g = decayed(w, g, s)
        total = slots["sum"] + g * g
        return w - s.rate * (g / (sqrt(total) + s.eps)), {"sum": total}


class RMSprop(Optimizer):
    """Divide by the root of a running mean of squares: v ← αv + (1−α)g², w ← w − lr·g/(√v + ε).

    A leaky Adagrad: what was long ago is forgotten, and learning does not stop. v begins at 0
    without correction, so that the first step is 1/√(1−α) times lr: tenfold at α = 0.99.

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        Learning rate, above 0.
    alpha : float
        α in [0, 1), the decay rate of the mean; the course uses 0.9, 0.99 and 0.999.
    eps : float
        ε above 0, outside the root as in the course and PyTorch (Keras puts it inside).
    weight_decay : float
        λ ≥ 0: adds λw to the gradient.
    momentum : float
        μ in [0, 1) of a velocity along the divided gradients.
    centered : bool
        Divide by the standard deviation instead: the mean gradient's square is taken off v.

    Source: Hinton, Neural Networks for Machine Learning, lecture 6e, 2012.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
            },
            options,
        )

    def initial(self, w: Any, s: SimpleNamespace) -> Slots:
        """The mean of squares; with them the mean and the velocity where they are wanted."""
        slots = {"square_avg": zeros(w)}
        if s.centered:
            slots["grad_avg"] = zeros(w)
        if s.momentum:
            slots["momentum_buffer"] = zeros(w)
        return slots

    def rule(self, w: Any, g: Any, slots: Slots, s: SimpleNamespace) -> tuple[Any, Slots]:
        """The formula: v = αv + (1−α)g²; w − lr·g / (√v + ε)."""
        g = decayed(w, g, s)
        square = s.alpha * slots["square_avg"] + (1 - s.alpha) * (g * g)
        after = {"square_avg": square}
        spread = square
        if s.centered:
            mean = s.alpha * slots["grad_avg"] + (1 - s.alpha) * g
            after["grad_avg"] = mean
            # Rounding can leave a variance just below 0.
            spread = maximum(square - mean * mean, 0.0)
        direction = g / (sqrt(spread) + s.eps)
        if s.momentum:
            direction = s.momentum * slots["momentum_buffer"] + direction
            after["momentum_buffer"] = direction
        return w - s.lr * direction, after


class Adadelta(Optimizer):
    """RMSprop whose rate is the root mean square of its own past steps, so that units agree.

    v ← ρv + (1−ρ)g², δ = g·√(u + ε)/√(v + ε), u ← ρu + (1−ρ)δ², w ← w − lr·δ.

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        A factor on the step, above 0; 1 is the rule as published.
    rho : float
        ρ in [0, 1), the decay rate of both means.
    eps : float
        ε above 0, inside the roots; it starts the steps.
    weight_decay : float
        λ ≥ 0: adds λw to the gradient.

    Source: Zeiler 2012.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}, options
        )

    def initial(self, w: Any, s: SimpleNamespace) -> Slots:  # noqa: ARG002
        """The mean squares of the gradients and of the steps."""
        return {"square_avg": zeros(w), "acc_delta": zeros(w)}

    def rule(self, w: Any, g: Any, slots: Slots, s: SimpleNamespace) -> tuple[Any, Slots]:
        """The formula: δ = g·√(u + ε)/√(v + ε); w − lr·δ."""
        g = decayed(w, g, s)
        square = s.rho * slots["square_avg"] + (1 - s.rho) * (g * g)
        delta = sqrt(slots["acc_delta"] + s.eps) / sqrt(square + s.eps) * g
        steps = s.rho * slots["acc_delta"] + (1 - s.rho) * (delta * delta)
        return w - s.lr * delta, {"square_avg": square, "acc_delta": steps}

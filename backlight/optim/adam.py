"""Adam: momentum and a learning rate for every weight; and AdamW, which decays weights apart."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from backlight.gates.transcendental import sqrt
from backlight.optim.optimizer import Optimizer, Slots, decayed, zeros


class Adam(Optimizer):
    """Running means of gradient and square: w ← w − lr·m̂/(√v̂ + ε).

    m ← β₁m + (1−β₁)g and v ← β₂v + (1−β₂)g², both from 0. The bias correction m̂ = m/(1−β₁ᵗ),
    v̂ = v/(1−β₂ᵗ) makes up for that start.

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        Learning rate, above 0; about the length of a step in every weight.
    betas : (float, float)
        β₁ and β₂ in [0, 1).
    eps : float
        ε above 0, outside the root.
    weight_decay : float
        λ ≥ 0: adds λw to the gradient, before the means (AdamW keeps it apart).
    bias_correction : bool
        False is the simplified rule of the course, with m and v as they are.

    Examples
    --------
    >>> from backlight.engine.tensor import Tensor
    >>> x = Tensor(1.0, requires_grad=True)
    >>> rule = Adam([x], lr=0.1)
    >>> (x * x / 2).backward()
    >>> rule.step()
    >>> round(x.item(), 6)
    0.9

    Source: Kingma and Ba 2015.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        bias_correction: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "bias_correction": bias_correction,
            },
            options,
        )

    def initial(self, w: Any, s: SimpleNamespace) -> Slots:  # noqa: ARG002
        """The first and the second moment."""
        return {"exp_avg": zeros(w), "exp_avg_sq": zeros(w)}

    def per_step(self, s: SimpleNamespace, step: int) -> dict[str, float]:
        """The rate with the first moment's correction, and the factor of the second's root."""
        if not s.bias_correction:
            return {"rate": s.lr, "widen": 1.0}
        first, second = (1 - beta**step for beta in s.betas)
        return {"rate": s.lr / first, "widen": 1 / second**0.5}

    def rule(self, w: Any, g: Any, slots: Slots, s: SimpleNamespace) -> tuple[Any, Slots]:
        """The formula: w − rate·m / (widen·√v + ε)."""
        return self.moved(w, decayed(w, g, s), slots, s)

    def moved(self, w: Any, g: Any, slots: Slots, s: SimpleNamespace) -> tuple[Any, Slots]:
        """Adam's step for a gradient in which weight decay has been seen to."""
        m = s.betas[0] * slots["exp_avg"] + (1 - s.betas[0]) * g
        v = s.betas[1] * slots["exp_avg_sq"] + (1 - s.betas[1]) * (g * g)
        step = s.rate * (m / (s.widen * sqrt(v) + s.eps))
        return w - step, {"exp_avg": m, "exp_avg_sq": v}


class AdamW(Adam):
    """Adam with weight decay apart: w ← w − lr·λ·w, then Adam's step without decay.

    In Adam a penalty's gradient is divided by √v̂ like the rest, so that weights with large
    gradients are hardly decayed. Here every weight decays at the same rate lr·λ.

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr, betas, eps, bias_correction
        As in `Adam`.
    weight_decay : float
        λ ≥ 0; 0.01 unless given.

    Source: Loshchilov and Hutter 2019.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        *,
        bias_correction: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, bias_correction=bias_correction, **options
        )

    def rule(self, w: Any, g: Any, slots: Slots, s: SimpleNamespace) -> tuple[Any, Slots]:
        """The formula: (1 − lr·λ)w − rate·m / (widen·√v + ε)."""
        shrunk = w if s.weight_decay == 0 else w * (1 - s.lr * s.weight_decay)
        return self.moved(shrunk, g, slots, s)

"""Normalisation layers: numbers brought to mean 0 and variance 1, then scaled and moved.

They differ in the axes over which mean and variance are taken: batch norm over the examples for
each channel, layer norm over the features of each example, group and instance norm in between.
"""

from __future__ import annotations

from typing import Any, ClassVar

from backlight.engine.create import ones, zeros
from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor, as_tensor
from backlight.engine.tracing import here
from backlight.errors import ArgumentError, ShapeError
from backlight.gates.grouping import group_norm, instance_norm, local_response_norm
from backlight.gates.normalisation import layer_norm
from backlight.nn import initialise
from backlight.nn.functional import batch_norm
from backlight.nn.gate_layer import layer
from backlight.nn.module import Module
from backlight.nn.parameter import Parameter
from backlight.shapes import whole


class _Affine(Module):
    """A normalisation that may scale by a learnt `weight` and move by a learnt `bias`."""

    weight: Parameter | None
    bias: Parameter | None

    def _make(self, shape: tuple[int, ...], weight: bool, bias: bool, eps: float) -> None:
        if not eps >= 0:
            raise ArgumentError(
                type(self).__name__, got=f"eps={eps}", needs="a number ≥ 0", remedy="Use 1e-5."
            )
        self.eps = eps
        self.weight = initialise.blank(*shape) if weight else None
        self.bias = initialise.blank(*shape) if bias else None
        if self.weight is not None:
            initialise.ones_(self.weight)


class _BatchNorm(_Affine):
    """What batch norm does for features and for images alike.

    Parameters
    ----------
    num_features : int
        Number of channels, axis 1.
    eps : float
        Added to the variance.
    momentum : float or None
        Weight of the *new* batch in the running statistics; None averages over all batches. (Keras
        calls the weight of the old mean momentum.)
    affine : bool
        Whether weight and bias are learnt.
    track_running_stats : bool
        Whether evaluation uses statistics gathered in training; else always the batch's.
    """

    ranks: ClassVar[tuple[int, ...]]
    axes: ClassVar[str]
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        kind = type(self).__name__
        self.num_features = whole(kind, "num_features", num_features, 1)
        if momentum is not None and not 0 <= momentum <= 1:
            raise ArgumentError(
                kind,
                got=f"momentum={momentum}",
                needs="the new batch's weight, 0–1",
                remedy="Use 0.1.",
            )
        self.momentum = momentum
        self._make((self.num_features,), affine, affine, eps)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(self.num_features) if tracked else None)
        self.register_buffer("running_var", ones(self.num_features) if tracked else None)
        self.register_buffer("num_batches_tracked", as_tensor(0) if tracked else None)

    def forward(self, x: Any) -> Any:
        """Normalised by the batch in training, by the running statistics in evaluation."""
        if len(x.shape) not in self.ranks:
            raise self.refuse(
                ShapeError,
                x,
                got=f"an input of shape {x.shape}",
                needs=self.axes,
                remedy="Reshape it, or use the batch norm of its number of axes",
            )
        self.check_width(x, 1, self.num_features, "channels", "num_features")
        if self.running_mean is None:
            return batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
        share = self.momentum
        if self.training:
            count: Any = self.num_batches_tracked
            with no_grad():
                count.copy_(count + 1)
            if share is None:
                share = self._average_share(count)
        return batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training,
            momentum=0.0 if share is None else share,
            eps=self.eps,
        )

    @staticmethod
    def _average_share(count: Any) -> Any:
        """One over the number of batches so far: the weight of the newest in their mean."""
        tracer = here()
        if tracer is None:
            return 1.0 / float(count)
        # The count moves on after the call, by the change in place that was just written down.
        calls = 1.0 + tracer.times(id(count))
        return tracer.number("1 / batches", lambda: 1.0 / (float(count._value) + calls))

    def describe(self) -> str:
        """BatchNorm2d 64."""
        return f"{type(self).__name__} {self.num_features}"

    def extra_repr(self) -> str:
        """The sizes and settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.weight is not None}, "
            f"track_running_stats={self.running_mean is not None}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch norm for features (N, C) or sequences (N, C, L), each channel by itself.

    In training y = γ·(x − mean)/√(var + ε) + β with the mean and variance of the batch; in
    evaluation with the running ones. γ is `weight`, β is `bias`. Arguments: see `_BatchNorm`.

    Raises
    ------
    ShapeError
        If the channels differ, or a batch in training has one value a channel.

    Examples
    --------
    >>> import numpy as np
    >>> BatchNorm1d(1, eps=0.0)(np.array([[1.0], [3.0]])).tolist()
    [[-1.0], [1.0]]

    Source: Ioffe and Szegedy, 2015.
    """

    ranks = (2, 3)
    axes = "features (N, C) or sequences (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Batch norm for images (N, C, H, W): statistics of each channel over examples and places.

    Arguments: see `_BatchNorm`.

    Examples
    --------
    >>> import numpy as np
    >>> BatchNorm2d(3)(np.ones((2, 3, 4, 4), np.float32)).shape
    (2, 3, 4, 4)

    Source: Ioffe and Szegedy, 2015.
    """

    ranks = (4,)
    axes = "images (N, C, H, W)"


class LayerNorm(_Affine):
    """Each example brought to mean 0 and variance 1 over its last axes, then γ· + β.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        Sizes of the last axes, over which mean and variance are taken.
    eps : float
    elementwise_affine, bias : bool
        Whether γ (`weight`) and β (`bias`) are learnt.

    Examples
    --------
    >>> import numpy as np
    >>> LayerNorm(2, eps=0.0)(np.array([[1.0, 3.0], [10.0, 30.0]])).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]

    Source: Ba, Kiros and Hinton, 2016.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        given = (
            normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        )
        self.normalized_shape = tuple(
            whole("LayerNorm", "normalized_shape", size, 1) for size in given
        )
        self._make(self.normalized_shape, elementwise_affine, elementwise_affine and bias, eps)

    def forward(self, x: Any) -> Any:
        """Normalised over the last axes."""
        count = len(self.normalized_shape)
        if x.shape[-count:] != self.normalized_shape:
            raise self.refuse(
                ShapeError,
                x,
                got=f"an input of shape {x.shape}",
                needs=f"last axes of sizes {self.normalized_shape}, as it was built",
                remedy=f"Build it with normalized_shape={x.shape[-count:]}",
            )
        return layer_norm(x, self.weight, self.bias, axis=tuple(range(-count, 0)), epsilon=self.eps)

    def describe(self) -> str:
        """LayerNorm 64."""
        return f"LayerNorm {'×'.join(map(str, self.normalized_shape))}"

    def extra_repr(self) -> str:
        """The sizes and settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}"
        )


class GroupNorm(_Affine):
    """Groups of channels of each example brought to mean 0 and variance 1, then γ· + β.

    Parameters
    ----------
    num_groups : int
        One group is layer norm over channels and places, as many as channels is instance norm.
    num_channels : int
        A multiple of num_groups.
    eps : float
    affine : bool

    Examples
    --------
    >>> import numpy as np
    >>> GroupNorm(2, 4)(np.zeros((1, 4, 3, 3))).shape
    (1, 4, 3, 3)

    Source: Wu and He, 2018.
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True
    ) -> None:
        super().__init__()
        self.num_groups = whole("GroupNorm", "num_groups", num_groups, 1)
        self.num_channels = whole("GroupNorm", "num_channels", num_channels, 1)
        if num_channels % num_groups:
            raise ArgumentError(
                "GroupNorm",
                got=f"{num_groups} groups for {num_channels} channels",
                needs="groups of equal size",
                remedy="Choose a divisor of the channels.",
            )
        self._make((self.num_channels,), affine, affine, eps)

    def forward(self, x: Any) -> Any:
        """Normalised group by group."""
        if len(x.shape) < 2:
            raise self.refuse(
                ShapeError,
                x,
                got=f"an input of shape {x.shape}",
                needs="(N, C, …)",
                remedy="Keep the axis of examples",
            )
        self.check_width(x, 1, self.num_channels, "channels", "num_channels")
        return group_norm(x, self.weight, self.bias, groups=self.num_groups, epsilon=self.eps)

    def describe(self) -> str:
        """GroupNorm 4 of 64."""
        return f"GroupNorm {self.num_groups} of {self.num_channels}"

    def extra_repr(self) -> str:
        """The sizes and settings."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, "
            f"affine={self.weight is not None}"
        )


class _InstanceNorm(_Affine):
    """Each channel of each example brought to mean 0 and variance 1 over its places.

    Parameters
    ----------
    num_features : int
        Number of channels.
    eps : float
    affine : bool
        Whether γ and β are learnt; not unless asked for, as in PyTorch.

    Source: Ulyanov, Vedaldi and Lempitsky, 2016.
    """

    axes: ClassVar[str]

    def __init__(self, num_features: int, eps: float = 1e-5, affine: bool = False) -> None:
        super().__init__()
        self.num_features = whole(type(self).__name__, "num_features", num_features, 1)
        self._make((self.num_features,), affine, affine, eps)

    def forward(self, x: Any) -> Any:
        """Normalised example by example."""
        if len(x.shape) != self.axes.count(",") + 1:
            raise self.refuse(
                ShapeError,
                x,
                got=f"an input of shape {x.shape}",
                needs=f"axes {self.axes}",
                remedy="Keep the axis of examples",
            )
        self.check_width(x, 1, self.num_features, "channels", "num_features")
        return instance_norm(x, self.weight, self.bias, epsilon=self.eps)

    def describe(self) -> str:
        """InstanceNorm2d 64, for example."""
        return f"{type(self).__name__} {self.num_features}"

    def extra_repr(self) -> str:
        """The sizes and settings."""
        return f"{self.num_features}, eps={self.eps}, affine={self.weight is not None}"


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each image brought to mean 0 and variance 1 over its places: (N, C, H, W).

    Parameters
    ----------
    num_features : int
        Number of channels.
    eps : float
    affine : bool
        Whether γ and β are learnt; not unless asked for, as in PyTorch.

    Source: Ulyanov, Vedaldi and Lempitsky, 2016.
    """

    axes = "(N, C, H, W)"


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each sequence brought to mean 0 and variance 1 over its places: (N, C, L).

    Parameters
    ----------
    num_features : int
        Number of channels.
    eps : float
    affine : bool
        Whether γ and β are learnt; not unless asked for, as in PyTorch.

    Source: Ulyanov, Vedaldi and Lempitsky, 2016.
    """

    axes = "(N, C, L)"


LocalResponseNorm = layer("LocalResponseNorm", local_response_norm, __name__)

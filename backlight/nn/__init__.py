"""Layers, losses and initialisation: `from backlight import nn`, with PyTorch's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backlight.errors import nearest
from backlight.nn import functional, utils
from backlight.nn import initialise as init
from backlight.nn.activation import (
    ELU,
    GELU,
    SELU,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Maxout,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from backlight.nn.cell import GRUCell, LSTMCell, RNNCell
from backlight.nn.container import Flatten, Identity, ModuleDict, ModuleList, Sequential, Unflatten
from backlight.nn.convolution import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, caffe, torch7
from backlight.nn.embedding import Embedding
from backlight.nn.functional_call import functional_call
from backlight.nn.hierarchy import HierarchicalSoftmax
from backlight.nn.linear import Linear
from backlight.nn.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    MultiClassHingeLoss,
    MultiMarginLoss,
    NLLLoss,
    OneVsRestHingeLoss,
    SmoothL1Loss,
)
from backlight.nn.module import Module
from backlight.nn.normalisation import (
    BatchNorm1d,
    BatchNorm2d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    LayerNorm,
    LocalResponseNorm,
)
from backlight.nn.origin import Origin
from backlight.nn.outline import Outline
from backlight.nn.parameter import Parameter
from backlight.nn.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AvgPool1d,
    AvgPool2d,
    GlobalAveragePool,
    MaxPool1d,
    MaxPool2d,
)
from backlight.nn.recurrent import GRU, LSTM, RNN
from backlight.nn.regularisation import DropConnect, Dropout, Dropout2d
from backlight.nn.summary import Summary, summary

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "SELU",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "DropConnect",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GlobalAveragePool",
    "GroupNorm",
    "HierarchicalSoftmax",
    "HuberLoss",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "KLDivLoss",
    "L1Loss",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "Maxout",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiClassHingeLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "OneVsRestHingeLoss",
    "Origin",
    "Outline",
    "PReLU",
    "Parameter",
    "RNNCell",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Summary",
    "Tanh",
    "Unflatten",
    "caffe",
    "functional",
    "functional_call",
    "init",
    "summary",
    "torch7",
    "utils",
]

if not TYPE_CHECKING:  # a type checker shall go on to refuse names that are not there

    def __getattr__(name: str) -> Any:
        """Say which name was meant."""
        meant = nearest(name, __all__).split("Known")[0]
        raise AttributeError(f"module 'backlight.nn' has no attribute {name!r}. {meant}".rstrip())

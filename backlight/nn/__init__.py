"""Layers, losses and initialisation: `from backlight import nn`, with PyTorch's names."""

from __future__ import annotations

from backlight.nn import functional
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
from backlight.nn.container import Flatten, Identity, ModuleList, Sequential
from backlight.nn.convolution import Conv1d, Conv2d, ConvTranspose2d, caffe, torch7
from backlight.nn.embedding import Embedding
from backlight.nn.functional_call import functional_call
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
)
from backlight.nn.module import Module
from backlight.nn.normalisation import (
    BatchNorm1d,
    BatchNorm2d,
    GroupNorm,
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
    AdaptiveMaxPool2d,
    AvgPool1d,
    AvgPool2d,
    GlobalAveragePool,
    MaxPool1d,
    MaxPool2d,
)
from backlight.nn.recurrent import GRU, LSTM, RNN
from backlight.nn.regularisation import DropConnect, Dropout
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
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "DropConnect",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GlobalAveragePool",
    "GroupNorm",
    "HuberLoss",
    "Identity",
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
    "Softmax",
    "Softplus",
    "Summary",
    "Tanh",
    "caffe",
    "functional",
    "functional_call",
    "init",
    "summary",
    "torch7",
]

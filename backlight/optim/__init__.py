"""Update rules, schedules, regularisation, clipping and averaging."""

from __future__ import annotations

from backlight.optim import lr_scheduler, schedule
from backlight.optim.adam import Adam, AdamW
from backlight.optim.adaptive import Adadelta, Adagrad, RMSprop
from backlight.optim.average import ExponentialMovingAverage
from backlight.optim.catalogue import from_name, rules
from backlight.optim.clipping import clip_grad_norm_, clip_grad_value_
from backlight.optim.descent import SGD, GradientDescent
from backlight.optim.lbfgs import LBFGS
from backlight.optim.optimizer import Optimizer
from backlight.optim.regularise import (
    elastic_penalty,
    is_weight,
    l1_penalty,
    l2_penalty,
    max_norm_,
    weight_decay_groups,
)
from backlight.optim.schedule import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    InverseTimeLR,
    LambdaLR,
    LinearLR,
    LinearWarmup,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    Schedule,
    StepLR,
    schedules,
)

__all__ = [
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "ExponentialMovingAverage",
    "GradientDescent",
    "InverseTimeLR",
    "LambdaLR",
    "LinearLR",
    "LinearWarmup",
    "MultiStepLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "Schedule",
    "StepLR",
    "clip_grad_norm_",
    "clip_grad_value_",
    "elastic_penalty",
    "from_name",
    "is_weight",
    "l1_penalty",
    "l2_penalty",
    "lr_scheduler",
    "max_norm_",
    "rules",
    "schedule",
    "schedules",
    "weight_decay_groups",
]

"""Linear classifiers: one score a class, s = W·x + b, with two losses to choose from.

Source: CS231n, "Linear classification". Softmax reads the scores as unnormalised log
probabilities; the support vector machine wants the right score ahead by a margin of 1.
"""

from __future__ import annotations

import math

from backlight import nn
from backlight.models.catalogue import Built, Plan, named
from backlight.models.mlp import started


def scores(plan: Plan) -> nn.Sequential:
    """W·x + b on the pixels stretched to one column, W drawn small so that scores start near 0."""
    inputs = math.prod(plan.shape)
    return nn.Sequential(nn.Flatten(), started(nn.Linear(inputs, plan.classes), 1e-3))


@named("softmax")
def softmax(plan: Plan) -> Built:
    """The softmax classifier: cross-entropy of the probabilities."""
    return Built(scores(plan), nn.CrossEntropyLoss(), math.log(plan.classes), probabilistic=True)


@named("svm")
def svm(plan: Plan) -> Built:
    """The multi-class support vector machine of Weston and Watkins, hinge summed over classes."""
    return Built(scores(plan), nn.MultiClassHingeLoss(), plan.classes - 1.0, probabilistic=False)

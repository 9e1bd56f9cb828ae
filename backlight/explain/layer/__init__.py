"""A layer told from one line of any framework: its sizes, its cost, its picture."""

from backlight.explain.layer.backward_cost import BackwardCost, backward_cost
from backlight.explain.layer.drawing import draw
from backlight.explain.layer.told import facts, told

__all__ = ["BackwardCost", "backward_cost", "draw", "facts", "told"]

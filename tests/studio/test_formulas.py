"""The time that a formula may take: its own, whatever else the machine does."""

import time

import pytest

import backlight
from backlight.errors import ExpressionError
from backlight.studio.formulas import within


def test_waiting_is_not_computing():
    with within(0.02):
        x = backlight.tensor(2.0)
        for _ in range(5):
            time.sleep(0.02)  # as when others have the processor
            x = x * 1.5


def test_what_computes_too_long_is_ended():
    with pytest.raises(ExpressionError, match="more than 20 ms"), within(0.02):  # noqa: PT012
        x, began = backlight.tensor(2.0), time.monotonic()
        while time.monotonic() - began < 20:
            x = x * 1.0

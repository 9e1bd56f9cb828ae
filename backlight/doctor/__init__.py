"""The doctor: looks at training while it goes on, and names what is wrong with it.

`watch(train)` runs a function that trains, as it is; `examine(model, (x, y), loss)` takes a model
with its data and loss.
"""

from __future__ import annotations

from backlight.doctor.diagnosis import Diagnosis
from backlight.doctor.examine import examine, watch
from backlight.doctor.finding import Finding, Verdict
from backlight.doctor.probe import PROBES, Level, Probe
from backlight.doctor.trained import Trained, look_back

__all__ = [
    "PROBES",
    "Diagnosis",
    "Finding",
    "Level",
    "Probe",
    "Trained",
    "Verdict",
    "examine",
    "look_back",
    "watch",
]

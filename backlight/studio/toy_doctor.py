"""The doctor's look at the toy, in a process of its own.

The doctor listens to every module and optimiser of its process: in the server it would hear what
other tabs compute. So the net goes to a fresh process, which answers with the diagnosis.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

import numpy as np

from backlight.doctor.examine import examine
from backlight.errors import UsageError
from backlight.studio.desk import Ask, asked
from backlight.studio.toy import Choice, Toy
from backlight.studio.toys import player

SECONDS = 60.0
_PULSE = 0.1


@asked("toy.examine", slow=True)
def examined(ask: Ask) -> Any:
    """What the doctor finds when the toy goes on training for a moment; the toy is left alone."""
    toy = player(ask).toy
    with toy.lock:
        request = {
            "choice": asdict(toy.choice),
            "lr": toy.rule.param_groups[0]["lr"],
            "weights": {name: p._value.tolist() for name, p in toy.net.named_parameters()},
            "language": ask.language,
            "step": toy.step,
        }
    answer = json.loads(_program(ask, json.dumps(request)))
    if answer.get("error"):
        raise UsageError(
            "the toy", got=answer["error"], needs="a net that trains", remedy="Begin anew."
        )
    return answer


def _program(ask: Ask, request: str) -> str:
    with subprocess.Popen(  # noqa: S603 - this very file
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        ends = time.monotonic() + SECONDS
        given: str | None = request
        try:
            while True:
                try:
                    return process.communicate(given, timeout=_PULSE)[0] or '{"error": "no answer"}'
                except subprocess.TimeoutExpired:
                    given = None
                    ask.check()
                    if time.monotonic() > ends:
                        return json.dumps({"error": f"an examination of over {SECONDS:g} s"})
        finally:
            process.kill()


def diagnosis(request: dict[str, Any]) -> dict[str, Any]:
    """Make the toy again as it is, and examine it."""
    choice = request["choice"]
    own = tuple((x, y, label) for x, y, label in choice["own"])
    toy = Toy(Choice(**{**choice, "hidden": tuple(choice["hidden"]), "own": own}))
    toy.set_rate(request["lr"])
    for name, parameter in toy.net.named_parameters():
        parameter._value[...] = np.asarray(request["weights"][name], parameter._value.dtype)
    found = examine(
        toy.net,
        (toy.inputs, toy.labels),
        toy.loss,
        toy.rule,
        batch_size=min(toy.choice.batch, len(toy.labels)),
        target="toy",
    )
    return found.to_dict(request["language"]) | {"step": request["step"]}


if __name__ == "__main__":
    try:
        _answer = diagnosis(json.load(sys.stdin))
    except Exception as _problem:
        _answer = {"error": str(_problem)[:500]}
    json.dump(_answer, sys.stdout)

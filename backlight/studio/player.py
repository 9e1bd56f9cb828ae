"""Playing a toy: training it in a thread, and showing frames of it to whoever watches."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlight.errors import BacklightError
from backlight.studio.hidden_space import HiddenSpace
from backlight.studio.toy import Toy


@dataclass
class Player:
    """Trains a toy in a thread and shows frames of it.

    Parameters
    ----------
    toy : Toy
    show : callable
        Given (topic, frame).
    wanted : callable
        Whether anybody watches a topic.
    """

    toy: Toy
    show: Any
    wanted: Any
    running: bool = False
    steps_a_frame: int = 5
    _go: threading.Event = field(default_factory=threading.Event)
    _end: threading.Event = field(default_factory=threading.Event)

    FRAME = 0.07

    def __post_init__(self) -> None:
        self._hidden = HiddenSpace()
        self._thread = threading.Thread(target=self._play, name="studio-toy", daemon=True)
        self._thread.start()

    def play(self) -> None:
        """Train on until paused."""
        self.running = True
        self._go.set()

    def pause(self) -> None:
        """Stop after the step under way."""
        self.running = False
        self._go.clear()

    def once(self) -> None:
        """One step, and a frame of it."""
        self.pause()
        with self.toy.lock:
            if not self.toy.problem:
                self.toy.advance(watched=True)
            self.toy.note()
        self.send()

    def change(self, toy: Toy) -> None:
        """Take another toy, and show where it begins."""
        self.pause()
        self.toy = toy
        self.send()

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        self._go.set()
        self._thread.join(0.5)

    def shown_to(self, tab: Any) -> None:
        """Show a tab that has just come where the toy is."""
        if {"toy", "toy.plane", "toy.units", "toy.hidden"} & tab.topics:
            threading.Thread(target=self.send, daemon=True).start()

    def send(self) -> None:
        """Show the present state to everybody who watches."""
        with self.toy.lock:
            if self.wanted("toy"):
                self.show("toy", self.state())
            if self.wanted("toy.plane"):
                plane = {"floats": self.toy.field(), "wrong": self.toy.wrong()}
                self.show("toy.plane", plane | {"step": self.toy.step})
            if self.wanted("toy.units"):
                maps = self.toy.units()
                if maps:
                    every = np.concatenate([one for _, one in maps])
                    layers = [[path, len(one)] for path, one in maps]
                    self.show("toy.units", {"floats": every, "layers": layers})

            if self.wanted("toy.hidden"):
                warped = self._hidden.of(self.toy)
                if warped is not None:
                    self.show("toy.hidden", warped)

    def state(self) -> dict[str, Any]:
        """Everything but the pictures."""
        toy = self.toy
        step, loss, accuracy = toy.curve[-1]
        return {
            "running": self.running,
            "edition": toy.edition,
            "problem": toy.problem,
            "step": step,
            "epoch": toy.epoch,
            "loss": loss,
            "accuracy": accuracy,
            "curve": {
                "x": [one[0] for one in toy.curve],
                "loss": [one[1] for one in toy.curve],
                "accuracy": [one[2] for one in toy.curve],
            },
            "norms": toy.norms,
            "ratios": toy.ratios,
            "weights": [[name, value] for name, value in toy.weights() if value.size <= 1_024],
            "activations": toy.histograms(),
        }

    def _play(self) -> None:
        while not self._end.is_set():
            self._go.wait()
            if self._end.is_set():
                return
            began = time.monotonic()
            try:
                with self.toy.lock:
                    for left in reversed(range(self.steps_a_frame)):
                        if not self.running or self.toy.problem:
                            break
                        self.toy.advance(watched=left == 0)
                    self.toy.note()
            except BacklightError as problem:
                self.toy.problem = str(problem)
            if self.toy.problem:
                self.pause()
            self.send()
            # The rest of the frame belongs to whoever drags a slider meanwhile.
            time.sleep(max(0.015, self.FRAME - (time.monotonic() - began)))

"""The Train screen's toys: making one, playing, pausing, stepping, asking about one point."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight import optim
from backlight.data.toy import TOYS
from backlight.explain.circuit.record import circuit
from backlight.studio.circuits import drawing, reason
from backlight.studio.desk import Ask, asked
from backlight.studio.player import Player
from backlight.studio.toy import ACTIVATIONS, OWN, Choice, Toy, length

MOST_LAYERS = 4
WIDEST = 64


@asked("toy.choices")
def choices(ask: Ask) -> Any:
    """What a toy can be made of, and what the present one is made of."""
    rules = [name for name, rule in optim.rules().items() if not rule.needs_closure]
    return {
        "data": [*TOYS, OWN],
        "activation": list(ACTIVATIONS),
        "optimizer": rules,
        "now": described(player(ask)),
    }


@asked("toy.make")
def make(ask: Ask) -> Any:
    """Make a new toy; the same choice begins with the same numbers."""
    hidden = ask.given.get("hidden", [16, 16])
    if not isinstance(hidden, list) or len(hidden) > MOST_LAYERS:
        raise ask.refuse("hidden", hidden, f"a list of at most {MOST_LAYERS} widths")
    widths = []
    for width in hidden:
        if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= WIDEST:
            raise ask.refuse("hidden", f"a width of {width!s:.20}", f"whole numbers 1–{WIDEST}")
        widths.append(width)
    rules = [name for name, rule in optim.rules().items() if not rule.needs_closure]
    playing = player(ask)
    data = ask.one_of("data", [*TOYS, OWN], "spiral")
    choice = Choice(
        data,
        ask.whole("points", 2, 400, 100),
        ask.number("noise", 0, 2, 0.2),
        tuple(widths),
        ask.one_of("activation", ACTIVATIONS, "ReLU"),
        ask.one_of("optimizer", rules, "adam"),
        ask.number("lr", 1e-6, 100, 0.01),
        ask.whole("batch", 1, 2_000, 32),
        ask.number("weight_decay", 0, 10, 0.0),
        ask.whole("seed", 0, 2**31, 0),
        playing.toy.points() if data == OWN else (),
    )
    playing.change(Toy(choice))
    return described(playing)


@asked("toy.play")
def play(ask: Ask) -> Any:
    """Train on."""
    playing = player(ask)
    playing.steps_a_frame = ask.whole("steps", 1, 200, playing.steps_a_frame)
    playing.play()
    return True


@asked("toy.pause")
def pause(ask: Ask) -> Any:
    """Pause."""
    playing = player(ask)
    playing.pause()
    playing.send()
    return True


@asked("toy.step")
def step(ask: Ask) -> Any:
    """One step."""
    player(ask).once()
    return True


@asked("toy.show")
def show(ask: Ask) -> Any:
    """Show where the toy is to everybody who watches."""
    player(ask).send()
    return True


@asked("toy.rate")
def rate(ask: Ask) -> Any:
    """Another learning rate, from the next step on."""
    lr = ask.number("lr", 1e-6, 100)
    playing = player(ask)
    with playing.toy.lock:
        playing.toy.set_rate(lr)
    return lr


@asked("toy.example")
def example(ask: Ask) -> Any:
    """One point: what the net answers, and what its loss wants of each layer and of the point."""
    toy = player(ask).toy
    index = ask.whole("index", 0, len(toy.labels) - 1)
    with toy.lock:
        loss, x = toy.example(index)
        drawn = drawing(circuit(loss), ask.language, ask.opened())
        scores = toy.net(x).detach().numpy()[0]
        toy.net.zero_grad()
        loss.backward()
        gradients = [
            [name, float(np.linalg.norm(p._value)), length(p.grad)]
            for name, p in toy.net.named_parameters()
        ]
        toy.net.zero_grad()
        pull = np.zeros(2) if x.grad is None else x.grad.numpy()[0]
    powers = np.exp(scores - scores.max())
    return {
        "index": index,
        "point": toy.inputs[index],
        "label": int(toy.labels[index]),
        "scores": scores,
        "probabilities": powers / powers.sum(),
        "loss": float(loss.item()),
        "gradients": gradients,
        "pull": pull,
        "circuit": drawn,
    }


@asked("toy.why", slow=True)
def why_of_point(ask: Ask) -> Any:
    """Where a gradient in the circuit of a point came from."""
    toy = player(ask).toy
    index = ask.whole("index", 0, len(toy.labels) - 1)
    with toy.lock:
        loss, _ = toy.example(index)
        drawn = circuit(loss)
    return reason(ask, drawn)


def player(ask: Ask) -> Player:
    """The one toy of a studio, made when it is first asked for."""
    studio = ask.studio
    if "toy" not in studio.held:
        studio.held["toy"] = Player(Toy(Choice()), studio.show, studio.watches)
    found: Player = studio.held["toy"]
    return found


def described(playing: Player) -> dict[str, Any]:
    """The choice, the points and where the training is."""
    toy = playing.toy
    choice = toy.choice
    return {
        "choice": {**vars(choice), "hidden": list(choice.hidden), "own": len(choice.own)},
        "before": toy.before,
        "points": toy.inputs,
        "labels": toy.labels,
        "classes": toy.classes,
        "box": toy.box,
        "steps": playing.steps_a_frame,
        "state": playing.state(),
    }

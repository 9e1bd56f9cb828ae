"""The watch during training: remarks once, on what is written down; the same after a resume."""

import pytest

from backlight.doctor.remarks import IN_A_ROW, LOW_IN_A_ROW, Watch, told


def steps(watch, losses, lr=0.1):
    return [one for loss in losses for one in watch.hear("step", {"loss": loss, "lr": lr})]


def layers(watch, ratio, norm=1.0, times=IN_A_ROW):
    line = {
        "update_ratio": {"w": ratio, "b": 9.0},
        "gradient_norm": {"w": norm, "v": 1.0, "b": 1e-30},
    }
    return [one["kind"] for _ in range(times) for one in watch.hear("layers", line)]


def epoch(watch, number, train=1.0, held=1.0, accuracy=0.5, held_accuracy=0.5):
    line = {
        "epoch": number,
        "train_loss": train,
        "validation_loss": held,
        "train_accuracy": accuracy,
        "validation_accuracy": held_accuracy,
    }
    return [one["kind"] for one in watch.hear("epoch", line)]


@pytest.fixture
def watch():
    return Watch(["w", "v"])


def test_a_falling_loss_is_not_remarked_upon(watch):
    assert steps(watch, [2.3 / (1 + k / 20) for k in range(300)]) == []


def test_a_loss_that_explodes_is(watch):
    found = steps(watch, [0.5] * 50 + [50.0] * 5)
    assert [one["kind"] for one in found] == ["rising"]


def test_a_loss_that_explodes_at_once_is_told_after_a_few_steps(watch):
    watch.hear("start", {"event": "start", "loss_before_learning": 2.3})
    found = steps(watch, [2.3, *[40.0] * 18])
    assert found == []
    assert [one["kind"] for one in steps(watch, [40.0])] == ["rising"]


@pytest.mark.parametrize(
    ("ratio", "kind", "enough"),
    [(0.5, "ratio_high", IN_A_ROW), (1e-8, "ratio_low", LOW_IN_A_ROW)],
)
def test_ratios_out_of_range_for_an_epoch(watch, ratio, kind, enough):
    steps(watch, [1.0])
    assert layers(watch, ratio, times=enough - 1) == []
    assert layers(watch, ratio, times=1) == [kind]
    assert layers(watch, ratio) == []


def test_small_ratios_at_the_end_of_a_schedule_are_as_they_should_be(watch):
    steps(watch, [1.0], lr=0.1)
    steps(watch, [1.0], lr=1e-6)
    assert layers(watch, 1e-8) == []


def test_vanishing_gradients(watch):
    assert layers(watch, 1e-3, norm=1e-9) == ["vanishing"]


def test_dead_and_saturated_layers(watch):
    seen = {"a": {"dead": 0.5, "saturated": None}, "b": {"dead": None, "saturated": 0.9}}
    found = watch.hear("activations", {"epoch": 1, "layers": seen})
    assert [(one["kind"], one["about"]) for one in found] == [("dead", "a"), ("saturated", "b")]


def test_epochs_that_are_flat_learnt_by_heart_or_turned(watch):
    steps(watch, [1.0])
    assert [kind for k in range(1, 7) for kind in epoch(watch, k, train=2.3)] == ["flat"]
    other = Watch([])
    told_of = [
        kind
        for k in range(1, 8)
        for kind in epoch(
            other, k, train=1 / k, held=1.0 if k < 3 else 0.5 * k, accuracy=0.99, held_accuracy=0.6
        )
    ]
    assert told_of == ["turned", "gap"]


def test_every_kind_can_be_told():
    numbers = dict.fromkeys(("share", "ratio", "best", "now", "gap", "epoch", "epochs"), 0.5)
    kinds = ("dead", "saturated", "ratio_high", "ratio_low", "vanishing", "rising", "flat", "gap")
    for kind in (*kinds, "turned"):
        for language in ("en", "ko"):
            assert "{" not in told({"kind": kind, "about": "conv1", **numbers}, language)


def test_hearing_again_gives_the_same_state(watch):
    heard = []
    for _ in range(4):
        for loss in (2.0, 1.9):
            heard.append(("step", {"loss": loss, "lr": 0.1}))
            watch.hear(*heard[-1])
        heard.append(("layers", {"update_ratio": {"w": 0.5}, "gradient_norm": {"w": 1.0}}))
        watch.hear(*heard[-1])
    again = Watch(["w", "v"])
    again.recall([{"event": event, **line} for event, line in heard])
    assert again == watch


def test_damaged_lines_are_passed_over(watch):
    watch.recall([{"event": "step"}, {"event": "layers", "update_ratio": None}, {"event": 3}])
    assert steps(watch, [1.0]) == []

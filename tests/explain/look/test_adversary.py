import numpy as np
import pytest

from backlight.errors import ArgumentError, RangeError
from backlight.explain.look.adversary import MOST_STEPS, adversary
from tests.explain.look.small import digits, linear


def right_ones(count):
    subject, seen, labels = digits()
    right = np.flatnonzero(subject.scores(seen[1500:]).argmax(axis=1) == labels[1500:])
    return subject, seen[1500:][right[:count]]


def test_nearly_every_right_picture_is_fooled_and_by_little():
    subject, seen = right_ones(20)
    found = [adversary(subject, one) for one in seen]
    assert sum(one.flipped for one in found) >= 0.95 * len(found)
    assert all(one.steps < MOST_STEPS for one in found)
    assert np.median([one.relative for one in found]) < 0.35
    assert all(one.picture.min() >= 0 and one.picture.max() <= 1 for one in found)


def test_a_chosen_class_is_reached():
    subject, seen = right_ones(8)
    verdicts = subject.scores(seen).argmax(axis=1)
    found = [
        adversary(subject, one, method="target", target=int((verdict + 1) % 10))
        for one, verdict in zip(seen, verdicts, strict=True)
    ]
    hit = [one.after == (one.before + 1) % 10 for one in found]
    assert sum(hit) >= 0.95 * len(hit)


def test_the_minimal_change_of_a_linear_classifier_is_its_distance_to_the_boundary():
    subject = linear(3, (1, 6, 6))
    picture = np.full((1, 6, 6), 0.5, np.float32)
    scores = subject.scores(picture[None])[0].astype(float)
    weights = subject.module[1].weight.detach().numpy().astype(float)
    best = scores.argmax()
    distances = [
        (scores[best] - scores[k]) / np.linalg.norm(weights[best] - weights[k])
        for k in range(3)
        if k != best
    ]
    found = adversary(subject, picture)
    assert found.flipped
    assert min(distances) <= found.length <= 1.06 * min(distances)


def test_the_fast_change_is_epsilon_everywhere():
    subject, seen = right_ones(1)
    found = adversary(subject, np.clip(seen[0], 0.2, 0.8), method="fast", epsilon=0.01)
    assert found.largest == pytest.approx(0.01, abs=1e-6)
    assert found.steps == 1
    smallest = adversary(subject, seen[0], method="fast")
    assert smallest.flipped


def test_mistakes_are_told():
    subject, seen = right_ones(1)
    with pytest.raises(ArgumentError, match="Did you mean 'fast'"):
        adversary(subject, seen[0], method="fst")
    with pytest.raises(RangeError, match="epsilon=2"):
        adversary(subject, seen[0], epsilon=2)
    with pytest.raises(ArgumentError, match="no target"):
        adversary(subject, seen[0], method="target")
    verdict = int(subject.scores(seen)[0].argmax())
    with pytest.raises(ArgumentError, match="the verdict itself"):
        adversary(subject, seen[0], method="target", target=verdict)

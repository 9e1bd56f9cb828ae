"""The family tree: what is confused comes together first, and confidence never grows downwards."""

import numpy as np
import pytest

from backlight.errors import ShapeError
from backlight.explain.look.family import _tree, draw, family
from backlight.explain.look.style import style
from backlight.explain.look.taxonomy import CIFAR10
from tests.explain.look.small import digits, linear


def confused(pairs, count):
    found = np.full((count, count), 0.001)
    np.fill_diagonal(found, 0.8)
    for (a, b), share in pairs.items():
        found[a, b] = share
    return found


def test_what_is_confused_most_is_joined_first():
    tree = _tree(tuple("abcd"), confused({(0, 2): 0.3, (1, 3): 0.2}, 4))
    assert tree.nodes[4:] == ((0, 2), (1, 3), (0, 2, 1, 3))
    assert tree.order == (0, 2, 1, 3)


def test_the_way_down_takes_the_likelier_side():
    tree = _tree(tuple("abcd"), confused({(0, 2): 0.3, (1, 3): 0.2}, 4))
    way = tree.way(np.array([0.3, 0.4, 0.25, 0.05]))
    assert [(tree.nodes[node], round(share, 9)) for node, share in way] == [
        ((0, 2), 0.55),
        ((0,), 0.3),
    ]


def test_groups_have_their_name():
    classes = (*CIFAR10["animal"], *CIFAR10["vehicle"])
    pairs = {(k, k + 1): 0.1 for k in (0, 1, 2, 3, 4, 6, 7, 8)}
    tree = _tree(classes, confused(pairs, 10))
    assert {tree.name(node) for node in tree.children[-1]} == {"animal", "vehicle"}


def test_on_digits():
    subject, seen, labels = digits()
    tree = family(subject, seen[:1500], labels[:1500])
    assert sorted(tree.order) == list(range(10))
    assert len(tree.nodes) == 19
    assert tree.mistaken.sum(axis=1) == pytest.approx(np.ones(10), abs=1e-5)
    shares = subject.probabilities(seen[1500:])
    agreed = 0
    for row in shares:
        way = tree.way(row)
        confidence = [share for _, share in way]
        assert confidence == sorted(confidence, reverse=True)
        agreed += tree.nodes[way[-1][0]][0] == row.argmax()
    assert agreed > 0.95 * len(shares)
    with pytest.raises(ShapeError, match="at least two"):
        family(linear(1), np.zeros((2, 1, 4, 4)), [0, 0])


def test_drawn():
    pytest.importorskip("matplotlib")
    subject, seen, labels = digits()
    tree = family(subject, seen[:500], labels[:500])
    for theme, language in (("light", "en"), ("dark", "ko")):
        figure = draw(subject, seen[0], tree, theme=theme, language=language)
        written = " ".join(one.get_text() for one in figure.axes[1].texts)
        assert all(name in written for name in subject.classes)
        if not style(theme, language).note:
            assert ("가계도" in figure._suptitle.get_text()) == (language == "ko")

"""Every error tells who, what came, what is needed, where from and what to do."""

import copy
import pickle

import pytest

from backlight import errors
from backlight.errors import BacklightError, ShapeError, nearest

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, BacklightError)
]


def made(kind):
    return kind(
        "conv2",
        got="16 channels",
        needs="32 channels",
        source="They came from pool1.",
        remedy="Make conv1 produce 32",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_message_has_all_answers(kind):
    assert str(made(kind)) == (
        "conv2 got 16 channels.\n  It needs 32 channels. They came from "
        "pool1.\n  Make conv1 produce 32."
    )


@pytest.mark.parametrize("kind", KINDS)
def test_errors_are_copied_whole(kind):
    for twin in (
        copy.copy(made(kind)),
        copy.deepcopy(made(kind)),
        pickle.loads(pickle.dumps(made(kind))),
    ):
        assert type(twin) is kind
        assert str(twin) == str(made(kind))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not BacklightError])
def test_every_class_is_also_the_builtin_that_one_would_catch(kind):
    assert kind.__doc__
    builtin = kind.__mro__[2]
    with pytest.raises(builtin):
        raise made(kind)


def test_within_replaces_who_and_keeps_a_known_source():
    outer = made(ShapeError).within("body.conv2", "It came from elsewhere.")
    assert outer.subject == "body.conv2"
    assert outer.source == "They came from pool1."
    bare = ShapeError("conv2", got="a", needs="b", remedy="c")
    assert bare.within("body", "From x.").source == "From x."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("adamm", "'adam'"),
        ("zzzz", "Known: sgd, adam."),
        ("", "Known"),
        (3, "Known"),
    ],
)
def test_nearest(name, words):
    assert words in nearest(name, ["sgd", "adam"])


def test_a_message_is_not_ended_twice():
    told = str(ShapeError("x", got="what?", needs="b.", remedy="Do it!"))
    assert told == "x got what?\n  It needs b.\n  Do it!"

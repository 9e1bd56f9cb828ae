import dataclasses
import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight.errors import UsageError
from backlight.train import settings
from backlight.train.settings import Settings
from backlight.train.sources import write_toml


@pytest.fixture(autouse=True)
def closed_sets(monkeypatch):
    """Names as the catalogues have them, without their imports."""
    for name, known in [
        ("_models", ["softmax", "svm", "mlp", "convnet"]),
        ("_optimizers", ["sgd", "adam", "adamw"]),
        ("_schedules", ["constant", "cosine"]),
        ("_data_sets", ["digits", "mnist", "cifar10"]),
    ]:
        monkeypatch.setattr(settings, name, lambda known=known: known)
    for field in dataclasses.fields(Settings):
        choose = field.metadata["convert"]
        if choose.__qualname__.startswith("choice"):
            options = choose.__closure__[choose.__code__.co_freevars.index("options")]
            monkeypatch.setattr(
                options, "cell_contents", getattr(settings, options.cell_contents.__name__)
            )


def checked(name, value):
    return Settings.from_mapping({name: value})[name.replace("-", "_")]


def refused(name, value, *words):
    with pytest.raises(UsageError) as caught:
        Settings.from_mapping({name: value})
    for word in (name, *words):
        assert word in str(caught.value)
    assert len(str(caught.value)) < 600


NO_NUMBERS = [
    "abc",
    "",
    " ",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "-1e400",
    "0x10",
    "1_0",
    "1,5",
    "--1",
    math.nan,
    math.inf,
    True,
    False,
    None,
    [],
    {},
    [0.1],
    b"1",
    10**400,
    "१e",
    "1\0",
]


# ── B01, B08: numbers ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("value", [*NO_NUMBERS, "-1", "0", "0.0", "-0.0", "1e-999", 0, -0.5])
def test_a_learning_rate_is_positive_and_finite(value):
    shown = repr(value) if isinstance(value, str) else str(value)
    refused("lr", value, "> 0 and finite", shown[:60])


@pytest.mark.parametrize("value", ["0.01", 0.01, " 1e-3 ", 1, "5", "1e-300", ".5"])
def test_learning_rates_that_are_allowed(value):
    assert checked("lr", value) == float(value)
    assert Settings.from_mapping({"learning-rate": value}) == {"lr": float(value)}


@pytest.mark.parametrize("name", ["momentum", "dropout", "ema"])
@pytest.mark.parametrize("value", [*NO_NUMBERS, "1", "1.0", "1.5", "-0.1", 1.5])
def test_fractions_end_below_one(name, value):
    refused(name, value, "≥ 0", "< 1")
    assert checked(name, "0") == 0
    assert checked(name, "0.999") == 0.999


@pytest.mark.parametrize("value", [*NO_NUMBERS, "-1", "-1e-9"])
def test_weight_decay_is_not_negative(value):
    refused("weight-decay", value, "≥ 0", "finite")
    assert checked("weight-decay", "0") == 0


# ── B02, B03, B07: whole numbers ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["epochs", "batch-size", "checkpoint-every"])
@pytest.mark.parametrize(
    "value", [*NO_NUMBERS, "0", "-3", "1.5", "1e18", "3.0", 3.0, 0, -1, "9" * 5000]
)
def test_counts_are_whole_and_at_least_one(name, value):
    refused(name, value, "whole number ≥ 1")


def test_counts_that_are_allowed():
    assert checked("epochs", " 12 ") == checked("epochs", 12) == checked("epochs", "+12") == 12
    refused("epochs", "1000000000000000000", "1000000000")


@pytest.mark.parametrize("value", ["-1", str(2**64), "x", 2**63, "1.0", True, ""])
def test_a_seed_has_a_range(value):
    refused("seed", value, "≥ 0", str(2**63 - 1))
    assert checked("seed", str(2**63 - 1)) == 2**63 - 1


@pytest.mark.parametrize("value", ["0", "-0.1", "1.0", "1.5", "100.5", *NO_NUMBERS])
def test_a_part_of_the_data_is_a_fraction_or_a_count(value):
    refused("validation", value, "fraction between 0 and 1", "whole number")
    assert checked("validation", "0.2") == 0.2
    for count in ("5", 5, "5.0"):
        found = checked("validation", count)
        assert found == 5
        assert isinstance(found, int)
    assert checked("test", "1") == 1


# ── B09: widths ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0", ["hidden layer 1"]),
        ("10,,20", ["hidden layer 2", "''"]),
        ("", ["hidden layer 1"]),
        ("10,-2", ["hidden layer 2"]),
        ("1e12", ["hidden layer 1", "3,725.3 GiB"]),
        ([10, 10**12], ["hidden layer 2", "GiB"]),
        ("1.5", ["hidden layer 1"]),
        ("a,b", ["'a'"]),
        ([True], ["hidden layer 1"]),
        ([[5]], ["hidden layer 1"]),
        ("nan", ["hidden layer 1"]),
        (",".join(["9"] * 1000), ["at most 100"]),
        ({}, ["hidden layer 1"]),
        ("9" * 5000, ["hidden"]),
    ],
)
def test_widths_say_which_layer_and_what_it_would_take(value, words):
    refused("hidden", value, "whole numbers ≥ 1", *words)


def test_widths_that_are_allowed():
    assert checked("hidden", "512, 256") == checked("hidden", [512, 256]) == (512, 256)
    assert checked("hidden", 64) == checked("hidden", "64") == (64,)
    assert checked("hidden", []) == ()


# ── B05: names ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "value", "near", "another"),
    [
        ("model", "convnett", "'convnet'", "svm"),
        ("optimizer", "adamm", "'adam'", "sgd"),
        ("data", "cifar1", "'cifar10'", "folder:PATH"),
        ("schedule", "cosin", "'cosine'", "constant"),
    ],
)
def test_unknown_names_get_the_nearest_and_the_list(name, value, near, another):
    refused(name, value, f"Did you mean {near}", another, value)


@pytest.mark.parametrize("value", ["", "MLP", "os.system", 5, None, ["mlp"], "mlp\0", "x" * 10**6])
def test_no_other_name_is_a_model(value):
    refused("model", value, "Known: softmax, svm, mlp, convnet")


@pytest.mark.parametrize(
    "value", ["folder:", "faces: ", "folder:a\0b", "folder:a\nb", "folder:\ud800", "faces:\udcff"]
)
def test_paths_of_data_are_texts(value):
    refused("data", value, "path after")
    assert checked("data", "folder:/사진/🙂 %s") == "folder:/사진/🙂 %s"


@pytest.mark.parametrize("value", ["", "  ", "a\0", "a\x1b[2J", 5, None, True, "\udcff", "\x7f"])
def test_texts_have_no_control_characters(value):
    refused("data-dir", value, "text")


def test_yes_and_no():
    for value in (True, "true", "YES", "on", 1, "1"):
        assert checked("augment", value) is True
    for value in (False, "false", "No", "off", 0):
        assert checked("augment", value) is False
    for value in ("maybe", "", 2, None, [], 0.5):
        refused("augment", value, "true or false")


# ── the table as a whole ───────────────────────────────────────────────────────────────────────


def test_unknown_keys_get_the_nearest_and_say_where():
    with pytest.raises(UsageError, match="Did you mean 'batch_size'") as caught:
        Settings.from_mapping({"batchsize": 3}, "my.toml:7")
    assert "my.toml:7" in str(caught.value)
    with pytest.raises(UsageError, match=r"set in my\.toml"):
        Settings.from_mapping({"lr": -1}, "my.toml")
    for key in ("__class__", "x" * 10**6, "", "__dict__"):
        with pytest.raises(UsageError, match="unknown key"):
            Settings.from_mapping({key: 1})


@pytest.mark.parametrize(
    "pair",
    [("batch-size", "batch_size"), ("lr", "learning-rate"), ("learning_rate", "learning-rate")],
)
def test_two_spellings_of_one_setting_are_refused(pair):
    with pytest.raises(UsageError, match="two values"):
        Settings.from_mapping({pair[0]: 1, pair[1]: 2}, "my.toml")


def test_every_setting_is_declared_once_and_whole():
    for field in dataclasses.fields(Settings):
        assert field.metadata["help"]
        if field.default is not None and field.default != ():
            assert field.metadata["convert"](field.name, field.default) == field.default
    assert set(Settings().as_dict()) == {
        field.name for field in dataclasses.fields(Settings) if field.default is not None
    }


TEXT = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=20).filter(
    lambda value: bool(value.strip())
)
WHOLE_TABLES = st.builds(
    Settings,
    data=st.just("digits") | TEXT.map("folder:{}".format),
    data_dir=st.none() | TEXT,
    model=st.sampled_from(["softmax", "mlp"]),
    epochs=st.none() | st.integers(1, 10**9),
    lr=st.none() | st.floats(1e-300, 1e300),
    momentum=st.none() | st.floats(0, 0.999),
    hidden=st.lists(st.integers(1, 2**20), max_size=4).map(tuple),
    augment=st.none() | st.booleans(),
    seed=st.integers(0, 2**63 - 1),
    validation=st.integers(1, 10**6) | st.floats(0.001, 0.999),
)


@given(WHOLE_TABLES)
def test_toml_brings_back_every_setting(chosen):
    table = tomllib.loads(write_toml(chosen.as_dict()))
    assert Settings(**Settings.from_mapping(table)) == chosen

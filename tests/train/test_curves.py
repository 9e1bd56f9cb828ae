import pytest

from backlight.train.page.charts import DASHES, draw
from backlight.train.page.curves import MOST_LAYERS, charts
from backlight.train.page.record import Record, read
from tests.train.synthetic_run import make_run


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("runs") / "run")
    return {chart.key: chart for chart in charts(read(run))}


def series(chart, name):
    return next(one for one in chart.series if one.name == name)


def test_each_chart_has_its_place_unit_and_sentence(drawn):
    assert list(drawn) == [
        "loss",
        "accuracy",
        "learning-rate",
        "gradients",
        "updates",
        "lost-units",
    ]
    for chart in drawn.values():
        assert chart.x_title == "epoch"
        assert chart.y_title
        assert chart.sentence.endswith(".")
        assert any(letter.isdigit() for letter in chart.sentence)


def test_a_mean_over_an_epoch_stands_in_its_middle(drawn):
    for name in ("loss", "accuracy"):
        assert series(drawn[name], "training").x == [k + 0.5 for k in range(8)]
    assert series(drawn["accuracy"], "validation").x == [float(k + 1) for k in range(8)]


def test_validation_begins_before_learning(drawn):
    validation = series(drawn["loss"], "validation")
    assert validation.x == [float(k) for k in range(9)]
    assert validation.y[0] == pytest.approx(2.3049, abs=1e-3)


def test_levels_to_compare_with(drawn):
    assert [one.label for one in drawn["loss"].references] == ["guessing: ln 10 = 2.3026"]
    assert [one.value for one in drawn["accuracy"].references] == [0.1]
    band = drawn["updates"].references[0]
    assert band.value < 1e-3 < band.high
    assert drawn["updates"].scale == drawn["gradients"].scale == "log"
    assert drawn["loss"].scale == "both"


def test_biases_are_dashed_and_weights_are_not(drawn):
    for one in drawn["gradients"].series:
        assert (DASHES[one.dash] != "") == one.name.endswith("bias")


def test_a_very_deep_model_keeps_a_legend_one_can_read():
    names = [f"{k}.{kind}" for k in range(60) for kind in ("weight", "bias")]
    record = Record(
        "deep",
        layers=[{"step": step, "gradient_norm": dict.fromkeys(names, 1.0)} for step in (1, 2)],
    )
    chart = next(one for one in charts(record) if one.key == "gradients")
    assert len(chart.series) == MOST_LAYERS
    assert chart.series[0].name == "0.weight"
    assert chart.series[-1].name == "59.weight"
    assert "14 of 120 parameters" in chart.note


def test_before_the_first_epoch_has_ended_steps_are_counted():
    record = Record(
        "young", steps=[{"step": k + 1, "loss": 2.0 / (k + 1), "lr": 0.1} for k in range(5)]
    )
    loss = charts(record)[0]
    assert loss.x_title == "step"
    assert loss.series[0].x == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert loss.sentence == "Loss of single steps fell from 2 to 0.4 in 5 steps."
    assert "log scale" in draw(loss)


def test_the_course_of_a_quantity_in_words(drawn):
    assert drawn["accuracy"].sentence.startswith("Training accuracy rose from 69.2% to 99.7%;")
    assert drawn["loss"].sentence.startswith("Training loss fell from ")

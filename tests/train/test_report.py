import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from backlight.errors import CheckpointError
from backlight.train.page.markup import visible
from backlight.train.page.number import cut
from backlight.train.page.reading import findings
from backlight.train.page.record import Record, read
from backlight.train.report import write_report
from backlight.train.run import Run
from backlight.train.settings import Settings
from tests.train.synthetic_run import HOSTILE, make_examination, make_run

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; refuses tags that do not match."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.words, self._open = [], [], [], []
        self.raw = {"script": [], "style": []}
        self.feed(source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] in self.raw:
            self.raw[self._open[-1]].append(data)
        else:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)

    def values(self, tag, name):
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]


def page_of(run):
    return Page(write_report(run).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("runs") / "digits-convnet-001")
    make_examination(run, [str(k) for k in range(10)])
    return run


def test_the_page_says_what_the_run_did(digits):
    text = page_of(digits).text
    for said in (
        "convnet",
        "digits",
        "22,602",
        "98.2%",
        "± 0.8",
        "first look, recorded",
        "98.5%",
        "guessing: ln 10 = 2.3026",
        "rule of thumb: about 10⁻³",
        "kept: epoch 7",
        "Gradient norms",
        "Confusion matrix",
        "First-layer weights",
        "Dead units",
        "checkpoint_every",
        "numpy",
        "1,257 train",
    ):
        assert said in text, said


def test_the_page_is_one_small_file_without_addresses(digits):
    path = write_report(digits)
    source = path.read_text(encoding="utf-8")
    assert 100_000 < path.stat().st_size < 400_000
    page = Page(source)
    for tag, name, value in page.attributes:
        if name in ("src", "href", "action", "data", "poster", "srcset", "xlink:href"):
            assert value.startswith(("data:", "#")), (tag, name, value)
        assert not name.startswith("on")
        assert name != "style"
    assert "url(" not in source
    assert "@import" not in source
    assert not re.findall(r"https?://", source)
    assert "innerHTML" not in source
    assert "eval(" not in source


def test_the_policy_names_exactly_the_style_and_script_of_the_page(digits):
    page = page_of(digits)
    policy = page.values("meta", "content")[0]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for kind in ("script", "style"):
        assert page.tags.count(kind) == 1
        digest = base64.b64encode(
            hashlib.sha256("".join(page.raw[kind]).encode()).digest()
        ).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_every_drawing_has_a_sentence_and_every_picture_words(digits):
    page = page_of(digits)
    labels = page.values("svg", "aria-label")
    assert any(re.match(r"Training loss fell from .* to .* in 8 epochs\.", one) for one in labels)
    assert any("Confusion matrix of the test split" in one for one in labels)
    assert all(len(one) > 20 for one in labels)
    described = len(labels) + len(page.values("svg", "aria-hidden"))
    assert page.tags.count("svg") == described
    assert len(page.values("img", "alt")) == page.tags.count("img") > 20
    assert page.tags.count("details") >= 8


def test_ids_are_unique_and_links_lead_somewhere(digits):
    page = page_of(digits)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.values("a", "href")} <= set(ids)


def test_the_same_run_gives_the_same_page(digits):
    assert write_report(digits).read_bytes() == write_report(digits).read_bytes()


def test_hostile_names_are_only_text(tmp_path):
    run = make_run(tmp_path / "<u>run", names=HOSTILE, epochs=2)
    make_examination(run, HOSTILE)
    page = page_of(run)
    assert page.tags.count("script") == 1
    assert page.tags.count("style") == 1
    assert "u" not in page.tags
    assert "<u>run" in page.text
    assert all(value.startswith("data:image/png;base64,") for value in page.values("img", "src"))
    for name in HOSTILE:
        assert visible(cut(name)) in page.text
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text


def test_metrics_with_markup_in_every_place(tmp_path):
    run = make_run(tmp_path / "run", epochs=2)
    bad = "<img src=x onerror=alert(1)>"
    run.log("metrics", {"event": "step", "step": bad, "epoch": bad, "loss": bad, "lr": bad})
    run.log(
        "metrics",
        {
            "event": "layers",
            "step": 1,
            "epoch": 1,
            "gradient_norm": {bad: 1.0},
            "update_ratio": {bad: [1]},
        },
    )
    run.log("metrics", {"event": "layers", "step": 2, "gradient_norm": 3, "update_ratio": None})
    run.log(
        "metrics",
        {
            "event": "activations",
            "step": 1,
            "epoch": 1,
            "layers": {
                bad: {"counts": [1, 2], "low": 0, "high": 1, "units": bad, "dead": bad},
                "x": bad,
                "y": {"counts": [bad], "low": 0, "high": 1},
            },
        },
    )
    run.log("metrics", {"event": "activations", "layers": [1]})
    run.log("metrics", {"event": "epoch", "epoch": bad, "train_loss": bad})
    run.log("metrics", {"event": ["x"], "step": 3})
    run.log("metrics", {"event": "end", "stopped": bad, "best_epoch": bad, "test_accuracy": bad})
    run.log("timings", {"seconds": bad, "images_per_second": bad})
    page = page_of(run)
    assert "img" not in page.tags
    assert bad in page.text


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [{"event": "start"}],
        [{"event": "step", "step": 1, "loss": 2.0}],
        [{"event": "start", "classes": "abc", "sizes": [], "shape": 3, "parameters": "many"}],
        [{"event": "end"}],
        [{"event": "epoch", "step": 0, "epoch": 0}],
        [{"event": "start", "classes": [], "loss_at_chance": 0}],
        [{"event": "step", "step": 1, "loss": 0.0, "lr": 0.0}] * 3,
        [{"event": "epoch", "step": 5, "epoch": 1, "train_loss": -1.0, "validation_loss": -3}] * 4,
        [
            {
                "event": "activations",
                "step": 1,
                "epoch": 1,
                "layers": {"a": {"counts": [0] * 30, "low": 1.0, "high": 1.0, "saturated": 0.5}},
            }
        ],
    ],
)
def test_any_stage_of_a_run_has_a_page(tmp_path, lines):
    run = Run.create(tmp_path / "run", Settings())
    for line in lines:
        run.log("metrics", line)
    assert "Configuration" in page_of(run).text


def test_a_run_that_has_only_started(tmp_path):
    text = page_of(make_run(tmp_path / "run", epochs=0, ends=False)).text
    assert "has not finished" in text
    assert "not looked at" in text
    assert "no evaluation.json" in text


def test_a_run_that_stopped_at_nan(tmp_path):
    text = page_of(make_run(tmp_path / "run", nan_at=57)).text
    assert "The loss stopped being a number" in text
    assert "At step 57" in text
    assert "not a number" in text
    assert "nan" not in text.lower().replace("nan or infinite", "").split()


def test_a_stopped_run_says_why(tmp_path):
    text = page_of(make_run(tmp_path / "run", stopped="first line\nsecond <line>")).text
    assert "Stopped early." in text
    assert "second <line>" in text


def test_a_second_look_at_the_test_split_is_told(tmp_path):
    run = make_run(tmp_path / "run")
    run.log("test_looks", {"look": 2, "step": 1, "accuracy": 0.9, "why": "again"})
    assert "looked at 2 times" in page_of(run).text


def test_scores_where_there_are_no_probabilities(tmp_path):
    names = ["고양이", "강아지", "새"]
    run = make_run(tmp_path / "run", names=names, probabilistic=False)
    make_examination(run, names, probabilistic=False)
    page = page_of(run)
    assert "score" in page.words
    assert "probability" not in page.words
    assert "all scores equal: C − 1 = 2" in page.text
    assert "고양이" in page.text


def test_a_hundred_classes_stay_readable_and_small(tmp_path):
    names = [f"class {k} 한글" for k in range(100)]
    run = make_run(tmp_path / "run", names=names, epochs=3)
    make_examination(run, names, examples=3000, right=0.6)
    path = write_report(run)
    assert path.stat().st_size < 450_000
    page = Page(path.read_text(encoding="utf-8"))
    counts = json.loads(page.values("svg", "data-counts")[0])
    assert len(counts) == 100
    assert sum(sum(row[1::2]) for row in counts) == 3000
    assert "Most often confused" in page.text


def test_features_instead_of_images(tmp_path):
    run = make_run(tmp_path / "run", names=["a", "b"], epochs=1)
    make_examination(run, ["a", "b"], shape=(4,), weights=np.ones((7, 4), np.float32))
    text = page_of(run).text
    assert "The data are not images" in text


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: "{",
        lambda found: "[]",
        lambda found: json.dumps({**found, "format": 9}),
        lambda found: json.dumps({**found, "confusion": [[1]]}),
        lambda found: json.dumps({**found, "classes": None}),
        lambda found: json.dumps({**found, "right": [{"index": 0}]}),
        lambda found: json.dumps(
            {**found, "weights": [{"image": "javascript:alert(1)", "norm": 1, "label": None}]}
        ),
        lambda found: json.dumps(
            {
                **found,
                "weights": [
                    {"image": 'data:image/png;base64,AA" onerror=x', "norm": 1, "label": None}
                ],
            }
        ),
        lambda found: json.dumps({**found, "confusion": [[-1] * 10] * 10}),
        lambda found: "[" * 5000,
    ],
)
def test_a_damaged_examination_leaves_a_sentence(tmp_path, spoil):
    run = make_run(tmp_path / "run", epochs=1)
    make_examination(run, [str(k) for k in range(10)], examples=30)
    path = run.path / "evaluation.json"
    path.write_text(spoil(json.loads(path.read_text())))
    page = page_of(run)
    assert "evaluation.json is damaged" in page.text
    assert "img" not in page.tags


def test_damaged_side_files_are_told(tmp_path):
    run = make_run(tmp_path / "run", epochs=1)
    (run.path / "config.toml").write_bytes(b"\xff = [")
    (run.path / "environment.json").unlink()
    text = page_of(run).text
    assert "config.toml could not be read" in text
    assert "environment.json could not be read" in text


def test_a_damaged_metrics_line_is_an_error_that_names_it(tmp_path):
    run = make_run(tmp_path / "run", epochs=1)
    with (run.path / "metrics.jsonl").open("a") as stream:
        stream.write("{broken\n")
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl, line \d+"):
        write_report(run)


def test_an_older_page_is_replaced_whole(tmp_path):
    run = make_run(tmp_path / "run", epochs=1)
    (run.path / "report.html").write_text("old")
    write_report(run)
    assert [p.name for p in run.path.iterdir() if "report" in p.name] == ["report.html"]


# ── what the curves say ────────────────────────────────────────────────────────────────────


def invented(losses=(), *, train=(), validation=(), start=None, **parts):
    record = Record(
        "run",
        start=start
        or {"classes": ["a", "b"], "loss_at_chance": 0.693, "loss_before_learning": 0.7},
    )
    for k, loss in enumerate(losses):
        record.epochs.append(
            {
                "step": 10 * (k + 1),
                "epoch": k + 1,
                "train_loss": loss,
                "validation_loss": loss,
                "train_accuracy": (train or [0.8] * 99)[k],
                "validation_accuracy": (validation or [0.8] * 99)[k],
                "lr": 0.1,
            }
        )
    for name, value in parts.items():
        setattr(record, name, value)
    return record


def kinds(record):
    return {one.title: one.kind for one in findings(record)}


def test_a_healthy_run_has_nothing_to_look_at(tmp_path):
    found = kinds(read(make_run(tmp_path / "run")))
    assert "look" not in {kind for title, kind in found.items() if title != "Many dead units"}
    assert found["The loss began where it should"] == "good"
    assert found["Updates of a healthy size"] == "good"


@pytest.mark.parametrize(
    ("losses", "title"),
    [
        ([0.7, 0.9, 1.4], "The training loss rose"),
        ([0.69, 0.689, 0.688], "The training loss hardly moved"),
        ([0.69, 0.69, 0.685, 0.688, 0.3, 0.1], "A plateau, then a drop"),
        ([2.0, 0.6, 0.3], "The loss rose above guessing first"),
        ([0.6, 0.4, 0.3], "Still falling at the end"),
        ([0.6, 0.2, 0.1, 0.099], "The training loss fell"),
    ],
)
def test_the_shape_of_the_loss(losses, title):
    assert title in kinds(invented(losses))


def test_rising_accuracy_on_a_flat_loss_is_no_bug():
    record = invented([2.302, 2.301, 2.3], train=[0.1, 0.15, 0.2])
    record.start["loss_at_chance"] = 2.3026
    found = {one.title: one.text for one in findings(record)}
    assert "no bug" in found["The training loss hardly moved"]


def test_the_gap():
    assert "Overfitting" in kinds(invented([1, 0.5], train=[1, 1], validation=[0.7, 0.71]))
    assert "Room for a larger model" in kinds(
        invented([1, 0.5], train=[0.6, 0.6], validation=[0.6, 0.6])
    )


def test_update_ratios_gradients_and_units():
    lines = [
        {
            "step": 1,
            "update_ratio": {"a.weight": 0.5, "b.weight": 1e-3},
            "gradient_norm": {"a.weight": 1e-6, "b.weight": 1e-3, "c.weight": 1.0},
        }
    ]
    activations = [{"epoch": 1, "layers": {"1": {"dead": 0.5}, "2": {"saturated": 0.4}}}]
    found = kinds(invented([1.0], layers=lines, activations=activations))
    for title in (
        "Large updates",
        "Vanishing gradients",
        "Very many dead units",
        "Saturated units",
    ):
        assert found[title] == "look"
    lines[0]["update_ratio"] = {"a.weight": 1e-6}
    assert "Small updates" in kinds(invented([1.0], layers=lines))


def test_a_loss_that_begins_too_high_is_told():
    record = invented(start={"classes": ["a"], "loss_at_chance": 2.3, "loss_before_learning": 9})
    assert kinds(record)["The loss did not begin at chance"] == "look"


def test_remarks_of_the_watch_are_told(tmp_path):
    run = make_run(tmp_path / "r")
    assert "Remarks during training" not in page_of(run).text
    seen = {"event": "remark", "step": 40, "kind": "dead", "about": HOSTILE, "share": 0.75}
    for line in (seen, {**seen, "kind": "unheard of"}, {"event": "remark"}):
        run.log("metrics", line)
    run.flush()
    page = page_of(run)
    assert "Remarks during training" in page.text
    assert "75% of the ReLUs are dead" in page.text
    assert page.text.count("Step 40") == 1
    assert "#lost-units" in page.values("a", "href")

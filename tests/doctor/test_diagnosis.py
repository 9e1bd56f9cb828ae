"""What is said: causes first, in two languages, with nothing missing."""

import json
import re

import pytest

from backlight import doctor, optim
from backlight.doctor import probes
from backlight.words import catalogue
from tests.doctor.broken import BROKEN, blobs, fit, mlp

WATCHED = {}


def watched(name):
    if name not in WATCHED:
        script = next(script for known, script, _ in BROKEN if known == name)
        WATCHED[name] = doctor.watch(lambda: script(0))
    return WATCHED[name]


def test_every_probe_says_what_it_checks_expects_finds_and_advises():
    for language in ("en", "ko"):
        known = catalogue(language, "doctor")
        for name in doctor.PROBES:
            for entry in ("title", "expects", "found", "remedy"):
                assert known.get(f"{name}.{entry}"), (language, name, entry)


def test_the_catalogues_have_the_same_entries_and_places():
    english, korean = (catalogue(code, "doctor") for code in ("en", "ko"))
    assert english.keys() == korean.keys()
    for name, text in english.items():
        assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", korean[name])), name


def test_no_korean_particle_is_glued_to_a_place():
    for name, text in catalogue("ko", "doctor").items():
        assert not re.search(r"\}(은|는|이|가|을|를|과|와|으로|로)(?=\W|$)", text), name


def test_probes_are_declared_in_the_order_of_their_families():
    places = [probes.FAMILIES.index(_family(one)) for one in doctor.PROBES.values()]
    assert places == sorted(places)


def _family(probe):
    return probe.look.__module__.rpartition(".")[2]


def test_consequences_come_after_their_cause():
    found = watched("begins_at_zero")
    assert [one.probe for one in found.faults] == ["same_weights"]
    assert {one.probe for one in found.consequences} >= {"plateau", "constant_output"}
    lines = found.text(language="en").splitlines()
    assert lines[0].startswith("FAULT  hidden units are all alike")
    assert any(line.startswith("follows from same_weights") for line in lines)
    assert lines[-1] == "faults: 1 · warnings: 0"


def test_everything_is_shown_on_request_with_reasons():
    text = watched("forgets_zero_grad").text(everything=True, language="en")
    assert "not checked  dropout leaves enough: there is no dropout" in text
    assert re.search(r"ok  loss at chance: begins at 2\.\d+, chance is 2\.303", text)


def test_what_is_well_is_told_with_its_number():
    for language in ("en", "ko"):
        said = {n.rpartition(".")[0] for n in catalogue(language, "doctor") if n.endswith(".well")}
        assert said <= doctor.PROBES.keys()
        assert {"loss_at_chance", "wrong_gradient", "penalty_sign", "units_died"} <= said


@pytest.mark.parametrize(("strength", "told"), [(0.0, "none is set"), (0.1, "weight decay alone")])
def test_loss_rises_with_regularisation_is_checked_without_a_penalty_too(strength, told):
    x, y = blobs(0)
    model = mlp(6, 16, 3)
    rule = optim.SGD(model.parameters(), lr=0.05, weight_decay=strength)
    found = doctor.watch(lambda: fit(model, x, y, rule=rule))
    text = found.text(everything=True, language="en")
    assert re.search(f"ok  loss rises with regularisation: {told}", text)


class Growing(optim.SGD):
    """Weight decay with the wrong sign."""

    def rule(self, w, g, slots, s):
        return w - s.lr * (g - s.weight_decay * w), slots


def test_decay_that_lets_weights_grow_is_a_fault():
    x, y = blobs(0)
    model = mlp(6, 16, 3)
    rule = Growing(model.parameters(), lr=0.05, weight_decay=0.1)
    found = doctor.watch(lambda: fit(model, x, y, rule=rule))
    assert [one.probe for one in found.faults] == ["penalty_sign"]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_sentence_can_be_said(language):
    for name in ("forgets_zero_grad", "learns_at_thirty", "stacks_twelve_sigmoids", "forgets_step"):
        told = watched(name).to_dict(language)
        assert json.loads(json.dumps(told, default=str))["faults"]
        assert "{" not in watched(name).text(everything=True, language=language)


def test_the_remedy_of_a_rate_names_a_rate():
    remedy = watched("learns_at_thirty").faults[0].remedy("en")
    assert 1e-4 <= float(re.search(r"learning rate (\S+):", remedy)[1]) <= 5

"""What is said: causes first, in two languages, with nothing missing."""

import json
import re

import pytest

from backlight import doctor
from backlight.doctor import probes
from backlight.words import catalogue
from tests.doctor.broken import BROKEN

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
    assert "ok  loss at chance: 2." in text


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_sentence_can_be_said(language):
    for name in ("forgets_zero_grad", "learns_at_thirty", "stacks_twelve_sigmoids", "forgets_step"):
        told = watched(name).to_dict(language)
        assert json.loads(json.dumps(told, default=str))["faults"]
        assert "{" not in watched(name).text(everything=True, language=language)


def test_the_remedy_of_a_rate_names_a_rate():
    remedy = watched("learns_at_thirty").faults[0].remedy("en")
    assert 1e-4 <= float(re.search(r"learning rate (\S+):", remedy)[1]) <= 5

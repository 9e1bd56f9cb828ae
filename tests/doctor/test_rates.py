"""The doctor's score: what it detects of planted faults, and what it alarms on in sound scripts.

`docs/doctor.md` prints the score; here it is computed again and compared. With
BACKLIGHT_DOCTOR_SEEDS=10 the rates over ten seeds are computed too.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import backlight as bl
from backlight import doctor
from tests.doctor.broken import BROKEN
from tests.doctor.second_broken import SECOND
from tests.doctor.second_sound import SECOND_SOUND
from tests.doctor.sound import SOUND
from tests.doctor.third import BROKEN as THIRD
from tests.doctor.third import SOUND as THIRD_SOUND
from tests.doctor.unseen import UNSEEN

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
LATER = [*UNSEEN, *SECOND, *THIRD]
ALL_SOUND = [*SOUND, *SECOND_SOUND, *THIRD_SOUND]
SEEDS = int(os.environ.get("BACKLIGHT_DOCTOR_SEEDS", "0"))


def watched(script, seed):
    np.random.seed(seed)
    bl.manual_seed(seed)
    found = doctor.watch(lambda: script(seed))
    assert not [one.found() for one in found.findings if one.reason == "failed"]
    return found


def headline(found):
    """The probe that is told first, and whether as a fault."""
    told = (*found.faults, *found.warnings)
    return (told[0].probe, bool(found.faults)) if told else ("", False)


@pytest.fixture(scope="module")
def first_words():
    return {name: headline(watched(script, 0)) for name, script, _ in BROKEN}


@pytest.mark.parametrize(("name", "causes"), [(name, causes) for name, _, causes in BROKEN])
def test_the_cause_is_named_first(name, causes, first_words):
    assert first_words[name][0] in causes


@pytest.mark.parametrize(("name", "script", "causes"), LATER, ids=[one[0] for one in LATER])
def test_so_it_is_in_scripts_written_afterwards(name, script, causes):
    assert headline(watched(script, 0))[0] in causes


@pytest.mark.parametrize(("name", "script"), ALL_SOUND, ids=[name for name, _ in ALL_SOUND])
def test_sound_scripts_have_no_fault(name, script):
    found = watched(script, 0)
    assert not found.faults, found.text()


def test_there_are_enough_of_both(first_words):
    assert len(BROKEN) >= 25
    assert len(SOUND) >= 15
    assert sum(as_fault for _, as_fault in first_words.values()) >= len(BROKEN) - 1


def test_every_probe_that_names_a_cause_has_a_broken_script():
    named = {cause for _, _, causes in [*BROKEN, *SECOND] for cause in causes}
    levels = {doctor.Level.CAUSE, doctor.Level.RATE}
    causes = {name for name, probe in doctor.PROBES.items() if probe.level in levels}
    assert causes <= named | {"exploding_gradient"}


def test_the_page_prints_the_score(first_words):
    """The page's counts are those of the lists."""
    page = PAGE.read_text(encoding="utf-8")
    right = sum(first_words[name][0] in causes for name, _, causes in BROKEN)
    assert f"{right} of {len(BROKEN)} planted faults" in page
    for later in (UNSEEN, SECOND, THIRD):
        assert f"{len(later)} of {len(later)} planted faults" in page
    for sound in (SOUND, SECOND_SOUND, THIRD_SOUND):
        assert f"0 of {len(sound)} sound scripts" in page
    for name in doctor.PROBES:
        assert f"`{name}`" in page


@pytest.mark.skipif(not SEEDS, reason="BACKLIGHT_DOCTOR_SEEDS is not set: takes minutes")
def test_rates_over_seeds():
    page = PAGE.read_text(encoding="utf-8")
    for broken in (BROKEN, UNSEEN, SECOND, THIRD):
        assert f"| {rates(broken)}" in page
    for sound in (SOUND, SECOND_SOUND, THIRD_SOUND):
        alarms = sum(bool(watched(s, seed).faults) for _, s in sound for seed in range(SEEDS))
        assert f"| {alarms} of {len(sound) * SEEDS}" in page


def rates(scripts):
    """How often the planted cause was named first, over all seeds."""
    hits = sum(
        headline(watched(script, seed))[0] in causes
        for _, script, causes in scripts
        for seed in range(SEEDS)
    )
    return f"{hits} of {len(scripts) * SEEDS}"

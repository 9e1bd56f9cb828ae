"""The page's files: small, without markup from data, every word of them in the catalogues."""

import re
from pathlib import Path

import pytest

from backlight.studio.screens import NAMES
from backlight.words import catalogue

WEB = Path(__file__).parents[2] / "backlight" / "studio" / "web"
SCRIPTS = sorted(WEB.glob("*.js"))
STUDIO = Path(__file__).parents[2] / "backlight" / "studio"
NESTED = {
    "toy.setting.": 10,
    "toy.data.": 5,
    "check.fault.": 6,
    "race.surface.": 5,
    "landscape.direction.": 3,
}
PARTS = re.compile(
    r'say\(`([a-z_.]+)\$\{|say\(\s*"([\w.-]+)"|"((?:keys|axis|runs|compiler|check)\.[\w.]+)"'
)


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_scripts_are_small_and_make_no_markup_from_data(file):
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "eval(",
        "new Function",
        "document.write",
    ):
        assert word not in text.replace("there is no innerHTML anywhere", "")
    assert not re.search(r"https?://", text.replace("http://www.w3.org/2000/svg", ""))
    assert not re.search(r"Math\.(exp|tanh|sin|cos)\b", text), "no gate is computed in the page"


def test_the_script_of_notebooks_makes_no_markup_either():
    shared = STUDIO.parent / "explain" / "circuit" / "web" / "circuit.js"
    text = shared.read_text(encoding="utf-8")
    assert not re.search(r"(inner|outer)HTML|insertAdjacentHTML|document\.write|eval\(", text)


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_what_is_imported_is_there(file):
    for name in re.findall(r'from "/web/([\w.]+)"', file.read_text(encoding="utf-8")):
        shared = STUDIO.parent / "explain" / "circuit" / "web" / name
        assert (WEB / name).is_file() or shared.is_file()


def test_every_screen_has_its_script_and_its_name():
    for name in NAMES:
        assert (WEB / f"{name}_screen.js").is_file()
        assert f"screen.{name}" in catalogue("en", "studio")


def asked():
    """Every meaning that the studio asks for, and beginnings of meanings."""
    whole, begun = set(), set()
    for file in SCRIPTS:
        for beginning, plain, listed in PARTS.findall(file.read_text(encoding="utf-8")):
            (begun.add(beginning) if beginning else whole.add(plain or listed))
    for file in STUDIO.glob("*.py"):
        for meaning in re.findall(r'"studio\.([\w.]+)', file.read_text(encoding="utf-8")):
            (begun if meaning.endswith(".") else whole).add(meaning)
    return whole, begun


def test_every_word_that_is_asked_for_is_there():
    known = set(catalogue("en", "studio"))
    whole, begun = asked()
    modules = {"checks.", "circuits."}
    missing = {one for one in whole if one not in known and "." in one} - modules
    calls = {one for one in missing if re.match(r"(check|compiler|runs|race)\.\w+$", one)}
    from backlight.studio.desk import DESK

    assert not missing - {one for one in calls if one in DESK.entries}
    assert not [one for one in begun if not any(key.startswith(one) for key in known)]


def test_no_word_is_there_for_nothing():
    text = "".join(file.read_text(encoding="utf-8") for file in (*SCRIPTS, *STUDIO.glob("*.py")))
    _, begun = asked()
    unused = [
        key
        for key in catalogue("en", "studio")
        if f'"{key}"' not in text
        and not any(key.startswith(one) for one in begun)
        and f'"{key.rpartition(".")[2]}"' not in text
    ]
    assert not unused


def test_korean_says_all_of_it_with_the_same_places():
    english, korean = catalogue("en", "studio"), catalogue("ko", "studio")
    assert set(english) == set(korean)
    places = {key: sorted(set(re.findall(r"\{(\w+)", text))) for key, text in english.items()}
    other = {key: sorted(set(re.findall(r"\{(\w+)", text))) for key, text in korean.items()}
    assert places == other


def test_no_korean_particle_is_glued_to_a_place():
    particle = re.compile(r"\}(은|는|이|가|을|를|과|와|으로|로|이다|입니다)(?![가-힣])")
    assert not [text for text in catalogue("ko", "studio").values() if particle.search(text)]


def test_colours_stand_out_in_both_themes():
    style = (WEB / "style.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root[^{]*\{([^}]*--ground[^}]*)\}", style)
    assert len(blocks) == 3

    def light(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    for block in blocks:
        named = dict(re.findall(r"--(\w[\w-]*): (#[0-9a-f]{6})", block))
        for ground in ("ground", "panel", "raised"):
            for ink in ("text", "quiet", "value", "gradient", "accent"):
                a, b = sorted((light(named[ink]), light(named[ground])))
                assert (b + 0.05) / (a + 0.05) >= 4.5, (ink, ground)

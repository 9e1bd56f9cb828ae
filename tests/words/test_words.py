"""The catalogues: the same meanings and places in every language, none unused, none missing."""

import ast
import re
import string
from functools import cache
from pathlib import Path

import pytest

from backlight import words
from backlight.errors import ArgumentError

ROOT = Path(words.__file__).parent
PACKAGE = ROOT.parent
PARTS = sorted(path.stem for path in (ROOT / "en").glob("*.toml"))
BOTH_FORMS = "은는이가을를과와로"
PARTICLE = re.compile(
    rf"\}}[\"'”’)\]]*(?:[{BOTH_FORMS}](?![가-힣])|으로|이다|이며|이고|이라|라고|이나|아서|이면|이에요|예요|였|이었)"
)
"""A particle whose form depends on the sound before it, glued to what nobody can know."""
ASIDE = re.compile(r"(?<=[가-힣])\([^)]*\)")
"""A remark in brackets behind a Korean word: the particle follows the word, as in 결과({x})를."""


def glued(sentence):
    return bool(PARTICLE.search(ASIDE.sub("", sentence)))


def places(sentence):
    return sorted(name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None)


@cache
def strings_by_file():
    """Every piece of text in the package's code, f-strings with \\0 for what changes."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        here = found[path] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                here.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else "\0" for p in node.values]
                here.add("".join(parts))
            elif isinstance(node, ast.ClassDef):  # members of an enumeration, told by their names
                targets = [t for n in node.body if isinstance(n, ast.Assign) for t in n.targets]
                here.update(t.id.lower() for t in targets if isinstance(t, ast.Name))
    return found


@cache
def strings():
    return set().union(*strings_by_file().values())


def speakers(part):
    """The texts of the files that speak of this part."""
    files = strings_by_file().values()
    return set().union(*[here for here in files if any(t.startswith(f"{part}.") for t in here)])


@cache
def scripts():
    """Every word, also dotted, of the package's pages and their programs."""
    found = set()
    for path in PACKAGE.rglob("*"):
        if path.suffix in (".js", ".html") and path.stat().st_size < 500_000:
            found.update(re.findall(r"[A-Za-z_][\w.]*", path.read_text(encoding="utf-8")))
    return found | {piece for word in found for piece in word.split(".")}


@pytest.mark.parametrize("part", PARTS)
def test_every_language_has_the_same_meanings(part):
    english = words.catalogue("en", part)
    assert english
    for code in words.LANGUAGES:
        assert words.catalogue(code, part).keys() == english.keys(), code


@pytest.mark.parametrize("part", PARTS)
def test_every_language_has_the_same_places(part):
    for code in words.LANGUAGES:
        for entry, sentence in words.catalogue(code, part).items():
            english = words.catalogue("en", part)[entry]
            assert set(places(sentence)) == set(places(english)), (code, entry)


@pytest.mark.parametrize("part", PARTS)
def test_no_particle_is_glued_to_a_place(part):
    found = {e: sentence for e, sentence in words.catalogue("ko", part).items() if glued(sentence)}
    assert not found


@pytest.mark.parametrize(
    ("sentence", "wrong"),
    [
        ("{name}은 입력입니다", True),
        ("{name}로 갑니다", True),
        ("'{name}'를 봅니다", True),
        ("({name})이 없습니다", True),
        ("값은 {value}이고", True),
        ("값은 {value}입니다", False),
        ("결과({value})를 잃습니다", False),
        ("{name} 값은 {size}만큼", False),
        ("{name}의 값", False),
        ("{name}에서", False),
        ("{layer}가중치", False),
    ],
)
def test_glued_particles_are_seen(sentence, wrong):
    assert glued(sentence) is wrong


def unused(part, entries):
    """The entries that no text in the code can be: whole, or with its end put in."""
    told = {text for text in strings() if text.startswith(f"{part}.")}
    whole = {text.removeprefix(f"{part}.") for text in strings()} | scripts()
    open_ends = {text for text in whole if "\0" in text and len(text.replace("\0", "")) > 2}
    open_ends |= {text for text in speakers(part) if text in ("\0_\0", "\0.\0")}
    open_ends |= {f"{text}\0" for text in scripts() if text.endswith("_") and len(text) > 2}
    open_ends |= {f"\0.{text}" for text in open_ends if text.endswith("_\0")}
    open_ends |= {text.removeprefix(f"{part}.") for text in told} - {"\0"}
    patterns = [
        (text.rpartition(".")[2] == "\0", re.compile(re.escape(text).replace("\0", ".+")))
        for text in open_ends
    ]
    left = []
    for entry in entries:
        group, _, last = entry.rpartition(".")
        said = entry in whole or any(
            pattern.fullmatch(entry) and (last in whole or not open_) for open_, pattern in patterns
        )
        # say(f"circuit.exercise.{entry}") with entry="sign": the group in one text, its end in
        # another; pages are handed whole groups.
        built = last in whole and any(text.startswith(group) for text in whole)
        if not (said or built):
            left.append(entry)
    return left


@pytest.mark.parametrize("part", PARTS)
def test_no_meaning_is_unused(part):
    assert unused(part, words.catalogue("en", part)) == []


def test_unused_meanings_are_seen():
    entries = ["jacobian.nobody_says_it", "nobody", "step.sum", "lead.mixer", "exercise.sign"]
    assert unused("circuit", entries) == entries[:2]


def test_korean_is_korean():
    for part in PARTS:
        korean = words.catalogue("ko", part)
        same = [entry for entry in korean if korean[entry] == words.catalogue("en", part)[entry]]
        assert len(same) <= 0.25 * len(korean), (part, same)


def test_language_follows_the_surroundings(monkeypatch):
    for name in ("BACKLIGHT_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert words.language() == "en"
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    assert words.language() == "ko"
    assert words.say("circuit.heading.value") == "값"
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert words.language() == "en"
    monkeypatch.setenv("BACKLIGHT_LANG", "ko")
    assert words.language() == "ko"
    monkeypatch.setenv("BACKLIGHT_LANG", "../../etc")
    assert words.language() == "en"


def test_a_block_speaks_and_stops():
    before = words.language()
    with words.speaking("ko"):
        assert words.say("circuit.role.wall") == "벽(wall)"
        with words.speaking(None):
            assert words.language() == "ko"
    assert words.language() == before


def test_setting_a_language():
    words.set_language("ko")
    try:
        assert words.language() == "ko"
    finally:
        words.set_language(None)


@pytest.mark.parametrize("code", ["fr", "", "KO", "../en", "en/../ko"])
def test_unknown_languages_are_refused(code):
    with pytest.raises(ArgumentError, match="It needs one of en, ko"):
        words.say("circuit.heading.value", code)
    with pytest.raises(ArgumentError), words.speaking(code):
        pass


@pytest.mark.parametrize(
    "meaning", ["circuit.heading.valeu", "nothing", "", "../en/circuit.heading.value", "circuit"]
)
def test_unknown_meanings_are_refused(meaning):
    with pytest.raises(ArgumentError, match="the catalogue of words"):
        words.say(meaning)


def test_what_a_language_lacks_is_said_in_english(monkeypatch):
    monkeypatch.setattr(
        words, "catalogue", lambda code, part: {"one": "one"} if code == "en" else {}
    )
    assert words.say("any.one", "ko") == "one"

"""The cache of machine code: used when it is this user's own work, and never otherwise."""

import hashlib
import os
import random
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from backlight.native.machine_code import cache
from backlight.native.machine_code.private_folder import PrivateFolder

posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="modes and owners are those of POSIX")


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """A cache and a key for this test alone."""
    monkeypatch.setenv("BACKLIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name, empty in (("_said", set()), ("_keys", {}), ("_stores", 0)):
        monkeypatch.setattr(cache, name, empty)
    return tmp_path


@pytest.fixture
def there(places):
    return places / "cache"


CODE = bytes(range(256)) * 5


def built(material="kernel", code=CODE):
    """Ask for code; what came, and whether it had to be made."""
    made = []

    def build():
        made.append(1)
        return code

    return cache.get_or_build(material, build), bool(made)


def entry(there, material="kernel"):
    return there / cache.name(material)


def test_the_second_time_nothing_is_built(there):
    assert built() == (CODE, True)
    assert built() == (CODE, False)
    assert built("another") == (CODE, True)
    assert built("", b"") == (b"", True)
    assert built("", b"") == (b"", False)
    assert built(b"\xff\0", b"x") == (b"x", True)
    assert built("lone \ud800", b"y") == (b"y", True)
    assert cache.name("text") == cache.name(b"text")


@posix
def test_modes(there, places):
    old = os.umask(0)
    try:
        built()
    finally:
        os.umask(old)
    key = places / "state" / "backlight" / "cache.key"
    for path, mode in ((there, 0o700), (entry(there), 0o600), (key, 0o600), (key.parent, 0o700)):
        assert stat.S_IMODE(path.stat().st_mode) == mode, path
    assert there not in key.parents
    assert len(list(there.iterdir())) == 1


def test_flipped_bits(there):
    built()
    path = entry(there)
    good = path.read_bytes()
    chooser = random.Random(1)  # noqa: S311 - which bits, not a secret
    for place in [*range(80), *(chooser.randrange(8 * len(good)) for _ in range(200))]:
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        path.write_bytes(bad)
        assert cache.load(path.name) is None
    assert built() == (CODE, True)
    assert path.read_bytes() == good


def test_truncated_and_extended(there):
    built()
    path = entry(there)
    good = path.read_bytes()
    for length in [*range(70), *range(70, len(good), 37)]:
        path.write_bytes(good[:length])
        assert cache.load(path.name) is None
    path.write_bytes(good + b"\0")
    assert cache.load(path.name) is None
    path.write_bytes(good)
    assert built() == (CODE, False)


def test_swapped_entries(there):
    built("one", b"code of one")
    built("two", b"code of two")
    one, two = entry(there, "one"), entry(there, "two")
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert built("one", b"code of one") == (b"code of one", True)
    assert built("two", b"code of two") == (b"code of two", True)


def test_an_entry_made_without_the_key(there, places, monkeypatch):
    built()
    forged = entry(there).read_bytes()
    (places / "state" / "backlight" / "cache.key").unlink()  # as if copied to another user
    monkeypatch.setattr(cache, "_keys", {})
    assert built() == (CODE, True)
    assert entry(there).read_bytes() != forged


def test_an_unkeyed_digest_is_not_enough(there):
    built()
    path = entry(there)
    plain = hashlib.sha256(b"evil").digest()
    path.write_bytes(path.read_bytes()[:25] + plain + b"evil")
    assert built() == (CODE, True)


@posix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o720])
def test_a_folder_others_may_write_to(there, mode):
    there.mkdir()
    there.chmod(mode)
    with pytest.warns(cache.CacheWarning, match="mode"):
        assert built() == (CODE, True)
    assert built() == (CODE, True)  # and said only once
    assert not list(there.iterdir())


@posix
def test_a_folder_of_another_user(there, monkeypatch):
    there.mkdir(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: there.stat().st_uid + 1)
    with pytest.warns(cache.CacheWarning, match="belongs to user"):
        assert built() == (CODE, True)


@posix
def test_a_linked_folder(there, places):
    target = places / "elsewhere"
    target.mkdir(0o700)
    there.symlink_to(target)
    with pytest.warns(cache.CacheWarning, match="link"):
        assert built() == (CODE, True)
    assert not list(target.iterdir())


@posix
def test_an_entry_of_others(there, monkeypatch):
    built()
    entry(there).chmod(0o622)
    with pytest.warns(cache.CacheWarning, match="mode"):
        assert built() == (CODE, True)


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_others_could_read(places, mode):
    built()
    (places / "state" / "backlight" / "cache.key").chmod(mode)
    cache._keys.clear()
    with pytest.warns(cache.CacheWarning, match="mode"):
        assert built() == (CODE, True)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_key(places, content):
    built()
    (places / "state" / "backlight" / "cache.key").write_bytes(content)
    cache._keys.clear()
    with pytest.warns(cache.CacheWarning):
        assert built() == (CODE, True)


def test_a_key_inside_the_cache(places, monkeypatch):
    monkeypatch.setenv("BACKLIGHT_CACHE", str(places / "state"))
    with pytest.warns(cache.CacheWarning, match="inside"):
        assert built() == (CODE, True)


@posix
@pytest.mark.parametrize("kind", ["entry", "dangling", "key"])
def test_planted_links(there, places, kind):
    built()
    target = places / "target"
    target.write_bytes(b"precious")
    place = entry(there)
    if kind == "key":
        place = places / "state" / "backlight" / "cache.key"
        cache._keys.clear()
    place.unlink()
    place.symlink_to(places / "nowhere" if kind == "dangling" else target)
    with pytest.warns(cache.CacheWarning):
        assert built() == (CODE, True)
    assert target.read_bytes() == b"precious"
    assert not (places / "nowhere").exists()
    if kind != "key":
        assert not place.is_symlink()  # replaced by a plain entry
        assert built() == (CODE, False)


@posix
def test_a_link_planted_at_the_temporary_name(there, places, monkeypatch):
    built()
    target = places / "target"
    target.write_bytes(b"precious")
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)
    (there / (".new-" + "0" * 16)).symlink_to(target)
    with pytest.warns(cache.CacheWarning):
        assert built("other") == (CODE, True)
    assert target.read_bytes() == b"precious"


@posix
@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_other_things_at_the_entrys_name(there, kind):
    there.mkdir(0o700)
    if kind == "folder":
        entry(there).mkdir()
    else:
        os.mkfifo(entry(there))  # must not be waited for
    with pytest.warns(cache.CacheWarning):
        assert built() == (CODE, True)


def test_a_file_in_place_of_the_folder(there):
    there.write_bytes(b"")
    with pytest.warns(cache.CacheWarning):
        assert built() == (CODE, True)
    assert there.read_bytes() == b""


@posix
def test_a_folder_that_can_only_be_read(there, monkeypatch):
    built()

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(PrivateFolder, "write", refuse)
    assert built() == (CODE, False)
    with pytest.warns(cache.CacheWarning, match="denied"):
        assert built("new") == (CODE, True)
    assert built("newer") == (CODE, True)


def test_a_full_disk(there):
    """A real one: /dev/full cannot be a folder, so that writing is held to some bytes."""
    if not hasattr(os, "fork"):
        pytest.skip("this platform has no limit on the size of files")
    program = """
import resource, signal, warnings
from backlight.native.machine_code import cache
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
cache.get_or_build("first", lambda: b"x")
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for number in range(3):
        assert cache.get_or_build("big", lambda: b"y" * 10000) == b"y" * 10000
print([one.category.__name__ for one in caught])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("['CacheWarning']\n", "")
    assert [one.name for one in there.iterdir()] == [cache.name("first")]


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are those of Linux")
def test_a_folder_whose_name_is_not_utf8(places, monkeypatch):
    monkeypatch.setenv("BACKLIGHT_CACHE", str(places / os.fsdecode(b"not-utf8-\xff")))
    assert built() == (CODE, True)
    assert built() == (CODE, False)


def test_nowhere_to_put_it(monkeypatch):
    monkeypatch.setenv("BACKLIGHT_CACHE", "/proc/backlight/cache")
    with pytest.warns(cache.CacheWarning):
        assert built() == (CODE, True)
    assert built() == (CODE, True)


@pytest.mark.parametrize("word", ["off", "OFF", "0", "no", " false "])
def test_off(there, monkeypatch, word):
    monkeypatch.setenv("BACKLIGHT_CACHE", word)
    assert cache.folder() is None
    assert built() == (CODE, True)
    assert built() == (CODE, True)
    assert not there.exists()


def test_the_usual_place(monkeypatch, places):
    monkeypatch.delenv("BACKLIGHT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(places / "home"))
    if sys.platform == "linux":
        assert cache.folder() == places / "home" / "backlight" / "native"
    assert {"backlight", "native"} <= set(cache.folder().parts)


def test_the_folder_may_vanish(there):
    built()
    entry(there).unlink()
    there.rmdir()
    assert built() == (CODE, True)
    assert built() == (CODE, False)


def test_size_is_bounded(there, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 5 * (len(CODE) + 57) + 10)
    monkeypatch.setattr(cache, "_STORES_PER_LOOK", 1)
    now = time.time()
    for number in range(12):
        built(f"{number}")
        os.utime(entry(there, f"{number}"), (now, now - 1000 + number))
    left = [number for number in range(12) if entry(there, f"{number}").exists()]
    assert left == [7, 8, 9, 10, 11]


def test_use_keeps_an_entry(there):
    built()
    long_ago = time.time() - 100 * 86400
    os.utime(entry(there), (long_ago, long_ago))
    built()
    assert entry(there).stat().st_mtime > time.time() - 100


def test_what_a_killed_process_left_goes(there):
    built()
    old, fresh = there / (".new-" + "1" * 16), there / (".new-" + "2" * 16)
    for path in (old, fresh):
        path.write_bytes(b"half")
    long_ago = time.time() - 2 * 3600
    os.utime(old, (long_ago, long_ago))
    cache._stores = 0
    built("other")
    assert (old.exists(), fresh.exists()) == (False, True)


def test_too_large_is_not_kept(there, monkeypatch):
    monkeypatch.setattr(cache, "_LARGEST", 100)
    assert built() == (CODE, True)
    assert built() == (CODE, True)


def test_sixteen_processes_at_once(there, places):
    program = """
import sys, time
from backlight.native.machine_code import cache
time.sleep(max(0, float(sys.argv[1]) - time.time()))
for number in range(10):
    code = str(number).encode() * 20000
    assert cache.get_or_build(f"kernel {number}", lambda: code) == code
"""
    start = str(time.time() + 0.7)
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, start], stderr=subprocess.PIPE
        )
        for _ in range(16)
    ]
    running[3].kill()
    for number, one in enumerate(running):
        _, said = one.communicate(timeout=60)
        assert number == 3 or (one.returncode, said) == (0, b"")
    for number in range(10):
        code = str(number).encode() * 20000
        assert built(f"kernel {number}", b"wrong") == (code, False)
    names = {one.name for one in there.iterdir() if not one.name.startswith(".new-")}
    assert names == {cache.name(f"kernel {number}") for number in range(10)}
    assert len(list((places / "state" / "backlight").iterdir())) == 1


def test_many_small_entries_are_quick(there):
    for number in range(40):
        built(f"{number}")
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        for number in range(40):
            assert cache.load(cache.name(f"{number}")) == CODE
        best = min(best, time.perf_counter() - start)
    assert best < 0.02


def test_compiled_code_comes_back(there):
    import ctypes

    from backlight.native.machine_code import build

    text = "define i64 @f(i64 %x) { %y = mul i64 %x, 3 ret i64 %y }"
    first = build.kept_object(text)
    assert len(list(there.iterdir())) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert build.kept_object(text) == first
    build.kept_object(text, level=0)
    assert len(list(there.iterdir())) == 2
    library = build.load([first])
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(library.address("f"))(4) == 12
    assert Path(entry(there)).parent == there

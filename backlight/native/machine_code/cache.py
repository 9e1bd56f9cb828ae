"""Machine code kept on disk, so that the second start compiles nothing.

Machine code that is loaded is machine code that is run. An entry is used only if this user's secret
key, kept in another folder, proves that this user stored exactly these bytes under exactly this
key. Everything else is as if it were not there: it is compiled again and stored over it. There are
no locks: entries appear whole, under their name, or not at all.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from backlight.native.machine_code.private_folder import NotPrivateError, PrivateFolder

LIMIT = 512 << 20
"""Bytes the cache may take; beyond them the entries not used for longest go."""

_MAGIC = b"backlight machine code 1\n"
_KEY_FILE = "cache.key"
_MAC = 32
_LARGEST = 64 << 20
_OFF = ("off", "0", "no", "false")
_STORES_PER_LOOK = 64
_DAY, _HOUR = 86400.0, 3600.0

_said: set[str] = set()
_keys: dict[Path, bytes] = {}
_stores = 0


class CacheWarning(RuntimeWarning):
    """The cache cannot be used; everything works without it, but compiles again."""


def folder() -> Path | None:
    """Where the code is kept: BACKLIGHT_CACHE, or a place by the platform's custom.

    None where BACKLIGHT_CACHE is "off".
    """
    told = os.environ.get("BACKLIGHT_CACHE", "")
    if told.strip().lower() in _OFF:
        return None
    if told:
        return Path(told).absolute()
    from platformdirs import user_cache_path

    return user_cache_path("backlight", appauthor=False) / "native"


def get_or_build(material: str | bytes, build: Callable[[], bytes]) -> bytes:
    """The code for `material`, from the cache or else from `build`.

    Parameters
    ----------
    material : str or bytes
        Everything the code depends on: text or structure of the kernel, target, versions.
    build : callable
        Makes the code where it is not there.
    """
    key = name(material)
    found = load(key)
    if found is None:
        found = build()
        store(key, found)
    return found


def name(material: str | bytes) -> str:
    """The SHA-256 under which the code for `material` is kept."""
    whole = material.encode("utf-8", "surrogatepass") if isinstance(material, str) else material
    return hashlib.sha256(_MAGIC + whole).hexdigest()


def load(key: str) -> bytes | None:
    """The code stored under a key of `name`; None where it is not there or not to be trusted."""
    place = folder()
    if place is None:
        return None
    try:
        with PrivateFolder(place) as opened:
            entry = opened.read(key, _LARGEST)
            secret = _secret(place)
            content = memoryview(entry)[len(_MAGIC) + _MAC :]
            if not hmac.compare_digest(entry[: len(_MAGIC) + _MAC], _head(secret, key, content)):
                return None
            opened.touch(key, _DAY)
            return bytes(content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        _without(place, problem)
        return None


def store(key: str, content: bytes) -> bool:
    """Keep code under a key of `name`; False where that cannot be done, which does no harm."""
    global _stores
    place = folder()
    if place is None or len(content) + len(_MAGIC) + _MAC > _LARGEST:
        return False
    try:
        with PrivateFolder(place) as opened:
            head = _head(_secret(place), key, content)
            opened.write(key, head + content)
            if _stores % _STORES_PER_LOOK == 0:
                _remove_oldest(opened)
            _stores += 1
    except (OSError, ValueError) as problem:
        _without(place, problem)
        return False
    return True


def _head(secret: bytes, key: str, content: bytes | memoryview) -> bytes:
    proof = hmac.new(secret, _MAGIC + key.encode("ascii") + b"\n", "sha256")
    proof.update(content)
    return _MAGIC + proof.digest()


def _without(place: Path, problem: Exception) -> None:
    """Say once, for each place, that the cache is not used."""
    if str(place) not in _said:
        _said.add(str(place))
        reason = getattr(problem, "strerror", None) or str(problem)
        warnings.warn(
            f"Machine code is compiled again at every start: the cache {str(place)!r} cannot be "
            f"used ({reason}). It must be a folder of yours that only you may write to; "
            "BACKLIGHT_CACHE names another one, or `off`.",
            CacheWarning,
            stacklevel=4,
        )


def _remove_oldest(opened: PrivateFolder) -> None:
    """Remove what a killed process left unfinished, and the oldest entries beyond the limit."""
    files = opened.files()
    total = sum(size for _, size, _ in files)
    for changed, size, file in files:
        unfinished = opened.is_temporary(file) and time.time() - changed > _HOUR
        if unfinished or total > LIMIT:
            opened.remove(file)
            total -= size


def _secret(cache: Path) -> bytes:
    """The user's key, made when first needed.

    Raises
    ------
    OSError
        If it cannot be had, or others could read it.
    """
    from platformdirs import user_state_path

    place = user_state_path("backlight", appauthor=False)
    if place not in _keys:
        if cache == place or cache in place.parents:
            raise NotPrivateError(f"the key to it is kept inside it, in {str(place)!r}")
        with PrivateFolder(place) as opened:
            _keys[place] = _read_or_make(opened)
    return _keys[place]


def _read_or_make(opened: PrivateFolder) -> bytes:
    try:
        secret = opened.read(_KEY_FILE, _MAC, forbidden=0o077)
    except FileNotFoundError:
        with suppress(FileExistsError):  # another process was quicker, and its file is whole
            opened.write(_KEY_FILE, secrets.token_bytes(_MAC), replace=False)
        secret = opened.read(_KEY_FILE, _MAC, forbidden=0o077)
    if len(secret) != _MAC:
        raise NotPrivateError(f"its key file {_KEY_FILE} is damaged: delete it")
    return secret

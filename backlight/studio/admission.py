"""The key in the opening address, and the cookie it is swapped for.

The key is drawn anew at every start and never written anywhere but to the terminal. The cookie
outlives a restart, so that an open page finds its way back; its secret lies in a folder that only
this user can read.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import MutableMapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from platformdirs import user_state_path

from backlight.native.machine_code.private_folder import PrivateFolder

KEY_BYTES = 32
MOST_WRONG = 30
WINDOW = 60.0
_LONGEST = 200


class Admission:
    """Decides who has come by the address that was printed.

    Parameters
    ----------
    port : int
        Part of the cookie's name: cookies do not know ports, and two studios must not mix theirs.
    folder : Path, optional
        Where the cookie's secret is kept. Default: the user's folder for such things.
    """

    def __init__(self, port: int, folder: Path | None = None) -> None:
        self.key = secrets.token_urlsafe(KEY_BYTES)
        self.cookie = f"backlight-{port}"
        self._secret = _kept(port, folder or user_state_path("backlight") / "studio")
        self._wrong: deque[float] = deque(maxlen=MOST_WRONG)
        self._once = ""
        self._until = 0.0

    def refused(self, scope: MutableMapping[str, Any]) -> int:
        """0 for a request with the cookie or the key; else 401, or 429 after many wrong keys."""
        if self.has_cookie(scope):
            return 0
        offered = self.offered(scope)
        if offered is None:
            return 401
        if scope["type"] == "http" and (same(offered, self.key) or self._is_once(offered)):
            return 0
        now = time.monotonic()
        many = len(self._wrong) == MOST_WRONG and now - self._wrong[0] < WINDOW
        self._wrong.append(now)
        return 429 if many else 401

    def once(self) -> str:
        """A key that opens once, within a minute: programs show others what they are started with.

        The browser is started with it, and whoever reads the list of processes reads a spent key.
        """
        self._once = secrets.token_urlsafe(KEY_BYTES)
        self._until = time.monotonic() + WINDOW
        return self._once

    def _is_once(self, offered: str) -> bool:
        right = bool(self._once) and same(offered, self._once)
        fresh = time.monotonic() < self._until
        if right:
            self._once = ""
        return right and fresh

    def offered(self, scope: MutableMapping[str, Any]) -> str | None:
        """The key in the address, if there is one."""
        query = bytes(scope["query_string"]).decode("latin-1")
        found = parse_qs(query, max_num_fields=8).get("key") if query.count("&") < 8 else None
        return found[0] if found else None

    def has_cookie(self, scope: MutableMapping[str, Any]) -> bool:
        """Whether the request brings this server's cookie."""
        for name, value in scope["headers"]:
            if name == b"cookie" and len(value) < LONGEST_COOKIES:
                with contextlib.suppress(CookieError):
                    found = SimpleCookie(value.decode("latin-1")).get(self.cookie)
                    if found is not None and same(found.value, self._secret):
                        return True
        return False

    def set_cookie(self) -> str:
        """The header that hands out the cookie."""
        return f"{self.cookie}={self._secret}; HttpOnly; SameSite=Strict; Path=/"


LONGEST_COOKIES = 8_192


def same(given: str, right: str) -> bool:
    """Whether two secrets are the same, in a time that does not say how far they agree."""
    return hmac.compare_digest(given[:_LONGEST].encode(), right.encode())


def _kept(port: int, folder: Path) -> str:
    """The secret of this port's cookie; a new one where none is kept or it cannot be."""
    fresh = secrets.token_urlsafe(KEY_BYTES)
    try:
        with PrivateFolder(folder) as place:
            try:
                return place.read(f"{port}.secret", _LONGEST, 0o077).decode("ascii")
            except (OSError, UnicodeDecodeError):
                place.write(f"{port}.secret", fresh.encode())
    except OSError:
        return fresh  # a page must then be opened anew after a restart
    return fresh

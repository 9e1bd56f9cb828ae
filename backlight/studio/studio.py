"""What all tabs share: the folder of runs, the toy that trains, the threads, who watches what."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backlight.studio import work

if TYPE_CHECKING:
    from backlight.studio.live import Tab


class Studio:
    """The state of a server.

    Parameters
    ----------
    runs : Path
        The folder in which run folders lie.
    target : str
        The address, within the page, that is opened first.
    """

    def __init__(self, runs: Path, target: str = "circuit") -> None:
        self.runs = runs
        self.target = target
        self.tabs: set[Tab] = set()
        self.quick = work.quick()
        self.slow = work.slow()
        self.held: dict[str, Any] = {}
        """What screens keep between questions, by their name: a toy that trains, a loaded net."""
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """Remember the loop that serves, so that threads can show frames."""
        self._loop = asyncio.get_running_loop()

    def end(self) -> None:
        """Stop what runs in threads. Training runs are processes of their own and go on."""
        for one in self.held.values():
            if hasattr(one, "close"):
                one.close()
        self.quick.close()
        self.slow.close()

    def show(self, topic: str, data: Any) -> None:
        """Send a frame to every tab that watches a topic; may be called from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._show, topic, data)

    def watches(self, topic: str) -> bool:
        """Whether any tab would see a frame of a topic."""
        return any(topic in tab.topics for tab in list(self.tabs))

    def watched(self, tab: Tab) -> None:
        """A tab has begun to watch: let those who make its topics show it where they are."""
        for one in list(self.held.values()):
            if hasattr(one, "shown_to"):
                one.shown_to(tab)

    def failed(self, name: str, problem: Exception) -> None:
        """Tell the terminal of a mistake of our own."""
        told = f"{type(problem).__name__}: {str(problem)[:150]}"
        sys.stderr.write(f"studio: {name} failed: {told}\n")

    def _show(self, topic: str, data: Any) -> None:
        for tab in list(self.tabs):
            tab.show(topic, data)

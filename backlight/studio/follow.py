"""Following a run folder while it grows, whoever trains into it, and starting and pausing runs.

A run is a process of its own: a reload, a second tab and a restart of the studio do not touch it.
Pausing is Ctrl-C to it: it saves and ends, and `--resume` takes it up to the same bits.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field, fields
from typing import IO, TYPE_CHECKING, Any

import psutil

from backlight.errors import BacklightError, CheckpointError, UsageError
from backlight.studio import run_files
from backlight.studio.desk import Ask, asked
from backlight.studio.runs import curves, lines_of, settings_of, take
from backlight.train.page.record import Record
from backlight.train.settings import Settings

if TYPE_CHECKING:
    from backlight.studio.live import Tab
    from backlight.studio.studio import Studio

PULSE = 0.3
LAST_WORDS = 2_000
"""Bytes that are shown of what a process said that could not train."""
MOST_TRAINING = 2
TOPIC = "run "
_FREE = (
    "data",
    "model",
    "epochs",
    "batch_size",
    "optimizer",
    "lr",
    "weight_decay",
    "hidden",
    "dropout",
    "seed",
    "limit",
)
"""The settings that the page may choose; none of them is a path."""


@dataclass
class Followed:
    """A run that is watched: what was read of it, and how far."""

    record: Record
    read: int = 0
    shown: tuple[Any, ...] = ()


@dataclass
class Child:
    """A process that was started here, the run it trains, and what it says to the terminal."""

    name: str
    process: subprocess.Popen[bytes]
    said: IO[bytes]

    @property
    def living(self) -> bool:
        """Whether it goes on."""
        return self.process.poll() is None

    def complaint(self) -> str:
        """Its last words, if it failed."""
        if self.process.poll() in (None, 0) or self.said.closed:
            return ""
        self.said.seek(0)
        return self.said.read(LAST_WORDS).decode("utf-8", "replace").strip()


@dataclass
class Follower:
    """Looks at the watched runs a few times a second, in a thread, and shows what is new."""

    studio: Studio
    runs: dict[str, Followed] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)
    _children: list[Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        threading.Thread(target=self._look, name="studio-follow", daemon=True).start()

    def shown_to(self, tab: Tab) -> None:
        """Show a tab that has come later what the others have seen already."""
        for topic in tab.topics:
            followed = self.runs.get(topic.removeprefix(TOPIC))
            if followed is not None and topic.startswith(TOPIC):
                followed.shown = ()

    def close(self) -> None:
        """Look no more."""
        self._ended.set()
        for child in self._children:
            child.said.close()

    def adopt(self, child: Child) -> None:
        """Wait for a process in time, so that it does not linger after its end."""
        for before in [one for one in self._children if one.name == child.name]:
            if not before.living:
                before.said.close()
                self._children.remove(before)
        self._children.append(child)

    def living(self, name: str) -> bool:
        """Whether a process that was started here trains this run, or is about to."""
        return any(child.living for child in list(self._children) if child.name == name)

    def failed(self, name: str) -> str:
        """The last words of a process that was to train this run, and could not."""
        found = [child.complaint() for child in list(self._children) if child.name == name]
        return found[-1] if found else ""

    @property
    def training(self) -> int:
        """How many processes train into the folder: also those of a studio that was killed."""
        begun = {child.process.pid for child in list(self._children) if child.living}
        runs = run_files.scan(self.studio.runs).values()
        return len(begun | {owner.pid for owner in map(_owner, runs) if owner is not None})

    def _look(self) -> None:
        while not self._ended.wait(PULSE):
            topics = {topic for tab in list(self.studio.tabs) for topic in tab.topics}
            for topic in topics:
                if topic.startswith(TOPIC):
                    self._grow(topic.removeprefix(TOPIC))
            for child in list(self._children):
                child.process.poll()

    def _grow(self, name: str) -> None:
        try:
            run = run_files.find(self.studio.runs, name)
            followed = self.runs.get(name)
            size = os.lstat(run.path / "metrics.jsonl").st_size
            if followed is None or size < followed.read:  # new, or resumed from an earlier step
                followed = self.runs[name] = Followed(Record(name, settings=settings_of(run)))
            content = run_files.read(run, "metrics.jsonl", followed.read)
            whole = content.rfind(b"\n") + 1
            take(followed.record, lines_of(content[:whole])[0])
            followed.read += whole
            state = (alive(run), self.living(name), self.failed(name))
        except (BacklightError, OSError) as problem:
            self.studio.show(TOPIC + name, self._absent(name, problem))
            return
        stamp = (followed.read, *state)
        if stamp != followed.shown:
            followed.shown = stamp
            alive_now, begun, failed = state
            told = {"alive": alive_now, "starting": begun and not alive_now, "failed": failed}
            self.studio.show(TOPIC + name, curves(followed.record) | told)

    def _absent(self, name: str, problem: Exception) -> dict[str, Any]:
        """What is said of a run that has no metrics: it is about to, it failed, or it is not."""
        failed = self.failed(name)
        if failed:
            return {"name": name, "problem": failed}
        if self.living(name) or isinstance(problem, FileNotFoundError):
            return {"name": name, "waiting": True}
        return {"name": name, "problem": str(problem)}


def follower(ask: Ask) -> Follower:
    """The one follower of a studio."""
    held = ask.studio.held
    if "follower" not in held:
        held["follower"] = Follower(ask.studio)
    found: Follower = held["follower"]
    return found


@asked("train.follow")
def follow(ask: Ask) -> Any:
    """Begin to look at runs; which ones, the tab says by what it watches."""
    follower(ask)
    return True


@asked("train.choices")
def choices(_ask: Ask) -> Any:
    """The settings of a real run that the page offers, each from its declaration."""
    found = []
    for one in fields(Settings):
        if one.name in _FREE:
            among = one.metadata["among"]
            default = one.default if one.default not in (None, ()) else ""
            options = among() if among is not None else None
            if one.name == "data":
                options = ["digits"]
            found.append(
                {
                    "name": one.name,
                    "help": one.metadata["help"],
                    "among": options,
                    "default": default,
                }
            )
    return found


@asked("train.start")
def start(ask: Ask) -> Any:
    """Start `backlight train` with these settings, and answer with the run's name."""
    given = {
        key: value
        for key, value in ask.mapping("settings", len(_FREE)).items()
        if value not in ("", None)
    }
    for key in given:
        if key not in _FREE:
            raise ask.refuse("settings", f"the setting {str(key)[:60]!r}", ", ".join(_FREE))
    checked = Settings(**Settings.from_mapping(given, "the page"))
    _refuse_path(checked)
    _refuse_too_many(ask)
    name = _free_name(ask, f"{checked.data}-{checked.model}")
    flags = [_flag(key, value) for key, value in checked.as_dict().items() if key in given]
    follower(ask).adopt(_program(ask, name, *flags, f"--out={ask.studio.runs / name}"))
    return {"run": name}


def _refuse_too_many(ask: Ask) -> None:
    training = follower(ask).training
    if training >= MOST_TRAINING:
        raise UsageError(
            "the studio",
            got=f"a training while {training} others are running",
            needs=f"at most {MOST_TRAINING}",
            remedy="Pause one of them.",
        )


@asked("train.pause")
def pause(ask: Ask) -> Any:
    """Let a run save and end."""
    run = run_files.find(ask.studio.runs, ask.given.get("run"))
    process = _owner(run)
    if process is None:
        return {"paused": False}
    process.send_signal(signal.SIGINT)
    return {"paused": True}


@asked("train.resume")
def resume(ask: Ask) -> Any:
    """Take a run up where its last checkpoint is."""
    run = run_files.find(ask.studio.runs, ask.given.get("run"))
    if _owner(run) is None and not follower(ask).living(run.name):
        _refuse_too_many(ask)
        follower(ask).adopt(_program(ask, run.name, f"--resume={run.path}"))
    return {"run": run.name}


def alive(run: run_files.Found) -> bool:
    """Whether a process is training into the folder."""
    return _owner(run) is not None


def _owner(run: run_files.Found) -> psutil.Process | None:
    """The process that trains into the folder, if it is what the folder says it is.

    The folder may be a stranger's: a process that is not a training run is none of its business.
    """
    try:
        written = run_files.read(run, ".owner", most=20)
        process = psutil.Process(int(written))
        command = process.cmdline()
        ours = process.uids().real == os.getuid() if hasattr(os, "getuid") else True
    except (CheckpointError, ValueError, psutil.Error, OverflowError):
        return None
    trains = "train" in command and any("backlight" in part for part in command)
    return process if trains and ours else None


def _program(ask: Ask, name: str, *flags: str) -> Child:
    ask.studio.runs.mkdir(parents=True, exist_ok=True)
    said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process lives
    process = subprocess.Popen(  # noqa: S603 - our own program, its settings checked
        [sys.executable, "-m", "backlight", "train", "--quiet", *flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=said,
        start_new_session=True,  # Ctrl-C ends the studio, and not what it has started
    )
    return Child(name, process, said)


def _flag(key: str, value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else value
    return f"--{key.replace('_', '-')}={text}"


def _refuse_path(settings: Settings) -> None:
    if ":" in settings.data:
        raise UsageError(
            "the page",
            got=f"the data set {settings.data[:60]!r}",
            needs="one by name",
            remedy="Train on files of your own from a terminal: the studio follows the run.",
        )


def _free_name(ask: Ask, stem: str) -> str:
    number = 1
    taken = follower(ask).living
    while (ask.studio.runs / f"{stem}-{number:03d}").exists() or taken(f"{stem}-{number:03d}"):
        number += 1
    return f"{stem}-{number:03d}"

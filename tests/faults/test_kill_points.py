"""Each system call of a save, made to fail or to be the last: the earlier checkpoint stays good.

Source: the method of SQLite's tests: fail the k-th call, for every k.
"""

import contextlib
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from backlight.errors import CheckpointError
from backlight.train import checkpoint, durable
from backlight.train.run import Run
from backlight.train.settings import Settings

ERRORS = [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG]
CALLS = ["open", "write", "fsync", "close", "mkdir", "rename"]


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the program may run on it."""


class Fault:
    """Makes the k-th of some system calls fail; counts them."""

    def __init__(self, call, at, act):
        self.call, self.at, self.act, self.count = call, at, act, 0
        self.dead = False

    def install(self, patch):
        def wrap(owner, name):
            real = getattr(owner, name)

            def instead(*arguments, **options):
                if self.dead:  # nothing runs after a kill: not even cleaning up
                    raise Killed
                self.count += name == self.call
                if name == self.call and self.count == self.at:
                    return self.act(self, real, *arguments, **options)
                return real(*arguments, **options)

            patch.setattr(owner, name, instead)

        for name in ("open", "write", "fsync", "close", "unlink", "rmdir", "replace"):
            wrap(os, name)
        for name in ("rename", "mkdir", "replace", "unlink"):
            wrap(Path, name)


def failing(number):
    def act(fault, real, *arguments, **options):
        if fault.call == "close":
            real(*arguments)
        raise OSError(number, os.strerror(number))

    return act


def killing(fault, real, *arguments, **options):
    if fault.call == "write":  # some of it has reached the disk
        real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
    fault.dead = True
    raise Killed


def killing_after(fault, real, *arguments, **options):
    real(*arguments, **options)
    fault.dead = True
    raise Killed


def lying(fault, real, *arguments, **options):
    return len(arguments[1])


def store(folder, step):
    arrays = {"w": np.full(50, step, np.float32), "m": np.full(9, step, np.float64)}
    return checkpoint.save(folder, step, arrays, {"step": step}, score=float(step))


def refusal(folder):
    """What a save of step 4 complains of, or nothing."""
    try:
        store(folder, 4)
    except CheckpointError as problem:
        return str(problem)
    return ""


def step_of(found):
    """The step of a checkpoint, once its every part is seen to be of it."""
    assert found.state == {"step": found.step}
    assert set(found.arrays["w"]) == set(found.arrays["m"]) == {found.step}
    return found.step


def names(folder):
    return sorted(one.name for one in folder.iterdir())


def total(folder, call):
    """How often a save that removes an old checkpoint makes this call."""
    with pytest.MonkeyPatch.context() as patch:
        fault = Fault(call, 0, None)
        fault.install(patch)
        store(folder, 4)
    return fault.count


@pytest.fixture
def saved(tmp_path):
    """A folder of three checkpoints, of which the next save removes one, and a way to renew it."""
    for step in (3, 2, 1):  # the best is the oldest here
        checkpoint.save(
            tmp_path / "seed",
            4 - step,
            {"w": np.full(50, 4 - step, np.float32), "m": np.full(9, 4 - step, np.float64)},
            {"step": 4 - step},
            score=float(step),
            keep=3,
        )
    counter = iter(range(10_000))

    def renew():
        folder = tmp_path / f"c{next(counter)}"
        shutil.copytree(tmp_path / "seed", folder)
        return folder

    return renew


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("number", ERRORS)
def test_the_kth_call_fails_for_every_k(saved, call, number):
    count = total(saved(), call)
    assert count, f"a save makes no {call}"
    for at in range(1, count + 1):
        folder = saved()
        with pytest.MonkeyPatch.context() as patch:
            Fault(call, at, failing(number)).install(patch)
            told = refusal(folder)
        if told:
            assert str(folder) in told
            assert re.search(r"[0-9,]+ bytes", told)
            assert os.strerror(number) in told
        else:  # only what comes after the last flush, the tidying, may fail unseen
            assert call in ("open", "close", "rename")
        reached = 3 if told else 4
        assert step_of(checkpoint.latest(folder, strict=True)) == reached
        assert step_of(checkpoint.best(folder)) in (1, reached)
        assert not [name for name in names(folder) if not name.startswith("step-")]
        store(folder, 5)
        assert step_of(checkpoint.latest(folder, strict=True)) == 5


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("act", [killing, killing_after])
def test_a_kill_at_the_kth_call_for_every_k(saved, call, act):
    count = total(saved(), call)
    for at in range(1, count + 1):
        folder = saved()
        with pytest.MonkeyPatch.context() as patch:
            Fault(call, at, act).install(patch)
            with pytest.raises(Killed):
                store(folder, 4)
        # As a new process finds it; what the dead one left has another number there.
        for left in folder.glob(".*.tmp"):
            left.rename(left.with_name(left.name.replace(f".{os.getpid()}.", ".999999999.")))
        assert step_of(checkpoint.latest(folder, strict=True)) in (3, 4)
        step_of(checkpoint.best(folder))
        store(folder, 4)
        assert step_of(checkpoint.latest(folder, strict=True)) == 4
        assert all(name.startswith("step-") for name in names(folder))


def test_a_disk_that_lies_at_the_kth_write_is_caught(saved):
    count = total(saved(), "write")
    assert count == 3  # tensors, state, manifest
    for at in range(1, count + 1):
        folder = saved()
        before = names(folder)
        with pytest.MonkeyPatch.context() as patch:
            Fault("write", at, lying).install(patch)
            with pytest.raises(CheckpointError, match="other bytes back"):
                store(folder, 4)
        assert names(folder) == before
        assert step_of(checkpoint.latest(folder, strict=True)) == 3


def test_a_failed_replacement_of_a_file_at_every_call(tmp_path):
    for call, count in [("open", 3), ("write", 1), ("fsync", 2), ("close", 2), ("replace", 1)]:
        for at in range(1, count + 1):
            for act in (failing(errno.ENOSPC), killing, killing_after):
                path = tmp_path / "config.toml"
                path.write_bytes(b"old")
                with pytest.MonkeyPatch.context() as patch:
                    Fault(call, at, act).install(patch)
                    with contextlib.suppress(CheckpointError, Killed):
                        durable.replace(path, b"new")
                assert path.read_bytes() in (b"old", b"new")
                durable.replace(path, b"newer")
                assert path.read_bytes() == b"newer"
                assert names(tmp_path) == ["config.toml"]


def test_a_full_disk_while_a_line_is_logged_costs_that_line_only(tmp_path):
    run = Run.create(tmp_path / "run", Settings())
    run.log("metrics", {"step": 1})
    with pytest.MonkeyPatch.context() as patch:
        Fault("write", 1, failing(errno.ENOSPC)).install(patch)
        with pytest.raises(CheckpointError, match="No space left"):
            run.log("metrics", {"step": 2})
    assert run.read("metrics") == [{"step": 1}]
    with pytest.MonkeyPatch.context() as patch:
        Fault("write", 1, killing).install(patch)
        with pytest.raises(Killed):
            run.log("metrics", {"step": 2})
    assert run.read("metrics") == [{"step": 1}]
    run.log("metrics", {"step": 2})
    assert run.read("metrics") == [{"step": 1}, {"step": 2}]


def test_files_may_not_grow_beyond_a_limit(tmp_path):
    """EFBIG from the system itself, under RLIMIT_FSIZE."""
    store(tmp_path, 1)
    result = _python(f"""
        import resource, signal
        import numpy as np
        from pathlib import Path
        from backlight.errors import CheckpointError
        from backlight.train import checkpoint
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        folder = Path({str(tmp_path)!r})
        try:
            checkpoint.save(folder, 2, {{"w": np.zeros(100_000)}}, {{}})
        except CheckpointError as problem:
            print(problem)
    """)
    assert result.returncode == 0, result.stderr
    assert "File too large" in result.stdout
    assert "bytes" in result.stdout
    assert names(tmp_path) == ["step-000001"]


# ── the same with the system's own calls, where strace can be had ─────────────────────────────


def _traceable():
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = subprocess.run(
        ["strace", "-f", "-e", "trace=none", "true"], capture_output=True, check=False
    )
    return "" if probe.returncode == 0 else "strace may not trace here"


NO_STRACE = _traceable()
traced = pytest.mark.skipif(bool(NO_STRACE), reason=NO_STRACE or "strace")


def _python(code, *before):
    return subprocess.run(
        [*before, sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
    )


def _save(folder, *strace):
    """Save step 4 in another process, with only the folder's own calls traced."""
    paths = [option for path in _paths(folder) for option in ("-P", str(path))]
    return _python(
        f"""
        import numpy as np
        import os
        from pathlib import Path
        from backlight.errors import CheckpointError
        from backlight.train import checkpoint, durable
        # One name for the temporary, whatever the process's number, so that strace can be told it.
        durable.temporary_name = lambda path: path.with_name(f".{{path.name}}.999999998.tmp")
        arrays = {{"w": np.full(50, 4, np.float32), "m": np.full(9, 4, np.float64)}}
        try:
            checkpoint.save(Path({str(folder)!r}), 4, arrays, {{"step": 4}}, score=4.0)
        except CheckpointError as problem:
            print(problem)
            raise SystemExit(2)
    """,
        *(("strace", "-f", "-qq", *paths, *strace) if strace else ()),
    )


def _paths(folder):
    temporary = folder / ".step-000004.999999998.tmp"
    return [
        folder,
        temporary,
        folder / "step-000004",
        folder / "step-000002",
        folder / ".step-000002.999999998.tmp",
        *(temporary / name for name in ("tensors.safetensors", "state.json", "manifest.json")),
    ]


@traced
@pytest.mark.parametrize(
    ("call", "at"),
    [
        ("write", 1),
        ("write", 2),
        ("write", 3),
        ("fsync", 1),
        ("fsync", 2),
        ("fsync", 3),
        ("fsync", 4),
        ("fsync", 5),
        ("rename", 1),
        ("rename", 2),
    ],
)
def test_a_real_kill_at_a_real_call(saved, tmp_path, call, at):
    folder = saved()
    log = tmp_path / "trace"
    result = _save(
        folder, "-o", str(log), "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={at}"
    )
    assert result.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), result.stderr
    assert "killed by SIGKILL" in log.read_text()
    assert step_of(checkpoint.latest(folder, strict=True)) in (3, 4)
    assert _save(folder).returncode == 0
    assert step_of(checkpoint.latest(folder, strict=True)) == 4
    assert all(name.startswith("step-") for name in names(folder))


@traced
@pytest.mark.parametrize(
    ("call", "at", "told"),
    [
        ("write:error=ENOSPC", "1+", "No space left"),
        ("write:error=ENOSPC", "3", "No space left"),
        ("write:error=EDQUOT", "2", "quota"),
        ("fsync:error=EIO", "1", "Input/output"),
        ("fsync:error=EIO", "5", "Input/output"),
        ("rename:error=EIO", "1", "Input/output"),
        ("write:retval=100", "1", "other bytes back"),
    ],
)
def test_a_real_error_at_a_real_call(saved, call, at, told):
    folder = saved()
    before = names(folder)
    result = _save(
        folder,
        "-o",
        os.devnull,
        "-e",
        f"trace={call.split(':')[0]}",
        "-e",
        f"inject={call}:when={at}",
    )
    assert result.returncode == 2, result.stderr
    assert told in result.stdout
    assert names(folder) == before
    assert step_of(checkpoint.latest(folder, strict=True)) == 3


@traced
def test_the_order_of_the_calls(saved, tmp_path):
    """Write, flush, read back; flush the folder, rename, flush; only then is an old one touched."""
    folder, log = saved(), tmp_path / "trace"
    assert (
        _save(
            folder,
            "-o",
            str(log),
            "-y",
            "-e",
            "trace=openat,write,fsync,read,rename,unlink,unlinkat,rmdir",
        ).returncode
        == 0
    )
    calls = []
    for line in log.read_text().splitlines():
        match = re.match(r"(?:\d+ +)?(\w+)\((.*)", line)
        assert match, line
        call, rest = match.groups()
        name = next(
            (one for one in ("tensors", "state.json", "manifest", "step-000002") if one in rest),
            "folder",
        )
        if "999999998.tmp" in rest and call.startswith(("unlink", "rmdir")):
            call, name = "remove", "step-000002" if "step-000002" in rest else "temporary"
        if call != "openat" and (call, name) not in calls[-1:]:
            calls.append((call, name))
    if calls[0] == ("remove", "temporary"):  # a look for what an earlier attempt left
        del calls[0]
    file = [
        (call, name)
        for name in ("tensors", "state.json", "manifest")
        for call in ("write", "fsync", "read")
    ]
    assert calls[:12] == [*file, ("fsync", "folder"), ("rename", "folder"), ("fsync", "folder")]
    assert calls[12] == ("rename", "step-000002")
    assert {name for call, name in calls[13:]} <= {
        "step-000002",
        "tensors",
        "state.json",
        "manifest",
        "folder",
    }
    assert not {call for call, _ in calls[13:]} & {"write", "fsync"}

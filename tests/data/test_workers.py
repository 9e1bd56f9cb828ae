"""Worker processes: bits and order as without them, and no process, memory or hang is left."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from backlight.data import Compose, DataLoader, ImageFolder, Normalize, RandomShift
from backlight.data import shared as shared_module
from backlight.data.shared import Inbox, Outbox
from backlight.errors import CheckpointError, DataError

TRANSFORM = Compose([RandomShift(1), Normalize(100.0, 50.0)])
SEGMENTS = Path("/dev/shm")
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


def segments():
    """Names of our shared memory; none where it has no folder."""
    return {path.name for path in SEGMENTS.glob("bl*-*-*")} if SEGMENTS.is_dir() else set()


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = segments()
    yield
    assert not multiprocessing.active_children()
    assert segments() <= before


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for k in range(22):
        folder = root / f"class{k % 7}"
        folder.mkdir(exist_ok=True)
        noise = random.integers(0, 256, (14, 18, 3)).astype(np.uint8)
        Image.fromarray(noise).save(folder / f"{k}.png")
    return root


def loader(folder, workers, **options):
    options = {"batch_size": 4, "shuffle": True, "seed": 1, "transform": TRANSFORM, **options}
    return DataLoader(folder, num_workers=workers, **options)


def bits(batches):
    return [(inputs.tobytes(), labels.tobytes()) for inputs, labels in batches]


class Odd:
    """Numbers, and one place at which something happens."""

    def __init__(self, what, at=5, length=12):
        self.what, self.at, self.length = what, at, length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if index == self.at:
            self.what()
        return np.full(3, index, np.float32), index


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    os._exit(3)


def fail():
    raise KeyError("no such thing")


def sleep():
    time.sleep(60)


def nothing():
    pass


def test_bits_and_order_are_those_of_no_workers(pictures):
    folder = ImageFolder(pictures, 8, "random")
    plain = loader(folder, 0)
    expected = [bits(plain), bits(plain)]
    assert expected[0] != expected[1]
    for count in (1, 3):
        with_workers = loader(folder, count)
        first = bits(with_workers)
        processes = {child.pid for child in multiprocessing.active_children()}
        assert len(processes) == count
        assert first == expected[0]
        assert bits(with_workers) == expected[1]
        assert {child.pid for child in multiprocessing.active_children()} == processes
        assert not segments()  # nothing to be left behind, however this ends
        with_workers.close()
        assert not multiprocessing.active_children()


def test_more_workers_than_batches_and_arrays_of_other_types():
    examples = [([float(k)], k / 2) for k in range(3)]
    few = DataLoader(examples, 2, num_workers=4, persistent_workers=False)
    (first, second) = list(few)
    assert first[0].tolist() == [[0.0], [1.0]]
    assert second[1].dtype == np.float32
    assert not multiprocessing.active_children()


def test_resuming_goes_on_with_any_number_of_workers(pictures):
    folder = ImageFolder(pictures, 8, "random")
    expected = bits(loader(folder, 0))
    interrupted = loader(folder, 2)
    batches = iter(interrupted)
    taken = bits(next(batches) for _ in range(2))
    state = interrupted.state_dict()
    batches.close()
    assert taken == expected[:2]
    assert state["position"] == 2
    for count in (0, 2):
        resumed = loader(folder, count)
        resumed.load_state_dict(state)
        assert bits(resumed) == expected[2:]
        resumed.close()
    with pytest.raises(CheckpointError):
        loader(folder, 2, seed=2).load_state_dict(state)


def test_leaving_early_ends_the_workers(pictures):
    early = loader(ImageFolder(pictures, 8), 2, batch_size=2)
    for _ in early:
        assert len(multiprocessing.active_children()) == 2
        break
    del _
    import gc

    gc.collect()
    assert not multiprocessing.active_children()
    assert len(list(early)) == 11
    del early  # and with the loader those that were kept
    assert not multiprocessing.active_children()


def test_two_loops_at_once_have_workers_of_their_own(pictures):
    both = loader(ImageFolder(pictures, 8), 1, shuffle=False)
    expected = bits(loader(ImageFolder(pictures, 8), 0, shuffle=False))
    assert bits(first for first, _ in zip(both, both, strict=True)) == expected
    both.close()


def test_a_damaged_image_is_raised_in_its_turn(pictures, tmp_path):
    import shutil

    root = shutil.copytree(pictures, tmp_path / "copy")
    folder = ImageFolder(root, 8)
    bad = 9
    (root / folder.name(bad)).write_bytes(b"\x89PNG")
    told = []
    for count in (0, 3):
        batches = iter(loader(folder, count, shuffle=False, prefetch=3))
        assert [next(batches)[1].tolist() for _ in range(2)] == [
            folder.labels[k : k + 4].tolist() for k in (0, 4)
        ]
        with pytest.raises(DataError) as caught:
            next(batches)
        told.append(str(caught.value))
        assert next(batches, None) is None
    assert told[0] == told[1]
    assert "batch 2 of epoch 0: example 9: " in told[0]
    assert folder.name(bad) in told[0]
    lenient = loader(ImageFolder(root, 8, skip_bad=1), 2, shuffle=False)
    assert [len(labels) for _, labels in lenient] == [4, 4, 3, 4, 4, 2]
    assert list(lenient.left_out) == [9]
    lenient.close()


def test_an_error_of_ones_own_names_the_example():
    with pytest.raises(DataError, match=r"(?s)example 5 got KeyError: 'no such thing'"):
        list(DataLoader(Odd(fail), 2, num_workers=2))


@pytest.mark.parametrize(
    ("what", "said"), [(die, "killed by signal 9, SIGKILL, at example 5"), (leave, "exit code 3")]
)
def test_a_worker_that_dies_is_told(what, said):
    batches = iter(DataLoader(Odd(what), 2, num_workers=2))
    assert [next(batches)[1].tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(DataError, match=rf"worker 0 \(process \d+\) got the end.*{said}"):
        next(batches)


def test_a_worker_killed_from_outside_is_told_at_its_turn():
    numbers = DataLoader(Odd(nothing, length=400), 1, num_workers=2, prefetch=1)
    batches = iter(numbers)
    next(batches)
    victim = multiprocessing.active_children()[0]
    os.kill(victim.pid, signal.SIGKILL)
    with pytest.raises(DataError, match=rf"process {victim.pid}\).*SIGKILL"):
        list(batches)


def test_a_stuck_worker_is_told_and_killed():
    began = time.monotonic()
    with pytest.raises(DataError, match=r"worker 0 .* no answer from example 5 in 0\.3 s"):
        list(DataLoader(Odd(sleep), 2, num_workers=2, timeout=0.3))
    assert time.monotonic() - began < 30


def test_what_cannot_be_sent_is_told():
    with pytest.raises(DataError, match="cannot be sent to a worker"):
        list(DataLoader(Odd(lambda: None), 2, num_workers=2))


def test_full_shared_memory_is_told_before_it_kills(monkeypatch):
    class Usage:
        free = 2**20

    monkeypatch.setattr(shared_module.shutil, "disk_usage", lambda _: Usage)
    if not SEGMENTS.is_dir():
        pytest.skip("shared memory has no folder here")
    with pytest.raises(DataError, match=r"1 MiB of free shared memory.*\n.*9 MiB"):
        Outbox("bltest-0", 1).put([np.zeros(2**20)])


def test_segments_grow_and_go():
    before, outbox, inbox = segments(), Outbox("bltest-0", 2), Inbox("bltest-0")
    for size in (3, 1, 4000, 2, 5000, 0):
        arrays = [np.arange(size, dtype=np.float32), np.arange(3)]
        for found, sent in zip(inbox.take(outbox.put(arrays)), arrays, strict=True):
            assert (found == sent).all()
            assert found.dtype == sent.dtype
    outbox.put([np.zeros(9000)])
    assert len(segments() - before) == 1
    inbox.close(unread=2)
    assert segments() == before
    outbox.close()


SCRIPT = """
import sys, time
import numpy as np
from backlight.data import DataLoader
class Slow:
    def __len__(self): return 1000
    def __getitem__(self, index):
        time.sleep(0.02)
        return np.zeros(9), 0
def main():
    import multiprocessing
    for place, _ in enumerate(DataLoader(Slow(), 1, num_workers=2)):
        if place == 2:
            print(*(child.pid for child in multiprocessing.active_children()), flush=True)
"""


def script(tmp_path, last):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT + last)
    return subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


def gone(pids, seconds=20):
    end = time.monotonic() + seconds
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(psutil.pid_exists, pids))


def test_nothing_outlives_a_parent_that_was_killed(tmp_path):
    parent = script(tmp_path, 'if __name__ == "__main__": main()')
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.kill()
    parent.communicate(timeout=30)  # until the last process that writes there has ended
    assert gone(workers)


def test_an_interrupt_ends_everything(tmp_path):
    parent = script(tmp_path, 'if __name__ == "__main__": main()')
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does: all of them
    _, said = parent.communicate(timeout=30)
    assert said.strip().endswith("KeyboardInterrupt")
    assert "backlight-worker" not in said
    assert gone(workers)


def test_a_script_without_a_guard_is_told_what_to_write(tmp_path):
    parent = script(tmp_path, "main()")
    _, said = parent.communicate(timeout=60)
    assert parent.returncode == 1
    assert 'if __name__ == "__main__":' in said.rsplit("Traceback", 1)[1]
    assert said.count('if __name__ == "__main__":') >= 2  # told by the worker and by the parent


def test_a_daemon_is_told_that_it_may_have_no_workers(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    with pytest.raises(DataError, match="num_workers=0"):
        list(DataLoader(Odd(nothing), 2, num_workers=1))

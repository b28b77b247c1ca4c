"""Protects what a watcher is told of a study: by real trainings that run, stop, fail, die and finish."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from smallmix.errors import Interrupted
from smallmix.planning.status import CellWatch, StatusReader, StudyStatus, read_status
from smallmix.study.layout import Layout
from smallmix.tables.cell_status import CellStatus
from smallmix.tables.collect import find_status

from tests.tiny_cell import StopAtCheck
from tests.tiny_study import TinyStudy

FIRST, SECOND = "n20/non/seed0", "n20/label-mix/seed1"


@pytest.fixture
def tiny(tmp_path: Path) -> TinyStudy:
    return TinyStudy.write(tmp_path)


def watched(status: StudyStatus, place: str) -> CellWatch:
    return next(one for one in status.cells if one.id == place)


def test_an_empty_folder_has_cells_that_wait(tiny: TinyStudy) -> None:
    status = read_status(tiny.layout)
    assert status.counts == {"waiting": 6}
    assert (status.seconds_left, status.seconds_of_work, status.report, status.lately) == (None, None, None, ())
    assert not status.is_complete


def test_a_finished_cell_is_current_with_its_accuracy_and_time(tiny: TinyStudy) -> None:
    tiny.train(FIRST)
    status = read_status(tiny.layout)
    found = watched(status, FIRST)
    assert status.counts == {"current": 1, "waiting": 5}
    assert (found.state, found.iteration, found.share) == ("current", 6, 1.0)
    assert found.accuracy is not None
    assert 0 <= found.accuracy <= 1
    assert found.seconds is not None
    assert found.ended is not None
    assert abs(found.ended - time.time()) < 60
    assert status.lately == (found,)


def test_a_stopped_cell_says_where_it_goes_on(tiny: TinyStudy) -> None:
    with pytest.raises(Interrupted) as stopped:
        tiny.train(FIRST, StopAtCheck(8))
    found = watched(read_status(tiny.layout), FIRST)
    assert (found.state, found.has_checkpoint) == ("stopped", True)
    assert f"saved at iteration {found.iteration} of 6" in str(stopped.value)
    assert found.accuracy is not None


def run_in_background(action: Callable[[], None]) -> int:
    """Run something in a forked process; return its number."""
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(0)
    return child


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)


@pytest.fixture
def long_study(tmp_path: Path) -> TinyStudy:
    """A study whose cells take far longer than a test looks at them."""
    return TinyStudy.write(tmp_path, iterations=200_000, every=20)


def test_a_running_cell_is_seen_and_a_killed_one_failed(long_study: TinyStudy) -> None:
    tiny = long_study
    child = run_in_background(lambda: tiny.train(FIRST, checkpoint_seconds=0.2))
    try:
        until(lambda: (found := watched(read_status(tiny.layout), FIRST)).rate is not None and found.has_checkpoint)
        status = read_status(tiny.layout)
        found = watched(status, FIRST)
        assert (found.state, found.by_lock, found.iterations) == ("running", True, 200_000)
        assert found.iteration is not None
        assert 0 < found.iteration < 200_000
        assert found.rate is not None
        assert found.seconds_left == pytest.approx((200_000 - found.iteration) / found.rate, rel=0.01)
        assert f"process {child} on" in found.holder
        assert status.at_once == 1
        assert status.seconds_left is not None
        # Five more such cells wait: by the running one, they take about 200,000 / rate each.
        assert status.seconds_left > 5 * 200_000 / found.rate
        until(lambda: (watched(read_status(tiny.layout), FIRST).iteration or 0) > (found.iteration or 0))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    found = watched(read_status(tiny.layout), FIRST)
    assert (found.state, found.has_checkpoint) == ("failed", True)
    assert "ended without a message (killed, out of memory, or the machine stopped)" in found.reason
    assert found.reason.endswith("the next run continues from the last checkpoint")
    assert found.iteration is not None
    assert found.iteration > 0


def test_watching_never_takes_a_lock(tiny: TinyStudy) -> None:
    """A trainer that begins while somebody looks, however often, must find its lock free."""
    entry = tiny.entry(FIRST)
    entry.folder.mkdir(parents=True)
    (entry.folder / "log.txt").write_text("2026-01-02 03:04:05 training 6 iterations on cpu\n")
    (entry.folder / "lock").touch()

    def look_on() -> None:
        while True:
            read_status(tiny.layout)

    child = run_in_background(look_on)
    try:
        deadline = time.monotonic() + 2.0
        taken = 0
        while time.monotonic() < deadline:
            entry.acquire()  # raises CellBusyError where another process holds the lock, if only for a moment
            entry.release()
            taken += 1
        assert taken > 100
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_failed_cell_says_why_and_what_to_do(tiny: TinyStudy) -> None:
    folder = tiny.layout.cell(tiny.cell(FIRST))
    bad = tiny.layout.dataset / "train_images.npy"
    content = bad.read_bytes()
    bad.write_bytes(content[:-100])
    with pytest.raises(Exception, match="train_images"):
        tiny.train(FIRST)
    bad.write_bytes(content)
    assert (folder / "failure.json").exists()
    found = watched(read_status(tiny.layout), FIRST)
    assert found.state == "failed"
    assert "train_images" in found.reason
    assert found.ended is not None
    assert found.log is not None
    tiny.train(FIRST)
    assert watched(read_status(tiny.layout), FIRST).state == "current"


def test_a_result_of_another_recipe_is_outdated(tiny: TinyStudy, tmp_path: Path) -> None:
    tiny.train(FIRST)
    other = TinyStudy.write(tmp_path / "other", iterations=8)
    here = other.layout.cell(other.cell(FIRST))
    here.parent.mkdir(parents=True)
    tiny.layout.cell(tiny.cell(FIRST)).rename(here)
    found = watched(read_status(other.layout), FIRST)
    assert found.state == "outdated"
    assert "budget.amount is 6, wanted 8" in found.reason


def test_a_training_that_the_store_has_is_only_copied(tiny: TinyStudy) -> None:
    tiny.train(FIRST)
    for path in tiny.layout.cell(tiny.cell(FIRST)).iterdir():
        path.unlink()
    status = read_status(tiny.layout)
    assert watched(status, FIRST).state == "stored"
    assert watched(status, FIRST).is_done


def test_a_complete_study_has_nothing_left(tiny: TinyStudy) -> None:
    for cell in tiny.layout.study.cells:
        tiny.train(cell.id)
    status = read_status(tiny.layout)
    assert (status.is_complete, status.seconds_left, status.report_is_new) == (True, 0.0, False)
    page = tiny.layout.report / "report.html"
    page.parent.mkdir(parents=True)
    page.touch()
    assert read_status(tiny.layout).report_is_new
    os.utime(page, (1, 1))
    assert read_status(tiny.layout).report == page
    assert not read_status(tiny.layout).report_is_new


def test_a_reader_reads_again_only_what_changed(tiny: TinyStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.train(FIRST)
    reader = StatusReader(tiny.layout)
    first = reader.read()
    read: list[str] = []

    def count(*arguments: Any) -> CellStatus:
        read.append(arguments[1].id)
        return find_status(*arguments)

    monkeypatch.setattr("smallmix.planning.status.find_status", count)
    assert watched(reader.read(), FIRST) == watched(first, FIRST)
    assert FIRST not in read
    metrics = tiny.layout.cell(tiny.cell(FIRST)) / "metrics.json"
    metrics.write_text("{")
    assert watched(reader.read(), FIRST).state == "stored"
    assert FIRST not in reader.current_metrics()
    tiny.train(FIRST)
    assert watched(reader.read(), FIRST).state == "current"


def test_other_subsets_outdate_what_was_read(tiny: TinyStudy) -> None:
    tiny.train(FIRST)
    reader = StatusReader(tiny.layout)
    assert watched(reader.read(), FIRST).state == "current"
    subset = tiny.layout.subset(tiny.cell(FIRST))
    lines = subset.read_text().splitlines()
    subset.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    assert watched(reader.read(), FIRST).state == "outdated"


def begun_elsewhere(tiny: TinyStudy, *, age: float = 0.0, log: str = "") -> None:
    """Leave what the trainer of another machine wrote, whose lock is not seen here."""
    entry = tiny.entry(FIRST)
    entry.folder.mkdir(parents=True)
    (entry.folder / "lock").write_text("process 4711 on another-node")
    (entry.folder / "log.txt").write_text(
        "2026-01-02 03:04:05 training 6 iterations on cpu\n2026-01-02 03:04:06 iteration 2/6 | train loss 2.4000 | "
        "test loss 2.3000 | test accuracy 12.50 % | learning rate 0.05 | 900 images/s | 8 s left\n" + log
    )
    written = time.time() - age
    os.utime(entry.folder / "log.txt", (written, written))


def test_a_training_elsewhere_is_known_by_its_files(tiny: TinyStudy) -> None:
    begun_elsewhere(tiny, age=5)
    found = watched(read_status(tiny.layout), FIRST)
    assert (found.state, found.by_lock, found.iteration, found.accuracy) == ("running", False, 2, 0.125)
    assert (found.rate, found.seconds_left) == (0.5, 8.0)
    assert found.reason == "its lock cannot be seen from here; its files say that it runs"
    assert found.seconds_silent == pytest.approx(5, abs=3)


def test_a_training_elsewhere_that_is_silent_has_died(tiny: TinyStudy) -> None:
    begun_elsewhere(tiny, age=600)
    assert watched(read_status(tiny.layout), FIRST).state == "failed"


def test_a_training_elsewhere_that_said_its_end_does_not_run(tiny: TinyStudy) -> None:
    begun_elsewhere(tiny, log="2026-01-02 03:04:09 failed: out of memory. Lower recipe.batch_size.\n")
    found = watched(read_status(tiny.layout), FIRST)
    assert (found.state, found.reason) == ("failed", "out of memory. Lower recipe.batch_size.")


def test_files_of_the_future_are_recent(tiny: TinyStudy) -> None:
    """A clock was set back, or another machine's is fast."""
    begun_elsewhere(tiny, age=-3600)
    found = watched(read_status(tiny.layout), FIRST)
    assert (found.state, found.seconds_silent) == ("running", 0.0)


def test_a_store_without_locks_is_read_by_its_files(tiny: TinyStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    begun_elsewhere(tiny)

    def refuse(*_: object) -> bytes:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("smallmix.file_locks.KERNEL_LIST", Path("/nowhere"))
    monkeypatch.setattr("fcntl.fcntl", refuse)
    assert watched(read_status(tiny.layout), FIRST).state == "running"
    os.utime(tiny.entry(FIRST).log_file, (1, 1))
    assert watched(read_status(tiny.layout), FIRST).state == "failed"


def test_a_damaged_and_an_unfinished_log_are_no_error(tiny: TinyStudy) -> None:
    begun_elsewhere(tiny)
    log = tiny.entry(FIRST).log_file
    with open(log, "ab") as stream:
        stream.write(b"\xff\x00\xfe garbage\n2026-01-02 03:04:07 iteration 4/6 | train loss 1.0 | test lo")
    found = watched(read_status(tiny.layout), FIRST)
    assert (found.state, found.iteration, found.accuracy) == ("running", 2, 0.125)
    log.write_bytes(b"\x00" * 1000)
    assert watched(read_status(tiny.layout), FIRST).state == "running"


def test_nothing_is_written_into_the_folder(tiny: TinyStudy) -> None:
    """So a study can be watched that belongs to somebody else."""
    tiny.train(FIRST)
    begun = sorted((str(path), path.stat().st_mtime_ns) for path in tiny.layout.root.rglob("*"))
    read_status(tiny.layout)
    assert begun == sorted((str(path), path.stat().st_mtime_ns) for path in tiny.layout.root.rglob("*"))


@pytest.mark.parametrize("folder", ["results", "results/store", "results/tiny/cells/n20/non/seed0", "resources"])
def test_a_folder_that_may_not_be_read_is_no_error(
    tiny: TinyStudy, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.train(FIRST)
    assert watched(read_status(tiny.layout), FIRST).state == "current"  # and all modules are loaded
    monkeypatch.chdir(tmp_path)  # from here, another user needs no right to the folders above
    tmp_path.chmod(0o755)
    closed = tmp_path / folder
    closed.chmod(0)
    is_root = os.geteuid() == 0
    try:
        if is_root:
            os.seteuid(65534)  # root reads everything
        status = read_status(Layout(tiny.layout.study, Path()))
    finally:
        if is_root:
            os.seteuid(0)
        closed.chmod(0o755)
    assert watched(status, FIRST).state != "current" or folder in ("results/store", "resources")
    assert len(status.cells) == 6

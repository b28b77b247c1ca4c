"""A killed Snakemake locks nobody out, and two at once on one study do not happen."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from smallmix import run_lock
from smallmix.errors import SmallmixError
from smallmix.run_lock import clear_stale_locks, hold_run_lock


@contextmanager
def another_run(study: str, folder: Path) -> Iterator[int]:
    """A process that runs `study` until the block ends, when it is killed."""
    ready = folder / "ready"
    child = os.fork()
    if child == 0:
        hold_run_lock(study, folder)
        ready.touch()
        time.sleep(60)
        os._exit(0)
    while not ready.exists():
        time.sleep(0.01)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's .snakemake with the marks that a killed Snakemake leaves."""
    monkeypatch.setattr(run_lock, "PATIENCE_SECONDS", 0.2)
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "0.input.lock").touch()
    return tmp_path


def test_what_a_killed_one_left_is_cleared(folder: Path) -> None:
    with another_run("article", folder):
        pass
    assert clear_stale_locks("article", folder) is None
    assert not (folder / "locks").exists()
    hold_run_lock("article", folder)
    run_lock._held.pop().close()


def test_a_run_of_the_same_study_is_refused_by_name(folder: Path) -> None:
    with another_run("article", folder) as child:
        with pytest.raises(SmallmixError, match=rf"study article is being run here already.*process {child} on "):
            hold_run_lock("article", folder)
        assert f"process {child}" in str(clear_stale_locks("article", folder))
        assert (folder / "locks" / "0.input.lock").exists()


def test_another_study_may_run_beside_it_and_clears_nothing(folder: Path) -> None:
    with another_run("article", folder):
        assert clear_stale_locks("demo", folder) is None
        assert (folder / "locks" / "0.input.lock").exists()
        hold_run_lock("demo", folder)
        run_lock._held.pop().close()


def test_locks_of_another_machine_are_left_alone(folder: Path) -> None:
    """A file system may keep locks to one machine: what is free here may be held there."""
    (folder / "smallmix-runs").mkdir()
    (folder / "smallmix-runs" / "article.lock").write_text("process 1 on another-machine")
    assert clear_stale_locks("article", folder) is None
    assert (folder / "locks" / "0.input.lock").exists()


def test_looking_does_not_keep_a_run_from_starting(folder: Path) -> None:
    clear_stale_locks("article", folder)
    hold_run_lock("article", folder)
    run_lock._held.pop().close()

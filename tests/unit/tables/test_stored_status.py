"""Protects what a cell is called while its training lies in the store: stored, resumable, failed, or running."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from smallmix.datasets.data_fingerprint import fingerprint_data
from smallmix.study.layout import CELL_FILES, STORE
from smallmix.study.study import Study
from smallmix.tables.cell_status import CellStatus
from smallmix.tables.collect import compare_origins, find_status, find_statuses, find_wanted
from smallmix.training.store import StoreEntry, store_key

from tests.synthetic_study import SyntheticStudy, build_synthetic_study
from tests.unit.tables.judged_cells import OTHER, PLACE, collected, record


@pytest.fixture
def made(tmp_path: Path) -> SyntheticStudy:
    return build_synthetic_study(tmp_path, sizes=(100,), seeds=(0, 1), test_images=60)


def store_entry(made: SyntheticStudy, place: str = PLACE) -> StoreEntry:
    """The place of a cell's training in the store."""
    cell = made.study.cell(place)
    data = fingerprint_data(made.layout.subset(cell), made.layout.dataset)
    return StoreEntry(made.root / STORE / store_key(cell.value, data, made.code_fingerprint))


def write_log(made: SyntheticStudy, *messages: str) -> StoreEntry:
    """Leave a log in the store, as the trainer writes it; a message may have several lines."""
    entry = store_entry(made)
    entry.folder.mkdir(parents=True)
    (entry.folder / "log.txt").write_text("".join(f"2026-01-02 03:04:05 {message}\n" for message in messages))
    return entry


def keep_in_store(made: SyntheticStudy) -> None:
    """Give the store the finished training of the cell."""
    entry = store_entry(made)
    entry.acquire()
    entry.finish({name: (made.folder(PLACE) / name).read_bytes() for name in CELL_FILES})
    entry.release()


def keep_in_store_alone(made: SyntheticStudy) -> None:
    """Give the store the finished training of the cell, and take its folder away."""
    keep_in_store(made)
    made.remove(PLACE)


def test_a_training_that_the_store_has_is_stored(made: SyntheticStudy) -> None:
    keep_in_store(made)
    assert record(made).status == "current"
    made.damage(PLACE, "edited")
    found = record(made)
    assert (found.status, found.needs_training) == ("stored", False)
    assert "contradict" in found.reason
    assert found.files_problem is not None
    assert found.files_problem.startswith("its files contradict")
    made.remove(PLACE)
    found = record(made)
    assert (found.status, found.files_problem) == ("stored", None)
    assert found.reason == "trained already; the next run copies it from the store"


def test_a_checkpoint_makes_a_cell_resumable(made: SyntheticStudy) -> None:
    made.remove(PLACE)
    entry = write_log(made, "training 20 iterations on cpu", "stopped: SIGTERM received: saved at iteration 7 of 20")
    assert record(made).status == "missing"
    assert "stopped: SIGTERM received" in record(made).reason
    (entry.folder / "checkpoint-1.pt").touch()
    found = record(made)
    assert (found.status, found.has_checkpoint, found.needs_training) == ("resumable", True, True)
    assert "stopped: SIGTERM received" in found.reason
    (entry.folder / "log.txt").unlink()
    assert record(made).reason == "its training continues from a checkpoint"
    made.damage(OTHER, "code")
    assert not record(made, OTHER).has_checkpoint


@pytest.mark.parametrize(("checkpoint", "what"), [(False, "from the beginning"), (True, "from the last checkpoint")])
def test_a_training_that_died_without_a_message_failed(made: SyntheticStudy, checkpoint: bool, what: str) -> None:
    made.remove(PLACE)
    entry = write_log(made, "training 20 iterations on cpu", "iteration 5 of 20: test accuracy 31 %")
    if checkpoint:
        (entry.folder / "checkpoint-1.pt").touch()
    found = record(made)
    assert (found.status, found.has_checkpoint) == ("failed", checkpoint)
    assert "ended without a message (killed, out of memory, or the machine stopped)" in found.reason
    assert found.reason.endswith(what)
    assert found.log_tail[-1].endswith("test accuracy 31 %")


def test_a_training_that_runs_now_is_no_failure(made: SyntheticStudy) -> None:
    made.remove(PLACE)
    entry = write_log(made, "training 20 iterations on cpu")
    entry.acquire()
    try:
        assert (record(made).status, record(made).reason) == ("missing", "it is being trained now")
        (entry.folder / "checkpoint-1.pt").touch()
        assert (record(made).status, record(made).reason) == ("resumable", "it is being trained now")
    finally:
        entry.release()
    assert record(made).status == "failed"


def test_a_failure_in_the_log_alone_is_a_failure(made: SyntheticStudy) -> None:
    """An equal cell of another study has its failure.json elsewhere."""
    made.remove(PLACE)
    write_log(made, "training 20 iterations on cpu", "failed: out of memory.\nUse a smaller batch.")
    found = record(made)
    assert (found.status, found.reason) == ("failed", "out of memory.")
    assert found.log_tail[-1] == "Use a smaller batch."


@pytest.mark.parametrize("end", ["finished: test accuracy 40.00 % after 20 iterations, 3 s", "adopted from 0123"])
def test_a_lost_record_of_a_finished_training_is_no_failure(made: SyntheticStudy, end: str) -> None:
    made.remove(PLACE)
    write_log(made, "training 20 iterations on cpu", end)
    assert (record(made).status, record(made).reason) == ("missing", "not trained yet")


@pytest.mark.parametrize(
    "prepare",
    [
        lambda made: None,
        lambda made: made.damage(PLACE, "code"),
        lambda made: made.damage(PLACE, "truncated"),
        lambda made: made.damage(PLACE, "no-history"),
        lambda made: made.remove(PLACE),
        lambda made: made.fail(PLACE),
        lambda made: (made.remove(PLACE), write_log(made, "training 20 iterations on cpu")),
        keep_in_store,
        keep_in_store_alone,
        lambda made: (made.layout.dataset / "dataset.json").unlink(),
    ],
)
def test_the_quick_look_agrees_with_collection(
    made: SyntheticStudy, prepare: Callable[[SyntheticStudy], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but what only the files' contents tell."""
    monkeypatch.setattr("smallmix.tables.collect.training_code", lambda cell: made.code_fingerprint)
    prepare(made)
    quick, thorough = find_statuses(made.layout), collected(made)
    assert {place: one.status for place, one in quick.items()} == {one.cell.id: one.status for one in thorough.records}


def keeping(made: SyntheticStudy) -> SyntheticStudy:
    """The same study, which keeps its networks."""
    study = Study.from_configuration({**made.study.configuration, "keep": {"weights": "final"}})
    return replace(made, study=study)


def test_a_study_that_keeps_its_networks_trains_again_what_the_store_has_without(made: SyntheticStudy) -> None:
    """Its numbers stay current in the tables meanwhile: a network decides none."""
    keep_in_store(made)
    keeper = keeping(made)
    found = status_by_origin(keeper)
    assert (found.status, found.reason) == ("stale", "model.safetensors is missing")
    assert found.needs_training
    assert record(keeper).status == "current"
    keeper.remove(PLACE)
    found = status_by_origin(keeper)
    assert found.status == "missing"
    assert found.reason == "trained without keeping its network; the next run trains it again, to the same weights"
    assert status_by_origin(made).status == "stored"


def test_a_record_with_its_network_is_stored_for_both(made: SyntheticStudy) -> None:
    keep_in_store_alone(made)
    store_entry(made).add_weights(b"weights")
    assert {status_by_origin(one).status for one in (made, keeping(made))} == {"stored"}


def test_a_cell_with_its_network_is_current(made: SyntheticStudy) -> None:
    (made.folder(PLACE) / "model.safetensors").write_bytes(b"weights")
    assert status_by_origin(keeping(made)).status == "current"


def status_by_origin(made: SyntheticStudy) -> CellStatus:
    """What a plan and `status` take a cell for."""
    cell = made.study.cell(PLACE)
    wanted = find_wanted([cell], made.layout, made.code_fingerprint)[PLACE]
    return find_status(made.layout, cell, wanted, compare_origins)

"""Trained networks in the store: when they are written, and what becomes of records without them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from smallmix.commands import train_cells as train_cells_command
from smallmix.commands.outdated import adopt_layout
from smallmix.errors import SmallmixError, TrainingError
from smallmix.planning.start import keep_copied
from smallmix.study.layout import WEIGHTS_FILE
from smallmix.study.study import Study
from smallmix.training import train_cell as train_cell_module
from smallmix.training.signals import StopRequest
from smallmix.training.store import RECORD_FILES, StoreEntry
from smallmix.training.train_cells import train_cells
from smallmix.training.weights import read_weights

from tests.tiny_cell import StopAtCheck, TinyData, forked, tiny_cell
from tests.tiny_study import TinyStudy
from tests.unit.training.test_store import kill_at, was_killed

CELL = tiny_cell("images", iterations=12)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TinyData:
    return TinyData.write(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def with_weights(data: TinyData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cell's folder of a training that kept its network."""
    output, _ = data.train(CELL, tmp_path_factory.mktemp("with"), keep_weights=True)
    return output


@pytest.fixture(scope="module")
def without(data: TinyData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cell's folder of a training that kept none."""
    output, _ = data.train(CELL, tmp_path_factory.mktemp("without"))
    return output


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def numbers_of(folder: Path) -> dict[str, Any]:
    """Everything that must be equal between two trainings of a cell."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    metrics = {key: value for key, value in metrics.items() if key not in ("timing", "environment")}
    return {name: (folder / name).read_bytes() for name in RECORD_FILES[:2]} | metrics


def the_entry(folder: Path) -> StoreEntry:
    (entry,) = (folder / "store").iterdir()
    return StoreEntry(entry)


def test_keeping_the_network_changes_no_number_and_no_key(with_weights: Path, without: Path) -> None:
    assert numbers_of(with_weights) == numbers_of(without)
    assert the_entry(with_weights.parent).folder.name == the_entry(without.parent).folder.name
    assert files_in(without) == sorted(RECORD_FILES)
    assert files_in(with_weights) == sorted([*RECORD_FILES, WEIGHTS_FILE])
    assert files_in(the_entry(without.parent).finished) == sorted([*RECORD_FILES, "checksums.json"])


def test_equal_trainings_give_equal_bytes_in_any_process(with_weights: Path, data: TinyData, tmp_path: Path) -> None:
    """An interrupted one, too; and the library orders some things by chance, which another process shows."""
    with pytest.raises(SmallmixError, match="saved at iteration"):
        data.train(CELL, tmp_path, StopAtCheck(9), keep_weights=True)
    job = data.job(CELL, tmp_path, keep_weights=True)
    arguments = ["--cell", CELL.to_json(), "--dataset", job.dataset, "--subset", job.subset, "--gpus", "0"]
    arguments += ["--store", job.store, "--output", job.output, "--keep-weights"]
    command = [sys.executable, "-m", "smallmix", "train-cell", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stderr
    assert "continued from the checkpoint" in done.stderr
    first, other = (read_weights(folder / WEIGHTS_FILE) for folder in (with_weights, job.output))
    assert first.description == replace(other.description, version="0")
    assert all(torch.equal(tensor, other.tensors[name]) for name, tensor in first.tensors.items())
    again, _ = data.train(CELL, tmp_path / "again", keep_weights=True)
    assert (again / WEIGHTS_FILE).read_bytes() == (with_weights / WEIGHTS_FILE).read_bytes()


def environment() -> dict[str, str]:
    """The environment of a process that finds the packages as this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}


def test_a_record_with_its_network_serves_both(with_weights: Path, data: TinyData, tmp_path: Path) -> None:
    store = with_weights.parent / "store"
    for keep in (False, True):
        output = tmp_path / str(keep)
        _, lines = data.train(CELL, tmp_path, store=store, output=output, keep_weights=keep)
        assert [line.partition(":")[0] for line in lines] == ["found in the store"]
        assert files_in(output) == files_in(with_weights if keep else output)
        assert (output / WEIGHTS_FILE).exists() == keep


def test_a_network_of_another_training_does_not_stay_beside_new_numbers(
    with_weights: Path, data: TinyData, tmp_path: Path
) -> None:
    output = tmp_path / "cell"
    data.train(CELL, tmp_path, output=output, keep_weights=True)
    other, _ = data.train(tiny_cell("images", iterations=14), tmp_path, output=output)
    assert files_in(other) == sorted(RECORD_FILES)


@pytest.fixture
def record(data: TinyData, tmp_path: Path) -> StoreEntry:
    """A stored record without its network, below tmp_path."""
    data.train(CELL, tmp_path)
    return the_entry(tmp_path)


def test_a_record_without_its_network_is_completed_by_the_same_training(
    record: StoreEntry, with_weights: Path, data: TinyData, tmp_path: Path
) -> None:
    before = {name: (record.finished / name).read_bytes() for name in RECORD_FILES}
    assert not record.serves(weights=True)
    output, lines = data.train(CELL, tmp_path, keep_weights=True)
    assert lines[0] == "trained again, to the same weights, because its network was not kept"
    assert {name: (record.finished / name).read_bytes() for name in RECORD_FILES} == before
    assert {name: (output / name).read_bytes() for name in RECORD_FILES} == before
    assert (output / WEIGHTS_FILE).read_bytes() == (with_weights / WEIGHTS_FILE).read_bytes()
    assert record.serves(weights=True)
    assert not record.has_checkpoint
    _, lines = data.train(CELL, tmp_path, keep_weights=True)
    assert [line.partition(":")[0] for line in lines] == ["found in the store"]


def test_completing_can_be_interrupted(record: StoreEntry, with_weights: Path, data: TinyData, tmp_path: Path) -> None:
    with pytest.raises(SmallmixError, match="saved at iteration"):
        data.train(CELL, tmp_path, StopAtCheck(9), keep_weights=True)
    assert record.is_finished
    assert record.has_checkpoint
    output, lines = data.train(CELL, tmp_path, keep_weights=True)
    assert any("continued from the checkpoint" in line for line in lines)
    assert (output / WEIGHTS_FILE).read_bytes() == (with_weights / WEIGHTS_FILE).read_bytes()


def change_record(entry: StoreEntry, **changes: Any) -> None:
    """Write other numbers into a stored record, and seal it again, as if another machine had trained it."""
    metrics = json.loads((entry.finished / "metrics.json").read_text(encoding="utf-8"))
    content = {name: (entry.finished / name).read_bytes() for name in RECORD_FILES}
    entry.finish({**content, "metrics.json": json.dumps({**metrics, **changes}).encode()})


@pytest.mark.parametrize(
    ("changes", "moment"),
    [
        ({"weights_sha256": "0" * 64}, "at the end"),
        ({"early_weights_sha256": {"1": "0" * 64}}, "after iteration 1"),
        ({"early_weights_sha256": {"10": "0" * 64}}, "after iteration 10"),
    ],
)
def test_a_training_that_ends_with_other_weights_is_refused(
    record: StoreEntry, data: TinyData, tmp_path: Path, changes: dict[str, Any], moment: str
) -> None:
    """Where it shows early, the rest is not trained."""
    change_record(record, **changes)
    with pytest.raises(TrainingError) as raised:
        data.train(CELL, tmp_path, keep_weights=True)
    message = str(raised.value)
    assert f"not those of the stored result {moment}" in message
    assert "trained on cpu" in message
    assert message.endswith("which trains the cell anew.")
    assert record.is_finished
    assert not record.keeps_weights
    assert not record.has_checkpoint
    log = record.log_file.read_text(encoding="utf-8")
    assert log.count("finished: ") == (2 if moment == "at the end" else 1)
    assert json.loads((tmp_path / "cell" / "failure.json").read_text(encoding="utf-8"))["reason"] == message


def test_without_a_digest_of_its_weights_a_record_is_not_completed(
    record: StoreEntry, data: TinyData, tmp_path: Path
) -> None:
    change_record(record, weights_sha256=None)
    with pytest.raises(TrainingError, match="has no digest of its weights"):
        data.train(CELL, tmp_path, keep_weights=True)


@pytest.mark.parametrize("damage", ["flipped", "empty", "missing"])
def test_a_damaged_network_in_the_store_is_made_again_and_its_numbers_stay(
    with_weights: Path, data: TinyData, tmp_path: Path, damage: str
) -> None:
    data.train(CELL, tmp_path, keep_weights=True)
    entry = the_entry(tmp_path)
    path = entry.finished / WEIGHTS_FILE
    if damage == "missing":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[-5] ^= 1
        path.write_bytes(content if damage == "flipped" else b"")
    assert entry.is_finished
    _, lines = data.train(CELL, tmp_path)  # who wants the numbers alone is not held up
    assert [line.partition(":")[0] for line in lines] == ["found in the store"]
    output, lines = data.train(CELL, tmp_path, keep_weights=True)
    reason = "its network was not kept" if damage == "missing" else f"{WEIGHTS_FILE} is not the file that was written"
    assert lines[0].startswith(f"trained again, to the same weights, because {reason}")
    assert (output / WEIGHTS_FILE).read_bytes() == (with_weights / WEIGHTS_FILE).read_bytes()


def test_a_kill_anywhere_while_a_network_is_added_leaves_the_record_whole(
    with_weights: Path, data: TinyData, tmp_path: Path
) -> None:
    weights = (with_weights / WEIGHTS_FILE).read_bytes()
    for operation in range(1, 100):
        entry = StoreEntry(tmp_path / f"{operation:032d}")
        entry.acquire()
        entry.finish({"history.csv": b"h", "predictions.npz": b"p", "metrics.json": b"{}"})
        (entry.folder / "checkpoint.pt").touch()

        def add_and_die(entry: StoreEntry = entry, operation: int = operation) -> None:
            kill_at(operation)
            entry.add_weights(weights)

        killed = was_killed(forked(add_and_die))
        assert entry.is_finished
        assert entry.serves(weights=True) or entry.has_checkpoint
        if not killed:
            assert operation > 6
            assert entry.serves(weights=True)
            return
    pytest.fail("the process was killed at every operation: does it ever end?")


def test_a_kill_between_weights_and_metrics_leaves_no_metrics(with_weights: Path, tmp_path: Path) -> None:
    """So that a cell's numbers never stand beside another training's network, and Snakemake misses the file."""
    entry = the_entry(with_weights.parent)
    for operation in range(1, 100):
        output = tmp_path / str(operation)
        output.mkdir()
        for name in (*RECORD_FILES, WEIGHTS_FILE):
            (output / name).write_bytes(b"older")

        def publish_and_die(output: Path = output, operation: int = operation) -> None:
            kill_at(operation)
            entry.publish(output, weights=True)

        killed = was_killed(forked(publish_and_die))
        found = {path.name: path.read_bytes() for path in output.iterdir() if not path.name.startswith(".")}
        published = {name: (entry.finished / name).read_bytes() for name in (*RECORD_FILES, WEIGHTS_FILE)}
        older = dict.fromkeys(published, b"older")
        assert "metrics.json" not in found or found in (older, published)
        if not killed:
            assert operation > 10
            assert found == published
            return
    pytest.fail("the process was killed at every operation: does it ever end?")


def test_without_the_library_it_is_said_before_the_training(
    data: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(SmallmixError, match=r"needs the package safetensors.*keep: \{weights: none\}"):
        data.train(CELL, tmp_path, keep_weights=True)
    assert not (tmp_path / "store").exists()
    output, _ = data.train(CELL, tmp_path)  # who keeps none needs none
    assert files_in(output) == sorted(RECORD_FILES)


def test_the_network_is_read_before_it_is_needed_only_where_it_is_kept(
    data: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> bytes:
        raise AssertionError("nobody asked for the network")

    monkeypatch.setattr(train_cell_module, "weights_file", refuse)
    data.train(CELL, tmp_path)


@pytest.fixture
def study(tmp_path: Path) -> TinyStudy:
    """A study that keeps its networks."""
    written = TinyStudy.write(tmp_path, iterations=12)
    configuration = {**written.layout.study.configuration, "keep": {"weights": "final"}}
    return TinyStudy(replace(written.layout, study=Study.from_configuration(configuration)))


def test_a_result_of_older_code_is_adopted_with_its_network(study: TinyStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    place = "n20/data-mix/seed0"
    with monkeypatch.context() as older:
        older.setattr(train_cell_module, "fingerprint_training", lambda cell: "older code")
        study.train(place, keep_weights=True)
    network = (study.layout.cell(study.cell(place)) / WEIGHTS_FILE).read_bytes()
    target = study.entry(place)
    assert not target.is_finished
    assert adopt_layout(study.layout, False, False) == 0
    assert target.serves(weights=True)
    assert (target.finished / WEIGHTS_FILE).read_bytes() == network
    lines: list[str] = []
    train_cell_module.train_cell(study.job(place, keep_weights=True), StopRequest(), lines.append)
    assert [line.partition(":")[0] for line in lines] == ["found in the store"]


@pytest.mark.parametrize("is_whole", [True, False])
def test_copied_results_come_into_the_store_with_their_networks_if_these_are_whole(
    study: TinyStudy, is_whole: bool
) -> None:
    place = "n20/data-mix/seed0"
    study.train(place, keep_weights=True)
    entry = study.entry(place)
    shutil.rmtree(entry.folder)
    path = study.layout.cell(study.cell(place)) / WEIGHTS_FILE
    if not is_whole:
        path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    assert keep_copied(study.layout) == 1
    assert entry.is_finished
    assert entry.serves(weights=True) == is_whole


def test_several_cells_of_one_process_keep_their_networks(data: TinyData, with_weights: Path, tmp_path: Path) -> None:
    cells = {"kept": CELL, "not": tiny_cell(iterations=3)}
    jobs = {
        name: data.job(cell, tmp_path, output=tmp_path / name, keep_weights=name == "kept")
        for name, cell in cells.items()
    }
    outcomes = train_cells(jobs, 2, StopRequest(), lambda line: None)
    assert all(outcome.exit_code == 0 for outcome in outcomes.values())
    assert (tmp_path / "kept" / WEIGHTS_FILE).read_bytes() == (with_weights / WEIGHTS_FILE).read_bytes()
    assert not (tmp_path / "not" / WEIGHTS_FILE).exists()


def test_a_list_of_jobs_and_a_study_say_which_networks_are_kept(study: TinyStudy, tmp_path: Path) -> None:
    listed = [
        {"cell": CELL.to_dict(), "dataset": "d", "subset": "s", "output": f"o{number}", **more}
        for number, more in enumerate([{}, {"keep_weights": True}, {"keep_weights": False}])
    ]
    (tmp_path / "jobs.json").write_text(json.dumps(listed), encoding="utf-8")
    study.layout.study_file.write_text(study.layout.study.to_json(), encoding="utf-8")
    place = {"store": tmp_path, "version": "0"}
    jobs = train_cells_command._jobs_of_file(Namespace(cell=None, jobs=tmp_path / "jobs.json"), place)
    assert [job.keep_weights for job in jobs.values()] == [False, True, False]
    jobs = train_cells_command._jobs_of_study(Namespace(cell=None, study=study.layout.study_file), place)
    assert all(job.keep_weights for job in jobs.values())

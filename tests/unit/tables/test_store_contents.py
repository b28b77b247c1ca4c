"""`store`: what is shown of each training, and that pruning never touches what a study or a process needs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from smallmix.commands import store as store_command
from smallmix.commands.main import main
from smallmix.errors import CellBusyError, SmallmixError
from smallmix.study.cell import Cell
from smallmix.study.known_studies import KnownStudies, find_known_studies
from smallmix.study.layout import Layout
from smallmix.study.study import Study
from smallmix.tables.store_contents import StoredTraining, read_store, removable, remove_training
from smallmix.training.store import RECORD_FORMAT, StoreEntry

from tests.tiny_cell import StopAtCheck
from tests.tiny_study import TinyStudy

PLACE, OTHER = "n20/non/seed0", "n20/label-mix/seed0"
DAY = 86_400
RECORD = {"history.csv": b"iteration\n", "predictions.npz": b"PK"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyStudy:
    """A project with one study of its own, of which one cell is trained; smallmix's own studies are not among them."""
    from smallmix.study import known_studies

    monkeypatch.setattr(known_studies, "PROJECT", tmp_path / "no-project")
    study = TinyStudy.write(tmp_path)
    (tmp_path / "config.yaml").write_text("study: article\n" + BASE, encoding="utf-8")
    study.train(PLACE)
    return study


BASE = """\
dataset: {name: digits}
subsets: {sizes: [20]}
methods: {non: {mix: none}}
seeds: [0]
recipe: {augmentation: {flip: false, crop_padding: 1}}
budgets: {default: {epochs: 1}}
"""


def look(study: TinyStudy) -> dict[str, StoredTraining]:
    """The trainings of the store by their keys."""
    found = read_store(find_known_studies(study.layout.root), study.layout.store)
    return {one.key: one for one in found}


def put_record(store: Path, key: str, cell: Cell, *, code: str = "0" * 16, data: str = "d" * 64) -> StoreEntry:
    """Put a finished record of a cell into the store."""
    entry = StoreEntry(store / key)
    origin = {"cell": cell.to_dict(), "cell_fingerprint": cell.fingerprint, "format": RECORD_FORMAT}
    metrics = {**origin, "data_fingerprint": data, "code_fingerprint": code}
    entry.acquire()
    entry.finish({**RECORD, "metrics.json": json.dumps(metrics).encode()})
    entry.release()
    return entry


def make_old(entry: StoreEntry, days: float) -> None:
    """Let all files of a training have been written days ago."""
    moment = time.time() - days * DAY
    for place, folders, files in os.walk(entry.folder):
        for name in [*folders, *files]:
            os.utime(Path(place) / name, (moment, moment))
    os.utime(entry.folder, (moment, moment))


def prune(study: TinyStudy, *options: str) -> int:
    return main(["store", "prune", "--root", str(study.layout.root), *options])


def other_cell(study: TinyStudy) -> Cell:
    """A cell that no study has."""
    return replace(study.cell(PLACE).value, seed=77)


def test_a_finished_training_is_shown_with_the_cells_that_are_it(project: TinyStudy) -> None:
    entry = project.entry(PLACE)
    one = look(project)[entry.folder.name]
    assert (one.state, one.uses, one.is_needed) == ("finished", {"tiny": (PLACE,)}, True)
    assert one.size == sum(path.stat().st_size for path in entry.folder.rglob("*") if path.is_file())
    assert one.origin is not None
    assert one.origin.cell == project.cell(PLACE).value
    assert not one.has_weights


def test_two_studies_may_need_one_training(project: TinyStudy) -> None:
    study = project.layout.study
    other = Study.from_configuration({**study.configuration, "study": "twin", "seeds": [0]})
    layout = Layout(other, project.layout.root)
    layout.study_file.parent.mkdir()
    layout.study_file.write_text(other.to_json(), encoding="utf-8")
    shutil.copytree(project.layout.results / "subsets", layout.results / "subsets")
    one = look(project)[project.entry(PLACE).folder.name]
    assert one.uses == {"tiny": (PLACE,), "twin": (PLACE,)}


def test_a_checkpoint_alone_is_unfinished_and_says_of_which_cell_it_is(project: TinyStudy) -> None:
    with pytest.raises(SmallmixError):
        project.train(OTHER, StopAtCheck(9))
    one = look(project)[project.entry(OTHER).folder.name]
    assert (one.state, one.uses) == ("unfinished", {"tiny": (OTHER,)})
    assert one.origin is not None
    assert one.origin.cell == project.cell(OTHER).value


def test_states_of_what_no_study_needs(project: TinyStudy) -> None:
    store, cell = project.layout.store, other_cell(project)
    from smallmix.code_fingerprint import fingerprint_training

    put_record(store, "a" * 32, cell, code=fingerprint_training(cell))
    put_record(store, "b" * 32, cell)
    damaged = put_record(store, "c" * 32, cell)
    (damaged.finished / "history.csv").write_bytes(b"another")
    (store / ("d" * 32)).mkdir()
    (store / ("d" * 32) / "log.txt").write_text("2026-01-01 00:00:00 failed: no memory\n", encoding="utf-8")
    unfinished = StoreEntry(store / ("e" * 32))
    unfinished.folder.mkdir()
    (unfinished.folder / "checkpoint.pt").write_bytes(b"x")
    (store / "notes").mkdir()  # of the user's own
    (store / ("f" * 32)).symlink_to(damaged.folder)
    found = {key: one.state for key, one in look(project).items()}
    assert found == {
        project.entry(PLACE).folder.name: "finished",
        "a" * 32: "finished",
        "b" * 32: "outdated",
        "c" * 32: "damaged",
        "d" * 32: "empty",
        "e" * 32: "unfinished",
    }
    # The checkpoint may be of config.yaml's study, whose subset is not here. Once it is, nothing is left open.
    assert {key for key, one in look(project).items() if not one.is_needed} == {letter * 32 for letter in "abcd"}
    shutil.copytree(project.layout.results / "subsets", project.layout.results.parent / "article" / "subsets")
    assert {key for key, one in look(project).items() if not one.is_needed} == {letter * 32 for letter in "abcde"}


def test_a_result_of_older_code_is_needed_until_the_study_has_its_own(project: TinyStudy) -> None:
    """`adopt` may take it over."""
    from smallmix.tables.collect import find_wanted

    def data_of(place: str) -> str:
        wanted = find_wanted([project.cell(place)], project.layout)[place]
        assert wanted.data is not None
        return wanted.data

    store = project.layout.store
    put_record(store, "a" * 32, project.cell(OTHER).value, data=data_of(OTHER))
    put_record(store, "b" * 32, project.cell(PLACE).value, data=data_of(PLACE))
    found = look(project)
    assert (found["a" * 32].state, found["a" * 32].uses) == ("outdated", {"tiny": (OTHER,)})
    assert (found["b" * 32].state, found["b" * 32].uses) == ("outdated", {})
    project.train(OTHER)
    assert look(project)["a" * 32].uses == {}


def test_where_the_images_are_not_here_equal_cells_count_as_needed(project: TinyStudy) -> None:
    """Else pruning behind `rm -r resources` would cost every training."""
    with pytest.raises(SmallmixError):
        project.train(OTHER, StopAtCheck(9))
    unknown = StoreEntry(project.layout.store / ("a" * 32))
    unknown.folder.mkdir()
    (unknown.folder / "checkpoint.pt").write_bytes(b"x")  # of a version that notes no cell
    keys = {project.entry(PLACE).folder.name, project.entry(OTHER).folder.name}
    shutil.rmtree(project.layout.dataset)
    found = look(project)
    assert found.keys() == {*keys, "a" * 32}
    assert all(one.is_needed for one in found.values())
    assert found["a" * 32].may_be_needed == "its cell is not on record, and the images of a study are not here"


def test_a_training_under_way_is_not_removed(project: TinyStudy) -> None:
    entry = StoreEntry(project.layout.store / ("a" * 32))
    child = os.fork()
    if child == 0:
        held = StoreEntry(entry.folder)
        held.acquire()
        (entry.folder / "checkpoint.pt").touch()
        time.sleep(60)
        os._exit(0)
    try:
        while not (entry.folder / "checkpoint.pt").exists():
            time.sleep(0.01)
        one = look(project)["a" * 32]
        assert one.trainer is not None
        assert one.trainer.holder.startswith(f"process {child} on ")
        assert removable([one], 0, time.time() + 1) == []
        # It began behind the look at the store: the lock keeps it.
        with pytest.raises(CellBusyError):
            remove_training(replace(one, trainer=None))
        assert (entry.folder / "checkpoint.pt").exists()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert look(project)["a" * 32].trainer is None


def test_pruning_shows_first_and_removes_with_yes(project: TinyStudy, capsys: pytest.CaptureFixture[str]) -> None:
    store = project.layout.store
    record = put_record(store, "a" * 32, other_cell(project))
    assert prune(project) == 0
    shown = capsys.readouterr().out
    assert "aaaaaaaa" in shown
    assert "nothing was removed; `smallmix store prune --yes` would remove 1 training" in shown
    assert record.is_finished
    assert prune(project, "--yes", "--dry-run") == 0
    assert record.is_finished
    assert prune(project, "--yes") == 0
    assert "removed 1 training" in capsys.readouterr().out
    assert not record.folder.exists()
    assert project.entry(PLACE).is_finished
    assert prune(project, "--yes") == 0
    assert "nothing to remove" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "stays"), [("y\n", False), ("YES\n", False), ("\n", True), ("n\n", True)])
def test_on_a_terminal_it_asks(project: TinyStudy, monkeypatch: pytest.MonkeyPatch, answer: str, stays: bool) -> None:
    record = put_record(project.layout.store, "a" * 32, other_cell(project))
    asked: list[str] = []

    def reply(question: str) -> str:
        asked.append(question)
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", reply)
    assert prune(project) == 0
    assert len(asked) == 1
    assert asked[0].startswith("Remove these for good (1 training, ")
    assert record.is_finished == stays


def test_only_what_is_old_enough(project: TinyStudy, capsys: pytest.CaptureFixture[str]) -> None:
    store, cell = project.layout.store, other_cell(project)
    old, young = (put_record(store, letter * 32, cell) for letter in "ab")
    make_old(old, 31)
    make_old(young, 29)
    assert prune(project, "--older-than", "30") == 0
    assert "`smallmix store prune --older-than 30 --yes` would remove 1 training" in capsys.readouterr().out
    assert prune(project, "--yes", "--older-than", "30") == 0
    assert not old.folder.exists()
    assert young.is_finished


def test_a_clock_that_was_set_back_makes_nothing_old(project: TinyStudy) -> None:
    record = put_record(project.layout.store, "a" * 32, other_cell(project))
    make_old(record, -40)
    assert prune(project, "--yes", "--older-than", "30") == 0
    assert record.is_finished


@pytest.mark.parametrize("file", ["workflow/studies/broken.yaml", "results/old/study.json"])
def test_nothing_is_removed_while_a_study_cannot_be_read(
    project: TinyStudy, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    record = put_record(project.layout.store, "a" * 32, other_cell(project))
    broken = project.layout.root / file
    broken.parent.mkdir(parents=True)
    broken.write_text('{"study": "broken", "seeds": "many"}', encoding="utf-8")
    assert prune(project, "--yes") in (1, 2)
    told = capsys.readouterr().err
    assert "nothing was removed, because it is not known what some studies need" in told
    assert file in told
    assert record.is_finished
    assert main(["store", "list", "--root", str(project.layout.root)]) == 0
    captured = capsys.readouterr()
    assert "aaaaaaaa" in captured.out
    assert "what this study needs is not known" in captured.err


def test_studies_that_were_never_run_here_are_known(project: TinyStudy) -> None:
    folder = project.layout.root / "workflow" / "studies"
    folder.mkdir(parents=True)
    (folder / "planned.yaml").write_text("study: planned\nseeds: [77]\n", encoding="utf-8")
    known = find_known_studies(project.layout.root)
    assert sorted(layout.study.name for layout in known.layouts) == ["article", "planned", "tiny"]
    assert known.problems == ()
    (planned,) = [layout.study for layout in known.layouts if layout.study.name == "planned"]
    put_record(project.layout.store, "a" * 32, planned.cells[0].value)
    assert look(project)["a" * 32].uses == {"planned": ("n20/non/seed77",)}


def test_smallmixs_own_studies_are_known_everywhere(tmp_path: Path) -> None:
    known = find_known_studies(tmp_path)
    assert known.problems == ()
    assert {"article", "demo", "laptop"} <= {layout.study.name for layout in known.layouts}


def test_json_for_programs(project: TinyStudy, capsys: pytest.CaptureFixture[str]) -> None:
    record = put_record(project.layout.store, "a" * 32, other_cell(project))
    make_old(record, 3)
    assert main(["store", "list", "--json", "--root", str(project.layout.root)]) == 0
    told = json.loads(capsys.readouterr().out)
    by_key: dict[str, dict[str, Any]] = {one["training"]: one for one in told["trainings"]}
    needed, idle = by_key[project.entry(PLACE).folder.name], by_key["a" * 32]
    assert (needed["state"], needed["needed_by"], needed["is_needed"]) == ("finished", {"tiny": [PLACE]}, True)
    assert (idle["state"], idle["needed_by"], idle["is_needed"]) == ("outdated", {}, False)
    assert Cell.from_dict(idle["cell"]) == other_cell(project)
    assert idle["age_days"] == pytest.approx(3, abs=0.01)
    assert told["problems"] == []
    assert prune(project, "--json") == 0
    (only,) = json.loads(capsys.readouterr().out)["trainings"]
    assert (only["training"], only["removed"]) == ("a" * 32, False)
    assert prune(project, "--json", "--yes") == 0
    (only,) = json.loads(capsys.readouterr().out)["trainings"]
    assert only["removed"]
    assert not record.folder.exists()


def test_the_table_is_what_people_read(project: TinyStudy, capsys: pytest.CaptureFixture[str]) -> None:
    record = put_record(project.layout.store, "a" * 32, other_cell(project))
    make_old(record, 3)
    assert main(["store", "list", "--root", str(project.layout.root)]) == 0
    head, first, second, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["training", "state", "size", "age", "cell", "needed", "by"]
    assert first.startswith(f"{project.entry(PLACE).folder.name[:8]}  finished  ")
    assert first.endswith(f"digits, 20 images, none, seed 0, preact-resnet18   tiny {PLACE}")
    assert second.startswith("aaaaaaaa  outdated")
    assert "  3 days  digits, 20 images, none, seed 77, preact-resnet18  none" in second
    assert "no study that is known here needs 1 of them" in last


def test_what_cannot_be_removed_is_named(
    project: TinyStudy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = put_record(project.layout.store, "a" * 32, other_cell(project))

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    assert prune(project, "--yes") == 1
    captured = capsys.readouterr()
    assert "removed 0 trainings" in captured.out
    assert f"left: {'a' * 32}: cannot remove {record.finished}: Permission denied" in captured.err
    assert not record.is_finished  # half removed, it is no record any more


def test_a_store_that_is_not_there_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_store(KnownStudies(()), tmp_path / "results" / "store") == []
    assert main(["store", "list", "--root", str(tmp_path)]) == 0
    assert "0 trainings, 0 bytes" in capsys.readouterr().out


@pytest.mark.parametrize("days", ["-1", "nan", "soon"])
def test_an_age_that_is_none_is_refused(days: str) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["store", "prune", "--older-than", days])
    assert raised.value.code == 2
    parse: Callable[[str], float] = store_command._days
    assert parse("0.5") == 0.5

"""Several cells in one process: each gets what it gets alone, and what ends one leaves the others alone."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from smallmix.errors import SmallmixError
from smallmix.science import steps
from smallmix.study.cell import BudgetValue, Cell
from smallmix.training import train_cell as train_cell_module
from smallmix.training.cell_data import load_training_data
from smallmix.training.checkpoint import save_checkpoint
from smallmix.training.signals import StopRequest
from smallmix.training.store import StoreEntry
from smallmix.training.train_cell import TrainingJob
from smallmix.training.train_cells import Outcome, describe_outcomes, exit_code_of, train_cells

from tests.tiny_cell import StopAtCheck, TinyData, tiny_cell

SMALLER, LARGER = 12, 20
TIMES = ("timing", "environment", "earlier_environments")


def various_cells() -> dict[str, Cell]:
    """Other sizes, methods, lengths, moments, precisions and numbers of threads."""
    return {
        "long": tiny_cell("images", iterations=11, every=3, size=LARGER),
        "short": tiny_cell("none", iterations=4, every=2, size=SMALLER),
        "in bf16": tiny_cell("images-and-labels", iterations=7, every=4, size=SMALLER, precision="bf16"),
        "two threads": tiny_cell("images-and-labels", iterations=8, every=8, size=LARGER, cpu_threads=2),
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[int, TinyData]:
    """Images and the table of a subset, by the subset's size."""
    return {size: TinyData.write(tmp_path_factory.mktemp(f"n{size}"), size=size) for size in (SMALLER, LARGER)}


@pytest.fixture(scope="module")
def alone(data: dict[int, TinyData], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each cell gives in a process's only training."""
    folder = tmp_path_factory.mktemp("alone")
    return {
        name: result(data[cell.size].train(cell, folder / name, store=folder / "store")[0])
        for name, cell in various_cells().items()
    }


def jobs_in(folder: Path, data: dict[int, TinyData], cells: dict[str, Cell], **choices: Any) -> dict[str, TrainingJob]:
    """One store, an output for each cell."""
    return {
        name: data[cell.size].job(cell, folder, store=folder / "store", output=folder / name, **choices)
        for name, cell in cells.items()
    }


def result(output: Path) -> dict[str, Any]:
    """History and predictions as bytes, and metrics without clock and machine."""
    assert sorted(path.name for path in output.iterdir()) == ["history.csv", "metrics.json", "predictions.npz"]
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    return {
        "history": (output / "history.csv").read_bytes(),
        "predictions": (output / "predictions.npz").read_bytes(),
        "metrics": {key: value for key, value in metrics.items() if key not in TIMES},
    }


def entry_of(job: TrainingJob) -> StoreEntry:
    """The cell's place in the store, found by its cell."""
    for folder in job.store.iterdir():
        metrics = folder / "finished" / "metrics.json"
        if metrics.exists() and json.loads(metrics.read_text())["cell"] == job.cell.to_dict():
            return StoreEntry(folder)
    raise AssertionError("not in the store")


def ignore(line: str) -> None:
    """Say nothing."""


def break_step(cell: Cell, number: int, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the step after `number` steps of this cell raise an error."""
    plain = steps.StepExecutor.step

    def step(executor: steps.StepExecutor) -> int:
        if executor._state.cell == cell and executor._state.iteration == number:
            raise type(error)(*error.args)  # a new one, so that nobody holds its traceback
        return plain(executor)

    monkeypatch.setattr(steps.StepExecutor, "step", step)


@pytest.mark.parametrize("at_once", [1, 2, 9])
def test_cells_in_turns_have_the_bytes_of_cells_alone(
    data: dict[int, TinyData], alone: dict[str, dict[str, Any]], tmp_path: Path, at_once: int
) -> None:
    jobs = jobs_in(tmp_path, data, various_cells())
    lines: list[str] = []
    outcomes = train_cells(jobs, at_once, StopRequest(), lines.append)
    assert outcomes == dict.fromkeys(jobs, Outcome())
    for name, job in jobs.items():
        assert result(job.output) == alone[name], name
        log = entry_of(job).log_file.read_text().splitlines()
        said = [line.removeprefix(f"{name}: ") for line in lines if line.startswith(f"{name}: ")]
        assert [line.split(" ", 2)[2] for line in log] == said  # its own log holds its own lines alone
    assert exit_code_of(outcomes.values()) == 0
    assert describe_outcomes(outcomes) == "4 of 4 cells are done."


def test_they_really_take_turns(data: dict[int, TinyData], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At two at a time: a step of one, a step of the other; the next cell begins where one has ended."""
    taken: list[str] = []
    plain = steps.StepExecutor.step

    def step(executor: steps.StepExecutor) -> int:
        taken.append(executor._state.cell.method.mix)
        return plain(executor)

    monkeypatch.setattr(steps.StepExecutor, "step", step)
    cells = {
        "a": tiny_cell("none", iterations=2),
        "b": tiny_cell("images", iterations=4),
        "c": tiny_cell("images-and-labels", iterations=2),
    }
    train_cells(jobs_in(tmp_path, data, cells), 2, StopRequest(), ignore)
    first, second, third = (cell.method.mix for cell in cells.values())
    assert taken == [first, second, first, second, second, third, second, third]


def test_stopped_at_every_moment_and_continued(
    data: dict[int, TinyData], alone: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """A signal makes all cells save; the same command goes on with all of them."""
    moments = 0
    for number in range(0, 1000, 7):
        jobs = jobs_in(tmp_path / str(number), data, various_cells())
        outcomes = train_cells(jobs, 3, StopAtCheck(number), ignore)
        if exit_code_of(outcomes.values()) == 0:
            break
        moments += 1
        assert exit_code_of(outcomes.values()) == 6
        assert {outcome.exit_code for outcome in outcomes.values()} <= {0, 6}
        assert not list((tmp_path / str(number)).glob("*/failure.json"))
        again = train_cells(jobs, 2, StopRequest(), ignore)
        assert again == dict.fromkeys(jobs, Outcome())
        for name, job in jobs.items():
            assert result(job.output) == alone[name], f"{name}, stopped at check {number}"
    assert moments > 5


def test_a_stop_saves_what_is_under_way_and_begins_nothing(data: dict[int, TinyData], tmp_path: Path) -> None:
    cells = {str(seed): replace(tiny_cell(iterations=50, every=50), seed=seed) for seed in range(3)}
    stop = StopRequest()

    def report(line: str) -> None:
        if line.startswith("1: training"):
            stop.signal_name = "SIGTERM"

    jobs = jobs_in(tmp_path, data, cells)
    outcomes = train_cells(jobs, 2, stop, report)
    assert [outcome.exit_code for outcome in outcomes.values()] == [6, 6, 6]
    assert "SIGTERM received: saved at iteration 1 of 50" in outcomes["0"].reason
    assert "saved at iteration 0 of 50" in outcomes["1"].reason
    assert outcomes["2"].reason == "SIGTERM received before it was begun"
    assert len(list((tmp_path / "store").glob("*/checkpoint.pt"))) == 2
    text = describe_outcomes(outcomes)
    assert text.startswith("0 of 3 cells are done. Not done:\n  0 (exit code 6): SIGTERM received: saved at iteration ")
    assert text.endswith("Run the same command again: cells that were begun go on from their checkpoints.")


@pytest.mark.parametrize(
    ("error", "exit_code", "reason"),
    [
        (None, 4, "the training loss became "),
        (SmallmixError("no space left on the disk"), 1, "no space left on the disk"),
        (RuntimeError("out of memory"), 4, "out of memory on the CPU"),
        (ZeroDivisionError("a slip"), 1, "unexpected ZeroDivisionError: a slip"),
    ],
    ids=["a loss that is not finite", "a full disk", "no memory", "an error of ours"],
)
def test_a_failure_of_one_stops_no_other(
    data: dict[int, TinyData],
    alone: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception | None,
    exit_code: int,
    reason: str,
) -> None:
    rate = 1e30 if error is None else 0.04
    broken = tiny_cell("images", iterations=9, learning_rate=rate)
    if error is not None:
        break_step(broken, 2, error, monkeypatch)
    cells = {"broken": broken, **various_cells()}
    jobs = jobs_in(tmp_path, data, cells)
    outcomes = train_cells(jobs, 3, StopRequest(), ignore)
    for name in alone:
        assert outcomes[name] == Outcome()
        assert result(jobs[name].output) == alone[name]
    assert outcomes["broken"].exit_code == exit_code == exit_code_of(outcomes.values())
    assert outcomes["broken"].reason.startswith(reason)
    failure = json.loads((jobs["broken"].output / "failure.json").read_text())
    assert failure["reason"] == outcomes["broken"].reason
    assert not (jobs["broken"].output / "metrics.json").exists()
    assert f"  broken (exit code {exit_code}): {reason}" in describe_outcomes(outcomes)


def test_a_checkpoint_for_which_there_is_no_space_ends_its_cell_alone(
    data: dict[int, TinyData], alone: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = save_checkpoint
    full: list[Path] = []

    def save(folder: Path, key: str, state: dict[str, Any]) -> None:
        if not full:
            full.append(folder)
        if folder == full[0]:
            raise SmallmixError("the checkpoint could not be saved: no space left")
        plain(folder, key, state)

    monkeypatch.setattr(train_cell_module, "save_checkpoint", save)
    jobs = jobs_in(tmp_path, data, various_cells(), checkpoint_seconds=0.0)
    outcomes = train_cells(jobs, 4, StopRequest(), ignore)
    assert [name for name, outcome in outcomes.items() if outcome.exit_code] == ["long"]
    monkeypatch.undo()
    assert train_cells(jobs, 4, StopRequest(), ignore) == dict.fromkeys(jobs, Outcome())
    assert {name: result(job.output) for name, job in jobs.items()} == alone


def test_other_data_than_the_cell_names_are_refused_for_it_alone(data: dict[int, TinyData], tmp_path: Path) -> None:
    jobs = jobs_in(tmp_path, data, {"good": tiny_cell(iterations=2), "wrong": tiny_cell("images", iterations=2)})
    jobs["wrong"] = replace(jobs["wrong"], subset=data[SMALLER].subset)
    outcomes = train_cells(jobs, 2, StopRequest(), ignore)
    assert outcomes["good"] == Outcome()
    assert outcomes["wrong"].exit_code == 3
    assert json.loads((jobs["wrong"].output / "failure.json").read_text())["reason"] == outcomes["wrong"].reason


def test_a_cell_of_another_process_is_left_out(
    data: dict[int, TinyData], alone: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    jobs = jobs_in(tmp_path, data, various_cells())
    assert train_cells({"short": jobs["short"]}, 1, StopRequest(), ignore) == {"short": Outcome()}
    entry = entry_of(jobs["short"])
    (entry.finished / "checksums.json").unlink()  # to be trained again
    entry.acquire()
    outcomes = train_cells(jobs, 2, StopRequest(), ignore)
    entry.release()
    assert outcomes["short"].exit_code == 5 == exit_code_of(outcomes.values())
    assert "this very cell is being trained by process " in outcomes["short"].reason
    for name in set(alone) - {"short"}:
        assert result(jobs[name].output) == alone[name]


def test_a_cell_of_another_process_is_waited_for(
    data: dict[int, TinyData], alone: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    jobs = jobs_in(tmp_path, data, {"short": various_cells()["short"]})
    train_cells(jobs, 1, StopRequest(), ignore)
    entry = entry_of(jobs["short"])
    (entry.finished / "checksums.json").unlink()
    entry.acquire()

    def report(line: str) -> None:
        if line.startswith("waiting up to 600 s for other processes to train short"):
            entry.release()

    assert train_cells(jobs, 1, StopRequest(), report, wait_seconds=600.0) == {"short": Outcome()}
    assert result(jobs["short"].output) == alone["short"]


def test_a_signal_ends_the_waiting(data: dict[int, TinyData], tmp_path: Path) -> None:
    jobs = jobs_in(tmp_path, data, {"short": various_cells()["short"]})
    train_cells(jobs, 1, StopRequest(), ignore)
    entry = entry_of(jobs["short"])
    (entry.finished / "checksums.json").unlink()
    entry.acquire()
    stop = StopRequest()

    def report(line: str) -> None:
        stop.signal_name = "SIGTERM"

    outcomes = train_cells(jobs, 1, stop, report, wait_seconds=600.0)
    entry.release()
    assert exit_code_of(outcomes.values()) == 6
    assert outcomes["short"].reason == "SIGTERM received before it was begun"


def test_equal_cells_of_two_studies_are_trained_once(data: dict[int, TinyData], tmp_path: Path) -> None:
    cell = tiny_cell(iterations=5)
    lines: list[str] = []
    jobs = jobs_in(tmp_path, data, {"here": cell, "there": cell})
    assert train_cells(jobs, 2, StopRequest(), lines.append) == dict.fromkeys(jobs, Outcome())
    assert result(jobs["here"].output) == result(jobs["there"].output)
    assert sum("training 5 iterations" in line for line in lines) == 1


def test_a_cell_in_the_store_is_published_at_once(data: dict[int, TinyData], tmp_path: Path) -> None:
    cells = {"a": tiny_cell(iterations=5), "b": tiny_cell("images", iterations=5)}
    train_cells(jobs_in(tmp_path, data, {"b": cells["b"]}), 1, StopRequest(), ignore)
    jobs = {
        name: replace(job, output=tmp_path / "again" / name) for name, job in jobs_in(tmp_path, data, cells).items()
    }
    seen: list[bool] = []

    def report(line: str) -> None:
        if line.startswith("a: iteration 2/"):
            seen.append((tmp_path / "again" / "b" / "metrics.json").exists())

    train_cells(jobs, 2, StopRequest(), report)
    assert seen == [True]


def test_a_budget_of_nothing_is_no_special_case(data: dict[int, TinyData], tmp_path: Path) -> None:
    """One step: the cell ends in its second turn."""
    cell = replace(tiny_cell(every=1), budget=BudgetValue("iterations", 1))
    assert train_cells(jobs_in(tmp_path, data, {"one": cell}), 3, StopRequest(), ignore) == {"one": Outcome()}


def test_no_jobs_are_no_error() -> None:
    assert train_cells({}, 3, StopRequest(), ignore) == {}


@pytest.mark.parametrize(
    ("codes", "wanted"), [([], 0), ([0, 5], 5), ([5, 4, 0], 4), ([1, 4], 1), ([4, 5, 6], 6), ([0, 6], 6)]
)
def test_one_exit_code_for_all(codes: list[int], wanted: int) -> None:
    assert exit_code_of(Outcome(code) for code in codes) == wanted


def test_on_a_gpu_each_place_is_a_stream(
    data: dict[int, TinyData], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With stand-ins: all of a cell, from its loading to its end, is on one stream, which a later cell takes over."""
    current: list[object] = ["default"]
    used: dict[str, set[object]] = {}

    @contextlib.contextmanager
    def on_stream(stream: object) -> Iterator[None]:
        current.append(stream)
        try:
            yield
        finally:
            current.pop()

    def noted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(cell: Any, *arguments: Any, **choices: Any) -> Any:
            value = cell if isinstance(cell, Cell) else cell._state.cell
            used.setdefault(value.method.mix, set()).add(current[-1])
            return function(cell, *arguments, **choices)

        return call

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "Stream", object)
    monkeypatch.setattr(torch.cuda, "stream", on_stream)
    monkeypatch.setattr(train_cell_module, "choose_device", lambda choice: torch.device("cpu"))
    monkeypatch.setattr(train_cell_module, "load_training_data", noted(load_training_data))
    monkeypatch.setattr(steps.StepExecutor, "step", noted(steps.StepExecutor.step))
    cells = {
        "a": tiny_cell("none", iterations=2),
        "b": tiny_cell("images", iterations=4),
        "c": tiny_cell("images-and-labels", iterations=2),
    }
    jobs = {name: replace(job, device="auto") for name, job in jobs_in(tmp_path, data, cells).items()}
    assert train_cells(jobs, 2, StopRequest(), ignore) == dict.fromkeys(jobs, Outcome())
    (first,), (second,), (third,) = (used[cell.method.mix] for cell in cells.values())
    assert "default" not in (first, second)
    assert first is third
    assert first is not second
    assert current == ["default"]

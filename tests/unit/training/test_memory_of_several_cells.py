"""The memory of several cells in one process: that of the cells at once, and nothing of those that have ended."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from smallmix.science import steps
from smallmix.training.signals import StopRequest
from smallmix.training.train_cells import exit_code_of, train_cells

from tests.tiny_cell import TinyData, tiny_cell


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TinyData:
    """Write the images and the table of a subset."""
    return TinyData.write(tmp_path_factory.mktemp("images"), size=20)


def bytes_of_tensors() -> int:
    """Return the memory of all living tensors."""
    gc.collect()
    storages: dict[int, int] = {}
    for one in gc.get_objects():
        if issubclass(type(one), torch.Tensor):  # isinstance would wake PyTorch's deprecated objects
            with contextlib.suppress(RuntimeError):  # what compiling left behind is not in memory
                storages[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
    return sum(storages.values())


def most_memory(count: int, at_once: int, measure: Callable[[], int], folder: Path, data: TinyData) -> int:
    """Train equal cells of other seeds; return the most memory that was seen at evaluations and at ends."""
    cells = {str(seed): replace(tiny_cell("images", iterations=3, every=1), seed=seed) for seed in range(count)}
    before, seen = measure(), [0]

    def report(line: str) -> None:
        if ": iteration 2/" in line:
            seen.append(measure() - before)

    jobs = {name: data.job(cell, folder, output=folder / name) for name, cell in cells.items()}
    outcomes = train_cells(jobs, at_once, StopRequest(), report)
    assert exit_code_of(outcomes.values()) == 0
    assert measure() == before  # nothing of a cell outlives it
    return max(seen)


def test_memory_grows_with_the_cells_at_once_and_not_with_their_number(data: TinyData, tmp_path: Path) -> None:
    one, two, three = (most_memory(n, n, bytes_of_tensors, tmp_path / str(n), data) for n in (1, 2, 3))
    assert one > 100_000
    assert three - two == two - one == one
    assert most_memory(4, 1, bytes_of_tensors, tmp_path / "in a row", data) == one


def test_a_failed_cell_leaves_no_memory_behind(data: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = steps.StepExecutor.step

    def step(executor: steps.StepExecutor) -> int:
        if executor._state.iteration == 2:
            raise ZeroDivisionError("a slip")
        return plain(executor)

    monkeypatch.setattr(steps.StepExecutor, "step", step)
    before = bytes_of_tensors()
    job = data.job(tiny_cell("images", iterations=9), tmp_path, output=tmp_path / "broken")
    outcomes = train_cells({"broken": job}, 1, StopRequest(), lambda line: None)
    assert outcomes["broken"].exit_code == 1
    assert bytes_of_tensors() == before

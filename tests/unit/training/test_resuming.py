"""A training that was stopped and continued, anywhere and however often, gives the bytes of one that was not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from smallmix.errors import Interrupted
from smallmix.study.cell import Mix
from smallmix.training import train_cell as train_cell_module
from smallmix.training.checkpoint import FORMAT, NEWEST, read_checkpoint, save_checkpoint
from smallmix.training.signals import StopRequest
from smallmix.training.store import RECORD_FILES

from tests.tiny_cell import MIXES, StopAtCheck, TinyData, tiny_cell


def result(output: Path) -> dict[str, Any]:
    """Return what must be equal: history and predictions as bytes, and metrics without clock and machine."""
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    for key in ("timing", "environment", "earlier_environments"):
        del metrics[key]
    return {
        "history": (output / "history.csv").read_bytes(),
        "predictions": (output / "predictions.npz").read_bytes(),
        "metrics": metrics,
    }


def checkpoint_folder(folder: Path) -> Path:
    """Return the one entry of a store."""
    (entry,) = (folder / "store").iterdir()
    return entry


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TinyData:
    return TinyData.write(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("mix", MIXES)
def test_stopped_at_every_moment_and_continued(data: TinyData, tmp_path: Path, mix: Mix) -> None:
    cell = tiny_cell(mix)
    undisturbed, _ = data.train(cell, tmp_path / "undisturbed")
    wanted = result(undisturbed)
    moments: list[str] = []
    for number in range(1000):
        folder = tmp_path / str(number)
        try:
            data.train(cell, folder, StopAtCheck(number))
        except Interrupted as stop:
            moments.append(str(stop))
        else:
            break  # nobody looks as often as that
        assert not (folder / "cell" / "failure.json").exists()
        output, _ = data.train(cell, folder)
        assert result(output) == wanted, f"stopped at check {number}: {moments[-1]}"
    # Before loading, before training, after each step, and within evaluations, the last one included.
    assert len(moments) >= 2 + cell.iterations + 3
    assert any("nothing is lost" in moment for moment in moments)
    for iteration in range(1, cell.iterations + 1):
        assert any(f"saved at iteration {iteration} of" in moment for moment in moments)


@pytest.mark.parametrize(
    "choices",
    [
        {"last_batch": "even"},
        {"last_batch": "drop", "every": 3},
        {"iterations": 20, "every": 7, "every_at_end": 1},
        {"iterations": 20, "every": 8, "learning_rate": 0.5},
        {"iterations": 12, "every": 5, "schedule": "cosine", "warm_up": 0.3, "decay_at": (), "decay_factor": 1.0},
        {"iterations": 9, "every": 4, "nesterov": True, "decay_normalization": False, "weight_decay": 0.05},
    ],
    ids=[
        "even batches",
        "a dropped remainder",
        "dense evaluations at the end",
        "a large early loss",
        "a warm-up and a cosine",
        "Nesterov momentum and two groups of weights",
    ],
)
def test_stopped_often_whatever_the_batches_and_evaluations(
    data: TinyData, tmp_path: Path, choices: dict[str, Any]
) -> None:
    cell = tiny_cell("images-and-labels", **choices)
    undisturbed, _ = data.train(cell, tmp_path / "undisturbed")
    wanted = result(undisturbed)
    assert wanted["metrics"]["largest_early_loss"] > 0
    evaluated = [line.split(",")[0] for line in wanted["history"].decode().splitlines()[1:]]
    assert evaluated == [str(moment) for moment in cell.evaluation_moments.until(cell.iterations)]
    runs = 1
    while True:
        try:
            output, _ = data.train(cell, tmp_path / "often", StopAtCheck(6))
            break
        except Interrupted:
            runs += 1
            assert runs < 100
    assert runs > 2
    assert result(output) == wanted


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stopped_again_and_again(data: TinyData, tmp_path: Path, precision: str) -> None:
    cell = tiny_cell("images-and-labels", iterations=9, every=4, precision=precision)
    undisturbed, _ = data.train(cell, tmp_path / "undisturbed")
    runs = 1
    while True:
        try:
            # The fewest looks that still let a run take a step: every run advances by one.
            output, lines = data.train(cell, tmp_path / "often", StopAtCheck(6))
            break
        except Interrupted:
            runs += 1
            assert runs < 100
    assert runs > 3
    assert result(output) == result(undisturbed)
    assert any(line.startswith("continued from the checkpoint at iteration") for line in lines)
    assert json.loads((output / "metrics.json").read_text())["timing"]["runs"] == runs


def test_the_comparison_can_fail(data: TinyData, tmp_path: Path) -> None:
    """The negative control: one momentum buffer lost on the way, and the result is another."""
    cell = tiny_cell("images")
    undisturbed, _ = data.train(cell, tmp_path / "undisturbed")
    with pytest.raises(Interrupted):
        data.train(cell, tmp_path / "cut", StopAtCheck(4))
    entry = checkpoint_folder(tmp_path / "cut")
    saved = read_checkpoint(entry / NEWEST, entry.name)
    saved["momentum"][0].zero_()
    save_checkpoint(entry, entry.name, saved)
    output, _ = data.train(cell, tmp_path / "cut")
    found, wanted = result(output), result(undisturbed)
    assert found["history"] != wanted["history"]
    assert found["predictions"] != wanted["predictions"]
    assert found["metrics"]["weights_sha256"] != wanted["metrics"]["weights_sha256"]


def test_saves_as_often_as_it_should_and_cleans_up(
    data: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []

    def counted(folder: Path, key: str, state: dict[str, Any]) -> None:
        saved.append(state["iteration"])
        save_checkpoint(folder, key, state)

    monkeypatch.setattr(train_cell_module, "save_checkpoint", counted)
    data.train(tiny_cell(), tmp_path, checkpoint_seconds=0.0)
    assert saved == [0, 1, 2, 3, 4, 5]
    entry = checkpoint_folder(tmp_path)
    assert sorted(path.name for path in entry.iterdir()) == ["cell.json", "finished", "lock", "log.txt"]
    assert sorted(path.name for path in (entry / "finished").iterdir()) == sorted([*RECORD_FILES, "checksums.json"])


def test_a_checkpoint_of_another_cell_or_an_older_format_starts_afresh(data: TinyData, tmp_path: Path) -> None:
    undisturbed, _ = data.train(tiny_cell("none"), tmp_path / "undisturbed")
    for mix in ("none", "images"):
        with pytest.raises(Interrupted):
            data.train(tiny_cell(mix), tmp_path / mix, StopAtCheck(4))
    stranger = (checkpoint_folder(tmp_path / "images") / NEWEST).read_bytes()
    path = checkpoint_folder(tmp_path / "none") / NEWEST
    own = path.read_bytes()
    older = own.replace(FORMAT.encode(), b"smallmix checkpoint 1", 1)
    for content, reason in ((stranger, "another cell"), (older, "its format is")):
        folder = tmp_path / reason.replace(" ", "-")
        entry = folder / "store" / path.parent.name
        entry.mkdir(parents=True)
        (entry / NEWEST).write_bytes(content)
        output, lines = data.train(tiny_cell("none"), folder)
        assert result(output) == result(undisturbed)
        assert any(reason in line for line in lines)
        assert "no checkpoint can be used: training starts from the beginning" in lines
        assert reason in (entry / "log.txt").read_text()


def test_reports_where_it_is_continued_elsewhere(
    data: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Interrupted):
        data.train(tiny_cell(), tmp_path, StopAtCheck(4))
    monkeypatch.setattr(train_cell_module, "describe_processor", lambda: "another processor")
    output, lines = data.train(tiny_cell(), tmp_path)
    assert any("continued elsewhere" in line and "now another processor" in line for line in lines)
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["environment"]["processor"] == "another processor"
    assert [one["processor"] != "another processor" for one in metrics["earlier_environments"]] == [True]


def test_equal_cells_give_equal_bytes_whatever_stands_around_them(data: TinyData, tmp_path: Path) -> None:
    """Other random states, thread counts, default types of the process, and folders leave no trace."""
    cell = tiny_cell("images-and-labels")
    first, _ = data.train(cell, tmp_path / "one")
    torch.manual_seed(1234)
    torch.rand(17)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    second, _ = data.train(cell, tmp_path / "another folder, ünïcode" / "deeper")
    torch.set_num_threads(threads)
    assert result(first) == result(second)


def test_the_final_evaluation_survives_a_stop_after_the_last_step(data: TinyData, tmp_path: Path) -> None:
    class StopWhenLogged(StopRequest):
        """Stops once the last evaluation is logged: nothing is left to stop."""

    stop = StopWhenLogged()
    job = data.job(tiny_cell(), tmp_path)

    def report(line: str) -> None:
        if line.startswith("finished"):
            stop.signal_name = "SIGTERM"

    train_cell_module.train_cell(job, stop, report)
    assert (job.output / "metrics.json").exists()

"""Several cells in one process meet what one cell meets: kills, signals, a full disk, another process. None is lost."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.conftest import UndisturbedRuns
from tests.chaos.outcomes import Outcomes
from tests.chaos.trainer import Attempt, Training, environment, limit_files
from tests.tiny_cell import MIXES


@dataclass(frozen=True)
class Together:
    """The trainings of all methods, with one store and an output each; every start continues them."""

    trainings: dict[str, Training]
    folder: Path

    @classmethod
    def of(cls, undisturbed: UndisturbedRuns, folder: Path) -> Together:
        """Return those of the undisturbed runs, in a folder of their own."""
        folder.mkdir(parents=True, exist_ok=True)
        together = cls({mix: undisturbed.trainings[mix].in_folder(folder / mix) for mix in MIXES}, folder)
        jobs = [
            {
                "cell": training.cell.to_dict(),
                "dataset": str(training.dataset),
                "subset": str(training.subset),
                "output": str(training.output),
            }
            for training in together.trainings.values()
        ]
        (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
        return together

    def start(self, *more: str, checkpoint_seconds: float = 0.05, file_limit: int | None = None) -> Attempt:
        """Start the trainer and return at once."""
        log = self.folder / f"attempt-{len(list(self.folder.glob('attempt-*.log')))}.log"
        command = [sys.executable, "-m", "smallmix", "train-cells", "--jobs", str(self.folder / "jobs.json")]
        command += ["--store", str(self.folder / "store"), "--gpus", "0", "--at-once", "3"]
        command += ["--checkpoint-seconds", str(checkpoint_seconds), *more]
        limit = None if file_limit is None else limit_files(file_limit)
        with open(log, "wb") as stream:
            process = subprocess.Popen(command, env=environment(), stdout=stream, stderr=stream, preexec_fn=limit)
        return Attempt(process, log)

    def results(self) -> dict[str, Any]:
        """What must be equal to the results of the undisturbed runs."""
        return {mix: training.result() for mix, training in self.trainings.items()}

    def finish(self) -> dict[str, Any]:
        """Run to the end."""
        attempt = self.start()
        assert attempt.wait() == 0, attempt.messages
        assert "3 of 3 cells are done." in attempt.messages
        return self.results()


def wait_until_said(attempt: Attempt, words: list[str]) -> bool:
    """Wait until all of the words were said; False where the process ended before."""
    return attempt.wait_until(lambda: all(word in attempt.messages for word in words))


def test_sigkill_at_random_moments_loses_no_cell(
    undisturbed: UndisturbedRuns, outcomes: Outcomes, kills: int, tmp_path: Path
) -> None:
    problem, moments, pending = "SIGKILL of a trainer of three cells", random.Random("three cells"), 0
    together = Together.of(undisturbed, tmp_path)
    for number in range(kills):
        attempt = together.start()
        if number == 0:  # one that is sure to hit all three
            assert wait_until_said(attempt, [f"/{mix}/cell: iteration 40/" for mix in MIXES])
        else:
            wait_until_said(attempt, [": iteration "])
            time.sleep(moments.uniform(0, 0.4 * max(undisturbed.seconds.values())))
        if attempt.kill():
            outcomes.inject(problem)
            pending += 1
            for training in together.trainings.values():
                training.check_nothing_is_half_written()
    assert pending
    outcomes.compare(problem, together.finish(), undisturbed.results, pending)
    assert any("continued from the checkpoint" in path.read_text() for path in tmp_path.glob("attempt-*.log"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1], ids=lambda number: number.name)
def test_a_signal_saves_all_cells_and_leaves(
    undisturbed: UndisturbedRuns, outcomes: Outcomes, tmp_path: Path, number: signal.Signals
) -> None:
    problem, together = f"{number.name} to a trainer of three cells", Together.of(undisturbed, tmp_path)
    attempt = together.start(checkpoint_seconds=1e6)  # what is resumed was saved because of the signal
    attempt.wait_until(lambda: "iteration 80/" in attempt.messages)
    attempt.process.send_signal(number)
    outcomes.inject(problem)
    assert attempt.wait() == 6
    attempt.check_no_traceback()
    assert "0 of 3 cells are done. Not done:" in attempt.messages
    for training in together.trainings.values():
        assert f"  {training.output} (exit code 6): {number.name} received: saved at iteration " in attempt.messages
        assert not (training.output / "metrics.json").exists()
        assert not (training.output / "failure.json").exists()
    outcomes.compare(problem, together.finish(), undisturbed.results)
    assert (tmp_path / "attempt-1.log").read_text().count("continued from the checkpoint at iteration ") == 3


def test_a_full_disk_ends_all_and_loses_none(undisturbed: UndisturbedRuns, outcomes: Outcomes, tmp_path: Path) -> None:
    """What is said fits below the limit, checkpoints do not."""
    problem, together = "full disk: three cells", Together.of(undisturbed, tmp_path)
    attempt = together.start(file_limit=20_000)
    outcomes.inject(problem)
    assert attempt.wait() == 4
    attempt.check_no_traceback()
    for training in together.trainings.values():
        reason = json.loads((training.output / "failure.json").read_text())["reason"]
        assert reason.startswith("the checkpoint could not be saved")
        assert f"  {training.output} (exit code 4): the checkpoint could not be saved" in attempt.messages
    outcomes.compare(problem, together.finish(), undisturbed.results)


def test_two_processes_share_a_list(undisturbed: UndisturbedRuns, outcomes: Outcomes, tmp_path: Path) -> None:
    """The second leaves out the cell that a trainer of one cell has, or waits for it."""
    problem, together = "another trainer of one of three cells", Together.of(undisturbed, tmp_path)
    shared = together.trainings["images"]
    single = Training(shared.cell, shared.dataset, shared.subset, tmp_path)  # the same store, another output
    first = single.start()
    first.wait_until_begun()
    first.process.send_signal(signal.SIGSTOP)  # or it might finish before the others look
    outcomes.inject(problem)
    second = together.start()
    assert second.wait() == 5
    second.check_no_traceback()
    assert "2 of 3 cells are done. Not done:" in second.messages
    busy = f"  {shared.output} (exit code 5): this very cell is being trained by process {first.process.pid} on "
    assert busy in second.messages
    assert not shared.output.exists()
    third = together.start("--wait-for-lock", "600")
    assert third.wait_until(lambda: "waiting up to 600 s for other processes to train " in third.messages)
    first.process.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    assert third.wait() == 0
    assert third.messages.count("found in the store") == 3
    outcomes.compare(problem, together.results(), undisturbed.results)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "--jobs: cannot read "),
        ("{}", "it is no list of jobs"),
        ("[]", "it is no list of jobs"),
        ("[{}]", "is not one (KeyError: 'cell')"),
        ('[{"cell": {}, "dataset": "d", "subset": "s", "output": "o"}]', "job 1 of "),
    ],
)
def test_a_list_of_jobs_that_is_none(tmp_path: Path, content: str, message: str) -> None:
    together = Together({}, tmp_path)
    (tmp_path / "jobs.json").write_text(content, encoding="utf-8")
    attempt = together.start()
    assert attempt.wait() == 2
    attempt.check_no_traceback()
    assert message in attempt.messages

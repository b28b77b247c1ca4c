"""A training that is killed or asked to stop, at any moment and again and again, ends as an undisturbed run."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
from smallmix.study.cell import Mix
from smallmix.training.checkpoint import NEWEST, read_checkpoint, save_checkpoint

from tests.chaos.conftest import UndisturbedRuns
from tests.chaos.outcomes import Outcomes
from tests.tiny_cell import MIXES


@pytest.mark.parametrize("mix", MIXES)
def test_sigkill_at_random_moments(
    undisturbed: UndisturbedRuns, outcomes: Outcomes, kills: int, tmp_path: Path, mix: Mix
) -> None:
    """Most kills fall into the training (steps, evaluations, saves), some into the start."""
    problem = f"SIGKILL of the trainer ({mix})"
    moments = random.Random(f"chaos {mix}")
    chain, pending, injected = 0, 0, 0
    training = undisturbed.trainings[mix].in_folder(tmp_path / "0")
    while injected < kills:
        attempt = training.start()
        if moments.random() < 0.15:
            time.sleep(moments.uniform(0, 1.5))
        else:
            attempt.wait_until_begun()
            time.sleep(moments.uniform(0, 0.4 * undisturbed.seconds[mix]))
        if attempt.kill():
            outcomes.inject(problem)
            injected, pending = injected + 1, pending + 1
            training.check_nothing_is_half_written()
        else:  # it had finished: compare, and begin another one
            outcomes.compare(problem, training.result(), undisturbed.results[mix], pending)
            chain, pending = chain + 1, 0
            training = undisturbed.trainings[mix].in_folder(tmp_path / str(chain))
    if pending:
        outcomes.compare(problem, training.finish(), undisturbed.results[mix], pending)


@pytest.mark.parametrize(
    ("mix", "number"),
    [
        ("none", signal.SIGTERM),
        ("images", signal.SIGUSR1),
        pytest.param("images-and-labels", signal.SIGTERM, marks=pytest.mark.long),
        pytest.param("none", signal.SIGHUP, marks=pytest.mark.long),
        pytest.param("images", signal.SIGTERM, marks=pytest.mark.long),
        pytest.param("none", signal.SIGUSR1, marks=pytest.mark.long),
        pytest.param("images-and-labels", signal.SIGUSR1, marks=pytest.mark.long),
        pytest.param("images", signal.SIGINT, marks=pytest.mark.long),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_signal_saves_and_leaves(
    undisturbed: UndisturbedRuns, outcomes: Outcomes, tmp_path: Path, mix: Mix, number: signal.Signals
) -> None:
    problem = f"{number.name} to the trainer"
    # Nothing is saved on the way: what is resumed was saved because of the signal.
    patient = undisturbed.trainings[mix].in_folder(tmp_path)
    training = type(patient)(patient.cell, patient.dataset, patient.subset, patient.folder, checkpoint_seconds=1e6)
    attempt = training.start()
    attempt.wait_until(lambda: "iteration 80/" in attempt.messages)
    attempt.process.send_signal(number)
    outcomes.inject(problem)
    assert attempt.wait() == 6
    attempt.check_no_traceback()
    assert f"{number.name} received: saved at iteration " in attempt.messages
    assert "Run the same command again to continue" in attempt.messages
    assert not (training.output / "metrics.json").exists()
    assert not (training.output / "failure.json").exists()
    outcomes.compare(problem, training.finish(), undisturbed.results[mix])
    assert "continued from the checkpoint at iteration " in (tmp_path / "attempt-1.log").read_text()


@pytest.mark.long
def test_signals_during_the_start(undisturbed: UndisturbedRuns, outcomes: Outcomes, tmp_path: Path) -> None:
    """Before the handler is there the process just ends; from then on it reports it. Nothing is lost either way."""
    problem, training = "SIGTERM during the start", undisturbed.trainings["none"].in_folder(tmp_path)
    delays = (0.02, 0.2, 0.6, 1.5)
    for delay in delays:
        attempt = training.start()
        time.sleep(delay)
        attempt.process.send_signal(signal.SIGTERM)
        outcomes.inject(problem)
        assert attempt.wait() in (-signal.SIGTERM, 6)
        training.check_nothing_is_half_written()
    outcomes.compare(problem, training.finish(), undisturbed.results["none"], len(delays))


def test_a_second_signal_ends_at_once(undisturbed: UndisturbedRuns, outcomes: Outcomes, tmp_path: Path) -> None:
    problem, training = "a second signal", undisturbed.trainings["images"].in_folder(tmp_path)
    attempt = training.start()
    training.wait_for_checkpoint(attempt)
    # Stopped, the process meets both signals before it can take another step: only the second can end it.
    attempt.process.send_signal(signal.SIGSTOP)
    attempt.process.send_signal(signal.SIGUSR1)
    attempt.process.send_signal(signal.SIGTERM)
    attempt.process.send_signal(signal.SIGCONT)
    outcomes.inject(problem)
    assert attempt.wait() in (128 + signal.SIGTERM, 128 + signal.SIGUSR1)
    outcomes.compare(problem, training.finish(), undisturbed.results["images"])


def test_two_trainers_of_one_cell(undisturbed: UndisturbedRuns, outcomes: Outcomes, tmp_path: Path) -> None:
    """The second refuses, or waits and finds the result; the first never notices."""
    problem = "a second trainer of the same cell"
    training = undisturbed.trainings["images-and-labels"].in_folder(tmp_path)
    first = training.start()
    first.wait_until_begun()
    first.process.send_signal(signal.SIGSTOP)  # or it might finish before the others look
    second = training.start()
    third = training.start("--wait-for-lock", "600")
    outcomes.inject(problem, 2)
    assert second.wait() == 5
    second.check_no_traceback()
    assert f"being trained by process {first.process.pid} on " in second.messages
    assert third.wait_until(lambda: "waiting up to 600 s" in third.messages)
    first.process.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    assert third.wait() == 0
    assert "found in the store" in third.messages
    outcomes.compare(problem, training.result(), undisturbed.results["images-and-labels"], 2)


def test_the_comparison_can_fail(undisturbed: UndisturbedRuns, tmp_path: Path) -> None:
    """The negative control: one momentum buffer set to zero in the checkpoint, and every part of the result differs."""
    training = undisturbed.trainings["images"].in_folder(tmp_path)
    attempt = training.start()
    training.wait_for_checkpoint(attempt)
    attempt.process.send_signal(signal.SIGTERM)
    assert attempt.wait() == 6
    state = read_checkpoint(training.entry / NEWEST, training.entry.name)
    state["momentum"][0].zero_()
    save_checkpoint(training.entry, training.entry.name, state)
    found, wanted = training.finish(), undisturbed.results["images"]
    assert found["history"] != wanted["history"]
    assert found["predictions"] != wanted["predictions"]
    assert found["metrics"]["weights_sha256"] != wanted["metrics"]["weights_sha256"]

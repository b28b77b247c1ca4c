"""A training that is killed or asked to stop, at any moment and again and again, ends as its undisturbed twin."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
from smallmix.study.cell import Mix
from smallmix.training.checkpoint import NEWEST, read_checkpoint, save_checkpoint

from tests.chaos.conftest import Twins
from tests.chaos.ledger import Ledger
from tests.tiny_cell import MIXES


@pytest.mark.parametrize("mix", MIXES)
def test_sigkill_at_random_moments(twins: Twins, ledger: Ledger, kills: int, tmp_path: Path, mix: Mix) -> None:
    """Most kills fall into the training (steps, readings, saves), some into the start."""
    fault = f"SIGKILL of the trainer ({mix})"
    moments = random.Random(f"chaos {mix}")
    chain, pending, injected = 0, 0, 0
    training = twins.trainings[mix].in_folder(tmp_path / "0")
    while injected < kills:
        attempt = training.start()
        if moments.random() < 0.15:
            time.sleep(moments.uniform(0, 1.5))
        else:
            attempt.wait_until_begun()
            time.sleep(moments.uniform(0, 0.4 * twins.seconds[mix]))
        if attempt.kill():
            ledger.inject(fault)
            injected, pending = injected + 1, pending + 1
            training.check_nothing_is_half_written()
        else:  # it had finished: compare, and begin another one
            ledger.compare(fault, training.result(), twins.results[mix], pending)
            chain, pending = chain + 1, 0
            training = twins.trainings[mix].in_folder(tmp_path / str(chain))
    if pending:
        ledger.compare(fault, training.finish(), twins.results[mix], pending)


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
    twins: Twins, ledger: Ledger, tmp_path: Path, mix: Mix, number: signal.Signals
) -> None:
    fault = f"{number.name} to the trainer"
    # Nothing is saved on the way: what is resumed was saved because of the signal.
    patient = twins.trainings[mix].in_folder(tmp_path)
    training = type(patient)(patient.cell, patient.dataset, patient.subset, patient.folder, checkpoint_seconds=1e6)
    attempt = training.start()
    attempt.wait_until(lambda: "iteration 80/" in attempt.said)
    attempt.process.send_signal(number)
    ledger.inject(fault)
    assert attempt.wait() == 6
    attempt.check_it_spoke_to_people()
    assert f"{number.name} received: saved at iteration " in attempt.said
    assert "Run the same command again to continue" in attempt.said
    assert not (training.output / "metrics.json").exists()
    assert not (training.output / "failure.json").exists()
    ledger.compare(fault, training.finish(), twins.results[mix])
    assert "continued from the checkpoint at iteration " in (tmp_path / "attempt-1.log").read_text()


@pytest.mark.long
def test_signals_during_the_start(twins: Twins, ledger: Ledger, tmp_path: Path) -> None:
    """Before the handler is there the process just ends; from then on it says so. Nothing is lost in either case."""
    fault, training = "SIGTERM during the start", twins.trainings["none"].in_folder(tmp_path)
    delays = (0.02, 0.2, 0.6, 1.5)
    for delay in delays:
        attempt = training.start()
        time.sleep(delay)
        attempt.process.send_signal(signal.SIGTERM)
        ledger.inject(fault)
        assert attempt.wait() in (-signal.SIGTERM, 6)
        training.check_nothing_is_half_written()
    ledger.compare(fault, training.finish(), twins.results["none"], len(delays))


def test_a_second_signal_ends_at_once(twins: Twins, ledger: Ledger, tmp_path: Path) -> None:
    fault, training = "a second signal", twins.trainings["images"].in_folder(tmp_path)
    attempt = training.start()
    training.wait_for_checkpoint(attempt)
    # Stopped, the process meets both signals before it can take another step: only the second can end it.
    attempt.process.send_signal(signal.SIGSTOP)
    attempt.process.send_signal(signal.SIGUSR1)
    attempt.process.send_signal(signal.SIGTERM)
    attempt.process.send_signal(signal.SIGCONT)
    ledger.inject(fault)
    assert attempt.wait() in (128 + signal.SIGTERM, 128 + signal.SIGUSR1)
    ledger.compare(fault, training.finish(), twins.results["images"])


def test_two_trainers_of_one_cell(twins: Twins, ledger: Ledger, tmp_path: Path) -> None:
    """The second refuses, or waits and finds the result; the first never notices."""
    fault, training = "a second trainer of the same cell", twins.trainings["images-and-labels"].in_folder(tmp_path)
    first = training.start()
    first.wait_until_begun()
    first.process.send_signal(signal.SIGSTOP)  # or it might finish before the others look
    second = training.start()
    third = training.start("--wait-for-lock", "600")
    ledger.inject(fault, 2)
    assert second.wait() == 5
    second.check_it_spoke_to_people()
    assert f"being trained by process {first.process.pid} on " in second.said
    assert third.wait_until(lambda: "waiting up to 600 s" in third.said)
    first.process.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    assert third.wait() == 0
    assert "found in the store" in third.said
    ledger.compare(fault, training.result(), twins.results["images-and-labels"], 2)


def test_the_comparison_can_fail(twins: Twins, tmp_path: Path) -> None:
    """The negative control: one momentum buffer set to zero in the checkpoint, and every part of the result differs."""
    training = twins.trainings["images"].in_folder(tmp_path)
    attempt = training.start()
    training.wait_for_checkpoint(attempt)
    attempt.process.send_signal(signal.SIGTERM)
    assert attempt.wait() == 6
    state = read_checkpoint(training.entry / NEWEST, training.entry.name)
    state["momentum"][0].zero_()
    save_checkpoint(training.entry, training.entry.name, state)
    found, wanted = training.finish(), twins.results["images"]
    assert found["history"] != wanted["history"]
    assert found["predictions"] != wanted["predictions"]
    assert found["metrics"]["weights_sha256"] != wanted["metrics"]["weights_sha256"]

"""No space for the trained network, and kills around it: the numbers are safe, and the network is theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from smallmix.atomic_files import TEMPORARY_PREFIX
from smallmix.study.layout import WEIGHTS_FILE
from smallmix.training.store import StoreEntry

from tests.chaos.conftest import UndisturbedRuns
from tests.chaos.outcomes import Outcomes
from tests.chaos.trainer import Training

KEEP = "--keep-weights"


@pytest.fixture(scope="module")
def kept(undisturbed: UndisturbedRuns, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A finished training that kept its network."""
    training = undisturbed.trainings["none"].in_folder(tmp_path_factory.mktemp("kept"))
    attempt = training.start(KEEP)
    assert attempt.wait() == 0, attempt.messages
    assert training.result() == undisturbed.results["none"]
    return training


def weights_of(training: Training) -> bytes:
    return (training.output / WEIGHTS_FILE).read_bytes()


def finish(training: Training) -> tuple[object, bytes]:
    attempt = training.start(KEEP)
    assert attempt.wait() == 0, attempt.messages
    return training.result(), weights_of(training)


def test_no_space_for_the_network(kept: Training, outcomes: Outcomes, tmp_path: Path) -> None:
    problem, limit = "full disk: the trained network", len(weights_of(kept)) - 1
    training = replace(kept, folder=tmp_path, checkpoint_seconds=1e6)
    attempt = training.start(KEEP, file_limit=limit)
    outcomes.inject(problem)
    assert attempt.wait() == 1
    attempt.check_no_traceback()
    assert f"cannot write {training.entry / 'finished' / WEIGHTS_FILE}: no space left" in attempt.messages
    assert not (training.output / "metrics.json").exists()
    assert list(tmp_path.rglob(f"{TEMPORARY_PREFIX}*")) == []
    outcomes.compare(problem, finish(training), (kept.result(), weights_of(kept)))


def test_no_space_to_add_the_network_to_a_record(kept: Training, outcomes: Outcomes, tmp_path: Path) -> None:
    """The record stays, and serves who wants the numbers alone."""
    problem, limit = "full disk: the network of a stored record", len(weights_of(kept)) - 1
    training = replace(kept, folder=tmp_path, checkpoint_seconds=1e6)
    training.finish()
    attempt = training.start(KEEP, file_limit=limit)
    outcomes.inject(problem)
    assert attempt.wait() == 1
    assert "no space left" in attempt.messages
    assert StoreEntry(training.entry).is_finished
    assert training.finish() == kept.result()
    assert "found in the store" in (tmp_path / "attempt-2.log").read_text()
    outcomes.compare(problem, finish(training), (kept.result(), weights_of(kept)))


def test_kills_while_a_record_is_completed(kept: Training, outcomes: Outcomes, tmp_path: Path) -> None:
    problem = "SIGKILL of a training that adds the network"
    training = kept.in_folder(tmp_path)
    training.finish()
    for _ in range(2):
        attempt = training.start(KEEP)
        training.wait_for_checkpoint(attempt)
        if attempt.kill():
            outcomes.inject(problem)
        assert StoreEntry(training.entry).is_finished
        training.check_nothing_is_half_written()
    outcomes.compare(problem, finish(training), (kept.result(), weights_of(kept)), 2)

"""Undisturbed trainings, whose results broken ones must have."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from smallmix.study.cell import Mix

from tests.chaos.trainer import Training, smallmix
from tests.tiny_cell import MIXES, tiny_cell

SIZE = 40
ITERATIONS = 160
KILLS_VARIABLE = "SMALLMIX_CHAOS_KILLS"
KILLS_DEFAULT = 2


@pytest.fixture(scope="session")
def kills() -> int:
    """Return how often each method's training is killed at random moments: few times, or as the variable sets it."""
    return int(os.environ.get(KILLS_VARIABLE) or KILLS_DEFAULT)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the digits' folder and the table of a subset."""
    folder = tmp_path_factory.mktemp("digits")
    made = smallmix("fetch-dataset", "--settings", '{"name":"digits"}', "--output", folder / "digits")
    assert made.returncode == 0, made.stderr
    rule = f'{{"rule":"head","size":{SIZE},"seed":null}}'
    subset = folder / f"n{SIZE}.csv"
    made = smallmix("extract-subset", "--dataset", folder / "digits", "--rule", rule, "--output", subset)
    assert made.returncode == 0, made.stderr
    return folder / "digits", subset


@dataclass(frozen=True)
class UndisturbedRuns:
    """A training of each method and, from a run that nobody disturbed, its result."""

    trainings: dict[Mix, Training]
    results: dict[Mix, dict[str, Any]]
    seconds: dict[Mix, float]


@pytest.fixture(scope="session")
def undisturbed(digits: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> UndisturbedRuns:
    """Train a cell of each method without a disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    cells = {mix: tiny_cell(mix, iterations=ITERATIONS, every=40, size=SIZE, batch_size=16) for mix in MIXES}
    trainings = {mix: Training(cell, *digits, folder / mix) for mix, cell in cells.items()}
    results: dict[Mix, dict[str, Any]] = {}
    seconds: dict[Mix, float] = {}
    attempts = {mix: training.start() for mix, training in trainings.items()}
    for mix, training in trainings.items():
        assert attempts[mix].wait() == 0, attempts[mix].messages
        results[mix] = training.result()
        seconds[mix] = seconds_of_training(training)
    assert results["none"]["history"] != results["images"]["history"] != results["images-and-labels"]["history"]
    return UndisturbedRuns(trainings, results, seconds)


def seconds_of_training(training: Training) -> float:
    """Return how long the training took, start-up apart."""
    timing = json.loads((training.output / "metrics.json").read_text(encoding="utf-8"))["timing"]
    return float(timing["total_seconds"])

"""The claims on two studies accept the shipped pairs, at every scale, and decide by numbers made up for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from smallmix.statistics.accuracy_claims import dip_at_1000_from_few_iterations, uneven_classes_matter
from smallmix.statistics.claims import judge_claims
from smallmix.statistics.open_questions import does_a_calmer_recipe_help, does_longer_training_help
from smallmix.statistics.study_results import Result, StudyResults
from smallmix.study.configuration import load_study
from smallmix.study.published import load_published
from smallmix.study.study import StudyCell
from smallmix.tables.columns import SELECTIONS

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def project_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)


def results_of(name: str, accuracy: Callable[[StudyCell], float]) -> StudyResults:
    """A shipped study whose runs have this accuracy and a scatter of a tenth of a point, by every selection."""
    study = load_study([PROJECT / "config.yaml", PROJECT / "workflow" / "studies" / f"{name}.yaml"])
    runs = []
    for cell in study.cells:
        place = [cell.seed, cell.size, cell.value.iterations, study.methods.index(cell.method)]
        shift = 0.001 * float(np.random.default_rng(place).standard_normal())
        value = accuracy(cell) + shift
        runs.append(Result(cell.size, cell.method, cell.seed, dict.fromkeys(SELECTIONS.values(), value)))
    return StudyResults(study, tuple(runs))


def grown(cell: StudyCell) -> float:
    """An accuracy that grows with the root of the iterations: 35 % at 50, 40 % at 200."""
    return 0.3 + 0.05 * math.sqrt(cell.value.iterations / 50)


@pytest.mark.parametrize(("short", "long"), [("dip-small", "dip-small-longer"), ("dip-digits", "dip-digits-longer")])
def test_the_dip_is_judged_by_the_shipped_pairs(short: str, long: str) -> None:
    base, longer = (results_of(name, grown) for name in (short, long))
    for one, others in ((base, [longer]), (longer, [base])):
        judged = dip_at_1000_from_few_iterations(one, others)
        assert judged.outcome == "agrees"
        assert len(judged.measures) == 9
        assert judged.about is base
    assert does_longer_training_help(base, longer).word == "yes"


@pytest.mark.parametrize(
    ("random", "balanced"),
    [("random-small", "balance-small"), ("random-digits", "balance-digits"), ("replicated", "balanced")],
)
@pytest.mark.parametrize(("gain", "outcome"), [(0.02, "agrees"), (-0.02, "disagrees")])
def test_uneven_classes_are_judged_by_the_shipped_pairs(random: str, balanced: str, gain: float, outcome: str) -> None:
    base = results_of(random, lambda cell: 0.4)
    # Another order of the seeds, so that the differences scatter.
    other = results_of(balanced, lambda cell: 0.4 + gain + 0.0002 * cell.seed)
    judged = uneven_classes_matter(base, [other])
    assert judged.outcome == outcome
    assert [len(one.values) for one in judged.measures] == [10]


@pytest.mark.parametrize(
    ("base", "calmer"),
    [
        ("beta-small", "calmer-small-cosine"),
        ("beta-small", "calmer-small-decay-5e-4"),
        ("beta-small", "calmer-small-decay-1e-3"),
        ("demo", "calmer-digits-cosine"),
        ("replicated", "calmer-decay-1e-3"),
    ],
)
def test_a_calmer_recipe_is_judged_by_the_shipped_pairs(base: str, calmer: str) -> None:
    before = results_of(base, lambda cell: 0.4)
    after = results_of(calmer, lambda cell: 0.43 + 0.0002 * cell.seed)
    answer = does_a_calmer_recipe_help(before, [after])
    assert answer.word == "yes"
    assert all(one.mean > 0.02 for one in answer.quantities)


def test_a_claim_about_another_study_names_that_study() -> None:
    """The protocol of the shorter one counts. Its own claims.csv tells it, so the row need not."""
    base, longer = results_of("dip-digits", grown), results_of("dip-digits-longer", grown)
    rows = {
        row.identifier: row
        for row in judge_claims(load_published(PROJECT / "workflow/published/article.yaml"), longer, [base])
    }
    reason = rows["2"].reason
    assert reason.endswith(
        " The protocol of the study dip-digits counts here. It differs from the article's, as the claims.csv of that "
        "study says."
    )
    assert "instead of" not in reason
    assert rows["protocol"].reason.count("400 iterations instead of 40,000 iterations at 100 images") == 1

"""Holds a study beside published numbers to arithmetic on paper: differences, intervals, verdicts, order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from smallmix.errors import SmallmixError
from smallmix.statistics.published_comparison import (
    PublishedDifference,
    compare_with_published,
    protocol_differences,
)
from smallmix.study.published import Published, load_published

from tests.synthetic_configuration import ARTICLE_BUDGETS
from tests.unit.statistics.made_up_results import make_study_results

ARTICLE = Path(__file__).resolve().parents[3] / "workflow" / "published" / "article.yaml"
# Fractions by seed. Published at 500 images: non 44.60, label-mix 57.84, a gain of 13.24 points.
ACCURACIES = {(500, "non"): (0.44, 0.45, 0.46), (500, "label-mix"): (0.565, 0.56, 0.585), (7, "non"): (0.1, 0.1, 0.1)}


@pytest.fixture(scope="module")
def published() -> Published:
    return load_published(ARTICLE)


def compare(published: Published, accuracies: Any = None, **choices: Any) -> dict[Any, PublishedDifference]:
    results = make_study_results(accuracies or ACCURACIES, **{"budgets": ARTICLE_BUDGETS, **choices})
    return {(row.size, row.method, row.reference): row for row in compare_with_published(published, results)}


def test_only_what_both_have_in_the_order_of_the_source(published: Published) -> None:
    assert list(compare(published)) == [(500, "non", None), (500, "label-mix", None), (500, "label-mix", "non")]


def test_an_accuracy_minus_the_published_one(published: Published) -> None:
    """44, 45 and 46: mean 45, deviation 1, error 1 / sqrt(3), t(2) = 4.302653, so 45 ± 2.484138; published 44.60."""
    row = compare(published)[500, "non", None]
    assert (row.published, row.ours.count) == (0.446, 3)
    assert row.ours.mean == pytest.approx(0.45)
    assert row.ours.low == pytest.approx(0.45 - 0.02484138, abs=1e-8)
    assert row.ours.high == pytest.approx(0.45 + 0.02484138, abs=1e-8)
    assert row.difference == pytest.approx(0.004)
    assert (row.selection, row.verdict) == ("best", "reproduced")


def test_a_gain_is_paired_seed_by_seed(published: Published) -> None:
    """Gains of 12.5, 11.0 and 12.5 points: mean 12, error sqrt(0.75) / sqrt(3) = 0.5, so 12 ± 2.151326."""
    row = compare(published)[500, "label-mix", "non"]
    assert row.published == pytest.approx(0.1324)
    assert row.ours.mean == pytest.approx(0.12)
    assert row.ours.low == pytest.approx(0.12 - 0.02151326, abs=1e-8)
    assert row.difference == pytest.approx(-0.0124)
    assert row.verdict == "reproduced"


def test_methods_are_matched_by_what_they_mix(published: Published) -> None:
    methods = {"plain": {"mix": "none", "beta": None}, "mixup": {"mix": "images-and-labels", "beta": [1.0, 1.0]}}
    rows = compare(
        published, {(500, "plain"): (0.44, 0.45), (500, "mixup"): (0.565, 0.56)}, methods=methods, sizes=[500]
    )
    assert rows[500, "mixup", "plain"].published_method == "label-mix"


def test_another_protocol_is_not_comparable_and_its_differences_stand_first(published: Published) -> None:
    results = make_study_results(ACCURACIES, budgets={"default": {"epochs": 5}})
    rows = compare_with_published(published, results)
    assert {row.verdict for row in rows} == {"not comparable"}
    differences = protocol_differences(published, results)
    decisive = [one.decisive for one in differences]
    assert decisive == sorted(decisive, reverse=True)
    assert any("5 epochs instead of 117,000 iterations" in one.text for one in differences if one.decisive)
    assert differences[-1].text == "3 seeds instead of one"


def test_nothing_published_of_what_the_study_has_is_an_error(published: Published) -> None:
    with pytest.raises(
        SmallmixError, match=r"no result of a size and method that was published\. Published sizes: 50,000"
    ):
        compare(published, {(7, "non"): (0.1, 0.2)})
    results = make_study_results(ACCURACIES)
    empty = type(results)(study=results.study, runs=())
    with pytest.raises(SmallmixError, match=r"has no current result\. Run it, then compare again"):
        compare_with_published(published, empty)

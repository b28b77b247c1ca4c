"""Protects how the accuracy on a class goes with its number of training images: one number a seed, and an interval."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from smallmix.statistics.class_balance import balance_of_run, mean_ranks, relate_classes, write_class_balance
from smallmix.tables.class_tables import CellCounts
from smallmix.tables.statistics_columns import CLASS_BALANCE

from tests.synthetic_study import SyntheticStudy, build_synthetic_study


def test_ranks_and_slope_of_one_run() -> None:
    """Counts 1, 2, 3, 6 have mean 3 and deviations -2, -1, 0, 3, whose squares sum to 14.

    The products with 0.1, 0.3, 0.2, 0.6 sum to -0.2 - 0.3 + 0 + 1.8 = 1.3. Ranks differ by 0, 1, 1, 0: the rank
    correlation is 1 - 6 x 2 / (4 x 15) = 0.8.
    """
    found = balance_of_run(np.array([0.1, 0.3, 0.2, 0.6]), np.array([1, 2, 3, 6]))
    assert found is not None
    assert found.correlation == pytest.approx(0.8)
    assert found.slope == pytest.approx(1.3 / 14)


def test_equal_counts_share_their_rank() -> None:
    accuracies, images = np.array([0.1, 0.3, 0.2, 0.6, 0.5]), np.array([4, 4, 7, 7, 9])
    found = balance_of_run(accuracies, images)
    assert found is not None
    assert found.correlation == pytest.approx(stats.spearmanr(accuracies, images).statistic)
    assert found.slope == pytest.approx(stats.linregress(images, accuracies).slope)


def test_a_class_without_test_images_is_left_out() -> None:
    found = balance_of_run(np.array([0.1, np.nan, 0.2, 0.3]), np.array([1, 50, 2, 3]))
    assert found is not None
    assert (found.correlation, found.slope) == pytest.approx((1.0, 0.1))


@pytest.mark.parametrize(
    ("accuracies", "images"),
    [
        ([0.1, 0.2, 0.3], [5, 5, 5]),
        ([0.1, 0.2, 0.3], [5, 5, 6]),
        ([0.2, 0.2, 0.2], [4, 5, 6]),
        ([0.1, 0.2], [4, 9]),
        ([0.1, np.nan, 0.3], [4, 5, 6]),
    ],
)
def test_no_correlation_is_made_up(accuracies: list[float], images: list[int]) -> None:
    assert balance_of_run(np.array(accuracies), np.array(images)) is None


def write_subset(made: SyntheticStudy, size: int, seed: int, counts: list[int]) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    with open(made.layout.subset_of(size, seed), "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("row", "label", "class"))
        writer.writerows((row, label, f"class-{label}") for row, label in enumerate(labels))


def right(shares: list[int]) -> np.ndarray:
    """Counts of 100 test images a class, of which so many are recognised, and the others taken for the next one."""
    classes = len(shares)
    counts = np.diag(shares)
    for label, share in enumerate(shares):
        counts[label, (label + 1) % classes] += 100 - share
    return counts.astype(np.int64)


def test_seeds_are_the_values_and_draws_are_counted(tmp_path: Path) -> None:
    """Correlations 0.8, 1 and -1 have mean 0.2667; the interval of three seeds reaches beyond 1 and is cut there."""
    made = build_synthetic_study(
        tmp_path, sizes=(12,), seeds=(0, 1, 2), rule="random", redraw_per_seed=True, test_images=40
    )
    for seed, counts in enumerate(([1, 2, 3, 6], [2, 3, 1, 6], [6, 3, 2, 1])):
        write_subset(made, 12, seed, counts)
    counted = [
        CellCounts(12, "non", 0, right([10, 30, 20, 60])),
        CellCounts(12, "non", 1, right([20, 30, 10, 60])),
        CellCounts(12, "non", 2, right([10, 20, 30, 60])),
    ]
    (row,) = relate_classes(made.layout, counted)
    assert (row.size, row.method, row.draws, row.correlation.count) == (12, "non", 3, 3)
    values = [0.8, 1.0, -1.0]
    assert row.correlation.mean == pytest.approx(0.8 / 3)
    reach = 4.302653 * np.std(values, ddof=1) / math.sqrt(3)
    assert row.correlation.low == pytest.approx(0.8 / 3 - reach)
    write_class_balance([row], tmp_path / "class_balance.csv")
    (written,) = csv.DictReader((tmp_path / "class_balance.csv").read_text().splitlines())
    assert tuple(written) == CLASS_BALANCE.names
    assert (written["correlation_low"], written["correlation_high"]) == ("-1", "1")
    # Slopes 1.3 / 14; deviations -1, 0, -2, 3 times 0.2, 0.3, 0.1, 0.6: 1.4 / 14; 3, 0, -1, -2: -1.2 / 14.
    assert float(written["slope"]) == pytest.approx((1.3 + 1.4 - 1.2) / 14 / 3)


def test_one_subset_for_all_seeds_is_one_draw(tmp_path: Path) -> None:
    made = build_synthetic_study(tmp_path, sizes=(12,), seeds=(0, 1), test_images=40)
    write_subset(made, 12, 0, [1, 2, 3, 6])
    counted = [CellCounts(12, "non", seed, right([10, 30, 20, 60 + seed])) for seed in (0, 1)]
    (row,) = relate_classes(made.layout, counted)
    assert (row.draws, row.correlation.count) == (1, 2)
    write_subset(made, 12, 0, [3, 3, 3, 3])
    assert relate_classes(made.layout, counted) == []


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    """By hand, and as scipy.stats ranks values of many ties."""
    assert mean_ranks(np.array([0.5, 0.1, 0.5, 0.9])).tolist() == [2.5, 1.0, 2.5, 4.0]
    drawn = np.random.default_rng(0).integers(0, 30, 200).astype(np.float64)
    assert np.array_equal(mean_ranks(drawn), stats.rankdata(drawn))

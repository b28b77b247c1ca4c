"""Protects the table of class counts: classes without images count, draws are joined, damaged tables are refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from smallmix.errors import DatasetError, SmallmixError
from smallmix.tables.subset_table import (
    SubsetRow,
    read_subset_table,
    tabulate_subsets,
    write_subset_table,
)

from tests.synthetic_study import SyntheticStudy, build_synthetic_study


def write_subset(path: Path, labels: list[int]) -> None:
    path.write_text("row,label,class\n" + "".join(f"{row},{label},c{label}\n" for row, label in enumerate(labels)))


@pytest.fixture
def made(tmp_path: Path) -> SyntheticStudy:
    return build_synthetic_study(tmp_path, sizes=(20, 12), seeds=(0, 1), test_images=20)


def test_a_class_without_images_counts_as_zero(made: SyntheticStudy) -> None:
    write_subset(made.layout.subset_of(12, 0), [0] * 3 + [1] * 9)
    write_subset(made.layout.subset_of(20, 0), [*range(10), *range(10)])
    assert tabulate_subsets(made.layout) == [SubsetRow(20, 2, 2), SubsetRow(12, 0, 9)]


def test_redrawn_subsets_are_joined_over_the_draws(tmp_path: Path) -> None:
    made = build_synthetic_study(tmp_path, sizes=(20,), seeds=(0, 1), rule="random", redraw_per_seed=True)
    write_subset(made.layout.subset_of(20, 0), [*range(10), *range(10)])
    write_subset(made.layout.subset_of(20, 1), [0] * 1 + [1] * 5 + [*range(2, 9)] * 2)
    assert tabulate_subsets(made.layout) == [SubsetRow(20, 0, 5)]


def test_the_table_agrees_with_counting_by_hand(made: SyntheticStudy) -> None:
    for row in tabulate_subsets(made.layout):
        with open(made.layout.subset_of(row.size, 0), newline="") as stream:
            labels = [int(line["label"]) for line in csv.DictReader(stream)]
        counts = [labels.count(label) for label in range(10)]
        assert (row.smallest_class, row.largest_class) == (min(counts), max(counts))


def test_written_and_read_again(made: SyntheticStudy, tmp_path: Path) -> None:
    rows = tabulate_subsets(made.layout)
    write_subset_table(rows, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text().startswith("size,smallest_class,largest_class,missing_classes\n20,")
    assert read_subset_table(tmp_path / "table.csv") == rows


def test_the_missing_classes_are_counted_and_the_worst_draw_named(tmp_path: Path) -> None:
    made = build_synthetic_study(tmp_path, sizes=(20,), seeds=(0, 1), rule="random", redraw_per_seed=True)
    write_subset(made.layout.subset_of(20, 0), [0] * 10 + [1] * 10)
    write_subset(made.layout.subset_of(20, 1), [*range(9), *range(9), 0, 0])
    rows = tabulate_subsets(made.layout)
    assert [row.missing_classes for row in rows] == [8]
    write_subset_table(rows, tmp_path / "table.csv")
    assert [row.missing_classes for row in read_subset_table(tmp_path / "table.csv")] == [8]


def test_a_table_without_the_column_of_missing_classes_is_read(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("size,smallest_class,largest_class\n20,1,3\n")
    assert read_subset_table(tmp_path / "table.csv") == [SubsetRow(20, 1, 3)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("row,label,class\n0,1,a\n", "holds 1 rows instead of 12"),
        ("row,label,class\n0,10,a\n", "row 1: the label is 10"),
        ("row,label,class\n0,,a\n", "line 2: label is ''"),
        ("row,class\n0,a\n", "the column label is missing"),
        (None, "the file is missing"),
    ],
)
def test_damaged_tables_are_refused(made: SyntheticStudy, content: str | None, message: str) -> None:
    path = made.layout.subset_of(12, 0)
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(DatasetError, match=message) as raised:
        tabulate_subsets(made.layout)
    assert str(path) in str(raised.value)


def test_without_the_datasets_description_the_message_names_it(made: SyntheticStudy) -> None:
    (made.layout.dataset / "dataset.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        tabulate_subsets(made.layout)


def test_a_damaged_subset_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("size,smallest_class\n1,2\n")
    with pytest.raises(SmallmixError, match=r"table\.csv"):
        read_subset_table(tmp_path / "table.csv")

"""class_summary.csv: the accuracy on each class, its mean over seeds, and what a method gains or loses there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from smallmix.statistics.against_reference import MeanAgainstReference, means_against_reference
from smallmix.statistics.class_balance import relate_classes, write_class_balance
from smallmix.study.layout import Layout
from smallmix.study.study import Study, StudyCell
from smallmix.tables.class_tables import CellCounts, count_cells, table_names, write_class_tables
from smallmix.tables.statistics_columns import CLASS_BALANCE, CLASS_SUMMARY
from smallmix.tables.table_files import write_table


def summarize_classes(
    study: Study, counted: Sequence[CellCounts], classes: Sequence[str]
) -> list[tuple[int, MeanAgainstReference]]:
    """Return each class (its number) with its means; a class without test images has none."""
    accuracies = {(cell.size, cell.method, cell.seed): cell.accuracies for cell in counted}
    rows = []
    for label in range(len(classes)):
        values: dict[tuple[int, str], dict[int, float]] = {}
        for (size, method, seed), of_cell in accuracies.items():
            if not math.isnan(of_cell[label]):
                values.setdefault((size, method), {})[seed] = float(of_cell[label])
        rows += [(label, row) for row in means_against_reference(study, values)]
    order = {size: place for place, size in enumerate((*study.sizes, None))}
    methods = list(study.methods)
    return sorted(rows, key=lambda row: (order[row[1].size], methods.index(row[1].method), row[0]))


def write_class_summary(rows: Sequence[tuple[int, MeanAgainstReference]], classes: Sequence[str], path: Path) -> None:
    """Write class_summary.csv, atomically; accuracies are fractions, unknown fields empty."""
    names = table_names(classes)
    write_table(
        path, CLASS_SUMMARY, ([row.size_text, row.method, label, names[label], *row.fields()] for label, row in rows)
    )


def write_all_class_tables(layout: Layout, cells: Iterable[StudyCell], classes: Sequence[str], folder: Path) -> None:
    """Count the predictions of trained cells; write per_class.csv, confusion.csv, class_summary.csv, class_balance.csv.

    Raises SmallmixError where predictions are missing, damaged, or of another number of classes, and where subsets are.
    """
    counted = count_cells(layout, cells, classes)
    write_class_tables(counted, classes, folder)
    write_class_summary(summarize_classes(layout.study, counted, classes), classes, folder / CLASS_SUMMARY.file)
    write_class_balance(relate_classes(layout, counted), folder / CLASS_BALANCE.file)

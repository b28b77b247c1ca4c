"""Write metrics.csv, history.csv and cells.csv of a study. Numbers are copied from the cells' files, not computed anew.

The one exception is calibration_error_by_chance, which follows from the predictions and stands in no cell's file.
"""

from __future__ import annotations

from pathlib import Path

from smallmix.study.study import StudyCell
from smallmix.tables.cell_status import Collection
from smallmix.tables.columns import CELL_NUMBERS, CELLS, HISTORY, METRICS
from smallmix.tables.table_files import write_table


def write_study_tables(collection: Collection, folder: Path) -> None:
    """Write metrics.csv and history.csv (current cells) and cells.csv (all cells) into `folder`, each atomically.

    Rows are in the study's order. Histories keep the very digits of the cells' files.
    """
    study = collection.study
    write_table(
        folder / "metrics.csv",
        METRICS,
        (
            [
                study.name,
                study.dataset,
                *_identify(record.cell),
                *(record.metrics[column.name] for column in CELL_NUMBERS),
                record.calibration_error_by_chance,
            ]
            for record in collection.current
            if record.metrics is not None
        ),
    )
    write_table(
        folder / "history.csv",
        HISTORY,
        (
            [study.name, *_identify(record.cell), *row.split(",")]
            for record in collection.current
            for row in record.history_rows
        ),
    )
    write_table(
        folder / "cells.csv",
        CELLS,
        ([*_identify(record.cell), record.status, " ".join(record.reason.split())] for record in collection.records),
    )


def _identify(cell: StudyCell) -> tuple[int, str, int]:
    return cell.size, cell.method, cell.seed

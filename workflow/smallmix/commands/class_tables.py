"""`tabulate-classes`, `compute-metrics`: from the predictions of trained cells to tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from smallmix.commands.options import Command, add_study, load_layout


def _add_cells(parser: argparse.ArgumentParser) -> None:
    """Add the study, which of its cells count, and the folder of the tables."""
    add_study(parser)
    parser.add_argument(
        "--cells",
        type=Path,
        help="the table of the cells' status, whose current ones count (default: results/<study>/cells.csv)",
    )
    parser.add_argument("--output", type=Path, help="folder for the tables (default: that of --cells)")


def _tabulate(arguments: argparse.Namespace) -> int:
    """Count, summarize and write; see `smallmix.tables.class_tables` and `smallmix.statistics.class_summary`."""
    from smallmix.datasets.description import load_description
    from smallmix.statistics.class_summary import write_all_class_tables
    from smallmix.tables.predictions import current_cells

    layout = load_layout(arguments)
    table = arguments.cells or layout.results / "cells.csv"
    folder = arguments.output or table.parent
    classes = load_description(layout.dataset).classes
    write_all_class_tables(layout, current_cells(layout.study, table), classes, folder)
    print(f"tables of the classes written to {folder}")
    return 0


def _compute(arguments: argparse.Namespace) -> int:
    """Compute, summarize and write; see `smallmix.statistics.own_metrics`."""
    from smallmix.statistics.own_metrics import compute_metrics, find_metrics, write_metric_tables
    from smallmix.tables.predictions import current_cells

    layout = load_layout(arguments)
    table = arguments.cells or layout.results / "cells.csv"
    folder = arguments.output or table.parent
    metrics = find_metrics(layout.study, arguments.own_code)
    values = compute_metrics(layout, current_cells(layout.study, table), metrics)
    write_metric_tables(layout.study, values, folder)
    print(f"{len(metrics)} metric{'s' if len(metrics) != 1 else ''} of the configuration written to {folder}")
    return 0


COMMANDS = {
    "tabulate-classes": Command(
        "write per_class.csv, class_summary.csv, class_balance.csv and confusion.csv: how each class is recognised",
        _add_cells,
        _tabulate,
    ),
    "compute-metrics": Command(
        "write own_metrics.csv and own_metric_summary.csv: the metrics that the configuration adds",
        _add_cells,
        _compute,
    ),
}

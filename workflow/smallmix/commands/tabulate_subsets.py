"""tabulate-subsets: the smallest and the largest class of every subset."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "write subset_table.csv: the smallest and the largest class of every subset"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--study", type=Path, required=True, help="the study: results/<study>/study.json")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument("--output", type=Path, help="the CSV to write (default: results/<study>/subset_table.csv)")


def run(arguments: argparse.Namespace) -> int:
    """Count and write; see `smallmix.tables.subset_table`."""
    from smallmix.study.layout import Layout
    from smallmix.study.study import Study
    from smallmix.tables.subset_table import tabulate_subsets, write_subset_table

    layout = Layout(Study.load(arguments.study), arguments.root)
    path = arguments.output or layout.results / "subset_table.csv"
    write_subset_table(tabulate_subsets(layout), path)
    print(f"subset table written to {path}")
    return 0

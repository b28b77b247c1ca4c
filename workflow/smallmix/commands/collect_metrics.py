"""collect-metrics: judge every cell of a study, and write its tables."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "judge every cell of a study; write metrics.csv, history.csv, cells.csv and provenance.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--study", type=Path, required=True, help="the study: results/<study>/study.json")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument("--output", type=Path, help="folder for the tables (default: results/<study>)")
    parser.add_argument(
        "--require-complete", action="store_true", help="write nothing and fail unless every cell is current"
    )


def run(arguments: argparse.Namespace) -> int:
    """Collect and write; print how many cells have which status, and why. See `smallmix.tables.collect`."""
    from smallmix.study.layout import Layout
    from smallmix.study.study import Study
    from smallmix.tables.collect import collect_into, list_cells

    layout = Layout(Study.load(arguments.study), arguments.root)
    folder = arguments.output or layout.results
    collection = collect_into(layout, folder, require_complete=arguments.require_complete)
    print("\n".join([collection.summary(), *list_cells(collection)]))
    print(f"tables written to {folder}")
    return 0

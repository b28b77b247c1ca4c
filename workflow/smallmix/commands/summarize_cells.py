"""summarize-cells: means and intervals over seeds, by size, method and metric."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "write summary.csv: means over seeds with intervals, for every size, method and metric"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--study", type=Path, required=True, help="the study: results/<study>/study.json")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument("--metrics", type=Path, help="the results (default: results/<study>/metrics.csv)")
    parser.add_argument("--output", type=Path, help="the CSV to write (default: summary.csv beside the results)")


def run(arguments: argparse.Namespace) -> int:
    """Summarize and write; see `smallmix.statistics.summary`."""
    from smallmix.statistics.study_results import read_results
    from smallmix.statistics.summary import summarize, write_summary
    from smallmix.study.layout import Layout
    from smallmix.study.study import Study

    study = Study.load(arguments.study)
    metrics = arguments.metrics or Layout(study, arguments.root).results / "metrics.csv"
    path = arguments.output or metrics.parent / "summary.csv"
    write_summary(summarize(study, read_results(metrics)), path)
    print(f"summary written to {path}")
    return 0

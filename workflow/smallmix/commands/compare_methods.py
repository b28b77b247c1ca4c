"""compare-methods: paired differences between the methods of a study."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "write comparison.csv: paired differences between methods, with intervals and tests"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--study", type=Path, required=True, help="the study: results/<study>/study.json")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument("--metrics", type=Path, help="the results (default: results/<study>/metrics.csv)")
    parser.add_argument("--output", type=Path, help="the CSV to write (default: comparison.csv beside the results)")


def run(arguments: argparse.Namespace) -> int:
    """Compare and write; see `smallmix.statistics.comparison`."""
    from smallmix.statistics.comparison import compare_methods, write_comparison
    from smallmix.statistics.study_results import read_results
    from smallmix.study.layout import Layout
    from smallmix.study.study import Study

    study = Study.load(arguments.study)
    metrics = arguments.metrics or Layout(study, arguments.root).results / "metrics.csv"
    path = arguments.output or metrics.parent / "comparison.csv"
    write_comparison(compare_methods(study, read_results(metrics)), path)
    print(f"comparison written to {path}")
    return 0

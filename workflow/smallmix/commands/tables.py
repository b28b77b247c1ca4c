"""`collect-metrics`, `summarize-cells`, `compare-methods`, `judge-claims`: from trained cells to a study's tables."""

from __future__ import annotations

import argparse
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from smallmix.commands.options import Command, add_published, add_study, load_layout

if TYPE_CHECKING:
    from smallmix.study.study import Study

SUMMARY, COMPARISON, SUBSET_SCATTER = "summary.csv", "comparison.csv", "subset_scatter.csv"


def _declare_collect(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("--output", type=Path, help="folder for the tables (default: results/<study>)")
    parser.add_argument(
        "--require-complete", action="store_true", help="write nothing and fail unless every cell is current"
    )


def _collect(arguments: argparse.Namespace) -> int:
    """Collect and write; print how many cells have which status, and why. See `smallmix.tables.collect`."""
    from smallmix.tables.collect import collect_into, list_cells

    layout = load_layout(arguments)
    folder = arguments.output or layout.results
    collection = collect_into(layout, folder, require_complete=arguments.require_complete)
    print("\n".join([collection.summary(), *list_cells(collection)]))
    print(f"tables written to {folder}")
    return 0


def _add_results(parser: argparse.ArgumentParser, written: str) -> None:
    """Add the study, its results, and the file that is written from them."""
    add_study(parser)
    parser.add_argument("--metrics", type=Path, help="the results (default: results/<study>/metrics.csv)")
    parser.add_argument("--output", type=Path, help=f"the CSV to write (default: {written} beside the results)")


def _find_results(arguments: argparse.Namespace, written: str) -> tuple[Study, Path, Path]:
    """Return the study, the file of its results, and the file to write."""
    layout = load_layout(arguments)
    metrics = arguments.metrics or layout.results / "metrics.csv"
    return layout.study, metrics, arguments.output or metrics.parent / written


def _summarize(arguments: argparse.Namespace) -> int:
    """Summarize and write; see `smallmix.statistics.summary`."""
    from smallmix.statistics.study_results import read_results
    from smallmix.statistics.summary import summarize, write_summary

    study, metrics, path = _find_results(arguments, SUMMARY)
    write_summary(summarize(study, read_results(metrics)), path)
    print(f"summary written to {path}")
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    """Compare and write; see `smallmix.statistics.comparison`."""
    from smallmix.statistics.comparison import compare_methods, write_comparison
    from smallmix.statistics.study_results import read_results

    study, metrics, path = _find_results(arguments, COMPARISON)
    write_comparison(compare_methods(study, read_results(metrics)), path)
    print(f"comparison written to {path}")
    return 0


def _declare_judge(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument(
        "--tables", type=Path, help="folder of metrics.csv, history.csv and subset_table.csv (default: results/<study>)"
    )
    add_published(parser)
    parser.add_argument(
        "--compare-with",
        type=Path,
        nargs="*",
        metavar="STUDY",
        help="study.json of collected studies that differ in budgets or subsets, which two of the claims and the "
        "scatter of the subset need "
        "(default: those under compare_with that have been collected)",
    )
    parser.add_argument("--output", type=Path, help="the CSV of the claims (default: claims.csv beside the tables)")


def _judge(arguments: argparse.Namespace) -> int:
    """Judge, separate the scatter and write; see `smallmix.statistics.claims` and `.subset_scatter`.

    A study that names nothing published gets an empty table of claims.
    """
    from smallmix.statistics.claims import judge_study, write_claims
    from smallmix.statistics.subset_scatter import separate_scatter_of, write_subset_scatter

    layout = load_layout(arguments)
    tables = arguments.tables or layout.results
    path = arguments.output or tables / "claims.csv"
    rows = judge_study(layout, tables, arguments.published, arguments.compare_with)
    write_claims(rows or [], path)
    scatter = separate_scatter_of(layout, tables, arguments.compare_with)
    write_subset_scatter(scatter, path.parent / SUBSET_SCATTER)
    print(f"scatter of the subset written to {path.parent / SUBSET_SCATTER}: {len(scatter)} rows")
    if rows is None:
        print(f"the study names no published numbers: {path} has no rows")
        return 0
    for kind in ("claim", "question", "number", "gain"):
        counts = Counter(row.verdict for row in rows if row.kind == kind)
        print(f"{kind}s: " + (", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())) or "none"))
    print(f"claims written to {path}")
    return 0


COMMANDS = {
    "collect-metrics": Command(
        "judge every cell of a study; write metrics.csv, history.csv, cells.csv and provenance.json",
        _declare_collect,
        _collect,
    ),
    "summarize-cells": Command(
        "write summary.csv: means over seeds with intervals, for every size, method and metric",
        partial(_add_results, written=SUMMARY),
        _summarize,
    ),
    "compare-methods": Command(
        "write comparison.csv: paired differences between methods, with intervals and tests",
        partial(_add_results, written=COMPARISON),
        _compare,
    ),
    "judge-claims": Command(
        "write claims.csv: each published number and claim, what was found, and the verdict; beside it "
        "subset_scatter.csv: how much of the scatter over seeds is the subset's",
        _declare_judge,
        _judge,
    ),
}

"""judge-claims: what a study says of the published numbers and claims."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "write claims.csv: each published number and claim, what was found, and the verdict"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--study", type=Path, required=True, help="the study: results/<study>/study.json")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument(
        "--tables", type=Path, help="folder of metrics.csv, history.csv and subset_table.csv (default: results/<study>)"
    )
    parser.add_argument("--published", type=Path, help="the published numbers (default: what the study names)")
    parser.add_argument(
        "--compare-with",
        type=Path,
        nargs="*",
        metavar="STUDY",
        help="study.json of collected studies that differ in budgets or subsets, which two of the claims need "
        "(default: those under compare_with that have been collected)",
    )
    parser.add_argument("--output", type=Path, help="the CSV to write (default: claims.csv beside the tables)")


def run(arguments: argparse.Namespace) -> int:
    """Judge and write; see `smallmix.statistics.claims`. A study that names nothing published gets an empty table."""
    from collections import Counter

    from smallmix.statistics.claims import judge_claims, write_claims
    from smallmix.statistics.study_results import load_study_results
    from smallmix.study.layout import Layout
    from smallmix.study.published import find_published, load_published
    from smallmix.study.study import Study

    study = Study.load(arguments.study)
    layout = Layout(study, arguments.root)
    tables = arguments.tables or layout.results
    named = study.configuration["published"]
    published = arguments.published or (find_published(named, arguments.root) if named else None)
    path = arguments.output or tables / "claims.csv"
    if published is None:
        write_claims([], path)
        print(f"the study names no published numbers: {path} has no rows")
        return 0
    compared = layout.collected_studies if arguments.compare_with is None else arguments.compare_with
    others = [load_study_results(Study.load(other), arguments.root, other.parent) for other in compared]
    rows = judge_claims(load_published(published), load_study_results(study, arguments.root, tables), others)
    write_claims(rows, path)
    for kind in ("claim", "number", "gain"):
        counts = Counter(row.verdict for row in rows if row.kind == kind)
        print(f"{kind}s: " + (", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())) or "none"))
    print(f"claims written to {path}")
    return 0

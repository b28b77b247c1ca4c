"""`report-so-far`: tables, figures and report of what is there, while cells still run, failed or were never begun.

Written beside the full results (results/<study>/so-far, reports/<study>/so-far), which Snakemake keeps books on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from smallmix.commands.configuration_files import add_configfile, files_to_merge

if TYPE_CHECKING:
    from smallmix.study.layout import Layout

SUMMARY = "render the report of a study as far as it has come: finished, failed and missing cells"
FOLDER = "so-far"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_configfile(parser)
    parser.add_argument("--configuration", help="the resolved configuration as JSON (or @FILE), instead of files")
    parser.add_argument("--command", dest="made_by", help="the call that runs the study (default: by the files)")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")


def run(arguments: argparse.Namespace) -> int:
    """Do every step from collection to report; a step that cannot be done leaves its part of the report empty."""
    from smallmix.study.configuration import load_study
    from smallmix.study.handed_over import take_over
    from smallmix.study.layout import Layout
    from smallmix.study.run_command import run_command
    from smallmix.study.study import Study

    known = arguments.configuration
    files = files_to_merge(arguments.configfile, arguments.root)
    study = Study.from_json(take_over(known)) if known else load_study(files)
    made_by = arguments.made_by or (None if known else run_command(files[1:]))
    page, left_out = report_so_far(Layout(study, arguments.root), made_by)
    without = f" (without {', '.join(left_out)}, for which files are missing)" if left_out else ""
    print(f"what there is so far: {page}{without}")
    return 0


def report_so_far(layout: Layout, made_by: str | None) -> tuple[Path, list[str]]:
    """Write tables, figures and page of what there is; return the page and the names of the parts left out.

    `made_by` is the call that runs the study. The status of every cell that is not current is printed.
    """
    from smallmix.atomic_files import write_text
    from smallmix.commands.collect_metrics import collect_into
    from smallmix.commands.judge_claims import judge_study
    from smallmix.errors import SmallmixError
    from smallmix.figures.catalogue import plot_figure
    from smallmix.figures.names import FIGURE_NAMES
    from smallmix.report.page import render_page
    from smallmix.statistics.claims import write_claims
    from smallmix.statistics.comparison import compare_methods, write_comparison
    from smallmix.statistics.study_results import read_results
    from smallmix.statistics.summary import summarize, write_summary
    from smallmix.tables.study_tables import load_tables
    from smallmix.tables.subset_table import tabulate_subsets, write_subset_table

    study, root = layout.study, layout.root
    tables, pages = layout.results / FOLDER, layout.report / FOLDER
    write_text(tables / "study.json", study.to_json() + "\n")
    collect_into(layout, tables)

    def plot_figures() -> None:
        for name in FIGURE_NAMES:
            plot_figure(name, load_tables(study, root, tables), root, pages / "figures")

    steps: dict[str, Callable[[], object]] = {
        "the subsets": lambda: write_subset_table(tabulate_subsets(layout), tables / "subset_table.csv"),
        "the summary": lambda: write_summary(
            summarize(study, read_results(tables / "metrics.csv")), tables / "summary.csv"
        ),
        "the comparison": lambda: write_comparison(
            compare_methods(study, read_results(tables / "metrics.csv")), tables / "comparison.csv"
        ),
        "the claims": lambda: write_claims(judge_study(layout, tables) or [], tables / "claims.csv"),
        "the figures": plot_figures,
    }
    left_out: list[str] = []
    for part, step in steps.items():
        # Why a run failed stands above. These messages would push it out of sight, and their remedies are for others.
        try:
            step()
        except SmallmixError:
            left_out.append(part)
    page = pages / "report.html"
    write_text(page, render_page(load_tables(study, root, tables), pages / "figures", command=made_by))
    return page, left_out

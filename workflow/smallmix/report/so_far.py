"""The report of a study as far as it has come, while cells still run, failed or were never begun.

It is written to results/<study>/so-far and reports/<study>/so-far, beside the results that Snakemake keeps records of.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from smallmix.atomic_files import write_text
from smallmix.datasets.description import load_description
from smallmix.errors import SmallmixError
from smallmix.figures.catalogue import plot_figure
from smallmix.figures.names import FIGURE_NAMES
from smallmix.report.page import render_page
from smallmix.report.runs_section import find_logs
from smallmix.statistics.claims import judge_study, write_claims
from smallmix.statistics.class_summary import write_all_class_tables
from smallmix.statistics.comparison import compare_methods, write_comparison
from smallmix.statistics.own_metrics import compute_metrics, find_metrics, write_metric_tables
from smallmix.statistics.study_results import read_results
from smallmix.statistics.subset_scatter import separate_scatter_of, write_subset_scatter
from smallmix.statistics.summary import summarize, write_summary
from smallmix.study.layout import SO_FAR, Layout
from smallmix.tables.cell_status import Collection
from smallmix.tables.collect import collect_into
from smallmix.tables.study_tables import load_tables
from smallmix.tables.subset_table import tabulate_subsets, write_subset_table


def report_so_far(layout: Layout, made_by: str | None) -> tuple[Collection, Path, list[str]]:
    """Write tables, figures and page of what there is.

    `made_by` is the call that runs the study. Return the status of every cell, the page, and the parts left out.
    """
    study, root = layout.study, layout.root
    tables, pages = layout.results / SO_FAR, layout.report / SO_FAR
    write_text(tables / "study.json", study.to_json() + "\n")
    collection = collect_into(layout, tables)
    finished = [record.cell for record in collection.current]

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
        "the scatter of the subset": lambda: write_subset_scatter(
            separate_scatter_of(layout, tables), tables / "subset_scatter.csv"
        ),
        "the classes": lambda: write_all_class_tables(
            layout, finished, load_description(layout.dataset).classes, tables
        ),
        "the metrics of the configuration": lambda: write_metric_tables(
            study, compute_metrics(layout, finished, find_metrics(study)), tables
        ),
        "the figures": plot_figures,
    }
    left_out: list[str] = []
    for part, step in steps.items():
        # The reason of a failed run is on the screen. These messages would push it out of sight.
        try:
            step()
        except SmallmixError:
            left_out.append(part)
    page = pages / "report.html"
    write_text(
        page,
        render_page(load_tables(study, root, tables), pages / "figures", command=made_by, logs=find_logs(layout, page)),
    )
    return collection, page, left_out

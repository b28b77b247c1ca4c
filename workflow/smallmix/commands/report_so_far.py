"""`report-so-far`: tables, figures and report of what is there, while cells still run, failed or were never begun.

Written beside the full results (results/<study>/so-far, reports/<study>/so-far), which Snakemake keeps books on.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from argparse import Namespace
from pathlib import Path

from smallmix.commands.options import add_configfile, files_to_merge

SUMMARY = "render the report of a study as far as it has come: finished, failed and missing cells"
FOLDER = "so-far"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which study."""
    add_configfile(parser)
    parser.add_argument("--configuration", help="the resolved configuration as JSON (or @FILE), instead of files")
    parser.add_argument("--command", dest="made_by", help="the call that runs the study (default: by the files)")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")


def run(arguments: argparse.Namespace) -> int:
    """Do every step from collection to report; a step that cannot be done leaves its part of the report empty."""
    from smallmix.atomic_files import write_text
    from smallmix.commands import (
        collect_metrics,
        compare_methods,
        judge_claims,
        plot_figures,
        render_report,
        summarize_cells,
        tabulate_subsets,
    )
    from smallmix.errors import SmallmixError
    from smallmix.study.configuration import load_study
    from smallmix.study.handed_over import take_over
    from smallmix.study.layout import Layout
    from smallmix.study.run_command import run_command
    from smallmix.study.study import Study

    known = arguments.configuration
    files = files_to_merge(arguments.configfile, arguments.root)
    study = Study.from_json(take_over(known)) if known else load_study(files)
    layout = Layout(study, arguments.root)
    tables, pages = layout.results / FOLDER, layout.report / FOLDER
    study_file = tables / "study.json"
    write_text(study_file, study.to_json() + "\n")
    shared = {"study": study_file, "root": arguments.root}
    collect_metrics.run(Namespace(**shared, output=tables, require_complete=False))
    left_out: list[str] = []
    page = pages / "report.html"
    # Why a run failed stands above. What the steps print would push it out of sight, and their remedies are for others.
    with contextlib.redirect_stdout(io.StringIO()):
        for what, step, options in (
            ("the subsets", tabulate_subsets, {"output": tables / "subset_table.csv"}),
            ("the summary", summarize_cells, {"metrics": tables / "metrics.csv", "output": None}),
            ("the comparison", compare_methods, {"metrics": tables / "metrics.csv", "output": None}),
            ("the claims", judge_claims, {"tables": tables, "published": None, "compare_with": None, "output": None}),
            ("the figures", plot_figures, {"tables": tables, "figures": None, "output_dir": pages / "figures"}),
        ):
            try:
                step.run(Namespace(**shared, **options))
            except SmallmixError:
                left_out.append(what)
        made_by = arguments.made_by or (None if known else run_command(files[1:]))
        render_report.run(Namespace(**shared, tables=tables, figures=pages / "figures", output=page, made_by=made_by))
    without = f" (without {', '.join(left_out)}, for which files are missing)" if left_out else ""
    print(f"what there is so far: {page}{without}")
    return 0

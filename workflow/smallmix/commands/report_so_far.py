"""`report-so-far`: tables, figures and report of what is there, while cells still run, failed or were never begun.

Written beside the full results (results/<study>/so-far, reports/<study>/so-far), which Snakemake keeps records of.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from smallmix.commands.options import add_configfile, files_to_merge

SUMMARY = "render the report of a study as far as it has come: finished, failed and missing cells"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_configfile(parser)
    parser.add_argument("--configuration", help="the resolved configuration as JSON (or @FILE), instead of files")
    parser.add_argument("--command", dest="made_by", help="the call that runs the study (default: by the files)")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")


def run(arguments: argparse.Namespace) -> int:
    """Do every step from collection to report; a step that cannot be done leaves its part of the report empty."""
    from smallmix.report.so_far import report_so_far
    from smallmix.study.configuration import load_study
    from smallmix.study.handed_over import take_over
    from smallmix.study.layout import Layout
    from smallmix.study.run_command import run_command
    from smallmix.study.study import Study
    from smallmix.tables.collect import list_cells

    known = arguments.configuration
    files = files_to_merge(arguments.configfile, arguments.root)
    study = Study.from_json(take_over(known)) if known else load_study(files)
    made_by = arguments.made_by or (None if known else run_command(files[1:]))
    collection, page, left_out = report_so_far(Layout(study, arguments.root), made_by)
    print("\n".join([collection.summary(), *list_cells(collection)]))
    without = f" (without {', '.join(left_out)}, for which files are missing)" if left_out else ""
    print(f"what there is so far: {page}{without}")
    return 0

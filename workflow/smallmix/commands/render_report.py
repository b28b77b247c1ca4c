"""Write the report of a study: one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "write the report of a study as one HTML file, from its tables and figures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--study", type=Path, required=True, help="the resolved study, results/<study>/study.json")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument("--tables", type=Path, help="the folder of the study's tables (default: beside study.json)")
    parser.add_argument("--figures", type=Path, help="the folder of the figures (default: reports/<study>/figures)")
    parser.add_argument("--command", dest="made_by", help="the call that runs the study, for a page of unfinished runs")
    parser.add_argument("--output", type=Path, help="the page (default: reports/<study>/report.html)")


def run(arguments: argparse.Namespace) -> int:
    """Render the page; print where it is."""
    from smallmix.atomic_files import write_text
    from smallmix.report.page import render_page
    from smallmix.study.layout import Layout
    from smallmix.study.study import Study
    from smallmix.tables.study_tables import load_tables

    study = Study.load(arguments.study)
    layout = Layout(study, arguments.root)
    tables = load_tables(study, arguments.root, arguments.tables or arguments.study.parent)
    output = arguments.output or layout.report / "report.html"
    figures = arguments.figures or layout.report / "figures"
    write_text(output, render_page(tables, figures, command=getattr(arguments, "made_by", None)))
    print(f"wrote {output}")
    return 0

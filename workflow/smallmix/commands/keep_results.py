"""`keep-results`: a finished study in a few small files for version control, without any image of the data set."""

from __future__ import annotations

import argparse
from pathlib import Path

from smallmix.commands.options import add_configfile, files_to_merge

SUMMARY = "put a finished study's numbers, configuration and report into a small folder, to be kept in version control"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_configfile(parser)
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument("--output", type=Path, help="the folder (default: reports/reference/<study>)")
    parser.add_argument("--command", dest="made_by", help="the command to note (default: snakemake with these files)")


def run(arguments: argparse.Namespace) -> int:
    """Write the files; print where they are and how large."""
    from smallmix.atomic_files import write_bytes
    from smallmix.report.kept_results import kept_files
    from smallmix.study.command_lines import run_command
    from smallmix.study.configuration import load_study
    from smallmix.study.layout import Layout
    from smallmix.tables.study_tables import load_tables

    files_merged = files_to_merge(arguments.configfile, arguments.root)
    study = load_study(files_merged)
    layout = Layout(study, arguments.root)
    overlays = files_merged[1:]
    folder = arguments.output or arguments.root / "reports" / "reference" / study.name
    # What the command names must be at hand: the project brings its own studies, all other overlays go along.
    brought = (arguments.root / "workflow" / "studies").resolve()
    along = [path for path in overlays if path.resolve().parent != brought]
    usual = run_command([folder / path.name if path in along else path for path in overlays])
    tables = load_tables(study, arguments.root)
    files = kept_files(tables, layout.results, layout.report / "figures", arguments.made_by or usual)
    files |= {path.name: path.read_bytes() for path in along}
    for name, content in files.items():
        write_bytes(folder / name, content)
    print(f"wrote {len(files)} files, {sum(map(len, files.values())) / 1e6:.2f} MB: {folder}")
    return 0

"""collect-metrics: judge every cell of a study, and write its tables."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smallmix.study.layout import Layout
    from smallmix.tables.cell_status import Collection

SUMMARY = "judge every cell of a study; write metrics.csv, history.csv, cells.csv and provenance.json"
TRAINING_RULE = "train_cell"
CELLS_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--study", type=Path, required=True, help="the study: results/<study>/study.json")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: the current one)")
    parser.add_argument("--output", type=Path, help="folder for the tables (default: results/<study>)")
    parser.add_argument(
        "--require-complete", action="store_true", help="write nothing and fail unless every cell is current"
    )


def run(arguments: argparse.Namespace) -> int:
    """Collect and write; see `collect_into`."""
    from smallmix.study.layout import Layout
    from smallmix.study.study import Study

    layout = Layout(Study.load(arguments.study), arguments.root)
    folder = arguments.output or layout.results
    collect_into(layout, folder, require_complete=arguments.require_complete)
    print(f"tables written to {folder}")
    return 0


def collect_into(layout: Layout, folder: Path, *, require_complete: bool = False) -> None:
    """Judge every cell and write the tables into `folder`; print how many cells have which status, and why.

    Raises SmallmixError, and writes nothing, where completeness is required and cells are not current.
    """
    from smallmix.errors import SmallmixError
    from smallmix.tables.collect import collect
    from smallmix.tables.collected_tables import write_study_tables
    from smallmix.tables.provenance import write_provenance

    collection = collect(layout.study, layout)
    if require_complete and collection.not_current:
        raise SmallmixError(explain_incomplete(collection))
    write_study_tables(collection, folder)
    write_provenance(collection, folder / "provenance.json")
    print(collection.summary())
    for line in list_cells(collection):
        print(line)


def list_cells(collection: Collection) -> list[str]:
    """One line for each of the first cells that are not current, and how many more there are."""
    lines = [f"  {one.cell.id}: {one.status}: {one.reason}" for one in collection.not_current[:CELLS_SHOWN]]
    more = len(collection.not_current) - CELLS_SHOWN
    return lines if more <= 0 else [*lines, f"  ... and {more} more"]


def explain_incomplete(collection: Collection) -> str:
    """What is wrong with which cells, and the command that trains them again."""
    return "\n".join(
        [
            f"{collection.summary()}. No tables were written, because these cells are not current:",
            *list_cells(collection),
            "(`collect-metrics` without --require-complete lists all of them in cells.csv.)",
            "Train them again: type your last Snakemake command once more, with this at its end:",
            f"  {retraining_options(collection)}",
        ]
    )


def retraining_options(collection: Collection) -> str:
    """What to add to a Snakemake call so that it makes the cells which are not current again.

    Files given to --forcerun are made again whatever Snakemake knows of them, which is needed where results were
    copied or edited. Where they are many, the rule stands for them: cells that are trained already are then taken
    from the store, not trained twice.
    """
    again = [record.cell for record in collection.not_current]
    forced = [f"results/{collection.study.name}/cells/{cell.id}/metrics.json" for cell in again]
    if len(forced) > CELLS_SHOWN:
        forced = [TRAINING_RULE]
    return f"--forcerun {' '.join(forced)}"

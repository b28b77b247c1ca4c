"""`compare`: two studies against each other."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from smallmix.commands.options import Command, add_root

if TYPE_CHECKING:
    from smallmix.report.study_comparison_page import StudyComparison

SELECTIONS = ("best", "last", "last_tenth", "validation")
FORMATS = ("text", "csv", "markdown", "latex", "html")
FORMAT_OF_SUFFIX = {".html": "html", ".htm": "html", ".csv": "csv", ".md": "markdown", ".tex": "latex", ".txt": "text"}


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", help="a study: a name, a YAML file, or a folder of results")
    parser.add_argument("second", metavar="B", help="the study to compare with it; differences are B minus A")
    parser.add_argument(
        "--selection", choices=(*SELECTIONS, "all"), default="best",
        help="how a test accuracy is chosen from a training (default: best, as the article does)",
    )  # fmt: skip
    parser.add_argument("--format", choices=FORMATS, help="the form (default: by the name of --output, else text)")
    parser.add_argument("--output", type=Path, help="the file to write, such as page.html (default: the terminal)")
    add_root(parser)


def _compare(arguments: argparse.Namespace) -> int:
    """Compare and print or write. Exit code 1 where there is nothing to compare, 2 for a study that cannot be read."""
    from smallmix.atomic_files import write_text

    form = arguments.format or _form_of(arguments.output)
    comparison = _build(arguments)
    text = _written(comparison, form)
    if arguments.output is None:
        print(text, end="")
    else:
        write_text(arguments.output, text)
        print(f"wrote {arguments.output}")
    return 0


def _form_of(output: Path | None) -> str:
    return "text" if output is None else FORMAT_OF_SUFFIX.get(output.suffix.lower(), "text")


def _build(arguments: argparse.Namespace) -> StudyComparison:
    from smallmix.datasets.description import find_description
    from smallmix.report.study_comparison_page import StudyComparison
    from smallmix.statistics.study_comparison import StudySide, compare_studies
    from smallmix.study.layout import Layout
    from smallmix.study.named_study import named_study
    from smallmix.tables.collect import collect
    from smallmix.tables.origin_differences import (
        configuration_differences,
        data_differences,
        equal_trainings,
        subset_differences,
        training_differences,
    )

    layouts = [
        Layout(named_study(word, arguments.root), arguments.root) for word in (arguments.first, arguments.second)
    ]
    first, second = (collect(layout.study, layout) for layout in layouts)
    selections = SELECTIONS if arguments.selection == "all" else (arguments.selection,)
    return StudyComparison(
        first=first,
        second=second,
        rows=compare_studies(StudySide.of(first), StudySide.of(second), selections),
        configuration=configuration_differences(first.study, second.study),
        data=data_differences(*(find_description(layout.dataset) for layout in layouts)),
        subsets=subset_differences(first, second),
        training=training_differences(first, second),
        equal=equal_trainings(first, second),
    )


def _written(comparison: StudyComparison, form: str) -> str:
    from smallmix.report.study_comparison_page import (
        comparison_text,
        comparison_views,
        origin_views,
        render_comparison,
    )
    from smallmix.report.table_formats import FORMATS as TABLE_FORMATS
    from smallmix.statistics.study_comparison import comparison_fields
    from smallmix.tables.statistics_columns import STUDY_COMPARISON
    from smallmix.tables.table_files import table_text

    if form == "text":
        return comparison_text(comparison)
    if form == "html":
        return render_comparison(comparison)
    if form == "csv":
        return table_text(STUDY_COMPARISON, map(comparison_fields, comparison.rows))
    views = [*comparison_views(comparison), *origin_views(comparison)]
    return "\n".join(map(TABLE_FORMATS[form], views))


COMMANDS = {
    "compare": Command(
        "compare two studies: accuracies and gains with intervals, and what differs between them",
        _declare,
        _compare,
    ),
}

"""`compare`: a study against another one, against its own past, or against what was published."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from smallmix.commands.options import Command, add_root

if TYPE_CHECKING:
    from smallmix.report.comparison_page import ComparisonPage
    from smallmix.study.named_study import StudyResultsPlace
    from smallmix.tables.cell_status import Collection

SELECTIONS = ("best", "last", "last_tenth", "validation")
FORMATS = ("text", "csv", "markdown", "latex", "html")
FORMAT_OF_SUFFIX = {".html": "html", ".htm": "html", ".csv": "csv", ".md": "markdown", ".tex": "latex", ".txt": "text"}
PUBLISHED = "published"  # in place of a second study


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.usage = "smallmix compare A B | A published | A --past  [options]"
    parser.add_argument("first", metavar="A", help="a study: a name, a YAML file, a folder of results or of kept ones")
    parser.add_argument(
        "second", metavar="B", nargs="?",
        help="the study to compare with it, differences are B minus A; or the word published: A minus the published "
        "numbers that it names",
    )  # fmt: skip
    parser.add_argument(
        "--past", action="store_true", help="compare A with its kept results in reports/reference: now minus then"
    )
    parser.add_argument(
        "--selection", choices=(*SELECTIONS, "all"), type=_selection,
        help="how a test accuracy is chosen from a training (default: best, as the article does; published numbers are "
        "compared by their own rule)",
    )  # fmt: skip
    parser.add_argument("--format", choices=FORMATS, help="the form (default: by the name of --output, else text)")
    parser.add_argument("--output", type=Path, help="the file to write, such as page.html (default: the terminal)")
    add_root(parser)


def _selection(text: str) -> str:
    """Return a selection's name of the tables, also of its name in configurations: last-tenth."""
    return text.replace("-", "_")


def _compare(arguments: argparse.Namespace) -> int:
    """Compare and print or write. Exit code 1 where there is nothing to compare, 2 for a study that cannot be read."""
    from smallmix.atomic_files import output_writer

    form = arguments.format or _form_of(arguments.output)
    page, table = _with_published(arguments) if arguments.second == PUBLISHED else _of_two_studies(arguments)
    text = table() if form == "csv" else _written(page, form)
    if arguments.output is None:
        print(text, end="")
    else:
        with output_writer(arguments.output) as stream:
            stream.write(text.encode("utf-8"))
        print(f"wrote {arguments.output}")
    return 0


def _form_of(output: Path | None) -> str:
    """Return the form that the name of the output asks for. Raises ConfigurationError for an ending that has none."""
    from smallmix.errors import ConfigurationError

    suffix = "" if output is None else output.suffix.lower()
    if suffix and suffix not in FORMAT_OF_SUFFIX:
        raise ConfigurationError(
            f"no form of the comparison ends in {suffix}. Let {output} end in {', '.join(FORMAT_OF_SUFFIX)}, or name "
            "the form with --format."
        )
    return FORMAT_OF_SUFFIX.get(suffix, "text")


def _of_two_studies(arguments: argparse.Namespace) -> tuple[ComparisonPage, Callable[[], str]]:
    """Return the page of two studies, and what writes its table."""
    from smallmix.datasets.description import find_description
    from smallmix.report.study_comparison_page import StudyComparison, compose_comparison
    from smallmix.statistics.study_comparison import StudySide, compare_studies, comparison_fields
    from smallmix.tables.kept_study import with_declared_images
    from smallmix.tables.origin_differences import (
        configuration_differences,
        data_differences,
        declared_data_differences,
        equal_trainings,
        subset_differences,
        training_differences,
    )
    from smallmix.tables.statistics_columns import STUDY_COMPARISON
    from smallmix.tables.table_files import table_text

    places = _places(arguments)
    first, second = (_collected(place) for place in places)
    any_kept = any(place.kept for place in places)
    if any_kept:
        first, second = with_declared_images(first), with_declared_images(second)
        data = declared_data_differences(first.study, second.study)
    else:
        data = data_differences(*(find_description(place.layout.dataset) for place in places))
    selections = SELECTIONS if arguments.selection == "all" else (arguments.selection or "best",)
    comparison = StudyComparison(
        first=first,
        second=second,
        rows=compare_studies(StudySide.of(first), StudySide.of(second), selections),
        configuration=configuration_differences(first.study, second.study),
        data=data,
        subsets=subset_differences(first, second),
        training=training_differences(first, second),
        equal=0 if any_kept else equal_trainings(first, second),
        remarks=_remarks(first, second, places),
    )
    return compose_comparison(comparison), lambda: table_text(STUDY_COMPARISON, map(comparison_fields, comparison.rows))


def _places(arguments: argparse.Namespace) -> tuple[StudyResultsPlace, StudyResultsPlace]:
    """Return where the results of both studies lie. Raises ConfigurationError where it is not clear which are meant."""
    from smallmix.errors import ConfigurationError
    from smallmix.study.layout import Layout
    from smallmix.study.named_study import StudyResultsPlace, find_kept, named_study

    if arguments.past:
        if arguments.second is not None:
            raise ConfigurationError(
                f"--past compares {arguments.first} with its own kept results, so {arguments.second} is one study too "
                "many. Leave out one of the two."
            )
        study = named_study(arguments.first, arguments.root)
        now = StudyResultsPlace(study, Layout(study, arguments.root).results, kept=False, root=arguments.root)
        return find_kept(study.name, arguments.root), now
    if arguments.second is None:
        raise ConfigurationError(
            f"{arguments.first} alone has nothing to be compared with. Name a second study or the word published, or "
            "add --past."
        )
    if arguments.first == PUBLISHED:
        raise ConfigurationError(
            f"published numbers stand second. Type `smallmix compare {arguments.second} published`."
        )
    first, second = (_results(word, arguments.root) for word in (arguments.first, arguments.second))
    return first, second


def _results(word: str, root: Path) -> StudyResultsPlace:
    """Return where the results of a word lie. Of results here each cell is judged, those of a kept study as a whole."""
    from smallmix.study.named_study import find_results
    from smallmix.tables.configuration_of_results import require_results_meant

    place = find_results(word, root)
    if place.kept:
        require_results_meant(place)
    return place


def _collected(place: StudyResultsPlace) -> Collection:
    from smallmix.tables.collect import collect
    from smallmix.tables.configuration_of_results import require_results_meant
    from smallmix.tables.kept_study import read_kept

    if place.kept:
        return read_kept(place)
    collection = collect(place.study, place.layout)
    if not collection.current:
        require_results_meant(place)  # which says it better where there are results of another configuration
    return collection


def _remarks(first: Collection, second: Collection, places: tuple[StudyResultsPlace, StudyResultsPlace]) -> list[str]:
    """Say what kept studies do not have on record."""
    from smallmix.wording import joined

    sides = zip((first, second), places, strict=True)
    names = list(dict.fromkeys(one.study.name for one, place in sides if place.kept))
    if not names:
        return []
    return [
        f"No fingerprints of images are kept in {joined(names)}. Which images a seed was trained on is taken from the "
        "configurations of both studies."
    ]


def _with_published(arguments: argparse.Namespace) -> tuple[ComparisonPage, Callable[[], str]]:
    """Return the page of a study and of the published numbers that it names, and what writes its table."""
    from smallmix.datasets.description import find_description
    from smallmix.errors import ConfigurationError
    from smallmix.report.croissant import kept_checksums
    from smallmix.report.published_comparison_page import PublishedComparison, compose_published_comparison
    from smallmix.statistics.published_comparison import (
        compare_with_published,
        comparison_fields,
        protocol_differences,
    )
    from smallmix.statistics.study_results import StudyResults, label_checksums, labels_among, results_of
    from smallmix.study.published import SELECTION_OF, find_published, load_published
    from smallmix.tables.statistics_columns import PUBLISHED_COMPARISON
    from smallmix.tables.table_files import table_text

    if arguments.past:
        raise ConfigurationError("--past and the word published are two comparisons. Leave out one of them.")
    place = _results(arguments.first, arguments.root)
    named = place.study.configuration["published"]
    if not named:
        raise ConfigurationError(
            f"study {place.study.name} names no published numbers. Name a file of them under `published` in its "
            "configuration, such as workflow/published/article.yaml."
        )
    published = load_published(find_published(named, arguments.root))
    rule = SELECTION_OF[published.selection]
    if arguments.selection not in (None, rule):
        raise ConfigurationError(
            f"the published accuracies were chosen by the rule {rule}, so that ours are compared by no other. Leave "
            "out --selection."
        )
    collection = _collected(place)
    results = StudyResults(
        study=collection.study,
        runs=results_of(collection),
        label_checksums=labels_among(kept_checksums(place.tables))
        if place.kept
        else label_checksums(find_description(place.layout.dataset)),
        protocol=published.protocol,
    )
    rows = compare_with_published(published, results)
    comparison = PublishedComparison(collection, published, rows, protocol_differences(published, results))
    return compose_published_comparison(comparison), lambda: table_text(
        PUBLISHED_COMPARISON, map(comparison_fields, rows)
    )


def _written(page: ComparisonPage, form: str) -> str:
    from smallmix.report.comparison_page import page_text, render_comparison
    from smallmix.report.table_formats import FORMATS as TABLE_FORMATS

    if form == "text":
        return page_text(page)
    if form == "html":
        return render_comparison(page)
    return "\n".join(map(TABLE_FORMATS[form], page.views))


COMMANDS = {
    "compare": Command(
        "compare a study with another one, with its kept results, or with published numbers: accuracies and gains with "
        "intervals, and what differs",
        _declare,
        _compare,
    ),
}

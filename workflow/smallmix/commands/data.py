"""`fetch-dataset`, `extract-subset`, `draw-validation`, `tabulate-subsets`: from images to those of each size."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from smallmix.commands.options import Command, add_study, load_layout


def _declare_fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--settings", required=True, metavar="JSON", help="the dataset section of a resolved configuration"
    )
    parser.add_argument(
        "--output", required=True, type=Path, metavar="FOLDER", help="the folder of the dataset's files"
    )


def _fetch(arguments: argparse.Namespace) -> int:
    """Fetch, check, write; report in one line what came."""
    from smallmix.datasets.fetch import fetch_dataset
    from smallmix.datasets.kept_division import copy_tables, folder_that_stays
    from smallmix.errors import ConfigurationError

    try:
        settings = json.loads(arguments.settings)
    except ValueError as error:
        raise ConfigurationError(f"--settings is not JSON: {error}") from error
    if not isinstance(settings, dict):
        raise ConfigurationError("--settings must be a JSON object: the dataset section of a resolved configuration")
    stays = folder_that_stays()
    if stays is not None:
        copy_tables(stays, arguments.output)
    description = fetch_dataset(settings, arguments.output)
    if stays is not None:
        copy_tables(arguments.output, stays)
    height, width, channels = description.image_shape
    for warning in description.warnings:
        print(f"warning: {warning}")
    print(
        f"{description.title}: {description.train_count:,} training and {description.test_count:,} test images of "
        f"{height} x {width} x {channels}, {len(description.classes)} classes, in {arguments.output}"
    )
    return 0


def _declare_extract(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", type=Path, required=True, help="folder of the data set's arrays")
    parser.add_argument("--rule", required=True, help='JSON such as {"rule": "head", "size": 500, "seed": null}')
    parser.add_argument("--output", type=Path, required=True)


def _extract(arguments: argparse.Namespace) -> int:
    """Extract and report what was written."""
    from smallmix.datasets.description import load_description
    from smallmix.study.cell import SubsetValue
    from smallmix.training.messages import warn_of_missing_classes
    from smallmix.training.subset_tables import extract_subset

    rule = SubsetValue(**json.loads(arguments.rule))
    classes = load_description(arguments.dataset).classes
    labels = extract_subset(rule, arguments.dataset / "train.csv", classes, arguments.output)
    if missing := warn_of_missing_classes(labels, classes):
        print(f"warning: {missing}")
    print(f"{arguments.output}: {len(labels):,} training images by the rule {rule.rule}")
    return 0


def _declare_draw(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", type=Path, required=True, help="folder of the data set's arrays")
    parser.add_argument(
        "--draw",
        required=True,
        help='JSON such as {"images": 300, "seed": 0, "subsets": {"rule": "random", "size": 500, "seeds": [0, 1]}}: '
        "the largest subset of each draw of the study",
    )
    parser.add_argument("--output", type=Path, required=True)


def _draw(arguments: argparse.Namespace) -> int:
    """Draw and report what was written."""
    from smallmix.datasets.description import load_description
    from smallmix.errors import ConfigurationError
    from smallmix.study.validation_draw import ValidationDraw
    from smallmix.training.validation_table import draw_validation

    try:
        draw = ValidationDraw.from_json(arguments.draw)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"--draw is not the draw of a study in JSON ({type(error).__name__}: {error})."
        ) from error
    classes = load_description(arguments.dataset).classes
    labels = draw_validation(draw, arguments.dataset / "train.csv", classes, arguments.output)
    print(f"{arguments.output}: {len(labels):,} validation images that no subset uses")
    return 0


def _declare_tabulate(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("--output", type=Path, help="the CSV to write (default: results/<study>/subset_table.csv)")


def _tabulate(arguments: argparse.Namespace) -> int:
    """Count and write; see `smallmix.tables.subset_table`."""
    from smallmix.tables.subset_table import tabulate_subsets, write_subset_table

    layout = load_layout(arguments)
    path = arguments.output or layout.results / "subset_table.csv"
    write_subset_table(tabulate_subsets(layout), path)
    print(f"subset table written to {path}")
    return 0


COMMANDS = {
    "fetch-dataset": Command(
        "bring a dataset into its folder of verified arrays",
        _declare_fetch,
        _fetch,
    ),
    "extract-subset": Command(
        "write the table (row,label,class) of the training images of one size",
        _declare_extract,
        _extract,
    ),
    "draw-validation": Command(
        "write the table (row,label,class) of the validation images, which no subset of the study uses",
        _declare_draw,
        _draw,
    ),
    "tabulate-subsets": Command(
        "write subset_table.csv: the smallest and the largest class of every subset",
        _declare_tabulate,
        _tabulate,
    ),
}

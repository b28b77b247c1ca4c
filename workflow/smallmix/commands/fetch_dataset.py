"""`fetch-dataset`: bring a dataset into its folder of verified arrays."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

SUMMARY = "bring a dataset into its folder of verified arrays"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the dataset's settings and the folder to write."""
    parser.add_argument(
        "--settings", required=True, metavar="JSON", help="the dataset section of a resolved configuration"
    )
    parser.add_argument(
        "--output", required=True, type=Path, metavar="FOLDER", help="the folder of the dataset's files"
    )


def run(arguments: argparse.Namespace) -> int:
    """Fetch, check, write; report in one line what came."""
    from smallmix.datasets.fetch import fetch_dataset
    from smallmix.errors import ConfigurationError

    try:
        settings = json.loads(arguments.settings)
    except ValueError as error:
        raise ConfigurationError(f"--settings is not JSON: {error}") from error
    if not isinstance(settings, dict):
        raise ConfigurationError("--settings must be a JSON object: the dataset section of a resolved configuration")
    description = fetch_dataset(settings, arguments.output)
    height, width, channels = description.image_shape
    for warning in description.warnings:
        print(f"warning: {warning}")
    print(
        f"{description.title}: {description.train_count:,} training and {description.test_count:,} test images of "
        f"{height} x {width} x {channels}, {len(description.classes)} classes, in {arguments.output}"
    )
    return 0

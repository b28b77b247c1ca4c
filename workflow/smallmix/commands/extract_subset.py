"""`extract-subset`: choose the training images of one size and write them as a table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

SUMMARY = "write the table (row,label,class) of the training images of one size"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the dataset, the rule and the output."""
    parser.add_argument("--dataset", type=Path, required=True, help="folder of the data set's arrays")
    parser.add_argument("--rule", required=True, help='JSON such as {"rule": "head", "size": 500, "seed": null}')
    parser.add_argument("--output", type=Path, required=True)


def run(arguments: argparse.Namespace) -> int:
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

"""Which training images a cell sees: the rules head (the article's), balanced and random.

Within one draw the subsets are nested: the images of a size are among those of every larger size.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy
from numpy.typing import NDArray

from smallmix import atomic_files
from smallmix.errors import DatasetError
from smallmix.science.randomness import generator
from smallmix.study.cell import SubsetValue

COLUMNS = ("row", "label", "class")
CLASSES_TOLD = 10


def choose_rows(rule: SubsetValue, labels: NDArray[numpy.int64], classes: Sequence[str]) -> NDArray[numpy.int64]:
    """The chosen rows of the training list, ascending, int64 [size].

    head: the first `size` rows, so classes are uneven (article, section 2). balanced: as many of each class as of any
    other, give or take one. random: uniform without replacement. `labels` is int64 [N], indices of `classes`.

    Raises DatasetError where the data set cannot give such a subset.
    """
    total, size = len(labels), rule.size
    if size > total:
        raise DatasetError(
            f"subsets.sizes: {size:,} images wanted, but the data set has only {total:,} training images. "
            f"Remove the size {size} or lower it to at most {total}."
        )
    if rule.rule == "head":
        return numpy.arange(size, dtype=numpy.int64)
    draw = generator(rule.seed or 0, 0, "subset")
    if rule.rule == "random":
        return numpy.sort(draw.permutation(total)[:size]).astype(numpy.int64)
    return _balanced_rows(draw, labels, classes, size)


def _balanced_rows(
    draw: numpy.random.Generator, labels: NDArray[numpy.int64], classes: Sequence[str], size: int
) -> NDArray[numpy.int64]:
    class_count = len(classes)
    if size < class_count:
        raise DatasetError(
            f"subsets.sizes: {size} images cannot be balanced over {class_count} classes. "
            f"Use sizes of at least {class_count}, or another subsets.rule."
        )
    # Deal the shuffled images of each class in turns; a round's order of classes decides who gets the odd images.
    turns, ranks, rows = [], [], []
    for rank, label in enumerate(draw.permutation(class_count)):
        members = draw.permutation(numpy.flatnonzero(labels == label))
        turns.append(numpy.arange(len(members)))
        ranks.append(numpy.full(len(members), rank))
        rows.append(members)
    order = numpy.lexsort((numpy.concatenate(ranks), numpy.concatenate(turns)))[:size]
    chosen = numpy.sort(numpy.concatenate(rows)[order]).astype(numpy.int64)
    counts = numpy.bincount(labels[chosen], minlength=class_count)
    if counts.max() - counts.min() > 1:
        wanted = size // class_count
        at_hand = numpy.bincount(labels, minlength=class_count)
        wanted += int(at_hand.min() >= wanted)  # all have the even share: too few can give one image more
        scarce = numpy.flatnonzero(at_hand < wanted)
        told = _named([f"{classes[label]!r} ({at_hand[label]:,})" for label in scarce[numpy.argsort(at_hand[scarce])]])
        raise DatasetError(
            f"subsets.sizes: {size:,} images cannot be balanced. Each class needs {wanted:,} training images, too few "
            f"are there of {told}. Use smaller sizes or subsets.rule: random, or mend the labels if they are misspelt."
        )
    return chosen


def missing_classes(labels: NDArray[numpy.int64], classes: Sequence[str]) -> str | None:
    """What to say about the classes that have no image among `labels`, int64 [size]; None where all have one."""
    counts = numpy.bincount(labels, minlength=len(classes))
    missing = [repr(name) for name, count in zip(classes, counts.tolist(), strict=True) if count == 0]
    if not missing:
        return None
    return (
        f"the subset of {len(labels):,} images has no image of {len(missing):,} of {len(classes):,} classes: "
        f"{_named(missing)}"
    )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - CLASSES_TOLD:,} more" if len(names) > CLASSES_TOLD else ""
    return ", ".join(names[:CLASSES_TOLD]) + more


def _refuse_one_class(
    rule: SubsetValue, rows: NDArray[numpy.int64], labels: NDArray[numpy.int64], classes: Sequence[str]
) -> None:
    """Raise DatasetError where the chosen images are all of one class: nothing could be told apart."""
    label = int(labels[rows[0]])
    if (labels[rows] != label).any():
        return
    who = f"subsets.sizes: {rule.size:,} {'image holds' if rule.size == 1 else 'images hold'} one class only"
    others = numpy.flatnonzero(labels != label)
    if rule.rule == "head" and rule.size > 1 and len(others):
        raise DatasetError(
            f"{who}: the training list begins with {others[0]:,} images of {classes[label]!r}, and subsets.rule: head "
            "takes the first ones. Use subsets.rule: balanced or random, shuffle the list, or take more images."
        )
    raise DatasetError(
        f"{who}, {classes[label]!r}, and telling classes apart needs two. Use larger sizes, or subsets.rule: balanced."
    )


def extract_subset(rule: SubsetValue, train_table: Path, classes: Sequence[str], target: Path) -> NDArray[numpy.int64]:
    """Write the chosen lines of train.csv (row,label,class) to `target`; return their labels, int64 [size].

    Raises DatasetError where the data set cannot give such a subset, or the subset would hold one class only.
    """
    with open(train_table, newline="", encoding="utf-8") as stream:
        reader = csv.reader(stream)
        header = next(reader, None)
        if header != list(COLUMNS):
            raise DatasetError(
                f"{train_table}: its first line is {header}, not {','.join(COLUMNS)}. "
                "Delete the data set's folder and run again to have it written anew."
            )
        lines = list(reader)
    labels = numpy.array([int(line[1]) for line in lines], dtype=numpy.int64)
    rows = choose_rows(rule, labels, classes)
    _refuse_one_class(rule, rows, labels, classes)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(lines[row] for row in rows)
    atomic_files.write_text(target, text.getvalue())
    return labels[rows]


def read_subset(path: Path) -> tuple[NDArray[numpy.int64], NDArray[numpy.int64]]:
    """The rows and labels of a subset table, both int64 [size]. Raises DatasetError where the file is not one."""
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            pairs = [(int(line["row"]), int(line["label"])) for line in reader]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise DatasetError(
            f"cannot read the subset {path}: {fault!r}. Delete the file and run again to have it extracted anew."
        ) from fault
    table = numpy.array(pairs, dtype=numpy.int64).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()

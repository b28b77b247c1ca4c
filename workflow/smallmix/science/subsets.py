"""Which training images a cell sees: the rules head (the article's), balanced and random.

Within one draw the subsets are nested: the images of a size are among those of every larger size.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy
from numpy.typing import NDArray

from smallmix import atomic_files
from smallmix.errors import DatasetError
from smallmix.science.randomness import generator
from smallmix.study.cell import SubsetValue

COLUMNS = ("row", "label", "class")


def choose_rows(rule: SubsetValue, labels: NDArray[numpy.int64], class_count: int) -> NDArray[numpy.int64]:
    """The chosen rows of the training list, ascending, int64 [size].

    head: the first `size` rows, so classes are uneven (article, section 2). balanced: as many of each class as of any
    other, give or take one. random: uniform without replacement. `labels` is int64 [N].

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
    return _balanced_rows(draw, labels, class_count, size)


def _balanced_rows(
    draw: numpy.random.Generator, labels: NDArray[numpy.int64], class_count: int, size: int
) -> NDArray[numpy.int64]:
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
        scarce = int(numpy.bincount(labels, minlength=class_count).argmin())
        raise DatasetError(
            f"subsets.sizes: {size:,} images cannot be balanced: class number {scarce} has only "
            f"{int((labels == scarce).sum()):,} training images for {size // class_count:,} wanted. "
            "Use smaller sizes, or subsets.rule: head or random."
        )
    return chosen


def extract_subset(rule: SubsetValue, train_table: Path, class_count: int, target: Path) -> int:
    """Write the chosen lines of train.csv (row,label,class) to `target`; return their number."""
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
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = choose_rows(rule, labels, class_count)
    writer.writerows(lines[row] for row in rows)
    atomic_files.write_text(target, text.getvalue())
    return len(rows)


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

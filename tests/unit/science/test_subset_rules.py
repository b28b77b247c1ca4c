"""Protects the choice of training images: head, balanced, random; nested, repeatable, refused where impossible."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from smallmix.errors import DatasetError
from smallmix.study.cell import SubsetRule, SubsetValue
from smallmix.training.messages import warn_of_missing_classes
from smallmix.training.subset_tables import choose_subset, extract_subset, read_subset

RULES: tuple[SubsetRule, ...] = ("head", "balanced", "random")
Labels = NDArray[numpy.int64]


@st.composite
def labels_of_enough_classes(draw: st.DrawFn) -> tuple[Labels, int, int]:
    """Draw labels int64 [N], the number of classes, and how many images the scarcest class has (at least 1)."""
    classes = draw(st.integers(2, 12))
    counts = draw(st.lists(st.integers(1, 30), min_size=classes, max_size=classes))
    labels = numpy.repeat(numpy.arange(classes), counts)
    order = draw(st.randoms(use_true_random=False))
    shuffled = labels.tolist()
    order.shuffle(shuffled)
    return numpy.array(shuffled, dtype=numpy.int64), classes, min(counts)


def names(classes: int) -> tuple[str, ...]:
    return tuple(f"class {label}" for label in range(classes))


def value(rule: SubsetRule, size: int, seed: int = 3) -> SubsetValue:
    return SubsetValue(rule, size, None if rule == "head" else seed)


@given(labels_of_enough_classes(), st.sampled_from(("head", "random")), st.data())
def test_head_and_random_give_ascending_rows_without_repetition(
    labelled: tuple[Labels, int, int], rule: SubsetRule, data: st.DataObject
) -> None:
    labels, classes, _ = labelled
    size = data.draw(st.integers(1, len(labels)))
    rows = choose_subset(value(rule, size), labels, names(classes))
    assert rows.dtype == numpy.int64
    assert len(rows) == size
    assert (numpy.diff(rows) > 0).all()
    assert 0 <= rows[0] <= rows[-1] < len(labels)
    if rule == "head":
        assert rows.tolist() == list(range(size))


@given(labels_of_enough_classes(), st.data())
def test_balanced_gives_every_class_its_share_give_or_take_one(
    labelled: tuple[Labels, int, int], data: st.DataObject
) -> None:
    labels, classes, scarcest = labelled
    size = data.draw(st.integers(classes, classes * scarcest))
    rows = choose_subset(value("balanced", size), labels, names(classes))
    counts = numpy.bincount(labels[rows], minlength=classes)
    assert counts.sum() == size
    assert counts.max() - counts.min() <= 1
    assert (numpy.diff(rows) > 0).all()


@given(labels_of_enough_classes(), st.sampled_from(RULES), st.integers(0, 2**31), st.data())
def test_smaller_subsets_lie_within_larger_ones_of_the_same_draw(
    labelled: tuple[Labels, int, int], rule: SubsetRule, seed: int, data: st.DataObject
) -> None:
    labels, classes, scarcest = labelled
    lowest, highest = (classes, classes * scarcest) if rule == "balanced" else (1, len(labels))
    small = data.draw(st.integers(lowest, highest))
    large = data.draw(st.integers(small, highest))
    inner = choose_subset(value(rule, small, seed), labels, names(classes))
    outer = choose_subset(value(rule, large, seed), labels, names(classes))
    assert set(inner) <= set(outer)
    assert (inner == choose_subset(value(rule, small, seed), labels, names(classes))).all()


@settings(max_examples=20)
@given(labels_of_enough_classes())
def test_too_many_images_are_refused_with_the_key_and_the_number_at_hand(labelled: tuple[Labels, int, int]) -> None:
    labels, classes, _ = labelled
    for rule in RULES:
        with pytest.raises(DatasetError, match=r"subsets\.sizes.*only .* training images"):
            choose_subset(value(rule, len(labels) + 1), labels, names(classes))


def test_seeds_give_other_draws_but_not_to_the_head() -> None:
    labels = numpy.arange(1000, dtype=numpy.int64) % 10
    for rule in ("balanced", "random"):
        first, second = (choose_subset(SubsetValue(rule, 100, seed), labels, names(10)) for seed in (0, 1))
        assert (first != second).any()


def test_a_balanced_subset_that_a_class_cannot_fill_is_refused() -> None:
    labels = numpy.array([0] * 50 + [1] * 3, dtype=numpy.int64)
    with pytest.raises(DatasetError, match=r"Each class needs 5 training images, too few are there of 'dog' \(3\)\."):
        choose_subset(SubsetValue("balanced", 10, 0), labels, ("cat", "dog"))
    with pytest.raises(DatasetError, match="cannot be balanced over 2 classes"):
        choose_subset(SubsetValue("balanced", 1, 0), labels, ("cat", "dog"))


def test_a_balanced_subset_that_lacks_the_odd_image_is_refused_as_well() -> None:
    """Eight over three classes are 2, 3 and 3: with 2, 2 and 10 at hand, two classes cannot give the third image."""
    labels = numpy.array([0] * 2 + [1] * 2 + [2] * 10, dtype=numpy.int64)
    with pytest.raises(DatasetError, match=r"Each class needs 3 .* of 'a' \(2\), 'b' \(2\)\. Use smaller sizes"):
        choose_subset(SubsetValue("balanced", 8, 0), labels, ("a", "b", "c"))


def test_of_many_scarce_classes_the_scarcest_are_named_and_the_others_counted() -> None:
    counts = [400, *range(1, 15)]
    labels = numpy.repeat(numpy.arange(15, dtype=numpy.int64), counts)
    with pytest.raises(DatasetError, match=r"of 'class 1' \(1\), 'class 2' \(2\), .* and 4 more\. Use smaller"):
        choose_subset(SubsetValue("balanced", 15 * 20, 0), labels, names(15))


def train_table(folder: Path, labels: list[str]) -> Path:
    classes = sorted(set(labels))
    lines = [f"{row},{classes.index(label)},{label}" for row, label in enumerate(labels)]
    path = folder / "train.csv"
    path.write_text("\n".join(["row,label,class", *lines]) + "\n", encoding="utf-8")
    return path


def test_the_head_of_a_list_sorted_by_class_is_refused_where_it_has_one_class(tmp_path: Path) -> None:
    table = train_table(tmp_path, ["cat"] * 30 + ["dog"] * 30)
    with pytest.raises(DatasetError, match=r"begins with 30 images of 'cat'.*balanced or random.*shuffle the list"):
        extract_subset(SubsetValue("head", 30), table, ("cat", "dog"), tmp_path / "n30.csv")
    assert not (tmp_path / "n30.csv").exists()
    assert extract_subset(SubsetValue("head", 31), table, ("cat", "dog"), tmp_path / "n31.csv").tolist() == [0] * 30 + [
        1
    ]


def test_a_draw_of_one_class_and_a_subset_of_one_image_are_refused(tmp_path: Path) -> None:
    table = train_table(tmp_path, ["cat"] * 500 + ["dog"])
    with pytest.raises(DatasetError, match=r"5 images hold one class only, 'cat'.*larger sizes.*balanced"):
        extract_subset(SubsetValue("random", 5, 0), table, ("cat", "dog"), tmp_path / "n5.csv")
    with pytest.raises(DatasetError, match=r"1 image holds one class only, 'cat'"):
        extract_subset(SubsetValue("head", 1), table, ("cat", "dog"), tmp_path / "n1.csv")


def test_missing_classes_are_named() -> None:
    labels = numpy.array([0, 2, 2, 0], dtype=numpy.int64)
    assert (
        warn_of_missing_classes(labels, ("a", "b", "c")) == "the subset of 4 images has no image of 1 of 3 classes: 'b'"
    )
    assert warn_of_missing_classes(labels, ("a", "b", "c", *names(20))) == (
        "the subset of 4 images has no image of 21 of 23 classes: 'b', "
        + ", ".join(repr(name) for name in names(9))
        + " and 11 more"
    )
    assert warn_of_missing_classes(numpy.array([0, 1], dtype=numpy.int64), ("a", "b")) is None


def test_the_command_warns_of_missing_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from smallmix.commands.data import COMMANDS
    from smallmix.datasets.fetch import fetch_dataset

    fetch_dataset({"name": "digits"}, tmp_path / "digits")
    parser, command = argparse.ArgumentParser(), COMMANDS["extract-subset"]
    command.add_arguments(parser)
    for size, warning in ((8, "warning: the subset of 8 images has no image of 2 of 10 classes: '8', '9'"), (100, "")):
        rule = json.dumps({"rule": "head", "size": size, "seed": None})
        options = ["--dataset", str(tmp_path / "digits"), "--rule", rule, "--output", str(tmp_path / "n.csv")]
        assert command.run(parser.parse_args(options)) == 0
        assert capsys.readouterr().out.partition(f"{tmp_path / 'n.csv'}")[0].strip() == warning


def test_a_random_subset_is_uniform_over_the_training_list() -> None:
    """Each of 50 images is in about 10 of 50 of 2,000 draws: 400 times, with a standard deviation of 17.9."""
    labels = numpy.zeros(50, dtype=numpy.int64)
    seen = numpy.zeros(50)
    for seed in range(2000):
        seen[choose_subset(SubsetValue("random", 10, seed), labels, ("cat",))] += 1
    assert abs(seen - 400).max() < 5 * 17.9


def test_extracted_tables_are_lines_of_the_training_table(tmp_path: Path) -> None:
    table, target = tmp_path / "train.csv", tmp_path / "subsets" / "n4.csv"
    lines = [f"{row},{row % 3},{'abc'[row % 3]}" for row in range(9)]
    table.write_text("\n".join(["row,label,class", *lines]) + "\n", encoding="utf-8")
    labels = extract_subset(SubsetValue("head", 4), table, ("a", "b", "c"), target)
    assert labels.tolist() == [0, 1, 2, 0]
    assert target.read_text(encoding="utf-8").splitlines() == ["row,label,class", *lines[:4]]
    rows, labels = read_subset(target)
    assert rows.tolist() == [0, 1, 2, 3]
    assert labels.tolist() == [0, 1, 2, 0]
    assert rows.dtype == labels.dtype == numpy.int64


@pytest.mark.parametrize("content", ["", "row,label\n1,x\n", "row,class\n1,a\n", "row,label\n1,\n"])
def test_a_subset_that_is_no_table_is_refused_with_a_remedy(tmp_path: Path, content: str) -> None:
    path = tmp_path / "n1.csv"
    path.write_text(content, encoding="utf-8")
    if content == "":
        assert len(read_subset(path)[0]) == 0
        return
    with pytest.raises(DatasetError, match="Delete the file and run again"):
        read_subset(path)


def test_a_training_table_with_another_header_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "train.csv"
    table.write_text("image,label\n0,1\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="not row,label,class"):
        extract_subset(SubsetValue("head", 1), table, ("a", "b", "c"), tmp_path / "n1.csv")

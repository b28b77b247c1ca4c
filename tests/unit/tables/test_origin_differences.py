"""Protects what is said to differ between two studies: all that does, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from smallmix.study.study import Study
from smallmix.tables.cell_status import CellStatus, Collection
from smallmix.tables.origin_differences import (
    OriginDifference,
    configuration_differences,
    equal_trainings,
    subset_differences,
    training_differences,
)

from tests.synthetic_configuration import build_configuration

PLAIN: dict[str, dict[str, Any]] = {"non": {"mix": "none", "beta": None}}
BOTH = {**PLAIN, "label-mix": {"mix": "images-and-labels", "beta": [1.0, 1.0]}}
SAME: dict[str, Any] = {"cell_fingerprint": "cell", "data_fingerprint": "images", "code_fingerprint": "code"}


def collected(
    methods: dict[str, dict[str, Any]] = PLAIN, seeds: tuple[int, ...] = (0, 1), **changes: Any
) -> Collection:
    """Return a study of 100 images whose cells are all current, and whose metrics.json say what is given."""
    study = Study.from_configuration(build_configuration(sizes=[100], methods=methods, seeds=seeds))
    metrics = {**SAME, "environment": {"torch": "2.14.1", "device": "cpu"}, **changes}
    return Collection(study, tuple(CellStatus(cell, "current", metrics=metrics) for cell in study.cells))


def test_the_names_of_two_studies_are_no_difference() -> None:
    first = Study.from_configuration(build_configuration(sizes=[100]))
    second = Study.from_configuration(build_configuration(sizes=[500], name="other", title="Another"))
    assert configuration_differences(first, second) == [OriginDifference("subsets.sizes", "[100]", "[500]")]


def test_a_way_of_mixing_that_one_study_lacks_is_no_other_code() -> None:
    assert training_differences(collected(), collected(BOTH)) == []
    other = collected(BOTH, code_fingerprint="newer", environment={"torch": "2.15.0", "device": "cpu"})
    assert training_differences(collected(), other) == [
        OriginDifference("training code (mix none)", "code", "newer"),
        OriginDifference("torch", "2.14.1", "2.15.0"),
    ]


@pytest.mark.parametrize("differs", sorted(SAME))
def test_trainings_are_the_same_where_cell_images_and_code_are(differs: str) -> None:
    assert equal_trainings(collected(), collected()) == 2
    other: dict[str, Any] = {differs: "other"}
    assert equal_trainings(collected(), collected(**other)) == 0


def test_subsets_are_compared_for_common_seeds_alone() -> None:
    other = collected(data_fingerprint="other")
    assert subset_differences(collected(seeds=(0, 1, 2)), other) == [
        "100 images: 2 of 2 subsets of common seeds are other images."
    ]
    assert subset_differences(collected(), collected()) == []

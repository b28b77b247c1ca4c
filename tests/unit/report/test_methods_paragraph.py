"""Protects the paragraph for one's own paper: true to the configuration, in whole sentences, with its sources."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from smallmix.report.methods_paragraph import (
    DATA_SOURCES,
    LAST_BATCH,
    MIX_SOURCES,
    NETWORK_SOURCES,
    PRECISIONS,
    methods_paragraph,
)
from smallmix.study.cell import Precision
from smallmix.study.iterations import LastBatch
from smallmix.study.known_datasets import KNOWN_DATASETS
from smallmix.study.method_forms import METHODS

from tests.unit.figures.study_with_tables import build_study_with_tables, tables_of
from tests.unit.report.rendered_page import render, section


def paragraph_of(folder: Path, **choices: Any) -> tuple[str, tuple[str, ...]]:
    """The paragraph and its references for a made-up study."""
    found = methods_paragraph(tables_of(build_study_with_tables(folder, **choices)))
    return found.text, found.references


def test_it_says_what_the_configuration_says(tmp_path: Path) -> None:
    text, references = paragraph_of(tmp_path, sizes=[1000, 500, 100], seeds=[0, 1, 2])
    for part in (
        "We trained on subsets of 100, 500 and 1,000 training images of",
        "(Krizhevsky 2009)",
        "Each subset holds the first images of the training list.",
        "It was trained by stochastic gradient descent: batches of 128, learning rate 0.1",
        "label-mix (images and labels are mixed as in mixup, λ drawn from Beta(1, 1) once per batch; Zhang et al.",
        "non (nothing is mixed)",
        "Every method was trained with 3 seeds (0, 1, 2) at each size.",
        "the best test accuracy of its evaluations, which is chosen on the test images",
        "Intervals are 95 % intervals of the mean over seeds (Student's t).",
        "No hypothesis was declared in advance; all comparisons are exploratory.",
    ):
        assert part in text
    assert [entry.split(",")[0].split(".")[1].strip() for entry in references] == [
        "He",
        "Huszár",
        "Krizhevsky",
        "Zhang",
    ]
    assert any("mixup: Beyond Empirical Risk Minimization" in one for one in references)
    assert not re.search(r"\.\.|;\.|,\.|\s\.|  ", text)


def test_arithmetic_batches_and_devices_are_said(tmp_path: Path) -> None:
    made = tables_of(build_study_with_tables(tmp_path, sizes=[100], seeds=[0, 1]))
    text = methods_paragraph(made).text
    assert re.search(r"All runs were computed with smallmix \S+ and PyTorch \S+, in single precision, on ", text)
    made.provenance["environments"] = [
        {"environment": {"smallmix": "1", "torch": "2", "device": "NVIDIA H200", "processor": "Xeon"}},
        {"environment": {"smallmix": "1", "torch": "2", "device": "cpu", "processor": "EPYC"}},
    ]
    made.study.configuration["recipe"]["last_batch"] = "even"
    text = methods_paragraph(made).text
    assert ", on NVIDIA H200 and EPYC." in text
    assert " Each epoch was cut into batches of equal size, to within one image. The budget was " in text
    made.study.configuration["recipe"]["last_batch"] = "drop"
    assert " The images left over at the end of an epoch were not used in it. The" in methods_paragraph(made).text
    assert PRECISIONS == {"fp32": "single precision", "bf16": "bfloat16"}
    assert set(PRECISIONS) == set(get_args(Precision))
    assert set(LAST_BATCH) == set(get_args(LastBatch))


def test_a_declared_hypothesis_and_its_test_are_said(tmp_path: Path) -> None:
    text, _ = paragraph_of(tmp_path, sizes=[500, 100], seeds=[0, 1, 2, 3, 4, 5])
    assert "One hypothesis was declared in advance and tested by an exact sign-flip test over seeds" in text
    assert "corrected by Holm's method" in text


@pytest.mark.parametrize(("seeds", "words"), [([0], "1 seed"), ([0, 1], "2 seeds")])
def test_few_seeds_have_no_intervals(tmp_path: Path, seeds: list[int], words: str) -> None:
    text, _ = paragraph_of(tmp_path, sizes=[100], seeds=seeds)
    assert f"With {words}, no intervals are given and nothing is tested." in text
    assert "Student" not in text
    assert "We trained on a subset of 100 training images" in text


def test_every_mix_and_every_data_set_has_its_source() -> None:
    assert set(MIX_SOURCES) == set(METHODS)
    assert {name for name, sources in MIX_SOURCES.items() if not sources} == {"none"}
    assert set(DATA_SOURCES) | {"cifar100"} == set(KNOWN_DATASETS)
    for one in (
        *DATA_SOURCES.values(),
        *NETWORK_SOURCES.values(),
        *(one for some in MIX_SOURCES.values() for one in some),
    ):
        name, year = one.short.split()[0], one.short.split()[-1]
        assert name in one.entry
        assert year in one.entry
        assert one.entry.endswith((".", "/"))


def test_it_stands_in_the_page_with_its_references(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[100], seeds=[0, 1])
    text, references = methods_paragraph(tables_of(made)).text, methods_paragraph(tables_of(made)).references
    shown = section(render(made, names=()), "method")
    assert text.replace("\N{NO-BREAK SPACE}", " ") in shown
    for entry in references:
        assert entry in shown

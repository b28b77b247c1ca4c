"""A mix has its file, its sentence and its floor; of one that has none the page says nothing false."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest
from smallmix.report import method_section
from smallmix.report.method_section import method_meaning
from smallmix.science.method import Draws, drawn_tables, find_method
from smallmix.statistics import loss_floor
from smallmix.statistics.loss_floor import floor_sentences, methods_of_equal_loss, pair_floor
from smallmix.study.cell import MethodValue
from smallmix.study.published import MixName
from smallmix.study.study import Study

from tests.tiny_cell import MIXES, method_of
from tests.unit.statistics.made_up_results import make_study

UNKNOWN = MethodValue("blend", (1.0, 1.0))


def study_of(*methods: MethodValue) -> Study:
    """Return a study of methods that the configuration may not know."""
    study = make_study(methods={"plain": {"mix": "none", "beta": None}})
    cells = [
        dataclasses.replace(cell, method=method.mix, value=dataclasses.replace(cell.value, method=method))
        for method in methods
        for cell in study.cells
    ]
    return dataclasses.replace(study, cells=tuple(cells))


@pytest.mark.parametrize("mix", get_args(MixName))
def test_every_mix_has_a_file_a_sentence_and_a_floor_or_none_on_purpose(mix: str) -> None:
    assert {table.shape for table in drawn_tables(find_method(method_of(mix)), Draws(5, 8, 0, 8, 0)).values()} <= {(5,)}
    assert mix in method_section.MIX_MEANINGS
    assert mix in loss_floor.PAIR_FLOORS
    floor = loss_floor.PAIR_FLOORS[mix]
    assert floor is None or floor(method_of(mix)) == pair_floor(method_of(mix))


def test_the_tables_of_mixes_have_no_others_and_no_sentence_twice() -> None:
    assert set(method_section.MIX_MEANINGS) == set(loss_floor.PAIR_FLOORS) == set(get_args(MixName))
    assert len(set(method_section.MIX_MEANINGS.values())) == len(get_args(MixName))


def test_an_unknown_mix_is_said_to_be_unknown() -> None:
    text = method_meaning({"mix": "blend", "beta": [1.0, 2.0]})
    assert text == "mix blend, which this page cannot describe, λ drawn from Beta(1, 2) once per batch"
    assert method_meaning({"mix": "images-and-labels", "beta": [1.0, 2.0]}).startswith("images and labels are mixed, λ")


def test_an_unknown_mix_has_no_floor_and_the_page_names_none() -> None:
    assert pair_floor(UNKNOWN) is None
    assert loss_floor.loss_floor(study_of(UNKNOWN).cells[0].value, (5, 5)) is None
    text = " ".join(floor_sentences(study_of(UNKNOWN, method_of("images-and-labels"))))
    assert "at least 0.50 nats with images-and-labels, on average" in text
    assert "The floor of blend is not known." in text
    alone = " ".join(floor_sentences(study_of(UNKNOWN)))
    assert "nats" not in alone
    assert "No network" not in alone
    assert methods_of_equal_loss(study_of(UNKNOWN, method_of("images-and-labels"))) == []


def test_the_mixes_of_the_tests_are_those_of_the_configuration() -> None:
    assert sorted(MIXES) == sorted(get_args(MixName))

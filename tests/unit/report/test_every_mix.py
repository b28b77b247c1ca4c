"""A mix has its file, its sentence and its floor; of one that has none the page says nothing false."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from scipy import special
from smallmix.report import method_section
from smallmix.report.method_section import method_meaning
from smallmix.science.method import Draws, Method, drawn_tables, find_method
from smallmix.statistics import loss_floor
from smallmix.statistics.loss_floor import floor_sentences, methods_of_equal_loss, pair_floor
from smallmix.study.cell import MethodValue
from smallmix.study.method_forms import METHODS
from smallmix.study.published import MixName
from smallmix.study.study import Study

from tests.every_method import EVERY_MIX, method_value
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


def meaning_of(mix: str, **parameters: Any) -> dict[str, Any]:
    """What a resolved configuration has of a method."""
    form = METHODS[mix]
    filled = form.parameters.model_validate(parameters).model_dump()
    return {"mix": mix, "beta": [2.0, 1.0] if form.draws_weight else None, "parameters": filled}


@pytest.mark.parametrize("mix", EVERY_MIX)
def test_every_mix_has_a_file_a_sentence_and_a_floor_or_none_on_purpose(mix: str) -> None:
    method = find_method(method_value(mix))
    tables = drawn_tables(method, Draws(5, 8, 0, 8, 0))
    assert type(method) is not Method
    assert {table.shape[:2] for table in tables.values()} <= {(5,), (5, 8)}
    assert mix in method_section.MIX_MEANINGS
    assert mix in loss_floor.PAIR_FLOORS
    floor = loss_floor.PAIR_FLOORS[mix]
    assert floor is None or floor(method_value(mix)) == pair_floor(method_value(mix))


def test_the_tables_of_mixes_have_no_others_and_no_sentence_twice() -> None:
    assert set(method_section.MIX_MEANINGS) == set(loss_floor.PAIR_FLOORS) == set(METHODS)
    assert set(loss_floor.FLOOR_REASONS) == set(METHODS) - {"none"}
    assert len({method_meaning(meaning_of(mix)) for mix in METHODS}) == len(METHODS)


@pytest.mark.parametrize("mix", EVERY_MIX)
def test_a_weight_is_said_to_be_drawn_as_often_as_it_is(mix: str) -> None:
    text = method_meaning(meaning_of(mix))
    tables = drawn_tables(find_method(method_value(mix)), Draws(5, 8, 0, 8, 0))
    weight = next((tables[name] for name in ("image_weight", "label_weight", "half") if name in tables), None)
    often = None if weight is None else {1: "batch", 2: "image"}[weight.ndim]
    assert ("once per batch" in text, "once per image" in text) == (often == "batch", often == "image")
    assert ("λ drawn from Beta(2, 1)" in text) == METHODS[mix].draws_weight


def test_parameters_are_named() -> None:
    assert method_meaning(meaning_of("label-smoothing")).endswith("spread over all classes, smoothing 0.1")
    assert method_meaning(meaning_of("manifold-mixup", stages=[1, 2])).endswith("once per batch, stages [1, 2]")
    erasing = method_meaning(meaning_of("random-erasing"))
    assert erasing.endswith(", probability 0.5, area [0.02, 0.4], aspect [0.3, 3.3]")


OWN = """\
from dataclasses import dataclass, field


@dataclass
class Mine:
    beta: tuple[float, float]
    strong: bool
    to: str = "the end"
    shares: list = field(default_factory=lambda: [0.5, 1e-05])


class Other:
    def __init__(self, beta=(1.0, 3.0), *rest, least=0, **more):
        pass
"""


@pytest.fixture
def own_file(tmp_path: Path) -> str:
    """Return the path of a file of the user's with two classes that have values of their own."""
    file = tmp_path / "mine.py"
    file.write_text(OWN, encoding="utf-8")
    return str(file)


def test_all_parameters_of_a_class_of_the_users_are_named(own_file: str) -> None:
    meaning = {"mix": "methods/mine.py:Mine", "beta": [1.0, 1.0], "parameters": {"strong": True}}
    words = "what the class Mine of the file mine.py does, λ drawn from Beta(1, 1)"
    assert method_meaning(meaning, own_file) == f"{words}, strong True, to the end, shares [0.5, 1e-05]"
    stated = {**meaning, "parameters": {"shares": [1.0], "strong": False}}
    assert method_meaning(stated, own_file) == f"{words}, strong False, to the end, shares [1]"
    other = {"mix": "mine.py:Other", "beta": None, "parameters": {"depth": 3}}
    assert method_meaning(other, own_file).endswith("mine.py does, beta [1, 3], least 0, depth 3")


def test_without_the_users_file_it_is_said_that_there_may_be_more_parameters() -> None:
    meaning = {"mix": "methods/mine.py:Mine", "beta": [1.0, 1.0], "parameters": {"strong": True, "to": "x"}}
    text = "what the class Mine of the file mine.py does, λ drawn from Beta(1, 1), strong True, to x"
    for file in (None, "/nowhere/mine.py"):
        assert method_meaning(meaning, file) == f"{text}, further parameters as that file has them"


def test_an_unknown_mix_is_said_to_be_unknown() -> None:
    text = method_meaning({"mix": "blend", "beta": [1.0, 2.0]})
    assert text == "mix blend, which this page cannot describe, λ drawn from Beta(1, 2) once per batch"
    assert method_meaning({"mix": "images-and-labels", "beta": [1.0, 2.0]}).startswith(
        "images and labels are mixed as in mixup, λ"
    )


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


def test_a_study_says_why_each_of_its_losses_has_a_floor() -> None:
    methods = [method_value(mix) for mix in EVERY_MIX]
    sentences = floor_sentences(study_of(*methods), classes=10)
    assert len(set(sentences)) == len(sentences)
    text = " ".join(sentences)
    assert "The floor of cutmix is not known." in text
    assert "With 10 classes, that costs at least 0.50 nats with label-smoothing on every image." in text
    for name in ("images-per-image", "images-and-labels-per-image", "manifold-mixup"):
        assert f"nats with {name}" in text
    assert "cutout" not in text
    assert "random-erasing" not in text


@pytest.mark.parametrize("mix", ["cutout", "random-erasing"])
def test_holes_are_no_mixing(mix: str) -> None:
    (sentence,) = floor_sentences(study_of(method_value("none"), method_value(mix)))
    assert sentence == loss_floor.FLOOR_REASONS[mix]
    assert loss_floor.loss_floor(study_of(method_value(mix)).cells[0].value, (5, 5)) == 0


def test_smoothed_labels_keep_their_entropy() -> None:
    value = study_of(method_value("label-smoothing", smoothing=0.3)).cells[0].value
    target = np.full(4, 0.3 / 4)
    target[0] += 0.7
    entropy = -float((target * np.log(target)).sum())
    assert loss_floor.loss_floor(value, (9, 9, 9, 0)) == pytest.approx(entropy, rel=1e-9)


@pytest.mark.parametrize("mix", ["images-and-labels-per-image", "manifold-mixup"])
@pytest.mark.parametrize("beta", [(1.0, 1.0), (0.3, 2.0)])
def test_targets_of_mixed_labels_cost_their_entropy(mix: str, beta: tuple[float, float]) -> None:
    """The best guess is the target itself: the mean entropy of targets that the method draws, of unlike pairs."""
    value = method_value(mix, beta)
    tables = drawn_tables(find_method(value), Draws(60_000 if mix == "manifold-mixup" else 6_000, 10, 0, 100, 0))
    weight = tables.get("image_weight", tables.get("label_weight")).astype(np.float64).ravel()  # type: ignore[union-attr]
    measured = float((special.entr(weight) + special.entr(1 - weight)).mean())
    assert pair_floor(value) == pytest.approx(measured, abs=0.005)


def test_one_weight_for_each_image_is_not_the_same_training() -> None:
    """The batch's statistics tell them apart: only one weight for each batch makes the two ways equal."""
    assert pair_floor(method_value("images-per-image", (2.0, 1.0))) == pair_floor(MethodValue("images", (2.0, 1.0)))
    each = study_of(method_value("images-per-image", (2.0, 1.0)), method_value("images-and-labels-per-image"))
    assert methods_of_equal_loss(each) == []
    a_batch = study_of(method_value("images", (2.0, 1.0)), method_value("images-and-labels"))
    assert methods_of_equal_loss(a_batch) == [("images", "images-and-labels")]


def test_the_published_mixes_are_those_whose_numbers_the_tests_record() -> None:
    assert sorted(MIXES) == sorted(get_args(MixName))
    assert set(MIXES) < set(METHODS)

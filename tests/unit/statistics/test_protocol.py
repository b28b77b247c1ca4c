"""Protects the protocol as data: the project's own configuration is the article's protocol, its overlays are not."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
from smallmix.datasets.description import DatasetDescription
from smallmix.statistics.protocol import (
    ProtocolDifference,
    differences_of_cell,
    differences_of_cells,
    differences_of_study,
    explain,
    refer,
    sizes_with_the_whole_budget,
    told_once,
)
from smallmix.statistics.study_results import StudyResults, label_checksums
from smallmix.study.cell import Cell
from smallmix.study.configuration import load_study
from smallmix.study.published import article_protocol, method_as_published
from smallmix.study.study import Study

from tests.cell_values import CELL, OTHER
from tests.synthetic_configuration import ARTICLE_BUDGETS, METHODS, build_configuration
from tests.unit.statistics.made_up_results import make_study

ROOT = Path(__file__).resolve().parents[3]
ARTICLE = article_protocol()


def load(overlay: str | None, monkeypatch: pytest.MonkeyPatch) -> StudyResults:
    monkeypatch.chdir(ROOT)  # a configuration names files relative to the project's folder
    files = [ROOT / "config.yaml", *([ROOT / "workflow" / "studies" / f"{overlay}.yaml"] if overlay else [])]
    return StudyResults(load_study(files), ())


def test_the_article_study_is_the_articles_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    results = load(None, monkeypatch)
    assert differences_of_study(results.study, ARTICLE) == []
    for size in results.study.sizes:
        for method in results.study.methods:
            assert differences_of_cell(results.study, ARTICLE, size, method) == []


@pytest.mark.parametrize(
    ("overlay", "text", "decisive"),
    [
        ("replicated", "10 seeds instead of one", False),
        ("replicated", "subsets drawn at random for each seed instead of the head of the list", False),
        ("balanced", "subsets by the rule balanced instead of the head of the list", True),
    ],
)
def test_overlays_differ_as_they_say(overlay: str, text: str, decisive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    differences = differences_of_study(load(overlay, monkeypatch).study, ARTICLE)
    assert (text, decisive) in [(one.text, one.decisive) for one in differences]
    assert text in explain(differences)


@pytest.mark.parametrize(
    ("network", "decisive"), [("preact-resnet18-mixup", False), ("preact-resnet18-without-final-norm", True)]
)
def test_another_network_is_a_difference(network: str, decisive: bool) -> None:
    configuration = build_configuration(sizes=(1000, 500), budgets=ARTICLE_BUDGETS)
    study = Study.from_configuration({**configuration, "model": {**configuration["model"], "name": network}})
    found = [(one.text, one.decisive) for one in differences_of_study(study, ARTICLE)]
    assert (f"the network {network} instead of preact-resnet18", decisive) in found


@pytest.mark.parametrize(
    ("recipe", "texts"),
    [
        ({"schedule": "cosine"}, ["recipe.schedule cosine instead of steps"]),
        (
            {"schedule": "cosine", "warm_up": 0.05, "nesterov": True, "decay_normalization": False},
            [
                "recipe.schedule cosine instead of steps",
                "recipe.warm_up 0.05 instead of 0.0",
                "recipe.nesterov True instead of False",
                "recipe.decay_normalization False instead of True",
            ],
        ),
    ],
)
def test_another_recipe_is_a_decisive_difference(recipe: dict[str, object], texts: list[str]) -> None:
    """What a cosine does not read is not counted as a second difference."""
    configuration = build_configuration(sizes=(500,), seeds=(0,), budgets=ARTICLE_BUDGETS)
    study = Study.from_configuration({**configuration, "recipe": {**configuration["recipe"], **recipe}})
    found = differences_of_study(study, ARTICLE)
    assert [one.text for one in found] == texts
    assert all(one.decisive for one in found)


def test_the_longer_study_differs_where_it_trains_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    study = load("longer", monkeypatch).study
    assert [one.text for one in differences_of_cell(study, ARTICLE, 1000, "non")] == [
        "117,000 iterations instead of 100 epochs",
        "test images read every 390 iterations instead of every 8 (an epoch)",
    ]
    assert [one.text for one in differences_of_cell(study, ARTICLE, 100, "non")] == [
        "117,000 iterations instead of 40,000 iterations"
    ]
    assert differences_of_cell(study, ARTICLE, 500, "non") == []


def test_differences_of_cells_say_where_they_hold() -> None:
    study = make_study(
        sizes=(1000, 500, 100),
        budgets={"default": {"epochs": 100}, "500": {"iterations": 500}, "100": {"iterations": 40000}},
        methods={**METHODS, "label-mix": {"mix": "images-and-labels", "beta": [0.2, 0.2]}},
    )
    assert [one.text for one in differences_of_cells(study, ARTICLE)] == [
        "Beta(0.2, 0.2) instead of Beta(1, 1) (label-mix)",
        "500 iterations instead of 117,000 iterations at 500 images",
    ]
    assert differences_of_cells(make_study(budgets=ARTICLE_BUDGETS), ARTICLE) == []
    short = make_study(sizes=(500, 250, 100), budgets={"default": {"iterations": 500}})
    assert [one.text for one in differences_of_cells(short, ARTICLE)] == [
        "500 iterations instead of 117,000 iterations at 500 and 250 images",
        "500 iterations instead of 40,000 iterations at 100 images",
    ]


def test_the_articles_distribution_stands_for_a_way_of_mixing() -> None:
    methods = {
        "narrow": {"mix": "images", "beta": [1.2, 0.2]},
        "published": {"mix": "images", "beta": [2.0, 1.0]},
        "soft": {"mix": "images-and-labels", "beta": [0.4, 0.4]},
    }
    study = make_study(methods=methods)
    assert method_as_published(study, "images", ARTICLE) == "published"
    assert method_as_published(study, "images-and-labels", ARTICLE) == "soft"
    assert method_as_published(study, "none", ARTICLE) is None


def test_a_budget_is_whole_by_iterations_at_each_size() -> None:
    budgets = {
        "default": {"iterations": 117000},
        "1000": {"epochs": 99},
        "250": {"iterations": 116999},
        "100": {"epochs": 40000},
    }
    study = make_study(sizes=(5000, 1000, 500, 250, 100), budgets=budgets)
    assert sizes_with_the_whole_budget(study, ARTICLE, 1000) == (500, 100)
    longer = make_study(sizes=(1000,), budgets={"default": {"iterations": 801}})
    assert sizes_with_the_whole_budget(longer, ARTICLE, 1000) == (1000,)


@pytest.mark.parametrize(
    ("changes", "size", "text"),
    [
        ({"iteration_budgets": {"every": 100}}, 500, "every 100 iterations instead of every 390"),
        ({"epoch_budgets": {"every": 5}}, 1000, "every 40 iterations instead of every 8 (an epoch)"),
        (
            {"iteration_budgets": {"every": 390, "every_at_end": 39}},
            500,
            "every 390 iterations and more often in the last tenth instead of every 390",
        ),
        ({"epoch_budgets": {"every": 5}}, 500, None),
        ({"iteration_budgets": {"every": 100}}, 1000, None),
    ],
)
def test_another_cadence_of_readings_is_a_decisive_difference(
    changes: dict[str, object], size: int, text: str | None
) -> None:
    """The best of 5 evaluations and the best of 300 are different numbers of one training."""
    configuration = build_configuration(sizes=(1000, 500), budgets=ARTICLE_BUDGETS)
    study = Study.from_configuration({**configuration, "evaluation": {**configuration["evaluation"], **changes}})
    found = [(one.text, one.decisive) for one in differences_of_cell(study, ARTICLE, size, "non")]
    assert found == ([] if text is None else [(f"test images read {text}", True)])


def test_labels_are_known_by_both_checksums_or_not_at_all() -> None:
    described = DatasetDescription(
        name="image-list", identifier="mine", title="Mine", classes=("a",), image_shape=(8, 8, 1), train_count=1,
        test_count=1, mean=(0.5,), deviation=(0.2,), source={}, warnings=(),
        checksums={"train_labels.npy": "1", "test_labels.npy": "2", "train.csv": "3"},
    )  # fmt: skip
    assert label_checksums(described) == ("1", "2")
    for lacking in ({}, {"train_labels.npy": "1"}):
        assert label_checksums(replace(described, checksums=lacking)) == ()
    assert label_checksums(None) == ()


# Fields of a cell that may differ from the article's protocol without a word on the page.
NOT_PART_OF_THE_PROTOCOL = {
    "dataset.fit": "it leaves the square images of a copy as they are",
    "recipe.executor": "it says how steps are started; their numbers are the same",
    "recipe.cpu_threads": "it changes the order of sums alone, as another machine does",
    "evaluation.clean_train_limit": "the accuracy on clean training images is no published number",
    "evaluation.validation_images": "nothing is trained on them, and published numbers are of test images",
}
# Fields that the study's configuration is asked for, and the tests above see that it is.
ASKED_OF_THE_CONFIGURATION = {
    "dataset.name": "another data set is a difference, unless the labels prove a copy",
    "dataset.image_size": "of a copy",
    "dataset.color": "of a copy",
    "subset.rule": "any rule but the head of the list is a difference",
    "subset.size": "each size has its own published numbers",
    "subset.seed": "follows from the rule",
    "seed": "the number of seeds is a difference",
}


def fields_of_cells() -> list[str]:
    """Return the names of all fields of a cell's value, with their part in front."""
    names = []
    for part in fields(Cell):
        value = getattr(CELL, part.name)
        inner = fields(value) if is_dataclass(value) else ()
        # Where a file lies is no part of a value.
        names += [f"{part.name}.{field.name}" for field in inner if field.name != "file"] or [part.name]
    return names


def test_every_field_of_a_cell_is_judged_or_known_not_to_be() -> None:
    """A field that is added later must not pass as the article's protocol unseen."""
    study = make_study(sizes=(500,), seeds=(0,), budgets=ARTICLE_BUDGETS)
    unseen = set()
    for name in fields_of_cells():
        part, _, field = name.partition(".")
        if field and texts_with(study, part, field) == texts_with(study, part, None):
            unseen.add(name)
    apart = set(NOT_PART_OF_THE_PROTOCOL) | (set(ASKED_OF_THE_CONFIGURATION) - {"seed"})
    assert unseen == apart


def texts_with(study: Study, part: str, field: str | None) -> set[str]:
    """Return what differs from the article in a study of one size, with another value in a field of its cells."""
    cells = []
    for cell in study.cells:
        value = getattr(cell.value, part)
        other = replace(value, **{field: OTHER[part][field]}) if field else value
        cells.append(replace(cell, value=replace(cell.value, **{part: other})))
    other_study = replace(study, cells=tuple(cells))
    found = differences_of_study(other_study, ARTICLE)
    for cell in other_study.cells:
        found += differences_of_cell(other_study, ARTICLE, cell.size, cell.method)
    return {one.text for one in found}


def test_what_one_row_tells_the_others_leave_to_it() -> None:
    told, untold = ProtocolDifference("width 16 instead of 64", True), ProtocolDifference("mix cutmix", True)
    reference = "differs from the article's protocol (see protocol)"
    assert refer([], {told}) == ""
    assert refer([told], {told}) == reference
    assert refer([untold], {told}) == "differs from the article: mix cutmix"
    assert refer([told, untold], {told}) == f"{reference}; besides, mix cutmix"


def test_the_row_of_the_protocol_tells_what_every_cell_differs_in() -> None:
    """Its list says where each difference holds; the set has each as a single cell names it."""
    study = make_study(sizes=(500, 100), seeds=(0,), budgets={"default": {"iterations": 40000}}, width=16)
    listed, told = told_once(study, ARTICLE)
    assert [one.text for one in listed] == [
        "width 16 instead of 64",
        "40,000 iterations instead of 117,000 iterations at 500 images",
    ]
    for cell in study.cells:
        assert set(differences_of_cell(study, ARTICLE, cell.size, cell.method)) <= told
    assert refer(differences_of_cell(study, ARTICLE, 500, "non"), told).endswith("(see protocol)")

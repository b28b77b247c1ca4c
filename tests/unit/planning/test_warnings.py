"""Protects the plan's and the report's warnings: small last batches, and trainings that began to diverge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from smallmix.planning.plan import warn_of_early_losses, warn_of_mirrored_digits, warn_of_small_batches
from smallmix.report.method_section import compose_deviations, compose_protocol
from smallmix.report.summary_section import compose_answer
from smallmix.study.study import Study
from smallmix.tables.collect import collect
from smallmix.tables.collected_tables import write_study_tables
from smallmix.tables.study_tables import load_tables

from tests.synthetic_configuration import build_configuration
from tests.synthetic_study import SyntheticStudy, build_synthetic_study


def study_with(rule: str | None, sizes: tuple[int, ...]) -> Study:
    configuration = build_configuration(sizes=sizes, seeds=(0,))
    if rule is not None:
        configuration["recipe"]["last_batch"] = rule
    return Study.from_configuration(configuration)


@pytest.mark.parametrize("rule", [None, "keep"])
def test_small_last_batches_are_named_with_the_remedy(rule: str | None) -> None:
    warning = warn_of_small_batches(study_with(rule, (5000, 1000, 130, 144, 100)))
    assert warning is not None
    assert "8 of 128 at 5,000 images, 2 of 128 at 130 images." in warning
    assert "recipe.last_batch: even" in warning


@pytest.mark.parametrize(("rule", "sizes"), [("even", (5000, 130)), ("drop", (5000, 130)), ("keep", (1000, 144, 9))])
def test_no_word_where_no_batch_is_small(rule: str, sizes: tuple[int, ...]) -> None:
    assert warn_of_small_batches(study_with(rule, sizes)) is None


def test_a_rule_that_deals_out_the_same_batches_is_the_same_training() -> None:
    kept, even = (study_with(rule, (256, 200, 100)) for rule in ("keep", "even"))
    same = [mine.value == other.value for mine, other in zip(kept.cells, even.cells, strict=True)]
    assert same == [True] * 3 + [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    ("dataset", "flip", "warned"),
    [
        ("mnist", True, True),
        ("svhn", True, True),
        ("digits", True, True),
        ("mnist", "automatic", False),
        ("mnist", False, False),
        ("fashion-mnist", True, False),
        ("cifar10", True, False),
    ],
)
def test_mirrored_digits_are_warned_of_where_somebody_asks_for_them(
    dataset: str, flip: bool | str, warned: bool
) -> None:
    configuration = build_configuration(sizes=(100,), seeds=(0,))
    configuration["dataset"] |= {"name": dataset}
    configuration["recipe"]["augmentation"] = {"crop_padding": "automatic", "flip": flip}
    warning = warn_of_mirrored_digits(Study.from_configuration(configuration))
    assert (warning is not None) == warned
    if warning is not None:
        assert "recipe.augmentation.flip: automatic" in warning


@pytest.fixture
def made(tmp_path: Path) -> SyntheticStudy:
    return build_synthetic_study(tmp_path, sizes=(5000, 100), seeds=(0, 1), test_images=60)


def protocol_of(made: SyntheticStudy) -> dict[str, str]:
    write_study_tables(collect(made.study, made.layout, made.code_fingerprint), made.layout.results)
    return dict(compose_protocol(load_tables(made.study, made.root)))


def test_finished_cells_that_began_to_diverge_are_named(made: SyntheticStudy) -> None:
    assert warn_of_early_losses(made.layout, made.study.cells, 10) is None
    made.edit_metrics("n100/non/seed1", largest_early_loss=451.6, largest_early_loss_iteration=2)
    made.remove("n100/data-mix/seed0")
    warning = warn_of_early_losses(made.layout, made.study.cells, 10)
    assert warning is not None
    assert "1 finished cell began to diverge, with an early training loss above 23, ten times" in warning
    assert "n100/non/seed1 (451.6 at iteration 2)" in warning
    for cell in made.study.cells:
        if cell.id != "n100/data-mix/seed0":
            made.edit_metrics(cell.id, largest_early_loss=30.0)
    warning = warn_of_early_losses(made.layout, made.study.cells, 10)
    assert warning is not None
    assert "11 finished cells" in warning
    assert "and 6 more" in warning
    assert warn_of_early_losses(made.layout, made.study.cells, 100) is None  # 46 nats are ten times ln 100


def test_the_report_says_what_the_first_steps_were_like(made: SyntheticStudy) -> None:
    found = protocol_of(made)
    assert "Warning" not in found["First steps"]
    assert "is 2.6 at iteration 1 of n5000/non/seed0" in found["First steps"]
    made.edit_metrics("n100/non/seed1", largest_early_loss=451.6, largest_early_loss_iteration=2)
    found = protocol_of(made)
    assert "is 451.6 at iteration 2 of n100/non/seed1" in found["First steps"]
    assert "Warning: 1 run of 12 began with a training loss above 23, ten times the loss of" in found["First steps"]
    warnings = compose_answer(load_tables(made.study, made.root)).warnings
    assert [one for one in warnings if one.startswith("1 run of 12 began with a training loss above 23")]


def test_the_report_says_what_becomes_of_the_last_batch(made: SyntheticStudy, tmp_path: Path) -> None:
    found = protocol_of(made)
    assert found["Last batch"].startswith(
        "The images that are left over in an epoch make a smaller last batch. Warning"
    )
    assert "smaller than an eighth of a batch at 1 size (it holds 8 at 5,000 images)" in found["Last batch"]
    for rule, words in (("even", "whose sizes differ by one image at most"), ("drop", "left out of it")):
        configuration: dict[str, Any] = build_configuration(name=rule, sizes=(5000, 100), seeds=(0,))
        configuration["recipe"]["last_batch"] = rule
        other = build_synthetic_study(tmp_path / rule, configuration=configuration, test_images=60)
        found = protocol_of(other)
        assert words in found["Last batch"]
        assert "Warning" not in found["Last batch"]
        deviations = dict(compose_deviations(load_tables(other.study, other.root)))
        # At 100 images there is one batch by every rule.
        assert deviations[f"recipe.last_batch {rule} instead of keep (5,000 images)"] is True


def test_the_report_says_how_many_evaluations_the_last_tenth_has(tmp_path: Path) -> None:
    configuration = build_configuration(sizes=(500, 100), seeds=(0,), budgets={"default": {"iterations": 500}})
    configuration["evaluation"]["iteration_budgets"] = {"every": 100, "every_at_end": 10}
    made = build_synthetic_study(tmp_path, configuration=configuration, test_images=60)
    evaluation = protocol_of(made)["Evaluation"]
    assert "every 100 iterations (every 10 iterations in the last tenth of the budget), and at the end" in evaluation
    assert "The last tenth of the budget holds 5 evaluations" in evaluation
    assert made.metrics("n500/non/seed0")["last_tenth_readings"] == 5

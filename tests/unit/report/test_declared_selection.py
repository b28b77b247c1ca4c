"""Protects the declared selection: answer, tables, figures and the page go by it, and say so; nothing else changes."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from smallmix.errors import SmallmixError
from smallmix.figures.accuracy_by_size import describe_accuracy_by_size
from smallmix.figures.paired_differences import describe_paired_differences, drawn_selections
from smallmix.planning.run_view import CurrentRun
from smallmix.report.kept_results import describe_kept, kept_files
from smallmix.report.method_section import compose_protocol, declared_selection
from smallmix.report.tables_section import accuracy_view, sensitivity_view
from smallmix.statistics.answer import answer_gains, answer_so_far
from smallmix.statistics.comparison import compare_methods, selection_of_the_test
from smallmix.statistics.study_comparison import StudySide, compare_studies
from smallmix.statistics.study_results import read_results
from smallmix.tables.cell_files import read_history
from smallmix.tables.cell_status import UnusableFile
from smallmix.tables.collect import collect
from smallmix.tables.columns import SELECTIONS
from smallmix.tables.study_tables import StudyTables

from tests.synthetic_study import SyntheticStudy
from tests.unit.figures.study_with_tables import PUBLISHED, build_study_with_tables, tables_of
from tests.unit.report.rendered_page import render
from tests.unit.statistics.made_up_results import make_study

IMAGES = 120
SEEDS = (0, 1, 2, 3, 4, 5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    """Two sizes, six seeds: enough for a declared test."""
    root = tmp_path_factory.mktemp("validated")
    return build_study_with_tables(
        root, sizes=(250, 100), seeds=SEEDS, validation_images=IMAGES, selection="validation", published=PUBLISHED
    )


@pytest.fixture(scope="module")
def tables(made: SyntheticStudy) -> StudyTables:
    return tables_of(made)


def plain(root: Path, **choices: Any) -> SyntheticStudy:
    return build_study_with_tables(root, sizes=(250, 100), seeds=(0, 1), published=PUBLISHED, **choices)


def test_metrics_and_history_have_the_columns_only_where_there_are_images(made: SyntheticStudy, tmp_path: Path) -> None:
    validated, without = made.layout.results, plain(tmp_path).layout.results
    for name, columns in (
        ("metrics.csv", ["validation_best_test_accuracy", "validation_best_iteration"]),
        ("history.csv", ["validation_loss", "validation_accuracy"]),
    ):
        heads = [next(csv.reader((folder / name).open(encoding="utf-8"))) for folder in (validated, without)]
        assert heads[0] == [*heads[1], *columns]
    metrics = list(csv.DictReader((validated / "metrics.csv").open(encoding="utf-8")))
    for row in metrics:
        stored = made.metrics(f"n{row['size']}/{row['method']}/seed{row['seed']}")
        assert float(row["validation_best_test_accuracy"]) == stored["validation_best_test_accuracy"]
        assert int(row["validation_best_iteration"]) == stored["validation_best_iteration"]


@pytest.mark.parametrize(
    "changes",
    [{"validation_best_test_accuracy": 0.01}, {"validation_best_iteration": 1}],
    ids=lambda one: next(iter(one)),
)
def test_an_edited_number_is_found(tmp_path: Path, changes: dict[str, float]) -> None:
    made = build_study_with_tables(tmp_path, sizes=(100,), seeds=(0,), validation_images=50, selection="validation")
    place = "n100/non/seed0"
    assert not collect(made.study, made.layout, made.code_fingerprint).not_current
    made.edit_metrics(place, **changes)
    (found,) = collect(made.study, made.layout, made.code_fingerprint).not_current
    assert next(iter(changes)) in found.reason
    assert "by history.csv" in found.reason


def test_a_result_without_its_numbers_or_columns_is_not_current(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=(100,), seeds=(0,), validation_images=50, selection="validation")
    folder = made.folder("n100/non/seed0")
    content = made.metrics("n100/non/seed0")
    del content["validation_best_iteration"]
    (folder / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
    (found,) = collect(made.study, made.layout, made.code_fingerprint).not_current
    assert "lacks validation_best_iteration" in found.reason
    read_history(folder / "history.csv", 50)
    with pytest.raises(UnusableFile, match="does not begin with the columns"):
        read_history(folder / "history.csv", 0)


def test_another_validation_table_makes_cells_stale(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=(100,), seeds=(0,), validation_images=50, selection="validation")
    table = made.layout.validation
    assert table is not None
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(lines[:-1]), encoding="utf-8")
    records = collect(made.study, made.layout, made.code_fingerprint).records
    assert all("the training images or their selection changed" in one.reason for one in records)
    table.unlink()
    records = collect(made.study, made.layout, made.code_fingerprint).records
    assert all("cannot be checked" in one.reason for one in records)


@pytest.mark.parametrize(
    ("selection", "tested"),
    [("best", "last_tenth"), ("last", "last"), ("last-tenth", "last_tenth"), ("validation", "validation")],
)
def test_the_declared_test_goes_by_the_declared_selection(selection: Any, tested: str) -> None:
    """Only the best accuracy is not tested itself: it is chosen on the test images."""
    images = 50 if selection == "validation" else 0
    study = make_study(seeds=SEEDS, sizes=(500,), selection=selection, validation_images=images)
    assert selection_of_the_test(study) == tested
    rows = compare_methods(study, ())
    assert {row.selection for row in rows if row.role == "declared"} == {tested}
    assert len({row.selection for row in rows}) == (4 if images else 3)


def test_gains_are_those_of_the_declared_selection(made: SyntheticStudy, tables: StudyTables) -> None:
    """By the rows of metrics.csv: mean over seeds of label-mix minus non."""
    runs = tables.metrics
    (label_mix, _) = answer_gains(tables)

    def mean(column: str) -> float:
        chosen = runs[runs["size"] == 100].pivot_table(index="seed", columns="method", values=column)
        return float((chosen["label-mix"] - chosen["non"]).mean())

    said = re.match(r"\+([\d.]+) points", label_mix.text)
    assert said is not None
    assert float(said[1]) == pytest.approx(100 * mean("validation_best_test_accuracy"), abs=0.051)
    assert float(said[1]) != pytest.approx(100 * mean("best_test_accuracy"), abs=0.1)
    metrics = {cell.id: made.metrics(cell.id) for cell in made.study.cells}
    so_far = answer_so_far(made.study, metrics)
    assert so_far is not None
    assert so_far.gains == answer_gains(tables)


def test_the_accuracy_table_holds_the_declared_accuracy_and_no_published_ones(tables: StudyTables) -> None:
    view = accuracy_view(tables)
    assert view.caption.startswith("Test accuracy at the best validation accuracy of the run, percent")
    assert view.columns == ("Training images", *tables.study.methods)
    runs = tables.metrics
    mean = runs[(runs["size"] == 100) & (runs["method"] == "non")]["validation_best_test_accuracy"].mean()
    row = next(row for row in view.rows if row[0].text == "100")
    assert row[1].sort == pytest.approx(mean)


def test_published_accuracies_stand_beside_those_of_the_same_rule(tmp_path: Path) -> None:
    best = accuracy_view(tables_of(plain(tmp_path / "best")))
    last = accuracy_view(tables_of(plain(tmp_path / "last", selection="last")))
    assert "published" in best.columns
    assert "published" not in last.columns
    assert best.caption.startswith("Best test accuracy of the run, percent")


def test_the_sensitivity_table_has_every_rule(tables: StudyTables, tmp_path: Path) -> None:
    assert sensitivity_view(tables).columns[2:-2] == ("Best", "Last", "Median of last tenth", "At best validation")
    without = sensitivity_view(tables_of(plain(tmp_path)))
    assert without.columns[2:-2] == ("Best", "Last", "Median of last tenth")


def test_figures_go_by_the_declared_selection(tables: StudyTables, tmp_path: Path) -> None:
    assert drawn_selections(tables) == ["validation", "last"]
    described = describe_accuracy_by_size(tables)
    assert "at its best validation accuracy, so nothing was chosen on the test set" in described.caption
    assert "Hollow markers" not in described.caption
    mean = tables.mean_of(SELECTIONS["validation"], 100, "non").mean
    assert f"{100 * mean:.1f}" in described.description
    last = tables_of(plain(tmp_path, selection="last"))
    assert drawn_selections(last) == ["last", "last_tenth"]
    assert "Hollow marks use the accuracy in the last tenth of the run." in describe_paired_differences(last).caption


def test_the_page_says_what_was_declared_and_how_the_set_was_drawn(made: SyntheticStudy, tables: StudyTables) -> None:
    protocol = dict(compose_protocol(tables))
    assert protocol["Selection"] == (
        "Accuracies are test accuracies at the best validation accuracy of a run, the first of equals, unless a table "
        "says otherwise; the moment is not chosen on the test images. Accuracies by the other rules stand beside it. "
        "Published numbers and claims are judged by the source's own rule, the best of the run. On the validation "
        "images the moment of a run is chosen, and nothing else was chosen by a result."
    )
    assert protocol["Validation images"] == (
        "120 training images that no subset of the study uses, drawn once for all runs (draw seed 0). Each class has "
        "its share of the unused images. Nothing is trained on them. They are evaluated at the same moments as the "
        "test images."
    )
    text = re.sub(r"\s+", " ", render(made, names=()))
    assert f"<p>{declared_selection(tables)} The best accuracy" in text
    assert "This study declares the moment of best validation" in text
    assert "averaged over all sizes by the moment of best validation" in text
    assert "accuracy by the moment of best validation" in text  # what pairing gained


def test_a_study_that_declares_the_best_says_what_it_said_before(tmp_path: Path) -> None:
    protocol = dict(compose_protocol(tables_of(plain(tmp_path))))
    assert protocol["Selection"] == (
        "Accuracies are the best evaluation of a run unless a table says otherwise: the article's rule, chosen on the "
        "test images. Last and last-tenth-median accuracies of the same runs stand beside it. No images are held out "
        "for choosing, and nothing else was chosen by a result."
    )
    assert "Validation images" not in protocol


def test_images_that_choose_nothing_are_said_to(tmp_path: Path) -> None:
    protocol = dict(compose_protocol(tables_of(plain(tmp_path, validation_images=50))))
    assert "So do accuracies at the best validation accuracy." in protocol["Selection"]
    assert "On the validation images nothing is chosen" in protocol["Selection"]
    assert protocol["Validation images"].startswith("50 training images")


def test_the_kept_results_name_their_rules(tables: StudyTables, tmp_path: Path) -> None:
    text = describe_kept(tables, "snakemake --cores all")
    assert "Test accuracy in percent, at best validation / last tenth, mean over 6 seeds." in text
    assert "*At best validation* is the test accuracy at the best validation accuracy of the run" in text
    best = describe_kept(tables_of(plain(tmp_path)), "snakemake --cores all")
    assert (
        "Test accuracy in percent, best / last tenth, mean over 2 seeds. *Best* is the highest test accuracy of the "
        "run, chosen on the test set, as the article chose it; *last tenth* is the median of the evaluations in the "
        "last tenth of the budget, which was not chosen by a result." in best
    )


def test_the_validation_images_are_kept_and_described(made: SyntheticStudy, tables: StudyTables) -> None:
    files = kept_files(tables, made.layout.results, made.layout.report / "figures", "snakemake --cores all")
    assert made.layout.validation is not None
    assert files["subsets/validation.csv"] == made.layout.validation.read_bytes()
    crate = {one["@id"]: one for one in json.loads(files["ro-crate-metadata.json"])["@graph"]}
    assert crate["subsets/validation.csv"]["description"] == "The validation images, which no subset uses."
    assert "which `croissant.json` describes, and the validation images." in files["README.md"].decode()
    assert "validation" not in files["croissant.json"].decode()
    history = files["history.csv"].decode().splitlines()[0]
    assert history.endswith("validation_loss,validation_accuracy")


def test_two_studies_are_compared_by_it_only_where_both_have_it(made: SyntheticStudy, tmp_path: Path) -> None:
    side = StudySide.of(collect(made.study, made.layout, made.code_fingerprint))
    rows = compare_studies(side, side, ("validation",))
    assert {row.selection for row in rows} == {"validation"}
    other = plain(tmp_path)
    without = StudySide.of(collect(other.study, other.layout, other.code_fingerprint))
    with pytest.raises(SmallmixError, match=r"no validation images in synthetic.*another --selection"):
        compare_studies(side, without, ("validation",))
    assert {row.selection for row in compare_studies(side, without, tuple(SELECTIONS))} == {
        "best",
        "last",
        "last_tenth",
    }


def test_results_read_back_what_was_written(made: SyntheticStudy) -> None:
    for one in read_results(made.layout.results / "metrics.csv"):
        stored = made.metrics(f"n{one.size}/{one.method}/seed{one.seed}")
        assert one.number("validation_best_test_accuracy") == stored["validation_best_test_accuracy"]


def test_a_table_without_the_columns_reads_as_unknown(tmp_path: Path) -> None:
    results = read_results(plain(tmp_path).layout.results / "metrics.csv")
    assert all(pd.isna(one.number("validation_best_test_accuracy")) for one in results)


def test_the_terminal_shows_the_declared_accuracy(made: SyntheticStudy) -> None:
    assert CurrentRun(made.layout, "snakemake").declared_metric == "validation_best_test_accuracy"

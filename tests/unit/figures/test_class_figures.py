"""Protects the figures of the classes: what they draw of the tables, and what they leave out of many classes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from smallmix.figures.accuracy_by_class import (
    MOST_PANELS,
    describe_accuracy_by_class,
    draw_accuracy_by_class,
    drawn_methods,
    drawn_sizes,
)
from smallmix.figures.confusion_matrices import MOST_OPAQUE, describe_confusion_matrices, draw_confusion_matrices
from smallmix.figures.figure_files import save_figure
from smallmix.figures.inline import load_figure
from smallmix.report.classes_section import class_view
from smallmix.tables.columns import CONFUSION
from smallmix.tables.statistics_columns import CLASS_SUMMARY
from smallmix.tables.study_tables import StudyTables

from tests.synthetic_study import CLASSES, SyntheticStudy
from tests.unit.figures.study_with_tables import build_study_with_tables, tables_of

METHODS = ("non", "data-mix", "label-mix")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    """Two sizes, three methods, three seeds; label-mix has two seeds of the larger size."""
    return build_study_with_tables(
        tmp_path_factory.mktemp("classes"), sizes=[500, 100], missing=["n500/label-mix/seed1"]
    )


@pytest.fixture(scope="module")
def tables(made: SyntheticStudy) -> StudyTables:
    return tables_of(made)


@pytest.fixture(scope="module")
def hundred(tables: StudyTables) -> StudyTables:
    """The same study on a hundred classes; label-mix gains more on a class the higher its number."""
    assert tables.dataset is not None
    rows: list[dict[str, Any]] = [
        {
            "size": size,
            "method": method,
            "label": label,
            "class": f"class {label}",
            "seeds": 3,
            "mean": 0.5,
            "low": 0.4,
            "high": 0.6,
            "reference": "non",
            "pairs": 0 if method == "non" else 3,
            "difference": None if method == "non" else (label - 70) / 1000,
            "difference_low": None if method == "non" else -0.2,
            "difference_high": None if method == "non" else 0.2,
        }
        for size in ("500", "100", "all")
        for method in METHODS
        for label in range(100)
    ]
    counts: list[dict[str, Any]] = [
        {
            "size": size,
            "method": method,
            "label": label,
            "class": f"class {label}",
            "predicted": predicted,
            "predicted_class": f"class {predicted}",
            "count": 5,
            "share": 0.5,
        }
        for size in (500, 100)
        for method in METHODS
        for label in range(100)
        for predicted in (label, (label + 1) % 100)
    ]
    return dataclasses.replace(
        tables,
        class_summary=pd.DataFrame(rows, columns=list(CLASS_SUMMARY.names)),
        confusion=pd.DataFrame(counts, columns=list(CONFUSION.names)),
        dataset=dataclasses.replace(tables.dataset, classes=tuple(f"class {label}" for label in range(100))),
    )


def panels(tables: StudyTables) -> dict[str, Axes]:
    return {
        axes.get_title(loc="left"): axes for axes in draw_accuracy_by_class(tables).axes if axes.get_title(loc="left")
    }


def drawn_points(axes: Axes, method: str, names: list[str]) -> dict[str, float]:
    """Class -> drawn accuracy in percent: the class whose row is nearest."""
    (line,) = [line for line in axes.lines if line.get_gid() == f"series-{METHODS.index(method)}-class-means"]
    return {names[round(float(y))]: float(x) for x, y in np.asarray(line.get_xydata())}


def table_means(tables: StudyTables, size: int, method: str) -> dict[str, float]:
    rows = tables.class_summary
    chosen = rows[(rows["size"] == str(size)) & (rows["method"] == method)]
    return {str(name): 100 * float(mean) for name, mean in zip(chosen["class"], chosen["mean"], strict=True)}


@pytest.mark.parametrize("size", [500, 100])
@pytest.mark.parametrize("method", METHODS)
def test_the_means_of_the_table_are_drawn_beside_their_classes(tables: StudyTables, size: int, method: str) -> None:
    found = panels(tables)
    assert list(found) == ["100 images", "500 images"]
    first = found["100 images"]
    names = [label.get_text() for label in first.get_yticklabels()]
    assert sorted(names) == sorted(CLASSES)
    drawn = drawn_points(found[f"{size} images"], method, names)
    assert drawn == pytest.approx(table_means(tables, size, method))


def test_bars_stand_where_there_are_three_seeds_and_end_at_the_interval(tables: StudyTables) -> None:
    bars = [line for line in panels(tables)["500 images"].lines if str(line.get_gid()).endswith("-interval")]
    by_method = {
        method: [one for one in bars if one.get_gid() == f"series-{METHODS.index(method)}-interval"]
        for method in METHODS
    }
    assert len(by_method["non"]) == len(CLASSES)
    assert by_method["label-mix"] == []  # two seeds
    rows = tables.class_summary
    chosen = rows[(rows["size"] == "500") & (rows["method"] == "non")]
    wanted = sorted(
        (max(0.0, 100 * low), min(100.0, 100 * high)) for low, high in zip(chosen["low"], chosen["high"], strict=True)
    )
    drawn = sorted(tuple(np.asarray(one.get_xdata(), dtype=float)) for one in by_method["non"])
    np.testing.assert_allclose(drawn, wanted)


def test_classes_stand_in_the_order_of_the_gain_over_all_sizes(tables: StudyTables) -> None:
    rows = tables.class_summary
    gains = rows[(rows["size"] == "all") & (rows["method"] == "label-mix")].sort_values("difference", ascending=False)
    assert [row[1] for row in describe_accuracy_by_class(tables).table.rows[:10]] == gains["class"].tolist()


def test_of_many_sizes_and_methods_some_are_drawn_and_the_caption_says_so() -> None:
    assert drawn_sizes([1, 2, 3]) == [1, 2, 3]
    chosen = drawn_sizes(list(range(100, 1000, 100)))
    assert (len(chosen), chosen[0], chosen[-1]) == (MOST_PANELS, 100, 900)


def test_the_reference_and_the_asked_method_are_drawn_before_others(tmp_path: Path) -> None:
    others = {f"other-{place}": {"mix": "images", "beta": [1.0 + place, 1.0]} for place in range(4)}
    methods = {**others, "plain": {"mix": "none", "beta": None}, "both": {"mix": "images-and-labels", "beta": [1, 1]}}
    tables = tables_of(build_study_with_tables(tmp_path, sizes=[100], seeds=[0], methods=methods))
    assert drawn_methods(tables, 3) == ["other-0", "plain", "both"]
    text = describe_accuracy_by_class(tables)
    assert "Drawn are 3 of 6 methods." in text.caption
    assert text.table.columns[-1] == "both against plain, points"


def test_a_matrix_is_drawn_for_each_method_at_both_ends(tables: StudyTables) -> None:
    figure = draw_confusion_matrices(tables)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [f"{method}, {size}" for size in (100, 500) for method in METHODS]
    axes = figure.axes[titles.index("data-mix, 500")]
    rows = tables.confusion[(tables.confusion["size"] == 500) & (tables.confusion["method"] == "data-mix")]
    wanted = {
        (int(label), int(predicted)): f"{100 * share:.0f}"
        for label, predicted, share in zip(rows["label"], rows["predicted"], rows["share"], strict=True)
    }
    assert {
        (round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in axes.texts
    } == wanted
    shown = next(one for one in axes.collections if one.get_gid() == "shares")
    assert isinstance(shown, PatchCollection)
    opaque = sorted(round(float(color[3]), 6) for color in np.asarray(shown.get_facecolor()))
    assert opaque == sorted(round(MOST_OPAQUE * float(share), 6) for share in rows["share"])


def test_the_commonest_mistakes_are_said(tables: StudyTables) -> None:
    text = describe_confusion_matrices(tables)
    rows = tables.confusion[(tables.confusion["size"] == 100) & (tables.confusion["method"] == "non")]
    wrong = rows[rows["label"] != rows["predicted"]].sort_values("share", ascending=False).iloc[0]
    assert f"non with 100 images takes most often {wrong['class']} for {wrong['predicted_class']}" in text.description
    assert len(text.table.rows) == 2 * 3 * 10
    assert text.table.rows[0][:3] == ("100", "non", "airplane")


def test_of_a_hundred_classes_the_largest_gains_and_losses_are_shown(hundred: StudyTables) -> None:
    wanted = [f"class {label}" for label in (*range(99, 89, -1), *range(9, -1, -1))]
    text = describe_accuracy_by_class(hundred)
    assert [row[1] for row in text.table.rows[:20]] == wanted
    assert "of 100 the 10 with the largest gains, then the 10 with the largest losses" in text.caption
    view = class_view(hundred)
    assert view is not None
    assert [row[0].text for row in view.rows] == wanted
    assert view.rows[0][-2].text == "+2.9"
    figure = draw_confusion_matrices(hundred)
    assert not any(axes.texts for axes in figure.axes)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["10\xa0%", "50\xa0%", "100\xa0%"]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [f"class {label}" for label in (*range(10), *range(90, 100))]
    assert "a row need not add up to 100" in describe_confusion_matrices(hundred).caption


def test_the_fields_follow_the_scheme_of_the_page(tables: StudyTables, tmp_path: Path) -> None:
    """On a dark page the fields are its own blue, and the numbers its own ink."""
    save_figure(draw_confusion_matrices(tables), tmp_path, "confusion_matrices", describe_confusion_matrices(tables))
    inline = load_figure(tmp_path, "confusion_matrices")
    assert inline is not None
    assert "fill:var(--series-1)" in inline.markup
    assert "#0072b2" not in inline.markup
    assert "#20262e" not in inline.markup


def test_a_study_without_results_says_so(tables: StudyTables) -> None:
    empty = dataclasses.replace(
        tables,
        class_summary=tables.class_summary.head(0),
        confusion=tables.confusion.head(0),
        metrics=tables.metrics.head(0),
    )
    for draw, describe in (
        (draw_accuracy_by_class, describe_accuracy_by_class),
        (draw_confusion_matrices, describe_confusion_matrices),
    ):
        assert [text.get_text() for text in draw(empty).texts] == ["No finished run yet."]
        assert "No run is finished yet." in describe(empty).description
    assert class_view(empty) is None
